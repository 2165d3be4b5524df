"""Pictures of what ranks networks and of what a teacher adds: a row of panels for every table, one panel for each group
of its members."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...rsa.plots.figures import COLOURS, MARKERS
from ..report import legend_below, panels
from .analysis import ANY, BOTH_LEARNED, DEEPEST, FREE_LEARNED, QUESTIONS, P, Rivals
from .table import SIZE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CAPTIONS = {
    "predictors": "Spearman correlation with mature performance after so many training examples: size, free "
    "predictors, P, free predictors and P, TG of one teacher, and of labels. The teacher is the one that is best over "
    "these checkpoints on these very members, which flatters it.",
    "gains": "What TG adds to each combination, on held-out members, with the teacher, too, chosen on other members; "
    "95% intervals over members and seeds.",
    "given": "Partial correlation of TG (the candidate's deepest layer against the teacher's deep stages) with mature "
    "performance given size, at the last checkpoint, with 95% intervals: brains and simulated sites beside networks, "
    "labels and pixels.",
}


def predictors_figure(several: Sequence[Rivals]) -> "Figure":
    """Spearman against examples."""
    figure, places = _grid(several)
    for axes, found, name in places:
        data = found.single["spearman"].sel(population=name)
        teachers = [str(one) for one in data["predictor"].values if str(one).endswith(f": {DEEPEST}")]
        given = [one for one in teachers if one.rpartition(":")[0] not in found.about["controls"]]
        best = max(given, key=lambda one: float(data.sel(predictor=one).mean())) if given else teachers[0]
        lines = [SIZE, FREE_LEARNED, P, BOTH_LEARNED, best]
        labels = [one for one in teachers if one.startswith("labels") and "stimulus" in one][:1]
        x = np.arange(len(data["checkpoint"]))
        for i, one in enumerate([*lines, *labels]):
            colour = "black" if one == P else COLOURS[i % len(COLOURS)]
            label = f"TG, {one}" if i > 3 else one
            axes.plot(x, data.sel(predictor=one), color=colour, marker=MARKERS[i], markersize=4, label=label)
        axes.legend(frameon=False, fontsize=7)
    for row in {id(found): axes for axes, found, _ in reversed(places)}.values():
        row.set_ylabel("Spearman with mature performance")
    return figure


def gains_figure(several: Sequence[Rivals]) -> "Figure":
    """Held-out gain with the teacher chosen, a line per base."""
    figure, places = _grid(several)
    for axes, found, name in places:
        data = found.gain.sel(population=name, teacher=ANY)
        for i, question in enumerate(QUESTIONS):
            one = data.sel(question=question)
            x = np.arange(len(one["checkpoint"])) + (i - 2) * 0.12
            axes.plot(x, one["gain"], color=COLOURS[i], marker=MARKERS[i], linewidth=1.2, label=f"over {question}")
            axes.vlines(x, one["low"], one["high"], color=COLOURS[i], linewidth=1)
    for row in {id(found): axes for axes, found, _ in reversed(places)}.values():
        row.set_ylabel("held-out gain in Spearman")
    legend_below(figure, places[0][0], ncols=len(QUESTIONS))
    return figure


def _grid(several: Sequence[Rivals]) -> "tuple[Figure, list[tuple[Any, Rivals, str]]]":
    """Axes for every table and group of members."""
    names = [[str(name) for name in found.gain["population"].values] for found in several]
    columns = max(map(len, names))
    figure, grid = panels(4.6 * columns, 4.4 * len(several), rows=len(several), columns=columns, sharey=True)
    places = []
    for row, found, here in zip(grid, several, names, strict=True):
        for axes in row[len(here) :]:
            axes.set_visible(False)
        for axes, name in zip(row, here, strict=False):
            checkpoints = found.gain["checkpoint"].values
            axes.set_xticks(range(len(checkpoints)), [f"{int(c):,}" for c in checkpoints], fontsize=8)
            axes.set_xlabel("training examples")
            axes.axhline(0, color="black", linewidth=0.6)
            axes.set_title(f"{found.about['space']}, {name}, {max(found.about['populations'][name])}", fontsize=10)
            axes.grid(alpha=0.25)
            places.append((axes, found, name))
    return figure, places


def given_figure(found: Rivals) -> "Figure":
    """Partial correlation given size of every teacher, at the last checkpoint."""
    data = found.given.sel(given="size").isel(checkpoint=-1)
    predictors = [
        P,
        *found.about.get("rival rules", ()),
        *(str(one) for one in data["predictor"].values if str(one).endswith(f": {DEEPEST}")),
    ]
    names = [str(name) for name in found.gain["population"].values]
    figure, (row,) = panels(3.2 * len(names) + 3, 0.26 * len(predictors) + 1.4, columns=len(names), sharey=True)
    y = np.arange(len(predictors))[::-1]
    for axes, name in zip(row, names, strict=True):
        for place, one in zip(y, predictors, strict=True):
            here = data.sel(population=name, predictor=one)
            low, high = float(here["low"]), float(here["high"])
            colour = COLOURS[2] if low > 0 else COLOURS[1] if high < 0 else "0.5"
            axes.plot([low, high], [place, place], color=colour, linewidth=2)
            axes.plot(float(here["r"]), place, "o", color=colour, markersize=4)
        axes.axvline(0, color="black", linewidth=0.8)
        axes.grid(axis="y", alpha=0.25)
        axes.set_title(name, fontsize=10)
    row[0].set_yticks(y, [one.removesuffix(f": {DEEPEST}") for one in predictors], fontsize=8)
    figure.supxlabel("partial correlation given size, 95% interval", fontsize=9)
    return figure
