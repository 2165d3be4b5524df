"""Intervals of several models' similarities to one target, and tests of these models against each other, zero and
the ceiling: over new stimuli, new subjects, or both."""

from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import scipy.special

from ..types import Array
from .bootstrap import Resampling, degrees_of_freedom
from .intervals import interval, sampling_variance, z_ends
from .models import ModelSample, Plan
from .subjects import two_factor_error

if TYPE_CHECKING:
    import xarray

LEVEL = 0.95
_ROUNDING = 1e-12
Rows = npt.NDArray[np.int64]


class Contrasts:
    """Models against the one target of a plan, and how much they vary over new samples of what it resamples."""

    def __init__(self, plan: Plan, samples: Sequence[ModelSample]) -> None:
        self.single = np.stack([sample.single for sample in samples])  # (models, subjects)
        self.plan, self.subjects = plan, self.single.shape[1]
        self.estimate: Array = self.single.mean(axis=1)
        self.missed = np.array([sample.missed[0] for sample in samples])
        self.highest = np.array([sample.highest[0] for sample in samples])
        draws = np.stack([sample.draws for sample in samples])
        self.by_stimulus: Array = draws.mean(axis=1)
        if plan.over == "stimuli":
            slopes = np.stack([sample.slopes.mean(axis=0) for sample in samples])
            self.linear: Array = slopes @ (plan.counts - 1.0).T
            self.dof: Array = degrees_of_freedom(slopes)
            return
        drawn = Resampling(
            plan.resampling.draws, seed=plan.resampling.seed + 2**32
        )  # another stream than the stimuli's
        share = drawn.counts(self.subjects) / self.subjects
        self.by_subject: Array = self.single @ share.T
        self.by_both: Array = np.einsum("msd,ds->md", draws, share) if plan.over == "both" else self.by_subject
        levels = self.subjects if plan.over == "subjects" else min(self.subjects, plan.units)
        self.dof = np.full(len(self.single), levels - 1.0)

    def errors(self, first: Rows, second: Rows | None = None) -> tuple[Array, Array]:
        """Standard errors and degrees of freedom of similarities, or of differences first - second."""

        def over(values: Array) -> Array:
            picked: Array = values[first] if second is None else values[first] - values[second]
            return picked

        dof: Array = self.dof[first] if second is None else np.minimum(self.dof[first], self.dof[second])
        if self.plan.over == "subjects":
            error: Array = over(self.single).std(axis=1, ddof=1) / np.sqrt(self.subjects)
        elif self.plan.over == "both":
            draws = [over(self.by_subject), over(self.by_stimulus), over(self.by_both)]
            error = two_factor_error(draws, self.subjects, self.plan.units)
        else:
            linear = over(self.linear)
            rest = over(self.by_stimulus) - over(self.estimate)[:, None] - linear
            error = np.sqrt(sampling_variance(rest, linear, self.plan.units))
        return error, dof

    def noise(self, first: Rows, second: Rows) -> Array:
        """(differences, draws) what resampling makes of differences."""
        source = {"stimuli": self.by_stimulus, "subjects": self.by_subject} if self.plan.over != "both" else {}
        draws: Array = source[self.plan.over] if source else self.by_both
        return draws[first] - draws[second]

    def intervals(self) -> tuple[Array, Array]:
        """95% intervals of the best layers' similarities; of one layer over stimuli those of `interval`."""
        if self.plan.over == "stimuli":
            low, high = (end.to_numpy()[:, 0] for end in interval(self._as_draws()))
        else:
            error, dof = self.errors(np.arange(len(self.estimate)))
            half = scipy.special.stdtrit(dof, (1 + LEVEL) / 2) * error
            low, high = z_ends(self.estimate, half, half)
        return low, np.minimum(high + np.maximum(self.highest - self.estimate, 0.0), 1.0)

    def above(self, value: float = 0.0, *, best: bool = False) -> Array:
        """One-sided p-values of similarities above a number, by Student's t on Fisher's z scale.

        best: of the similarities with what the choice of their layers may have missed.
        """
        error, dof = self.errors(np.arange(len(self.estimate)))
        here = np.clip(self.estimate + self.missed * best, -1 + _ROUNDING, 1 - _ROUNDING)
        z = (np.arctanh(here) - np.arctanh(np.clip(value, -1 + _ROUNDING, 1 - _ROUNDING))) * (1 - here**2)
        p: Array = scipy.special.stdtr(
            dof, -np.divide(z, error, out=np.where(z == 0, 0.0, np.copysign(np.inf, z)), where=error > 0)
        )
        return p

    def differences(self, first: Rows, second: Rows) -> dict[str, Array]:
        """Paired differences first - second: `difference`, `standard_error`, `low`, `high` (95%), `p` (two-sided).

        The p-value is of what is left of a difference when the model behind gets what its choice may have missed.
        """
        d = self.estimate[first] - self.estimate[second]
        error, dof = self.errors(first, second)
        left = np.maximum(np.abs(d) - np.where(d > 0, self.missed[second], self.missed[first]), 0.0)
        ratio = np.divide(left, error, out=0 * error, where=error > 0)  # models may be the same
        half = scipy.special.stdtrit(dof, (1 + LEVEL) / 2) * error
        low, high = np.clip([d - half - self.missed[second], d + half + self.missed[first]], -2, 2)
        p = 2 * scipy.special.stdtr(dof, -ratio)
        return {"difference": d, "standard_error": error, "low": low, "high": high, "p": p}

    def _as_draws(self) -> "xarray.DataArray":
        import xarray

        place = ("layer", "target")
        coords = {
            "estimate": (place, self.estimate[:, None]),
            "linear": ((*place, "draw"), self.linear[:, None]),
            "dof": (place, self.dof[:, None]),
        }
        return xarray.DataArray(self.by_stimulus[:, None], coords, (*place, "draw"), attrs={"units": self.plan.units})


def all_pairs(models: int) -> tuple[Rows, Rows]:
    """Every pair of models once, in the order of `combinations`."""
    pairs = np.array(list(combinations(range(models), 2)), np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]
