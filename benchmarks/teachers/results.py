"""A comparison of teachers as a small JSON file, and back: pages and pictures are made from such files alone."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...rsa.cli.console import write_json
from ..rank_statistics import spearman
from ..result_files import reading_results
from .choices import Half, better_than_chance, halves
from .comparison import OVER, Comparison

if TYPE_CHECKING:
    import xarray

KIND = "teachers"
_DIGITS = 4


def write_comparison(path: Path, found: Comparison, **more: Any) -> None:
    """Numbers with four digits; every line holds those along the last dimension. more: JSON-able, kept beside them."""
    columns = {
        "table": _packed(found.table), "targets": _packed(found.targets.to_dataset(name="targets")),
        "held_out": _packed(found.held_out), "members": _packed(found.members),
    }  # fmt: skip
    write_json(path, {"kind": KIND, "about": found.about, **columns, **more})


def read_comparison(path: str | Path) -> tuple[Comparison, dict[str, Any]]:
    """What `write_comparison` wrote: the comparison, and all else that is in the file.

    Older files have gains over P alone. Where P ranks the members no better than chance these become gains over chance,
    whose intervals such a file does not have (NaN).

    Raises RSAError for a file that is missing or something else.
    """
    with reading_results(path, KIND, "comparison of teachers") as kept:
        parts = {key: _unpacked(kept.pop(key)) for key in ("table", "targets", "held_out", "members")}
        targets, about = parts.pop("targets")["targets"], kept.pop("about")
        if about.get("gains") != OVER:
            _over_chance(parts["table"], parts["held_out"], parts["members"], halves(about["members"], about["seed"]))
        return Comparison(targets=targets, about=about, **parts), kept


def _over_chance(
    table: "xarray.Dataset", held_out: "xarray.Dataset", members: "xarray.Dataset", split: tuple[Half, Half]
) -> None:
    mature = members["mature"].values
    for c, p in enumerate(members["p"].values.T):
        here = {"checkpoint": c}
        both = [better_than_chance(p, mature, half) for half in split]
        base = np.mean([spearman(one[half], mature[half]) for one, half in zip(both, split, strict=True)])
        for data, over, by_chance in (
            (table, max(float(spearman(p, mature)), 0.0), not better_than_chance(p, mature).any()),
            (held_out, float(base), not all(one.any() for one in both)),
        ):
            if by_chance:
                score = data["score"][here]
                score = score.sel(coefficient="spearman", drop=True) if "coefficient" in score.dims else score
                data["gain"][here] = score - over
                data["low"][here] = data["high"][here] = np.nan


def _packed(data: "xarray.Dataset") -> dict[str, Any]:
    return {
        "coords": {str(name): values.values.tolist() for name, values in data.coords.items()},
        "values": {
            str(name): {"dims": list(values.dims), "rows": _rows(values.values)} for name, values in data.items()
        },
    }


def _rows(values: np.ndarray[Any, Any]) -> list[str]:
    if values.dtype.kind in "OU":
        return [str(value) for value in values.ravel()]
    return [" ".join(f"{value:.{_DIGITS}f}" for value in row) for row in values.reshape(-1, values.shape[-1])]


def _unpacked(kept: dict[str, Any]) -> "xarray.Dataset":
    import xarray

    coords = kept["coords"]
    columns = {}
    for name, column in kept["values"].items():
        dims, rows = column["dims"], column["rows"]
        sizes = [len(coords[dim]) if dim in coords else -1 for dim in dims]
        flat = rows if name == "chosen" else [float(value) for row in rows for value in row.split()]
        columns[name] = (dims, np.array(flat, object if name == "chosen" else float).reshape(sizes))
    return xarray.Dataset(columns, coords)
