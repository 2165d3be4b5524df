"""Noise precision against rsatoolbox."""

from importlib import import_module
from typing import Any

import numpy as np
import pytest
from tgsage.rsa import RSAError, compute_rdm, noise_precision

from ..peers import peer_rdm

RNG = np.random.default_rng(0)
GROUPS = [str(i) for i in range(8) for _ in range(2 + i % 3)]  # 2 to 4 repeats
FOLDS = [str(k % 2) for i in range(8) for k in range(2 + i % 3)]
X = RNG.normal(size=(len(GROUPS), 12)) @ (np.eye(12) + 0.3 * RNG.normal(size=(12, 12)))


@pytest.mark.parametrize(("method", "name"), [("ledoit-wolf", "shrinkage_eye"), ("diagonal", "diag")])
def test_estimates_are_those_of_rsatoolbox(method: str, name: str) -> None:
    noise: Any = import_module("rsatoolbox.data.noise")
    data: Any = import_module("rsatoolbox.data").Dataset(X, obs_descriptors={"group": GROUPS})
    expected = noise.prec_from_unbalanced(data, "group", method=name)
    found = noise_precision(X, GROUPS, method)
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-10)
    groups = np.array(GROUPS)
    residuals = X - np.stack([X[groups == g].mean(axis=0) for g in GROUPS])
    expected = noise.prec_from_residuals(residuals, dof=len(X) - 8, method=name)
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-10)
    whitened = compute_rdm(X, metric="mahalanobis", groups=GROUPS, precision=method)
    reference = peer_rdm(X, "mahalanobis", GROUPS, noise=expected)
    np.testing.assert_allclose(whitened.square(), reference, atol=1e-10)
    given = compute_rdm(X, metric="crossnobis", groups=GROUPS, folds=FOLDS, precision=found)
    estimated = compute_rdm(X, metric="crossnobis", groups=GROUPS, folds=FOLDS, precision=method)
    np.testing.assert_allclose(estimated.values, given.values, atol=1e-12)


def test_shrinkage_is_defined_with_more_features_than_repeats() -> None:
    x = RNG.normal(size=(len(GROUPS), 200)).astype(np.float32)
    assert np.linalg.eigvalsh(noise_precision(x, GROUPS)).min() > 0


@pytest.mark.parametrize(
    ("x", "groups", "method", "words"),
    [
        (X, GROUPS, "ledoit", "did you mean ledoit-wolf"),
        (X, [str(i) for i in range(len(X))], "ledoit-wolf", "no group has more than one row"),
        (X * (np.arange(12) != 3), GROUPS, "diagonal", "feature 3 has no noise variance"),
        (X * 0, GROUPS, "ledoit-wolf", "feature 0, 1, 2 and 9 more has no noise"),
    ],
)
def test_what_has_no_estimate_is_named(x: np.ndarray, groups: list[str], method: str, words: str) -> None:
    with pytest.raises(RSAError, match=words):
        noise_precision(x, groups, method)


def test_estimated_precision_needs_groups() -> None:
    with pytest.raises(RSAError, match="is estimated from repeats; groups= says which"):
        compute_rdm(X, metric="mahalanobis", precision="diagonal")
