"""Compiled loops over the presentations of a recording: arrays in, arrays out, no checks.

They run on one thread and let others run beside them: callers take one thread per split.
"""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def count_valid(x, order, starts, out):
    """Presentations of every stimulus at which a neuroid has a value. `order[starts[s]:starts[s + 1]]`: those of s."""
    for s in range(starts.size - 1):
        out[s] = 0
        for k in range(starts[s], starts[s + 1]):
            p = order[k]
            for j in range(x.shape[1]):
                if not np.isnan(x[p, j]):
                    out[s, j] += 1


@njit(cache=True, nogil=True)
def half_means(x, order, starts, keys, flip, out):
    """(2, stimuli, neuroids): mean of the presentations of every stimulus that fall in either half, NaN without one.

    Sorted by `keys`, a stimulus' presentations go to the two halves in turn; `flip` says which half comes first.
    """
    f = x.shape[1]
    for s in range(starts.size - 1):
        rank = np.argsort(keys[starts[s] : starts[s + 1]])
        sums, counts = np.zeros((2, f)), np.zeros((2, f))
        for k in range(rank.size):
            row, half = x[order[starts[s] + rank[k]]], (k + flip[s]) & 1
            total, count = sums[half], counts[half]
            for j in range(f):
                present = not np.isnan(row[j])
                total[j] += row[j] if present else 0.0
                count[j] += 1.0 if present else 0.0
        for half in range(2):
            for j in range(f):
                out[half, s, j] = sums[half, j] / counts[half, j] if counts[half, j] else np.nan
