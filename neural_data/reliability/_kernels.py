"""Compiled loops over the presentations of a recording: arrays in, arrays out, no checks.

They run on one thread and let others run beside them: callers take one thread per split.
"""

import numpy as np

from ...rsa.compiling import njit


@njit(nogil=True)
def count_valid(x, order, starts, out):
    """Presentations of every stimulus at which a neuroid has a value. `order[starts[s]:starts[s + 1]]`: those of s."""
    for s in range(starts.size - 1):
        out[s] = 0
        for k in range(starts[s], starts[s + 1]):
            p = order[k]
            for j in range(x.shape[1]):
                if not np.isnan(x[p, j]):
                    out[s, j] += 1


@njit(nogil=True)
def part_means(x, order, starts, keys, first, out):
    """(parts, stimuli, neuroids): mean of the presentations of every stimulus that fall in a part, NaN without one.

    Sorted by `keys`, a stimulus' presentations go to the parts in turn; `first` says which part comes first.
    """
    parts, f = out.shape[0], x.shape[1]
    for s in range(starts.size - 1):
        rank = np.argsort(keys[starts[s] : starts[s + 1]])
        sums, counts = np.zeros((parts, f)), np.zeros((parts, f))
        for k in range(rank.size):
            row, part = x[order[starts[s] + rank[k]]], (k + first[s]) % parts
            total, count = sums[part], counts[part]
            for j in range(f):
                present = not np.isnan(row[j])
                total[j] += row[j] if present else 0.0
                count[j] += 1.0 if present else 0.0
        for part in range(parts):
            for j in range(f):
                out[part, s, j] = sums[part, j] / counts[part, j] if counts[part, j] else np.nan
