"""Trained networks: by name, their accuracy with each use of batch normalisation, and as teachers."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tgsage.plugins.training import (
    Data,
    evaluate_network,
    get_recipe,
    load_data,
    load_network,
    make_network,
    network_teacher,
    normalising,
    place,
    train,
)
from tgsage.rsa import Guidance, RSAError
from torch import nn

from ..stripes import RECIPE, network, same, weights


def test_a_network_is_made_again_from_its_checkpoint(tmp_path: Path, data: Data) -> None:
    model = make_network("resnet:1", shape=data.shape, n_classes=3, seed=2)
    train(model, data, RECIPE, epochs=1, device="cpu", checkpoint=tmp_path / "net.pt")
    again = load_network(tmp_path / "net.pt")
    with torch.no_grad():
        images = torch.randn(2, *data.shape)
        torch.testing.assert_close(again(images), model(images))


def test_networks_have_names_and_seeds() -> None:
    shape = (3, 32, 32)
    for name, parameters in (
        ("resnet:3", 269_722),
        ("resnet:3B", 272_474),
        ("nasnet-a", 3_346_538),
        ("torchvision:resnet18", 11_181_642),
    ):
        model = make_network(name, shape=shape, n_classes=10)
        assert sum(p.numel() for p in model.parameters() if p.requires_grad) == parameters
    choices = {"n_layers": 1, "layer1/filters": 4, "layer1/kernel": 3, "layer1/pool": "none"}
    toy = [
        make_network({"space": "toy", "architecture": choices}, shape=shape, n_classes=10, seed=s) for s in (0, 0, 1)
    ]
    assert same(weights(toy[0]), weights(toy[1]))
    assert not same(weights(toy[0]), weights(toy[2]))
    for message, name in (("did you mean resnet:N", "resnet"), ("no classifier 'resnet9'", "torchvision:resnet9")):
        with pytest.raises(RSAError, match=message):
            make_network(name, shape=shape, n_classes=10)


def test_batch_statistics_are_those_of_each_batch_and_leave_no_trace(data: Data) -> None:
    model = network()
    train(model, data, RECIPE, examples=20, device="cpu")
    model.train()
    before = weights(model)
    found = evaluate_network(model, data, "valid", device="cpu", amp=False, channels_last=False)
    assert same(weights(model), before)
    assert all(module.training for module in model.modules())
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    with torch.no_grad():
        logits = model(data.normalise(data.valid.images))  # in training mode: the batch's statistics
    assert found.accuracy == (logits.argmax(1) == data.valid.labels).double().mean().item()
    assert found.loss == pytest.approx(nn.functional.cross_entropy(logits, data.valid.labels).item(), rel=1e-4)
    assert evaluate_network(model, data, "valid", device="cpu", amp=False).accuracy == found.accuracy


def test_recalibrated_statistics_are_the_plain_mean_over_training_images(data: Data) -> None:
    model = nn.Sequential(nn.BatchNorm2d(3), nn.Flatten(), nn.LazyLinear(3))
    with torch.no_grad():
        model(data.normalise(data.valid.images))
    inputs = data.normalise(data.train.images)
    first = model[0]
    assert isinstance(first, nn.BatchNorm2d)
    with normalising(model, "recalibrated", lambda: [model(inputs[:50]), model(inputs[50:])]):
        assert first.running_mean is not None
        expected = (inputs[:50].mean((0, 2, 3)) + inputs[50:].mean((0, 2, 3))) / 2
        torch.testing.assert_close(first.running_mean, expected)
    assert not first.training or model.training
    assert first.momentum == 0.1
    assert int(first.num_batches_tracked or 0) == 1


def test_recalibrated_outputs_do_not_depend_on_the_other_images(data: Data) -> None:
    model = network()
    train(model, data, RECIPE, examples=20, device="cpu")
    found = [
        evaluate_network(model, data, "valid", batchnorm="recalibrated", batch_size=size, device="cpu", amp=False)
        for size in (20, 7)
    ]
    assert found[0].accuracy == found[1].accuracy
    batch = evaluate_network(model, data, "valid", batch_size=7, device="cpu", amp=False)
    assert batch.loss != evaluate_network(model, data, "valid", batch_size=20, device="cpu", amp=False).loss


def test_a_listener_gets_every_batch_s_logits(data: Data) -> None:
    model, rows = network(), dict[int, int]()

    def note(places: torch.Tensor, logits: torch.Tensor) -> None:
        rows.update(zip(places.tolist(), logits.argmax(1).tolist(), strict=True))

    found = evaluate_network(model, data, "test", batch_size=8, device="cpu", each=note)
    assert list(rows) == list(range(30))
    assert found.accuracy == np.mean([rows[i] == label for i, label in enumerate(data.test.labels.tolist())])


def test_bfloat16_is_chosen_for_pictures_on_machines_that_have_it() -> None:
    supported = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    assert place((3, 32, 32), "cpu").amp == supported
    assert not place((1, 8, 8), "cpu").amp
    assert place((1, 8, 8), "cpu", amp=True, channels_last=False).amp


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("device", ["cuda", "cuda:0", "meta"])
def test_a_device_that_is_not_there_is_told_before_anything_else(device: str, data: Data) -> None:
    for call in (lambda: place((3, 32, 32), device), lambda: train(network(), data, RECIPE, epochs=0, device=device)):
        with pytest.raises(RSAError, match=f"device {device} cannot be used: ") as caught:
            call()
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("by", ["category_name", "stimulus"])
def test_a_network_is_its_own_best_candidate(data: Data, by: str) -> None:
    model = network()
    train(model, data, RECIPE, epochs=1, device="cpu")
    made = network_teacher("net", model, data, by=by, limit=15, layers=["0", "1"], device="cpu")
    assert (made.by, made.stimuli, len(made.stimulus_ids)) == (by, "stripes/valid", 15)
    guide = Guidance(made, data.stimuli("valid"), preprocess=data.preprocess, layers=["0", "1"], batchnorm="running")
    score = guide(model)
    assert score.tg == pytest.approx(1.0)


def test_a_candidate_of_three_layers_learns_the_digits_in_ten_epochs() -> None:
    digits = load_data("digits")
    choices: dict[str, int | str] = {"n_layers": 3}
    for j, stride in ((1, 1), (2, 2), (3, 1)):
        choices |= {f"layer{j}/filters": 32, f"layer{j}/kernel_width": 3, f"layer{j}/kernel_height": 3}
        choices |= {f"layer{j}/stride": stride, f"layer{j}/activation": "ReLU", f"layer{j}/normalisation": "BN"}
        choices |= {
            f"layer{j}/from_{source}": int(source == f"layer{j - 1}")
            for source in ("image", "layer1", "layer2")[: j if j > 1 else 0]
        }
    model = make_network({"space": "cnn10", "architecture": choices}, shape=digits.shape, n_classes=10)
    train(model, digits, get_recipe("digits"), epochs=10, device="cpu")
    assert evaluate_network(model, digits, "test", batchnorm="running", device="cpu").accuracy >= 0.95


@pytest.mark.slow
def test_a_resnet_20_learns_the_jpegs(data_dir: Path) -> None:
    """A tenth of the images of one epoch: far above chance, as the whole training of minutes is in the README."""
    images = load_data("cifar10-jpeg", data_dir=data_dir)
    model = make_network("resnet:3", shape=images.shape, n_classes=10)
    result = train(model, images, get_recipe("one-cycle"), examples=4000, device="cpu")
    assert result.status == "ok"
    assert evaluate_network(model, images, "valid", device="cpu").accuracy > 0.15
