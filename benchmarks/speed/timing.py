"""Two sides of a comparison, timed fairly in one run."""

import io
import math
import time
import warnings
from collections.abc import Callable
from contextlib import redirect_stderr
from dataclasses import dataclass, field
from statistics import median
from typing import Literal

from ..report import Columns

Unit = Literal["x", "%", "GB", "s"]

ROUNDS, BUDGET = 9, 10.0  # turns of each side, and the seconds after which two of them are enough
TURN = 0.1  # a turn lasts at least this long, so that a fast side finds its own data in the caches as a slow one does


@dataclass(frozen=True)
class Result:
    """One measured case. `value` is what the target is about: a ratio, an overhead in %, GB, or seconds.

    ours, theirs: the best seconds of every turn of both sides. limit: the target, a lower bound if `at_least`, None for
    a value without target. Of cost against n: the operation and n, megabytes of both sides on top of their inputs, and
    why a peer was skipped (its value is then NaN).
    """

    row: str
    case: str
    value: float
    unit: Unit
    limit: float | None = None
    at_least: bool = False
    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)
    peer: str = ""
    operation: str = ""
    n: int = 0
    megabytes: tuple[float, float] | None = None
    skipped: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without one."""
        if self.limit is None:
            return None
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    @property
    def target(self) -> str:
        return "-" if self.limit is None else f"{'>=' if self.at_least else '<='} {self.limit:g}{_SPACED[self.unit]}"

    @property
    def shown(self) -> str:
        if self.skipped:
            return "skipped"
        if self.unit == "s" and self.value < 1:
            return f"{1e3 * self.value:.3g} ms"
        return f"{self.value:.{2 if self.value < 10 else 0}f}{_SPACED[self.unit]}"


_SPACED = {"x": "x", "%": " %", "GB": " GB", "s": " s"}


def _best(turns: list[float]) -> str:
    best = min(turns, default=0.0)
    return "" if not turns else f"{best:.2f} s" if best >= 1 else f"{best * 1e3:.1f} ms"


COLUMNS: Columns = (  # of results
    ("case", lambda one: f"{one.row}: {one.case}" + (f", against {one.peer}" if one.peer else "")),
    ("ours", lambda one: _best(one.ours)),
    ("theirs", lambda one: _best(one.theirs)),
    ("", lambda one: one.shown),
    ("memory", lambda one: " / ".join("-" if math.isnan(side) else f"{side:.1f}" for side in one.megabytes or ())),
    ("target", lambda one: one.target),
    ("met", lambda one: {None: "", True: "yes", False: "* no"}[one.met]),
)


def race(*sides: Callable[[], object]) -> tuple[list[float], ...]:
    """Time the sides in turns; return the best seconds of every turn of each.

    Each side first runs once unmeasured, which compiles, loads and touches memory.
    """
    seconds: tuple[list[float], ...] = tuple([] for _ in sides)
    with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")  # a peer's warnings and progress bars are its own
        for side in sides:
            side()
        start = time.perf_counter()
        while len(seconds[0]) < 2 or (len(seconds[0]) < ROUNDS and time.perf_counter() - start < BUDGET):
            for turns, side in zip(seconds, sides, strict=True):
                turns.append(_turn(side))
    return seconds


def _turn(call: Callable[[], object]) -> float:
    best, start = math.inf, time.perf_counter()
    while math.isinf(best) or time.perf_counter() < start + TURN:
        begin = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - begin)
    return best


def faster(
    row: str, case: str, ours: Callable[[], object], theirs: Callable[[], object], least: float | None, peer: str
) -> Result:
    """Measure how many times faster than a peer ours is: best turn against best turn."""
    mine, others = race(ours, theirs)
    return Result(row, case, min(others) / min(mine), "x", least, True, mine, others, peer)


def on_top(
    row: str, case: str, ours: Callable[[], object], theirs: Callable[[], object], most: float | None, peer: str
) -> Result:
    """Measure how much longer than the part it contains ours takes, in %.

    It is the median over pairs of turns, since the machine's pace drifts.
    """
    mine, others = race(ours, theirs)
    share = median(one / other for one, other in zip(mine, others, strict=True)) - 1
    return Result(row, case, 100 * share, "%", most, False, mine, others, peer)
