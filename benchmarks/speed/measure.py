"""The rows of `tgsage bench speed`.

To add one, write a function `name(quick)` that yields results, and add its line to `ROWS`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from importlib import import_module

from ...rsa import RSAError
from ...rsa.errors import listing, near
from .timing import Result

ROWS = {  # name of the row and of its function -> module
    "product": "rdms",
    "rdm": "rdms",
    "reduced": "rdms",
    "comparison": "rdms",
    "passes": "networks",
    "hooks": "networks",
    "tg": "networks",
    "memory": "networks",
    "draws": "rdms",
    "disk": "rdms",
    "ceilings": "ceilings",
    "models": "models",
    "score": "second_run",
    "time": "over_time",
    "columns": "columns",
    "tvsd": "recordings",
    "search": "search",
    "scaling": "scaling",
    "many": "scaling",
}


def choose(rows: Sequence[str] = ()) -> list[str]:
    """Return these rows, or all. Raises RSAError for an unknown one."""
    unknown = [row for row in rows if row not in ROWS]
    if unknown:
        raise RSAError(f"no row {listing(unknown)}{near(unknown[0], ROWS)}")
    return list(rows or ROWS)


def measure(
    rows: Sequence[str] = (), *, quick: bool = False, progress: Callable[[int], object] = lambda steps: None
) -> list[Result]:
    """Measure these rows, or all; `quick` takes small sizes, which have no targets. `progress(1)` follows every row.

    Raises RSAError for an unknown row, and where a peer is not installed.
    """
    results: list[Result] = []
    for row in choose(rows):
        made: Callable[[bool], Iterator[Result]] = getattr(import_module(f".{ROWS[row]}", __package__), row)
        results += [replace(result, limit=None) if quick else result for result in made(quick)]
        progress(1)
    return results
