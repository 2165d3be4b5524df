"""Intervals and tests against scipy and under the null."""

import numpy as np
import pytest
import xarray
from scipy import stats
from tgsage.rsa import RDM, RSAError, bootstrap, compute_rdm, interval, layer_differences, permutation_test
from tgsage.rsa.inference import benjamini_hochberg


def independent(n: int, seed: int) -> tuple[RDM, RDM]:
    rng = np.random.default_rng(seed)
    return compute_rdm(rng.normal(size=(n, 6))), compute_rdm(rng.normal(size=(n, 6)))


def test_benjamini_hochberg_as_scipy() -> None:
    p = np.random.default_rng(0).random(40) ** 2
    np.testing.assert_allclose(benjamini_hochberg(p), stats.false_discovery_control(p), atol=1e-15)


def test_intervals_are_percentiles_without_the_draws_that_failed() -> None:
    values = np.random.default_rng(0).normal(size=(2, 1, 500))
    values[0, 0, :100] = np.nan
    draws = xarray.DataArray(values, {"layer": ["a", "b"], "target": ["x"]}, ("layer", "target", "draw"))
    low, high = interval(draws, 0.9)
    np.testing.assert_allclose(low.sel(layer="a"), np.quantile(values[0, 0, 100:], 0.05))
    np.testing.assert_allclose(high.sel(layer="b"), np.quantile(values[1, 0], 0.95))
    with pytest.raises(RSAError, match="between 0 and 1"):
        interval(draws, 95)


@pytest.mark.parametrize("method", ["pearson", "spearman", "rho-a", "cosine"])
def test_permutations_match_a_plain_loop(method: str) -> None:
    a, b = independent(12, 1)
    b = compute_rdm(b.square() @ np.ones((12, 4)) + np.random.default_rng(1).normal(size=(12, 4)))
    similarity, p = permutation_test(a, b, method=method, n=300, seed=5)
    rng = np.random.default_rng(5)
    x, square = a.values, b.square()
    if method in ("spearman", "rho-a"):
        x = stats.rankdata(x)
        ranked = stats.rankdata(b.values)
        square = np.zeros((12, 12))
        square[np.triu_indices(12, 1)] = ranked
        square += square.T
    upper = np.triu_indices(12, 1)
    observed = x @ square[upper]
    orders = [rng.permutation(12) for _ in range(300)]
    reached = sum(x @ square[np.ix_(order, order)][upper] >= observed - 1e-9 for order in orders)
    assert p == (1 + reached) / 301
    assert -1 <= similarity <= 1


def test_permutation_p_values_are_uniform_under_the_null() -> None:
    p = [permutation_test(*independent(20, seed), n=99, seed=seed)[1] for seed in range(200)]
    assert stats.kstest(p, "uniform").pvalue > 0.01
    assert 0.02 <= np.mean(np.array(p) <= 0.05) <= 0.09  # three standard errors of a share of 200


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_constant_added_to_the_rdms_changes_no_p_value(dtype: type) -> None:
    a, b = independent(20, 3)
    shifted = [rdm.replace(values=(rdm.values * 64).round() / 64 + 1e4).replace(name="s") for rdm in (a, b)]
    plain = [rdm.replace(values=(rdm.values * 64).round() / 64) for rdm in (a, b)]
    shifted = [rdm.replace(values=rdm.values.astype(dtype)) for rdm in shifted]
    assert permutation_test(*shifted, n=200)[1] == permutation_test(*plain, n=200)[1]


def test_a_true_similarity_is_found() -> None:
    x = np.random.default_rng(0).normal(size=(30, 6))
    _, p = permutation_test(compute_rdm(x), compute_rdm(x + np.random.default_rng(1).normal(size=x.shape)), n=999)
    assert p == 1 / 1000


def test_layer_differences_are_paired_two_sided_and_corrected() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 10))
    target = {"t": compute_rdm(x)}
    layers = {f"noise {k}": compute_rdm(x + k * rng.normal(size=x.shape)) for k in (0.5, 0.6, 4.0)}
    draws = bootstrap(layers, target, n=400)
    tests = layer_differences(draws)
    assert list(zip(tests["first"].values, tests["second"].values, strict=True)) == [
        ("noise 0.5", "noise 0.6"), ("noise 0.5", "noise 4.0"), ("noise 0.6", "noise 4.0"),
    ]  # fmt: skip
    d = draws.sel(layer="noise 0.5").values[0] - draws.sel(layer="noise 4.0").values[0]
    row = tests.isel(pair=1, target=0)
    assert float(row["difference"]) == pytest.approx(d.mean())
    assert float(row["p"]) == pytest.approx(2 * (min((d <= 0).sum(), (d >= 0).sum()) + 1) / 401)
    assert float(row["p_adjusted"]) < 0.05
    np.testing.assert_allclose(tests["p_adjusted"][:, 0], stats.false_discovery_control(tests["p"].values[:, 0]))
    with pytest.raises(RSAError, match="at least 2 layers"):
        layer_differences(draws.isel(layer=[0]))


def test_methods_without_a_permutation_form_are_named() -> None:
    with pytest.raises(RSAError, match="not 'tau-a'"):
        permutation_test(*independent(10, 0), method="tau-a")
