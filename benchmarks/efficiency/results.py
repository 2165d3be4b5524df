"""What a study of efficiency has found so far, as a small JSON file, and back: page and picture need nothing else."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...rsa import RSAError
from ...rsa.cli.console import write_json
from ...rsa.errors import reason
from ...rsa.types import Array
from ..result_files import reading_results
from .runs import Run, Study
from .statistics import current_best, rank_correlation

KIND, PLAN = "efficiency", "study.json"
_NUMBERS = ("goal", "seed", "samples", "step", "cells", "failed", "seconds", "rank")


@dataclass(frozen=True, eq=False)
class Searched:
    """A finished search. goal: its place among the goals. step: examples that a sample has seen. cells: different
    architectures among the samples. failed: samples without a score. seconds: of the median evaluation. rank: see
    `rank_correlation`. mean, best: of the current top 5, mature performance after every sample (samples,).
    """

    searcher: str
    goal: int
    seed: int
    samples: int
    step: int
    cells: int
    failed: int
    seconds: float
    rank: float
    mean: Array
    best: Array


@dataclass(frozen=True, eq=False)
class Results:
    """about: settings, JSON-able. goals: name, examples, and of those with a teacher alpha, rule and cost."""

    about: dict[str, Any]
    goals: list[dict[str, Any]]
    runs: list[Searched]

    @property
    def searchers(self) -> list[str]:
        return list(dict.fromkeys(run.searcher for run in self.runs))

    def of(self, searcher: str, goal: int) -> dict[int, Searched]:
        """seed -> search."""
        return {run.seed: run for run in self.runs if (run.searcher, run.goal) == (searcher, goal)}


def write_plan(study: Study, **about: Any) -> None:
    """Say in the study's folder what it is of: `read_plan` tells how far it is without making anything."""
    study.folder.mkdir(parents=True, exist_ok=True)
    goals = [{**goal.describe(), "cost": goal.cost} for goal in study.goals]
    runs = [
        {"searcher": run.searcher, "goal": run.goal, "examples": run.examples, "seed": run.seed,
         "samples": run.samples, "file": run.file.name}
        for run in study.runs()
    ]  # fmt: skip
    kept = {**about, "searchers": list(study.searchers), "seeds": study.seeds, "first_seed": study.first_seed,
            "cells": study.evaluations.describe(),
            "space": study.evaluations.space.name}  # fmt: skip
    write_json(study.folder / PLAN, {"kind": PLAN, "about": kept, "goals": goals, "runs": runs})


def read_plan(folder: Path) -> tuple[dict[str, Any], list[dict[str, Any]], list[Run]]:
    """What a study is about, its goals and its searches. Raises RSAError for a folder without one."""
    path = folder / PLAN
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        runs = [
            Run(str(one["searcher"]), int(one["goal"]), int(one["examples"]), int(one["seed"]), int(one["samples"]),
                folder / "runs" / Path(one["file"]).name)
            for one in kept["runs"]
        ]  # fmt: skip
        return dict(kept["about"]), list(kept["goals"]), runs
    except OSError as error:
        raise RSAError(f"{folder} is no folder of a study: {path.name}: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise RSAError(f"{path} is no plan of a study: {reason(error)}") from error


def collect(folder: Path) -> Results:
    """All searches of a folder that are finished. Raises RSAError naming a file that is damaged."""
    about, goals, runs = read_plan(folder)
    found = [_searched(run, history) for run in runs if len(history := run.history()) == run.samples]
    return Results({**about, "finished": len(found), "planned": len(runs)}, goals, found)


def _searched(run: Run, history: Sequence[dict[str, Any]]) -> Searched:
    cells = [json.dumps(sample["architecture"], sort_keys=True) for sample in history]
    scores, mature = [one["score"] for one in history], [one["mature"] for one in history]
    mean, best = current_best(cells, scores, mature)
    failed = sum(sample["score"] is None for sample in history)
    return Searched(
        run.searcher, run.goal, run.seed, run.samples, max(int(sample["examples"]) for sample in history),
        len(set(cells)), failed, float(np.median([sample["seconds"] for sample in history])),
        rank_correlation(cells, scores, mature), mean, best,
    )  # fmt: skip


def write_results(path: Path, found: Results, rows: Sequence[dict[str, Any]]) -> None:
    """rows: the comparison of it, see `efficiency.compare`."""
    runs = [
        {"searcher": run.searcher, **{key: getattr(run, key) for key in _NUMBERS},
         **{key: " ".join(f"{value:.5f}" for value in getattr(run, key)) for key in ("mean", "best")}}
        for run in found.runs
    ]  # fmt: skip
    write_json(path, {"kind": KIND, "about": found.about, "goals": found.goals, "rows": rows, "runs": runs})


def read_results(path: str | Path) -> tuple[Results, dict[str, str]]:
    """The searches that `write_results` wrote, and the versions of what made them. `compare` makes the rows of them.

    Raises RSAError for a file that is missing or something else.
    """
    with reading_results(path, KIND, "study of efficiency") as kept:
        runs = [
            Searched(one["searcher"], *(one[key] for key in _NUMBERS), *map(_curve, (one["mean"], one["best"])))
            for one in kept["runs"]
        ]
        return Results(kept["about"], kept["goals"], runs), kept["versions"]


def _curve(text: str) -> Array:
    return np.array([float(value) for value in text.split()])
