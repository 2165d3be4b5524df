"""How often a 95% interval of the consistency of choices holds the truth, in samples from a known population.

Objects stay, images and subjects are new in each sample: an image adds noise to how strongly its object speaks for
every option, a subject biases towards options, and a choice is the strongest option after Gumbel noise (a softmax). The
model sees the same images with noise of its own, and mixes up objects in part as subjects do. The truth is the value
over very many images, trials and subjects.
"""

import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ...rsa import Behavior, BehaviorTest
from ...rsa.behavior.consistency import BEHAVIOR_METRICS
from ...rsa.types import Array
from ..report import Columns, kept_rows

REPEATS, DRAWS, SPLITS, OBJECTS = 200, 40, 4, 8
METRICS = tuple(BEHAVIOR_METRICS)
_MANY, _SAMPLES, _TRIALS = 24_000, 8, 24  # images of samples behind the truth, and how many; trials of an image


@dataclass(frozen=True)
class Case:
    """n: images. subjects: 0 where they are not known. pairs: of two options on offer in a trial, or all."""

    n: int
    subjects: int = 0
    pairs: bool = False


def cases() -> list[Case]:
    """64 to 1,000 images, subjects known and unknown; and pairs of options."""
    return [*(Case(n) for n in (64, 200, 1000)), Case(200, pairs=True), Case(64, 8), Case(200, 8)]


COLUMNS: Columns = (
    ("images", "{n}"),
    ("subjects", lambda row: str(row["subjects"] or "unknown")),
    ("on offer", lambda row: "pairs" if row["pairs"] else "all"),
    *((metric, lambda row, metric=metric: _held(row, metric)) for metric in METRICS),
)


def _held(row: dict[str, Any], metric: str) -> str:
    if row["coverage"][metric] is None:
        return "-"
    return f"{100 * row['coverage'][metric]:.1f} % of {row['truth'][metric]:.2f}"


def measure(
    chosen: Sequence[Case],
    *,
    repeats: int = REPEATS,
    file: Path | None = None,
    progress: Callable[[int], object] = lambda steps: None,
) -> list[dict[str, Any]]:
    """One row per case. file: written after every row; rows that it holds from as many repeats are kept."""
    return kept_rows(
        [asdict(case) | {"repeats": repeats} for case in chosen],
        lambda i: simulated(chosen[i], repeats=repeats),
        lambda row: _key(row, row["repeats"]),
        file=file,
        about={"draws": DRAWS, "splits": SPLITS},
        progress=progress,
    )


def _key(row: Mapping[str, Any], repeats: int) -> str:
    return json.dumps([row[name] for name in Case.__dataclass_fields__] + [repeats])


def simulated(case: Case, *, repeats: int = REPEATS) -> dict[str, Any]:
    """By metric: the truth, mean value and width, and the share of intervals that hold the truth."""
    truth, rng = population(replace(case, n=_MANY)), np.random.default_rng(zlib.crc32(_key(asdict(case), 0).encode()))
    found: dict[str, list[tuple[float, float, float]]] = {metric: [] for metric in METRICS}
    for seed in range(repeats):
        behavior, model = sample(case, _TRIALS, rng)
        score = BehaviorTest(behavior, splits=SPLITS, seed=seed)(model, bootstrap=DRAWS)
        for metric, one in score.metrics.items():
            if one.low is not None and one.high is not None:
                found[metric].append((one.value, one.low, one.high))
    row: dict[str, Any] = {**asdict(case), "repeats": repeats, "truth": truth}
    known = {metric: np.array(ends).T for metric, ends in found.items() if 2 * len(ends) > repeats}
    row["told"] = {metric: len(ends) / repeats for metric, ends in found.items()}
    row["mean"] = {metric: float(known[metric][0].mean()) if metric in known else None for metric in METRICS}
    row["width"] = {m: float((known[m][2] - known[m][1]).mean()) if m in known else None for m in METRICS}
    row["coverage"] = {
        m: float(((known[m][1] <= truth[m]) & (truth[m] <= known[m][2])).mean()) if m in known else None
        for m in METRICS
    }
    return row


@cache
def population(case: Case) -> dict[str, float]:
    """The consistency by metric over very many images and trials, and as many subjects as trials of an image."""
    many = replace(case, subjects=2 * _TRIALS if case.subjects else 0)
    found = []
    for seed in range(_SAMPLES):
        behavior, model = sample(many, 2 * _TRIALS, np.random.default_rng(seed))
        found.append(BehaviorTest(behavior, splits=1)(model).metrics)
    return {metric: float(np.mean([one[metric].value for one in found])) for metric in METRICS}


def sample(case: Case, trials: int, rng: np.random.Generator) -> tuple[Behavior, Array]:
    """Trials of new images (and subjects), and a model's probabilities for these images."""
    n, k = case.n, OBJECTS
    objects = np.random.default_rng(1)
    theirs = 0.6 * objects.normal(size=(k, k)) + 2.0 * np.eye(k)
    mixed = theirs + 0.6 * objects.normal(size=(k, k))
    truth = np.arange(n) % k
    shared = 0.7 * rng.normal(size=(n, k))
    model = np.exp(mixed[truth] + shared + 0.7 * rng.normal(size=(n, k)))
    stimulus = np.repeat(np.arange(n), trials)
    seen = (theirs[truth] + shared + 0.5 * rng.normal(size=(n, k)))[stimulus] + rng.gumbel(size=(n * trials, k))
    subject = distractor = None
    if case.subjects:
        subject = np.tile(np.arange(trials) % case.subjects, n)
        seen += 0.5 * rng.normal(size=(case.subjects, k))[subject]
    if case.pairs:
        distractor = (truth[stimulus] + rng.integers(1, k, len(stimulus))) % k
        offered = (np.arange(k) == distractor[:, None]) | (np.arange(k) == truth[stimulus][:, None])
        seen = np.where(offered, seen, -np.inf)
    ids, options = tuple(f"i{i}" for i in range(n)), tuple("abcdefghijklmnop"[:k])
    known = Behavior("sample", ids, options, truth, stimulus, seen.argmax(1), distractor, subject)
    return known, model / model.sum(1, keepdims=True)
