"""What the searches of a study found, compared at equal cost (paper, section 4.2, table 1), and its result file."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from ...plugins import Candidate
from ...rsa import RSAError
from ...rsa.cli.console import write_json
from ...rsa.types import Array
from ..report import reading_results
from .searches import Run, histories, read_plan
from .statistics import area, current_best, interval, mean_and_error, rank_correlation, reached, sign_flip

KIND = "efficiency"
ALL = "all"  # searchers, averaged for each seed
Row = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Searched:
    """A finished search.

    Attributes
    ----------
    goal : int
        Index of its goal.
    step : int
        Training examples of a sample.
    cells, failed : int
        Different architectures, and samples without a score.
    seconds : float
        Of the median evaluation.
    rank : float
        See `rank_correlation`.
    mean, best : numpy.ndarray
        Mature performance of the current top 5 after every sample, (samples,): its mean and its best.
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


def searched(run: Run, history: Sequence[Candidate]) -> Searched:
    """Summarise a finished search."""
    made = [one.evaluation for one in history if one.evaluation is not None]
    cells = [json.dumps(dict(one.architecture), sort_keys=True) for one in history]
    scores, mature = [one.score for one in history], [cast(float, one.attrs["mature"]) for one in made]
    mean, best = current_best(cells, scores, mature)
    return Searched(
        run.searcher,
        run.goal,
        run.seed,
        run.samples,
        step=max(one.examples for one in made),
        cells=len(set(cells)),
        failed=scores.count(None),
        seconds=float(np.median([one.seconds["evaluation"] for one in made])),
        rank=rank_correlation(cells, scores, mature),
        mean=mean,
        best=best,
    )


@dataclass(frozen=True, eq=False)
class Results:
    """The finished searches of a study, its goals (as `Goal.describe`, with `cost`) and its settings."""

    about: dict[str, Any]
    goals: list[dict[str, Any]]
    runs: list[Searched]

    @property
    def searchers(self) -> list[str]:
        return list(dict.fromkeys(run.searcher for run in self.runs))

    def of(self, searcher: str, goal: int) -> dict[int, Searched]:
        """seed -> search; of ALL searchers the mean of their searches with that seed."""
        if searcher == ALL:
            groups = [self.of(one, goal) for one in self.searchers]
            seeds = sorted(set[int].intersection(*(set(group) for group in groups)))
            return {seed: _mean([group[seed] for group in groups]) for seed in seeds}
        return {run.seed: run for run in self.runs if (run.searcher, run.goal) == (searcher, goal)}

    @property
    def base(self) -> int:
        """Index of the goal that the others are compared with: P after the fewest examples.

        Raises RSAError where no goal is P alone.
        """
        plain = [place for place, goal in enumerate(self.goals) if "teacher" not in goal]
        if not plain:
            raise RSAError("nothing to compare with: P alone is no goal of this study")
        return min(plain, key=lambda place: self.goals[place]["examples"])


def _mean(runs: list[Searched]) -> Searched:
    means = {key: np.mean([getattr(run, key) for run in runs], axis=0) for key in ("rank", "mean", "best")}
    cells, failed = (round(float(np.mean([getattr(run, key) for run in runs]))) for key in ("cells", "failed"))
    seconds = float(np.median([run.seconds for run in runs]))
    return replace(runs[0], searcher=ALL, cells=cells, failed=failed, seconds=seconds, **means)


def collect(folder: Path) -> Results:
    """All searches of a folder that are finished. Raises RSAError naming a file that is damaged."""
    about, goals, runs = read_plan(folder)
    pairs = zip(runs, histories(folder, runs), strict=True)
    found = [searched(run, history) for run, history in pairs if len(history) == run.samples]
    return Results({**about, "finished": len(found), "planned": len(runs)}, goals, found)


def compare(found: Results) -> list[Row]:
    """A row for each searcher and goal, and for all searchers together, of the searches that are finished.

    top, best: mature performance of the final top 5, its mean and its best one, with standard errors over seeds. rank:
    Spearman of scores with mature performance. top gain, best gain, area gain, rank gain: differences to P with the
    same seed, with 95% intervals over seeds; top p, ...: their p by flipped signs. area: mean height of the top 5's
    curve over the examples trained, from where every goal has a first sample to where the first one ends. level: what P
    alone comes to at its end. reached: the examples after which the curve, averaged over seeds, stays there (None: it
    does not). reaching: how many of the searches end there. examples, seconds: of one search.
    None stands for what cannot be told, such as an interval of one seed.
    """
    base, rows = found.base, []
    for searcher in [*found.searchers, *([ALL] if len(found.searchers) > 1 else [])]:
        groups = {goal: found.of(searcher, goal) for goal in range(len(found.goals))}
        plain = groups[base]
        if not plain:
            continue
        present = [next(iter(group.values())) for group in groups.values() if group]
        first, last = max(run.step for run in present), min(run.step * run.samples for run in present)
        for goal, group in groups.items():
            if group:
                rows.append({"searcher": searcher, "goal": goal, **_row(group, plain, goal == base, first, last)})
    return rows


def _row(group: dict[int, Searched], plain: dict[int, Searched], same: bool, first: float, last: float) -> Row:
    runs = list(group.values())
    one = runs[0]
    curves = np.stack([run.mean for run in runs])
    level = float(np.mean([run.mean[-1] for run in plain.values()]))

    def values(of: dict[int, Searched], seed: int) -> tuple[float, float, float, float]:
        run = of[seed]
        return float(run.mean[-1]), float(run.best[-1]), float(area(run.mean, run.step, first, last)), run.rank

    row: Row = {
        "seeds": len(runs),
        "samples": one.samples,
        "examples": one.step * one.samples,
        "step": one.step,
        "seconds": one.samples * float(np.median([run.seconds for run in runs])),
        "cells": float(np.mean([run.cells for run in runs])),
        "failed": float(np.mean([run.failed for run in runs])),
    }
    mine = np.array([values(group, seed) for seed in group])
    pairs = sorted(set(group) & set(plain))
    gains = np.array([np.subtract(values(group, seed), values(plain, seed)) for seed in pairs]).reshape(-1, 4)
    gains = gains.round(9)  # equal sets in another order are equal
    for i, key in enumerate(("top", "best", "area", "rank")):
        row[key], row[f"{key} error"] = mean_and_error(mine[:, i])
        sure = None if same else interval(gains[:, i])
        row[f"{key} gain"] = None if same or not pairs else float(gains[:, i].mean())
        row[f"{key} low"], row[f"{key} high"] = sure or (None, None)
        row[f"{key} p"] = None if same else sign_flip(gains[:, i])
    reaching = sum(reached(curve, one.step, level) is not None for curve in curves)
    row |= {"level": level, "reached": reached(curves.mean(axis=0), one.step, level), "reaching": reaching}
    return {key: None if isinstance(value, float) and np.isnan(value) else value for key, value in row.items()}


def write_results(path: Path, found: Results, rows: Sequence[Row]) -> None:
    """Write a study and its `compare`d rows."""
    runs = [{**vars(run), "mean": _packed(run.mean), "best": _packed(run.best)} for run in found.runs]
    write_json(path, {"kind": KIND, "about": found.about, "goals": found.goals, "rows": rows, "runs": runs})


def read_results(path: str | Path) -> tuple[Results, dict[str, str]]:
    """The searches that `write_results` wrote, and the versions of what made them. `compare` makes the rows of them.

    Raises RSAError for a file that is missing or something else.
    """
    with reading_results(path, KIND, "study of efficiency") as kept:
        runs = []
        for one in kept["runs"]:
            values = {field.name: one[field.name] for field in fields(Searched)}
            runs.append(Searched(**values | {"mean": _unpacked(one["mean"]), "best": _unpacked(one["best"])}))
        return Results(kept["about"], kept["goals"], runs), kept["versions"]


def _packed(curve: Array) -> str:
    return " ".join(f"{value:.5f}" for value in curve)


def _unpacked(text: str) -> Array:
    return np.array([float(value) for value in text.split()])
