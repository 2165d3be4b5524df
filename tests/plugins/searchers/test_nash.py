"""NASH: rounds, parents and what they leave behind, against a plain account; and real weights through the tracker."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tgsage.plugins import Evaluation, NASHSearcher, Objective, morph, search
from tgsage.plugins.result import Heritage
from tgsage.plugins.searching.tracker import Tracker
from tgsage.plugins.spaces import ToySpace, get_space
from tgsage.plugins.testing import pretend, run_search
from tgsage.plugins.training.data import Data
from tgsage.rsa import RSAError

SPACE = ToySpace()


def test_every_round_starts_from_the_best_of_all_before_it() -> None:
    settings: dict[str, Any] = {"children": 4, "startup": 3, "mutations": 0.0}
    found = run_search(NASHSearcher(SPACE, seed=2, **settings), range(31), repeats=True)
    for trial, architecture, _ in found:
        rng = np.random.default_rng([2, trial])
        first = 3 + (trial - 3) // 4 * 4
        scores = {number: score for number, _, score in found[: max(first, 0)] if score is not None}
        if trial < 3 or not scores:
            assert architecture == SPACE.sample(rng)
            continue
        best = next(number for number, score in scores.items() if score == max(scores.values()))
        rng.random()
        try:
            assert architecture == morph(SPACE, found[best][1], rng)
        except RSAError:
            assert architecture == SPACE.mutate(found[best][1], rng)


def test_what_is_told_late_or_in_another_order_makes_no_difference() -> None:
    found = run_search(NASHSearcher(SPACE, seed=1, children=3, startup=4), range(20), repeats=True)
    one, other = (NASHSearcher(SPACE, seed=1, children=3, startup=4) for _ in range(2))
    for told in found:
        one.tell(*told)
    for told in reversed(found):
        other.tell(*told)
    assert [one.ask(trial) for trial in range(20, 26)] == [other.ask(trial) for trial in range(20, 26)]
    assert one.ancestors() == other.ancestors()


@pytest.mark.parametrize("climb", [True, False])
def test_nobody_becomes_a_parent_again(climb: bool) -> None:
    rng = np.random.default_rng(0)
    searcher = NASHSearcher(SPACE, seed=1, children=3, startup=4, climb=climb)
    told, dropped, waiting = set[int](), set[int](), list(range(6))
    for new in range(6, 60):
        trial = waiting.pop(int(rng.integers(len(waiting))))
        architecture = searcher.ask(trial)
        assert searcher.parent(trial) not in dropped
        searcher.tell(trial, architecture, pretend(SPACE, architecture))
        told.add(trial)
        dropped |= told - searcher.ancestors()
        waiting.append(new)
    assert len(dropped) > 30


def test_the_baseline_moves_on_whatever_the_score() -> None:
    searcher = NASHSearcher(SPACE, seed=1, children=1, startup=1, climb=False)
    for trial in range(8):
        assert searcher.parent(trial) == (trial - 1 if trial else None)
        searcher.tell(trial, searcher.ask(trial), -float(trial))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"mutations": 1.5}, "mutations must be a share from 0 to 1, not 1.5"),
        ({"children": 0}, "children must be a whole number from 1, got 0"),
        ({"climb": "no"}, "climb must be True or False, not 'no'"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(RSAError, match=words):
        NASHSearcher(SPACE, **settings)


def test_children_begin_with_their_parents_weights(digits: Data) -> None:
    space = get_space("toy")
    parent: dict[str, Any] = {"n_layers": 1, "layer1/filters": 8, "layer1/kernel": 3, "layer1/pool": "none"}
    child = {**parent, "layer1/filters": 16}
    trained = Objective(space, digits, recipe="digits", epochs=0.3, device="cpu")
    untrained = Objective(space, digits, recipe="digits", epochs=0, device="cpu")
    first, weights = trained.descend(parent, Heritage())
    assert first.score == trained(parent).score
    second, grown = untrained.descend(child, Heritage(parent, weights))
    assert second.attrs["inherited"] == "all"
    assert second.p == first.p
    assert second.loss == pytest.approx(first.loss, abs=1e-5)
    assert weights is not None
    assert grown is not None
    assert untrained.descend({**parent, "layer1/filters": 4}, Heritage(parent, weights))[0].attrs["inherited"] == "part"
    with pytest.raises(RSAError, match="the parent's weights are damaged"):
        untrained.descend(child, Heritage(parent, weights[:100]))
    deeper = {**parent, "n_layers": 2, "layer2/filters": 8, "layer2/kernel": 3, "layer2/pool": "none"}
    with pytest.raises(RSAError, match="the parent's weights are not of its network"):
        untrained.descend(deeper, Heritage(deeper, weights))


class Growing:
    """The score is the number of ancestors, told by the weights; architectures do not matter."""

    def __call__(self, architecture: dict[str, Any]) -> float:
        return 0.0

    def describe(self) -> dict[str, str]:
        return {"name": "growing"}

    def descend(self, architecture: dict[str, Any], heritage: Heritage) -> tuple[Evaluation, bytes]:
        generation = 1 + int(heritage.weights or b"0")
        return Evaluation(score=float(generation), examples=10), str(generation).encode()


@pytest.mark.parametrize("timeout", [None, 60.0])
def test_weights_go_through_the_tracker_and_old_ones_are_dropped(timeout: float | None, tmp_path: Path) -> None:
    searcher = NASHSearcher(SPACE, seed=1, children=2, startup=2)
    found = search(SPACE, searcher, Growing(), samples=8, storage=tmp_path / "a.db", timeout=timeout)
    assert [one.score for one in found.candidates] == [1, 1, 2, 2, 3, 3, 4, 4]
    assert [one.parent for one in found.candidates] == [None, None, 0, 0, 2, 2, 4, 4]
    with Tracker(tmp_path / "a.db", found.study, create=False) as tracker:
        kept = [number for number in range(8) if tracker.weights(number) is not None]
    assert kept == [4, 6, 7]  # 7 has not been told to anybody yet
