"""Our searchers as Ray Tune's `search_alg`; only the message without Ray is tested where Ray is not installed."""

from pathlib import Path
from typing import Any

import pytest
from tgsage.plugins import EvolutionSearcher, RandomSearcher, Searcher
from tgsage.plugins.adapters import ray_tune
from tgsage.plugins.adapters.ray_tune import RayTuneSearcher
from tgsage.plugins.spaces import ToySpace
from tgsage.plugins.testing import TinySpace, pretend, run_search
from tgsage.rsa import RSAError


def searcher() -> Searcher:
    return EvolutionSearcher(ToySpace(), seed=1, population=4)


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_tune, "_RaySearcher", None)
    with pytest.raises(RSAError, match=r"^this needs Ray Tune: python -m pip install 'tgsage\[ray\]'$"):
        RayTuneSearcher(searcher(), metric="score")


@pytest.fixture
def space() -> ToySpace:
    pytest.importorskip("ray.tune", reason="Ray Tune is not installed (extra ray)")
    return ToySpace()


def complete(search: RayTuneSearcher, trial: str, architecture: Any) -> None:
    score = pretend(ToySpace(), architecture)
    search.on_trial_complete(trial, None if score is None else {"score": score}, error=score is None)


def test_it_asks_what_the_bare_searcher_asks_and_resumes_from_its_file(space: ToySpace, tmp_path: Path) -> None:
    expected = run_search(searcher(), range(24))
    search = RayTuneSearcher(searcher(), metric="score")
    for trial, architecture, _ in expected:
        if trial == 10:
            search.save(str(tmp_path / "state"))
            search = RayTuneSearcher(searcher(), metric="score")
            search.restore(str(tmp_path / "state"))
        assert search.suggest(f"id{trial}") == architecture
        complete(search, f"id{trial}", architecture)


def test_results_are_told_in_order_of_trial_within_what_is_finished(space: ToySpace) -> None:
    told: list[tuple[int, float | None]] = []

    class Listener(RandomSearcher):
        def learn(self, trial: int, architecture: dict[str, Any], score: float | None) -> None:
            told.append((trial, score))

    search = RayTuneSearcher(Listener(space), metric="loss", mode="min")
    for trial in "abcd":
        search.suggest(trial)
    search.on_trial_complete("c", {"loss": 3.0})
    search.on_trial_complete("a", {"loss": float("nan")})
    search.on_trial_complete("stranger", {"loss": 1.0})
    search.suggest("e")
    search.on_trial_complete("d", {"accuracy": 1.0})
    search.on_trial_complete("a", {"loss": 1.0})  # Ray ran it again
    search.on_trial_complete("b", {"loss": 2.0})
    search.suggest("f")
    assert told == [(0, None), (2, -3.0), (1, -2.0), (3, None)]


def test_a_search_goes_on_with_the_same_searcher_and_ends_with_its_space(space: ToySpace, tmp_path: Path) -> None:
    ours = EvolutionSearcher(TinySpace(), seed=1, population=2)
    search = RayTuneSearcher(ours, metric="score")
    tried = [search.suggest(trial) for trial in "abc"]
    search.on_trial_complete("a", {"score": 1.0})
    tried.append(search.suggest("d"))
    search.save(str(tmp_path / "state"))
    resumed = RayTuneSearcher(ours, metric="score")
    resumed.restore(str(tmp_path / "state"))
    tried.append(resumed.suggest("e"))
    assert len({str(one) for one in tried}) == 5
    assert resumed.suggest("f") == "FINISHED"
    assert len(ours._heard) == 1


def test_wrong_files_and_modes_are_refused(space: ToySpace, tmp_path: Path) -> None:
    with pytest.raises(RSAError, match=r"^mode must be max or min, not 'best'$"):
        RayTuneSearcher(searcher(), metric="score", mode="best")
    (tmp_path / "state").write_text('{"asked": 1}')
    search = RayTuneSearcher(searcher(), metric="score")
    for name in ("state", "missing"):
        with pytest.raises(RSAError, match=f"{name} is not a saved state of this search"):
            search.restore(str(tmp_path / name))
    search.suggest("a")
    with pytest.raises(RSAError, match="cannot be restored"):
        search.restore(str(tmp_path / "state"))


@pytest.mark.slow
@pytest.mark.usefixtures("ray_alone")
@pytest.mark.filterwarnings("ignore")
def test_ray_tune_runs_it(space: ToySpace, tmp_path: Path) -> None:
    ray = pytest.importorskip("ray")
    from ray import tune

    def trainable(config: dict[str, Any]) -> None:
        import zlib

        from tgsage.plugins.spaces import ToySpace

        code = zlib.crc32(ToySpace().key(config).encode())
        if code % 9 == 0:
            raise RuntimeError("this one fails")
        tune.report({"score": code % 1000 / 1000})

    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="CRITICAL")
    try:
        search = RayTuneSearcher(searcher(), metric="score")
        settings = tune.TuneConfig(search_alg=search, num_samples=10, max_concurrent_trials=1, reuse_actors=True)
        place = tune.RunConfig(storage_path=str(tmp_path), name="search", verbose=0)
        results = tune.Tuner(trainable, tune_config=settings, run_config=place).fit()
        assert len(results) == 10
        assert len(tune.Tuner.restore(str(tmp_path / "search"), trainable).fit()) == 10
    finally:
        ray.shutdown()
    assert len(search._history) >= 9
    repeated = searcher()
    for told in search._history:
        assert repeated.ask(told[0]) == told[1]
        repeated.tell(*told)
