"""`tgsage teacher`: teachers as files."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...rsa.cli.options import DataDir, Json, Loaders, Tokens, writable
from ..settings import SPLITS, Layout, RegionSettings, check_axes

if TYPE_CHECKING:
    from ...rsa import Teacher

STATED = ("selected", "read_as", "left_out")  # attributes with lines of their own

By = Annotated[
    str | None,
    typer.Option(
        help="stimulus, or a column to average over: object_name, category_name, ...",
        show_default=f"{RegionSettings.by}, or a teacher file's own",
    ),
]
Level = Annotated[
    str | None,
    typer.Option(
        "--level",
        "--target-by",
        help="Targets of a recording: subregion, region, paper, or any column of neuroids: animal, arr, depth:5 "
        "(groups of equal size), depth:0,500,1000 (edges), region+arr (both).",
        show_default=RegionSettings.level,
    ),
]
Scale = Annotated[
    str | None,
    typer.Option(
        help="Scaling of each neuroid over stimuli: none, zscore or max. Unscaled, neuroids with high rates dominate.",
        show_default=RegionSettings.scale,
    ),
]
Window = Annotated[
    tuple[float, float] | None,
    typer.Option(help="Start and end of a recording's responses in ms.", show_default="the recording's own"),
]
Where = Annotated[
    list[str] | None,
    typer.Option(
        help="Only what meets this condition on a column (quote < and >): variation=6, region=V4,IT, object_name=!car, "
        "'reliability>.4'; repeat it for several.",
        show_default="everything",
    ),
]
Part = Annotated[
    str,
    typer.Option(
        help="Part of a file that holds several: a netCDF group; a sheet; trials, averaged or binned (HvM).",
        show_default=False,
    ),
]
_GUESSED = "guessed by name"
Responses = Annotated[
    str, typer.Option(help="Variable, or column of values, that holds the responses.", show_default=_GUESSED)
]
StimulusIds = Annotated[
    str,
    typer.Option(help="Column, variable or file that names what was shown; order numbers it.", show_default=_GUESSED),
]
NeuroidIds = Annotated[
    str,
    typer.Option(
        help="Column or variable that names neuroids; of a table with one column for each, these (unit*).",
        show_default=_GUESSED,
    ),
]
Repetition = Annotated[
    str, typer.Option(help="Column or variable that numbers repeats or trials.", show_default=_GUESSED)
]
Region = Annotated[
    str, typer.Option(help="Column or variable that names regions, or the region of all.", show_default=_GUESSED)
]
Dims = Annotated[
    str,
    typer.Option(
        help="Axes of an array of responses, such as stimulus,repetition,neuroid.", show_default="by the names"
    ),
]

teacher = typer.Typer(no_args_is_help=True)


@teacher.callback()
def group() -> None:
    """Make and compare teachers: sets of target RDMs, each in one file."""


@teacher.command()
def build(
    recording: Annotated[
        str,
        typer.Argument(
            help="A name (see: tgsage data list) or a file, of responses or RDMs; or a model, as for `tgsage score`."
        ),
    ],
    out: Annotated[Path, typer.Argument(help="The teacher file to write (HDF5).", callback=writable)],
    by: By = None,
    level: Level = None,
    scale: Scale = None,
    metric: Annotated[
        str | None,
        typer.Option(
            help="Dissimilarity: correlation, spearman, cosine, euclidean, ...", show_default=RegionSettings.metric
        ),
    ] = None,
    method: Annotated[
        str | None, typer.Option(help="The comparison it is meant for, also of its ceilings.", show_default="pearson")
    ] = None,
    window: Window = None,
    missing: Annotated[
        str | None,
        typer.Option(
            help="Neuroids that lack a response to some stimulus: raise, or drop them.",
            show_default=RegionSettings.missing,
        ),
    ] = None,
    splits: Annotated[
        int | None,
        typer.Option(help="Random split halves behind the ceilings; 0 = no ceilings.", min=0, show_default=str(SPLITS)),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the split halves.", min=0, show_default="0")] = None,
    features: Annotated[
        bool, typer.Option("--features", help="Keep the responses too, for `tgsage score --similarity cka`, ridge, ...")
    ] = False,
    where: Where = None,
    part: Part = "",
    responses: Responses = "",
    stimulus_ids: StimulusIds = "",
    neuroid_ids: NeuroidIds = "",
    repetition: Repetition = "",
    region: Region = "",
    dims: Dims = "",
    stimuli: Annotated[
        str | None, typer.Option(help="Images to show a model: a folder, an archive, or a data set's name.")
    ] = None,
    layers: Annotated[
        list[str] | None, typer.Option(help='Of a model: names, globs or "auto"; repeat it, or separate with commas.')
    ] = None,
    tokens: Tokens = "all",
    loaders: Loaders = 1,
    data_dir: DataDir = None,
    json: Json = None,
) -> None:
    """Make a teacher of RECORDING: the RDM and the noise ceiling of each region, saved as one file."""
    from dataclasses import replace

    from ...rsa import RSAError
    from ...rsa.cli.console import progress, write_json
    from ..catalogue.images import images
    from ..teacher import is_model_name, load_teacher

    if is_model_name(recording):
        of_recordings: dict[str, Any] = {"level": level, "scale": scale, "window": window, "missing": missing}
        of_recordings |= {"splits": splits, "where": where or None}
        made = _of_model(
            recording,
            stimuli,
            layers,
            by,
            metric,
            method,
            seed or 0,
            features,
            tokens,
            loaders,
            of_recordings,
            data_dir,
        )
        made.save(out)
        if json is not None:
            write_json(json, {"file": str(out), **summary(made)})
        _show(made, out, f"images: {made.stimuli}, SHA-256 {made.checksum[:12]}")
        return
    for name, value in {"stimuli": stimuli, "layers": layers, "tokens": None if tokens == "all" else tokens}.items():
        if value is not None:
            raise RSAError(f"--{name} is for a model, and {recording} is none")
    settings: dict[str, Any] = {
        "by": by,
        "level": level,
        "scale": scale,
        "window": window,
        "metric": metric,
        "missing": missing,
    }
    settings |= {"splits": splits, "seed": seed, "method": method}
    layout = Layout(responses, stimulus_ids, neuroid_ids, repetition, region, check_axes(dims), part)
    settings |= {"where": where or (), "layout": layout, "features": features}
    with progress("split halves", SPLITS if splits is None else splits) as done:
        made = load_teacher(recording, data_dir=data_dir, advance=done, **settings)
        done.note = "images"
        try:
            if not made.stimuli:
                raise RSAError("the recording is of no named data set")
            made = replace(
                made, checksum=made.select(images(made.stimuli, data_dir=data_dir)).checksum(loaders=loaders)
            )
            shown = f"images: {made.stimuli}, SHA-256 {made.checksum[:12]}"
        except RSAError as error:
            shown = f"images: not found, so users of this file cannot check theirs ({error})"
    made.save(out)
    if json is not None:
        write_json(json, {"file": str(out), **summary(made)})
    _show(made, out, shown)


def _of_model(
    name: str,
    stimuli: str | None,
    layers: list[str] | None,
    by: str | None,
    metric: str | None,
    method: str | None,
    seed: int,
    features: bool,
    tokens: str,
    loaders: int,
    of_recordings: dict[str, Any],
    data_dir: Path | None,
) -> "Teacher":
    """A model's layers over the stimuli as targets. Raises RSAError for options that are about recordings."""
    from ...rsa import RSAError, Teacher
    from ...rsa.cli.console import progress
    from ..catalogue.images import images

    for option, value in of_recordings.items():
        if value is not None:
            raise RSAError(f"--{option} is for recordings, and {name} is a model")
    if stimuli is None:
        raise RSAError(f"{name} is a model, and a teacher only over images: give --stimuli")
    shown = images(stimuli, data_dir=data_dir)
    wanted = [layer for part in layers or ["auto"] for layer in part.split(",")]
    how: dict[str, Any] = {"by": by or RegionSettings.by, "metric": metric or RegionSettings.metric, "seed": seed}
    how |= {"tokens": tokens, "loaders": loaders}
    with progress(f"{name}: forward passes", len(shown), "images") as done:
        made = Teacher.from_network(name, name, shown, wanted, features=features, progress=done, **how)
    return made.with_method(method or made.method)


def summary(made: "Teacher") -> dict[str, object]:
    """What a teacher holds, as JSON-able values."""
    targets = {
        target: {"conditions": len(rdm), **rdm.attrs, "ceiling": list(made.ceilings.get(target, ())) or None}
        for target, rdm in made.rdms.items()
    }
    fields = {key: getattr(made, key) for key in ("name", "by", "metric", "method", "stimuli", "checksum")}
    return {**fields, "targets": targets, "attrs": dict(made.attrs)}


def _show(made: "Teacher", out: Path, shown: str) -> None:
    from ...rsa.cli.console import print_table

    rows = []
    for target, rdm in made.rdms.items():
        upper = made.ceilings.get(target, (None, None))[1]
        numbers = [rdm.attrs.get("neuroids"), rdm.attrs.get("repeats"), rdm.attrs.get("reliability"), upper]
        rows.append([target, str(len(rdm)), *("-" if x is None else f"{x:.4g}" for x in numbers)])
    what = "stimuli" if made.by == "stimulus" else made.by
    elsewhere = ("note", "repeats", "ceiling", *STATED)
    facts = ", ".join(f"{key} {value}" for key, value in made.attrs.items() if key not in elsewhere)
    notes = [f"ceiling: {made.attrs.get('ceiling', 'none')}", facts, shown, str(made.attrs.get("note", ""))]
    notes += [f"{key.replace('_', ' ')}: {made.attrs[key]}" for key in STATED if key in made.attrs]
    columns = ["target", what, "neuroids", "repeats", "reliability", "ceiling"]
    print_table(f"{out}: teacher {made.name}", columns, rows, [note for note in notes if note])
