"""Fronts, hypervolumes and densities against plain loops, closed forms and scipy."""

from itertools import combinations

import numpy as np
import pytest
from scipy.stats import gaussian_kde
from tgsage.plugins import Evaluation
from tgsage.plugins.pareto import check_objectives, hypervolume, inverse_density, losses, objectives_of, pareto_front
from tgsage.rsa import RSAError


@pytest.mark.parametrize("d", [1, 2, 3])
def test_a_front_is_what_nothing_beats(d: int) -> None:
    rng = np.random.default_rng(d)
    points = rng.integers(0, 6, size=(60, d)).astype(float)
    front = pareto_front(points)
    for i, point in enumerate(points):
        beaten = any((other <= point).all() and (other < point).any() for other in points)
        earlier = any((other == point).all() for other in points[:i])
        assert (i in front) == (not beaten and not earlier)
    assert pareto_front(np.empty((0, d))) == []


@pytest.mark.parametrize("d", [1, 2, 3, 4])
def test_a_hypervolume_is_that_of_a_union_of_boxes(d: int) -> None:
    points, corner = np.random.default_rng(d).uniform(0, 1.2, size=(7, d)), np.ones(d)
    union = 0.0  # inclusion and exclusion
    for n in range(1, 8):
        for some in combinations(points, n):
            union -= (-1) ** n * float(np.prod(np.maximum(corner - np.max(some, axis=0), 0)))
    assert hypervolume(points, corner) == pytest.approx(union)
    assert hypervolume(points + 2, corner) == 0


def test_rare_sizes_are_drawn_more_often() -> None:
    among = np.random.default_rng(0).normal(size=(30, 1))
    theirs = 1 / gaussian_kde(
        among[:, 0] / among.std(), bw_method=lambda kde: kde.n ** (-1 / 5) / kde.dataset.std(ddof=1)
    )(among[:, 0] / among.std())
    np.testing.assert_allclose(inverse_density(among, among), theirs / theirs.sum(), rtol=1e-6)
    np.testing.assert_allclose(inverse_density(np.zeros((4, 2)), np.zeros((1, 2))), 0.25)
    assert inverse_density(np.array([[0.0], [1e6]]), among)[1] > 0.99


def test_objectives_are_what_an_evaluation_measured() -> None:
    found = Evaluation(score=0.75, p=0.5, parameters=10, costs={"latency": 2.0})
    assert objectives_of(found, ("score", "error", "parameters", "latency")) == (0.75, 0.5, 10.0, 2.0)
    assert objectives_of(found, ("score", "multiply-adds")) is None
    assert objectives_of(Evaluation("failed", "why"), ("score",)) is None
    np.testing.assert_array_equal(losses([[0.5, 10.0]], ("score", "parameters")), [[-0.5, 10.0]])
    for names, words in (
        (("scores",), "no objective 'scores'; did you mean score?"),
        (("score", "score"), "one or more different ones"),
        ((), "one or more different ones"),
    ):
        with pytest.raises(RSAError, match=words):
            check_objectives(names)
