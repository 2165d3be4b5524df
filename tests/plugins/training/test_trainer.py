"""Training: equal seeds, interruption, premature ends, and failures."""

import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tgsage.plugins.training import (
    Checkpoint,
    Data,
    Moment,
    Recipe,
    build_seeded,
    evaluate_network,
    get_recipe,
    load_data,
    load_network,
    train,
)
from tgsage.rsa import RSAError
from torch import Tensor, nn

from ..stripes import RECIPE, network, same, weights


@pytest.mark.parametrize("amp", [False, True])
def test_equal_seeds_give_equal_weights_whatever_was_drawn_before(data: Data, amp: bool) -> None:
    found = []
    for seed in (0, 0, 1):
        model = network()
        torch.rand(3)
        train(model, data, RECIPE, epochs=2, seed=seed, device="cpu", amp=amp)
        found.append(weights(model))
    assert same(found[0], found[1])
    assert not same(found[0], found[2])


def test_a_report_may_evaluate_the_network_and_changes_nothing(data: Data) -> None:
    watched, alone = network(), network()

    def watch(moment: Moment) -> None:
        evaluate_network(watched, data, "valid", device="cpu")
        watched.eval()

    train(watched, data, RECIPE, epochs=3, device="cpu", report=watch)
    train(alone, data, RECIPE, epochs=3, device="cpu")
    assert same(weights(watched), weights(alone))


def test_training_leaves_torch_s_generator_as_it_was(data: Data) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    train(network(3), data, RECIPE, epochs=1, device="cpu")
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("optimiser", ["sgd", "rmsprop", "adamw"])
@pytest.mark.parametrize("at", [1.0, 1.5])
def test_a_resumed_training_equals_the_uninterrupted_one(data: Data, tmp_path: Path, optimiser: str, at: float) -> None:
    recipe = get_recipe("cifar-cell", epochs=3, batch_size=16, optimiser=optimiser, lr=0.01, pad=2)
    whole, part, file = network(), network(), tmp_path / "net.pt"
    expected = train(whole, data, recipe, seed=4, device="cpu")

    def interrupt(moment: Moment) -> None:
        if moment.epoch >= at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(part, data, recipe, seed=4, device="cpu", checkpoint=file, moments=(at,), report=interrupt)
    other = network(seed=9)
    resumed = train(other, data, recipe, seed=4, device="cpu", checkpoint=file, resume=file)
    assert same(weights(other), weights(whole))
    assert [replace(moment, seconds=0) for moment in resumed.history] == [
        replace(moment, seconds=0) for moment in expected.history
    ]
    assert (resumed.examples, resumed.finished) == (expected.examples, True) == (300, True)
    assert same(weights(other), dict(Checkpoint.load(file).model))


def test_the_progress_of_a_resumed_training_begins_with_what_was_done(data: Data, tmp_path: Path) -> None:
    file, sizes = tmp_path / "net.pt", list[int]()
    train(network(), data, RECIPE, epochs=1.5, device="cpu", checkpoint=file)
    train(network(), data, RECIPE, epochs=3, device="cpu", resume=file, progress=sizes.append)
    assert sizes[0] == 157
    assert sum(sizes) == 300


def test_a_premature_network_is_the_one_the_recipe_passes_through(data: Data, tmp_path: Path) -> None:
    file = tmp_path / "net.pt"
    train(network(), data, RECIPE, epochs=3, device="cpu", checkpoint=file, moments=(0, 1.5))
    assert same(dict(Checkpoint.load(tmp_path / "net@0.pt").model), weights(network()))
    early = network()
    stopped = train(early, data, RECIPE, epochs=1.5, device="cpu")
    assert same(dict(Checkpoint.load(tmp_path / "net@1.5.pt").model), weights(early))
    assert (stopped.examples, stopped.epochs, stopped.finished) == (157, 157 / 100, False)


def test_a_training_stops_at_the_first_batch_with_so_many_examples(data: Data) -> None:
    for examples, seen in ((0, 0), (1, 14), (14, 14), (15, 28), (100, 100), (101, 114)):
        model = network()
        result = train(model, data, RECIPE, examples=examples, device="cpu")
        assert (result.examples, result.status) == (seen, "ok")
        assert same(weights(model), weights(network())) == (seen == 0)


def test_every_image_is_seen_once_an_epoch_in_batches_of_one_size(data: Data) -> None:
    sizes: list[int] = []
    result = train(network(), data, RECIPE, epochs=2, device="cpu", progress=sizes.append)
    assert sum(sizes[:7]) == sum(sizes[7:]) == len(data.train) == 100
    assert set(sizes) == {14, 15}
    assert [moment.examples for moment in result.history] == [100, 200]


def test_one_batch_is_one_step_of_plain_torch(data: Data) -> None:
    recipe = Recipe("plain", epochs=1, lr=0.1, schedule="constant", batch_size=100, weight_decay=0.01, clip=0.5)
    model, reference = network(), network()
    for dropout in (model[1][3], reference[1][3]):  # type: ignore[index]
        dropout.p = 0.0
    train(model, data, recipe, device="cpu", amp=False, channels_last=False)
    pixels = data.train.images.double()
    inputs = (pixels - pixels.mean((1, 2, 3), keepdim=True)) / pixels.std((1, 2, 3), correction=0, keepdim=True)
    optimiser = torch.optim.SGD(reference.parameters(), 0.1, 0.9, weight_decay=0.01, nesterov=True)
    nn.functional.cross_entropy(reference.train()(inputs.float()), data.train.labels).backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(reference.parameters(), 0.5)
    optimiser.step()
    for name, value in reference.state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], value, rtol=1e-4, atol=1e-5)


def test_an_auxiliary_head_counts_by_its_weight(data: Data) -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.main, self.side = nn.Linear(768, 3), nn.Linear(768, 3)

        def forward(self, images: Tensor) -> Tensor | tuple[Tensor, Tensor]:
            flat = images.flatten(1)
            return (self.main(flat), self.side(flat)) if self.training else self.main(flat)

    recipe = Recipe("plain", 1, 0.01, "constant", batch_size=100, momentum=0.0)
    steps = []
    for weight in (0.4, 0.8):
        model = build_seeded(Two, 0)
        before = weights(model)
        train(model, data, replace(recipe, auxiliary=weight), device="cpu", amp=False)
        steps.append({name: value - before[name] for name, value in weights(model).items()})
    torch.testing.assert_close(steps[0]["main.weight"], steps[1]["main.weight"])
    torch.testing.assert_close(2 * steps[0]["side.weight"], steps[1]["side.weight"], rtol=1e-3, atol=1e-6)


def test_a_diverging_training_fails_with_a_reason(data: Data) -> None:
    result = train(network(), data, get_recipe("cifar-cnn", lr=1e30, batch_size=16), epochs=2, device="cpu")
    assert (result.status, result.finished) == ("failed", False)
    assert "became" in result.reason
    assert 0 < result.examples <= 200


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        MemoryError("no room"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    ],
)
def test_memory_that_does_not_suffice_fails_with_a_reason(data: Data, error: Exception) -> None:
    class Hungry(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight, self.calls = nn.Parameter(torch.zeros(3)), 0

        def forward(self, images: Tensor) -> Tensor:
            self.calls += 1
            if self.calls > 3:
                raise error
            return images.mean((1, 2, 3))[:, None] * self.weight

    result = train(Hungry(), data, RECIPE, device="cpu")
    assert (result.status, result.examples) == ("failed", 42)
    assert result.reason.startswith("out of memory: ")


def test_an_error_of_the_network_itself_is_not_hidden(data: Data) -> None:
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        train(nn.Sequential(nn.Flatten(), nn.Linear(5, 3)), data, RECIPE, device="cpu")


def test_checkpoints_of_other_trainings_and_hostile_files_are_refused(data: Data, tmp_path: Path) -> None:
    file = tmp_path / "net.pt"
    train(network(), data, RECIPE, epochs=1, seed=1, device="cpu", checkpoint=file)
    other = replace(data, train=replace(data.train, labels=data.train.labels.flip(0)))
    with pytest.raises(RSAError, match="of another training: content was"):
        train(network(), other, RECIPE, epochs=1, seed=1, resume=file, device="cpu")
    kept = Checkpoint.load(file)
    older = replace(kept, settings={key: value for key, value in kept.settings.items() if key != "content"})
    older.check_settings(kept.settings)
    with pytest.raises(RSAError, match="of another training: seed was 1 and is 2 now"):
        train(network(), data, RECIPE, seed=2, resume=file, device="cpu")
    with pytest.raises(RSAError, match=r"of another training: lr was 0\.05 and is 0\.1 now"):
        train(network(), data, replace(RECIPE, lr=0.1), seed=1, resume=file, device="cpu")
    with pytest.raises(RSAError, match="after 1 epochs, later than this training ends"):
        train(network(), data, RECIPE, epochs=0.5, seed=1, resume=file, device="cpu")
    with pytest.raises(RSAError, match="of another network"):
        train(nn.Sequential(nn.Flatten(), nn.Linear(768, 3)), data, RECIPE, seed=1, resume=file, device="cpu")
    with pytest.raises(RSAError, match="does not say which network"):
        load_network(file)
    torch.save({"model": Path("code")}, tmp_path / "bad.pt")
    file.write_bytes(file.read_bytes()[:-300])
    for path, message in ((file, "damaged"), (tmp_path / "bad.pt", "not loaded"), (tmp_path / "no.pt", "no such")):
        with pytest.raises(RSAError, match=message):
            Checkpoint.load(path)


def test_lengths_that_cannot_be_are_told(data: Data) -> None:
    with pytest.raises(RSAError, match="give one of them"):
        train(network(), data, RECIPE, epochs=1, examples=5)
    with pytest.raises(RSAError, match="epoch 3 is not within this training of 2"):
        train(network(), data, RECIPE, epochs=2, moments=(1, 3))
    with pytest.raises(RSAError, match="recipe small ends after 4 epochs"):
        train(network(), data, RECIPE, epochs=5)
    with pytest.raises(RSAError, match="recipe imagenet-cell resizes pictures"):
        train(network(), data, get_recipe("imagenet-cell"))
    with pytest.raises(RSAError, match="no device 'gpu'"):
        train(network(), data, RECIPE, device="gpu")


@pytest.mark.slow
def test_two_processes_train_what_one_trains(data: Data, tmp_path: Path) -> None:
    launcher, source = [sys.executable, "-m", "torch.distributed.run"], Path(__file__).parents[1] / "train_together.py"
    command: list[str | Path] = [*launcher, "--standalone", "--nproc-per-node=2", source, tmp_path / "net.pt"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    together = Checkpoint.load(tmp_path / "net.pt")
    digits = load_data("digits")
    alone = build_seeded(lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), 0)
    result = train(alone, digits, get_recipe("one-cycle", batch_size=64), epochs=1, device="cpu", channels_last=False)
    for name, value in alone.state_dict().items():
        torch.testing.assert_close(together.model[name], value, rtol=1e-3, atol=1e-4)
    assert together.history[0]["loss"] == pytest.approx(result.history[0].loss, rel=1e-3)
    assert together.history[0]["examples"] == len(digits.train)
    assert math.isfinite(together.seconds)
