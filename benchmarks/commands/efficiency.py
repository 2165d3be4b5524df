"""`tgsage bench efficiency`: searches by P and by P + alpha TG, at equal cost."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from ...rsa.cli.options import DataDir, Workers, writable
from .pool import DataName, RecipeName, Recordings, Train, Valid, recordings_of

if TYPE_CHECKING:
    from ..efficiency.cache import Cache
    from ..efficiency.goals import Goal

T = TypeVar("T")


def efficiency(
    folder: Annotated[
        Path, typer.Argument(help="Of the study: evaluations that all searches share, and the searches.")
    ],
    teacher: Annotated[list[Path] | None, typer.Option(help="A teacher's file; repeat it.")] = None,
    alpha: Annotated[
        list[float] | None,
        typer.Option(help="Weight of TG beside P, of all teachers or of each in turn.", show_default="1"),
    ] = None,
    rule: Annotated[
        list[str] | None,
        typer.Option(help="paper, depth, deep or partial, of all teachers or of each in turn.", show_default="paper"),
    ] = None,
    teacher_examples: Annotated[
        list[int] | None, typer.Option(help="Examples that each teacher was trained on; shown beside its searches.")
    ] = None,
    samples: Annotated[int, typer.Option(help="Candidates of a search.", min=1)] = 100,
    seeds: Annotated[int, typer.Option(help="Searches with each searcher and score.", min=1)] = 5,
    first_seed: Annotated[
        int, typer.Option(help="The first of them; a pool's own seed draws the pool's cells.", min=0)
    ] = 0,
    searchers: Annotated[str, typer.Option(help="Of random, tpe, rl, evolution.")] = "random,tpe,rl,evolution",
    examples: Annotated[int, typer.Option(help="Training examples of a candidate.", min=1)] = 3000,
    longer: Annotated[
        int, typer.Option(help="Of a candidate in searches by P after a longer training; 0 = none of these.", min=0)
    ] = 24000,
    longer_samples: Annotated[
        int | None, typer.Option(help="Candidates of those.", min=1, show_default="as many as cost the same")
    ] = None,
    pool: Annotated[
        list[Path] | None, typer.Option(help="Folder of `bench pool` whose candidates are used; repeat it.")
    ] = None,
    data: DataName = "cifar10-jpeg",
    train: Train = 6000,
    valid: Valid = 1000,
    recipe: RecipeName = "cifar-cnn",
    recordings: Recordings = "",
    workers: Workers = 1,
    status: Annotated[bool, typer.Option("--status", help="Train nothing; show what is done.")] = False,
    data_dir: DataDir = None,
    json: Annotated[
        Path | None, typer.Option(help="Also write the results to this file, as they come.", callback=writable)
    ] = None,
) -> None:
    """Search NAS-Bench-201 by P and by P + alpha TG of teachers, and compare what is found at equal cost.

    Mature performance is the published one. The same command goes on where it was interrupted or killed, and joins in
    from another terminal; with another teacher, or more samples, it trains what is new. --status tells how long the
    rest is expected to take.
    """
    from ...rsa.cli.console import progress
    from ..efficiency.comparison import collect, compare, write_results
    from ..efficiency.searches import Study, counts, perform, write_plan
    from ..speed.environment import command, machine

    if status:
        _show(folder, json, workers)
        return
    names = [name for name in searchers.split(",") if name]
    goals = _goals(teacher or [], alpha or [1.0], rule or ["paper"], teacher_examples or [], examples, longer)
    cache = _cache(
        folder, goals, pool or [], recordings, data_dir, data=data, train=train or None, valid=valid or None,
        recipe=recipe,
    )  # fmt: skip
    study = Study(cache, goals, folder, names, seeds, samples, longer_samples, first_seed)
    write_plan(study, command=command("bench efficiency"), machine=machine())
    runs = study.runs()
    written = 0
    with progress("searches", sum(run.samples for run in runs), "samples") as done:

        def look() -> None:
            nonlocal written
            now = counts(folder, runs)
            done(sum(now) - done.done)
            finished = sum(run.samples == n for run, n in zip(runs, now, strict=True))
            if json is not None and finished > written:
                written = finished
                found = collect(folder)
                write_results(json, found, compare(found))

        look()
        perform(study, workers, look)
    _show(folder, json, workers)


def _goals(
    teachers: "list[Path]", alphas: "list[float]", rules: "list[str]", costs: "list[int]", examples: int, longer: int
) -> "list[Goal]":
    """P, P after a longer training, and P + alpha TG of every teacher."""
    from ...rsa import Teacher
    from ..efficiency.goals import Goal

    stated: list[int | None] = [*costs] or [None]
    goals = [Goal(examples)] + ([Goal(longer)] if longer else [])
    for path, alpha, rule, cost in zip(
        teachers, _each(alphas, len(teachers), "alpha"), _each(rules, len(teachers), "rule"),
        _each(stated, len(teachers), "teacher-examples"), strict=True,
    ):  # fmt: skip
        goals.append(Goal(examples, Teacher.load(path), alpha, rule, cost))
    return goals


def _each(values: "list[T]", n: int, option: str) -> "list[T]":
    """One for all, or one for each."""
    from ...rsa import RSAError

    if len(values) not in (1, n):
        raise RSAError(f"--{option} is given once, or once for each of the {n} teachers, not {len(values)} times")
    return values * n if len(values) == 1 else values


def _cache(
    folder: Path, goals: "list[Goal]", pools: "list[Path]", recordings: str, data_dir: Path | None, **settings: Any
) -> "Cache":
    """Raises RSAError for a teacher whose stimuli the candidates are not shown."""
    from ..efficiency.cache import Cache
    from ..pool.layer_similarities import view_of
    from ..pool.plans import plan_pool

    lengths = tuple(dict.fromkeys(goal.examples for goal in goals))
    maker = plan_pool(
        folder, checkpoints=sorted(lengths), recordings=recordings_of(recordings), data_dir=data_dir, **settings
    )
    for goal in goals:
        if goal.teacher is not None:
            view_of(maker.pool([]), goal.teacher)
    return Cache(maker, folder, lengths, tuple(pools))


def _show(folder: Path, json: Path | None, workers: int) -> None:
    """Print what is finished, and how long the rest is expected to take."""
    import math

    from ...rsa.cli.console import duration, print_table
    from ..efficiency.comparison import collect, compare, write_results
    from ..efficiency.page import table_1, table_2
    from ..efficiency.searches import expected, histories, read_plan

    runs = read_plan(folder)[2]
    made = histories(folder, runs)
    done, total, seconds = sum(map(len, made)), sum(run.samples for run in runs), expected(runs, made, workers)
    found = collect(folder)
    rows = compare(found)
    if json is not None:
        write_results(json, found, rows)
    head, cells = table_1(found, rows)
    shown = [[*cell[:5], *(("*" if "**" in text else "") + text.replace("**", "") for text in cell[5:])]
             for cell in cells]  # fmt: skip
    rest = "" if done == total or math.isnan(seconds) else f", about {duration(seconds)} to go with --workers {workers}"
    notes = [
        f"{done} of {total} samples, {found.about['finished']} of {found.about['planned']} searches{rest}",
        "mature performance of the final top 5 in %, mean over seeds with standard error; p by flipped signs",
        "* the first teacher over all searchers lies above P (from 6 seeds on); other rows are for orientation",
    ]
    if not rows:
        typer.echo(notes[0])
        return
    print_table("Search efficiency", head, shown, notes)
    print_table("Cost of a search", *table_2(found, rows))
