"""What is learned and how sure it is, against plain loops, scipy, and pools with known gains."""

import numpy as np
import pytest
from scipy.stats import rankdata, spearmanr
from tgsage.benchmarks.rivals.gains import Case, coverage
from tgsage.benchmarks.rivals.learning import DIVISIONS, FOLDS, PENALTIES, Learned, Resamples, learn, partial, summed


def made(n: int = 24, seeds: int = 2, features: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Goal, features (seeds, members, k), and who is present."""
    rng = np.random.default_rng(3)
    goal = rng.normal(size=n)
    x = rng.normal(size=(seeds, n, features)) + goal[:, None] * np.array([1.0, 0.3, 0.0])[:features]
    present = rng.random((seeds, n)) < 0.9
    present[:, :2] = True
    return goal, x, present


def standardised(values: np.ndarray) -> np.ndarray:
    ranks = rankdata(values)
    return np.asarray((ranks - ranks.mean()) / ranks.std())


def test_what_is_learned_is_a_ridge_regression_on_the_other_folds() -> None:
    goal, x, present = made()
    resamples = Resamples.draw(present, 4)
    learned = learn(x, goal, resamples)
    division = 2 * DIVISIONS - 1  # without the first seed
    assert resamples.seeds[:, division].tolist() == [0, 1]
    here, folds = present[1], resamples.folds[:, division]
    rows = np.column_stack([standardised(column) for column in x[1, here].T])
    y, fold = standardised(goal[here]), folds[here]

    def fitted(inside: np.ndarray, penalty: float) -> tuple[np.ndarray, float]:
        a, b = rows[inside], y[inside]
        centred = a - a.mean(0)
        slopes = np.linalg.solve(
            centred.T @ centred / len(a) + penalty * np.eye(a.shape[1]), centred.T @ (b - b.mean()) / len(a)
        )
        return slopes, b.mean() - a.mean(0) @ slopes

    for k in range(FOLDS):
        errors = np.zeros(len(PENALTIES))
        for j in set(range(FOLDS)) - {k}:
            for i, penalty in enumerate(PENALTIES):
                slopes, offset = fitted((fold != k) & (fold != j), penalty)
                errors[i] += ((y - offset - rows @ slopes)[fold == j] ** 2).sum()
        slopes, _ = fitted(fold != k, PENALTIES[errors.argmin()])
        np.testing.assert_allclose(learned.weights[k, division], slopes, atol=1e-9)
        predicted = learned.predictor[1][here][:, division]
        np.testing.assert_allclose(predicted[fold == k], (rows @ slopes)[fold == k], atol=1e-9)
        assert learned.error[k, division] == pytest.approx(errors.min())


def test_correlations_are_scipys_over_members_draws_and_seeds() -> None:
    goal, x, present = made()
    resamples = Resamples.draw(present, 3)
    found = resamples.spearman(x[..., 0], goal)
    assert len(found) == 1 + 3 + 2
    each = [spearmanr(x[s, here, 0], goal[here])[0] for s, here in enumerate(present)]
    assert found[0] == pytest.approx(np.mean(each))
    assert found[-2:] == pytest.approx(each[::-1])  # without the first, and without the second
    counts = resamples.counts[:, 2].astype(int)
    drawn = [np.repeat(np.arange(len(goal)), counts * here) for here in present]
    each = [spearmanr(x[s, rows, 0], goal[rows])[0] for s, rows in enumerate(drawn)]
    assert found[2] == pytest.approx(np.mean(each))
    predictor = learn(x, goal, resamples).predictor
    each = [spearmanr(predictor[s, here, d], goal[here])[0] for s, here in enumerate(present) for d in range(DIVISIONS)]
    assert resamples.spearman(predictor, goal)[0] == pytest.approx(np.mean(each))


def test_partial_correlations_are_those_of_residuals() -> None:
    goal, x, _ = made(seeds=1)
    resamples = Resamples.draw(np.ones((1, len(goal)), bool), 3)
    found = partial(x[..., 0], x[..., 1:], goal, resamples)
    ranks = np.column_stack([rankdata(x[0, :, i]) for i in (1, 2)] + [np.ones(len(goal))])
    left = [y - ranks @ np.linalg.lstsq(ranks, y, rcond=None)[0] for y in (rankdata(x[0, :, 0]), rankdata(goal))]
    assert found[0] == pytest.approx(np.corrcoef(*left)[0, 1], abs=1e-4)
    assert len(found) == 4


def test_alpha_and_combinations_are_chosen_on_other_members() -> None:
    rng = np.random.default_rng(0)
    goal = rng.normal(size=60)
    p, tg = (goal + rng.normal(size=(1, 60)) for _ in range(2))
    resamples = Resamples.draw(np.ones((1, 60), bool), 2)
    found = resamples.spearman(summed(p, [tg], goal, resamples, (0.0, 1.0)), goal)
    assert found[0] == pytest.approx(spearmanr((p + tg)[0], goal)[0], abs=0.02)
    useless = rng.normal(size=(1, 60))
    found = resamples.spearman(summed(p, [useless, tg], goal, resamples, (0.0, 1.0)), goal)
    assert found[0] == pytest.approx(spearmanr((p + tg)[0], goal)[0], abs=0.02)
    noise = learn(rng.normal(size=(1, 60, 1)), goal, resamples)
    good = learn(p[..., None], goal, resamples)
    best = Learned.best([noise, good], resamples.folds)
    np.testing.assert_array_equal(best.predictor, good.predictor)


def test_folds_with_different_alphas_are_pooled_on_one_scale() -> None:
    """P in .3 to .7 and 5 TG near 2: which of the two a fold takes must not rank its members."""
    rng = np.random.default_rng(0)
    goal = rng.normal(size=60)
    p = (0.5 + 0.05 * (goal + rng.normal(size=60)))[None]
    tg = (0.4 + 0.02 * (goal + rng.normal(size=60)))[None]
    resamples = Resamples.draw(np.ones((1, 60), bool), 10)
    fixed = [float(resamples.spearman(p + alpha * tg, goal)[0]) for alpha in (0.0, 1.0, 5.0)]
    assert resamples.spearman(summed(p, [tg], goal, resamples, (0.0, 1.0, 5.0)), goal)[0] > min(fixed)


@pytest.mark.parametrize(
    ("case", "truth"),
    [
        (Case(0.0, 50, 2), -0.01),
        (Case(1.0, 50, 2), 0.1),
        (Case(1.0, 50, 2, teachers=3), 0.1),
        (Case(0.0, 50, 2, asked="partial correlation"), 0.0),
    ],
)
def test_intervals_of_gains_hold_the_truth(case: Case, truth: float) -> None:
    """More pools are measured by `tgsage bench gains`."""
    found = coverage(case, 25, draws=50)
    assert found["truth"] == pytest.approx(truth, abs=0.03)
    assert found["coverage"] >= 0.8
    assert found["width"] < (0.35 if case.asked == "gain" else 0.6)


def test_a_gain_is_the_difference_of_correlations_and_backwards_is_chance() -> None:
    rng = np.random.default_rng(4)
    goal = rng.normal(size=40)
    good, better = ((goal + noise * rng.normal(size=40))[None] for noise in (1.5, 0.5))
    resamples = Resamples.draw(np.ones((1, 40), bool), 100)
    found = resamples.gain(good, better, goal)
    before, after = (spearmanr(one[0], goal)[0] for one in (good, better))
    assert (found["base"], found["full"], found["gain"]) == pytest.approx((before, after, after - before))
    counts = [resamples.counts[:, i].astype(int) for i in range(1, 101)]
    ranks = [[spearmanr(np.repeat(one[0], n), np.repeat(goal, n))[0] for n in counts] for one in (good, better)]
    drawn = np.subtract(ranks[1], ranks[0])
    assert (found["high"] - found["low"]) / 2 == pytest.approx(1.96 * np.std(drawn), rel=1e-6)
    assert resamples.gain(-good, -better, goal)["gain"] == 0
    assert resamples.gain(-good, better, goal)["gain"] == pytest.approx(after)
