"""Untrusted HDF5 files, read first by a process that may crash, hang or run out of memory instead of this one.

libhdf5 follows the addresses and lengths that a file contains, so damaged or hostile bytes can crash the process. The
texts of MATLAB's cells, tens of thousands of objects, are read there only. This module is also the program of that
process, so it imports nothing of tgsage.
"""

import atexit
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import h5py

AT_ONCE = 64 * 2**20  # bytes of arrays that are read completely; of larger ones (numbers only) just large chunks are
_MEMORY = 2**30  # bytes of memory that one item may take
_LARGE_CHUNK = 2**20  # stored bytes; smaller chunks cannot inflate to more than 1 GiB
_SECONDS, _BYTES_PER_SECOND = 10.0, 20e6
_WAITS = 10  # seconds by the clock for one of work
_SMALL_ARRAY = 4096  # bytes
_SMALL, _MOST = 1e6, 120.0  # bytes per second of a file of tens of thousands of texts (MATLAB's cells), and seconds
_MAX_TEXT, _MAX_TEXTS = 4096, 10**6  # characters of one, and how many


def flaw(path: Path) -> str:
    """Return why a file should not be opened, in a few words, or "" if it was read without harm. May raise OSError.

    The first call starts the other process, in about 0.2 s. A file is only read again after a change. Nothing is tried
    on systems without fork (Windows).
    """
    state = path.stat()
    return _flaw(str(path.absolute()), state.st_ino, state.st_size, state.st_mtime_ns) if hasattr(os, "fork") else ""


@lru_cache(1024)
def _flaw(path: str, inode: int, size: int, changed: int) -> str:
    return str(_reader(os.getpid()).ask(path, _time(size)))


def _time(size: int) -> int:
    return round(_SECONDS + max(size / _BYTES_PER_SECOND, min(size / _SMALL, _MOST)))


def cell_texts(path: Path, names: Sequence[str]) -> list[list[str]] | str:
    """The texts of some cell arrays, or fields of structure arrays, of a MATLAB 7.3 file, or why they cannot be read.

    May raise OSError.
    """
    size = path.stat().st_size
    if not hasattr(os, "fork"):
        return _cell_texts(str(path), names)
    found: list[list[str]] | str = _reader(os.getpid()).ask(str(path.absolute()), _time(size), names)
    return found


@cache
def _reader(owner: int) -> "_Reader":
    """The reader of this process: forked processes would share its pipes."""
    return _Reader()


class _Reader:
    """The other process. It forks for every file, so that no file affects the reading of another."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        atexit.register(self._end)

    def ask(self, path: str, seconds: int, names: Sequence[str] = ()) -> Any:
        with self._lock:
            if self._process is not None and self._process.poll() is not None:
                self._end()
            process = self._process = self._process or _start()
            answer = ""
            try:
                print(json.dumps([path, seconds, names]), file=process.stdin, flush=True)
                answer = process.stdout.readline() if process.stdout else ""
            finally:
                if not answer:  # interrupted or killed: a late answer must not reach the next file
                    self._end()
            if not answer:
                raise OSError("the process that reads it first has ended")
            return json.loads(answer)

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            with suppress(BrokenPipeError), process:
                pass


def _start() -> "subprocess.Popen[str]":
    command = [sys.executable, "-P", __file__]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}  # forking needs a single thread
    pipe, nothing = subprocess.PIPE, subprocess.DEVNULL
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=nothing, text=True, env=environment)  # noqa: S603


def _main() -> None:
    import resource

    import h5py  # noqa: F401 - once for all forks

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is meant for the parent
    statm = Path("/proc/self/statm")
    used = int(statm.read_text().split()[0]) * resource.getpagesize() if statm.exists() else 2**31
    for which, limit in ((resource.RLIMIT_AS, used + _MEMORY), (resource.RLIMIT_CORE, 0)):
        soft, hard = resource.getrlimit(which)
        lowest = min(value for value in (limit, soft, hard) if value != resource.RLIM_INFINITY)
        resource.setrlimit(which, (lowest, hard))
    for line in sys.stdin:
        path, seconds, names = json.loads(line)
        child = os.fork()
        if child == 0:
            signal.setitimer(signal.ITIMER_PROF, seconds)  # of work, since a busy machine or a slow disk is no hang
            signal.alarm(_WAITS * seconds)
            print(json.dumps(_cell_texts(path, names) if names else _try(path)), flush=True)
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        if status:
            timed_out = os.WIFSIGNALED(status) and os.WTERMSIG(status) in (signal.SIGALRM, signal.SIGPROF)
            what = "hangs" if timed_out else "crashes"
            print(json.dumps(f"libhdf5 {what} over its bytes"), flush=True)


def _try(path: str) -> str:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            _read_all(file)
    except Exception as error:  # including lack of memory, for which libhdf5 has many names
        return _why(error)
    return ""


def _why(error: Exception) -> str:
    return " ".join(str(error).split()).strip("'\"") or type(error).__name__


def _cell_texts(path: str, names: Sequence[str]) -> list[list[str]] | str:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            return [_texts(file, name) for name in names]
    except Exception as error:
        return _why(error)


def _texts(file: "h5py.File", name: str) -> list[str]:
    """The texts of one cell array; every handle costs, so each cell is opened once and asked for little."""
    import h5py
    import numpy as np

    data: Any = file
    for step in name.split("/"):
        inside = isinstance(data, h5py.Group) and isinstance(data.get(step, getlink=True), h5py.HardLink)
        if not inside:
            raise ValueError(f"it has no {name}")
        data = data[step]
    if not isinstance(data, h5py.Dataset) or h5py.check_ref_dtype(data.dtype) is not h5py.Reference:
        raise ValueError(f"{name} holds {getattr(data, 'dtype', 'a group')}, not references to cells")
    if data.external or data.is_virtual or data.size > _MAX_TEXTS:
        raise ValueError(f"{name} lies in another file or claims {data.size} cells")
    texts, characters, everything = [], h5py.h5t.NATIVE_UINT16, h5py.h5s.ALL
    for i, reference in enumerate(data[()].ravel().tolist()):
        cell = h5py.h5r.dereference(reference, file.id) if reference else None
        if not isinstance(cell, h5py.h5d.DatasetID):
            raise ValueError(f"cell {i + 1} of {name} is empty or no array")
        length, kind = cell.get_space().get_simple_extent_npoints(), cell.get_type()
        if cell.get_offset() is None:
            settings = cell.get_create_plist()
            if settings.get_external_count() or settings.get_layout() == h5py.h5d.VIRTUAL:
                raise ValueError(f"cell {i + 1} of {name} lies in another file")
        if not isinstance(kind, h5py.h5t.TypeIntegerID) or kind.get_size() != 2 or length > _MAX_TEXT:
            if h5py.h5a.exists(cell, b"MATLAB_empty"):
                texts.append("")
                continue
            raise ValueError(f"cell {i + 1} of {name} is not a text")
        units = np.empty(length, np.uint16)
        cell.read(everything, everything, units, characters)
        texts.append(units.tobytes().decode(f"utf-16-{sys.byteorder[0]}e"))
    return texts


def _read_all(file: "h5py.File") -> None:
    """Read each object in the file itself once, except types that numpy lacks (TypeError)."""
    import h5py

    seen: set[int] = set()
    left: list[h5py.Group | h5py.Dataset | h5py.Datatype] = [file]
    while left:
        item = left.pop()
        address = h5py.h5o.get_info(item.id).addr
        if address in seen:
            continue
        seen.add(address)
        for name in item.attrs:
            with suppress(TypeError):
                item.attrs[name]
        if isinstance(item, h5py.Dataset):
            with suppress(TypeError):
                _read_data(item)
        elif isinstance(item, h5py.Group):
            for name in item:
                if item.id.links.get_info(name.encode(errors="surrogateescape")).type == h5py.h5l.TYPE_HARD:
                    found = h5py.h5o.open(item.id, name.encode(errors="surrogateescape"))
                    if not _read_small(found, seen):
                        left.append(item[name])


def _read_small(item: "h5py.h5g.ObjectID", seen: set[int]) -> bool:
    """Whether it is a small array of plain numbers, now read: MATLAB writes tens of thousands of these, its texts."""
    import h5py
    import numpy as np

    if not isinstance(item, h5py.h5d.DatasetID):
        return False
    kind, settings = item.get_type(), item.get_create_plist()
    if not isinstance(kind, h5py.h5t.TypeIntegerID) or settings.get_layout() not in (
        h5py.h5d.COMPACT,
        h5py.h5d.CONTIGUOUS,
    ):
        return False
    if settings.get_external_count() or item.get_space().get_simple_extent_npoints() * kind.get_size() > _SMALL_ARRAY:
        return False
    attributes = [h5py.h5a.open(item, index=i) for i in range(h5py.h5a.get_num_attrs(item))]
    if any(not _is_plain(a.get_type()) or a.get_storage_size() > _SMALL_ARRAY for a in attributes):
        return False
    address = h5py.h5o.get_info(item).addr
    if address not in seen:
        seen.add(address)
        for attribute in attributes:
            attribute.read(np.empty(attribute.shape, attribute.dtype))
        item.read(h5py.h5s.ALL, h5py.h5s.ALL, np.empty(item.shape, item.dtype))
    return True


def _is_plain(kind: "h5py.h5t.TypeID") -> bool:
    """Whether values of a type are numbers or texts of fixed length."""
    import h5py

    if isinstance(kind, h5py.h5t.TypeStringID):
        return not kind.is_variable_str()
    return isinstance(kind, h5py.h5t.TypeIntegerID | h5py.h5t.TypeFloatID)


def _read_data(data: "h5py.Dataset") -> None:
    import h5py

    settings = data.id.get_create_plist()
    filters = [settings.get_filter(i)[0] for i in range(settings.get_nfilters())]
    if data.size is None or data.external or data.is_virtual or not all(map(h5py.h5z.filter_avail, filters)):
        return
    if data.nbytes <= AT_ONCE:
        data[()]
    elif data.chunks is not None:
        stored = [0]
        data.id.chunk_iter(lambda chunk: stored.append(chunk.size))
        for chunk in data.iter_chunks() if max(stored) > _LARGE_CHUNK else ():
            data[chunk]


if __name__ == "__main__":
    _main()
