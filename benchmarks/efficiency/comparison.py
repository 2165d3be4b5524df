"""Does P + alpha TG make a search cheaper than P? Searches compared at equal cost (paper, section 4.2, table 1)."""

from typing import Any

import numpy as np

from ...rsa import RSAError
from ...rsa.types import Array
from .results import Results, Searched
from .statistics import area, interval, mean_and_error, reached, sign_flip

ALL = "all"  # searchers, averaged for each seed
Row = dict[str, Any]


def base_of(found: Results) -> int:
    """The place of the goal that the others are compared with: P after the fewest examples.

    Raises RSAError where no goal is P alone.
    """
    plain = [place for place, goal in enumerate(found.goals) if "teacher" not in goal]
    if not plain:
        raise RSAError("nothing to compare with: P alone is no goal of this study")
    return min(plain, key=lambda place: found.goals[place]["examples"])


def compare(found: Results) -> list[Row]:
    """A row for each searcher and goal, and for all searchers together, of the searches that are finished.

    top, best: mature performance of the final top 5, its mean and its best one, with standard errors over seeds. rank:
    Spearman of scores with mature performance. top gain, best gain, area gain, rank gain: differences to P with the
    same seed, with 95% intervals over seeds; top p, ...: their p by flipped signs. area: mean height of the top 5's
    curve over the examples trained, from where every goal has a first sample to where the first one ends. level: what P
    alone comes to at its end. reached: the examples after which the curve, averaged over seeds, stays there (None: it
    does not). reaching: how many of the searches end there. examples, seconds: of one search.
    None for what cannot be told, such as an interval of one seed.
    """
    base, rows = base_of(found), []
    for searcher in [*found.searchers, *([ALL] if len(found.searchers) > 1 else [])]:
        groups = {goal: _group(found, searcher, goal) for goal in range(len(found.goals))}
        plain = groups[base]
        if not plain:
            continue
        present = [next(iter(group.values())) for group in groups.values() if group]
        first, last = max(run.step for run in present), min(run.step * run.samples for run in present)
        for goal, group in groups.items():
            if group:
                rows.append({"searcher": searcher, "goal": goal, **_row(group, plain, goal == base, first, last)})
    return rows


def _group(found: Results, searcher: str, goal: int) -> dict[int, Searched]:
    """seed -> search; for all searchers together the mean of their searches with that seed."""
    if searcher != ALL:
        return found.of(searcher, goal)
    parts = [found.of(one, goal) for one in found.searchers]
    seeds = set.intersection(*(set(part) for part in parts))
    return {seed: _mean([part[seed] for part in parts]) for seed in sorted(seeds)}


def _mean(runs: list[Searched]) -> Searched:
    def over(key: str) -> Array:
        return np.asarray(np.mean([getattr(run, key) for run in runs], axis=0))

    first = runs[0]
    return Searched(
        ALL, first.goal, first.seed, first.samples, first.step, round(float(over("cells"))),
        round(float(over("failed"))), float(np.median([run.seconds for run in runs])), float(over("rank")),
        over("mean"), over("best"),
    )  # fmt: skip


def _row(group: dict[int, Searched], plain: dict[int, Searched], same: bool, first: float, last: float) -> Row:
    runs = list(group.values())
    one = runs[0]
    curves = np.stack([run.mean for run in runs])
    level = float(np.mean([run.mean[-1] for run in plain.values()]))

    def values(of: dict[int, Searched], seed: int) -> tuple[float, float, float, float]:
        run = of[seed]
        return float(run.mean[-1]), float(run.best[-1]), float(area(run.mean, run.step, first, last)), run.rank

    row: Row = {
        "seeds": len(runs), "samples": one.samples, "examples": one.step * one.samples, "step": one.step,
        "seconds": one.samples * float(np.median([run.seconds for run in runs])),
        "cells": float(np.mean([run.cells for run in runs])), "failed": float(np.mean([run.failed for run in runs])),
    }  # fmt: skip
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
