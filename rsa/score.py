"""How similar a candidate is to a teacher: the table of layers and targets, TG, and intervals (paper, section 3.2)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from .inference.intervals import best_layer_interval, interval
from .types import Attr

if TYPE_CHECKING:
    import xarray

    from .rdm.rdm import RDM
    from .similarity.features import Features


@dataclass(frozen=True, eq=False)
class TeacherScore:
    """How similar a candidate's layers are to a teacher's targets.

    table: DataArray ("layer", "target") of RDM similarities. ceilings: target -> (lower, upper), where known.
    attrs: how the candidate's and the teacher's RDMs were made. draws: ("layer", "target", "draw") similarities under
    resampling of the stimuli, where asked for; `low`, `high` (of layers named beforehand), `best_interval` (of
    every target's best layer), `tg_low` and `tg_high` are then ends of 95% intervals.
    crossvalidated: what `crossvalidated_choice` gave, where asked for. model, layers, targets: the model's name, what
    was compared of its layers, and the targets' RDMs; `tgsage.score` keeps them, and pictures show them.
    """

    table: "xarray.DataArray"
    ceilings: Mapping[str, tuple[float, float]]
    method: str
    by: str
    teacher: str
    attrs: Mapping[str, Attr] = field(default_factory=dict)
    draws: "xarray.DataArray | None" = None
    crossvalidated: "xarray.DataArray | None" = None
    model: str = ""
    layers: "Mapping[str, RDM] | Mapping[str, Features]" = field(default_factory=dict)
    targets: "Mapping[str, RDM]" = field(default_factory=dict)

    @property
    def best_layer(self) -> dict[str, str]:
        """The most similar layer for every target."""
        layers = self.table.indexes["layer"]
        best = np.argmax(self.table.to_numpy(), axis=0)
        return {str(target): str(layers[i]) for target, i in zip(self.table.indexes["target"], best, strict=True)}

    @property
    def tg(self) -> float:
        """Teacher guidance: the best layer's similarity, averaged over targets."""
        return float(self.table.to_numpy().max(axis=0).mean())

    @cached_property
    def _ends(self) -> "tuple[xarray.DataArray, xarray.DataArray] | tuple[None, None]":
        return (None, None) if self.draws is None else interval(self.draws)

    @property
    def low(self) -> "xarray.DataArray | None":
        return self._ends[0]

    @property
    def high(self) -> "xarray.DataArray | None":
        return self._ends[1]

    @cached_property
    def best_interval(self) -> dict[str, tuple[float, float]]:
        """Ends for every target's best layer, chosen by these very similarities (`best_layer_interval`)."""
        if self.draws is None:
            return {}
        return {target: best_layer_interval(self.draws.sel(target=[target])) for target in self.best_layer}

    @cached_property
    def shown(self) -> "tuple[xarray.DataArray, xarray.DataArray] | tuple[None, None]":
        """Ends as tables and pictures show them: `low` and `high`, at every target's best layer `best_interval`."""
        if self.low is None or self.high is None:
            return None, None
        low, high = self.low.copy(), self.high.copy()
        for target, layer in self.best_layer.items():
            here = {"layer": layer, "target": target}
            low.loc[here], high.loc[here] = self.best_interval[target]
        return low, high

    @cached_property
    def _tg_ends(self) -> tuple[float, float] | tuple[None, None]:
        return (None, None) if self.draws is None else best_layer_interval(self.draws)

    @property
    def tg_low(self) -> float | None:
        return self._tg_ends[0]

    @property
    def tg_high(self) -> float | None:
        return self._tg_ends[1]

    @property
    def tg_crossvalidated(self) -> float | None:
        """TG with the layer chosen on other stimuli than it is scored on: `tg` profits from every layer's noise."""
        return None if self.crossvalidated is None else float(self.crossvalidated.mean())

    @property
    def ceiled(self) -> "xarray.DataArray":
        """`table` divided by each target's upper ceiling: 1 is what a noiseless model can reach. NaN without one."""
        upper = [self.ceilings.get(str(t), (np.nan, np.nan))[1] for t in self.table.indexes["target"]]
        return self.table / np.array(upper)

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON-able values."""
        targets = [str(t) for t in self.table.indexes["target"]]

        def nested(table: "xarray.DataArray | None") -> dict[str, dict[str, float]] | None:
            if table is None:
                return None
            rows = zip(table.indexes["layer"], table.to_numpy().tolist(), strict=True)
            return {str(layer): dict(zip(targets, row, strict=True)) for layer, row in rows}

        return {
            "teacher": self.teacher,
            "method": self.method,
            "by": self.by,
            "n": self.table.attrs["n"],
            "tg": self.tg,
            "best_layer": self.best_layer,
            "ceilings": {target: list(pair) for target, pair in self.ceilings.items()},
            "table": nested(self.table),
            "low": nested(self.low),
            "high": nested(self.high),
            "best_interval": {target: list(ends) for target, ends in self.best_interval.items()},
            "tg_low": self.tg_low,
            "tg_high": self.tg_high,
            "tg_crossvalidated": self.tg_crossvalidated,
            "bootstrap": None if self.draws is None else {"draws": self.draws.sizes["draw"], **self.draws.attrs},
            "attrs": dict(self.attrs),
        }
