"""Correlations with mature performance, and their differences under resampling of the architectures."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from ..rsa.types import Array

COEFFICIENTS = ("spearman", "kendall", "pearson")


def correlate(columns: npt.ArrayLike, mature: npt.ArrayLike) -> dict[str, Array]:
    """Spearman, Kendall (tau-b) and Pearson of every column with mature performance: name -> (...).

    columns: (n, ...), mature: (n,). A column without any variation has 0: it predicts nothing.
    """
    x, y = np.asarray(columns, np.float64), np.asarray(mature, np.float64)
    flat = x.reshape(len(x), -1)
    signs = np.sign(y[:, None] - y)  # scipy's kendalltau takes twice as long per column
    tau = [_ratio((sign := np.sign(column[:, None] - column)) * signs, sign**2, signs**2) for column in flat.T]
    found = {
        "spearman": _pearson(rankdata(flat, axis=0), rankdata(y)),
        "kendall": np.array(tau),
        "pearson": _pearson(flat, y),
    }
    return {name: values.reshape(x.shape[1:]) for name, values in found.items()}


def spearman(columns: npt.ArrayLike, mature: npt.ArrayLike) -> Array:
    """Spearman of columns (n, ...) with mature performance, (...), as in `correlate`."""
    x, y = np.asarray(columns, np.float64), np.asarray(mature, np.float64)
    return _pearson(rankdata(x.reshape(len(x), -1), axis=0), rankdata(y)).reshape(x.shape[1:])


def _pearson(x: Array, y: Array) -> Array:
    x, y = x - x.mean(axis=0), y - y.mean()
    norms = np.sqrt((x * x).sum(axis=0) * (y @ y))
    return np.asarray((y @ x) / np.where(norms > 1e-12, norms, np.inf))


def _ratio(product: Array, one: Array, other: Array) -> float:
    norm = float(np.sqrt(one.sum() * other.sum()))
    return float(product.sum()) / norm if norm else 0.0


class Resampled:
    """Spearman with mature performance (n,) in resamples of the architectures, the same ones for every predictor.

    A resample is a vector of multiplicities, in which equal architectures share their mid-rank, so that nothing is
    copied or sorted anew. It is drawn here and not by the `draw_counts` of rsa: the committed intervals were drawn so.
    """

    def __init__(self, mature: npt.ArrayLike, draws: int, rng: np.random.Generator) -> None:
        y = np.asarray(mature, np.float64)
        self._begin(y, rng.multinomial(len(y), np.full(len(y), 1 / len(y)), draws).T)

    @classmethod
    def of(cls, mature: npt.ArrayLike, counts: npt.ArrayLike) -> "Resampled":
        """Make it of given multiplicities (n, draws)."""
        made = cls.__new__(cls)
        made._begin(np.asarray(mature, np.float64), counts)
        return made

    def _begin(self, y: Array, counts: npt.ArrayLike) -> None:
        self._counts = np.asarray(counts, np.float64)
        self._ranks, self._norm = self._centred_ranks(y)
        self._weighted = self._counts * self._ranks

    def __call__(self, predictor: npt.ArrayLike) -> Array:
        """(draws,) correlations of a predictor (n,)."""
        ranks, norm = self._centred_ranks(np.asarray(predictor, np.float64))
        product = np.einsum("ij,ij->j", self._weighted, ranks)
        norms = np.sqrt(norm * self._norm)
        return np.asarray(product / np.where(norms > 1e-12, norms, np.inf))

    def _centred_ranks(self, x: Array) -> tuple[Array, Array]:
        order = np.argsort(x, kind="stable")
        kept, n = x[order], len(x)
        upto = np.zeros((n + 1, self._counts.shape[1]))
        np.cumsum(self._counts[order], axis=0, out=upto[1:])
        first, last = np.searchsorted(kept, kept, "left"), np.searchsorted(kept, kept, "right")
        ranks = np.empty_like(self._counts)
        ranks[order] = (upto[first] + upto[last] - upto[-1]) / 2  # mid-ranks about their mean
        return ranks, np.einsum("ij,ij,ij->j", self._counts, ranks, ranks)


def chosen(values: npt.ArrayLike, counts: npt.ArrayLike, k: npt.ArrayLike) -> Array:
    """How many copies of each architecture are among the k with the highest values: (n, draws).

    Where equal values compete for the last places, the mean over their orders.

    values: (n,). counts: (n, draws), copies of each. k: a number, or one for every draw.
    """
    x, copies = np.asarray(values, np.float64), np.asarray(counts, np.float64)
    order = np.argsort(-x, kind="stable")
    upto = np.zeros((len(x) + 1, copies.shape[1]))
    np.cumsum(copies[order], axis=0, out=upto[1:])
    kept = -x[order]
    before, after = (upto[np.searchsorted(kept, kept, side)] for side in ("left", "right"))
    equal = after - before
    share = np.clip(np.asarray(k, np.float64) - before, 0, equal) / np.where(equal > 0, equal, 1)
    out = np.empty_like(copies)
    out[order] = copies[order] * share
    return out


def interval(draws: Sequence[Array] | Array) -> tuple[float, float]:
    """The central 95% of the draws."""
    low, high = np.quantile(np.asarray(draws), (0.025, 0.975))
    return float(low), float(high)
