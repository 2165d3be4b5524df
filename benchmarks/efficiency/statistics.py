"""How good the architectures are that a search calls its best, while it goes on; and how sure the differences are."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.stats import norm, t

from ..rank_statistics import spearman

Array = npt.NDArray[np.float64]
TOP = 5
DRAWS = 10000


def current_best(
    cells: Sequence[str], scores: Sequence[float | None], mature: Sequence[float], top: int = TOP
) -> tuple[Array, Array]:
    """Mature performance of the current top by the search's own score, after every sample: its mean, and the best.

    cells: names of the architectures, of which each counts once. Failed ones (without score) are never among the top,
    of equal scores the first is the better one; NaN while there is none.
    """
    best: dict[str, tuple[float, int, float]] = {}
    means, bests = [], []
    for i, (cell, score, reached) in enumerate(zip(cells, scores, mature, strict=True)):
        if score is not None and (cell not in best or -score < best[cell][0]):
            best[cell] = (-score, i, reached)
        now = [entry[2] for entry in sorted(best.values())[:top]]
        means.append(np.mean(now) if now else np.nan)
        bests.append(max(now, default=np.nan))
    return np.array(means), np.array(bests)


def rank_correlation(cells: Sequence[str], scores: Sequence[float | None], mature: Sequence[float]) -> float:
    """Spearman of scores with mature performance over the different cells, failed ones last; 0 where all are alike.

    Of a random search it tells how well its score predicts, with the training seed of that search.
    """
    _, first = np.unique(list(cells), return_index=True)
    known = np.array([-np.inf if score is None else score for score in scores])
    return float(spearman(known[first], np.asarray(mature)[first]))


def value_at(curve: Array, step: float, examples: npt.ArrayLike) -> Array:
    """The values of curves (..., samples) after so many examples, at `step` of them per sample; NaN before the first.

    Between two samples, and after the last, it is that after the sample before.
    """
    place = np.floor(np.asarray(examples, np.float64) / step + 1e-9).astype(np.int64)
    found = np.asarray(curve, np.float64)[..., np.clip(place - 1, 0, curve.shape[-1] - 1)]
    return np.where(place > 0, found, np.nan)


def area(curve: Array, step: float, first: float, last: float) -> Array:
    """(...) mean height of curves (..., samples) between two numbers of examples, both of them `first` or later.

    A sample counts from its end; curves stay at their last value.
    """
    edges = np.unique([first, *(step * np.arange(1, curve.shape[-1] + 1)), last])
    edges = edges[(edges >= first) & (edges <= last)]
    if len(edges) < 2:
        return value_at(curve, step, [last])[..., 0]
    return np.asarray(value_at(curve, step, edges[:-1]) @ np.diff(edges) / (last - first))


def reached(curve: Array, step: float, level: float) -> float | None:
    """The examples after which a curve (samples,) stays at a level or above it; None where it ends below.

    Not those after which it is there for the first time: of few first samples the best can be good by chance.
    """
    below = np.flatnonzero(~(curve >= level - 1e-12))
    last = int(below[-1]) + 1 if len(below) else 0
    return float(step * (last + 1)) if last < len(curve) else None


def mean_and_error(values: npt.ArrayLike) -> tuple[float, float | None]:
    """The mean and its standard error; none for a single value."""
    x = np.asarray(values, np.float64)
    return float(x.mean()), float(x.std(ddof=1) / len(x) ** 0.5) if len(x) > 1 else None


def interval(values: npt.ArrayLike, *, draws: int = DRAWS, seed: int = 0) -> tuple[float, float] | None:
    """95% interval of a mean by resampling the values (n,); None for fewer than two.

    Percentiles are those of the resamples, set further apart as befits few values: by Student's t, and by
    sqrt(n / (n - 1)) for the spread that resamples lack (Hesterberg 2015, section 4.2).
    """
    x = np.asarray(values, np.float64)
    n = len(x)
    if n < 2:
        return None
    tail = float(norm.cdf(-((n / (n - 1)) ** 0.5) * t.ppf(0.975, n - 1)))
    means = x[np.random.default_rng(seed).integers(n, size=(draws, n))].mean(axis=1)
    low, high = np.quantile(means, (tail, 1 - tail))
    return float(low), float(high)
