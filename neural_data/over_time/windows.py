"""Windows in time, made of whole time bins, and the recording in each of them."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...rsa import RSAError
from ...rsa.errors import listing
from ...rsa.types import Array
from ..recordings.recording import DIMS, blocks, check_recording
from ..settings import window_text

if TYPE_CHECKING:
    import xarray

_AT_ONCE = 2**28  # bytes of windows that one pass over a recording on disk fills
_SAME = 1e-6  # ms
Window = tuple[float, float]


def time_windows(
    recording: "xarray.DataArray",
    *,
    width: float | None = None,
    step: float | None = None,
    between: tuple[float, float] | None = None,
    windows: Iterable[tuple[float, float]] | None = None,
) -> list[tuple[float, float]]:
    """Return the windows of a recording with time bins, in order of time.

    Parameters
    ----------
    recording : xarray.DataArray
        With at least two time bins.
    width : float, optional
        Length of each window in ms, a whole number of bins; by default every bin is a window.
    step : float, optional
        Time from the start of one window to that of the next, in ms; `width` by default. With shorter steps, windows
        overlap.
    between : (float, float), optional
        Start and end in ms; windows that reach beyond them are left out.
    windows : iterable of (float, float), optional
        The windows themselves, in place of `width` and `step`.

    Returns
    -------
    list of (float, float)
        Start and end in ms.

    Raises
    ------
    RSAError
        For a recording without time bins or with only one, for windows that are not made of whole bins or lie outside
        the recording, and for fewer than two windows.

    Examples
    --------
    >>> import numpy as np
    >>> from tgsage.neural_data import from_arrays, time_windows
    >>> bins = [(t, t + 10) for t in range(0, 60, 10)]
    >>> recording = from_arrays(np.ones((2, 3, 6)), stimulus_id=["a", "b"], time_bins=bins)
    >>> time_windows(recording, width=20, step=10, between=(10, 50))
    [(10.0, 30.0), (20.0, 40.0), (30.0, 50.0)]
    """
    low, high = _edges(recording)
    cover = f"the {len(low)} bins cover {low.min():g}-{high.max():g} ms"
    if windows is not None:
        if width is not None or step is not None or between is not None:
            raise RSAError("windows= are the windows themselves; width, step and between make them")
        made = [_pair(window) for window in windows]
    elif width is None:
        if step is not None:
            raise RSAError("a step needs the width of the windows; without one every time bin is a window")
        made = sorted(set(zip(low.tolist(), high.tolist(), strict=True)))
    else:
        made = _tiled(float(low.min()), float(high.max()), width, width if step is None else step, cover)
    if between is not None:
        start, end = _pair(between)
        made = [one for one in made if one[0] >= start - _SAME and one[1] <= end + _SAME]
        if not made:
            raise RSAError(f"no window lies inside {start:g}-{end:g} ms; {cover}")
    for window in made:
        bins_in(recording, window)
    if len(made) < 2:
        raise RSAError(f"{len(made)} window is no course over time; at least 2 are needed, and {cover}")
    if len(set(made)) < len(made):
        raise RSAError("two windows are the same")
    return sorted(made)


def _edges(recording: "xarray.DataArray") -> tuple[Array, Array]:
    check_recording(recording)
    if "time_bin" not in recording.dims:
        raise RSAError("the recording has no time bins, so nothing can be followed over time")
    low, high = (recording[f"time_bin_{end}"].values.astype(np.float64) for end in ("start", "end"))
    if len(low) < 2:
        raise RSAError(f"the recording has one time bin ({low[0]:g}-{high[0]:g} ms), so nothing changes over time")
    return low, high


def _pair(window: object) -> Window:
    try:
        start, end = (float(edge) for edge in window)  # type: ignore[attr-defined]
    except (TypeError, ValueError) as error:
        raise RSAError(f"a window is (start, end) in ms, got {window!r}") from error
    if not start < end:
        raise RSAError(f"a window starts before it ends, got {start:g}-{end:g} ms")
    return start, end


def _tiled(first: float, last: float, width: float, step: float, cover: str) -> list[Window]:
    if not (width > 0 and step > 0):
        raise RSAError(f"width and step are above 0 ms, got {width:g} and {step:g}")
    count = int((last - first - width) / step + _SAME) + 1
    if width > last - first + _SAME:
        raise RSAError(f"windows of {width:g} ms are longer than the recording: {cover}")
    return [(first + i * step, first + i * step + width) for i in range(count)]


def bins_in(recording: "xarray.DataArray", window: Window) -> tuple[Array, Array]:
    """The places of the bins that make up a window, and their weights.

    Raises RSAError unless the bins cover the window from its start to its end, and for a window outside.
    """
    low, high = _edges(recording)
    start, end = window
    inside = np.flatnonzero((low >= start - _SAME) & (high <= end + _SAME))
    text, reach = window_text(start, end), -np.inf
    if end <= low.min() or start >= high.max():
        raise RSAError(f"window {text} lies outside the recording; the bins cover {low.min():g}-{high.max():g} ms")
    for k in inside[np.argsort(low[inside], kind="stable")]:
        if low[k] > (start if reach == -np.inf else reach) + _SAME:
            break
        reach = max(reach, high[k])
    if abs(reach - end) > _SAME:
        sizes = listing(dict.fromkeys(f"{size:g}" for size in high - low))
        raise RSAError(
            f"window {text} is not made of whole time bins; these are {sizes} ms long and start at"
            f" {listing((f'{edge:g}' for edge in np.sort(low)), 4)} ms"
        )
    lengths = (high - low)[inside]
    return inside, lengths / lengths.sum()


def in_each_window(
    recording: "xarray.DataArray", windows: Sequence[Window]
) -> "Iterator[tuple[Window, xarray.DataArray]]":
    """Each window and the recording in it, without time bins: their mean, weighted by length, NaN where one is missing.

    A recording on disk is read in as few passes as its windows leave memory for, each in blocks of neuroids.
    """
    import xarray

    dtype = np.result_type(recording.dtype, np.float32)
    each = dtype.itemsize * recording.sizes["presentation"] * recording.sizes["neuroid"]
    coords = {name: (c.dims, c.values) for name, c in recording.coords.items() if "time_bin" not in c.dims}
    group = max(1, _AT_ONCE // each)
    along = "presentation" if "presentation" in recording.encoding.get("preferred_chunks", {}) else "neuroid"
    for first in range(0, len(windows), group):
        here = windows[first : first + group]
        parts = [bins_in(recording, window) for window in here]
        used = np.unique(np.concatenate([bins for bins, _ in parts]))
        chosen = slice(int(used[0]), int(used[-1]) + 1) if len(used) == used[-1] - used[0] + 1 else used
        weights = np.zeros((len(used), len(here)))
        for k, (bins, share) in enumerate(parts):
            weights[np.searchsorted(used, bins), k] = share
        means = [np.empty(recording.shape[:2], dtype) for _ in here]
        for place, block in blocks(recording.isel(time_bin=chosen), along):
            at = (place,) if along == "presentation" else (slice(None), place)
            for k, out in enumerate(means):
                bins = np.flatnonzero(weights[:, k])
                out[at] = block[:, :, bins] @ weights[bins, k]
        del block, out
        for window in here:
            attrs = {**recording.attrs, "window_start": window[0], "window_end": window[1]}
            yield window, xarray.DataArray(means.pop(0), coords, DIMS[:2], recording.name, attrs)
