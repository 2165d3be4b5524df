"""Models whose layers are combined with weights: fitted on one half of the stimuli, tested on the other.

The RDM of the model is the weighted sum of its layers' RDMs. The weights minimise the squared error to the target's RDM
(where several subjects are averaged, to the mean of theirs, scaled to one norm): none negative ("nnls"), or any, with a
ridge penalty on them in units of standard deviations ("ridge"). For several subjects that are resampled they are fitted
to one half of the subjects and tested on the others.

The similarity is the mean over many halvings, both ways. Under resampled stimuli the weights are fitted anew: copies of
a stimulus stay in one half, and two halvings of every draw tell how much of the draws' variance is that of the halvings
(Schutt et al. 2023), which those behind the similarity average out. All of this needs the inner products of RDMs only,
whose cost grows with the square of the number of layers. Single features are weighted likewise (`weighted_features`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement, product

import numpy as np
import numpy.typing as npt

from ..errors import RSAError, near
from ..rdm.comparison import Method, method_named
from ..rdm.rdm import RDM
from ..types import Array
from . import _kernels as kernels
from .bootstrap import Sides
from .models import ModelSample, Plan, Similarities
from .partial import Beyond, partial_correlation

RULES = ("nnls", "ridge")
FEATURES = "features-"  # before a rule: features are weighted, not layers
PENALTY = 0.1
MOST = 200  # layers
_STEP = 1e-4
_LEAST = 3  # different stimuli in a half
_ALIKE = 1e-9  # share of the layers' variance that is added to it, so that layers may be the same


@dataclass(frozen=True)
class Weighting:
    """How weights are fitted: "nnls", or "ridge" with a penalty; written "ridge:0.1".

    features: of single features ("features-nnls"), for which the penalty is in their mean variance, so that weak ones
    do not get large weights.
    """

    rule: str
    penalty: float = 0.0
    features: bool = False

    @classmethod
    def named(cls, text: str) -> "Weighting":
        """Read it. Raises RSAError for another rule, and for a penalty that is no positive number."""
        given, colon, penalty = str(text).partition(":")
        rule, features = given.removeprefix(FEATURES), given.startswith(FEATURES)
        if rule not in RULES or (rule == "nnls" and colon):
            known = [*RULES, *(FEATURES + one for one in RULES)]
            what = "nnls, ridge or ridge:PENALTY, or one of these after features-"
            raise RSAError(f"weighted is {what}, not {text!r}{near(given, known)}")
        if rule == "nnls":
            return cls(rule, features=features)
        try:
            value = float(penalty) if colon else PENALTY
        except ValueError:
            value = np.nan
        if not 0 < value < np.inf:
            raise RSAError(f"the penalty of ridge is a number above 0, not {penalty!r}")
        return cls(rule, value, features)

    def __str__(self) -> str:
        rule = f"{FEATURES if self.features else ''}{self.rule}"
        return rule if self.rule == "nnls" else f"{rule}:{self.penalty:g}"

    def fit(self, between: Array, to: Array) -> Array:
        """Weights (..., k) from inner products between layers (..., k, k) and with the target (..., k)."""
        scale = np.sqrt(self._scale(np.einsum("...kk->...k", between)))
        with np.errstate(divide="ignore", invalid="ignore"):
            unit = np.where(scale > 0, 1 / scale, 0.0)
        correlation = between * unit[..., None] * unit[..., None, :]
        own = np.eye(between.shape[-1])
        if self.features:
            correlation = correlation + (self.penalty + _ALIKE) * own
        else:
            correlation = np.where(own > 0, 1.0 + self.penalty + _ALIKE, correlation)
        towards = to * unit
        defined = np.isfinite(correlation).all(axis=(-2, -1)) & np.isfinite(towards).all(axis=-1)
        weights = np.full(towards.shape, np.nan)
        if self.rule == "ridge":
            weights[defined] = np.linalg.solve(correlation[defined], towards[defined][..., None])[..., 0]
        else:
            found = np.zeros((int(defined.sum()), towards.shape[-1]))
            kernels.nnls(np.ascontiguousarray(correlation[defined]), np.ascontiguousarray(towards[defined]), found)
            weights[defined] = found
        return weights * unit

    def _scale(self, squares: Array) -> Array:
        """What the penalty is in units of, by weight (..., k): each layer's variance, or the mean of all features'."""
        if not self.features:
            return squares
        mean: Array = np.broadcast_to(squares.mean(axis=-1, keepdims=True), squares.shape)
        return mean

    def slope(self, weights: Array, between: Array, by_between: Array, by_to: Array) -> Array:
        """Derivatives (n, k) of weights (k,) where inner products change by (n, k, k) and (n, k)."""
        used = np.flatnonzero(weights > 0) if self.rule == "nnls" else np.arange(len(weights))
        change = np.zeros(by_to.shape)
        if len(used):
            added = self.penalty + _ALIKE
            own = between[np.ix_(used, used)] + np.diag(added * self._scale(np.diag(between))[used])
            moved = by_between[:, used][:, :, used]
            diagonal = added * self._scale(np.einsum("nkk->nk", by_between))[:, used] * weights[used]
            change[:, used] = np.linalg.solve(own, (by_to[:, used] - moved @ weights[used] - diagonal).T).T
        return change


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
        self.sides = Sides([*layers, *controls], subjects, self.method)
        first, people = len(layers) + len(controls), len(subjects)
        self._pairs = list(combinations_with_replacement(range(first), 2))
        self._pairs += [*product(range(first), range(first, first + people))]
        self._pairs += [(s, s) for s in range(first, first + people)]
        self.weights, self.rdm = self._fitted()

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

    def _fitted(self) -> tuple[Array, RDM]:
        """Weights fitted to all stimuli and subjects, and the weighted sum of the layers' RDMs."""
        found, k = self._whole(), self.size
        weights = self.weighting.fit(found.between[:k, :k], found.pooled(np.ones(len(self.subjects), np.bool_), k))
        if not (weights != 0).any():
            what = "feature" if self.weighting.features else "layer"
            raise RSAError(f"no {what} has a positive weight: none of them is similar to the target")
        return weights, self.layers[0].replace(values=self._sum(weights))

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

    def _halves(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """Mean similarities (subjects,) on halves that the weights were not fitted to, and their derivatives."""
        plan, n = self.plan, len(self.layers[0])
        half = len(plan.halves) // 2
        total, slopes = np.zeros(len(self.subjects)), np.zeros((len(self.subjects), n))
        for s in range(half):
            masks = [plan.halves[s] > 0, plan.halves[half + s] > 0]
            if min(mask.sum() for mask in masks) < _LEAST:
                raise RSAError("half of the stimuli are too few to fit weights on")
            found = [self._part(mask) for mask in masks]
            for part, tested in self._people(rng, 1):
                for train, test in ((0, 1), (1, 0)):
                    value, by_train, by_test = self._tested(*found[train], *found[test], part[0])
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
        self, train: Products, by_train: Products, test: Products, by_test: Products, part: npt.NDArray[np.bool_]
    ) -> tuple[Array, Array, Array]:
        """Similarities (subjects,) and their derivatives (subjects, stimuli) by the stimuli of both halves."""
        k = self.size
        weights = self.weighting.fit(train.between[:k, :k], train.pooled(part, k))
        ends = [train.moved(by_train, sign * _STEP).pooled(part, k) for sign in (1, -1)]
        moved = self.weighting.slope(
            weights, train.between[:k, :k], by_train.between[:, :k, :k], (ends[0] - ends[1]) / (2 * _STEP)
        )
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
            order = np.argsort(np.where(present, rng.random(present.shape), 2.0), axis=1).argsort(axis=1)
            first = order < present.sum(axis=1, keepdims=True) // 2
            found, few = [], np.zeros(draws, np.bool_)
            for mask in (first, ~first):
                counts = np.ascontiguousarray((plan.counts * mask)[:, plan.unit])
                few |= (counts > 0).sum(axis=1) < _LEAST
                found.append(self._of_draws(counts))
            total = np.zeros((draws, len(self.subjects)))
            k = self.size
            for part, tested in self._people(rng, draws):
                for train, test in ((0, 1), (1, 0)):
                    weights = self.weighting.fit(found[train].between[:, :k, :k], found[train].pooled(part, k))
                    total += tested / 2 * found[test].scores(weights)
            total[few] = np.nan
            values.append(total.T)
        return (values[0] + values[1]) / 2, (values[0] - values[1]) / 2


def weighted_sample(
    plan: Plan,
    names: Sequence[str],
    layers: Sequence[RDM],
    columns: Sequence[RDM],
    weighting: Weighting,
    method: str = "pearson",
) -> tuple[ModelSample, list[RDM]]:
    """A model of weighted layers against all targets of a plan, and its RDM for each.

    table, shares and draws are as in `Plan.sample`; the shares are those of the layers in the model's RDM.
    """
    parts, rdms = [], []
    for target, own in plan.targets.items():
        model = Weighted(plan.only(target), layers, [columns[c] for c in own], weighting, method)
        parts.append(model.sample(names))
        rdms.append(model.rdm)
    return ModelSample.joined(parts), rdms


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
