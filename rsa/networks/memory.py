"""On CPUs, the memory that torch frees is kept for its next tensors, where the C library is glibc.

glibc returns blocks of 32 MB and more to the system as soon as they are freed, and smaller ones soon after; the system
then has to clear every page again for the next batch. Forward and backward passes that make the same tensors over and
over spend up to half their time on that (`tgsage bench speed --rows passes`). The price is holes between what is in
use, which made peak memory 0 to 35% higher. Blocks of 256 MB and more are returned as ever.
"""

import ctypes
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # malloc.h
_KEPT = {_TRIM_THRESHOLD: 2**30, _MMAP_THRESHOLD: 2**28}  # bytes free at the end, and of the largest block, that stay
_USUAL = {_TRIM_THRESHOLD: 2**26, _MMAP_THRESHOLD: 2**25}  # what glibc itself comes to in a process with large blocks
_OWN_CHOICE = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_MAX_")

_lock = threading.Lock()
_blocks = 0


@contextmanager
def memory_kept() -> Iterator[None]:
    """Inside the block freed memory stays with the process; afterwards it is returned to the system.

    Blocks may be nested, and entered from several threads: the outermost counts. Without glibc, and where the
    environment says how it allocates (MALLOC_TRIM_THRESHOLD_, GLIBC_TUNABLES), nothing is changed.
    """
    global _blocks
    library = _glibc()
    if library is None:
        yield
        return
    with _lock:
        _blocks += 1
        if _blocks == 1:
            _set(library, _KEPT)
    try:
        yield
    finally:
        with _lock:
            _blocks -= 1
            if _blocks == 0:
                _set(library, _USUAL)
                library.malloc_trim(0)


def _set(library: Any, options: Mapping[int, int]) -> None:
    for option, value in options.items():
        library.mallopt(option, value)


@cache
def _glibc() -> Any:
    """The C library of this process; None if it is not glibc, or is told by the environment how to allocate."""
    if any(name in os.environ for name in _OWN_CHOICE) or "glibc.malloc" in os.environ.get("GLIBC_TUNABLES", ""):
        return None
    try:
        library = ctypes.CDLL(None)
        return library if library.gnu_get_libc_version and library.mallopt and library.malloc_trim else None
    except (AttributeError, OSError, TypeError):
        return None
