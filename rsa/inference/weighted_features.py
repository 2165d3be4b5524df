"""Models whose single features are weighted: fitted and tested on different stimuli, as weighted layers are.

The RDM is a weighted sum of one RDM per feature. Of squared Euclidean distances these are the features' squared
differences; of correlations (and cosines) the negative products of the features of two standardised patterns, whose sum
with equal weights is the correlation itself (Kaniuth and Hebart 2022). The features of all layers are weighted
together. More than 50 are reduced to the principal components of the standardised patterns of all stimuli, without
regard to the target (as in Storrs et al. 2021), and these are what is weighted.

The inner products of such RDMs come from those of the features, so that no RDM of a feature is made.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ..errors import RSAError, listing
from ..rdm.rdm import RDM
from ..types import Array
from .models import ModelSample, Plan
from .weighted import Products, Weighted
from .weighting import Weighting

METRICS = ("correlation", "cosine", "sqeuclidean")
COMPONENTS = 50
_ROUNDING = 1e-12


class Parts:
    """The features (or components) whose RDMs are summed, of all layers' features (n, p) over the same stimuli.

    values: (n, k). share: (layers, k) how much each layer has in each.

    Raises RSAError for a metric whose RDM is no sum over features.
    """

    def __init__(self, layers: Sequence[Array], metric: str) -> None:
        if metric not in METRICS:
            raise RSAError(f"features are weighted for the metrics {', '.join(METRICS)}, not {metric!r}")
        patterns = [_standardised(values, metric) for values in layers]
        if sum(one.shape[1] for one in patterns) <= COMPONENTS:
            self.values = np.concatenate(patterns, axis=1)
            self.share = np.repeat(np.eye(len(patterns)), [one.shape[1] for one in patterns], axis=1)
        else:
            grams = np.stack([one @ one.T for one in patterns])
            size, axes = np.linalg.eigh(grams.sum(axis=0))
            size, axes = size[-COMPONENTS:], axes[:, -COMPONENTS:]
            kept = size > _ROUNDING * size[-1]
            size, axes = size[kept], axes[:, kept]
            self.values = axes * np.sqrt(size)
            self.share = np.einsum("ik,lij,jk->lk", axes, grams, axes, optimize=True) / size
        x, ones = self.values, np.ones_like(self.values)
        # the RDM of feature k is the sum over pairs (p, q) of p[i, k] q[j, k], but 0 on the diagonal
        self.terms = [(x**2, ones), (ones, x**2), (-2 * x, x)] if metric == "sqeuclidean" else [(-x, x)]

    def rdm(self, weights: Array) -> Array:
        """The weighted sum of the features' RDMs, condensed."""
        square = np.sum([(weights * p) @ q.T for p, q in self.terms], axis=0)
        condensed: Array = square[np.triu_indices(len(square), 1)]
        return condensed


class WeightedFeatures(Weighted):
    """A model of weighted features against the subjects of one target; layers: the RDMs of its layers, unweighted.

    Raises RSAError for another method than pearson, and too few stimuli.
    """

    def __init__(
        self,
        plan: Plan,
        parts: Parts,
        layers: Sequence[RDM],
        subjects: Sequence[RDM],
        weighting: Weighting,
        method: str = "pearson",
        controls: Sequence[RDM] = (),
    ) -> None:
        if method != "pearson":
            raise RSAError(f"weights of features are fitted for pearson, not {method!r}; --method chooses it")
        self.parts = parts
        self._others = np.stack([rdm.square().astype(np.float64) for rdm in (*controls, *subjects)])
        self._others -= self._others.mean(axis=(1, 2), keepdims=True)
        for square in self._others:
            np.fill_diagonal(square, 0.0)
        super().__init__(plan, layers, subjects, weighting, method, controls)

    def _size(self) -> int:
        return int(self.parts.values.shape[1])

    def _shares(self) -> Array:
        own = np.abs(self.weights) * np.sqrt(np.maximum(np.diag(self._whole().between)[: self.size], 0.0))
        parts = self.parts.share @ own
        shares: Array = parts / parts.sum()
        return shares

    def _sum(self, weights: Array) -> Array:
        return self.parts.rdm(weights)

    def _whole(self) -> Products:
        every = np.arange(len(self.parts.values))
        return self._split(self._inner(every, np.ones(len(every))))

    def _part(self, mask: npt.NDArray[np.bool_]) -> tuple[Products, Products]:
        rows = self._rows_of(np.flatnonzero(mask))
        return self._split(rows.sum(axis=0)), self._split(2 * rows)

    def _of_draws(self, counts: npt.NDArray[np.int64]) -> Products:
        found = []
        for row in counts:
            drawn = np.flatnonzero(row)
            found.append(self._inner(drawn, row[drawn].astype(np.float64)))
        return self._split(np.stack(found))

    def _split(self, every: Array) -> Products:
        """Inner products (..., m, m) of features, controls and subjects, arranged."""
        first = every.shape[-1] - len(self.subjects)
        own = np.einsum("...kk->...k", every)[..., first:]
        return Products(every[..., :first, :first], every[..., :first, first:], own)

    def _inner(self, at: npt.NDArray[np.int64], w: Array) -> Array:
        """Centred inner products (m, m) over pairs of different stimuli with weights."""
        terms = [(p[at], q[at]) for p, q in self.parts.terms]
        others, k = self._others[:, at[:, None], at], self.size
        m = k + len(others)
        total, sums = np.zeros((m, m)), np.empty(m)
        diagonal = w[:, None] * sum(p * q for p, q in terms)
        weighted = [(w[:, None] * p, w[:, None] * q) for p, q in terms]
        total[:k, :k] = -diagonal.T @ diagonal
        for (p, q), (own, other) in zip(terms, weighted, strict=True):
            for p2, q2 in weighted:
                total[:k, :k] += (p.T @ p2) * (q.T @ q2)
            for c, square in enumerate(others, k):
                total[:k, c] += np.einsum("ik,ik->k", own, square @ other)
        total[k:, :k] = total[:k, k:].T
        sums[:k] = sum(p.sum(axis=0) * q.sum(axis=0) for p, q in weighted) - (w[:, None] * diagonal).sum(axis=0)
        for c, square in enumerate(others, k):
            sums[c] = w @ square @ w
            for d, second in enumerate(others[: c - k + 1], k):
                total[c, d] = total[d, c] = w @ (square * second) @ w
        count = w.sum() ** 2 - (w**2).sum()
        raw = np.diag(total).copy()
        with np.errstate(divide="ignore", invalid="ignore"):
            total -= np.outer(sums, sums) / count
        constant = np.diag(total) <= _ROUNDING * raw
        total[constant, constant] = 0.0
        return total / 2

    def _rows_of(self, at: npt.NDArray[np.int64]) -> Array:
        """Every stimulus's part (n, m, m) of the centred inner products, at weights of 1."""
        terms = [(p[at], q[at]) for p, q in self.parts.terms]
        others, k, n = self._others[:, at[:, None], at], self.size, len(at)
        m = k + len(others)
        rows, sums = np.empty((n, m, m)), np.empty((n, m))
        diagonal = sum(p * q for p, q in terms)
        rows[:, :k, :k] = -diagonal[:, :, None] * diagonal[:, None]
        for p, q in terms:
            for p2, q2 in terms:
                rows[:, :k, :k] += p[:, :, None] * p2[:, None] * (q.T @ q2)
        sums[:, :k] = sum(p * q.sum(axis=0) for p, q in terms) - diagonal
        for c, square in enumerate(others, k):
            rows[:, :k, c] = rows[:, c, :k] = sum(p * (square @ q) for p, q in terms)
            sums[:, c] = square.sum(axis=1)
            for d, second in enumerate(others[: c - k + 1], k):
                rows[:, c, d] = rows[:, d, c] = (square * second).sum(axis=1)
        means = sums.sum(axis=0) / (n * (n - 1))
        rows -= sums[:, :, None] * means + means[:, None] * sums[:, None]
        rows += (n - 1) * np.outer(means, means)
        return rows / 2


def weighted_features_sample(
    plan: Plan,
    names: Sequence[str],
    parts: Parts,
    layers: Sequence[RDM],
    columns: Sequence[RDM],
    weighting: Weighting,
    method: str = "pearson",
) -> tuple[ModelSample, list[RDM], list[str]]:
    """A model of weighted features against all targets of a plan, as `weighted_sample`."""
    samples, rdms, how = [], [], []
    for target, own in plan.targets.items():
        model = WeightedFeatures(plan.only(target), parts, layers, [columns[c] for c in own], weighting, method)
        samples.append(model.sample(names))
        rdms.append(model.rdm)
        how.append(str(replace(weighting, penalty=model.penalty)))
    return ModelSample.joined(samples), rdms, how


def check_features(strange: Sequence[str]) -> None:
    """Raise RSAError for layers that are RDMs already."""
    if strange:
        raise RSAError(f"features are weighted, and these layers are RDMs already: {listing(strange)}")


def _standardised(values: Array, metric: str) -> Array:
    """Patterns whose inner products are the metric's similarity; squared distances of a mean of 1."""
    x = values.astype(np.float64)
    if metric == "sqeuclidean":
        x -= x.mean(axis=0)
        scale = np.sqrt((x**2).sum() / len(x))
    else:
        if metric == "correlation":
            x -= x.mean(axis=1, keepdims=True)
        scale = np.linalg.norm(x, axis=1, keepdims=True)
    unit: Array = np.divide(x, scale, out=np.zeros_like(x), where=scale > 0)
    return unit
