"""Ceilings of targets with any repeats, by every method, against the models that are right; and where there is none."""

import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray
from scipy import stats
from tgsage.neural_data import as_teacher, describe, from_arrays, repeated_stimuli, save_recording, split_half
from tgsage.neural_data.commands.score import _show
from tgsage.neural_data.reliability.animals import subject_ceiling
from tgsage.neural_data.reliability.correction import rdm_inner, unit_rows
from tgsage.neural_data.reliability.split_half import method_ceiling
from tgsage.rsa import RDM, RSAError, compare, compute_rdm
from tgsage.rsa.rdm.comparison import METHODS
from tgsage.rsa.report.words import methods
from tgsage.rsa.types import Array

STIMULI = 60
REPEATS = {
    "equal": np.full(STIMULI, 6),
    "odd": np.full(STIMULI, 3),
    "half once": np.where(np.arange(STIMULI) % 2 == 0, 1, 8),
    "half 2": np.where(np.arange(STIMULI) % 2 == 0, 2, 16),
    "one with many": np.where(np.arange(STIMULI) == 0, 60, 3),
}


def repeats(kind: str, rng: np.random.Generator) -> Array:
    return rng.integers(1, 17, STIMULI) if kind == "1 to 16" else REPEATS[kind]


def shown(truth: Array, times: Array, noise: float, rng: np.random.Generator) -> xarray.DataArray:
    """A recording of noisy trials around true responses (stimuli, neuroids)."""
    ids = np.repeat(np.arange(len(truth)), times)
    trials = truth[ids] + noise * rng.normal(size=(len(ids), truth.shape[1]))
    return from_arrays(trials, stimulus_id=[f"s{i}" for i in ids], region="IT")


def ceiled(kind: str, neuroids: int, noise: float, seed: int, **settings: Any) -> tuple[float, float]:
    """The similarity of a noiseless model to the target, and the target's ceiling."""
    rng = np.random.default_rng([seed, neuroids])
    truth = rng.normal(size=(STIMULI, 8)) @ rng.normal(size=(8, neuroids)) / math.sqrt(8)
    made = as_teacher(shown(truth, repeats(kind, rng), noise, rng), splits=10, **settings)
    model = compute_rdm(truth, labels=made.rdms["IT"].labels, metric=settings.get("metric", "correlation"))
    return compare(model, made.rdms["IT"], method=made.method), made.ceilings.get("IT", (math.nan, math.nan))[1]


def test_half_of_the_images_shown_once_have_the_ceiling_of_their_repeats() -> None:
    """Formerly that of the other half, .77 of which a perfect model reached."""
    found = np.array([ceiled("half once", 20, 1.0, seed) for seed in range(16)])
    ratio = found[:, 0] / found[:, 1]
    assert ratio.mean() == pytest.approx(1, abs=0.03)
    assert ratio.std() < 0.08


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["equal", "1 to 16", "half once", "half 2", "one with many"])
@pytest.mark.parametrize(("neuroids", "noise"), [(20, 0.7), (20, 1.4), (150, 2.0), (150, 3.5)])
def test_a_perfect_model_reaches_the_ceiling_whatever_the_repeats(kind: str, neuroids: int, noise: float) -> None:
    found = np.array([ceiled(kind, neuroids, noise, seed) for seed in range(40)])
    ratio = found[:, 0] / found[:, 1]
    print(f"{kind}, {neuroids} neuroids, noise {noise}: {ratio.mean():.3f} +- {ratio.std() / math.sqrt(40):.3f}")
    assert ratio.mean() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("method", METHODS)
def test_a_perfect_model_reaches_the_ceiling_of_every_method(method: str) -> None:
    found = np.array([ceiled("equal", 50, 2.0, seed, method=method) for seed in range(6)])
    assert (found[:, 0] / found[:, 1]).mean() == pytest.approx(1, abs=0.03)


def test_the_ceilings_of_ranks_are_what_normal_variables_have() -> None:
    rng = np.random.default_rng(0)
    for r in (0.2, 0.6, 0.95):
        x, y = rng.multivariate_normal([0, 0], [[1, r], [r, 1]], 50_000).T
        assert method_ceiling(r**2, "tau-a") == pytest.approx(stats.kendalltau(x, y)[0], abs=0.01)
        assert method_ceiling(r**2, "rho-a") == pytest.approx(stats.spearmanr(x, y)[0], abs=0.01)
        assert method_ceiling(r**2, "cosine") == pytest.approx(r)


@pytest.mark.parametrize("method", ["pearson", "cosine", "pearson-whitened", "cosine-whitened"])
def test_inner_products_of_rdms_come_from_patterns(method: str) -> None:
    a, b = (unit_rows(x) for x in np.random.default_rng(3).normal(size=(2, 12, 5)))
    upper = np.triu_indices(12, 1)
    whole = compare(*(RDM((1 - x @ x.T)[upper], range(12)) for x in (a, b)), method=method)
    square = rdm_inner(a, a, method) * rdm_inner(b, b, method)
    assert rdm_inner(a, b, method) / math.sqrt(square) == pytest.approx(whole, abs=1e-12)


def test_means_of_objects_have_the_ceiling_of_their_images_repeats() -> None:
    scores = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        objects = rng.normal(size=(24, 8)) @ rng.normal(size=(8, 50)) / math.sqrt(8)
        truth = np.repeat(objects, 5, axis=0) + 0.7 * rng.normal(size=(120, 50))
        recording = shown(truth, np.full(120, 3), 3.0, rng)
        named = recording.assign_coords(object_name=("presentation", [f"o{i // 15:02}" for i in range(360)]))
        made = as_teacher(named, by="object_name", splits=10)
        model = compute_rdm(truth.reshape(24, 5, 50).mean(axis=1), labels=made.rdms["IT"].labels)
        scores.append(compare(model, made.rdms["IT"]) / made.ceilings["IT"][1])
    assert np.mean(scores) == pytest.approx(1, abs=0.012)


def test_neuroids_have_the_reliability_of_their_own_repeats() -> None:
    rng = np.random.default_rng(5)
    truth, times = rng.normal(size=(3000, 6)), np.where(np.arange(3000) % 2 == 0, 1, 3)
    found = split_half(shown(truth, times, 1.0, rng), splits=5)["neuroid_reliability"].values
    np.testing.assert_allclose(found, truth.var(axis=0) / (truth.var(axis=0) + (1 / times).mean()), atol=0.03)


def test_presentations_that_are_averages_are_as_noisy_as_the_trials_behind_them() -> None:
    rng = np.random.default_rng(6)
    scores = []
    for _ in range(12):
        truth = rng.normal(size=(STIMULI, 20))
        trials = np.where(np.arange(STIMULI) % 2 == 0, 1, 9)
        noisy = truth[:, None] + rng.normal(size=(STIMULI, 2, 20)) / np.sqrt(trials)[:, None, None]
        recording = from_arrays(
            noisy.reshape(-1, 20),
            stimulus_id=np.repeat([f"s{i}" for i in range(STIMULI)], 2),
            region="IT",
            presentation={"trials": np.repeat(trials, 2)},
        )
        target = compute_rdm(noisy.mean(axis=1))
        scores.append(compare(compute_rdm(truth), target) / float(split_half(recording, splits=10)["ceiling"][0]))
    assert np.mean(scores) == pytest.approx(1, abs=0.02)


def test_below_a_reliability_of_a_fifth_there_is_no_ceiling_and_every_output_says_so(tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    recording = shown(rng.normal(size=(STIMULI, 20)), REPEATS["equal"], 3.0, rng)
    found = split_half(recording, splits=10)
    low = float(found["reliability"][0])
    assert 0 < low < 0.2
    assert np.isnan(found["ceiling"][0])
    why = f"IT: the reliability {low:.2f} is below 0.2"
    made = as_teacher(recording, splits=10)
    assert (made.ceilings, made.rdms["IT"].attrs["ceiling"]) == ({}, None)
    assert made.rdms["IT"].attrs["reliability"] == pytest.approx(low, abs=1e-6)
    assert f"none for {why}" in str(made.attrs["ceiling"])
    save_recording(recording, tmp_path / "low.nc")
    assert str(describe(tmp_path / "low.nc", splits=10).facts["no ceiling of IT"]).startswith(why)


@pytest.mark.parametrize("method", ["pearson", "tau-a"])
def test_subjects_that_hardly_agree_have_no_ceiling_and_ranks_have_their_own(method: str) -> None:
    rng = np.random.default_rng(4)
    truth = rng.normal(size=4950)
    for noise, known in ((1.5, True), (9.0, False)):
        subjects = truth + noise * rng.normal(size=(5, 4950))
        found = subject_ceiling({f"S{i}": RDM(row, range(100)) for i, row in enumerate(subjects)}, method=method)
        assert ("ceiling" in found) == known
        if known:
            reached = compare(RDM(truth, range(100)), RDM(subjects.mean(axis=0), range(100)), method=method)
            assert found["ceiling"] == pytest.approx(reached, abs=0.015)


@pytest.mark.parametrize(
    ("kind", "settings", "words"),
    [
        ("half 2", {"metric": "euclidean"}, "conditions have 2 to 16 repeats.*metric='correlation' has a ceiling"),
        ("half once", {"metric": "cosine"}, "conditions have 1 to 8 repeats"),
        ("equal", {"metric": "euclidean", "method": "cosine"}, "no ceiling is known for metric 'euclidean'"),
    ],
)
def test_what_has_no_known_ceiling_says_why(kind: str, settings: dict[str, str], words: str) -> None:
    rng = np.random.default_rng(0)
    recording = shown(rng.normal(size=(STIMULI, 20)), REPEATS[kind], 0.5, rng)
    found = split_half(recording, splits=3, **settings)  # type: ignore[arg-type]
    assert np.isnan([found["ceiling"][0], found["reliability"][0]]).all()
    assert not np.isnan(found["r"][0])
    made = as_teacher(recording, splits=3, **settings)  # type: ignore[arg-type]
    assert not made.ceilings
    assert made.attrs["ceiling"] == f"{str(made.attrs['ceiling']).partition(';')[0]}; none for {found['reason'].item()}"
    assert re.search(words, str(made.attrs["ceiling"]))


def test_most_stimuli_shown_once_leave_no_ceiling_until_they_are_left_out() -> None:
    rng = np.random.default_rng(0)
    times = np.where(np.arange(STIMULI) < 40, 1, 6)
    recording = shown(rng.normal(size=(STIMULI, 20)), times, 0.5, rng)
    said = str(as_teacher(recording, splits=3).attrs["ceiling"])
    assert "IT: 20 of 60 conditions have repeats" in said
    assert "repeated_stimuli(recording)" in said
    repeated = repeated_stimuli(recording)
    assert (len(set(repeated["stimulus_id"].values)), repeated.attrs["selected"]) == (
        20,
        "20 of 60 stimuli, shown 2 times or more",
    )
    assert set(as_teacher(repeated, splits=3).ceilings) == {"IT"}
    with pytest.raises(RSAError, match="no stimulus was shown 7 times or more; the most are 6"):
        repeated_stimuli(recording, at_least=7)


def test_neuroids_that_lack_repeats_leave_no_ceiling_of_the_others() -> None:
    rng = np.random.default_rng(0)
    recording = shown(rng.normal(size=(STIMULI, 20)), REPEATS["equal"], 0.5, rng)
    recording.values[1:6, :8] = np.nan
    assert "only 12 of the 20 neuroids" in str(split_half(recording, splits=3)["reason"].item())


def test_values_that_depend_on_the_number_of_stimuli_say_so_and_have_no_ceiling_over_fewer(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(STIMULI, 20))
    made = as_teacher(shown(truth, REPEATS["equal"], 0.5, rng), splits=3, method="cosine-whitened")
    layers = {
        name: compute_rdm(truth[:, at], labels=made.rdms["IT"].labels)
        for name, at in (("a", slice(9)), ("b", slice(9, 20)))
    }
    whole = made.score(layers, bootstrap=20)
    assert whole.crossvalidated is None
    assert "IT" in whole.ceilings
    said = "cosine-whitened is higher for fewer stimuli"
    kept = {name: rdm.replace(attrs={"n_features": 20}) for name, rdm in layers.items()}
    _show("a model", replace(whole, layers=kept))
    assert said in " ".join(capsys.readouterr().out.split())
    assert said in methods("a model", whole, layers, made.rdms)[0]
    few = made.score({name: rdm.subset(rdm.labels[:30]) for name, rdm in layers.items()}, allow_subset=True)
    assert not few.ceilings
    assert str(few.attrs["teacher_ceiling"]).startswith("none over 30 of the teacher's stimuli")
