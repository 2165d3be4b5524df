"""Our searchers in the loops of Optuna and hyperopt, with the same proposals as alone; their samplers on our spaces."""

import copy
import math
import pickle
from collections.abc import Callable
from typing import Any

import hyperopt
import numpy as np
import optuna
import pytest
from tgsage.plugins import EvolutionSearcher, RandomSearcher, RLSearcher, Searcher, TPESearcher, suggest
from tgsage.plugins.adapters.hyperopt import hyperopt_algo, space_of
from tgsage.plugins.adapters.optuna import OptunaSampler
from tgsage.plugins.spaces import Space, ToySpace
from tgsage.plugins.spaces.space import Choice, Dimension
from tgsage.plugins.testing import ConditionalSpace, TinySpace, pretend, run_search
from tgsage.rsa import RSAError

optuna.logging.set_verbosity(optuna.logging.CRITICAL)

Maker = Callable[[], Searcher]
SEARCHERS: dict[str, Maker] = {
    "random": lambda: RandomSearcher(ToySpace(), seed=1),
    "tpe": lambda: TPESearcher(ConditionalSpace(), seed=1, startup=8),
    "rl": lambda: RLSearcher(ConditionalSpace(), seed=1, learning_rate=0.05),
    "evolution": lambda: EvolutionSearcher(ToySpace(), seed=1, population=6),
}
EACH = pytest.mark.parametrize("make", SEARCHERS.values(), ids=SEARCHERS)


def bare(make: Maker, trials: int = 30) -> list[dict[str, Choice]]:
    return [architecture for _, architecture, _ in run_search(make(), range(trials))]


class Listener(RandomSearcher):
    """Keeps what it learns."""

    def __init__(self, space: Space, *, seed: int = 0) -> None:
        super().__init__(space, seed=seed)
        self.learned: list[tuple[int, float | None]] = []

    def learn(self, trial: int, architecture: dict[str, Choice], score: float | None) -> None:
        self.learned.append((trial, score))


# --- Optuna ---


def optimise(
    searcher: Searcher, trials: int, *, study: optuna.Study | None = None, sign: float = 1.0, n_jobs: int = 1
) -> optuna.Study:
    sampler = OptunaSampler(searcher)
    if study is None:
        study = optuna.create_study(direction="maximize" if sign > 0 else "minimize", sampler=sampler)
    study.sampler = sampler

    def objective(trial: optuna.Trial) -> float:
        score = pretend(searcher.space, suggest(searcher.space, trial))
        if score is None:
            raise RuntimeError("this one fails")
        return sign * score

    study.optimize(objective, n_trials=trials, catch=(RuntimeError,), n_jobs=n_jobs)
    return study


def asked(study: optuna.Study, space: Space) -> list[dict[str, Choice]]:
    return [space.canonical(trial.params) for trial in study.trials]


@EACH
@pytest.mark.parametrize("sign", [1.0, -1.0], ids=["maximise", "minimise"])
def test_an_optuna_study_gets_the_searchers_own_proposals(make: Maker, sign: float) -> None:
    study = optimise(make(), 30, sign=sign)
    assert asked(study, make().space) == bare(make)
    assert any(trial.state is optuna.trial.TrialState.FAIL for trial in study.trials)


@EACH
def test_a_stored_study_resumes_with_a_new_searcher(make: Maker) -> None:
    storage = optuna.storages.InMemoryStorage()
    optuna.create_study(storage=storage, study_name="s", direction="maximize")
    for trials in (14, 16):
        optimise(make(), trials, study=optuna.load_study(storage=storage, study_name="s"))
    assert asked(optuna.load_study(storage=storage, study_name="s"), make().space) == bare(make)


def test_threads_of_one_study_share_the_searcher() -> None:
    """Of a first generation, whose networks differ: which trial asks first is chance, and must not matter."""

    def make() -> Searcher:
        return EvolutionSearcher(ToySpace(), seed=0, population=24)

    study = optimise(make(), 24, n_jobs=3)
    assert sorted(trial.number for trial in study.trials) == list(range(24))
    found = asked(study, ToySpace())
    assert len({ToySpace().key(architecture) for architecture in found}) == 24
    assert found == bare(make, 24)


def test_other_parameters_are_drawn_and_foreign_trials_are_passed_over() -> None:
    def objective(trial: optuna.Trial) -> float:
        rates.append(trial.suggest_float("rate", 0, 1))
        architecture = suggest(space, trial)
        return rates[-1] + len(architecture)

    space, rates = ToySpace(), list[float]()
    for _ in range(2):
        study = optuna.create_study(direction="maximize", sampler=OptunaSampler(SEARCHERS["evolution"]()))
        study.add_trial(optuna.create_trial(value=3.0, params={"x": 1.0}, distributions={"x": UNIT}))
        study.enqueue_trial({"n_layers": 1, "layer1/filters": 4, "layer1/kernel": 5, "layer1/pool": "max"})
        study.optimize(objective, n_trials=10)
        assert len(study.trials[1].params) == 5
    assert rates[:10] == rates[10:]
    assert len(set(rates)) == 10


UNIT = optuna.distributions.FloatDistribution(0, 1)


def test_a_pruned_trial_counts_with_its_last_report() -> None:
    def objective(trial: optuna.Trial) -> float:
        suggest(ToySpace(), trial)
        if trial.number < 2:
            trial.report(0.5 + trial.number, 0)
            raise optuna.TrialPruned
        return float("inf")

    searcher = Listener(ToySpace())
    study = optuna.create_study(sampler=OptunaSampler(searcher))
    study.optimize(objective, n_trials=4)
    assert searcher.learned == [(0, -0.5), (1, -1.5), (2, None)]


def test_a_new_sampler_around_the_same_searcher_tells_it_nothing_again() -> None:
    searcher = Listener(ToySpace(), seed=1)
    study = optimise(searcher, 10)
    optimise(searcher, 10, study=study)
    assert [trial for trial, _ in searcher.learned] == list(range(19))
    with pytest.raises(RSAError, match=r"^trial \d+ was told before, .*; make a new searcher for another search$"):
        optimise(searcher, 10)


@EACH
def test_samplers_and_studies_can_be_copied(make: Maker) -> None:
    study = optimise(make(), 14)
    for other in (copy.deepcopy(study), study):
        sampler = pickle.loads(pickle.dumps(other.sampler))
        sampler.reseed_rng()
        optimise(sampler.searcher, 6, study=other)
        assert asked(other, make().space) == bare(make, 20)


def test_what_others_fix_stays_fixed() -> None:
    study = optuna.create_study(direction="maximize")
    ours = OptunaSampler(SEARCHERS["evolution"]())
    with pytest.warns(optuna.exceptions.ExperimentalWarning):
        study.sampler = optuna.samplers.PartialFixedSampler({"n_layers": 2}, ours)
    study.optimize(lambda trial: pretend(ToySpace(), suggest(ToySpace(), trial)) or 0.0, n_trials=12)
    assert {trial.params["n_layers"] for trial in study.trials} == {2}
    assert len(ours.searcher._heard) == 11


def test_stored_trials_with_choices_that_the_space_lacks_are_passed_over_with_one_warning() -> None:
    searcher = Listener(ToySpace())
    study = optuna.create_study(direction="maximize", sampler=OptunaSampler(searcher))
    chosen: dict[str, Any] = {"n_layers": 1, "layer1/filters": 64, "layer1/kernel": 3, "layer1/pool": "max"}
    kinds: dict[str, Any] = {name: optuna.distributions.CategoricalDistribution((one,)) for name, one in chosen.items()}
    for _ in range(3):
        study.add_trial(optuna.create_trial(value=1.0, params=chosen, distributions=kinds))
    words = r"^trial 0 and others like it are skipped: not an architecture of toy: layer1/filters is 64, not one of"
    with pytest.warns(UserWarning, match=words) as caught:
        study.optimize(lambda trial: len(suggest(ToySpace(), trial)), n_trials=3)
    assert len(caught) == 1
    assert [trial for trial, _ in searcher.learned] == [3, 4]


def test_a_study_of_a_small_space_stops_when_all_of_it_was_tried() -> None:
    study = optuna.create_study(sampler=OptunaSampler(EvolutionSearcher(TinySpace(), population=2)))
    study.optimize(lambda trial: float(len(suggest(TinySpace(), trial))), n_trials=20)
    tried = [TinySpace().key(one) for one in asked(study, TinySpace())]
    assert (len(tried), len(set(tried[:5]))) == (6, 5)


def test_trials_that_run_at_the_same_time_try_different_networks() -> None:
    study = optuna.create_study(sampler=OptunaSampler(RandomSearcher(TinySpace())))
    trials = [study.ask() for _ in range(5)]
    assert len({TinySpace().key(suggest(TinySpace(), trial)) for trial in trials}) == 5
    repeating = optuna.create_study(sampler=OptunaSampler(RandomSearcher(TinySpace()), repeats=True))
    found = [suggest(TinySpace(), repeating.ask()) for _ in range(20)]
    assert found == [RandomSearcher(TinySpace()).ask(trial) for trial in range(20)]


def test_a_study_of_two_objectives_is_refused() -> None:
    study = optuna.create_study(directions=["minimize", "maximize"], sampler=OptunaSampler(SEARCHERS["random"]()))
    with pytest.raises(RSAError, match=r"^a searcher has one score; this study has 2 objectives$"):
        suggest(ToySpace(), study.ask())


@pytest.mark.parametrize("space", [ToySpace(), ConditionalSpace()], ids=["toy", "conditional"])
def test_optunas_own_samplers_walk_our_spaces_along_active_dimensions(space: Space) -> None:
    found: list[dict[str, Choice]] = []

    def objective(trial: optuna.Trial) -> float:
        found.append(suggest(space, trial))
        assert set(trial.params) == {dimension.name for dimension in space.active(trial.params)}
        return float(len(found[-1]))

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0), direction="maximize")
    study.optimize(objective, n_trials=30)
    assert [space.canonical(trial.params) for trial in study.trials] == found
    assert study.best_value == max(map(len, found))


# --- hyperopt ---


def minimise(searcher: Searcher, trials: int, history: hyperopt.Trials, algo: Any = None) -> list[dict[str, Choice]]:
    found: list[dict[str, Choice]] = []

    def function(architecture: dict[str, Choice]) -> dict[str, Any]:
        found.append(architecture)
        score = pretend(searcher.space, architecture)
        return {"status": "fail"} if score is None else {"status": "ok", "loss": -score}

    algo, rng = algo or hyperopt_algo(searcher), np.random.default_rng(0)
    quiet = {"show_progressbar": False, "verbose": False}
    hyperopt.fmin(function, space_of(searcher.space), algo, max_evals=trials, trials=history, rstate=rng, **quiet)
    return found


@EACH
def test_hyperopts_fmin_gets_the_searchers_own_proposals_and_resumes(make: Maker) -> None:
    history = hyperopt.Trials()
    first = minimise(make(), 14, history)
    assert first + minimise(make(), 30, history) == bare(make)
    assert {"ok", "fail"} == set(history.statuses())


@pytest.mark.parametrize("space", [ToySpace(), ConditionalSpace()], ids=["toy", "conditional"])
def test_hyperopts_own_tpe_gets_canonical_architectures_of_our_spaces(space: Space) -> None:
    found = minimise(RandomSearcher(space), 30, hyperopt.Trials(), algo=hyperopt.tpe.suggest)
    assert len(found) == 30
    assert all(space.canonical(one) == one for one in found)
    assert len({space.key(one) for one in found}) > 15


def test_fmin_in_a_loop_tells_every_trial_once() -> None:
    searcher, history, found = Listener(ToySpace(), seed=1), hyperopt.Trials(), list[dict[str, Choice]]()
    for trials in (5, 6, 20):
        found += minimise(searcher, trials, history)
    assert [trial for trial, _ in searcher.learned] == list(range(19))
    assert found == bare(lambda: RandomSearcher(ToySpace(), seed=1), 20)


def test_fmin_survives_candidates_that_fail_in_every_way() -> None:
    def function(architecture: dict[str, Choice]) -> Any:
        if architecture["n_layers"] == 1:
            raise RuntimeError("this one fails")
        answers: list[Any] = [1.0, {"status": "fail"}, math.nan, {"status": "ok", "loss": math.inf}]
        returned.append(answers[len(returned) % 4])
        return returned[-1]

    searcher, returned, history = Listener(ToySpace(), seed=1), list[Any](), hyperopt.Trials()
    for trials in (10, 20):
        quiet = {"catch_eval_exceptions": True, "show_progressbar": False, "verbose": False}
        algo, space = hyperopt_algo(searcher), space_of(searcher.space)
        hyperopt.fmin(function, space, algo, max_evals=trials, trials=history, **quiet)
    assert len({trial for trial, _ in searcher.learned}) == len(searcher.learned) >= 19
    assert {score for _, score in searcher.learned} == {None, -1.0}
    assert len(searcher.learned) > len(returned)  # those that raised, too


def test_fmin_passes_over_trials_of_another_space_and_ends_when_all_was_tried() -> None:
    class Wider(TinySpace):
        def __init__(self) -> None:
            super().__init__()
            second = self.dimensions[1]
            Space.__init__(self, "tiny", [Dimension("first", (0, 1, 2, 3, 4, 5), 0, "first"), second])

    history = hyperopt.Trials()
    minimise(RandomSearcher(Wider()), 8, history)
    known = {max(0, *vals["first"]) for vals in (trial["misc"]["vals"] for trial in history.trials)}
    assert known > {3}
    with pytest.warns(UserWarning, match=r"^trial \d and others like it are skipped: not an architecture of tiny$"):
        found = minimise(RandomSearcher(TinySpace()), 30, history)
    assert len(found) + len({TinySpace().key(one) for one in found}) < 11


def test_another_space_is_refused_within_fmin() -> None:
    algo = hyperopt_algo(RandomSearcher(ToySpace()))
    with pytest.raises(RSAError, match=r"^fmin's space is not that of the searcher: pass space_of\(get_space\('toy'"):
        minimise(RandomSearcher(ConditionalSpace()), 3, hyperopt.Trials(), algo=algo)
