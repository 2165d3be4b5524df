"""Searchers on a table of trained networks: the CIFAR-10 accuracy of every cell of NAS-Bench-201 (Dong & Yang 2020).

The numbers come with the package analog-nasbench as a pickle; it is read without importing the package, by an unpickler
that builds inert records and nothing else.
"""

import json
import pickle
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...plugins import get_searcher
from ...plugins.spaces import Architecture, get_space
from ...plugins.spaces.space import Choice
from ...rsa import RSAError
from ...rsa.cli.console import write_json
from ...rsa.errors import listing, near, reason
from ...rsa.plots.figures import COLOURS, MARKERS
from ..report import Columns, panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Table = Mapping[tuple[int, ...], float]
Run = dict[str, Any]

LAST = "mean of the last 100"
SEEDS = {"random": 200, "tpe": 20, "rl": 20, "evolution": 200}
TRIALS = {"random": 300, "tpe": 300, "rl": 1000, "evolution": 300}
REFERENCE = {  # means over many seeds of independent runs with the same settings; the last 100: what RL has to keep up
    "random": {"best of 100": 93.50, "best of 300": 93.67},
    "tpe": {"best of 100": 93.74, "best of 300": 93.95},
    "rl": {"best of 100": 93.50, "best of 300": 93.74, LAST: 92.0},
    "evolution": {"best of 100": 93.88, "best of 300": 94.05},
}
_CODES = {"skip": 0, "none": 1, "conv3x3": 2, "conv1x1": 3, "avgpool": 4}
_EDGES = ("0-1", "0-2", "0-3", "1-2", "1-3", "2-3")  # in this order edges that lead nowhere leave the accuracy alone


class _Record:
    """Stands for the package's classes: attributes, no behaviour."""

    baseline_accuracy: float


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> type[_Record]:
        if (module, name) in {("analognasbench.data", "Architecture"), ("analognasbench.data", "DriftMeasurement")}:
            return _Record
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")


def read_table(path: str | Path | None = None) -> Table:
    """Read the table (six operation codes, one per edge -> test accuracy in %) of the installed analog-nasbench.

    path: another file of that format. Raises RSAError if the package is missing (extra `bench`) or the file holds
    anything else.
    """
    if path is None:
        try:
            path = Path(str(distribution("analog-nasbench").locate_file("analognasbench/data.anb")))
        except PackageNotFoundError as error:
            raise RSAError("this benchmark needs analog-nasbench: python -m pip install 'tgsage[bench]'") from error
    try:
        with Path(path).open("rb") as file:
            records = _Unpickler(file).load()
        table = {tuple(map(int, key)): float(record.baseline_accuracy) for key, record in records.items()}
    except Exception as error:  # unpickling a damaged file raises nearly anything
        raise RSAError(f"{path} is no table of NAS-Bench-201: {reason(error)}") from error
    if len(table) != len(_CODES) ** len(_EDGES):
        raise RSAError(f"{path} has {len(table)} cells; NAS-Bench-201 has {len(_CODES) ** len(_EDGES)}")
    return table


def accuracy(table: Table, architecture: Architecture) -> float:
    """Test accuracy of an architecture of the space "nasbench201", in %."""
    return table[tuple(_CODES[str(architecture[edge])] for edge in _EDGES)]


def architecture_of(key: Sequence[int]) -> dict[str, Choice]:
    """The architecture behind six operation codes."""
    names = {code: name for name, code in _CODES.items()}
    return {edge: names[code] for edge, code in zip(_EDGES, key, strict=True)}


def run(searcher: str, seed: int, table: Table, *, trials: int) -> Run:
    """Run one search: `best` after each improvement ("trial:accuracy", from 1), and the mean of the last proposals.

    The score that the searcher is told is the accuracy as a fraction.
    """
    space = get_space("nasbench201")
    proposer = get_searcher(searcher)(space, seed=seed)
    found: list[float] = []
    improvements: list[str] = []
    for trial in range(trials):
        architecture = proposer.ask(trial, repeats=True)  # as the reference's searches did
        reached = accuracy(table, architecture)
        if reached > max(found, default=0.0):
            improvements.append(f"{trial + 1}:{reached:.3f}")
        found.append(reached)
        proposer.tell(trial, architecture, reached / 100)
    return {"trials": trials, "best": " ".join(improvements), LAST: round(float(np.mean(found[-100:])), 4)}


def measure(
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
    table, runs = read_table(), _resumed(file)
    for searcher in searchers:
        mine = runs.setdefault(searcher, {})
        for seed in range(count(searcher, seeds)):
            length = trials or TRIALS[searcher]
            if mine.get(str(seed), {}).get("trials") != length:
                mine[str(seed)] = run(searcher, seed, table, trials=length)
                if file is not None:
                    write_json(file, {"rows": compare(runs), "runs": runs})
            progress(1)
    return {"rows": compare(runs), "runs": runs}


def choose(searchers: Sequence[str] = ()) -> list[str]:
    """Return these searchers, or all that have a reference. Raises RSAError for any other."""
    unknown = [searcher for searcher in searchers if searcher not in REFERENCE]
    if unknown:
        raise RSAError(f"no reference for searcher {listing(unknown)}{near(unknown[0], tuple(REFERENCE))}")
    return list(searchers or REFERENCE)


def count(searcher: str, seeds: int | None) -> int:
    """Number of seeds a searcher is run with."""
    return seeds or SEEDS[searcher]


def _resumed(file: Path | None) -> dict[str, dict[str, Run]]:
    if file is None or not file.exists():
        return {}
    try:
        runs: dict[str, dict[str, Run]] = json.loads(file.read_text())["runs"]
        compare(runs)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RSAError(f"{file} is no result of this benchmark; give another file or delete it") from error
    return runs


def compare(runs: Mapping[str, Mapping[str, Run]]) -> list[dict[str, Any]]:
    """Compare the mean over seeds, plus two standard errors, with the reference."""
    rows: list[dict[str, Any]] = []
    for searcher, mine in runs.items():
        for measure, reference in REFERENCE[searcher].items():
            values = [value for value in (_value(one, measure) for one in mine.values()) if value is not None]
            if values:
                mean, error = float(np.mean(values)), _standard_error(values)
                reached = None if error is None else mean + 2 * error >= reference
                row = {"searcher": searcher, "measure": measure, "seeds": len(values), "mean": round(mean, 4)}
                rows.append(row | {"standard error": error, "reference": reference, "reached": reached})
    return rows


def _mean(row: dict[str, Any]) -> str:
    return f"{row['mean']:.3f}" + ("" if row["standard error"] is None else f" +- {row['standard error']:.3f}")


COLUMNS: Columns = (
    ("searcher", "{searcher}, {measure}"),
    ("seeds", "{seeds}"),
    ("ours", _mean),
    ("reference", "{reference:.2f}"),
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


def search_figure(runs: Mapping[str, Mapping[str, Run]]) -> "Figure":
    """Best accuracy so far against trials: the mean over seeds with two standard errors, and the reference's points."""
    figure, ((axes,),) = panels(8, 5)
    for (searcher, mine), colour, marker in zip(runs.items(), COLOURS, MARKERS, strict=False):
        shortest = min(int(one["trials"]) for one in mine.values())
        curves = np.array([curve(one)[:shortest] for one in mine.values()])
        mean, error = curves.mean(axis=0), curves.std(axis=0, ddof=min(1, len(curves) - 1)) / len(curves) ** 0.5
        x = np.arange(1, shortest + 1)
        axes.plot(x, mean, color=colour, label=f"{searcher}, {len(curves)} seeds")
        axes.fill_between(x, mean - 2 * error, mean + 2 * error, color=colour, alpha=0.2, linewidth=0)
        for measure, reference in REFERENCE[searcher].items():
            if measure != LAST:
                axes.plot(int(measure.rpartition(" ")[2]), reference, marker, color=colour, markeredgecolor="white")
    axes.axhline(94.066, color="0.4", linewidth=0.8, linestyle=":", label="best cell of the table")
    axes.set_xscale("log")
    axes.set_xlim(10, None)
    axes.set_ylim(91.5, 94.2)
    axes.set_xlabel("trials")
    axes.set_ylabel("best CIFAR-10 accuracy so far (%)")
    axes.set_title("Searchers on NAS-Bench-201", fontweight="bold")
    axes.legend(title="band: two standard errors; points: reference", frameon=False)
    return figure
