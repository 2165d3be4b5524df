"""Checkpoints of strangers: nothing in them may cost more memory than their size."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tgsage.plugins.spaces import get_space
from tgsage.plugins.training import Checkpoint, load_network, make_network, train
from tgsage.rsa import RSAError
from torch import Tensor

from ...files import compressed, no_room
from ..stripes import RECIPE, network, stripes

SHAPE = (3, 32, 32)


def save(path: Path, described: Any, weights: Mapping[str, Tensor], n_classes: int = 10) -> Path:
    origin = json.dumps({"network": described, "shape": SHAPE, "n_classes": n_classes}) if described else ""
    state = {"cpu": torch.get_rng_state()}
    Checkpoint(weights, {}, {}, origin, 0, (0.0, 0.0, 0.0), state, (), 0.0).save(path)
    return path


def cells(space: str = "cell", **settings: Any) -> dict[str, Any]:
    chosen = get_space(space)
    return {"space": space, "architecture": chosen.complete({}), "settings": settings}


@pytest.mark.parametrize(
    ("described", "n_classes"),
    [
        ("resnet:1", 10**7),
        ("resnet:100000000", 10),
        ("torchvision:resnet18", 10),
        (cells(filters=10**6), 10),
        (cells("nasbench201", channels=10**6), 10),
    ],
)
def test_a_network_larger_than_the_file_s_weights_is_refused_before_it_takes_memory(
    described: Any, n_classes: int, tmp_path: Path
) -> None:
    weights = make_network("resnet:1", shape=SHAPE, n_classes=10).state_dict()
    with pytest.raises(RSAError, match="describes a larger network than its 44 weights"):
        load_network(save(tmp_path / "a.pt", described, weights, n_classes))


@pytest.mark.parametrize(
    ("described", "message"),
    [
        (cells(repeats=10**9), "3000000005 cells, more than 10000"),
        (cells("nasbench201", cells=10**9), "at most 1000"),
        (cells(filters=10**30), "cannot be built"),
        (cells(filters="many"), "filters is 'many'"),
        ({"space": "cell", "architecture": {}, "settings": [1]}, "must be a mapping"),
        ({"space": 5, "architecture": {}}, "the architecture of 5 cannot be built"),
        (5, "no network is named '5'"),
        ("", "does not say which network"),
    ],
)
def test_a_network_that_cannot_be_is_told_in_one_line(described: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(RSAError, match=message) as caught:
        load_network(save(tmp_path / "a.pt", described, {"w": torch.zeros(3)}))
    assert "\n" not in str(caught.value)


def test_weights_that_repeat_one_number_are_no_weights(tmp_path: Path) -> None:
    own = make_network("resnet:1", shape=SHAPE, n_classes=10).state_dict()
    repeated = {name: torch.zeros((), dtype=value.dtype).expand(value.shape) for name, value in own.items()}
    with pytest.raises(RSAError, match="describes a larger network"):
        load_network(save(tmp_path / "a.pt", "resnet:1", repeated))


def test_a_training_goes_on_from_a_whole_state_only(tmp_path: Path) -> None:
    data, model = stripes(), network()
    train(model, data, RECIPE, epochs=1, device="cpu", checkpoint=tmp_path / "a.pt")
    kept = Checkpoint.load(tmp_path / "a.pt")
    for change, message in (
        ({"position": -1}, "position lies before"),
        ({"random": {}}, "history or random numbers cannot be read"),
        ({"random": {"cpu": torch.zeros(3, dtype=torch.uint8)}}, "history or random numbers cannot be read"),
        ({"history": ({"epoch": 1.0},)}, "history or random numbers cannot be read"),
        ({"optimiser": {"state": 3}}, "optimiser is of another network"),
        ({"model": {"w": 3}}, "a weight of it is no tensor"),
    ):
        replace(kept, **change).save(tmp_path / "b.pt")
        with pytest.raises(RSAError, match=message):
            train(network(), data, RECIPE, epochs=2, device="cpu", resume=tmp_path / "b.pt")


@pytest.mark.parametrize("optimiser", ["sgd", "adamw", "rmsprop"])
def test_an_optimiser_that_unfolds_to_more_than_its_file_is_refused(optimiser: str, tmp_path: Path) -> None:
    recipe = replace(RECIPE, optimiser=optimiser, momentum=0.9)
    train(network(), stripes(), recipe, examples=1, device="cpu", checkpoint=tmp_path / "a.pt")
    huge = torch.zeros(1, dtype=torch.float64).expand(10**9, 10**9)

    def restored(change: Callable[[dict[str, Any], dict[str, Any]], None]) -> None:
        kept = Checkpoint.load(tmp_path / "a.pt")
        change(kept.optimiser["state"][0], kept.optimiser["param_groups"][0])
        kept.save(tmp_path / "b.pt")
        assert (tmp_path / "b.pt").stat().st_size < 10**6
        model = network()
        Checkpoint.load(tmp_path / "b.pt").restore(model, recipe.make_optimiser(model.parameters()))

    restored(lambda state, group: None)
    changes: list[Callable[[dict[str, Any], dict[str, Any]], None]] = [
        lambda state, group: state.update({next(iter(state)): huge}),
        lambda state, group: state.update({next(iter(state)): [huge]}),
        lambda state, group: state.update(more=huge),
        lambda state, group: group.update(lr=huge),
        lambda state, group: group.update(weight_decay=huge),
        lambda state, group: group.update(betas=(huge, huge)),
        lambda state, group: group.update(more=[huge]),
    ]
    for change in changes:
        with pytest.raises(RSAError, match="the checkpoint's optimiser is of another network: "):
            restored(change)


def test_a_full_disk_costs_one_line_and_no_older_checkpoint(tmp_path: Path) -> None:
    file, data = tmp_path / "a.pt", stripes()
    train(network(), data, RECIPE, examples=1, device="cpu", checkpoint=file)
    before = file.read_bytes()
    with no_room(len(before) // 2), pytest.raises(RSAError, match=r"^cannot write .*a.pt: File too large$"):
        train(network(), data, RECIPE, epochs=2, device="cpu", checkpoint=file, resume=file)
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


def test_a_compressed_file_and_another_format_are_refused_unread(tmp_path: Path) -> None:
    own = make_network("resnet:1", shape=SHAPE, n_classes=10).state_dict()
    file, packed = save(tmp_path / "a.pt", "resnet:1", own), tmp_path / "b.pt"
    assert load_network(file).state_dict().keys() == own.keys()
    compressed(file, packed)
    torch.save(dict(own), tmp_path / "c.pt", _use_new_zipfile_serialization=False)
    for path in (packed, tmp_path / "c.pt"):
        with pytest.raises(RSAError, match="no checkpoint of tgsage, or is damaged"):
            load_network(path)


def test_a_network_s_parameters_are_counted_only_while_a_checkpoint_is_loaded(tmp_path: Path) -> None:
    with pytest.raises(RSAError, match="larger network"):
        load_network(save(tmp_path / "a.pt", "resnet:1", {"w": torch.zeros(3)}))
    assert make_network("resnet:1", shape=SHAPE, n_classes=10).training
