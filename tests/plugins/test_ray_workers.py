"""Ray starts the workers of a search, and starts those of a lost node again on another one."""

import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tgsage.plugins.explorer import search
from tgsage.plugins.ray_workers import RayWorkers
from tgsage.plugins.searchers.random import RandomSearcher
from tgsage.plugins.spaces.toy import ToySpace

pytest.importorskip("ray", reason="Ray is not installed (extra ray)")
SPACE = ToySpace()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_search_survives_the_loss_of_a_node(objectives: ModuleType, tmp_path: Path) -> None:
    import ray
    from ray.cluster_utils import Cluster

    log, lost = tmp_path / "log", list[bool]()
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    second = cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, log_to_driver=False, runtime_env={"env_vars": {"PYTHONPATH": _path()}})

    def notify(candidates: Any) -> None:
        workers = {line.split(" ", 1)[0] for line in log.read_text().splitlines()} if log.exists() else set()
        if not lost and len(workers) == 2:
            lost.append(True)
            cluster.remove_node(second, allow_graceful=False)

    try:
        found = search(
            SPACE, RandomSearcher(SPACE), objectives.Toy(str(log), seconds=0.3), samples=40, heartbeat=1.0,
            storage=tmp_path / "a.db", reuse=False, engine=RayWorkers(2), notify=notify,
        )  # fmt: skip
    finally:
        ray.shutdown()
        cluster.shutdown()
        time.sleep(0.5)
    assert lost == [True]
    assert [candidate.number for candidate in found.candidates] == list(range(40))
    assert found.counts["ok"] == 40


def _path() -> str:
    return str(Path(__file__).parent)
