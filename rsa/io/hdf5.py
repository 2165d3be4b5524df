"""HDF5 files as the data of strangers: opened read-only, and nothing in them taken at its word."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import RSAError, reason
from ..types import Array
from .probe import AT_ONCE, flaw

if TYPE_CHECKING:
    import h5py


MAX_INFLATION = 1100  # deflate cannot do better than 1032 : 1, so a larger claim is no data
MAX_BYTES = 2**30  # of one column, of four chunks, and of what is read into memory at once


@contextmanager
def opened(path: Path) -> Iterator["h5py.File"]:
    """The file, open for reading, after another process has read it without harm (see `probe`).

    Whatever goes wrong inside the block is an RSAError of one line naming the file.
    """
    import h5py

    try:
        if found := flaw(path):
            raise RSAError(f"{path} cannot be read: {found}")
        with h5py.File(path, "r") as file:
            yield file
    except RSAError as error:
        raise error if str(path) in str(error) else RSAError(f"{path}: {error}") from error
    except Exception as error:  # whatever a parser of a stranger's file may stumble over
        raise RSAError(f"{path} cannot be read: {reason(error)}") from error


def member(group: "h5py.Group", path: str) -> "h5py.Group | h5py.Dataset":
    """What lies at this path, when no step of it leads elsewhere. Raises RSAError for links and absent names."""
    import h5py

    for name in filter(None, path.split("/")):
        link = group.get(name, getlink=True) if isinstance(group, h5py.Group) else None
        if not isinstance(link, h5py.HardLink):
            raise RSAError(f"{path} is a link, not data" if link is not None else f"it has no {path}")
        group = group[name]
    return group


def plain_dataset(group: "h5py.Group", name: str) -> "h5py.Dataset":
    """A data set that lies in this file and whose bytes can make the size it claims.

    Raises RSAError for links, external and virtual storage, groups, and sizes beyond what any compression explains.
    """
    import h5py

    data = member(group, name)
    if not isinstance(data, h5py.Dataset):
        raise RSAError(f"{name} is a group, not data")
    if data.external or data.is_virtual:
        raise RSAError(f"{name} lies in another file")
    stored = min(data.id.get_storage_size(), data.file.id.get_filesize())
    if data.size is None or data.size * data.dtype.itemsize > MAX_INFLATION * (stored + 64):
        raise RSAError(f"{name} claims {data.size} values but holds {stored} bytes")
    if data.chunks is not None and np.prod(data.chunks, dtype=np.float64) * data.dtype.itemsize > MAX_BYTES // 4:
        raise RSAError(f"{name} is stored in chunks of {data.chunks}, too large to be read")
    return data


def read_column(group: "h5py.Group", name: str, *, limit: float = MAX_BYTES) -> Array:
    """The whole data set as an array in native byte order, texts and bytes as str; at most `limit` bytes of numbers.

    Rows of single characters, which netCDF makes of bytes, are texts too.
    """
    import h5py

    data = plain_dataset(group, name)
    if data.size * data.dtype.itemsize > limit:
        raise RSAError(f"{name} claims {data.size} values, too many for a column")
    if h5py.check_string_dtype(data.dtype) is not None:
        if data.nbytes > AT_ONCE:
            raise RSAError(f"{name} claims {data.size} texts, too many for a column")
        if data.dtype == "S1" and data.ndim > 1:
            rows: Any = data[()]
            return np.char.decode(rows.view(f"S{rows.shape[-1]}")[..., 0], "utf-8")
        texts = np.asarray(data.asstr()[()])
        if data.size * max(map(len, texts.ravel()), default=0) > MAX_BYTES // 4:
            raise RSAError(f"{name} holds texts that are too long for a column")
        return np.array(texts).astype(str)
    if data.dtype.kind not in "biuf":
        raise RSAError(f"{name} holds {data.dtype}, not numbers or texts")
    values: Any = data[()]
    if attribute(data, "dtype") == "bool":  # how xarray writes truth values into netCDF
        values = values.astype(bool)
    return np.asarray(values, values.dtype.newbyteorder("="))


def attribute(item: "h5py.Group | h5py.Dataset", name: str) -> str | int | float | None:
    """A text or number among an item's attributes; None for an absent one and for anything else."""
    value: Any = item.attrs.get(name)
    if isinstance(value, np.generic | np.ndarray) and value.size == 1:  # netCDF writes numbers as arrays of one
        value = value.item()
    if isinstance(value, bytes):
        value = value.decode("utf-8", "surrogateescape")
    if isinstance(value, str) and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise RSAError(f"attribute {name} is no UTF-8 text") from error
    return value if isinstance(value, str | int | float) else None
