"""`tgsage bench screening`: searches that begin with what is free, at equal cost."""

from pathlib import Path
from typing import Annotated

import typer

from ...rsa.cli.options import DataDir, writable


def screening(
    folder: Annotated[Path, typer.Argument(help="Folder for the trained candidates, which are not trained again.")],
    pool: Annotated[
        Path,
        typer.Option(
            help="Where rules are learned: the folder of a pool over seeds, or its file from `teacher compare "
            "--members`."
        ),
    ],
    teacher: Annotated[Path, typer.Option(help="A teacher's file.")],
    teacher_examples: Annotated[
        int | None, typer.Option(help="Examples that the teacher was trained on, for the cost of a search.", min=0)
    ] = None,
    proposals: Annotated[int, typer.Option(help="Random networks per search.", min=5)] = 60,
    samples: Annotated[int, typer.Option(help="How many of them are trained.", min=5)] = 10,
    examples: Annotated[
        int, typer.Option(help="Training examples for each; one of the pool's checkpoints.", min=1)
    ] = 1500,
    seeds: Annotated[int, typer.Option(help="Searches per objective.", min=1)] = 10,
    data_dir: DataDir = None,
    json: Annotated[
        Path | None, typer.Option(help="Also write the results to this file, as they come.", callback=writable)
    ] = None,
) -> None:
    """Search by P, by P + alpha TG, by what is free, and by combinations of these, at equal cost.

    Searches by P and by the paper's P + alpha TG train random proposals. What is free ranks all of them without
    training; the other searches train those that it puts first. Rules are learned on a pool's members, which are never
    proposed. The same command continues after an interruption.
    """
    from ...rsa import Teacher
    from ...rsa.cli.console import progress
    from ..report import show
    from ..rivals.search import Plan, Study, perform
    from ..rivals.search_page import COLUMNS, notes
    from ..speed.environment import command, machine

    plan = Plan(proposals, samples, examples, seeds)
    study = Study.of(plan, pool, Teacher.load(teacher), folder, data_dir)
    about = {"command": command("bench screening"), "machine": machine()}
    with progress("searching", 2 * samples * seeds, "networks") as done:
        found = perform(study, cost=teacher_examples, file=json, progress=done, **about)
    show("Searches that begin with what is free", COLUMNS, found["rows"], notes(found))
