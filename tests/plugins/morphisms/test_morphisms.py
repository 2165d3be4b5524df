"""Children give their parents' outputs, over random networks of every space."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from tgsage.plugins import inherited, morph, morphs, preserves
from tgsage.plugins.morphisms import layered
from tgsage.plugins.morphisms.weights import rectified
from tgsage.plugins.spaces import Space, cnn, get_space
from tgsage.plugins.testing import ConditionalSpace
from tgsage.rsa import RSAError
from torch import Tensor, nn

NARROW: dict[str, dict[str, Any]] = {
    "cnn6": {},
    "toy": {},
    "nasbench201": {"channels": 4},
    "macro": {"width": 0.125},
    "cell3": {"filters": 2, "repeats": 2, "n_reductions": 1},
    "cell4": {"filters": 8, "repeats": 1, "n_reductions": 1, "reduction": "strided", "stem": "imagenet"},
}


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(cnn._SETTINGS, "filters", (3, 5, 8))


def built(space: Space, architecture: Mapping[str, Any], seed: int) -> nn.Module:
    """A network that looks trained: no bias, scale, shift or average is 0 or 1."""
    torch.manual_seed(seed)
    network = space.build(architecture, input_shape=(3, 7, 7), n_classes=4, **NARROW[space.name])
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if value.ndim == 1 and value.is_floating_point():
                value.copy_(torch.rand_like(value) + 0.5 if "var" in name else torch.randn_like(value))
    return network


def outputs(network: nn.Module, *, training: bool) -> Tensor:
    images = torch.randn(4, 3, 7, 7, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        found: Tensor = network.train(training)(images)
    return found


def difference(
    space: Space, parent: Mapping[str, Any], child: Mapping[str, Any], *, training: bool, seed: int = 0
) -> float:
    """The largest difference of their logits, relative to the largest logit; nothing is left to chance weights."""
    one, other = built(space, parent, seed), built(space, child, seed + 1)
    other.load_state_dict(inherited(space, parent, child, one.state_dict(), other.state_dict()))
    before, after = outputs(one, training=training), outputs(other, training=training)
    return float((before - after).abs().max() / before.abs().max().clamp(min=1))


def inserts_norm(parent: Mapping[str, Any], child: Mapping[str, Any]) -> bool:
    return list(child.values()).count("BN") > list(parent.values()).count("BN")


@pytest.mark.filterwarnings("ignore:TF32")
@pytest.mark.parametrize("name", NARROW)
def test_a_child_gives_its_parents_outputs(name: str) -> None:
    space, rng = get_space(name), np.random.default_rng(1)
    tried = 0
    for turn in range(6 if name.startswith("cell") else 24):
        parent = space.sample(rng)
        try:
            child = morph(space, parent, rng, times=1 + turn % 3)
        except RSAError:
            assert not morphs(space, parent)
            continue
        assert child == space.canonical(child) != parent
        assert preserves(space, parent, child), (parent, child)
        assert difference(space, parent, child, training=False, seed=turn) < 1e-5, (parent, child)
        if not inserts_norm(parent, child):
            assert difference(space, parent, child, training=True, seed=turn) < 1e-5, (parent, child)
        tried += 1
    assert tried >= 3


@pytest.mark.filterwarnings("ignore:TF32")
@pytest.mark.parametrize("name", NARROW)
def test_every_single_morphism_preserves_the_function(name: str) -> None:
    space, rng = get_space(name), np.random.default_rng(4)
    parent = max((space.sample(rng) for _ in range(5)), key=lambda one: len(morphs(space, one)))
    children = morphs(space, parent)
    assert len({space.key(child) for child in children}) == len(children) > 0
    for place in rng.permutation(len(children))[: 3 if name.startswith("cell") else 12]:
        child = children[int(place)]
        assert preserves(space, parent, child)
        assert not preserves(space, child, parent)
        assert difference(space, parent, child, training=False) < 1e-5, (parent, child)


def test_all_kinds_of_morphisms_of_layers_occur() -> None:
    space, rng = get_space("cnn6"), np.random.default_rng(0)
    kinds = set[str]()
    for _ in range(20):
        kinds |= set(layered.changes(space.layers(space.sample(rng)), layered.Limits(6, (3, 5, 8), [(1, 1), (3, 5)])))  # type: ignore[attr-defined]
    assert kinds == {"deeper", "wider", "kernel", "skip"}


def test_inserted_batch_normalisation_hardly_changes_what_a_batch_gives() -> None:
    mean, deviation = torch.tensor([-2.0, 0.0, 0.5, 3.0]), torch.tensor([1.0, 2.0, 0.5, 1.0])
    drawn = torch.relu(mean + deviation * torch.randn(400_000, 4, generator=torch.Generator().manual_seed(0)))
    for ours, theirs in zip(rectified(mean, deviation), (drawn.mean(0), drawn.var(0)), strict=True):
        torch.testing.assert_close(ours, theirs, atol=0.01, rtol=0.01)


def test_spaces_without_morphisms_and_largest_networks_have_no_children() -> None:
    space = ConditionalSpace()
    start = space.sample(np.random.default_rng(0))
    assert morphs(space, start) == []
    assert not preserves(space, start, start)
    with pytest.raises(RSAError, match="no morphism of conditional leads further from this architecture"):
        morph(space, start, np.random.default_rng(0))
    whole = dict.fromkeys(("0-1", "0-2", "1-2", "0-3", "1-3", "2-3"), "conv3x3")
    assert morphs(get_space("nasbench201"), whole) == []


def test_other_children_keep_what_fits() -> None:
    space, rng = get_space("cnn6"), np.random.default_rng(5)
    for turn in range(10):
        parent = space.sample(rng)
        child = space.mutate(parent, rng)
        one, other = built(space, parent, turn), built(space, child, turn)
        other.load_state_dict(inherited(space, parent, child, one.state_dict(), other.state_dict()))
        assert outputs(other, training=True).isfinite().all()
    mutable = dict.fromkeys(("0-1", "0-2", "1-2", "0-3", "1-3", "2-3"), "conv1x1")
    tabular, changed = get_space("nasbench201"), mutable | {"0-3": "skip"}
    weights = [built(tabular, cell, seed).state_dict() for seed, cell in enumerate((mutable, changed))]
    kept = inherited(tabular, mutable, changed, *weights)
    assert all(torch.equal(kept[key], weights[0][key]) for key in kept)


@pytest.mark.parametrize("name", ["cnn4", "cell3"])
def test_an_architecture_is_found_again_from_its_parts(name: str) -> None:
    space, rng = get_space(name), np.random.default_rng(0)
    for _ in range(10):
        architecture = space.sample(rng)
        parts = space.layers(architecture) if isinstance(space, cnn.CNNSpace) else space.cell(architecture)  # type: ignore[attr-defined]
        assert space.architecture(parts) == architecture  # type: ignore[attr-defined]


def test_what_a_cell_can_become() -> None:
    space, none = get_space("nasbench201"), dict.fromkeys(("0-1", "0-2", "1-2", "0-3", "1-3", "2-3"), "none")
    skip = none | {"0-3": "skip"}
    assert not preserves(space, skip, none | {"0-3": "conv3x3"})  # ReLU would lose the negative part
    assert preserves(space, skip, none | {"0-1": "skip", "1-3": "skip", "0-3": "conv3x3"})  # a detour, and a zero
    assert preserves(space, none, none | {"0-3": "conv1x1"})
    assert not preserves(space, none, none | {"0-3": "avgpool"})
    assert preserves(space, none | {"0-3": "conv1x1"}, none | {"0-3": "conv3x3"})
    assert preserves(space, skip, skip | {"0-1": "avgpool", "1-3": "conv3x3"})
    assert not preserves(space, skip, skip | {"0-1": "conv3x3", "1-3": "skip"})
