"""Rasters in NWB files without sorted units, such as DANDI 000628: a time series of counts, (time, units), in ms bins.

What was shown, and when, is a table of trials, or the series of images that were presented (`stimulus/presentation`).
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ....rsa import RSAError
from ....rsa.errors import listing
from ....rsa.io.hdf5 import attribute, member, plain_dataset, read_column
from ....rsa.types import Array

if TYPE_CHECKING:
    import h5py

_PIECE = 64 * 2**20  # bytes of bins read at once


def held(file: "h5py.File", path: str) -> "h5py.Group | h5py.Dataset | None":
    """What lies at a path of the file itself, not behind a link; None for nothing."""
    try:
        return member(file, path)
    except RSAError:
        return None


def groups_in(file: "h5py.File", path: str) -> "dict[str, h5py.Group]":
    """The groups in a group, by name."""
    import h5py

    outer = held(file, path)
    inner = {name: held(file, f"{path}/{name}") for name in (outer if isinstance(outer, h5py.Group) else ())}
    return {name: group for name, group in inner.items() if isinstance(group, h5py.Group)}


def raster_of(file: "h5py.File", part: str = "") -> str:
    """The path of the one time series of counts that is named like rasters, or `part`; "" for none."""
    found = []
    for module in groups_in(file, "processing"):
        for name, group in groups_in(file, f"processing/{module}").items():
            path = f"processing/{module}/{name}"
            named = part in (name, path) if part else "raster" in name.lower()
            if named and attribute(group, "neurodata_type") == "TimeSeries" and "data" in group:
                found.append(path)
    if len(found) > 1:
        raise RSAError(f"it holds several rasters; --part names one: {listing(found, 6)}")
    return found[0] if found else ""


def presented(file: "h5py.File") -> tuple[dict[str, Array], str]:
    """The files and onsets of the one series of images that were presented, and its path; nothing if there is none."""
    names = [name for name, group in groups_in(file, "stimulus/presentation").items() if "data" in group]
    if len(names) != 1:
        return {}, ""
    path = f"stimulus/presentation/{names[0]}"
    index, shown = read_column(file, f"{path}/data"), _files(file, path)
    if index.ndim != 1 or index.dtype.kind not in "iu" or not len(index):
        raise RSAError(f"{path} must hold the number of an image for each presentation")
    if index.min() < 0 or index.max() >= len(shown):
        raise RSAError(f"{path} presents images {index.min()} to {index.max()} of {len(shown)}")
    return {"stimulus_id": shown[index.astype(np.int64)], "start_time": _times(file, path, len(index))}, path


def _files(file: "h5py.File", path: str) -> Array:
    """Names of the images that a series indexes: the files of its template, which it links to."""
    import h5py

    group: Any = member(file, path)
    link = group.get("indexed_timeseries", getlink=True)
    places = [link.path.strip("/")] if isinstance(link, h5py.SoftLink) else [f"{path}/indexed_timeseries"]
    for place in places:
        if held(file, f"{place}/external_file") is not None:
            files = read_column(file, f"{place}/external_file").ravel().astype(str)
            return np.array([name.replace("\\", "/").rpartition("/")[2] for name in files.tolist()])
    raise RSAError(f"{path} does not say which files its images are (external_file); --stimulus-ids names a column")


def count_rasters(
    file: "h5py.File", path: str, onsets: npt.NDArray[np.float64], start: float, end: float
) -> tuple[npt.NDArray[np.float64], str]:
    """(trials, units) sums of the bins inside the window (s) after each onset, and what they are the sums of.

    NaN where the series does not last that long.
    """
    data = plain_dataset(file, f"{path}/data")
    if data.ndim != 2 or data.dtype.kind not in "biuf" or 0 in data.shape:
        raise RSAError(f"{path}/data has shape {data.shape} of {data.dtype}, expected numbers (time, units)")
    if not np.isfinite(onsets).all():
        raise RSAError(f"{(~np.isfinite(onsets)).sum()} presentations have no onset")
    begin, rate = _clock(file, path, len(data))
    first = np.ceil(np.round((onsets + start - begin) * rate, 3)).astype(np.int64)
    last = np.floor(np.round((onsets + end - begin) * rate, 3)).astype(np.int64)
    if (last <= first).any():
        raise RSAError(f"bins of {1000 / rate:g} ms do not fit into a window of {1000 * (end - start):g} ms")
    inside = (first >= 0) & (last <= len(data))
    if not inside.any():
        raise RSAError(f"no onset lies in the {len(data) / rate:g} s of {path}")
    counts, width = np.full((len(onsets), data.shape[1]), np.nan), int((last - first).max())
    step = max(width, _PIECE // (data.shape[1] * data.dtype.itemsize))
    for begun in range(0, len(data), step):
        here = np.flatnonzero(inside & (first >= begun) & (first < begun + step))
        if len(here):
            bins = data[begun : begun + step + width]
            for i in here:
                counts[i] = bins[first[i] - begun : last[i] - begun].sum(axis=0, dtype=np.float64)
    return counts, f"bins of {1000 / rate:g} ms of {path}"


def unit_table(file: "h5py.File", path: str, n: int) -> "h5py.Group | None":
    """The table beside the rasters that has a row for each of n units."""
    for group in groups_in(file, path.rpartition("/")[0]).values():
        if "id" in group and plain_dataset(group, "id").shape == (n,):
            return group
    return None


def _clock(file: "h5py.File", path: str, n: int) -> tuple[float, float]:
    """When the first bin begins (s), and bins per second."""
    if held(file, f"{path}/starting_time") is not None:
        rate = attribute(plain_dataset(file, f"{path}/starting_time"), "rate")
        begin = np.ravel(read_column(file, f"{path}/starting_time"))
        if (
            len(begin) != 1
            or not isinstance(rate, int | float)
            or not 0 < rate < np.inf
            or begin.dtype.kind not in "iuf"
        ):
            raise RSAError(f"{path} has no starting_time with a rate")
        return float(begin[0]), float(rate or 0)
    times = _times(file, path, n)
    steps = np.diff(times)
    if not len(steps) or not (steps > 0).all() or np.ptp(steps) > 0.01 * steps.mean():
        raise RSAError(f"the timestamps of {path} are not evenly spaced")
    return float(times[0]), float(1 / steps.mean())


def _times(file: "h5py.File", path: str, n: int) -> npt.NDArray[np.float64]:
    if held(file, f"{path}/timestamps") is None and held(file, f"{path}/starting_time") is not None:
        begin, rate = _clock(file, path, n)
        return np.asarray(begin + np.arange(n) / rate)
    times = read_column(file, f"{path}/timestamps")
    if times.shape != (n,) or times.dtype.kind not in "iuf":
        raise RSAError(f"{path} has {n} entries and timestamps of shape {times.shape}")
    return times.astype(np.float64)
