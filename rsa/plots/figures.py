"""Colours, files and the inline SVG that all pictures share."""

import base64
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np
from markupsafe import Markup

from ..errors import RSAError
from ..extensions import needed
from ..io.storage import check_writable, replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

# Okabe and Ito, colour-blind safe
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
MARKERS = "osD^vPX"
PICTURES = (".png", ".svg", ".pdf")
_WIDE = 720  # px: a wider picture scrolls sideways on a small screen, a narrower one shrinks
_PAGE_STYLE = {
    "font.size": 13,
    "xtick.labelsize": "small",
    "ytick.labelsize": "small",
    "axes.titlesize": "medium",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "tgsage",  # the same ids each time
    "text.parse_math": False,
}


def check_picture(path: str | Path) -> Path:
    """The path, when a picture can be written there. Raises RSAError for another ending and for a missing folder."""
    if Path(path).suffix.lower() not in PICTURES:
        raise RSAError(f"{path}: a picture's name ends in {', '.join(PICTURES)}")
    return check_writable(path)


def save_figure(figure: "Figure", path: str | Path) -> None:
    """Write PNG, SVG or PDF by the file's ending, whole or not at all. Raises RSAError as `check_picture` does."""
    with replacing(check_picture(path)) as temporary:
        figure.savefig(temporary, dpi=150)


def pyplot() -> Any:
    """matplotlib's pyplot, for figures that notebooks show by themselves. Raises RSAError where it is not installed."""
    return needed("matplotlib.pyplot", "plot")


def new_axes(size: tuple[float, float]) -> "Axes":
    """Axes of a new pyplot figure, which notebooks show by themselves; size in inches."""
    axes: Axes = pyplot().subplots(figsize=size, layout="constrained")[1]
    return axes


def printable(text: str) -> str:
    """Without the control characters that no XML or HTML document may hold."""
    return "".join(c if c.isprintable() or c in " \n" else "\N{REPLACEMENT CHARACTER}" for c in text)


def shortened(name: str, most: int = 18) -> str:
    """The end of a long name, since layers differ there."""
    name = printable(name)
    return name if len(name) <= most else f"\N{HORIZONTAL ELLIPSIS}{name[1 - most :]}"


def told_apart(names: Sequence[str], most: int = 18) -> dict[str, str]:
    """Name -> at most so many letters of it: the end, the beginning, both, or what follows the beginning that all
    share, whichever leaves most of the names different."""
    dots, half, whole = "\N{HORIZONTAL ELLIPSIS}", (most - 1) // 2, [printable(name) for name in names]
    shared = next((i for i, letters in enumerate(zip(*whole, strict=False)) if len(set(letters)) > 1), 0)
    ways: list[Callable[[str], str]] = [
        lambda name: dots + name[1 - most :],
        lambda name: name[: most - 1] + dots,
        lambda name: name[: most - 1 - half] + dots + name[-half:],
        lambda name: (dots + name[shared:])[:most],
    ]
    tries = [[name if len(name) <= most else way(name) for name in whole] for way in ways]
    return dict(zip(names, max(tries, key=lambda found: len(set(found))), strict=True))


def literal(artist: "Axes | Figure | SubFigure") -> None:
    """Show all text as it is: a name with two dollar signs is no formula."""
    from matplotlib.text import Text

    for text in artist.findobj(Text):
        text.set(parse_math=False, usetex=False)


@dataclass(frozen=True)
class Picture:
    """A picture in a page: `title` names it, `words` say what it shows for those who cannot see it."""

    title: str
    words: str
    markup: Markup
    wide: bool


def picture(
    name: str,
    title: str,
    words: str,
    size: tuple[float, float],
    margins: tuple[float, float, float, float],
    draw: "Callable[[Axes], object]",
) -> Picture:
    """Draw on axes of `size` with `margins` (left, right, top, bottom) in CSS pixels, as SVG for a page.

    name: prefix of its ids, unique in the page. Text stays text; equal pictures are equal bytes. Raises RSAError where
    matplotlib is not installed.
    """
    style = needed("matplotlib.style", "plot")
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

    (across, down), (left, right, top, bottom) = size, margins
    width, height = across + left + right, down + top + bottom
    with style.context(["default", _PAGE_STYLE]):
        figure = Figure(figsize=(width / 72, height / 72))  # SVG has 72 units per inch
        draw(figure.add_axes((left / width, bottom / height, across / width, down / height)))
        for image in figure.findobj(AxesImage):
            image.set(interpolation="none")  # embedded pixel by pixel
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata={"Date": None})
    return Picture(title, words, _inline(file.getvalue(), name, printable(title), printable(words)), width > _WIDE)


def _indexed(source: str) -> str:
    """A PNG as data with a palette where it has at most 256 colours: a third of the size."""
    from PIL import Image

    kind, _, data = source.partition(",")
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGBA"))
    colours, places = np.unique(pixels.view(np.uint32)[..., 0], return_inverse=True)
    if len(colours) > 256:
        return source
    image, file = Image.fromarray(places.reshape(pixels.shape[:2]).astype(np.uint8)), io.BytesIO()
    image.putpalette(colours.tobytes(), "RGBA")
    image.save(file, "PNG", optimize=True)
    return f"{kind},{base64.b64encode(file.getvalue()).decode()}"


def _inline(text: str, name: str, title: str, words: str) -> Markup:
    """matplotlib's SVG as an element of a page: without its style sheet and metadata, every id its own."""
    root, used = ElementTree.fromstring(text), set(re.findall(r'(?:url\(|href=")#([^)"]+)', text))  # noqa: S314  ours
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        for key, value in list(element.attrib.items()):
            del element.attrib[key]
            if key == "id" and value in used:
                element.set("id", f"{name}-{value}")
            elif key != "id":
                reference = r"^#" if key.endswith("href") else r"(?<=url\()#"
                value = re.sub(r"(\.\d\d)\d+", r"\1", value) if key == "d" else value  # of a pixel
                element.set(key.rpartition("}")[2], re.sub(reference, f"#{name}-", value))
    for image in root.iter("image"):
        image.set("href", _indexed(image.attrib["href"]))
    for parent in list(root.iter()):
        for child in [child for child in parent if child.tag in ("metadata", "style")]:
            parent.remove(child)
    width = float(root.attrib["viewBox"].split()[2])
    least = width if width > _WIDE else min(width, 330)
    for key in ("width", "height", "version"):
        del root.attrib[key]
    ids = {"title": f"{name}-title", "desc": f"{name}-words"}
    style = f"width:{width:.0f}px;min-width:{least:.0f}px"
    root.attrib |= {"role": "img", "aria-labelledby": " ".join(ids.values()), "style": style}
    root.set("stroke-linejoin", "round")
    for place, (tag, content) in enumerate((("title", title), ("desc", words))):
        element = ElementTree.Element(tag, id=ids[tag])
        element.text = content
        root.insert(place, element)
    return Markup(ElementTree.tostring(root, encoding="unicode"))  # noqa: S704  ElementTree has escaped it
