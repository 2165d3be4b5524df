"""Options of the cache of layers."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ...rsa.networks.cache import LayerCache

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
        help="Gigabytes to keep there; what has not been used for longest goes first. 0: keep nothing.",
        min=0,
        show_default="$TGSAGE_CACHE_GB, then 10",
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
