"""`tgsage bench efficiency`: searches by P and by P + alpha TG, at equal cost."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from ...rsa.cli.options import DataDir, Workers, writable
from .pool import DataName, RecipeName, Recordings, Train, Valid, recordings_of

T = TypeVar("T")


def efficiency(
    folder: Annotated[
        Path, typer.Argument(help="Folder of the study: its searches and the trained candidates that they share.")
    ],
    teacher: Annotated[list[Path] | None, typer.Option(help="A teacher's file; may be repeated.")] = None,
    alpha: Annotated[
        list[float] | None,
        typer.Option(
            help="Weight of TG relative to P, one for all teachers or one for each in turn.", show_default="1"
        ),
    ] = None,
    rule: Annotated[
        list[str] | None,
        typer.Option(
            help="paper, depth, deep or partial, one for all teachers or one for each in turn.", show_default="paper"
        ),
    ] = None,
    teacher_examples: Annotated[
        list[int] | None, typer.Option(help="Examples that each teacher was trained on, shown beside its searches.")
    ] = None,
    samples: Annotated[int, typer.Option(help="Candidates per search.", min=1)] = 100,
    seeds: Annotated[int, typer.Option(help="Searches per searcher and score.", min=1)] = 5,
    first_seed: Annotated[
        int, typer.Option(help="First of these seeds; a pool's own seed draws the pool's cells again.", min=0)
    ] = 0,
    searchers: Annotated[str, typer.Option(help="Any of random, tpe, rl, evolution.")] = "random,tpe,rl,evolution",
    examples: Annotated[int, typer.Option(help="Training examples per candidate.", min=1)] = 3000,
    longer: Annotated[
        int, typer.Option(help="Also search by P after this longer training per candidate; 0 = do not.", min=0)
    ] = 24000,
    longer_samples: Annotated[
        int | None,
        typer.Option(
            help="Candidates per search with the longer training.", min=1, show_default="as many as cost the same"
        ),
    ] = None,
    pool: Annotated[
        list[Path] | None, typer.Option(help="Folder of `bench pool` whose candidates are reused; may be repeated.")
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

    Mature performance is taken as published. The same command continues after an interruption or a kill, and joins in
    from another terminal; with another teacher, or more samples, it trains only what is new. --status estimates how
    long the rest will take.
    """
    from ...rsa import Teacher
    from ...rsa.cli.console import progress
    from ..efficiency.cache import Cache
    from ..efficiency.comparison import collect, compare, write_results
    from ..efficiency.goals import Goal
    from ..efficiency.searches import Study, counts, perform, write_plan
    from ..pool.layer_similarities import view_of
    from ..pool.plans import plan_pool
    from ..speed.environment import command, machine

    if status:
        _show(folder, json, workers)
        return
    n = len(teacher or [])
    alphas, rules = _each(alpha or [1.0], n, "alpha"), _each(rule or ["paper"], n, "rule")
    costs = _each(teacher_examples or [None], n, "teacher-examples")
    goals = [Goal(length) for length in (examples, longer) if length]
    for path, weight, how, cost in zip(teacher or [], alphas, rules, costs, strict=True):
        goals.append(Goal(examples, Teacher.load(path), weight, how, cost))
    images: dict[str, Any] = {"data": data, "train": train or None, "valid": valid or None, "data_dir": data_dir}
    lengths = tuple(dict.fromkeys(goal.examples for goal in goals))
    shown = recordings_of(recordings)
    maker = plan_pool(folder, checkpoints=sorted(lengths), recordings=shown, recipe=recipe, **images)
    for goal in goals:
        if goal.teacher is not None:
            view_of(maker.pool([]), goal.teacher)  # raises where candidates are not shown its stimuli
    cache = Cache(maker, folder, lengths, tuple(pool or []))
    names = [name for name in searchers.split(",") if name]
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


def _each(values: Sequence[T], n: int, option: str) -> Sequence[T]:
    """One value for each of n teachers, given once for all or once for each."""
    from ...rsa import RSAError

    if len(values) not in (1, n):
        raise RSAError(f"--{option} is given once, or once for each of the {n} teachers, not {len(values)} times")
    return [values[0]] * n if len(values) == 1 else values


def _show(folder: Path, json: Path | None, workers: int) -> None:
    """Print what is finished, and how long the rest is expected to take."""
    import math

    from ...rsa.cli.console import duration
    from ..efficiency.comparison import collect, compare, write_results
    from ..efficiency.page import table_1, table_2
    from ..efficiency.searches import expected, histories, read_plan
    from ..report import show

    runs = read_plan(folder)[2]
    made = histories(folder, runs)
    done, total, seconds = sum(map(len, made)), sum(run.samples for run in runs), expected(runs, made, workers)
    found = collect(folder)
    rows = compare(found)
    if json is not None:
        write_results(json, found, rows)
    rest = "" if done == total or math.isnan(seconds) else f", about {duration(seconds)} to go with --workers {workers}"
    notes = [
        f"{done} of {total} samples, {found.about['finished']} of {found.about['planned']} searches{rest}",
        "mature performance of the final top 5 in %, mean over seeds with standard error; p by flipped signs",
        "* the first teacher over all searchers lies above P (from 6 seeds on); other rows are for orientation",
    ]
    if not rows:
        typer.echo(notes[0])
        return
    show("Search efficiency", table_1(found), rows, notes)
    show("Cost of a search", table_2(found, rows), rows)
