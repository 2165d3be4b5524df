"""HDF5 files of our own: written whole or not at all, and read as the data of a stranger."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .errors import RSAError, reason

if TYPE_CHECKING:
    import h5py

MAX_INFLATION = 1100  # deflate cannot do better than 1032 : 1, so a larger claim is no data


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path`, renamed to it when the block ends well and removed when it does not.

    Raises RSAError when the folder does not exist or cannot be written.
    """
    target = Path(path)
    if target.is_dir():
        raise RSAError(f"cannot write {target}: it is a folder")
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=target.suffix, dir=target.parent or ".")
        os.close(handle)
    except OSError as error:
        raise RSAError(f"cannot write {target}: {error.strerror or error}") from error
    temporary = Path(name)
    try:
        yield temporary
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        temporary.replace(target)
    except OSError as error:
        raise RSAError(f"cannot write {target}: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def writing(path: str | Path, kind: str) -> Iterator["h5py.File"]:
    """A new HDF5 file of this kind ("rdm", "teacher", ...), in place when the block ends well."""
    import h5py

    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["format"], file.attrs["version"] = f"tgsage-{kind}", 1
        yield file


@contextmanager
def reading(path: str | Path, kind: str) -> Iterator["h5py.File"]:
    """An existing HDF5 file of this kind. Raises RSAError naming the file whatever is wrong with it."""
    import h5py

    source = Path(path)
    if not source.is_file():
        raise RSAError(f"{source}: no such file")
    try:
        with h5py.File(source, "r") as file:
            found = file.attrs.get("format")
            if found != f"tgsage-{kind}":
                raise RSAError(f"{source} is not a tgsage {kind} file" + (f" but a {found} file" if found else ""))
            if file.attrs.get("version") != 1:
                raise RSAError(f"{source} has version {file.attrs.get('version')}; this tgsage reads version 1")
            yield file
    except RSAError as error:
        raise error if str(source) in str(error) else RSAError(f"{source}: {error}") from error
    except (OSError, RuntimeError, MemoryError, LookupError, TypeError, AttributeError, ValueError) as error:
        raise RSAError(f"{source} cannot be read: {reason(error)}") from error


def write_array(group: "h5py.Group", name: str, values: npt.NDArray[Any]) -> None:
    """Numbers as they are, everything else as UTF-8 strings."""
    import h5py

    if values.dtype.kind in "biufc":
        group.create_dataset(name, data=values)
    else:
        texts = np.array([str(value) for value in values], object)
        group.create_dataset(name, data=texts, dtype=h5py.string_dtype())


def read_array(group: "h5py.Group", name: str) -> npt.NDArray[Any]:
    """Numbers or strings. Raises RSAError for links to elsewhere and for sizes that the file cannot hold."""
    import h5py

    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise RSAError(f"{name} is a link, not data" if name in group else f"it has no {name}")
    data = group[name]
    if not isinstance(data, h5py.Dataset):
        raise RSAError(f"{name} is a group, not data")
    if data.external or data.is_virtual:
        raise RSAError(f"{name} lies in another file")
    if data.size * data.dtype.itemsize > MAX_INFLATION * (data.id.get_storage_size() + 64):
        raise RSAError(f"{name} claims {data.size} values but holds {data.id.get_storage_size()} bytes")
    if h5py.check_string_dtype(data.dtype) is not None:
        return np.array(data.asstr()[()]).astype(str)
    if data.dtype.kind not in "biufc":
        raise RSAError(f"{name} holds {data.dtype}, not numbers or strings")
    return np.asarray(data[()])


def read_text(group: "h5py.Group", name: str) -> str:
    value = group.attrs.get(name)
    if not isinstance(value, str):
        raise RSAError(f"attribute {name} is {'missing' if value is None else 'no text'}")
    return value


def read_json(group: "h5py.Group", name: str) -> Any:
    try:
        return json.loads(read_text(group, name))
    except json.JSONDecodeError as error:
        raise RSAError(f"attribute {name} is not JSON: {error}") from error
