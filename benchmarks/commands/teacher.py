"""`tgsage teacher compare`: which teacher predicts mature performance, on a pool; and the page about it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...rsa.cli.options import DataDir, Json, writable

if TYPE_CHECKING:
    from ...rsa import Teacher
    from ..pool.pool import Pool
    from ..teachers.comparison import Comparison


def compare(
    pool: Annotated[Path, typer.Argument(help="A pool of `tgsage bench pool`.")],
    teacher: Annotated[
        list[str],
        typer.Option(help="A teacher's file, or a recording (z-scored) whose stimuli the pool was shown; repeat it."),
    ],
    alpha: Annotated[
        list[float] | None, typer.Option(help="Weight of TG beside P; repeat it.", min=0, show_default="0, 1, 5")
    ] = None,
    by: Annotated[
        str | None, typer.Option(help="Only by this: stimulus, category_name, object_name, ...", show_default="any")
    ] = None,
    rule: Annotated[
        list[str] | None,
        typer.Option(
            help="paper, depth, deep, partial, target, layer, weights; repeat it.", show_default="all but weights"
        ),
    ] = None,
    weights: Annotated[
        bool, typer.Option("--weights", help="Also learn weights of the targets on half of the pool.")
    ] = False,
    method: Annotated[
        list[str] | None,
        typer.Option(
            help="Similarity of RDMs: pearson, spearman, cosine, pearson-whitened, cosine-whitened; repeat it.",
            show_default="pearson",
        ),
    ] = None,
    controls: Annotated[bool, typer.Option(help="Add pixels and categories as teachers.")] = True,
    bootstrap: Annotated[int, typer.Option(help="Resamples of the architectures for 95% intervals.", min=1)] = 1000,
    seed: Annotated[int, typer.Option(help="Of the resamples and of the halves.", min=0)] = 0,
    data_dir: DataDir = None,
    json: Json = None,
    page: Annotated[
        Path | None, typer.Option(help="Also write a page (.md) with tables and pictures; its numbers beside it.")
    ] = None,
) -> None:
    """Try teachers on a pool: does P + alpha TG rank its architectures better than P alone?

    The table shows gains in rank correlation with mature performance. Held out: alpha and rule were chosen on one half
    of the architectures and tested on the other.
    """
    from ...rsa.cli.console import progress
    from ..pages.experiments import check_page, write_page
    from ..pool.layer_similarities import view_of
    from ..pool.pool import Pool
    from ..speed.environment import command, machine
    from ..teachers.comparison import ALPHAS, compare_teachers
    from ..teachers.results import write_comparison
    from ..teachers.rules import RULES

    if page is not None:
        check_page(page)
        json = json or writable(page.with_suffix(".json"))
    loaded = Pool.load(pool)
    teachers = [made for name in teacher for made in _teachers(name, loaded, by, data_dir)]
    rules = list(rule or (name for name in RULES if name != "weights"))
    rules += ["weights"] if weights and "weights" not in rules else []
    methods = method or ["pearson"]
    views = {view_of(loaded, made).name for made in teachers}
    with progress("comparing teachers", len(views) * len(methods), "stimuli x methods") as done:
        found = compare_teachers(
            loaded, teachers, alphas=alpha or ALPHAS, rules=rules, methods=methods, controls=controls,
            bootstrap=bootstrap, seed=seed, advance=done,
        )  # fmt: skip
    if json is not None:
        write_comparison(json, found, command=command("teacher compare"), machine=machine())
    if page is not None and json is not None:
        write_page(page, [json])
    _show(found)


def _teachers(name: str, pool: "Pool", by: str | None, data_dir: Path | None) -> "list[Teacher]":
    """That of a file; of a recording one for every view of its stimuli."""
    from dataclasses import replace

    from ...neural_data import load_teacher
    from ...neural_data.teacher import publishes_rdms
    from ...rsa import RSAError, Teacher

    if Path(name).is_file() and publishes_rdms(name):
        found = [Teacher.load(name)]
    else:
        views = [view for view in pool.views.values() if view.reference == name]
        if not views:
            known = ", ".join(dict.fromkeys(view.reference for view in pool.views.values()))
            raise RSAError(f"{name} is no teacher file, and the pool was shown {known} only")
        made = [
            (view.by, load_teacher(name, by=view.by, scale="zscore", splits=0, data_dir=data_dir)) for view in views
        ]
        found = [replace(one, name=f"{name}, by {kind.removesuffix('_name')}") for kind, one in made]
    kept = [one for one in found if by in (None, one.by)]
    if not kept:
        raise RSAError(f"teacher {name} is by {', '.join(one.by for one in found)}, not by {by}")
    return kept


def _show(found: "Comparison") -> None:
    from ...rsa.cli.console import print_table
    from ..teachers.comparison import ANY

    checkpoints = found.table["checkpoint"].values.tolist()
    table = found.table.sel(coefficient="spearman").isel(rule=0)
    rows = [["P alone, Spearman", "", *(f"{value:.2f}" for value in table["p"].values)]]
    rows.append(["-loss alone, Spearman", "", *(f"{value:.2f}" for value in table["loss"].values)])
    for name in table["teacher"].values:
        for alpha in [value for value in table["alpha"].values if value]:
            here = table.sel(teacher=name, alpha=alpha)
            rows.append([str(name), f"{alpha:g}", *(_cell(here.sel(checkpoint=c)) for c in checkpoints)])
        rows.append(["  held out", "*", *(_cell(found.held_out.sel(rule=ANY, teacher=name, checkpoint=c))
                                          for c in checkpoints)])  # fmt: skip
    everything = found.held_out.sel(rule=ANY, teacher=ANY)
    rows.append(["any teacher, held out", "*", *(_cell(everything.sel(checkpoint=c)) for c in checkpoints)])
    notes = [
        f"Gain in Spearman over P alone, rule {table['rule'].item()}, with its 95% interval; * above zero. "
        f"{found.about['members']} architectures, {found.about['left_out']} left out.",
        "Held out: rule and alpha (and the teacher, in the last line) chosen on half, tested on the other half.",
    ]
    print_table("Teachers", ["teacher", "alpha", *(f"{c:,}" for c in checkpoints)], rows, notes)


def _cell(one: "object") -> str:
    gain, low, high = (float(one[key]) for key in ("gain", "low", "high"))  # type: ignore[index]
    return f"{'*' if low > 0 else ''}{gain:+.2f} [{low:+.2f},{high:+.2f}]"
