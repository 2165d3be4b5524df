"""The search loop: whatever the objective does is recorded, equal networks are evaluated once, and it goes on."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import optuna
import pytest
from tgsage.plugins import Evaluation
from tgsage.plugins.searchers.evolution import EvolutionSearcher
from tgsage.plugins.searchers.random import RandomSearcher
from tgsage.plugins.searchers.searcher import Searcher, get_searcher
from tgsage.plugins.searching.candidates import work
from tgsage.plugins.searching.explorer import Plan, SearchResult, _enqueue, search
from tgsage.plugins.searching.isolation import assess
from tgsage.plugins.searching.local import LocalWorkers
from tgsage.plugins.searching.storage import quiet, storage_url
from tgsage.plugins.searching.tracker import Tracker
from tgsage.plugins.spaces import get_space
from tgsage.plugins.spaces.space import Choice, Dimension, Space
from tgsage.plugins.spaces.toy import ToySpace
from tgsage.plugins.testing import TinySpace
from tgsage.rsa import RSAError

SPACE = ToySpace()


class Listening(Searcher):
    """Proposes from a short list, and keeps what it was told."""

    told: list[tuple[int, float | None]]

    def __init__(self, space: ToySpace, *, seed: int = 0, depths: str = "123") -> None:
        super().__init__(space, seed=seed)
        self.depths = depths
        Listening.told = []

    def propose(self, trial: int, rng: np.random.Generator) -> dict[str, Choice]:
        depth = int(self.depths[trial % len(self.depths)])
        return self.space.complete({"n_layers": depth})

    def learn(self, trial: int, architecture: dict[str, Choice], score: float | None) -> None:
        Listening.told.append((trial, score))


def run(objective: Any, tmp_path: Path, **settings: Any) -> SearchResult:
    searcher = settings.pop("searcher", None) or RandomSearcher(SPACE)
    repeats = isinstance(searcher, Listening)
    given: dict[str, Any] = {"samples": 6, "storage": tmp_path / "a.db", "repeats": repeats, **settings}
    return search(searcher.space, searcher, objective, **given)


def test_the_best_of_all_that_the_searcher_proposed(objectives: ModuleType, tmp_path: Path) -> None:
    found = run(objectives.score_of, tmp_path, samples=20)
    proposed = [RandomSearcher(SPACE).ask(number) for number in range(20)]
    assert [candidate.architecture for candidate in found.candidates] == proposed
    best = max(proposed, key=objectives.score_of)
    assert found.architecture == best
    assert found.evaluation is not None
    assert found.evaluation.score == pytest.approx(objectives.score_of(best))
    assert found.study == "toy-random"


def test_the_same_call_goes_on_and_a_finished_search_evaluates_nothing(objectives: ModuleType, tmp_path: Path) -> None:
    log = tmp_path / "log"
    searcher, toy = EvolutionSearcher(SPACE, population=3), objectives.Toy(str(log))
    for samples in (5, 12, 12, 8):
        found = run(toy, tmp_path, searcher=searcher, samples=samples, reuse=False)
        assert [candidate.number for candidate in found.candidates] == list(range(samples))
    assert len(log.read_text().splitlines()) == 12
    whole = search(SPACE, searcher, toy, samples=8, storage=tmp_path / "b.db", reuse=False)
    assert [c.architecture for c in whole.candidates] == [c.architecture for c in found.candidates]


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("raise", "ZeroDivisionError: one layer"),
        ("exit", "SystemExit: 3"),
        ("nan", "the objective returned nan, which is neither a finite number nor an Evaluation"),
        ("word", "the objective returned 'good', which is neither a finite number nor an Evaluation"),
    ],
)
def test_an_objective_that_fails_is_recorded_and_the_rest_goes_on(
    what: str, reason: str, objectives: ModuleType, tmp_path: Path
) -> None:
    found = run(objectives.Toy(one=what), tmp_path, searcher=Listening(SPACE), reuse=False)
    assert [c.status for c in found.candidates] == ["failed", "ok", "ok", "failed", "ok", "ok"]
    failed = found.candidates[0].evaluation
    assert failed is not None
    assert (failed.reason, failed.score) == (reason, None)
    told = [(candidate.number, candidate.score) for candidate in found.candidates[:5]]
    assert Listening.told == told
    assert [score is None for _, score in told] == [True, False, False, True, False]


def test_one_that_hangs_or_takes_its_process_down_has_failed(objectives: ModuleType, tmp_path: Path) -> None:
    toy, searcher = objectives.Toy(one="hang", two="die"), Listening(SPACE, depths="3123")
    found = run(toy, tmp_path, searcher=searcher, samples=4, timeout=1.0)
    reasons = [candidate.evaluation.reason for candidate in found.candidates if candidate.evaluation is not None]
    assert reasons == ["", "timeout: it took longer than 1 s", "its process ended with signal SIGKILL", ""]


def test_a_process_that_was_sent_term_is_not_the_candidates_fault(objectives: ModuleType, tmp_path: Path) -> None:
    ended = objectives.Toy(str(tmp_path / "log"), two="term")
    found = run(ended, tmp_path, searcher=Listening(SPACE, depths="2"), samples=1, timeout=30.0)
    assert found.counts["ok"] == 1
    assert len((tmp_path / "log").read_text().splitlines()) == 2


@pytest.mark.parametrize("timeout", [None, 30.0])
def test_an_objective_can_stop_the_search_and_its_candidate_is_given_back(
    timeout: float | None, objectives: ModuleType, tmp_path: Path
) -> None:
    with pytest.raises(RSAError, match=r"^the data are gone$"):
        run(objectives.Toy(two="stop"), tmp_path, searcher=Listening(SPACE, depths="12"), timeout=timeout)
    with Tracker(tmp_path / "a.db", "toy-listening") as tracker:
        assert [candidate.status for candidate in tracker.candidates()] == ["ok", "interrupted"]


def test_an_objective_that_cannot_be_sent_or_made_is_named(objectives: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(RSAError, match="the objective cannot be sent to another process"):
        run(lambda architecture: 1.0, tmp_path, workers=2)
    with pytest.raises(RSAError, match="FileNotFoundError: no data here"):
        run(objectives.Broken(), tmp_path, study="broken", timeout=1.0)


def test_an_equal_architecture_is_not_evaluated_again(objectives: ModuleType, tmp_path: Path) -> None:
    log = tmp_path / "log"
    toy = objectives.Toy(str(log), one="raise")
    found = run(toy, tmp_path, searcher=Listening(SPACE, depths="122"), samples=6)
    assert len(log.read_text().splitlines()) == 3  # both failures, and depth 2 once
    assert [candidate.reused for candidate in found.candidates] == [None, None, 1, None, 1, 1]
    first, again = found.candidates[1].evaluation, found.candidates[5].evaluation
    assert first is not None
    assert again is not None
    assert (again.score, again.table) == (first.score, first.table)
    assert (first.examples, again.examples) == (100, 0)
    assert [score for _, score in Listening.told] == [c.score for c in found.candidates[:5]]


def test_no_architecture_is_evaluated_twice_by_workers_that_ask_at_once(tmp_path: Path) -> None:
    def objective(architecture: dict[str, Any]) -> float:
        seen.append(space.key(architecture))
        return float(len(seen))

    space, seen = TinySpace(), list[str]()
    plan = Plan(space, Same, {}, objective, 9, storage_url(tmp_path / "a.db"), "s")
    plan.tracker().close()  # makes the study

    def worker(_: int) -> None:
        with plan.tracker() as tracker:
            work(plan, tracker)

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(worker, range(3)))
    with plan.tracker() as tracker:
        numbers = [candidate.number for candidate in tracker.candidates()]
        assert tracker.exhausted
    assert (len(seen), len(set(seen)), len(numbers)) == (5, 5, 5)


class Same(Searcher):
    """Proposes one network, and others only because it has to."""

    def propose(self, trial: int, rng: np.random.Generator) -> dict[str, Choice]:
        return self.space.complete({})


@pytest.mark.parametrize("kind", [RandomSearcher, EvolutionSearcher])
def test_a_space_is_searched_to_its_end_and_that_is_no_error(kind: type[Searcher], tmp_path: Path) -> None:
    for samples in (3, 9, 9):
        found = run(lambda architecture: 0.5, tmp_path, searcher=kind(TinySpace()), samples=samples)
        assert (len(found.candidates), found.exhausted) == (min(samples, 5), samples > 5)
    again = run(lambda architecture: 0.5, tmp_path, searcher=kind(TinySpace()), samples=9, repeats=True)
    assert (again.counts["ok"], again.counts["reused"], again.exhausted) == (9, 4, False)


def test_evolution_goes_on_in_a_space_of_one_network(tmp_path: Path) -> None:
    searcher = EvolutionSearcher(OneNetwork(), population=1)
    for samples in (1, 2):
        found = run(lambda architecture: 0.5, tmp_path, searcher=searcher, samples=samples)
        assert (len(found.candidates), found.exhausted) == (1, samples == 2)
    assert len(run(lambda architecture: 0.5, tmp_path, searcher=searcher, samples=3, repeats=True).candidates) == 3


class OneNetwork(TinySpace):
    def __init__(self) -> None:
        Space.__init__(self, "one", [Dimension("first", (0,), 0, "first")])


def test_samples_can_count_successes(objectives: ModuleType, tmp_path: Path) -> None:
    toy, searcher = objectives.Toy(one="raise"), Listening(SPACE, depths="112223")
    found = run(toy, tmp_path, searcher=searcher, samples=3, successes=True, reuse=False)
    assert [candidate.status for candidate in found.candidates] == ["failed", "failed", "ok", "ok", "ok"]
    found = run(toy, tmp_path, searcher=Listening(SPACE, depths="2"), samples=1, successes=True, study="b")
    assert found.counts["ok"] == 1
    toy, searcher = objectives.Toy(two="raise"), Listening(SPACE, depths="2")
    with pytest.raises(RSAError, match="ended early, with 0 successful evaluations of 1, after 10 candidates"):
        run(toy, tmp_path, searcher=searcher, samples=1, successes=True, study="c")


def test_architectures_can_be_stored_as_optunas_parameters(objectives: ModuleType, tmp_path: Path) -> None:
    found = run(objectives.score_of, tmp_path, samples=12, params=True)
    with quiet():
        study = optuna.load_study(study_name=found.study, storage=storage_url(found.storage))
        assert [trial.params for trial in study.trials] == [candidate.architecture for candidate in found.candidates]
        assert "n_layers" in optuna.importance.get_param_importances(study, params=["n_layers"])
    assert run(objectives.score_of, tmp_path, samples=12).candidates == found.candidates


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"searcher": RandomSearcher(SPACE, seed=1)}, "searcher seed was 0 and is 1"),
        ({"searcher": EvolutionSearcher(SPACE)}, "searcher was random and is evolution"),
        ({"one": "nan"}, "objective one was score and is nan"),
    ],
)
def test_going_on_with_something_else_names_it(
    change: dict[str, Any], words: str, objectives: ModuleType, tmp_path: Path
) -> None:
    run(objectives.Toy(), tmp_path, samples=1, study="mine")
    toy = objectives.Toy(one=change.pop("one", "score"))
    with pytest.raises(RSAError, match=f"study mine is another search: {words}"):
        run(toy, tmp_path, samples=1, study="mine", **change)


def depth(number: int, filters: int = 4) -> dict[str, Choice]:
    return SPACE.complete({"n_layers": number, "layer1/filters": filters})


@pytest.mark.parametrize("searcher", ["random", "tpe", "rl", "evolution"])
def test_what_is_enqueued_is_tried_once_and_first(searcher: str, objectives: ModuleType, tmp_path: Path) -> None:
    made, log = get_searcher(searcher)(SPACE, seed=1), tmp_path / "log"
    toy, queue = objectives.Toy(str(log)), [depth(1), depth(3), depth(1)]
    run(toy, tmp_path, searcher=made, samples=3, enqueue=queue)
    found = run(toy, tmp_path, searcher=made, samples=6, enqueue=[*queue, depth(2)])
    architectures = [candidate.architecture for candidate in found.candidates]
    assert [*architectures[:2], architectures[3]] == [depth(1), depth(3), depth(2)]
    assert len({SPACE.key(one) for one in architectures}) == len(log.read_text().splitlines()) == 6
    assert [candidate.score for candidate in found.candidates] == [objectives.score_of(one) for one in architectures]


def test_who_is_killed_while_it_enqueues_and_who_comes_at_the_same_time_leave_one_of_each(
    objectives: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy, queue = objectives.Toy(), [depth(1), depth(2)]
    start, starts = Tracker.start, list[int]()

    def killed(self: Tracker, *arguments: Any) -> bool:
        raise KeyboardInterrupt

    def meanwhile(self: Tracker, *arguments: Any) -> bool:
        starts.append(1)
        if len(starts) == 1:
            with plan.tracker() as other:
                _enqueue(plan, other, queue)  # the other command comes between our reservation and our trial
        return start(self, *arguments)

    plan = Plan(SPACE, RandomSearcher, {}, toy, 4, str(tmp_path / "a.db"), "toy-random")
    monkeypatch.setattr(Tracker, "start", killed)
    with pytest.raises(KeyboardInterrupt):
        run(toy, tmp_path, samples=4, enqueue=queue)
    monkeypatch.setattr(Tracker, "start", meanwhile)
    found = run(toy, tmp_path, samples=4, enqueue=queue)
    keys = [SPACE.key(candidate.architecture) for candidate in found.candidates]
    assert [keys.count(SPACE.key(one)) for one in queue] == [1, 1]
    assert len(set(keys)) == 4


def test_more_than_fits_is_not_enqueued(objectives: ModuleType, tmp_path: Path) -> None:
    run(objectives.Toy(), tmp_path, samples=2)
    with pytest.raises(RSAError, match=r"2 architectures to enqueue do not fit into .* 3 samples, .* 1 are left"):
        run(objectives.Toy(), tmp_path, samples=3, enqueue=[depth(1), depth(2)])
    assert len(run(objectives.Toy(), tmp_path, samples=2).candidates) == 2
    with pytest.raises(RSAError, match="n_layers is 7, not one of 1, 2, 3"):
        run(objectives.Toy(), tmp_path, samples=9, enqueue=[{"n_layers": 7}])


@pytest.mark.parametrize("searcher", ["random", "tpe", "rl", "evolution"])
def test_fixed_choices_hold_wherever_they_are_active(searcher: str, objectives: ModuleType, tmp_path: Path) -> None:
    made, fixed = get_searcher(searcher)(SPACE, seed=1), {"layer2/filters": 16, "layer1/kernel": 5}
    found = run(objectives.Toy(), tmp_path, searcher=made, samples=12, fixed=fixed)
    assert len({SPACE.key(candidate.architecture) for candidate in found.candidates}) == 12
    for candidate in found.candidates:
        assert {candidate.architecture.get(name, choice) == choice for name, choice in fixed.items()} == {True}
    assert len({candidate.architecture["n_layers"] for candidate in found.candidates}) > 1
    with pytest.raises(RSAError, match="is another search: fixed layer2/filters was 16 and is not set"):
        run(objectives.Toy(), tmp_path, searcher=made, samples=12, fixed={"layer1/kernel": 5})


@pytest.mark.parametrize("space", ["toy", "cnn3", "cell1", "nasbench201"])
def test_where_all_is_fixed_one_network_is_left(space: str, objectives: ModuleType, tmp_path: Path) -> None:
    where = get_space(space)
    fixed = where.sample(np.random.default_rng(3))
    found = search(
        where, RandomSearcher(where), lambda architecture: 1.0, samples=5, storage=tmp_path / "a.db", fixed=fixed
    )
    assert [candidate.architecture for candidate in found.candidates] == [fixed]
    assert found.exhausted


@pytest.mark.parametrize(
    ("fixed", "words"),
    [
        ({"n_layer": 1}, "toy has no dimension 'n_layer'; did you mean n_layers"),
        ({"n_layers": "2"}, "n_layers of toy is one of 1, 2, 3, not '2'"),
    ],
)
def test_what_cannot_be_fixed_is_named(fixed: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(RSAError, match=words):
        run(lambda architecture: 1.0, tmp_path, fixed=fixed)
    with pytest.raises(RSAError, match=words):
        RandomSearcher(SPACE).ask(0, fixed=fixed)


def test_settings_given_by_position_reach_the_workers(objectives: ModuleType, tmp_path: Path) -> None:
    class Positional(RandomSearcher):
        def __init__(self, space: Space, seed: int = 0, step: int = 1) -> None:
            super().__init__(space, seed=seed)
            made.append((seed, step))

    made = list[tuple[int, int]]()
    run(objectives.Toy(), tmp_path, searcher=Positional(SPACE, 3, 2), samples=1)
    assert made == [(3, 2), (3, 2)]
    with Tracker(tmp_path / "a.db", "toy-positional") as tracker:
        assert tracker.description["searcher step"] == 2


def test_settings_written_out_or_left_at_their_defaults_are_the_same_search(
    objectives: ModuleType, tmp_path: Path
) -> None:
    run(objectives.Toy(), tmp_path, searcher=EvolutionSearcher(SPACE), samples=1)
    run(objectives.Toy(), tmp_path, searcher=EvolutionSearcher(SPACE, seed=0, population=20), samples=2)


def test_worker_processes_share_the_search_and_get_a_device_each(objectives: ModuleType, tmp_path: Path) -> None:
    log, seen = tmp_path / "log", list[int]()

    def notify(candidates: list[Any]) -> None:
        seen.append(sum(candidate.finished for candidate in candidates))

    made, devices = objectives.Factory(str(log)), ("cpu:0", "cpu:1")
    found = run(made, tmp_path, samples=16, reuse=False, notify=notify, workers=2, devices=devices)
    assert [candidate.number for candidate in found.candidates] == list(range(16))
    assert [c.architecture for c in found.candidates] == [RandomSearcher(SPACE).ask(number) for number in range(16)]
    lines = [line.split(" ", 2)[:2] for line in log.read_text().splitlines()]
    assert len(lines) == 16
    assert {device for _, device in lines} <= {"cpu:0", "cpu:1"}
    assert len({tuple(line) for line in lines}) <= 2
    assert seen == sorted(seen)
    assert seen[-1] == 16


@pytest.mark.slow
def test_a_candidate_that_kills_its_workers_fails_in_the_end(objectives: ModuleType, tmp_path: Path) -> None:
    toy = objectives.Toy(two="die")
    found = run(toy, tmp_path, searcher=Listening(SPACE, depths="23"), samples=2, engine=LocalWorkers(1))
    assert found.candidates[0].evaluation == Evaluation("failed", "its worker died 4 times")
    assert found.candidates[1].status == "ok"


def test_what_a_worker_raises_is_raised(objectives: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"a worker failed:[\s\S]*FileNotFoundError: no data here"):
        run(objectives.Broken(), tmp_path, engine=LocalWorkers(1))


def test_numbers_of_numpy_are_stored_and_what_cannot_be_is_said() -> None:
    fine = assess(lambda architecture: Evaluation(score=np.float32(0.5), table={"a": {"b": np.float64(1)}}), {})  # type: ignore[arg-type]
    assert fine == Evaluation(score=0.5, table={"a": {"b": 1.0}})
    noted = assess(lambda architecture: Evaluation(score=0.5, attrs={"a": np.int64(1), "b": Path("c")}), {})  # type: ignore
    assert noted.attrs == {"a": 1, "b": "c"}
    nan = assess(lambda architecture: Evaluation(score=0.5, p=float("nan"), loss=np.float32("nan")), {})  # type: ignore[arg-type]
    assert (nan.status, nan.reason, nan.score) == ("failed", "the evaluation's p, loss is NaN", None)
    bad = assess(lambda architecture: Evaluation(score=0.5, attrs={"a": object()}), {})  # type: ignore[dict-item]
    assert bad.reason.startswith("TGSageError: the evaluation: attribute a must be text, a number or None, got object")
    bad = assess(lambda architecture: Evaluation(score=0.5, table={"a": {"b": object()}}), {})  # type: ignore[dict-item]
    assert bad.reason == "the evaluation cannot be stored: object is not JSON-able"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"samples": 0}, "samples must be a whole number from 1, got 0"),
        ({"workers": 0}, "workers must be a whole number from 1, got 0"),
        ({"timeout": 0}, "timeout must be a number above 0, got 0"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(RSAError, match=words):
        run(lambda architecture: 1.0, tmp_path, **settings)
