"""`tgsage space`: what a search space is, and architectures of it in words and pictures."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...rsa.cli.options import DataDir, Json, writable
from .evaluate import By, show_predictors

if TYPE_CHECKING:
    from ..evaluation.predictors import Predicted
    from ..spaces import Architecture, CellPair, Space

Tables = list[tuple[str, list[str], list[list[str]], list[str]]]  # for `print_table`


def space(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="A space or a known cell; without one, all are listed.")
    ] = None,
    sample: Annotated[int, typer.Option(help="Show this many random architectures.", min=0)] = 0,
    seed: Annotated[int, typer.Option(help="Seed of the random architectures.", min=0)] = 0,
    predictors: Annotated[
        bool, typer.Option("--predictors", help="Also compute free predictors for them, from images of --data.")
    ] = False,
    data: Annotated[str | None, typer.Option(help="Data set of the predictors' images.", show_default="digits")] = None,
    teacher: Annotated[
        str | None,
        typer.Option(
            help="With --predictors: also TG of the untrained networks, with this teacher: its file, a recording or a "
            "model.",
            show_default="none",
        ),
    ] = None,
    by: By = None,
    data_dir: DataDir = None,
    architecture: Annotated[Path | None, typer.Option(help="Show the architecture in this JSON file.")] = None,
    draw: Annotated[bool, typer.Option("--draw", help="Draw it, as --out NAME.png in the current folder.")] = False,
    out: Annotated[
        list[Path] | None,
        typer.Option(
            help="Write it to this file, as JSON or as a picture (.png, .svg, .pdf); several architectures are "
            "numbered: cell-1.json, ... Repeat it for more files."
        ),
    ] = None,
    json: Json = None,
) -> None:
    """Describe a search space, and show architectures of it: random ones, one from a file, or a known cell."""
    from ...rsa import RSAError
    from ...rsa.cli.console import print_table, write_json
    from ...rsa.plots.figures import PICTURES
    from ..spaces import KNOWN_CELLS

    files = [*(out or []), *([Path(f"{architecture.stem if architecture else name}.png")] if draw else [])]
    for path in files:
        writable(path)
        if path.suffix.lower() not in (".json", *PICTURES):
            raise RSAError(f"{path}: an architecture is written to .json, or drawn to {', '.join(PICTURES)}")
    if architecture is not None and sample:
        raise RSAError("--sample draws architectures and --architecture names one: give one of them")
    if predictors and not sample and architecture is None:
        raise RSAError("--predictors are of architectures: give --sample or --architecture")
    if data is not None and not predictors:
        raise RSAError("--data is where the images of --predictors come from; add --predictors")
    if teacher is not None and not predictors:
        raise RSAError("--teacher is for TG beside the free predictors; add --predictors")
    if by is not None and teacher is None:
        raise RSAError("--by is about a teacher; name one with --teacher")
    if name is None and architecture is None:
        if sample or files:
            raise RSAError("--sample, --draw and --out need the name of a space (see: tgsage space)")
        result, tables = _list()
    elif architecture is None and name is not None and name in KNOWN_CELLS:
        if sample or not all(map(_is_picture, files)):
            raise RSAError(
                f"{name} is a known cell, which can be drawn; there is nothing to sample or to write as JSON"
            )
        result, tables = _cell(KNOWN_CELLS[name], files)
    else:
        result, tables = _space(name, architecture, max(sample, int(bool(files))), seed, files)
    free, tg = _predicted(result, data or "digits", data_dir, seed, teacher, by) if predictors else ({}, {})
    if json is not None:
        write_json(json, result)
    for table in tables:
        print_table(*table)
    if free:
        show_predictors(f"Before training, from images of {data or 'digits'}", free, tg)


def _is_picture(path: Path) -> bool:
    from ...rsa.plots.figures import PICTURES

    return path.suffix.lower() in PICTURES


def _list() -> tuple[dict[str, Any], Tables]:
    from ..spaces import KNOWN_CELLS, get_space
    from ..spaces.catalogue import NAMES

    spaces = [get_space(name) for name in NAMES]
    rows = [[space.name, str(len(space.dimensions)), _size(space.size())] for space in spaces]
    notes = ["Other sizes: cnn7 (up to 7 layers), cell4 (4 blocks).", "tgsage space NAME tells more."]
    cells = [[pair.name, pair.source] for pair in KNOWN_CELLS.values()]
    tables = [
        ("Search spaces", ["name", "dimensions", "choices"], rows, notes),
        ("Known cells", ["name", "from"], cells, list[str]()),
    ]
    result = {
        "spaces": [{"name": s.name, "dimensions": len(s.dimensions), "size": s.size()} for s in spaces],
        "cells": [{"name": pair.name, "source": pair.source} for pair in KNOWN_CELLS.values()],
    }
    return result, tables


def _cell(pair: "CellPair", pictures: list[Path]) -> tuple[dict[str, Any], Tables]:
    from ...rsa.plots.figures import save_figure
    from ..spaces import CellSpace
    from ..spaces.cell import cell_graph
    from ..spaces.drawing import graph_figure

    parameters = _parameters(CellSpace(), pair, **pair.published)
    settings = ", ".join(f"{key} {value}" for key, value in pair.published.items())
    notes = [f"{parameters:,} parameters for CIFAR-10 ({settings}).", pair.source]
    for path in pictures:
        parts = {"normal cell": pair.normal, "reduction cell": pair.reduction}
        graphs = {pair.name: pair.normal} if pair.normal == pair.reduction else parts
        save_figure(graph_figure({title: cell_graph(cell) for title, cell in graphs.items()}), path)
    result: dict[str, Any] = {"name": pair.name, "source": pair.source, "description": pair.describe()}
    result |= {"published": dict(pair.published), "parameters": parameters}
    return result, [(pair.name, ["cell"], [[line] for line in pair.describe().splitlines()], notes)]


def _space(
    name: str | None, file: Path | None, count: int, seed: int, files: list[Path]
) -> tuple[dict[str, Any], Tables]:
    import numpy as np

    from ...rsa import RSAError
    from ..spaces import draw, get_space, read_architecture, write_architecture

    if file is not None:
        chosen, architecture = read_architecture(file)
        if name is not None and get_space(name) != chosen:
            raise RSAError(f"{file} holds an architecture of {chosen.name}, not of {name}")
        found = {str(file): architecture}
    else:
        chosen = get_space(name or "")
        rng = np.random.default_rng(seed)
        found = {f"sample {i} of seed {seed}": chosen.sample(rng) for i in range(1, count + 1)}
    for i, architecture in enumerate(found.values(), start=1):
        number = f"-{i}" if len(found) > 1 else ""
        for path in files:
            numbered = path.with_stem(path.stem + number)
            if _is_picture(path):
                draw(chosen, architecture, numbered)
            else:
                write_architecture(numbered, chosen, architecture)
    result, tables = _describe(chosen)
    shown = [_shown(chosen, title, architecture) for title, architecture in found.items()]
    return {**result, "architectures": [one for one, _ in shown]}, [table for _, table in shown] or tables


def _predicted(
    result: dict[str, Any], data: str, data_dir: Path | None, seed: int, teacher: str | None, by: str | None
) -> "tuple[dict[str, Predicted], dict[str, float | None]]":
    """Free predictors of the architectures shown, and TG where there is a teacher; both are added to the result."""
    from ..evaluation.evaluator import Evaluator
    from ..evaluation.predictors import first_batch, free_predictors
    from ..training import load_data, make_network
    from ..training.placement import same_threads
    from ..training.teachers import make_teacher

    images, found, tg = load_data(data, data_dir=data_dir), {}, dict[str, float | None]()
    with same_threads():
        batch, evaluator = first_batch(images), None
        if teacher is not None:
            made = make_teacher(teacher, images, by=by, data_dir=data_dir)
            evaluator = Evaluator(images, teacher=made, seed=seed, data_dir=data_dir)
        for shown in result["architectures"]:
            described = {"space": result["name"], "architecture": shown["architecture"]}
            model = make_network(described, shape=images.shape, n_classes=images.n_classes, seed=seed)
            found[shown["title"]] = one = free_predictors(model, *batch)
            shown |= {"predictors": dict(one), "predictors_unusable": one.unusable, "predictors_data": data}
            if evaluator is not None:
                tg[shown["title"]] = shown["untrained_tg"] = evaluator(model).tg
    return found, tg


def _describe(space: "Space") -> tuple[dict[str, Any], Tables]:
    """Dimensions by kind."""
    from ...rsa.errors import listing

    kinds: dict[str, list[Any]] = {}
    for dimension in space.dimensions:
        kinds.setdefault(dimension.kind, []).append(dimension)
    columns = ["kind", "dimensions", "first", "choices"]
    found = [(kind, len(s), s[0].name, max((list(d.choices) for d in s), key=len)) for kind, s in kinds.items()]
    rows = [[kind, str(count), first, listing(choices, 8)] for kind, count, first, choices in found]
    table = [dict(zip(columns, row, strict=True)) for row in found]
    about = next(iter((type(space).__doc__ or "").splitlines()), "")
    notes = [about, f"{len(space.dimensions)} dimensions; {space.size()} combinations of choices."]
    options = "--sample 3 --predictors" if space.reads == "images" else "--sample 3"
    notes.append(f"tgsage space {space.name} {options} shows networks from it.")
    result = {
        "name": space.name,
        "about": about,
        "dimensions": len(space.dimensions),
        "size": space.size(),
        "kinds": table,
    }
    return result, [(space.name, columns, rows, notes)]


def _shown(space: "Space", title: str, architecture: "Architecture") -> tuple[dict[str, Any], Any]:
    """An architecture for files, and as a table."""
    parameters, text = _parameters(space, architecture), space.describe(architecture)
    lines = [[line] for line in text.splitlines()]
    inputs = "3 x 32 x 32 images and 10 classes" if space.reads == "images" else "a vocabulary of 10,000 words"
    note = f"{parameters:,} parameters for {inputs}, as built without further settings."
    result = {"title": title, "architecture": dict(architecture), "description": text, "parameters": parameters}
    return result, (title, [f"architecture of {space.name}"], lines, [note])


def _parameters(space: "Space", architecture: "Architecture | CellPair", **settings: Any) -> int:
    import torch

    with torch.device("meta"):
        network = space.build(architecture, **settings)  # type: ignore[arg-type]
    return sum(parameter.numel() for parameter in network.parameters())


def _size(size: int) -> str:
    power = len(str(size)) - 1
    return str(size) if power < 6 else f"{size / 10**power:.1f}e{power}"
