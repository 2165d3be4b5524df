"""A combination that was learned on a pool, for networks that are not in it."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from ...rsa import RSAError
from ...rsa.types import Array
from .learning import DIVISIONS, LEAST, Resamples, learn


@dataclass(frozen=True, eq=False)
class Rule:
    """Weights of predictors' ranks among a pool's members, to expect the rank of mature performance.

    known: (seeds, members, predictors). present: (seeds, members), which count. weights: (predictors,).
    """

    known: Array
    present: npt.NDArray[np.bool_]
    weights: Array

    @classmethod
    def learn(cls, known: Array, goal: Array, present: npt.NDArray[np.bool_]) -> "Rule":
        """Learn them by ridge regression: means over folds and divisions, as the analysis of a pool learns them.

        Of seeds with fewer than `LEAST` members, nothing is learned. Raises RSAError where there is no other.
        """
        seeds = present.sum(axis=1) >= LEAST
        if not seeds.any():
            raise RSAError(f"no seed has {LEAST} members to learn from yet; the most are {present.sum(axis=1).max()}")
        known, present = known[seeds], present[seeds]
        learned = learn(known, goal, Resamples.draw(present, 0))
        return cls(known, present, learned.weights[:, :DIVISIONS].mean(axis=(0, 1)))

    def __call__(self, values: Array) -> Array:
        """Predict for networks (n, predictors), in standard deviations of the members' ranks; a mean over seeds."""
        found = []
        for known, here in zip(self.known, self.present, strict=True):
            ranks = [standing(one, new) for one, new in zip(known[here].T, values.T, strict=True)]
            found.append(np.column_stack(ranks) @ self.weights)
        return np.asarray(np.mean(found, axis=0))


def standing(known: Array, values: Array) -> Array:
    """Ranks of new values among known ones, with mean 0 and deviation 1 for these; 0 where these are all equal."""
    ordered = np.sort(known)
    below, upto = (np.searchsorted(ordered, values, side) for side in ("left", "right"))
    own = rankdata(known)
    deviation = float(own.std())
    return np.asarray(((below + upto + 1) / 2 - own.mean()) / deviation) if deviation else np.zeros(len(values))
