"""Crossvalidated distances and noise precision against rsatoolbox and a plain loop, and their one virtue: no bias."""

from importlib import import_module
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import squareform
from tgsage.rsa import RSAError, compute_rdm, noise_precision
from tgsage.rsa.types import Array

from ..peers import peer_rdm


def trials(repeats: int = 0) -> tuple[Array, list[str], list[str]]:
    """Rows in mixed order of 6 groups in 4 folds: `repeats` rows in each, or 1 to 3 where that is 0."""
    rng = np.random.default_rng(repeats)
    cells = [(g, f) for g in "fbdace" for f in "wxyz" for _ in range(repeats or int(rng.integers(1, 4)))]
    groups, folds = zip(*[cells[i] for i in rng.permutation(len(cells))], strict=True)
    signal = {g: rng.normal(size=9) for g in "abcdef"}
    x = np.array([signal[g] for g in groups]) + rng.normal(size=(len(cells), 9))
    return x, list(groups), list(folds)


def by_loop(x: Array, groups: list[str], folds: list[str], precision: Array) -> Array:
    """Walther et al. 2016, sum by sum, groups in sorted order."""
    g, f = np.array(groups), np.array(folds)
    values = []
    for a, b in combinations(sorted(set(groups)), 2):
        products = []
        for fold in set(folds):
            test = x[(g == a) & (f == fold)].mean(0) - x[(g == b) & (f == fold)].mean(0)
            train = x[(g == a) & (f != fold)].mean(0) - x[(g == b) & (f != fold)].mean(0)
            products.append(test @ precision @ train / x.shape[1])
        values.append(np.mean(products))
    return np.array(values)


@pytest.mark.parametrize("repeats", [1, 2, 0], ids=["one row", "two rows", "unequal"])
@pytest.mark.parametrize("whitened", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_crossnobis_is_rsatoolboxs_per_feature(repeats: int, whitened: bool, dtype: Any) -> None:
    x, groups, folds = trials(repeats)
    x = x.astype(dtype)
    noise = np.random.default_rng(1).normal(size=(50, x.shape[1]))
    precision = np.linalg.inv(np.cov(noise.T)) if whitened else None
    rdm = compute_rdm(x, metric="crossnobis", groups=groups, folds=folds, precision=precision)
    assert rdm.labels == tuple(dict.fromkeys(groups))
    ours, tolerance = rdm.subset(sorted(rdm.labels)).values, 1e-5 if dtype == np.float32 else 1e-10
    theirs = squareform(peer_rdm(x, "crossnobis", groups, folds=folds, noise=precision), checks=False)
    np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)
    loop = by_loop(x.astype(np.float64), groups, folds, np.eye(x.shape[1]) if precision is None else precision)
    np.testing.assert_allclose(ours, loop, rtol=tolerance, atol=tolerance)


def test_crossnobis_of_pure_noise_is_zero_on_average_and_sqeuclidean_is_not() -> None:
    x = np.random.default_rng(1).normal(size=(600, 20))
    groups, folds = [str(i % 50) for i in range(600)], [str(i // 50) for i in range(600)]
    values = compute_rdm(x, metric="crossnobis", groups=groups, folds=folds).values
    plain = compute_rdm(x, metric="sqeuclidean", groups=groups).values / 20
    assert abs(values.mean()) < 0.01
    assert (values < 0).mean() > 0.3
    assert plain.mean() == pytest.approx(2 / 12, rel=0.1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"groups": None}, r"needs groups="),
        ({"folds": None}, r"'crossnobis' needs folds="),
        ({"folds": ["w"] * 24}, r"at least 2 groups and 2 folds, got 6 and 1"),
        ({"folds": ["w"] * 23}, r"24 rows of features but 23 folds"),
        (
            {"folds": ["w"] * 23 + ["x"]},
            r"no fold has both of a pair, with both in other folds too: \w and \w, .* more",
        ),
        ({"x": np.full((24, 9), np.nan)}, r"24 of 24 rows: 0, 1, 2 and 21 more holds? NaN"),
    ],
)
def test_bad_folds_are_named(change: dict[str, Any], message: str) -> None:
    x, groups, folds = trials(1)
    arguments: dict[str, Any] = {"x": x, "groups": groups, "folds": folds} | change
    with pytest.raises(RSAError, match=message):
        compute_rdm(arguments.pop("x"), metric="crossnobis", **arguments)


def test_repeats_may_differ_in_number_and_be_missing_from_folds() -> None:
    x, groups, folds = trials(3)
    keep = np.array([not (g == groups[0] and f == folds[0]) for g, f in zip(groups, folds, strict=True)])
    keep[-1] = False
    x, groups, folds = (
        x[keep],
        [g for g, k in zip(groups, keep, strict=True) if k],
        [f for f, k in zip(folds, keep, strict=True) if k],
    )
    names, turns = list(dict.fromkeys(groups)), list(dict.fromkeys(folds))
    g, f = np.array(groups), np.array(folds)
    expected = []
    for a, b in combinations(names, 2):
        products = []
        for turn in turns:
            parts = [x[(g == name) & (f == turn)] for name in (a, b)] + [
                x[(g == name) & (f != turn)] for name in (a, b)
            ]
            if all(len(part) for part in parts):
                means = [part.mean(axis=0) for part in parts]
                products.append((means[0] - means[1]) @ (means[2] - means[3]))
        expected.append(np.mean(products) / x.shape[1])
    found = compute_rdm(x, metric="crossnobis", groups=groups, folds=folds)
    np.testing.assert_allclose(found.values, expected, atol=1e-12)


def test_crossvalidated_distances_have_no_bias_with_unbalanced_repeats() -> None:
    """Against the noiseless distances, over 200 recordings of 3 to 6 repeats, within four standard errors."""
    rng = np.random.default_rng(0)
    patterns = rng.normal(size=(5, 60))
    groups = [str(i) for i in range(5) for _ in range(3 + i % 4)]
    folds = [str(k % 3) for i in range(5) for k in range(3 + i % 4)]
    rows = np.array([int(g) for g in groups])
    found: dict[str, list[np.ndarray]] = {"crossnobis": [], "correlation-crossvalidated": []}
    plain = []
    for _ in range(200):
        x = patterns[rows] + 1.5 * rng.normal(size=(len(rows), 60))
        for metric, values in found.items():
            values.append(compute_rdm(x, metric=metric, groups=groups, folds=folds).values)
        plain.append(compute_rdm(x, groups=groups).values)
    for metric, truth in (("crossnobis", "sqeuclidean"), ("correlation-crossvalidated", "correlation")):
        expected = compute_rdm(patterns, metric=truth).values / (60 if metric == "crossnobis" else 1)
        values_ = np.array(found[metric])
        error = values_.std(axis=0) / np.sqrt(200)
        slack = 0.0 if metric == "crossnobis" else 0.03  # a ratio of unbiased parts
        assert (abs(values_.mean(axis=0) - expected) < 4 * error + slack).all()
    truth_ = abs(compute_rdm(patterns).values - 1).mean()
    assert abs(np.mean(plain, axis=0) - 1).mean() < 0.8 * truth_  # noise draws the plain distance to 1


def test_without_noise_the_crossvalidated_correlation_is_the_correlation() -> None:
    patterns = np.random.default_rng(1).normal(size=(6, 30))
    x, groups, folds = np.tile(patterns, (3, 1)), list("abcdef") * 3, [str(i // 6) for i in range(18)]
    found = compute_rdm(x, metric="correlation-crossvalidated", groups=groups, folds=folds)
    np.testing.assert_allclose(found.values, compute_rdm(patterns).values, atol=1e-12)
    x = np.where(np.arange(18)[:, None] % 6 == 2, np.random.default_rng(2).normal(size=x.shape), x)
    x[8] = -x[2]
    with pytest.raises(RSAError, match="c: the pattern does not repeat over folds"):
        compute_rdm(x, metric="correlation-crossvalidated", groups=groups, folds=folds)


RNG = np.random.default_rng(0)
GROUPS = [str(i) for i in range(8) for _ in range(2 + i % 3)]  # 2 to 4 repeats
FOLDS = [str(k % 2) for i in range(8) for k in range(2 + i % 3)]
X = RNG.normal(size=(len(GROUPS), 12)) @ (np.eye(12) + 0.3 * RNG.normal(size=(12, 12)))


@pytest.mark.parametrize(("method", "name"), [("ledoit-wolf", "shrinkage_eye"), ("diagonal", "diag")])
def test_estimates_are_those_of_rsatoolbox(method: str, name: str) -> None:
    noise: Any = import_module("rsatoolbox.data.noise")
    data: Any = import_module("rsatoolbox.data").Dataset(X, obs_descriptors={"group": GROUPS})
    expected = noise.prec_from_unbalanced(data, "group", method=name)
    found = noise_precision(X, GROUPS, method)
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-10)
    groups = np.array(GROUPS)
    residuals = X - np.stack([X[groups == g].mean(axis=0) for g in GROUPS])
    expected = noise.prec_from_residuals(residuals, dof=len(X) - 8, method=name)
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-10)
    whitened = compute_rdm(X, metric="mahalanobis", groups=GROUPS, precision=method)
    reference = peer_rdm(X, "mahalanobis", GROUPS, noise=expected)
    np.testing.assert_allclose(whitened.square(), reference, atol=1e-10)
    given = compute_rdm(X, metric="crossnobis", groups=GROUPS, folds=FOLDS, precision=found)
    estimated = compute_rdm(X, metric="crossnobis", groups=GROUPS, folds=FOLDS, precision=method)
    np.testing.assert_allclose(estimated.values, given.values, atol=1e-12)


def test_shrinkage_is_defined_with_more_features_than_repeats() -> None:
    x = RNG.normal(size=(len(GROUPS), 200)).astype(np.float32)
    assert np.linalg.eigvalsh(noise_precision(x, GROUPS)).min() > 0


@pytest.mark.parametrize(
    ("x", "groups", "method", "words"),
    [
        (X, GROUPS, "ledoit", "did you mean ledoit-wolf"),
        (X, [str(i) for i in range(len(X))], "ledoit-wolf", "no group has more than one row"),
        (X * (np.arange(12) != 3), GROUPS, "diagonal", "feature 3 has no noise variance"),
        (X * 0, GROUPS, "ledoit-wolf", "feature 0, 1, 2 and 9 more has no noise"),
    ],
)
def test_what_has_no_estimate_is_named(x: np.ndarray, groups: list[str], method: str, words: str) -> None:
    with pytest.raises(RSAError, match=words):
        noise_precision(x, groups, method)


def test_estimated_precision_needs_groups() -> None:
    with pytest.raises(RSAError, match="is estimated from repeats; groups= says which"):
        compute_rdm(X, metric="mahalanobis", precision="diagonal")
