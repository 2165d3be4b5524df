"""Similarity over layers, the bars of Nili et al. (2014), and the map of RDMs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..types import Array
from .svg import FONT, Drawing, shortened, spread, ticks

_LEFT, _RIGHT, _HEIGHT, _PANEL = 50, 10, 180, 350
_ROW = 9  # px between the lines that join different bars
TARGET_COLOURS = 8


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
    colour: int = 0

    @property
    def best(self) -> int:
        return int(np.argmax(self.values))

    def words(self) -> str:
        """What the picture shows, in text."""
        parts = [f"highest {self.said(self.best)}"]
        if len(self.names) > 1:
            parts.append(f"lowest {self.said(int(np.argmin(self.values)))}")
        parts.append(f"ceiling {between(*self.ceiling)}" if self.ceiling else "no ceiling known")
        return f"{self.title}: {len(self.names)} similarities; {'; '.join(parts)}."

    def said(self, i: int) -> str:
        ends = "" if self.low is None or self.high is None else f" [{self.low[i]:.3f}, {self.high[i]:.3f}]"
        return f"{self.names[i]} {self.values[i]:.3f}{ends}"


def between(lower: float, upper: float) -> str:
    return f"{upper:.3f}" if f"{lower:.3f}" == f"{upper:.3f}" else f"{lower:.3f} to {upper:.3f}"


class _Axes:
    """The frame that lines and bars share: one slot per name, the similarity upwards, zero and the ceiling marked."""

    def __init__(self, panel: Panel, kind: str, above: float = 0.0) -> None:
        n = len(panel.names)
        self.slot = max(17.0, min(90.0, (_PANEL - _LEFT - _RIGHT) / n))
        self.left, self.right = _LEFT, _LEFT + self.slot * n
        shown = [shortened(name) for name in panel.names]
        longest = max(map(len, shown)) * 0.6 * FONT
        level = longest <= self.slot - 4
        foot = 20 if level else 16 + 0.87 * longest
        self.top, self.bottom = 24 + above, 24 + above + _HEIGHT
        seen = [panel.values, [0.0], *(side for side in (panel.low, panel.high) if side is not None)]
        self.floor, self.roof = spread(np.concatenate([*seen, panel.ceiling or ()]))
        self.roof += 0.04 * (self.roof - self.floor)
        self.drawing = Drawing(max(_PANEL, self.right + _RIGHT), self.bottom + foot, kind, panel.words())
        self.drawing.add("text", "strong", panel.title, x=self.left, y=14)
        for tick in ticks(self.floor, self.roof):
            y = self.y(tick)
            style = "zero" if tick == 0 else "grid"
            self.drawing.add("line", style, x1=self.left, x2=self.right, y1=y, y2=y)
            self.drawing.add("text", "end", f"{tick:.6g}", x=self.left - 6, y=y + 4)
        for i, name in enumerate(shown):
            x, y = self.x(i), self.bottom + 14
            turn = {} if level else {"transform": f"rotate(-60 {x + 4:.1f} {y - 4:.1f})"}
            full = panel.names[i] if name != panel.names[i] else ""
            self.drawing.add("text", "middle" if level else "end", name, full, x=x + (0 if level else 4), y=y, **turn)
        if panel.ceiling is not None:
            lower, upper = (self.y(value) for value in panel.ceiling)
            self.drawing.add(
                "rect", "ceiling", x=self.left, y=upper, width=self.right - self.left, height=lower - upper
            )
            self.drawing.add("line", "ceiling-line", x1=self.left, x2=self.right, y1=upper, y2=upper)
            label = f"ceiling {between(*panel.ceiling)}"
            self.drawing.add("text", "end", label, x=self.right, y=upper - 4 if upper > self.top + 4 else upper + 13)

    def x(self, i: int) -> float:
        return self.left + self.slot * (i + 0.5)

    def y(self, value: float) -> float:
        return self.bottom - (value - self.floor) / (self.roof - self.floor) * (self.bottom - self.top)

    def ends(self, panel: Panel) -> Iterator[tuple[float, float, float]]:
        """(x, y of the lower end, y of the upper end) of every interval that is known."""
        if panel.low is not None and panel.high is not None:
            for i, (low, high) in enumerate(zip(panel.low, panel.high, strict=True)):
                if np.isfinite(low) and np.isfinite(high):
                    yield self.x(i), self.y(low), self.y(high)


def layer_chart(panel: Panel) -> Drawing:
    """A line over layers from input to output, with interval and ceiling band; the best layer is ringed."""
    axes = _Axes(panel, f"Similarity to {panel.title} over layers")
    drawing, colour = axes.drawing, f"colour{panel.colour % TARGET_COLOURS}"
    ends = list(axes.ends(panel))
    if len(ends) > 1:
        band = [(x, low) for x, low, _ in ends] + [(x, high) for x, _, high in reversed(ends)]
        drawing.line(f"band {colour}", band, closed=True)
    elif ends:
        drawing.line(f"line {colour}", [(ends[0][0], ends[0][1]), (ends[0][0], ends[0][2])])
    points = [(axes.x(i), axes.y(value)) for i, value in enumerate(panel.values)]
    drawing.line(f"line {colour}", points)
    for i, (x, y) in enumerate(points):
        drawing.add("circle", f"point {colour}", tip=panel.said(i), cx=x, cy=y, r=3.5)
    x, y = points[panel.best]
    drawing.add("circle", f"ring {colour}", cx=x, cy=y, r=7.5)
    return drawing


def bar_chart(panel: Panel) -> Drawing:
    """Bars with intervals and ceiling band; a star over those above zero, lines between those that differ."""
    axes = _Axes(panel, f"Comparison for {panel.title}", above=_ROW * len(panel.joined) + 6)
    drawing, zero = axes.drawing, axes.y(0.0)
    width = min(0.7 * axes.slot, 40)
    for i, value in enumerate(panel.values):
        y = axes.y(value)
        drawing.add(
            "rect", f"bar colour{panel.colour % TARGET_COLOURS}", tip=panel.said(i),
            x=axes.x(i) - width / 2, y=min(y, zero), width=width, height=abs(y - zero),
        )  # fmt: skip
    tops = {i: min(axes.y(value), zero) for i, value in enumerate(panel.values)}
    for i, (x, low, high) in enumerate(axes.ends(panel)):
        drawing.line("whisker", [(x, low), (x, high)])
        tops[i] = min(tops[i], high)
    for i in panel.above:
        drawing.add("text", "middle strong", "*", x=axes.x(i), y=tops[i] - 1)
    for row, (anchor, others) in enumerate(panel.joined):
        y = 28 + _ROW * row
        ends = [axes.x(i) for i in (anchor, *others)]
        drawing.line("whisker", [(min(ends), y), (max(ends), y)])
        drawing.add("circle", "dot", cx=axes.x(anchor), cy=y, r=3.2)
        for i in others:
            drawing.line("whisker", [(axes.x(i), y - 3), (axes.x(i), y + 3)])
    return drawing


def map_chart(places: Array, layers: Sequence[str], targets: Sequence[str], words: str) -> Drawing:
    """Layers as numbered circles joined in their order, targets as named diamonds; places: (layers + targets, 2)."""
    width, height, edge = 440, 400, 40
    drawing = Drawing(width, height, "Map of RDMs", words)
    low, high = places.min(axis=0), places.max(axis=0)
    scale = min((width - 2 * edge) / max(high[0] - low[0], 1e-9), (height - 2 * edge) / max(high[1] - low[1], 1e-9))
    middle = (low + high) / 2
    x, y = width / 2 + (places[:, 0] - middle[0]) * scale, height / 2 - (places[:, 1] - middle[1]) * scale
    drawing.line("path", list(zip(x[: len(layers)], y[: len(layers)], strict=True)))
    for i, name in enumerate(layers):
        drawing.add("circle", "node", tip=f"{i + 1}: {name}", cx=x[i], cy=y[i], r=10)
        drawing.add("text", "number", str(i + 1), x=x[i], y=y[i] + 3.5)
    for i, name in enumerate(targets):
        at, up = x[len(layers) + i], y[len(layers) + i]
        colour = f"colour{i % TARGET_COLOURS}"
        drawing.line(f"bar {colour}", [(at, up - 10), (at + 10, up), (at, up + 10), (at - 10, up)], closed=True)
        shown = shortened(name, 24)
        left = at + 16 + 0.75 * FONT * len(shown) > width
        drawing.add(
            "text", "halo strong end" if left else "halo strong", shown, name, x=at - 14 if left else at + 14, y=up + 4
        )
    return drawing
