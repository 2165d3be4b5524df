"""Every metric against scipy, rsatoolbox or a plain loop, on random, tied and real features."""

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import pdist, squareform
from scipy.stats import rankdata
from tgsage.rsa import METRICS, RDM, RSAError, compute_rdm, layer_rdms
from tgsage.rsa.rdm.distances import _dissimilarities, metric_named
from tgsage.rsa.types import Array

from ..peers import peer_rdm
from ..strategies import features

SCIPY = ("correlation", "cosine", "euclidean", "sqeuclidean")
PLAIN = (*SCIPY, "spearman")
BOUNDED = ("correlation", "cosine", "spearman")
TOLERANCE = {np.float32: 1e-5, np.float64: 1e-10}


def reference(x: Array, metric: str) -> Array:
    """In float64, as scipy has it."""
    x = np.asarray(x, np.float64)
    if metric == "spearman":
        return pdist(rankdata(x, axis=1), "correlation")
    return pdist(x, metric)  # type: ignore[call-overload, no-any-return]


def made(kind: str, dtype: Any = np.float64) -> Array:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 57))
    if kind == "tied":
        x = np.round(x)
    elif kind == "far from zero":
        x += 30
    elif kind == "nearly equal rows":
        x[1::2] = x[::2] + 1e-3 * rng.normal(size=(20, 57))
        x[3] = x[2]
    return x.astype(dtype)


def agree(ours: Array, theirs: Array, tolerance: float, bounded: bool = True) -> None:
    """To an absolute error for what lies in [0, 2], to a relative one for distances."""
    np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance if bounded else 0)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("kind", ["random", "tied", "far from zero", "nearly equal rows"])
@pytest.mark.parametrize("metric", PLAIN)
def test_metric_is_scipys(metric: str, kind: str, dtype: Any) -> None:
    x = made(kind, dtype)
    rdm = compute_rdm(x, metric=metric)
    assert rdm.values.dtype == dtype
    agree(rdm.values, reference(x, metric), TOLERANCE[dtype], metric in BOUNDED)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("metric", PLAIN)
def test_metric_is_scipys_on_real_images(pixels92: Array, metric: str, dtype: Any) -> None:
    x = pixels92.astype(dtype)
    agree(compute_rdm(x, metric=metric).values, reference(x, metric), TOLERANCE[dtype], metric in BOUNDED)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_mahalanobis_is_rsatoolboxs_squared_and_per_feature(dtype: Any) -> None:
    x = made("tied", dtype)
    noise = np.random.default_rng(1).normal(size=(200, x.shape[1]))
    precision = np.linalg.inv(np.cov(noise.T))
    labels = [f"s{i:02d}" for i in range(len(x))]
    rdm = compute_rdm(x, metric="mahalanobis", precision=precision, labels=labels)
    agree(rdm.values, squareform(peer_rdm(x, "mahalanobis", labels, noise=precision), checks=False), TOLERANCE[dtype])
    agree(rdm.values, pdist(x, "mahalanobis", VI=precision) ** 2 / x.shape[1], TOLERANCE[dtype])


@pytest.mark.parametrize("metric", [*PLAIN, "mahalanobis"])
def test_groups_give_the_rdm_of_the_group_means_in_order_of_appearance(metric: str) -> None:
    x = made("random")
    groups = np.array(["cat", "ant", "bee", "dog", "ant"])[np.random.default_rng(2).integers(0, 5, len(x))]
    names = list(dict.fromkeys(groups))
    means = np.array([x[groups == name].mean(axis=0) for name in names])
    options: dict[str, Any] = {"precision": np.diag(np.arange(1.0, 58.0))} if metric == "mahalanobis" else {}
    rdm = compute_rdm(x, metric=metric, groups=groups, **options)
    assert rdm.labels == tuple(names)
    assert rdm.by == "group"
    agree(rdm.values, compute_rdm(means, metric=metric, **options).values, 1e-12)
    if metric == "correlation":
        agree(squareform(rdm.subset(sorted(names)).values), peer_rdm(x, metric, list(groups)), 1e-10)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_pairwise_complete_correlation_is_a_loop_over_shared_features(dtype: Any) -> None:
    x = made("random", dtype)
    x[np.random.default_rng(3).random(x.shape) < 0.3] = np.nan
    x[0, 3] = np.inf
    expected = []
    for i in range(len(x)):
        for j in range(i + 1, len(x)):
            both = np.isfinite(x[i]) & np.isfinite(x[j])
            expected.append(1 - np.corrcoef(x[i, both].astype(np.float64), x[j, both].astype(np.float64))[0, 1])
    agree(compute_rdm(x, missing="pairwise").values, np.array(expected), TOLERANCE[dtype])


def test_pairwise_complete_without_missing_values_is_the_plain_correlation() -> None:
    agree(compute_rdm(made("tied"), missing="pairwise").values, compute_rdm(made("tied")).values, 1e-12)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_tensors_give_what_their_values_give(dtype: torch.dtype) -> None:
    x = torch.from_numpy(made("random")).to(dtype).requires_grad_()
    rdm = compute_rdm(x)
    assert rdm.values.dtype == (np.float64 if dtype == torch.float64 else np.float32)
    agree(rdm.values, reference(x.detach().double().numpy(), "correlation"), 1e-10 if dtype == torch.float64 else 1e-5)


@pytest.mark.parametrize(
    "features", [made("tied").astype(int), made("random").astype(np.float16), made("random")[:, ::2].T]
)
def test_integers_half_precision_and_views_are_taken(features: Array) -> None:
    agree(compute_rdm(features).values, reference(features, "correlation"), 1e-5)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("kind", ["random", "far from zero"])
@pytest.mark.parametrize("metric", SCIPY)
def test_the_torch_path_agrees(metric: str, kind: str, dtype: Any) -> None:
    x = made(kind, dtype)
    values = _dissimilarities(torch.from_numpy(x), metric_named(metric), [str(i) for i in range(len(x))])
    agree(values, reference(x, metric), TOLERANCE[dtype], metric in BOUNDED)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("metric", [*PLAIN, "mahalanobis"])
def test_a_gpu_tensor_gives_the_same_rdm(metric: str) -> None:
    x, groups = made("random"), [str(i % 7) for i in range(40)]
    options: dict[str, Any] = {"precision": np.eye(57)} if metric == "mahalanobis" else {}
    for by in (None, groups):
        ours = compute_rdm(torch.from_numpy(x).cuda(), metric=metric, groups=by, **options)
        agree(ours.values, compute_rdm(x, metric=metric, groups=by, **options).values, 1e-10)


@pytest.mark.parametrize("metric", PLAIN)
def test_features_are_left_alone_unless_they_may_be_overwritten(metric: str) -> None:
    x = made("random")
    rdm = compute_rdm(x, metric=metric)
    np.testing.assert_array_equal(x, made("random"))
    np.testing.assert_array_equal(compute_rdm(x, metric=metric, overwrite=True).values, rdm.values)


@pytest.mark.parametrize("metric", PLAIN)
def test_results_do_not_depend_on_the_number_of_threads(metric: str) -> None:
    x, threads = made("nearly equal rows"), numba.get_num_threads()
    values = []
    try:
        for count in (1, threads):
            numba.set_num_threads(count)
            values.append(compute_rdm(x, metric=metric).values)
    finally:
        numba.set_num_threads(threads)
    np.testing.assert_array_equal(values[0], values[1])


@given(features(), st.sampled_from(PLAIN), st.randoms(use_true_random=False))
def test_permuting_the_stimuli_permutes_the_rdm(x: Array, metric: str, random: Any) -> None:
    if metric == "cosine":
        x = x[np.abs(x).max(axis=1) > 0]
    order = random.sample(range(len(x)), len(x))
    rdm, permuted = compute_rdm(x, metric=metric), compute_rdm(x[order], metric=metric, labels=order)
    agree(permuted.subset(map(str, range(len(x)))).values, rdm.values, 1e-7)
    assert (rdm.values >= 0).all()
    np.testing.assert_array_equal(rdm.square(), rdm.square().T)


LEAVES: dict[str, tuple[Callable[[Array], Array], ...]] = {
    "correlation": (lambda x: 3 * x + 7, lambda x: x[:, ::-1], lambda x: x * np.arange(1, len(x) + 1)[:, None]),
    "spearman": (lambda x: np.exp(x / 10), lambda x: x[:, ::-1], lambda x: x**3),
    "cosine": (lambda x: 3 * x, lambda x: x @ rotation(x), lambda x: x * np.arange(1, len(x) + 1)[:, None]),
    "euclidean": (lambda x: x + 7, lambda x: x @ rotation(x), lambda x: -x),
    "sqeuclidean": (lambda x: x + np.arange(x.shape[1]), lambda x: x @ rotation(x), lambda x: -x),
}


def rotation(x: Array) -> Array:
    q, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(x.shape[1], x.shape[1])))
    return q


@given(features(), st.sampled_from(sorted(LEAVES)), st.integers(0, 2))
def test_what_a_metric_ignores_leaves_it_alone(x: Array, metric: str, which: int) -> None:
    before = compute_rdm(x, metric=metric)
    agree(compute_rdm(LEAVES[metric][which](x), metric=metric).values, before.values, 1e-6)


def spoilt(row: int, value: float) -> Array:
    x = made("random")[:5]
    x[row] = value
    return x


BAD: list[tuple[dict[str, Any], str]] = [
    ({"features": spoilt(3, np.nan)}, r"1 of 5 rows: d holds NaN or infinity"),
    ({"features": spoilt(0, -np.inf), "metric": "euclidean"}, r"rows: a holds NaN"),
    ({"features": spoilt(2, np.nan), "groups": list("xxyyz"), "metric": "cosine"}, r"rows: c holds NaN"),
    ({"features": spoilt(1, 0.1)}, r"1 of 5 rows: b has no variance"),
    ({"features": spoilt(1, 0.1), "metric": "spearman"}, r"b has no variance"),
    ({"features": spoilt(4, 0.0), "metric": "cosine"}, r"e is all zero"),
    ({"features": made("random")[:1], "labels": ["a"]}, r"at least 2 rows, got 1"),
    ({"features": made("random")[:0], "labels": []}, r"at least 2 rows, got 0"),
    ({"groups": list("xxxxx")}, r"at least 2 groups, got 1"),
    ({"features": np.ones((5, 0))}, r"shape \(n, f\) with f > 0, got \(5, 0\)"),
    ({"features": np.ones((5, 2, 2))}, r"got \(5, 2, 2\)"),
    ({"features": np.array([["a", "b"]])}, r"real numbers"),
    ({"features": np.ones((5, 3), complex)}, r"real numbers, got complex128"),
    ({"labels": list("abcda")}, r"unique.*: a$"),
    ({"labels": list("abcd")}, r"5 rows of features but 4 labels"),
    ({"groups": list("abcd")}, r"5 rows of features but 4 groups"),
    ({"metric": "correlatoin"}, r"unknown metric 'correlatoin'; did you mean correlation or"),
    ({"metric": "mahalanobis"}, r"needs precision="),
    ({"metric": "mahalanobis", "precision": np.eye(3)}, r"shape \(57, 57\) for 57 features, got \(3, 3\)"),
    ({"metric": "mahalanobis", "precision": -np.eye(57)}, r"not positive definite"),
    ({"metric": "mahalanobis", "precision": np.triu(np.ones((57, 57)))}, r"symmetric"),
    ({"precision": np.eye(57)}, r"'correlation' takes no precision"),
    ({"folds": list("aabbc")}, r"folds go with crossnobis and correlation-crossvalidated, not with"),
    ({"missing": "drop"}, r"'raise' or 'pairwise', not 'drop'"),
    ({"missing": "pairwise", "metric": "cosine"}, r"for metric='correlation'"),
    ({"missing": "pairwise", "features": spoilt(2, np.nan)}, r"rows a and c share fewer than 3 features"),
]


@pytest.mark.parametrize(("change", "message"), BAD)
def test_bad_input_is_named_in_one_line(change: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"features": made("random")[:5], "labels": list("abcde")} | change
    with pytest.raises(RSAError, match=message) as caught:
        compute_rdm(arguments.pop("features"), **arguments)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_constant_rows_are_found_whatever_their_rounding(dtype: Any) -> None:
    x = made("random", dtype)
    x[5], x[6] = 0.1, 1e6 / 3
    with pytest.raises(RSAError, match=r"2 of 40 rows: 5, 6 has no variance"):
        compute_rdm(x)
    with pytest.raises(RSAError, match=r"2 of 40 rows: 5, 6 has no variance"):
        _dissimilarities(torch.from_numpy(x), metric_named("correlation"), [str(i) for i in range(40)])


def test_descriptors_and_attributes_are_kept() -> None:
    rdm = compute_rdm(made("random")[:3], name="V4", by="object_name", descriptors={"c": [1, 2, 3]}, attrs={"k": 8})
    assert isinstance(rdm, RDM)
    assert (rdm.name, rdm.by, rdm.metric, rdm.attrs["k"]) == ("V4", "object_name", "correlation", 8)
    assert set(METRICS) >= {*PLAIN, rdm.metric}


@pytest.mark.parametrize("scale", [1e-90, 1e90, 1e-150, 1e150])
@pytest.mark.parametrize("metric", ["correlation", "cosine", "euclidean"])
def test_the_size_of_the_numbers_does_not_matter(metric: str, scale: float) -> None:
    x = np.random.default_rng(0).normal(size=(8, 20))
    expected = compute_rdm(x, metric=metric).values
    found = compute_rdm(x * scale, metric=metric).values
    np.testing.assert_allclose(found / (scale if metric == "euclidean" else 1), expected, rtol=1e-10)


def test_missing_pairwise_is_hinted_where_it_can_be_used() -> None:
    x = spoilt(2, np.nan)
    hint = r"row.* holds NaN or infinity; compute_rdm\(\.\.\., missing='pairwise'\) skips missing values$"
    with pytest.raises(RSAError, match=hint):
        compute_rdm(x)
    settings: list[dict[str, Any]] = [{"metric": "spearman"}, {"metric": "cosine"}, {"groups": list("aabbc")}]
    for arguments in settings:
        with pytest.raises(RSAError, match=r"holds NaN or infinity$"):
            compute_rdm(x, **arguments)
    model = torch.nn.Threshold(2.0, float("nan"))
    with pytest.raises(RSAError, match=r"layer output: .* holds NaN or infinity$"):
        layer_rdms(model, torch.rand(4, 3, 4, 4), "output")


def test_a_constant_row_has_no_pairwise_correlation() -> None:
    x = np.random.default_rng(0).normal(size=(4, 57))
    x[2] = 2.7
    x[0, 3] = np.nan
    with pytest.raises(RSAError, match=r"rows 0 and 2 share fewer than 3 features that vary"):
        compute_rdm(x, missing="pairwise")


def test_names_of_bytes_and_tensors_are_names() -> None:
    x = np.random.default_rng(0).normal(size=(4, 6))
    assert compute_rdm(x, groups=[b"cat", b"dog", b"cat", b"cow"]).labels == ("cat", "dog", "cow")
    assert compute_rdm(x, labels=np.arange(4)).labels == compute_rdm(x, labels=torch.arange(4)).labels


@pytest.mark.parametrize("metric", ["correlation", "cosine", "spearman"])
@pytest.mark.parametrize("shared", [0.0, 1.0, 20.0])
def test_products_in_bfloat16_are_off_by_what_is_stated(metric: str, shared: float) -> None:
    rng = np.random.default_rng(3)
    x = (rng.normal(size=(700, 2000)) + shared * rng.normal(size=2000)).astype(np.float32)
    exact, reduced = (compute_rdm(x, metric=metric, reduced=way).values for way in (False, True))
    assert reduced.dtype == np.float32
    error = np.abs(reduced - exact) - 2.0**-8 * np.abs(1 - exact)
    assert error.max() < 5e-4
    assert np.abs(reduced - exact).max() > 1e-6  # it is another product
    again = compute_rdm(x[::-1].copy(), metric=metric, reduced=True).square()[::-1, ::-1][np.triu_indices(700, 1)]
    np.testing.assert_allclose(again, reduced, rtol=0, atol=2.0**-8)


def test_products_in_bfloat16_are_refused_where_they_would_not_be_made() -> None:
    x = np.random.default_rng(0).normal(size=(5, 30))
    with pytest.raises(RSAError, match=r"reduced=True is for float32 features on the CPU, got float64 \(ndarray\)"):
        compute_rdm(x, reduced=True)
    for metric, missing in (("euclidean", "raise"), ("correlation", "pairwise")):
        with pytest.raises(RSAError, match="reduced=True is for metrics correlation, spearman and cosine"):
            compute_rdm(x.astype(np.float32), reduced=True, metric=metric, missing=missing)
    bad = x.astype(np.float32)
    bad[2] = 1
    with pytest.raises(RSAError, match="2 has no variance"):
        compute_rdm(bad, reduced=True)
