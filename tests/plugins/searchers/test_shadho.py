"""SHADHO: the lecture's example, length scales against known truth, and who gets which space."""

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from scipy.stats import multivariate_normal, uniform
from tgsage.plugins import ShadhoSearcher, search
from tgsage.plugins.searchers.shadho import complexity, length_scales, priority
from tgsage.plugins.searching.local import LocalWorkers
from tgsage.plugins.spaces import MacroSpace, Space, ToySpace, get_space
from tgsage.plugins.spaces.space import Architecture, Choice, Dimension
from tgsage.plugins.testing import SearcherContract
from tgsage.rsa import RSAError

BOTH = get_space("toy+macro")


class TestShadho(SearcherContract):
    searcher = ShadhoSearcher
    settings: ClassVar = {"inner": "evolution", "startup": 5, "population": 6}


def test_the_complexity_of_the_lectures_example() -> None:
    """The U-Net: kernels, their size, activations, initialisers, regularisers, dropout and learning rate."""
    dropout, rate = (uniform(low, 1 - low).interval(0.99) for low in (0.0, 1e-4))
    domains: list[Any] = [[16, 32, 64, 128], [1, 3, 5, 7, 9], list("abcdefg"), list("zogh"), ["l1", "l2", "l1_l2"]]
    domains += [tuple(map(float, dropout)), tuple(map(float, rate))]
    by_hand = (2 - 1 / 4) + (2 - 1 / 5) + (2 - 1 / 7) + (2 - 1 / 4) + (2 - 1 / 3) + 2.99 + (2 + 0.99 * 0.9999)
    assert complexity(domains) == pytest.approx(by_hand)
    assert complexity(ToySpace()) == pytest.approx((2 - 1 / 3) * 7 + (2 - 1 / 2) * 3)
    assert complexity([(1, 2)]) == 1.5  # whole numbers are choices
    with pytest.raises(RSAError, match="a domain has one choice or more"):
        complexity([[]])


def test_priority_is_the_lectures_formula() -> None:
    assert priority([0.5, 2.0, 4.0]) == 1 / 0.5 - 1 / 4.0
    assert priority([3.0]) == 0


def test_length_scales_are_those_that_made_the_scores() -> None:
    space, rng = MacroSpace(), np.random.default_rng(0)
    networks: list[dict[str, Choice]] = [
        {d.name: d.choices[int(rng.integers(3))] for d in space.dimensions} for _ in range(100)
    ]
    codes = np.array([[str(choice) for choice in one.values()] for one in networks])
    apart = (codes[:, None] != codes).astype(float)
    true = np.array([0.3, 100, 100, 1.0, 100, 100, 100, 100])
    kernel = np.exp(-(apart / true).sum(-1)) + 1e-3 * np.eye(100)
    scores = multivariate_normal(np.zeros(100), kernel).rvs(random_state=1)
    found = length_scales(space, networks, scores.tolist())
    assert set(np.argsort(found)[:2]) == {0, 3}
    assert priority(found.tolist()) > 0.2
    assert priority(length_scales(space, networks, [1.0] * 100).tolist()) < 0.05


def test_a_union_holds_the_networks_of_its_parts() -> None:
    rng = np.random.default_rng(0)
    assert BOTH.size() == ToySpace().size() + MacroSpace().size()
    assert get_space(BOTH.name) == BOTH
    for part in (ToySpace(), MacroSpace()):
        network = part.sample(rng)
        whole: dict[str, Choice] = {"space": part.name, **{f"{part.name}/{k}": v for k, v in network.items()}}
        assert BOTH.canonical(whole) == whole
        assert part.describe(network) in BOTH.describe(whole)
        sizes = [sum(p.numel() for p in s.build(a).parameters()) for s, a in ((BOTH, whole), (part, network))]
        assert sizes[0] == sizes[1]
    for name in ("toy+toy", "toy+", "toy+rnn-tree"):
        with pytest.raises(RSAError, match=r"two or more different spaces|unknown space|images and of text"):
            get_space(name)


class Small(Space):
    """A space of one name and so many dimensions."""

    def __init__(self, name: str, n: int) -> None:
        super().__init__(name, [Dimension(f"d{i}", (0, 1, 2, 3), i, "d") for i in range(n)])

    def describe(self, architecture: Architecture) -> str:
        return self.name

    def build(self, architecture: Architecture, **settings: Any) -> Any:
        raise NotImplementedError


def test_who_can_do_more_gets_what_asks_for_more() -> None:
    from tgsage.plugins.spaces.union import SpaceUnion

    union = SpaceUnion([Small("few", 3), Small("many", 9)])

    def share_of_many(share: tuple[float, float], *, steep: str = "") -> float:
        searcher, rng = ShadhoSearcher(union, inner="random", startup=20), np.random.default_rng(0)
        searcher.share = share
        for trial in range(60 if steep else 0):
            asked = union.sample(rng)
            rest = [int(choice) for name, choice in asked.items() if name.startswith(f"{steep}/")]
            searcher.tell(trial, asked, float(rest[0]) if rest else 0.0)
        asked_for = [searcher.ask(trial)["space"] for trial in range(60, 160)]
        return asked_for.count("many") / 100

    assert share_of_many((0.0, 1.0)) == pytest.approx(0.75, abs=0.1)  # by complexity
    assert share_of_many((0.0, 0.7)) == 1
    assert share_of_many((0.8, 1.0)) == 0
    assert share_of_many((0.0, 0.5), steep="few") < 0.1  # "few" comes first now, by priority
    assert LocalWorkers(3, power=(1, 8, 1))._shares() == pytest.approx(np.array([(0.8, 0.9), (0, 0.8), (0.9, 1.0)]))


def test_several_spaces_are_searched_together(tmp_path: Path) -> None:
    searcher = ShadhoSearcher(BOTH, inner="evolution", startup=4, population=4)
    found = search(BOTH, searcher, _length, samples=24, storage=tmp_path / "a.db")
    search(BOTH, searcher, _length, samples=11, storage=tmp_path / "b.db")
    again = search(BOTH, searcher, _length, samples=24, storage=tmp_path / "b.db")
    assert [one.architecture for one in again.candidates] == [one.architecture for one in found.candidates]
    assert {one.architecture["space"] for one in found.candidates} == {"toy", "macro"}
    assert found.candidates[-1].diagnostics.keys() == {"share of toy", "share of macro"}
    with pytest.raises(RSAError, match=r"power is one number above 0 for each of the 1 local workers, not \[1, 2\]"):
        search(BOTH, searcher, _length, samples=24, storage=tmp_path / "a.db", power=(1, 2))


def _length(architecture: dict[str, Any]) -> float:
    return len(architecture) + len(str(sorted(architecture.items()))) / 1000
