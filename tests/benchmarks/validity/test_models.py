"""The simulation behind the tests between models, and that these keep their level."""

import numpy as np
import pytest
from scipy.optimize import nnls
from scipy.spatial.distance import pdist
from tgsage.benchmarks.validity import models
from tgsage.benchmarks.validity.models import Case, measure, simulated


def test_rows_are_kept(tmp_path) -> None:  # type: ignore[no-untyped-def]
    file, few = tmp_path / "models.json", [Case("both", 12, (1, 2), "useless", 2)]
    first = measure(few, repeats=10, file=file)
    text = file.read_text()
    assert measure(few, repeats=10, file=file) == first
    assert file.read_text() == text
    assert 0 <= first[0]["level"] <= 1


def test_the_truth_of_weighted_features_is_what_large_samples_have() -> None:
    """Over 4 samples of 300 stimuli, the best sum by scipy."""
    rng, found = np.random.default_rng(0), []
    for _ in range(4):
        shared = rng.normal(size=(300, 20)) * models._SCALE
        target = models._rdm(shared + models._own(rng, 300)).values.astype(np.float64)
        seen = models._seen(shared, 5, 5, rng)
        distances = np.stack([pdist(column[:, None], "sqeuclidean") for column in seen.T])
        centred = distances - distances.mean(axis=1, keepdims=True)
        weights = nnls(centred.T, target - target.mean())[0]
        found.append(np.corrcoef(weights @ centred, target)[0, 1])
    assert np.mean(found) == pytest.approx(models.population_of_features(5), abs=0.02)


def test_weighted_features_are_simulated() -> None:
    row = simulated(Case("stimuli", 16, (3, 6), "useless", 1, "features-nnls"), repeats=5)
    assert row["truth"] == models.population_of_features(3)
    assert row["highest"][1] > row["estimates"][1]


@pytest.mark.slow
def test_tests_keep_their_level_and_intervals_their_coverage() -> None:
    """Of 40 samples of 20 stimuli, a model of one layer and one with 9 more that are nearly as good."""
    row = simulated(Case("stimuli", 20, (1, 10), "graded"), repeats=40)
    assert row["level"] < 0.05 + 4 * np.sqrt(0.05 * 0.95 / 40)
    assert min(row["coverage"]) > 0.95 - 4 * np.sqrt(0.05 * 0.95 / 40)
