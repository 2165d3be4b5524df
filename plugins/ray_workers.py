"""Workers as Ray tasks, on one machine or on a cluster; Ray starts those of a lost node again on another one."""

from dataclasses import dataclass
from typing import Any

from ..rsa import RSAError
from .assessment import packed
from .local_workers import run_worker
from .tracker import Tracker
from .worker import Notify, Plan

_LOOK = 1.0  # seconds between looks at the database


@dataclass
class RayWorkers:
    """An engine: so many tasks with `gpus` GPUs (fractions share one) and `cpus` cores each.

    address: of a Ray cluster; None = $RAY_ADDRESS, or a cluster of this machine for as long as the search. The storage
    must be reachable from every node: PostgreSQL where there are several.
    Raises RSAError where ray is not installed.
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
        ours = not ray.is_initialized()
        if ours:
            try:
                ray.init(address=self.address, log_to_driver=False, logging_level="error")
            except ConnectionError as error:
                raise RSAError(f"no Ray cluster at {self.address}") from error
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
                ray.cancel(one, force=True)
            if ours:
                ray.shutdown()
