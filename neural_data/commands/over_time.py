"""What `tgsage score --over-time` and `tgsage data describe --over-time` print and write."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import STATED

if TYPE_CHECKING:
    import xarray

    from ...rsa import TimeScore

COLUMNS = 4  # targets beside each other

OverTime = Annotated[
    bool,
    typer.Option(
        "--over-time",
        help="For every time bin of a recording: similarity with ceiling, clusters, onset and peak. --window then "
        "says where the windows lie.",
    ),
]
Bins = Annotated[
    tuple[float, float] | None,
    typer.Option(
        help="With --over-time: width and step of the windows in ms, made of whole bins of the recording.",
        show_default="its bins",
    ),
]
Permutations = Annotated[
    int | None,
    typer.Option(
        help="With --over-time: permutations of the stimuli behind clusters, onsets and peaks; 0: none.",
        min=0,
        show_default="1000",
    ),
]

Over = Annotated[
    str | None,
    typer.Option(
        help="With --over-time: what intervals and tests generalise to, new stimuli or new subjects (animals).",
        show_default="stimuli",
    ),
]
Subjects = Annotated[
    str | None,
    typer.Option(help="With --over subjects: column of neuroids that names subjects.", show_default="animal"),
]


def show_course(score: "TimeScore") -> None:
    """Print latencies by target and layer, and the windows of every target's best layer."""
    from ...rsa.cli.console import print_table
    from ...rsa.errors import conditions
    from ...rsa.report.time_words import clusters_text, latency_text

    title = f"{score.model} against {score.teacher}: {score.method} over {conditions(score.table.attrs['n'], score.by)}"
    rows = []
    for target in score.best_layer:
        for layer in score.layers:
            here = score.table.sel(layer=layer, target=target)
            best = "* " if score.best_layer[target] == layer else ""
            ms = [latency_text(here, kind) for kind in ("onset", "peak")]
            rows.append([f"{best}{target}", layer, f"{float(here['similarity'].max()):.4f}", *ms, clusters_text(here)])
    print_table(title, ["target", "layer", "highest", "onset ms", "peak ms", "clusters ms (p)"], rows)
    targets = list(score.best_layer)
    for first in range(0, len(targets), COLUMNS):
        shown = targets[first : first + COLUMNS]
        columns = [f"{target}, {score.best_layer[target]}" for target in shown]
        wanted = [[_window(score, target, t) for target in shown] for t in range(score.table.sizes["time"])]
        named = [f"{a:g}-{b:g}" for a, b in zip(score.table["window_start"], score.table["window_end"], strict=True)]
        lines = [[name, *cells] for name, cells in zip(named, wanted, strict=True)]
        notes = _notes(score) if first + COLUMNS >= len(targets) else []
        print_table("similarity of the best layer / ceiling", ["ms", *columns], lines, notes)


def _window(score: "TimeScore", target: str, t: int) -> str:
    from ...rsa.inference.clusters import LEVEL

    here = score.table.sel(layer=score.best_layer[target], target=target).isel(time=t)
    value, low, high = (float(here[key]) for key in ("similarity", "low", "high"))
    if math.isnan(value):
        return "-"
    ends = "" if math.isnan(low) else f" [{low:.2f}, {high:.2f}]".replace("0.", ".")
    ceiling = float(here["ceiling"]) if "ceiling" in here else math.nan
    text = f"{value:.3f}{ends}" + ("" if math.isnan(ceiling) else f" / {ceiling:.2f}")
    return f"* {text}" if float(here["p"]) <= LEVEL else text


def _notes(score: "TimeScore") -> list[str]:
    from ...rsa.report.time_words import differences_text, intervals_from, reasons, tested_by

    table, facts = score.table.attrs, dict(score.attrs)
    notes = ["* in the first column: the layer with the highest similarity; in a window: part of a cluster (p <= .05)"]
    if table["permutations"]:
        of = f"{tested_by(score)}, corrected over the windows of one layer and target"
        notes.append(f"clusters: {of}; onset: first window of the first cluster; times are the middles of windows")
    if table["bootstrap"] or score.subjects is not None:
        notes.append(f"[95% interval] from {intervals_from(score)}, generalising to {table['about']}")
        notes += [f"{kind}, differences in ms: {apart}" for kind, apart in differences_text(score).items()]
    notes += reasons(score.table)
    known = {key.removeprefix("teacher_"): value for key, value in facts.items() if value not in (None, "")}
    notes += [
        f"{key.replace('_', ' ')}: {known.pop(key)}" for key in ("source", "ceiling", *STATED, "note") if key in known
    ]
    notes.append(", ".join(f"{key} {value}" for key, value in known.items()))
    return notes


def describe_course(
    name: str,
    bins: tuple[float, float] | None,
    window: tuple[float, float] | None,
    settings: dict[str, Any],
    splits: int,
    seed: int,
    recording: "xarray.DataArray",
    json: Path | None,
    plot: Path | None,
) -> None:
    """Print the reliability of every target in every window; the picture is the temporal generalisation."""
    from ...rsa.cli.console import print_table, progress, write_json
    from ...rsa.plots.figures import save_figure
    from ...rsa.plots.time import generalisation_figure
    from ...rsa.report.time_words import reasons
    from ..over_time.generalisation import HALVES, temporal_generalisation
    from ..over_time.rdms import reliability_over_time
    from ..over_time.windows import time_windows

    width, step = bins or (None, None)
    windows = time_windows(recording, width=width, step=step, between=window)
    given = {key: value for key, value in settings.items() if value is not None}
    with progress(f"{name}: split halves", len(windows), "windows") as done:
        found = reliability_over_time(
            recording, windows=windows, missing="drop", splits=splits, seed=seed, progress=done, **given
        )
    matrix = None
    if json is not None or plot is not None:
        with progress(f"{name}: halves compared between times", min(HALVES, splits)) as done:
            matrix = temporal_generalisation(
                recording,
                windows=windows,
                missing="drop",
                splits=min(HALVES, splits),
                seed=seed,
                progress=done,
                **given,
            )
    targets = [str(target) for target in found.indexes["target"]]
    if json is not None and matrix is not None:
        columns = {str(key): column.to_numpy() for key, column in found.data_vars.items()}
        spans = {"windows": windows, "targets": targets}
        write_json(
            json, {"name": name, **spans, **columns, "generalisation": matrix.to_numpy(), "attrs": dict(found.attrs)}
        )
    if plot is not None and matrix is not None:
        save_figure(generalisation_figure(matrix, name), plot)
    rows = [
        [f"{start:g}-{end:g}", *(_reliability(found.isel(time=t).sel(target=target)) for target in targets)]
        for t, (start, end) in enumerate(windows)
    ]
    notes = [*reasons(found), ", ".join(f"{key} {value}" for key, value in found.attrs.items())]
    print_table(f"{name}: reliability / ceiling of RDMs in windows", ["ms", *targets], rows, notes)


def _reliability(here: "xarray.Dataset") -> str:
    value, ceiling = float(here["reliability"]), float(here["ceiling"])
    if math.isnan(value):
        return "-"
    return f"{value:.3f}" + ("" if math.isnan(ceiling) else f" / {ceiling:.2f}")
