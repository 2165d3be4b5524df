"""Workers are killed, databases vanish, disks are full: no candidate is lost, none counts twice."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tgsage.plugins.result import Heritage
from tgsage.plugins.searchers.random import RandomSearcher
from tgsage.plugins.searchers.searcher import Searcher, get_searcher
from tgsage.plugins.searching.candidates import Candidate
from tgsage.plugins.searching.explorer import Plan, search
from tgsage.plugins.searching.leases import new_owner
from tgsage.plugins.searching.local import DONE, INTERRUPTED, LocalWorkers, Watch
from tgsage.plugins.searching.tracker import Tracker
from tgsage.plugins.spaces.toy import ToySpace
from tgsage.rsa import RSAError

if TYPE_CHECKING:
    from ..conftest import Postgres

SPACE = ToySpace()
Process = subprocess.Popen[str]


def start(
    storage: str, samples: int, log: Path, *, seconds: float = 0.0, searcher: str = "random", repeats: bool = True
) -> Process:
    script = Path(__file__).parents[1] / "search_worker.py"
    arguments = [str(part) for part in (storage, samples, log, seconds, searcher, repeats)]
    return subprocess.Popen([sys.executable, str(script), *arguments], stderr=subprocess.PIPE, text=True)


def candidates(storage: str) -> list[Candidate]:
    return stored(storage, "random")


def stored(storage: str, searcher: str) -> list[Candidate]:
    with Tracker(storage, f"toy-{searcher}", create=False) as tracker:
        return tracker.candidates()


def survive(
    storage: str, folder: Path, *, samples: int, workers: int, kills: int, meanwhile: Callable[[], object] | None = None
) -> None:
    """Workers at one search, some killed at random moments and replaced; then everything has to be accounted for."""
    rng, log = np.random.default_rng(0), folder / "log"
    running = [start(storage, samples, log) for _ in range(workers)]
    while not log.exists():
        time.sleep(0.05)
    for turn in range(kills):
        time.sleep(rng.uniform(0.05, 0.6))
        victim = running.pop(int(rng.integers(workers)))
        victim.kill()
        victim.communicate()
        running.append(start(storage, samples, log))
        if meanwhile is not None and turn == kills // 2:
            meanwhile()
    for process in running:
        _, said = process.communicate(timeout=240)
        assert process.returncode == 0, said
    check(storage, samples, log)


def check(storage: str, samples: int, log: Path) -> None:
    import optuna
    from tgsage.plugins.searching.storage import quiet, storage_url

    found = candidates(storage)
    assert [candidate.number for candidate in found] == list(range(samples))
    assert {candidate.status for candidate in found} == {"ok"}
    with quiet():
        opened = optuna.storages.RDBStorage(storage_url(storage))
        study = optuna.load_study(study_name="toy-random", storage=opened)
    assert Counter(trial.state.name for trial in study.trials) == {"COMPLETE": samples}
    opened.engine.dispose()
    proposed = [sorted(RandomSearcher(SPACE, seed=1).ask(number).items()) for number in range(samples)]
    assert [sorted(candidate.architecture.items()) for candidate in found] == proposed
    evaluated = Counter(line.split(" ", 2)[2] for line in log.read_text().splitlines())
    assert all(evaluated[str(architecture)] >= 1 for architecture in proposed)


def test_killed_workers_lose_nothing_on_sqlite(tmp_path: Path) -> None:
    survive(f"sqlite:///{tmp_path}/a.db", tmp_path, samples=40, workers=2, kills=1)


def test_workers_share_a_search_on_postgres(postgres: "Postgres", tmp_path: Path) -> None:
    survive(postgres.url, tmp_path, samples=20, workers=2, kills=0)


@pytest.mark.slow
def test_250_candidates_survive_killed_workers_on_sqlite(tmp_path: Path) -> None:
    survive(f"sqlite:///{tmp_path}/a.db", tmp_path, samples=250, workers=4, kills=6)


@pytest.mark.slow
def test_250_candidates_survive_killed_workers_and_a_restart_on_postgres(postgres: "Postgres", tmp_path: Path) -> None:
    def restart() -> None:
        postgres.stop()
        time.sleep(2)
        postgres.start()

    survive(postgres.url, tmp_path, samples=250, workers=4, kills=6, meanwhile=restart)


@pytest.mark.parametrize(
    "searcher", [pytest.param(name, marks=pytest.mark.slow) for name in ("random", "tpe", "rl", "pnas")] + ["evolution"]
)
def test_20_and_a_kill_and_20_are_40(searcher: str, objectives: ModuleType, tmp_path: Path) -> None:
    storage, log = f"sqlite:///{tmp_path}/a.db", tmp_path / "log"
    process = start(storage, 40, log, seconds=0.02, searcher=searcher, repeats=False)
    while not log.exists() or len(log.read_text().splitlines()) < 20:
        time.sleep(0.01)
    process.kill()
    process.communicate()
    assert 20 <= len(stored(storage, searcher)) < 40
    made = get_searcher(searcher)(SPACE, seed=1)
    one, two = (
        search(SPACE, made, objectives.Toy(), samples=40, storage=place, reuse=False)
        for place in (storage, tmp_path / "b.db")
    )
    assert [plain(candidate) for candidate in one.candidates] == [plain(candidate) for candidate in two.candidates]


def plain(candidate: Candidate) -> tuple[Any, ...]:
    """What has to be equal; the loss tells the weights with which a candidate began."""
    loss = None if candidate.evaluation is None else candidate.evaluation.loss
    return candidate.number, candidate.architecture, candidate.parent, candidate.score, loss


@pytest.mark.slow
@pytest.mark.parametrize("searcher", ["nash", "lemonade"])
def test_a_search_that_inherits_is_the_same_after_kills(searcher: str, objectives: ModuleType, tmp_path: Path) -> None:
    killed_and_undisturbed(searcher, objectives, tmp_path, kills=5, samples=45)


@pytest.mark.slow
@pytest.mark.parametrize("searcher", ["nash", "lemonade"])
def test_workers_beside_each_other_find_the_weights_of_every_parent(
    searcher: str, objectives: ModuleType, tmp_path: Path
) -> None:
    kind: Callable[..., Searcher] = get_searcher(searcher)
    made = kind(SPACE, seed=1, startup=6)
    toy, storage = objectives.Toy(seconds=0.02), tmp_path / "a.db"
    found = search(SPACE, made, toy, samples=40, storage=storage, workers=2).candidates
    left: dict[int | None, bytes | None] = {None: None}
    for candidate in found:  # a parent has a lower number or has finished before: the former in a search without kills
        heritage = Heritage(None, left[candidate.parent])
        evaluation, left[candidate.number] = objectives.Toy().descend(dict(candidate.architecture), heritage)
        assert candidate.evaluation is not None
        assert candidate.evaluation.loss == evaluation.loss
    assert sum(candidate.parent is not None for candidate in found) >= 30


def killed_and_undisturbed(searcher: str, objectives: ModuleType, folder: Path, *, kills: int, samples: int) -> None:
    """One worker, killed again and again at random moments, and one left alone: the same candidates, and weights."""
    storage, log, rng = f"sqlite:///{folder}/a.db", folder / "log", np.random.default_rng(0)
    share = (samples - 5) // kills
    for turn in range(1, kills + 1):
        process = start(storage, samples, log, seconds=0.01, searcher=searcher, repeats=False)
        while process.poll() is None and (not log.exists() or len(log.read_text().splitlines()) < turn * share):
            time.sleep(0.005)
        time.sleep(rng.uniform(0, 0.05))
        process.kill()
        process.communicate()
    assert kills * (share - 1) - 1 <= len(stored(storage, searcher)) < samples  # a kill can cost a line
    made = get_searcher(searcher)(SPACE, seed=1)
    one, two = (
        search(SPACE, made, objectives.Toy(), samples=samples, storage=place, reuse=False)
        for place in (storage, folder / "b.db")
    )
    assert [plain(candidate) for candidate in one.candidates] == [plain(candidate) for candidate in two.candidates]
    assert sum(candidate.parent is not None for candidate in two.candidates) >= samples - 20


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_workers_that_are_ended_alone_are_replaced(
    number: signal.Signals, objectives: ModuleType, tmp_path: Path
) -> None:
    log, ended = tmp_path / "log", set[int]()

    def notify(found: object) -> None:
        lines = log.read_text().splitlines() if log.exists() else []
        workers = {int(line.split(" ", 1)[0]) for line in lines}
        if not ended and len(workers) == 2:
            ended.update(workers)
            for worker in workers:
                os.kill(worker, number)

    toy = objectives.Toy(str(log), seconds=0.5)
    found = search(
        SPACE, RandomSearcher(SPACE), toy, samples=12, storage=tmp_path / "a.db", reuse=False, workers=2, notify=notify
    )
    assert len(ended) == 2
    assert found.counts["ok"] == 12
    with Tracker(tmp_path / "a.db", "toy-random", create=False) as tracker:
        deaths = sum(lease.deaths for lease in tracker._leases.read(0).values())
    assert deaths <= 2 if number == signal.SIGKILL else deaths == 0


@pytest.mark.slow
def test_a_candidate_does_not_fail_because_the_command_was_killed_again_and_again(tmp_path: Path) -> None:
    storage, log = f"sqlite:///{tmp_path}/a.db", tmp_path / "log"
    for turn in range(4):
        process = start(storage, 2, log, seconds=60)
        while not log.exists() or len(log.read_text().splitlines()) <= turn:
            assert process.poll() is None
            time.sleep(0.05)
        process.kill()
        process.communicate()
    process = start(storage, 2, log)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert [one.status for one in candidates(storage)] == ["ok", "ok"]
    assert len({line.split(" ", 2)[2] for line in log.read_text().splitlines()[:5]}) == 1


@pytest.mark.parametrize(("said", "died"), [(INTERRUPTED, 0), ("", 1)])
def test_a_worker_that_ended_before_the_search_gives_back_and_is_replaced_for_some_time(
    said: str, died: int, objectives: ModuleType, tmp_path: Path
) -> None:
    plan = Plan(SPACE, RandomSearcher, {}, objectives.Toy(), 2, str(tmp_path / "a.db"), "toy-random")
    with plan.tracker() as parent:
        watch = Watch(plan, parent, 1)
        for turn in range(5):
            with plan.tracker(new_owner()) as worker:
                assert worker.claim(2) == (0, turn * died)
                assert watch.replaces(worker.owner, said, "a kill", alone=True)
        with plan.tracker(new_owner()) as worker:
            assert not watch.replaces(worker.owner, DONE, DONE, alone=True)
            with pytest.raises(RSAError, match="the workers keep dying, the last with a kill"):
                watch.replaces(worker.owner, said, "a kill", alone=True)


def test_workers_that_cannot_start_end_the_search_in_one_line(
    objectives: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tgsage.plugins.searching.local._ENDS", 1)
    storage, engine = tmp_path / "a.db", LocalWorkers(1)
    with pytest.raises(RSAError, match=r"^the workers keep dying, the last with exit code 7; what is done is kept$"):
        search(SPACE, RandomSearcher(SPACE), objectives.Deadly(), samples=2, storage=storage, engine=engine)


def test_a_search_that_ends_early_says_so(objectives: ModuleType, tmp_path: Path) -> None:
    toy, searcher = objectives.Toy(), RandomSearcher(SPACE)
    search(SPACE, searcher, toy, samples=2, storage=tmp_path / "a.db")
    with pytest.raises(RSAError, match="ended early, with 2 of 30 candidates; the same call continues it"):
        search(SPACE, searcher, toy, samples=30, storage=tmp_path / "a.db", engine=lambda *_: None)


def test_an_interrupted_worker_gives_its_candidate_back(tmp_path: Path) -> None:
    storage, log = f"sqlite:///{tmp_path}/a.db", tmp_path / "log"
    process = start(storage, 30, log, seconds=60)
    while not log.exists():
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    process.communicate()
    (only,) = candidates(storage)
    assert (only.number, only.status) == (0, "interrupted")
    with Tracker(storage, "toy-random") as tracker:
        assert tracker.claim(30) == (0, 0)


def test_a_database_that_is_not_there_ends_in_one_line(objectives: ModuleType, tmp_path: Path) -> None:
    def run(storage: str) -> str:
        with pytest.raises(RSAError) as caught:
            search(SPACE, RandomSearcher(SPACE), objectives.Toy(), samples=1, storage=storage)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    assert run(str(tmp_path / "no" / "a.db")).endswith(f"there is no folder {tmp_path}/no")
    assert "not a database URL" in run("://")
    assert "not a database URL" in run("nonsense://here")
    (tmp_path / "text.db").write_text("not a database, but long enough to look like one" * 100)
    assert "file is not a database" in run(str(tmp_path / "text.db"))
    pytest.importorskip("psycopg")
    message = run("postgresql://somebody:secret@127.0.0.1:9/x")
    assert "somebody:***@127.0.0.1:9" in message
    assert "refused" in message
    assert "secret" not in message


def test_a_database_that_goes_away_is_awaited_and_then_given_up(
    postgres: "Postgres", objectives: ModuleType, tmp_path: Path
) -> None:
    class Stopping(objectives.Toy):  # type: ignore[misc, name-defined]
        def __call__(self, architecture: dict[str, object]) -> object:
            calls.append(1)
            if len(calls) == 3:
                postgres.stop()
                if back:
                    threading.Timer(1.0, postgres.start).start()
            return super().__call__(architecture)

    back, calls = True, list[int]()
    toy = Stopping()
    found = search(SPACE, RandomSearcher(SPACE), toy, samples=6, storage=postgres.url, reuse=False)
    assert (len(calls), found.counts["ok"]) == (6, 6)

    back, calls = False, []
    with pytest.raises(RSAError, match="failed for 1 s; what is done is kept"):
        search(SPACE, RandomSearcher(SPACE), toy, samples=12, storage=postgres.url, reuse=False, patience=1.0)
    postgres.start()
    statuses = [candidate.status for candidate in candidates(postgres.url)]
    assert statuses == ["ok"] * 8 + ["running"]
    assert search(SPACE, RandomSearcher(SPACE), toy, samples=12, storage=postgres.url, reuse=False).counts["ok"] == 12


def test_a_full_disk_ends_in_one_line_and_what_is_done_stays(
    objectives: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sqlalchemy import event
    from tgsage.plugins.searching import storage as database

    storage, toy = str(tmp_path / "a.db"), objectives.Toy()
    search(SPACE, RandomSearcher(SPACE), toy, samples=3, storage=storage)
    opened = database.open_storage

    def full(*arguments: object, **settings: object) -> object:
        found = opened(*arguments, **settings)  # type: ignore[arg-type]
        event.listen(found.engine, "connect", lambda connection, _: connection.execute("PRAGMA max_page_count = 1"))
        found.engine.dispose()
        return found

    monkeypatch.setattr("tgsage.plugins.searching.tracker.open_storage", full)
    with pytest.raises(RSAError, match="database or disk is full"):
        search(SPACE, RandomSearcher(SPACE), toy, samples=25, storage=storage, patience=0.3)
    monkeypatch.undo()
    done = candidates(storage)
    assert [candidate.number for candidate in done] == list(range(len(done)))
    assert 3 <= len(done) < 25
    assert search(SPACE, RandomSearcher(SPACE), toy, samples=25, storage=storage).counts["ok"] == 25
