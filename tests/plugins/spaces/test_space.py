"""What every search space promises, whatever it describes."""

import itertools
import json
import pickle
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tgsage.plugins.spaces import CNNSpace, Dimension, Space, get_space
from tgsage.rsa import RSAError
from torch import nn

NAMES = ("cnn3", "cnn10", "cell", "cell2", "nasbench201", "macro", "toy")
ALL = (*NAMES, "rnn-tree4", "nas-bench-nlp")


def every_choice(space: Space) -> Iterator[dict[str, Any]]:
    """All assignments of active dimensions, by going through the dimensions in order."""

    def go(chosen: dict[str, Any], rest: tuple[Dimension, ...]) -> Iterator[dict[str, Any]]:
        if not rest:
            yield chosen
            return
        first, *others = rest
        if first.parent and chosen.get(first.parent) not in first.when:
            yield from go(chosen, tuple(others))
            return
        for choice in first.choices:
            yield from go({**chosen, first.name: choice}, tuple(others))

    return go({}, space.dimensions)


def written(space: Space, rng: np.random.Generator) -> dict[str, Any]:
    """A random assignment of active dimensions as a searcher might write it, not canonical."""
    chosen: dict[str, Any] = {}
    for dimension in space.dimensions:
        if not dimension.parent or chosen.get(dimension.parent) in dimension.when:
            chosen[dimension.name] = dimension.choices[int(rng.integers(len(dimension.choices)))]
    return chosen


@pytest.mark.parametrize("name", ALL)
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_canonical_is_idempotent_and_valid_and_json(name: str, seed: int) -> None:
    space = get_space(name)
    architecture = written(space, np.random.default_rng(seed))
    simple = space.canonical(architecture)
    space.validate(simple)
    assert space.canonical(simple) == simple
    assert list(simple) == [dimension.name for dimension in space.active(simple)]
    assert json.loads(space.key(simple)) == simple
    assert space.complete(architecture) == simple


@pytest.mark.parametrize("name", NAMES)
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=10, deadline=None)
def test_a_mutation_is_another_network_one_choice_away(name: str, seed: int) -> None:
    space, rng = get_space(name), np.random.default_rng(seed)
    start = space.sample(rng)
    other = space.mutate(start, rng)
    assert other != start
    assert other == space.canonical(other)
    changed = [d for d in space.dimensions if d.name in start and d.name in other and start[d.name] != other[d.name]]
    depth = space.dimensions[0].name if name.startswith(("cnn", "toy")) else ""
    collapsing = {"cnn3": 2, "cnn10": 2, "cell": 6, "cell2": 6, "nasbench201": 6, "macro": 2, "toy": 1}[name]
    assert 1 <= len(changed) <= collapsing
    if set(start) != set(other):
        assert [d.name for d in changed] == [depth]


@pytest.mark.parametrize("name", ["cnn2", "cell2", "nasbench201", "macro", "toy"])
def test_neighbours_are_all_networks_at_one_change_and_each_once(name: str) -> None:
    space = get_space(name)
    start = space.sample(np.random.default_rng(3))
    expected = set()
    for dimension in space.active(start):
        for choice in dimension.choices:
            expected.add(space.key(space.complete({**start, dimension.name: choice})))
    found = [space.key(neighbour) for neighbour in space.neighbours(start)]
    assert sorted(found) == sorted(expected - {space.key(start)})
    assert len(found) > 3


@pytest.mark.parametrize("name", ["cnn1", "cell1", "nasbench201", "macro", "toy"])
def test_size_is_the_number_of_assignments(name: str) -> None:
    space = get_space(name)
    assert space.size() == sum(1 for _ in every_choice(space))


def test_size_of_a_large_space_is_an_exact_integer() -> None:
    expected = sum((3 * 4 * 4 * 2 * 2 * 2) ** n * 2 ** sum(range(2, n + 1)) for n in range(1, 21))
    assert get_space("cnn20").size() == expected
    assert get_space("cell").size() == (2 * 3 * 4 * 5 * 6) ** 2 * 8**10 * 4


@pytest.mark.parametrize("name", ["cell1", "nasbench201", "macro", "toy"])
def test_samples_reach_distinct_networks_and_repeat_with_their_seed(name: str) -> None:
    space = get_space(name)
    rng = np.random.default_rng(0)
    drawn = [space.key(space.sample(rng)) for _ in range(200)]
    again = np.random.default_rng(0)
    assert drawn == [space.key(space.sample(again)) for _ in range(200)]
    assert len(set(drawn)) > 50


def test_a_sample_chooses_uniformly() -> None:
    space, rng = get_space("toy"), np.random.default_rng(1)
    depths = np.bincount([int(space.sample(rng)["n_layers"]) for _ in range(3000)], minlength=4)[1:]
    assert np.abs(depths - 1000).max() < 4 * np.sqrt(3000 * 2 / 9)


def test_validation_names_all_that_is_wrong_at_once() -> None:
    space = get_space("toy")
    architecture: dict[str, Any] = space.complete({"n_layers": 2})
    del architecture["layer1/pool"]
    architecture |= {"layer2/kernel": 4, "layer3/pool": "max", "layer1/filter": 8, "layer1/filters": True}
    with pytest.raises(RSAError) as caught:
        space.validate(architecture)
    message = str(caught.value)
    assert "\n" not in message
    for part in (
        "layer1/pool is missing",
        "layer2/kernel is 4, not one of 1, 3, 5",
        "layer3/pool exists only where n_layers is 3",
        "no dimension 'layer1/filter'; did you mean layer1/filters",
        "layer1/filters is True, not one of 4, 8, 16",
    ):
        assert part in message


def test_a_file_full_of_unknown_names_is_refused_quickly() -> None:
    with pytest.raises(RSAError, match="4980 more names that are no dimensions"):
        get_space("cnn20").validate({f"strange{i}" * 100: 1 for i in range(5000)})


@pytest.mark.parametrize("wrong", [None, [], "n_layers", 3])
def test_an_architecture_is_a_mapping(wrong: Any) -> None:
    with pytest.raises(RSAError, match="an architecture is a mapping"):
        get_space("toy").validate(wrong)


@pytest.mark.parametrize("name", ALL)
def test_choosing_in_order_never_needs_to_look_ahead(name: str) -> None:
    space = get_space(name)
    seen = {""}
    for dimension in space.dimensions:
        assert dimension.parent in seen
        assert len(dimension.choices) == len(set(dimension.choices)) >= 1
        seen.add(dimension.name)
    steps = [dimension.step for dimension in space.dimensions]
    assert steps == sorted(steps)
    for _, same in itertools.groupby(space.dimensions, key=lambda dimension: dimension.step):
        kinds = [dimension.kind for dimension in same if dimension.kind != "connection"]
        assert len(kinds) == len(set(kinds))


@pytest.mark.parametrize("name", ALL)
def test_a_space_comes_back_by_name_and_from_another_process(name: str) -> None:
    space = get_space(name)
    assert space.name == name
    assert get_space(space.name) == space == pickle.loads(pickle.dumps(space))
    assert hash(space) == hash(get_space(name))
    assert repr(space) == f"get_space({name!r})"


@pytest.mark.parametrize("name", ["cnn", "cnn0", "cnn101", "cell0", "cell21", "darts", "", "cnn10 ", "cell05"])
def test_an_unknown_space_lists_the_known_ones(name: str) -> None:
    with pytest.raises(
        RSAError, match=r"known: cnn10, cnn20, cell, nasbench201, macro, toy, rnn-tree, nas-bench-nlp|has 1 to \d+"
    ):
        get_space(name)


@pytest.mark.parametrize("name", ALL)
def test_settings_and_sizes_that_cannot_be_are_refused(name: str) -> None:
    space = get_space(name)
    architecture = space.sample(np.random.default_rng(0))
    with pytest.raises(RSAError, match="has no setting 'repeat'"):
        space.build(architecture, repeat=3)
    with pytest.raises(RSAError, match="input_shape is"):
        space.build(architecture, input_shape=(3, 0, 32))
    with pytest.raises(RSAError, match="n_classes is at least 1, not 0"):
        space.build(architecture, n_classes=0)


class OneNetwork(Space):
    """A space with a single architecture."""

    def __init__(self, *more: Dimension) -> None:
        super().__init__("one", (Dimension("width", (4,), 0, "width"), *more))

    def describe(self, architecture: Mapping[str, Any]) -> str:
        return "one layer"

    def build(self, architecture: Mapping[str, Any], **settings: Any) -> nn.Module:
        return nn.Identity()


def test_a_space_without_a_second_network_has_no_neighbours() -> None:
    space = OneNetwork()
    assert space.size() == 1
    assert space.neighbours({"width": 4}) == []
    with pytest.raises(RSAError, match="one has no other architecture near this one"):
        space.mutate({"width": 4}, np.random.default_rng(0))


@pytest.mark.parametrize(
    "more", [Dimension("width", (1,), 0, "other"), Dimension("kernel", (1,), 0, "kernel", parent="depth", when=(1,))]
)
def test_dimensions_are_unique_and_come_after_their_parents(more: Dimension) -> None:
    with pytest.raises(RSAError, match=f"dimension {more.name} of one comes twice, or before its parent"):
        OneNetwork(more)


def test_spaces_of_other_sizes_differ() -> None:
    assert CNNSpace(7) == get_space("cnn7") != CNNSpace(8)
