"""Seconds and memory against the number of stimuli, compared with the tools that people use.

The path of Brain-Score is its published formula (brain-score/vision, metrics/rdm: `RDM` and `RDMSimilarity`): 1 minus
numpy's `corrcoef` over all neuroids, the upper triangle of both, scipy's `spearmanr`; without its xarray bookkeeping.
"""

import json
import math
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...rsa import RDM, Features, RSAError, compare, compare_features, compute_rdm
from ...rsa.errors import reason
from ...rsa.plots.figures import COLOURS, MARKERS
from ...rsa.types import Array
from ..report import panels
from .environment import optional, peak_of, resident_memory
from .rdms import features
from .timing import Result, race

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Call = Callable[[], object]

SIZES, QUICK = (92, 500, 1000, 2560, 5760), (92, 200)
MANY = (1000, 2560, 5760, 22_248, 100_000)  # stimuli whose RDM need not be made
FEATURES = 1024
OURS = "tgsage"
LONGEST = 60.0  # seconds that one call of a peer may be expected to take
LARGEST = 8000.0  # megabytes that one may be expected to take on top of its inputs
_FORESEEN = 2560  # stimuli up to which memory is measured beforehand, so that more can be foreseen
LEAST_MEGABYTES = 1.0  # less is the allocator's business, and a ratio of it says nothing
_FITTED = 500  # stimuli from which the exponent is fitted: below, a call's fixed cost rules


def scaling(quick: bool) -> Iterator[Result]:
    """Every operation at every size, the tools taking turns; memory in a separate process for each tool."""
    operations = [operation for operation in OPERATIONS if operation != WITHOUT]
    return _against_size("scaling", operations, QUICK if quick else SIZES)


def many(quick: bool) -> Iterator[Result]:
    """The same of a similarity that needs no RDM."""
    return _against_size("many", [WITHOUT], QUICK if quick else MANY)


def _against_size(row: str, operations: Sequence[str], sizes: Sequence[int]) -> Iterator[Result]:
    for operation in operations:
        sides = OPERATIONS[operation]
        seconds: dict[str, dict[int, list[float]]] = {tool: {} for tool in sides}
        few = [n for n in sizes if n <= _FORESEEN]
        megabytes = {tool: memory_on_top(operation, tool, few) for tool in sides}
        skipped: dict[tuple[str, int], str] = {}
        for n in sizes:
            for tool in sides:
                if tool != OURS and (why := _too_much(n, seconds[tool], megabytes[tool])):
                    skipped[tool, n] = why
            running = [tool for tool in sides if (tool, n) not in skipped]
            calls = [sides[tool](n) for tool in running]
            for tool, turns in zip(running, race(*calls), strict=True):
                seconds[tool][n] = turns
        for tool in sides:
            megabytes[tool] |= memory_on_top(operation, tool, [n for n in seconds[tool] if n > _FORESEEN])
        for tool in sides:
            for n in sizes if tool != OURS else ():
                yield _result(row, operation, tool, n, seconds, megabytes, skipped.get((tool, n), ""))


def _result(
    row: str,
    operation: str,
    tool: str,
    n: int,
    seconds: dict[str, dict[int, list[float]]],
    megabytes: dict[str, dict[int, float]],
    skipped: str,
) -> Result:
    ours, theirs = seconds[OURS][n], seconds[tool].get(n, [])
    ratio = min(theirs) / min(ours) if theirs else math.nan
    taken = (megabytes[OURS][n], megabytes[tool].get(n, math.nan))
    case = f"{operation}, n = {n}"
    return Result(row, case, ratio, "x", None, True, ours, theirs, tool, operation, n, taken, skipped)


def _too_much(n: int, seconds: dict[int, list[float]], megabytes: dict[int, float]) -> str:
    """Why a tool is not run at this size, or ""."""
    for most, unit, costs in (
        (LONGEST, "s", {m: min(turns) for m, turns in seconds.items()}),
        (LARGEST, "MB", {m: taken for m, taken in megabytes.items() if taken >= LEAST_MEGABYTES}),
    ):
        expected = predicted(costs, n)
        if n not in costs and expected > most:
            return f"expected to take {expected:.0f} {unit}, more than {most:.0f}"
    return ""


def predicted(costs: dict[int, float], n: int) -> float:
    """Seconds or megabytes at a larger n, extrapolated from the last two sizes, at least quadratically; 0 without."""
    if not costs:
        return 0.0
    known = sorted(costs.items())
    slope = max([2.0, *(math.log(b[1] / a[1]) / math.log(b[0] / a[0]) for a, b in list(pairwise(known))[-1:])])
    last, cost = known[-1]
    return float(cost * (n / last) ** slope)


def exponents(results: Sequence[Result]) -> dict[str, dict[str, float]]:
    """operation -> tool -> slope of log(seconds) over log(n), by least squares from n = 500 on (from all n of fewer
    than two such sizes); a tool with one size has none."""
    found: dict[str, dict[str, float]] = {}
    for operation, tools in costs(results).items():
        for tool, points in tools.items():
            large = [point for point in points if point[0] >= _FITTED]
            n, seconds = np.array(large if len(large) > 1 else points)[:, :2].T
            if len(n) > 1:
                slope = float(np.polyfit(np.log(n), np.log(seconds), 1)[0])
                found.setdefault(operation, {})[tool] = slope
    return found


def costs(results: Sequence[Result]) -> dict[str, dict[str, list[tuple[int, float, float]]]]:
    """operation -> tool -> measured (n, seconds, megabytes on top), by rising n."""
    found: dict[str, dict[str, dict[int, tuple[int, float, float]]]] = {}
    for result in results:
        if result.operation and result.megabytes is not None:
            sides = ((OURS, result.ours), (result.peer, result.theirs))
            for (tool, turns), taken in zip(sides, result.megabytes, strict=True):
                if turns:
                    point = (result.n, min(turns), taken)
                    found.setdefault(result.operation, {}).setdefault(tool, {})[result.n] = point
    return {
        operation: {tool: [points[n] for n in sorted(points)] for tool, points in tools.items()}
        for operation, tools in found.items()
    }


def memory_on_top(operation: str, tool: str, sizes: Sequence[int]) -> dict[int, float]:
    """Peak megabytes of one call on top of its inputs, by size, in a separate process after a first call."""
    if not sizes:
        return {}
    code = f"from {__name__} import print_memory; print_memory({operation!r}, {tool!r}, {list(sizes)!r})"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)  # noqa: S603
    return {int(n): taken / 1e6 for n, taken in json.loads(done.stdout.splitlines()[-1]).items()}


def print_memory(operation: str, tool: str, sizes: Sequence[int]) -> None:
    """Print the bytes for each size as JSON, without what the process held before the call."""
    build = OPERATIONS[operation][tool]
    found: dict[int, int] = {}
    race(build(min(SIZES)))
    for n in sizes:
        call = build(n)
        before = resident_memory()
        found[n] = max(0, peak_of(call) - before)
    print(json.dumps(found))


def _pair(n: int) -> tuple[RDM, RDM]:
    """Two RDMs of few features, which are cheap to make."""
    x, y = features(n, FEATURES)
    return compute_rdm(x[:, :32]), compute_rdm(y[:, :32])


def brain_score(x: Array, y: Array) -> float:
    """Similarity of two sets of features as Brain-Score's RDM metric defines it."""
    from scipy.stats import spearmanr

    one, other = (1 - np.corrcoef(side) for side in (x, y))
    above = np.triu_indices(len(one), k=1)
    return float(spearmanr(one[above], other[above])[0])


def _toolbox_rdm(x: Array) -> Any:
    data, toolbox = optional("rsatoolbox.data"), optional("rsatoolbox.rdm")
    return toolbox.calc_rdm(data.Dataset(x), method="correlation")


def _toolbox_compare(a: RDM, b: RDM, method: str) -> Call:
    toolbox = optional("rsatoolbox.rdm")
    one, other = (toolbox.RDMs(side.values[None]) for side in (a, b))
    return lambda: toolbox.compare(one, other, method=method)


def _rdm(make: Callable[[Array], object]) -> Callable[[int], Call]:
    def build(n: int) -> Call:
        x = features(n, FEATURES)[0]
        return lambda: make(x)

    return build


def _score(similarity: Callable[[Array, Array], object]) -> Callable[[int], Call]:
    def build(n: int) -> Call:
        x, y = features(n, FEATURES)
        return lambda: similarity(x, y)

    return build


def _compare(method: str) -> dict[str, Callable[[int], Call]]:
    def ours(n: int) -> Call:
        a, b = _pair(n)
        return lambda: compare(a, b, method=method)

    name = "kendalltau" if method == "tau-a" else "spearmanr"  # tau-b, which is tau-a without ties

    def scipys(n: int) -> Call:
        from scipy import stats

        a, b = _pair(n)
        call = getattr(stats, name)
        return lambda: call(a.values, b.values)

    return {OURS: ours, "rsatoolbox": lambda n: _toolbox_compare(*_pair(n), method), f"scipy {name}": scipys}


def _pdist(x: Array) -> Array:
    from scipy.spatial.distance import pdist

    distances: Array = pdist(x, "correlation")
    return distances


def _without_rdms(x: Array, y: Array) -> float:
    labels = [str(i) for i in range(len(x))]
    return compare_features(Features(x, labels), Features(y, labels), similarity="rsa-pearson")


WITHOUT = "features to pearson"
OPERATIONS: dict[str, dict[str, Callable[[int], Call]]] = {
    f"RDM of {FEATURES} features": {
        OURS: _rdm(compute_rdm),
        "rsatoolbox": _rdm(_toolbox_rdm),
        "scipy pdist": _rdm(_pdist),
        "numpy corrcoef": _rdm(lambda x: 1 - np.corrcoef(x)),
    },
    "spearman of two RDMs": _compare("spearman"),
    "tau-a of two RDMs": _compare("tau-a"),
    "features to spearman": {
        OURS: _score(lambda x, y: compare(compute_rdm(x), compute_rdm(y), method="spearman")),
        "rsatoolbox": _score(
            lambda x, y: optional("rsatoolbox.rdm").compare(_toolbox_rdm(x), _toolbox_rdm(y), method="spearman")
        ),
        "Brain-Score's path": _score(brain_score),
    },
    WITHOUT: {
        OURS: _score(_without_rdms),
        "tgsage, with RDMs": _score(lambda x, y: compare(compute_rdm(x), compute_rdm(y))),
        "rsatoolbox": _score(
            lambda x, y: optional("rsatoolbox.rdm").compare(_toolbox_rdm(x), _toolbox_rdm(y), method="corr")
        ),
    },
}


def read_results(path: str | Path) -> list[Result]:
    """Read what `bench speed --json` wrote. Raises RSAError for a file that is missing or something else."""
    known = {field.name for field in fields(Result)}
    try:
        rows = json.loads(Path(path).read_text(encoding="utf-8"))["results"]
        results = [Result(**{key: value for key, value in row.items() if key in known}) for row in rows]
    except OSError as error:
        raise RSAError(f"{path}: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RSAError(f"{path} is not a file of bench speed --json: {reason(error)}") from error
    return [replace(result, megabytes=_numbers(result.megabytes)) for result in results]


def _numbers(sides: "Sequence[float | None] | None") -> tuple[float, float] | None:
    """JSON has no NaN: a side that was not measured is null there."""
    if sides is None:
        return None
    ours, theirs = (math.nan if side is None else side for side in sides)
    return ours, theirs


def cost_figure(results: Sequence[Result]) -> "Figure":
    """Draw seconds and memory against n, with fitted exponents. Raises RSAError without such rows."""
    found, slopes = costs(results), exponents(results)
    if not found:
        raise RSAError("no cost against n to draw; bench speed --rows scaling measures it")
    tools = list(dict.fromkeys(tool for sides in found.values() for tool in sides))
    styles = {
        tool: (COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)], "-" if i < len(COLOURS) else "--")
        for i, tool in enumerate(tools)
    }
    figure, grid = panels(4.2 * len(found), 7.6, 2, len(found), sharex="col")
    for column, (operation, sides) in zip(grid.T, found.items(), strict=True):
        for tool, points in sides.items():
            n, seconds, taken = np.array(points).T
            colour, marker, line = styles[tool]
            slope = slopes.get(operation, {}).get(tool)
            label = tool if slope is None else f"{tool}: n^{slope:.2f}"
            look = {
                "color": colour,
                "marker": marker,
                "linestyle": line,
                "linewidth": 2.4 if tool == OURS else 1.3,
                "markersize": 5,
            }
            column[0].plot(n, seconds, label=label, **look)
            taken[~(taken >= LEAST_MEGABYTES)] = np.nan
            column[1].plot(n, taken, **look)
        column[0].set_title(operation, fontsize=10)
        column[0].legend(frameon=False, fontsize=8)
        column[1].set_xlabel("stimuli (n)")
        for axes in column:
            if any(np.isfinite(line.get_ydata()).any() for line in axes.lines):
                axes.set(xscale="log", yscale="log")
            axes.grid(alpha=0.3)
            ticks = sorted({n for points in sides.values() for n, _, _ in points})
            axes.set_xticks(ticks, [str(n) for n in ticks], fontsize=8)
            axes.set_xticks([], minor=True)
    grid[0, 0].set_ylabel("seconds (best turn)")
    grid[1, 0].set_ylabel("MB on top of the inputs")
    missing = [f"{r.peer}, {r.operation}, n = {r.n}" for r in results if r.skipped]
    note = "Same process, threads and inputs, both sides warm; exponents fitted from n = 500 on."
    if missing:
        note += f"\nLeft out, more than {LONGEST:.0f} s or {LARGEST:.0f} MB expected: {'; '.join(missing)}."
    figure.supxlabel(note, fontsize=9)
    return figure
