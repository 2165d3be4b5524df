"""Free predictors on NAS-Bench-201: Spearman with the published accuracy, beside what others published."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from ...plugins.evaluation.predictors import BATCH, PREDICTORS, first_batch, free_predictors, size_of
from ...plugins.spaces import get_space
from ...plugins.training import load_data, make_network
from ...plugins.training.placement import same_threads
from ...rsa import RSAError
from ...rsa.cli.console import write_json
from ...rsa.types import Array
from ..rank_statistics import Resampled, interval, spearman
from ..report import Columns, reading_results
from .nasbench201 import Table, architecture_of, read_table

KIND = "free predictors"
SPACE = "nasbench201"
CHANNELS = 16
BEST = 0.1
DRAWS = 1000
NEAR = 0.05
_EVERY = 10  # cells between two writes
_SIZES = ("parameters", "multiply-adds")
PUBLISHED: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "multiply-adds": (0.80, 0.80),
        "naswot": (0.76, 0.76),
        "synflow": (0.74, 0.76),
        "jacob_cov": (0.73, 0.80),
        "grad_norm": (0.44, 0.59),
        "snip": (0.59, 0.59),
    }
)
"""Spearman over NAS-Bench-201's cells: Abdelfattah et al. 2021, Mellor et al. 2021, and later papers' tables."""
PUBLISHED_BEST: Mapping[str, float] = MappingProxyType({"synflow": 0.18, "jacob_cov": 0.15, "snip": -0.36})


def measure(
    n: int = 1000,
    *,
    data: str = "cifar10-jpeg",
    data_dir: Path | None = None,
    batch: int = BATCH,
    repeats: int = 5,
    seed: int = 0,
    file: Path | None = None,
    progress: Callable[[int], object] = lambda steps: None,
) -> dict[str, Any]:
    """Compute the predictors of random cells, and the rows of their comparison.

    n: number of cells, drawn from all of the table's. batch: images, the first of the training part. repeats: cells
    per stage. file: JSON, rewritten now and then; cells that it holds are not computed again.

    Raises RSAError for a file of another kind or of other settings, and as `load_data` and `read_table` do.
    """
    table, images = read_table(), load_data(data, data_dir=data_dir)
    if not 2 <= n <= len(table):
        raise RSAError(f"the table has {len(table)} cells, of which 2 or more are drawn, not {n}")
    if not 2 <= batch <= len(images.train):
        raise RSAError(f"a batch has 2 to {len(images.train)} images of {data}, not {batch}")
    build = {"cells": repeats, "channels": CHANNELS}
    settings = {"data": data, "batch": batch, **build, "seed": seed}
    values = _resumed(file, settings)
    keys = sorted(table)
    drawn = [keys[i] for i in np.random.default_rng(seed).permutation(len(keys))[:n]]
    task: dict[str, Any] = {"shape": images.shape, "n_classes": images.n_classes}
    with same_threads():
        shown, labels = first_batch(images, batch)
        for done, key in enumerate(drawn, start=1):
            if _name(key) not in values:
                described = {"space": SPACE, "architecture": architecture_of(key), "settings": build}
                found = free_predictors(make_network(described, seed=seed, **task), shown, labels)
                values[_name(key)] = [float(f"{value:.7g}") for value in found.values()]
                if file is not None and done % _EVERY == 0:
                    write_json(file, {"kind": KIND, "settings": settings, "rows": [], "values": values})
            progress(1)
    rows = compare({_name(key): values[_name(key)] for key in drawn}, table, _sizes(table, build, task))
    result = {"kind": KIND, "settings": settings, "rows": rows, "values": values}
    if file is not None:
        write_json(file, result)
    return result


def compare(
    values: Mapping[str, Sequence[float]], table: Table, sizes: Mapping[str, Sequence[float]]
) -> list[dict[str, Any]]:
    """Spearman of every predictor with accuracy over the drawn cells and over the best of them, beside the published.

    Many cells of the table are the same network with other dead edges. "different" are the cells without dead edges,
    which are every network once: over them later papers correlate, and only there do networks that leave dead edges
    out, as ours do, and those that compute them have the same units.

    values: cell -> predictors. sizes: cell -> parameters and multiply-adds, of all cells of the table. Where a
    definition gives no number, a cell ranks last.
    """
    best = float(np.quantile(list(table.values()), 1 - BEST))
    space = get_space(SPACE)
    networks = {_name(key) for key in table if space.canonical(cell := architecture_of(key)) == cell}
    reached = {_name(key): accuracy for key, accuracy in table.items()}
    rows = []
    for place, name in enumerate(PREDICTORS):
        mine = {cell: row[place] for cell, row in values.items()}
        whole = name in _SIZES
        if whole:
            mine = {cell: row[_SIZES.index(name)] for cell, row in sizes.items()}
        x = np.array([-np.inf if _missing(value) else value for value in mine.values()])
        y = np.array([reached[cell] for cell in mine])
        row: dict[str, Any] = {"predictor": name, "source": PREDICTORS[name].source, "all": _spearman(x, y, whole)}
        row["best"] = _spearman(x[y >= best], y[y >= best], whole)
        own = np.array([cell in networks for cell in mine])
        row["different"] = _spearman(x[own], y[own], whole)
        row["without a number"] = int(np.isinf(x).sum())
        low, high = row["published"] = PUBLISHED.get(name, (None, None))
        if low is not None and high is not None:
            for part, key in (("all", "near"), ("different", "near different")):
                found = row[part]["spearman"]
                row[key] = None if found is None else low - NEAR <= found <= high + NEAR
        row["published best"] = PUBLISHED_BEST.get(name)
        rows.append(row)
    return rows


def _spearman(x: Array, y: Array, whole: bool) -> dict[str, Any]:
    """With an interval over cells, unless these are all there are."""
    if len(y) < 3:
        return {"cells": len(y), "spearman": None, "interval": None}
    shown: dict[str, Any] = {"cells": len(y), "spearman": round(float(spearman(x, y)), 4), "interval": None}
    if not whole:
        draws = Resampled(y, DRAWS, np.random.default_rng(0))(x)
        shown["interval"] = [round(bound, 4) for bound in interval(draws)]
    return shown


def _sizes(table: Table, build: Mapping[str, int], task: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """Parameters and multiply-adds of every cell; they depend on how many of its live edges are which convolution."""
    space = get_space(SPACE)
    known: dict[tuple[int, int], tuple[int, int]] = {}
    found = {}
    for key in table:
        canonical = space.canonical(architecture_of(key))
        kinds = list(canonical.values())
        counts = kinds.count("conv1x1"), kinds.count("conv3x3")
        if counts not in known:
            described = {"space": SPACE, "architecture": canonical, "settings": dict(build)}
            size = size_of(make_network(described, **task), task["shape"])
            known[counts] = size.parameters, size.multiply_adds
        found[_name(key)] = known[counts]
    return found


def _name(key: Sequence[int]) -> str:
    return "".join(map(str, key))


def _missing(value: float | None) -> bool:
    return value is None or math.isnan(value)


def _resumed(file: Path | None, settings: Mapping[str, Any]) -> dict[str, list[float]]:
    if file is None or not file.exists():
        return {}
    with reading_results(file, KIND, "result of this benchmark") as kept:
        values: dict[str, list[float]] = kept["values"]
        if kept["settings"] != settings:
            raise RSAError(f"{file} was made with other settings, {kept['settings']}; give another file or delete it")
        if any(len(row) != len(PREDICTORS) for row in values.values()):
            raise RSAError(f"{file} holds other predictors; give another file or delete it")
    return values


def _written(part: Mapping[str, Any]) -> str:
    if part["spearman"] is None:
        return "-"
    low, high = part["interval"] or (None, None)
    return f"{part['spearman']:.2f}" + ("" if low is None else f" [{low:.2f}, {high:.2f}]")


def published_text(low: float | None, high: float | None) -> str:
    """Least and largest published value; nothing where there is none."""
    return "" if low is None or high is None else f"{low:.2f}" if low == high else f"{low:.2f} to {high:.2f}"


def _near(key: str) -> Callable[[Mapping[str, Any]], str]:
    return lambda row: {None: "", True: "yes", False: "* no"}[row.get(key)]


COLUMNS: Columns = (
    ("predictor", "{predictor}"),
    ("cells", lambda row: f"{row['all']['cells']:,}"),
    ("Spearman", lambda row: _written(row["all"])),
    ("published", lambda row: published_text(*row["published"])),
    ("near", _near("near")),
    ("different networks", lambda row: _written(row["different"]) if "different" in row else "-"),
    ("near", _near("near different")),
    ("in the best 10%", lambda row: _written(row["best"])),
    ("published", lambda row: "" if row["published best"] is None else f"{row['published best']:.2f}"),
)
