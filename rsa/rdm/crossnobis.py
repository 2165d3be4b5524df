"""Distances that know the noise: whitening by a precision matrix, and distances crossvalidated over folds."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..errors import RSAError, listing
from ..types import Array


def whiten(x: Array, precision: npt.ArrayLike | None) -> Array:
    """Centred x L with P = L L', float64: its Euclidean distances are Mahalanobis distances of `x` (n, f).

    Raises RSAError when the precision is not a symmetric, positive definite (f, f) matrix.
    """
    centred: Array = x - x.mean(axis=0, dtype=np.float64)
    if precision is None:
        return centred
    p = np.asarray(precision, np.float64)
    f = x.shape[1]
    if p.shape != (f, f):
        raise RSAError(f"precision must have shape ({f}, {f}) for {f} features, got {p.shape}")
    if not np.isfinite(p).all() or not np.allclose(p, p.T, rtol=1e-6, atol=1e-12):
        raise RSAError("precision must be symmetric and finite")
    try:
        root = np.linalg.cholesky(p)
    except np.linalg.LinAlgError as error:
        raise RSAError("precision is not positive definite; invert a regularised covariance") from error
    whitened: Array = centred @ root
    return whitened


def crossnobis(
    x: Array, groups: Sequence[str], folds: Sequence[str], precision: npt.ArrayLike | None
) -> tuple[Array, tuple[str, ...]]:
    """Crossvalidated squared Mahalanobis distances, divided by the number of features (Walther et al. 2016).

    Every fold once supplies one factor of (a_i - a_j)' P (b_i - b_j), the mean over all other folds' rows the other.
    x (n, f), groups and folds one per row; repeats may differ in number, and a pair of groups takes the folds that
    have both. Raises RSAError naming a pair that no fold has together with rows in other folds.
    """
    products, valid, names = _crossed(whiten(x, precision), groups, folds)
    own = np.einsum("fii->fi", products)
    i, j = np.triu_indices(len(names), 1)
    distances = own[:, i] + own[:, j] - products[:, i, j] - products[:, j, i]
    values = _over_folds(distances, valid[:, i] & valid[:, j], names)
    return (values / x.shape[1]).astype(x.dtype), names


def crossvalidated_correlation(x: Array, groups: Sequence[str], folds: Sequence[str]) -> tuple[Array, tuple[str, ...]]:
    """1 - the correlation of group patterns with covariance and variances crossvalidated over folds (as above).

    Noise that is independent between folds adds to none of the three: the correlation is that of the patterns without
    noise on average over many features, and may leave [-1, 1]. Raises RSAError as `crossnobis` does, and for a group
    whose pattern does not repeat over folds (variance of zero or less).
    """
    centred = x - x.mean(axis=1, keepdims=True, dtype=np.float64)
    products, valid, names = _crossed(centred, groups, folds)
    i, j = np.triu_indices(len(names), 1)
    covariance = _over_folds((products[:, i, j] + products[:, j, i]) / 2, valid[:, i] & valid[:, j], names)
    variance = np.einsum("fii,fi->i", products, valid) / valid.sum(axis=0)
    silent = [name for name, value in zip(names, variance, strict=True) if value <= 0]
    if silent:
        raise RSAError(f"{listing(silent)}: the pattern does not repeat over folds, so it has no correlation")
    return (1 - covariance / np.sqrt(variance[i] * variance[j])).astype(x.dtype), names


def _crossed(
    y: Array, groups: Sequence[str], folds: Sequence[str]
) -> tuple[Array, npt.NDArray[np.bool_], tuple[str, ...]]:
    """Products of every group's mean in a fold with every group's mean in the others (folds, groups, groups); where a
    group has both (folds, groups); and the groups."""
    names, fold_names = tuple(dict.fromkeys(groups)), tuple(dict.fromkeys(folds))
    if len(folds) != len(y):
        raise RSAError(f"{len(y)} rows of features but {len(folds)} folds")
    if len(names) < 2 or len(fold_names) < 2:
        raise RSAError(f"crossvalidation needs at least 2 groups and 2 folds, got {len(names)} and {len(fold_names)}")
    place, turn = {g: i for i, g in enumerate(names)}, {f: i for i, f in enumerate(fold_names)}
    cell = np.array([turn[f] * len(names) + place[g] for g, f in zip(groups, folds, strict=True)])
    shape = len(fold_names), len(names)
    flat = np.zeros((math.prod(shape), y.shape[1]))
    np.add.at(flat, cell, y)
    sums, counts = flat.reshape(*shape, -1), np.bincount(cell, minlength=math.prod(shape)).reshape(shape)
    rest = counts.sum(axis=0) - counts
    test = sums / np.maximum(counts, 1)[..., None]
    train = (sums.sum(axis=0) - sums) / np.maximum(rest, 1)[..., None]
    return test @ train.transpose(0, 2, 1), (counts > 0) & (rest > 0), names


def _over_folds(values: Array, valid: npt.NDArray[np.bool_], names: tuple[str, ...]) -> Array:
    """Mean (pairs) over the folds in which a pair is valid."""
    counts = valid.sum(axis=0)
    if not counts.all():
        i, j = np.triu_indices(len(names), 1)
        lost = [f"{names[i[k]]} and {names[j[k]]}" for k in np.flatnonzero(counts == 0)]
        raise RSAError(f"no fold has both of a pair, with both in other folds too: {listing(lost)}")
    mean: Array = (values * valid).sum(axis=0) / counts
    return mean
