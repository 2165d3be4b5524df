"""Compiled loops over features and RDM entries: arrays in, arrays out, no checks (the modules above own those).

Sums run in float64 over a fixed number of parts, so results do not depend on the number of threads. Inner loops run
over slices from 0, which is what lets the compiler vectorise them.
"""

import numpy as np
from numba import prange

from ..compiling import njit

PARTS = 64
OK, CONSTANT, NOT_FINITE = 0, 1, 2
_FAST = {"reassoc", "contract"}  # lets sums vectorise; NaN and infinity keep their meaning


@njit(fastmath=_FAST)
def _standardise(row, centre, z):
    """A row centred (if `centre`) and scaled to unit length into `z`; says where that fails."""
    first, total, different = row[0], 0.0, 0
    for k in range(row.size):
        total += row[k]
        different += row[k] != first
    mean = total / row.size if centre else 0.0
    squares = 0.0
    for k in range(row.size):
        d = row[k] - mean
        squares += d * d
    if not np.isfinite(total) or not np.isfinite(squares):
        return NOT_FINITE
    if squares == 0.0 or (centre and different == 0):
        return CONSTANT
    scale = 1.0 / np.sqrt(squares)
    for k in range(row.size):
        z[k] = (row[k] - mean) * scale
    return OK


@njit(parallel=True)
def standardise_rows(x, centre, out, state):
    """`_standardise` of every row of `x`."""
    for i in prange(x.shape[0]):
        state[i] = _standardise(x[i], centre, out[i])


@njit()
def standardise_rows_alone(x, centre, out, state):
    """The same on one thread."""
    for i in range(x.shape[0]):
        state[i] = _standardise(x[i], centre, out[i])


@njit(parallel=True)
def rank_rows(x, out):
    """Mid-ranks (1-based, ties averaged) inside every row."""
    n, f = x.shape
    for i in prange(n):
        order = np.argsort(x[i])
        start = 0
        while start < f:
            stop = start + 1
            while stop < f and x[i, order[stop]] == x[i, order[start]]:
                stop += 1
            for k in range(start, stop):
                out[i, order[k]] = 0.5 * (start + stop + 1)
            start = stop


@njit()
def _condense(gram, i, out):
    n = gram.shape[1]
    base = i * n - i * (i + 1) // 2
    row, values = gram[i, i + 1 :], out[base : base + n - 1 - i]
    for j in range(row.size):
        values[j] = min(max(1.0 - row[j], 0.0), 2.0)


@njit(parallel=True)
def condense_similarity(gram, out):
    """`1 - gram` above the diagonal, clipped to [0, 2], in `pdist` order; gram: all rows, or the first."""
    for i in prange(min(gram.shape[0], gram.shape[1] - 1)):
        _condense(gram, i, out)


@njit()
def condense_similarity_alone(gram, out):
    """The same on one thread."""
    for i in range(gram.shape[0] - 1):
        _condense(gram, i, out)


@njit(parallel=True, fastmath=_FAST)
def condense_sqeuclidean(gram, x, limit, out):
    """Squared distances from a Gram matrix; pairs below `limit` of their squared norms, where the difference
    cancels, are summed directly from the rows of `x`."""
    n, f = x.shape
    for i in prange(n - 1):
        base = i * n - i * (i + 1) // 2 - i - 1
        for j in range(i + 1, n):
            norms = np.float64(gram[i, i]) + gram[j, j]
            value = norms - 2.0 * gram[i, j]
            if value < limit * norms:
                a, b = x[i], x[j]
                value = 0.0
                for k in range(f):
                    d = np.float64(a[k]) - b[k]
                    value += d * d
            out[base + j] = value


@njit(parallel=True, fastmath=_FAST)
def correlation_pairwise_complete(x, out, shared):
    """1 - Pearson r of every pair of rows over the columns where both are finite; NaN where that is undefined.

    shared (n - 1,): the fewest such columns that a row has with one of the later rows.
    """
    n, f = x.shape
    for i in prange(n - 1):
        shared[i] = f
        base = i * n - i * (i + 1) // 2 - i - 1
        a = x[i]
        for j in range(i + 1, n):
            b = x[j]
            count, sum_a, sum_b = 0, 0.0, 0.0
            vary_a, vary_b, first = 0, 0, 0
            while first < f - 1 and not (np.isfinite(a[first]) and np.isfinite(b[first])):
                first += 1
            for k in range(f):
                both = np.isfinite(a[k]) and np.isfinite(b[k])
                count += both
                vary_a += both and a[k] != a[first]
                vary_b += both and b[k] != b[first]
                sum_a += a[k] if both else 0.0
                sum_b += b[k] if both else 0.0
            shared[i] = min(shared[i], count)
            value = np.nan
            if count > 2 and vary_a > 0 and vary_b > 0:
                mean_a, mean_b = sum_a / count, sum_b / count
                aa, bb, ab = 0.0, 0.0, 0.0
                for k in range(f):
                    both = np.isfinite(a[k]) and np.isfinite(b[k])
                    p = a[k] - mean_a if both else 0.0
                    q = b[k] - mean_b if both else 0.0
                    aa += p * p
                    bb += q * q
                    ab += p * q
                if aa > 0.0 and bb > 0.0:
                    value = min(max(1.0 - ab / (np.sqrt(aa) * np.sqrt(bb)), 0.0), 2.0)
            out[base + j] = value


@njit(parallel=True)
def gather_pairs(values, n, order, start, stop, out):
    """Rows start..stop of the condensed matrix of the `order`-ed subset of an n x n condensed matrix."""
    m = order.size
    for p in prange(start, min(stop, m - 1)):
        base = p * m - p * (p + 1) // 2 - p - 1
        for q in range(p + 1, m):
            i, j = min(order[p], order[q]), max(order[p], order[q])
            out[base + q] = values[i * n - i * (i + 1) // 2 - i - 1 + j]


@njit()
def _in_order(parts):
    """Their sum, one after the other: `parts.sum()` would be split among threads."""
    total = 0.0
    for part in parts:
        total += part
    return total


@njit(parallel=True, fastmath=_FAST)
def moments(values, shift, first):
    """Sum and sum of squares of `values - shift`, and how many values are not equal to `first`."""
    totals, squares, others = np.zeros(PARTS), np.zeros(PARTS), np.zeros(PARTS, np.int64)
    for part in prange(PARTS):
        chunk = values[part * values.size // PARTS : (part + 1) * values.size // PARTS]
        total, square, different = 0.0, 0.0, 0
        for k in range(chunk.size):
            d = chunk[k] - shift
            total += d
            square += d * d
            different += chunk[k] != first
        totals[part], squares[part], others[part] = total, square, different
    return _in_order(totals), _in_order(squares), others.sum()


@njit(parallel=True, fastmath=_FAST)
def centred_dot(a, mean_a, b, mean_b):
    """sum (a - mean_a) (b - mean_b)."""
    parts = np.zeros(PARTS)
    for part in prange(PARTS):
        start, stop = part * a.size // PARTS, (part + 1) * a.size // PARTS
        x, y = a[start:stop], b[start:stop]
        total = 0.0
        for k in range(x.size):
            total += (x[k] - mean_a) * (y[k] - mean_b)
        parts[part] = total
    return _in_order(parts)


@njit(parallel=True, fastmath=_FAST)
def row_sums(values, n, start, stop):
    """What rows start..stop of a condensed matrix add to the row sums of the square one (zero diagonal)."""
    parts = np.zeros((PARTS // 4, n))
    for part in prange(PARTS // 4):
        sums = parts[part]
        for i in range(start + part, min(stop, n - 1), PARTS // 4):
            base = i * n - i * (i + 1) // 2
            row, below = values[base : base + n - 1 - i], sums[i + 1 :]
            total = 0.0
            for j in range(row.size):
                total += row[j]
                below[j] += row[j]
            sums[i] += total
    for part in range(1, PARTS // 4):
        parts[0] += parts[part]
    return parts[0]
