"""`tgsage bench`: the measurements behind the claims, each a command."""

from pathlib import Path
from typing import Annotated

import typer

bench = typer.Typer(help="Measure speed against peers, and the claims made for teachers.", no_args_is_help=True)


@bench.callback()
def _group() -> None:
    """Measure speed against peers, and the claims made for teachers."""


@bench.command()
def speed(
    quick: Annotated[bool, typer.Option("--quick", help="Small sizes, in under a minute; they have no targets.")] = False,
    rows: Annotated[
        list[str] | None, typer.Option(help="Only this row (repeatable): product, rdm, comparison, hooks, tg, memory.")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Also write everything to this file.")] = None,
) -> None:
    """RDMs, their comparison and TG: seconds, ratios to rsatoolbox and to bare products and forward passes."""
    from dataclasses import asdict

    from rich.console import Console

    from ..rsa.console import print_table, write_json
    from .environment import environment, summary
    from .speed import measure

    results = []
    console = Console(stderr=True)
    with console.status("measuring") if console.is_terminal else nullcontext():
        for result in measure(rows or (), quick=quick):
            results.append(result)
