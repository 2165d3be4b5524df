"""Ridge predictivity: the definition in plain scikit-learn, held-out stimuli, groups, ceilings."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from tgsage.rsa import RSAError, ridge_predictivity
from tgsage.rsa.similarity.ridge import ALPHAS, fold_of
from tgsage.rsa.types import Array


def data(n: int = 60, f: int = 8, q: int = 5, noise: float = 1.0) -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    x = rng.normal(2, 1, (n, f))
    return x, x @ rng.normal(size=(f, q)) + noise * np.sqrt(f) * rng.normal(size=(n, q))


@pytest.mark.parametrize("f", [8, 200])
def test_it_is_what_ridge_regression_and_generalised_crossvalidation_give(f: int) -> None:
    x, y = data(f=f)
    fold = fold_of(range(60), 60, 5, seed=3)
    r = np.empty((5, y.shape[1]))
    for part in range(5):
        train, test = fold != part, fold == part
        centred = x[train] - x[train].mean(axis=0)
        squares = np.linalg.svd(centred, compute_uv=False) ** 2
        squares = squares[squares > 1e-10 * squares[0]]
        for q in range(y.shape[1]):
            fits = []
            for penalty in ALPHAS * squares.mean():
                fit = Ridge(penalty).fit(x[train], y[train, q])
                error = float(np.square(y[train, q] - fit.predict(x[train])).sum())
                freedom = train.sum() - 1 - (squares / (squares + penalty)).sum()
                fits.append((error / freedom**2, fit))
            best = min(fits, key=lambda pair: pair[0])[1]
            r[part, q] = np.corrcoef(best.predict(x[test]), y[test, q])[0, 1]
    assert ridge_predictivity(x, y, seed=3) == pytest.approx(np.median(r.mean(axis=0)), abs=1e-6)


def test_a_linear_readout_is_predicted_and_noise_is_not() -> None:
    x, y = data(n=300, f=10, noise=0.0)
    assert ridge_predictivity(x, y) > 0.999
    rng = np.random.default_rng(1)
    assert abs(ridge_predictivity(x, rng.normal(size=(300, 40)))) < 0.1
    assert ridge_predictivity(x, y[rng.permutation(300)]) < 0.15


def test_many_features_do_not_make_noise_predictable() -> None:
    rng = np.random.default_rng(2)
    assert abs(ridge_predictivity(rng.normal(size=(100, 2000)), rng.normal(size=(100, 30)))) < 0.15


def test_a_group_stays_in_one_part_and_parts_are_nearly_equal() -> None:
    groups = [f"object{i % 13}" for i in range(130)]
    fold = fold_of(groups, 130, 5, seed=0)
    assert all(len({int(fold[i]) for i in range(130) if groups[i] == group}) == 1 for group in set(groups))
    assert np.ptp(np.bincount(fold)) <= 10
    order = np.random.default_rng(0).permutation(130)
    again = fold_of([groups[i] for i in order], 130, 5, seed=0)
    assert (again == fold[order]).all()
    assert not (fold_of(groups, 130, 5, seed=1) == fold).all()


def test_images_of_one_object_predict_each_other_unless_their_object_is_held_out() -> None:
    rng = np.random.default_rng(3)
    groups = np.repeat(np.arange(20), 10)
    x = rng.normal(size=(20, 50))[groups] + 0.1 * rng.normal(size=(200, 50))
    y = rng.normal(size=(20, 10))[groups] + 0.1 * rng.normal(size=(200, 10))
    assert ridge_predictivity(x, y) > 0.9
    assert ridge_predictivity(x, y, groups=groups) < 0.4


def test_ceilings_divide_every_neuroid() -> None:
    x, y = data()
    plain = ridge_predictivity(x, y)
    assert ridge_predictivity(x, y, ceilings=np.full(5, 0.8)) == pytest.approx(plain / 0.8)
    with pytest.raises(RSAError, match="5 positive numbers"):
        ridge_predictivity(x, y, ceilings=[0.5, 0.5])


def test_a_neuroid_silent_in_one_part_counts_in_the_others_only() -> None:
    x, y = data(noise=0.1)
    y[:, 0] = np.where(fold_of(range(60), 60, 5, seed=0) == 0, 1.0, y[:, 0])
    assert np.isfinite(ridge_predictivity(x, y[:, :1]))


def test_what_cannot_be_crossvalidated_is_refused() -> None:
    x, y = data()
    y[:, 2] = 4.0
    with pytest.raises(RSAError, match=r"1 of 5 neuroids do not vary \(columns 2\)"):
        ridge_predictivity(x, y)
    x, y = data()
    with pytest.raises(RSAError, match="10 stimuli in 10 groups are too few for 5 folds"):
        ridge_predictivity(x[:10], y[:10])
    with pytest.raises(RSAError, match="60 stimuli in 4 groups"):
        ridge_predictivity(x, y, groups=np.arange(60) % 4)
    with pytest.raises(RSAError, match="groups= has 3 values for 60 stimuli"):
        ridge_predictivity(x, y, groups=["a", "b", "c"])
    with pytest.raises(RSAError, match="folds must be a whole number from 2, got 1"):
        ridge_predictivity(x, y, folds=1)
