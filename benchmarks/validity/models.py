"""Whether tests between models keep their level, and intervals of best layers their coverage.

Every stimulus has a pattern of 20 features that all systems share. A layer adds noise of its own: the less, the more
similar it is to the target, which several subjects see with noise of their own, part of which is one subject's at all
stimuli alike. The best layers of both models are equally good, so that every test that tells them apart is wrong.
Weighted models have equally good layers, so that their best weighted sums are equally good. Weighted features each see
one of the patterns' features, with noise of their own, scaled so that all of them have the same variance.

Over new subjects the stimuli of a sample stay: every layer's RDM is moved along the mean RDM of very many subjects,
until its similarity to subjects is what the case says at these very stimuli.
"""

import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numba
import numpy as np

from ...rsa import RDM, compute_rdm
from ...rsa.inference.bootstrap import Resampling, Sides
from ...rsa.inference.contrasts import Contrasts
from ...rsa.inference.models import ModelSample, Plan
from ...rsa.inference.weighted import weighted_sample
from ...rsa.inference.weighted_features import Parts, weighted_features_sample
from ...rsa.inference.weighting import FEATURES, Weighting
from ...rsa.rdm.comparison import method_named
from ...rsa.types import Array
from ..report import Columns, kept_rows

REPEATS, DRAWS, SPLITS, PAIRS, SUBJECTS = 200, 200, 30, 400_000, 300
_SCALE = 1 / np.sqrt(np.arange(1, 21))
_BEST = 1.0  # noise of the best layers, and of the target
_FEATURE = 0.5  # noise of features


@dataclass(frozen=True)
class Case:
    """over: what is new in a new sample. layers: of both models, the best one among them equally good. kind: whether
    the second model's other layers are "tied" with the best, "graded" from it to half as good, or "useless". weighted:
    how both models combine their layers, in place of choosing one; of "features-nnls" and so on these are features, and
    as many as the first model has are good ones."""

    over: str
    n: int
    layers: tuple[int, int]
    kind: str
    subjects: int = 1
    weighted: str = ""


def cases() -> list[Case]:
    """Models of 1 to 101 layers, 20 to 300 stimuli, 2 to 10 subjects."""
    found = [Case("stimuli", n, (3, 3), "graded") for n in (20, 100, 300)]
    found += [Case("stimuli", n, (1, 10), kind) for n in (20, 50, 100) for kind in ("tied", "graded")]
    found += [Case("stimuli", n, (1, 30), "graded") for n in (20, 50)]
    found += [Case("stimuli", n, (1, 101), "useless") for n in (20, 50)]
    found += [Case("both", 30, (1, 3), "graded", people) for people in (2, 4, 10)]
    found += [Case("both", 100, (1, 10), "graded", 10), Case("both", 30, (1, 101), "useless", 4)]
    found += [Case("subjects", 30, (1, 3), "graded", people) for people in (2, 4, 10)]
    found += [Case("subjects", 100, (3, 30), kind, 6) for kind in ("tied", "graded")]
    found += [Case("subjects", 30, (1, 101), "useless", 6)]
    found += [Case("stimuli", n, (3, 3), "graded", 1, rule) for n in (20, 100) for rule in ("nnls", "ridge:0.1")]
    found += [Case("stimuli", n, (10, 10), "graded", 1, "nnls") for n in (20, 50)]
    found += [Case("stimuli", 50, (1, 30), "useless", 1, "nnls")]
    found += [Case("subjects", 30, (5, 5), "graded", 6, "nnls"), Case("subjects", 30, (1, 20), "useless", 6, "nnls")]
    found += [Case("both", 30, (5, 5), "graded", people, "nnls") for people in (4, 10)]
    found += [Case("stimuli", 30, (10, 10), "tied", 1, "features-nnls")]
    found += [Case("stimuli", 50, (10, 30), "useless", 1, "features-nnls")]
    return [*found, Case("stimuli", 30, (10, 10), "tied", 1, "features-ridge")]


COLUMNS: Columns = (
    ("new", "{over}"),
    ("stimuli", "{n}"),
    ("subjects", "{subjects}"),
    ("layers", lambda row: f"{row['layers'][0]} and {row['layers'][1]}"),
    ("weighted", lambda row: row.get("weighted", "")),
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
    return kept_rows(
        [asdict(case) | {"repeats": repeats} for case in chosen],
        lambda i: simulated(chosen[i], repeats=repeats),
        lambda row: _key(row) + str(row["repeats"]),
        file=file,
        about={"draws": DRAWS, "splits": SPLITS},
        progress=progress,
    )


def _key(row: Mapping[str, Any]) -> str:
    values = [row.get(name, "") for name in Case.__dataclass_fields__]
    return json.dumps(values if values[-1] else values[:-1])


def simulated(case: Case, *, repeats: int = REPEATS) -> dict[str, Any]:
    """Shares of samples in which the test tells equal models apart (at all, and for the one of more layers), and in
    which the intervals hold the truth."""
    rng = np.random.default_rng(zlib.crc32(_key(asdict(case)).encode()))
    threads = numba.get_num_threads()
    numba.set_num_threads(1)  # samples are small
    try:
        found = [_sample(case, rng, seed) for seed in range(repeats)]
    finally:
        numba.set_num_threads(threads)
    wrong, low, high, estimate, highest, truth = (np.array(part) for part in zip(*found, strict=True))
    return {
        **asdict(case),
        "layers": list(case.layers),  # as JSON has them
        "repeats": repeats,
        "truth": float(truth.mean()),
        "level": float((wrong != 0).mean()),
        "more": float((wrong < 0).mean()),
        "coverage": ((low <= truth) & (truth <= high)).mean(axis=0).tolist(),
        "estimates": estimate.mean(axis=0).tolist(),
        "highest": highest.mean(axis=0).tolist(),
    }


def _sample(case: Case, rng: np.random.Generator, seed: int) -> tuple[float, Array, Array, Array, Array, Array]:
    shared = rng.normal(size=(case.n, 20)) * _SCALE
    people = [_rdm(shared + _BEST * _own(rng, case.n)) for _ in range(case.subjects)]
    plan = Plan(
        people[0], {"target": range(case.subjects)}, Resampling(DRAWS, seed=seed), over=case.over, splits=SPLITS
    )
    if case.weighted.startswith(FEATURES):
        return _wrong(*_of_features(case, plan, shared, people, rng))
    noises = [_noises(layers, case.kind) for layers in case.layers]
    models = [[_rdm(shared * (one is not None) + (one or 1.0) * _own(rng, case.n)) for one in own] for own in noises]
    truth = np.full(2, population(tuple(_noises(max(case.layers), case.kind)) if case.weighted else (_BEST,)))
    if case.over == "subjects":
        mean = _mean_subject(shared, rng)
        models = [
            [_moved(rdm, mean, noise) for rdm, noise in zip(rdms, own, strict=True)]
            for rdms, own in zip(models, noises, strict=True)
        ]
        truth = np.array([_best(rdms, mean, case.weighted) for rdms in models])
    samples = []
    for rdms in models:
        names = [str(i) for i in range(len(rdms))]
        if case.weighted and len(rdms) > 1:
            samples.append(weighted_sample(plan, names, rdms, people, Weighting.named(case.weighted))[0])
        else:
            samples.append(plan.sample(names, Sides(rdms, people, method_named("pearson"))))
    return _wrong(plan, samples, truth)


def _of_features(
    case: Case, plan: Plan, shared: Array, people: Sequence[RDM], rng: np.random.Generator
) -> tuple[Plan, list[ModelSample], Array]:
    """Both models of weighted features, and how similar their best weighted sums are."""
    samples = []
    for features in case.layers:
        x = _seen(shared, features, min(case.layers), rng)
        own = [compute_rdm(x, metric="sqeuclidean", labels=people[0].labels)]
        how = Parts([x], "sqeuclidean"), own, people, Weighting.named(case.weighted)
        samples.append(weighted_features_sample(plan, ["features"], *how)[0])
    return plan, samples, np.full(2, population_of_features(min(case.layers)))


def _seen(shared: Array, features: int, good: int, rng: np.random.Generator) -> Array:
    """(n, features) that see one of the patterns' 20 each, the good ones, or nothing."""
    at = np.arange(features) % 20
    x = shared[:, at] * (np.arange(features) < good) + _FEATURE * rng.normal(size=(len(shared), features)) * _SCALE[at]
    scaled: Array = x / _SCALE[at]
    return scaled


def _wrong(plan: Plan, samples: Sequence[ModelSample], truth: Array) -> tuple[float, Array, Array, Array, Array, Array]:
    """Whether the test is wrong and for which model, the intervals' ends, estimates, highest layers and truths."""
    contrasts = Contrasts(plan, samples)
    test = contrasts.differences(np.array([0]), np.array([1]))
    low, high = contrasts.intervals()
    wrong = float(np.sign(test["difference"][0])) if test["p"][0] < 0.05 else 0.0
    if truth[0] != truth[1]:  # the test is that of the interval of the difference
        apart = truth[0] - truth[1]
        wrong = float(apart < test["low"][0]) - float(apart > test["high"][0])
    return wrong, low, high, contrasts.estimate, contrasts.highest, truth


def _mean_subject(shared: Array, rng: np.random.Generator) -> Array:
    """The mean over very many subjects of their RDMs, each centred and of norm 1."""
    parts = [_unit(_rdm(shared + _BEST * _own(rng, len(shared))).values) for _ in range(SUBJECTS)]
    mean: Array = np.mean(parts, axis=0)
    return mean


def _moved(rdm: RDM, mean: Array, noise: float | None) -> RDM:
    """The RDM with a part along the mean subject's, so that the similarity to subjects is the population's."""
    along = _unit(mean)
    value = (population((noise,)) if noise is not None else 0.0) / np.linalg.norm(mean)
    own = _unit(rdm.values)
    rest = own - (own @ along) * along
    return rdm.replace(values=value * along + np.sqrt(1 - value**2) * rest / np.linalg.norm(rest))


def _best(rdms: Sequence[RDM], mean: Array, weighted: str) -> float:
    """The similarity to new subjects of the best layer, or of the best weighted sum of layers, at these stimuli."""
    every = np.stack([_unit(rdm.values) for rdm in rdms])
    if not weighted or len(rdms) == 1:
        return float((every @ mean).max())
    total = Weighting.named(weighted).fit(every @ every.T, every @ mean) @ every
    return float(total @ mean / np.linalg.norm(total))


def _unit(values: Array) -> Array:
    centred = values.astype(np.float64) - values.mean(dtype=np.float64)
    unit: Array = centred / np.linalg.norm(centred)
    return unit


def _noises(layers: int, kind: str) -> list[float | None]:
    """Of each layer, the best first; None for one that shares nothing."""
    others: dict[str, list[float | None]] = {
        "tied": [_BEST] * (layers - 1),
        "graded": [float(noise) for noise in np.linspace(_BEST, 2 * _BEST, layers)[1:]],
        "useless": [None] * (layers - 1),
    }
    return [_BEST, *others[kind]]


@cache
def population(noises: tuple[float | None, ...] = (_BEST,)) -> float:
    """The similarity of a subject and the best non-negative sum of layers with so much noise, over all pairs of an
    infinite population."""
    rng = np.random.default_rng(0)
    sides = [rng.normal(size=(PAIRS, 20)) * _SCALE for _ in range(2)]
    distances = []
    for noise in (_BEST, *noises):
        a, b = (side * (noise is not None) + (noise or 1.0) * _own(rng, PAIRS) for side in sides)
        a, b = (x - x.mean(axis=1, keepdims=True) for x in (a, b))
        norms = np.sqrt(np.einsum("ij,ij->i", a, a) * np.einsum("ij,ij->i", b, b))
        distances.append(1 - np.einsum("ij,ij->i", a, b) / norms)
    return _best_sum(np.corrcoef(distances))


@cache
def population_of_features(good: int) -> float:
    """The similarity of a subject and the best non-negative sum of so many good features."""
    rng = np.random.default_rng(0)
    sides = [rng.normal(size=(PAIRS, 20)) * _SCALE for _ in range(2)]
    seen = [_seen(side, good, good, rng) for side in sides]
    a, b = (side + _BEST * _own(rng, PAIRS) for side in sides)
    a, b = (x - x.mean(axis=1, keepdims=True) for x in (a, b))
    target = -np.einsum("ij,ij->i", a, b) / np.sqrt(np.einsum("ij,ij->i", a, a) * np.einsum("ij,ij->i", b, b))
    r = np.corrcoef([target, *((seen[0] - seen[1]) ** 2).T])
    return _best_sum(r)


def _best_sum(r: Array) -> float:
    """The correlation of the first with the best non-negative sum of the others, from all their correlations."""
    weights = Weighting("nnls").fit(r[1:, 1:], r[1:, 0])
    return float(weights @ r[1:, 0] / np.sqrt(weights @ r[1:, 1:] @ weights))


def _own(rng: np.random.Generator, n: int) -> Array:
    noise: Array = rng.normal(size=(n, 20)) * _SCALE
    return noise


def _rdm(features: Array) -> RDM:
    return compute_rdm(features, labels=[f"{i:04d}" for i in range(len(features))])
