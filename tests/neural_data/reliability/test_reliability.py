"""Split halves against plain loops, the Spearman-Brown ceiling against models that are right, and animals left out."""

import math
from pathlib import Path

import numba
import numpy as np
import pytest
import xarray
from tgsage.neural_data.recordings.neuroids import scale_neuroids
from tgsage.neural_data.recordings.readers.cowley import read_cowley
from tgsage.neural_data.recordings.recording import from_arrays
from tgsage.neural_data.reliability.animals import leave_one_animal_out, subject_ceiling
from tgsage.neural_data.reliability.correction import pair_covariance, pair_mean, pair_product, rdm_correlation
from tgsage.neural_data.reliability.halves import Trials
from tgsage.neural_data.reliability.split_half import method_ceiling, split_half
from tgsage.rsa import RDM, RSAError, compare, compute_rdm, noise_ceiling
from tgsage.rsa.types import Array


def simulate(
    seed: int = 0, *, stimuli: int = 60, neuroids: int = 20, repeats: int = 6, noise: float = 1.0, features: int = 10
) -> tuple[Array, Array]:
    """True responses (stimuli, neuroids), and trials (stimuli, repeats, neuroids) around them."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(stimuli, features)) @ rng.normal(size=(features, neuroids)) / math.sqrt(features)
    return truth, truth[:, None] + noise * rng.normal(size=(stimuli, repeats, neuroids))


def record(trials: Array, **columns: list[str]) -> xarray.DataArray:
    """Trials (stimuli, repeats, neuroids) as a recording, its presentations in a random order."""
    stimuli, repeats, neuroids = trials.shape
    order = np.random.default_rng(9).permutation(stimuli * repeats)
    names = np.repeat([f"s{i}" for i in range(stimuli)], repeats)[order]
    groups = np.repeat([f"g{i % 5}" for i in range(stimuli)], repeats)[order]
    flat = trials.reshape(-1, neuroids)[order]
    return from_arrays(
        flat, stimulus_id=names, region=columns.pop("region", "V4"), presentation={"group": groups}, neuroid=columns
    )


def loop(recording: xarray.DataArray, split: int, **settings: str) -> float:
    """One split's correlation, from the halves as drawn, by scaling, averaging and comparing whole RDMs."""
    a, b = Trials(recording).halves(0, split)
    by = settings.get("by", "stimulus")
    names = dict.fromkeys(recording["stimulus_id"].values.tolist())
    place = {name: recording["group"].values[recording["stimulus_id"].values == name][0] for name in names}
    groups = None if by == "stimulus" else [place[name] for name in names]
    rdms = [
        compute_rdm(
            scale_neuroids(half, settings.get("scale", "none")).astype(np.float64),
            metric=settings.get("metric", "correlation"),
            groups=groups,
        )
        for half in (a, b)
    ]
    return compare(*rdms, method=settings.get("method", "pearson"))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"scale": "zscore"},
        {"scale": "max", "by": "group"},
        {"metric": "euclidean"},
        {"metric": "cosine", "method": "pearson-whitened"},
        {"method": "spearman"},
    ],
)
def test_each_split_is_the_comparison_of_two_whole_rdms(settings: dict[str, str]) -> None:
    recording = record(simulate()[1])
    found = split_half(recording, splits=3, **settings)  # type: ignore[arg-type]
    expected = [loop(recording, split, **settings) for split in range(3)]
    np.testing.assert_allclose(found["split_half"].sel(target="V4"), expected, atol=1e-10)
    assert float(found["r"][0]) == pytest.approx(np.mean(expected))
    reliability = float(found["reliability"][0])
    assert float(found["ceiling"][0]) == pytest.approx(method_ceiling(reliability, settings.get("method", "pearson")))
    if settings.get("metric", "correlation") != "correlation":
        assert reliability == pytest.approx(float(found["spearman_brown"][0]))


@pytest.mark.parametrize(("n", "f"), [(40, 7), (7, 40), (12, 12), (3, 3)])
def test_products_of_features_give_the_correlation_of_rdms(n: int, f: int) -> None:
    rng = np.random.default_rng(n)
    a = rng.normal(size=(n, f)) + 30
    b = a + rng.normal(size=(n, f))
    assert rdm_correlation(a, b) == pytest.approx(compare(compute_rdm(a), compute_rdm(b)), abs=1e-9)
    with pytest.raises(RSAError, match=r"correlation over 2 feature\(s\) is 1 or -1"):
        rdm_correlation(a[:, :2], b[:, :2])


def test_halves_are_means_of_disjoint_presentations_that_cover_all() -> None:
    values = 10.0 ** np.arange(5)  # the digits of a sum tell what is in it
    recording = record(np.tile(values[None, :, None], (8, 1, 3)))
    seen = set()
    for split in range(30):
        halves = Trials(recording).halves(0, split)
        assert (halves == halves[:, :, :1]).all()  # every neuroid's halves hold the same presentations
        for a, b in halves[:, :, 0].T:
            sums = {(round(a * k), round(b * (5 - k))) for k in (2, 3)}
            (first, second) = next((x, y) for x, y in sums if x + y == 11111 and set(str(x)) <= {"0", "1"})
            seen.add((first, second))
    assert len(seen) == 20  # all ways to halve five, with the odd one in either half


def test_halves_depend_on_seed_and_split_and_not_on_threads() -> None:
    recording = record(simulate(repeats=5)[1])
    many = split_half(recording, splits=4, seed=3)
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        one = split_half(recording, splits=4, seed=3)
    finally:
        numba.set_num_threads(threads)
    np.testing.assert_array_equal(many["split_half"], one["split_half"])
    assert len(set(many["split_half"].values.ravel().tolist())) == 4
    assert not np.isin(split_half(recording, splits=4, seed=4)["split_half"], many["split_half"]).any()


def test_noise_that_neuroids_share_stays_in_its_half_when_repeats_are_missing() -> None:
    _, trials = simulate(stimuli=80, noise=0, repeats=8)
    rng = np.random.default_rng(5)
    shared = rng.normal(size=(80, 8, 3)) @ rng.normal(size=(3, 20)) * 3  # noise alone, in three shared directions
    lacking = rng.random((80, 8, 20)) < 0.02
    found = split_half(record(np.where(lacking, np.nan, shared + 0 * trials)), splits=20)
    assert abs(float(found["r"][0])) < 0.05
    assert float(found["neuroids"][0]) <= 20


def test_blocks_of_missing_neuroids_are_each_halved_for_themselves() -> None:
    truth, _ = simulate(neuroids=20)
    trials = truth[:, None] + np.random.default_rng(1).normal(size=(60, 8, 20))
    trials[:, :4, :10] = np.nan  # two sessions of four repeats each, ten neuroids in each
    trials[:, 4:, 10:] = np.nan
    found = split_half(record(trials), splits=10)
    assert float(found["split_neuroids"][0]) == 20  # no half ever lacks one
    assert float(found["repeats"][0]) == 4


def test_neuroid_reliability_is_spearman_brown_of_its_own_halves() -> None:
    recording = record(simulate(noise=2.0)[1])
    found = split_half(recording, splits=5)
    per_split = []
    for split in range(5):
        a, b = Trials(recording).halves(0, split)
        per_split.append([np.corrcoef(a[:, j], b[:, j])[0, 1] for j in range(20)])
    r = np.mean(per_split, axis=0)
    np.testing.assert_allclose(found["neuroid_r"], r, atol=1e-12)
    np.testing.assert_allclose(found["neuroid_reliability"], 2 * r / (1 + r), atol=1e-12)


def test_neuroid_reliability_is_the_share_of_signal_in_the_mean_of_all_repeats() -> None:
    truth, trials = simulate(stimuli=2000, repeats=10, noise=2.0)
    found = split_half(record(trials), splits=10)["neuroid_reliability"].values
    expected = truth.var(axis=0) / (truth.var(axis=0) + 4.0 / 10)
    np.testing.assert_allclose(found, expected, atol=0.04)


def perfect_model(kind: str, level: float, seed: int) -> tuple[Array, Array, str]:
    """True responses (150, 50), six noisy trials of each, and the scaling that suits them."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(150, 8)) @ rng.normal(size=(8, 50)) / math.sqrt(8)
    if kind == "unequal strength":
        truth *= np.exp(0.5 * rng.normal(size=(150, 1)))
    if not kind.startswith("counts"):
        return truth, truth[:, None] + level * rng.normal(size=(150, 6, 50)), "none"
    rates = level * np.exp(0.7 * truth + 0.5 * rng.normal(size=50) + 0.3 * rng.normal(size=(150, 1)))
    trials = rng.poisson(np.repeat(rates[:, None], 6, axis=1)).astype(float)
    return (rates, trials, "none") if kind == "counts" else (scale_neuroids(rates, "zscore"), trials, "zscore")


@pytest.mark.parametrize(
    ("kind", "level", "reliability", "tolerance"),
    [
        ("equal noise", 0.5, 0.98, 0.01),
        ("equal noise", 2.0, 0.72, 0.02),
        ("equal noise", 4.0, 0.31, 0.05),
        ("unequal strength", 1.0, 0.91, 0.02),
        ("unequal strength", 4.0, 0.35, 0.06),
        ("counts", 5.0, 0.96, 0.03),
        ("counts", 0.3, 0.66, 0.05),
        ("counts, scaled", 5.0, 0.94, 0.02),
        ("counts, scaled", 0.3, 0.52, 0.04),
        ("counts, scaled", 0.1, 0.24, 0.08),
    ],
)
def test_a_perfect_model_has_a_ceiled_score_of_one_at_high_and_at_low_reliability(
    kind: str, level: float, reliability: float, tolerance: float
) -> None:
    scores, levels = [], []
    for seed in range(8):
        truth, trials, scale = perfect_model(kind, level, seed)
        found = split_half(record(trials), splits=10, scale=scale)
        similarity = compare(compute_rdm(truth), compute_rdm(scale_neuroids(trials.mean(axis=1), scale)))
        scores.append(similarity / float(found["ceiling"][0]))
        levels.append(float(found["reliability"][0]))
    assert np.mean(levels) == pytest.approx(reliability, abs=0.06)
    assert np.mean(scores) == pytest.approx(1, abs=tolerance)


def test_the_correction_of_spearman_brown_helps_where_noise_rules() -> None:
    _, trials, _ = perfect_model("equal noise", 4.0, 0)
    found = split_half(record(trials), splits=10)
    r, first = float(found["r"][0]), float(found["spearman_brown"][0])
    assert first == pytest.approx(2 * r / (1 + r), abs=1e-12)
    assert float(found["reliability"][0]) > 1.1 * first
    assert float(found["ceiling"][0]) == pytest.approx(math.sqrt(float(found["reliability"][0])), abs=1e-12)


def test_sums_over_pairs_are_those_of_whole_matrices() -> None:
    rng = np.random.default_rng(2)
    for f in (3, 40):
        a, b = rng.normal(size=(2, 12, f))
        upper = np.triu_indices(12, 1)
        one, other = (a @ a.T)[upper], (b @ b.T)[upper]
        assert pair_product(a, b) == pytest.approx(2 * (one * other).sum())
        assert pair_mean(a) == pytest.approx(one.mean())
        assert pair_covariance(a, b) == pytest.approx(np.cov(one, other, bias=True)[0, 1])


def test_a_region_that_cannot_be_halved_says_why_and_leaves_the_others_their_ceilings() -> None:
    _, trials = simulate(neuroids=24)
    trials[:, 1:, 12:] = np.nan  # the second region saw everything once
    found = split_half(record(trials, region=["V4"] * 12 + ["IT"] * 12), splits=5)
    alone = split_half(record(trials[:, :, :12]), splits=5)
    here = found.sel(target="V4")
    assert float(here["ceiling"]) == pytest.approx(float(alone["ceiling"][0]), abs=0.02)
    assert not str(here["reason"].values)
    there = found.sel(target="IT")
    assert np.isnan(float(there["ceiling"]))
    assert int(there["stimuli"]) == 0
    assert "IT: 0 of 60 stimuli have two repeats" in str(there["reason"].values)


def test_stimuli_shown_once_and_neuroids_that_saw_too_little_are_left_out_and_counted() -> None:
    _, trials = simulate()
    trials[:10, 1:] = np.nan  # ten stimuli once
    trials[20, 1:, 4] = np.nan  # one neuroid saw stimulus 20 once
    found = split_half(record(trials), splits=2)
    assert (int(found["stimuli"][0]), int(found["neuroids"][0])) == (50, 19)
    assert float(found["repeats"][0]) == 6


def test_dead_neuroids_have_no_reliability_and_leave_the_scaled_rdm_only() -> None:
    _, trials = simulate()
    trials[:, :, 3] = 0.1
    trials[:, :, 7] = np.nan
    unscaled, scaled = (split_half(record(trials), splits=2, scale=scale) for scale in ("none", "zscore"))
    assert np.flatnonzero(np.isnan(unscaled["neuroid_reliability"])).tolist() == [3, 7]
    assert (float(unscaled["split_neuroids"][0]), float(scaled["split_neuroids"][0])) == (19, 18)


def test_conditions_without_variance_in_a_half_are_left_out_of_that_split_and_counted() -> None:
    _, trials = simulate(repeats=2)
    trials[4, 1] = 0  # silent in one of two repeats
    found = split_half(record(trials), splits=3)
    assert float(found["split_conditions"][0]) == 59


def test_halves_that_disagree_have_no_reliability() -> None:
    found = [split_half(record(simulate(seed, noise=1e6, stimuli=12)[1]), splits=5) for seed in range(12)]
    assert {bool(f["r"][0] < 0) for f in found} == {True, False}
    assert all(np.isnan(f["reliability"][0]) == (f["r"][0] < 0) for f in found)
    assert all(("halves do not agree" in f["reason"].item()) == (f["r"][0] < 0) for f in found)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"splits": 0}, "splits must be a whole number from 1, got 0"),
        ({"by": "colour"}, "colour"),
        ({"level": "layer"}, "layer"),
        ({"scale": "log"}, "unknown scale 'log'"),
        ({"metric": "crossnobis"}, "folds"),
    ],
)
def test_wrong_settings_are_named(change: dict[str, object], words: str) -> None:
    with pytest.raises(RSAError, match=words):
        split_half(record(simulate()[1]), **change)  # type: ignore[arg-type]


def test_a_recording_of_averages_is_told_that_it_has_no_reliability(data_dir: Path) -> None:
    recording = read_cowley(data_dir / "cowley_v4" / "responses_190923.npy")
    with pytest.raises(RSAError, match=r"0 of 1200 stimuli have two repeats or more.*averages has no reliability"):
        split_half(recording)


def test_no_split_is_made_of_averages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of tens of thousands of neuroids a hundred of them would take minutes, for nothing."""
    monkeypatch.setattr(Trials, "halves", lambda *given: pytest.fail("averages were split"))
    with pytest.raises(RSAError, match="averages has no reliability"):
        split_half(record(simulate(repeats=1)[1]))


def test_session_210325_has_the_split_half_correlation_known_for_it(data_dir: Path) -> None:
    found = split_half(read_cowley(data_dir / "cowley_v4" / "responses_raw_210325.npy"))
    assert float(found["r"][0]) == pytest.approx(0.68, abs=0.01)
    assert float(found["repeats"][0]) == pytest.approx(7.5625)


def test_animals_left_out_as_by_hand() -> None:
    _, trials = simulate(neuroids=24, noise=0.5)
    region, animal = ["V4"] * 12 + ["IT"] * 12, ["A", "B", "C"] * 4 + ["A"] * 11 + ["B"]
    found = leave_one_animal_out(record(trials, region=region, animal=animal), scale="zscore")
    assert found["target"].values.tolist() == ["V4"]  # one neuroid of B is no second animal in IT
    means = scale_neuroids(trials.mean(axis=1), "zscore")
    rdms = [compute_rdm(means[:, [i for i in range(12) if animal[i] == name]]) for name in "ABC"]
    assert (float(found["lower"][0]), float(found["upper"][0])) == pytest.approx(noise_ceiling(rdms), abs=1e-9)
    assert (int(found["animals"][0]), float(found["repeats"][0])) == (3, 6)
    with pytest.raises(RSAError, match="two neuroids of two animals"):
        leave_one_animal_out(record(trials[:, :, 12:], region=region[12:], animal=animal[12:]))
    with pytest.raises(RSAError, match="animal"):
        leave_one_animal_out(record(trials))


def test_the_average_of_subjects_has_the_reliability_that_new_subjects_show() -> None:
    rng = np.random.default_rng(4)
    truth = rng.normal(size=44850)
    subjects, others = truth + 2 * rng.normal(size=(2, 6, 44850)) + 10
    found = subject_ceiling({f"S{i}": RDM(row, range(300)) for i, row in enumerate(subjects)})
    assert found["reliability"] == pytest.approx(np.corrcoef(subjects.mean(0), others.mean(0))[0, 1], abs=0.02)
    assert found["ceiling"] == pytest.approx(np.corrcoef(truth, subjects.mean(0))[0, 1], abs=0.02)
    assert found["leave_one_out_lower"] < found["leave_one_out_upper"] < found["ceiling"]
