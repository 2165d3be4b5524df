"""Options that several commands have: about recordings, and about the cache of layers."""

from collections.abc import Callable
from functools import wraps
from inspect import Parameter, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..settings import SPLITS, Layout, RegionSettings

if TYPE_CHECKING:
    from ...rsa.networks.cache import LayerCache

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
        help="How a recording is divided into targets: subregion, region, paper, or any column of neuroids, such as "
        "animal, arr, depth:5 (groups of equal size), depth:0,500,1000 (edges) or region+arr (both).",
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
Method = Annotated[
    str | None,
    typer.Option(
        help="pearson, spearman, tau-a, rho-a, cosine, cosine-whitened or pearson-whitened.",
        show_default="the teacher's own, pearson",
    ),
]
Splits = Annotated[
    int | None,
    typer.Option(help="Random split halves behind a recording's ceilings; 0: none.", min=0, show_default=str(SPLITS)),
]
Window = Annotated[
    tuple[float, float] | None,
    typer.Option(help="Start and end of a recording's responses in ms.", show_default="the recording's own"),
]
Where = Annotated[
    list[str] | None,
    typer.Option(
        help="Use only what meets this condition on a column of neuroids, presentations or images (quote < and >): "
        "variation=6, region=V4,IT, object_name=!car, 'reliability>.4'; repeat it for several conditions.",
        show_default="everything",
    ),
]


def _of_layout(text: str, default: str | bool = "guessed by name") -> Any:
    return Annotated[str, typer.Option(help=text, show_default=default)]


_LAYOUT = {
    "part": _of_layout(
        "Which part of a file that holds several: a netCDF group; a sheet; trials, averaged or binned (HvM).", False
    ),
    "responses": _of_layout("Variable, or column of values, that holds the responses."),
    "stimulus_ids": _of_layout('Column, variable or file that names what was shown; "order" numbers it.'),
    "neuroid_ids": _of_layout(
        "Column or variable that names neuroids; for a table with one column per neuroid, these columns (unit*)."
    ),
    "repetition": _of_layout("Column or variable that numbers repeats or trials."),
    "region": _of_layout("Column or variable that names regions, or the one region of all neuroids."),
    "dims": _of_layout("Axes of an array of responses, such as stimulus,repetition,neuroid.", "by the names"),
}


def takes_layout(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of a `Layout` in place of its parameter `layout`."""

    @wraps(command)
    def run(**given: Any) -> None:
        command(layout=Layout(**{name: given.pop(name) for name in _LAYOUT}), **given)

    options = [
        Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, default="", annotation=_LAYOUT[name]) for name in _LAYOUT
    ]
    own = signature(command).parameters.values()
    parameters = [one for given in own for one in (options if given.name == "layout" else [given])]
    run.__signature__ = signature(command).replace(parameters=parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    return run


CacheFolder = Annotated[
    Path | None,
    typer.Option(
        help="Folder where RDMs of models' layers are kept for the next run.",
        show_default="$TGSAGE_CACHE, then the cache",
    ),
]
CacheSize = Annotated[
    float | None,
    typer.Option(
        help="Gigabytes to keep there; what has gone unused the longest is removed first. 0: keep nothing.",
        min=0,
        show_default="$TGSAGE_CACHE_GB, else 10",
    ),
]


def kept_layers(folder: Path | None, gigabytes: float | None) -> "LayerCache":
    """The cache of layers in this folder. A default one that cannot be written keeps nothing."""
    from ...rsa import RSAError
    from ...rsa.networks.cache import LayerCache
    from ..simulation.cache import cache_folder

    if folder is not None:
        return LayerCache(folder, gigabytes)
    try:
        return LayerCache(cache_folder() / "layers", gigabytes)
    except RSAError:
        return LayerCache(cache_folder(), 0)
