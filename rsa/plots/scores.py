"""Similarity over layers with its ceiling, the bars of Nili et al. (2014), and both beside the RDMs behind them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ..errors import conditions
from ..types import Array
from .figures import COLOURS, MARKERS, literal, printable, shortened
from .rdms import display_order, draw_rdm

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

    from ..rdm.rdm import RDM
    from ..score import TeacherScore
    from ..similarity.features import Features

MOST_TARGETS = 4  # rows of RDMs in one picture
MOST_LINES = 12  # targets drawn as lines; more are the columns of a map
MOST_COLUMNS = 60  # columns of a map that are named
MOST_NUMBERS = 20  # layers of a map whose cells show their numbers
LEVEL_NAMES = 75  # letters that fit beside each other under axes


@dataclass(frozen=True)
class Panel:
    """Similarities of several things (layers, or models) to one target.

    low, high: ends of their 95% intervals; ceiling: (lower, upper); above: which are above zero; joined: from one
    thing to those that differ from it, each a line over the bars. All may be missing.
    """

    title: str
    names: Sequence[str]
    values: Array
    low: Array | None = None
    high: Array | None = None
    ceiling: tuple[float, float] | None = None
    above: Sequence[int] = ()
    joined: Sequence[tuple[int, Sequence[int]]] = field(default_factory=tuple)
    number: int = 0

    @property
    def best(self) -> int:
        return int(np.argmax(self.values))

    @property
    def colour(self) -> str:
        return COLOURS[self.number % len(COLOURS)]

    def words(self) -> str:
        """What the picture shows, in text."""
        parts = [f"highest {self._value(self.best)}"]
        if len(self.names) > 1:
            parts.append(f"lowest {self._value(int(np.argmin(self.values)))}")
        parts.append(f"ceiling {between(*self.ceiling)}" if self.ceiling else "no ceiling known")
        return f"{self.title}: {len(self.names)} similarities; {'; '.join(parts)}."

    def _value(self, i: int) -> str:
        return " ".join(filter(None, (f"{self.names[i]} {self.values[i]:.3f}", self.interval(i))))

    def interval(self, i: int) -> str:
        return "" if self.low is None or self.high is None else f"[{self.low[i]:.3f}, {self.high[i]:.3f}]"


def between(lower: float, upper: float) -> str:
    return f"{upper:.3f}" if f"{lower:.3f}" == f"{upper:.3f}" else f"{lower:.3f} to {upper:.3f}"


def layer_panels(score: "TeacherScore") -> list[Panel]:
    """The layers' similarities to every target, with the intervals that are shown."""
    names, values = [str(layer) for layer in score.table.indexes["layer"]], score.table.to_numpy()
    sides = [None if side is None else side.to_numpy() for side in score.shown]
    panels = []
    for k, target in enumerate(map(str, score.table.indexes["target"])):
        low, high = (None if side is None else side[:, k] for side in sides)
        panels.append(Panel(target, names, values[:, k], low, high, score.ceilings.get(target), number=k))
    return panels


def draw_layers(axes: "Axes", panels: Sequence[Panel], *, legend: bool = True) -> None:
    """Draw a line per target over layers, with intervals and ceilings, and a ring at the best layer."""
    places = np.arange(len(panels[0].names))
    for panel in panels:
        colour, best = panel.colour, panel.best
        marker = MARKERS[panel.number % len(MARKERS)]
        axes.plot(places, panel.values, marker=marker, color=colour, label=printable(panel.title), markersize=5)
        if panel.low is not None and panel.high is not None:
            if len(places) > 1:
                axes.fill_between(places, panel.low, panel.high, color=colour, alpha=0.14, linewidth=0)
            else:
                axes.vlines(places, panel.low, panel.high, colors=colour)
        ring: dict[str, Any] = {"markersize": 13, "markerfacecolor": "none", "markeredgewidth": 1.8}
        axes.plot(best, panel.values[best], "o", markeredgecolor=colour, **ring)
        _draw_ceiling(axes, panel, legend)
    _frame(axes, panels[0].names)
    if legend:
        axes.legend(frameon=False, fontsize="small", loc="best")


def draw_bars(axes: "Axes", panel: Panel) -> None:
    """Draw bars with intervals and ceiling; a star over those above zero, lines between those that differ."""
    places, tops = np.arange(len(panel.names)), np.maximum(panel.values, 0.0)
    axes.bar(places, panel.values, width=min(0.7, 0.2 + 0.1 * len(places)), color=panel.colour)
    if panel.low is not None and panel.high is not None:
        axes.vlines(places, panel.low, panel.high, colors="black", linewidth=1.2)
        tops = np.fmax(tops, panel.high)
    _draw_ceiling(axes, panel, legend=False)
    for i in panel.above:
        axes.annotate(
            "*", (i, tops[i]), (0, -1), textcoords="offset points", ha="center", fontweight="bold", fontsize=13
        )
    _frame(axes, panel.names)
    for row, (anchor, others) in enumerate(reversed(panel.joined)):
        y = 1.04 + 0.05 * row
        over: dict[str, Any] = {"transform": axes.get_xaxis_transform(), "color": "black", "clip_on": False}
        ends = (anchor, *others)
        axes.plot((min(ends), max(ends)), (y, y), linewidth=1.2, **over)
        axes.plot(anchor, y, "o", markersize=5, **over)
        axes.plot(others, [y] * len(others), "|", markersize=7, **over)


def _draw_ceiling(axes: "Axes", panel: Panel, legend: bool) -> None:
    """The band from the lower to the upper ceiling, named in the legend or at its upper edge."""
    if panel.ceiling is None:
        return
    lower, upper = panel.ceiling
    colour = panel.colour if legend else "0.5"
    label = f"{printable(panel.title)} ceiling {upper:.2f}" if legend else None
    axes.axhspan(lower, upper, color=colour, alpha=0.15, linewidth=0)
    axes.axhline(upper, color=colour, linestyle="--", linewidth=1, label=label)
    if not legend:
        place = axes.get_yaxis_transform()
        axes.text(
            1, upper, f"ceiling {between(lower, upper)}", transform=place, ha="right", va="bottom", fontsize="small"
        )


def _frame(axes: "Axes", names: Sequence[str]) -> None:
    shown = [shortened(name) for name in names]
    slanted = len(names) * max(map(len, shown)) > LEVEL_NAMES
    turn: dict[str, Any] = {"rotation": 60, "ha": "right", "rotation_mode": "anchor"} if slanted else {}
    axes.set_xticks(range(len(names)), shown, fontsize="small", **turn)
    axes.set_xlim(-0.6, len(names) - 0.4)
    axes.axhline(0, color="0.6", linewidth=0.8, zorder=0)
    axes.margins(y=0.12)
    axes.spines[["top", "right"]].set_visible(False)


def score_axes(axes: "Axes", score: "TeacherScore") -> None:
    """Similarity over layers, all targets in one picture."""
    panels = layer_panels(score)
    draw_layers(axes, panels)
    axes.set_xlabel("layer, from input to output")
    axes.set_ylabel(f"{score.compared} similarity ({score.method})")
    missing = [shortened(panel.title) for panel in panels if panel.ceiling is None]
    known = f"no ceiling for {', '.join(missing)}" if missing else "dashed: what a noiseless model can reach"
    axes.set_title(f"Similarity over layers ({known})", fontsize=10)


def draw_map(axes: "Axes", score: "TeacherScore") -> None:
    """Draw the similarities of layers (rows) and a network's layers (columns), with a frame at each column's best."""
    from matplotlib.patches import Rectangle

    values: Array = score.table.to_numpy()
    picture = axes.imshow(values, cmap="viridis", aspect="auto")
    axes.figure.colorbar(picture, ax=axes, label=f"{score.compared} similarity ({score.method})")
    layers, targets = ([str(name) for name in score.table.indexes[dim]] for dim in ("layer", "target"))
    axes.set_yticks(range(len(layers)), [shortened(name) for name in layers], fontsize="small")
    turn: dict[str, Any] = {"rotation": 60, "ha": "right", "rotation_mode": "anchor"}
    every = -(-len(targets) // MOST_COLUMNS)
    places = range(0, len(targets), every)
    axes.set_xticks(places, [shortened(targets[k]) for k in places], fontsize="small", **turn)
    middle = (float(values.min()) + float(values.max())) / 2
    for column, row in enumerate(values.argmax(axis=0).tolist()):
        axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor="red", linewidth=1.5))
    if max(values.shape) <= MOST_NUMBERS:
        for row, column in np.ndindex(values.shape):
            colour = "white" if values[row, column] < middle else "black"
            text = f"{values[row, column]:.2f}".replace("0.", ".")
            axes.text(column, row, text, ha="center", va="center", fontsize="xx-small", color=colour)
    of = f"layer of {printable(score.teacher)}, from input to output"
    axes.set_xlabel(of if "teacher_network" in score.attrs else f"target{f', 1 in {every} named' if every > 1 else ''}")
    axes.set_ylabel(f"layer of {printable(score.model or 'model')}")


def score_figure(score: "TeacherScore", figure: "Figure | None" = None) -> "Figure":
    """Similarity over layers with ceilings; beside it, for up to four targets, the target's RDM and its best layer's.

    The RDMs are those that the score keeps (`layers` and `targets`), of features those of the best layers; without
    them the picture has its left side only.
    """
    from matplotlib.figure import Figure

    targets = [target for target in score.best_layer if target in score.targets and score.layers][:MOST_TARGETS]
    figure = Figure() if figure is None else figure
    if "teacher_network" in score.attrs or score.table.sizes["target"] > MOST_LINES:
        return _map_figure(score, figure)
    figure.set_size_inches(14 if targets else 7.5, max(4.4, 3.1 * len(targets)) + 0.9)
    figure.set_layout_engine("constrained")
    title = f"{score.model or 'model'} against {score.teacher}"
    figure.suptitle(printable(title), fontsize=14, fontweight="bold")
    if targets:
        left, right = cast("tuple[SubFigure, SubFigure]", figure.subfigures(1, 2, width_ratios=(1, 1.05)))
        score_axes(left.subplots(), score)
        _draw_pairs(right, score, targets)
    else:
        score_axes(figure.subplots(), score)
    note = str(score.attrs.get("teacher_note") or "")
    figure.supxlabel("\n".join(filter(None, (_method_line(score), printable(note)))), fontsize="small")
    literal(figure)
    return figure


def _map_figure(score: "TeacherScore", figure: "Figure") -> "Figure":
    """A network against a network: the map of their layers."""
    rows, columns = score.table.shape
    figure.set_size_inches(4.5 + min(0.42 * columns, 20), 3 + 0.34 * rows)
    figure.set_layout_engine("constrained")
    figure.suptitle(printable(f"{score.model or 'model'} against {score.teacher}"), fontsize=14, fontweight="bold")
    draw_map(figure.subplots(), score)
    what = conditions(score.table.attrs["n"], score.by)
    tg = f"TG = mean over columns of the best layer's similarity = {score.tg:.3f}."
    figure.supxlabel(f"Similarity over {what}; red: the best layer of each column.\n{tg}", fontsize="small")
    literal(figure)
    return figure


def _method_line(score: "TeacherScore") -> str:
    shade = "" if score.draws is None else "shading: 95% interval (at the best layer, allowing for the choice); "
    of = "the RDM of " if score.compared == "RDM" else "the features of "
    what = conditions(score.table.attrs["n"], score.by)
    return (
        f"Each point: {score.method} similarity between {of}one layer and {of}one target, {what}; "
        f"{shade}ring: best layer.\nTG = mean over targets of the best layer's similarity = {score.tg:.3f}."
    )


def _draw_pairs(figure: "SubFigure", score: "TeacherScore", targets: Sequence[str]) -> None:
    """A row per target: its RDM, and that of its best layer in the same order."""
    grid: Array = figure.subplots(len(targets), 2, squeeze=False)
    for row, target in zip(grid, targets, strict=True):
        best, rdm = score.best_layer[target], score.targets[target]
        kept = score.layers[best]
        layer = cast("Features", kept).rdm(metric=rdm.metric) if score.compared == "feature" else cast("RDM", kept)
        order, marks, how = display_order(rdm)
        shared = set(layer.labels)
        labels = [rdm.labels[i] for i in order if rdm.labels[i] in shared]
        value = float(score.table.sel(layer=best, target=target))
        draw_rdm(row[0], rdm.subset(labels), f"{target}\n{how}", marks)
        draw_rdm(row[1], layer.subset(labels), f"{best}\nbest layer for {target}: {value:.3f}", marks)
