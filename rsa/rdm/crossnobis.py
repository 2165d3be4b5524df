"""Noise-normalised distances: noise precision, whitening, and crossvalidation over folds."""

import math
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from ..errors import RSAError, listing, near
from ..labels import as_matrix, beside, row_names
from ..types import Array

ESTIMATES = ("ledoit-wolf", "diagonal")


def encoded(groups: Sequence[str]) -> tuple[tuple[str, ...], npt.NDArray[np.int64]]:
    """The groups in order of first appearance, and the number of each row's."""
    names = tuple(dict.fromkeys(groups))
    place = {name: i for i, name in enumerate(names)}
    return names, np.fromiter((place[group] for group in groups), np.int64, len(groups))


def noise_precision(x: npt.ArrayLike, groups: Iterable[object], method: str = "ledoit-wolf") -> Array:
    """Estimate the noise precision of the features from the residuals of repeats about their condition's mean.

    Parameters
    ----------
    x : array, DataFrame or DataArray (n, f)
        Single measurements.
    groups : iterable
        The condition of every row; some conditions must repeat, any number of times. Matched with the rows by index
        where both have one.
    method : str
        "ledoit-wolf", the covariance shrunk towards a multiple of the identity by the amount that is best on average,
        or "diagonal", the variances alone.

    Returns
    -------
    array (f, f)
        The inverse of the covariance of residuals about the group means, which have n - groups degrees of freedom.

    Raises
    ------
    RSAError
        For an unknown method, values that are not finite, missing groups, groups without repeats, and where the noise
        has no variance.

    References
    ----------
    Walther et al. (2016), NeuroImage 137:188-200; Ledoit and Wolf (2004), J Multivar Anal 88:365-411.
    """
    if method not in ESTIMATES:
        raise RSAError(f"precision is a matrix, 'ledoit-wolf' or 'diagonal'{near(method, ESTIMATES)}")
    labels = beside(groups, row_names(x), "groups")
    x = as_matrix(x)
    if len(labels) != len(x):
        raise RSAError(f"{len(x)} rows of features but {len(labels)} groups")
    if not np.isfinite(x).all():
        raise RSAError(f"features hold NaN or infinity in rows {listing(np.flatnonzero(~np.isfinite(x).all(axis=1)))}")
    names, place = encoded(labels)
    counts = np.bincount(place)
    if counts.max() < 2:
        raise RSAError(f"precision={method!r} is estimated from repeats, but no group has more than one row")
    sums = np.zeros((len(names), x.shape[1]))
    np.add.at(sums, place, x)
    residuals = x - (sums / counts[:, None])[place]
    degrees = len(x) - len(names)
    variances = (residuals**2).sum(axis=0) / degrees
    silent = np.flatnonzero(variances <= 1e-24 * np.square(x, dtype=np.float64).mean(axis=0))
    if len(silent) and (method == "diagonal" or len(silent) == x.shape[1]):
        raise RSAError(f"feature {listing(silent)} has no noise variance over repeats; leave it out")
    if method == "diagonal":
        return np.diag(1 / variances)
    from sklearn.covariance import ledoit_wolf

    covariance, _ = ledoit_wolf(residuals, assume_centered=True)
    inverse: Array = np.linalg.inv(covariance * (len(x) / degrees))
    return (inverse + inverse.T) / 2


def whiten(x: Array, precision: npt.ArrayLike | None) -> Array:
    """Centre x (n, f) and multiply by L, where P = L L': Euclidean distances of that are Mahalanobis distances of x.

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


def crossvalidated_correlation(
    x: Array, groups: Sequence[str], folds: Sequence[str], precision: None = None
) -> tuple[Array, tuple[str, ...]]:
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
    if len(folds) != len(y):
        raise RSAError(f"{len(y)} rows of features but {len(folds)} folds")
    (names, place), (fold_names, turn) = encoded(groups), encoded(folds)
    if len(names) < 2 or len(fold_names) < 2:
        raise RSAError(f"crossvalidation needs at least 2 groups and 2 folds, got {len(names)} and {len(fold_names)}")
    cell = turn * len(names) + place
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
