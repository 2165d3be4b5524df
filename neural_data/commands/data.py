"""`tgsage data`: list, describe, fetch and convert recordings."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...rsa.cli.options import DataDir, Json, picture, writable
from ..settings import GUESSED, Layout
from .options import STATED, By, Level, Scale, Where, Window, takes_layout
from .over_time import Bins, OverTime, describe_course

if TYPE_CHECKING:
    from ..catalogue.datasets import Dataset

data = typer.Typer(help="List, describe, fetch and convert recordings.", no_args_is_help=True)


@data.command("list")
def list_(data_dir: DataDir = None, json: Json = None) -> None:
    """List the data sets of the catalogue, and which of them are on disk."""
    from ...rsa.cli.console import print_table, write_json
    from ..catalogue.lookup import data_folder, list_datasets

    folder = data_folder(data_dir)
    datasets = list_datasets()
    rows = [
        [
            f"{item.name}\n  {item.title}\n  {_access(item)}; licence: {item.licence}; by {item.authors}",
            item.kind,
            _size(item),
            _presence(item, folder),
        ]
        for item in datasets
    ]
    notes = [
        f"Data folder: {folder}",
        "tgsage data describe NAME shows the source and the citation; - means that the size is not known.",
    ]
    if json is not None:
        listed = [{**_registered(item), "on_disk": _presence(item, folder)} for item in datasets]
        write_json(json, {"folder": str(folder), "datasets": listed})
    print_table("Data sets", ["name", "kind", "size", "on disk"], rows, notes)


@data.command()
@takes_layout
def describe(
    name: Annotated[str, typer.Argument(metavar="NAME-or-FILE", help="A data set, recording, RDMs or teacher file.")],
    by: By = None,
    level: Level = None,
    scale: Scale = None,
    splits: Annotated[int, typer.Option(help="Random split halves behind the reliability.", min=1)] = 100,
    seed: Annotated[int, typer.Option(help="Seed of the split halves.", min=0)] = 0,
    where: Where = None,
    layout: Layout = GUESSED,
    over_time: OverTime = False,
    bins: Bins = None,
    window: Window = None,
    data_dir: DataDir = None,
    json: Json = None,
    plot: Annotated[
        Path | None, typer.Option(help="Draw neuroid reliability and region RDMs (.png, .svg, .pdf).", callback=picture)
    ] = None,
) -> None:
    """Describe a recording (dims, regions, neuroids, stimuli, repeats) or behaviour, and how reliable it is."""
    from ...rsa import RSAError
    from ...rsa.cli.console import print_table, progress, write_json
    from ...rsa.plots.figures import save_figure
    from ..catalogue.lookup import data_folder, find
    from ..description import describe as description

    dataset = find(name)
    if dataset is not None and _presence(dataset, data_folder(data_dir)) == "no":  # what follows says how to get it
        files = [[file.path, f"{file.size / 1e6:.1f} MB" if file.size else "-", "no"] for file in dataset.files]
        facts = [dataset.title, f"published at: {dataset.source} ({_access(dataset)})"]
        facts += [f"licence: {dataset.licence}", f"citation: {dataset.citation}"]
        print_table(dataset.name, ["file", "size", "on disk"], files, facts)
    if dataset is not None and dataset.kind == "behavior":
        from .behavior import describe_behavior

        about = {"published at": dataset.source, "licence": dataset.licence, "citation": dataset.citation}
        describe_behavior(name, about, json, data_dir=data_dir, seed=seed)
        return
    if over_time:
        from ..catalogue.lookup import load_as

        recording = load_as(name, data_dir, layout, where or ())
        made = {"by": by, "level": level, "scale": scale}
        describe_course(name, bins, window, made, splits, seed, recording, json, plot)
        return
    if bins is not None:
        raise RSAError("--bins is for --over-time here")
    with progress("split halves", splits) as done:
        own: dict[str, Any] = {"by": by, "level": level, "scale": scale, "window": window}
        own |= {"splits": splits, "seed": seed}
        found = description(name, **own, where=where or (), layout=layout, data_dir=data_dir, progress=done)
    columns = next(iter(found.targets.values()))
    rows = [[target, *map(_cell, numbers.values())] for target, numbers in found.targets.items()]
    facts = [f"RDMs: {found.made}", *(f"{key}: {value}" for key, value in found.facts.items())]
    if dataset is not None:
        facts += [f"published at: {dataset.source} ({_access(dataset)})"]
        facts += [f"licence: {dataset.licence}", f"citation: {dataset.citation}"]
    if json is not None:
        registered = {} if dataset is None else {"registry": _registered(dataset)}
        described = {"name": found.name, "targets": found.targets, "settings": found.settings, "facts": found.facts}
        write_json(json, described | registered)
    if plot is not None:
        from .plots import describe_figure

        save_figure(describe_figure(found), plot)
    print_table(found.name, ["target", *(column.replace("_", " ") for column in columns)], rows, facts)


@data.command()
def fetch(
    name: Annotated[str, typer.Argument(help="A name from: tgsage data list")],
    data_dir: DataDir = None,
    json: Json = None,
) -> None:
    """Download the files of a data set into the data folder; a file appears once its checksum is verified."""
    from ...rsa.cli.console import print_table, progress, write_json
    from ..catalogue.download import fetch as fetch_files

    sizes: dict[str, tuple[float, float]] = {}  # file -> megabytes so far, and in all
    with progress(f"downloading {name}", unit="MB") as done:

        def report(file: str, so_far: int, total: int) -> None:
            before, _ = sizes.get(file, (0.0, 0.0))
            sizes[file] = so_far / 1e6, total / 1e6
            done.note, done.total = file, sum(total for _, total in sizes.values())
            done(so_far / 1e6 - before)

        files = fetch_files(name, data_dir=data_dir, report=report)
    states = {str(path): "downloaded" if new else "was there" for path, new in files.items()}
    rows = [[path, f"{Path(path).stat().st_size / 1e6:.1f} MB", state] for path, state in states.items()]
    if json is not None:
        write_json(json, {"name": name, "files": states})
    print_table(name, ["file", "size", ""], rows)


@data.command()
@takes_layout
def convert(
    source: Annotated[str, typer.Argument(metavar="IN", help="A name from: tgsage data list, or a file.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The netCDF file to write.", callback=writable)],
    where: Where = None,
    layout: Layout = GUESSED,
    data_dir: DataDir = None,
    json: Json = None,
) -> None:
    """Convert a recording of any known format to netCDF, which `load` reads back unchanged."""
    from ...rsa.cli.console import print_table, progress, write_json
    from ..catalogue.lookup import load_as
    from ..recordings.readers.native import save_recording

    with progress(f"converting {source}"):
        recording = load_as(source, data_dir, layout, where or ())
        save_recording(recording, out)
    sizes = {str(dim): size for dim, size in recording.sizes.items()}
    rows = [[f"{source} -> {out}", *map(str, sizes.values()), f"{out.stat().st_size / 1e6:.1f} MB"]]
    if json is not None:
        made = {"source": source, "part": layout.part, "file": str(out), "dims": sizes, "bytes": out.stat().st_size}
        write_json(json, {**made, "attrs": dict(recording.attrs)})
    stated = [f"{key.replace('_', ' ')}: {recording.attrs[key]}" for key in STATED if key in recording.attrs]
    print_table("converted", ["file", *sizes, "size"], rows, stated)


def _cell(value: Any) -> str:
    if value is None or value != value:
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _size(dataset: "Dataset") -> str:
    sizes = [file.size for file in dataset.files]
    if sizes and all(sizes):
        return f"{sum(sizes) / 1e6:.1f} MB"
    return f"about {dataset.megabytes:g} MB" if dataset.megabytes else "-"


def _presence(dataset: "Dataset", folder: Path) -> str:
    if not dataset.files:
        return "made here"
    there = [any((folder / place).is_file() for place in (file.path, *file.older)) for file in dataset.files]
    return "yes" if all(there) else "in part" if any(there) else "no"


def _access(dataset: "Dataset") -> str:
    """Whether anybody may get it, and how."""
    if not dataset.files:
        return "made here"
    fetched = all(file.url for file in dataset.files)
    how = "with tgsage data fetch" if fetched else "to be downloaded by hand"
    return f"public, {how}" if dataset.public else "not public"


def _registered(dataset: "Dataset") -> dict[str, Any]:
    fields = ("name", "kind", "title", "source", "licence", "citation", "megabytes", "public")
    files = [vars(file) | {"size": file.size or None} for file in dataset.files]
    return {**{key: getattr(dataset, key) for key in fields}, "files": files}
