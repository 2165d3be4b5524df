"""Resampled subjects, both factors, and neuroids: against rsatoolbox, plain loops and fresh samples."""

import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
from tgsage.rsa import (
    RDM,
    RSAError,
    bootstrap,
    bootstrap_neuroids,
    bootstrap_subjects,
    compare,
    compute_rdm,
    interval,
    subject_differences,
)

from ..peers import NAMES


def people(n: int, subjects: int, seed: int = 0) -> tuple[dict[str, RDM], list[RDM]]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 12))
    own = [x + rng.normal(size=x.shape) for _ in range(subjects)]
    return {f"l{k}": compute_rdm(x + k * rng.normal(size=x.shape)) for k in (0.5, 1.5)}, [compute_rdm(o) for o in own]


def peer_dual(layers: dict[str, RDM], vectors: np.ndarray, method: str, n: int) -> Any:
    """rsatoolbox's two-factor bootstrap; its draws are (draw, model, 1, 1, both | subjects | stimuli)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        inference, model, rdm = (import_module(f"rsatoolbox.{part}") for part in ("inference", "model", "rdm"))
        models = [model.ModelFixed(name, np.asarray(one.values, np.float64)) for name, one in layers.items()]
        np.random.seed(0)  # noqa: NPY002 - rsatoolbox draws from the global generator
        return inference.eval_dual_bootstrap(models, rdm.RDMs(vectors), method=NAMES[method], N=n)


def agree(ours: np.ndarray, theirs: np.ndarray) -> None:
    """Means within four standard errors of their difference, the ratio of variances within four of its logarithm."""
    error = np.sqrt(ours.var() / ours.size + theirs.var() / theirs.size)
    assert abs(ours.mean() - theirs.mean()) < 4 * error
    assert abs(np.log(ours.var() / theirs.var())) < 4 * np.sqrt(2 / ours.size + 2 / theirs.size)


@pytest.mark.parametrize("method", ["pearson", "cosine"])
def test_draws_of_every_factor_agree_with_rsatoolbox(method: str) -> None:
    """300 draws of theirs, 2000 of ours; the corrected standard error within 20%, five Monte-Carlo errors of theirs."""
    layers, subjects = people(25, 6)
    theirs = peer_dual(layers, np.stack([rdm.values for rdm in subjects]), method, 300)
    ours = bootstrap_subjects(layers, subjects, method=method, n=2000)
    for k, factor in enumerate(("both", "subjects", "stimuli")):
        for i in range(2):
            agree(ours[factor].to_numpy()[i], theirs.evaluations[:, i, 0, 0, k])
    np.testing.assert_allclose(ours["standard_error"], theirs.get_sem(), rtol=0.2)
    difference = subject_differences(ours)
    np.testing.assert_allclose(difference["standard_error"], np.sqrt(theirs.diff_var), rtol=0.2)


def test_four_human_subjects_agree_with_rsatoolbox(data_dir: Path) -> None:
    file = scipy.io.loadmat(data_dir / "kriegeskorte92" / "92_brainRDMs.mat", squeeze_me=True)["RDMs"]
    pairs = np.triu_indices(92, 1)
    vectors = np.array([[np.asarray(s["RDM"])[pairs] for s in row] for row in file], np.float64).mean(axis=1)
    subjects = {f"S{i}": RDM(row, range(92)) for i, row in enumerate(vectors)}
    layers = {"animate": RDM(np.subtract.outer(np.arange(92) < 48, 0)[pairs[0]] != (pairs[1] < 48), range(92))}
    theirs = peer_dual(layers, vectors, "pearson", 150)
    ours = bootstrap_subjects(layers, subjects, n=1000)
    for k, factor in enumerate(("both", "subjects", "stimuli")):
        agree(ours[factor].to_numpy()[0], theirs.evaluations[:, 0, 0, 0, k])


def test_the_correction_is_that_of_rsatoolbox_for_the_same_draws() -> None:
    layers, subjects = people(25, 6)
    ours = bootstrap_subjects(layers, subjects, n=200)
    stacked = np.stack([ours[factor].to_numpy().var(axis=-1) for factor in ("both", "subjects", "stimuli")])
    util: Any = import_module("rsatoolbox.util.inference_util")
    np.testing.assert_allclose(ours["standard_error"] ** 2, util._dual_bootstrap(stacked, 6, 25), rtol=1e-12)
    d = [(part := ours[factor].to_numpy())[0] - part[1] for factor in ("both", "subjects", "stimuli")]
    expected = util._dual_bootstrap(np.stack([np.var(part)[None] for part in d]), 6, 25)
    row = subject_differences(ours).isel(pair=0)
    assert float(row["standard_error"]) == pytest.approx(float(np.sqrt(expected[0])))
    assert float(row["p"]) < 0.05
    assert float(row["low"]) < float(row["difference"]) < float(row["high"])


def test_draws_of_one_factor_leave_the_other_whole() -> None:
    layers, subjects = people(25, 3)
    ours = bootstrap_subjects(layers, subjects, n=50)
    single = np.array([compare(layers["l0.5"], rdm) for rdm in subjects])
    means = {round(float(np.mean(single[list(k)])), 9) for k in np.ndindex(3, 3, 3)}
    assert {round(float(value), 9) for value in ours["subjects"].sel(layer="l0.5").to_numpy()} <= means
    whole = bootstrap(layers, dict(zip("abc", subjects, strict=True)), n=50).mean("target")
    np.testing.assert_allclose(ours["stimuli"], whole, atol=1e-12)
    with pytest.raises(RSAError, match="at least 2 subjects"):
        bootstrap_subjects(layers, subjects[:1])
    with pytest.raises(RSAError, match="at least 2 layers"):
        subject_differences(ours.isel(layer=[0]))


def test_neuroids_are_resampled_whole() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(12, 20))
    layers = {k: compute_rdm(x[:, :8] + rng.normal(size=(12, 8))) for k in "ab"}
    draws = bootstrap_neuroids(layers, x, labels=range(12), method="spearman", n=5, seed=2)
    for draw, chosen in enumerate(np.random.default_rng(2).integers(20, size=(5, 20))):
        rdm = compute_rdm(x[:, chosen])
        expected = [compare(layer, rdm, method="spearman") for layer in layers.values()]
        np.testing.assert_allclose(draws[:, 0, draw], expected, atol=1e-12)
    whole = [compare(layer, compute_rdm(x), method="spearman") for layer in layers.values()]
    np.testing.assert_allclose(draws["estimate"][:, 0], whole)
    with pytest.raises(RSAError, match="4 neuroids are too few"):
        bootstrap_neuroids(layers, x[:, :4], labels=range(12))


def test_intervals_over_neuroids_are_as_wide_as_fresh_samples_of_sites() -> None:
    """Half the mean width of 8 intervals against 2 standard deviations of 200 fresh samples, within 30%."""
    rng = np.random.default_rng(0)
    signal = rng.normal(size=(30, 8))
    layer = compute_rdm(signal)

    def sites() -> np.ndarray:
        return signal @ rng.normal(size=(8, 60)) + 2 * rng.normal(size=(30, 60))

    fresh = np.std([compare(layer, compute_rdm(sites())) for _ in range(200)])
    ends = [interval(bootstrap_neuroids(layer, sites(), labels=range(30), n=60, seed=s)) for s in range(8)]
    width = np.mean([(high - low).item() for low, high in ends])
    assert width / 2 == pytest.approx(2 * fresh, rel=0.3)


def test_intervals_of_subjects_stay_in_the_range_and_enclose_the_mean() -> None:
    layers, subjects = people(8, 3)
    same = [layers["l0.5"].replace(name=str(i)) for i in range(3)]
    for found in (bootstrap_subjects(layers, same, n=100), bootstrap_subjects(layers, subjects, n=100)):
        assert ((found["low"] >= -1) & (found["low"] <= found["similarity"])).all()
        assert ((found["similarity"] <= found["high"]) & (found["high"] <= 1)).all()
        tests = subject_differences(found)
        assert ((tests["low"] >= -2) & (tests["high"] <= 2)).all()


def test_a_layer_without_defined_draws_of_subjects_has_no_p_value_and_others_have_theirs() -> None:
    layers, subjects = people(12, 4)
    found = bootstrap_subjects(layers | {"l9": layers["l1.5"]}, subjects, n=100)
    known = subject_differences(found.isel(layer=[0, 1]))
    for factor in ("subjects", "stimuli", "both"):
        found[factor][2] = np.nan
    p = subject_differences(found)["p_adjusted"].to_numpy()
    np.testing.assert_array_equal(np.isnan(p), [False, True, True])
    assert p[0] == known["p_adjusted"].item()
