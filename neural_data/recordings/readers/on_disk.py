"""An HDF5 data set as a lazy array of xarray, with its axes in the order of a recording."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray
from xarray.backends import BackendArray
from xarray.core import indexing

from ....rsa import RSAError
from ....rsa.io.hdf5 import MAX_BYTES, attribute, opened, plain_dataset
from ....rsa.types import Array
from ..recording import DIMS, check_recording
from .conventions import decoded

_PIECE = 64 * 2**20  # bytes of trials read at once


class OnDisk(BackendArray):
    """axes[i] is the stored axis that becomes axis i. The file is opened for each read, so no handle is shared."""

    def __init__(self, path: Path, name: str, axes: tuple[int, ...]) -> None:
        with opened(path) as file:
            data = plain_dataset(file, name)
            if data.dtype.kind not in "iuf":
                raise RSAError(f"{name} holds {data.dtype}, not numbers")
            truths = attribute(data, "dtype") == "bool"  # how xarray writes truth values into netCDF
            stored, self.dtype = data.shape, np.dtype(bool) if truths else data.dtype.newbyteorder("=")
        self.path, self.name, self.axes = path, name, axes
        self.shape = tuple(stored[axis] for axis in axes)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        support = indexing.IndexingSupport.OUTER_1VECTOR  # of h5py, with increasing indices, which xarray sees to
        return indexing.explicit_indexing_adapter(key, self.shape, support, self._read)

    def _read(self, key: tuple[Any, ...]) -> Array:
        stored: list[Any] = [slice(None)] * len(key)
        for axis, part in zip(self.axes, key, strict=True):
            stored[axis] = part
        with opened(self.path) as file:
            values = plain_dataset(file, self.name)[tuple(stored)]
        left = [axis for axis in sorted(self.axes) if not isinstance(stored[axis], int | np.integer)]
        order = [left.index(axis) for axis in self.axes if axis in left]
        return np.asarray(values, self.dtype).transpose(order)


class TrialsOnDisk(OnDisk):
    """Some trials and columns of a data set (time, trials, columns), as (trials, columns, time); read in pieces.

    The axes lie as MATLAB leaves (columns, trials, time), so that neighbouring trials are read together.
    """

    def __init__(self, path: Path, name: str, rows: Array, columns: Array) -> None:
        super().__init__(path, name, (1, 2, 0))
        self.rows, self.columns, self.all = rows, columns, self.shape
        self.shape = (len(rows), len(columns), self.shape[2])

    def _read(self, key: tuple[Any, ...]) -> Array:
        rows, columns = (np.atleast_1d(of[part]) for of, part in zip((self.rows, self.columns), key[:2], strict=True))
        time = slice(key[2], key[2] + 1) if isinstance(key[2], int | np.integer) else key[2]
        n_time = len(np.arange(self.shape[2])[time])
        out = np.empty((len(rows), len(columns), n_time), self.dtype)
        with opened(self.path) as file:
            data = plain_dataset(file, self.name)
            step = max(1, _PIECE // max(1, n_time * self.all[1] * data.dtype.itemsize))
            for start in range(int(rows.min(initial=0)), int(rows.max(initial=-1)) + 1, step):
                here = np.flatnonzero((rows >= start) & (rows < start + step))
                if len(here):
                    piece = data[time, start : start + step, :]
                    out[here] = piece[:, rows[here] - start][:, :, columns].transpose(1, 2, 0)
        return out[tuple(0 if isinstance(part, int | np.integer) else slice(None) for part in key)]


def by_trials(source: TrialsOnDisk, columns: Mapping[str, Any], attrs: Mapping[str, Any]) -> xarray.DataArray:
    """The recording of trials on disk; whoever reads all of it does so trial by trial."""
    lazy = indexing.LazilyIndexedArray(source)
    variable = xarray.Variable(DIMS, lazy, encoding={"preferred_chunks": {"presentation": 1}})
    return check_recording(xarray.DataArray(variable, dict(columns), attrs=dict(attrs)))


def lazy_array(
    path: Path, name: str, stored: tuple[str, ...], dims: tuple[str, ...], marks: Mapping[str, Any]
) -> xarray.DataArray:
    """The data set with dims `stored`, as a DataArray with dims `dims`; in memory where it is at most 1 GiB.

    marks: its `conventions`, which each part that is read is decoded by.
    """
    source = OnDisk(path, name, tuple(stored.index(dim) for dim in dims))
    out = xarray.DataArray(decoded(name, xarray.Variable(dims, indexing.LazilyIndexedArray(source), marks)))
    return out.load() if out.nbytes <= MAX_BYTES else out
