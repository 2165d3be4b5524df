"""`tgsage search`: a search from one command, which the same command continues and others join."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...rsa.cli.options import DataDir, Json, web_page
from ...rsa.errors import check_number
from .evaluate import Alpha, BehaviorMetric, BehaviorName, Beta, By, check_behavior
from .search_objective import SearchObjective
from .train import DataName, Download, Loaders, RecipeName

if TYPE_CHECKING:
    from ...rsa import Teacher
    from ..evaluation.finalists import Finalist
    from ..searching.candidates import Candidate
    from ..searching.explorer import Engine, SearchResult
    from ..searching.tracker import Tracker
    from ..spaces.space import Choice, Space
    from ..training import Data, Recipe

Table = tuple[str, list[str], list[list[str]], list[str]]  # for `print_table`


def search(
    space: Annotated[
        list[str] | None,
        typer.Option(
            help="cnn10, cnn20, cell, nasbench201, macro, toy; for text, rnn-tree, nas-bench-nlp (see: tgsage space). "
            "Repeat it for several: shadho then hands them to workers by complexity and priority, and the searcher "
            "proposes within each.",
            show_default="toy",
        ),
    ] = None,
    searcher: Annotated[
        str, typer.Option(help="random, tpe, rl, evolution, nash, lemonade, pnas, shadho, or a plug-in's name.")
    ] = "tpe",
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="Another value for a searcher's setting, such as temperature=2; may be repeated."),
    ] = None,
    objective: Annotated[
        list[str] | None,
        typer.Option(
            "--objective",
            help="An objective whose front the report shows and which lemonade weighs: score, error, loss, parameters, "
            "multiply-adds, latency; may be repeated.",
            show_default="score; for lemonade also parameters",
        ),
    ] = None,
    data: DataName = "digits",
    teacher: Annotated[
        str | None,
        typer.Option(
            help="A teacher file, a recording (see: tgsage data list), a network to be trained first (resnet:1, "
            "nasnet-a:2x16, ...), a model with its weights as for `tgsage score`, or none: the score is P. "
            "iterate:EVERY:FIRST begins with FIRST, which is any of these, and replaces it with the best candidate so "
            "far after every EVERY candidates.",
            show_default="resnet:1 for digits, else none",
        ),
    ] = None,
    by: By = None,
    alpha: Alpha = 1.0,
    behavior: BehaviorName = None,
    beta: Beta = 1.0,
    behavior_metric: BehaviorMetric = "i2n",
    recipe: RecipeName = "digits",
    epochs: Annotated[float, typer.Option(help="Epochs of training for every candidate.", min=0)] = 2.0,
    samples: Annotated[int, typer.Option(help="Candidates to finish, failed ones included.", min=1)] = 40,
    successes: Annotated[
        bool, typer.Option("--successes", help="Count only successful evaluations as samples.")
    ] = False,
    repeats: Annotated[bool, typer.Option("--repeats", help="Let the searcher propose a known network again.")] = False,
    params: Annotated[
        bool, typer.Option("--params", help="Also store Optuna's parameters, for optuna-dashboard (slower).")
    ] = False,
    enqueue: Annotated[
        list[str] | None,
        typer.Option(help="Architecture or architectures to try next: JSON, or a JSON file; may be repeated."),
    ] = None,
    fix: Annotated[
        list[str] | None,
        typer.Option(
            help="Propose only networks with this choice, such as n_layers=2, where they have that dimension; may be "
            "repeated."
        ),
    ] = None,
    checkpoint_candidates: Annotated[
        Path | None,
        typer.Option(help="Folder in which a running candidate's training is kept, to be continued after a kill."),
    ] = None,
    storage: Annotated[
        str, typer.Option(help="SQLite file, or URL such as postgresql://USER:PASSWORD@HOST/NAME.")
    ] = "tgsage.db",
    study: Annotated[
        str | None, typer.Option(help="Name of this search in the storage.", show_default="SPACE-SEARCHER")
    ] = None,
    workers: Annotated[int, typer.Option(help="Number of processes (with Ray: tasks).", min=1)] = 1,
    devices: Annotated[
        str, typer.Option(help="Devices for the workers in turn, such as cuda:0,cuda:1.", show_default="any")
    ] = "",
    power: Annotated[
        str,
        typer.Option(
            help="How much each worker can do, such as 10,1: with several spaces, the most powerful workers get the "
            "most demanding ones.",
            show_default="all the same",
        ),
    ] = "",
    timeout: Annotated[
        float | None, typer.Option(help="Seconds after which a candidate counts as failed.", show_default="none")
    ] = None,
    reuse: Annotated[bool, typer.Option(help="Do not train an architecture again that succeeded before.")] = True,
    engine: Annotated[str, typer.Option(help="What runs the workers: local or ray.")] = "local",
    address: Annotated[
        str | None, typer.Option(help="Address of a Ray cluster.", show_default="$RAY_ADDRESS, else this machine")
    ] = None,
    gpus: Annotated[float, typer.Option(help="With Ray: GPUs for each worker; fractions share one.", min=0)] = 0.0,
    patience: Annotated[float, typer.Option(help="Seconds to wait for a database that has gone away.")] = 300.0,
    seed: Annotated[int, typer.Option(help="Seed of searcher and training.", min=0)] = 0,
    data_dir: DataDir = None,
    download: Download = False,
    loaders: Loaders = None,
    finalists: Annotated[
        int,
        typer.Option(
            help="Train this many of the best for longer, and the winner by the whole recipe (paper: 10).", min=0
        ),
    ] = 0,
    finalist_epochs: Annotated[
        float | None,
        typer.Option(help="Epochs of training for each finalist (paper: 300).", min=0, show_default="the whole recipe"),
    ] = None,
    allow_changes: Annotated[
        bool,
        typer.Option(
            "--allow-changes",
            help="Continue with settings other than those the study was begun with; they are noted in it.",
        ),
    ] = False,
    html: Annotated[
        Path | None,
        typer.Option(
            help="Page with the learning curve and the best architectures drawn.",
            show_default="beside a SQLite file, as NAME.html",
            callback=web_page,
        ),
    ] = None,
    json: Json = None,
) -> None:
    """Search for the architecture with the highest P + alpha TG + beta B after brief training.

    Without options, this is a small search that takes a few minutes: small networks on scikit-learn's digits, guided by
    a small ResNet that is trained once, at the start, and kept with the study. For other data, name a teacher;
    otherwise the score is P.

    The same command continues a search that was interrupted or killed; on another machine, with the same storage URL,
    it joins in. `tgsage report STORAGE` tells more about it, and `optuna-dashboard sqlite:///tgsage.db` shows it live.
    """
    from ...rsa.cli.console import print_table, write_json
    from ...rsa.io.storage import make_folder
    from ..evaluation.iterative import read_iteration
    from ..pareto import MEASURED, check_objectives
    from ..report.front import front_of
    from ..report.live import LiveView
    from ..report.page import write_search_report
    from ..report.summary import reasons, search_report
    from ..searchers.iterating import IteratingSearcher
    from ..searchers.searcher import get_searcher, make_searcher
    from ..searchers.shadho import ShadhoSearcher
    from ..searching.description import default_study, describe_search
    from ..searching.explorer import agree
    from ..searching.explorer import search as run
    from ..searching.storage import open_storage, sqlite_file
    from ..searching.tracker import Tracker
    from ..spaces import get_space
    from ..spaces.catalogue import read_architectures
    from ..training import get_recipe
    from ..training.placement import check_device
    from ..training.recipes import Budget
    from ..training.teachers import is_made_here, own_by
    from .train import overrides, say

    file = sqlite_file(storage)
    page = html or (None if file is None else web_page(file.with_suffix(".html")))
    check_number(alpha=alpha)
    check_behavior(behavior, beta, behavior_metric)
    if teacher is None and data == "digits":
        teacher = "resnet:1"
    named = tuple(filter(None, devices.split(",")))
    where, runs = get_space("+".join(space or ["toy"])), _engine(engine, workers, address, gpus, devices)
    every, teacher = read_iteration(teacher)
    kind, settings = get_searcher(searcher), overrides(set_ or [])
    if len(space or ()) > 1 and searcher != "shadho":
        kind, searcher, settings = ShadhoSearcher, "shadho", {**settings, "inner": searcher}
    if every is not None:
        kind, settings = IteratingSearcher, {**settings, "searcher": searcher, "every": every}
    if objective and "objectives" in signature(kind.__init__).parameters:
        settings.setdefault("objectives", check_objectives(objective))
    made = make_searcher(kind, where, seed=seed, settings=settings)
    weighed = check_objectives(objective or made.objectives)
    fixed = _fixed(fix or [], where)
    queue = [architecture for text in enqueue or [] for architecture in read_architectures(text, where)]
    teacher = None if teacher == "none" else teacher
    by, place = by or own_by(teacher, data), None if data_dir is None else str(data_dir)
    kept = None if checkpoint_candidates is None else str(make_folder(checkpoint_candidates).resolve())
    scored = SearchObjective(where.name, data, recipe, epochs, teacher, alpha, by, seed, place, download, kept)
    scored.behavior, scored.beta, scored.behavior_metric = behavior, beta, behavior_metric
    scored.costs = tuple(name for name in weighed if name in MEASURED)
    scored.loaders, scored.iterate = loaders, every is not None
    for device in named:
        check_device(device)
    described = describe_search(where, made, scored, fixed)
    study = study or default_study(described)
    if finalists:
        Budget(finalist_epochs).images(get_recipe(recipe), 1)
        scored.images.part("test")
    say(scored.images)
    if scored.teacher is not None and is_made_here(scored.teacher):
        scored.images.stimuli("valid").column(scored.by)
        with Tracker(storage, study, patience=patience) as tracker:
            agree(tracker, where, described, allow_changes=allow_changes)
            scored.taught = _taught(scored, scored.teacher, tracker)
    else:
        open_storage(storage).engine.dispose()
    view = LiveView(samples, successes=successes)
    asked: dict[str, Any] = {"samples": samples, "successes": successes, "repeats": repeats, "enqueue": queue}
    asked["objectives"] = weighed
    stored: dict[str, Any] = {"storage": storage, "study": study, "params": params, "allow_changes": allow_changes}
    work: dict[str, Any] = {
        "workers": workers,
        "devices": named,
        "timeout": timeout,
        "reuse": reuse,
        "engine": runs,
        "power": _power(power),
    }
    with _said_where_it_stands(view):
        found = run(where, made, scored, fixed=fixed, patience=patience, notify=view.update, **asked, **stored, **work)

    def write(finals: dict[str, Any]) -> None:
        if page is not None:
            write_search_report(page, search_report(storage, found.study, space=where), space=where)
        if json is not None:
            best = None if found.best is None else found.best.to_dict()
            candidates = [candidate.to_dict() for candidate in found.candidates]
            facts = {"study": found.study, "counts": found.counts, "best": best, "candidates": candidates}
            write_json(json, facts | finals)

    write({})
    tables = [_table(found, where, storage, page)]
    if finalists and found.best is not None:
        folder = Path("finalists" if file is None else file.with_name(f"{file.stem}-finalists")) / found.study
        about = (found.candidates, where, scored.images, get_recipe(recipe), folder)
        on = named[0] if named else None
        finals, table = _finals(*about, most=finalists, epochs=finalist_epochs, seed=seed, device=on)
        with Tracker(storage, found.study) as tracker:
            tracker.keep_finals(len(finals["finalists"]), sum(one["examples"] for one in finals["finalists"]))
        write(finals)
        tables.append(table)
    if len(weighed) > 1:
        front = front_of(found.candidates, weighed)
        tables.append(("front", ["", *weighed], front.rows, [front.words()]))
    for shown in tables:
        print_table(*shown)
    if found.best is None:
        why, numbers = next(iter(reasons(found.candidates).items()))
        typer.echo(f"tgsage: all {len(found.candidates)} candidates failed, {len(numbers)} of them: {why}", err=True)
        raise typer.Exit(1)


def _engine(name: str, workers: int, address: str | None, gpus: float, devices: str) -> "Engine | None":
    from ...rsa import RSAError

    if name == "ray":
        if devices:
            raise RSAError("with --engine ray give --gpus: Ray chooses the devices")
        from ..searching.ray import RayWorkers

        return RayWorkers(workers, address=address, gpus=gpus)
    if name != "local":
        raise RSAError(f"the engine is local or ray, not {name}")
    if address is not None or gpus:
        raise RSAError("--address and --gpus are for --engine ray; local workers take --devices")
    return None


def _power(text: str) -> tuple[float, ...]:
    """Raises RSAError for what are no numbers."""
    from ...rsa import RSAError

    try:
        return tuple(float(one) for one in text.split(",") if one)
    except ValueError as error:
        raise RSAError(f"--power takes a number for each worker, such as 10,1, not {text!r}") from error


def _fixed(pairs: list[str], space: "Space") -> "dict[str, Choice]":
    """Choices from DIMENSION=CHOICE. Raises RSAError for what is no pair, no dimension or no choice."""
    from ...rsa import RSAError

    choices = {dimension.name: {str(choice): choice for choice in dimension.choices} for dimension in space.dimensions}
    fixed: dict[str, Choice] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise RSAError(f"--fix takes DIMENSION=CHOICE, such as {space.dimensions[0].name}=2, not {pair!r}")
        fixed[name] = choices.get(name, {}).get(text, text)
    space.check_fixed(fixed)
    return fixed


@contextmanager
def _said_where_it_stands(view: Any) -> Iterator[None]:
    """The view as long as the search runs, and its line where that is interrupted."""
    try:
        with view:
            yield
    except KeyboardInterrupt:
        typer.echo(f"tgsage: {view.line()}; the same command goes on from here", err=True)
        raise


def _taught(objective: SearchObjective, network: str, tracker: "Tracker") -> "Teacher":
    """A teacher that is a network's name: trained once for the study, here or by whoever began it."""
    from ...rsa.cli.console import progress
    from ..training import get_recipe
    from ..training.teachers import is_network, study_teacher

    images, recipe = objective.images, get_recipe(objective.recipe)
    trained = is_network(network)
    total, what = (recipe.epochs * len(images.train), "training ") if trained else (len(images.valid), "")
    with progress(f"{what}the teacher {network}", total, "images") as done:
        return study_teacher(
            tracker, network, images, recipe, by=objective.by, loaders=objective.loaders or 1, progress=done
        )


def _table(found: "SearchResult", space: "Space", storage: str, page: Path | None) -> "Table":
    """What a search found, for `print_table`."""
    from ..report.summary import reasons
    from ..searching.candidates import figure, ranked, shown_results
    from ..searching.storage import shown, sqlite_file, storage_url

    rows = []
    best_five = [c for c in ranked(found.candidates) if c.reused is None][:5]
    columns = shown_results(best_five)
    for candidate in best_five:
        e = candidate.evaluation
        values = [] if e is None else [getattr(e, columns[name]) for name in columns]
        rows.append([f"candidate {candidate.number}", *map(figure, values)])
    counts = found.counts
    done = [c.evaluation for c in found.candidates if c.evaluation is not None]
    notes = [
        f"{len(found.candidates)} candidates: {counts['ok']} ok ({counts['reused']} of them reused), "
        f"{counts['failed']} failed; {sum(e.examples for e in done):,} training examples in "
        f"{sum(sum(e.seconds.values()) for e in done):,.0f} s"
    ]
    if found.exhausted:
        notes.append(f"The search has ended: all networks of {space.name} have been tried")
    if found.architecture is not None:
        notes += ["The best architecture:", space.describe(found.architecture)]
    finished, best = [c.score for c in found.candidates], float("-inf")
    curve = []
    for number, score in enumerate(finished, 1):
        best = max(best, float("-inf") if score is None else score)
        if number in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, len(finished)) and best > float("-inf"):
            curve.append(f"{figure(best)} after {number}")
    if curve:
        notes.append(f"Best score: {', '.join(curve)}")
    notes += [f"{len(numbers)} failed: {reason}" for reason, numbers in [*reasons(found.candidates).items()][:3]]
    where = f"{page}: learning curve and drawings. " if page is not None else ""
    named = shown(storage_url(storage)) if sqlite_file(storage) is None else storage
    notes.append(f"{where}More: tgsage report {named} --study {found.study}")
    return found.study, ["", *columns], rows, notes


def _finals(
    candidates: "Sequence[Candidate]",
    space: "Space",
    images: "Data",
    recipe: "Recipe",
    folder: Path,
    *,
    most: int,
    epochs: float | None,
    **same: Any,
) -> tuple[dict[str, Any], Table]:
    """Train the `most` best different architectures for `epochs`, then the best of these by the whole recipe.

    The latter is trained on the validation images as well, tested, and written to `best.json` in `folder`. Checkpoints
    lie there under the candidates' numbers, so that the same call goes on after an interruption, and one after a
    longer search trains only the new ones among the best. Returns JSON-able results and a table for `print_table`.
    """
    from ...rsa.cli.console import progress
    from ..evaluation.finalists import finalists, mature, reranking, search_cost
    from ..searching.candidates import figure, ranked
    from ..spaces import write_architecture

    different: dict[str, Candidate] = {}
    for one in ranked(candidates):
        different.setdefault(space.key(space.canonical(one.architecture)), one)
    best = list(different.values())[:most]
    length = recipe.epochs if epochs is None else epochs
    found: dict[int, Finalist] = {}
    with progress("training finalists", int(length * len(images.train) * len(best)), "images") as done:
        for i, one in enumerate(best, 1):
            done.note = f"network {i} of {len(best)}"
            place = folder / f"{one.number:05d}"
            (found[one.number],) = finalists(
                space, images, [one.architecture], recipe, epochs=epochs, folder=place, progress=done, **same
            )
    order = sorted(found, key=lambda number: reranking(found[number]), reverse=True)
    first, checkpoint = found[order[0]], folder / f"{order[0]:05d}" / "mature.pt"
    with progress("training the winner", recipe.epochs * len(images.whole().train), "images") as done:
        winner = mature(space, first.architecture, images, recipe, checkpoint=checkpoint, progress=done, **same)
    write_architecture(folder / "best.json", space, first.architecture)
    trained = [one.evaluation for one in candidates if one.evaluation is not None and one.reused is None]
    m1, e1 = len(trained), sum(one.examples for one in trained)
    m2, e2 = len(found), sum(one.evaluation.examples for one in found.values())
    cost = search_cost(1, e1, 1, e2)
    rows = [[f"candidate {number}", figure(found[number].evaluation.p)] for number in order]
    measured = "test accuracy" if images.unit == "images" else "minus the test loss"
    tested = f"{measured} {winner.test:.4f}" if winner.test is not None else f"failed: {winner.evaluation.reason}"
    notes = [
        f"The first, trained with the whole recipe on all training {images.unit}: {tested}",
        f"Cost M1 E1 + M2 E2: {e1:,} examples of {m1} candidates + {e2:,} of {m2} finalists = {cost:,}",
        f"{folder / 'best.json'}: the architecture; {checkpoint}: its checkpoint",
    ]
    finals = [{"candidate": number, **found[number].to_dict()} for number in order]
    result = {"finalists": finals, "winner": {"candidate": order[0], **winner.to_dict()}, "cost": cost}
    return result, (f"finalists after {length:g} epochs", ["", "P"], rows, notes)
