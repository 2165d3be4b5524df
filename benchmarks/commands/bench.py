"""`tgsage bench`: the measurements behind the claims, each a command."""

from pathlib import Path
from typing import Annotated

import typer

from ...rsa.cli.options import DataDir, Json, Plot, picture, writable
from ..speed.measure import ROWS
from .behavior import behavior
from .efficiency import efficiency
from .pool import page, pool, teachers
from .screening import screening

bench = typer.Typer(
    help="Measure speed against peers; test claims about teachers, searchers and intervals.", no_args_is_help=True
)


@bench.callback()
def _group() -> None:
    """Measure speed against peers; test claims about teachers, searchers and intervals."""


for _command in (pool, teachers, behavior, efficiency, screening, page):
    bench.command()(_command)


KeptRows = Annotated[
    Path | None,
    typer.Option(help="Also write everything to this file; rows that it holds are not repeated.", callback=writable),
]


@bench.command()
def speed(
    quick: Annotated[
        bool, typer.Option("--quick", help="Small sizes in under a minute; they have no targets.")
    ] = False,
    rows: Annotated[
        list[str] | None,
        typer.Option(help=f"Any of {', '.join(ROWS)}; may be repeated or comma-separated.", show_default="all of them"),
    ] = None,
    json: Json = None,
    plot: Annotated[
        Path | None,
        typer.Option(help="Also draw cost against n (.png, .svg, .pdf), for --rows scaling.", callback=picture),
    ] = None,
) -> None:
    """Time RDMs, their comparison and TG against rsatoolbox, bare matrix products and bare forward passes."""
    from dataclasses import asdict

    from ...rsa import RSAError
    from ...rsa.cli.console import progress, write_json
    from ...rsa.plots.figures import save_figure
    from ..report import show
    from ..speed.environment import environment, summary
    from ..speed.measure import choose, measure
    from ..speed.scaling import cost_figure, exponents
    from ..speed.timing import COLUMNS

    chosen = choose([name for part in rows or () for name in part.split(",")])
    if plot is not None and "scaling" not in chosen:
        raise RSAError(f"{plot} would show cost against n, which only --rows scaling measures")
    with progress("measuring", len(chosen), "rows") as done:
        results = measure(chosen, quick=quick, progress=done)
    place = environment()
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
    show("Speed and memory", COLUMNS, results, notes)


@bench.command()
def plot(
    results: Annotated[Path, typer.Argument(help="What `bench speed --rows scaling --json` wrote.")],
    out: Annotated[
        Path, typer.Argument(metavar="PICTURE", help="The picture to write (.png, .svg, .pdf).", callback=picture)
    ],
) -> None:
    """Draw cost against n from measured results: time and memory, with fitted exponents."""
    from ...rsa.plots.figures import save_figure
    from ..speed.scaling import cost_figure, read_results

    save_figure(cost_figure(read_results(results)), out)


@bench.command()
def recordings(
    bootstrap: Annotated[int, typer.Option(help="Resamples of the stimuli for 95% intervals; 0 = none.", min=0)] = 1000,
    data_dir: DataDir = None,
    json: Json = None,
) -> None:
    """Score a pretrained network, the same network untrained, and pixels against real macaque and human recordings."""
    from ...rsa.cli.console import progress, write_json
    from ..report import show
    from ..validity.recordings import COLUMNS, MODELS, TEACHERS, score_recordings

    with progress("scoring", len(MODELS) * len(TEACHERS), "models x recordings") as done:
        rows = score_recordings(data_dir=data_dir, bootstrap=bootstrap, progress=done)
    if json is not None:
        write_json(json, {"rows": rows, "bootstrap": bootstrap})
    rows.sort(key=lambda row: [row[key] for key in ("recording", "target", "scale", "method")])
    show("Recordings", COLUMNS, rows, ["[95% interval] over resampled stimuli, of the best layer as a choice"])


@bench.command()
def searchers(
    table: Annotated[str, typer.Argument(help="nasbench201 or macro (NAS-Bench-Macro).")] = "nasbench201",
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--searchers",
            help="Any of random, tpe, rl, evolution, nash, pnas; may be repeated or comma-separated.",
            show_default="all of them",
        ),
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(help="Searches with each searcher.", min=1, show_default="20, or 200 for fast ones")
    ] = None,
    data_dir: DataDir = None,
    json: Annotated[
        Path | None,
        typer.Option(
            help="Also write everything to this file; searches that it holds are not repeated.", callback=writable
        ),
    ] = None,
    plot: Plot = None,
) -> None:
    """Run our searchers on a table of trained networks; for NAS-Bench-201, beside reference values."""
    from ...rsa.cli.console import progress
    from ...rsa.plots.figures import save_figure
    from ..report import show
    from ..validity.searches import COLUMNS, choose, count, measure, read_ground, search_figure

    chosen = choose([name for part in only or () for name in part.split(",")])
    ground = read_ground(table, data_dir)
    with progress("searching", sum(count(searcher, seeds) for searcher in chosen), "searches") as done:
        found = measure(ground, chosen, seeds=seeds, file=json, progress=done)
    if plot is not None:
        save_figure(search_figure(ground, found["runs"]), plot)
    notes = [f"CIFAR-10 accuracy in %, mean +- standard error over seeds; best of the table {ground.best:.2f}."]
    if ground.reference:
        notes.append("Reached: within two standard errors.")
    show(ground.title, COLUMNS, found["rows"], notes)


@bench.command()
def fronts(
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--searchers",
            help="Any of random, nash, nsga2 (Optuna's), lemonade; may be repeated or comma-separated.",
            show_default="all of them",
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(help="Searches with each searcher.", min=2)] = 20,
    json: Annotated[
        Path | None,
        typer.Option(
            help="Also write everything to this file; searches that it holds are not repeated.", callback=writable
        ),
    ] = None,
    plot: Plot = None,
) -> None:
    """Search NAS-Bench-201's table for fronts of error against parameters, and compare the volumes they dominate."""
    from ...rsa.cli.console import progress
    from ...rsa.plots.figures import save_figure
    from ..report import show
    from ..validity.fronts import COLUMNS, SEARCHERS, fronts_figure, measure

    chosen = [name for part in only or () for name in part.split(",")] or list(SEARCHERS)
    with progress("searching", seeds * len(chosen), "searches") as done:
        found = measure(chosen, seeds=seeds, file=json, progress=done)
    if plot is not None:
        save_figure(fronts_figure(found["rows"]), plot)
    error, size = found["reference"]
    notes = [
        f"Reference point: {error:g}% error, {size:,.0f} parameters; a volume of 1 were no error without parameters.",
        "More than random: mean difference over the same seeds [95% interval].",
    ]
    show("Fronts", COLUMNS, found["rows"], notes)


@bench.command()
def iterating(
    pool: Annotated[Path, typer.Argument(help="A pool's file (pool.h5) from `bench pool`.")],
    teacher: Annotated[
        list[Path],
        typer.Option(
            help="File of a fixed teacher over the pool's stimuli; may be repeated, each time over the same stimuli."
        ),
    ],
    examples: Annotated[
        int, typer.Option(help="Training examples of a candidate: one of the pool's checkpoints.")
    ] = 3000,
    samples: Annotated[int, typer.Option(help="Candidates per search.", min=2)] = 100,
    every: Annotated[int, typer.Option(help="Candidates after which the best becomes the teacher.", min=1)] = 20,
    alpha: Annotated[float, typer.Option(help="The score is P + alpha TG.")] = 1.0,
    seeds: Annotated[int, typer.Option(help="Random searches.", min=2)] = 200,
    json: Json = None,
) -> None:
    """Search a pool with a teacher that the search itself finds, with fixed teachers, and with none."""
    from ...rsa import Teacher
    from ...rsa.cli.console import write_json
    from ..efficiency.iterating import COLUMNS, look_up, measure
    from ..pool.pool import Pool
    from ..report import show

    known = look_up(Pool.load(pool), {path.stem: Teacher.load(path) for path in teacher}, examples)
    found = measure(known, samples=samples, every=every, alpha=alpha, seeds=seeds)
    if json is not None:
        write_json(json, {**found, "examples": examples, "alpha": alpha, "members": len(known.p)})
    notes = [
        f"{seeds} random searches, {samples} of {len(known.p)} networks each, P and TG after {examples:,} examples.",
        "Mature accuracy of the final top 5 by score: their mean and the best of them.",
    ]
    show("Teachers of a search", COLUMNS, found["rows"], notes)


@bench.command()
def predictors(
    cells: Annotated[int, typer.Option(help="Random cells of NAS-Bench-201.", min=2)] = 1000,
    repeats: Annotated[int, typer.Option(help="Cells per stage of the networks; 5 as published.", min=1)] = 5,
    batch: Annotated[int, typer.Option(help="Images that the predictors see.", min=2)] = 64,
    data: Annotated[str, typer.Option(help="Data set of the images.")] = "cifar10-jpeg",
    data_dir: DataDir = None,
    json: Annotated[
        Path | None,
        typer.Option(
            help="Also write everything to this file; cells that it holds are not computed again.", callback=writable
        ),
    ] = None,
) -> None:
    """Correlate free predictors with the accuracy of NAS-Bench-201's cells (Spearman), beside published values."""
    from ...rsa.cli.console import progress
    from ..report import show
    from ..validity.free_predictors import COLUMNS, NEAR, measure

    with progress("predicting", cells, "cells") as done:
        found = measure(cells, data=data, data_dir=data_dir, batch=batch, repeats=repeats, file=json, progress=done)
    notes = [
        f"[95% interval] over cells. Near: within {NEAR:g} of what was published. Parameters and multiply-adds are of",
        "all 15,625 cells. The best 10%: of the whole table. A cell for which a definition gives no number ranks last.",
        "Different networks: cells without dead edges, every network once.",
    ]
    show("Free predictors", COLUMNS, found["rows"], notes)


@bench.command()
def recurrent(
    cells: Annotated[int, typer.Option(help="Random cells of NAS-Bench-NLP.", min=4)] = 60,
    text: Annotated[
        Path | None, typer.Option(help="Text to train on.", show_default="WikiText-2's test text in the data folder")
    ] = None,
    data_dir: DataDir = None,
    json: Annotated[
        Path | None,
        typer.Option(
            help="Also write everything to this file; cells that it holds are not trained again.", callback=writable
        ),
    ] = None,
) -> None:
    """Rank cells of NAS-Bench-NLP by brief training, an LSTM teacher and size, against their published losses."""
    from ...rsa.cli.console import progress
    from ..report import show
    from ..validity.nas_bench_nlp import COLUMNS, TEACHER, measure

    with progress("training", cells, "cells") as done:
        where = None if text is None else str(text)
        found = measure(cells, data_dir=data_dir, text=where, file=json, progress=done)
    notes = [
        f"Spearman with minus the published loss [95% interval over cells]; teacher {TEACHER}, trained on the text."
    ]
    show("Recurrent cells", COLUMNS, found["rows"], notes)


@bench.command()
def coverage(
    repeats: Annotated[int, typer.Option(help="Simulated samples for every row.", min=10)] = 400, json: KeptRows = None
) -> None:
    """Measure how often 95% intervals, over resampled stimuli or sampled pairs, contain the truth in simulations."""
    from ...rsa.cli.console import progress
    from ..report import show
    from ..validity.coverage import COLUMNS, DRAWS, cases, measure

    chosen = cases()
    with progress("coverage", len(chosen), "rows") as done:
        rows = measure(chosen, repeats=repeats, file=json, progress=done)
    notes = [f"Shares of {repeats} samples whose interval holds the truth; {DRAWS} draws each."]
    show("Coverage", COLUMNS, rows, notes)


@bench.command()
def models(
    repeats: Annotated[int, typer.Option(help="Simulated samples for every row.", min=10)] = 200, json: KeptRows = None
) -> None:
    """Measure how often tests tell equally good models apart, and how often intervals contain the truth."""
    from ...rsa.cli.console import progress
    from ..report import show
    from ..validity.models import COLUMNS, DRAWS, SPLITS, cases, measure

    chosen = cases()
    with progress("models", len(chosen), "rows") as done:
        rows = measure(chosen, repeats=repeats, file=json, progress=done)
    notes = [f"Shares of {repeats} samples; {DRAWS} draws and {SPLITS} halvings each; tests at 5%."]
    show("Comparisons of models", COLUMNS, rows, notes)


@bench.command()
def consistency(
    repeats: Annotated[int, typer.Option(help="Simulated samples for every row.", min=10)] = 200, json: KeptRows = None
) -> None:
    """Measure how often intervals for the consistency of choices contain the truth, for every metric of behaviour."""
    from ...rsa.cli.console import progress
    from ..report import show
    from ..validity.consistency import COLUMNS, DRAWS, cases, measure

    chosen = cases()
    with progress("consistency", len(chosen), "rows") as done:
        rows = measure(chosen, repeats=repeats, file=json, progress=done)
    notes = [f"Shares of {repeats} samples whose interval holds the truth that is beside them; {DRAWS} resamples each."]
    show("Consistency of choices", COLUMNS, rows, notes)


@bench.command()
def gains(
    repeats: Annotated[int, typer.Option(help="Simulated pools for every row.", min=10)] = 1000, json: KeptRows = None
) -> None:
    """Measure how often 95% intervals of held-out gains and partial correlations contain the truth, in known pools."""
    from ...rsa.cli.console import progress
    from ..report import show
    from ..rivals.gains import CASES, COLUMNS, DRAWS, measure

    with progress("gains", len(CASES), "rows") as done:
        rows = measure(repeats=repeats, file=json, progress=done)
    notes = [
        f"Gain of free + P + TG over free + P, learned on other members, with the teacher chosen there where there are "
        f"several; partial correlation of TG given free and P; {DRAWS} draws each."
    ]
    show("Held-out gains", COLUMNS, rows, notes)
