"""Distances that know the noise: whitening by a precision matrix, and the crossvalidated Mahalanobis distance."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from .errors import RSAError, listing
from .rdm import Array


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
    x (n, f), groups and folds one per row. Raises RSAError unless every group has rows in every fold.
    """
    names, fold_names = tuple(dict.fromkeys(groups)), tuple(dict.fromkeys(folds))
    if len(folds) != len(x):
        raise RSAError(f"{len(x)} rows of features but {len(folds)} folds")
    if len(names) < 2 or len(fold_names) < 2:
        raise RSAError(f"crossnobis needs at least 2 groups and 2 folds, got {len(names)} and {len(fold_names)}")
    place, turn = {g: i for i, g in enumerate(names)}, {f: i for i, f in enumerate(fold_names)}
    cell = np.array([turn[f] * len(names) + place[g] for g, f in zip(groups, folds, strict=True)])
    y = whiten(x, precision)
    flat = np.zeros((len(fold_names) * len(names), x.shape[1]))
    np.add.at(flat, cell, y)
    sums = flat.reshape(len(fold_names), len(names), -1)
    counts = np.bincount(cell, minlength=len(fold_names) * len(names)).reshape(len(fold_names), len(names), 1)
    if not counts.all():
        absent = [f"{names[g]} in fold {fold_names[f]}" for f, g in np.argwhere(counts[..., 0] == 0)]
        raise RSAError(f"crossnobis needs every group in every fold; without a row: {listing(absent)}")
    i, j = np.triu_indices(len(names), 1)
    values = np.zeros(len(i))
    for fold in range(len(fold_names)):
        test = sums[fold] / counts[fold]
        train = (sums.sum(axis=0) - sums[fold]) / (counts.sum(axis=0) - counts[fold])
        product = test @ train.T
        values += product[i, i] + product[j, j] - product[i, j] - product[j, i]
    return (values / (len(fold_names) * x.shape[1])).astype(x.dtype), names
