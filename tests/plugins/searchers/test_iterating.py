"""The iterative teacher: who teaches whom against a plain account, and real RDMs through the tracker."""

from pathlib import Path
from typing import ClassVar

import pytest
from tgsage.plugins import RandomSearcher, search
from tgsage.plugins.evaluation.iterative import IterativeObjective, read_iteration
from tgsage.plugins.result import Heritage
from tgsage.plugins.searchers.iterating import IteratingSearcher
from tgsage.plugins.spaces import ToySpace
from tgsage.plugins.testing import SearcherContract
from tgsage.plugins.training import Data
from tgsage.rsa import RSAError

SPACE = ToySpace()


class TestIterating(SearcherContract):
    searcher = IteratingSearcher
    settings: ClassVar = {"every": 4, "searcher": "evolution", "population": 6}


def test_the_best_by_p_of_all_generations_before_teaches() -> None:
    searcher = IteratingSearcher(SPACE, every=4, searcher="random")
    ps: list[float] = []
    for trial in range(16):
        known = ps[: trial - trial % 4]
        assert searcher.parent(trial) == (known.index(max(known)) if known else None)
        assert searcher.parent(trial) in (None, *searcher.ancestors())
        asked = searcher.ask(trial)
        assert asked == RandomSearcher(SPACE).ask(trial)
        ps.append(trial * 7 % 10 / 10)
        searcher.tell(trial, asked, float(-trial), {"error": 1 - ps[-1]})
    assert len(searcher.ancestors()) == 1


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (None, (None, None)),
        ("resnet:1", (None, "resnet:1")),
        ("iterate:20", (20, None)),
        ("iterate:5:none", (5, None)),
        ("iterate:5:resnet:1", (5, "resnet:1")),
    ],
)
def test_the_words_for_it(given: str | None, read: tuple[int | None, str | None]) -> None:
    assert read_iteration(given) == read


@pytest.mark.parametrize("given", ["iterate:", "iterate:0", "iterate:often:resnet:1"])
def test_wrong_words_are_refused(given: str) -> None:
    with pytest.raises(RSAError, match="an iterative teacher is iterate:EVERY"):
        read_iteration(given)


def test_searchers_that_keep_weights_are_refused() -> None:
    with pytest.raises(RSAError, match="goes with searchers that keep no weights, not with nash"):
        IteratingSearcher(SPACE, searcher="nash")


def test_candidates_are_taught_by_the_best_one(digits: Data, tmp_path: Path) -> None:
    objective = IterativeObjective(SPACE, digits, recipe="digits", epochs=0.2, device="cpu")
    searcher = IteratingSearcher(SPACE, every=2, searcher="random")
    whole = search(SPACE, searcher, objective, samples=4, storage=tmp_path / "a.db").candidates
    search(SPACE, searcher, objective, samples=3, storage=tmp_path / "b.db")
    resumed = search(SPACE, searcher, objective, samples=4, storage=tmp_path / "b.db").candidates
    first, second, third, fourth = (one.evaluation for one in whole)
    assert first is not None
    assert second is not None
    assert third is not None
    assert fourth is not None
    best = 0 if (first.p or 0) >= (second.p or 0) else 1
    assert [one.parent for one in whole] == [None, None, best, best]
    assert (first.tg, first.score) == (None, first.p)
    assert len(next(iter(third.table.values()))) == int(whole[best].architecture["n_layers"])  # its layers teach
    assert third.score == pytest.approx((third.p or 0) + (third.tg or 0))
    again = [(one.parent, one.score, one.evaluation and one.evaluation.tg) for one in resumed]
    assert again == [(one.parent, one.score, one.evaluation and one.evaluation.tg) for one in whole]
    _, rdms = objective.descend(whole[2].architecture, Heritage())
    itself, _ = objective.descend(whole[2].architecture, Heritage(None, rdms))
    assert itself.tg == pytest.approx(1)
    with pytest.raises(RSAError, match="the teaching candidate's RDMs are damaged"):
        objective.descend(whole[2].architecture, Heritage(None, (rdms or b"")[:100]))
