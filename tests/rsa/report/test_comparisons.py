"""Stars and lines of a report's bars: what the tests say."""

import numpy as np
from tgsage.rsa import compute_rdm, interval
from tgsage.rsa.report.comparisons import PairTests, above_zero

from ..reports import study


def test_a_star_is_a_lower_end_above_zero_and_lines_join_what_differs() -> None:
    teacher, _, rdms = study(n=40, layers=3, bootstrap=200)
    noise = compute_rdm(np.random.default_rng(0).normal(size=(40, 30)), labels=rdms["layer0"].labels)
    draws = teacher.score({"noise": noise, **rdms}, bootstrap=200).draws
    assert draws is not None
    starred = above_zero(draws, 0, "pearson")
    assert 0 not in starred
    assert 3 in starred
    assert above_zero(draws, 0, "cosine") == []  # of distances, so positive by itself
    for layer in range(4):
        alone = draws.isel(layer=[layer])
        low, _ = interval(alone, 0.9)
        assert above_zero(alone, 1, "pearson") == ([0] if low[0, 1] > 0 else [])
    tests = PairTests(draws)
    assert [tests.sign(0, 3, 0), tests.sign(0, 0, 3), tests.sign(0, 0, 0)] == [1, -1, 0]
    assert (0, [3]) in tests.joined(0, 3)
    assert 0 not in tests.equal(0, 3)
