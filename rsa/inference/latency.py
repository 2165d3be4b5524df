"""When a similarity begins and when it is highest, and how sure that is."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..errors import RSAError
from ..types import Array
from .clusters import LEVEL, ClusterTest


@dataclass(frozen=True)
class Latency:
    """Onset and peak of a time course.

    Attributes
    ----------
    onset, peak : float
        NaN where the course has no significant cluster.
    onset_interval, peak_interval : (float, float)
        95% intervals; an end is NaN where the draws have no latency there.
    onset_draws, peak_draws : array (draws,)
        Onset and peak of every resample; NaN where it has no significant cluster that shares a time with the course's
        first one.
    """

    onset: float
    peak: float
    onset_interval: tuple[float, float] = (np.nan, np.nan)
    peak_interval: tuple[float, float] = (np.nan, np.nan)
    onset_draws: Array | None = None
    peak_draws: Array | None = None


def latency(
    time: npt.ArrayLike,
    course: npt.ArrayLike,
    test: ClusterTest,
    draws: npt.ArrayLike | None = None,
    *,
    heights: npt.ArrayLike | None = None,
    height_draws: npt.ArrayLike | None = None,
) -> Latency:
    """Find when a course first becomes significant and when it is highest.

    Parameters
    ----------
    time : array (times,)
        The middles of the windows in ms, in rising order.
    course : array (times,)
    test : ClusterTest
        What `cluster_test` returned for the course.
    draws : array (draws, times), optional
        The course in resamples of the stimuli or subjects, for intervals.
    heights : array (times,), optional
        The values whose maximum is the peak, if the course is of another statistic, such as t; by default the course
        itself.
    height_draws : array (draws, times), optional
        The heights in the resamples.

    Returns
    -------
    Latency

    Raises
    ------
    RSAError
        For shapes that do not fit.

    Notes
    -----
    The onset is the first time of a cluster with p <= .05, the peak the time of the highest value (both as in Cichy et
    al. 2014). Both are found anew in every draw, with the thresholds and the critical mass of the test; a draw's onset
    is then that of the cluster that shares a time with the course's first cluster, since in one draw in twenty chance
    alone produces a cluster somewhere before it. Intervals reach from 2.5% to 97.5% of the draws; a draw without such a
    cluster counts as having a later onset and peak than any other. Latencies are read off at the windows given: they
    are no finer than the step between windows, and where windows are wider than their step, an onset comes out early by
    up to a window's width.

    References
    ----------
    Cichy, Pantazis and Oliva (2014), Nat Neurosci 17:455-462.

    Examples
    --------
    >>> import numpy as np
    >>> from tgsage.rsa import cluster_test, latency
    >>> null = np.random.default_rng(0).normal(size=(999, 5))
    >>> course = [0.1, 0.2, 4.0, 5.0, 3.0]
    >>> found = latency([10, 20, 30, 40, 50], course, cluster_test(course, null))
    >>> found.onset, found.peak
    (30.0, 40.0)
    """
    times, values = np.asarray(time, np.float64), np.asarray(course, np.float64)
    if values.shape != times.shape or times.shape != test.p.shape:
        raise RSAError(f"times, course and test are of {times.shape}, {values.shape} and {test.p.shape} times")
    first = next(((start, stop) for start, stop, _, p in test.clusters if p <= LEVEL), (0, 0))
    own = values if heights is None else np.asarray(heights, np.float64)
    onset, peak = _read(times, values[None], own[None], test, first)
    if draws is None:
        return Latency(float(onset[0]), float(peak[0]))
    resampled = np.asarray(draws, np.float64)
    if resampled.ndim != 2 or resampled.shape[1] != len(times):
        raise RSAError(f"draws have shape (draws, {len(times)}), got {resampled.shape}")
    again = resampled if height_draws is None else np.asarray(height_draws, np.float64)
    onsets, peaks = _read(times, resampled, again, test, first)
    if np.isnan(onset[0]):
        return Latency(np.nan, np.nan, onset_draws=onsets, peak_draws=peaks)
    return Latency(float(onset[0]), float(peak[0]), ends(onsets), ends(peaks), onsets, peaks)


def _read(
    times: Array, courses: Array, heights: Array, test: ClusterTest, first: tuple[int, int]
) -> tuple[Array, Array]:
    """Onsets of courses (n, times), of the clusters that share a time with the course's `first`; peaks of heights."""
    inside = test.significant(courses)
    begins = np.zeros(inside.shape, np.int64)
    for t in range(1, len(times)):
        begins[:, t] = np.where(inside[:, t - 1], begins[:, t - 1], t)
    shared = inside[:, slice(*first)]
    some = shared.any(axis=1)
    where = first[0] + shared.argmax(axis=1) if shared.size else np.zeros(len(courses), np.int64)
    onsets = np.where(some, times[begins[np.arange(len(courses)), where]], np.nan)
    highest = np.where(np.isfinite(heights), heights, -np.inf).argmax(axis=1)
    return onsets, np.where(some, times[highest], np.nan)


def ends(draws: Array, level: float = 0.95) -> tuple[float, float]:
    """The middle share of the draws; one that is NaN counts as beyond all others, and an end there is NaN."""
    known = np.sort(np.where(np.isnan(draws), np.inf, draws))
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2], method="inverted_cdf")
    return tuple(float(end) if np.isfinite(end) else np.nan for end in (low, high))  # type: ignore[return-value]
