"""`tgsage bench`: the measurements behind the claims, each a command."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from .timing import Result

bench = typer.Typer(help="Measure speed against peers, and the claims made for teachers.", no_args_is_help=True)


@bench.callback()
def _group() -> None:
    """Measure speed against peers, and the claims made for teachers."""


@bench.command()
def speed(
    quick: Annotated[
        bool, typer.Option("--quick", help="Small sizes in under a minute; they have no targets.")
    ] = False,
    rows: Annotated[
        list[str] | None,
        typer.Option(
            help="Of product, rdm, comparison, hooks, tg, memory, draws, ceilings; repeat it, or separate with commas.",
            show_default="all of them",
        ),
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Also write everything to this file.")] = None,
) -> None:
    """Time RDMs, their comparison and TG against rsatoolbox, bare matrix products and bare forward passes."""
    from dataclasses import asdict

    from ..rsa.console import print_table, progress, write_json
    from ..rsa.storage import check_writable
    from .environment import environment, summary
    from .speed import choose, measure

    if json is not None:
        check_writable(json)
    chosen = choose([name for part in rows or () for name in part.split(",")])
    with progress("measuring", len(chosen)) as advance:
        results = measure(chosen, quick=quick, advance=advance)
    place = environment()
    columns = ["case", "ours", "theirs", "", "target", "met"]
    notes = [
        summary(place),
        "x: times faster than the peer, or as long as it; %: on top of it. Best of several turns.",
    ]
    print_table("Speed and memory", columns, [_cells(result) for result in results], notes)
    if json is not None:
        shown = [asdict(result) | {"target": result.target, "met": result.met} for result in results]
        write_json(json, {"quick": quick, "results": shown, "environment": place})


def _cells(result: "Result") -> list[str]:
    def seconds(turns: list[float]) -> str:
        best = min(turns, default=0.0)
        return "" if not turns else f"{best:.2f} s" if best >= 1 else f"{best * 1e3:.1f} ms"

    met = {None: "", True: "yes", False: "* no"}[result.met]
    case = f"{result.row}: {result.case}" + (f", against {result.peer}" if result.peer else "")
    return [case, seconds(result.ours), seconds(result.theirs), result.shown, result.target, met]


@bench.command()
def recordings(
    bootstrap: Annotated[int, typer.Option(help="Resamples of the stimuli for 95% intervals; 0 = none.", min=0)] = 1000,
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder of recordings.", show_default="$TGSAGE_DATA, then the cache")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Also write everything to this file.")] = None,
) -> None:
    """Score a pretrained network, the same network untrained, and pixels against real macaque and human recordings."""
    from ..rsa.console import print_table, progress, write_json
    from ..rsa.storage import check_writable
    from .recordings import MODELS, TEACHERS, score_recordings

    if json is not None:
        check_writable(json)
    with progress("models x recordings", len(MODELS) * len(TEACHERS)) as advance:
        rows = score_recordings(data_dir=data_dir, bootstrap=bootstrap, advance=advance)
    columns = ["recording", "target", "scale", "method", "model", "best layer", "similarity", "ceiling"]
    cells: list[list[str]] = []
    for row in rows:
        between = "" if row["low"] is None else f" [{row['low']:.3f}, {row['high']:.3f}]"
        ceiling = "-" if row["ceiling"] is None else f"{row['ceiling']:.3f}"
        names = [str(row[key]) for key in ("recording", "target", "scale", "method", "model", "best_layer")]
        cells.append([*names, f"{row['similarity']:.3f}{between}", ceiling])
    cells.sort(key=lambda cell: tuple(cell[:4]))
    print_table("Recordings", columns, cells, ["[95% interval] over resampled stimuli"])
    if json is not None:
        write_json(json, {"rows": rows, "bootstrap": bootstrap})
