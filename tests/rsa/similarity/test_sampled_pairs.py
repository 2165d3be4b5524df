"""Pairs of stimuli are a sample of all pairs: its similarity is scipy's, and its interval holds that of all pairs."""

import numpy as np
import pytest
import scipy.stats
from tgsage.rsa import Features, RSAError, compare, compare_sampled
from tgsage.rsa.rdm.comparison import method_named
from tgsage.rsa.similarity.sampled_pairs import _dissimilarities, _ranked, _tau_a
from tgsage.rsa.types import Array

METHODS = ("spearman", "rho-a", "tau-a")


def sides(n: int, seed: int = 0, share: float = 1.0) -> tuple[Features, Features]:
    rng = np.random.default_rng(seed)
    common = rng.normal(size=(n, 6))
    parts = [common @ rng.normal(size=(6, f)) + share * rng.normal(size=(n, f)) for f in (15, 25)]
    a, b = (Features(part, [f"s{i}" for i in range(n)]) for part in parts)
    return a, b


def test_few_pairs_are_all_taken() -> None:
    a, b = sides(40)
    for method in METHODS:
        found = compare_sampled(a, b.subset(b.labels[::-1]), method=method)
        assert (found.value, found.low, found.high) == (compare(a.rdm(), b.rdm(), method=method),) * 3
        assert found.pairs == 780


def test_distances_of_pairs_are_those_of_the_rdm() -> None:
    a, _ = sides(50)
    i, j = np.random.default_rng(0).integers(25, size=200), np.random.default_rng(1).integers(25, 50, size=200)
    np.testing.assert_allclose(_dissimilarities(a, i, j), a.rdm().square()[i, j], atol=1e-12)


def values_of(method: str, x: Array, y: Array) -> float:
    if method == "spearman":
        return float(scipy.stats.spearmanr(x, y)[0])
    if method == "rho-a":
        return float(12 * np.cov(scipy.stats.rankdata(x), scipy.stats.rankdata(y), bias=True)[0, 1] / (len(x) ** 2 - 1))
    signs = np.sign(x[:, None] - x) * np.sign(y[:, None] - y)
    return float(signs.sum() / (len(x) * (len(x) - 1)))


@pytest.mark.parametrize("method", METHODS)
def test_values_and_derivatives_are_those_of_plain_formulas(method: str) -> None:
    """The derivative by a pair's weight: what a copy of it changes, in proportion, with many pairs."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=400).round(1)
    y = (x + rng.normal(size=400)).round(1)
    value, slopes = _tau_a(x, y) if method == "tau-a" else _ranked(x, y, method_named(method))
    assert value == pytest.approx(values_of(method, x, y), abs=1e-12)
    assert slopes.sum() == pytest.approx(0, abs=1e-12)
    without = [values_of(method, np.delete(x, k), np.delete(y, k)) for k in range(0, 400, 20)]
    np.testing.assert_allclose(value - np.array(without), slopes[::20], atol=4e-5)


@pytest.mark.parametrize("method", METHODS)
def test_intervals_hold_the_similarity_over_all_pairs(method: str) -> None:
    """Of 400 samples 95% should, give or take 1.1%."""
    a, b = sides(200)
    truth = compare(a.rdm(), b.rdm(), method=method)
    found = [compare_sampled(a, b, method=method, pairs=500, seed=seed) for seed in range(400)]
    held = np.mean([one.low <= truth <= one.high for one in found])
    assert 0.92 <= held <= 0.98
    assert np.mean([one.value for one in found]) == pytest.approx(truth, abs=0.01)


def test_one_seed_gives_one_sample() -> None:
    a, b = sides(200)
    assert compare_sampled(a, b, pairs=1000, seed=1) == compare_sampled(a, b, pairs=1000, seed=1)
    assert compare_sampled(a, b, pairs=1000, seed=1) != compare_sampled(a, b, pairs=1000, seed=2)


def test_refuses_what_makes_no_sense() -> None:
    a, b = sides(200)
    with pytest.raises(RSAError, match=r"pearson needs no sample of pairs: .*'rsa-pearson'"):
        compare_sampled(a, b, method="pearson")
    with pytest.raises(RSAError, match="at least 100 pairs and a level between 0 and 1 are needed, got pairs=5"):
        compare_sampled(a, b, pairs=5)
    with pytest.raises(RSAError, match="got pairs=1000, level=1"):
        compare_sampled(a, b, pairs=1000, level=1.0)
    with pytest.raises(RSAError, match="labels differ"):
        compare_sampled(a, b.subset(b.labels[:150]), pairs=1000)
    with pytest.raises(RSAError, match="equally dissimilar"):
        compare_sampled(Features(np.eye(200), a.labels), b, pairs=1000)
