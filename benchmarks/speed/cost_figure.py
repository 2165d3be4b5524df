"""The picture of cost against the number of stimuli, from measured results or from the file they were written to."""

import json
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...rsa import RSAError
from ...rsa.errors import reason
from ...rsa.plots.figures import COLOURS, MARKERS
from .scaling import LEAST_MEGABYTES, LONGEST, OURS, costs, exponents
from .timing import Result

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def read_results(path: str | Path) -> list[Result]:
    """What `bench speed --json` wrote. Raises RSAError for a file that is missing or something else."""
    known = {field.name for field in fields(Result)}
    try:
        rows = json.loads(Path(path).read_text(encoding="utf-8"))["results"]
        results = [Result(**{key: value for key, value in row.items() if key in known}) for row in rows]
    except OSError as error:
        raise RSAError(f"{path}: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RSAError(f"{path} is not a file of bench speed --json: {reason(error)}") from error
    return [_with_numbers(result) for result in results]


def _with_numbers(result: Result) -> Result:
    """JSON has no NaN: a side that was not measured is null there."""
    if result.megabytes is None:
        return result
    ours, theirs = (np.nan if value is None else float(value) for value in result.megabytes)
    return replace(result, megabytes=(ours, theirs))


def cost_figure(results: Sequence[Result]) -> "Figure":
    """Seconds and memory over n, both logarithmic, with fitted exponents. Raises RSAError without scaling rows."""
    from matplotlib.figure import Figure

    found, slopes = costs(results), exponents(results)
    if not found:
        raise RSAError("no cost against n to draw; bench speed --rows scaling measures it")
    tools = list(dict.fromkeys(tool for sides in found.values() for tool in sides))
    styles = {tool: (COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]) for i, tool in enumerate(tools)}
    figure = Figure(figsize=(4.2 * len(found), 7.6), layout="constrained")
    grid = figure.subplots(2, len(found), squeeze=False, sharex=True)
    for column, (operation, sides) in zip(grid.T, found.items(), strict=True):
        for tool, points in sides.items():
            n, seconds, taken = np.array(points).T
            colour, marker = styles[tool]
            slope = slopes.get(operation, {}).get(tool)
            label = tool if slope is None else f"{tool}: n^{slope:.2f}"
            look = {"color": colour, "marker": marker, "linewidth": 2.4 if tool == OURS else 1.3, "markersize": 5}
            column[0].plot(n, seconds, label=label, **look)
            taken[~(taken >= LEAST_MEGABYTES)] = np.nan
            column[1].plot(n, taken, **look)
        column[0].set_title(operation, fontsize=10)
        column[0].legend(frameon=False, fontsize=8)
        column[1].set_xlabel("stimuli (n)")
        for axes in column:
            if any(np.isfinite(line.get_ydata()).any() for line in axes.lines):
                axes.set(xscale="log", yscale="log")
            axes.grid(alpha=0.3)
            axes.spines[["top", "right"]].set_visible(False)
            ticks = sorted({n for points in sides.values() for n, _, _ in points})
            axes.set_xticks(ticks, [str(n) for n in ticks], fontsize=8)
            axes.set_xticks([], minor=True)
    grid[0, 0].set_ylabel("seconds (best turn)")
    grid[1, 0].set_ylabel("MB on top of the inputs")
    missing = [f"{r.peer}, {r.operation}, n = {r.n}" for r in results if r.skipped]
    note = "Same process, threads and inputs, both sides warm; exponents fitted from n = 500 on."
    if missing:
        note += f"\nLeft out, more than {LONGEST:.0f} s expected: {'; '.join(missing)}."
    figure.supxlabel(note, fontsize=9)
    return figure
