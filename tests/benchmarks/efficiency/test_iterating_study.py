"""A teacher that a search finds itself: scores against a plain loop, and a pool whose answer is known."""

import numpy as np
import pytest
from tgsage.benchmarks.efficiency.iterating import ITERATING, NONE, Lookup, look_up, measure, searched
from tgsage.rsa import RSAError, compare

from ..pools import known_pool, random_rdm, teacher


def test_scores_are_those_of_the_teacher_at_that_time() -> None:
    rng = np.random.default_rng(0)
    known = Lookup(rng.random(9), rng.random(9), rng.random((9, 9)), {"fixed": rng.random(9)})
    order = rng.permutation(9)[:8]
    found = searched(known, order, ITERATING, every=3, alpha=0.5)
    for place, member in enumerate(order):
        before = order[: place - place % 3]
        best = max(before, key=lambda one: known.p[one], default=None)
        expected = known.p[member] + (0 if best is None else 0.5 * known.own[best, member])
        assert found[place] == pytest.approx(expected)
    assert searched(known, order, NONE, every=3, alpha=0.5) == pytest.approx(known.p[order])
    plain = known.p[order] + 0.5 * known.fixed["fixed"][order]
    assert searched(known, order, "fixed", every=3, alpha=0.5) == pytest.approx(plain)


def test_a_good_teacher_helps_and_noise_does_not() -> None:
    pool = known_pool(40)
    known = look_up(pool, {"good": teacher(), "noise": teacher("noise", noise=random_rdm(9))}, 100)
    (view,) = pool.views
    layers = [dict(pool.rdms(view, member, 1)) for member in pool.members[:2]]
    by_hand = np.mean([max(compare(target, one) for one in layers[1].values()) for target in layers[0].values()])
    assert known.own[0, 1] == pytest.approx(by_hand, abs=1e-4)
    assert np.diag(known.own) == pytest.approx(np.ones(40), abs=1e-3)
    rows = {row["teacher"]: row for row in measure(known, samples=30, every=10, alpha=1.0, seeds=20)["rows"]}
    assert rows["good"]["top low"] > 0
    assert rows["good"]["rank"] > rows["noise"]["rank"]
    assert rows[NONE]["top gain"] == 0


def test_what_does_not_fit_is_refused() -> None:
    pool = known_pool(10)
    with pytest.raises(RSAError, match="the pool has checkpoints after"):
        look_up(pool, {"good": teacher()}, 99)
    known = look_up(pool, {"good": teacher()}, 100)
    with pytest.raises(RSAError, match="samples are at most the 10 usable members"):
        measure(known, samples=11, every=5)
