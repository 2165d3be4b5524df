"""Evaluate a candidate whatever its objective does (raise, return nonsense, crash, hang), and start processes for that.

Processes that we start belong to us: Ctrl-C is ours to answer, and they end with us.
"""

import json
import multiprocessing
import os
import pickle
import signal
import threading
import time
from collections.abc import Callable
from math import isnan
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Protocol, TypeAlias, runtime_checkable

from ...rsa import RSAError
from ...rsa.errors import listing, reason
from ..result import FAILED, Evaluation
from ..spaces.space import Architecture

Scorer: TypeAlias = Callable[[dict[str, Any]], "Evaluation | float"]
_LONGEST = 500  # characters of a reason
_TERMINATED = 4  # processes that one candidate may use up where something sends them SIGTERM


class SearchStopped(RSAError):
    """Raised by an objective that cannot go on, whatever the candidate: it is given back and the search ends."""


@runtime_checkable
class ObjectiveFactory(Protocol):
    """An objective that every worker makes for itself: small, picklable, told the worker's device."""

    def make(self, device: str | None) -> Scorer: ...


def make_objective(objective: "Scorer | ObjectiveFactory", device: str | None = None) -> Scorer:
    """Return the objective, or the one that a factory makes for the device."""
    return objective.make(device) if isinstance(objective, ObjectiveFactory) else objective


def assess(objective: Scorer, architecture: Architecture) -> Evaluation:
    """What the objective says about an architecture; failed, with the reason, where it says nothing usable.

    Raises SearchStopped where the objective does.
    """
    start = time.perf_counter()

    def failed(why: str) -> Evaluation:
        return Evaluation(FAILED, " ".join(why.split())[:_LONGEST], seconds={"total": time.perf_counter() - start})

    try:
        value = objective(dict(architecture))
    except SearchStopped:
        raise
    except (Exception, SystemExit) as error:
        return failed(f"{type(error).__name__}: {reason(error)}")
    if not isinstance(value, Evaluation):
        try:
            value = Evaluation(score=float(value), seconds={"total": time.perf_counter() - start})
        except (TypeError, ValueError):
            return failed(f"the objective returned {value!r}, which is no finite number and no Evaluation")
    try:
        known = {name: number for name in ("p", "loss", "tg") if (number := getattr(value, name)) is not None}
        if not value.failed and (nothing := [name for name, number in known.items() if isnan(number)]):
            return failed(f"the evaluation's {listing(nothing)} is NaN")
        return Evaluation.from_dict(json.loads(json.dumps(value.to_dict(), default=_plain)))
    except (TypeError, ValueError) as error:
        return failed(f"the evaluation cannot be stored: {reason(error)}")


def _plain(value: Any) -> Any:
    if hasattr(value, "item"):  # a number of numpy or torch
        return value.item()
    raise TypeError(f"{type(value).__name__} is not JSON-able")


def packed(thing: object, what: str) -> bytes:
    """Pickle something for another process. Raises RSAError if that cannot be done."""
    try:
        return pickle.dumps(thing)
    except Exception as error:
        raise RSAError(
            f"{what} cannot be sent to another process ({reason(error)}); "
            "use functions and classes of a module, or an object with make(device)"
        ) from error


class Contained:
    """An objective in a process of its own, which is killed when a candidate takes longer than `timeout` seconds.

    Candidates that time out or take their process down have failed; the next one gets a new process. The time for
    making the objective does not count. Raises RSAError if it cannot be pickled or made.
    """

    def __init__(self, objective: "Scorer | ObjectiveFactory", device: str | None, timeout: float) -> None:
        self._payload, self._device, self.timeout = packed(objective, "the objective"), device, timeout
        self._process: BaseProcess | None = None
        self._line: Connection | None = None
        self._begin()

    def __call__(self, architecture: Architecture) -> Evaluation:
        start = time.perf_counter()
        for _ in range(_TERMINATED):
            line = self._line or self._begin()
            why, again = f"timeout: it took longer than {self.timeout:g} s", False
            try:
                line.send(dict(architecture))
                if line.poll(self.timeout):
                    return Evaluation.from_dict(line.recv())
            except (EOFError, OSError):
                how = self._exit()
                why, again = f"its process ended with {how}", how == "signal SIGTERM"  # not the candidate's doing
            self.close()
            if not again:
                break
        return Evaluation(FAILED, why, seconds={"total": time.perf_counter() - start})

    def _begin(self) -> Connection:
        context = multiprocessing.get_context("spawn")
        self._line, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self._payload, self._device), daemon=False)
        start_child(self._process)
        theirs.close()
        try:
            answer = self._line.recv()
        except EOFError:
            answer = f"its process ended with {self._exit()}"
        if answer is not None:
            self.close()
            raise RSAError(f"the objective cannot be made in a process of its own: {answer}")
        return self._line

    def _exit(self) -> str:
        if self._process is None:
            return "nothing"
        self._process.join(5)
        code = self._process.exitcode
        return f"signal {signal.Signals(-code).name}" if code is not None and code < 0 else f"exit code {code}"

    def close(self) -> None:
        """Kill the process."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
        if self._line is not None:
            self._line.close()
        self._process = self._line = None


def _serve(line: Connection, payload: bytes, device: str | None) -> None:
    belong_to_parent()
    try:
        objective = make_objective(pickle.loads(payload), device)  # noqa: S301 - made by our own parent
    except Exception as error:
        line.send(f"{type(error).__name__}: {reason(error)}")
        return
    line.send(None)
    while True:
        try:
            architecture = line.recv()
        except EOFError:
            return
        line.send(assess(objective, architecture).to_dict())


def start_child(process: BaseProcess) -> None:
    """Start a process that Ctrl-C never reaches; here it takes effect once the process has begun."""
    if not hasattr(signal, "pthread_sigmask"):
        process.start()
        return
    resource_tracker.ensure_running()  # starting the first process starts this one too, which would let signals through
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def belong_to_parent() -> None:
    """Called in such a process: leave Ctrl-C to the parent, and end as soon as it is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:

        def watch() -> None:
            wait([parent.sentinel])
            os._exit(1)

        threading.Thread(target=watch, daemon=True).start()
