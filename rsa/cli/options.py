"""Options that several commands have. One that names an output is checked before the work that leads to it."""

from pathlib import Path
from typing import Annotated

import typer


def writable(path: Path | None) -> Path | None:
    """The path as it is. Raises RSAError when no file can be written there."""
    if path is not None:
        from ..io.storage import check_writable

        check_writable(path)
    return path


def picture(path: Path | None) -> Path | None:
    """The path as it is. Raises RSAError when no picture can be written there."""
    if path is not None:
        from ..plots.figures import check_picture

        check_picture(path)
    return path


def web_page(path: Path | None) -> Path | None:
    """The path as it is. Raises RSAError when no HTML page can be written there."""
    if path is not None:
        from ..report.page import check_report

        check_report(path)
    return path


Json = Annotated[Path | None, typer.Option(help="Also write everything to this file.", callback=writable)]
Plot = Annotated[Path | None, typer.Option(help="Also draw a picture (.png, .svg, .pdf).", callback=picture)]
DataDir = Annotated[
    Path | None, typer.Option(help="Folder of data sets and recordings.", show_default="$TGSAGE_DATA, then the cache")
]
Device = Annotated[
    str | None, typer.Option(help='Device that networks run on, such as "cuda:0".', show_default="a GPU if any")
]
NFeatures = Annotated[
    int, typer.Option(help="Features drawn at random per layer, by seed and layer name; 0 = all of them.", min=0)
]
Tokens = Annotated[
    str, typer.Option(help="For a transformer's layers: all tokens, the class token (cls), or the mean over tokens.")
]
Loaders = Annotated[
    int, typer.Option(help="Threads that decode images while the model runs; results do not depend on how many.", min=1)
]
Workers = Annotated[int, typer.Option(help="Number of processes.", min=1)]
