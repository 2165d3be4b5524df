"""HDF5 files of our own: written whole or not at all, and read as the data of a stranger."""

import io
import json
import os
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import RSAError
from .hdf5 import attribute, opened

if TYPE_CHECKING:
    import h5py


def check_writable(path: str | Path) -> Path:
    """The path, before long work is done for it. Raises RSAError when no file can be written there."""
    target = Path(path).resolve() if Path(path).is_symlink() else Path(path)
    if target.exists() and not target.is_file():
        raise RSAError(f"cannot write {target}: it is {'a folder' if target.is_dir() else 'no regular file'}")
    if not target.parent.is_dir():
        raise RSAError(f"cannot write {target}: there is no folder {target.parent}")
    if not os.access(target.parent, os.W_OK):
        raise RSAError(f"cannot write {target}: the folder {target.parent.resolve()} is read-only")
    return target


def make_folder(path: str | Path) -> Path:
    """The folder, made where it is missing. Raises RSAError when that is not possible or it cannot be written."""
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RSAError(f"cannot make the folder {folder}: {error.strerror or error}") from error
    return check_writable(folder / "file").parent


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path`, renamed to it when the block ends well and removed when it does not.

    Raises RSAError when the folder does not exist or cannot be written.
    """
    target = check_writable(path)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=target.suffix, dir=target.parent)
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


class _Steady(io.FileIO):
    """A file that keeps its first error for later, and takes every further write for done."""

    error: OSError | None = None

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        try:
            done = 0
            while self.error is None and done < len(view):
                done += super().write(view[done:]) or 0
        except OSError as error:
            self.error = error
        return len(view)

    def readinto(self, buffer: Any) -> int:
        count = super().readinto(buffer) or 0
        if self.error is None:
            return count
        view = memoryview(buffer).cast("B")
        view[count:] = bytes(len(view) - count)  # what was not written: HDF5 takes other bytes there for pointers
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        try:
            return super().truncate(size)
        except OSError as error:
            self.error = self.error or error
            return self.tell() if size is None else size


@contextmanager
def steady(path: str | Path) -> Iterator[io.FileIO]:
    """A new file for libraries in C, which crash over a full disk or end in other words: OSError when the block ends.

    HDF5 within Python can even take the process down when a file that could not be written is closed.
    """
    with _Steady(path, "w+b") as file:
        try:
            yield file
        except Exception:
            if file.error is None:
                raise
        if file.error is not None:
            raise file.error


def check_unfolded(path: Path) -> None:
    """Raises ValueError where the parts of a zip file are compressed, so that reading could take more than its size."""
    with zipfile.ZipFile(path) as packed:
        if sum(part.file_size for part in packed.infolist()) > path.stat().st_size:
            raise ValueError("its parts are compressed")


@contextmanager
def writing(path: str | Path, kind: str) -> Iterator["h5py.File"]:
    """A new HDF5 file of this kind ("rdm", "teacher", ...), in place when the block ends well."""
    import h5py

    with replacing(path) as temporary, steady(temporary) as raw, h5py.File(raw, "w") as file:
        file.attrs["format"], file.attrs["version"] = f"tgsage-{kind}", 1
        yield file


@contextmanager
def reading(path: str | Path, kind: str) -> Iterator["h5py.File"]:
    """An existing HDF5 file of this kind. Raises RSAError naming the file whatever is wrong with it."""
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


def write_array(group: "h5py.Group", name: str, values: npt.NDArray[Any]) -> None:
    """Numbers as they are, everything else as UTF-8 strings."""
    import h5py

    if values.dtype.kind in "biuf":
        group.create_dataset(name, data=values)
    else:
        texts = np.array([value.decode() if isinstance(value, bytes) else str(value) for value in values], object)
        group.create_dataset(name, data=texts, dtype=h5py.string_dtype())


def read_text(group: "h5py.Group", name: str) -> str:
    value = attribute(group, name)
    if not isinstance(value, str):
        raise RSAError(f"attribute {name} is {'no text' if name in group.attrs else 'missing'}")
    return value


def read_json(group: "h5py.Group", name: str, kind: type = dict) -> Any:
    """What the JSON text of an attribute says: a dict, or a list where that is asked for."""
    try:
        value = json.loads(read_text(group, name))
    except (json.JSONDecodeError, RecursionError) as error:
        raise RSAError(f"attribute {name} is not JSON: {error}") from error
    if not isinstance(value, kind):
        raise RSAError(f"attribute {name} is JSON, but no {'object' if kind is dict else 'list'}")
    return value
