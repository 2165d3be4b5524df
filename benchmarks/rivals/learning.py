"""Combinations of predictors that are learned on other members, and how sure their gains are.

Members are divided into folds, and everything is learned for every fold on the other ones: weights, penalties, and
whatever else is chosen; several divisions are averaged. Intervals come from members drawn with replacement, whose
held-out predictions stay, and from training seeds left out one after the other (jackknife), for which everything is
learned anew: networks of one seed share its weights and batches. Learning anew from drawn members, of whom a third
fewer are different, made intervals more than twice too wide where nothing is gained; `tgsage bench gains` measures the
coverage. So did leaving out a tenth of the members in turn, in the same folds and with everything learned anew (50
members, one seed: standard errors of .042 for a spread of .023; all of 60 intervals held the truth).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from ...rsa.types import Array
from ..rank_statistics import Resampled, spearman

PENALTIES = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
FOLDS = 5
LEAST = 12  # members at a seed
DIVISIONS = 10
_SMALL = 1e-9


@dataclass(frozen=True, eq=False)
class Resamples:
    """Divisions into folds, DIVISIONS with all seeds and as many without each; and draws of the members.

    Statistics are vectors: of all members first, then of every draw, then without every seed.

    counts: (members, 1 + draws), the first column ones. seeds: (seeds, divisions), which are in. folds: (members,
    divisions). present: (seeds, members), which were trained.
    """

    counts: Array
    seeds: Array
    folds: npt.NDArray[np.int64]
    present: npt.NDArray[np.bool_]

    @classmethod
    def draw(cls, present: npt.NDArray[np.bool_], draws: int, seed: int = 0) -> "Resamples":
        """Draw members, and divide them."""
        rng = np.random.default_rng([seed, 16])
        n_seeds, n = present.shape
        counts = np.column_stack([np.ones(n), rng.multinomial(n, np.full(n, 1 / n), draws).T])
        without = 1 - np.eye(n_seeds) if n_seeds > 1 else np.ones((1, 0))
        seeds = np.repeat(np.column_stack([np.ones(n_seeds), without]), DIVISIONS, axis=1)
        return cls(counts, seeds, np.argsort(rng.random((n, seeds.shape[1])), axis=0) % FOLDS, present)

    @cached_property
    def inside(self) -> Array:
        """1 where a network takes part: (seeds, members, divisions)."""
        return np.asarray(self.present[:, :, None] * self.seeds[:, None])

    def spearman(self, predictor: Array, goal: Array) -> Array:
        """Rank correlation of a predictor (seeds, members[, divisions]) with (members,), a mean over seeds."""
        return self.averaged(predictor, [Resampled.of(goal[here], self.counts[here]) for here in self.present])

    def averaged(self, predictor: Array, per_seed: "Sequence[Callable[[Array], Array]]") -> Array:
        """The vector of a statistic: mean over seeds and divisions of what it finds in a column of members present.

        per_seed: column -> (1 + draws,), for every seed.
        """
        wide = np.broadcast_to(predictor[..., None], self.inside.shape) if predictor.ndim == 2 else predictor
        once = predictor.ndim == 2
        found = [
            [one(column[here]) for column in values.T[: 1 if once else None]]
            for one, values, here in zip(per_seed, wide, self.present, strict=True)
        ]
        each: Array = np.array(found)  # seeds, divisions, 1 + draws
        if once:
            whole, without = each[:, 0].mean(0), self._without(each[:, 0, 0])
        else:
            whole = each[:, :DIVISIONS].mean((0, 1))
            left = each[:, DIVISIONS:, 0].reshape(len(each), -1, DIVISIONS).mean(2)
            without = [np.delete(left[:, s], s).mean() for s in range(left.shape[1])]
        return np.concatenate([whole, without])

    @property
    def draws(self) -> int:
        """How often members are drawn."""
        return int(self.counts.shape[1]) - 1

    @staticmethod
    def _without(values: Array) -> list[float]:
        return [float(np.delete(values, s).mean()) for s in range(len(values))] if len(values) > 1 else []

    def interval(self, values: Array, *, correlation: bool = False) -> tuple[float, float, float]:
        """The estimate and its 95% interval, of a statistic's vector; that of a correlation stays within -1 and 1."""
        scaled = np.arctanh(np.clip(values, -0.9999, 0.9999)) if correlation else values
        drawn, without = scaled[1 : 1 + self.draws], scaled[1 + self.draws :]
        variance = float(drawn.var()) + (float(without.var()) * (len(without) - 1) if len(without) else 0.0)
        half = 1.96 * variance**0.5
        ends = np.array([scaled[0] - half, scaled[0] + half])
        low, high = np.tanh(ends) if correlation else ends
        return float(values[0]), float(low), float(high)

    def gain(self, base: Array, full: Array, goal: Array) -> dict[str, float]:
        """What one predictor gains over another: `base` and `full`, `gain` with `low` and `high`.

        One that ranks the members backwards is neither better nor worse than chance.
        """
        before, after = (np.maximum(self.spearman(one, goal), 0) for one in (base, full))
        gain, low, high = self.interval(after - before)
        return {"base": float(before[0]), "full": float(after[0]), "gain": gain, "low": low, "high": high}


def ranked(values: Array, present: npt.NDArray[np.bool_]) -> Array:
    """Ranks of (seeds, members) among those present, with mean 0 and deviation 1 in every seed; 0 for the others."""
    out = np.zeros(values.shape)
    for row, one, here in zip(out, values, present, strict=True):
        if not here.any():
            continue
        ranks = rankdata(one[here])
        row[here] = (ranks - ranks.mean()) / max(float(ranks.std()), _SMALL)
    return out


@dataclass(frozen=True, eq=False)
class Learned:
    """A combination in every resample: predictions for members that it was not learned on.

    predictor: (seeds, members, draws). error: (folds, draws), of crossvalidation among the other folds, by which
    combinations are chosen. weights: (folds, draws, features).
    """

    predictor: Array
    error: Array
    weights: Array

    @classmethod
    def best(cls, several: "Sequence[Learned]", folds: npt.NDArray[np.int64]) -> "Learned":
        """Choose one for every fold and resample, by the error among the other folds."""
        errors = np.stack([one.error for one in several])
        which = np.take_along_axis(errors.argmin(axis=0), folds, axis=0)  # of every member
        among = np.stack([one.predictor for one in several])
        predictor = np.take_along_axis(among, which[None, None], axis=0)[0]
        return cls(predictor, errors.min(axis=0), np.zeros((*errors.shape[1:], 0)))


def learn(features: Array, goal: Array, resamples: Resamples) -> Learned:
    """Ridge regression of the ranks of `goal` (members,) on the ranks of features (seeds, members, features).

    Each fold of members is predicted by what the others tell; the penalty is chosen by crossvalidation among these.
    All that is needed are sums of products in every fold.
    """
    present, folds = resamples.present, resamples.folds
    x = np.stack([ranked(column, present) for column in np.moveaxis(features, 2, 0)], axis=2)
    y = ranked(np.broadcast_to(goal, present.shape), present)
    rows = np.concatenate([np.ones_like(y)[..., None], x, y[..., None]], axis=2)
    size, draws = rows.shape[2], folds.shape[1]
    products = (rows[..., :, None] * rows[..., None, :]).reshape(y.size, -1)
    moments = np.empty((FOLDS, draws, size, size))
    for k in range(FOLDS):
        weights = (resamples.inside * (folds == k)).reshape(y.size, draws)
        moments[k] = (weights.T @ products).reshape(draws, size, size)
    total = moments.sum(axis=0)
    predictor = np.zeros((*y.shape, draws))
    error, chosen = np.empty((FOLDS, draws)), np.empty((FOLDS, draws, size - 2))
    for k in range(FOLDS):
        errors = np.zeros((draws, len(PENALTIES)))
        for j in (j for j in range(FOLDS) if j != k):
            slopes, offsets = _ridge(total - moments[k] - moments[j])
            last = np.ones_like(offsets)[..., None]
            residual = np.concatenate([-offsets[..., None], -slopes, last], axis=2)
            errors += np.einsum("dpi,dpi->dp", residual @ moments[j], residual)
        slopes, _ = _ridge(total - moments[k])
        chosen[k] = np.take_along_axis(slopes, errors.argmin(axis=1)[:, None, None], axis=1)[:, 0]
        predictor += (x @ chosen[k].T) * (folds == k)
        error[k] = errors.min(axis=1)
    return Learned(predictor, error, chosen)


def _ridge(moments: Array) -> tuple[Array, Array]:
    """Slopes (draws, penalties, features) and offsets (draws, penalties), of sums of products of (1, x, y)."""
    moments = moments / np.maximum(moments[:, :1, :1], _SMALL)
    mean, goal = moments[:, 0, 1:-1], moments[:, 0, -1]
    squares = moments[:, 1:-1, 1:-1] - mean[:, :, None] * mean[:, None, :]
    shared = moments[:, 1:-1, -1] - mean * goal[:, None]
    values, vectors = np.linalg.eigh(squares)
    along = np.einsum("dij,di->dj", vectors, shared)
    shrunk = along[:, None] / (np.maximum(values, 0)[:, None] + np.array(PENALTIES)[:, None])
    slopes = np.einsum("dij,dpj->dpi", vectors, shrunk)
    return slopes, goal[:, None] - np.einsum("dpi,di->dp", slopes, mean)


def summed(p: Array, tgs: Sequence[Array], goal: Array, resamples: Resamples, alphas: Sequence[float]) -> Array:
    """The paper's P + alpha TG, alpha and teacher chosen on the other folds by rank correlation.

    Ranks among all members, (seeds, members, resamples): folds with different alphas have no common scale.
    """
    predictors = np.stack([p + alpha * tg for tg in tgs for alpha in alphas])
    ranks = np.stack([ranked(one, resamples.present) for one in predictors])
    out = np.zeros((*p.shape, resamples.folds.shape[1]))
    for d, (folds, seeds) in enumerate(zip(resamples.folds.T, resamples.seeds.T, strict=True)):
        for k in range(FOLDS):
            fits = np.zeros(len(predictors))
            for s in np.flatnonzero(seeds):
                others = resamples.present[s] & (folds != k)
                fits += spearman(predictors[:, s, others].T, goal[others])
            out[:, folds == k, d] = ranks[fits.argmax()][:, folds == k]
    return out


def partial(feature: Array, controls: Array, goal: Array, resamples: Resamples) -> Array:
    """Rank correlation of a feature (seeds, members) with the goal given controls (seeds, members, k).

    A vector, as of `Resamples.spearman`.
    """
    present = resamples.present
    columns = [feature, np.broadcast_to(goal, present.shape), *np.moveaxis(controls, 2, 0)]
    rows = np.stack([ranked(column, present) for column in columns], axis=2)

    def within(one: Array, counts: Array) -> Callable[[Array], Array]:
        return lambda column: _partial(np.column_stack([column, one[:, 1:]]), counts)

    per_seed = [within(one[here], resamples.counts[here]) for one, here in zip(rows, present, strict=True)]
    return resamples.averaged(rows[..., 0], per_seed)


def _partial(rows: Array, counts: Array) -> Array:
    """Correlation of the first two columns given the others, with every column of counts."""
    weights = (counts / np.maximum(counts.sum(axis=0), 1)).T
    size = rows.shape[1]
    mean = weights @ rows
    moment = (weights @ (rows[:, :, None] * rows[:, None, :]).reshape(len(rows), -1)).reshape(-1, size, size)
    inverse = np.linalg.inv(moment - mean[:, :, None] * mean[:, None, :] + 1e-6 * np.eye(size))
    return np.asarray(-inverse[:, 0, 1] / np.sqrt(inverse[:, 0, 0] * inverse[:, 1, 1]))
