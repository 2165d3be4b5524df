"""RDMs as pictures, in an order that shows structure, and as points of a map."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..labels import KINDS
from ..types import Array
from .figures import COLOURS, printable, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..rdm.rdm import RDM

PIXELS = 320  # at most along a side
MOST_NAMES = 40  # conditions named along an axis
_UNITS = {"correlation": "1 - Pearson r", "spearman": "1 - Spearman r", "cosine": "1 - cosine"}


def draw_rdm(axes: "Axes", rdm: "RDM", title: str = "", marks: Sequence[tuple[str, int]] = ()) -> None:
    """Draw an RDM in its own order, colours from its 1st to its 99th percentile, the diagonal left blank.

    marks: names and sizes of groups of conditions that stand together. Of more than 320 conditions every pixel is the
    mean of several pairs.
    """
    from matplotlib import colormaps

    n, (low, high) = len(rdm), np.percentile(rdm.values, (1, 99))
    edges = (-0.5, n - 0.5)
    colours = colormaps["viridis"].resampled(128)
    axes.imshow(averaged(rdm), cmap=colours, vmin=low, vmax=high, extent=(*edges, *edges[::-1]))
    axes.set_title(printable(title), fontsize="small")
    axes.set_xticks([])
    axes.spines[:].set_visible(True)
    starts = np.cumsum([0, *(size for _, size in marks)])
    if len(marks) > 1 and starts[-1] == n:
        for start in starts[1:-1] if len(marks) < n else ():
            axes.axhline(start - 0.5, color="white", linewidth=0.6)
            axes.axvline(start - 0.5, color="white", linewidth=0.6)
        middles, names = (starts[1:] + starts[:-1] - 1) / 2, [name for name, _ in marks]
        keep = _apart(middles, n / 24)
        axes.set_yticks(middles[keep], [shortened(names[i], 14) for i in keep], fontsize="x-small")
    elif rdm.by != "stimulus" and n <= MOST_NAMES:
        axes.set_yticks(range(n), [shortened(label, 14) for label in rdm.labels], fontsize="xx-small")
    else:
        axes.set_yticks([])
        axes.set_ylabel(f"{n} {'stimuli' if rdm.by == 'stimulus' else rdm.by}", fontsize="small")
    bar = axes.inset_axes((1.03, 0, 0.05, 1))
    bar.imshow(
        np.arange(256)[::-1, None], cmap=colours, aspect="auto", extent=(0, 1, low, high if high > low else low + 1)
    )
    bar.set_xticks([])
    bar.yaxis.tick_right()
    bar.yaxis.set_label_position("right")
    bar.set_ylabel(f"dissimilarity ({_UNITS.get(rdm.metric, rdm.metric)})", fontsize="x-small")
    bar.tick_params(labelsize="x-small")


def _apart(places: Array, least: float) -> list[int]:
    """Indices of places that are at least so far from the one before."""
    kept: list[int] = []
    for i, place in enumerate(places):
        if not kept or place - places[kept[-1]] >= least:
            kept.append(i)
    return kept


def averaged(rdm: "RDM", most: int = PIXELS) -> Array:
    """The square RDM with at most `most` rows: means of blocks without their diagonal, NaN where nothing is left."""
    n = len(rdm)
    size = min(n, most)
    starts = np.arange(size) * n // size
    block = np.searchsorted(starts, np.arange(n), side="right") - 1
    sums, end = np.zeros((size, size)), 0
    for i in range(n - 1):  # row by row: the square of 5760 conditions would take 130 MB
        begin, end = end, end + n - 1 - i
        first = block[i + 1]
        cuts = np.maximum(starts[first:], i + 1) - (i + 1)
        sums[block[i], first:] += np.add.reduceat(rdm.values[begin:end], cuts, dtype=np.float64)
    sums += sums.T
    rows = np.diff([*starts, n])
    pairs = np.outer(rows, rows) - np.diag(rows)
    means: Array = np.divide(sums, pairs, out=np.full(sums.shape, np.nan), where=pairs > 0)
    return means


def display_order(rdm: "RDM") -> tuple[npt.NDArray[Any], list[tuple[str, int]], str]:
    """An order that shows structure: by category where one is known, else by average-linkage clustering.

    Returns the order, the (category, size) marks, and the words that say which it is.
    """
    known = category_order(rdm)
    if known is not None:
        return known
    from scipy.cluster.hierarchy import leaves_list, linkage

    values = rdm.values.astype(np.float64)
    values -= min(0.0, values.min())  # crossvalidated distances; the order stays, and scipy refuses heights below zero
    return leaves_list(linkage(values, "average")), [], "ordered by clustering"


def category_order(rdm: "RDM") -> tuple[npt.NDArray[Any], list[tuple[str, int]], str] | None:
    """What `display_order` returns where a category is known, else None."""
    for key in reversed(KINDS):
        column = rdm.descriptors.get(key)
        if column is not None and 1 < len(set(column)) <= 32:
            names, codes = np.unique(column.astype(str), return_inverse=True)
            sizes = np.bincount(codes)
            marks = [(str(name), int(size)) for name, size in zip(names, sizes, strict=True)]
            return np.argsort(codes, kind="stable"), marks, f"ordered by {key}"
    return None


def planar_map(distances: Array) -> tuple[Array, float]:
    """Places (n, 2) whose distances approach the (n, n) `distances`, and their stress.

    Classical scaling (Torgerson 1952): by eigenvectors, so there is one solution, and importing scikit-learn's costs
    more than the whole page. The stress is Kruskal's (1964) stress-1 at the best scale: 0 is perfect, above .2 is poor.
    """
    wanted = np.asarray(distances, np.float64)
    n = len(wanted)
    centring = np.eye(n) - 1 / n
    values, vectors = np.linalg.eigh(-centring @ wanted**2 @ centring / 2)
    places = (vectors * np.sqrt(np.maximum(values, 0)))[:, ::-1][:, :2]
    places *= np.where(places[np.abs(places).argmax(axis=0), [0, 1]] < 0, -1, 1)  # the solver chooses the signs
    found = np.linalg.norm(places[:, None] - places[None], axis=-1)
    total = (found**2).sum() * (wanted**2).sum()
    return places, float(np.sqrt(max(0.0, 1 - (found * wanted).sum() ** 2 / total))) if total > 0 else 0.0


def draw_map(axes: "Axes", places: Array, layers: Sequence[str], targets: Sequence[str]) -> None:
    """Draw layers as numbered circles joined in their order, targets as diamonds named in a legend.

    places: (layers + targets, 2).
    """
    n = len(layers)
    axes.plot(places[:n, 0], places[:n, 1], color="0.6", linewidth=1, zorder=1)
    axes.scatter(places[:n, 0], places[:n, 1], s=230, facecolors="white", edgecolors="black", zorder=2)
    for i, (x, y) in enumerate(places[:n]):
        axes.text(x, y, str(i + 1), ha="center", va="center_baseline", fontsize="small", zorder=3)
    for i, (name, (x, y)) in enumerate(zip(targets, places[n:], strict=True)):
        marker = "DPX*"[i // len(COLOURS) % 4]
        axes.scatter(x, y, s=130, marker=marker, color=COLOURS[i % len(COLOURS)], label=shortened(name, 24), zorder=4)
    axes.legend(frameon=False, fontsize="small", loc="best")
    axes.set_aspect("equal", adjustable="datalim")
    axes.margins(0.1)
    axes.set_axis_off()
