"""Weighted models: against scipy, closed forms, rsatoolbox on the same halves, and numeric derivatives."""

from importlib import import_module

import numpy as np
import pytest
import scipy.optimize
from scipy.stats import pearsonr
from tgsage.rsa import RDM, RSAError, compute_rdm
from tgsage.rsa.comparer import Comparer
from tgsage.rsa.comparison import ModelComparison, Targets
from tgsage.rsa.inference.bootstrap import Resampling
from tgsage.rsa.inference.models import Plan
from tgsage.rsa.inference.subjects import two_factor_error
from tgsage.rsa.inference.weighted import Weighted, weighted_sample
from tgsage.rsa.inference.weighting import Weighting

NAMES = [f"im{i:02d}" for i in range(24)]


def world(subjects: int = 2, layers: int = 4, seed: int = 0) -> tuple[dict[str, RDM], dict[str, RDM]]:
    """Layers that see parts of what subjects see."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(24, 2 * layers))
    people = {f"s{i}": compute_rdm(x + rng.normal(size=x.shape), labels=NAMES) for i in range(subjects)}
    parts = {
        f"l{k}": compute_rdm(
            x[:, 2 * k : 2 * k + 2] + 0.3 * rng.normal(size=(24, 2)), metric="sqeuclidean", labels=NAMES
        )
        for k in range(layers)
    }
    return parts, people


def compared(weighted: str, beyond: tuple[str, ...] = (), method: str = "pearson", **how: object) -> ModelComparison:
    layers, people = world()
    comparer = Comparer(Targets("t", {"IT": people}, method=method), beyond=beyond, draws=60, splits=5, **how)  # type: ignore[arg-type]
    comparer.add("pixels", {"l0": layers["l0"]})
    comparer.add("choosing", layers)
    comparer.add("weighted", layers, weighted)
    return comparer.finished(["pixels", "choosing", "weighted"])


def test_non_negative_least_squares_are_those_of_scipy_and_ridge_has_a_closed_form() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(50, 40, 7)), rng.normal(size=(50, 40))
    x[7, :, 3] = x[7, :, 2]  # layers that are the same
    between, to = np.einsum("bnk,bnl->bkl", x, x), np.einsum("bnk,bn->bk", x, y)
    found = Weighting("nnls").fit(between, to)
    for b in range(50):
        expected, error = scipy.optimize.nnls(x[b], y[b])
        assert np.linalg.norm(x[b] @ found[b] - y[b]) == pytest.approx(error, abs=1e-7)
        if b != 7:
            np.testing.assert_allclose(found[b], expected, atol=1e-6)
    assert (found >= 0).all()
    ridge = Weighting.named("ridge:0.5").fit(between, to)
    scale = np.linalg.norm(x[0], axis=0)
    unit = x[0] / scale
    np.testing.assert_allclose(ridge[0] * scale, np.linalg.solve(unit.T @ unit + 0.5 * np.eye(7), unit.T @ y[0]))


def test_the_similarity_is_rsatoolbox_s_crossvalidation_over_the_same_halves() -> None:
    inference, model, rdm = (import_module(f"rsatoolbox.{part}") for part in ("inference", "model", "rdm"))
    layers, people = world()
    plan = Plan(people["s0"], {"IT": [0, 1]}, Resampling(5), splits=4)
    values = [*layers.values()], [*people.values()]
    sample, *_ = weighted_sample(plan, list(layers), *values, Weighting("nnls"))
    data = rdm.RDMs(np.stack([one.values for one in values[1]]).astype(float))
    parts = [np.flatnonzero(half) for half in plan.halves]
    sets = [(data.subset_pattern("index", part), part) for part in parts]
    found = inference.crossval(
        model.ModelWeighted("m", rdm.RDMs(np.stack([one.values for one in values[0]]).astype(float))),
        data,
        sets,
        [*sets[4:], *sets[:4]],
        method="corr",
        fitter=model.fit_regress_nn,
        calc_noise_ceil=False,
    )
    assert sample.single.mean() == pytest.approx(float(np.mean(found.evaluations)), abs=1e-6)


@pytest.mark.parametrize("rule", ["nnls", "ridge:0.1"])
def test_over_both_by_a_plain_loop_weights_are_fitted_to_other_stimuli_and_subjects(rule: str) -> None:
    layers, people = world()
    weighting = Weighting.named(rule)
    plan = Plan(people["s0"], {"IT": [0, 1]}, Resampling(5), over="both", splits=3)
    sample, *_ = weighted_sample(plan, list(layers), [*layers.values()], [*people.values()], weighting)
    expected = np.zeros(2)
    for s in range(3):  # of two subjects, each is tested with weights fitted to the other
        for train, test in ((s, s + 3), (s + 3, s)):
            here, there = ([NAMES[i] for i in np.flatnonzero(plan.halves[h])] for h in (train, test))
            for tested, fitted in ((0, 1), (1, 0)):
                x = np.stack([one.subset(here).values for one in layers.values()])
                y = people[f"s{fitted}"].subset(here).values
                x, y = x - x.mean(axis=1, keepdims=True), y - y.mean()
                weights = weighting.fit(x @ x.T, x @ y)
                if rule == "nnls":
                    np.testing.assert_allclose(weights, scipy.optimize.nnls(x.T, y)[0], atol=1e-7)
                total = weights @ np.stack([one.subset(there).values for one in layers.values()])
                expected[tested] += pearsonr(total, people[f"s{tested}"].subset(there).values).statistic / 6
    np.testing.assert_allclose(sample.single, expected, atol=1e-8)


@pytest.mark.parametrize("method", ["pearson", "cosine-whitened"])
def test_derivatives_by_the_weights_of_stimuli(method: str) -> None:
    layers, people = world(1)
    plan = Plan(people["s0"], {"IT": [0]}, Resampling(5), splits=1)
    model = Weighted(plan, [*layers.values()], [*people.values()], Weighting("nnls"), method)
    value, slopes = model._halves(np.random.default_rng(0))

    def evaluated(counts: np.ndarray) -> float:
        found = [model.sides.inner_products(model._pairs, (counts * half)[None]) for half in plan.halves]
        parts = [model._arranged([one[pair] for pair in model._pairs]) for one in found]
        total, everyone = 0.0, np.ones(1, np.bool_)
        for train, test in ((0, 1), (1, 0)):
            weights = model.weighting.fit(parts[train].between, parts[train].pooled(everyone, len(layers)))
            total += float(parts[test].scores(weights)[0, 0]) / 2
        return total

    more = np.eye(24) * 1e-3
    ones = np.ones(24)
    assert evaluated(ones) == pytest.approx(value[0], abs=1e-9)
    numeric = [(evaluated(ones + step) - evaluated(ones - step)) / 2e-3 for step in more]
    np.testing.assert_allclose(slopes[0], numeric, atol=2e-5)


def test_the_variance_of_halvings_is_taken_out_by_rsatoolbox_s_formula() -> None:
    """(n_cv variance of means - variance of single halvings) / (n_cv - 1) with two halvings (Schutt et al. 2023)."""
    rng = np.random.default_rng(0)
    shared = rng.normal(size=4000)
    halvings = shared + 2 * rng.normal(size=(2, 4000))
    mean, apart = halvings.mean(axis=0), (halvings[0] - halvings[1]) / 2
    expected = (2 * mean.var() - halvings.var(axis=1).mean()) / (2 - 1)
    zero = np.zeros_like(shared)
    error = two_factor_error([zero, mean, mean], 10**6, 10**6, [zero, apart, apart])
    assert error**2 == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("over", ["stimuli", "subjects", "both"])
def test_weighted_models_are_compared_as_others_are(over: str) -> None:
    found = compared("nnls", ("pixels",), over=over)
    rows = {row["model"]: row for row in found.rows}
    assert rows["weighted"]["weighted"] == "nnls"
    assert rows["choosing"]["weighted"] == ""
    assert rows["weighted"]["similarity"] > rows["choosing"]["similarity"] + 0.03
    assert rows["weighted"]["low"] < rows["weighted"]["similarity"] < rows["weighted"]["high"]
    assert 0.25 <= rows["weighted"]["share"] < 0.7
    beyond = {row["model"]: row for row in found.beyond}
    assert beyond["weighted"]["similarity"] > beyond["choosing"]["similarity"]
    assert "weights of layers are fitted" in " ".join(found.words())


def test_partial_similarity_of_a_weighted_model_against_regression() -> None:
    layers, people = world(1)
    plan = Plan(people["s0"], {"IT": [0]}, Resampling(5), splits=1)
    control = compute_rdm(np.random.default_rng(1).normal(size=(24, 5)), labels=NAMES)
    model = Weighted(plan, [*layers.values()], [*people.values()], Weighting("nnls"), controls=[control])
    value = model.sample(list(layers)).single[0]
    parts = [[NAMES[i] for i in np.flatnonzero(half)] for half in plan.halves]
    expected = 0.0
    for train, test in (parts, parts[::-1]):
        x = np.stack([one.subset(train).values for one in layers.values()])
        y = people["s0"].subset(train).values
        weights = scipy.optimize.nnls((x - x.mean(axis=1, keepdims=True)).T, y - y.mean())[0]
        total = weights @ np.stack([one.subset(test).values for one in layers.values()])
        given = np.column_stack([np.ones(len(total)), control.subset(test).values])
        rest = [v - given @ np.linalg.lstsq(given, v, rcond=None)[0] for v in (total, people["s0"].subset(test).values)]
        expected += np.corrcoef(*rest)[0, 1] / 2
    assert value == pytest.approx(expected, abs=1e-7)


def test_a_penalty_is_chosen_in_resamples_of_few_different_stimuli() -> None:
    """Where a quarter of a resample has one pair of stimuli, the penalty is that of all stimuli; nothing warns."""
    layers, people = ({name: one.subset(NAMES[:13]) for name, one in part.items()} for part in world())
    comparer = Comparer(Targets("t", {"IT": people}), draws=200, splits=3)
    comparer.add("m", layers, "ridge")
    (row,) = comparer.finished(["m"]).rows
    assert row["low"] < row["similarity"] < row["high"]


def test_what_cannot_be_weighted_is_said_in_one_line() -> None:
    with pytest.raises(
        RSAError, match="weighted is nnls, ridge or ridge:PENALTY, or one of these after features-, not 'lasso'"
    ):
        Weighting.named("lasso")
    with pytest.raises(RSAError, match="penalty of ridge is a number above 0, not '-1'"):
        Weighting.named("ridge:-1")
    few = {name: one.subset(NAMES[:11]) for name, one in world()[1].items()}
    comparer = Comparer(Targets("t", {"IT": few}), draws=10, splits=2)
    with pytest.raises(RSAError, match="a quarter of the stimuli is too few to choose a penalty on; give one"):
        comparer.add("m", few, "ridge")
    with pytest.raises(RSAError, match="weights are fitted for pearson, cosine and their whitened forms, not 'tau-a'"):
        compared("nnls", method="tau-a")
    layers, people = world(1)
    opposite = {name: one.replace(values=-one.values) for name, one in layers.items()}
    comparer = Comparer(Targets("t", {"IT": people}), draws=10, splits=2)
    with pytest.raises(RSAError, match="no layer has a positive weight"):
        comparer.add("m", opposite, "nnls")
