"""Ray starts the workers of a search, and starts those of a lost node again on another one."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tgsage.plugins.searchers.random import RandomSearcher
from tgsage.plugins.searching.candidates import Candidate
from tgsage.plugins.searching.explorer import search
from tgsage.plugins.searching.ray import RayWorkers
from tgsage.plugins.searching.tracker import Tracker
from tgsage.plugins.spaces.toy import ToySpace
from tgsage.rsa import RSAError

pytest.importorskip("ray", reason="Ray is not installed (extra ray)")
pytestmark = pytest.mark.usefixtures("ray_alone")
SPACE = ToySpace()
LOG = re.compile(r"^\d\d:\d\d:\d\d .*\n", re.MULTILINE)  # lines that show how far a long command is


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_search_survives_the_loss_of_a_node(objectives: ModuleType, tmp_path: Path) -> None:
    import ray
    from ray.cluster_utils import Cluster

    log, lost = tmp_path / "log", list[bool]()
    cluster: Any = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    second = cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, log_to_driver=False, runtime_env={"env_vars": {"PYTHONPATH": _path()}})

    def notify(candidates: Any) -> None:
        workers = {line.split(" ", 1)[0] for line in log.read_text().splitlines()} if log.exists() else set()
        if not lost and len(workers) == 2:
            lost.append(True)
            cluster.remove_node(second, allow_graceful=False)

    try:
        objective, random = objectives.Toy(str(log), seconds=0.3), RandomSearcher(SPACE)
        options: dict[str, Any] = {"heartbeat": 1.0, "engine": RayWorkers(2), "notify": notify}
        found = search(SPACE, random, objective, samples=40, storage=tmp_path / "a.db", reuse=False, **options)
    finally:
        ray.shutdown()
        cluster.shutdown()
        time.sleep(0.5)
    assert lost == [True]
    assert [candidate.number for candidate in found.candidates] == list(range(40))
    assert found.counts["ok"] == 40


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_workers_that_are_ended_alone_are_replaced(
    number: signal.Signals, objectives: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", _path())
    log, ended = tmp_path / "log", list[int]()

    def notify(candidates: Any) -> None:
        workers = {int(line.split(" ", 1)[0]) for line in log.read_text().splitlines()} if log.exists() else set()
        if not ended and len(workers) == 2:
            ended.extend(workers)
            for worker in workers:
                os.kill(worker, number)

    objective, random = objectives.Toy(str(log), seconds=1.0), RandomSearcher(SPACE)
    options: dict[str, Any] = {"engine": RayWorkers(2), "notify": notify}
    found = search(SPACE, random, objective, samples=12, storage=tmp_path / "a.db", reuse=False, **options)
    assert len(ended) == 2
    assert found.counts["ok"] == 12
    with Tracker(tmp_path / "a.db", "toy-random", create=False) as tracker:
        deaths = sum(lease.deaths for lease in tracker._leases.read(0).values())
    assert deaths <= 2 if number == signal.SIGKILL else deaths == 0


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_workers_that_cannot_start_end_the_search_in_one_line(
    objectives: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", _path())
    monkeypatch.setattr("tgsage.plugins.searching.local._ENDS", 1)
    storage, engine = tmp_path / "a.db", RayWorkers(1)
    with pytest.raises(RSAError, match=r"^the workers keep dying, the last with .*; what is done is kept$"):
        search(SPACE, RandomSearcher(SPACE), objectives.Deadly(), samples=2, storage=storage, engine=engine)


@pytest.mark.slow
def test_the_command_runs_on_ray_is_stopped_by_term_and_goes_on(tmp_path: Path) -> None:
    def command(samples: int) -> subprocess.Popen[str]:
        program = [str(Path(sys.executable).with_name("tgsage")), "search", "--searcher", "random", "--teacher", "none"]
        given = ["--epochs", "1", "--samples", str(samples), "--engine", "ray"]
        return subprocess.Popen(
            [*program, *given], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    process = command(1000)
    while sum(one.finished for one in stored(tmp_path)) < 3:
        assert process.poll() is None
        time.sleep(0.1)
    process.terminate()
    said = LOG.sub("", process.communicate(timeout=60)[1]).splitlines()
    assert (process.returncode, len(said), "goes on from here" in said[0]) == (130, 2, True)
    left = stored(tmp_path)
    # on a busy machine a worker may be killed before it gives its candidate back: the next command takes that over
    assert {one.status for one in left} <= {"ok", "interrupted", "running"}

    process = command(len(left) + 1)
    out, said_now = process.communicate(timeout=200)
    assert (process.returncode, LOG.sub("", said_now)) == (0, "")
    assert "\ntoy-random\n" in out
    found = stored(tmp_path)
    assert [one.number for one in found] == list(range(len(left) + 1))
    assert {one.status for one in found} == {"ok"}


def test_a_cluster_that_does_not_answer_ends_in_one_line(objectives: ModuleType, tmp_path: Path) -> None:
    storage, engine = tmp_path / "a.db", RayWorkers(1, address="127.0.0.1:9")
    with pytest.raises(RSAError, match=r"^no Ray cluster at 127\.0\.0\.1:9: .*refused$"):
        search(SPACE, RandomSearcher(SPACE), objectives.Toy(), samples=1, storage=storage, engine=engine)


def stored(folder: Path) -> list[Candidate]:
    if not (folder / "tgsage.db").exists():
        return []
    try:
        with Tracker(folder / "tgsage.db", "toy-random", create=False) as tracker:
            return tracker.candidates()
    except RSAError:  # not begun yet
        return []


def _path() -> str:
    return str(Path(__file__).parents[1])
