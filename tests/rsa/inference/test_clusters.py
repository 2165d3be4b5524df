"""Cluster tests against a plain loop with scipy's labels, and their level; latencies."""

from itertools import product

import numpy as np
import pytest
import scipy.ndimage
from scipy.stats import ttest_1samp
from tgsage.rsa import RSAError, cluster_test, compare, compute_rdm, latency, permuted_similarities, sign_flip_test


def by_hand(observed: np.ndarray, null: np.ndarray, form: float) -> list[tuple[int, int, float, float]]:
    """One course after the other, clusters by scipy.ndimage.label."""
    every = np.vstack([observed, null])
    mean, spread = every.mean(axis=0), every.std(axis=0)
    beyond = int(form * len(every))
    threshold = [sorted(column)[-beyond - 1] for column in every.T]

    def clusters(course: np.ndarray) -> list[tuple[int, int, float]]:
        labels, count = scipy.ndimage.label(course > threshold)
        found = []
        for k in range(1, count + 1):
            places = np.flatnonzero(labels == k)
            found.append((places[0], places[-1] + 1, sum((course[t] - mean[t]) / spread[t] for t in places)))
        return found

    largest = [max((mass for *_, mass in clusters(course)), default=0.0) for course in every]
    return [(a, b, mass, float(np.mean(np.array(largest) >= mass - 1e-9))) for a, b, mass in clusters(observed)]


def test_clusters_are_those_of_a_plain_loop() -> None:
    rng = np.random.default_rng(0)
    kernel = np.ones(3) / 3
    null = np.array([np.convolve(rng.normal(size=22), kernel, "valid") for _ in range(399)])
    observed = np.convolve(rng.normal(size=22), kernel, "valid")
    observed[4:8] += 1.2
    observed[14] += 1.5
    found = cluster_test(observed, null, form=0.1)
    expected = by_hand(observed, null, 0.1)
    assert len(expected) > 1
    assert [cluster[:2] for cluster in found.clusters] == [cluster[:2] for cluster in expected]
    np.testing.assert_allclose([c[2:] for c in found.clusters], [c[2:] for c in expected], rtol=1e-9)
    for start, stop, _, p in found.clusters:
        assert (found.p[start:stop] == p).all()
    outside = np.ones(len(observed), bool)
    for start, stop, *_ in found.clusters:
        outside[start:stop] = False
    assert np.isnan(found.p[outside]).all()
    at_level = np.zeros(len(observed), bool)
    for start, stop, _, p in found.clusters:
        at_level[start:stop] = p <= 0.05
    np.testing.assert_array_equal(found.significant(observed), at_level)


def test_a_cluster_test_keeps_its_level_and_finds_what_is_there() -> None:
    rng = np.random.default_rng(1)
    times, smooth = 25, np.exp(-0.5 * (np.arange(-4, 5) / 1.5) ** 2)
    noise = rng.normal(size=(300, 60, times + 8))
    courses = np.lib.stride_tricks.sliding_window_view(noise, 9, axis=2) @ smooth
    hits = [bool(cluster_test(some[0], some[1:]).significant(some[0]).any()) for some in courses]
    assert 0.02 <= np.mean(hits) <= 0.08  # 300 simulations: 5%, give or take two standard errors
    effect = 8 * np.exp(-0.5 * ((np.arange(times) - 12) / 3) ** 2)
    found = [cluster_test(some[0] + effect, some[1:]).significant(some[0] + effect)[12] for some in courses[:50]]
    assert np.mean(found) > 0.9


def test_missing_times_belong_to_no_cluster_and_impossible_requests_are_refused() -> None:
    rng = np.random.default_rng(2)
    null, observed = rng.normal(size=(199, 5)), np.array([4.0, 4.0, np.nan, 4.0, 0.0])
    null[:, 2] = np.nan
    found = cluster_test(observed, null)
    assert [cluster[:2] for cluster in found.clusters] == [(0, 2), (3, 4)]
    assert np.isnan(found.p[2])
    with pytest.raises(RSAError, match=r"10 permutations cannot reach p = 0.05; at least 19 are needed"):
        cluster_test(observed, null[:10])
    with pytest.raises(RSAError, match=r"form is a probability between 0 and .5"):
        cluster_test(observed, null, form=0.6)
    with pytest.raises(RSAError, match=r"got \(5,\) and \(199, 4\)"):
        cluster_test(observed, null[:, :4])


def test_sign_flips_are_those_of_a_loop_over_all_signs() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(7, 12))
    x[:, 3:7] += 1.1
    found = sign_flip_test(x)
    threshold = 1.943180  # Student's t with 6 degrees of freedom, 95%
    largest = []
    for signs in product((1, -1), repeat=7):
        flipped = x * np.array(signs)[:, None]
        t = flipped.mean(axis=0) / flipped.std(axis=0, ddof=1) * np.sqrt(7)
        labels, count = scipy.ndimage.label(t > threshold)
        largest.append(max((t[labels == k].sum() for k in range(1, count + 1)), default=0.0))
    assert found.clusters
    for start, stop, mass, p in found.clusters:
        t = np.asarray(ttest_1samp(x[:, start:stop], 0).statistic)
        assert mass == pytest.approx(t.sum(), rel=1e-9)
        assert p == pytest.approx(np.mean(np.array(largest) >= mass - 1e-9))
    with pytest.raises(RSAError, match=r"5 subjects or more are needed"):
        sign_flip_test(x[:4])


def test_permuted_similarities_are_comparisons_of_reordered_rdms() -> None:
    rng = np.random.default_rng(4)
    names = [f"s{i}" for i in rng.permutation(9)]
    layers = {f"l{k}": compute_rdm(rng.normal(size=(9, 12)), labels=names) for k in range(2)}
    target = compute_rdm(rng.normal(size=(9, 12)), labels=names)
    ordered = sorted(names)
    for method in ("pearson", "spearman", "rho-a", "cosine"):
        found = permuted_similarities(layers, {"t": target}, method=method, n=70, seed=5)
        draws = np.random.default_rng(5)
        for draw in range(3):
            order = draws.permutation(9)
            matched = dict(zip(ordered, (ordered[k] for k in order), strict=True))
            moved = target.subset([matched[name] for name in names]).replace(labels=names)
            for k, layer in enumerate(layers):
                expected = compare(layers[layer], moved, method=method)
                assert found.values[k, 0, draw] == pytest.approx(expected, abs=1e-9), method
    backwards = {key: rdm.subset(names[::-1]) for key, rdm in layers.items()}
    again = permuted_similarities(backwards, {"t": target}, n=70, seed=5)
    np.testing.assert_allclose(again, permuted_similarities(layers, {"t": target}, n=70, seed=5), atol=1e-12)
    with pytest.raises(RSAError, match=r"not 'tau-a'"):
        permuted_similarities(layers, {"t": target}, method="tau-a")


def test_latencies_are_read_at_the_first_significant_cluster_and_at_the_highest_value() -> None:
    rng = np.random.default_rng(6)
    times = 10.0 * np.arange(12) + 5
    course = np.array([0, 0.1, 0, 0, 3, 4, 6, 5, 3, 0, 0, 0.0])
    null = rng.normal(size=(999, 12))
    test = cluster_test(course, null)
    found = latency(times, course, test, course + rng.normal(0, 0.3, (400, 12)))
    assert (found.onset, found.peak) == (45.0, 65.0)
    assert found.peak_interval[0] <= 65 <= found.peak_interval[1]
    assert found.onset_interval[0] >= 25
    assert found.onset_interval[1] == 45
    weak = latency(times, course, test, rng.normal(0, 0.1, (400, 12)))
    assert np.isnan(weak.onset_interval).all()  # no draw has an onset
    flat = rng.normal(0, 0.1, 12)
    nothing = latency(times, flat, cluster_test(flat, null), null[:50])
    assert np.isnan([nothing.onset, nothing.peak]).all()
    with pytest.raises(RSAError, match=r"draws have shape \(draws, 12\)"):
        latency(times, course, test, null[:, :5])


def test_intervals_of_onsets_hold_the_truth() -> None:
    """A response that begins in window 8; each sample has new noise, and its draws that noise again."""
    rng = np.random.default_rng(7)
    times, truth, held = np.arange(20.0), 8, []
    signal = np.where(times >= truth, 1 - np.exp(-(times - truth + 1) / 2), 0.0) * 6
    null = rng.normal(size=(499, 20))
    for _ in range(150):
        course = signal + rng.normal(size=20)
        test = cluster_test(course, null)
        found = latency(times, course, test, course + rng.normal(size=(200, 20)))
        low, high = found.onset_interval
        held.append(low <= truth <= (np.inf if np.isnan(high) else high))
    assert np.mean(held) > 0.9
