"""Compiled loops: arrays in, arrays out, no checks (the modules above own shapes, types and errors).

Sums run in float64 over a fixed number of parts, so results do not depend on the number of threads.
"""

import numpy as np
from numba import njit, prange

PARTS = 64
OK, CONSTANT, NOT_FINITE = 0, 1, 2
_FAST = {"reassoc", "contract"}  # lets sums vectorise; NaN and infinity keep their meaning


@njit(cache=True, parallel=True, fastmath=_FAST)
def standardise_rows(x, centre, out, state):
    """Rows of `x` centred (if `centre`) and scaled to unit length into `out`; `state` says where that fails."""
    n, f = x.shape
    for i in prange(n):
        total, low, high = 0.0, x[i, 0], x[i, 0]
        for k in range(f):
            total += x[i, k]
            low = min(low, x[i, k])
            high = max(high, x[i, k])
        mean = total / f if centre else 0.0
        squares = 0.0
        for k in range(f):
            d = x[i, k] - mean
            squares += d * d
        if not np.isfinite(total) or not np.isfinite(squares):
            state[i] = NOT_FINITE
            continue
        if squares == 0.0 or (centre and low == high):
            state[i] = CONSTANT
            continue
        state[i] = OK
        scale = 1.0 / np.sqrt(squares)
        for k in range(f):
            out[i, k] = (x[i, k] - mean) * scale


@njit(cache=True, parallel=True)
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


@njit(cache=True, parallel=True)
def condense_similarity(gram, out):
    """`1 - gram` above the diagonal, clipped to [0, 2], in `pdist` order."""
    n = gram.shape[0]
    for i in prange(n - 1):
        base = i * n - i * (i + 1) // 2 - i - 1
        for j in range(i + 1, n):
            out[base + j] = min(max(1.0 - gram[i, j], 0.0), 2.0)


@njit(cache=True, parallel=True, fastmath=_FAST)
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
                value = 0.0
                for k in range(f):
                    d = np.float64(x[i, k]) - x[j, k]
                    value += d * d
            out[base + j] = value


@njit(cache=True, parallel=True, fastmath=_FAST)
def correlation_pairwise_complete(x, out):
    """1 - Pearson r of every pair of rows over the columns where both are finite; NaN where that is undefined."""
    n, f = x.shape
    for i in prange(n - 1):
        base = i * n - i * (i + 1) // 2 - i - 1
        for j in range(i + 1, n):
            count, sum_i, sum_j = 0, 0.0, 0.0
            for k in range(f):
                if np.isfinite(x[i, k]) and np.isfinite(x[j, k]):
                    count += 1
                    sum_i += x[i, k]
                    sum_j += x[j, k]
            value = np.nan
            if count >= 2:
                mean_i, mean_j = sum_i / count, sum_j / count
                ii, jj, ij = 0.0, 0.0, 0.0
                for k in range(f):
                    if np.isfinite(x[i, k]) and np.isfinite(x[j, k]):
                        a, b = x[i, k] - mean_i, x[j, k] - mean_j
                        ii += a * a
                        jj += b * b
                        ij += a * b
                if ii > 0.0 and jj > 0.0:
                    value = min(max(1.0 - ij / np.sqrt(ii * jj), 0.0), 2.0)
            out[base + j] = value


@njit(cache=True, parallel=True)
def gather_pairs(values, n, order, out):
    """The condensed matrix of the `order`-ed subset of an n x n condensed matrix."""
    m = order.size
    for p in prange(m - 1):
        base = p * m - p * (p + 1) // 2 - p - 1
        for q in range(p + 1, m):
            i, j = min(order[p], order[q]), max(order[p], order[q])
            out[base + q] = values[i * n - i * (i + 1) // 2 - i - 1 + j]


@njit(cache=True, parallel=True, fastmath=_FAST)
def total(values):
    parts = np.zeros(PARTS)
    for part in prange(PARTS):
        start, stop = part * values.size // PARTS, (part + 1) * values.size // PARTS
        s = 0.0
        for k in range(start, stop):
            s += values[k]
        parts[part] = s
    return parts.sum()


@njit(cache=True, parallel=True, fastmath=_FAST)
def centred_dot(a, mean_a, b, mean_b):
    """sum (a - mean_a) (b - mean_b)."""
    parts = np.zeros(PARTS)
    for part in prange(PARTS):
        start, stop = part * a.size // PARTS, (part + 1) * a.size // PARTS
        s = 0.0
        for k in range(start, stop):
            s += (a[k] - mean_a) * (b[k] - mean_b)
        parts[part] = s
    return parts.sum()


@njit(cache=True, fastmath=_FAST)
def row_sums(values, n):
    """Row sums of the square matrix (zero diagonal) behind a condensed one."""
    sums = np.zeros(n)
    k = 0
    for i in range(n - 1):
        s = 0.0
        for j in range(i + 1, n):
            s += values[k]
            sums[j] += values[k]
            k += 1
        sums[i] += s
    return sums


@njit(cache=True, parallel=True)
def pack_float32(values, bits, out):
    """`key << 32 | index`, keys ordered as the values are (-0 equals 0); `bits` is `values` seen as uint32."""
    for i in prange(values.size):
        b = np.uint64(bits[i])
        if values[i] == 0.0:
            b = np.uint64(0)
        key = (~b & np.uint64(0xFFFFFFFF)) if b >> np.uint64(31) else (b | np.uint64(0x80000000))
        out[i] = (key << np.uint64(32)) | np.uint64(i)


@njit(cache=True, parallel=True)
def pack_float64(values, bits, out):
    """As `pack_float32` with the upper half of the 64-bit key: `midranks` sorts what shares it."""
    for i in prange(values.size):
        b = bits[i]
        if values[i] == 0.0:
            b = np.uint64(0)
        key = ~b if b >> np.uint64(63) else (b | np.uint64(0x8000000000000000))
        out[i] = (key & np.uint64(0xFFFFFFFF00000000)) | np.uint64(i)


@njit(cache=True)
def _rank_run(values, index, first, out):
    """Doubled mid-ranks of the elements `index`, which share a packed key and follow `first` smaller ones."""
    if index.size > 1:
        index = index[np.argsort(values[index])]
    start = 0
    while start < index.size:
        stop = start + 1
        while stop < index.size and values[index[stop]] == values[index[start]]:
            stop += 1
        for k in range(start, stop):
            out[index[k]] = 2 * first + start + stop + 1
        start = stop


@njit(cache=True, parallel=True)
def midranks(packed, values, out):
    """Doubled mid-ranks (2, 4, ... without ties: whole numbers with them too) from sorted packed keys."""
    n = packed.size
    low, high = np.uint64(0xFFFFFFFF), np.uint64(32)
    for part in prange(PARTS):
        start, end = part * n // PARTS, (part + 1) * n // PARTS
        while 0 < start < end and packed[start] >> high == packed[start - 1] >> high:
            start += 1  # that run belongs to the part before
        while start < end:
            stop = start + 1
            equal = True
            value = values[packed[start] & low]
            while stop < n and packed[stop] >> high == packed[start] >> high:
                equal = equal and values[packed[stop] & low] == value
                stop += 1
            if equal:
                for k in range(start, stop):
                    out[packed[k] & low] = start + stop + 1
            else:
                _rank_run(values, (packed[start:stop] & low).astype(np.int64), start, out)
            start = stop


@njit(cache=True, parallel=True)
def pack_pairs(x, y, out):
    """`x << 32 | y` for rank vectors of non-negative whole numbers."""
    for i in prange(x.size):
        out[i] = (np.uint64(x[i]) << np.uint64(32)) | np.uint64(y[i])


@njit(cache=True, parallel=True)
def lower_halves(packed, out):
    for i in prange(packed.size):
        out[i] = packed[i] & np.uint64(0xFFFFFFFF)


@njit(cache=True)
def equal_pairs(sorted_values):
    """Number of pairs of equal elements in a sorted vector."""
    pairs, run = 0, 1
    for i in range(1, sorted_values.size):
        if sorted_values[i] == sorted_values[i - 1]:
            pairs += run
            run += 1
        else:
            run = 1
    return pairs


@njit(cache=True)
def _merge(source, left, middle, right, target):
    """Merge two sorted runs into `target`; returns how many pairs stood in the wrong order."""
    inversions = 0
    i, j = left, middle
    for k in range(left, right):
        if i < middle and (j >= right or source[i] <= source[j]):
            target[k] = source[i]
            i += 1
        else:
            target[k] = source[j]
            j += 1
            inversions += middle - i
    return inversions


@njit(cache=True)
def _sort_count(y, spare, start, stop):
    """Sort y[start:stop] in place by insertion and merging; returns the number of inversions."""
    inversions, width = 0, 16
    for left in range(start, stop, width):
        for i in range(left + 1, min(left + width, stop)):
            v, j = y[i], i
            while j > left and y[j - 1] > v:
                y[j] = y[j - 1]
                j -= 1
            y[j] = v
            inversions += i - j
    source, target, swapped = y, spare, False
    while width < stop - start:
        for left in range(start, stop, 2 * width):
            middle, right = min(left + width, stop), min(left + 2 * width, stop)
            inversions += _merge(source, left, middle, right, target)
        source, target, swapped = target, source, not swapped
        width *= 2
    if swapped:
        y[start:stop] = spare[start:stop]
    return inversions


@njit(cache=True, parallel=True)
def count_inversions(y, spare):
    """Pairs i < j with y[i] > y[j]; sorts `y`. Parts are sorted in parallel, then merged pairwise."""
    n = y.size
    counts = np.zeros(PARTS, np.int64)
    for part in prange(PARTS):
        counts[part] = _sort_count(y, spare, part * n // PARTS, (part + 1) * n // PARTS)
    inversions = counts.sum()
    source, target = y, spare
    step = 1
    while step < PARTS:
        merged = np.zeros(PARTS, np.int64)
        for pair in prange(PARTS // (2 * step)):
            first = pair * 2 * step
            merged[pair] = _merge(
                source, first * n // PARTS, (first + step) * n // PARTS, (first + 2 * step) * n // PARTS, target
            )
        inversions += merged.sum()
        source, target = target, source
        step *= 2
    return inversions
