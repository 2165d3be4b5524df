"""Locks between processes of one machine: one byte of a file for each name, given back by whoever ends or is killed."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def locked(file: Path, name: str, *, wait: bool = True) -> Iterator[bool]:
    """Hold the lock of this name within the block; False where somebody else has it and `wait` is off.

    A process holds one lock per file at a time. Different names share a byte once in 2^31 pairs: they wait for each
    other then.
    """
    import fcntl

    place = int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) >> 1
    with file.open("a") as handle:
        try:
            fcntl.lockf(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
        except BlockingIOError:
            yield False
        else:
            yield True  # closing the file gives it back
