"""A picture of a recording: how reliable its neuroids are, and the RDMs of its regions."""

from typing import TYPE_CHECKING

import numpy as np

from ...rsa import RDM, RSAError
from ...rsa.errors import conditions
from ...rsa.plots.figures import COLOURS, literal
from ...rsa.plots.rdms import display_order, draw_rdm
from ...rsa.types import Array

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ..description import Description

_COLUMNS = 4


def describe_figure(found: "Description") -> "Figure":
    """The RDM of every target, by category where one is known, below a histogram of its neuroids' reliability.

    Raises RSAError when there is no RDM.
    """
    from matplotlib.figure import Figure

    if not found.rdms:
        raise RSAError(f"{found.name} has no RDM to draw")
    halves = found.halves if found.neuroids else None
    width = min(len(found.rdms), _COLUMNS)
    bands = -(-len(found.rdms) // width)
    ratios = [1.0] if halves is None else [0.4, 1.0]
    size = (max(4.8 * width, 6), (4.0 if halves is None else 5.8) * bands + 0.8)
    figure = Figure(figsize=size, layout="constrained")
    figure.suptitle(found.name, fontsize=13, fontweight="bold")
    note = str(found.facts.get("note", ""))
    figure.supxlabel("\n".join(filter(None, (found.made, note))), fontsize=9, wrap=True)
    grid = figure.subplots(len(ratios) * bands, width, squeeze=False, height_ratios=ratios * bands)
    for axes in grid.flat:
        axes.set_visible(False)
    for i, (target, rdm) in enumerate(found.rdms.items()):
        row, column = i // width * len(ratios), i % width
        if halves is not None:
            values = halves["neuroid_reliability"].values[found.neuroids[target]]
            _histogram(grid[row, column], target, values, COLOURS[i % len(COLOURS)], labelled=column == 0)
        order, marks, how = display_order(rdm)
        axes = grid[row + len(ratios) - 1, column]
        axes.set_visible(True)
        words = f"{target}: {conditions(len(rdm), rdm.by)}\n{how}, {_ceiling(target, rdm, found.halves)}"
        draw_rdm(axes, rdm.subset([rdm.labels[k] for k in order]), words, marks)
    literal(figure)
    return figure


def _ceiling(target: str, rdm: RDM, halves: "xarray.Dataset | None") -> str:
    ceiling = rdm.attrs.get("ceiling") if halves is None else float(halves["ceiling"].sel(target=target))
    return f"ceiling {ceiling:.3f}" if isinstance(ceiling, float) and np.isfinite(ceiling) else "no ceiling"


def _histogram(axes: "Axes", target: str, values: Array, colour: str, labelled: bool) -> None:
    axes.set_visible(True)
    defined = values[np.isfinite(values)]
    axes.hist(np.clip(defined, -0.2, 1), bins=24, range=(-0.2, 1), color=colour, alpha=0.8)
    middle = f"median {np.median(defined):.2f}" if len(defined) else "none defined"
    dead = len(values) - len(defined)
    without = f", {dead} do not vary" if dead else ""
    axes.set_title(f"{target}: {len(values)} neuroids\n{middle}{without}", fontsize=9)
    axes.set_xlabel("reliability (split halves, Spearman-Brown)", fontsize=8)
    if labelled:
        axes.set_ylabel("neuroids", fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=7)
