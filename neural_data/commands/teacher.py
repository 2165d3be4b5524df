"""`tgsage teacher`: teachers as files."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...rsa.cli.options import DataDir, Json, Loaders, Tokens, writable
from ..settings import GUESSED, SPLITS, Layout, RegionSettings
from .options import STATED, By, Level, Scale, Where, Window, takes_layout

if TYPE_CHECKING:
    from ...rsa import Teacher

teacher = typer.Typer(no_args_is_help=True)


@teacher.callback()
def group() -> None:
    """Make and compare teachers: sets of target RDMs, each in one file."""


@teacher.command()
@takes_layout
def build(
    recording: Annotated[
        str,
        typer.Argument(
            help="A name (see: tgsage data list) or file of responses or RDMs; or a model, as for `tgsage score`."
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
        str | None, typer.Option(help="Comparison it is meant for, also used for its ceilings.", show_default="pearson")
    ] = None,
    window: Window = None,
    missing: Annotated[
        str | None,
        typer.Option(
            help="What to do with neuroids that lack a response to some stimulus: raise (an error), or drop (them).",
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
    layout: Layout = GUESSED,
    stimuli: Annotated[
        str | None,
        typer.Option(
            help="Images to show to a model, or those of a recording: a folder, an archive, or a data set's name.",
            show_default="a recording's own",
        ),
    ] = None,
    layers: Annotated[
        list[str] | None, typer.Option(help='For a model: names, globs or "auto"; may be repeated or comma-separated.')
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
    from ...rsa.errors import refuse
    from ..catalogue.images import images
    from ..scoring import model_teacher
    from ..teacher import is_model_name, load_teacher

    own: dict[str, Any] = {"level": level, "scale": scale, "window": window, "missing": missing, "splits": splits}
    if is_model_name(recording):
        wanted = [layer for part in layers or ["auto"] for layer in part.split(",")]
        made, _ = model_teacher(
            recording,
            stimuli,
            wanted,
            of_recordings={**own, "where": where, **dict.fromkeys(layout.given, True)},
            by=by,
            metric=metric,
            method=method,
            data_dir=data_dir,
            progress=True,
            features=features,
            seed=seed or 0,
            tokens=tokens,
            loaders=loaders,
        )
        shown = f"images: {made.stimuli}, SHA-256 {made.checksum[:12]}"
    else:
        of_models = {"layers": layers, "tokens": None if tokens == "all" else tokens}
        refuse(of_models, f"is for a model, and {recording} is none")
        own |= {"by": by, "metric": metric, "seed": seed, "method": method, "where": where or (), "layout": layout}
        with progress("split halves", SPLITS if splits is None else splits) as done:
            own |= {"progress": done, "features": features, "stimuli": stimuli}
            made = load_teacher(recording, data_dir=data_dir, **own)
            done.note = "images"
            try:
                if not (stimuli or made.stimuli):
                    raise RSAError("the recording is of no named data set; --stimuli names them")
                chosen = made.select(images(stimuli or made.stimuli, data_dir=data_dir))
                made = replace(
                    made, stimuli=made.stimuli or chosen.reference, checksum=chosen.checksum(loaders=loaders)
                )
                shown = f"images: {made.stimuli}, SHA-256 {made.checksum[:12]}"
            except RSAError as error:
                if stimuli:
                    raise
                shown = f"images: not found, so users of this file cannot check theirs ({error})"
    made.save(out)
    if json is not None:
        write_json(json, {"file": str(out), **summary(made)})
    _show(made, out, shown)


def summary(made: "Teacher") -> dict[str, object]:
    """What a teacher holds, as JSON-able values."""
    targets = {
        target: {"conditions": len(one), **one.attrs, "ceiling": list(made.ceilings.get(target, ())) or None}
        for target, one in made.by_target.items()
    }
    fields = {key: getattr(made, key) for key in ("name", "by", "metric", "method", "stimuli", "checksum")}
    return {**fields, "targets": targets, "attrs": dict(made.attrs)}


def _show(made: "Teacher", out: Path, shown: str) -> None:
    from ...rsa.cli.console import print_table

    rows = []
    for target, one in made.by_target.items():
        upper = made.ceilings.get(target, (None, None))[1]
        numbers = [one.attrs.get("neuroids"), one.attrs.get("repeats"), one.attrs.get("reliability"), upper]
        rows.append([target, str(len(one)), *("-" if x is None else f"{x:.4g}" for x in numbers)])
    what = "stimuli" if made.by == "stimulus" else made.by
    elsewhere = ("note", "repeats", "ceiling", *STATED)
    facts = ", ".join(f"{key} {value}" for key, value in made.attrs.items() if key not in elsewhere)
    notes = [f"ceiling: {made.attrs.get('ceiling', 'none')}", facts, shown, str(made.attrs.get("note", ""))]
    notes += [f"{key.replace('_', ' ')}: {made.attrs[key]}" for key in STATED if key in made.attrs]
    columns = ["target", what, "neuroids", "repeats", "reliability", "ceiling"]
    print_table(f"{out}: teacher {made.name}", columns, rows, [note for note in notes if note])
