"""SVG inside a page: text stays text, and colours are classes of the page's style sheet, for light and for dark."""

import math
from collections.abc import Sequence
from itertools import count
from xml.etree import ElementTree

from markupsafe import Markup

from ..types import Array

FONT = 11  # px, as in the style sheet
_WIDE = 720  # px: a wider drawing scrolls sideways on a small screen, a narrower one shrinks


class Drawing:
    """Elements in units of one CSS pixel; `title` names it and `words` say what it shows, for who cannot see it."""

    _numbers = count()

    def __init__(self, width: float, height: float, title: str, words: str) -> None:
        self.title, self.wide = printable(title), width > _WIDE
        names = [f"drawing{next(self._numbers)}-{part}" for part in ("title", "words")]
        least = width if self.wide else min(width, 330)
        self._root = ElementTree.Element(
            "svg",
            {"viewBox": f"0 0 {_text(width)} {_text(height)}", "role": "img", "aria-labelledby": " ".join(names),
             "style": f"width:{_text(width)}px;min-width:{_text(least)}px"},
        )  # fmt: skip
        for tag, name, content in zip(("title", "desc"), names, (title, words), strict=True):
            ElementTree.SubElement(self._root, tag, id=name).text = printable(content)

    def add(self, tag: str, style: str = "", text: str = "", tip: str = "", **places: float | str) -> None:
        """One element: its class, its text, what it says when pointed at, and its attributes (`_` for `-`)."""
        attributes = {name.replace("_", "-"): _text(value) for name, value in places.items()}
        element = ElementTree.SubElement(self._root, tag, attributes | ({"class": style} if style else {}))
        element.text = printable(text) or None
        if tip:
            ElementTree.SubElement(element, "title").text = printable(tip)

    def line(self, style: str, points: Sequence[tuple[float, float]], *, closed: bool = False) -> None:
        """A line through the points, or the area inside them."""
        self.add("polygon" if closed else "polyline", style, points=" ".join(f"{x:.1f},{y:.1f}" for x, y in points))

    def markup(self) -> Markup:
        return Markup(ElementTree.tostring(self._root, encoding="unicode"))  # noqa: S704  ElementTree has escaped it


def _text(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.1f}".removesuffix(".0")


def printable(text: str) -> str:
    """Without the control characters that no XML or HTML document may hold."""
    return "".join(c if c.isprintable() or c == " " else "\N{REPLACEMENT CHARACTER}" for c in text)


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers (1, 2 or 5 times a power of ten apart) from `low` to `high`."""
    step = 10.0 ** math.floor(math.log10((high - low) / most))
    while (high - low) / step > most:
        step *= 2.5 if f"{step:e}".startswith("2") else 2
    first = math.ceil(low / step - 1e-9)
    return [i * step for i in range(first, math.floor(high / step + 1e-9) + 1)]


def shortened(name: str, most: int = 18) -> str:
    """The end of a long name: layers differ there."""
    return name if len(name) <= most else f"\N{HORIZONTAL ELLIPSIS}{name[1 - most :]}"


def spread(values: Array) -> tuple[float, float]:
    """The finite range of values, widened a little where it is a point."""
    import numpy as np

    known = np.asarray(values, np.float64)
    known = known[np.isfinite(known)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    wider = max(0.05, 1e-6 * abs(low))  # beside a huge number 0.05 is nothing
    return (low, high) if high > low else (low - wider, high + wider)
