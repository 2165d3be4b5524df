"""Similarity over time with ceilings, clusters and latencies, and temporal generalisation."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import conditions
from .figures import COLOURS, literal, printable, shortened

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh
    from matplotlib.figure import Figure

    from ..time_score import TimeScore

MOST_PANELS = 12  # targets in one picture
_NAMED = 6  # layers that a legend names one by one; more are a scale of colours from input to output


def time_figure(score: "TimeScore", figure: "Figure | None" = None) -> "Figure":
    """Draw a panel per target (the first twelve): a line per layer, the best one with interval, onset and peak."""
    from matplotlib.figure import Figure

    figure = Figure() if figure is None else figure
    targets = list(score.best_layer)[:MOST_PANELS]
    columns = min(len(targets), 3)
    rows = -(-len(targets) // columns)
    figure.set_size_inches(1.2 + 4.6 * columns, 1.6 + 3.2 * rows)
    figure.set_layout_engine("constrained")
    figure.suptitle(printable(f"{score.model or 'model'} against {score.teacher}"), fontsize=13, fontweight="bold")
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for axes in list(grid.flat)[len(targets) :]:
        axes.set_visible(False)
    for axes, target in zip(grid.flat, targets, strict=False):
        draw_course(axes, score, target)
    make_room(grid.flat[0])
    for axes in grid[:, 0]:
        axes.set_ylabel(f"RDM similarity ({score.method})")
    for k in range(len(targets)):
        if k + columns >= len(targets):
            grid.flat[k].set_xlabel("ms after onset, middle of the window")
            grid.flat[k].tick_params(labelbottom=True)
    if len(score.layers) > _NAMED:
        _scale(figure, grid, score)
    figure.supxlabel(_words(score, len(targets)), fontsize="small")
    literal(figure)
    return figure


def make_room(axes: "Axes") -> None:
    """Lower the y-axis, so that clusters and latencies lie below the courses."""
    low, high = axes.get_ylim()
    axes.set_ylim(low - 0.18 * (high - low), high)


def draw_course(axes: "Axes", score: "TimeScore", target: str) -> None:
    """Draw one target: layers over time, and below them the clusters, onset and peak of the best."""
    here, best = score.table.sel(target=target), score.best_layer[target]
    time = here["time"].to_numpy()
    many = len(score.layers) > _NAMED
    for i, layer in enumerate(score.layers):
        chosen = layer == best
        style: dict[str, Any] = {"linewidth": 2.4 if chosen else 1.0, "zorder": 3 if chosen else 2}
        style["label"] = (
            None if many and not chosen else " " + printable(shortened(layer)) + (" (best)" if chosen else "")
        )  # matplotlib hides _names
        axes.plot(time, here["similarity"].sel(layer=layer), color=_colour(i, len(score.layers)), **style)
    for person in [] if score.subjects is None else score.subjects.sel(layer=best, target=target):
        axes.plot(time, person, color=_colour(score.layers.index(best), len(score.layers)), linewidth=0.6, alpha=0.6)
    own, colour = here.sel(layer=best), _colour(score.layers.index(best), len(score.layers))
    axes.fill_between(time, own["low"], own["high"], color=colour, alpha=0.18, linewidth=0)
    if "ceiling" in here and np.isfinite(here["ceiling"]).any():
        axes.plot(time, here["ceiling"], linestyle="--", color="0.35", linewidth=1.2, label="ceiling")
    axes.axhline(0, color="0.6", linewidth=0.8, zorder=0)
    place = axes.get_xaxis_transform()
    for start, stop in _stretches(score.significant.sel(target=target, layer=best).to_numpy(), own):
        axes.plot((start, stop), (0.03, 0.03), color=colour, linewidth=4, solid_capstyle="butt", transform=place)
    for kind, marker, height in (("onset", ">", 0.07), ("peak", "v", 0.11)):
        value, low, high = (float(own[name]) for name in (kind, f"{kind}_low", f"{kind}_high"))
        if np.isfinite(value):
            last = float(own["window_end"].max()) if np.isnan(high) else high
            if np.isfinite(low):
                axes.plot((low, last), (height, height), color="black", linewidth=1.2, transform=place)
            axes.plot(value, height, marker, color="black", markersize=6, transform=place)
    axes.margins(y=0.1)
    axes.set_title(printable(f"{target}: {shortened(best)}, {_latency(own)}"), fontsize=9)
    axes.legend(edgecolor="none", framealpha=0.7, fontsize="x-small", loc="best")
    axes.spines[["top", "right"]].set_visible(False)


def _latency(own: "xarray.Dataset") -> str:
    onset, peak = float(own["onset"]), float(own["peak"])
    return "no significant cluster" if np.isnan(onset) else f"onset {onset:g}, peak {peak:g} ms"


def _stretches(inside: Any, own: "xarray.Dataset") -> list[tuple[float, float]]:
    """From the start of the first window of each run to the end of its last."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], inside.astype(np.int8), [0]])))
    start, end = own["window_start"].to_numpy(), own["window_end"].to_numpy()
    return [(float(start[a]), float(end[b - 1])) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _colour(i: int, n: int) -> Any:
    if n <= _NAMED:
        return COLOURS[i]
    from matplotlib import colormaps

    return colormaps["viridis"](0.92 * i / (n - 1))


def _scale(figure: "Figure", grid: Any, score: "TimeScore") -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize

    n = len(score.layers)
    colours = ListedColormap([_colour(i, n) for i in range(n)])
    bar = figure.colorbar(ScalarMappable(Normalize(-0.5, n - 0.5), colours), ax=grid, shrink=0.8, aspect=30)
    shown = sorted({0, n // 2, n - 1})
    bar.set_ticks(shown, labels=[printable(shortened(score.layers[i])) for i in shown], fontsize="x-small")
    bar.set_label("layer, from input to output", fontsize="small")


def _words(score: "TimeScore", shown: int) -> str:
    table = score.table
    lines = [
        f"Each line: one layer in {table.sizes['time']} windows, {conditions(table.attrs.get('n', '?'), score.by)}."
    ]
    if score.subjects is not None:
        lines[0] += " Thin lines: single subjects, for the best layer. Shading: 95% interval of their mean."
    elif table.attrs.get("bootstrap"):
        lines[0] += f" Shading: 95% interval of the best layer ({table.attrs['bootstrap']} resamples)."
    if table.attrs.get("permutations"):
        how = "permutations" if score.subjects is None else "sign flips"
        tested = f"clusters of the best layer, p <= .05 corrected over time ({table.attrs['permutations']} {how})"
        ends = ", with their 95% intervals" if score.draws else ""
        lines.append(f"Bar at the bottom: {tested}; > marks the onset and v the peak{ends}.")
    if shown < len(score.best_layer):
        lines.append(f"The first {shown} of {len(score.best_layer)} targets.")
    note = str(score.attrs.get("teacher_note") or "")
    return "\n".join(filter(None, [*lines, printable(note)]))


def generalisation_figure(table: "xarray.DataArray", title: str = "", figure: "Figure | None" = None) -> "Figure":
    """Draw how alike the RDMs of two times are: a matrix (time, other) per target, on one scale.

    table: dims ("target", "time", "other"), what `temporal_generalisation` returned.
    """
    from matplotlib.figure import Figure

    figure = Figure() if figure is None else figure
    targets = [str(name) for name in table.indexes["target"]][:MOST_PANELS]
    columns = min(len(targets), 3)
    rows = -(-len(targets) // columns)
    figure.set_size_inches(1.4 + 3.7 * columns, 1.4 + 3.5 * rows)
    figure.set_layout_engine("constrained")
    figure.suptitle(printable(title or "RDMs over time"), fontsize=13, fontweight="bold")
    grid = figure.subplots(rows, columns, squeeze=False)
    most = extreme(table.sel(target=targets))
    for axes in list(grid.flat)[len(targets) :]:
        axes.set_visible(False)
    for axes, target in zip(grid.flat, targets, strict=False):
        image = draw_generalisation(axes, table.sel(target=target), most)
        axes.set_title(printable(shortened(target)), fontsize=10)
    label = f"similarity of RDMs at two times ({table.attrs.get('method', '')})"
    figure.colorbar(image, ax=grid, shrink=0.7, label=label)
    figure.supxlabel(printable(str(table.attrs.get("definition", ""))), fontsize="small", wrap=True)
    literal(figure)
    return figure


def extreme(table: "xarray.DataArray") -> float:
    """The largest magnitude, at which a scale of colours ends."""
    return max(float(np.nanmax(np.abs(table.to_numpy()), initial=0.0)), 1e-6)


def draw_generalisation(axes: "Axes", table: "xarray.DataArray", most: float) -> "QuadMesh":
    """Draw the matrix (time, other) of one target; colours end at `most`."""
    time = table["time"].to_numpy()
    style: dict[str, Any] = {"shading": "nearest", "cmap": "RdBu_r", "vmin": -most, "vmax": most, "rasterized": True}
    image = axes.pcolormesh(time, time, table.to_numpy(), **style)
    axes.set_aspect("equal")
    axes.set_xlabel(f"ms, {table.attrs.get('second', 'RDM')}")
    axes.set_ylabel(f"ms, {table.attrs.get('first', 'RDM')}")
    return image


def draw_layer_map(axes: "Axes", score: "TimeScore", target: str) -> "QuadMesh":
    """Draw one target's similarity as a matrix (layer, window), a dot where a window is in a significant cluster."""
    here = score.table.sel(target=target)
    most, time, places = extreme(here["similarity"]), here["time"].to_numpy(), np.arange(len(score.layers))
    style: dict[str, Any] = {"shading": "nearest", "cmap": "RdBu_r", "vmin": -most, "vmax": most, "rasterized": True}
    image = axes.pcolormesh(time, places, here["similarity"].to_numpy(), **style)
    rows, columns = np.nonzero(score.significant.sel(target=target).to_numpy())
    axes.plot(time[columns], rows, "o", color="black", markersize=4, markeredgecolor="white", markeredgewidth=0.7)
    axes.set_yticks(places, labels=[printable(shortened(layer)) for layer in score.layers])
    axes.set_xlabel("ms, middle of the window")
    axes.invert_yaxis()
    return image


def draw_reliability(axes: "Axes", score: "TimeScore", targets: Sequence[str]) -> None:
    """Draw the reliability of the targets' RDMs over time, and dashed their ceilings."""
    for k, target in enumerate(targets):
        here, colour = score.table.sel(target=target), _colour(k, len(targets))
        axes.plot(here["time"], here["reliability"], color=colour, label=" " + printable(shortened(target)))
        axes.plot(here["time"], here["ceiling"], color=colour, linestyle="--", linewidth=1)
    axes.axhline(0, color="0.6", linewidth=0.8, zorder=0)
    axes.set_xlabel("ms, middle of the window")
    axes.legend(edgecolor="none", framealpha=0.7, fontsize="x-small", loc="best")
