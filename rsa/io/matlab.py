"""MATLAB files: version 5 through scipy once its size is known, and the cells of texts of version 7.3 (HDF5)."""

import zlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import RSAError, naming
from .hdf5 import plain_dataset
from .probe import cell_texts

if TYPE_CHECKING:
    import h5py

MAX_BYTES = 256 * 2**20  # of a version 5 file, packed and inflated


def read_mat5(path: Path, names: Collection[str] | None = None, *, most: int = MAX_BYTES) -> dict[str, Any]:
    """Variables of a MATLAB 5 file by name. Raises RSAError for damaged files and those beyond `most` bytes."""
    from scipy.io import loadmat

    with naming(path, "cannot be read as a MATLAB 5 file"):
        check_matlab(path, most)
        return dict(loadmat(path, variable_names=None if names is None else list(names)))


def read_cell_texts(path: Path, *names: str) -> list[list[str]]:
    """The texts of cell arrays, or of fields of structure arrays, of a version 7.3 file.

    Raises RSAError naming the file for anything else.
    """
    with naming(path, "cannot be read"):
        found = cell_texts(path, names)
    if isinstance(found, str):
        raise RSAError(f"{path} cannot be read: {found}")
    return found


def cells(file: "h5py.File", name: str) -> "Iterator[h5py.h5d.DatasetID]":
    """The arrays that a cell array, or a field of a structure array, refers to, one after the other.

    These are low-level handles, since such a file has tens of thousands. Raises RSAError for anything else.
    """
    import h5py

    data = plain_dataset(file, name)
    if h5py.check_ref_dtype(data.dtype) is not h5py.Reference:
        raise RSAError(f"{name} holds {data.dtype}, not references to cells")
    for i, reference in enumerate(np.ravel(data[()]).tolist()):
        item = h5py.h5r.dereference(reference, file.id) if reference else None
        if not isinstance(item, h5py.h5d.DatasetID):
            raise RSAError(f"cell {i + 1} of {name} is empty or no array")
        settings = item.get_create_plist()
        if settings.get_external_count() or settings.get_layout() == h5py.h5d.VIRTUAL:
            raise RSAError(f"cell {i + 1} of {name} lies in another file")
        yield item


def check_matlab(path: Path, most: int) -> None:
    """Raise RSAError unless a MATLAB 5 file has, packed and inflated, at most so many bytes."""
    place, total, end = 128, 0, path.stat().st_size
    with path.open("rb") as file:
        while place + 8 <= end:
            file.seek(place)
            kind, size = np.frombuffer(file.read(8), "<u4").tolist()
            if kind == 15:  # a compressed variable
                inflating, left = zlib.decompressobj(), size
                while total <= most and not inflating.eof:
                    piece = inflating.unconsumed_tail
                    if not piece:
                        piece = file.read(min(left, 2**20))
                        left -= len(piece)
                    if not piece:
                        break
                    total += len(inflating.decompress(piece, 2**24))
            place += 8 + size
    if max(total, end) > most or not 128 < place <= end:
        raise RSAError(f"{path} is no MATLAB 5 file, is truncated, or inflates to more than {most / 2**30:.2g} GiB")
