"""How well a linear map from features predicts responses to held-out stimuli (Brain-Score; Schrimpf et al. 2018)."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from ..errors import RSAError, check_whole, listing
from ..labels import as_matrix, beside, check_names, order_of, plain_column, row_names
from ..types import Array
from .features import check_pair, compact, principal

FOLDS = 5
ALPHAS = 10.0 ** np.arange(-6, 5)  # of the ridge penalty, in mean eigenvalues of the training stimuli's Gram matrix


def ridge_predictivity(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    groups: Iterable[object] | None = None,
    folds: int = FOLDS,
    seed: int = 0,
    ceilings: npt.ArrayLike | None = None,
) -> float:
    """Predict responses to held-out stimuli by ridge regression, and return the median correlation over neuroids.

    Parameters
    ----------
    x : array, DataFrame or DataArray (n, f)
        Features.
    y : array, DataFrame or DataArray (n, n_neuroids)
        Responses to the same stimuli.
    groups : iterable, optional
        One per stimulus; stimuli of one group (an object) stay in one part.
    folds : int
        Number of parts that the stimuli are divided into. For each part the map is fitted to the others, and Pearson r
        over the part's stimuli is averaged over parts.
    seed : int
        Seed that the parts are drawn with.
    ceilings : array (n_neuroids,), optional
        The highest r that each neuroid's noise allows; r is divided by it.

    Raises
    ------
    RSAError
        For fewer than 3 stimuli per part on average, fewer groups than parts, constant neuroids and ceilings that are
        not positive.

    Notes
    -----
    Each neuroid's penalty is the one of `ALPHAS` with the lowest generalised crossvalidation error (Golub et al. 1979)
    on the training stimuli. Rows, groups and ceilings with an index of their own are matched by it.

    References
    ----------
    Schrimpf et al. (2018), bioRxiv 407007; Golub et al. (1979), Technometrics 21:215-223.
    """
    raw = as_matrix(y)
    check_neuroids(raw)
    first, second = check_pair(x, y)
    parts = range(len(first)) if groups is None else beside(groups, row_names(x) or row_names(y), "groups")
    fold = fold_of(parts, len(first), folds, seed)
    scores = predicted(compact(first), second, fold)
    if ceilings is not None:
        bounds, order = plain_column(ceilings), order_of(row_names(ceilings), row_names(y, 1), "ceilings")
        if bounds.dtype.kind not in "biuf" or bounds.shape != scores.shape or not bool((bounds > 0).all()):
            raise RSAError(f"ceilings must be {scores.size} positive numbers, one per neuroid")
        scores = scores / (bounds if order is None else bounds[order])
    return float(np.median(scores))


def check_neuroids(responses: Array) -> None:
    """Raises RSAError naming the columns that do not vary."""
    still = np.flatnonzero((responses == responses[:1]).all(axis=0))
    if len(still):
        raise RSAError(f"{len(still)} of {responses.shape[1]} neuroids do not vary (columns {listing(still)})")


def fold_of(groups: Iterable[object], n: int, folds: int, seed: int) -> Array:
    """(n,) the part of every stimulus, drawn by seed and by the groups' names: whole groups, nearly one size.

    scikit-learn's GroupKFold draws by the number of groups alone, and depends on the order of the stimuli.
    """
    names = check_names(groups, "groups")
    if len(names) != n:
        raise RSAError(f"groups= has {len(names)} values for {n} stimuli")
    unique, place, sizes = np.unique(np.array(names), return_inverse=True, return_counts=True)
    check_whole(2, folds=folds)
    check_whole(0, seed=seed)
    if len(unique) < folds or n < 3 * folds:
        raise RSAError(f"{n} stimuli in {len(unique)} groups are too few for {folds} folds of at least 3 stimuli")
    order = np.random.default_rng(seed).permutation(len(unique))
    order = order[np.argsort(-sizes[order], kind="stable")]
    filled, fold = np.zeros(folds, np.int64), np.empty(len(unique), np.int64)
    for group in order:
        fold[group] = np.argmin(filled)
        filled[fold[group]] += sizes[group]
    return fold[place]


def predicted(x: Array, y: Array, fold: Array) -> Array:
    """(n_neuroids,) correlation with the crossvalidated prediction, averaged over folds."""
    r = np.array(
        [_correlations(_predict(x, y, fold != part, fold == part), y[fold == part]) for part in np.unique(fold)]
    )
    still = np.flatnonzero(np.isnan(r).all(axis=0))
    if len(still):
        raise RSAError(f"{len(still)} neuroids do not vary within any fold (columns {listing(still)})")
    mean: Array = np.nanmean(r, axis=0)
    return mean


def _predict(x: Array, y: Array, train: Array, test: Array) -> Array:
    """Responses to test stimuli by a ridge map fitted to training stimuli (masks); a penalty for every column.

    scikit-learn's RidgeCV minimises the leave-one-out error, picks other penalties, and takes 2 to 3 times longer.
    """
    mean, middle = x[train].mean(axis=0), y[train].mean(axis=0)
    known, new, wanted = x[train] - mean, x[test] - mean, y[train] - middle
    basis, sizes = principal(known)
    squares = sizes**2
    inner = basis.T @ wanted
    penalties = ALPHAS * squares.mean()
    shrink = squares / (squares + penalties[:, None])  # (alphas, k)
    rest = np.square(wanted).sum(axis=0) - np.square(inner).sum(axis=0)
    errors = rest + (1 - shrink) ** 2 @ inner**2
    freedom = 1 - (shrink.sum(axis=1) + 1) / len(known)  # the mean is fitted too
    best = np.argmin(errors / freedom[:, None] ** 2, axis=0)
    weights = inner / (squares[:, None] + penalties[best])
    responses: Array = new @ (known.T @ (basis @ weights)) + middle
    return responses


def _correlations(a: Array, b: Array) -> Array:
    """Pearson r of every column; 0 for a constant prediction a, NaN for constant responses b."""
    still = (b == b[0]).all(axis=0)
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    norms = np.linalg.norm(a, axis=0), np.linalg.norm(b, axis=0)
    r = np.einsum("ij,ij->j", a, b) / np.maximum(norms[0] * norms[1], np.finfo(np.float64).tiny)
    return np.where(still, np.nan, np.clip(r, -1, 1))
