"""Evaluate a candidate whatever its objective does (raise, return nonsense, crash, hang), and processes for that."""

import json
import multiprocessing
import os
import pickle
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import isnan
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Protocol, TypeAlias, cast, runtime_checkable

from ...rsa import RSAError
from ...rsa.errors import listing, reason
from ..result import FAILED, Evaluation, Heritage
from ..spaces.space import Architecture

Scored: TypeAlias = "tuple[Evaluation, bytes | None]"
Scorer: TypeAlias = Callable[[dict[str, Any]], "Evaluation | float"]
_LONGEST = 500  # characters of a reason
_TERMINATED = 4  # processes that one candidate may use up where something sends them SIGTERM


class SearchStopped(RSAError):
    """Raised by an objective that cannot go on, whatever the candidate: it is given back and the search ends."""


@runtime_checkable
class ObjectiveFactory(Protocol):
    """An objective that every worker makes for itself: small, picklable, told the worker's device."""

    def make(self, device: str | None) -> Scorer: ...


@runtime_checkable
class InheritingObjective(Protocol):
    """An objective whose candidates can begin with the weights of others, and leave theirs."""

    def descend(self, architecture: dict[str, Any], heritage: Heritage) -> Scored: ...


def make_objective(objective: "Scorer | ObjectiveFactory", device: str | None = None) -> Scorer:
    """Return the objective, or the one that a factory makes for the device."""
    return objective.make(device) if isinstance(objective, ObjectiveFactory) else objective


def assess_heir(
    objective: "Scorer | InheritingObjective", architecture: Architecture, heritage: Heritage | None
) -> Scored:
    """`assess`, and the weights that the candidate leaves, if there is a heritage and the objective can inherit."""
    if not isinstance(objective, InheritingObjective):
        return assess(objective, architecture), None
    if heritage is None:
        return assess(cast(Scorer, objective), architecture), None
    left: list[bytes | None] = []

    def descended(architecture: dict[str, Any]) -> Evaluation:
        evaluation, weights = objective.descend(architecture, heritage)
        left.append(weights)
        return evaluation

    evaluation = assess(descended, architecture)
    return evaluation, left[0] if left and not evaluation.failed else None


def assess(objective: Scorer, architecture: Architecture) -> Evaluation:
    """Return the objective's evaluation; a failed one, with the reason, if it raises or returns nothing usable.

    Raises SearchStopped if the objective does.
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
            return failed(f"the objective returned {value!r}, which is neither a finite number nor an Evaluation")
    try:
        known = {name: number for name in ("p", "loss", "tg", "b") if (number := getattr(value, name)) is not None}
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


class Child:
    """A spawned process that Ctrl-C does not reach, not even while it begins, and that ends with this one.

    It runs `serve(line, *arguments)`, where `line` is the other end of `self.line`.
    """

    def __init__(self, serve: Callable[..., None], *arguments: object) -> None:
        context = multiprocessing.get_context("spawn")
        self.line, theirs = context.Pipe()
        self.process: BaseProcess = context.Process(target=_live, args=(serve, theirs, *arguments), daemon=False)
        with _interrupts_later():
            self.process.start()
        theirs.close()

    @property
    def exit(self) -> str:
        """What ended it."""
        self.process.join(5)
        code = self.process.exitcode
        return f"signal {signal.Signals(-code).name}" if code is not None and code < 0 else f"exit code {code}"

    def close(self) -> None:
        """Kill it, unless it has ended."""
        self.process.kill()
        self.process.join()
        self.line.close()


@contextmanager
def _interrupts_later() -> Iterator[None]:
    """Let Ctrl-C take effect after the block, where signals can be blocked."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # the first process would start this one too, which lets signals through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _live(serve: Callable[..., None], line: Connection, *arguments: object) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    parent = multiprocessing.parent_process()
    if parent is not None:

        def watch() -> None:
            wait([parent.sentinel])
            os._exit(1)

        threading.Thread(target=watch, daemon=True).start()
    serve(line, *arguments)


class Contained:
    """An objective in a process of its own, which is killed when a candidate takes longer than `timeout` seconds.

    Candidates that time out or take their process down have failed; the next one gets a new process. The time for
    making the objective does not count. Raises RSAError if it cannot be pickled or made.
    """

    def __init__(self, objective: "Scorer | ObjectiveFactory", device: str | None, timeout: float) -> None:
        self._payload, self._device, self.timeout = packed(objective, "the objective"), device, timeout
        self._child: Child | None = self._begin()

    def __call__(self, architecture: Architecture, heritage: Heritage | None = None) -> Scored:
        start = time.perf_counter()
        for _ in range(_TERMINATED):
            child = self._child = self._child or self._begin()
            why, again = f"timeout: it took longer than {self.timeout:g} s", False
            try:
                child.line.send((dict(architecture), heritage))
                if child.line.poll(self.timeout):
                    answer = child.line.recv()
                    if isinstance(answer, SearchStopped):
                        raise answer
                    evaluation, weights = answer
                    return Evaluation.from_dict(evaluation), weights
            except (EOFError, OSError):
                why, again = f"its process ended with {child.exit}", child.exit == "signal SIGTERM"  # nobody's fault
            self.close()
            if not again:
                break
        return Evaluation(FAILED, why, seconds={"total": time.perf_counter() - start}), None

    def _begin(self) -> Child:
        child = Child(_serve, self._payload, self._device)
        try:
            answer = child.line.recv()
        except (EOFError, OSError):
            answer = f"its process ended with {child.exit}"
        if answer is not None:
            child.close()
            raise RSAError(f"the objective cannot be made in a process of its own: {answer}")
        return child

    def close(self) -> None:
        """Kill the process."""
        if self._child is not None:
            self._child.close()
        self._child = None


def _serve(line: Connection, payload: bytes, device: str | None) -> None:
    try:
        objective = make_objective(pickle.loads(payload), device)  # noqa: S301 - made by our own parent
    except Exception as error:
        line.send(f"{type(error).__name__}: {reason(error)}")
        return
    line.send(None)
    while True:
        try:
            architecture, heritage = line.recv()
        except EOFError:
            return
        try:
            evaluation, weights = assess_heir(objective, architecture, heritage)
            line.send((evaluation.to_dict(), weights))
        except SearchStopped as error:
            line.send(SearchStopped(str(error)))
