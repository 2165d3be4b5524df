"""Pictures of architectures: a row per box, a vertical line down from each, and a dot where a lower row reads it."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ...rsa.plots.figures import COLOURS, save_figure
from .space import Architecture, Graph, Space

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LETTER, _LINE = 0.068, 0.17  # width of a letter and height of a line at 8 points, in inches
_GAP, _PORT = 0.16, 0.08  # between rows; of the entering and leaving line from the middle of a row
_MARGIN, _TITLE = 0.15, 0.45


def draw(space: Space, architecture: Architecture, path: str | Path) -> None:
    """Draw the network to a picture file.

    Parameters
    ----------
    space : Space
    architecture : mapping
    path : path
        Ending in .png, .svg or .pdf.

    Raises
    ------
    RSAError
        For an invalid architecture or path.
    """
    save_figure(graph_figure({space.name: space.graph(architecture)}), path)


def graph_figure(graphs: Mapping[str, Graph]) -> "Figure":
    """Graphs side by side under their titles. From a box its output runs right and down its own line (one colour); a
    row's arrow gathers, from the dots, what the row reads."""
    from matplotlib.figure import Figure

    sizes = {title: _size(graph) for title, graph in graphs.items()}
    width, height = sum(across for across, _ in sizes.values()), max(down for _, down in sizes.values())
    figure = Figure(figsize=(width, height + _TITLE))
    left = 0.0
    for title, graph in graphs.items():
        across, down = sizes[title]
        bottom = (height - down) / (height + _TITLE)
        axes = figure.add_axes((left / width, bottom, across / width, down / (height + _TITLE)))
        axes.set(xlim=(0, across), ylim=(-down, 0))
        axes.set_axis_off()
        axes.set_title(title, fontsize=11, fontweight="bold")
        _draw(axes, graph)
        left += across
    return figure


def _draw(axes: "Axes", graph: Graph) -> None:
    from matplotlib.patches import FancyBboxPatch

    rows, columns, box = _rows(graph), _columns(graph), _box(graph)
    colours = {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(graph.nodes)}
    for name, text in graph.nodes.items():
        top, bottom = rows[name]
        corner, width, height = (_MARGIN, bottom), box - _MARGIN, top - bottom
        rounded = "round,pad=0,rounding_size=0.06"
        axes.add_patch(FancyBboxPatch(corner, width, height, rounded, fc="white", ec=colours[name], linewidth=1.3))
        axes.text(_MARGIN + 0.1, (top + bottom) / 2, text, ha="left", va="center", fontsize=8, linespacing=1.35)
        if name in columns:
            end = min(_entry(rows[target]) for source, target, _ in graph.edges if source == name)
            leave = (top + bottom) / 2 - _PORT
            axes.plot([box, columns[name], columns[name]], [leave, leave, end], color=colours[name], linewidth=1.1)
    for target in graph.nodes:
        read = [(columns[source], colours[source], label) for source, other, label in graph.edges if other == target]
        y = _entry(rows[target])
        if read:
            arrow = {"arrowstyle": "-|>", "color": "0.35", "linewidth": 0.9, "shrinkA": 0, "shrinkB": 0}
            axes.annotate("", (box, y), (max(x for x, *_ in read), y), arrowprops=arrow)
        for x, colour, label in read:
            axes.plot(x, y, "o", color=colour, markersize=5)
            axes.text(x + 0.06, y + 0.04, label, fontsize=7, va="bottom", color="0.15")


def _entry(row: tuple[float, float]) -> float:
    """Height at which a row's arrow arrives."""
    return sum(row) / 2 + _PORT


def _box(graph: Graph) -> float:
    """Right edge of the boxes."""
    return _MARGIN + 0.2 + _LETTER * max(len(line) for text in graph.nodes.values() for line in text.splitlines())


def _columns(graph: Graph) -> dict[str, float]:
    """Where the line of each box that is read goes down, far enough from the next for the words beside the dots."""
    longest = max((len(line) for *_, label in graph.edges for line in label.splitlines()), default=0)
    step, read = 0.2 + 0.88 * _LETTER * longest, {source for source, *_ in graph.edges}
    return {name: _box(graph) + 0.3 + step * i for i, name in enumerate(name for name in graph.nodes if name in read)}


def _rows(graph: Graph) -> dict[str, tuple[float, float]]:
    """Top and bottom of each box, going down from 0."""
    rows, y = {}, -_GAP / 2
    for name, text in graph.nodes.items():
        lines = [label.count("\n") + 1 for _, target, label in graph.edges if target == name and label]
        y -= _LINE * max(lines, default=0)
        height = 0.16 + _LINE * len(text.splitlines())
        rows[name] = (y, y - height)
        y -= height + _GAP
    return rows


def _size(graph: Graph) -> tuple[float, float]:
    """Width and height in inches."""
    across = max([_box(graph), *_columns(graph).values()])
    words = max((len(line) for *_, label in graph.edges for line in label.splitlines()), default=0)
    return across + 0.4 + 0.8 * _LETTER * words, _GAP / 2 - min(low for _, low in _rows(graph).values())
