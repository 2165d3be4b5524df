"""Several models against the same targets: against plain loops, rsatoolbox, and simulations with known truth."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from tgsage.neural_data import load_rdms
from tgsage.rsa import RDM, RSAError, bootstrap, compare, compute_rdm, interval, layer_differences, noise_ceiling
from tgsage.rsa.comparer import Comparer
from tgsage.rsa.comparison import ModelComparison, Targets, joined
from tgsage.rsa.inference.bootstrap import Resampling, Sides
from tgsage.rsa.inference.models import Plan
from tgsage.rsa.inference.multiplicity import adjusted
from tgsage.rsa.inference.partial import Beyond
from tgsage.rsa.rdm.comparison import method_named

Models = Mapping[str, Mapping[str, RDM]]


def population(
    n: int, seed: int, noises: Mapping[str, list[float | None]], subjects: int = 1
) -> tuple[Models, Targets]:
    """Layers with so much noise of their own (None: nothing else), and a target seen in several subjects."""
    rng = np.random.default_rng(seed)
    x, names = rng.normal(size=(n, 12)), [f"im{i:03d}" for i in range(n)]

    def made(noise: float | None) -> RDM:
        own = rng.normal(size=x.shape)
        return compute_rdm(own if noise is None else x + noise * own, labels=names)

    people = {f"s{i}" if subjects > 1 else "": made(1.0) for i in range(subjects)}
    return {m: {f"l{i}": made(k) for i, k in enumerate(layers)} for m, layers in noises.items()}, Targets(
        "t", {"IT": people}
    )


def compared(models: Models, targets: Targets, beyond: tuple[str, ...] = (), **how: object) -> ModelComparison:
    comparer = Comparer(targets, beyond=beyond, **{"draws": 200, "splits": 20, **how})  # type: ignore[arg-type]
    for model in sorted(models, key=lambda name: name not in beyond):
        comparer.add(model, models[model])
    return comparer.finished(list(models))


def test_models_of_one_layer_are_compared_as_layers_are() -> None:
    models, targets = population(30, 0, {"a": [0.5], "b": [1.5], "c": [None]})
    found = compared(models, targets)
    layers = {model: one["l0"] for model, one in models.items()}
    draws = bootstrap(layers, {"IT": targets.first}, n=200)
    low, high = interval(draws)
    for i, row in enumerate(found.rows):
        assert row["similarity"] == pytest.approx(compare(layers[row["model"]], targets.first), abs=1e-12)
        assert (row["low"], row["high"]) == pytest.approx((float(low[i, 0]), float(high[i, 0])), abs=1e-9)
    tests = layer_differences(draws)
    for key in ("difference", "standard_error", "low", "high", "p", "p_adjusted"):
        np.testing.assert_allclose([pair[key] for pair in found.pairs], tests[key].to_numpy()[:, 0], atol=1e-9)


@pytest.mark.parametrize("method", ["pearson", "spearman", "cosine-whitened"])
def test_the_layer_is_chosen_on_other_stimuli_by_a_plain_loop(method: str) -> None:
    models, targets = population(16, 1, {"a": [0.8, 0.9, 1.2]})
    targets = Targets("t", targets.rdms, method=method)
    row = compared(models, targets, splits=3, draws=10, seed=5).rows[0]
    rng = np.random.default_rng(5)
    names = np.array(sorted(targets.first.labels))
    halves = [rng.permutation(16) < 8 for _ in range(3)]
    chosen, held, every = [], [], []
    for half in [*halves, *(~half for half in halves)]:
        here, there = (
            [
                compare(rdm.subset(names[part]), targets.first.subset(names[part]), method=method)
                for rdm in models["a"].values()
            ]
            for part in (half, ~half)
        )
        chosen.append(int(np.argmax(here)))
        held.append(there[chosen[-1]])
        every.append(there)
    whole = np.array([compare(rdm, targets.first, method=method) for rdm in models["a"].values()])
    shares = np.bincount(chosen, minlength=3) / 6
    assert row["similarity"] == pytest.approx(np.mean(held) + shares @ (whole - np.mean(every, axis=0)), abs=1e-9)
    assert row["share"] == pytest.approx(shares.max())


def test_a_hundred_useless_layers_win_nothing() -> None:
    """Over 12 samples of 24 stimuli: the highest of 100 layers without any truth is far above the fair estimate."""
    fair, highest = [], []
    for seed in range(12):
        models, targets = population(24, seed, {"good": [0.7], "many": [None] * 100})
        plan = Plan(targets.first, {"IT": [0]}, Resampling(10), splits=10)
        sample = plan.sample(
            list(models["many"]), Sides(list(models["many"].values()), [targets.first], method_named("pearson"))
        )
        fair.append(sample.single[0])
        highest.append(sample.table.max())
    assert np.mean(highest) > 0.15
    assert abs(np.mean(fair)) < 4 * np.std(fair) / np.sqrt(12)


def test_subjects_alone_are_a_paired_t_test() -> None:
    models, targets = population(20, 2, {"a": [0.5], "b": [0.9]}, subjects=6)
    found = compared(models, targets, over="subjects")
    a, b = ([compare(models[m]["l0"], rdm) for rdm in targets.rdms["IT"].values()] for m in ("a", "b"))
    assert found.pairs[0]["p"] == pytest.approx(stats.ttest_rel(a, b).pvalue, rel=1e-9)
    assert found.rows[0]["ceiling_low"] == pytest.approx(noise_ceiling(targets.rdms["IT"])[0], abs=1e-12)
    assert found.rows[0]["ceiling_high"] == pytest.approx(noise_ceiling(targets.rdms["IT"])[1], abs=1e-12)


def test_both_factors_are_those_of_bootstrap_subjects() -> None:
    from tgsage.rsa import bootstrap_subjects, subject_differences

    models, targets = population(20, 3, {"a": [0.5], "b": [1.5]}, subjects=4)
    found = compared(models, targets, over="both")
    reference = bootstrap_subjects({m: one["l0"] for m, one in models.items()}, targets.rdms["IT"], n=200)
    for row, low, high in zip(found.rows, reference["low"], reference["high"], strict=True):
        assert (row["low"], row["high"]) == pytest.approx((float(low), float(high)), abs=1e-9)
    assert found.pairs[0]["p"] == pytest.approx(float(subject_differences(reference)["p"][0]), rel=1e-6)


def test_a_choice_over_both_uses_other_subjects_too() -> None:
    """A layer that is one subject's own idiosyncrasy is not rewarded for it."""
    rng = np.random.default_rng(4)
    names, x = [f"im{i:02d}" for i in range(40)], rng.normal(size=(40, 12))
    own = [rng.normal(size=x.shape) for _ in range(2)]
    people = {f"s{i}": compute_rdm(x + 2 * one, labels=names) for i, one in enumerate(own)}
    layers = {"shared": compute_rdm(x, labels=names), "of s0": compute_rdm(x + 3 * own[0], labels=names)}
    found = {
        over: compared({"m": layers}, Targets("t", {"IT": people}), over=over, splits=30).rows[0]
        for over in ("stimuli", "both")
    }
    assert found["stimuli"]["layer"] == "of s0"
    assert found["both"]["similarity"] < found["stimuli"]["similarity"] - 0.05


def partial_by_residuals(x: np.ndarray, y: np.ndarray, given: list[np.ndarray]) -> float:
    design = np.column_stack([np.ones(len(x)), *given])
    left = [v - design @ np.linalg.lstsq(design, v, rcond=None)[0] for v in (x, y)]
    return float(np.corrcoef(*left)[0, 1])


@pytest.mark.parametrize("method", ["pearson", "spearman"])
def test_partial_similarity_and_shares_of_variance_against_regression(method: str) -> None:
    models, targets = population(18, 5, {"a": [0.5, 1.0], "b": [0.7], "c": [2.0]})
    controls = [models["b"]["l0"], models["c"]["l0"]]
    sides = Beyond(list(models["a"].values()), [targets.first], controls, method)
    values, slopes = sides.influences()
    rank = stats.rankdata if method == "spearman" else np.asarray
    t, given = rank(targets.first.values), [rank(one.values) for one in controls]
    for i, rdm in enumerate(models["a"].values()):
        x = rank(rdm.values)
        assert values[i, 0] == pytest.approx(partial_by_residuals(x, t, given), abs=1e-9)
        unique, common, control = (float(part[i, 0]) for part in sides.variance())
        assert unique + common + control == pytest.approx(r_squared(t, [x, *given]), abs=1e-9)
        assert unique == pytest.approx(r_squared(t, [x, *given]) - r_squared(t, given), abs=1e-9)
    weights = np.ones((1, 18), np.int64)
    np.testing.assert_allclose(sides.resampled(weights)[..., 0], values, atol=1e-6)
    if method == "pearson":  # a derivative by differences of weights of 1000 and 1001, which change nothing else
        more = np.full((2, 18), 1000)
        more[1, 3] += 1
        step = np.diff(sides.resampled(more), axis=-1)[..., 0] * 1000
        np.testing.assert_allclose(step, slopes[..., 3], rtol=0.02, atol=1e-3)


def r_squared(y: np.ndarray, given: list[np.ndarray]) -> float:
    design = np.column_stack([np.ones(len(y)), *given])
    return float(1 - np.var(y - design @ np.linalg.lstsq(design, y, rcond=None)[0]) / np.var(y))


def test_nothing_is_left_beyond_itself_and_controls_have_no_row() -> None:
    models, targets = population(25, 6, {"a": [0.5], "pixels": [1.5]})
    models = {**models, "copy": models["pixels"]}
    found = compared(models, targets, ("pixels",))
    assert [row["model"] for row in found.beyond] == ["a", "copy"]
    assert found.beyond[1]["similarity"] == 0
    assert found.beyond[1]["p_zero"] > 0.4
    assert found.beyond[0]["p_zero"] < 0.01


def test_corrections_against_scipy_loops_and_a_closed_form() -> None:
    rng = np.random.default_rng(0)
    p = rng.random(12) ** 2
    order, worst = np.argsort(p), 0.0
    for k, i in enumerate(order):
        worst = max(worst, p[i] * (12 - k))
        assert adjusted(p, "holm")[i] == pytest.approx(min(worst, 1))
    np.testing.assert_allclose(adjusted(p, "fdr"), stats.false_discovery_control(p))
    noise = rng.normal(size=(12, 20_000))  # of independent tests the maximum has a closed form (Sidak)
    np.testing.assert_allclose(adjusted(p, "max", noise), 1 - (1 - p) ** 12, atol=0.015)
    same = np.repeat(noise[:1], 12, axis=0)  # and tests that are one are not corrected
    np.testing.assert_allclose(adjusted(p, "max", same), p, atol=0.015)
    assert np.isnan(adjusted([np.nan, 0.01], "max", noise[:2])[0])


def test_decisions_and_evaluations_are_those_of_rsatoolbox(data_dir: Path) -> None:
    """Eight models and four subjects over the 92 images: the same evaluations, ceilings and paired t tests."""
    inference, model, rdm = (import_module(f"rsatoolbox.{part}") for part in ("inference", "model", "rdm"))
    people = load_rdms("kriegeskorte2008/subjects", data_dir=data_dir)
    models = {name: {"rdm": one} for name, one in load_rdms("kriegeskorte2008/models", data_dir=data_dir).items()}
    labels = next(iter(people.values())).labels
    theirs = inference.eval_fixed(
        [model.ModelFixed(m, np.asarray(one["rdm"].subset(labels).values, np.float64)) for m, one in models.items()],
        rdm.RDMs(np.stack([one.values for one in people.values()])),
        method="corr",
    )
    found = compared(models, Targets("people", {"hIT": people}), over="subjects", correction="none")
    np.testing.assert_allclose([row["similarity"] for row in found.rows], theirs.get_means(), atol=1e-6)
    ceiling = np.ravel(theirs.get_noise_ceil())
    np.testing.assert_allclose([found.rows[0][f"ceiling_{end}"] for end in ("low", "high")], ceiling, atol=1e-6)
    every = theirs.test_all()[0][np.triu_indices(len(models), 1)]
    ours = np.array([pair["p"] for pair in found.pairs])
    assert ((ours < 0.05) == (every < 0.05)).all()
    np.testing.assert_allclose(ours, every, rtol=1e-4)


def test_what_cannot_be_is_said_in_one_line() -> None:
    models, targets = population(20, 7, {"a": [0.5], "b": [0.5, 1.0]})
    with pytest.raises(RSAError, match="inference is over stimuli, subjects, both, not 'animals'"):
        Comparer(targets, over="animals")
    with pytest.raises(RSAError, match="IT has one subject; inference over both needs RDMs of at least 2"):
        Comparer(targets, over="both")
    with pytest.raises(RSAError, match="correction is one of"):
        Comparer(targets, correction="bonferroni")
    with pytest.raises(RSAError, match="pixels is controlled for and was not compared"):
        compared(models, targets, ("pixels",))
    with pytest.raises(RSAError, match="partial similarity is for pearson"):
        compared(models, Targets("t", targets.rdms, method="tau-a"), ("a",))
    with pytest.raises(RSAError, match="c has no layer"):
        compared({"c": {}}, targets)
    one = compared(models, targets)
    with pytest.raises(RSAError, match="two targets are called IT"):
        joined([one, one])


def test_a_model_that_failed_is_a_row_with_its_reason() -> None:
    models, targets = population(20, 8, {"a": [0.5]})
    comparer = Comparer(targets, draws=50, splits=5)
    comparer.add("a", models["a"])
    comparer.fail("b", "no such file")
    found = comparer.finished(["b", "a"])
    assert found.failed == {"b": "no such file"}
    assert [row["model"] for row in found.rows if not row["reason"]] == ["a"]
    assert found.to_dataframe()["similarity"].notna().sum() == 1
