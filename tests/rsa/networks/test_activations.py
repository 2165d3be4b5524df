"""Activations are what the layer returned, for every kind of module and whatever the batches."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tgsage.rsa.networks.extract as activations_module
import torch
import torchvision
from PIL import Image
from scipy.spatial.distance import pdist
from tgsage.rsa import RSAError, Stimuli, compute_rdm, extract, layer_rdms, record
from tgsage.rsa.networks.collector import Collector, draw_features
from tgsage.rsa.networks.readout import Readout
from torch import Tensor, nn


@pytest.fixture
def images() -> Tensor:
    return torch.rand(7, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def small_cnn() -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.Conv2d(8, 4, 3))


def test_an_in_place_operation_after_the_layer_does_not_change_its_features(images: Tensor) -> None:
    model = small_cnn().eval()
    with torch.no_grad():
        expected = model[1](model[0](images)).flatten(1).numpy()
    assert (expected < 0).any()
    np.testing.assert_allclose(extract(model, images, "1", batch_size=3)["1"], expected, atol=1e-6)
    with record(model, "1") as activations, torch.no_grad():
        model(images)
    np.testing.assert_allclose(activations["1"].flatten(1).numpy(), expected, atol=1e-6)


class Repeats(nn.Module):
    """Calls one module three times, another never, and returns tuples."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Linear(4, 4)
        self.unused = nn.Linear(4, 4)
        self.pair = Pair()

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(1)[:, :4]
        for _ in range(3):
            x = self.scale(x)
        first, rest = self.pair(x)
        return torch.as_tensor(first + rest["b"])


class Pair(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        return x, {"b": 2 * x}


def test_calls_of_one_pass_are_kept_apart(images: Tensor) -> None:
    model = Repeats()
    found = extract(model, images, ["scale"], batch_size=2)
    assert list(found) == ["scale#1", "scale#2", "scale#3"]
    with torch.no_grad():
        x = images.flatten(1)[:, :4]
        for call in range(1, 4):
            x = model.scale(x)
            np.testing.assert_allclose(found[f"scale#{call}"], x.numpy(), atol=1e-6)
    np.testing.assert_array_equal(extract(model, images, "scale#2", batch_size=2)["scale#2"], found["scale#2"])


def test_of_a_tuple_the_first_tensor_is_taken_unless_another_is_asked_for(images: Tensor) -> None:
    found = extract(Repeats(), images, ["pair", "pair[1]"])
    np.testing.assert_allclose(found["pair[1]"], 2 * found["pair"], rtol=1e-6)
    with pytest.raises(RSAError, match=r"pair returns 2 tensor\(s\), so there is no pair\[2\]"):
        extract(Repeats(), images, "pair[2]")


def test_a_layer_that_never_runs_is_an_error_by_name_and_left_out_by_auto(images: Tensor) -> None:
    with pytest.raises(RSAError, match="'unused' never runs"):
        extract(Repeats(), images, ["scale", "unused"])
    assert list(extract(Repeats(), images, "auto")) == ["scale#1", "scale#2", "scale#3"]
    model = Repeats()
    with record(model, ["unused", "pair"]) as activations:
        model(images)
    assert list(activations) == ["pair"]
    with pytest.raises(RSAError, match="'unused' did not run"):
        activations["unused"]


def test_mode_hooks_gradients_and_statistics_are_left_as_they_were(images: Tensor) -> None:
    model = small_cnn().train()
    model[1].eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    extract(model, images)
    assert model.training
    assert model[0].training
    assert not model[1].training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert model(images).requires_grad

    def fail(*_: Any) -> None:
        raise RuntimeError("no memory")

    handle = model[3].register_forward_hook(fail)
    with pytest.raises(RSAError, match=r"fails on images of shape \(3, 16, 16\): no memory"):
        extract(model, images)
    handle.remove()
    assert model.training
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_a_model_in_train_mode_gives_the_features_of_evaluation(images: Tensor) -> None:
    trained = extract(small_cnn().train(), images, batch_size=2)
    evaluated = extract(small_cnn().eval(), images, batch_size=7)
    for name in evaluated:
        np.testing.assert_allclose(trained[name], evaluated[name], atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_the_model_computes_in_its_own_precision_and_features_are_float32(images: Tensor, dtype: torch.dtype) -> None:
    expected = extract(small_cnn(), images)
    found = extract(small_cnn().to(dtype), images)
    for name, features in found.items():
        assert features.dtype == np.float32
        np.testing.assert_allclose(features, expected[name], atol=0.05 if dtype == torch.bfloat16 else 1e-5)


def test_memory_format_changes_nothing(images: Tensor) -> None:
    plain = extract(small_cnn(), images, n_features=50)
    model: nn.Module = small_cnn().to(memory_format=torch.channels_last)
    other = extract(model, images.to(memory_format=torch.channels_last), n_features=50)
    for name in plain:
        np.testing.assert_allclose(other[name], plain[name], atol=1e-6)


def test_the_subsample_depends_on_seed_and_layer_alone(images: Tensor) -> None:
    model = small_cnn()
    every = extract(model, images, n_features=60, batch_size=7)
    alone = extract(model, images, ["3"], n_features=60, batch_size=2)
    np.testing.assert_allclose(alone["3"], every["3"], atol=1e-6)
    full = extract(model, images, ["3"])["3"]
    index = draw_features(full.shape[1], 60, 0, "3")
    assert len(set(index)) == 60
    np.testing.assert_allclose(every["3"], full[:, index], atol=1e-6)
    other = extract(model, images, ["3"], n_features=60, seed=1)["3"]
    assert not np.array_equal(other, alone["3"])
    assert not np.array_equal(draw_features(1000, 60, 0, "a"), draw_features(1000, 60, 0, "b"))


@pytest.mark.parametrize("budget", [2**29, 1000])
def test_rdms_do_not_depend_on_batches_or_on_where_features_wait(
    images: Tensor, budget: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activations_module, "MEMORY_BUDGET", budget)
    rdms = layer_rdms(small_cnn(), images, n_features=100, batch_size=3)
    features = extract(small_cnn(), images, n_features=100)
    for name, rdm in rdms.items():
        np.testing.assert_allclose(rdm.values, pdist(features[name].astype(float), "correlation"), atol=1e-5)
        assert rdm.attrs["n_features"] == features[name].shape[1] == 100
    assert rdms["0"].attrs["of_features"] == 8 * 16 * 16


def test_rdms_by_group_are_those_of_the_group_means(images: Tensor) -> None:
    table = {
        "stimulus_id": [f"im{i}" for i in range(7)],
        "object_name": ["cup", "dog", "cup", "cat", "dog", "cup", "cat"],
        "category_name": ["thing", "animal", "thing", "animal", "animal", "thing", "animal"],
    }
    stimuli = Stimuli(images, table)
    rdm = layer_rdms(small_cnn(), stimuli, "3", by="object_name", batch_size=2)["3"]
    features = extract(small_cnn(), images, "3")["3"]
    expected = compute_rdm(features, groups=table["object_name"])
    assert rdm.labels == expected.labels == ("cup", "dog", "cat")
    assert rdm.by == "object_name"
    assert list(rdm.descriptors) == ["category_name"]
    assert list(rdm.descriptors["category_name"]) == ["thing", "animal", "animal"]
    np.testing.assert_allclose(rdm.values, expected.values, atol=1e-5)


def test_pil_images_lists_and_tensors_show_the_model_the_same() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 12, 12, 3), np.uint8)
    pictures = [Image.fromarray(image) for image in pixels]
    tensor = torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255
    from_list = extract(small_cnn(), pictures, "3")["3"]
    np.testing.assert_allclose(from_list, extract(small_cnn(), tensor, "3")["3"], atol=1e-6)


def test_a_torchvision_data_set_gives_ids_by_index_and_classes_as_categories() -> None:
    dataset = torchvision.datasets.FakeData(5, (3, 16, 16), 3, torchvision.transforms.ToTensor())
    stimuli = Stimuli.from_dataset(dataset)
    assert list(stimuli.table) == ["stimulus_id", "category_name"]
    assert list(stimuli.table["stimulus_id"]) == ["0", "1", "2", "3", "4"]
    assert stimuli[2].shape == (3, 16, 16)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"stimuli": torch.rand(0, 3, 16, 16)}, "no stimuli"),
        ({"stimuli": torch.rand(3, 16, 16)}, r"shape \(n, C, H, W\)"),
        ({"stimuli": "folder"}, "not str"),
        ({"batch_size": 0}, "must be a whole number from 1"),
        ({"seed": -1}, "seed must be a whole number from 0"),
        ({"layers": [0]}, "layers must be strings, got int"),
        ({"n_features": 0}, "must be a whole number from 1"),
        ({"layers": "7"}, "no layer '7'"),
        ({"device": "cuda:99"}, "cuda:99 cannot be used"),
        ({"stimuli": [Image.new("RGB", (8, 8)), Image.new("RGB", (9, 9))]}, r"differ in shape.*0 .*1 "),
    ],
)
def test_bad_input_is_named(images: Tensor, arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(RSAError, match=words):
        extract(small_cnn(), **({"stimuli": images} | arguments))


def test_an_image_that_cannot_be_decoded_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")

    class Folder:
        table = {"stimulus_id": ["good", "broken"]}  # noqa: RUF012

        def __len__(self) -> int:
            return 2

        def __getitem__(self, index: int) -> Image.Image:
            return Image.open(tmp_path / "broken.png") if index else Image.new("RGB", (8, 8))

    with pytest.raises(RSAError, match=r"image broken cannot be read"):
        extract(small_cnn(), Folder())


def test_what_is_no_module_is_named(images: Tensor) -> None:
    with pytest.raises(RSAError, match=r"got tuple; load_model returns \(module, preprocess\)"):
        extract((small_cnn(), None), images)  # type: ignore[arg-type]
    with pytest.raises(
        RSAError, match="metric 'manhattan' is not supported for network layers; give metric= one of correlation"
    ):
        layer_rdms(small_cnn(), images, metric="manhattan")


def test_a_constant_image_is_named_with_its_layer(images: Tensor) -> None:
    images[4] = 0.5
    with pytest.raises(RSAError, match=r"layer output: 1 of 7 rows: 4 has no variance"):
        layer_rdms(nn.Flatten(), images)


def test_a_layer_whose_width_changes_is_named(images: Tensor) -> None:
    class Similarities(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.flatten(1) @ x.flatten(1).T

    with pytest.raises(RSAError, match=r"layer 0 has 4 features in one batch and 3 in another"):
        extract(nn.Sequential(Similarities(), nn.Identity()), images, "0", batch_size=4)


def test_a_child_called_output_is_not_the_whole_model(images: Tensor) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(nn.Conv2d(3, 4, 3))
            self.output = nn.Sequential(nn.Conv2d(4, 2, 1))

        def forward(self, x: Tensor) -> Tensor:
            return torch.as_tensor(self.output(self.body(x)).mean((2, 3)))

    assert extract(Net(), images, "output")["output"].shape == (7, 2 * 14 * 14)


def test_a_model_that_calls_itself_loses_no_call(images: Tensor) -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Conv2d(3, 3, 3, padding=1)

        def forward(self, x: Tensor, again: bool = True) -> Tensor:
            x = self.stem(x)
            return torch.as_tensor(self(x, again=False)) if again else x

    assert list(extract(Twice(), images, "stem")) == ["stem#1", "stem#2"]


def test_calls_of_one_module_count_their_own_features(images: Tensor) -> None:
    class Shrinking(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 3)

        def forward(self, x: Tensor) -> Tensor:
            return torch.as_tensor(self.conv(self.conv(x)))

    rdms = layer_rdms(Shrinking(), images, "conv", n_features=100)
    assert [rdm.attrs["of_features"] for rdm in rdms.values()] == [3 * 14 * 14, 3 * 12 * 12]


def test_batch_must_come_first(images: Tensor) -> None:
    class Sequence(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.flatten(2).permute(2, 0, 1)

    with pytest.raises(RSAError, match="256 rows for a batch of 7"):
        extract(nn.Sequential(Sequence(), nn.Identity()), images, "0")


class Tokens(nn.Module):
    """Patches of 4 x 4 pixels as tokens, first or second."""

    def __init__(self, first: bool) -> None:
        super().__init__()
        self.first, self.project, self.block = first, nn.Conv2d(3, 8, 4, 4), nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.project(x).flatten(2)
        return torch.as_tensor(self.block(tokens.permute(2, 0, 1) if self.first else tokens.permute(0, 2, 1)))


@pytest.mark.parametrize("batch_size", [1, 4, 16, 17, 64])
@pytest.mark.parametrize("n", [16, 32, 33])
def test_tokens_first_are_refused_whatever_the_batch_size(n: int, batch_size: int) -> None:
    shown = torch.rand(n, 3, 16, 16, generator=torch.Generator().manual_seed(0))  # of 16 tokens
    right = extract(Tokens(first=False), shown, "block", batch_size=batch_size)["block"]
    assert right.shape == (n, 16 * 8)
    for call in (extract, layer_rdms):
        with pytest.raises(RSAError, match="the images must come first"):
            call(Tokens(first=True), shown, "block", batch_size=batch_size)


def test_passes_of_somebody_else_that_cannot_tell_tokens_from_images_are_refused() -> None:
    shown = torch.rand(32, 3, 16, 16)
    model = Tokens(first=False)
    for sizes, told in (((16, 16), False), ((16, 15, 1), True)):
        with Collector(model, shown, Readout("block")) as collector:
            for places in np.split(np.arange(32), np.cumsum(sizes)[:-1]):
                model(shown[places])
                collector.take(places)
        assert collector.ambiguous == ([] if told else ["block"])
        if not told:
            with pytest.raises(RSAError, match=r"layer block.*as many tokens as images.*another batch size"):
                collector.rdms()
    assert list(collector.rdms()) == ["block"]


@pytest.mark.parametrize("where", ["whole", "child", "in place", "child in place"])
def test_compiled_models_have_the_features_of_plain_ones(images: Tensor, where: str) -> None:
    expected = extract(small_cnn().eval(), images, ["1", "3"])
    model: Any = nn.Sequential(small_cnn().eval())
    if where == "whole":
        model = torch.compile(model, backend="eager")
    elif where == "child":
        model[0] = torch.compile(model[0], backend="eager")
    else:
        (model if where == "in place" else model[0]).compile(backend="eager")
    with torch.no_grad():
        model(images)  # compiled without hooks
    assert list(extract(model, images)) == ["0.0", "0.1", "0.2", "0.3"]
    found = extract(model, images, ["0.1", "0.*"], batch_size=3)
    for name, features in expected.items():
        np.testing.assert_allclose(found[f"0.{name}"], features, atol=1e-6)
    with record(model, "0.3") as activations, torch.no_grad():
        model(images)
        np.testing.assert_allclose(activations["0.3"].flatten(1).numpy(), expected["3"], atol=1e-6)


class Quantised(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.quantize_per_tensor(x, 0.1, 0, torch.qint8)


class Sparse(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.to_sparse()


@pytest.mark.filterwarnings("ignore:.*torch.quantize_per_tensor.*:UserWarning")
def test_quantised_outputs_become_numbers_and_sparse_ones_are_named(images: Tensor) -> None:
    found = extract(nn.Sequential(Quantised()), images, "0")["0"]
    np.testing.assert_allclose(found, np.round(images.flatten(1).numpy() / 0.1) * 0.1, atol=1e-5)
    with pytest.raises(RSAError, match="layer 0 returns a sparse tensor"):
        extract(nn.Sequential(Sparse()), images, "0")


def test_gradients_flow_through_recorded_activations_when_asked(images: Tensor) -> None:
    model = small_cnn()
    with record(model, "0", detach=False) as activations:
        model(images)
        activations["0"].square().sum().backward()  # type: ignore[no-untyped-call]
    assert model[0].weight.grad is not None


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_gives_the_same_features_and_the_model_comes_back(images: Tensor) -> None:
    model = small_cnn()
    found = extract(model, images, n_features=50, device="cuda")
    assert next(model.parameters()).device.type == "cpu"
    for name, features in extract(model, images, n_features=50).items():
        np.testing.assert_allclose(found[name], features, atol=1e-3)
