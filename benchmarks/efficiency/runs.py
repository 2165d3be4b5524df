"""The searches of a study: each a file of what it has tried so far, from which it goes on; shared out by locks."""

import hashlib
import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...plugins import get_searcher
from ...rsa import RSAError
from ...rsa.errors import listing, near, reason
from ...rsa.io.storage import replacing
from .cache import Evaluations
from .goals import Goal
from .locks import locked

SEARCHERS = ("random", "tpe", "rl", "evolution")
_OWN = {"architecture", "p", "loss", "tg", "score", "mature", "examples", "seconds", "waited"}
Sample = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Run:
    """One search. goal: its place among the study's. examples: of a candidate's training. seed: the searcher's, and
    that of its candidates' training."""

    searcher: str
    goal: int
    examples: int
    seed: int
    samples: int
    file: Path

    def history(self) -> list[Sample]:
        """What it has tried so far. Raises RSAError for a file that holds anything else."""
        if not self.file.exists():
            return []
        try:
            samples: list[Sample] = json.loads(self.file.read_text(encoding="utf-8"))["samples"]
            if not all(set(sample) == _OWN for sample in samples):
                raise ValueError("a sample of it is incomplete")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RSAError(f"{self.file} is no search of this benchmark: {reason(error)}; delete it") from error
        return samples[: self.samples]


@dataclass(frozen=True, eq=False)
class Study:
    """Searchers by goals by seeds, which are so many from `first_seed` on. samples: of the goals with the fewest
    examples; the others get as many as cost the same, or `more`. folder: where the searches are kept.

    Raises RSAError for unknown searchers, equal goals and counts below 1.
    """

    evaluations: Evaluations
    goals: Sequence[Goal]
    folder: Path
    searchers: Sequence[str] = SEARCHERS
    seeds: int = 5
    samples: int = 100
    more: int | None = None
    first_seed: int = 0

    def __post_init__(self) -> None:
        strange = [name for name in self.searchers if name not in SEARCHERS]
        if strange:
            raise RSAError(f"no searcher {strange[0]!r}{near(strange[0], SEARCHERS)}")
        if min(self.seeds, self.samples, 1 if self.more is None else self.more) < 1 or self.first_seed < 0:
            raise RSAError("a study needs at least 1 seed, from 0 on, and 1 sample")
        names = [(goal.name, goal.examples) for goal in self.goals]
        twice = [name for name in names if names.count(name) > 1]
        if twice or not names or not self.searchers:
            raise RSAError(f"a study needs searchers and goals that differ: {listing(dict.fromkeys(twice)) or 'none'}")

    def runs(self) -> list[Run]:
        """In the order in which they are worked at: the longer trainings first, since they serve the shorter ones, and
        neighbours have different seeds, so that workers do not wait for each other."""
        cells = self.evaluations.describe()
        return [
            self._run(searcher, place, seed, cells)
            for searcher in self.searchers
            for place in sorted(range(len(self.goals)), key=lambda place: -self.goals[place].examples)
            for seed in range(self.first_seed, self.first_seed + self.seeds)
        ]

    def _run(self, searcher: str, place: int, seed: int, cells: dict[str, Any]) -> Run:
        goal, shortest = self.goals[place], min(one.examples for one in self.goals)
        samples = self.samples
        if goal.examples > shortest:
            samples = self.more or max(1, round(samples * shortest / goal.examples))
        about = {"searcher": searcher, "seed": seed, "goal": goal.describe(), "cells": cells}
        key = hashlib.sha256(json.dumps(about, sort_keys=True, default=str).encode()).hexdigest()[:12]
        file = self.folder / "runs" / f"{searcher}-{seed}-{key}.json"
        return Run(searcher, place, goal.examples, seed, samples, file)

    def work(self) -> Iterator[int]:
        """Work at every search that nobody else is working at, until none is left; yields 1 after every sample."""
        (self.folder / "runs").mkdir(parents=True, exist_ok=True)
        for run in self.runs():
            with locked(self.folder / "runs.lock", run.file.name, wait=False) as mine:
                if mine:
                    yield from self._search(run)

    def _search(self, run: Run) -> Iterator[int]:
        space, history = self.evaluations.space, run.history()
        if len(history) == run.samples:
            return
        goal = self.goals[run.goal]
        searcher = get_searcher(run.searcher)(space, seed=run.seed)
        for number, sample in enumerate(history):
            searcher.tell(number, sample["architecture"], sample["score"])
        while len(history) < run.samples:
            number, start = len(history), time.perf_counter()
            architecture = searcher.ask(number, repeats=True)
            found = self.evaluations(architecture, run.seed, goal.examples)
            score, tg = goal(found)
            searcher.tell(number, architecture, score)
            member, c = found.member, found.checkpoint
            history.append({
                "architecture": architecture, "p": None if member is None else float(member.p[c]),
                "loss": None if member is None else float(member.loss[c]), "tg": tg, "score": score,
                "mature": found.mature, "examples": found.examples, "seconds": found.seconds,
                "waited": time.perf_counter() - start,
            })  # fmt: skip
            about = {"searcher": run.searcher, "seed": run.seed, "goal": goal.describe()}
            with replacing(run.file) as temporary:
                temporary.write_text(json.dumps({**about, "samples": history}), encoding="utf-8")
            yield 1


class Watch:
    """How many samples of each search are done, looked up again where its file has changed."""

    def __init__(self, runs: Sequence[Run]) -> None:
        self.runs = list(runs)
        self._seen: dict[Path, tuple[int, int]] = {}

    def __call__(self) -> list[int]:
        return [self._length(run) for run in self.runs]

    def finished(self) -> int:
        """How many of the searches are."""
        return sum(length == run.samples for length, run in zip(self(), self.runs, strict=True))

    def _length(self, run: Run) -> int:
        changed = run.file.stat().st_mtime_ns if run.file.exists() else 0
        if self._seen.get(run.file, (-1, 0))[0] != changed:
            self._seen[run.file] = changed, len(run.history())
        return self._seen[run.file][1]


def rest(runs: Sequence[Run], workers: int = 1) -> tuple[int, int, float]:
    """Samples done, samples in all, and the seconds that the others are expected to take, NaN before the first.

    They are expected to take as long as those of the same length did so far, and where none was done in proportion.
    """
    histories = [run.history() for run in runs]
    waited: dict[int, list[float]] = {}
    for run, history in zip(runs, histories, strict=True):
        waited.setdefault(run.examples, []).extend(sample["waited"] for sample in history)
    known = {examples: float(np.mean(seconds)) for examples, seconds in waited.items() if seconds}
    per_example = np.mean([seconds / examples for examples, seconds in known.items()]) if known else np.nan
    left = sum(
        (run.samples - len(history)) * known.get(run.examples, float(per_example) * run.examples)
        for run, history in zip(runs, histories, strict=True)
    )
    shared = min(workers, os.cpu_count() or 1)
    return sum(map(len, histories)), sum(run.samples for run in runs), left / shared
