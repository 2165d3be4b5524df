"""RDMs that are computed a strip of rows at a time: those that fit on a disk, but not in memory."""

from collections.abc import Callable, Iterator

import numpy as np

from ..io.mapped import blocks
from ..types import Array
from . import _kernels

STRIP = 2**23  # numbers of a strip of rows, and of a block of features


def strips(n: int, width: int, unit: Callable[[slice], Array]) -> Iterator[tuple[slice, Array]]:
    """Places among the condensed values, and 1 - the products of rows of length one there.

    unit: rows (k, width) of these stimuli, made again for every strip, so that never all of them are held.
    """
    done = 0
    for own in blocks(n - 1, max(n, width), STRIP):
        rows, left = unit(own), n - own.start
        products = np.empty((len(rows), left), rows.dtype)
        for columns in blocks(left, width, STRIP):
            products[:, columns] = rows @ unit(slice(own.start + columns.start, own.start + columns.stop)).T
        values = np.empty(len(rows) * left - len(rows) * (len(rows) + 1) // 2, rows.dtype)
        _kernels.condense_similarity(products, values)
        yield slice(done, done + len(values)), values
        done += len(values)
