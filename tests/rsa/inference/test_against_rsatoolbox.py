"""Fixed and weighted models over the 92 images of Kriegeskorte et al. (2008): rsatoolbox's numbers and decisions.

Resamples are the same on both sides, so that evaluations, standard errors and ceilings are compared one by one.
"""

from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tgsage.neural_data import load_rdms
from tgsage.rsa import RDM
from tgsage.rsa.comparer import Comparer
from tgsage.rsa.comparison import ModelComparison, Targets
from tgsage.rsa.inference.bootstrap import Resampling
from tgsage.rsa.inference.contrasts import Contrasts, all_pairs
from tgsage.rsa.inference.models import Plan
from tgsage.rsa.inference.weighted import Weighted
from tgsage.rsa.inference.weighting import Weighting

TOOLBOX: Any = import_module("rsatoolbox.inference.evaluate")
MODEL: Any = import_module("rsatoolbox.model")
RDMS: Any = import_module("rsatoolbox.rdm").RDMs
N, DRAWS = 92, 80
WEIGHTED = {
    "visual": ("V1", "HMAX", "Silhouette", "RADON"),
    "categories": ("animacy", "FaceBodyManmadeNatobj"),
    "both": ("animacy", "FaceBodyManmadeNatobj", "V1", "HMAX"),
}
FIXED = ("EVA", "V1")
BORDER = (0.02, 0.1)  # p-values between these are near it
Draws = tuple[np.ndarray, np.ndarray]


@pytest.fixture(scope="module")
def people(data_dir: Path) -> Mapping[str, RDM]:
    return load_rdms("kriegeskorte2008/subjects", data_dir=data_dir)


@pytest.fixture(scope="module")
def fixed(data_dir: Path, people: Mapping[str, RDM]) -> Mapping[str, RDM]:
    labels = next(iter(people.values())).labels
    found = load_rdms("kriegeskorte2008/models", data_dir=data_dir)
    return {name: rdm.subset(labels) for name, rdm in found.items()}


@pytest.fixture
def same_draws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Draws]:
    """Stimuli and subjects of our first resamples, which rsatoolbox draws, too."""
    stimuli, subjects = Resampling(DRAWS).counts(N), Resampling(DRAWS, seed=2**32).counts(4)
    drawn = [[np.repeat(np.arange(len(row)), row) for row in part] for part in (stimuli, subjects)]
    turn = iter(range(DRAWS))

    def patterns(data: Any, *given: str) -> tuple[Any, np.ndarray]:
        picked = drawn[0][next(turn)]
        return data.subsample_pattern("index", picked), picked

    def both(data: Any, **given: str) -> tuple[Any, np.ndarray, np.ndarray]:
        draw = next(turn)
        sample = data.subsample("index", drawn[1][draw]).subsample_pattern("index", drawn[0][draw])
        return sample, drawn[1][draw], drawn[0][draw]

    monkeypatch.setattr(TOOLBOX, "bootstrap_sample_pattern", patterns)
    monkeypatch.setattr(TOOLBOX, "bootstrap_sample", both)
    yield stimuli, subjects
    assert next(turn, None) is None  # all were used


def as_data(rdms: Mapping[str, RDM]) -> Any:
    return RDMS(np.stack([one.values for one in rdms.values()]))


def fixed_model(name: str, rdm: RDM) -> Any:
    return MODEL.ModelFixed(name, np.asarray(rdm.values, np.float64))


def weighted_model(name: str, rdms: Mapping[str, RDM]) -> Any:
    """In small units: fit_regress_nn stops where gradients are below 2e-14, and else never."""
    return MODEL.ModelWeighted(name, RDMS(np.stack([1e-4 * rdms[one].values for one in WEIGHTED[name]])))


def plain(over: str, people: Mapping[str, RDM], fixed: Mapping[str, RDM]) -> tuple[Contrasts, ModelComparison]:
    comparer = Comparer(Targets("people", {"hIT": people}), over=over, draws=DRAWS, correction="none")
    for name, rdm in fixed.items():
        comparer.add(name, {"rdm": rdm})
    samples = [comparer._samples[name] for name in fixed] + comparer._ceilings("hIT")
    return Contrasts(comparer.plan, samples), comparer.finished(list(fixed))


def assert_same_decisions(found: ModelComparison, theirs: Any, *, ceiling: bool = True, least: float = 0.7) -> None:
    """Wherever both are clear of the border, as so many of the tests have to be."""
    pairs, zero, below = theirs.test_all()
    ours = [pair["p"] for pair in found.pairs], *([row[key] for row in found.rows] for key in ("p_zero", "p_ceiling"))
    one_sided = np.where(
        np.array([row["similarity"] for row in found.rows]) < theirs.get_noise_ceil()[0].mean(), below / 2, 1
    )
    expected = pairs[np.triu_indices(len(pairs), 1)], zero, one_sided
    clear, every = 0, 0
    for mine, other in list(zip(map(np.array, ours), expected, strict=True))[: 3 if ceiling else 2]:
        decided = ((mine < BORDER[0]) | (mine > BORDER[1])) & ((other < BORDER[0]) | (other > BORDER[1]))
        np.testing.assert_array_equal((mine < 0.05)[decided], (other < 0.05)[decided])
        clear, every = clear + int(decided.sum()), every + len(mine)
    assert clear >= least * every


def test_over_stimuli(people: Mapping[str, RDM], fixed: Mapping[str, RDM], same_draws: Draws) -> None:
    """rsatoolbox takes the variance of draws as it is: it also holds the noise of pairs, which resampling doubles."""
    theirs = TOOLBOX.eval_bootstrap_pattern(
        [fixed_model(*one) for one in fixed.items()], as_data(people), method="corr", N=DRAWS
    )
    contrasts, found = plain("stimuli", people, fixed)
    models = len(fixed)
    np.testing.assert_allclose(contrasts.by_stimulus[:models], theirs.evaluations.T, atol=1e-6)
    ceilings = contrasts.by_stimulus[models : models + 2]
    np.testing.assert_allclose(ceilings, theirs.noise_ceiling, atol=0.01)  # it scales subjects anew in every draw
    first, second = all_pairs(models)
    draws = contrasts.by_stimulus
    spread = (draws[first] - draws[second]).std(axis=1, ddof=1) * np.sqrt(N / (N - 1))
    np.testing.assert_allclose(spread, np.sqrt(theirs.diff_var), rtol=1e-6)
    ratio = contrasts.errors(first, second)[0] / spread
    assert (ratio < 1.1).all()
    assert 0.7 < np.median(ratio) < 1
    assert_same_decisions(found, theirs)


def test_over_both(people: Mapping[str, RDM], fixed: Mapping[str, RDM], same_draws: Draws) -> None:
    theirs = TOOLBOX.eval_dual_bootstrap(
        [fixed_model(*one) for one in fixed.items()], as_data(people), method="corr", N=DRAWS
    )
    contrasts, found = plain("both", people, fixed)
    models = len(fixed)
    for part, k in (("by_both", 0), ("by_subject", 1), ("by_stimulus", 2)):
        np.testing.assert_allclose(getattr(contrasts, part)[:models], theirs.evaluations[:, :, 0, 0, k].T, atol=1e-6)
    first, second = all_pairs(models)
    own = contrasts.errors(first, second)[0], contrasts.errors(np.arange(models))[0]
    for error, variance in zip(own, (theirs.diff_var, theirs.model_var), strict=True):
        np.testing.assert_allclose(
            error**2, variance * (DRAWS - 1) / DRAWS, rtol=1e-6
        )  # over draws it divides by one less
    assert_same_decisions(found, theirs, ceiling=False, least=0.5)


def test_weights_fitted_in_a_resample(people: Mapping[str, RDM], fixed: Mapping[str, RDM], same_draws: Draws) -> None:
    """To half of the resampled stimuli and of the subjects, and tested on the others, copies in one half."""
    data, one = as_data(people), [np.arange(2), np.arange(2, 4)]
    rng = np.random.default_rng(0)
    for name, parts in WEIGHTED.items():
        plan = Plan(fixed["V1"], {"hIT": range(4)}, Resampling(5), over="both", splits=1)
        ours = Weighted(plan, [fixed[part] for part in parts], list(people.values()), Weighting("nnls"))
        for _ in range(4):
            sample, picked = TOOLBOX.bootstrap_sample_pattern(data, "index")
            half = rng.permutation(np.unique(picked))[: len(np.unique(picked)) // 2]
            sides = [np.isin(picked, half), ~np.isin(picked, half)]
            sets = [
                [sample.subset_pattern("index", np.unique(picked[side])).subsample("index", who), picked[side]]
                for side, who in zip(sides, one, strict=True)
            ]
            theirs = TOOLBOX.crossval(
                [weighted_model(name, fixed)], data, sets, sets[::-1],
                method="corr", fitter=MODEL.fit_regress_nn, calc_noise_ceil=False,
            )  # fmt: skip
            counts = [np.bincount(picked[side], minlength=N)[None] for side in sides]
            found = [ours._of_draws(row) for row in counts]
            for k, (train, test) in enumerate(((0, 1), (1, 0))):
                fitted = np.isin(np.arange(4), one[train])[None]
                weights = ours.weighting.fit(found[train].between, found[train].pooled(fitted, len(parts)))
                value = found[test].scores(weights)[0, one[test]].mean()
                assert value == pytest.approx(theirs.evaluations[0, 0, k], abs=1e-6)
    [TOOLBOX.bootstrap_sample_pattern(data, "index") for _ in range(DRAWS - 12)]


@pytest.mark.slow
@pytest.mark.parametrize("over", ["stimuli", "both"])
def test_decisions_about_weighted_models(over: str, people: Mapping[str, RDM], fixed: Mapping[str, RDM]) -> None:
    """Resamples and halvings are each one's own, and so are ceilings (rsatoolbox's are of half of the subjects)."""
    np.random.seed(0)  # noqa: NPY002  which rsatoolbox draws from
    models = [*(weighted_model(name, fixed) for name in WEIGHTED), *(fixed_model(name, fixed[name]) for name in FIXED)]
    fitters = [MODEL.fit_regress_nn] * len(WEIGHTED) + [None] * len(FIXED)
    data, how = (
        as_data(people),
        {"method": "corr", "fitter": fitters, "k_pattern": 2, "N": 100 if over == "stimuli" else 50},
    )
    if over == "stimuli":
        theirs = TOOLBOX.bootstrap_crossval(models, data, boot_type="pattern", k_rdm=1, **how)
    else:
        theirs = TOOLBOX.eval_dual_bootstrap(models, data, k_rdm=2, **how)
    comparer = Comparer(Targets("people", {"hIT": people}), over=over, correction="none")
    for name, parts in WEIGHTED.items():
        comparer.add(name, {part: fixed[part] for part in parts}, "nnls")
    for name in FIXED:
        comparer.add(name, {"rdm": fixed[name]})
    assert_same_decisions(comparer.finished([*WEIGHTED, *FIXED]), theirs, ceiling=False, least=0.5)
