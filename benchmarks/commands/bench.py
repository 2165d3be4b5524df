"""`tgsage bench`: the measurements behind the claims, each a command."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...rsa.cli.options import DataDir, Json, Plot, picture, writable
from .efficiency import efficiency
from .pool import page, pool, teachers

if TYPE_CHECKING:
    from ..speed.timing import Result

bench = typer.Typer(help="Measure speed against peers, and the claims made for teachers.", no_args_is_help=True)


@bench.callback()
def _group() -> None:
    """Measure speed against peers, and the claims made for teachers."""


for _command in (pool, teachers, efficiency, page):
    bench.command()(_command)


@bench.command()
def speed(
    quick: Annotated[
        bool, typer.Option("--quick", help="Small sizes in under a minute; they have no targets.")
    ] = False,
    rows: Annotated[
        list[str] | None,
        typer.Option(
            help="Of product, rdm, comparison, hooks, tg, memory, draws, ceilings, scaling; repeat it, or separate "
            "with commas.",
            show_default="all of them",
        ),
    ] = None,
    json: Json = None,
    plot: Annotated[
        Path | None, typer.Option(help="Also draw cost against n (.png, .svg, .pdf), of scaling.", callback=picture)
    ] = None,
) -> None:
    """Time RDMs, their comparison and TG against rsatoolbox, bare matrix products and bare forward passes."""
    from dataclasses import asdict

    from ...rsa import RSAError
    from ...rsa.cli.console import print_table, progress, write_json
    from ...rsa.plots.figures import save_figure
    from ..speed.cost_figure import cost_figure
    from ..speed.environment import environment, summary
    from ..speed.measure import choose, measure
    from ..speed.scaling import exponents

    chosen = choose([name for part in rows or () for name in part.split(",")])
    if plot is not None and "scaling" not in chosen:
        raise RSAError(f"{plot} would show cost against n, which only --rows scaling measures")
    with progress("measuring", len(chosen), "rows") as done:
        results = measure(chosen, quick=quick, advance=done)
    place = environment()
    columns = ["case", "ours", "theirs", "", "memory", "target", "met"]
    notes = [
        summary(place),
        "x: times faster than the peer, or as long as it; %: on top of it. Best of several turns.",
        *(f"{result.case}, {result.peer}: {result.skipped}" for result in results if result.skipped),
    ]
    if "scaling" in chosen:
        notes.append("memory: MB on top of the inputs, ours / theirs, in processes of their own")
    if json is not None:
        shown = [asdict(result) | {"target": result.target, "met": result.met} for result in results]
        write_json(json, {"quick": quick, "results": shown, "exponents": exponents(results), "environment": place})
    if plot is not None:
        save_figure(cost_figure(results), plot)
    print_table("Speed and memory", columns, [_cells(result) for result in results], notes)


def _cells(result: "Result") -> list[str]:
    def seconds(turns: list[float]) -> str:
        best = min(turns, default=0.0)
        return "" if not turns else f"{best:.2f} s" if best >= 1 else f"{best * 1e3:.1f} ms"

    met = {None: "", True: "yes", False: "* no"}[result.met]
    case = f"{result.row}: {result.case}" + (f", against {result.peer}" if result.peer else "")
    memory = "" if result.megabytes is None else " / ".join("-" if m != m else f"{m:.1f}" for m in result.megabytes)
    return [case, seconds(result.ours), seconds(result.theirs), result.shown, memory, result.target, met]


@bench.command()
def plot(
    results: Annotated[Path, typer.Argument(help="What `bench speed --rows scaling --json` wrote.")],
    out: Annotated[
        Path, typer.Argument(metavar="PICTURE", help="The picture to write (.png, .svg, .pdf).", callback=picture)
    ],
) -> None:
    """Draw cost against n from measured results: time and memory, with fitted exponents."""
    from ...rsa.plots.figures import save_figure
    from ..speed.cost_figure import cost_figure, read_results

    save_figure(cost_figure(read_results(results)), out)


@bench.command()
def recordings(
    bootstrap: Annotated[int, typer.Option(help="Resamples of the stimuli for 95% intervals; 0 = none.", min=0)] = 1000,
    data_dir: DataDir = None,
    json: Json = None,
) -> None:
    """Score a pretrained network, the same network untrained, and pixels against real macaque and human recordings."""
    from ...rsa.cli.console import print_table, progress, write_json
    from ..validity.recordings import MODELS, TEACHERS, score_recordings

    with progress("scoring", len(MODELS) * len(TEACHERS), "models x recordings") as done:
        rows = score_recordings(data_dir=data_dir, bootstrap=bootstrap, advance=done)
    columns = ["recording", "target", "scale", "method", "model", "best layer", "similarity", "ceiling"]
    cells: list[list[str]] = []
    for row in rows:
        between = "" if row["low"] is None else f" [{row['low']:.3f}, {row['high']:.3f}]"
        ceiling = "-" if row["ceiling"] is None else f"{row['ceiling']:.3f}"
        names = [str(row[key]) for key in ("recording", "target", "scale", "method", "model", "best_layer")]
        cells.append([*names, f"{row['similarity']:.3f}{between}", ceiling])
    cells.sort(key=lambda cell: tuple(cell[:4]))
    if json is not None:
        write_json(json, {"rows": rows, "bootstrap": bootstrap})
    print_table("Recordings", columns, cells, ["[95% interval] over resampled stimuli, of the best layer as a choice"])


@bench.command()
def nasbench201(
    searchers: Annotated[
        list[str] | None,
        typer.Option(
            help="Of random, tpe, rl, evolution; repeat it, or separate with commas.", show_default="all of them"
        ),
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(help="Searches with each searcher.", min=1, show_default="random, evolution 200; 20")
    ] = None,
    json: Annotated[
        Path | None,
        typer.Option(
            help="Also write everything to this file; searches that it holds are not repeated.", callback=writable
        ),
    ] = None,
    plot: Plot = None,
) -> None:
    """Let our searchers search a table of trained networks, and compare what they find with reference values."""
    from ...rsa.cli.console import print_table, progress
    from ...rsa.plots.figures import save_figure
    from ..validity.nasbench201 import choose, count, measure, search_figure

    chosen = choose([name for part in searchers or () for name in part.split(",")])
    with progress("searching", sum(count(searcher, seeds) for searcher in chosen), "searches") as done:
        found = measure(chosen, seeds=seeds, file=json, advance=done)
    cells = []
    for row in found["rows"]:
        error = "" if row["standard error"] is None else f" +- {row['standard error']:.3f}"
        reached = {None: "", True: "yes", False: "* no"}[row["reached"]]
        shown = [f"{row['mean']:.3f}{error}", f"{row['reference']:.2f}", reached]
        cells.append([f"{row['searcher']}, {row['measure']}", str(row["seeds"]), *shown])
    notes = ["CIFAR-10 accuracy in %, mean +- standard error over seeds; reached: within two standard errors."]
    if plot is not None:
        save_figure(search_figure(found["runs"]), plot)
    print_table("NAS-Bench-201", ["searcher", "seeds", "ours", "reference", "reached"], cells, notes)


@bench.command()
def coverage(
    repeats: Annotated[int, typer.Option(help="Simulated samples for every row.", min=10)] = 400,
    json: Annotated[
        Path | None,
        typer.Option(
            help="Also write everything to this file; rows that it holds are not repeated.", callback=writable
        ),
    ] = None,
) -> None:
    """Measure how often 95% intervals over resampled stimuli hold the truth of simulated populations."""
    from ...rsa.cli.console import print_table, progress
    from ..validity.coverage import DRAWS, cases, measure

    chosen = cases()
    with progress("coverage", len(chosen), "rows") as done:
        rows = measure(chosen, repeats=repeats, file=json, advance=done)
    cells = [
        [
            f"{row['what']}, {row['kind']}"
            + (f", groups of {row['size']}" if row["size"] > 1 else "")
            + (", stimuli resampled singly" if row["singly"] else "")
            + (", uneven strengths" if row["strength"] else ""),
            row["method"], str(row["n"]), f"{row['truth']:.3f}",
            *(f"{100 * row[name]:.1f} %" for name in ("plain", "corrected")),
            *(f"{row[f'{name} width']:.3f}" for name in ("plain", "corrected")),
        ]
        for row in rows
    ]  # fmt: skip
    columns = ["95% interval of", "method", "stimuli", "truth", "plain", "corrected", "width, plain", "corrected"]
    notes = [f"Shares of {repeats} samples whose interval holds the truth; {DRAWS} draws each."]
    print_table("Coverage", columns, cells, notes)
