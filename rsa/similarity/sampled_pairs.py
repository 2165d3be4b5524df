"""Rank similarity of RDMs over so many stimuli that pairs of them can only be sampled."""

import math
from dataclasses import dataclass

import numpy as np

from ..errors import RSAError
from ..inference import _kernels as kernels
from ..inference.bootstrap import places
from ..inference.intervals import z_ends
from ..rdm.comparison import Method, align, compare, method_named
from ..rdm.distances import metric_named, unit_rows
from ..types import Array
from .features import Features

_AT_ONCE = 2**24  # numbers of gathered rows
_LEAST = 100  # pairs


@dataclass(frozen=True)
class Sampled:
    """The similarity of two RDMs over a sample of the pairs of their stimuli, and where that over all pairs lies.

    Attributes
    ----------
    value, low, high : float
        Estimate and ends of its interval; equal where all pairs were taken.
    pairs : int
        Number of pairs.
    """

    value: float
    low: float
    high: float
    pairs: int


def compare_sampled(
    a: Features, b: Features, *, method: str = "spearman", pairs: int = 1_000_000, seed: int = 0, level: float = 0.95
) -> Sampled:
    """Compare the correlation RDMs of features by ranks, over pairs of stimuli that are drawn at random.

    For so many stimuli that their RDM does not fit in memory; `compare_features` with "rsa-pearson" and the like needs
    no sampling.

    Parameters
    ----------
    a, b : Features
        Over the same stimuli in any order.
    method : str
        "spearman", "rho-a" or "tau-a", as in `compare`.
    pairs : int
        Number of pairs drawn, with replacement. Where there are no more pairs than this, all of them are taken.
    seed : int
    level : float
        Coverage of the interval.

    Returns
    -------
    Sampled
        The interval says how near the value is to that over all pairs of *these* stimuli. It says nothing about new
        stimuli.

    Raises
    ------
    RSAError
        For any other method, fewer than 100 pairs, a level outside (0, 1), labels that only one side has, and as
        `compute_rdm` does.

    Notes
    -----
    Pairs are independent draws, so the standard error is that of the infinitesimal jackknife over pairs.

    Examples
    --------
    >>> import numpy as np
    >>> from tgsage.rsa import Features, compare_sampled
    >>> x = np.random.default_rng(0).normal(size=(1000, 20))
    >>> found = compare_sampled(Features(x, range(1000)), Features(x[:, :15], range(1000)), pairs=5000)
    >>> found.pairs, found.low < found.value < found.high
    (5000, True)
    """
    import scipy.special

    how = method_named(method)
    if not (how.ranked or how.concordance):
        raise RSAError(f"{method} needs no sample of pairs: compare_features(..., similarity='rsa-{method}') is exact")
    if pairs < _LEAST or not 0 < level < 1:
        raise RSAError(
            f"at least {_LEAST} pairs and a level between 0 and 1 are needed, got pairs={pairs}, level={level}"
        )
    (first,), (second,) = align({"a": a}, {"b": b}, cure="Features.subset selects")
    n = len(first)
    if n * (n - 1) // 2 <= pairs:
        value = compare(first.rdm(), second.rdm(), method=method)
        return Sampled(value, value, value, n * (n - 1) // 2)
    rng = np.random.default_rng(seed)
    i = rng.integers(n, size=pairs)
    j = (i + rng.integers(1, n, size=pairs)) % n
    x, y = (_dissimilarities(side, i, j) for side in (first, second))
    value, slopes = _tau_a(x, y) if how.concordance else _ranked(x, y, how)
    error = float(scipy.special.ndtri((1 + level) / 2)) * math.sqrt(float(slopes @ slopes))
    low, high = z_ends(np.array(value), np.array(error), np.array(error))
    return Sampled(value, float(low), float(high), pairs)


def _dissimilarities(side: Features, i: Array, j: Array) -> Array:
    """Correlation distances (pairs,) of the stimuli i and j."""
    metric, out = metric_named("correlation"), np.empty(len(i))
    step = max(1, _AT_ONCE // side.values.shape[1])
    for start in range(0, len(i), step):
        rows, columns = i[start : start + step], j[start : start + step]
        stimuli, place = np.unique(np.concatenate([rows, columns]), return_inverse=True)
        z = unit_rows(side.values[stimuli], [side.labels[k] for k in stimuli], metric, overwrite=True)
        out[start : start + step] = 1 - np.einsum("ij,ij->i", z[place[: len(rows)]], z[place[len(rows) :]])
    if (out == out[0]).all():
        raise RSAError(f"{side!r}: all stimuli are equally dissimilar, so its similarity is undefined")
    return out


def _ranked(x: Array, y: Array, method: Method) -> tuple[float, Array]:
    """Spearman's rho or rho-a, and its derivatives by the weights of the pairs, whose copies move the others' ranks."""
    placed, pairs = [places(values, method) for values in (x, y)], len(x)
    counts = [np.bincount(place) for place in placed]
    tables = [np.cumsum(count) - count / 2 - pairs / 2 for count in counts]  # centred mid-ranks

    def shifts(k: int, m: int) -> Array:
        held = np.bincount(placed[k], tables[m][placed[m]], len(counts[k]))
        after: Array = (held.sum() - np.cumsum(held) + held / 2)[placed[k]]
        return after

    def inner(k: int, m: int) -> tuple[float, Array]:
        """Mean product of ranks, and its derivative."""
        sums = tables[k][placed[k]] * tables[m][placed[m]] + shifts(k, m) + shifts(m, k)
        mean = float(sums.mean()) / 3
        return mean, (sums - 3 * mean) / pairs

    mean, slope = inner(0, 1)
    if not method.normalised:
        scale = 12 / (pairs**2 - 1)
        return scale * mean, scale * slope
    (first, first_slope), (second, second_slope) = inner(0, 0), inner(1, 1)
    norms = math.sqrt(first * second)
    own = first_slope / first + second_slope / second
    return mean / norms, slope / norms - mean / norms / 2 * own


def _tau_a(x: Array, y: Array) -> tuple[float, Array]:
    """Kendall's tau-a, and its derivatives."""
    one, other = (places(values, method_named("tau-a")) for values in (x, y))
    alike, pairs = np.empty(len(x), np.int64), len(x)
    kernels.concordance(np.argsort(one), one, other, alike)
    value = float(alike.sum()) / (pairs * (pairs - 1))
    return value, 2 * (alike / (pairs - 1) - value) / pairs
