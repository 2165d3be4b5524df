"""RDMs as small pictures: conditions in an order that shows structure, categories marked, large ones averaged."""

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..rdm.rdm import RDM
from ..types import Array
from .svg import FONT, Drawing, shortened

PIXELS = 320  # at most along a side
_SIDE, _LEFT, _TOP = 220, 120, 40
_BAR = 12


def rdm_drawing(rdm: RDM, marks: Sequence[tuple[str, int]], title: str, words: str) -> Drawing:
    """One RDM in its own order, with the names and edges of its categories (name, size) and its scale of colours."""
    low, high = (float(value) for value in np.percentile(rdm.values, (1, 99)))
    drawing = Drawing(_LEFT + _SIDE + 10, _TOP + _SIDE + 46, title, words)
    name, _, rest = title.partition("\n")
    drawing.add("text", "strong", shortened(name, 30), x=_LEFT, y=14)
    drawing.add("text", "", shortened(rest, 40), x=_LEFT, y=29)
    picture = _png(_levels(averaged(rdm), low, high))
    place: dict[str, Any] = {"x": _LEFT, "y": _TOP, "width": _SIDE, "height": _SIDE}
    drawing.add("image", "pixels", href=picture, preserveAspectRatio="none", **place)
    edges = np.cumsum([0, *(size for _, size in marks)]) / max(len(rdm), 1) * _SIDE
    free = -np.inf
    for (name, _), start, stop in zip(marks, edges[:-1], edges[1:], strict=True):
        drawing.line("whisker", [(_LEFT - 3, _TOP + start + 0.7), (_LEFT - 6, _TOP + start + 0.7),
                                 (_LEFT - 6, _TOP + stop - 0.7), (_LEFT - 3, _TOP + stop - 0.7)])  # fmt: skip
        if start > 0 and len(marks) < len(rdm):
            for ends in (((0, start), (_SIDE, start)), ((start, 0), (start, _SIDE))):
                drawing.line("divide", [(_LEFT + x, _TOP + y) for x, y in ends])
        middle = (start + stop) / 2
        if middle >= free:
            drawing.add("text", "end", _begun(name), name, x=_LEFT - 10, y=_TOP + middle + 4)
            free = middle + FONT
    y = _TOP + _SIDE + 10
    scale = _png(np.arange(1, 256, dtype=np.uint8)[None])
    drawing.add("image", href=scale, x=_LEFT, y=y, width=_SIDE, height=_BAR, preserveAspectRatio="none")
    for x, style, value in ((_LEFT, "", low), (_LEFT + _SIDE, "end", high)):
        drawing.add("text", style, f"{value:.3g}", x=x, y=y + _BAR + 13)
    drawing.add("text", "middle", "dissimilarity", x=_LEFT + _SIDE / 2, y=y + _BAR + 13)
    return drawing


def _begun(name: str, most: int = 15) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}\N{HORIZONTAL ELLIPSIS}"


def averaged(rdm: RDM, most: int = PIXELS) -> Array:
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


def _levels(values: Array, low: float, high: float) -> npt.NDArray[np.uint8]:
    """1 to 255 from low to high; 0, which is transparent, where there is no value."""
    share = np.clip((values - low) / (high - low if high > low else 1.0), 0, 1)
    levels = np.where(np.isnan(share), 0, 1 + np.rint(254 * np.nan_to_num(share)))
    return levels.astype(np.uint8)


def _png(levels: npt.NDArray[np.uint8]) -> str:
    """A data URI; the colours are viridis, which keeps its order in grey and for the colour-blind."""
    from matplotlib import colormaps
    from PIL import Image

    colours = (colormaps["viridis"](np.linspace(0, 1, 255))[:, :3] * 255).round().astype(np.uint8)
    image = Image.fromarray(levels)
    image.putpalette(bytes(3) + colours.tobytes())
    out = io.BytesIO()
    image.save(out, "PNG", transparency=0, optimize=True)
    return f"data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}"
