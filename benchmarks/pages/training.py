"""What the page says about networks that were trained for it, as teachers or to see what a recipe comes to."""

from collections.abc import Sequence
from pathlib import Path

from ..markdown import table
from ..result_files import reading_results

KIND = "training"
_HEAD = ["name", "network", "parameters", "data", "recipe", "examples", "seconds", "validation", "test"]
_TEXT = "Accuracy in % on images that they were not trained on. Seconds of the training, on the device named with them."


def training_section(paths: Sequence[Path]) -> str:
    """Markdown of files of `tgsage train --json`. Raises RSAError for one that is missing or something else."""
    rows = [_row(path) for path in paths]
    return "\n\n".join(["## Networks trained for this", _TEXT, table(_HEAD, rows, left=2)])


def _row(path: Path) -> list[str]:
    with reading_results(path, KIND, "training") as kept:
        accuracies = [f"{100 * kept[part]['accuracy']:.1f}" if part in kept else "-" for part in ("valid", "test")]
        return [
            path.stem, kept["network"], f"{kept['parameters']:,}", kept["data"], kept["recipe"]["name"],
            f"{kept['examples']:,}", f"{kept['seconds']:,.0f} ({kept['device']})", *accuracies,
        ]  # fmt: skip
