"""`tgsage teacher compare`: which teacher predicts mature performance, on a pool; and the page about it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...rsa.cli.options import DataDir, Json, Loaders, writable

if TYPE_CHECKING:
    import xarray

    from ...rsa import Teacher
    from ..pool.pool import Pool
    from ..teachers.comparison import Comparison


def compare(
    pool: Annotated[
        Path, typer.Argument(help="A pool of `tgsage bench pool`: its file, or the folder of a pool over seeds.")
    ],
    teacher: Annotated[
        list[str],
        typer.Option(
            help="A teacher's file, a recording (z-scored) whose stimuli the pool was shown, or a model; repeat it."
        ),
    ],
    alpha: Annotated[
        list[float] | None, typer.Option(help="Weight of TG beside P; repeat it.", min=0, show_default="0, 1, 5")
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            help="Only teachers by this column: stimulus, category_name, object_name, ...", show_default="any"
        ),
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
    network: Annotated[
        Path | None,
        typer.Option(
            help="Of a pool over seeds: a network of `tgsage train` as the teacher of RMI-NAS and DisWOT, which are "
            "shown among the rivals then (kept in rival-rules.json)."
        ),
    ] = None,
    bootstrap: Annotated[int, typer.Option(help="Resamples of the architectures for 95% intervals.", min=1)] = 1000,
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

    On the folder of a pool over seeds: what do teachers add to what is free (parameters, NASWOT, synflow, ...) and to
    P, among random members, among good ones and among equally large ones? Members that are not trained yet are left
    out. Free predictors are computed once and kept in free.json in that folder.
    """
    from ...rsa import RSAError
    from ...rsa.cli.console import progress
    from ..pages.experiments import check_page, write_page
    from ..pool.layer_similarities import view_of
    from ..pool.pool import Pool
    from ..speed.environment import command, machine
    from ..teachers.comparison import ALPHAS, compare_teachers, write_comparison
    from ..teachers.rules import RULES

    if page is not None:
        check_page(page)
        json = json or writable(page.with_suffix(".json"))
    if pool.is_dir():
        given: dict[str, Any] = {"alpha": alpha, "rule": rule, "method": method, "weights": weights}
        _rivals(pool, teacher, by, given, network, bootstrap, seed, data_dir, loaders, json, page)
        return
    if network is not None:
        raise RSAError("--network is of rules that are compared on the folder of a pool over seeds")
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


def _rivals(
    pool: Path,
    names: list[str],
    by: str | None,
    given: dict[str, Any],
    network: Path | None,
    bootstrap: int,
    seed: int,
    data_dir: Path | None,
    loaders: int,
    json: Path | None,
    page: Path | None,
) -> None:
    """The analysis of a pool over seeds."""
    from ...rsa import RSAError
    from ...rsa.cli.console import progress
    from ..pages.experiments import write_page
    from ..pool.seeds import one_of, places_of
    from ..report import show
    from ..rivals.analysis import POPULATIONS, analyse, write_rivals
    from ..rivals.page import summary
    from ..rivals.table import read_table
    from ..speed.environment import command, machine

    if useless := [f"--{name}" for name, value in given.items() if value]:
        raise RSAError(f"{', '.join(useless)} has no use for a pool over seeds; leave it out")
    one = one_of(pool)
    teachers = [made for name in names for made in _teachers(name, one, by, data_dir, loaders)]
    with progress("reading the pool", len(places_of(pool)), "seeds") as done:
        table = read_table(pool, teachers, network=network, data_dir=data_dir, progress=done)
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
