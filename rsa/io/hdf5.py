"""HDF5 files: those of others are untrusted (opened after a probe, all sizes checked), and so are tgsage's own."""

import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import RSAError, naming
from ..types import Array
from .mapped import large
from .probe import AT_ONCE, flaw
from .storage import replacing, steady

if TYPE_CHECKING:
    import h5py


MAX_INFLATION = 1100  # deflate compresses 1032 : 1 at most; a file that claims more lies
MAX_BYTES = 2**30  # of one column, of four chunks, and of anything read into memory at once


@contextmanager
def opened(path: Path) -> Iterator["h5py.File"]:
    """Open a file for reading after another process has read it without harm (see `probe`).

    Any error inside the block becomes an RSAError of one line that names the file.
    """
    import h5py

    with naming(path, "cannot be read"):
        if found := flaw(path):
            raise RSAError(f"{path} cannot be read: {found}")
        with h5py.File(path, "r") as file:
            yield file


def member(group: "h5py.Group", path: str) -> "h5py.Group | h5py.Dataset":
    """Return the item at this path. Raises RSAError if a step of it is missing or a link."""
    import h5py

    for name in filter(None, path.split("/")):
        link = group.get(name, getlink=True) if isinstance(group, h5py.Group) else None
        if not isinstance(link, h5py.HardLink):
            raise RSAError(f"it has no {path}" if link is None else f"{path} is a link, not data")
        group = group[name]
    return group


def holds(path: Path, *names: str) -> bool:
    """Return whether an HDF5 file has all these items at its top, and not as links."""
    import h5py

    with opened(path) as file:
        return all(isinstance(file.get(name, getlink=True), h5py.HardLink) for name in names)


def plain_dataset(group: "h5py.Group", name: str) -> "h5py.Dataset":
    """Return a data set that is stored in this file and large enough for the size that it claims.

    Raises RSAError for links, external and virtual storage, groups, and sizes that no compression could explain.
    """
    import h5py

    data = member(group, name)
    if not isinstance(data, h5py.Dataset):
        raise RSAError(f"{name} is a group, not data")
    return check_plain(data, name)


def check_plain(data: "h5py.Dataset", name: str) -> "h5py.Dataset":
    """The data set. Raises RSAError as `plain_dataset`; name: what the message calls it."""
    if data.external or data.is_virtual:
        raise RSAError(f"{name} lies in another file")
    stored = min(data.id.get_storage_size(), data.file.id.get_filesize())
    if data.size is None or data.size * data.dtype.itemsize > MAX_INFLATION * (stored + 64):
        raise RSAError(f"{name} claims {data.size} values but holds {stored} bytes")
    if data.chunks is not None and np.prod(data.chunks, dtype=np.float64) * data.dtype.itemsize > MAX_BYTES // 4:
        raise RSAError(f"{name} is stored in chunks of {data.chunks}, too large to be read")
    return data


def read_column(group: "h5py.Group", name: str, *, limit: float = MAX_BYTES) -> Array:
    """Read a whole data set in native byte order, texts and bytes as str; at most `limit` bytes of numbers.

    Rows of single characters, as netCDF stores bytes, become texts.
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
    if attribute(data, "dtype") == "bool":  # how xarray stores booleans in netCDF
        values = values.astype(bool)
    return np.asarray(values, values.dtype.newbyteorder("="))


def read_or_map(group: "h5py.Group", name: str, *, limit: float = math.inf) -> Array:
    """Map numbers from the file where they are many and stored as memory holds them, else `read_column`.

    Numbers that are mapped are read only. Raises RSAError for a file that is shorter than they are.
    """
    data, kinds = plain_dataset(group, name), (np.dtype(np.float32), np.dtype(np.float64))
    start, size = data.id.get_offset(), data.size * data.dtype.itemsize
    if not large(size) or data.dtype not in kinds or start is None or start % data.dtype.itemsize:
        return read_column(group, name, limit=limit)
    with Path(data.file.filename).open("rb") as raw:
        now = os.fstat(raw.fileno())
        if not os.path.samestat(now, os.fstat(data.file.id.get_vfd_handle())):
            raise RSAError("it was replaced while it was read")
        if start + size > now.st_size:
            raise RSAError(f"{name} claims {size} bytes from byte {start}, beyond the end of the file")
        return np.asarray(np.memmap(raw, data.dtype, "r", start, data.shape))


def attribute(item: "h5py.Group | h5py.Dataset", name: str) -> str | int | float | None:
    """Return an attribute if it is a text or number, otherwise None."""
    value: Any = item.attrs.get(name)
    if isinstance(value, np.generic | np.ndarray) and value.size == 1:  # netCDF stores numbers as arrays of one
        value = value.item()
    if isinstance(value, bytes):
        value = value.decode("utf-8", "surrogateescape")
    if isinstance(value, str) and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise RSAError(f"attribute {name} is not UTF-8 text") from error
    return value if isinstance(value, str | int | float) else None


@contextmanager
def writing(path: str | Path, kind: str) -> Iterator["h5py.File"]:
    """Write a new tgsage file of this kind ("rdm", "teacher", ...), which replaces `path` if the block succeeds."""
    import h5py

    with replacing(path) as temporary, steady(temporary) as raw, h5py.File(raw, "w") as file:
        file.attrs["format"], file.attrs["version"] = f"tgsage-{kind}", 1
        yield file


@contextmanager
def reading(path: str | Path, kind: str) -> Iterator["h5py.File"]:
    """Open a tgsage file of this kind. Raises RSAError naming the file whatever is wrong with it."""
    source = Path(path)
    if not source.is_file():
        raise RSAError(f"{source}: no such file")
    with opened(source) as file:
        found = attribute(file, "format")
        if found != f"tgsage-{kind}":
            raise RSAError(f"{source} is not a tgsage {kind} file" + (f" but a {found} file" if found else ""))
        if attribute(file, "version") != 1:
            raise RSAError(f"{source} has version {attribute(file, 'version')}; this tgsage reads version 1")
        yield file


def write_array(group: "h5py.Group", name: str, values: Array) -> None:
    """Write numbers as they are, and everything else as UTF-8 text."""
    import h5py

    if values.dtype.kind in "biuf":
        group.create_dataset(name, data=values)
    else:
        texts = np.array([value.decode() if isinstance(value, bytes) else str(value) for value in values], object)
        group.create_dataset(name, data=texts, dtype=h5py.string_dtype())


def read_text(group: "h5py.Group", name: str) -> str:
    """Read a text attribute. Raises RSAError if it is something else or missing."""
    value = attribute(group, name)
    if not isinstance(value, str):
        raise RSAError(f"attribute {name} is {'not text' if name in group.attrs else 'missing'}")
    return value


def read_json(group: "h5py.Group", name: str, kind: type = dict) -> Any:
    """Read an attribute that holds a dict (or a list) as JSON. Raises RSAError if it does not."""
    try:
        value = json.loads(read_text(group, name))
    except (json.JSONDecodeError, RecursionError) as error:
        raise RSAError(f"attribute {name} is not JSON: {error}") from error
    if not isinstance(value, kind):
        raise RSAError(f"attribute {name} is JSON, but not {'an object' if kind is dict else 'a list'}")
    return value
