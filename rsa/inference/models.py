"""Several models against the same targets, each at the layer that other data choose for it.

A model is whatever has similarities as functions of the weights of stimuli (`Similarities`): RDMs of layers (`Sides`),
their partial similarity (`partial`), or a prediction that is fitted anew for every weighting.

The highest of a model's layers on the data that it is scored on is biased upwards, more with more layers. Here a layer
is chosen on one half of the stimuli (and of the subjects, where these are resampled) and scored on the other, for many
halvings. With p_l the share of halvings that choose layer l, a draw of the model is `sum p_l draw_l`: it has the noise
of the layers that are in question, and none of them has an advantage in it.

Half of the stimuli choose a worse layer than all of them would, so that this estimate is below the best layer's where
others are nearly as good, or very many. The highest layer on all data is above it. Intervals therefore reach as far up
as that layer's, and a test counts a model that is behind as its highest layer.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ..errors import RSAError, near
from ..rdm.rdm import RDM
from ..types import Array
from .bootstrap import Resampling

OVER = ("stimuli", "subjects", "both")
SPLITS = 100  # halvings behind the choice of a layer, each of which serves both ways


class Similarities(Protocol):
    """Layers (rows) against the RDMs of the targets (columns) as functions of how much each stimulus weighs."""

    def influences(self) -> tuple[Array, Array]:
        """Similarities (layers, columns) at weights of 1, and their derivatives (layers, columns, stimuli)."""

    def resampled(self, weights: npt.NDArray[np.int64]) -> Array:
        """Similarities (layers, columns, draws) under weights (draws, stimuli)."""


@dataclass(frozen=True)
class ModelSample:
    """One model's similarities to the columns, at the layers that were chosen.

    table: (layers, columns) all layers' similarities. shares: (layers, targets) how often each layer was chosen.
    single: (columns,) the similarities, the gain from the choice taken out. slopes: (columns, units) their derivatives.
    draws: (columns, draws) under resampled stimuli. highest: of the highest layer for each target on all data (or of
    weights fitted to all), the same three. apart: (columns, draws) half the difference between two halvings of a draw,
    where the model is fitted anew in each.
    """

    layers: tuple[str, ...]
    table: Array
    shares: Array
    single: Array
    slopes: Array
    draws: Array
    highest: tuple[Array, Array, Array]
    apart: Array | None = None

    def only(self, target: int, columns: Sequence[int]) -> "ModelSample":
        """One target, whose columns these are."""
        own, shares = list(columns), self.shares[:, target : target + 1]
        single, slopes, draws = (part[own] for part in self.highest)
        parts = self.table[:, own], shares, self.single[own], self.slopes[own], self.draws[own]
        apart = None if self.apart is None else self.apart[own]
        return ModelSample(self.layers, *parts, (single, slopes, draws), apart)

    @classmethod
    def joined(cls, parts: "Sequence[ModelSample]") -> "ModelSample":
        """One model's samples for several targets as one."""
        single, slopes, draws = (
            np.concatenate([getattr(p, key) for p in parts]) for key in ("single", "slopes", "draws")
        )
        highest = tuple(np.concatenate(column) for column in zip(*(p.highest for p in parts), strict=True))
        table, shares = (np.concatenate([getattr(p, key) for p in parts], axis=1) for key in ("table", "shares"))
        halved = [p.apart for p in parts if p.apart is not None]
        apart = np.concatenate(halved) if halved else None
        best = (highest[0], highest[1], highest[2])
        return cls(parts[0].layers, table, shares, single, slopes, draws, best, apart)


class Plan:
    """How all models are compared with the same targets: the draws, the halvings, and what is new in a new sample.

    subjects: target -> the columns (RDMs of single subjects or animals, or one) that are averaged for it. over:
    "stimuli", "subjects" or "both". splits: halvings for the choice of a layer.

    Raises RSAError for an unknown `over`, for a target of one subject where subjects are resampled, and as
    `Resampling.units` does.
    """

    def __init__(
        self,
        rdm: RDM,
        subjects: Mapping[str, Sequence[int]],
        resampling: Resampling,
        *,
        over: str = "stimuli",
        splits: int = SPLITS,
    ) -> None:
        if over not in OVER:
            raise RSAError(f"inference is over {', '.join(OVER)}, not {over!r}{near(over, OVER)}")
        if splits < 1:
            raise RSAError(f"at least 1 halving is needed to choose layers, got {splits}")
        self.targets = {target: np.array(columns) for target, columns in subjects.items()}
        alone = [target for target, columns in self.targets.items() if len(columns) < 2]
        if over != "stimuli" and alone:
            raise RSAError(f"{alone[0]} has one subject; inference over {over} needs RDMs of at least 2 subjects")
        self.over, self.resampling, self.splits = over, resampling, splits
        self.unit = resampling.units(rdm)
        self.units = int(self.unit.max()) + 1
        self.counts = resampling.counts(self.units)
        self.about = resampling.about(rdm, self.units)
        rng = np.random.default_rng(resampling.seed)
        first = np.stack([rng.permutation(self.units) < self.units // 2 for _ in range(splits)])[:, self.unit]
        self.halves = np.concatenate([first, ~first]).astype(np.int64)
        self._people = {target: _halved(len(columns), splits, rng) for target, columns in self.targets.items()}

    def only(self, target: str) -> "Plan":
        """The same plan for one target alone."""
        plan = copy.copy(self)
        plan.targets = {target: np.arange(len(self.targets[target]))}
        return plan

    def sample(self, layers: Sequence[str], sides: Similarities) -> ModelSample:
        """Choose a model's layers and draw its similarities. Raises RSAError where halves of the stimuli are too few.

        `sides` must have the columns of `subjects`, in their order.
        """
        table, slopes = sides.influences()
        shares, gain = self._choice(table, sides)
        chosen, best = np.zeros(table.shape), np.zeros(table.shape)  # weights of every layer in every column
        lost = np.zeros(table.shape[1])
        for k, own in enumerate(self.targets.values()):
            chosen[:, own], lost[own] = shares[:, k, None], gain[k]
            best[table[:, own].mean(axis=1).argmax(), own] = 1.0
        drawn = np.zeros((*table.shape, self.resampling.draws))
        if self.over != "subjects":
            drawn = sides.resampled(np.ascontiguousarray(self.counts[:, self.unit]))

        def weighted(weights: Array, less: Array | float) -> tuple[Array, Array, Array]:
            mixed = np.einsum("lc,lcn->cn", weights, slopes)
            by_unit = np.stack([np.bincount(self.unit, row, self.units) for row in mixed])
            draws = np.einsum("lc,lcd->cd", weights, np.where(weights[..., None] > 0, drawn, 0.0))
            single: Array = (weights * table).sum(axis=0) - less
            return single, by_unit, draws - np.expand_dims(np.broadcast_to(less, len(single)), 1)

        return ModelSample(tuple(layers), table, shares, *weighted(chosen, lost), weighted(best, 0.0))

    def _choice(self, table: Array, sides: Similarities) -> tuple[Array, Array]:
        """Shares of the halvings that choose each layer (layers, targets), and what they gain on the data as a whole.

        The gain is the chosen layers' mean similarity over parts of the data, as they fall, less that on parts that
        had no say in the choice.
        """
        layers = len(table)
        shares, gain = np.ones((layers, len(self.targets))) / layers, np.zeros(len(self.targets))
        if layers == 1:
            return shares, gain
        here = table[..., None] if self.over == "subjects" else sides.resampled(self.halves)
        if np.isnan(here).any():
            raise RSAError("half of the stimuli are too few to choose a layer on; name one layer of every model")
        there = np.roll(here, self.splits, axis=-1) if self.over != "subjects" else here
        for k, (target, own) in enumerate(self.targets.items()):
            chosen_on, scored_on = here[:, own], there[:, own]
            if self.over == "stimuli":
                tries = [(chosen_on.mean(axis=1), scored_on.mean(axis=1))]
            else:  # the part of the subjects that does not choose is the part that scores
                people = self._people[target]
                part = np.concatenate([people, people], axis=-1) if here.shape[-1] > 1 else people
                tries = [(_mean(chosen_on, one), _mean(scored_on, ~one)) for one in (part, ~part)]
            choosing, scoring = (np.concatenate(side, axis=-1) for side in zip(*tries, strict=True))
            best = choosing.argmax(axis=0)
            shares[:, k] = np.bincount(best, minlength=layers) / len(best)
            gain[k] = shares[:, k] @ scoring.mean(axis=1) - np.take_along_axis(scoring, best[None], axis=0).mean()
        return shares, gain


def _halved(people: int, splits: int, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """(people, splits) random halvings of subjects."""
    return np.stack([rng.permutation(people) < max(people // 2, 1) for _ in range(splits)], axis=1)


def _mean(values: Array, part: npt.NDArray[np.bool_]) -> Array:
    """(layers, splits) means of (layers, people, splits) over the people of each split's part."""
    total: Array = (values * part).sum(axis=1) / part.sum(axis=0)
    return total
