"""Hit and false-alarm rates of people and models, d', and the patterns of performance made of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri
from scipy.stats import rankdata

from ..types import Array
from .trials import Behavior, Codes

CAP = 5.0  # of d'
PATTERNS = {
    "o1": "d' of each object against all others",
    "o2": "d' of each pair of objects",
    "i1": "d' of each image against all objects",
    "i1n": "i1 without the mean of the image's object",
    "i2": "d' of each image against each other object",
    "i2n": "i2 without the mean of the image's object against that other object",
    "confusion": "how often two objects are taken for each other (an RDM of objects)",
}


def dprime(hit: npt.ArrayLike, false_alarm: npt.ArrayLike) -> Array:
    """Compute d' = Z(hit rate) - Z(false-alarm rate), clipped to [-5, 5]; equal rates have 0, unknown ones NaN.

    Parameters
    ----------
    hit, false_alarm : array_like
        Rates from 0 to 1.

    Returns
    -------
    numpy.ndarray

    Examples
    --------
    >>> from tgsage.rsa.behavior.rates import dprime
    >>> dprime([0.5, 0.84134475, 1.0, 1.0], [0.5, 0.15865525, 0.5, 1.0]).round(3)
    array([0., 2., 5., 0.])
    """
    return _difference(ndtri(np.asarray(hit, np.float64)), ndtri(np.asarray(false_alarm, np.float64)))


def _difference(hit: Array, false_alarm: Array) -> Array:
    """Of z scores; infinite ones of the same sign are equal rates."""
    with np.errstate(invalid="ignore"):
        found = np.clip(hit - false_alarm, -CAP, CAP)
    return np.asarray(np.where(np.isinf(hit) & (hit == false_alarm), 0.0, found))


@dataclass(frozen=True, eq=False)
class Rates:
    """How often what was chosen for each image.

    Attributes
    ----------
    truth : numpy.ndarray
        Which of k options is right for each image, (n,).
    hit : numpy.ndarray
        Rate of right choices, (n,).
    taken : numpy.ndarray
        Rate at which each wrong option was chosen, (n, k); NaN at the right one and where nothing is known.
    pair : numpy.ndarray
        Rate of right choices between the right option and each other one, (n, k); NaN as before.
    """

    truth: Codes
    hit: Array
    taken: Array
    pair: Array

    @classmethod
    def of_choices(cls, truth: Codes, chosen: Array) -> "Rates":
        """From counts or probabilities (n, k) of choices among all options (Luce's rule gives pairs)."""
        rows = np.arange(len(truth))
        with np.errstate(invalid="ignore", divide="ignore"):
            rates = chosen / chosen.sum(1, keepdims=True)
            right = rates[rows, truth]
            pair = right[:, None] / (right[:, None] + rates)
        pair[rows, truth] = np.nan
        taken = rates.copy()
        taken[rows, truth] = np.nan
        return cls(truth, right, taken, pair)

    @classmethod
    def of_pairs(cls, truth: Codes, pair: Array) -> "Rates":
        """From rates of right choices against each distractor, (n, k), NaN where it was not on offer."""
        return cls(truth, _means(_Known.of(pair.T), np.ones(pair.shape[1])), 1 - pair, pair)

    @classmethod
    def of_trials(cls, behavior: Behavior, weights: Array | None = None) -> "Rates":
        """From trials, weighted (trials,)."""
        counts = behavior.tally(weights)
        if behavior.distractor is None:
            return cls.of_choices(behavior.truth, counts)
        wrong, offered = counts, behavior.offered(weights)
        with np.errstate(invalid="ignore", divide="ignore"):
            return cls.of_pairs(behavior.truth, np.where(offered > 0, 1 - wrong / offered, np.nan))

    @classmethod
    def of_model(cls, behavior: Behavior, probabilities: Array) -> "Rates":
        """From a model's probabilities of the options, (n, k), in the task that the subjects had."""
        found = cls.of_choices(behavior.truth, probabilities)
        if behavior.distractor is None:
            return found
        return cls.of_pairs(behavior.truth, np.where(behavior.offered() > 0, found.pair, np.nan))

    @cached_property
    def _members(self) -> Array:
        """Which images are of each option, (k, n)."""
        return np.asarray(np.arange(self.pair.shape[1])[:, None] == self.truth, np.float64)

    @cached_property
    def _z(self) -> tuple[Array, Array]:
        return ndtri(self.hit), ndtri(self.pair)

    @cached_property
    def _whole(self) -> dict[tuple[str, ...], dict[str, Array]]:
        """Patterns without weights, which every model is compared with."""
        return {}

    @cached_property
    def _hit(self) -> "_Known":
        return _Known.of(self.hit)

    @cached_property
    def _taken(self) -> "_Known":
        return _Known.of(self.taken)

    @cached_property
    def _pair(self) -> "_Known":
        return _Known.of(self.pair)

    def patterns(self, metrics: Iterable[str], weights: Array | None = None) -> dict[str, Array]:
        """The patterns of performance that metrics compare, (entries,); entries about nothing are NaN.

        weights: of the images, (n,), such as how often a resample has each.
        """
        wanted = tuple(metrics)
        if weights is None:
            if wanted not in self._whole:
                self._whole[wanted] = self._patterns(wanted, np.ones(len(self.truth)))
            return self._whole[wanted]
        return self._patterns(wanted, weights)

    def _patterns(self, metrics: tuple[str, ...], images: Array) -> dict[str, Array]:
        found: dict[str, Array] = {}
        wanted = set(metrics)
        members = self._members * images
        if wanted & {"o1", "i1", "i1n"}:
            false = ndtri(_means(self._taken, images))
            found["o1"] = _difference(ndtri(_means(self._hit, members)), false)
            if wanted & {"i1", "i1n"}:
                found["i1"] = _difference(self._z[0], false[self.truth])
            if "i1n" in wanted:
                found["i1n"] = found["i1"] - _means(_Known.of(found["i1"]), members)[self.truth]
        if wanted & {"o2", "i2", "i2n"}:
            right = _means(self._pair, members)
            false = ndtri(1 - right.T)  # [o, d]: how often o was chosen for images of d
            found["o2"] = _difference(ndtri(right), false)[np.triu_indices(len(right), 1)]
            if wanted & {"i2", "i2n"}:
                each = _difference(self._z[1], false[self.truth])
                found["i2"] = each.ravel()
                if "i2n" in wanted:
                    found["i2n"] = (each - _means(_Known.of(each), members)[self.truth]).ravel()
        if "confusion" in wanted:
            found["confusion"] = confusion_values(_means(self._taken, members))
        return {metric: found[metric] for metric in metrics}


class _Known(NamedTuple):
    """Values with 0 for unknown ones, and 1 where they are known."""

    values: Array
    known: Array

    @classmethod
    def of(cls, values: Array) -> "_Known":
        known = ~np.isnan(values)
        return cls(np.where(known, values, 0.0), known.astype(np.float64))


def _means(of: _Known, weights: Array) -> Array:
    """Weighted means (..., n) of known values (n, ...) over the images."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((weights @ of.values) / (weights @ of.known))


def confusion_values(rates: Array) -> Array:
    """Entries of the RDM of objects: 1 - mean of the rates (k, k) at which two are taken for each other."""
    return np.asarray(1 - (rates + rates.T)[np.triu_indices(len(rates), 1)] / 2)


def pattern_correlations(patterns: Sequence[Array], weights: Array | None, metric: str) -> Array:
    """Pearson's r between patterns over the entries that all know (Spearman's of confusions), one matrix.

    weights: of the entries. One without variance has 0 with all others, NaN stands for fewer than 3 entries.
    """
    stack = np.stack(patterns)
    kept = np.isfinite(stack).all(0)
    if weights is not None:
        kept &= weights > 0
    if kept.sum() < 3:
        return np.full((len(stack),) * 2, np.nan)
    stack, w = stack[:, kept], np.ones(int(kept.sum())) if weights is None else weights[kept]
    if metric == "confusion":
        stack = rankdata(stack, axis=1)
    stack = stack - ((stack @ w) / w.sum())[:, None]
    products = (stack * w) @ stack.T
    norm = np.sqrt(np.diag(products))
    norm = np.where(norm > 1e-12 * np.sqrt(w.sum()), norm, np.inf)
    return np.asarray(products / norm / norm[:, None])
