"""Which of several things differ, and which are above zero: the tests of a report, and what its bars show of them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..errors import RSAError
from ..inference.intervals import false_discovery, layer_differences, standard_error
from ..plots.scores import Panel
from ..rdm.comparison import METHODS, method_named
from ..score import TeacherScore
from ..types import Array

if TYPE_CHECKING:
    import xarray

LEVEL = 0.05
TG = "TG"
_ALL_PAIRS = 6  # things whose every different pair is drawn; of more, the best against the others


class PairTests:
    """Adjusted p-values of all pairs and signs of their differences, from paired draws (thing, target, draw)."""

    def __init__(self, draws: "xarray.DataArray | None") -> None:
        self._p: Array | None = None
        if draws is None or draws.sizes["layer"] < 2:
            return
        n = draws.sizes["layer"]
        found = layer_differences(draws)
        upper = np.triu_indices(n, 1)  # the order of `combinations`
        self._p = np.full((draws.sizes["target"], n, n), np.nan)
        self._first = np.zeros(self._p.shape)
        for k in range(draws.sizes["target"]):
            self._p[k][upper] = found["p_adjusted"].to_numpy()[:, k]
            self._first[k][upper] = found["difference"].to_numpy()[:, k]
            self._p[k].T[upper], self._first[k].T[upper] = self._p[k][upper], -self._first[k][upper]

    def __bool__(self) -> bool:
        return self._p is not None

    def p(self, target: int, i: int, j: int) -> float:
        return float("nan") if self._p is None else float(self._p[target, i, j])

    def sign(self, target: int, i: int, j: int) -> int:
        """1 where i is more similar than j, -1 where less, 0 where the test cannot tell."""
        return int(np.sign(self._first[target, i, j])) if self.p(target, i, j) < LEVEL else 0

    def equal(self, target: int, best: int) -> list[int]:
        """Those that cannot be told from the best, also where the test is undefined."""
        if self._p is None:
            return []
        return [i for i, p in enumerate(self._p[target, best]) if i != best and not p < LEVEL]

    def joined(self, target: int, best: int) -> list[tuple[int, list[int]]]:
        """Lines over bars: all different pairs of few things, of many the best and those below it."""
        if self._p is None:
            return []
        n = self._p.shape[1]
        if n <= _ALL_PAIRS:
            pairs = [(i, j) for i in range(n) for j in range(i + 1, n) if self.sign(target, i, j)]
            return [(i, [j]) for i, j in sorted(pairs, key=lambda pair: (pair[1] - pair[0], pair))]
        below = [j for j in range(n) if self.sign(target, best, j)]
        return [(best, below)] if below else []


def chance_is_zero(method: str) -> bool:
    """Whether unrelated RDMs or features have a similarity of zero on average."""
    return method not in METHODS or method_named(method).centred


def above_zero(draws: "xarray.DataArray | None", target: int, method: str) -> list[int]:
    """Layers whose similarity is above zero: one-sided, Student's t on Fisher's z scale, adjusted over
    the layers of this target (Benjamini-Hochberg). None by a method that is above zero by chance."""
    import scipy.special

    if draws is None or not chance_is_zero(method):
        return []
    value, dof = (draws[key].to_numpy()[:, target] for key in ("estimate", "dof"))
    error = standard_error(draws).to_numpy()[:, target]
    z = np.arctanh(np.clip(value, -1 + 1e-12, 1 - 1e-12)) * np.maximum(1 - value**2, 1e-12)
    p = scipy.special.stdtr(dof, -z / np.maximum(error, 1e-12))
    return [int(i) for i in np.flatnonzero(false_discovery(p) < LEVEL)]


class Models:
    """Several models against one teacher, each by its best layer for a target, and by TG where there are several."""

    def __init__(self, scores: Mapping[str, TeacherScore]) -> None:
        self.names = list(scores)
        self.targets = check_comparable(scores)
        self.draws = _paired(scores)
        self.tests = PairTests(self.draws)
        self.values = np.stack([score.table.max("layer").to_numpy() for score in scores.values()])
        self.low: Array | None = None
        self.high: Array | None = None
        ends: list[list[tuple[float | None, float | None]]] = [
            [*score.best_interval.values()] for score in scores.values()
        ]
        if len(self.targets) > 1:
            self.targets.append(TG)
            self.values = np.column_stack([self.values, self.values.mean(axis=1)])
            ends = [[*row, (score.tg_low, score.tg_high)] for row, score in zip(ends, scores.values(), strict=True)]
        if self.draws is not None:
            self.low, self.high = np.moveaxis(np.array(ends, np.float64), -1, 0)


def _paired(scores: Mapping[str, TeacherScore]) -> "xarray.DataArray | None":
    """The draws of the models' best layers, where all have the same resamples of the same stimuli."""
    import xarray

    parts = []
    drawn = set()
    for name, score in scores.items():
        if score.draws is None:
            return None
        facts = {key: str(value) for key, value in score.draws.attrs.items() if key != "about"}
        drawn.add((score.draws.sizes["draw"], *sorted(facts.items())))
        best = [score.draws.sel(target=[target], layer=[layer]) for target, layer in score.best_layer.items()]
        model = xarray.concat([part.assign_coords(layer=[name]) for part in best], "target")
        if len(best) > 1:
            along = {key: model[key].mean("target", keepdims=True) for key in ("estimate", "linear")}
            along["dof"] = model["dof"].min("target", keepdims=True)
            mean = model.mean("target", keepdims=True).assign_coords({"target": [TG], **along})
            model = xarray.concat([model, mean], "target")
        parts.append(model)
    return None if len(drawn) > 1 else xarray.concat(parts, "layer").assign_attrs(parts[0].attrs)


def check_comparable(scores: Mapping[str, TeacherScore]) -> list[str]:
    """Their targets. Raises RSAError for scores against other targets, by another method or over other conditions."""

    def kind(score: TeacherScore) -> tuple[object, ...]:
        targets = [str(target) for target in score.table.indexes["target"]]
        return score.teacher, score.method, score.by, score.table.attrs["n"], targets

    (name, first), *others = scores.items()
    facts = ("teacher", "method", "by", "number of conditions", "targets")
    for other, score in others:
        for fact, a, b in zip(facts, kind(first), kind(score), strict=True):
            if a != b:
                raise RSAError(f"{other} and {name} cannot share a report: {fact} {b} and {a}")
    return [str(target) for target in first.table.indexes["target"]]


def tested(panel: Panel, score: TeacherScore, tests: PairTests) -> Panel:
    """The panel of layers with its stars and lines."""
    above = above_zero(score.draws, panel.number, score.method)
    return replace(panel, above=above, joined=tests.joined(panel.number, panel.best))


def model_panel(models: Models, k: int, score: TeacherScore) -> Panel:
    """One target's similarities of several models' best layers; maxima are above zero by chance: none is starred."""
    target, values = models.targets[k], models.values[:, k]
    ceiling = score.ceilings.get(target)
    if target == TG and len(score.ceilings) == len(models.targets) - 1:
        lower, upper = np.mean(list(score.ceilings.values()), axis=0).tolist()
        ceiling = (lower, upper)
    low, high = (None if side is None else side[:, k] for side in (models.low, models.high))
    joined = models.tests.joined(k, int(np.argmax(values)))
    return Panel(target, models.names, values, low, high, ceiling, joined=joined, number=k)
