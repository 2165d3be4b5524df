"""What all experiments need for reporting: result files, tables for pages and terminals, panels of figures."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ..rsa import RSAError
from ..rsa.cli.console import print_table, write_json
from ..rsa.errors import reason

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DIGITS = 4

Columns: TypeAlias = Sequence[tuple[str, str | Callable[[Any], str]]]
"""Heads, each with how a row is written below it: a template for `str.format_map`, or a function; bold is **text**."""


@contextmanager
def reading_results(path: str | Path, kind: str, what: str) -> Iterator[dict[str, Any]]:
    """Read an untrusted result file of this kind; `what` is its name in messages.

    Raises RSAError naming the file where it is missing or something else, also for whatever is missing or odd in it
    when the block takes it apart.
    """
    try:
        kept = json.loads(Path(path).read_text(encoding="utf-8"))
        if kept.pop("kind", "") != kind:
            raise RSAError(f"{path} holds no {what}")
        yield kept
    except RSAError:
        raise
    except OSError as error:
        raise RSAError(f"{path}: {error.strerror or error}") from error
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
        raise RSAError(f"{path} holds no {what}: {reason(error)}") from error


def kept_rows(
    cases: Sequence[Mapping[str, Any]],
    make: Callable[[int], dict[str, Any]],
    key: Callable[[Mapping[str, Any]], str],
    *,
    file: Path | None,
    about: Mapping[str, Any],
    progress: Callable[[int], object],
) -> list[dict[str, Any]]:
    """One row per case, `make(i)` of the i-th; those that a file holds by the same key are not made again.

    file: JSON of `about` and the rows, written after every row with what it holds of the others; rows that were made
    by another `about` are made again. progress: called with 1 after every row. Raises RSAError for a file of something
    else.
    """
    kept: dict[str, dict[str, Any]] = {}
    if file is not None and file.exists():
        with reading_results(file, str(about.get("kind", "")), "rows of this benchmark") as found:
            if {name: found.get(name) for name in about if name != "kind"} == {
                k: v for k, v in about.items() if k != "kind"
            }:
                kept = {key(row): row for row in found["rows"]}
    rows: list[dict[str, Any]] = []
    for i, case in enumerate(cases):
        rows.append(kept.get(key(case)) or make(i))
        if file is not None:
            others = [kept[key(one)] for one in cases[i + 1 :] if key(one) in kept]
            write_json(file, {**about, "rows": [*rows, *others]})
        progress(1)
    return rows


def packed(data: "xarray.Dataset") -> dict[str, Any]:
    """A dataset for a result file: numbers with four digits, in lines along the last dimension."""
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


def unpacked(kept: dict[str, Any]) -> "xarray.Dataset":
    """The dataset of what `packed` made."""
    import xarray

    coords = kept["coords"]
    columns = {}
    for name, column in kept["values"].items():
        dims, rows = column["dims"], column["rows"]
        sizes = [len(coords[dim]) if dim in coords else -1 for dim in dims]
        flat = rows if name == "chosen" else [float(value) for row in rows for value in row.split()]
        columns[name] = (dims, np.array(flat, object if name == "chosen" else float).reshape(sizes))
    return xarray.Dataset(columns, coords)


def texts(*heads: str) -> Columns:
    """Columns for rows that are lists of texts."""
    return [(head, itemgetter(i)) for i, head in enumerate(heads)]


def cells(columns: Columns, rows: Sequence[Any]) -> list[list[str]]:
    """Write out the cells of every row."""
    return [[cell.format_map(row) if isinstance(cell, str) else cell(row) for _, cell in columns] for row in rows]


def markdown(columns: Columns, rows: Sequence[Any], left: int = 1) -> str:
    """Write a table for a page, its first `left` columns flush left and the others, which are numbers, flush right."""
    head = [name for name, _ in columns]
    lines = [head, [*["---"] * left, *["---:"] * (len(head) - left)], *cells(columns, rows)]
    return "\n".join("| " + " | ".join(cell.replace("|", "/") for cell in line) + " |" for line in lines)


def shown(caption: str, picture: Path) -> str:
    """A picture for a page, from the folder of that page's pictures, with its caption below."""
    return f"![{caption}]({picture.parent.name}/{picture.name})\n*{caption}*"


def show(title: str, columns: Columns, rows: Sequence[Any], notes: Sequence[str] = ()) -> None:
    """Print a table on a terminal."""
    shown = [[f"*{text[2:-2]}" if text.startswith("**") else text for text in line] for line in cells(columns, rows)]
    print_table(title, [name for name, _ in columns], shown, notes)


def panels(width: float, height: float, rows: int = 1, columns: int = 1, **shared: Any) -> "tuple[Figure, Any]":
    """A figure of this size in inches, and its axes (rows, columns)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, **shared)
    for axes in grid.flat:
        axes.spines[["top", "right"]].set_visible(False)
    return figure, grid


def legend_below(figure: "Figure", axes: "Axes", ncols: int = 3) -> None:
    """Put one legend below all panels, for the lines in these axes."""
    lines = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    figure.legend(lines.values(), lines.keys(), loc="outside lower center", ncols=ncols, frameon=False, fontsize=9)
