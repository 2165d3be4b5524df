"""Workers as Ray tasks, on one machine or on a cluster; Ray starts those of a lost node again on another one."""

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ..rsa import RSAError
from ..rsa.errors import reason
from .assessment import packed
from .local_workers import GIVING_BACK, run_worker
from .tracker import Tracker
from .worker import Notify, Plan

_LOOK = 1.0  # seconds between looks at the database
_AWAY = 10.0  # seconds for a cluster's port to answer; Ray itself would wait for minutes


@dataclass
class RayWorkers:
    """An engine: so many tasks with `gpus` GPUs (fractions share one) and `cpus` cores each.

    address: of a Ray cluster; None = $RAY_ADDRESS, or a cluster of this machine for as long as the search. The storage
    must be reachable from every node: PostgreSQL where there are several.
    Raises RSAError where ray is not installed, no cluster answers, or this machine has too few GPUs.
    """

    workers: int
    address: str | None = None
    gpus: float = 0.0
    cpus: float = 1.0

    def __call__(self, plan: Plan, tracker: Tracker, notify: Notify) -> None:
        """Run the search to its end. Raises what a worker raised."""
        try:
            import ray
        except ImportError as error:
            raise RSAError("the engine ray needs Ray: install tgsage[ray]") from error
        payload = packed(plan, "the search")
        with _cluster(ray, self.address, self.gpus):
            task = ray.remote(num_gpus=self.gpus, num_cpus=self.cpus, max_retries=-1)(run_worker)
            device = "cuda" if self.gpus else None  # the GPUs that a task may see are those that Ray gave it
            running: list[Any] = [task.remote(payload, device) for _ in range(self.workers)]
            try:
                while running:
                    ended, running = ray.wait(running, timeout=_LOOK)
                    notify(tracker.candidates())
                    for one in ended:
                        raised = ray.get(one)
                        if raised is not None:
                            raise raised
            finally:
                for one in running:
                    ray.cancel(one)  # as Ctrl-C does
                if running:
                    _, running = ray.wait(running, num_returns=len(running), timeout=GIVING_BACK)
                for one in running:
                    ray.cancel(one, force=True)


@contextmanager
def _cluster(ray: Any, address: str | None, gpus: float) -> Iterator[None]:
    """Connected to a cluster, the one that this process is connected to already if any. SIGTERM does what it did."""
    ours, main = not ray.is_initialized(), threading.current_thread() is threading.main_thread()
    before, named = signal.getsignal(signal.SIGTERM), address or os.environ.get("RAY_ADDRESS", "")
    if ours:
        host, _, port = named.removeprefix("ray://").rpartition(":")
        try:
            if host and port.isdigit():
                socket.create_connection((host.strip("[]"), int(port)), timeout=_AWAY).close()
            ray.init(address=address, log_to_driver=False, logging_level="error")
        except (OSError, OverflowError, RuntimeError, ValueError) as error:
            raise RSAError(f"no Ray cluster{f' at {named}' if named else ''}: {reason(error)}") from error
    try:
        if main:
            signal.signal(signal.SIGTERM, before)
        if ours and not named and gpus > (have := ray.cluster_resources().get("GPU", 0)):  # a task would wait for ever
            raise RSAError(f"a worker cannot have {gpus:g} GPUs: this machine has {have:g}")
        yield
    finally:
        if ours:
            ray.shutdown()
        if main:
            signal.signal(signal.SIGTERM, before)
