"""Objectives for searches in tests: importable by the workers' processes, told what to do by their fields."""

import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from tgsage.plugins import Evaluation
from tgsage.plugins.result import Heritage
from tgsage.plugins.searching.isolation import SearchStopped


def score_of(architecture: Mapping[str, Any]) -> float:
    """A smooth score: few filters in many layers are best."""
    filters = [value for name, value in architecture.items() if name.endswith("filters")]
    kernels = [value for name, value in architecture.items() if name.endswith("kernel")]
    return float(0.1 * architecture["n_layers"] - 0.01 * sum(filters) + 0.001 * sum(kernels))


@dataclass(frozen=True)
class Toy:
    """Writes a line per call to `log`; what it does with architectures of one, two and three layers can be set."""

    log: str = ""
    seconds: float = 0.0
    one: str = "score"
    two: str = "score"
    device: str = ""

    def describe(self) -> dict[str, Any]:
        return {"name": "toy", "one": self.one, "two": self.two}

    def __call__(self, architecture: dict[str, Any]) -> Evaluation:
        if self.log:
            with Path(self.log).open("a") as file:
                file.write(f"{os.getpid()} {self.device} {sorted(architecture.items())}\n")
        time.sleep(self.seconds)
        what = {1: self.one, 2: self.two}.get(architecture["n_layers"], "score")
        if what == "raise":
            raise ZeroDivisionError("one layer\nis not enough")
        if what == "exit":
            raise SystemExit(3)
        if what == "nan":
            return float("nan")  # type: ignore[return-value]
        if what == "word":
            return "good"  # type: ignore[return-value]
        if what == "stop":
            raise SearchStopped("the data are gone")
        if what == "hang":
            time.sleep(3600)
        if what == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if what == "term" and len(Path(self.log).read_text().splitlines()) == 1:  # as an out-of-memory daemon does
            os.kill(os.getpid(), signal.SIGTERM)
        score = score_of(architecture)
        return Evaluation(p=score, tg=score / 2, score=score, examples=100, table={"layer1": {"it": 0.5}})

    def descend(self, architecture: dict[str, Any], heritage: Heritage) -> tuple[Evaluation, bytes]:
        """Weights are a digest of all architectures of the line, which the loss tells."""
        weights = sha256((heritage.weights or b"") + repr(sorted(architecture.items())).encode()).digest()
        return replace(self(architecture), loss=weights[0] / 256), weights


@dataclass(frozen=True)
class Factory:
    """Makes a `Toy` that knows its device."""

    log: str

    def make(self, device: str | None) -> Callable[[dict[str, Any]], Evaluation]:
        return Toy(self.log, device=device or "none")


@dataclass(frozen=True)
class Broken:
    """Cannot be made."""

    def make(self, device: str | None) -> Callable[[dict[str, Any]], Evaluation]:
        raise FileNotFoundError("no data here")


@dataclass(frozen=True)
class Deadly:
    """Takes down the process that it is sent to."""

    def __call__(self, architecture: dict[str, Any]) -> float:
        return 0.0

    def __reduce__(self) -> tuple[Any, ...]:
        return os._exit, (7,)
