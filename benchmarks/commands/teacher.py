"""`tgsage teacher compare`: which teacher predicts mature performance, on a pool; and the page about it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...rsa.cli.options import DataDir, Json, Loaders, writable

if TYPE_CHECKING:
    import xarray

    from ...rsa import Teacher
    from ..pool.pool import Pool
    from ..rivals.table import Table
    from ..teachers.comparison import Comparison


def compare(
    pool: Annotated[
        Path,
        typer.Argument(
            help="A pool from `tgsage bench pool`: its file, or the folder of a pool over seeds; or a --members file."
        ),
    ],
    teacher: Annotated[
        list[str] | None,
        typer.Option(
            help="A teacher's file, a recording (z-scored) whose stimuli the pool was shown, or a model; may be "
            "repeated.",
            show_default="those of a --members file",
        ),
    ] = None,
    alpha: Annotated[
        list[float] | None,
        typer.Option(help="Weight of TG relative to P; may be repeated.", min=0, show_default="0, 1, 5"),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            help="Only teachers with RDMs by this column: stimulus, category_name, object_name, ...", show_default="any"
        ),
    ] = None,
    rule: Annotated[
        list[str] | None,
        typer.Option(
            help="paper, depth, deep, partial, target, layer, weights; may be repeated.", show_default="all but weights"
        ),
    ] = None,
    weights: Annotated[
        bool, typer.Option("--weights", help="Also learn weights for the targets on half of the pool.")
    ] = False,
    method: Annotated[
        list[str] | None,
        typer.Option(
            help="Similarity of RDMs: pearson, spearman, cosine, pearson-whitened, cosine-whitened; may be repeated.",
            show_default="pearson",
        ),
    ] = None,
    controls: Annotated[bool, typer.Option(help="Add pixels and categories as teachers.")] = True,
    network: Annotated[
        Path | None,
        typer.Option(
            help="For a pool over seeds: a network from `tgsage train` as the teacher of RMI-NAS and DisWOT, which are "
            "then shown among the rivals (kept in rival-rules.json)."
        ),
    ] = None,
    members: Annotated[
        Path | None,
        typer.Option(
            help="For a pool over seeds: a small file with all that is known about its members. Members already in it "
            "are added to those of the pool. Later, or on another machine, it can stand in for the pool.",
            callback=writable,
        ),
    ] = None,
    bootstrap: Annotated[int, typer.Option(help="Resamples of the architectures for 95% intervals.", min=20)] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of the resamples and of the halves.", min=0)] = 0,
    data_dir: DataDir = None,
    loaders: Loaders = 1,
    json: Json = None,
    page: Annotated[
        Path | None, typer.Option(help="Also write a page (.md) with tables and pictures, its numbers beside it.")
    ] = None,
) -> None:
    """Try teachers on a pool: does P + alpha TG rank its architectures better than P alone?

    The table shows gains in rank correlation with mature performance. Held out: alpha and rule were chosen on one half
    of the architectures and tested on the other.

    For the folder of a pool over seeds: what do teachers add to what is free (parameters, NASWOT, synflow, ...) and to
    P, among random members, among good ones and among equally large ones? Members that are not trained yet are left
    out. Free predictors are computed once and kept in free.json in that folder. --members keeps what is known about the
    members, without their RDMs; `tgsage bench pool --members` does not train these members again, so a pool can be made
    on several machines, one after the other.
    """
    from ...rsa import RSAError
    from ...rsa.cli.console import progress
    from ..pages.experiments import check_page, write_page
    from ..pool.layer_similarities import view_of
    from ..pool.pool import Pool
    from ..rivals.members import is_members
    from ..rivals.table import with_rivals
    from ..speed.environment import command, machine
    from ..teachers.comparison import ALPHAS, compare_teachers, write_comparison
    from ..teachers.rules import RULES

    if page is not None:
        check_page(page)
        json = json or writable(page.with_suffix(".json"))
    if pool.is_dir() or is_members(pool):
        given: dict[str, Any] = {"alpha": alpha, "rule": rule, "method": method, "weights": weights}
        if useless := [f"--{name}" for name, value in (given | {"no-controls": not controls}).items() if value]:
            raise RSAError(f"{', '.join(useless)} cannot be used with a pool over seeds; leave it out")
        table = _table(pool, teacher or [], by, members, data_dir, loaders)
        if network is not None:
            with progress("RMI-NAS and DisWOT", len(table.keys), "networks") as done:
                table = with_rivals(table, members or pool, network, data_dir, done)
        _rivals(table, bootstrap, seed, json, page)
        return
    if network is not None or members is not None:
        raise RSAError("--network and --members are for the folder of a pool over seeds")
    if not teacher:
        raise RSAError("give a teacher: --teacher FILE")
    loaded = Pool.load(pool)
    teachers = [made for name in teacher for made in _teachers(name, loaded, by, data_dir, loaders)]
    rules = list(rule or (name for name in RULES if name != "weights"))
    rules += ["weights"] if weights and "weights" not in rules else []
    methods = method or ["pearson"]
    views = {view_of(loaded, made).name for made in teachers}
    with progress("comparing teachers", len(views) * len(methods), "stimuli x methods") as done:
        choices: dict[str, Any] = {"alphas": alpha or ALPHAS, "rules": rules, "methods": methods}
        draws: dict[str, Any] = {"bootstrap": bootstrap, "seed": seed}
        found = compare_teachers(loaded, teachers, controls=controls, progress=done, **choices, **draws)
    if json is not None:
        write_comparison(json, found, command=command("teacher compare"), machine=machine())
    if page is not None and json is not None:
        write_page(page, [json])
    _show(found)


def _table(
    pool: Path, names: list[str], by: str | None, members: Path | None, data_dir: Path | None, loaders: int
) -> "Table":
    """What is known of the members of a pool over seeds, or of a file, and of both."""
    from ...rsa import RSAError
    from ...rsa.cli.console import progress
    from ..pool.seeds import one_of, places_of
    from ..rivals.members import is_members, joined, load_members, save_members
    from ..rivals.table import read_table, with_free

    if is_members(pool):
        if names or by or members:
            raise RSAError(f"{pool} holds what its teachers say; leave --teacher, --by and --members out")
        return load_members(pool)
    if not names:
        raise RSAError("give a teacher: --teacher FILE")
    one = one_of(pool)
    teachers = [made for name in names for made in _teachers(name, one, by, data_dir, loaders)]
    with progress("reading the pool", len(places_of(pool)), "seeds") as done:
        table = read_table(pool, teachers, progress=done)
    with progress("free predictors", len(table.keys), "networks") as done:
        table = with_free(table, pool, data_dir, done)
    if members is None:
        return table
    if members.exists():
        table = joined(table, load_members(members), members)
    save_members(members, table)
    return load_members(members)


def _rivals(table: "Table", bootstrap: int, seed: int, json: Path | None, page: Path | None) -> None:
    """The analysis of a pool over seeds."""
    from ...rsa.cli.console import progress
    from ..pages.experiments import write_page
    from ..report import show
    from ..rivals.analysis import POPULATIONS, analyse, write_rivals
    from ..rivals.page import summary
    from ..speed.environment import command, machine

    with progress("rivals", POPULATIONS * len(table.checkpoints), "populations x checkpoints") as done:
        found = analyse(table, draws=bootstrap, seed=seed, progress=done)
    if json is not None:
        write_rivals(json, found, command=command("teacher compare"), machine=machine())
    if page is not None and json is not None:
        write_page(page, [json])
    columns, rows, notes = summary(found)
    show("Rivals", columns, rows, notes)


def _teachers(name: str, pool: "Pool", by: str | None, data_dir: Path | None, loaders: int) -> "list[Teacher]":
    """That of a file; of a recording one for every view of its stimuli."""
    from ...neural_data.teacher import publishes_rdms
    from ...rsa import RSAError, Teacher
    from ...rsa.networks.models import is_model
    from ..teachers.making import of_model, of_recording

    if Path(name).is_file() and publishes_rdms(name):
        found = [Teacher.load(name)]
    else:
        views = [view for view in pool.views.values() if view.reference == name]
        if not views and is_model(name):
            return _by(name, of_model(name, pool, data_dir, loaders=loaders), by)
        if not views:
            known = ", ".join(dict.fromkeys(view.reference for view in pool.views.values()))
            raise RSAError(f"{name} is no teacher file or model, and the pool was shown {known} only")
        found = [of_recording(view, data_dir) for view in views]
    return _by(name, found, by)


def _by(name: str, found: "list[Teacher]", by: str | None) -> "list[Teacher]":
    """Those whose RDMs are by this. Raises RSAError for none."""
    from ...rsa import RSAError

    kept = [one for one in found if by in (None, one.by)]
    if not kept:
        raise RSAError(f"teacher {name} is by {', '.join(one.by for one in found)}, not by {by}")
    return kept


def _show(found: "Comparison") -> None:
    from ..report import show, texts
    from ..teachers.comparison import ANY
    from ..teachers.page import checkpoints, gains

    def narrow(data: "xarray.Dataset") -> list[str]:
        return [text.replace(", ", ",") for text in gains(data)]

    table, held_out = found.table.sel(coefficient="spearman").isel(rule=0), found.held_out.sel(rule=ANY)
    rows = [
        [f"{key} alone, Spearman", "", *(f"{value:.2f}" for value in table[key.strip("-").lower()].values)]
        for key in ("P", "-loss")
    ]
    for name in table["teacher"].values:
        alphas = [alpha for alpha in table["alpha"].values if alpha]
        rows += [[str(name), f"{alpha:g}", *narrow(table.sel(teacher=name, alpha=alpha))] for alpha in alphas]
        rows.append(["  held out", "*", *narrow(held_out.sel(teacher=name))])
    rows.append(["any teacher, held out", "*", *narrow(held_out.sel(teacher=ANY))])
    notes = [
        f"Gain in Spearman over P alone, rule {table['rule'].item()}, with its 95% interval; * above zero. "
        f"{found.about['members']} architectures, {found.about['left_out']} left out.",
        "Held out: rule and alpha (and the teacher, in the last line) chosen on half, tested on the other half.",
    ]
    show("Teachers", texts("teacher", "alpha", *checkpoints(found)), rows, notes)
