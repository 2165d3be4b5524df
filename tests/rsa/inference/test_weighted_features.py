"""Weighted features: against plain loops, scipy and scikit-learn, numeric derivatives, and a simulation."""

from pathlib import Path

import numpy as np
import pytest
import scipy.optimize
from scipy.stats import pearsonr
from tgsage.neural_data import compare_models
from tgsage.rsa import RDM, Features, RSAError, Teacher, compute_rdm
from tgsage.rsa.comparer import Comparer
from tgsage.rsa.comparison import ModelComparison, Targets
from tgsage.rsa.inference.bootstrap import Resampling
from tgsage.rsa.inference.models import Plan
from tgsage.rsa.inference.weighted_features import COMPONENTS, Parts, WeightedFeatures
from tgsage.rsa.inference.weighting import PENALTIES, Weighting

N = 20
NAMES = [f"im{i:02d}" for i in range(N)]


def world(features: int = 6, subjects: int = 1, seed: int = 0) -> tuple[np.ndarray, list[RDM]]:
    """Subjects see the first half of the features, the first of them most."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(N, features))
    seen = x * np.where(np.arange(features) < features // 2, 1.5, 0.0)
    people = [compute_rdm(seen + 0.3 * rng.normal(size=x.shape), labels=NAMES) for _ in range(subjects)]
    return x, people


def model(
    metric: str, rule: str, subjects: int = 1, over: str = "stimuli", controls: tuple[RDM, ...] = ()
) -> WeightedFeatures:
    x, people = world(subjects=subjects)
    plan = Plan(people[0], {"IT": range(subjects)}, Resampling(6), over=over, splits=3)
    plain = [compute_rdm(x, metric=metric, labels=NAMES)]
    return WeightedFeatures(plan, Parts([x], metric), plain, people, Weighting.named(rule), controls=controls)


def of_features(parts: Parts, at: np.ndarray) -> np.ndarray:
    """(features, pairs) RDMs of single features over pairs of different stimuli, by a plain loop."""
    squared = len(parts.terms) > 1
    pairs = [(i, j) for a, i in enumerate(at) for j in at[a + 1 :]]
    x = parts.values
    return np.array([(x[i] - x[j]) ** 2 if squared else -x[i] * x[j] for i, j in pairs]).T


@pytest.mark.parametrize("metric", ["correlation", "cosine", "sqeuclidean"])
def test_the_sum_over_features_is_the_rdm_and_so_is_that_over_all_components(metric: str) -> None:
    rng = np.random.default_rng(0)
    few, many = rng.normal(size=(N, 9)), rng.normal(size=(N, 400))
    for x in (few, many):
        parts = Parts([x], metric)
        expected = compute_rdm(x, metric=metric).values
        assert parts.values.shape[1] <= COMPONENTS
        assert pearsonr(parts.rdm(np.ones(parts.values.shape[1])), expected).statistic == pytest.approx(1, abs=1e-10)
    joined = Parts([few, many], metric)
    np.testing.assert_allclose(joined.share.sum(axis=0), 1)


@pytest.mark.parametrize(("metric", "rule"), [("correlation", "features-nnls"), ("sqeuclidean", "features-ridge:0.3")])
def test_the_similarity_by_a_plain_loop_over_other_stimuli(metric: str, rule: str) -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    found = model(metric, rule)
    value = found.sample(["a"]).single[0]
    expected, target = 0.0, found.subjects[0]
    for s in range(3):
        for train, test in ((s, s + 3), (s + 3, s)):
            here, there = (np.flatnonzero(found.plan.halves[h]) for h in (train, test))
            x, y = of_features(found.parts, here), target.subset([NAMES[i] for i in here]).values
            x, y = x - x.mean(axis=1, keepdims=True), y - y.mean()
            if "nnls" in rule:
                weights = scipy.optimize.nnls(x.T, y)[0]
            else:
                penalty = 0.3 * float((x**2).sum(axis=1).mean())
                weights = linear.Ridge(alpha=penalty, fit_intercept=False).fit(x.T, y).coef_
            total = weights @ of_features(found.parts, there)
            expected += pearsonr(total, target.subset([NAMES[i] for i in there]).values).statistic / 6
    assert value == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("over", "metric"), [("stimuli", "correlation"), ("both", "sqeuclidean")])
def test_the_penalty_is_chosen_within_the_training_stimuli_by_a_plain_loop(over: str, metric: str) -> None:
    """Of each training half, weights fitted to one part are tried on the other, for all penalties, and both ways."""
    linear = pytest.importorskip("sklearn.linear_model")
    people = range(2) if over == "both" else range(1)
    found, quarters = model(metric, "features-ridge", len(people), over), list[np.ndarray]()
    products = found._of_draws
    found._of_draws = lambda counts: quarters.append(counts) or products(counts)  # type: ignore[method-assign,func-returns-value]
    value = found._halves(np.random.default_rng(0))[0]
    halves = found.plan.halves
    np.testing.assert_array_equal(sum(quarters), halves)  # so that no stimulus that is tested has a say
    assert min(part.sum(axis=1).min() for part in quarters) == 5
    features = [of_features(found.parts, np.flatnonzero(half)) for half in (*halves, *quarters[0], *quarters[1])]

    def fitted(x: np.ndarray, target: np.ndarray, penalty: float) -> np.ndarray:
        x, y = x - x.mean(axis=1, keepdims=True), target - target.mean()
        alpha = penalty * float((x**2).sum(axis=1).mean())
        return np.asarray(linear.Ridge(alpha=alpha, fit_intercept=False).fit(x.T, y).coef_)

    def seen(part: np.ndarray, subject: int) -> np.ndarray:
        return found.subjects[subject].subset([NAMES[i] for i in np.flatnonzero(part)]).values

    expected, chosen = np.zeros(len(people)), set[float]()
    for s in range(3):
        for train, test in ((s, s + 3), (s + 3, s)):
            for fit_to, tested in ((0, 1), (1, 0)) if over == "both" else ((0, 0),):
                tried = []
                for penalty in PENALTIES:
                    scores = []
                    for a, b in ((0, 1), (1, 0)):
                        x, y = features[6 + 6 * a + train], seen(quarters[a][train], fit_to)
                        total = fitted(x, y, penalty) @ features[6 + 6 * b + train]
                        scores.append(pearsonr(total, seen(quarters[b][train], fit_to)).statistic)
                    tried.append(np.mean(scores))
                best = PENALTIES[int(np.argmax(tried))]
                chosen.add(best)
                total = fitted(features[train], seen(halves[train], fit_to), best) @ features[test]
                expected[tested] += pearsonr(total, seen(halves[test], tested)).statistic / 6
    np.testing.assert_allclose(value, expected, atol=1e-6)
    assert len(chosen) > 1


def test_a_chosen_penalty_is_nearly_as_good_as_the_best_and_larger_where_there_is_noise() -> None:
    rules = ("features-ridge:0.01", "features-ridge:1", "features-ridge:100", "features-ridge")
    values, chosen = dict[str, list[float]]({rule: [] for rule in rules}), list[str]()
    for seed in range(6):
        rng = np.random.default_rng(seed)
        x, names = rng.normal(size=(40, 30)), [str(i) for i in range(40)]
        for noise in (0.2, 2.5):
            seen = x[:, :5] + noise * rng.normal(size=(40, 5))
            target = compute_rdm(seen, metric="sqeuclidean", labels=names)
            comparer = Comparer(Targets("t", {"IT": {"": target}}), draws=2, splits=10)
            for rule in rules:
                comparer.add(rule, {"a": Features(x, names)}, rule, metric="sqeuclidean")
            for row in comparer.finished(rules).rows:
                values[row["model"]].append(row["similarity"])
            chosen.append(str(row["weighted"]))
    means = {rule: np.mean(found) for rule, found in values.items()}
    best, worst = (end(mean for rule, mean in means.items() if ":" in rule) for end in (max, min))
    assert means["features-ridge"] > best - 0.03 > worst + 0.05, means
    low, high = np.array([float(one.partition(":")[2]) for one in chosen]).reshape(6, 2).T
    assert np.log(high).mean() > np.log(low).mean() + 1, (low, high)


@pytest.mark.parametrize("metric", ["correlation", "sqeuclidean"])
def test_inner_products_under_weights_are_those_of_copied_stimuli(metric: str) -> None:
    found = model(metric, "features-nnls", subjects=2, controls=(compute_rdm(world(seed=3)[0], labels=NAMES),))
    counts = np.random.default_rng(0).multinomial(N, np.ones(N) / N)
    copied = np.repeat(np.arange(N), counts)
    first, second = np.triu_indices(N, 1)
    squares = np.zeros((found.size + 3, N, N))
    own = of_features(found.parts, np.arange(N))
    squares[:, first, second] = [*own, *(rdm.values for rdm in (*found.controls, *found.subjects))]
    squares += squares.transpose(0, 2, 1)
    a, b = np.triu_indices(N, 1)
    different = copied[a] != copied[b]
    values = squares[:, copied[a[different]], copied[b[different]]]
    values = values - values.mean(axis=1, keepdims=True)
    expected = values @ values.T
    np.testing.assert_allclose(
        found._inner(np.flatnonzero(counts), counts[counts > 0].astype(float)), expected, atol=1e-8
    )
    rows = found._rows_of(np.arange(N)).sum(axis=0)
    np.testing.assert_allclose(rows, found._inner(np.arange(N), np.ones(N)), atol=1e-8)


@pytest.mark.parametrize("rule", ["features-nnls", "features-ridge:0.5"])
def test_derivatives_by_the_weights_of_stimuli(rule: str) -> None:
    found = model("correlation", rule)
    value, slopes = found._halves(np.random.default_rng(0))
    everyone = np.ones(1, np.bool_)

    def evaluated(counts: np.ndarray) -> float:
        total = 0.0
        for s in range(3):
            parts = []
            for half in (found.plan.halves[s], found.plan.halves[s + 3]):
                at = np.flatnonzero(half)
                parts.append(found._split(found._inner(at, counts[at])))
            for train, test in (parts, parts[::-1]):
                weights = found.weighting.fit(train.between, train.pooled(everyone, found.size))
                total += float(test.scores(weights)[0]) / 6
        return total

    ones = np.ones(N)
    assert evaluated(ones) == pytest.approx(value[0], abs=1e-9)
    numeric = [(evaluated(ones + step) - evaluated(ones - step)) / 2e-3 for step in np.eye(N) * 1e-3]
    np.testing.assert_allclose(slopes[0], numeric, atol=5e-5)


def compared(seed: int, *, noise: bool = False, **how: object) -> ModelComparison:
    """A target that sees 3 of 12 features, or (noise) none of them, and models of all 12, weighted or not."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(40, 12))
    names = [str(i) for i in range(40)]
    seen = rng.normal(size=(40, 3)) if noise else x[:, :3]
    people = {
        str(s): compute_rdm(seen + 0.5 * rng.normal(size=seen.shape), metric="sqeuclidean", labels=names)
        for s in range(3)
    }
    comparer = Comparer(Targets("t", {"IT": people}), draws=60, splits=5, **how)  # type: ignore[arg-type]
    features = Features(x, names)
    comparer.add("plain", {"a": features.rdm(metric="sqeuclidean")})
    for rule in ("features-nnls", "features-ridge"):
        comparer.add(rule, {"a": features}, rule, metric="sqeuclidean")
    return comparer.finished(["plain", "features-nnls", "features-ridge"])


@pytest.mark.parametrize("over", ["stimuli", "subjects", "both"])
def test_features_that_drive_the_target_win_over_unweighted_ones(over: str) -> None:
    found = compared(0, over=over)
    plain, *weighted = found.rows
    for row in weighted:
        assert row["similarity"] > plain["similarity"] + 0.15
        assert row["low"] < row["similarity"] < row["high"]
        assert row["layer"] == "a"
    assert all(pair["p_adjusted"] < 0.05 for pair in found.pairs if pair["first"] == "plain")
    assert "weights of features are fitted" in " ".join(found.words())


def test_features_that_are_noise_win_nothing() -> None:
    wins, values = 0, []
    for seed in range(12):
        found = compared(seed, noise=True)
        wins += sum(row["p_zero"] < 0.05 for row in found.rows[1:])
        wins += sum(pair["p"] < 0.05 and pair["difference"] < 0 for pair in found.pairs if pair["first"] == "plain")
        values += [row["similarity"] for row in found.rows[1:]]
    assert wins <= 4  # of 48
    assert abs(np.mean(values)) < 0.08  # three standard errors


def test_thousands_of_features_of_several_layers_on_the_command_s_way(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(30, 3000))
    names = [str(i) for i in range(30)]
    teacher = Teacher.from_rdms("monkey", {"IT": compute_rdm(x[:, :20] + rng.normal(size=(30, 20)), labels=names)})
    layers = {"first": Features(x[:, :1500], names), "second": Features(rng.normal(size=(30, 40)), names)}
    how = {"bootstrap": 20, "halvings": 3, "weighted": "features-ridge"}
    found = compare_models({"m": layers}, teacher, **how)  # type: ignore[arg-type]
    row = found.rows[0]
    assert row["layers"] == 2
    assert float(row["weighted"].removeprefix("features-ridge:")) in PENALTIES
    assert found.rdms["m", "IT"].labels == tuple(names)
    again = compare_models({"m": layers}, teacher, **how)  # type: ignore[arg-type]
    assert again.rows[0]["similarity"] == row["similarity"]
    fixed = {"a": compute_rdm(x, labels=names), "b": compute_rdm(x[:, :9], labels=names)}
    with pytest.raises(RSAError, match="compares features, and a is an RDM already"):
        compare_models({"m": fixed}, teacher, **how)  # type: ignore[arg-type]
    with pytest.raises(RSAError, match="weights of features are fitted for pearson, not 'cosine'"):
        compare_models({"m": layers}, teacher, method="cosine", **how)  # type: ignore[arg-type]
    with pytest.raises(RSAError, match="features are weighted for the metrics correlation, cosine, sqeuclidean"):
        compare_models({"m": layers}, teacher, metric="euclidean", **how)  # type: ignore[arg-type]
    with pytest.raises(RSAError, match="after features-, not 'features-lasso'"):
        compare_models({"m": layers}, teacher, weighted="features-lasso")
