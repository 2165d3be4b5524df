"""Compiled loops over resamples of stimuli and over what each stimulus adds: arrays in, arrays out, no checks.

Those that are called between products of matrices run on one thread: BLAS keeps its own spinning for a while, and a
loop that is shared out then waits for them longer than it takes.
"""

import numpy as np
from numba import prange

from ..compiling import njit

_FAST = {"reassoc", "contract"}
_BLOCK = 4096  # pairs in work at once


@njit()
def upper_rows(values, centre, n, start, stop, out):
    """Rows start..stop of the strict upper triangle, centred, columns from `start` on; zero elsewhere."""
    for i in range(start, stop):
        base = i * n - i * (i + 1) // 2 - i - 1
        for j in range(start, i + 1):
            out[i - start, j - start] = 0.0
        for j in range(i + 1, n):
            out[i - start, j - start] = values[base + j] - centre


@njit(fastmath=_FAST)
def _rank_table(bins, n_bins, present, w, n, table):
    """Weighted mid-ranks by bin, centred, into `table`; returns the sum of their squares and the number of pairs."""
    held = np.zeros(n_bins, np.int32)
    for p in range(present.size):
        base = present[p] * n - present[p] * (present[p] + 1) // 2 - present[p] - 1
        for q in range(p + 1, present.size):
            held[bins[base + present[q]]] += w[p] * w[q]
    total = 0.0
    for b in range(n_bins):
        total += held[b]
    below, squares = 0.0, 0.0
    for b in range(n_bins):
        rank = below + 0.5 * (held[b] - total)
        squares += held[b] * rank * rank
        table[b] = rank
        below += held[b]
    return squares, total


@njit(parallel=True, fastmath=_FAST)
def rank_products(bins, n_bins, weights, first, out):
    """Sums over pairs of products of weighted mid-ranks, centred, for every draw.

    bins: (rdms, pairs) ascending with the values. weights: (draws, n). The first `first` RDMs meet the others.
    out: (draws, rdms + first * others + 1): squares, products, number of pairs.
    Ranks are looked up for one RDM after the other, _BLOCK pairs at a time, so that a table stays in the cache; in
    single precision they are exact up to 2^23 pairs.
    """
    rdms, n = bins.shape[0], weights.shape[1]
    others = rdms - first
    for draw in prange(weights.shape[0]):
        present = np.flatnonzero(weights[draw])
        w = weights[draw][present].astype(np.int32)
        tables = np.empty((rdms, n_bins), np.float32)
        total = 0.0
        for k in range(rdms):
            out[draw, k], total = _rank_table(bins[k], n_bins, present, w, n, tables[k])
        products = np.zeros((first, others))
        block = max(_BLOCK, present.size)
        ranks, pairs, u = np.empty((rdms, block), np.float32), np.empty(block, np.int64), np.empty(block, np.float32)
        held = 0
        for p in range(present.size):
            base = present[p] * n - present[p] * (present[p] + 1) // 2 - present[p] - 1
            for q in range(p + 1, present.size):
                pairs[held] = base + present[q]
                u[held] = w[p] * w[q]
                held += 1
            if held + present.size - p > block or p == present.size - 1:
                for k in range(rdms):
                    for m in range(held):
                        ranks[k, m] = tables[k, bins[k, pairs[m]]]
                for t in range(others):
                    for k in range(first):
                        s = 0.0
                        for m in range(held):
                            s += np.float64(ranks[k, m]) * np.float64(ranks[first + t, m]) * np.float64(u[m])
                        products[k, t] += s
                held = 0
        out[draw, rdms:-1] = products.ravel()
        out[draw, -1] = total


@njit()
def _below(tree, place):
    """Sum of the first `place` entries of a Fenwick tree."""
    s = 0
    while place > 0:
        s += tree[place]
        place -= place & -place
    return s


@njit(parallel=True)
def tau_a(order, rows, columns, x, y, weights, out):
    """Kendall's tau-a of the resampled pairs for every draw; `x`, `y` are dense ranks from 1, `order` sorts `x`.

    Copies of one pair are not compared with each other.
    """
    for draw in prange(weights.shape[0]):
        w = weights[draw]
        tree = np.zeros(y.max() + 1, np.int64)
        concordant, total, copied, start = 0, 0, 0, 0
        x_first, y_first, varies_x, varies_y = 0, 0, False, False
        while start < order.size:
            stop = start
            while stop < order.size and x[order[stop]] == x[order[start]]:
                k = order[stop]
                u = w[rows[k]] * w[columns[k]]
                if u:
                    if x_first == 0:
                        x_first, y_first = x[k], y[k]
                    varies_x, varies_y = varies_x or x[k] != x_first, varies_y or y[k] != y_first
                    concordant += u * (_below(tree, y[k] - 1) - (total - _below(tree, y[k])))
                stop += 1
            for s in range(start, stop):
                k = order[s]
                u = w[rows[k]] * w[columns[k]]
                place = y[k] if u else tree.size
                total += u
                copied += u * u
                while place < tree.size:
                    tree[place] += u
                    place += place & -place
            start = stop
        out[draw] = 2.0 * concordant / (np.float64(total) * total - copied) if varies_x and varies_y else np.nan


@njit(parallel=True, fastmath=_FAST)
def permuted_dots(a, square, orders, out):
    """sum over i < j of a_ij square[p_i, p_j] for every order p."""
    n = square.shape[0]
    for draw in prange(orders.shape[0]):
        p = orders[draw]
        s, pair = 0.0, 0
        for i in range(n - 1):
            row = square[p[i]]
            for j in range(i + 1, n):
                s += a[pair] * row[p[j]]
                pair += 1
        out[draw] = s


@njit(parallel=True, fastmath=_FAST)
def permuted_products(vectors, square, orders, out):
    """sum over i < j of v_ij square[p_i, p_j] for every order p and vector v; sums along rows in the vectors' type."""
    n = square.shape[0]
    for draw in prange(orders.shape[0]):
        p = orders[draw]
        gathered = np.empty(n, square.dtype)
        total = np.zeros(vectors.shape[0])
        pair = 0
        for i in range(n - 1):
            row = square[p[i]]
            for j in range(i + 1, n):
                gathered[j] = row[p[j]]
            for k in range(vectors.shape[0]):
                s = vectors[k, pair] * gathered[i + 1]
                for j in range(i + 2, n):
                    s += vectors[k, pair + j - i - 1] * gathered[j]
                total[k] += s
            pair += n - 1 - i
        out[draw] = total


@njit(fastmath=_FAST)
def product_rows(a, centre_a, rows_a, b, centre_b, rows_b, n, start, stop):
    """sum over j of (a_ij - centre_a - rows_a_i - rows_a_j) times the same of b, for every i, the pair ii left out.

    What rows start..stop of the upper triangles add to that.
    """
    sums = np.zeros(n)
    for i in range(start, min(stop, n - 1)):
        base = i * n - i * (i + 1) // 2 - i - 1
        own_a, own_b, total = centre_a + rows_a[i], centre_b + rows_b[i], 0.0
        for j in range(i + 1, n):
            value = (a[base + j] - own_a - rows_a[j]) * (b[base + j] - own_b - rows_b[j])
            total += value
            sums[j] += value
        sums[i] += total
    return sums


@njit(fastmath=_FAST)
def table_rows(x, rank_x, shift_x, y, rank_y, shift_y, n):
    """sum over j of rank_x[x_ij] rank_y[y_ij] + shift_x[x_ij] + shift_y[y_ij], for every i."""
    sums = np.zeros(n)
    for i in range(n - 1):
        base, total = i * n - i * (i + 1) // 2 - i - 1, 0.0
        for j in range(i + 1, n):
            p, q = x[base + j], y[base + j]
            value = rank_x[p] * rank_y[q] + shift_x[p] + shift_y[q]
            total += value
            sums[j] += value
        sums[i] += total
    return sums


@njit()
def concordance(order, x, y, out):
    """For every pair, how many others are ordered alike by x and y, less how many are ordered differently.

    `x`, `y` are dense ranks from 1, `order` sorts `x`.
    """
    size, top = order.size, y.max()
    out[:] = 0
    for direction in (1, -1):  # those with a smaller x, then those with a larger one
        tree = np.zeros(top + 1, np.int64)
        seen, start = 0, 0
        while start < size:
            stop = start
            value = x[order[start if direction == 1 else size - 1 - start]]
            while stop < size and x[order[stop if direction == 1 else size - 1 - stop]] == value:
                k = order[stop if direction == 1 else size - 1 - stop]
                out[k] += direction * (_below(tree, y[k] - 1) - (seen - _below(tree, y[k])))
                stop += 1
            for s in range(start, stop):
                place = y[order[s if direction == 1 else size - 1 - s]]
                while place <= top:
                    tree[place] += 1
                    place += place & -place
            seen += stop - start
            start = stop


@njit()
def nnls(between, to, out):
    """Non-negative least squares of every problem (b, k, k), (b, k), by Lawson and Hanson on the normal equations."""
    k = to.shape[1]
    factor, solved, used = np.empty((k, k)), np.empty(k), np.empty(k, np.int64)
    for b in range(len(to)):
        gram, y, x = between[b], to[b], out[b]
        passive = np.zeros(k, np.bool_)
        x[:] = 0.0
        least = 1e-10 * np.abs(y).max()
        for _ in range(3 * k):
            best, gain = -1, least
            for i in range(k):
                if not passive[i]:
                    slope = y[i] - gram[i] @ x
                    if slope > gain:
                        best, gain = i, slope
            if best < 0:
                break
            passive[best] = True
            while True:
                m = 0
                for i in range(k):
                    if passive[i]:
                        used[m] = i
                        m += 1
                for p in range(m):  # Cholesky
                    for q in range(p + 1):
                        value = gram[used[p], used[q]]
                        for r in range(q):
                            value -= factor[p, r] * factor[q, r]
                        factor[p, q] = np.sqrt(max(value, 1e-14)) if p == q else value / factor[q, q]
                for p in range(m):
                    value = y[used[p]]
                    for r in range(p):
                        value -= factor[p, r] * solved[r]
                    solved[p] = value / factor[p, p]
                for p in range(m - 1, -1, -1):
                    value = solved[p]
                    for r in range(p + 1, m):
                        value -= factor[r, p] * solved[r]
                    solved[p] = value / factor[p, p]
                step = 1.0
                for p in range(m):
                    if solved[p] <= 0.0:
                        step = min(step, x[used[p]] / (x[used[p]] - solved[p]) if x[used[p]] > 0.0 else 0.0)
                left = 0
                for p in range(m):
                    i = used[p]
                    was_negative = solved[p] <= 0.0
                    x[i] += step * (solved[p] - x[i])
                    if was_negative and x[i] <= 1e-14:
                        x[i] = 0.0
                        passive[i] = False
                        left += 1
                if left == 0:
                    break
