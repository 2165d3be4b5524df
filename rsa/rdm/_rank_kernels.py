"""Compiled sorting of RDM entries: mid-ranks, and the inversions that Kendall's tau counts.

Radix passes and bit partitions take about as long for any order and any ties, on any processor.
"""

import numpy as np
from numba import prange

from ..compiling import njit

PARTS = 64
LEVELS = 4096  # bins for values that are tied so often that every bin holds one value
DIGIT = 8  # bits per radix pass: 256 buckets stay in the first-level cache
SMALL = 12  # up to this many elements, pairs are compared directly


@njit(parallel=True)
def rank_levels(values, low, scale, out):
    """Doubled mid-ranks by counting, where no two different values share a bin; False as soon as two do.

    Bins are `(value - low) * scale` rounded down, below LEVELS.
    """
    n, parts = values.size, PARTS // 8
    counts, found = np.zeros((parts, LEVELS), np.int64), np.empty((parts, LEVELS), values.dtype)
    alone = np.ones(parts, np.bool_)
    for part in prange(parts):
        count, level = counts[part], found[part]
        for value in values[part * n // parts : (part + 1) * n // parts]:
            place = np.int64((np.float64(value) - low) * scale)
            if count[place] == 0:
                level[place] = value
            elif level[place] != value:
                alone[part] = False
                break
            count[place] += 1
    if not alone.all():
        return False
    ranks = np.empty(LEVELS, np.int32)
    before = 0
    for k in range(LEVELS):
        here, level = 0, values[0]
        for part in range(parts):
            if counts[part, k] > 0:
                if here > 0 and found[part, k] != level:
                    return False
                level = found[part, k]
                here += counts[part, k]
        ranks[k] = 2 * before + here + 1
        before += here
    for i in prange(n):
        out[i] = ranks[np.int64((np.float64(values[i]) - low) * scale)]
    return True


@njit(parallel=True)
def pack(values, low, scale, out):
    """`key << 32 | index`, keys of 32 bits in the order of the values; `midranks` tells apart what shares a key."""
    for i in prange(values.size):
        out[i] = (np.uint64((np.float64(values[i]) - low) * scale) << np.uint64(32)) | np.uint64(i)


@njit(parallel=True)
def radix_pass(source, target, shift):
    """Stable sort by one digit; returns how many elements of each part of `source` have each digit."""
    n, buckets = source.size, 1 << DIGIT
    mask, by = np.uint64(buckets - 1), np.uint64(shift)
    counts = np.zeros((PARTS, buckets), np.int64)
    for part in prange(PARTS):
        mine = counts[part]
        for key in source[part * n // PARTS : (part + 1) * n // PARTS]:
            mine[(key >> by) & mask] += 1
    places = np.empty_like(counts)
    start = 0
    for digit in range(buckets):
        for part in range(PARTS):
            places[part, digit] = start
            start += counts[part, digit]
    for part in prange(PARTS):
        mine = places[part]
        for key in source[part * n // PARTS : (part + 1) * n // PARTS]:
            digit = (key >> by) & mask
            target[mine[digit]] = key
            mine[digit] += 1
    return counts


@njit()
def _rank_run(packed, values, first, last, out):
    """Doubled mid-ranks of packed[first:last], which share a key but not a value."""
    index = (packed[first:last] & np.uint64(0xFFFFFFFF)).astype(np.int64)
    index = index[np.argsort(values[index])]
    start = 0
    while start < index.size:
        stop = start + 1
        while stop < index.size and values[index[stop]] == values[index[start]]:
            stop += 1
        for k in range(start, stop):
            out[index[k]] = 2 * first + start + stop + 1
        start = stop


@njit()
def _midranks(packed, values, apart, start, end, out):
    low, high = np.uint64(0xFFFFFFFF), np.uint64(32)
    while 0 < start < end and packed[start] >> high == packed[start - 1] >> high:
        start += 1  # that run belongs to the part before
    while start < end:
        key, stop, different = packed[start] >> high, start + 1, 0
        while stop < packed.size and packed[stop] >> high == key:
            stop += 1
        if stop > start + 1 and not apart:
            value = values[packed[start] & low]
            for k in range(start + 1, stop):
                different += values[packed[k] & low] != value
        if different > 0:
            _rank_run(packed, values, start, stop, out)
        else:
            for k in range(start, stop):
                out[packed[k] & low] = start + stop + 1
        start = stop


@njit(parallel=True)
def midranks(packed, values, apart, out):
    """Doubled mid-ranks (2, 4, ... without ties: whole numbers with them too) from sorted packed keys.

    apart: whether different values have different keys, so that no value needs to be looked up.
    """
    for part in prange(PARTS):
        _midranks(packed, values, apart, part * packed.size // PARTS, (part + 1) * packed.size // PARTS, out)


@njit(parallel=True)
def pack_pairs(x, y, out):
    """`x << 32 | y` for rank vectors of non-negative whole numbers."""
    for i in prange(x.size):
        out[i] = (np.uint64(x[i]) << np.uint64(32)) | np.uint64(y[i])


@njit(parallel=True)
def lower_halves(packed, out):
    for i in prange(packed.size):
        out[i] = packed[i] & np.uint64(0xFFFFFFFF)


@njit(parallel=True)
def equal_pairs(keys, mask):
    """Pairs of elements that agree in the bits of `mask`, by which `keys` are sorted."""
    n = keys.size
    pairs = np.zeros(PARTS, np.int64)
    for part in prange(PARTS):
        start, end = part * n // PARTS, (part + 1) * n // PARTS
        while 0 < start < end and keys[start] & mask == keys[start - 1] & mask:
            start += 1
        total = 0
        while start < end:
            stop = start + 1
            while stop < n and keys[stop] & mask == keys[start] & mask:
                stop += 1
            total += (stop - start) * (stop - start - 1) // 2
            start = stop
        pairs[part] = total
    return pairs.sum()


@njit()
def _inversions(keys, spare, low):
    """Pairs i < j with keys[i] >> low > keys[j] >> low: every bit splits what agrees in the bits above it. Reorders."""
    stack = np.empty((34, 2), np.int64)
    stack[0, 0], stack[0, 1] = 0, keys.size
    depth, total = 1, np.int64(0)
    while depth > 0:
        depth -= 1
        first, last = stack[depth, 0], stack[depth, 1]
        node = keys[first:last]
        m = node.size
        if m <= SMALL:
            for j in range(1, m):
                key = node[j] >> low
                for i in range(j):
                    total += (node[i] >> low) > key
            continue
        differ = np.uint32(0)
        for k in range(m):
            differ |= node[k] ^ node[0]
        differ >>= low
        if differ == 0:
            continue
        bit = low
        while differ > 1:
            differ >>= np.uint32(1)
            bit += np.uint32(1)
        zeros, ones = np.int64(0), np.int64(0)
        for k in range(m):
            key = node[k]
            one = np.int64((key >> bit) & np.uint32(1))
            node[zeros] = key
            spare[ones] = key
            total += ones & (one - 1)
            ones += one
            zeros += 1 - one
        node[zeros:] = spare[:ones]
        stack[depth, 0], stack[depth, 1] = first, first + zeros
        stack[depth + 1, 0], stack[depth + 1, 1] = first + zeros, last
        depth += 2
    return total


@njit(parallel=True)
def count_inversions(y, bits):
    """Pairs i < j with y[i] > y[j], keys of `bits` bits. Overwrites `y`.

    By the upper digit: between parts from the digits' counts, inside each part; then inside each bucket by the rest.
    """
    n = y.size
    shift = np.uint32(max(bits - DIGIT, 0))
    buckets = np.empty_like(y)
    counts = radix_pass(y, buckets, shift)
    total = np.zeros(PARTS + counts.shape[1], np.int64)
    for part in prange(PARTS):
        chunk = y[part * n // PARTS : (part + 1) * n // PARTS]
        total[part] = _inversions(chunk, np.empty_like(chunk), shift)
    before = np.zeros(counts.shape[1], np.int64)
    between = 0
    for part in range(PARTS):
        larger = 0
        for digit in range(counts.shape[1] - 1, -1, -1):
            between += counts[part, digit] * larger
            larger += before[digit]
            before[digit] += counts[part, digit]
    ends = np.cumsum(before)
    for digit in prange(counts.shape[1]):
        bucket = buckets[ends[digit] - before[digit] : ends[digit]]
        total[PARTS + digit] = _inversions(bucket, np.empty_like(bucket), np.uint32(0))
    return between + total.sum()
