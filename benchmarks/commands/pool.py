"""`tgsage bench pool` and `tgsage bench teachers`: what a teacher is chosen with, made once."""

import json as json_
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...rsa.cli.options import DataDir, Json, Workers

if TYPE_CHECKING:
    from ..pool.making import Maker
    from ..pool.pool import Pool

_CHECKPOINTS = "0,1500,3000,6000,12000,24000"
_RECORDINGS = "cowley2023/190923=stimulus,simulated=object_name"
_COLUMNS = (  # of the table about a pool
    ("examples", "{examples:,.0f}"),
    ("mean P", "{p:.3f}"),
    ("P", "{spearman_p:.3f}"),
    ("-loss", "{spearman_loss:.3f}"),
    ("seconds", "{seconds:.1f}"),
)
DataName = Annotated[str, typer.Option(help="Data set (see: tgsage train).")]
Train = Annotated[int, typer.Option(help="Training images; 0 = all of them.", min=0)]
Valid = Annotated[int, typer.Option(help="Validation images; 0 = all of them.", min=0)]
RecipeName = Annotated[str, typer.Option(help="Recipe (see: tgsage train).")]
Recordings = Annotated[
    str, typer.Option(help="Also show the stimuli of these recordings, grouped by a column: NAME=BY,NAME=BY.")
]


def pool(
    folder: Annotated[
        Path, typer.Argument(help="Folder of the pool: pool.h5, the candidates, and the search behind them.")
    ],
    cells: Annotated[
        int, typer.Option(help="Random architectures to draw; identical ones are trained once.", min=0)
    ] = 200,
    search: Annotated[
        list[str] | None,
        typer.Option(help="Also take the best of this search so far, at intervals: STUDY@STORAGE; may be repeated."),
    ] = None,
    every: Annotated[
        int, typer.Option(help="Samples of that search from one look at its best five to the next.", min=1)
    ] = 100,
    space: Annotated[
        str, typer.Option(help="nasbench201, macro, cnn10, cell, toy (see: tgsage space).")
    ] = "nasbench201",
    data: DataName = "cifar10-jpeg",
    train: Train = 6000,
    valid: Valid = 1000,
    recipe: RecipeName = "cifar-cnn",
    checkpoints: Annotated[str, typer.Option(help="Training examples after which candidates are evaluated.")] = (
        _CHECKPOINTS
    ),
    recordings: Recordings = _RECORDINGS,
    tested: Annotated[
        int, typer.Option(help="Test images whose logits are kept, for behaviour as the teacher.", min=0)
    ] = 1000,
    epochs: Annotated[
        float | None,
        typer.Option(
            help="Measure mature performance by training for this many epochs.",
            show_default="the published one of nasbench201 or macro",
        ),
    ] = None,
    workers: Workers = 1,
    seed: Annotated[int, typer.Option(help="Seed of the draws and of every training.", min=0)] = 0,
    seeds: Annotated[
        str | None,
        typer.Option(
            help="Train all members once with each of these seeds, such as 0,1,2, in FOLDER/seed0, FOLDER/seed1, ..."
        ),
    ] = None,
    each: Annotated[
        int | None,
        typer.Option(
            help="Instead of --cells: this many random members, as many from the table's best tenth, and as many from "
            "three narrow bands of size.",
            min=1,
        ),
    ] = None,
    members: Annotated[
        Path | None,
        typer.Option(help="With --seeds: skip members already known to this file from `tgsage teacher compare`."),
    ] = None,
    allow_changes: Annotated[
        bool, typer.Option("--allow-changes", help="Continue a pool that an older version began; this is noted in it.")
    ] = False,
    status: Annotated[
        bool, typer.Option("--status", help="Train nothing; write pool.h5 with what is done so far.")
    ] = False,
    data_dir: DataDir = None,
    json: Json = None,
) -> None:
    """Train random architectures briefly and keep the RDMs of all their layers: a pool to try teachers on.

    The same command continues after an interruption or a kill, and joins in from another terminal. pool.h5 is written
    at the end, after Ctrl-C, and by --status at any time.
    """
    from ...plugins.searchers.random import RandomSearcher
    from ...plugins.spaces import get_space
    from ...rsa import RSAError
    from ..pool.making import collect, left, parts_of
    from ..pool.plans import CANDIDATES, current_tops, plan_pool, published, read_search, thirds
    from ..rivals.members import trained_at
    from ..speed.environment import command

    numbers = [seed] if seeds is None else _numbers(seeds, "seeds", "0,1,2")
    places = {one: folder if seeds is None else folder / f"seed{one}" for one in numbers}
    if status:
        begun = {one: at for one, at in places.items() if seeds is None or parts_of(at / CANDIDATES)}
        for one in (one for one in places if one not in begun):
            typer.echo(f"seed {one}: no member so far")
        _state({one: _finish(collect(at / CANDIDATES), at) for one, at in begun.items()}, json, seeds)
        return
    if each is not None and (search or epochs is not None):
        raise RSAError("--each draws from a published table, so that it goes without --search and --epochs")
    images: dict[str, Any] = {"data": data, "train": train or None, "valid": valid or None, "data_dir": data_dir}
    looks = _numbers(checkpoints, "checkpoints", _CHECKPOINTS, " of examples")
    training: dict[str, Any] = {"recipe": recipe, "checkpoints": looks, "epochs": epochs, "tested": tested}
    shown = recordings_of(recordings)
    fixed: list[Any] = []
    if each is not None:
        known, where = published(space, data_dir), get_space(space)
        training["groups"] = thirds(where, known, known.size, each)
        fixed = [json_.loads(key) for key in training["groups"]]
    if members is not None and seeds is None:
        raise RSAError("--members needs --seeds")
    stated = {}
    for one, place in places.items():
        maker = plan_pool(place, space=space, recordings=shown, seed=one, **images, **training)
        chosen = list(fixed)
        if each is None:
            chosen = [top for study in search or () for top in current_tops(read_search(study), every)]
        if each is None and seeds is not None:  # the same members for every seed
            searcher = RandomSearcher(maker.space, seed=seed)
            chosen += [searcher.ask(trial) for trial in range(cells)]
        if members is not None:
            chosen = left(maker, chosen, trained_at(members, one, maker.describe()))
            if not chosen:
                typer.echo(f"seed {one}: {members} knows all members")
                continue
        drawn = {"samples": cells if seeds is None and each is None else 0, "architectures": chosen}
        made = _make(maker, place, drawn, workers, allow_changes)
        settings = {**made.settings, "command": command("bench pool")}
        stated[one] = _finish(replace(made, settings=settings), place)
    _state(stated, json, seeds)


def _make(maker: "Maker", folder: Path, drawn: dict[str, Any], workers: int, allow_changes: bool) -> "Pool":
    from ...plugins.report.live import LiveView
    from ..pool.making import collect, make_pool, parts_of

    folder.mkdir(parents=True, exist_ok=True)
    view = LiveView(drawn["samples"] + len(drawn["architectures"]))
    how: dict[str, Any] = {"workers": workers, "notify": view.update, "allow_changes": allow_changes}
    try:
        with view:
            return make_pool(maker, **drawn, storage=folder / "search.db", **how)
    except KeyboardInterrupt:
        if parts_of(maker.folder):
            collect(maker.folder).save(folder / "pool.h5")
        raise


def _numbers(text: str, what: str, example: str, of: str = "") -> list[int]:
    from ...rsa import RSAError

    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise RSAError(f"{what} are numbers{of}, as {example}, not {text}") from error


def recordings_of(text: str) -> dict[str, str]:
    """name -> by, of NAME=BY,NAME=BY. Raises RSAError for anything else."""
    from ...rsa import RSAError

    found = {}
    for part in filter(None, text.split(",")):
        name, sign, by = part.partition("=")
        if not (name and sign and by):
            raise RSAError(f"recordings are given as NAME=BY, as {_RECORDINGS}, not {part!r}")
        found[name] = by
    return found


def _finish(made: "Pool", folder: Path) -> dict[str, Any]:
    """Write what is done and show it."""
    made.save(folder / "pool.h5")
    return _show(made, folder / "pool.h5")


def _state(stated: Mapping[int, dict[str, Any]], json: Path | None, seeds: str | None) -> None:
    from ...rsa.cli.console import write_json

    if json is not None:
        several = {"seeds": {str(seed): one for seed, one in stated.items()}}
        write_json(json, next(iter(stated.values())) if seeds is None else several)


def _show(made: "Pool", out: Path) -> dict[str, Any]:
    import numpy as np

    from ..rank_statistics import spearman
    from ..report import show

    values = {
        "examples": np.median([member.examples for member in made.members], axis=0),
        "p": made.p.mean(axis=0),
        "spearman_p": spearman(made.p, made.mature),
        "spearman_loss": spearman(-made.loss, made.mature),
        "seconds": np.median([member.seconds for member in made.members], axis=0),
    }
    rows = [{key: float(value[i]) for key, value in values.items()} for i in range(len(made.checkpoints))]
    low, high = made.mature.min(), made.mature.max()
    groups = Counter(member.group.partition(" ")[0] for member in made.members if member.group)
    drawn = f" ({', '.join(f'{n} {group}' for group, n in groups.items())})" if groups else ""
    notes = [
        f"{len(made)} members{drawn}; mature performance {low:.3f} to {high:.3f}; {out}, "
        f"{out.stat().st_size / 1e6:.0f} MB",
        *(
            f"{view.name}: {len(view.labels)} conditions by {view.by}, {len(view.stimulus_ids)} images"
            for view in made.views.values()
        ),
        "rank correlations with mature performance; seconds until there, median",
    ]
    show(f"Pool of {made.space}", _COLUMNS, rows, notes)
    return {"file": str(out), "members": len(made), "checkpoints": rows, "settings": dict(made.settings)}


def teachers(
    folder: Annotated[Path, typer.Argument(help="Folder for the teachers' files.")],
    pool: Annotated[
        Path,
        typer.Argument(help="The pool whose stimuli they are for: a file, a folder of seeds, or a --members file."),
    ],
    network: Annotated[
        list[Path] | None, typer.Option(help="A checkpoint from `tgsage train` or `teacher train`; may be repeated.")
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="A model, as for `tgsage score`; may be repeated.",
            show_default="efficientnet_lite0, efficientnet_lite1",
        ),
    ] = None,
    untrained: Annotated[
        str, typer.Option(help="An untrained network as a control; an empty name for none.")
    ] = "resnet:3",
    layers: Annotated[
        list[str] | None, typer.Option(help='Targets of these networks; "output" is the logits.', show_default="auto")
    ] = None,
    data_dir: DataDir = None,
    json: Json = None,
) -> None:
    """Make teachers for the stimuli that a pool was shown, from networks, models and recordings.

    Existing files stay as they are. Pixels and categories need no file: a comparison adds them.
    """
    from ...rsa.cli.console import print_table, progress, write_json
    from ..pool.seeds import one_of
    from ..rivals.members import is_members, load_members
    from ..rivals.replanning import replanned
    from ..teachers.making import MODELS, makers

    if is_members(pool):
        table = load_members(pool)
        shown = replanned(table.about["pool"], table.space, folder, pool, data_dir=data_dir).pool(())
    else:
        shown = one_of(pool)
    folder.mkdir(parents=True, exist_ok=True)
    titles = [name for name in (MODELS if model is None else model) if name]
    sources: dict[str, Any] = {"networks": network or [], "models": titles, "untrained": untrained}
    planned = makers(shown, **sources, layers=layers or ["auto"], data_dir=data_dir)
    rows = []
    with progress("teachers", len(planned)) as done:
        for name, make in planned.items():
            done.note = name
            file = folder / f"{name}.h5"
            if not file.exists():
                make().save(file)
            rows.append(str(file))
            done()
    if json is not None:
        write_json(json, {"pool": str(pool), "teachers": rows})
    print_table(f"Teachers for {pool}", ["file"], [[row] for row in rows])


def page(
    out: Annotated[Path, typer.Argument(help="The page to write (.md), with a folder of pictures beside it.")],
    results: Annotated[
        list[Path],
        typer.Argument(
            help="Files that `teacher compare`, `bench screening`, `bench gains`, `bench predictors`, `bench "
            "efficiency` and `train` wrote with --json."
        ),
    ],
) -> None:
    """Write the page about the claims from result files alone."""
    from ..pages.experiments import write_page

    write_page(out, results)
    typer.echo(f"{out}: made of {', '.join(map(str, results))}")
