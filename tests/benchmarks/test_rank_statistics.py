"""Rank correlations and their resamples against scipy, one at a time."""

import numpy as np
import pytest
from scipy.stats import kendalltau, pearsonr, spearmanr
from tgsage.benchmarks.rank_statistics import Resampled, chosen, correlate, interval


@pytest.mark.parametrize("ties", [False, True])
def test_coefficients_are_those_of_scipy(ties: bool) -> None:
    rng = np.random.default_rng(0)
    columns, mature = rng.normal(size=(30, 2, 3)), rng.normal(size=30)
    if ties:
        columns, mature = columns.round(0), mature.round(1)
    found = correlate(columns, mature)
    for name, reference in (("spearman", spearmanr), ("kendall", kendalltau), ("pearson", pearsonr)):
        for place in np.ndindex(2, 3):
            expected = reference(columns[(slice(None), *place)], mature).statistic
            assert found[name][place] == pytest.approx(expected, abs=1e-12)


def test_a_predictor_that_never_varies_predicts_nothing() -> None:
    found = correlate(np.full((10, 1), 0.1), np.arange(10))
    assert all(float(values[0]) == 0 for values in found.values())
    assert not Resampled(np.arange(10.0), 20, np.random.default_rng(0))(np.full(10, 0.1)).any()


@pytest.mark.parametrize("ties", [False, True])
def test_draws_are_spearman_of_resampled_architectures(ties: bool) -> None:
    rng = np.random.default_rng(3)
    x, mature = rng.normal(size=25), rng.normal(size=25)
    if ties:
        x, mature = x.round(0), mature.round(0)
    draws = Resampled(mature, 40, np.random.default_rng(5))(x)
    counts = np.random.default_rng(5).multinomial(25, np.full(25, 1 / 25), 40)
    for draw, count in zip(draws, counts, strict=True):
        rows = np.repeat(np.arange(25), count)
        assert draw == pytest.approx(spearmanr(x[rows], mature[rows]).statistic, abs=1e-12)


def test_an_interval_holds_the_middle_of_the_draws() -> None:
    assert interval(np.arange(1001) / 1000) == pytest.approx((0.025, 0.975))


def test_chosen_copies_are_those_of_a_plain_loop() -> None:
    """The mean over orders of equal values, of how many copies of each are among the k highest."""
    rng = np.random.default_rng(3)
    values, counts = rng.integers(0, 4, 9), rng.integers(0, 3, (9, 4))
    for k in (1, 3, 5):
        found = chosen(values, counts, k)
        for draw in range(4):
            copies = [i for i in range(9) for _ in range(counts[i, draw])]
            total = np.zeros(9)
            for _ in range(4000):
                order = sorted(copies, key=lambda i: (-values[i], rng.random()))
                np.add.at(total, order[:k], 1)
            np.testing.assert_allclose(found[:, draw], total / 4000, atol=0.06)
    np.testing.assert_allclose(chosen(values, counts, 100), counts)
    different = np.arange(9.0)
    np.testing.assert_array_equal(chosen(different, np.ones((9, 1)), 2)[:, 0], different > 6)
