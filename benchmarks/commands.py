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
            help="Of product, rdm, comparison, hooks, tg, memory; repeat it, or separate with commas.",
            show_default="all of them",
        ),
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Also write everything to this file.")] = None,
) -> None:
    """Time RDMs, their comparison and TG against rsatoolbox, bare matrix products and bare forward passes."""
    from dataclasses import asdict

    from ..rsa.console import print_table, progress, write_json
    from .environment import environment, summary
    from .speed import choose, measure

    chosen = choose([name for part in rows or () for name in part.split(",")])
    with progress("measuring", len(chosen)) as advance:
        results = measure(chosen, quick=quick, advance=advance)
    place = environment()
    columns = ["case", "ours", "theirs", "", "target", "met"]
    notes = [
        summary(place),
        "x: times faster than the peer, or as long as it; %: on top of it. Best of several rounds.",
    ]
    print_table("Speed and memory", columns, [_cells(result) for result in results], notes)
    if json is not None:
        shown = [asdict(result) | {"target": result.target, "met": result.met} for result in results]
        write_json(json, {"quick": quick, "results": shown, "environment": place})


def _cells(result: "Result") -> list[str]:
    def seconds(rounds: list[float]) -> str:
        best = min(rounds, default=0.0)
        return "" if not rounds else f"{best:.2f} s" if best >= 1 else f"{best * 1e3:.1f} ms"

    met = {None: "", True: "yes", False: "[bold]no[/]"}[result.met]
    case = f"{result.row}: {result.case}" + (f"\n[dim]against {result.peer}[/]" if result.peer else "")
    return [case, seconds(result.ours), seconds(result.theirs), result.shown, result.target, met]
