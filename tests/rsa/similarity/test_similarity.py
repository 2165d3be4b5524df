"""CKA, SVCCA, PWCCA and Procrustes: closed forms, plain loops, and numbers of public implementations."""

from collections.abc import Callable

import numpy as np
import pytest
import scipy.linalg
import scipy.spatial
from tgsage.rsa import RSAError, cka, procrustes_distance, procrustes_similarity, pwcca, svcca
from tgsage.rsa.types import Array

Measure = Callable[[Array, Array], float]

MEASURES: dict[str, Measure] = {
    "cka": cka,
    "cka unbiased": lambda x, y: cka(x, y, unbiased=True),
    "cka rbf": lambda x, y: cka(x, y, kernel="rbf"),
    "cka rbf unbiased": lambda x, y: cka(x, y, kernel="rbf", unbiased=True),
    "procrustes": procrustes_similarity,
    "svcca": svcca,
    "pwcca": pwcca,
}


def grid(n: int, f: int, a: float, b: float) -> Array:
    """Features that anybody can make again: sin(a i j) + cos(b i + (j - 1)^2), i and j from 1."""
    i, j = np.arange(1, n + 1)[:, None], np.arange(1, f + 1)[None, :]
    values: Array = np.sin(a * i * j) + np.cos(b * i + (j - 1) ** 2)
    return values


X, Y = grid(30, 6, 0.37, 1.3), grid(30, 9, 0.61, 0.7)


@pytest.mark.parametrize(
    ("measure", "value"),
    [
        # thingsvision 2.7.3, CKANumPy(kernel, unbiased, sigma=None); the biased ones also repsim 0.1.5, cka
        ("cka", 0.2142504808210573),
        ("cka unbiased", 0.08929504952632632),
        ("cka rbf", 0.30813879719550086),
        ("cka rbf unbiased", 0.1102589155657275),
        # deep-reps 0.0.6, pca(0.99) and the mean of compute_cca's correlations
        ("svcca", 0.46106346576280405),
    ],
)
def test_numbers_of_public_implementations(measure: str, value: float) -> None:
    assert MEASURES[measure](X, Y) == pytest.approx(value, abs=1e-12)


def test_projection_weights_are_those_of_a_public_implementation() -> None:
    both = [pwcca(X, Y, variance=1), pwcca(Y, X, variance=1)]
    assert np.mean(both) == pytest.approx(0.5437849682655488, abs=1e-12)  # repsim 0.1.5, pwcca: mean of both directions
    assert abs(both[0] - both[1]) > 0.01


def test_the_procrustes_distance_is_that_of_public_implementations() -> None:
    # deep-reps 0.0.6, orthogonal_procrustes of centred features of norm 1
    assert procrustes_distance(X, Y) == pytest.approx(1.0926045924377308, abs=1e-12)
    padded = np.pad(X, ((0, 0), (0, 3)))
    disparity = scipy.spatial.procrustes(padded, Y)[2]  # 1 - s^2, with the best scaling
    assert procrustes_similarity(X, Y) == pytest.approx(np.sqrt(1 - disparity), abs=1e-12)


def centred_gram(x: Array, kernel: str) -> Array:
    n = len(x)
    k = np.empty((n, n))
    distances = scipy.spatial.distance.pdist(x)
    for i in range(n):
        for j in range(n):
            square = float(np.sum((x[i] - x[j]) ** 2))
            middle = np.median(distances**2)
            k[i, j] = x[i] @ x[j] if kernel == "linear" else np.exp(-square / (2 * middle))
    return k


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
@pytest.mark.parametrize("shapes", [(4, 5), (4, 40), (30, 40)])
def test_hsic_is_the_sum_of_its_definition(kernel: str, shapes: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    n = 12
    x, y = (rng.normal(3, 1, (n, f)) for f in shapes)
    k, el = centred_gram(x, kernel), centred_gram(y, kernel)
    h = np.eye(n) - 1 / n

    def biased(a: Array, b: Array) -> float:
        return float(np.trace(a @ h @ b @ h))

    def song(a: Array, b: Array) -> float:
        a, b = a * (1 - np.eye(n)), b * (1 - np.eye(n))
        ones = np.ones(n)
        middle = (ones @ a @ ones) * (ones @ b @ ones) / ((n - 1) * (n - 2))
        return float(np.trace(a @ b) + middle - 2 / (n - 2) * ones @ a @ b @ ones)

    for unbiased, hsic in ((False, biased), (True, song)):
        expected = hsic(k, el) / np.sqrt(hsic(k, k) * hsic(el, el))
        assert cka(x, y, kernel=kernel, unbiased=unbiased) == pytest.approx(expected, abs=1e-10)


def test_canonical_correlations_are_those_of_least_squares() -> None:
    """The largest R of any pair of directions, found by eigenvalues of the covariances."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(80, 4))
    y = np.hstack([x[:, :2] + 0.5 * rng.normal(size=(80, 2)), rng.normal(size=(80, 3))])
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    predicted = y @ np.linalg.lstsq(y, x, rcond=None)[0]
    squares = scipy.linalg.eigh(x.T @ predicted, x.T @ x, eigvals_only=True)
    assert svcca(x, y, variance=1) == pytest.approx(np.sqrt(squares).mean(), abs=1e-10)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("width", [5, 60])
def test_rotation_scaling_and_shift_leave_features_equal(measure: str, width: int) -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(40, 5)) @ rng.normal(size=(5, width))
    turned = 7.5 * x @ np.linalg.qr(rng.normal(size=(width, width)))[0] + 3
    assert MEASURES[measure](x, turned) == pytest.approx(1, abs=1e-9)
    assert MEASURES[measure](turned[rng.permutation(40)], x) < 0.8


@pytest.mark.parametrize("width", [5, 60])
def test_the_procrustes_distance_of_a_rotation_is_zero_and_of_permuted_rows_is_not(width: int) -> None:
    rng = np.random.default_rng(4)
    x = rng.normal(size=(40, width))
    turned = 0.01 * x @ np.linalg.qr(rng.normal(size=(width, width)))[0]
    assert procrustes_distance(x, turned) == pytest.approx(0, abs=1e-6)
    assert procrustes_distance(x, turned[::-1]) > 0.3


def test_invertible_linear_maps_leave_canonical_correlations_one_and_others_not() -> None:
    rng = np.random.default_rng(5)
    x = rng.normal(size=(60, 6))
    mapped = x @ (rng.normal(size=(6, 6)) * 10.0 ** np.arange(-1, 5)) + 1
    assert svcca(x, mapped, variance=1) == pytest.approx(1, abs=1e-9)
    assert pwcca(x, mapped, variance=1) == pytest.approx(1, abs=1e-9)
    assert cka(x, mapped) < 0.9


def test_independent_features_have_an_unbiased_cka_of_zero_and_a_biased_one_of_nearly_one() -> None:
    rng = np.random.default_rng(6)
    values = {unbiased: [] for unbiased in (False, True)}  # type: dict[bool, list[float]]
    for _ in range(100):
        x, y = rng.normal(size=(2, 20, 300))
        for unbiased, found in values.items():
            found.append(cka(x, y, unbiased=unbiased))
    assert min(values[False]) > 0.85
    error = np.std(values[True]) / 10
    assert abs(np.mean(values[True])) < 4 * error
    assert error < 0.02


def test_a_wider_kernel_is_a_linear_one() -> None:
    assert cka(X, Y, kernel="rbf", bandwidth=1e3) == pytest.approx(cka(X, Y), abs=1e-5)
    assert cka(X, Y, kernel="rbf", bandwidth=0.4) != pytest.approx(cka(X, Y, kernel="rbf"), abs=1e-3)


@pytest.mark.parametrize("measure", MEASURES)
def test_float32_about_a_large_mean_and_extreme_units_change_nothing(measure: str) -> None:
    raised = (X + 100).astype(np.float32)
    assert MEASURES[measure](raised, Y) == pytest.approx(MEASURES[measure](X, Y), abs=1e-4)
    for unit in (1e-200, 1e200):
        assert MEASURES[measure](X * unit, Y) == pytest.approx(MEASURES[measure](X, Y), abs=1e-9)


@pytest.mark.parametrize("measure", MEASURES)
def test_features_without_an_answer_are_refused(measure: str) -> None:
    compare = MEASURES[measure]
    with pytest.raises(RSAError, match="30 rows of features against 29"):
        compare(X, Y[:29])
    with pytest.raises(RSAError, match="all 30 stimuli have the same features"):
        compare(np.full((30, 4), 0.1), Y)
    with pytest.raises(RSAError, match="NaN or infinity in rows 3, 5"):
        compare(np.where(np.isin(np.arange(30), (3, 5))[:, None], np.nan, X), Y)
    with pytest.raises(RSAError, match="at least 3"):
        compare(X[:2], Y[:2])
    with pytest.raises(RSAError, match="shape"):
        compare(X[0], Y)


def test_settings_without_a_meaning_are_refused() -> None:
    with pytest.raises(RSAError, match="unknown kernel 'rfb'; did you mean rbf"):
        cka(X, Y, kernel="rfb")
    with pytest.raises(RSAError, match="bandwidth"):
        cka(X, Y, kernel="rbf", bandwidth=0)
    with pytest.raises(RSAError, match="3 stimuli; unbiased CKA needs at least 4"):
        cka(X[:3], Y[:3], unbiased=True)
    with pytest.raises(RSAError, match="no bandwidth"):
        cka(np.eye(30)[:, :2], Y, kernel="rbf")
    with pytest.raises(RSAError, match="share"):
        svcca(X, Y, variance=99)


@pytest.mark.parametrize("compare", [svcca, pwcca])
def test_more_components_than_stimuli_are_refused(compare: Measure) -> None:
    rng = np.random.default_rng(7)
    with pytest.raises(RSAError, match=r"20 stimuli are too few for \d+ and \d+ components.*1 whatever the features"):
        compare(rng.normal(size=(20, 100)), rng.normal(size=(20, 100)))
    assert compare(rng.normal(size=(20, 5)), rng.normal(size=(20, 5))) < 0.9
