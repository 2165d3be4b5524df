"""Names of rows: text, never missing, and never dropped or guessed where they come with the data."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import RSAError, listing, reason

_MISSING = frozenset({"", "nan", "NaN", "NaT", "None", "<NA>"})  # as Python, numpy and pandas print a missing value
_TELLING = ("stimulus_id", "stimulus")  # coordinates that name rows, whatever else is known of them


def as_text(label: object) -> str:
    """A name as text: bytes as UTF-8, numbers of one-element arrays and tensors as numbers.

    Raises RSAError for a missing name and for what is no single text or number.
    """
    return check_names([label], "names")[0]


def check_names(values: Iterable[object], what: str = "names") -> list[str]:
    """Names as text, which may repeat (groups, stimuli of presentations); of arrays, Series, tensors or any iterable.

    Raises RSAError with the positions of missing ones: None, NaN, NaT, NA, masked, empty, and texts that are one of
    these printed ("nan"). Also for names that cannot be written to a file and for what is no column.
    """
    names = _texts(values, what)
    _check(names, set(names), what)
    return names


def check_labels(labels: Iterable[object]) -> tuple[str, ...]:
    """`check_names` that are unique. Raises RSAError naming those that occur twice."""
    names = tuple(_texts(labels, "labels"))
    unique = set(names)
    _check(names, unique, "labels")
    if len(unique) != len(names):
        seen: set[str] = set()
        twice = {name: None for name in names if name in seen or seen.add(name)}  # type: ignore[func-returns-value]
        raise RSAError(f"labels must be unique; {len(twice)} occur more than once: {listing(twice)}")
    return names


def named_rows(x: Any, what: str = "features") -> tuple[Any, list[str] | None]:
    """Data as a plain array, and the names its rows came with (None without any); torch tensors stay as they are.

    Names are the index of a DataFrame or Series, and of a DataArray the coordinate of its first dim (else its
    `stimulus_id` or `stimulus`, else the only coordinate that tells the rows apart); they may repeat. A DataFrame
    without an index of its own has "0", "1", ..., which `row_labels` and `beside` take for row numbers, not names.
    Masked and NA values become NaN, and integers with them float64.

    Raises RSAError for an index of several levels, missing names, and several coordinates that could be names.
    """
    if hasattr(x, "detach"):
        return x, None
    try:
        return _plain(x), row_names(x)
    except (TypeError, ValueError) as error:
        if isinstance(error, RSAError):
            raise
        raise RSAError(f"{what} must be an array of numbers: {reason(error)}") from error


def row_names(x: Any) -> list[str] | None:
    """The names of the rows, as in `named_rows`."""
    if hasattr(x, "iloc"):
        index = x.index
    elif hasattr(x, "coords") and hasattr(x, "dims"):
        if not x.dims:
            return None
        dim = x.dims[0]
        if dim not in x.indexes:
            columns = {str(key): c.to_numpy() for key, c in x.coords.items() if c.dims == (dim,)}
            chosen = naming_column(columns, _TELLING)
            return None if chosen is None else check_names(columns[chosen], f"{chosen} of the rows")
        index = x.indexes[dim]
    else:
        return None
    if index.nlevels > 1:
        levels = listing(index.names, 12)
        raise RSAError(f"the rows have names of {index.nlevels} levels ({levels}); one is needed, or .to_numpy() alone")
    return check_names(index, "names of the rows")


def row_labels(own: list[str] | None, given: Iterable[object] | None) -> list[str] | None:
    """The names of rows that came with `own` names while `given` ones are asked for; None without either.

    `given` must be the rows' own names in their order, unless these are row numbers; a Series with the own names as its
    index renames them. Raises RSAError naming the first difference.
    """
    if given is None:
        return own
    names = check_names(given, "labels")
    if own is None or names == own or _numbers(own):
        return beside(given, own, "labels") if own is not None else names
    index = row_names(given)
    if index is not None and not _numbers(index):
        return beside(given, own, "labels")
    if len(names) != len(own):
        raise RSAError(f"{len(own)} rows of features but {len(names)} labels")
    i = next(i for i, pair in enumerate(zip(own, names, strict=True)) if pair[0] != pair[1])
    raise RSAError(
        f"labels= contradict the names in the data: row {i} is {own[i]!r} there and {names[i]!r} in labels=;"
        " take one of the two (.to_numpy() leaves the data's names behind)"
    )


def beside(values: Any, rows: Sequence[str] | None, what: str) -> list[str]:
    """`check_names` of a column beside rows of these names, in their order (see `places`)."""
    names = check_names(values, what)
    order = places(values, rows, what)
    return names if order is None else [names[i] for i in order]


def places(values: Any, rows: Sequence[str] | None, what: str) -> list[int] | None:
    """Where in a Series or DataArray the value of each row is, by its own index; None to take values as they stand.

    Raises RSAError where values and rows have different names: by position they would go to the wrong rows.
    """
    index = None if rows is None else row_names(values)
    if index is None or rows is None or index == list(rows):
        return None
    place = {name: i for i, name in enumerate(index)}
    if len(place) == len(index) == len(rows) and place.keys() == set(rows):
        return [place[name] for name in rows]
    if _numbers(index) or _numbers(rows):
        return None
    i = next((i for i, (a, b) in enumerate(zip(index, rows, strict=False)) if a != b), min(len(index), len(rows)))
    theirs, ours = (repr(names[i]) if i < len(names) else "absent" for names in (index, rows))
    raise RSAError(
        f"{what} and the rows have different names: row {i} is {ours}, and {theirs} in {what};"
        f" give {what} the index of the rows, or none (.to_numpy())"
    )


def naming_column(columns: Mapping[str, npt.NDArray[Any]], first: Iterable[str] = ()) -> str | None:
    """The column that names the rows: one of `first`, else the only one that tells all rows apart, of whatever type.

    Fractions are names only where nothing else is. None where no column tells the rows apart; RSAError for several.
    """
    known = next((key for key in first if key in columns), None)
    if known is not None:
        return known
    telling = [key for key, column in columns.items() if _tells(column)]
    whole = [key for key in telling if columns[key].dtype.kind != "f"] or telling
    if len(whole) > 1:
        raise RSAError(f"{listing(whole, 12)} could all be the names of the rows; labels= chooses")
    return whole[0] if whole else None


def _tells(column: npt.NDArray[Any]) -> bool:
    try:
        check_labels(column)
    except RSAError:
        return False
    return True


def _numbers(names: Sequence[str]) -> bool:
    """Whether these are "0", "1", ...: rows that were numbered, not named."""
    return list(names) == list(map(str, range(len(names))))


def _plain(x: Any) -> npt.NDArray[Any]:
    if hasattr(x, "iloc") and hasattr(x, "columns"):
        own = [dtype for dtype in x.dtypes if dtype.kind in "biuf"]
        if len(own) == len(x.dtypes) and not (len(set(own)) == 1 and isinstance(own[0], np.dtype)):
            return np.asarray(x.to_numpy(np.float64, na_value=np.nan))
    elif isinstance(x, list | tuple) and any(isinstance(row, np.ma.MaskedArray) for row in x):
        x = np.ma.stack(x)
    if np.ma.is_masked(x) and isinstance(x, np.ma.MaskedArray) and x.dtype.kind in "biuf":
        return x.astype(np.float64 if x.dtype.kind in "biu" else x.dtype).filled(np.nan)
    return np.asarray(x)


def _texts(values: Any, what: str) -> list[str]:
    if hasattr(values, "to_numpy"):  # pandas and xarray
        values = values.to_numpy()
    if isinstance(values, np.ndarray) or hasattr(values, "detach"):
        if values.ndim != 1:
            raise RSAError(f"{what} are one text or number per row, got shape {tuple(values.shape)}")
        values = values.astype(str) if isinstance(values, np.ndarray) and values.dtype.kind in "mM" else values
        values = values.tolist()  # masked values are None
    if isinstance(values, set | frozenset):
        raise RSAError(f"{what} are a set, which has no order; give them as a list")
    try:
        items = list(values)
    except TypeError as error:
        raise RSAError(f"{what} are one text or number per row, got {type(values).__name__}") from error
    kinds = set(map(type, items))
    if kinds <= {str}:
        return items
    return list(map(str if kinds <= {str, int, float, bool} else _text, items))


def _text(label: Any) -> str:
    if label is np.ma.masked:
        return ""
    if isinstance(label, bytes):
        try:
            return label.decode()
        except UnicodeDecodeError as error:
            raise RSAError(f"the name {label!r} is no UTF-8 text") from error
    if hasattr(label, "item") and not isinstance(label, np.datetime64 | np.timedelta64):
        try:
            label = label.item()
        except (ValueError, RuntimeError) as error:
            raise RSAError(f"a name is one text or number, got an array of shape {tuple(label.shape)}") from error
    if isinstance(label, tuple | list | set | frozenset | Mapping):
        raise RSAError(f"a name is one text or number, got {label!r}; join its parts to one text")
    return str(label)


def _check(names: Sequence[str], unique: set[str], what: str) -> None:
    if not _MISSING.isdisjoint(unique) or any(map(str.isspace, unique)):
        gaps = [i for i, name in enumerate(names) if name in _MISSING or name.isspace()]
        raise RSAError(
            f"{len(gaps)} of {len(names)} {what} are missing (None, NaN or empty), at positions {listing(gaps)} from 0;"
            " name these rows or leave them out"
        )
    text = "".join(unique)
    if "\0" in text:
        raise RSAError(f"{what} hold a NUL character")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise RSAError(f"{what} hold {text[error.start : error.end]!a}, which is no UTF-8 text") from error
