"""Arrays mapped from files: gone through a part at a time, and forgotten, so that what is read does not fill memory."""

import mmap
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..types import Array

MAPPED = 2**28  # bytes beyond which plain numbers stay in their file
PIECE = 2**24  # numbers of a part


def _map_of(array: Array) -> "np.memmap[Any, Any] | None":
    """What the array is a view of, where that is a file."""
    base: Any = array
    while isinstance(base, np.ndarray) and not isinstance(base, np.memmap):
        base = base.base
    return base if isinstance(base, np.memmap) else None


def large(size: int) -> bool:
    """Whether an array of so many bytes stays in its file."""
    return size > MAPPED


def held(array: Array) -> Array:
    """A mapped array as it is where it is large, otherwise its copy in memory."""
    return np.asarray(array) if large(array.nbytes) else np.array(array)


def forget(*arrays: Array) -> None:
    """Give back the memory of what was read of arrays mapped from files; it is read again when needed."""
    for array in arrays:
        base: Any = _map_of(array)
        # what was changed in a copy-on-write map ("c") would be lost
        if base is not None and base.mode in ("r", "r+") and hasattr(mmap, "MADV_DONTNEED"):
            while isinstance(base, np.ndarray):
                base = base.base
            base.madvise(mmap.MADV_DONTNEED)


def blocks(n: int, width: int, most: int) -> Iterator[slice]:
    """Slices of n rows of so many numbers, each of at most `most` numbers where that is a row or more."""
    step = max(1, most // width)
    return (slice(start, min(start + step, n)) for start in range(0, n, step))


def pieces(*arrays: Array, n: int, width: int = 1) -> Iterator[slice]:
    """Slices of n rows of so many numbers of arrays, which are forgotten after each; one slice if none is mapped."""
    if all(_map_of(array) is None for array in arrays):
        yield slice(0, n)
        return
    for rows in blocks(n, width, PIECE):
        yield rows
        forget(*arrays)
