"""Inference over subjects in every window, against plain loops and closed forms."""

import numpy as np
import pytest
from scipy import stats
from tgsage.rsa import RDM, RSAError, TimeScore, compare, compare_subjects_over_time, compute_rdm, sign_flip_test
from tgsage.rsa.inference.clusters import t_values

LABELS = [f"im{i:02d}" for i in range(14)]
RNG = np.random.default_rng(5)
SHAPES = {name: RNG.normal(size=(14, 12)) for name in ("right", "wrong")}
LAYERS = {name: compute_rdm(shape, labels=LABELS) for name, shape in SHAPES.items()}
Movie = list[tuple[tuple[float, float], dict[str, dict[str, RDM]]]]


def movie(subjects: int, first: int = 3, windows: int = 8, seed: int = 1) -> Movie:
    """What the right layer shows is in each subject's "IT" from a window on, and not in "V1"."""
    rng = np.random.default_rng(seed)

    def rdm(share: float) -> RDM:
        return compute_rdm(share * SHAPES["right"] + rng.normal(size=(14, 12)), labels=LABELS)

    return [
        (
            (10.0 * t, 10.0 * t + 10),
            {name: {f"s{i}": rdm(on * (t >= first)) for i in range(subjects)} for name, on in (("IT", 0.8), ("V1", 0))},
        )
        for t in range(windows)
    ]


@pytest.fixture(scope="module")
def score() -> TimeScore:
    return compare_subjects_over_time(LAYERS, movie(7), bootstrap=200, seed=2)


def test_means_and_intervals_are_those_of_a_plain_loop(score: TimeScore) -> None:
    assert score.subjects is not None
    for t, (_, every) in enumerate(movie(7)):
        for target, people in every.items():
            for layer, rdm in LAYERS.items():
                values = np.array([compare(rdm, people[f"s{i}"]) for i in range(7)])
                here = score.table.sel(layer=layer, target=target).isel(time=t)
                assert float(here["similarity"]) == pytest.approx(values.mean(), abs=1e-12)
                np.testing.assert_allclose(score.subjects.sel(layer=layer, target=target).isel(time=t), values)
                mean, error = values.mean(), stats.sem(values) / (1 - values.mean() ** 2)
                ends = np.tanh(stats.t.interval(0.95, 6, np.arctanh(mean), error))
                np.testing.assert_allclose([float(here["low"]), float(here["high"])], ends, atol=1e-9)


def test_clusters_and_latencies_are_those_of_sign_flips(score: TimeScore) -> None:
    assert score.subjects is not None
    course = score.subjects.sel(layer="right", target="IT").to_numpy()
    np.testing.assert_allclose(t_values(course), stats.ttest_1samp(course, 0).statistic)
    here = score.table.sel(layer="right", target="IT")
    np.testing.assert_array_equal(here["p"], sign_flip_test(course, n=10_000, seed=2).p)
    assert float(here["onset"]) == 35
    assert float(here["onset_low"]) <= 35 <= float(here["onset_high"])
    assert float(here["peak"]) == float(score.table["time"][int(course.mean(axis=0).argmax())])
    assert np.isnan(score.table["onset"].sel(layer="wrong")).all()
    assert np.isnan(score.table["onset"].sel(target="V1")).all()
    assert score.draws["onset"].shape == (2, 2, 200)


def test_t_of_resamples_is_that_of_the_resampled_rows() -> None:
    values = np.random.default_rng(0).normal(size=(6, 4))
    rows = np.array([[0, 0, 1, 3, 5, 5], [2, 2, 2, 2, 2, 2]])
    counts = np.stack([np.bincount(row, minlength=6) for row in rows])
    expected = stats.ttest_1samp(values[rows[0]], 0).statistic
    np.testing.assert_allclose(t_values(values, counts)[0], expected)
    assert (t_values(values, counts)[1] == 0).all()  # one subject alone has no variance


def test_fewer_than_five_subjects_have_intervals_and_no_clusters() -> None:
    found = compare_subjects_over_time(LAYERS, movie(3), bootstrap=50)
    assert np.isfinite(found.table["low"]).all()
    assert np.isnan(found.table["p"]).all()
    assert np.isnan(found.table["onset"]).all()


def test_a_window_that_one_subject_lacks_is_a_gap_and_in_no_cluster() -> None:
    gaps = movie(6)
    del gaps[5][1]["IT"]["s2"]
    found = compare_subjects_over_time(LAYERS, gaps, bootstrap=20)
    here = found.table.sel(layer="right", target="IT")
    assert np.isnan(here["similarity"].to_numpy()).tolist() == [t == 5 for t in range(8)]
    assert np.isnan(here["p"][5])
    assert found.subjects is not None
    assert int(np.isnan(found.subjects.sel(layer="right", target="IT").isel(time=5)).sum()) == 1


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(RSAError, match="target IT has one subject, s0; inference over subjects needs at least 2"):
        compare_subjects_over_time(LAYERS, movie(1))
    with pytest.raises(RSAError, match="1 window is no course over time"):
        compare_subjects_over_time(LAYERS, movie(2, windows=1))
    other = compute_rdm(SHAPES["right"], labels=[*LABELS[1:], "another"])
    with pytest.raises(RSAError, match="window 0-10 ms: "):
        compare_subjects_over_time(LAYERS, [(span, {"IT": {"s0": other}}) for span, _ in movie(2)])
