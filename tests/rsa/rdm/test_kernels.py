"""Compiled loops against scipy and plain Python; the same tests run without compilation in a process of their own."""

import os
import subprocess
import sys
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.spatial.distance import squareform
from scipy.stats import rankdata
from tgsage.rsa.rdm import _kernels, _rank_kernels

COMPILED = os.environ.get("NUMBA_DISABLE_JIT", "0") == "0"
SIZES = (2, 3, 63, 64, 65, 300, *((200_000,) if COMPILED else ()))
DTYPES = (np.float32, np.float64)


def values(size: int, dtype: Any, levels: int = 0) -> npt.NDArray[Any]:
    """Random values, tied on so many levels."""
    rng = np.random.default_rng(size)
    return (rng.integers(-levels, levels, size) if levels else rng.normal(size=size)).astype(dtype)


@pytest.mark.parametrize("kernel", [_kernels.standardise_rows, _kernels.standardise_rows_alone])
@pytest.mark.parametrize("dtype", DTYPES)
def test_standardise_rows(dtype: Any, kernel: Any) -> None:
    x = values(60, dtype).reshape(6, 10)
    x[1], x[2, 3], x[3, 0] = 0.1, np.nan, np.inf
    for centre in (True, False):
        z, state = np.empty_like(x), np.empty(6, np.int8)
        with np.errstate(invalid="ignore"):
            kernel(x, centre, z, state)
        constant = _kernels.CONSTANT if centre else _kernels.OK
        assert state.tolist() == [0, constant, _kernels.NOT_FINITE, _kernels.NOT_FINITE, 0, 0]
        rows = x[[0, 4, 5]] - (x[[0, 4, 5]].mean(axis=1, keepdims=True) if centre else 0)
        np.testing.assert_allclose(z[[0, 4, 5]], rows / np.linalg.norm(rows, axis=1, keepdims=True), rtol=1e-5)


@pytest.mark.parametrize("dtype", DTYPES)
def test_rank_rows(dtype: Any) -> None:
    for levels in (0, 3):
        x = values(60, dtype, levels).reshape(5, 12)
        out = np.empty_like(x)
        _kernels.rank_rows(x, out)
        np.testing.assert_array_equal(out, rankdata(x, axis=1))


@pytest.mark.parametrize("kernel", [_kernels.condense_similarity, _kernels.condense_similarity_alone])
def test_condense_similarity(kernel: Any) -> None:
    gram = values(36, np.float32).reshape(6, 6)
    out = np.empty(15, np.float32)
    kernel(gram, out)
    np.testing.assert_array_equal(out, np.clip(1 - gram, 0, 2)[np.triu_indices(6, 1)])


def test_condense_sqeuclidean_sums_directly_where_the_difference_cancels() -> None:
    x = values(60, np.float64).reshape(6, 10)
    x[1] = x[0] + 1e-9
    out = np.empty(15)
    _kernels.condense_sqeuclidean(x @ x.T, x, 1e-4, out)
    assert out[0] == pytest.approx(10 * 1e-18, rel=1e-6)
    np.testing.assert_allclose(out, ((x[:, None] - x) ** 2).sum(axis=2)[np.triu_indices(6, 1)], rtol=1e-10)


def test_gather_pairs() -> None:
    square = squareform(values(45, np.float64))
    for order in ([4, 1, 9], range(10), [7, 0, 2, 3, 1, 9]):
        index = np.array(order, np.int64)
        out = np.empty(len(index) * (len(index) - 1) // 2)
        for start in range(0, len(index), 4):
            _kernels.gather_pairs(squareform(square), 10, index, start, start + 4, out)
        np.testing.assert_array_equal(squareform(out), square[np.ix_(index, index)])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", [*DTYPES, np.int32])
def test_moments_and_products(size: int, dtype: Any) -> None:
    a, b = values(size, dtype, 1000), values(size + 1, dtype, 1000)[1:].copy()
    total, squares, different = _kernels.moments(a, 3.5, a[0])
    x = a.astype(np.float64) - 3.5
    assert different == (a != a[0]).sum()
    assert (total, squares) == (pytest.approx(x.sum(), rel=1e-12), pytest.approx((x**2).sum(), rel=1e-12))
    expected = (x * (b.astype(np.float64) + 2)).sum()
    assert _kernels.centred_dot(a, 3.5, b, -2.0) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("n", [2, 3, 16, 17, 40])
def test_row_sums(n: int) -> None:
    v = values(n * (n - 1) // 2, np.float32)
    expected = squareform(v.astype(np.float64)).sum(axis=0)
    parts = sum(_kernels.row_sums(v, n, start, start + 7) for start in range(0, n, 7))
    for sums in (_kernels.row_sums(v, n, 0, n), parts):
        np.testing.assert_allclose(sums, expected, rtol=1e-12 if COMPILED else 1e-5)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("levels", [0, 1, 5, 100])
def test_a_packed_radix_sort_gives_midranks(size: int, levels: int) -> None:
    for dtype in DTYPES:
        v = values(size, dtype, levels)
        low, span = float(v.min()), float(v.max()) - float(v.min())
        for scale in (0.0, 3 / span if span else 0.0, (2**32 - 1) / span if span else 0.0):
            keys, spare, out = np.empty(size, np.uint64), np.empty(size, np.uint64), np.empty(size, np.int32)
            _rank_kernels.pack(v, low, scale, keys)
            counts = np.zeros(256, np.int64)
            for shift in range(32, 64, 8):
                counts = _rank_kernels.radix_pass(keys, spare, shift).sum(axis=0)
                keys, spare = spare, keys
            assert (np.diff(keys.astype(object)) > 0).all()
            top = (keys >> np.uint64(56)).astype(np.int64)
            np.testing.assert_array_equal(counts, np.bincount(top, minlength=256))
            for apart in {False, len(np.unique(keys >> np.uint64(32))) == len(np.unique(v))}:
                _rank_kernels.midranks(keys, v, apart, out)
                np.testing.assert_array_equal(out, 2 * rankdata(v))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_few_levels_are_ranked_by_counting(size: int, dtype: Any) -> None:
    v, out = values(size, dtype, 5), np.empty(size, np.int32)
    scale = (_rank_kernels.LEVELS - 1) / 10
    assert _rank_kernels.rank_levels(v, -5.0, scale, out)
    np.testing.assert_array_equal(out, 2 * rankdata(v))
    for place in (0, size - 1):
        v[place] += 1 / _rank_kernels.LEVELS
        shared = bool((np.delete(v, place) == np.floor(v[place])).any())
        assert _rank_kernels.rank_levels(v, -5.0, scale, out) != shared


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("levels", [1, 2, 7, 300, 2**30])
def test_inversions_and_ties(size: int, levels: int) -> None:
    rng = np.random.default_rng(size)
    for y in (rng.integers(0, levels, size), np.sort(rng.integers(0, levels, size))[::-1], np.arange(size)):
        expected = inversions(y.tolist())
        keys = y.astype(np.uint32)
        assert _rank_kernels.count_inversions(keys, max(int(y.max()).bit_length(), 1)) == expected
        pairs = np.sort(y.astype(np.uint64) << np.uint64(32)) | rng.integers(0, 9, size).astype(np.uint64)
        _, counts = np.unique(y, return_counts=True)
        upper = np.uint64(0xFFFFFFFF << 32)
        assert _rank_kernels.equal_pairs(pairs, upper) == (counts * (counts - 1) // 2).sum()


def inversions(y: list[int]) -> int:
    """By merging lists, pair by pair."""
    if len(y) < 2:
        return 0
    one, other = y[: len(y) // 2], y[len(y) // 2 :]
    found = inversions(one) + inversions(other)
    one, other = sorted(one), sorted(other)
    i = 0
    for value in other:
        while i < len(one) and one[i] <= value:
            i += 1
        found += len(one) - i
    return found


def test_pairs_pack_and_unpack() -> None:
    x, y, keys, lower = np.array([1, 7, 2**31 - 1], np.int32), np.array([3, 2**31 - 1, 0], np.int32), *np.zeros((2, 3))
    keys, lower = keys.astype(np.uint64), lower.astype(np.uint32)
    _rank_kernels.pack_pairs(x, y, keys)
    assert keys.tolist() == [(int(a) << 32) + int(b) for a, b in zip(x, y, strict=True)]
    _rank_kernels.lower_halves(keys, lower)
    assert lower.tolist() == y.tolist()


@pytest.mark.slow
@pytest.mark.skipif(not COMPILED, reason="this is the process without compilation")
def test_all_of_this_holds_without_compilation() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__]
    done = subprocess.run(command, env=os.environ | {"NUMBA_DISABLE_JIT": "1"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]
    assert " passed, 1 skipped" in done.stdout
