"""Workers as Ray tasks, on one machine or a cluster; those that die and those of a lost node are replaced."""

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...rsa import RSAError
from ...rsa.errors import reason
from .candidates import Notify
from .isolation import packed
from .leases import end_owner, new_owner
from .local import GIVING_BACK, INTERRUPTED, Watch, run_worker

if TYPE_CHECKING:
    from .explorer import Plan
    from .tracker import Tracker

_LOOK = 1.0  # seconds between looks at the database
_AWAY = 10.0  # seconds for a cluster's port to answer; Ray itself would wait for minutes


@dataclass
class RayWorkers:
    """Run the workers of a search as Ray tasks, for `search(..., engine=...)`.

    The storage must be reachable from every node: PostgreSQL if there are several.

    Parameters
    ----------
    workers : int
    address : str or None
        Address of a Ray cluster; None means $RAY_ADDRESS or, without it, a cluster on this machine for the duration of
        the search.
    gpus, cpus : float
        GPUs (with fractions, workers share one) and cores per worker.

    Raises
    ------
    RSAError
        When called, if Ray is not installed, no cluster answers, or this machine has too few GPUs.
    """

    workers: int
    address: str | None = None
    gpus: float = 0.0
    cpus: float = 1.0

    def __call__(self, plan: "Plan", tracker: "Tracker", notify: Notify) -> None:
        """Run the search to its end. Raises what a worker raised, and RSAError if workers keep dying.

        Parameters
        ----------
        plan : Plan
            What is searched, by which searcher and objective.
        tracker : Tracker
        notify : callable
            Is called with all candidates at every look at the search.
        """
        try:
            import ray
        except ImportError as error:
            raise RSAError("the engine ray needs Ray: install tgsage[ray]") from error
        payload = packed(plan, "the search")
        with _cluster(ray, self.address, self.gpus):
            task = ray.remote(num_gpus=self.gpus, num_cpus=self.cpus, max_retries=0)(run_worker)
            device = "cuda" if self.gpus else None  # the GPUs that a task may see are those that Ray gave it
            watch, running = Watch(plan, tracker, self.workers), dict[Any, str]()

            def begin() -> None:
                owner = new_owner()
                running[task.remote(payload, device, owner)] = owner

            try:
                for _ in range(self.workers):
                    begin()
                while running:
                    ended, _ = ray.wait(list(running), timeout=_LOOK)
                    notify(tracker.candidates())
                    for one in ended:
                        report, how = _outcome(ray, one)
                        if watch.replaces(running.pop(one), report, how, alone=len(ended) == 1):
                            begin()
            finally:
                left = list(running)
                for one in left:
                    ray.cancel(one)  # as Ctrl-C does
                if left:
                    _, left = ray.wait(left, num_returns=len(left), timeout=GIVING_BACK)
                for one in left:
                    ray.cancel(one, force=True)
                for owner in running.values():
                    end_owner(owner)


def _outcome(ray: Any, ended: Any) -> tuple[str, str]:
    """What a task reported, and what ended it. Raises what it raised."""
    try:
        report = ray.get(ended)
    except (ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError) as error:
        return "", reason(error)
    except (ray.exceptions.NodeDiedError, ray.exceptions.TaskCancelledError) as error:
        return INTERRUPTED, reason(error)
    if isinstance(report, BaseException):
        raise report
    return report, report


@contextmanager
def _cluster(ray: Any, address: str | None, gpus: float) -> Iterator[None]:
    """Connect to a cluster, unless this process is connected to one; SIGTERM does what it did before."""
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
