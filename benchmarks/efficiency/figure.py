"""The picture of a study of efficiency, after figure 3 of the paper."""

from typing import TYPE_CHECKING

import numpy as np

from ...rsa.report.figures import COLOURS
from .comparison import base_of
from .results import Results

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def efficiency_figure(found: Results) -> "Figure":
    """Mature performance of the current top 5 against examples trained: a panel per searcher, a line per goal.

    Lines are means over seeds, bands one standard error; dotted: where P alone comes to. The upper row is the mean of
    the top 5, the lower one their best.
    """
    from matplotlib.figure import Figure

    searchers, base = found.searchers, base_of(found)
    figure = Figure(figsize=(3.6 * len(searchers) + 1, 7.4), layout="constrained")
    panels = figure.subplots(2, len(searchers), squeeze=False, sharex=True, sharey="row")
    lows = ([], [])  # type: tuple[list[float], list[float]]
    for column, searcher in zip(panels.T, searchers, strict=True):
        for i, goal in enumerate(found.goals):
            runs = list(found.of(searcher, i).values())
            if not runs:
                continue
            x = runs[0].step * np.arange(1, runs[0].samples + 1) / 1000
            colour = "black" if i == base else COLOURS[i % (len(COLOURS) - 1)]
            for axes, key, low in zip(column, ("mean", "best"), lows, strict=True):
                curves = 100 * np.stack([getattr(run, key) for run in runs])
                mean, error = curves.mean(axis=0), curves.std(axis=0, ddof=min(1, len(runs) - 1)) / len(runs) ** 0.5
                label = f"{goal['name']}, {goal['examples']:,} examples a sample"
                axes.plot(x, mean, color=colour, linewidth=1.8, drawstyle="steps-post", label=label)
                axes.fill_between(x, mean - error, mean + error, color=colour, alpha=0.15, linewidth=0, step="post")
                low.append(float(np.nanquantile(mean, 0.1)))
                if i == base:
                    axes.axhline(mean[-1], color="black", linewidth=0.8, linestyle=":")
        column[0].set_title(f"{searcher}, {len(found.of(searcher, base))} seeds", fontweight="bold")
        column[1].set_xlabel("thousand examples trained")
    for row, low, label in zip(panels, lows, ("mean of the current top 5", "best of the current top 5"), strict=True):
        if low:
            row[0].set_ylim(min(low), None)
        row[0].set_ylabel(f"{label}:\nmature performance (%)")
        for axes in row:
            axes.grid(alpha=0.25)
            axes.spines[["top", "right"]].set_visible(False)
    lines = dict(zip(*reversed(panels[0, 0].get_legend_handles_labels()), strict=True))
    figure.legend(lines.values(), lines.keys(), loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    return figure
