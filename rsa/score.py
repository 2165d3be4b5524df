"""What a comparison with a teacher gives: the table of layers and targets, TG, and their intervals."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .errors import conditions
from .inference.intervals import best_layer_interval, interval
from .notebooks import as_html
from .rdm.comparison import METHODS
from .types import Attr

if TYPE_CHECKING:
    import pandas
    import xarray
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

    from .rdm.rdm import RDM
    from .similarity.features import Features


def best_similarity(similarity: npt.NDArray[Any], *, empty: float = math.nan) -> npt.NDArray[Any]:
    """Similarity of the most similar layer to every target.

    similarity: (..., n_layers, n_targets), NaN for layers without an RDM. empty: what a target without any layer gets.
    Returns (..., n_targets).
    """
    highest = np.where(np.isnan(similarity), -np.inf, similarity).max(axis=-2)
    return np.where(np.isinf(highest), empty, highest)


def teacher_guidance(similarity: npt.NDArray[Any], *, empty: float = math.nan) -> npt.NDArray[Any]:
    """TG = mean over targets of ( max over layers of r(M_layer, M_target) ); parameters as in `best_similarity`."""
    return np.asarray(best_similarity(similarity, empty=empty).mean(axis=-1))


@dataclass(frozen=True, eq=False, repr=False)
class TeacherScore:
    """How similar a candidate's layers are to a teacher's targets.

    Attributes
    ----------
    table : DataArray ("layer", "target")
        Similarities.
    ceilings : dict
        Target -> (lower, upper), where known.
    method, by, teacher : str
        The method of comparison, the `by` of the RDMs, and the teacher's name.
    attrs : dict
        How the candidate's and the teacher's RDMs were made; "unusable" names layers that were left out.
    draws : DataArray ("layer", "target", "draw"), optional
        Similarities under resampling of the stimuli.
    crossvalidated : DataArray, optional
        What `crossvalidated_choice` returned.
    model, layers, targets
        The model's name, the RDMs or features of its layers that were compared, and the targets' RDMs; `tgsage.score`
        keeps them for figures.
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
    def compared(self) -> str:
        """What the method compares: "RDM" or "feature"."""
        return "RDM" if self.method in METHODS else "feature"

    @cached_property
    def best_layer(self) -> dict[str, str]:
        """Target -> its most similar layer."""
        layers = self.table.indexes["layer"]
        best = np.argmax(self.table.to_numpy(), axis=0)
        return {str(target): str(layers[i]) for target, i in zip(self.table.indexes["target"], best, strict=True)}

    @cached_property
    def tg(self) -> float:
        """Teacher guidance: the best layer's similarity, averaged over targets (see `teacher_guidance`)."""
        return float(teacher_guidance(self.table.to_numpy()))

    @cached_property
    def _ends(self) -> "tuple[xarray.DataArray, xarray.DataArray] | tuple[None, None]":
        return (None, None) if self.draws is None else interval(self.draws)

    @property
    def low(self) -> "xarray.DataArray | None":
        """Lower ends of 95% intervals, each for a layer named beforehand; None without draws."""
        return self._ends[0]

    @property
    def high(self) -> "xarray.DataArray | None":
        """Upper ends of the same intervals as `low`."""
        return self._ends[1]

    @cached_property
    def best_interval(self) -> dict[str, tuple[float, float]]:
        """Target -> 95% interval of its best layer, allowing for its having been chosen by the same similarities."""
        if self.draws is None:
            return {}
        return {target: best_layer_interval(self.draws.sel(target=[target])) for target in self.best_layer}

    @cached_property
    def shown(self) -> "tuple[xarray.DataArray, xarray.DataArray] | tuple[None, None]":
        """Ends shown in tables and figures: `low` and `high`, but `best_interval` at every target's best layer."""
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
        """Lower end of the 95% interval of `tg`; None without draws."""
        return self._tg_ends[0]

    @property
    def tg_high(self) -> float | None:
        """Upper end of the same interval as `tg_low`."""
        return self._tg_ends[1]

    @property
    def tg_crossvalidated(self) -> float | None:
        """TG with layers scored on other stimuli than they were chosen on; `tg` gains from every layer's noise."""
        return None if self.crossvalidated is None else float(self.crossvalidated.mean())

    @cached_property
    def ceiled(self) -> "xarray.DataArray":
        """`table` divided by each target's upper ceiling: 1 is what a noiseless model can reach; NaN without one."""
        upper = [self.ceilings.get(str(t), (np.nan, np.nan))[1] for t in self.table.indexes["target"]]
        return self.table / np.array(upper)

    def to_dataframe(self) -> "pandas.DataFrame":
        """Return one row per layer and target.

        Returns
        -------
        pandas.DataFrame
            Columns `layer`, `target`, `similarity`, `low` and `high` (95% interval; at a target's best layer, its
            `best_interval`), `ceiling` (upper), `ceiled` (similarity / ceiling) and `best`; NaN where something is not
            known.
        """
        import pandas

        layers, targets = ([str(name) for name in self.table.indexes[dim]] for dim in ("layer", "target"))
        low, high = (np.full(self.table.shape, np.nan) if side is None else side.to_numpy() for side in self.shown)
        upper = [self.ceilings.get(target, (np.nan, np.nan))[1] for target in targets]
        columns = {
            "layer": np.repeat(np.array(layers, object), len(targets)),
            "target": np.tile(np.array(targets, object), len(layers)),
            "similarity": self.table.to_numpy().ravel(),
            "low": low.ravel(),
            "high": high.ravel(),
            "ceiling": np.tile(upper, len(layers)),
            "ceiled": self.ceiled.to_numpy().ravel(),
            "best": [self.best_layer[target] == layer for layer in layers for target in targets],
        }
        return pandas.DataFrame(columns)

    def plot(self, ax: "Axes | None" = None) -> "Figure | SubFigure":
        """Draw similarity over layers with intervals and ceilings; nothing is shown or written.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw the layers alone. By default a new pyplot figure, the one that `tgsage score --plot` draws:
            with the RDMs of targets and best layers beside the layers, where the score keeps them (`layers` and
            `targets`).

        Returns
        -------
        matplotlib.figure.Figure
            The figure that was drawn on.
        """
        from .plots.figures import literal, pyplot
        from .plots.scores import score_axes, score_figure

        if ax is None:
            return score_figure(self, pyplot().figure())
        score_axes(ax, self)
        literal(ax)
        return ax.figure

    def __repr__(self) -> str:
        layers, targets = self.table.shape
        what = f"{self.method} over {conditions(self.table.attrs.get('n', '?'), self.by)}"
        lines = [
            f"TeacherScore({self.model or 'model'} against {self.teacher}: {what}, {layers} layers x {targets} targets)"
        ]
        lines += [f"  {target}: {text}" for target, text in self._best().items()]
        return "\n".join([*lines, f"  TG: {self.tg:.4f}{_ends(self.tg_low, self.tg_high)}"])

    def _best(self) -> dict[str, str]:
        """What a repr says of every target's best layer."""
        found = {}
        for target, layer in self.best_layer.items():
            value = float(self.table.sel(layer=layer, target=target))
            ceiling = f", ceiling {self.ceilings[target][1]:.4f}" if target in self.ceilings else ""
            found[target] = f"{layer} {value:.4f}{_ends(*self.best_interval.get(target, (None, None)))}{ceiling}"
        return found

    def _repr_html_(self) -> str:
        facts = {**self._best(), "TG": f"{self.tg:.4f}{_ends(self.tg_low, self.tg_high)}", **self.attrs}
        numbers = self.to_dataframe().pivot(index="layer", columns="target", values="similarity")
        layers, targets = self.table.indexes["layer"], self.table.indexes["target"]
        return as_html(repr(self).split("\n")[0], facts, numbers.loc[layers, targets].round(4))

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-able values."""
        return {
            "teacher": self.teacher,
            "method": self.method,
            "by": self.by,
            "n": self.table.attrs["n"],
            "tg": self.tg,
            "best_layer": self.best_layer,
            "ceilings": {target: list(pair) for target, pair in self.ceilings.items()},
            "table": nested(self.table),
            "low": None if self.low is None else nested(self.low),
            "high": None if self.high is None else nested(self.high),
            "best_interval": {target: list(ends) for target, ends in self.best_interval.items()},
            "tg_low": self.tg_low,
            "tg_high": self.tg_high,
            "tg_crossvalidated": self.tg_crossvalidated,
            "bootstrap": None if self.draws is None else {"draws": self.draws.sizes["draw"], **self.draws.attrs},
            "attrs": dict(self.attrs),
        }


def nested(table: "xarray.DataArray") -> dict[str, dict[str, float]]:
    """Layer -> target -> value."""
    layers, targets = ([str(name) for name in table.indexes[dim]] for dim in ("layer", "target"))
    return {
        layer: dict(zip(targets, row, strict=True))
        for layer, row in zip(layers, table.to_numpy().tolist(), strict=True)
    }


def _ends(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f" [{low:.4f}, {high:.4f}]"
