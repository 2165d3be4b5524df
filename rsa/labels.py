"""Names of rows, which are never missing, dropped or guessed where they come with the data, and how two sets match."""

import re
import unicodedata
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import RSAError, listing, reason

KINDS = ("object_name", "category_name")  # descriptors by which stimuli are alike
MISSING = ("", "nan", "NaN", "NaT", "None", "<NA>")  # as Python, numpy and pandas print a missing value
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".ppm", ".pgm")  # of files of images
_SUFFIX = re.compile(f"({'|'.join(map(re.escape, SUFFIXES))})$", re.IGNORECASE)
_TELLING = ("stimulus_id", "stimulus", "neuroid_id")  # coordinates that name rows, whatever else is known of them


class Labels(tuple[str, ...]):
    """Unique names that `check_labels` has checked, so that it need not do so again."""


def as_text(label: object) -> str:
    """Convert a name to text: bytes as UTF-8, arrays and tensors of one element as the number they hold.

    Raises RSAError for a missing name and for anything but a single text or number.
    """
    name = _text(label)
    if name in MISSING or name.isspace():
        raise RSAError("a name is missing (None, NaN or empty)")
    _check((name,), {name}, "names")
    return name


def check_names(values: Iterable[object], what: str = "names") -> list[str]:
    """Convert names to text; they may repeat (groups, stimuli of presentations) and come as any iterable.

    Raises RSAError with the positions of missing ones: None, NaN, NaT, NA, masked, empty, and the texts that these are
    printed as ("nan"). Also for names that cannot be written to a file and for anything but a column.
    """
    names = _texts(values, what)
    _check(names, set(names), what)
    return names


def check_labels(labels: Iterable[object]) -> Labels:
    """`check_names` that are unique. Raises RSAError naming those that occur twice."""
    return labels if isinstance(labels, Labels) else unique(check_names(labels, "labels"))


def unique(names: Sequence[str]) -> Labels:
    """Names from `check_names` as labels. Raises RSAError naming those that occur twice."""
    if len(set(names)) != len(names):
        seen: set[str] = set()
        twice = {name: None for name in names if name in seen or seen.add(name)}  # type: ignore[func-returns-value]
        raise RSAError(f"labels must be unique; {len(twice)} occur more than once: {listing(twice)}")
    return Labels(names)


def named_rows(x: Any, what: str = "features", *, guess: bool = True) -> tuple[Any, list[str] | None]:
    """Split data into a plain array and the names of its rows (None without any); torch tensors stay as they are.

    Names are the index of a DataFrame or Series, and of a DataArray the coordinate of its first dim (else its
    `stimulus_id` or `stimulus`, else the only coordinate that tells the rows apart); they may repeat. A DataFrame
    without an index of its own has "0", "1", ..., which `row_labels` and `beside` take for row numbers, not names.
    Masked and NA values become NaN, and integers among them float64.

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

    guess: also take the only coordinate that tells the rows apart, and refuse several; not where names are given.
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
    """Choose between the names that rows came with (`own`) and those `given` for them; None without either.

    Given names must be the rows' own in their order, unless these are row numbers; a Series whose index holds the own
    names renames the rows. Raises RSAError naming the first difference.
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
    """`check_names` of a column that belongs to rows of these names, in the order of the rows (see `order_of`)."""
    found = check_names(values, what)
    order = order_of(row_names(values), names, what, rows)
    return found if order is None else [found[i] for i in order]


def order_of(
    index: Sequence[str] | None, names: Sequence[str] | None, what: str, rows: Sequence[str] | None = None
) -> list[int] | None:
    """Find the position of each row in something with this index; None if it is in the order of the rows.

    names: of the rows. rows: the index that the rows themselves, or the column of their names, came with. The index is
    looked up in `rows`, then in `names`; row numbers ("0", "1", ... in order) are not names, on either side.

    Raises RSAError where the rows have other names: matched by position, values would go to the wrong rows.
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
    """Where two lists of names first differ, and both names there."""
    at = next((i for i, pair in enumerate(zip(a, b, strict=False)) if pair[0] != pair[1]), min(len(a), len(b)))
    first, second = (repr(names[at]) if at < len(names) else "absent" for names in (a, b))
    return at, first, second


def row_numbers(names: Sequence[str]) -> bool:
    """Whether rows are numbered ("0", "1", ...) rather than named."""
    return list(names) == list(map(str, range(len(names))))


def composed(name: str) -> str:
    """The name in Unicode's composed form (NFC), an accented letter as one character: file systems differ in this."""
    return unicodedata.normalize("NFC", name)


def _bare(name: str) -> str:
    return _SUFFIX.sub("", composed(name))


def respelled(wanted: Iterable[str], known: Iterable[str], what: str = "names") -> dict[str, str]:
    """Map known names to the wanted ones that are spelled differently, and warn of them.

    Equal names are left out. Others are the same name if their composed Unicode forms, or these without the suffix of
    an image file, are equal and no second name on either side has that form.
    """
    ours, theirs = dict.fromkeys(wanted), dict.fromkeys(known)
    found: dict[str, str] = {}
    if not ours.keys() - theirs or not theirs.keys() - ours:
        return found
    for form in (composed, _bare):
        left = _by(form, theirs)
        for key, names in _by(form, ours).items():
            if len(names) == len(left.get(key, ())) == 1 and names[0] not in theirs and left[key][0] not in ours:
                found[left[key][0]] = names[0]
    if found:
        pairs = listing(f"{a!r} = {b!r}" for a, b in found.items())
        warnings.warn(f"{len(found)} {what} are matched although they are spelled differently: {pairs}", stacklevel=3)
    return found


def _by(form: Callable[[str], str], names: Iterable[str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(form(name), []).append(name)
    return groups


def both_sides(first: str, ours: Sequence[str], second: str, theirs: Sequence[str]) -> str:
    """Two names of each side, for an error where nothing matches."""
    shown = (", ".join(repr(name)[:60] for name in names[:2]) + ", ..." * (len(names) > 2) for names in (ours, theirs))
    return f"{first} has {next(shown)}, {second} has {next(shown)}"


def as_matrix(values: Any, title: str = "features") -> npt.NDArray[Any]:
    """Convert to (n, f) float32 or float64. Raises RSAError for other shapes and for anything but real numbers."""
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
    """Convert to a NumPy array; masked or NA numbers become NaN, other masked values None."""
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
    """Convert to a NumPy array of numbers, times or texts; a missing text becomes "", a missing number NaN."""
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


def _check(names: Sequence[str], distinct: set[str], what: str) -> None:
    if not distinct.isdisjoint(MISSING) or any(map(str.isspace, distinct)):
        gaps = [i for i, name in enumerate(names) if name in MISSING or name.isspace()]
        raise RSAError(
            f"{len(gaps)} of {len(names)} {what} are missing (None, NaN or empty), at positions {listing(gaps)} from 0;"
            " name these rows or leave them out"
        )
    text = "".join(distinct)
    if "\0" in text:
        raise RSAError(f"{what} hold a NUL character")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise RSAError(f"{what} hold {text[error.start : error.end]!a}, which is no UTF-8 text") from error
