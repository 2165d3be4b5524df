"""The report of a search as one HTML page that needs no other file and no network."""

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...rsa.io.storage import replacing
from ...rsa.plots.figures import COLOURS, Picture, picture, printable, shortened
from ...rsa.report import check_report
from ...rsa.report.page import render
from ..result import FAILED, OK
from ..searching.candidates import figure
from .front import Front, draw_front, draw_volume
from .summary import LEAST, SearchReport

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..spaces.space import Architecture, Space

_MOST = 1e300  # beyond it a value is drawn there, so that ranges are finite
_SHOWN = 20  # choices in the table of importances


def write_search_report(path: str | Path, report: SearchReport, *, space: "Space | None" = None) -> None:
    """Write one HTML page about a search, which needs no other file and no network.

    Parameters
    ----------
    path : str or Path
        Ends in `.html`.
    report : SearchReport
        What `search_report` returned.
    space : Space, optional
        Draws the best architectures; without a space they are described in words.

    Raises
    ------
    TGSageError
        For any other ending, and when the file cannot be written.
    """
    target = check_report(path)
    found = [*report.settings.items(), ("storage", report.storage), *report.history]
    context = {
        "report": report,
        "answer": [printable(sentence) for sentence in answer(report)],
        "charts": _charts(report),
        "front": report.front,
        "importance": list(report.importance.items())[:_SHOWN],
        "least": LEAST,
        "top": [{**one, "numbers": numbers_of(one), "image": _image(space, one["architecture"])} for one in report.top],
        "settings": [(printable(str(name)), printable(str(value))) for name, value in found],
    }
    page = render(Path(__file__).parent / "page.html", context)
    with replacing(target) as temporary:
        temporary.write_text(page, encoding="utf-8", errors="backslashreplace")


def answer(report: SearchReport) -> list[str]:
    """What came out, in sentences: the best, how many were tried, what it cost."""
    counts, cost = report.counts, report.cost
    best = "No candidate has succeeded."
    if report.top:
        best = f"The best is candidate {report.top[0]['number']}: {numbers_of(report.top[0])}."
    tried = (
        f"{counts[OK] + counts[FAILED]} candidates have finished: {counts[OK]} succeeded ({counts['reused']} of them "
        f"had an architecture seen before and were not trained again) and {counts[FAILED]} failed."
    )
    going = counts["running"] + counts["interrupted"]
    unfinished = [f"{going} more are running or were interrupted; the same search continues them."] if going else []
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
    names = (("score", "score"), ("P", "p"), ("TG", "tg"), ("B", "b"))
    shown = [(name, one[key]) for name, key in names if one.get(key) is not None]
    parameters = [f"{one['parameters']:,} parameters"] if one["parameters"] else []
    return ", ".join([*(f"{name} {figure(value)}" for name, value in shown), *parameters])


def _charts(report: SearchReport) -> list[Picture]:
    curve = [(number, best, examples) for number, best, examples in report.curve if best is not None]
    charts: list[tuple[Any, ...]] = []
    if curve:
        numbers, bests, examples = zip(*curve, strict=True)
        charts.append(("Best score", "candidates", numbers, bests, True))
        if examples[-1] > 0:
            charts.append(("Best score", "training examples", examples, bests, True))
    both = [(p, tg) for _, p, tg, _ in report.scatter if p is not None and tg is not None]
    if both:
        charts.append(("TG", "P", *zip(*both, strict=True), False))
    for name, points in report.searcher.items():
        charts.append((name, "candidates", *zip(*points, strict=True), True))
    return [_chart(f"chart{i}", *chart) for i, chart in enumerate(charts)] + _front_charts(report.front)


def _front_charts(front: Front | None) -> list[Picture]:
    if front is None or not front.points:
        return []
    words, size = front.words(), ((282, 186), (56, 14, 34, 42))
    found = []
    for i, name in enumerate(front.objectives[1:], start=1):
        title = f"Front of {front.objectives[0]} against {name} over time"
        found.append(picture(f"front{i}", title, words, *size, lambda axes, i=i: draw_front(axes, front, i)))  # type: ignore[misc]
    return [*found, picture("volume", "Hypervolume of the front", words, *size, lambda axes: draw_volume(axes, front))]


def _chart(name: str, up: str, right: str, xs: Sequence[float], ys: Sequence[float], joined: bool) -> Picture:
    """One panel: a line through the points, or the points themselves."""
    xs, ys = (np.clip(np.array(values, float), -_MOST, _MOST).tolist() for values in (xs, ys))
    ranges = f"{right} from {min(xs):.4g} to {max(xs):.4g}, {up} from {min(ys):.4g} to {max(ys):.4g}"
    words = f"{up} against {right}: {len(xs)} points, {ranges}"

    def draw(axes: "Axes") -> None:
        axes.plot(xs, ys, "-" if joined and len(xs) > 1 else "o", color=COLOURS[0], markersize=4)
        axes.set_title(shortened(up, 40), loc="left", fontweight="bold")
        axes.set_xlabel(printable(right), fontsize="small")
        axes.locator_params(nbins=5)
        if right != "P":
            from matplotlib.ticker import EngFormatter

            axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.grid(axis="y", color="0.9")

    said = f"{words}, at the end {ys[-1]:.4g}." if joined else f"{words}."
    return picture(name, f"{up} against {right}", said, (282, 186), (56, 14, 34, 42), draw)


def _image(space: "Space | None", architecture: "Architecture") -> str:
    """PNG in base64; nothing without a space."""
    if space is None:
        return ""
    from ..spaces.drawing import graph_figure

    file = io.BytesIO()
    graph_figure({space.name: space.graph(architecture)}).savefig(file, format="png", dpi=80)
    return base64.b64encode(file.getvalue()).decode()
