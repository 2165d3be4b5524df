"""The report of a search as one HTML page that needs no other file and no network."""

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...rsa.io.storage import replacing
from ...rsa.report.page import check_report
from ...rsa.report.svg import Drawing, printable, spread, ticks
from ..result import FAILED, OK
from ..searching.candidates import figure
from .summary import LEAST, SearchReport

if TYPE_CHECKING:
    from ..spaces.space import Architecture, Space

_WIDTH, _HEIGHT, _LEFT, _TOP, _FOOT = 350, 260, 56, 34, 40
_LETTER = 6.6  # px, of a tick's label, at most
_MOST = 1e300  # beyond it a value is drawn there, so that ranges are finite
_SHOWN = 20  # choices in the table of importances


def write_search_report(path: str | Path, report: SearchReport, *, space: "Space | None" = None) -> None:
    """Write the page. space: draws the best architectures.

    Raises RSAError for a name that does not end in .html, and where the file cannot be written.
    """
    import jinja2

    target = check_report(path)
    folder = Path(__file__).parent
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    found = [*report.settings.items(), ("storage", report.storage), *report.history]
    page = environment.get_template("page.html").render(
        report=report,
        style=(folder.parents[1] / "rsa" / "report" / "page.css").read_text(encoding="utf-8"),
        answer=[printable(sentence) for sentence in answer(report)],
        charts=_charts(report),
        importance=list(report.importance.items())[:_SHOWN],
        least=LEAST,
        top=[{**one, "numbers": numbers_of(one), "image": _image(space, one["architecture"])} for one in report.top],
        settings=[(printable(str(name)), printable(str(value))) for name, value in found],
    )
    with replacing(target) as temporary:
        temporary.write_text(page, encoding="utf-8", errors="backslashreplace")


def answer(report: SearchReport) -> list[str]:
    """What came out, in sentences: the best, how many were tried, what it cost."""
    counts, cost = report.counts, report.cost
    best = f"The best is candidate {report.top[0]['number']}: {numbers_of(report.top[0])}." if report.top else (
        "No candidate has succeeded."
    )  # fmt: skip
    tried = (
        f"{counts[OK] + counts[FAILED]} candidates are finished: {counts[OK]} succeeded "
        f"({counts['reused']} of them an architecture seen before, not trained again), {counts[FAILED]} failed."
    )
    going = counts["running"] + counts["interrupted"]
    unfinished = [f"{going} more are running or were interrupted; the same search goes on with them."] if going else []
    each = cost["examples"] / cost["trained"] if cost["trained"] else 0
    spent = (
        f"Cost M1 E1: {cost['trained']:,.0f} candidates trained on {each:,.0f} examples on average, "
        f"{cost['examples']:,.0f} in all, in {cost['seconds']:,.0f} s."
    )
    total = cost["examples"] + cost["finalist_examples"]
    finals = [
        f"Cost M1 E1 + M2 E2: with {cost['finalist_examples']:,.0f} examples of {cost['finalists']:,.0f} finalists, "
        f"{total:,.0f} in all."
    ]
    return [best, tried, *unfinished, spent, *(finals if cost["finalists"] else [])]


def numbers_of(one: dict[str, Any]) -> str:
    """`score 0.9, P 0.6, TG 0.3, 1,234 parameters`, as far as they are known."""
    shown = [(name, one[key]) for name, key in (("score", "score"), ("P", "p"), ("TG", "tg")) if one[key] is not None]
    parameters = [f"{one['parameters']:,} parameters"] if one["parameters"] else []
    return ", ".join([*(f"{name} {figure(value)}" for name, value in shown), *parameters])


def _charts(report: SearchReport) -> list[Drawing]:
    curve = [(number, best, examples) for number, best, examples in report.curve if best is not None]
    charts = []
    if curve:
        numbers, bests, examples = zip(*curve, strict=True)
        charts.append(_chart("Best score", "candidates", numbers, bests))
        if examples[-1] > 0:
            charts.append(_chart("Best score", "training examples", examples, bests))
    both = [(p, tg) for _, p, tg, _ in report.scatter if p is not None and tg is not None]
    if both:
        p, tg = zip(*both, strict=True)
        charts.append(_chart("TG", "P", p, tg, joined=False))
    for name, points in report.searcher.items():
        numbers, values = zip(*points, strict=True)
        charts.append(_chart(name, "candidates", numbers, values))
    return charts


def _chart(up: str, right: str, xs: Sequence[float], ys: Sequence[float], *, joined: bool = True) -> Drawing:
    """One panel: a line through the points, or the points themselves."""
    xs, ys = (np.clip(np.array(values, float), -_MOST, _MOST).tolist() for values in (xs, ys))
    low, high = spread(np.array(xs))
    floor, roof = spread(np.array(ys))
    ranges = f"{right} from {_short(low)} to {_short(high)}, {up} from {_short(floor)} to {_short(roof)}"
    words = f"{up} against {right}: {len(xs)} points, {ranges}"
    drawing = Drawing(
        _WIDTH, _HEIGHT, f"{up} against {right}", f"{words}, at the end {_short(ys[-1])}." if joined else f"{words}."
    )
    bottom, edge = _HEIGHT - _FOOT, _WIDTH - 12

    def x(value: float) -> float:
        return _LEFT + (value - low) / (high - low) * (edge - _LEFT)

    def y(value: float) -> float:
        return bottom - (value - floor) / (roof - floor) * (bottom - _TOP)

    drawing.add("text", "strong", printable(up), x=_LEFT, y=16)
    drawing.add("text", "end", printable(right), x=edge, y=_HEIGHT - 6)
    for tick, label in _labelled(ticks(floor, roof, 5)):
        drawing.add("line", "grid", x1=_LEFT, x2=edge, y1=y(tick), y2=y(tick))
        drawing.add("text", "end", label, x=_LEFT - 6, y=y(tick) + 4)
    for tick, label in _labelled(ticks(low, high, 4)):
        inside = _WIDTH - len(label) * _LETTER / 2
        drawing.add("text", "middle", label, x=min(x(tick), inside), y=bottom + 16)
    points = [(x(a), y(b)) for a, b in zip(xs, ys, strict=True)]
    if joined and len(points) > 1:
        drawing.line("line colour0", points)
        return drawing
    for at, over in points:
        drawing.add("circle", "point colour0", cx=at, cy=over, r=3)
    return drawing


def _labelled(places: Sequence[float]) -> list[tuple[float, str]]:
    """Each with its label; more than four digits only where they would read the same."""
    for digits in range(4, 8):
        labels = [_short(place, digits) for place in places]
        if len(set(labels)) == len(labels):
            break
    return list(zip(places, labels, strict=True))


def _short(value: float, digits: int = 4) -> str:
    """0.7432, 691, 4,146, 20k, 1.5M, 1e+300."""
    if abs(value) >= 1e15:
        return f"{value:.{digits}g}"
    for least, unit, letter in ((1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "k")):
        if abs(value) >= least:
            return f"{value / unit:.{digits}g}{letter}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.{digits}g}"


def _image(space: "Space | None", architecture: "Architecture") -> str:
    """PNG in base64; nothing without a space."""
    if space is None:
        return ""
    from ..spaces.drawing import graph_figure

    file = io.BytesIO()
    graph_figure({space.name: space.graph(architecture)}).savefig(file, format="png", dpi=80)
    return base64.b64encode(file.getvalue()).decode()
