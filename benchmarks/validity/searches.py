"""Searchers on tables of trained networks: which accuracy they reach after so many trials."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...plugins import get_searcher
from ...plugins.spaces import Architecture, get_space
from ...rsa import RSAError
from ...rsa.cli.console import write_json
from ...rsa.errors import listing, near
from ...rsa.plots.figures import COLOURS, MARKERS
from ..report import Columns, panels
from .macro import read_macro
from .nasbench201 import accuracy, read_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Run = dict[str, Any]
TABLES = ("nasbench201", "macro")

LAST = "mean of the last 100"
SEEDS = {"random": 200, "tpe": 20, "rl": 20, "evolution": 200, "nash": 200, "pnas": 40}
TRIALS = {"random": 300, "tpe": 300, "rl": 1000, "evolution": 300, "nash": 300, "pnas": 300}
MEASURES: dict[str, tuple[str, ...]] = dict.fromkeys(SEEDS, ("best of 100", "best of 300"))
MEASURES["rl"] += (LAST,)
# On NAS-Bench-201, means over many seeds of independent runs with the same settings; the last 100: what RL keeps up.
REFERENCE: dict[str, dict[str, float]] = {
    "random": {"best of 100": 93.50, "best of 300": 93.67},
    "tpe": {"best of 100": 93.74, "best of 300": 93.95},
    "rl": {"best of 100": 93.50, "best of 300": 93.74, LAST: 92.0},
    "evolution": {"best of 100": 93.88, "best of 300": 94.05},
}


@dataclass(frozen=True, eq=False)
class Ground:
    """A table to search in.

    accuracy: of an architecture of the space of this name, in %. best: of all networks. reference: searcher ->
    measure -> accuracy that others reach.
    """

    space: str
    title: str
    accuracy: Callable[[Architecture], float]
    best: float
    reference: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


def read_ground(name: str, data_dir: Path | None = None) -> Ground:
    """Read one of the tables. Raises RSAError for another name, and where its file is missing or something else."""
    if name == "nasbench201":
        cells = read_table()
        return Ground(name, "NAS-Bench-201", partial(accuracy, cells), max(cells.values()), REFERENCE)
    if name == "macro":
        networks = read_macro(data_dir)
        return Ground(name, "NAS-Bench-Macro", networks.accuracy, max(row.accuracy for row in networks.rows.values()))
    raise RSAError(f"no table is named {name!r}{near(name, TABLES)}")


def run(searcher: str, seed: int, ground: Ground, *, trials: int) -> Run:
    """Run one search: `best` after each improvement ("trial:accuracy", from 1), and the mean of the last proposals.

    The score that the searcher is told is the accuracy as a fraction.
    """
    space = get_space(ground.space)
    proposer = get_searcher(searcher)(space, seed=seed)
    found: list[float] = []
    improvements: list[str] = []
    for trial in range(trials):
        architecture = proposer.ask(trial, repeats=True)  # as the reference's searches did
        reached = ground.accuracy(architecture)
        if reached > max(found, default=0.0):
            improvements.append(f"{trial + 1}:{reached:.3f}")
        found.append(reached)
        proposer.tell(trial, architecture, reached / 100)
    return {"trials": trials, "best": " ".join(improvements), LAST: round(float(np.mean(found[-100:])), 4)}


def measure(
    ground: Ground,
    searchers: Sequence[str],
    *,
    seeds: int | None = None,
    trials: int | None = None,
    file: Path | None = None,
    progress: Callable[[int], object] = lambda steps: None,
) -> dict[str, Any]:
    """`runs` (searcher -> seed -> run) and `rows`, the comparison with the reference.

    seeds, trials: for each searcher, instead of SEEDS and TRIALS. file: JSON; it is rewritten after every run, and runs
    of as many trials that it holds already are not repeated. Raises RSAError for a file of another kind.
    """
    runs = _resumed(ground, file)
    for searcher in searchers:
        mine = runs.setdefault(searcher, {})
        for seed in range(count(searcher, seeds)):
            length = trials or TRIALS[searcher]
            if mine.get(str(seed), {}).get("trials") != length:
                mine[str(seed)] = run(searcher, seed, ground, trials=length)
                if file is not None:
                    write_json(file, _result(ground, runs))
            progress(1)
    return _result(ground, runs)


def choose(searchers: Sequence[str] = ()) -> list[str]:
    """Return these searchers, or all. Raises RSAError for an unknown one."""
    unknown = [searcher for searcher in searchers if searcher not in SEEDS]
    if unknown:
        raise RSAError(f"no searcher {listing(unknown)} is compared here{near(unknown[0], tuple(SEEDS))}")
    return list(searchers or SEEDS)


def count(searcher: str, seeds: int | None) -> int:
    """Number of seeds a searcher is run with."""
    return seeds or SEEDS[searcher]


def _result(ground: Ground, runs: Mapping[str, Mapping[str, Run]]) -> dict[str, Any]:
    return {"table": ground.space, "best": round(ground.best, 4), "rows": compare(runs, ground.reference), "runs": runs}


def _resumed(ground: Ground, file: Path | None) -> dict[str, dict[str, Run]]:
    if file is None or not file.exists():
        return {}
    try:
        kept = json.loads(file.read_text())
        runs: dict[str, dict[str, Run]] = kept["runs"]
        compare(runs)
        if kept["table"] != ground.space:
            raise RSAError(f"{file} is about the table {kept['table']}, not {ground.space}; give another file")
    except RSAError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RSAError(f"{file} is no result of this benchmark; give another file or delete it") from error
    return runs


def compare(
    runs: Mapping[str, Mapping[str, Run]], references: Mapping[str, Mapping[str, float]] = REFERENCE
) -> list[dict[str, Any]]:
    """Compare the mean over seeds, plus two standard errors, with the reference where there is one."""
    rows: list[dict[str, Any]] = []
    for searcher, mine in runs.items():
        for measure in MEASURES[searcher]:
            reference = references.get(searcher, {}).get(measure)
            values = [value for value in (_value(one, measure) for one in mine.values()) if value is not None]
            if values:
                mean, error = float(np.mean(values)), _standard_error(values)
                reached = None if error is None or reference is None else mean + 2 * error >= reference
                row = {"searcher": searcher, "measure": measure, "seeds": len(values), "mean": round(mean, 4)}
                rows.append(row | {"standard error": error, "reference": reference, "reached": reached})
    return rows


def _mean(row: dict[str, Any]) -> str:
    return f"{row['mean']:.3f}" + ("" if row["standard error"] is None else f" +- {row['standard error']:.3f}")


COLUMNS: Columns = (
    ("searcher", "{searcher}, {measure}"),
    ("seeds", "{seeds}"),
    ("ours", _mean),
    ("reference", lambda row: "" if row["reference"] is None else f"{row['reference']:.2f}"),
    ("reached", lambda row: {None: "", True: "yes", False: "* no"}[row["reached"]]),
)


def _value(one: Run, measure: str) -> float | None:
    """None where the run was too short."""
    if measure == LAST:
        return float(one[LAST])
    after = int(measure.rpartition(" ")[2])
    return float(curve(one)[after - 1]) if one["trials"] >= after else None


def _standard_error(values: Sequence[float]) -> float | None:
    return round(float(np.std(values, ddof=1) / len(values) ** 0.5), 4) if len(values) > 1 else None


def curve(one: Run) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """The best accuracy after 1, 2, ... trials."""
    best = np.full(int(one["trials"]), np.nan)
    for improvement in one["best"].split():
        trial, _, reached = improvement.partition(":")
        best[int(trial) - 1 :] = float(reached)
    return best


def search_figure(ground: Ground, runs: Mapping[str, Mapping[str, Run]]) -> "Figure":
    """Best accuracy so far against trials: the mean over seeds with two standard errors, and the reference's points."""
    figure, ((axes,),) = panels(8, 5)
    bottom = ground.best
    for (searcher, mine), colour, marker in zip(runs.items(), COLOURS, MARKERS, strict=False):
        shortest = min(int(one["trials"]) for one in mine.values())
        curves = np.array([curve(one)[:shortest] for one in mine.values()])
        mean, error = curves.mean(axis=0), curves.std(axis=0, ddof=min(1, len(curves) - 1)) / len(curves) ** 0.5
        x = np.arange(1, shortest + 1)
        bottom = min(bottom, float(mean[min(9, shortest - 1)]) - 0.3)
        axes.plot(x, mean, color=colour, label=f"{searcher}, {len(curves)} seeds")
        axes.fill_between(x, mean - 2 * error, mean + 2 * error, color=colour, alpha=0.2, linewidth=0)
        for measure, reference in ground.reference.get(searcher, {}).items():
            if measure != LAST:
                axes.plot(int(measure.rpartition(" ")[2]), reference, marker, color=colour, markeredgecolor="white")
    axes.axhline(ground.best, color="0.4", linewidth=0.8, linestyle=":", label="best of the table")
    axes.set_xscale("log")
    axes.set_xlim(10, None)
    axes.set_ylim(bottom, ground.best + 0.1)
    axes.set_xlabel("trials")
    axes.set_ylabel("best CIFAR-10 accuracy so far (%)")
    axes.set_title(f"Searchers on {ground.title}", fontweight="bold")
    axes.legend(title="band: two standard errors" + ("; points: reference" if ground.reference else ""), frameon=False)
    return figure
