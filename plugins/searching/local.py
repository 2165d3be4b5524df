"""Workers as processes of this machine: started, watched, and replaced when they are killed."""

import os
import pickle
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING

from ...rsa import RSAError
from ...rsa.cli.interruption import interruptible
from .candidates import Notify, work
from .isolation import Child, packed
from .leases import end_owner, new_owner

if TYPE_CHECKING:
    from .explorer import Plan
    from .tracker import Tracker

_LOOK = 0.5  # seconds between looks at the database
GIVING_BACK = 10.0  # seconds for an interrupted worker to give its candidate back
_ENDS = 5  # ends of workers in a row, per worker, before the search's end and without any candidate finished in between
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
DONE, INTERRUPTED = "done", "SIGTERM"  # what a worker reports when it ends; "" if it was killed


class Watch:
    """Decides for the parent of `workers` workers about those that end."""

    def __init__(self, plan: "Plan", tracker: "Tracker", workers: int) -> None:
        self._plan, self._tracker, self._workers = plan, tracker, workers
        self._ends, self._progress = 0, 0

    def replaces(self, owner: str, report: str, how: str, *, alone: bool) -> bool:
        """Whether a new worker has to be started for one that ended, whose candidate is given back.

        report: what it reported. how: what ended it. alone: whether no other ended with it (as when memory runs out):
        only then may its candidate be to blame. Raises RSAError if workers keep ending without any progress.
        """
        if report == DONE:
            end_owner(owner)
            return False
        self._tracker.bury(owner, alone=alone and report != INTERRUPTED)
        now = len(self._plan.finished(self._tracker.known))
        self._ends = 1 if now > self._progress else self._ends + 1
        self._progress = now
        if self._ends > _ENDS * self._workers:
            raise RSAError(f"the workers keep dying, the last with {how}; what is done is kept")
        return True


@dataclass
class LocalWorkers:
    """Run the workers of a search as spawned processes, for `search(..., engine=...)`.

    The CPU's threads are divided among them. Space, searcher and objective must be picklable, and a script that starts
    workers needs `if __name__ == "__main__":`.

    Parameters
    ----------
    workers : int
    devices : sequence of str
        Devices that the workers get in turn.
    power : sequence of float
        How much each worker can do; by default all can do the same.
    """

    workers: int
    devices: Sequence[str] = ()
    power: Sequence[float] = ()

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
        packed(plan.objective, "the objective")
        payload, shares = packed(plan, "the search"), self._shares()
        watch = Watch(plan, tracker, self.workers)
        running: dict[int, _Process] = {}
        try:
            with threads_shared(self.workers):
                for i in range(self.workers):
                    running[i] = _Process(payload, self._device(i), shares[i])
                while running:
                    wait([worker.process.sentinel for worker in running.values()], timeout=_LOOK)
                    candidates = tracker.candidates()
                    notify(candidates)
                    over = [(i, worker) for i, worker in running.items() if not worker.process.is_alive()]
                    for i, worker in over:
                        report = worker.outcome()
                        if watch.replaces(worker.owner, report, worker.exit, alone=len(over) == 1):
                            running[i] = _Process(payload, self._device(i), shares[i])
                        else:
                            del running[i]
        finally:
            for worker in running.values():
                worker.process.terminate()
            for worker in running.values():
                worker.end()

    def _shares(self) -> list[tuple[float, float]]:
        """Which part of the power in all is each worker's; parts follow each other from the most powerful one on."""
        power = list(self.power) or [1.0] * self.workers
        shares, end = [(0.0, 1.0)] * self.workers, 0.0
        for i in sorted(range(self.workers), key=lambda i: -power[i]):
            shares[i] = end, end + power[i] / sum(power)
            end = shares[i][1]
        return shares

    def _device(self, i: int) -> str | None:
        return self.devices[i % len(self.devices)] if self.devices else None


class _Process(Child):
    def __init__(self, payload: bytes, device: str | None, share: tuple[float, float]) -> None:
        self.owner = new_owner()
        super().__init__(_serve, payload, device, self.owner, share)

    def outcome(self) -> str:
        """What it reported before it ended, "" if it was killed. Raises what it raised."""
        try:
            report = self.line.recv()
        except (EOFError, OSError):
            return ""
        finally:
            self.line.close()
        if isinstance(report, BaseException):
            raise report
        return str(report)

    def end(self) -> None:
        self.process.join(GIVING_BACK)
        self.close()
        end_owner(self.owner)


def _serve(line: Connection, payload: bytes, device: str | None, owner: str, share: tuple[float, float]) -> None:
    line.send(run_worker(payload, device, owner, share))


def run_worker(
    payload: bytes, device: str | None, owner: str, share: tuple[float, float] = (0.0, 1.0)
) -> str | Exception:
    """Work at a pickled plan to its end or until interrupted; return a report, or what went wrong, fit to be sent."""
    with interruptible():
        try:
            sent: Plan = pickle.loads(payload)  # noqa: S301 - made by our own parent
            plan = replace(sent, share=share)
            with plan.tracker(owner) as tracker:
                work(plan, tracker, device=device)
        except KeyboardInterrupt:
            return INTERRUPTED
        except RSAError as error:
            return RSAError(str(error))
        except Exception as error:
            return RuntimeError(f"a worker failed:\n{''.join(traceback.format_exception(error))}")
    return DONE


@contextmanager
def threads_shared(workers: int) -> Iterator[None]:
    """Give each process started within the block its share of the cores, unless the user has set another."""
    share = str(max(1, len(os.sched_getaffinity(0)) // workers if hasattr(os, "sched_getaffinity") else 1))
    mine = [name for name in _THREADS if name not in os.environ]
    os.environ.update(dict.fromkeys(mine, share))
    try:
        yield
    finally:
        for name in mine:
            del os.environ[name]
