"""Files that are written completely or not at all."""

import io
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import RSAError


def check_writable(path: str | Path) -> Path:
    """Return the path to write to; called before long work. Raises RSAError if no file can be written there."""
    target = Path(path).resolve() if Path(path).is_symlink() else Path(path)
    if target.exists() and not target.is_file():
        raise RSAError(f"cannot write {target}: it is {'a folder' if target.is_dir() else 'no regular file'}")
    if not target.parent.is_dir():
        raise RSAError(f"cannot write {target}: there is no folder {target.parent}")
    if not os.access(target.parent, os.W_OK):
        raise RSAError(f"cannot write {target}: the folder {target.parent.resolve()} is read-only")
    return target


def make_folder(path: str | Path) -> Path:
    """Make the folder unless it exists. Raises RSAError if that fails or no file can be written there."""
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RSAError(f"cannot make the folder {folder}: {error.strerror or error}") from error
    return check_writable(folder / "file").parent


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, which is renamed to it if the block succeeds and removed otherwise.

    Raises RSAError if the file cannot be written.
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
    """A file that keeps its first error for later and pretends that all further writes succeed."""

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
        view[count:] = bytes(len(view) - count)  # not written; HDF5 would take other bytes for pointers
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        try:
            return super().truncate(size)
        except OSError as error:
            self.error = self.error or error
            return self.tell() if size is None else size


@contextmanager
def steady(path: str | Path) -> Iterator[io.FileIO]:
    """Open a new file for a C library; the first error of the file is raised (OSError) when the block ends.

    Such libraries may crash on a full disk or report other errors. HDF5 can even crash the process when it closes a
    file that could not be written.
    """
    with _Steady(path, "w+b") as file:
        try:
            yield file
        except Exception:
            if file.error is None:
                raise
        if file.error is not None:
            raise file.error
