"""The searches of a study. Each is an ordinary search; one more search, whose candidates they are, shares them out."""

import hashlib
import json
import os
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from ...plugins import Candidate, Evaluation, Tracker, get_searcher, search
from ...plugins.result import FAILED, OK
from ...plugins.searching.isolation import SearchStopped
from ...plugins.searching.tracker import list_studies
from ...plugins.spaces import Architecture, Dimension, Space
from ...rsa import RSAError
from ...rsa.cli.console import write_json
from ...rsa.errors import listing, near, reason
from ..pool.making import Listed
from .cache import LOCKS, Evaluations
from .goals import Goal

SEARCHERS = ("random", "tpe", "rl", "evolution")
STORAGE, PLAN = "searches.db", "study.json"  # files in a study's folder
_COUNT = """
    SELECT study_name, COUNT(*) FROM studies JOIN trials USING (study_id)
    WHERE state IN ('COMPLETE', 'FAIL') GROUP BY study_name"""  # of Optuna's tables


def _silent() -> None:
    """Report no progress."""


@dataclass(frozen=True)
class Run:
    """One search. `goal` is the index of its goal, `examples` what a candidate is trained on, `seed` that of the
    searcher and of its candidates' trainings, `name` that of the search in the study's database."""

    searcher: str
    goal: int
    examples: int
    seed: int
    samples: int
    name: str


@dataclass(frozen=True, eq=False)
class Study:
    """Every searcher with every goal and seed.

    `seeds` consecutive seeds are used, from `first_seed` on. Searches for the goals with the fewest examples take
    `samples` samples; the others take `more`, or by default as many as cost the same. Searches are kept in `folder`.

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
        """All searches, in the order of work.

        Longer trainings come first, since they also serve the shorter ones; neighbours differ in their seed, so that
        workers do not wait for each other's cells.
        """
        cells, runs = self.evaluations.describe(), []
        shortest = min(goal.examples for goal in self.goals)
        for searcher in self.searchers:
            for place, goal in sorted(enumerate(self.goals), key=lambda item: -item[1].examples):
                samples = self.samples
                if goal.examples > shortest:
                    samples = self.more or max(1, round(samples * shortest / goal.examples))
                for seed in range(self.first_seed, self.first_seed + self.seeds):
                    about = {"searcher": searcher, "seed": seed, "goal": goal.describe(), "cells": cells}
                    name = f"{searcher}-{seed}-{_digest(about)}"
                    runs.append(Run(searcher, place, goal.examples, seed, samples, name))
        return runs

    def search(self, run: Run, progress: Callable[[], object]) -> None:
        """Continue one search to its end; wait first where another command is working at it."""
        space, goal = self.evaluations.space, self.goals[run.goal]
        with FileLock(self.folder / LOCKS / f"{run.name}.lock"):
            search(
                space,
                get_searcher(run.searcher)(space, seed=run.seed),
                _Cells(self.evaluations, goal, run.seed),
                samples=run.samples,
                storage=self.folder / STORAGE,
                study=run.name,
                reuse=False,
                repeats=True,
                allow_changes=True,  # the name says what scores depend on
                notify=lambda _: progress(),
            )


@dataclass(frozen=True, eq=False)
class _Cells:
    """The objective of one search: a cell of the study, scored by a goal."""

    evaluations: Evaluations
    goal: Goal
    seed: int

    def __call__(self, architecture: Architecture) -> Evaluation:
        start = time.perf_counter()
        try:
            found = self.evaluations(architecture, self.seed, self.goal.examples)
            score, tg = self.goal(found)
        except Exception as error:  # no cell's own failure: those come back without a score
            raise _stopped(error) from error
        seconds = {"evaluation": found.seconds, "waited": time.perf_counter() - start}
        about: dict[str, Any] = {"examples": found.examples, "seconds": seconds, "attrs": {"mature": found.mature}}
        if score is None or found.member is None:
            return Evaluation(FAILED, "it could not be trained, or no layer has an RDM", **about)
        p, loss = (float(values[found.checkpoint]) for values in (found.member.p, found.member.loss))
        return Evaluation(OK, p=p, loss=loss, tg=tg, score=score, **about)

    def describe(self) -> dict[str, Any]:
        return {"goal": self.goal.describe(), "cells": self.evaluations.describe(), "seed": self.seed}


class _Searches(Space):
    """A space whose architectures are the searches of a study."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__("searches", [Dimension("search", tuple(names), step=0, kind="search")])

    def describe(self, architecture: Architecture) -> str:
        return str(architecture["search"])

    def build(self, architecture: Architecture, **settings: Any) -> Any:
        raise NotImplementedError("a search is no network")


@dataclass(frozen=True, eq=False)
class _Conducted:
    """The objective of that space: conducts the search and scores nothing."""

    study: Study
    runs: Mapping[str, Run]
    progress: Callable[[], object] = _silent

    def __call__(self, architecture: Architecture) -> float:
        try:
            self.study.search(self.runs[str(architecture["search"])], self.progress)
        except Exception as error:
            raise _stopped(error) from error
        return 0.0

    def describe(self) -> dict[str, Any]:
        return {"searches": list(self.runs)}


def perform(study: Study, workers: int = 1, progress: Callable[[], object] = _silent) -> None:
    """Carry out all searches of a study, each in one process at a time.

    The same call continues where it was interrupted or killed, and joins in from another process. `progress` is called
    now and then, at least after every sample of a single worker. Raises RSAError for whatever stopped a search.
    """
    runs = {run.name: run for run in study.runs()}
    (study.folder / LOCKS).mkdir(parents=True, exist_ok=True)
    space = _Searches(list(runs))
    search(
        space,
        Listed(space, architectures=[{"search": name} for name in runs]),
        _Conducted(study, runs, progress) if workers == 1 else _Conducted(study, runs),
        samples=len(runs),
        storage=study.folder / STORAGE,
        study=f"searches-{_digest([[run.name, run.samples] for run in runs.values()])}",
        workers=workers,
        repeats=True,
        allow_changes=True,
        notify=lambda _: progress(),
    )


def _stopped(error: Exception) -> SearchStopped:
    return SearchStopped(str(error) if isinstance(error, RSAError) else f"{type(error).__name__}: {reason(error)}")


def _digest(about: object) -> str:
    return hashlib.sha256(json.dumps(about, sort_keys=True, default=str).encode()).hexdigest()[:12]


def write_plan(study: Study, **about: Any) -> None:
    """Write what a study is of into its folder, so that `read_plan` can tell how far it is without its data."""
    study.folder.mkdir(parents=True, exist_ok=True)
    goals = [{**goal.describe(), "cost": goal.cost} for goal in study.goals]
    about |= {name: getattr(study, name) for name in ("searchers", "seeds", "first_seed")}
    about |= {"cells": study.evaluations.describe(), "space": study.evaluations.space.name}
    runs = [asdict(run) for run in study.runs()]
    write_json(study.folder / PLAN, {"kind": PLAN, "about": about, "goals": goals, "runs": runs})


def read_plan(folder: Path) -> tuple[dict[str, Any], list[dict[str, Any]], list[Run]]:
    """What a study is about, its goals and its searches. Raises RSAError for a folder without a plan."""
    path = folder / PLAN
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        return dict(kept["about"]), list(kept["goals"]), [Run(**one) for one in kept["runs"]]
    except OSError as error:
        raise RSAError(f"{folder} is no folder of a study: {path.name}: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise RSAError(f"{path} is no plan of a study: {reason(error)}") from error


def histories(folder: Path, runs: Sequence[Run]) -> list[list[Candidate]]:
    """The finished samples of every search, in order. Raises RSAError for a database that cannot be read."""
    storage = folder / STORAGE
    begun = set(list_studies(storage)) if storage.exists() else set[str]()
    return [_history(storage, run) if run.name in begun else [] for run in runs]


def _history(storage: Path, run: Run) -> list[Candidate]:
    with Tracker(storage, run.name, create=False) as tracker:
        return [one for one in tracker.candidates() if one.finished and one.number < run.samples]


def counts(folder: Path, runs: Sequence[Run]) -> list[int]:
    """How many samples of every search are finished: what `histories` holds, in one query."""
    storage = folder / STORAGE
    if not storage.exists():
        return [0] * len(runs)
    try:  # not read-only: what a killed writer left has to be rolled back
        with closing(sqlite3.connect(storage, timeout=60)) as connection:
            found = dict(connection.execute(_COUNT).fetchall())
    except sqlite3.Error as error:
        raise RSAError(f"cannot read {storage}: {error}") from error
    return [min(found.get(run.name, 0), run.samples) for run in runs]


def expected(runs: Sequence[Run], done: Sequence[Sequence[Candidate]], workers: int = 1) -> float:
    """Seconds that the missing samples may take, NaN before the first one is done.

    Samples after equally long trainings are expected to take as long as those so far, others in proportion.
    """
    waited: dict[int, list[float]] = {}
    for run, history in zip(runs, done, strict=True):
        waited.setdefault(run.examples, []).extend(
            one.evaluation.seconds["waited"] for one in history if one.evaluation is not None
        )
    known = {examples: float(np.mean(seconds)) for examples, seconds in waited.items() if seconds}
    pace = float(np.mean([seconds / examples for examples, seconds in known.items()])) if known else np.nan
    missing = [run.samples - len(history) for run, history in zip(runs, done, strict=True)]
    left = sum(n * known.get(run.examples, pace * run.examples) for run, n in zip(runs, missing, strict=True))
    return left / min(workers, os.cpu_count() or 1)
