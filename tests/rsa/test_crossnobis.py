"""The crossvalidated distance against rsatoolbox and a plain loop, and its one virtue: no bias."""

from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.spatial.distance import squareform
from tgsage.rsa import RSAError, compute_rdm

from .peers import peer_rdm

Array = npt.NDArray[Any]


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
        ({"folds": None}, r"'crossnobis', which needs them"),
        ({"folds": ["w"] * 24}, r"at least 2 groups and 2 folds, got 6 and 1"),
        ({"folds": ["w"] * 23}, r"24 rows of features but 23 folds"),
        ({"folds": ["w"] * 23 + ["x"]}, r"every group in every fold; without a row: \w in fold \w, .* and 2 more"),
        ({"x": np.full((24, 9), np.nan)}, r"24 of 24 rows: 0, 1, 2 and 21 more holds? NaN"),
    ],
)
def test_bad_folds_are_named(change: dict[str, Any], message: str) -> None:
    x, groups, folds = trials(1)
    arguments: dict[str, Any] = {"x": x, "groups": groups, "folds": folds} | change
    with pytest.raises(RSAError, match=message):
        compute_rdm(arguments.pop("x"), metric="crossnobis", **arguments)
