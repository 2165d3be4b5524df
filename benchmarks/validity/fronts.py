"""Fronts of accuracy against size on NAS-Bench-201's table: what LEMONADE, NSGA-II and random search find."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...plugins import get_searcher, suggest
from ...plugins.evaluation.costs import planned_size
from ...plugins.pareto import hypervolume
from ...plugins.spaces import Architecture, get_space
from ...rsa import RSAError
from ...rsa.cli.console import write_json
from ...rsa.errors import listing
from ...rsa.plots.figures import COLOURS
from ..report import Columns, panels
from .nasbench201 import Table, accuracy, read_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SEARCHERS = ("random", "nash", "nsga2", "lemonade")
TRIALS, MOMENTS = 300, (50, 100, 200, 300)
SHAPE = (3, 32, 32)
WORST = 90.0  # error in % of a network that guesses: the reference point, with the largest network's size


class _Ground:
    """Error in % and parameters of a cell's network with one cell per stage and 16 channels, and the best front."""

    def __init__(self, table: Table) -> None:
        self.space, self.table = get_space("nasbench201"), table
        largest = planned_size(self.space, dict.fromkeys(self._names, "conv3x3"), SHAPE)
        self.corner = (WORST, 1.001 * (0 if largest is None else largest.parameters))

    @property
    def _names(self) -> list[str]:
        return [dimension.name for dimension in self.space.dimensions]

    def point(self, architecture: Architecture) -> tuple[float, float]:
        size = planned_size(self.space, self.space.canonical(architecture), SHAPE)
        return 100 - accuracy(self.table, architecture), float(0 if size is None else size.parameters)

    def volume(self, points: Sequence[tuple[float, float]]) -> float:
        """As a share of the box between no error and no parameters, and the reference point."""
        return hypervolume(points, self.corner) / (self.corner[0] * self.corner[1])


def run(searcher: str, seed: int, ground: "_Ground", *, trials: int = TRIALS) -> list[float]:
    """Volume of the front after every one of MOMENTS."""
    points: list[tuple[float, float]] = []
    if searcher == "nsga2":
        import optuna

        from ...plugins.searching.storage import quiet

        def objectives(trial: "optuna.Trial") -> tuple[float, float]:
            points.append(ground.point(suggest(ground.space, trial)))
            return points[-1]

        with quiet():
            study = optuna.create_study(
                directions=["minimize", "minimize"], sampler=optuna.samplers.NSGAIISampler(seed=seed)
            )
            study.optimize(objectives, n_trials=trials)
    else:
        made = get_searcher(searcher)(ground.space, seed=seed)
        for trial in range(trials):
            architecture = made.ask(trial, repeats=True)
            points.append(ground.point(architecture))
            made.tell(trial, architecture, 1 - points[-1][0] / 100)
    return [round(ground.volume(points[:moment]), 6) for moment in MOMENTS if moment <= trials]


def measure(
    searchers: Sequence[str] = SEARCHERS,
    *,
    seeds: int = 20,
    trials: int = TRIALS,
    file: Path | None = None,
    progress: Callable[[int], object] = lambda steps: None,
) -> dict[str, Any]:
    """`runs` (searcher -> seed -> volumes), `rows` (mean, standard error, difference from random by the same seeds).

    file: JSON that is rewritten after every run; runs that it holds are not repeated.
    Raises RSAError for an unknown searcher and for a file of another kind.
    """
    if unknown := [name for name in searchers if name not in SEARCHERS]:
        raise RSAError(f"fronts are of {listing(SEARCHERS)}, not {listing(unknown)}")
    ground, runs = _Ground(read_table()), _resumed(file)
    for searcher in searchers:
        mine = runs.setdefault(searcher, {})
        for seed in range(seeds):
            if len(mine.get(str(seed), ())) < sum(moment <= trials for moment in MOMENTS):
                mine[str(seed)] = run(searcher, seed, ground, trials=trials)
                if file is not None:
                    write_json(file, {"rows": compare(runs), "runs": runs, "reference": ground.corner})
            progress(1)
    return {"rows": compare(runs), "runs": runs, "reference": ground.corner}


def _resumed(file: Path | None) -> dict[str, dict[str, list[float]]]:
    if file is None or not file.exists():
        return {}
    try:
        runs: dict[str, dict[str, list[float]]] = json.loads(file.read_text())["runs"]
        compare(runs)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RSAError(f"{file} is no result of this benchmark; give another file or delete it") from error
    return runs


def compare(runs: dict[str, dict[str, list[float]]]) -> list[dict[str, Any]]:
    """A row per searcher and moment; `better` is the mean difference from random search with its 95% interval."""
    rows = []
    for searcher, mine in runs.items():
        for place, moment in enumerate(MOMENTS):
            seeds = [seed for seed, volumes in mine.items() if len(volumes) > place]
            if len(seeds) < 2:
                continue
            values = np.array([mine[seed][place] for seed in seeds])
            row = {"searcher": searcher, "trials": moment, "seeds": len(seeds), "mean": round(float(values.mean()), 5)}
            row["standard error"] = round(float(values.std(ddof=1) / len(seeds) ** 0.5), 5)
            other = [runs["random"][seed][place] for seed in seeds if len(runs.get("random", {}).get(seed, ())) > place]
            if searcher != "random" and len(other) == len(seeds):
                gain = values - other
                half = 1.96 * float(gain.std(ddof=1) / len(seeds) ** 0.5)
                row["better"] = [round(float(gain.mean()) + sign * half, 5) for sign in (-1, 0, 1)]
            rows.append(row)
    return rows


def _better(row: dict[str, Any]) -> str:
    if "better" not in row:
        return ""
    low, mean, high = row["better"]
    return f"{mean:+.4f} [{low:+.4f}, {high:+.4f}]"


COLUMNS: Columns = (
    ("searcher, trials", "{searcher}, {trials}"),
    ("seeds", "{seeds}"),
    ("hypervolume", lambda row: f"{row['mean']:.4f} +- {row['standard error']:.4f}"),
    ("more than random", _better),
)


def fronts_figure(rows: Sequence[dict[str, Any]]) -> "Figure":
    """Hypervolume against trials, with two standard errors."""
    figure, ((axes,),) = panels(7, 4.5)
    for searcher, colour in zip(dict.fromkeys(row["searcher"] for row in rows), COLOURS, strict=False):
        mine = [row for row in rows if row["searcher"] == searcher]
        x, mean = [row["trials"] for row in mine], np.array([row["mean"] for row in mine])
        error = np.array([row["standard error"] for row in mine])
        axes.plot(x, mean, "o-", color=colour, label=searcher)
        axes.fill_between(x, mean - 2 * error, mean + 2 * error, color=colour, alpha=0.2, linewidth=0)
    axes.set_xlabel("trials")
    axes.set_ylabel("hypervolume (share of the box)")
    axes.set_title("Fronts of error against parameters, NAS-Bench-201", fontweight="bold")
    axes.legend(title="two standard errors", frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure
