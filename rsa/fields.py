"""What is kept beside numbers (descriptors, attributes, titles), as it can be written and read back."""

import math
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

import numpy as np

from .errors import RSAError
from .labels import as_text, order_of, plain_column, row_names
from .types import Array, Attr


def text_field(value: object, what: str, default: str = "") -> str:
    """A text; None is the default. Raises RSAError naming the field."""
    if value is None:
        return default
    if not isinstance(value, str | PurePath):
        raise RSAError(f"{what} must be text, got {value!r} ({type(value).__name__})")
    return str(value)


def attr_fields(attrs: Mapping[str, Any] | None, title: str) -> dict[str, Attr]:
    """Attributes as texts, plain numbers and None: numpy scalars, arrays of one element, paths and bytes are converted.

    Raises RSAError naming the attribute that is something else.
    """
    return {as_text(key): _attr(value, f"{title}: attribute {key}") for key, value in (attrs or {}).items()}


def _attr(value: Any, what: str) -> Attr:
    if isinstance(value, PurePath | np.str_):
        return str(value)
    if isinstance(value, bytes):
        return as_text(value) if value else ""
    if hasattr(value, "item") and math.prod(getattr(value, "shape", ())) == 1:
        value = value.item()
    if not isinstance(value, str | int | float | None):
        raise RSAError(f"{what} must be text, a number or None, got {type(value).__name__}; str() makes text of it")
    return value


def columns_beside(
    columns: Mapping[str, Any] | None, names: Sequence[str], title: str, rows: Sequence[str] | None = None
) -> dict[str, Array]:
    """Columns of rows with these names, one value each: numbers or texts, where a missing text is empty.

    A Series or DataArray goes to the rows by its own index (`order_of`, with `rows`). Raises RSAError naming the column
    that has another shape, other rows, or values that are neither.
    """
    found = {}
    for key, values in (columns or {}).items():
        name = f"{title}: descriptor {key}"
        try:
            order, column = order_of(row_names(values), names, name, rows), plain_column(values)
        except (TypeError, ValueError) as error:
            raise RSAError(f"{name}: {error}" if name not in str(error) else str(error)) from error
        if column.shape != (len(names),):
            raise RSAError(f"{name} has shape {column.shape}, expected ({len(names)},)")
        found[as_text(key)] = column if order is None else column[order]
    return found
