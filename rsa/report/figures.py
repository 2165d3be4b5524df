"""Pictures of a score: similarity over layers with its ceiling, and the RDMs behind the best match of every target."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from ..errors import RSAError
from ..inference.resampling import KINDS
from ..io.storage import check_writable, replacing
from ..rdm.comparison import METHODS
from ..rdm.rdm import RDM
from ..score import TeacherScore
from ..types import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

COLOURS = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
    "#000000",
)  # Okabe and Ito, colour-blind safe
MARKERS = "osD^vPX"
PICTURES = (".png", ".svg", ".pdf")
MOST_NAMES = 40  # conditions named along an axis
MOST_TARGETS = 4  # rows of RDMs in one picture


def check_picture(path: str | Path) -> Path:
    """The path, when a picture can be written there. Raises RSAError for another ending and for a missing folder."""
    if Path(path).suffix.lower() not in PICTURES:
        raise RSAError(f"{path}: a picture's name ends in {', '.join(PICTURES)}")
    return check_writable(path)


def save_figure(figure: "Figure", path: str | Path) -> None:
    """Write PNG, SVG or PDF by the file's ending, whole or not at all. Raises RSAError as `check_picture` does."""
    with replacing(check_picture(path)) as temporary:
        figure.savefig(temporary, dpi=150)


def score_figure(score: TeacherScore) -> "Figure":
    """Similarity over layers with ceilings; beside it, for up to four targets, the target's RDM and its best layer's.

    The RDMs are those that the score keeps (`layers` and `targets`); of features, those of the best layers.
    """
    from matplotlib.figure import Figure

    targets = [str(target) for target in score.table.indexes["target"] if target in score.targets][:MOST_TARGETS]
    height = max(4.4, 3.1 * len(targets))
    figure = Figure(figsize=(14, height + 0.9), layout="constrained")
    figure.suptitle(f"{score.model} against {score.teacher}", fontsize=14, fontweight="bold")
    left, right = cast("tuple[SubFigure, SubFigure]", figure.subfigures(1, 2, width_ratios=(1, 1.05)))
    _draw_layers(left, score)
    _draw_rdms(right, score, targets)
    note = score.attrs.get("teacher_note")
    figure.supxlabel("\n".join(filter(None, (_method_line(score), str(note) if note else ""))), fontsize=9)
    return figure


def _method_line(score: TeacherScore) -> str:
    what = "stimuli" if score.by == "stimulus" else f"conditions by {score.by}"
    shade = "" if score.draws is None else "shade: 95% interval, at the best layer that of a choice; "
    n, of = score.table.attrs["n"], "the RDM of " if score.method in METHODS else "the features of "
    return (
        f"Each point: {score.method} similarity between {of}one layer and {of}one target, {n} {what}; "
        f"{shade}ring: best layer.\nTG = mean over targets of the best layer = {score.tg:.3f}."
    )


def _draw_layers(figure: "SubFigure", score: TeacherScore) -> None:
    axes = figure.subplots()
    names = [str(layer) for layer in score.table.indexes["layer"]]
    places, (low, high) = np.arange(len(names)), score.shown
    for i, target in enumerate(map(str, score.table.indexes["target"])):
        colour = COLOURS[i % len(COLOURS)]
        row = score.table.sel(target=target).to_numpy()
        axes.plot(places, row, marker=MARKERS[i % len(MARKERS)], color=colour, label=target, markersize=5)
        if low is not None and high is not None:
            floor, top = (side.sel(target=target).to_numpy() for side in (low, high))
            axes.fill_between(places, floor, top, color=colour, alpha=0.12, linewidth=0)
        best = int(np.argmax(row))
        axes.plot(
            best, row[best], "o", markersize=13, markerfacecolor="none", markeredgecolor=colour, markeredgewidth=1.8
        )
        if target in score.ceilings:
            lower, ceiling = score.ceilings[target]
            axes.axhspan(lower, ceiling, color=colour, alpha=0.15, linewidth=0)
            axes.axhline(ceiling, color=colour, linestyle="--", linewidth=1, label=f"{target} ceiling {ceiling:.2f}")
    axes.axhline(0, color="0.6", linewidth=0.8, zorder=0)
    axes.set_xticks(places, names, rotation=60, ha="right", rotation_mode="anchor", fontsize=8)
    axes.set_xlabel("layer, from input to output")
    axes.set_ylabel(f"{'RDM' if score.method in METHODS else 'feature'} similarity ({score.method})")
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(y=0.12)
    axes.legend(frameon=False, fontsize=9, loc="best")
    missing = [str(target) for target in score.table.indexes["target"] if str(target) not in score.ceilings]
    known = f"no ceiling for {', '.join(missing)}" if missing else "dashed: what a noiseless model can reach"
    axes.set_title(f"Similarity over layers ({known})", fontsize=10)


def _draw_rdms(figure: "SubFigure", score: TeacherScore, targets: Sequence[str]) -> None:
    grid: Array = figure.subplots(len(targets), 2, squeeze=False)
    for row, target in zip(grid, targets, strict=True):
        best, rdm = score.best_layer[target], score.targets[target]
        kept = score.layers[best]
        layer = kept if isinstance(kept, RDM) else kept.rdm(metric=rdm.metric)
        order, marks, how = display_order(rdm)
        shared = set(layer.labels)
        labels = [rdm.labels[i] for i in order if rdm.labels[i] in shared]
        value = float(score.table.sel(layer=best, target=target))
        draw_rdm(row[0], rdm.subset(labels), f"{target}\n{how}", marks)
        draw_rdm(row[1], layer.subset(labels), f"{best}\nbest layer for {target}: {value:.3f}", marks)


def draw_rdm(axes: "Axes", rdm: RDM, title: str, marks: Sequence[tuple[str, int]] = ()) -> None:
    """One RDM as a picture, colours from its 1st to its 99th percentile; `marks` are group names and sizes in order."""
    low, high = np.percentile(rdm.values, (1, 99))
    square = rdm.square().astype(np.float64)
    np.fill_diagonal(square, np.nan)
    image = axes.imshow(square, cmap="viridis", vmin=low, vmax=high, interpolation="antialiased")
    axes.set_title(title, fontsize=9)
    edges = np.cumsum([0] + [size for _, size in marks])
    if len(marks) > 1 and edges[-1] == len(rdm):
        for edge in edges[1:-1]:
            axes.axhline(edge - 0.5, color="white", linewidth=0.6)
            axes.axvline(edge - 0.5, color="white", linewidth=0.6)
        names = [_short(name) for name, _ in marks]
        axes.set_yticks((edges[1:] + edges[:-1] - 1) / 2, names, fontsize=6)
        axes.set_xticks([])
    elif rdm.by != "stimulus" and len(rdm) <= MOST_NAMES:
        axes.set_yticks(range(len(rdm)), [_short(label) for label in rdm.labels], fontsize=6)
        axes.set_xticks([])
    else:
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_ylabel(f"{len(rdm)} {'stimuli' if rdm.by == 'stimulus' else rdm.by}", fontsize=8)
    units = {"correlation": "1 - Pearson r", "spearman": "1 - Spearman r", "cosine": "1 - cosine"}
    bar = axes.figure.colorbar(image, cax=axes.inset_axes((1.03, 0, 0.05, 1)))
    bar.set_label(f"dissimilarity ({units.get(rdm.metric, rdm.metric)})", fontsize=7)
    bar.ax.tick_params(labelsize=7)


def _short(name: str) -> str:
    return name if len(name) <= 14 else f"{name[:13]}."


def display_order(rdm: RDM) -> tuple[npt.NDArray[Any], list[tuple[str, int]], str]:
    """An order that shows structure: by category where one is known, else by average-linkage clustering.

    Returns the order, the (category, size) marks, and the words that say which it is.
    """
    known = category_order(rdm)
    if known is not None:
        return known
    from scipy.cluster.hierarchy import leaves_list, linkage

    return leaves_list(linkage(rdm.values.astype(np.float64), "average")), [], "ordered by clustering"


def category_order(rdm: RDM) -> tuple[npt.NDArray[Any], list[tuple[str, int]], str] | None:
    """What `display_order` returns where a category is known, else None."""
    for key in reversed(KINDS):
        column = rdm.descriptors.get(key)
        if column is not None and 1 < len(set(column)) <= 32:
            names, codes = np.unique(column.astype(str), return_inverse=True)
            sizes = np.bincount(codes)
            marks = [(str(name), int(size)) for name, size in zip(names, sizes, strict=True)]
            return np.argsort(codes, kind="stable"), marks, f"ordered by {key}"
    return None
