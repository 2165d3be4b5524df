"""The page of a score over time: tables, pictures, tests and settings."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..extensions import versions
from ..inference.clusters import LEVEL
from ..io.storage import replacing
from ..plots.figures import Picture, picture, printable
from ..plots.time import (
    MOST_PANELS,
    draw_course,
    draw_generalisation,
    draw_layer_map,
    draw_reliability,
    extreme,
    make_room,
)
from . import time_words as words
from .literature import MEASURES, REFERENCES
from .page import check_report, render

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes

    from ..time_score import TimeScore


def write_time_report(
    path: str | Path, score: "TimeScore", *, settings: Mapping[str, Any] | None = None, command: str = ""
) -> None:
    """Write one HTML page about a score over time that needs no other file and no network.

    Parameters
    ----------
    path : str or Path
        Must end in `.html` or `.htm`.
    score : TimeScore
    settings : mapping, optional
        What to state under "Reproduce".
    command : str, optional
        The command line that repeats the analysis.

    Raises
    ------
    TGSageError
        For a name that does not end in `.html`, and where the file cannot be written.
    """
    place = check_report(path)
    page = render(Path(__file__).parent / "time.html", _context(score, settings or {}, command))
    with replacing(place) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _context(score: "TimeScore", settings: Mapping[str, Any], command: str) -> dict[str, Any]:
    model = score.model or "the model"
    shown = list(score.best_layer)[:MOST_PANELS]
    paragraph, cited = words.methods(model, score)
    known = "reliability" in score.table and bool(np.isfinite(score.table["reliability"]).any())
    several = len(score.layers) > 1
    square = score.generalisation
    return {
        "model": printable(model),
        "teacher": printable(score.teacher),
        "note": printable(str(score.attrs.get("teacher_note") or "")),
        "question": printable(words.question(model, score)),
        "answer": [tuple(map(printable, pair)) for pair in words.answer(score)],
        "latencies": _latencies(score),
        "tested": any(words.tested(score, target) for target in score.best_layer),
        "by_subject": score.subjects is not None,
        "intervals": bool(np.isfinite(score.table["low"]).any()),
        "draws": bool(score.draws),
        "similarity": MEASURES.get(score.method, score.method),
        "courses": [_course(score, k, target) for k, target in enumerate(shown)],
        "maps": [_map(score, k, target) for k, target in enumerate(shown)] if several else [],
        "reliability": _reliability(score, shown) if known else None,
        "squares": [] if square is None else _squares(square),
        "definition": "" if square is None else printable(str(square.attrs.get("definition", ""))),
        "of": len(score.best_layer),
        "shown": len(shown),
        "tables": [_windows(score, target) for target in shown],
        "names": [printable(layer) for layer in score.layers],
        "gaps": [printable(line) for line in words.reasons(score.table)],
        "methods": printable(paragraph),
        "references": [REFERENCES[key] for key in cited],
        "command": printable(command),
        "facts": [(printable(k), printable(str(v))) for k, v in words.settings_of(score, settings).items()],
        "versions": versions(),
        "level": LEVEL,
    }


def _latencies(score: "TimeScore") -> list[dict[str, Any]]:
    """A row for every target and layer."""
    rows = []
    for target, best in score.best_layer.items():
        for layer in score.layers:
            here = score.table.sel(layer=layer, target=target)
            latencies: dict[str, Any] = {kind: words.latency_text(here, kind) for kind in ("onset", "peak")}
            highest = f"{float(here['similarity'].max()):.3f}"
            names: dict[str, Any] = {"target": printable(target), "layer": printable(layer), "best": layer == best}
            rows.append({**names, "highest": highest, **latencies, "clusters": words.clusters_text(here)})
    return rows


def _windows(score: "TimeScore", target: str) -> dict[str, Any]:
    """A row for every window of one target: reliability and ceiling, and every layer's similarity with its interval."""
    here = score.table.sel(target=target)
    columns = [key for key in ("reliability", "ceiling") if key in here]
    spans = zip(here["window_start"].to_numpy(), here["window_end"].to_numpy(), strict=True)
    rows = [
        {
            "span": f"{start:g} to {end:g}",
            "known": [_number(float(here[key][t])) for key in columns],
            "cells": [_cell(here.isel(time=t).sel(layer=layer)) for layer in score.layers],
        }
        for t, (start, end) in enumerate(spans)
    ]
    best = score.layers.index(score.best_layer[target])
    return {"target": printable(target), "columns": columns, "rows": rows, "best": best}


def _cell(here: "xarray.Dataset") -> dict[str, Any]:
    value, low, high, p = (float(here[key]) for key in ("similarity", "low", "high", "p"))
    interval = "" if np.isnan(low) else f"[{low:.2f}, {high:.2f}]"
    return {"value": _number(value), "interval": interval, "significant": p <= LEVEL}


def _number(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.3f}"


def _course(score: "TimeScore", k: int, target: str) -> Picture:
    def draw(axes: "Axes") -> None:
        draw_course(axes, score, target)
        make_room(axes)
        axes.set_xlabel("ms, middle of the window")

    said = "; ".join(text for subject, text in words.answer(score) if subject == target)
    return picture(f"course{k}", f"Similarity to {target} over time", said, (330, 240), (52, 12, 34, 46), draw)


def _map(score: "TimeScore", k: int, target: str) -> Picture:
    title = f"Similarity of all layers to {target} over time"
    said = f"Rows are the {len(score.layers)} layers, columns the windows; the numbers are in the table of {target}."

    def draw(axes: "Axes") -> None:
        image = draw_layer_map(axes, score, target)
        axes.figure.colorbar(image, cax=axes.inset_axes((1.03, 0.0, 0.04, 1.0)))
        axes.set_title(printable(target), loc="left", fontweight="bold")

    return picture(f"map{k}", title, said, (230, max(120, 15 * len(score.layers))), (130, 62, 34, 46), draw)


def _reliability(score: "TimeScore", targets: list[str]) -> Picture:
    highest = score.table["reliability"].max("time").to_series()
    said = "; ".join(f"{target}: at most {highest[target]:.3f}" for target in targets)
    size, margins = (330, 220), (52, 12, 20, 46)
    title = "Reliability of the targets' RDMs over time"
    return picture("halves", title, said, size, margins, lambda axes: draw_reliability(axes, score, targets))


def _squares(table: "xarray.DataArray") -> list[Picture]:
    """Temporal generalisation of each target, all on one scale of colours."""
    targets = [str(name) for name in table.indexes["target"]][:MOST_PANELS]
    most = extreme(table.sel(target=targets))
    return [_square(table.sel(target=target), k, target, most) for k, target in enumerate(targets)]


def _square(table: "xarray.DataArray", k: int, target: str, most: float) -> Picture:
    def draw(axes: "Axes") -> None:
        image = draw_generalisation(axes, table, most)
        axes.figure.colorbar(image, cax=axes.inset_axes((1.03, 0.0, 0.04, 1.0)))
        axes.set_title(printable(target), loc="left", fontweight="bold")

    n = table.sizes["time"]
    said = f"A matrix of {n} by {n} windows, in colours from {-most:.3f} to {most:.3f}."
    title = f"Similarity of {target}'s RDMs at two times"
    return picture(f"square{k}", title, said, (250, 250), (62, 62, 34, 46), draw)
