"""Choosing presentations and neuroids by conditions on their columns."""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ...rsa import RSAError
from ...rsa.errors import as_names, listing, near
from ...rsa.labels import MISSING
from ...rsa.types import Array
from .recording import DIMS, check_recording

if TYPE_CHECKING:
    import xarray

_CONDITION = re.compile(r"\s*([^\s=!<>]+)\s*(>=|<=|!=|=!|==|=|>|<)\s*(.*\S)\s*")
_TRUTHS = {"true": 1.0, "yes": 1.0, "false": 0.0, "no": 0.0}


def select(recording: "xarray.DataArray", where: str | Iterable[str]) -> "xarray.DataArray":
    """Select presentations and neuroids by conditions on their columns, all of which must hold.

    Parameters
    ----------
    recording : xarray.DataArray
        Recordings on disk stay there.
    where : str or iterable of str
        Each is a column, one of `=`, `!=` (or `=!`), `<`, `<=`, `>`, `>=`, and a value or, for `=` and `!=`, several
        values: `"variation=6"`, `"region=V4,IT"`, `"reliability>.4"`, `"object_name=!car"`. A missing value meets no
        condition.

    Returns
    -------
    xarray.DataArray
        `attrs["selected"]` states the conditions and what they leave.

    Raises
    ------
    RSAError
        For a column or value that does not occur, for `<` or `>` on a column of texts, and when nothing is left.

    Examples
    --------
    >>> from tgsage.neural_data import from_arrays, select
    >>> recording = from_arrays([[3, 0], [1, 4]], stimulus_id=["cat", "dog"], region=["V4", "IT"])
    >>> select(recording, "region=IT").values.tolist()
    [[0.0], [4.0]]
    """
    check_recording(recording)
    conditions = as_names(where, "where")
    kept = {dim: np.ones(recording.sizes[dim], bool) for dim in DIMS[:2]}
    for condition in conditions:
        match = _CONDITION.fullmatch(condition)
        if match is None:
            raise RSAError(
                f"{condition!r} is no condition; one is a column, a sign (=, !=, <, <=, > or >=) and a value, such as"
                " variation=6, region=V4,IT or reliability>.4"
            )
        name, sign, value = match.groups()
        column = recording.coords.get(name)
        if column is None or column.dims not in ((), *((dim,) for dim in kept)):
            along = {dim: [str(key) for key, c in recording.coords.items() if c.dims == (dim,)] for dim in kept}
            has = "; ".join(f"{dim}s have {listing(names, 20)}" for dim, names in along.items())
            raise RSAError(f"there is no column {name} to choose by: {has}")
        dim = "presentation" if column.dims == ("presentation",) else "neuroid"
        kept[dim] &= _meets(np.atleast_1d(column.values), name, sign, value)
        if not kept[dim].any():
            raise RSAError(f"no {dim} is left by {', '.join(conditions[: conditions.index(condition) + 1])}")
    if not conditions:
        return recording
    left = [f"{mask.sum()} of {len(mask)} {dim}s" for dim, mask in kept.items() if not mask.all()]
    chosen = recording.isel({dim: np.flatnonzero(mask) for dim, mask in kept.items() if not mask.all()})
    return state_selected(chosen, f"{', '.join(conditions)} ({', '.join(left) or 'all'})")


def columns_named(where: str | Iterable[str]) -> set[str]:
    """The columns that conditions are about."""
    matches = map(_CONDITION.fullmatch, [where] if isinstance(where, str) else where)
    return {match[1] for match in matches if match}


def state_selected(recording: "xarray.DataArray", selected: str) -> "xarray.DataArray":
    """The recording with one more statement about what was selected."""
    before = [recording.attrs["selected"]] if "selected" in recording.attrs else []
    return recording.assign_attrs(selected="; ".join([*before, selected]))


def _meets(column: Array, name: str, sign: str, value: str) -> npt.NDArray[np.bool_]:
    """Which entries of a column meet a condition."""
    if column.dtype.kind in "biuf":
        numbers = column.astype(np.float64)
        wanted = [_number(part, name) for part in value.split(",")]
        known = ~np.isnan(numbers)
    elif sign in (">", "<", ">=", "<="):
        raise RSAError(f"column {name} holds texts such as {listing(column[:2])}, which {sign} does not order")
    else:
        column = column.astype(str)
        names = np.unique(column).tolist()
        choices = [part.strip() for part in value.split(",")] if value not in names else [value]
        unknown = [part for part in choices if part not in names]
        if unknown:
            raise RSAError(f"column {name} holds no {unknown[0]!r}{near(unknown[0], names)}")
        inside = np.isin(column, choices)
        return inside if sign in ("=", "==") else ~inside & ~np.isin(column, MISSING)
    if sign in ("=", "==", "!=", "=!"):
        inside = np.isin(numbers, wanted)
        if not inside.any():
            raise RSAError(f"column {name} holds no {value}; it holds {listing(np.unique(column), 12)}")
        return inside if sign in ("=", "==") else ~inside & known
    if len(wanted) > 1:
        raise RSAError(f"{name}{sign}{value}: one number is needed after {sign}")
    compared: dict[str, Any] = {">": np.greater, "<": np.less, ">=": np.greater_equal, "<=": np.less_equal}
    found: npt.NDArray[np.bool_] = compared[sign](numbers, wanted[0])
    if not found.any():
        low, high = np.fmin.reduce(numbers), np.fmax.reduce(numbers)
        raise RSAError(f"nothing has {name}{sign}{value}; {name} goes from {low:g} to {high:g}")
    return found


def _number(text: str, name: str) -> float:
    try:
        return float(_TRUTHS.get(text.strip().lower(), text))
    except ValueError as error:
        raise RSAError(f"column {name} holds numbers, which {text.strip()!r} is not") from error
