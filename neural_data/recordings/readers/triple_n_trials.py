"""Single trials of Triple-N in time: `ses*.h5` with its `ses*_info.mat`, and the authors' `GoodUnit_*.mat`.

Both hold the spikes of each unit in bins of 1 ms, 450 or so for each trial that did not fail, and stay on disk.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray
from xarray.backends import BackendArray
from xarray.core import indexing

from ....rsa import RSAError
from ....rsa.errors import naming, near
from ....rsa.io.hdf5 import check_plain, holds, opened, plain_dataset, read_column
from ....rsa.io.kinds import content_of
from ....rsa.io.matlab import cells, read_mat5
from ....rsa.types import Array
from ..recording import DIMS, check_recording, number_repetitions
from .on_disk import TrialsOnDisk, by_trials
from .triple_n import LOCALISERS, NSD, WINDOW, attributes, image_names, neuroid_columns, session_of, unit_columns

if TYPE_CHECKING:
    import h5py

PARTS = ("nsd", "localizer")
_RASTER, _UNITS = "raster_matrix_img", "GoodUnitStrc/Raster"
_MOST_INFO = 2**30  # bytes of a file with what was shown, inflated


def is_session(path: Path) -> bool:
    """Whether an HDF5 file holds the trials of a session."""
    return holds(path, _RASTER) or holds(path, "GoodUnitStrc", "meta_data", "global_params")


def read_session(path: Path, part: str = "") -> xarray.DataArray:
    """The trials of one session, in bins of 1 ms that stay on disk.

    part: "nsd" (the default), trials of the 1,000 images; "localizer", those of the 72 others. Names of images, areas
    and what is known about units come from the files beside it, as for `read_processed`, and from the session's
    `Processed_*.mat`, there or in a folder Processed.

    Raises RSAError naming the file for shapes that disagree, numbers that are no images, and a missing `*_info.mat`.
    """
    part = part or PARTS[0]
    if part not in PARTS:
        raise RSAError(f"unknown part {part!r} of {path}{near(part, PARTS)}")
    with opened(path) as file:
        if _RASTER in file:
            time, n_trials, n_units = plain_dataset(file, _RASTER).shape if _is_cube(file) else (0, 0, 0)
            shown, before = _info(path.with_name(f"{path.stem}_info.mat"))
            position = None
        else:
            time, n_trials, n_units = _rasters(file)
            shown, before = _shown(file, n_trials)
            position = _positions(file, n_units)
    low, high = (int(shown.min()), int(shown.max())) if len(shown) else (0, 0)
    if len(shown) != n_trials or low < 1 or high > NSD + LOCALISERS:
        raise RSAError(
            f"{path} holds {n_trials} trials, and {len(shown)} images from {low} to {high} were shown; expected one of"
            f" 1 to {NSD + LOCALISERS} for each"
        )
    if not 0 <= before < time:
        raise RSAError(f"{path}: images appear {before} ms after the first of {time} bins, so none would be left")
    first = NSD if part == "localizer" else 0
    last = NSD + LOCALISERS if part == "localizer" else NSD
    rows = np.flatnonzero((shown > first) & (shown <= last))
    if not len(rows):
        raise RSAError(f"{path} has no trial of the part {part}")
    session, animal = session_of(path)
    known, note = _known(path, n_units, position)
    neuroids, areas = neuroid_columns(path, session, animal, known.get("pos"), n_units)
    ids, named = image_names(path, part)
    stimuli = ids[shown[rows] - 1 - first]
    columns: dict[str, Any] = {name: ("neuroid", values) for name, values in (neuroids | known).items()}
    columns |= {"stimulus_id": ("presentation", stimuli), "repetition": ("presentation", number_repetitions(stimuli))}
    columns |= {"trial": ("presentation", rows), "time_bin_start": ("time_bin", np.arange(time) - float(before))}
    columns["time_bin_end"] = ("time_bin", np.arange(time) - before + 1.0)
    attrs = attributes(session, part, [*note, *areas, *named]) | WINDOW
    if position is None:
        return by_trials(TrialsOnDisk(path, _RASTER, rows, np.arange(n_units)), columns, attrs)
    lazy = indexing.LazilyIndexedArray(_Units(path, rows, (n_units, time)))
    return check_recording(xarray.DataArray(xarray.Variable(DIMS, lazy), columns, attrs=attrs))


class _Units(BackendArray):
    """Some trials of a GoodUnit file, (trials, units, time): a cell of each unit holds its (time, trials)."""

    def __init__(self, path: Path, rows: Array, size: tuple[int, int]) -> None:
        self.path, self.rows, self.dtype = path, rows, np.dtype(np.float32)
        self.shape = (len(rows), *size)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._read)

    def _read(self, key: tuple[Any, ...]) -> Array:
        rows, units, time = (np.atleast_1d(np.arange(n)[part]) for n, part in zip(self.shape, key, strict=True))
        out = np.empty((len(rows), len(units), len(time)), self.dtype)
        wanted = {int(unit): place for place, unit in enumerate(units)}
        span = slice(int(time.min(initial=0)), int(time.max(initial=-1)) + 1)
        with opened(self.path) as file:
            for unit, raster in enumerate(_cells(file)):
                if unit in wanted:
                    out[:, wanted[unit]] = raster[span][time - span.start][:, self.rows[rows]].T
        return out[tuple(0 if isinstance(part, int | np.integer) else slice(None) for part in key)]


def _cells(file: "h5py.File") -> "list[h5py.Dataset]":
    import h5py

    found = [h5py.Dataset(cell) for cell in cells(file, _UNITS)]
    return [check_plain(one, f"Raster of unit {i + 1}") for i, one in enumerate(found)]


def _is_cube(file: "h5py.File") -> bool:
    data = plain_dataset(file, _RASTER)
    if data.ndim != 3 or data.dtype.kind not in "iuf" or 0 in data.shape:
        raise RSAError(f"{_RASTER} has shape {data.shape} of {data.dtype}, expected numbers (time, trials, units)")
    return True


def _rasters(file: "h5py.File") -> tuple[int, int, int]:
    """Bins, trials and units of a GoodUnit file."""
    rasters = _cells(file)
    shapes = {one.shape for one in rasters}
    if len(shapes) != 1 or any(one.ndim != 2 or one.dtype.kind not in "iuf" or 0 in one.shape for one in rasters):
        kinds = ", ".join(sorted(f"{one.shape} of {one.dtype}" for one in rasters)[:3])
        raise RSAError(
            f"each Raster must be numbers (time, trials), the same for all units; there are {kinds or 'none'}"
        )
    time, trials = shapes.pop()
    return time, trials, len(rasters)


def _info(path: Path) -> tuple[Array, int]:
    """Which image each trial showed, from 1, and the bins before its onset."""
    if not path.is_file():
        raise RSAError(f"{path}: this file of Triple-N says what was shown, and is missing")
    if content_of(path) == "hdf5":
        with opened(path) as file:
            return _numbers(read_column(file, "img_idx")), _whole(read_column(file, "global_params/pre_onset"))
    with naming(path, "cannot be read"):
        content = read_mat5(path, ["img_idx", "global_params"], most=_MOST_INFO)
        settings: Any = content.get("global_params")
        if "img_idx" not in content or "pre_onset" not in (getattr(settings, "dtype", np.dtype("f8")).names or ()):
            raise RSAError("it has no img_idx and global_params.pre_onset")
        return _numbers(content["img_idx"]), _whole(np.ravel(settings["pre_onset"])[0])


def _shown(file: "h5py.File", n_trials: int) -> tuple[Array, int]:
    """As `_info`, of a GoodUnit file: failed trials have the image 0, or no data set, and no row of a raster."""
    shown = _numbers(read_column(file, "meta_data/trial_valid_idx"))
    kept = shown != 0
    if kept.sum() != n_trials and "dataset_valid_idx" in file["meta_data"]:
        valid = _numbers(read_column(file, "meta_data/dataset_valid_idx")) != 0
        kept = valid if len(valid) == len(kept) else kept
    return shown[kept], _whole(read_column(file, "global_params/pre_onset"))


def _positions(file: "h5py.File", n_units: int) -> Array:
    """Where each unit lies along the probe; NaN where the file does not say."""
    import h5py

    if "spikepos" not in file["GoodUnitStrc"]:
        return np.full(n_units, np.nan)
    found = [h5py.Dataset(cell) for cell in cells(file, "GoodUnitStrc/spikepos")]
    if len(found) != n_units or any(one.size != 2 or one.dtype.kind not in "iuf" for one in found):
        raise RSAError(f"spikepos must hold two numbers for each of {n_units} units")
    return np.array([float(np.ravel(one[()])[1]) for one in found])


def _known(path: Path, n_units: int, position: Array | None) -> tuple[dict[str, Any], list[str]]:
    """Columns about the units, and what is to be said about them."""
    name = f"Processed_{path.stem}.mat"
    folders = (path.parent, *(path.parent.parent / inner for inner in ("", "Processed", "processed")))
    place = next((folder / name for folder in folders if (folder / name).is_file()), None)
    if place is not None:
        return unit_columns(place, n_units), []
    missing = [f"nothing is known about the units: {name} is not beside the file"]
    return ({}, missing) if position is None else ({"pos": position}, [])


def _numbers(values: Any) -> Array:
    array = np.ravel(values)
    if array.dtype.kind not in "biuf" or not np.all(np.isfinite(array)) or np.any(np.mod(array, 1)):
        raise RSAError("the numbers of images must be whole numbers")
    return array.astype(np.int64)


def _whole(values: Any) -> int:
    found = _numbers(values)
    if len(found) != 1:
        raise RSAError("pre_onset must be one whole number of ms")
    return int(found[0])
