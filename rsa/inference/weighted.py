"""Models whose layers are combined with weights: fitted on one half of the stimuli, tested on the other.

The RDM of the model is the weighted sum of its layers' RDMs. The weights minimise the squared error to the target's RDM
(where several subjects are averaged, to the mean of theirs, scaled to one norm): none negative ("nnls"), or any, with a
ridge penalty on them in units of standard deviations ("ridge"). For several subjects that are resampled they are fitted
to one half of the subjects and tested on the others. A penalty that is not given is chosen among some by how well
weights that are fitted to one half of these stimuli do on their other half, so that what is tested has no say in it.

The similarity is the mean over many halvings, both ways. Under resampled stimuli the weights are fitted anew: copies of
a stimulus stay in one half, and two halvings of every draw tell how much of the draws' variance is that of the halvings
(Schutt et al. 2023), which those behind the similarity average out. All of this needs the inner products of RDMs only,
whose cost grows with the square of the number of layers. Single features are weighted likewise (`weighted_features`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement, product

import numpy as np
import numpy.typing as npt

from ..errors import RSAError
from ..rdm.comparison import Method, method_named
from ..rdm.rdm import RDM
from ..types import Array
from .bootstrap import Sides
from .models import ModelSample, Plan, Similarities
from .partial import Beyond, partial_correlation
from .weighting import PENALTIES, Weighting

MOST = 200  # layers
_STEP = 1e-4
_LEAST = 3  # different stimuli in a half, or where a penalty is chosen in a quarter
_TOO_FEW = "a quarter of the stimuli is too few to choose a penalty on; give one, as in ridge:1"


@dataclass(frozen=True)
class Products:
    """Inner products of RDMs over any stack of samples (...): layers and controls (..., m, m), these with subjects
    (..., m, subjects), and subjects with themselves (..., subjects)."""

    between: Array
    to: Array
    own: Array

    def moved(self, by: "Products", step: float) -> "Products":
        parts = zip((self.between, self.to, self.own), (by.between, by.to, by.own), strict=True)
        return Products(*(part + step * slope for part, slope in parts))

    def at(self, sample: int) -> "Products":
        """One of a stack of samples."""
        return Products(self.between[sample], self.to[sample], self.own[sample])

    def pooled(self, people: npt.NDArray[np.bool_], layers: int) -> Array:
        """Inner products (..., layers) with the mean RDM of people (..., subjects), scaled to one norm."""
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(people, 1 / np.sqrt(self.own), 0.0) / people.sum(axis=-1, keepdims=True)
        pooled: Array = np.einsum("...ms,...s->...m", self.to[..., :layers, :], share)
        return pooled

    def scores(self, weights: Array) -> Array:
        """Similarities (..., subjects) of the weighted layers; given the controls, where there are any."""
        k, controls = weights.shape[-1], self.to.shape[-2] - weights.shape[-1]
        towards = np.einsum("...k,...ks->...s", weights, self.to[..., :k, :])
        square = np.einsum("...k,...kl,...l->...", weights, self.between[..., :k, :k], weights)
        none = square <= 0  # no weights, or on layers that do not vary here
        with np.errstate(divide="ignore", invalid="ignore"):
            scale = np.where(none, np.inf, np.sqrt(square))[..., None]
            norms = np.sqrt(self.own)
            similarity: Array = towards / (scale * norms)
            if not controls:
                return similarity
            lengths = np.sqrt(np.einsum("...kk->...k", self.between[..., k:, k:]))
            given = np.einsum("...k,...kc->...c", weights, self.between[..., :k, k:]) / (scale * lengths)
            others = self.to[..., k:, :] / (lengths[..., None] * norms[..., None, :])
            mutual = self.between[..., k:, k:] / (lengths[..., None] * lengths[..., None, :])
        every = np.ones((*similarity.shape, controls + 2, controls + 2))
        every[..., 0, 1] = every[..., 1, 0] = similarity
        every[..., 0, 2:] = every[..., 2:, 0] = given[..., None, :]
        every[..., 1, 2:] = every[..., 2:, 1] = np.moveaxis(others, -1, -2)
        every[..., 2:, 2:] = mutual[..., None, :, :]
        return partial_correlation(every)


class Weighted:
    """A model of weighted layers against the subjects of one target, all over the same stimuli in one order.

    Raises RSAError for a measure that weights cannot be fitted for, more than 200 layers, and too few stimuli.
    """

    def __init__(
        self,
        plan: Plan,
        layers: Sequence[RDM],
        subjects: Sequence[RDM],
        weighting: Weighting,
        method: str = "pearson",
        controls: Sequence[RDM] = (),
    ) -> None:
        self.method, self.plan, self.weighting = check_weighted(method), plan, weighting
        self.layers, self.subjects, self.controls = layers, subjects, controls
        self.size = self._size()
        if weighting.penalty is None and len(layers[0]) < 4 * _LEAST:
            raise RSAError(_TOO_FEW)
        self.sides = Sides([*layers, *controls], subjects, self.method)
        first, people = len(layers) + len(controls), len(subjects)
        self._pairs = list(combinations_with_replacement(range(first), 2))
        self._pairs += [*product(range(first), range(first, first + people))]
        self._pairs += [(s, s) for s in range(first, first + people)]
        self.weights, self.penalty, self.rdm = self._fitted()

    def _size(self) -> int:
        """How many weights are fitted."""
        if len(self.layers) > MOST:
            raise RSAError(f"{len(self.layers)} layers are too many to weigh; name at most {MOST}")
        return len(self.layers)

    def sample(self, names: Sequence[str]) -> ModelSample:
        """The similarity on other stimuli and its draws; on all data it is that of the weights fitted to them."""
        plan = self.plan
        rng = np.random.default_rng(plan.resampling.seed + 2**33)
        single, slopes = self._halves(rng)
        if plan.over == "subjects":
            draws = np.repeat(single[:, None], plan.resampling.draws, axis=1)
            apart = np.zeros_like(draws)
        else:
            draws, apart = self._drawn(rng)
        whole = self._fixed([self.rdm])
        values, rows = whole.influences()
        if plan.over == "subjects":
            fixed = np.repeat(values[0][:, None], plan.resampling.draws, axis=1)
        else:
            fixed = whole.resampled(np.ascontiguousarray(plan.counts[:, plan.unit]))[0]
        table = self._fixed(self.layers).influences()[0]
        highest = values[0], self._by_unit(rows[0]), fixed
        shares = self._shares()[:, None]
        return ModelSample(tuple(names), table, shares, single, self._by_unit(slopes), draws, highest, apart)

    def _fixed(self, rdms: Sequence[RDM]) -> Similarities:
        """RDMs against the subjects, as they are."""
        if self.controls:
            return Beyond(rdms, self.subjects, self.controls, self.method.name)
        return Sides(rdms, self.subjects, self.method)

    def _shares(self) -> Array:
        """The layers' shares (layers,) in the model's RDM."""
        parts = np.abs(self.weights) * np.array([_spread_of(rdm, self.method) for rdm in self.layers])
        shares: Array = parts / parts.sum()
        return shares

    def _fitted(self) -> tuple[Array, float, RDM]:
        """Weights fitted to all stimuli and subjects, their penalty, and the weighted sum of the layers' RDMs."""
        everyone, penalty = np.ones(len(self.subjects), np.bool_), self.weighting.penalty
        if penalty is None:
            one, other = (self._of_draws(part) for part in np.split(self.plan.halves, 2))
            scores = self._tried(one, other, everyone) + self._tried(other, one, everyone)
            penalty = float(_best(scores.mean(axis=1), np.nan))
        weights = self._fit(self._whole(), everyone, penalty)
        if not (weights != 0).any():
            what = "feature" if self.weighting.features else "layer"
            raise RSAError(f"no {what} has a positive weight: none of them is similar to the target")
        return weights, penalty, self.layers[0].replace(values=self._sum(weights))

    def _sum(self, weights: Array) -> Array:
        total: Array = np.sum(
            [w * rdm.values.astype(np.float64) for w, rdm in zip(weights, self.layers, strict=True)], axis=0
        )
        return total

    def _by_unit(self, slopes: Array) -> Array:
        return np.stack([np.bincount(self.plan.unit, row, self.plan.units) for row in slopes])

    def _whole(self) -> Products:
        """Over all stimuli."""
        return self._arranged([rows.sum() for rows in self._rows(self.sides)])

    def _part(self, mask: npt.NDArray[np.bool_]) -> tuple[Products, Products]:
        """Over some stimuli, and the derivatives by their weights."""
        names = np.array(self.layers[0].labels)[mask]
        rdms = [rdm.subset(names) for rdm in self.sides.rdms]
        rows = self._rows(Sides(rdms[: self.sides.first], rdms[self.sides.first :], self.method))
        return self._arranged([r.sum() for r in rows]), self._arranged([2 * r for r in rows])

    def _of_draws(self, counts: npt.NDArray[np.int64]) -> Products:
        """Under weights (draws, stimuli)."""
        products = self.sides.inner_products(self._pairs, counts)
        return self._arranged([products[pair] for pair in self._pairs])

    def _rows(self, sides: Sides) -> list[Array]:
        """Every stimulus's part of the inner products of all pairs; none of a constant RDM's with itself."""
        parts = sides.parts()
        least = [rdm.values[0] if self.method.centred else 0.0 for rdm in sides.rdms]
        constant = [bool((rdm.values == value).all()) for rdm, value in zip(sides.rdms, least, strict=True)]
        return [np.zeros(sides.n) if k == m and constant[k] else parts(k, m) for k, m in self._pairs]

    def _arranged(self, products: Sequence[Array]) -> Products:
        """Products by pair, each an array (...), as stacks."""
        first, people = len(self.layers) + len(self.controls), len(self.subjects)
        values = np.stack([np.asarray(one, np.float64) for one in products], axis=-1)
        between = np.empty((*values.shape[:-1], first, first))
        mutual = first * (first + 1) // 2
        upper = np.triu_indices(first)
        between[..., upper[0], upper[1]] = between[..., upper[1], upper[0]] = values[..., :mutual]
        to = values[..., mutual:-people].reshape(*values.shape[:-1], first, people)
        return Products(between, to, values[..., -people:])

    def _fit(self, train: Products, people: npt.NDArray[np.bool_], penalty: Array | float) -> Array:
        """Weights (..., k) fitted to the mean of people (..., subjects)."""
        return self.weighting.fit(
            train.between[..., : self.size, : self.size], train.pooled(people, self.size), penalty
        )

    def _tried(self, train: Products, test: Products, people: npt.NDArray[np.bool_]) -> Array:
        """Mean similarities (penalties, ...) to people (..., subjects) of weights fitted to them on other stimuli."""
        scores = [test.scores(self._fit(train, people, penalty)) for penalty in PENALTIES]
        with np.errstate(invalid="ignore"):  # subjects that are constant over few stimuli
            mean: Array = (np.stack(scores) * people).sum(axis=-1) / people.sum(axis=-1)
        return mean

    def _penalty(self, quarters: Sequence[Products], people: npt.NDArray[np.bool_]) -> Array:
        """The penalties (...): as given, or the best ones between both parts of the stimuli that weights are fitted to.

        Parts of too few stimuli take the one chosen on all.
        """
        if not quarters:
            return np.asarray(self.penalty)
        one, other = quarters
        return _best(self._tried(one, other, people) + self._tried(other, one, people), self.penalty)

    def _quarters(self) -> list[Products]:
        """Both halves of every half of the stimuli, where a penalty is to be chosen."""
        if self.weighting.penalty is not None:
            return []
        plan = self.plan
        halves = plan.halves[:, np.unique(plan.unit, return_index=True)[1]] > 0
        first = (
            _shuffled(halves, np.random.default_rng(plan.resampling.seed + 2**34)) < halves.sum(1, keepdims=True) // 2
        )
        parts = [(halves & part)[:, plan.unit].astype(np.int64) for part in (first, ~first)]
        if min(part.sum(axis=1).min() for part in parts) < _LEAST:
            raise RSAError(_TOO_FEW)
        return [self._of_draws(part) for part in parts]

    def _halves(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """Mean similarities (subjects,) on halves that the weights were not fitted to, and their derivatives."""
        plan, n = self.plan, len(self.layers[0])
        half, quarters = len(plan.halves) // 2, self._quarters()
        total, slopes = np.zeros(len(self.subjects)), np.zeros((len(self.subjects), n))
        for s in range(half):
            masks = [plan.halves[s] > 0, plan.halves[half + s] > 0]
            if min(mask.sum() for mask in masks) < _LEAST:
                raise RSAError("half of the stimuli are too few to fit weights on")
            found = [self._part(mask) for mask in masks]
            for part, tested in self._people(rng, 1):
                for train, test in ((0, 1), (1, 0)):
                    penalty = float(self._penalty([one.at(s + half * train) for one in quarters], part[0]))
                    value, by_train, by_test = self._tested(*found[train], *found[test], part[0], penalty)
                    kept = tested[0] / 2
                    total += kept * value
                    slopes[:, masks[train]] += kept[:, None] * by_train
                    slopes[:, masks[test]] += kept[:, None] * by_test
        if not np.isfinite(total).all():
            raise RSAError("half of the stimuli are too few to fit weights on")
        return total / half, slopes / half

    def _people(self, rng: np.random.Generator, n: int) -> list[tuple[npt.NDArray[np.bool_], npt.NDArray[np.float64]]]:
        """Which subjects (n, subjects) weights are fitted to, and how much each then counts as tested."""
        people = len(self.subjects)
        if self.plan.over == "stimuli":
            return [(np.ones((n, people), np.bool_), np.ones((n, people)))]
        order = rng.permuted(np.tile(np.arange(people), (n, 1)), axis=1)
        part = order < max(people // 2, 1)
        return [(part, (~part).astype(np.float64)), (~part, part.astype(np.float64))]

    def _tested(
        self,
        train: Products,
        by_train: Products,
        test: Products,
        by_test: Products,
        part: npt.NDArray[np.bool_],
        penalty: float,
    ) -> tuple[Array, Array, Array]:
        """Similarities (subjects,) and their derivatives (subjects, stimuli) by the stimuli of both halves."""
        k = self.size
        weights = self._fit(train, part, penalty)
        ends = [train.moved(by_train, sign * _STEP).pooled(part, k) for sign in (1, -1)]
        change = by_train.between[:, :k, :k], (ends[0] - ends[1]) / (2 * _STEP)
        moved = self.weighting.slope(weights, penalty, train.between[:k, :k], *change)
        by_fit = [test.scores(weights + sign * _STEP * moved) for sign in (1, -1)]
        by_stimulus = [test.moved(by_test, sign * _STEP).scores(weights) for sign in (1, -1)]
        slopes = [(ends[0] - ends[1]).T / (2 * _STEP) for ends in (by_fit, by_stimulus)]
        return test.scores(weights), slopes[0], slopes[1]

    def _drawn(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """(subjects, draws) means over two halvings of every draw, and half of what these differ by."""
        plan, draws = self.plan, self.plan.resampling.draws
        present = plan.counts > 0
        values = []
        for _ in range(2):
            order, size = _shuffled(present, rng), present.sum(axis=1, keepdims=True)
            found, quarters, few = list[Products](), list[list[Products]](), np.zeros(draws, np.bool_)
            for start, stop in ((0 * size, size // 2), (size // 2, size)):
                counts = self._counts((order >= start) & (order < stop))
                few |= (counts > 0).sum(axis=1) < _LEAST
                found.append(self._of_draws(counts))
                middle, parts = (start + stop) // 2, list[Products]()
                if self.weighting.penalty is None:
                    inner = (order >= start) & (order < middle), (order >= middle) & (order < stop)
                    parts = [self._of_draws(self._counts(part)) for part in inner]
                quarters.append(parts)
            total = np.zeros((draws, len(self.subjects)))
            for part, tested in self._people(rng, draws):
                for train, test in ((0, 1), (1, 0)):
                    weights = self._fit(found[train], part, self._penalty(quarters[train], part))
                    total += tested / 2 * found[test].scores(weights)
            total[few] = np.nan
            values.append(total.T)
        return (values[0] + values[1]) / 2, (values[0] - values[1]) / 2

    def _counts(self, part: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        """Weights (draws, stimuli) of the draws, of a part (draws, units) of what was drawn."""
        return np.ascontiguousarray((self.plan.counts * part)[:, self.plan.unit])


def _shuffled(present: npt.NDArray[np.bool_], rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Random ranks (rows, units) of what is present in each row; what is not comes last."""
    return np.argsort(np.where(present, rng.random(present.shape), 2.0), axis=1).argsort(axis=1)


def _best(scores: Array, otherwise: float) -> Array:
    """The penalties (...) of the highest scores (penalties, ...)."""
    known = np.isfinite(scores)
    best = np.array(PENALTIES)[np.where(known, scores, -np.inf).argmax(axis=0)]
    return np.where(known.any(axis=0), best, otherwise)


def weighted_sample(
    plan: Plan,
    names: Sequence[str],
    layers: Sequence[RDM],
    columns: Sequence[RDM],
    weighting: Weighting,
    method: str = "pearson",
) -> tuple[ModelSample, list[RDM], list[str]]:
    """A model of weighted layers against all targets of a plan; for each its RDM, and how its weights were fitted.

    table, shares and draws are as in `Plan.sample`; the shares are those of the layers in the model's RDM.
    """
    parts, rdms, how = [], [], []
    for target, own in plan.targets.items():
        model = Weighted(plan.only(target), layers, [columns[c] for c in own], weighting, method)
        parts.append(model.sample(names))
        rdms.append(model.rdm)
        how.append(str(replace(weighting, penalty=model.penalty)))
    return ModelSample.joined(parts), rdms, how


def check_weighted(method: str) -> Method:
    """Return the method. Raises RSAError for one without fitted weights."""
    found = method_named(method)
    if found.ranked or found.concordance:
        raise RSAError(
            f"weights are fitted for pearson, cosine and their whitened forms, not {method!r}; --method chooses one"
        )
    return found


def _spread_of(rdm: RDM, method: Method) -> float:
    return float(rdm.values.std() if method.centred else np.sqrt(np.mean(rdm.values.astype(np.float64) ** 2)))
