"""Samples of a movie of RDMs whose onset and peak are known, and the intervals that are found for these.

The target's patterns in a window are a multiple, that window's strength, of what layer and target share, and noise of
its own. Where the strength is above zero there is a similarity in the population, and it rises with the strength: the
true onset is the first such window, the true peak the strongest.
"""

from collections.abc import Callable

import numpy as np

from ...rsa import RDM, bootstrap, cluster_test, latency, permuted_similarities
from ...rsa.inference.intervals import at_standard_error
from ...rsa.types import Array

PERMUTATIONS = 200
WINDOW = 10.0  # ms
STRENGTHS = {
    "step": (0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0),
    "rise and fall": (0.0, 0.0, 0.0, 0.4, 0.7, 1.0, 1.3, 1.0, 0.7, 0.4),
}


def true_latency(what: str, kind: str) -> float:
    """The middle of the first window with a similarity ("onset"), or of the strongest ("peak"), in ms."""
    strengths = np.array(STRENGTHS[kind])
    return WINDOW * (float(np.argmax(strengths > 0) if what == "onset" else np.argmax(strengths)) + 0.5)


def latency_intervals(
    what: str, kind: str, method: str, layer: RDM, target_at: Callable[[float], RDM], draws: int, seed: int
) -> list[tuple[float, float]]:
    """The interval from plain draws and that from draws at their standard error; NaN without a significant cluster.

    target_at: the target's RDM in a window of this strength.
    """
    courses, nulls, plain, corrected = [], [], [], []
    for strength in STRENGTHS[kind]:
        sides = {"layer": layer}, {"target": target_at(strength)}
        drawn = bootstrap(*sides, method=method, n=draws, seed=seed)
        courses.append(float(drawn["estimate"][0, 0]))
        plain.append(drawn.to_numpy()[0, 0])
        corrected.append(at_standard_error(drawn)[0, 0])
        nulls.append(permuted_similarities(*sides, method=method, n=PERMUTATIONS, seed=seed).to_numpy()[0, 0])
    times = WINDOW * (np.arange(len(courses)) + 0.5)
    test = cluster_test(courses, np.stack(nulls, axis=1))
    ends: list[tuple[float, float]] = []
    for each in (plain, corrected):
        courses_drawn: Array = np.stack(each, axis=1)
        found = latency(times, courses, test, courses_drawn)
        low, high = found.onset_interval if what == "onset" else found.peak_interval
        ends.append((low, np.inf if np.isnan(high) and np.isfinite(found.onset) else high))
    return ends
