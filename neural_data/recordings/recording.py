"""The form of a recording: responses of neuroids to presentations, with flat, validated coordinates."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ...rsa import RSAError
from ...rsa.errors import listing, reason
from ...rsa.labels import MISSING, check_names, order_of, plain, plain_column, row_labels, row_names, row_numbers
from ...rsa.types import Array
from ..settings import check_axes

if TYPE_CHECKING:
    import xarray

DIMS = ("presentation", "neuroid", "time_bin")
WINDOW = (70.0, 170.0)  # ms after onset, the window of Majaj, Hong et al. 2015
_REQUIRED = {
    "presentation": ("stimulus_id", "repetition"),
    "neuroid": ("neuroid_id",),
    "time_bin": ("time_bin_start", "time_bin_end"),
}
_NUMBERS = ("repeats", "window_start", "window_end", "degrees")
_BLOCK_BYTES = 64 * 2**20
_LARGEST, _SMALLEST = 1e15, 1e-30  # beyond any neural response in any unit; a wrong byte order leads there


def check_recording(recording: "xarray.DataArray") -> "xarray.DataArray":
    """Check that a recording has the form that all functions here expect, and return it.

    Parameters
    ----------
    recording : xarray.DataArray
        Real numbers with dims ("presentation", "neuroid") or ("presentation", "neuroid", "time_bin"), none empty.

    Returns
    -------
    xarray.DataArray
        The recording itself.

    Raises
    ------
    RSAError
        Naming the dim, coordinate or attribute, with the first offending entries.

    Notes
    -----
    Each coordinate lies along one dim. Required are `stimulus_id` (text) and `repetition` (int) for presentations,
    `neuroid_id` (text, unique) for neuroids, and `time_bin_start` and `time_bin_end` (ms) for time bins. Any others are
    allowed; of these, `region`, `subregion` and `animal` of neuroids, and `object_name`, `category_name` and `trials`
    (the number of trials that a presentation is the mean of) of presentations, have a fixed meaning. `attrs` holds
    texts and numbers, among them those that results state: `identifier`, `source`, `unit`, `note`, `repeats` (trials
    behind each presentation), `window_start` and `window_end` (ms), `degrees`. Values are checked when they are used,
    since they may still be on disk.
    """
    import xarray

    if not isinstance(recording, xarray.DataArray):
        raise RSAError(f"a recording is an xarray.DataArray, not {type(recording).__name__}; from_arrays makes one")
    dims = tuple(map(str, recording.dims))
    if dims not in (DIMS[:2], DIMS):
        raise RSAError(f"a recording has dims (presentation, neuroid[, time_bin]), got ({', '.join(dims)})")
    if recording.dtype.kind not in "biuf":
        raise RSAError(f"responses must be real numbers, got {recording.dtype}")
    for dim, size in zip(dims, recording.shape, strict=True):
        if size == 0:
            raise RSAError(f"the recording has no {dim}")
        for name in _REQUIRED[dim]:
            if name not in recording.coords:
                raise RSAError(f"coordinate {name} is missing; there are: {listing(recording.coords, 12)}")
            if recording[name].dims != (dim,):
                raise RSAError(f"coordinate {name} lies along {recording[name].dims}, expected ('{dim}',)")
    for key, coordinate in recording.coords.items():
        if coordinate.ndim > 1 or (coordinate.ndim == 1 and key in dims):
            raise RSAError(f"coordinate {key} is an index or has several dims; recording.reset_index('{key}') flattens")
    for name in ("stimulus_id", "neuroid_id"):
        if recording[name].dtype.kind != "U":
            raise RSAError(f"coordinate {name} must be text, got {recording[name].dtype}")
        empty = np.flatnonzero(np.isin(recording[name].values, MISSING))
        if len(empty):
            raise RSAError(f"coordinate {name} is empty at {listing(empty)}")
    check_numbers(recording, "repetition", "iu", 1e6)
    ids = recording["neuroid_id"].values
    unique, counts = np.unique(ids, return_counts=True)
    if len(unique) < len(ids):
        twice = unique[counts > 1]
        raise RSAError(f"neuroid_id must be unique; {len(twice)} occur more than once: {listing(twice)}")
    if "time_bin" in dims:
        for name in _REQUIRED["time_bin"]:
            check_numbers(recording, name, "iuf", 1e7)
        start, end = (recording[name].values for name in _REQUIRED["time_bin"])
        if (start >= end).any():
            i = int(np.flatnonzero(start >= end)[0])
            raise RSAError(f"time_bin {i} starts at {start[i]} and ends at {end[i]} ms")
    for key, value in recording.attrs.items():
        if not isinstance(value, str | int | float | np.integer | np.floating | np.bool_) or (
            key in _NUMBERS and isinstance(value, str)
        ):
            wanted = "a number" if key in _NUMBERS else "text or a number"
            raise RSAError(f"attribute {key} is a {type(value).__name__}; {wanted} is needed")
    if ("window_start" in recording.attrs) != ("window_end" in recording.attrs):
        raise RSAError("attributes window_start and window_end belong together; one of them is missing")
    return recording


def check_numbers(recording: "xarray.DataArray", name: str, kinds: str, largest: float) -> None:
    values = recording[name].values
    if values.dtype.kind not in kinds:
        raise RSAError(f"coordinate {name} must be {'int' if kinds == 'iu' else 'numbers'}, got {values.dtype}")
    bad = ~(np.abs(values.astype(np.float64)) <= largest)
    if bad.any():
        raise RSAError(
            f"coordinate {name} holds {listing(values[bad])}, which is no {name}; is its byte order declared right?"
        )


def from_arrays(
    responses: npt.ArrayLike,
    *,
    dims: str | Iterable[str] = (),
    stimulus_id: Iterable[object] | None = None,
    region: str | Iterable[object] | None = None,
    repetition: Iterable[int] | None = None,
    neuroid_id: Iterable[object] | None = None,
    time_bins: Iterable[tuple[float, float]] | None = None,
    presentation: Mapping[str, Any] | None = None,
    neuroid: Mapping[str, Any] | None = None,
    attrs: Mapping[str, str | int | float] | None = None,
) -> "xarray.DataArray":
    """Make a recording from plain arrays, or from a DataFrame or DataArray with names of its own.

    Parameters
    ----------
    responses : array-like
        Shape (n_presentations, n_neuroids) or (n_presentations, n_neuroids, n_time_bins), unless `dims` says
        otherwise. Integers become float64, masked values NaN.
    dims : sequence of str, optional
        What the axes are, in any order: "neuroid", "presentation" or "stimulus" (with "repetition", if there are
        several), and "time_bin". A repetition in which every value is NaN counts as not shown.
    stimulus_id : iterable, optional
        One per presentation, the same for each presentation of a stimulus; by default the index of a DataFrame or the
        coordinate of a DataArray. If "stimulus" is one of the `dims`, this and the columns of `presentation` have one
        entry per stimulus instead.
    region : str or iterable of str, optional
        One per neuroid, or one for all.
    repetition : iterable of int, optional
        Numbered in order of appearance by default.
    neuroid_id : iterable, optional
        By default the columns of a DataFrame or the coordinate of a DataArray, else "0", "1", ...
    time_bins : iterable of (float, float), optional
        Start and end in ms.
    presentation, neuroid : mapping of str to columns, optional
        Further columns. A Series is matched to presentations or neuroids (or their ids) by its index, never by
        position. A missing text becomes an empty one.
    attrs : mapping, optional
        See `check_recording`.

    Returns
    -------
    xarray.DataArray

    Raises
    ------
    RSAError
        As `check_recording`, for names that are missing or contradict those of the responses, and for columns of the
        wrong length.

    Examples
    --------
    >>> from tgsage.neural_data import from_arrays
    >>> from_arrays([[3, 0], [1, 4], [2, 1]], stimulus_id=["cat", "dog", "cat"], region="V4")["repetition"].values
    array([0, 0, 1])
    >>> trials = [[[3, 2], [0, 1]], [[1, 5], [4, 2]]]
    >>> from_arrays(trials, dims=("stimulus", "neuroid", "repetition"), stimulus_id=["cat", "dog"]).values[:, 0]
    array([3., 2., 1., 5.])
    """
    import xarray

    axes = check_axes(dims)
    if not axes and {"stimulus", "repetition"} & set(map(str, getattr(responses, "dims", ()))):
        axes = check_axes(map(str, responses.dims))  # type: ignore[union-attr]
    if axes:
        if hasattr(responses, "coords"):
            stimulus_id, neuroid_id, presentation, neuroid = _own_names(
                responses, axes, stimulus_id, neuroid_id, presentation, neuroid
            )
        if repetition is not None and "repetition" in axes:
            raise RSAError("repetition= numbers presentations, and an axis of repetitions numbers them itself")
        responses, shown_as = _arranged(responses, axes)
        if shown_as is not None:
            stimuli_shown, repetition = shown_as
            stimulus_id = _spread(stimulus_id, stimuli_shown, "stimulus_id")
            presentation = {key: _spread(v, stimuli_shown, key) for key, v in (presentation or {}).items()}
    if set(getattr(responses, "dims", [""])) <= set(DIMS):
        responses = responses.transpose(*(dim for dim in DIMS if dim in responses.dims))  # type: ignore[union-attr]
    array = _as_array(responses, "responses")
    if array.dtype.kind not in "biuf":
        raise RSAError(f"responses must be real numbers, got {array.dtype}")
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if array.dtype not in (np.float32, np.float64):
        array = array.astype(np.float64)
    if array.ndim not in (2, 3):
        raise RSAError(f"responses must have shape (presentations, neuroids[, time bins]), got {array.shape}")
    if array.ndim == 3 and time_bins is None and not hasattr(responses, "coords"):
        if axes:
            raise RSAError("time bins need edges: time_bins= gives (start, end) in ms of each")
        raise RSAError(
            f"what the three axes of responses of shape {array.shape} are is not said: dims=('stimulus', 'repetition',"
            " 'neuroid') in their order, or time_bins= for (presentations, neuroids, time bins)"
        )
    own = row_names(responses, guess=stimulus_id is None)
    others = row_names(responses, 1, guess=neuroid_id is None)
    ids, sites = row_labels(own, stimulus_id, "stimulus_id"), row_labels(others, neuroid_id, "neuroid_id")
    if ids is None or (stimulus_id is None and own is not None and row_numbers(own)):
        raise RSAError("responses come without names of what was shown; stimulus_id= gives one per presentation")
    sites = list(map(str, range(array.shape[1]))) if sites is None else sites
    stimuli = np.array(ids, str)
    shown: dict[str, Any] = {"repetition": number_repetitions(stimuli) if repetition is None else repetition}
    shown |= {**_coordinates(responses, 0), **({} if presentation is None else dict(presentation))}
    recorded: dict[str, Any] = _coordinates(responses, 1)
    if region is not None:
        recorded["region"] = [region] * len(sites) if isinstance(region, str) else region
    columns = {
        "presentation": {"stimulus_id": stimuli} | _columns(shown, own or row_names(stimulus_id), ids),
        "neuroid": {"neuroid_id": np.array(sites, str)}
        | _columns(recorded | ({} if neuroid is None else dict(neuroid)), others or row_names(neuroid_id), sites),
        "time_bin": _coordinates(responses, 2),
    }
    if time_bins is not None:
        edges = _as_array(list(time_bins), "time_bins")
        if edges.ndim != 2 or edges.shape[1] != 2 or edges.dtype.kind not in "iuf":
            raise RSAError(f"time_bins are pairs of numbers (start, end) in ms, got shape {edges.shape}")
        if array.ndim == 2:
            raise RSAError(f"time_bins were given but responses have shape {array.shape}")
        columns["time_bin"] = {"time_bin_start": edges[:, 0], "time_bin_end": edges[:, 1]}
    coords = {}
    for size, (dim, named) in zip(array.shape, columns.items(), strict=False):
        for name, column in named.items():
            if column.shape != (size,):
                raise RSAError(f"{name} has shape {column.shape} for {size} {dim}s")
            coords[name] = (dim, column)
    return check_recording(xarray.DataArray(array, coords, DIMS[: array.ndim], attrs=dict(attrs or {})))


def _arranged(
    responses: Any, axes: tuple[str, ...]
) -> tuple[Array, tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]] | None]:
    """Responses with axes in the order of a recording, and of each presentation its stimulus and its repetition.

    None for the latter where presentations are an axis.
    """
    array = _as_array(responses, "responses")
    if len(axes) != array.ndim:
        raise RSAError(f"dims name {len(axes)} axes ({', '.join(axes)}), and responses have shape {array.shape}")
    shown = [axis for axis in axes if axis in ("stimulus", "presentation")]
    if len(shown) != 1 or "neuroid" not in axes or (shown == ["presentation"] and "repetition" in axes):
        raise RSAError(
            "dims are 'neuroid', 'presentation' or 'stimulus', and if need be 'repetition' (of stimuli) and 'time_bin',"
            f" got {', '.join(axes)}"
        )
    order = [axis for axis in (*shown, "repetition", "neuroid", "time_bin") if axis in axes]
    array = array.transpose([axes.index(axis) for axis in order])
    if shown == ["presentation"]:
        return array, None
    if "repetition" not in axes:
        return array, (np.arange(len(array)), np.zeros(len(array), np.int64))
    if 0 in array.shape or array.dtype.kind not in "biuf":
        raise RSAError(f"responses must be real numbers in every axis, got {array.dtype} of shape {array.shape}")
    n = len(array)
    kept, stimulus, trial = trials_shown(array.reshape(-1, *array.shape[2:]), n)
    never = np.setdiff1d(np.arange(n), stimulus)
    if len(never):
        raise RSAError(f"{len(never)} of {n} stimuli have no repetition with any value, at positions {listing(never)}")
    return kept, (stimulus, trial)


def _spread(values: Any, stimuli: npt.NDArray[np.int64], name: str) -> Any:
    """One entry per presentation of values that have one per stimulus."""
    if values is None:
        return None
    column = np.array(check_names(values, name)) if name == "stimulus_id" else plain_column(values)
    n = int(stimuli.max()) + 1
    if column.shape != (n,):
        raise RSAError(f"{name} has shape {column.shape} for {n} stimuli")
    return column[stimuli]


def _own_names(responses: Any, axes: tuple[str, ...], *given: Any) -> tuple[Any, Any, Any, Any]:
    """The names and columns along the axes of a DataArray, where none are given."""
    found: list[Any] = []
    columns: list[dict[str, Any]] = []
    for axis in ("stimulus" if "stimulus" in axes else "presentation", "neuroid"):
        dim = responses.dims[axes.index(axis)] if axis in axes else None
        own = {str(key): c.values for key, c in responses.coords.items() if c.dims == (dim,)}
        found.append(own.pop(f"{axis.replace('presentation', 'stimulus')}_id", own.pop(str(dim), None)))
        columns.append({key: v for key, v in own.items() if key != str(dim)})
    ids = [theirs if theirs is not None else own for own, theirs in zip(found, given[:2], strict=True)]
    return (*ids, columns[0] | dict(given[2] or {}), columns[1] | dict(given[3] or {}))


def _as_array(values: Any, name: str) -> Array:
    try:
        return plain(values)
    except (ValueError, TypeError, RuntimeError) as error:  # lists of different lengths, tensors with gradients
        raise RSAError(f"{name} is no array: {reason(error)}") from error


def _coordinates(responses: Any, axis: int) -> dict[str, Array]:
    """Coordinates of a DataArray along one of its axes, other than names."""
    if not hasattr(responses, "coords") or responses.ndim <= axis:
        return {}
    dim, names = responses.dims[axis], ("stimulus_id", "neuroid_id")
    return {str(key): c.values for key, c in responses.coords.items() if c.dims == (dim,) and key not in (dim, *names)}


def _columns(given: Mapping[str, Any], rows: list[str] | None, ids: list[str]) -> dict[str, Array]:
    """Columns beside `ids`, in their order (see `order_of`); `rows` is the index of the responses.

    Raises RSAError for values that are no column, and for an index of other names.
    """
    indices = {name: row_names(values) for name, values in given.items()}
    others = (index for index in indices.values() if index is not None and set(index) != set(ids))
    rows = rows or next(others, None)
    found = {}
    for name, index in indices.items():
        values = given[name]
        try:
            column = plain_column(values if hasattr(values, "__len__") else list(values))
        except (TypeError, ValueError) as error:
            raise error if isinstance(error, RSAError) else RSAError(f"{name} is no column: {reason(error)}") from error
        order = order_of(index, ids, name, rows)
        column = column if order is None else column[order]
        found[name] = column.astype(column.dtype.newbyteorder("="), copy=False)
    return found


def number_repetitions(stimulus_id: Array) -> npt.NDArray[np.int64]:
    """0, 1, 2, ... for the first, second, third presentation of each stimulus."""
    _, codes = encode(stimulus_id)
    order = np.argsort(codes, kind="stable")
    counts = np.bincount(codes)
    out = np.empty(len(codes), np.int64)
    out[order] = np.arange(len(codes)) - np.repeat(np.cumsum(counts) - counts, counts)
    return out


def trials_shown(responses: Array, stimuli: int) -> tuple[Array, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows of (stimuli * trials, neuroids[, bins]), trials of a stimulus together, that hold any response.

    Also the stimulus and the trial of each of these rows.
    """
    shown = ~np.isnan(responses).all(axis=tuple(range(1, responses.ndim)))
    stimulus, trial = (index.ravel()[shown] for index in np.indices((stimuli, len(responses) // stimuli)))
    return responses[shown], stimulus, trial


def encode(values: Array) -> tuple[Array, npt.NDArray[np.int64]]:
    """The distinct values in order of first appearance, and for each entry which of them it is."""
    places: dict[Any, int] = {}
    codes = np.fromiter((places.setdefault(value, len(places)) for value in values.tolist()), np.int64, len(values))
    return values[first_places(codes)], codes


def first_places(codes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Where each code of `encode` appears first; new codes appear in rising order."""
    return np.searchsorted(np.maximum.accumulate(codes), np.arange(codes.max(initial=-1) + 1))


def constant_columns(recording: "xarray.DataArray", codes: npt.NDArray[np.int64]) -> dict[str, Array]:
    """Columns of presentations that are constant within each code: name -> one value per code."""
    first = first_places(codes)
    return {
        name: v[first]
        for name, v in columns_of(recording, "presentation").items()
        if np.array_equal(v, v[first][codes], equal_nan=v.dtype.kind == "f")
    }


def columns_of(recording: "xarray.DataArray", dim: str) -> dict[str, Array]:
    """The coordinates along a dim: name -> values."""
    return {str(name): c.values for name, c in recording.coords.items() if c.dims == (dim,)}


def blocks(recording: "xarray.DataArray", along: str = "neuroid") -> Iterator[tuple[slice, Array]]:
    """Yield (slice of neuroids, their values), pieces of bounded size, from memory or from disk.

    `along` presentations the slices are of these. Raises RSAError for infinite values and for magnitudes that only a
    wrong byte order explains.
    """
    each = 8 * recording.size // recording.sizes[along]
    step = max(1, _BLOCK_BYTES // each)
    for start in range(0, recording.sizes[along], step):
        here = slice(start, start + step)
        values = recording.isel({along: here}).values
        magnitude = np.fmax.reduce(np.abs(values), axis=None) if values.dtype.kind == "f" else 0.0
        if magnitude > _LARGEST or 0 < magnitude < _SMALLEST:
            raise RSAError(
                f"responses reach {magnitude:.3g}, which no neuroid does; is the byte order declared right, and a"
                " missing value as _FillValue?"
            )
        yield here, values


def in_window(recording: "xarray.DataArray", window: tuple[float, float] | None) -> "xarray.DataArray":
    """The recording without time bins: their mean in the window, by default in the recording's own."""
    return time_window(recording, *(window or ())) if window or "time_bin" in recording.dims else recording


def time_window(
    recording: "xarray.DataArray", start: float | None = None, end: float | None = None
) -> "xarray.DataArray":
    """Average the time bins that lie entirely within a window, weighted by their lengths.

    Parameters
    ----------
    recording : xarray.DataArray
        With time bins.
    start, end : float, optional
        In ms; by default the only bin, else the window that `attrs` name (`window_start`, `window_end`), else 70 to
        170.

    Returns
    -------
    xarray.DataArray
        Dims ("presentation", "neuroid"); `attrs` state the bounds of the bins used.

    Raises
    ------
    RSAError
        When only one bound is given, and when the recording has no time bins or none lies inside.
    """
    import xarray

    check_recording(recording)
    if "time_bin" not in recording.dims:
        raise RSAError("the recording has no time bins, so no window can be chosen")
    if (start is None) != (end is None):
        raise RSAError(f"a window has a start and an end in ms, got {start} and {end}")
    low, high = recording["time_bin_start"].values, recording["time_bin_end"].values
    if start is None and end is None and len(low) == 1:
        start, end = float(low[0]), float(high[0])
    start = float(recording.attrs.get("window_start", WINDOW[0])) if start is None else start
    end = float(recording.attrs.get("window_end", WINDOW[1])) if end is None else end
    inside = np.flatnonzero((low >= start) & (high <= end))
    if not len(inside):
        raise RSAError(
            f"no time bin lies inside {start:g}-{end:g} ms; the {len(low)} bins cover {low.min():g}-{high.max():g} ms"
        )
    part, lengths = recording.isel(time_bin=inside), (high - low)[inside].astype(np.float64)
    weights = None if np.ptp(lengths) <= 1e-9 * lengths.max() else lengths / lengths.sum()
    out = np.empty(recording.shape[:2], recording.dtype if recording.dtype.kind == "f" else np.float64)
    along = "presentation" if "presentation" in recording.encoding.get("preferred_chunks", {}) else "neuroid"
    for here, block in blocks(part, along):
        at = (here,) if along == "presentation" else (slice(None), here)
        out[at] = block.mean(axis=2, dtype=np.float64) if weights is None else block @ weights
    coords = {name: (c.dims, c.values) for name, c in recording.coords.items() if "time_bin" not in c.dims}
    attrs = {**recording.attrs, "window_start": float(low[inside].min()), "window_end": float(high[inside].max())}
    return xarray.DataArray(out, coords, DIMS[:2], recording.name, attrs)
