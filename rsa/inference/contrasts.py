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
from .intervals import interval, sampling_variance, spread, z_ends
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
        self.plan, self.models = plan, len(samples)
        # rows: the models at the layers chosen for them, then all models at their highest layers
        every = [(one.single, one.slopes, one.draws) for one in samples] + [one.highest for one in samples]
        self.single = np.stack([single for single, _, _ in every])  # (rows, subjects)
        self.subjects, means = self.single.shape[1], self.single.mean(axis=1)
        self.estimate: Array = means[: self.models]
        self.highest: Array = means[self.models :]
        self._means = means
        draws = np.stack([draw for _, _, draw in every])
        self.by_stimulus: Array = draws.mean(axis=1)
        halved = [np.zeros_like(one.draws) if one.apart is None else one.apart for one in samples]
        self._halved = any(one.apart is not None for one in samples)
        apart = np.stack([*halved, *map(np.zeros_like, halved)])
        self.apart: Array = apart.mean(axis=1)
        if plan.over == "stimuli":
            slopes = np.stack([slope.mean(axis=0) for _, slope, _ in every])
            self.linear: Array = slopes @ (plan.counts - 1.0).T
            self.dof: Array = degrees_of_freedom(slopes)
            return
        drawn = Resampling(
            plan.resampling.draws, seed=plan.resampling.seed + 2**32
        )  # another stream than the stimuli's
        share = drawn.counts(self.subjects) / self.subjects
        self.by_subject: Array = self.single @ share.T
        self.by_both: Array = np.einsum("msd,ds->md", draws, share) if plan.over == "both" else self.by_subject
        self.apart_both: Array = np.einsum("msd,ds->md", apart, share)
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
            apart = [draws[0], over(self.apart), over(self.apart_both)] if self._halved else []
            error = two_factor_error(draws, self.subjects, self.plan.units, apart)
        else:
            linear = over(self.linear)
            rest = over(self.by_stimulus) - over(self._means)[:, None] - linear
            error = np.sqrt(sampling_variance(rest, linear, self.plan.units, spread(over(self.apart))))
        return error, dof

    def noise(self, first: Rows, second: Rows) -> Array:
        """(differences, draws) what resampling makes of differences."""
        draws = self.by_stimulus if self.plan.over == "stimuli" else self.by_both
        differences: Array = draws[first] - draws[second]
        return differences

    def intervals(self) -> tuple[Array, Array]:
        """95% intervals of the best layers' similarities; of one layer over stimuli those of `interval`.

        The upper end is that of the highest layer on all data.
        """
        n = self.models
        if self.plan.over == "stimuli":
            low, high = (end.to_numpy()[:, 0] for end in interval(self._as_draws()))
        else:
            error, dof = self.errors(np.arange(2 * n))
            half = scipy.special.stdtrit(dof, (1 + LEVEL) / 2) * error
            low, high = z_ends(self._means, half, half)
        return low[:n], np.maximum(high[:n], high[n:])

    def above(self, value: float = 0.0, *, best: bool = False) -> Array:
        """One-sided p-values of similarities above a number, by Student's t on Fisher's z scale.

        best: of the highest layers.
        """
        rows = np.arange(self.models) + self.models * best
        error, dof = self.errors(rows)
        here = np.clip(self._means[rows], -1 + _ROUNDING, 1 - _ROUNDING)
        z = (np.arctanh(here) - np.arctanh(np.clip(value, -1 + _ROUNDING, 1 - _ROUNDING))) * (1 - here**2)
        least = np.where(z == 0, 0.0, np.copysign(np.inf, z))
        p: Array = scipy.special.stdtr(dof, -np.divide(z, error, out=least, where=error > 0))
        return p

    def differences(self, first: Rows, second: Rows) -> dict[str, Array]:
        """Paired differences first - second: `difference`, `standard_error`, `low`, `high` (95%), `p` (two-sided).

        The p-value is of the difference from the highest layer of the model that is behind.
        """
        n, d = self.models, self.estimate[first] - self.estimate[second]
        error, dof = self.errors(first, second)
        ends = []
        for one, other, sign in ((first, second + n, 1), (first + n, second, -1)):
            wider, fewer = self.errors(one, other)
            half = scipy.special.stdtrit(np.minimum(dof, fewer), (1 + LEVEL) / 2) * np.maximum(error, wider)
            ends.append(
                (self._means[one] - self._means[other], np.maximum(error, wider), np.minimum(dof, fewer), sign * half)
            )
        ahead = d > 0
        left, wide, fewest = (np.where(ahead, *(end[k] for end in ends)) for k in range(3))
        left = np.where(ahead, np.maximum(left, 0.0), np.maximum(-left, 0.0))
        ratio = np.divide(left, wide, out=0 * wide, where=wide > 0)  # models may be the same
        low, high = (np.clip(end[0] - end[3], -2, 2) for end in ends)
        p = 2 * scipy.special.stdtr(fewest, -ratio)
        return {"difference": d, "standard_error": error, "low": low, "high": high, "p": p}

    def _as_draws(self) -> "xarray.DataArray":
        import xarray

        place = ("layer", "target")
        coords = {
            "estimate": (place, self._means[:, None]),
            "linear": ((*place, "draw"), self.linear[:, None]),
            "dof": (place, self.dof[:, None]),
        }
        draws = self.by_stimulus
        if self._halved:  # less what halvings within draws add to them
            mean = self._means[:, None] + self.linear
            whole, added = spread(draws - mean), spread(self.apart)
            share = np.sqrt(np.maximum(1 - np.divide(added, whole, out=np.zeros_like(whole), where=whole > 0), 0.0))
            draws = mean + share[:, None] * (draws - mean)
        return xarray.DataArray(draws[:, None], coords, (*place, "draw"), attrs={"units": self.plan.units})


def all_pairs(models: int) -> tuple[Rows, Rows]:
    """Every pair of models once, in the order of `combinations`."""
    pairs = np.array(list(combinations(range(models), 2)), np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]
