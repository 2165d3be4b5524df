"""Intervals and tests against scipy and under the null."""

import importlib
import warnings

import numba
import numpy as np
import pytest
from scipy import stats
from tgsage.rsa import (
    METHODS,
    RDM,
    RSAError,
    Teacher,
    best_layer_interval,
    bootstrap,
    compare,
    compute_rdm,
    crossvalidated_choice,
    interval,
    layer_differences,
    permutation_test,
    standard_error,
)
from tgsage.rsa.inference.intervals import false_discovery
from tgsage.rsa.rdm.comparison import method_named
from tgsage.rsa.report.comparisons import PairTests, above_zero

from ..peers import NAMES


def independent(n: int, seed: int) -> tuple[RDM, RDM]:
    rng = np.random.default_rng(seed)
    return compute_rdm(rng.normal(size=(n, 6))), compute_rdm(rng.normal(size=(n, 6)))


def test_false_discovery_is_scipys_and_knows_nan() -> None:
    p = np.random.default_rng(0).random(40) ** 2
    np.testing.assert_allclose(false_discovery(p), stats.false_discovery_control(p), atol=1e-15)
    p[[3, 39]] = np.nan
    defined = np.isfinite(p)
    np.testing.assert_allclose(false_discovery(p)[defined], stats.false_discovery_control(p[defined]), atol=1e-15)
    assert np.isnan(false_discovery(p)[~defined]).all()
    assert np.isnan(false_discovery([np.nan])).all()


def related(n: int, seed: int, noises: tuple[float, ...] = (1.0,), target: float = 0.7) -> tuple[dict[str, RDM], RDM]:
    """Layers and a target of one population, each with noise of its own."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 12))
    layers = {f"layer {i}": compute_rdm(x + noise * rng.normal(size=x.shape)) for i, noise in enumerate(noises)}
    return layers, compute_rdm(x + target * rng.normal(size=x.shape))


def test_standard_errors_are_those_of_the_u_statistic() -> None:
    """Against the unbiased variance of a mean over pairs (Hoeffding) of Pearson's influence, within 5%: 5000 draws."""
    layers, target = related(40, 0)
    a, b = layers["layer 0"], target
    x, y = ((rdm.values - rdm.values.mean()) / rdm.values.std() for rdm in (a, b))
    r = float((x * y).mean())
    influence = RDM(x * y - r / 2 * (x * x + y * y), a.labels).square()
    n = 40
    rows = influence.sum(axis=1)
    pairs = (influence**2).sum() / 2 - (rows**2).sum() / (n - 2)  # the part that is of pairs alone
    delta = pairs / (n * (n - 3) / 2)
    variance = 4 * (rows**2).sum() / (n * (n - 1) * (n - 2) ** 2) - 2 * delta / ((n - 1) * (n - 2))
    found = standard_error(bootstrap(a, b, n=5000))
    assert found.dims == ("layer", "target")
    assert found.item() == pytest.approx(np.sqrt(variance), rel=0.05)


def test_standard_errors_are_the_spread_of_fresh_samples_where_draws_are_too_wide() -> None:
    """Within 25%, being at least what pairs of stimuli do; the draws' own spread is over 40% off."""
    fresh = [compare(*independent(30, seed)) for seed in range(300)]
    draws = [bootstrap(*independent(30, seed), n=200) for seed in range(60)]
    errors = [standard_error(one).item() for one in draws]
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(np.std(fresh), rel=0.25)
    assert np.mean([float(one.std()) for one in draws]) > 1.4 * np.std(fresh)


def test_intervals_are_longer_to_one_side_by_the_third_moment_of_the_u_statistic() -> None:
    """Against the moments of Pearson's influence of stimuli and of pairs; 20,000 draws."""
    layers, target = related(40, 4, (2.0,))
    a, b = layers["layer 0"], target
    draws = bootstrap(a, b, n=20_000)
    low, high = (end.item() for end in interval(draws, 0.9))
    r, error, t = draws["estimate"].item(), standard_error(draws).item(), stats.t.ppf(0.95, draws["dof"].item())
    x, y = ((rdm.values - rdm.values.mean()) / rdm.values.std() for rdm in (a, b))
    pair = RDM(x * y - r / 2 * (x * x + y * y), a.labels).square() / (40 * 39 / 2)
    alone = pair.sum(axis=1)
    third = (alone**3).sum() + 3 * (alone @ pair @ alone)
    lean = t * third / (6 * error**3)
    assert lean > 0.1
    below, above = np.arctanh(r) - np.arctanh(low), np.arctanh(high) - np.arctanh(r)
    half = t * error / (1 - r**2)
    np.testing.assert_allclose([half / below, half / above], [1, 1 - lean], atol=0.05)


def test_intervals_stay_between_minus_1_and_1_and_have_few_degrees_of_freedom() -> None:
    layers, target = related(30, 1, (0.05, 2.0))
    draws = bootstrap(layers, {"t": target}, n=300)
    low, high = interval(draws, 0.999)
    assert (low > -1).all()
    assert (high < 1).all()
    assert (low < draws["estimate"]).all()
    assert (high > draws["estimate"]).all()
    assert (draws["dof"] <= 29).all()
    same = bootstrap(target, target.replace(name="b"), n=50)
    np.testing.assert_allclose([end.item() for end in interval(same)], 1.0)


@pytest.mark.parametrize("n", [5, 30])
@pytest.mark.parametrize("method", METHODS)
def test_intervals_of_the_same_and_of_nearly_the_same_rdm_enclose_the_similarity(method: str, n: int) -> None:
    rng = np.random.default_rng(0)
    a = RDM(rng.random(n * (n - 1) // 2), range(n))
    near = a.replace(values=a.values + 1e-4 * rng.normal(size=a.values.size))
    for other in (a, near):
        draws = bootstrap(a, {"t": other, "u": other}, method=method, n=100)
        ends = [(low.item(), high.item()) for low, high in zip(*(end[0] for end in interval(draws)), strict=True)]
        for low, high in (*ends, best_layer_interval(draws)):
            assert -1 <= low <= compare(a, other, method=method) <= high <= 1
            assert n == 5 or low > 0.99
    score = Teacher.from_rdms("t", {"t": a}).score({"a": near, "b": a}, method=method, bootstrap=100)
    assert above_zero(score.draws, 0, method) == ([0, 1] if method_named(method).centred else [])
    assert score.tg_low is not None
    assert score.tg_high is not None
    assert -1 <= score.tg_low <= score.tg <= score.tg_high <= 1


@pytest.mark.parametrize("n", [5, 8])
@pytest.mark.parametrize("method", ["pearson", "rho-a"])
def test_few_stimuli_leave_intervals_in_the_range_of_a_similarity_and_of_a_difference(method: str, n: int) -> None:
    rng = np.random.default_rng(n)
    layers = {f"l{i}": RDM(rng.random(n * (n - 1) // 2), range(n)) for i in range(4)}
    targets = {"t": layers["l0"].replace(values=layers["l0"].values ** 2 + 0.05 * rng.random(n * (n - 1) // 2))}
    targets["u"] = layers["l1"].replace(values=1 - layers["l1"].values)
    draws = bootstrap(layers, targets, method=method, n=200)
    value = draws["estimate"].max("layer").mean().item()
    low, high = best_layer_interval(draws)
    assert -1 <= low <= value <= high <= 1
    tests = layer_differences(draws)
    assert ((tests["low"] >= -2) & (tests["low"] <= tests["difference"])).all()
    assert ((tests["difference"] <= tests["high"]) & (tests["high"] <= 2)).all()


def test_the_interval_of_a_chosen_layer_holds_its_similarity_more_often_than_that_of_a_named_one() -> None:
    """Of 16 equally good layers, 60 samples of 24 stimuli; their common truth is the mean over samples."""
    ordinary, chosen, truth = [], [], []
    for seed in range(60):
        layers, target = related(24, seed, (1.0,) * 16)
        draws = bootstrap(layers, {"t": target}, n=100, seed=seed)
        best = int(draws["estimate"].to_numpy().argmax())
        ordinary.append([end[best, 0].item() for end in interval(draws)])
        chosen.append(best_layer_interval(draws))
        truth.append(draws["estimate"].mean().item())
    held = [np.mean([low <= np.mean(truth) <= high for low, high in ends]) for ends in (ordinary, chosen)]
    assert held[0] < 0.88
    assert held[1] > 0.91


def test_a_layer_without_defined_draws_has_no_p_value_and_others_have_theirs() -> None:
    layers, target = related(30, 0, (0.3, 1.0, 3.0, 3.0))
    draws = bootstrap(layers, {"t": target, "u": related(30, 1)[1]}, n=200)
    broken = draws.copy()
    broken[3] = np.nan
    known = layer_differences(draws.isel(layer=[0, 1, 2]))
    found = layer_differences(broken)
    with_it = (found["second"] == "layer 3").to_numpy()
    assert np.isnan(found["p_adjusted"][with_it]).all()
    np.testing.assert_allclose(found["p_adjusted"][~with_it], known["p_adjusted"])
    assert above_zero(broken, 0, "pearson") == above_zero(draws.isel(layer=[0, 1, 2]), 0, "pearson")
    assert np.isfinite(best_layer_interval(broken)).all()
    tests = PairTests(broken)
    assert 3 in tests.equal(0, 0)  # nothing tells it from the best
    assert tests.sign(0, 0, 3) == 0


def test_draws_that_failed_are_left_out() -> None:
    labels = range(6)
    categories = RDM.from_square(1.0 - np.equal.outer([0] * 5 + [1], [0] * 5 + [1]), labels)
    draws = bootstrap(categories, compute_rdm(np.random.default_rng(0).normal(size=(6, 5)), labels=labels), n=200)
    assert np.isnan(draws).any()
    low, high = interval(draws)
    assert -1 < low.item() < draws["estimate"].item() < high.item() < 1


def test_draws_without_their_coordinates_are_refused() -> None:
    layers, target = related(20, 0, (1.0, 1.0))
    draws = bootstrap(layers, {"t": target}, n=20)
    for function in (interval, layer_differences, best_layer_interval):
        with pytest.raises(RSAError, match="not draws of bootstrap"):
            function(draws.drop_vars("linear"))
    for function in (interval, best_layer_interval):
        with pytest.raises(RSAError, match="between 0 and 1"):
            function(draws, 95)


@pytest.mark.parametrize("method", ["pearson", "spearman", "cosine"])
def test_draws_agree_with_rsatoolbox(method: str) -> None:
    """Mean and standard deviation within four Monte-Carlo errors, 400 draws of theirs and 4000 of ours."""
    layers, target = related(25, 2, (1.0,))
    check_draws(layers["layer 0"], target, method, 400)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["pearson", "spearman", "cosine"])
def test_draws_of_92_images_agree_with_rsatoolbox(rdms92: dict[str, np.ndarray], method: str) -> None:
    a, b = (RDM(rdms92[name], range(92)) for name in ("mIT", "hIT"))
    check_draws(a, b, method, 1000)


def check_draws(a: RDM, b: RDM, method: str, n: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        inference, model, rdm = (
            importlib.import_module(f"rsatoolbox.{part}") for part in ("inference", "model", "rdm")
        )
        one, other = model.ModelFixed("a", a.values.astype(float)), rdm.RDMs(b.values.astype(float)[None])
        np.random.seed(0)  # noqa: NPY002 - rsatoolbox draws from the global generator
        found = inference.eval_bootstrap_pattern(one, other, method=NAMES[method], N=n, boot_noise_ceil=False)
    theirs = found.evaluations[:, 0].ravel()
    ours = bootstrap(a, b, method=method, n=10 * n).to_numpy().ravel()
    error = theirs.std() * np.sqrt(1.1 / n)
    assert abs(theirs.mean() - ours.mean()) < 4 * error
    assert abs(np.log(theirs.std() / ours.std())) < 4 * np.sqrt(1.1 / (2 * n))


@pytest.mark.parametrize("method", METHODS)
def test_results_do_not_depend_on_the_number_of_threads(method: str) -> None:
    layers, target = related(30, 3, (0.5, 1.0))
    most = numba.get_num_threads()
    found = []
    for threads in (1, most):
        numba.set_num_threads(threads)
        with importlib.import_module("threadpoolctl").threadpool_limits(threads):
            draws = bootstrap(layers, {"t": target}, method=method, n=50)
            ends = [*interval(draws), layer_differences(draws)["p"], standard_error(draws)]
            choice = crossvalidated_choice(layers, {"t": target}, method=method, n=3)
            found.append([draws, draws["linear"], draws["dof"], *ends, choice])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-10)


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


@pytest.mark.slow
def test_permutation_finds_nothing_in_95_of_100_samples_of_independent_rdms() -> None:
    p = [permutation_test(*independent(20, seed), n=199, seed=seed)[1] for seed in range(3000)]
    assert 0.035 <= np.mean(np.array(p) <= 0.05) <= 0.065


def false_positives(repeats: int, method: str = "pearson") -> float:
    """Share of samples in which two equally good layers differ at 5%; 20 to 80 stimuli, little to much noise."""
    found = []
    for seed in range(repeats):
        noise = (0.5, 1.0, 2.0)[seed % 3]
        layers, target = related((20, 40, 80)[seed // 3 % 3], seed, (noise, noise))
        draws = bootstrap(layers, {"t": target}, method=method, n=200, seed=seed)
        found.append(layer_differences(draws)["p"].item() < 0.05)
    return float(np.mean(found))


def test_equally_good_layers_seldom_differ() -> None:
    assert 0.01 <= false_positives(270) <= 0.09  # three standard errors


@pytest.mark.slow
@pytest.mark.parametrize("method", ["pearson", "spearman"])
def test_equally_good_layers_differ_in_5_of_100_samples(method: str) -> None:
    assert 0.035 <= false_positives(1800, method) <= 0.065


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
    x_ = compute_rdm(x)
    target = {"t": x_}
    layers = {f"noise {k}": compute_rdm(x + k * rng.normal(size=x.shape)) for k in (0.5, 0.6, 4.0)}
    draws = bootstrap(layers, target, n=400)
    tests = layer_differences(draws)
    first, middle, last = "noise 0.5", "noise 0.6", "noise 4.0"
    assert tests["first"].values.tolist() == [first, first, middle]
    assert tests["second"].values.tolist() == [middle, last, last]
    row = tests.isel(pair=1, target=0)
    one, other = draws.sel(layer="noise 0.5"), draws.sel(layer="noise 4.0")
    assert float(row["difference"]) == pytest.approx(
        compare(layers["noise 0.5"], x_) - compare(layers["noise 4.0"], x_)
    )
    alone = (one["linear"] - other["linear"]).values[0]
    rest = (one.values - other.values)[0] - float(row["difference"]) - alone
    error = np.sqrt(alone.var() * 40 * 39 / 38**2 - rest.var())
    assert float(row["standard_error"]) == pytest.approx(error)
    dof = min(one["dof"].item(), other["dof"].item())
    assert float(row["p"]) == pytest.approx(2 * stats.t.sf(float(row["difference"]) / error, dof))
    assert float(row["high"] - row["low"]) == pytest.approx(2 * stats.t.ppf(0.975, dof) * error)
    assert float(row["p_adjusted"]) < 0.05
    np.testing.assert_allclose(tests["p_adjusted"][:, 0], stats.false_discovery_control(tests["p"].values[:, 0]))
    with pytest.raises(RSAError, match="at least 2 layers"):
        layer_differences(draws.isel(layer=[0]))
    twice = bootstrap({"a": x_, "b": x_}, {"t": layers["noise 4.0"]}, n=20)
    assert layer_differences(twice)["p"].item() == 1.0


def test_the_interval_of_tg_takes_off_what_the_luckiest_of_tied_layers_gains() -> None:
    layers, target = related(40, 4, (1.0,) * 6)
    draws = bootstrap(layers, {"t": target, "u": related(40, 5)[1]}, n=300)
    low, high = best_layer_interval(draws)
    tg = draws["estimate"].max("layer").mean("target").item()
    luck = standard_error(draws) / draws.std("draw") * (draws - draws.mean("draw"))
    differences = layer_differences(draws)
    gained = []
    for target_name in ("t", "u"):
        best = draws["estimate"].sel(target=target_name).idxmax("layer").item()
        one = differences.sel(target=target_name)
        one = one.isel(pair=(one["first"] == best) | (one["second"] == best))
        told = one.isel(pair=np.flatnonzero(one["p"] < 0.05))
        worse = {*told["first"].values, *told["second"].values} - {best}
        gained.append(luck.sel(target=target_name).drop_sel(layer=sorted(worse)).max("layer"))
    luckiest = (gained[0] + gained[1]) / 2
    assert low < tg - luckiest.mean().item() - luckiest.std().item()
    assert low > tg - luckiest.mean().item() - 4 * luckiest.std().item()
    assert tg - luckiest.mean().item() < high


def test_the_interval_of_tg_is_that_of_a_layer_that_is_clearly_best() -> None:
    layers, target = related(40, 4, (0.3, 3.0, 3.0))
    draws = bootstrap(layers, {"t": target}, n=300)
    alone = bootstrap({"layer 0": layers["layer 0"]}, {"t": target}, n=300)
    assert best_layer_interval(draws) == pytest.approx(best_layer_interval(alone), abs=1e-6)
    r, error = draws["estimate"][0, 0].item(), standard_error(draws)[0, 0].item()
    low, high = best_layer_interval(draws)
    assert r - 3 * error < low < r - 1.5 * error
    assert r + 1.5 * error < high < r + 3 * error


def test_methods_without_a_permutation_form_are_named() -> None:
    with pytest.raises(RSAError, match="not 'tau-a'"):
        permutation_test(*independent(10, 0), method="tau-a")
