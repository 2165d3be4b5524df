"""Whether tests between models keep their level, and intervals of best layers their coverage.

Every stimulus has a pattern of 20 features that all systems share. A layer adds noise of its own: the less, the more
similar it is to the target, which several subjects see with noise of their own, part of which is one subject's at all
stimuli alike. The best layers of both models are equally good, so that every test that tells them apart is wrong.
"""

import json
import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numba
import numpy as np

from ...rsa import RDM, compute_rdm
from ...rsa.inference.bootstrap import Resampling, Sides
from ...rsa.inference.contrasts import Contrasts
from ...rsa.inference.models import Plan
from ...rsa.rdm.comparison import method_named
from ...rsa.types import Array
from ..report import Columns

REPEATS, DRAWS, SPLITS, PAIRS = 200, 200, 30, 400_000
_SCALE = 1 / np.sqrt(np.arange(1, 21))
_BEST = 1.0  # noise of the best layers, and of the target


@dataclass(frozen=True)
class Case:
    """over: what is new in a new sample. layers: of both models, the best one among them equally good. kind: whether
    the second model's other layers are "tied" with the best, "graded" from it to half as good, or "useless"."""

    over: str
    n: int
    layers: tuple[int, int]
    kind: str
    subjects: int = 1


def cases() -> list[Case]:
    """Models of 1 to 101 layers, 20 to 300 stimuli, 2 to 10 subjects."""
    found = [Case("stimuli", n, (3, 3), "graded") for n in (20, 100, 300)]
    found += [Case("stimuli", n, (1, 10), kind) for n in (20, 50, 100) for kind in ("tied", "graded")]
    found += [Case("stimuli", n, (1, 30), "graded") for n in (20, 50)]
    found += [Case("stimuli", n, (1, 101), "useless") for n in (20, 50)]
    return found + [Case("both", 30, (1, 3), "graded", people) for people in (2, 4, 10)]


COLUMNS: Columns = (
    ("new", "{over}"),
    ("stimuli", "{n}"),
    ("subjects", "{subjects}"),
    ("layers", lambda row: f"{row['layers'][0]} and {row['layers'][1]}"),
    ("others", "{kind}"),
    ("truth", "{truth:.3f}"),
    ("mean estimates", lambda row: ", ".join(f"{value:.3f}" for value in row["estimates"])),
    ("highest layers", lambda row: ", ".join(f"{value:.3f}" for value in row["highest"])),
    ("wrong tests", lambda row: f"{100 * row['level']:.1f} %"),
    ("wrong for more layers", lambda row: f"{100 * row['more']:.1f} %"),
    ("intervals with the truth", lambda row: ", ".join(f"{100 * value:.1f} %" for value in row["coverage"])),
)


def measure(
    chosen: Sequence[Case],
    *,
    repeats: int = REPEATS,
    file: Path | None = None,
    progress: Callable[[int], object] = lambda steps: None,
) -> list[dict[str, Any]]:
    """One row per case. file: written after every row; rows that it holds from as many repeats are kept."""
    from ...rsa.cli.console import write_json

    kept: dict[str, dict[str, Any]] = {}
    if file is not None and file.exists():
        kept = {_key(row) + str(row["repeats"]): row for row in json.loads(file.read_text())["rows"]}
    rows: list[dict[str, Any]] = []
    for case in chosen:
        key = _key(asdict(case)) + str(repeats)
        if key not in kept:
            kept[key] = simulated(case, repeats=repeats)
        rows.append(kept[key])
        if file is not None:
            write_json(file, {"draws": DRAWS, "splits": SPLITS, "rows": rows})
        progress(1)
    return rows


def _key(row: dict[str, Any]) -> str:
    return json.dumps([row.get(name) for name in Case.__dataclass_fields__])


def simulated(case: Case, *, repeats: int = REPEATS) -> dict[str, Any]:
    """Shares of samples in which the test tells equal models apart (at all, and for the one of more layers), and in
    which the intervals hold the truth."""
    truth = population()
    rng = np.random.default_rng(zlib.crc32(_key(asdict(case)).encode()))
    threads = numba.get_num_threads()
    numba.set_num_threads(1)  # samples are small
    try:
        found = [_sample(case, rng, seed) for seed in range(repeats)]
    finally:
        numba.set_num_threads(threads)
    wrong, low, high, estimate, highest = (np.array(part) for part in zip(*found, strict=True))
    return {
        **asdict(case),
        "layers": list(case.layers),  # as JSON has them
        "repeats": repeats,
        "truth": truth,
        "level": float((wrong != 0).mean()),
        "more": float((wrong < 0).mean()),
        "coverage": ((low <= truth) & (truth <= high)).mean(axis=0).tolist(),
        "estimates": estimate.mean(axis=0).tolist(),
        "highest": highest.mean(axis=0).tolist(),
    }


def _sample(case: Case, rng: np.random.Generator, seed: int) -> tuple[float, Array, Array, Array, Array]:
    shared = rng.normal(size=(case.n, 20)) * _SCALE
    people = [_rdm(shared + _BEST * _own(rng, case.n)) for _ in range(case.subjects)]
    resampling = Resampling(DRAWS, seed=seed)
    plan = Plan(people[0], {"target": range(case.subjects)}, resampling, over=case.over, splits=SPLITS)
    samples = []
    for layers in case.layers:
        rdms = [
            _rdm(shared * (noise is not None) + (noise or 1.0) * _own(rng, case.n))
            for noise in _noises(layers, case.kind)
        ]
        sides = Sides(rdms, people, method_named("pearson"))
        samples.append(plan.sample([str(i) for i in range(layers)], sides))
    contrasts = Contrasts(plan, samples)
    test = contrasts.differences(np.array([0]), np.array([1]))
    low, high = contrasts.intervals()
    wrong = float(np.sign(test["difference"][0])) if test["p"][0] < 0.05 else 0.0
    return wrong, low, high, contrasts.estimate, np.array([s.table.mean(axis=1).max() for s in samples])


def _noises(layers: int, kind: str) -> list[float | None]:
    """Of each layer, the best first; None for one that shares nothing."""
    others: dict[str, list[float | None]] = {
        "tied": [_BEST] * (layers - 1),
        "graded": [float(noise) for noise in np.linspace(_BEST, 2 * _BEST, layers)[1:]],
        "useless": [None] * (layers - 1),
    }
    return [_BEST, *others[kind]]


@cache
def population() -> float:
    """The similarity of a best layer and a subject over all pairs of an infinite population."""
    rng = np.random.default_rng(0)
    sides = [rng.normal(size=(PAIRS, 20)) * _SCALE for _ in range(2)]
    distances = []
    for _ in range(2):
        a, b = (side + _BEST * _own(rng, PAIRS) for side in sides)
        a, b = (x - x.mean(axis=1, keepdims=True) for x in (a, b))
        norms = np.sqrt(np.einsum("ij,ij->i", a, a) * np.einsum("ij,ij->i", b, b))
        distances.append(1 - np.einsum("ij,ij->i", a, b) / norms)
    return float(np.corrcoef(*distances)[0, 1])


def _own(rng: np.random.Generator, n: int) -> Array:
    noise: Array = rng.normal(size=(n, 20)) * _SCALE
    return noise


def _rdm(features: Array) -> RDM:
    return compute_rdm(features, labels=[f"{i:04d}" for i in range(len(features))])
