"""A picture of a recording: how reliable its neuroids are, and the RDMs of its regions."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ...rsa import RDM, RSAError
from ...rsa.plots.figures import COLOURS
from ...rsa.plots.rdms import display_order, draw_rdm
from ...rsa.types import Array

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS = 4


def describe_figure(
    title: str,
    rdms: Mapping[str, RDM],
    halves: "xarray.Dataset | None" = None,
    neuroids: Mapping[str, Array] | None = None,
    made: str = "",
    note: str = "",
) -> "Figure":
    """The RDM of every target, by category where one is known, below a histogram of its neuroids' reliability.

    halves: what `split_half` returned, without which there are no histograms; neuroids: target -> their indices there.
    made: how the RDMs were made, note: what else must be said. Raises RSAError when there is no RDM.
    """
    from matplotlib.figure import Figure

    if not rdms:
        raise RSAError(f"{title} has no RDM to draw")
    known = halves is not None and neuroids
    width = min(len(rdms), _COLUMNS)
    bands = -(-len(rdms) // width)
    per_band = 2 if known else 1
    figure = Figure(figsize=(max(4.8 * width, 6), (5.8 if known else 4.0) * bands + 0.8), layout="constrained")
    figure.suptitle(title, fontsize=13, fontweight="bold")
    figure.supxlabel("\n".join(filter(None, (made, note))), fontsize=9, wrap=True)
    ratios = ([0.4, 1] if known else [1]) * bands
    grid = figure.subplots(per_band * bands, width, squeeze=False, height_ratios=ratios)
    for axes in grid.flat:
        axes.set_visible(False)
    for i, (target, rdm) in enumerate(rdms.items()):
        row, column = i // width * per_band, i % width
        if halves is not None and neuroids is not None:
            values = halves["neuroid_reliability"].values[neuroids[target]]
            _histogram(grid[row, column], target, values, COLOURS[i % len(COLOURS)], labelled=column == 0)
        order, marks, how = display_order(rdm)
        axes = grid[row + per_band - 1, column]
        axes.set_visible(True)
        labels = [rdm.labels[k] for k in order]
        kind = "stimuli" if rdm.by == "stimulus" else f"conditions by {rdm.by}"
        words = f"{target}: {len(rdm)} {kind}\n{how}, {_ceiling(target, rdm, halves)}"
        draw_rdm(axes, rdm.subset(labels), words, marks)
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
