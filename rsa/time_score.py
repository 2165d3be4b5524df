"""How similar a model's layers are to a teacher's targets over time: the table, onsets and peaks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import RSAError, conditions
from .inference.clusters import LEVEL
from .inference.latency import ends
from .notebooks import as_html
from .types import Array, Attr

if TYPE_CHECKING:
    import pandas
    import xarray
    from matplotlib.figure import Figure, SubFigure

COURSES = ("similarity", "low", "high", "p")
LATENCIES = ("onset", "onset_low", "onset_high", "peak", "peak_low", "peak_high")


@dataclass(frozen=True, eq=False, repr=False)
class TimeScore:
    """Similarity of layers to targets in every window.

    Attributes
    ----------
    table : xarray.Dataset
        Over ("layer", "target", "time"): `similarity`, `low` and `high` (95%, for a layer and a time named beforehand),
        and `p` of the cluster that a window belongs to, NaN outside clusters. Over ("target", "time"), where known:
        `reliability`, `ceiling`, `neuroids`, and `reason`, why there is no RDM. Over ("layer", "target"): `onset` and
        `peak` with their intervals, `onset_low`, `onset_high`, `peak_low`, `peak_high`. `time` is the middle of a
        window in ms, `window_start` and `window_end` its ends.
    method, by, teacher, model : str
    attrs : dict
        How it was made.
    draws : dict of str to array
        `onset` and `peak` (layer, target, draw) of the resamples; empty without these.
    generalisation : xarray.DataArray, optional
        What `temporal_generalisation` returned for the targets' RDMs.
    subjects : xarray.DataArray, optional
        Similarity of single subjects ("subject", "layer", "target", "time"), where `similarity` is their mean.
    """

    table: "xarray.Dataset"
    method: str
    by: str
    teacher: str
    model: str = ""
    attrs: Mapping[str, Attr] = field(default_factory=dict)
    draws: Mapping[str, Array] = field(default_factory=dict)
    generalisation: "xarray.DataArray | None" = None
    subjects: "xarray.DataArray | None" = None

    @property
    def layers(self) -> list[str]:
        """Names of the layers."""
        return [str(name) for name in self.table.indexes["layer"]]

    @property
    def targets(self) -> list[str]:
        """Names of the targets."""
        return [str(name) for name in self.table.indexes["target"]]

    @property
    def significant(self) -> "xarray.DataArray":
        """Which windows lie in clusters with p <= .05."""
        return self.table["p"] <= LEVEL

    @property
    def best_layer(self) -> dict[str, str]:
        """Target -> the layer that reaches the highest similarity at any time, for targets that have an RDM."""
        highest = self.table["similarity"].max("time")
        return {
            target: str(self.layers[int(np.nanargmax(values))])
            for target in self.targets
            if np.isfinite(values := highest.sel(target=target).to_numpy()).any()
        }

    def latency_differences(self, kind: str = "onset") -> "pandas.DataFrame":
        """Compare the latencies of all pairs of targets, each at its best layer.

        Parameters
        ----------
        kind : str
            "onset" or "peak".

        Returns
        -------
        pandas.DataFrame
            `first`, `second`, `difference` (second - first, in ms), `low`, `high` (95%, from paired resamples; NaN
            where an end lies beyond all latencies) and `p` (two-sided, from the share of resamples on the other side of
            zero, those at zero included; not corrected for the number of pairs). In a resample, a target without a
            significant cluster counts as later than any; one in which both have none is left out.

        Raises
        ------
        RSAError
            For any other kind, and without resamples.
        """
        import pandas

        if kind not in ("onset", "peak"):
            raise RSAError(f"latencies are 'onset' and 'peak', not {kind!r}")
        if kind not in self.draws:
            raise RSAError(
                "differences of latencies need resamples of the stimuli: bootstrap above 0, and permutations"
            )
        rows = []
        at = {
            target: (self.layers.index(layer), self.targets.index(target)) for target, layer in self.best_layer.items()
        }
        for first, second in combinations(at, 2):
            values = self.table[kind].to_numpy()
            apart = _apart(self.draws[kind][at[first]], self.draws[kind][at[second]])
            low, high, p = np.nan, np.nan, np.nan
            if len(apart):
                low, high = ends(apart)
                share = min((apart <= 0).sum(), (apart >= 0).sum())
                p = min(1.0, 2 * (1 + share) / (1 + len(apart)))
            difference = float(values[at[second]] - values[at[first]])
            rows.append({"first": first, "second": second, "difference": difference, "low": low, "high": high, "p": p})
        return pandas.DataFrame(rows, columns=["first", "second", "difference", "low", "high", "p"])

    def to_dataframe(self) -> "pandas.DataFrame":
        """Return one row per layer, target and window.

        Returns
        -------
        pandas.DataFrame
            Columns `layer`, `target`, `time`, `window_start`, `window_end`, `similarity`, `low`, `high` and `p`, NaN
            where something is not known; and of `reliability`, `ceiling` and `neuroids` those that the table has.
        """
        wanted = [*COURSES, *(name for name in ("reliability", "ceiling", "neuroids") if name in self.table)]
        frame = self.table[wanted].to_dataframe(dim_order=("layer", "target", "time")).reset_index()
        return frame[["layer", "target", "time", "window_start", "window_end", *wanted]]

    def latencies(self) -> "pandas.DataFrame":
        """Return one row per layer and target.

        Returns
        -------
        pandas.DataFrame
            Columns `layer`, `target`, `onset`, `onset_low`, `onset_high`, `peak`, `peak_low`, `peak_high` (ms) and
            `highest`, the highest similarity at any time, which is given without a peak, too.
        """
        frame = (
            self.table[list(LATENCIES)]
            .assign(highest=self.table["similarity"].max("time"))
            .to_dataframe(dim_order=("layer", "target"))
        )
        return frame.reset_index()[["layer", "target", *LATENCIES, "highest"]]

    def plot(self) -> "Figure | SubFigure":
        """Draw similarity over time for every target in a new pyplot figure; nothing is shown or written.

        Returns
        -------
        matplotlib.figure.Figure
        """
        from .plots.figures import pyplot
        from .plots.time import time_figure

        return time_figure(self, pyplot().figure())

    def __repr__(self) -> str:
        n, windows = self.table.attrs.get("n", "?"), self.table.sizes["time"]
        what = f"{self.method} over {conditions(n, self.by)}"
        size = f"{len(self.layers)} layers x {len(self.targets)} targets x {windows} windows"
        lines = [f"TimeScore({self.model or 'model'} against {self.teacher}: {what}, {size})"]
        return "\n".join([*lines, *(f"  {target}: {text}" for target, text in self._best().items())])

    def _best(self) -> dict[str, str]:
        found = {}
        for target, layer in self.best_layer.items():
            here = self.table.sel(layer=layer, target=target)
            peak = f"{float(here['similarity'].max()):.4f} at {_ms(here, 'peak')}"
            found[target] = f"{layer}: highest {peak}, onset {_ms(here, 'onset')}"
        return found

    def _repr_html_(self) -> str:
        return as_html(repr(self).split("\n")[0], {**self._best(), **self.attrs}, self.latencies().round(4))

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-able values."""
        values = {str(name): column.to_numpy().tolist() for name, column in self.table.data_vars.items()}
        dims = {str(name): list(map(str, column.dims)) for name, column in self.table.data_vars.items()}
        extra: dict[str, Any] = {}
        if self.generalisation is not None:
            extra["generalisation"] = self.generalisation.to_numpy().tolist()
        if self.subjects is not None:
            extra["subjects"] = list(map(str, self.subjects.indexes["subject"]))
            extra["by_subject"] = self.subjects.to_numpy().tolist()
        differences = {kind: self.latency_differences(kind).to_dict("records") for kind in self.draws}
        return {
            "model": self.model,
            "teacher": self.teacher,
            "method": self.method,
            "by": self.by,
            **{str(key): value for key, value in self.table.attrs.items()},
            "layers": self.layers,
            "targets": self.targets,
            "windows": np.stack([self.table["window_start"], self.table["window_end"]], axis=1).tolist(),
            "time": self.table["time"].to_numpy().tolist(),
            "best_layer": self.best_layer,
            "dims": dims,
            **values,
            **extra,
            "latency_differences": differences,
            "attrs": dict(self.attrs),
        }


def _apart(first: Array, second: Array) -> Array:
    """Second - first in paired draws: infinite where one has no latency, left out where both have none."""
    known = ~(np.isnan(first) & np.isnan(second))
    return np.where(np.isnan(second), np.inf, second)[known] - np.where(np.isnan(first), np.inf, first)[known]


def _ms(here: "xarray.Dataset", kind: str) -> str:
    value, low, high = (float(here[name]) for name in (kind, f"{kind}_low", f"{kind}_high"))
    if np.isnan(value):
        return "none"
    return f"{value:g} ms" if np.isnan(low) else f"{value:g} ms [{low:g}, {'later' if np.isnan(high) else f'{high:g}'}]"
