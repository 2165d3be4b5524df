"""Names of rows: text, never missing, and never dropped or guessed where they come with the data."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import RSAError, listing, reason

KINDS = ("object_name", "category_name")  # descriptors by which stimuli are alike
MISSING = ("", "nan", "NaN", "NaT", "None", "<NA>")  # as Python, numpy and pandas print a missing value
_TELLING = ("stimulus_id", "stimulus", "neuroid_id")  # coordinates that name rows, whatever else is known of them


def as_text(label: object) -> str:
    """A name as text: bytes as UTF-8, numbers of one-element arrays and tensors as numbers.

    Raises RSAError for a missing name and for what is no single text or number.
    """
    name = _text(label)
    if name in MISSING or name.isspace():
        raise RSAError("a name is missing (None, NaN or empty)")
    _check((name,), {name}, "names")
    return name


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


def named_rows(x: Any, what: str = "features", *, guess: bool = True) -> tuple[Any, list[str] | None]:
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
        return plain(x), row_names(x, guess=guess)
    except (TypeError, ValueError) as error:
        if isinstance(error, RSAError):
            raise
        raise RSAError(f"{what} must be an array of numbers: {reason(error)}") from error


def row_names(x: Any, axis: int = 0, *, guess: bool = True) -> list[str] | None:
    """The names of the rows, as in `named_rows`, or with axis=1 of the columns.

    guess: take the only coordinate that tells rows apart, too, and refuse several; without, where names are given.
    """
    what = ("rows", "columns")[axis]
    if hasattr(x, "iloc"):
        index = x.axes[axis] if axis < x.ndim else None
    elif hasattr(x, "coords") and hasattr(x, "dims") and axis < x.ndim:
        dim = x.dims[axis]
        if dim not in x.indexes:
            columns = {str(key): c.to_numpy() for key, c in x.coords.items() if c.dims == (dim,)}
            columns = {key: c for key, c in columns.items() if key in _TELLING or (guess and c.dtype.kind != "f")}
            chosen = naming_column(columns, _TELLING, f".swap_dims({dim}=...) chooses one")
            return None if chosen is None else check_names(columns[chosen], f"{chosen} of the {what}")
        index = x.indexes[dim]
    else:
        index = None
    if index is None:
        return None
    if index.nlevels > 1:
        level = next((key for key in _TELLING if key in index.names), None)
        if level is not None or not guess:
            return None if level is None else check_names(index.get_level_values(level), f"{level} of the {what}")
        levels = listing(index.names, 12)
        raise RSAError(f"the {what} have names of {index.nlevels} levels ({levels}); keep one, or take .to_numpy()")
    return check_names(index, f"names of the {what}")


def named_square(x: Any, what: str) -> tuple[Any, list[str] | None]:
    """`named_rows` of a matrix of rows by rows. Raises RSAError where its rows and columns have different names."""
    values, rows = named_rows(x, what)
    columns = row_names(x, 1)
    if rows is None or columns is None or rows == columns:
        return values, rows or columns
    if row_numbers(rows) or row_numbers(columns):
        return values, columns if row_numbers(rows) else rows
    at, row, column = _difference(rows, columns)
    raise RSAError(f"{what}: row {at} is {row}, and column {at} {column}; rows and columns need one order")


def row_labels(own: list[str] | None, given: Iterable[object] | None, what: str = "labels") -> list[str] | None:
    """The names of rows that came with `own` names while `given` ones are asked for; None without either.

    `given` must be the rows' own names in their order, unless these are row numbers; a Series with the own names as its
    index renames them. Raises RSAError naming the first difference.
    """
    if given is None:
        return own
    names = check_names(given, what)
    if own is None or names == own:
        return names
    index = row_names(given)
    if row_numbers(own) or (index is not None and not row_numbers(index)):
        return beside(given, own, what)
    at, there, here = _difference(own, names)
    raise RSAError(
        f"{what}= contradict the names in the data: row {at} is {there} there and {here} in {what}=;"
        " take one of the two (.to_numpy() leaves the data's names behind)"
    )


def beside(values: Any, names: Sequence[str] | None, what: str, rows: Sequence[str] | None = None) -> list[str]:
    """`check_names` of a column beside rows of these names, in their order (see `order_of`)."""
    found = check_names(values, what)
    order = order_of(row_names(values), names, what, rows)
    return found if order is None else [found[i] for i in order]


def order_of(
    index: Sequence[str] | None, names: Sequence[str] | None, what: str, rows: Sequence[str] | None = None
) -> list[int] | None:
    """Where in what has this index each row is; None to take it as it stands.

    names: of the rows. rows: the index that the rows themselves or the column of their names came with. The index is
    looked for in `rows`, then in `names`; row numbers ("0", "1", ... in order) are no names, on either side.

    Raises RSAError where rows have other names: by position, values would go to the wrong rows.
    """
    known = [list(one) for one in (rows, names) if one is not None]
    if index is None or not known or list(index) in known:
        return None
    place = {name: i for i, name in enumerate(index)}
    if row_numbers(index):
        if rows is None or row_numbers(rows) or place.keys() != set(rows):
            return None
        raise RSAError(f"{what} are numbered anew, and the rows are not; give {what} the rows' index, or none")
    for one in known:
        if len(place) == len(index) and place.keys() == set(one):
            return [place[name] for name in one]
    other_part = all(map(str.isdecimal, index)) and not place.keys().isdisjoint(known[0])  # of one numbered table
    if all(map(row_numbers, known)) and not other_part:
        return None
    at, ours, theirs = _difference(known[0], index)
    raise RSAError(
        f"{what} and what it belongs to have different names: number {at} is {ours}, and {theirs} in {what};"
        f" give both the same index, or take {what} without it (.to_numpy())"
    )


def naming_column(columns: Mapping[str, npt.NDArray[Any]], first: Iterable[str], cure: str) -> str | None:
    """The column that names the rows: one of `first`, else the only one that tells all rows apart, of whatever type.

    Fractions are names only where nothing else is. None where no column tells the rows apart. Raises RSAError naming
    several, and the `cure`.
    """
    known = next((key for key in first if key in columns), None)
    if known is not None:
        return known
    telling = [key for key, column in columns.items() if _tells(column)]
    whole = [key for key in telling if columns[key].dtype.kind != "f"] or telling
    if len(whole) > 1:
        raise RSAError(f"several columns could be the names; {cure}: {listing(whole, 12)}")
    return whole[0] if whole else None


def _tells(column: npt.NDArray[Any]) -> bool:
    try:
        check_labels(column)
    except RSAError:
        return False
    return True


def _difference(a: Sequence[str], b: Sequence[str]) -> tuple[int, str, str]:
    """Where two lists of names differ first, and what they say there."""
    at = next((i for i, pair in enumerate(zip(a, b, strict=False)) if pair[0] != pair[1]), min(len(a), len(b)))
    first, second = (repr(names[at]) if at < len(names) else "absent" for names in (a, b))
    return at, first, second


def row_numbers(names: Sequence[str]) -> bool:
    """Whether these are "0", "1", ...: rows that were numbered, not named."""
    return list(names) == list(map(str, range(len(names))))


def as_matrix(values: Any, title: str = "features") -> npt.NDArray[Any]:
    """(n, f) as float32 or float64. Raises RSAError for other shapes and for what is no numbers."""
    try:
        array = plain(values)
    except (TypeError, ValueError, RuntimeError) as error:
        raise RSAError(f"{title} must be a matrix of numbers: {reason(error)}") from error
    if array.dtype.kind not in "biuf":
        raise RSAError(f"{title} must be real numbers, got {array.dtype}")
    if array.ndim != 2 or array.shape[1] == 0:
        raise RSAError(f"{title} must have shape (n, f) with f > 0, got {array.shape}")
    if array.dtype in (np.float32, np.float64):
        return array
    return array.astype(np.float32 if array.dtype == np.float16 else np.float64)


def plain(x: Any) -> npt.NDArray[Any]:
    """As a NumPy array, numbers that are masked or NA as NaN and other values that are masked as None."""
    if hasattr(x, "iloc"):
        kinds = list(set(x.dtypes if hasattr(x, "columns") else [x.dtype]))
        if all(kind.kind in "biuf" for kind in kinds) and (len(kinds) > 1 or not isinstance(kinds[0], np.dtype)):
            return np.asarray(x.to_numpy(np.float64, na_value=np.nan))
    elif isinstance(x, list | tuple) and any(isinstance(row, np.ma.MaskedArray) for row in x):
        x = np.ma.stack(x)
    if not (isinstance(x, np.ma.MaskedArray) and np.ma.is_masked(x)):
        return np.asarray(x)
    to = {"f": x.dtype, "b": np.float64, "i": np.float64, "u": np.float64}
    values: npt.NDArray[Any] = x.data.astype(to.get(x.dtype.kind, object))
    values[np.ma.getmaskarray(x)] = np.nan if x.dtype.kind in to else None
    return values


def plain_column(values: Any) -> npt.NDArray[Any]:
    """As a NumPy array of numbers, times or texts; a missing text is empty, a missing number NaN."""
    if isinstance(values, list | tuple) and len({isinstance(value, str | bytes) for value in values}) > 1:
        values = np.array(values, object)  # else "nan" is a text among texts
    column = plain(values)
    if column.dtype.kind in "SO":
        items = column.ravel().tolist()
        numbers: npt.NDArray[Any] = np.array(())
        if not any(isinstance(item, str | bytes) for item in items):
            numbers = np.array([np.nan if item is None else item for item in items])
        if numbers.shape == (len(items),) and numbers.dtype.kind in "biuf":
            column = numbers.reshape(column.shape)
        else:
            texts = ["" if (text := _text(item)) in MISSING and not isinstance(item, str) else text for item in items]
            column = np.array(texts, str).reshape(column.shape)
    if column.dtype.kind not in "biufUmM":
        raise RSAError(f"numbers or texts are needed, got {column.dtype}")
    return column


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
    if not unique.isdisjoint(MISSING) or any(map(str.isspace, unique)):
        gaps = [i for i, name in enumerate(names) if name in MISSING or name.isspace()]
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
