"""The front of a search with several objectives: its members, the volume that it dominates, and its picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...rsa.plots.figures import COLOURS, printable
from ..pareto import OBJECTIVES, hypervolume, losses, objectives_of, pareto_front
from ..searching.candidates import Candidate, figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOMENTS = (0.25, 0.5, 1.0)  # shares of the search after which the front is drawn


@dataclass(frozen=True)
class Front:
    """The candidates that no other one beats in every objective.

    Attributes
    ----------
    objectives : tuple of str
    points : list
        (number, objectives) of every success in which all were measured.
    members : list of int
        Numbers of those on the front, by the first objective, the best first.
    best, worst : tuple of float
        Of every objective among the points. The hypervolume is a share of the box between the two: `worst` is its
        reference point.
    volumes : list
        (number, hypervolume so far) wherever it grew.
    """

    objectives: tuple[str, ...]
    points: list[tuple[int, tuple[float, ...]]]
    members: list[int]
    best: tuple[float, ...]
    worst: tuple[float, ...]
    volumes: list[tuple[int, float]]

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-able form."""
        return vars(self)

    @property
    def rows(self) -> list[list[str]]:
        """A row of a table for every member: its number and its objectives."""
        known = dict(self.points)
        return [[f"candidate {number}", *map(shown, known[number])] for number in self.members]

    def words(self) -> str:
        """The volume and the box of which it is a share, in a sentence."""
        if not self.members:
            return f"No candidate has all of {', '.join(self.objectives)}."
        corners = zip(self.objectives, self.best, self.worst, strict=True)
        box = ", ".join(f"{name} from {shown(best)} to {shown(worst)}" for name, best, worst in corners)
        volume = self.volumes[-1][1] if self.volumes else 0.0
        return (
            f"Hypervolume of the front of {len(self.members)}: {volume:.4f} of the box between the best and the worst "
            f"value of each objective; the worst values are the reference point ({box})."
        )


def shown(value: float) -> str:
    """A score with its decimals, a count without."""
    return f"{value:,.0f}" if value == round(value) and abs(value) > 1 else figure(value)


def front_of(candidates: Sequence[Candidate], objectives: Sequence[str]) -> Front:
    """The front of finished candidates; those without one of the objectives are left out."""
    names = tuple(objectives)
    measured = ((c.number, None if c.evaluation is None else objectives_of(c.evaluation, names)) for c in candidates)
    points = [(number, values) for number, values in measured if values is not None]
    if not points:
        return Front(names, [], [], (), (), [])
    rows = losses([values for _, values in points], names)
    low, high = rows.min(axis=0), rows.max(axis=0)
    unit = (rows - low) / np.where(high > low, high - low, 1.0)
    signs = losses(np.ones((1, len(names))), names)[0]
    volumes, kept = list[tuple[int, float]](), list[int]()
    for place, (number, _) in enumerate(points):
        if any((unit[other] <= unit[place]).all() for other in kept):
            continue
        kept = [[*kept, place][i] for i in pareto_front(unit[[*kept, place]])]
        volume = hypervolume(unit[kept], np.ones(len(names)))
        if not volumes or volume > volumes[-1][1]:
            volumes.append((number, volume))
    members = [points[place][0] for place in sorted(kept, key=lambda place: tuple(rows[place]))]
    corners = [tuple(float(value) for value in some * signs) for some in (low, high)]
    return Front(names, points, members, corners[0], corners[1], volumes)


def draw_front(axes: "Axes", front: Front, second: int = 1) -> None:
    """Every candidate, and the front after a quarter, half and all of the search, of two of the objectives."""
    names = (front.objectives[0], front.objectives[second])
    values = np.array([(point[0], point[second]) for _, point in front.points])
    axes.plot(values[:, 1], values[:, 0], ".", color="0.75", label="candidates", zorder=1)
    for share, colour in zip(_MOMENTS, (COLOURS[5], COLOURS[4], COLOURS[0]), strict=True):
        part = values[: max(1, int(np.ceil(share * len(values))))]
        best = part[pareto_front(losses(part, names))]
        best = best[np.argsort(best[:, 1])]
        label = f"front after {len(part)}"
        axes.plot(best[:, 1], best[:, 0], "o-", color=colour, markersize=4, drawstyle="steps-post", label=label)
    axes.set_xlabel(_with_direction(names[1]))
    axes.set_ylabel(_with_direction(names[0]))
    if not OBJECTIVES[names[1]] and values[:, 1].min() > 0 and values[:, 1].max() > 20 * values[:, 1].min():
        from matplotlib.ticker import EngFormatter, LogLocator, NullLocator

        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.xaxis.set_minor_locator(NullLocator())
    axes.legend(frameon=False, fontsize="small")


def _with_direction(name: str) -> str:
    return printable(f"{name} (higher is better)" if OBJECTIVES[name] else f"{name} (lower is better)")


def front_figure(front: Front) -> "Figure":
    """The front over time, a panel for the first objective against every other one, and the volume so far."""
    from matplotlib.figure import Figure

    others = len(front.objectives) - 1
    figure = Figure(figsize=(5 * (others + 1), 4), layout="constrained")
    panels = figure.subplots(1, others + 1, squeeze=False)[0]
    for second, axes in enumerate(panels[:-1], start=1):
        draw_front(axes, front, second)
    draw_volume(panels[-1], front)
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def draw_volume(axes: "Axes", front: Front) -> None:
    """The volume that the front dominates, after every candidate."""
    last = front.points[-1][0] + 1
    numbers, volumes = zip(*[(number + 1, volume) for number, volume in front.volumes] or [(last, 0.0)], strict=True)
    axes.plot([*numbers, last], [*volumes, volumes[-1]], color=COLOURS[0], drawstyle="steps-post")
    axes.set_xlabel("candidates")
    axes.set_ylabel("hypervolume (share of the box)")
