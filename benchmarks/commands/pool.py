"""`tgsage bench pool` and `tgsage bench teachers`: what a teacher is chosen with, made once."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...rsa.cli.options import DataDir, Json, Workers

if TYPE_CHECKING:
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
DataName = Annotated[str, typer.Option(help="Data set, see: tgsage train.")]
Train = Annotated[int, typer.Option(help="Training images; 0 = all of them.", min=0)]
Valid = Annotated[int, typer.Option(help="Validation images; 0 = all of them.", min=0)]
RecipeName = Annotated[str, typer.Option(help="See: tgsage train.")]
Recordings = Annotated[
    str, typer.Option(help="Also show the stimuli of these recordings, grouped by a column: NAME=BY,NAME=BY.")
]


def pool(
    folder: Annotated[
        Path, typer.Argument(help="Folder of the pool: pool.h5, the candidates, and the search behind them.")
    ],
    cells: Annotated[int, typer.Option(help="Random architectures to draw; equal ones are trained once.", min=0)] = 200,
    search: Annotated[
        list[str] | None,
        typer.Option(help="Also take the best so far of this search at intervals, STUDY@STORAGE; repeat it."),
    ] = None,
    every: Annotated[int, typer.Option(help="Samples of that search between two looks at its best five.", min=1)] = 100,
    space: Annotated[str, typer.Option(help="nasbench201, cnn10, cell, toy (see: tgsage space).")] = "nasbench201",
    data: DataName = "cifar10-jpeg",
    train: Train = 6000,
    valid: Valid = 1000,
    recipe: RecipeName = "cifar-cnn",
    checkpoints: Annotated[str, typer.Option(help="Training examples after which candidates are evaluated.")] = (
        _CHECKPOINTS
    ),
    recordings: Recordings = _RECORDINGS,
    epochs: Annotated[
        float | None,
        typer.Option(
            help="Measure mature performance by training for this many epochs.",
            show_default="that published for NAS-Bench-201",
        ),
    ] = None,
    workers: Workers = 1,
    seed: Annotated[int, typer.Option(help="Seed of the draws and of every training.", min=0)] = 0,
    status: Annotated[bool, typer.Option("--status", help="Train nothing; write pool.h5 with what is done.")] = False,
    data_dir: DataDir = None,
    json: Json = None,
) -> None:
    """Train random architectures a little and keep the RDMs of all their layers: a pool to try teachers on.

    The same command continues after an interruption or a kill, and joins in from another terminal. pool.h5 is written
    at the end, after Ctrl-C, and by --status at any time.
    """
    from ...plugins.report.live import LiveView
    from ...rsa import RSAError
    from ..pool.making import collect, make_pool
    from ..pool.plans import CANDIDATES, current_tops, plan_pool, read_search
    from ..speed.environment import command

    out = folder / "pool.h5"
    if status:
        made = collect(folder / CANDIDATES)
    else:
        try:
            looks = [int(text) for text in checkpoints.split(",")]
        except ValueError as error:
            raise RSAError(f"checkpoints are numbers of examples, as {_CHECKPOINTS}, not {checkpoints}") from error
        images: dict[str, Any] = {"data": data, "train": train or None, "valid": valid or None, "data_dir": data_dir}
        training: dict[str, Any] = {"recipe": recipe, "checkpoints": looks, "epochs": epochs, "seed": seed}
        maker = plan_pool(folder, space=space, recordings=recordings_of(recordings), **images, **training)
        found = [one for place in search or () for one in current_tops(read_search(place), every)]
        folder.mkdir(parents=True, exist_ok=True)
        view = LiveView(cells + len(found))
        try:
            with view:
                drawn: dict[str, Any] = {"samples": cells, "architectures": found}
                made = make_pool(maker, **drawn, storage=folder / "search.db", workers=workers, notify=view.update)
        except KeyboardInterrupt:
            if any(maker.folder.glob("[!.]*.h5")):
                collect(maker.folder).save(out)
            raise
        made = replace(made, settings={**made.settings, "command": command("bench pool")})
    made.save(out)
    _show(made, out, json)


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


def _show(made: "Pool", out: Path, json: Path | None) -> None:
    import numpy as np

    from ...rsa.cli.console import write_json
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
    notes = [
        f"{len(made)} members; mature performance {low:.3f} to {high:.3f}; {out}, {out.stat().st_size / 1e6:.0f} MB",
        *(
            f"{view.name}: {len(view.labels)} conditions by {view.by}, {len(view.stimulus_ids)} images"
            for view in made.views.values()
        ),
        "rank correlations with mature performance; seconds until there, median",
    ]
    if json is not None:
        write_json(json, {"file": str(out), "members": len(made), "checkpoints": rows, "settings": dict(made.settings)})
    show(f"Pool of {made.space}", _COLUMNS, rows, notes)


def teachers(
    folder: Annotated[Path, typer.Argument(help="Folder for the teachers' files.")],
    pool: Annotated[Path, typer.Argument(help="The pool whose stimuli they are for.")],
    network: Annotated[
        list[Path] | None, typer.Option(help="A checkpoint of `tgsage train` or `teacher train`; repeat it.")
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="A model as `tgsage score` takes it; repeat it.", show_default="efficientnet_lite0, efficientnet_lite1"
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
    from ..pool.pool import Pool
    from ..teachers.making import MODELS, makers

    folder.mkdir(parents=True, exist_ok=True)
    titles = [name for name in (MODELS if model is None else model) if name]
    sources: dict[str, Any] = {"networks": network or [], "models": titles, "untrained": untrained}
    planned = makers(Pool.load(pool), **sources, layers=layers or ["auto"], data_dir=data_dir)
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
        list[Path], typer.Argument(help="Files of `teacher compare`, `bench efficiency` and `train` with --json.")
    ],
) -> None:
    """Write the page about the claims from result files alone."""
    from ..pages.experiments import write_page

    write_page(out, results)
    typer.echo(f"{out}: made of {', '.join(map(str, results))}")
