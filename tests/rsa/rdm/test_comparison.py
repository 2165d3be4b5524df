"""Every measure against rsatoolbox and scipy, on tied and untied values of both precisions, and on real RDMs."""

from typing import Any

import numba
import numpy as np
import numpy.typing as npt
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from tgsage.rsa import METHODS, RDM, RSAError, compare, compare_all
from tgsage.rsa.rdm.comparison import ranks
from tgsage.rsa.types import Array

from ..peers import NAMES, peer_compare
from ..strategies import rdm_pairs

KINDS = ("untied", "tied", "categories", "negative", "heavy tails")


def pair(kind: str, dtype: Any = np.float64, n: int = 30) -> tuple[RDM, RDM]:
    rng = np.random.default_rng(0)
    a = rng.random(n * (n - 1) // 2) + 0.2
    b = a + rng.random(a.size)
    if kind == "tied":
        a, b = np.round(a * 8) / 8, np.round(b * 4) / 4
    elif kind == "categories":
        a = (a > 0.9).astype(float)
    elif kind == "negative":
        a, b = np.round(3 * (a - 0.7)) / 3, b - 1.2
        a[::7], a[1::7], b[::5], b[1::5] = 0.0, -0.0, -0.0, 0.0
    elif kind == "heavy tails":
        a, b = np.exp(30 * a), np.exp(30 * b)
    return rdm(a.astype(dtype)), rdm(b.astype(dtype))


def rdm(values: npt.NDArray[Any], **fields: Any) -> RDM:
    n = round((1 + (1 + 8 * values.size) ** 0.5) / 2)
    return RDM(values, fields.pop("labels", [f"s{i}" for i in range(n)]), **fields)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", METHODS)
def test_measure_is_rsatoolboxs(method: str, kind: str, dtype: Any) -> None:
    a, b = pair(kind, dtype)
    assert compare(a, b, method=method) == pytest.approx(peer_compare(a.values, b.values, method), abs=1e-10)


@pytest.mark.parametrize("method", METHODS)
def test_measure_is_rsatoolboxs_on_many_pairs(method: str) -> None:
    for kind in ("untied", "tied"):
        a, b = pair(kind, np.float32, n=400)
        assert compare(a, b, method=method) == pytest.approx(peer_compare(a.values, b.values, method), abs=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_measures_are_scipys(kind: str) -> None:
    a, b = pair(kind)
    assert compare(a, b) == pytest.approx(scipy.stats.pearsonr(a.values, b.values).statistic, abs=1e-10)
    spearman = scipy.stats.spearmanr(a.values, b.values).statistic
    assert compare(a, b, method="spearman") == pytest.approx(spearman, abs=1e-10)
    concordance = np.sign(a.values[:, None] - a.values) * np.sign(b.values[:, None] - b.values)
    tau = concordance.sum() / (a.values.size * (a.values.size - 1))
    assert compare(a, b, method="tau-a") == pytest.approx(tau, abs=1e-12)


REAL = {("mIT", "hIT"): (0.4912, 0.4389, 0.3040), ("animacy", "hIT"): (0.5766, 0.5882, 0.3397)}


@pytest.mark.parametrize("pair", REAL, ids=" ".join)
def test_the_92_images_give_the_published_table(pair: tuple[str, str], rdms92: dict[str, Array]) -> None:
    a, b = (rdm(rdms92[name]) for name in pair)
    for method, expected in zip(("pearson", "spearman", "tau-a"), REAL[pair], strict=True):
        assert round(compare(a, b, method=method), 4) == expected


@pytest.mark.parametrize("method", METHODS)
def test_real_rdms_compare_as_in_rsatoolbox(method: str, rdms92: dict[str, Array]) -> None:
    for a, b in REAL:
        expected = peer_compare(rdms92[a], rdms92[b], method)
        assert compare(rdm(rdms92[a]), rdm(rdms92[b]), method=method) == pytest.approx(expected, abs=1e-10)


@given(rdm_pairs(), st.sampled_from(METHODS), st.randoms(use_true_random=False))
def test_any_pair_in_any_order_of_labels_gives_rsatoolboxs_number(
    pair: tuple[Array, Array], method: str, random: Any
) -> None:
    a, b = map(rdm, pair)
    shuffled = b.subset(random.sample(b.labels, len(b)))
    value = compare(a, shuffled, method=method)
    assert value == pytest.approx(peer_compare(a.values, b.values, method), abs=1e-8)
    assert value == pytest.approx(compare(shuffled, a, method=method), abs=1e-12)
    assert -1 <= value <= 1


@given(rdm_pairs(), st.sampled_from(METHODS))
def test_what_a_measure_ignores_leaves_it_alone(pair: tuple[Array, Array], method: str) -> None:
    a, b = map(rdm, pair)
    values = 3 * b.values if method.startswith("cosine") else 3 * b.values + 7
    if method in ("spearman", "tau-a", "rho-a"):
        values = np.exp(values)
    expected = compare(a, b, method=method)
    assert compare(a, b.replace(values=values), method=method) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("method", [m for m in METHODS if m not in ("tau-a", "rho-a")])
def test_an_rdm_is_entirely_similar_to_itself(method: str) -> None:
    for kind in KINDS:
        assert compare(pair(kind)[0], pair(kind)[0], method=method) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_compare_all_is_compare_for_every_pair(method: str) -> None:
    (a, b), (c, d) = pair("tied"), pair("untied", np.float32)
    c = c.subset(reversed(c.labels))
    table = compare_all({"one": a, "two": c}, {"three": b, "four": d, "five": a}, method=method)
    assert table.dims == ("layer", "target")
    for layer, one in (("one", a), ("two", c)):
        for target, other in (("three", b), ("four", d), ("five", a)):
            expected = compare(one, other, method=method)
            assert table.sel(layer=layer, target=target).item() == pytest.approx(expected, abs=1e-12)


def test_subsets_are_compared_only_where_asked_for() -> None:
    a, b = pair("untied")
    part = b.subset(b.labels[5:][::-1])
    with pytest.raises(RSAError, match=r"5 only in 'a' \(s0, s1, s2 and 2 more\); allow_subset=True compares the 25"):
        compare(a, part)
    assert compare(a, part, allow_subset=True) == pytest.approx(compare(a.subset(part.labels), part), abs=1e-12)
    renamed = part.replace(labels=[*part.labels[:-1], "other"], name="V4")
    with pytest.raises(RSAError, match=r"6 only in 'a' .*, 1 only in 'V4' \(other\)"):
        compare(a, renamed)
    table = compare_all({"a": a, "part": part}, {"b": b.subset(b.labels[:20])}, allow_subset=True)
    assert table.attrs["n"] == 15


def test_results_are_the_same_on_any_number_of_threads() -> None:
    threads = numba.get_num_threads()
    try:
        found = []
        for count in (1, threads):
            numba.set_num_threads(count)
            found.append([compare(*pair(kind, n=200), method=method) for kind in KINDS for method in METHODS])
    finally:
        numba.set_num_threads(threads)
    assert found[0] == found[-1]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", [*KINDS, "nearly equal", "tiny", "huge"])
def test_ranks_are_scipys_doubled(kind: str, dtype: Any) -> None:
    values = pair(kind, dtype, n=500)[0].values
    if kind == "nearly equal":
        values = (1 + np.random.default_rng(0).integers(0, 4, values.size) * np.finfo(dtype).eps).astype(dtype)
    elif kind in ("tiny", "huge"):
        span = np.finfo(dtype).tiny if kind == "tiny" else np.finfo(dtype).max
        values = (np.random.default_rng(0).integers(-9, 10, values.size) / 9 * span).astype(dtype)
    codes = np.unique(values, return_inverse=True)[1]  # scipy 1.12 takes huge values, whose sum overflows, for NaN
    np.testing.assert_array_equal(ranks(values), 2 * scipy.stats.rankdata(codes))


@pytest.mark.parametrize("method", METHODS)
def test_a_constant_rdm_is_an_error(method: str) -> None:
    a, _ = pair("untied")
    value = 0.0 if method.startswith("cosine") else 0.3
    flat = a.replace(values=np.full_like(a.values, value), name="flat")
    for one, other in ((a, flat), (flat, a)):
        with pytest.raises(RSAError, match=rf"'flat'.* is constant \({value:g}\), so its {method} similarity"):
            compare(one, other, method=method)


def test_mistakes_are_named() -> None:
    a, b = pair("untied")
    with pytest.raises(RSAError, match=r"unknown method 'pearsn'; did you mean pearson or"):
        compare(a, b, method="pearsn")
    for subset in (False, True):
        with pytest.raises(
            RSAError, match=r"^no label is in both: 'a' has 's0', 's1', \.\.\., 'b' has '0', '1', \.\.\.$"
        ):
            compare(a, b.replace(labels=range(30)), allow_subset=subset)
    two = b.replace(labels=["s0", "s1", *range(28)])
    with pytest.raises(RSAError, match=r"28 only in 'a' \(s2, .*\), 28 only in 'b' \(0, 1, 2 and 25 more\)$"):
        compare(a, two)
    with pytest.raises(RSAError, match=r"2 common label\(s\)"):
        compare(a, two, allow_subset=True)
    with pytest.raises(RSAError, match=r"needs at least 3"):
        compare(a.subset(["s1", "s2"]), b.subset(["s1", "s2"]))
    with pytest.raises(RSAError, match=r"nothing to compare"):
        compare_all({}, {"b": b})
    assert set(NAMES) == set(METHODS)


@pytest.mark.parametrize("scale", [1e-160, 1e-100, 1e150, 1e200])
@pytest.mark.parametrize("method", METHODS)
def test_the_size_of_the_values_does_not_matter(method: str, scale: float) -> None:
    rng = np.random.default_rng(0)
    labels = range(12)
    a, b = (rng.random(66) for _ in range(2))
    expected = compare(RDM(a, labels), RDM(b, labels), method=method)
    assert compare(RDM(a * scale, labels), RDM(b, labels), method=method) == pytest.approx(expected, rel=1e-10)


def test_values_over_the_whole_range_of_float64_are_ranked() -> None:
    values = np.array([-1.7e308, 1.7e308, 0.0, -1.0, 1.0, 1e-300])
    np.testing.assert_array_equal(ranks(values) / 2, scipy.stats.rankdata(values))


@pytest.mark.parametrize(("low", "high"), [(0.5, 1.5), (-2.0, -0.25), (1e-30, 1.0), (-1e-3, 1.0), (1.0, 1e30)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_neighbouring_numbers_are_ranked_apart(low: float, high: float, dtype: type[np.floating]) -> None:
    """Single precision needs no look at values of equal keys, except where the range reaches down to small numbers."""
    rng = np.random.default_rng(3)
    near = dtype(low) + np.spacing(dtype(low)) * np.arange(40).astype(dtype)
    values = np.concatenate([near, near, rng.uniform(low, high, 30_000), [high]]).astype(dtype)
    rng.shuffle(values)
    np.testing.assert_array_equal(ranks(values), 2 * scipy.stats.rankdata(values))
