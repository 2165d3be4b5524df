"""How often a 95% interval over resampled stimuli contains the truth, in samples from a known population.

Every stimulus has patterns of 20 features: a part that all systems share, and a part of a layer's or the target's own,
which stands for what the systems disagree about and for measurement noise. RDMs are correlation distances; where
stimuli differ in strength (their patterns are scaled by a lognormal factor) squared Euclidean ones, which show it. The
truth is the similarity over all pairs of an infinite population, from 400,000 independent pairs; with groups (objects),
over pairs within and between groups in the sample's shares. Intervals over sampled pairs are about these stimuli alone:
their truth is the similarity over all pairs of them. Latencies are of movies of such RDMs (`latencies`).
"""

import json
import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numba
import numpy as np

from ...rsa import (
    RDM,
    Features,
    best_layer_interval,
    bootstrap,
    compare,
    compare_sampled,
    compute_rdm,
    interval,
    layer_differences,
)
from ...rsa.types import Array
from ..report import Columns, kept_rows
from .latencies import STRENGTHS, latency_intervals, true_latency

Method = Literal["pearson", "spearman", "cosine", "rho-a", "tau-a"]

DRAWS, PAIRS = 300, 400_000
REPEATS = 400
_SCALE = 1 / np.sqrt(np.arange(1, 21))  # of the features: a spectrum that falls as those of networks and brains do
_NOISES = {"low": (3.0, 2.0), "middle": (1.2, 0.7), "high": (0.3, 0.2), "near 1": (0.1, 0.07)}  # of a layer, the target
_LAYERS = {"tied": (1.2,) * 6, "graded": (0.3, 0.6, 0.9, 1.2, 1.5, 1.8), "16 tied": (1.2,) * 16}
_CATEGORIES = 8
_SAMPLED, _OF = 2000, 1000  # pairs drawn, and the stimuli they are of
_NORMAL = {"spearman": (1.06, 3), "rho-a": (1.06, 3), "tau-a": (0.437, 4)}  # Fieller, Hartley and Pearson 1957


@dataclass(frozen=True)
class Case:
    """What is estimated, and from which samples.

    what: "similarity" of one layer, "difference" of two that are equally good (the share of intervals without the
    truth, zero, is the test's false-positive rate), "tg" of several layers, the similarity of one layer over "sampled
    pairs" of the stimuli, or "onset" or "peak" over time. layers, target: how much of their own the systems have. size:
    stimuli per group. strength: standard deviation of the logarithm of the factor by which stimuli differ. singly:
    stimuli are resampled one by one although they come in groups.
    """

    what: Literal["similarity", "difference", "tg", "sampled pairs", "onset", "peak"]
    kind: str
    method: Method
    n: int
    layers: tuple[float, ...]
    target: float
    size: int = 1
    strength: float = 0.0
    singly: bool = False


def cases(
    methods: Sequence[Method] = ("pearson", "spearman", "cosine"), sizes: Sequence[int] = (20, 50, 100, 200)
) -> list[Case]:
    """Similarities by method, number of stimuli and truth; of stimuli of uneven strength; in groups of 4; in 8
    categories, resampled whole and singly; differences; TG; similarities over sampled pairs; and onsets and peaks."""
    found = [
        Case("similarity", kind, method, n, noises[:1], noises[1])
        for method in methods
        for kind, noises in _NOISES.items()
        for n in sizes
    ]
    uneven = [one for one in found if one.method != "cosine" and one.kind in ("middle", "high")]
    found += [replace(one, strength=0.5) for one in uneven]
    method, larger = methods[0], [n for n in sizes if n > 20]
    found += [Case("similarity", kind, method, n, a[:1], a[1], 4) for kind, a in _NOISES.items() for n in larger]
    for kind in ("middle", "high"):
        layer, target = _NOISES[kind]
        for n in (n for n in larger if n % _CATEGORIES == 0):
            whole = Case("similarity", kind, method, n, (layer,), target, n // _CATEGORIES)
            found += [whole, replace(whole, singly=True)]
    found += [Case("difference", kind, method, n, a[:1] * 2, a[1]) for kind, a in _NOISES.items() for n in larger]
    found += [Case("tg", kind, method, n, layers, 0.7) for kind, layers in _LAYERS.items() for n in larger]
    ranks: tuple[Method, ...] = ("spearman", "rho-a", "tau-a")
    found += [Case("sampled pairs", kind, method, _OF, a[:1], a[1]) for method in ranks for kind, a in _NOISES.items()]
    layer, target = _NOISES["middle"]
    timed: list[tuple[Literal["onset", "peak"], str]] = [("onset", kind) for kind in STRENGTHS]
    timed.append(("peak", "rise and fall"))
    return found + [Case(what, kind, method, n, (layer,), target) for what, kind in timed for n in sizes if n <= 100]


def _what(row: dict[str, Any]) -> str:
    groups = f", groups of {row['size']}" if row["size"] > 1 else ""
    singly = ", stimuli resampled singly" if row["singly"] else ""
    return f"{row['what']}, {row['kind']}{groups}{singly}{', uneven strengths' if row['strength'] else ''}"


def _width(width: float | None) -> str:
    return "no end" if width is None or np.isinf(width) else f"{width:.3f}"


COLUMNS: Columns = (
    ("95% interval of", _what),
    ("method", "{method}"),
    ("stimuli", "{n}"),
    ("truth", lambda row: f"{row['truth']:.0f} ms" if "found" in row else f"{row['truth']:.3f}"),
    ("found", lambda row: f"{100 * row['found']:.0f} %" if "found" in row else "-"),
    ("plain", lambda row: f"{100 * row['plain']:.1f} %"),
    ("corrected", lambda row: f"{100 * row['corrected']:.1f} %"),
    ("width, plain", lambda row: _width(row["plain width"])),
    ("corrected", lambda row: _width(row["corrected width"])),
)


def measure(
    chosen: Sequence[Case],
    *,
    repeats: int = REPEATS,
    file: Path | None = None,
    progress: Callable[[int], object] = lambda steps: None,
) -> list[dict[str, Any]]:
    """One row per case: shares of `repeats` samples whose intervals contain the truth, and their mean widths.

    Of latencies the shares are of the samples with a significant cluster, themselves a share `found`, and widths are
    medians, since an interval may have no end.

    `plain` is the percentile interval of the draws, `corrected` what `interval`, `layer_differences` and
    `best_layer_interval` give. Over sampled pairs `plain` is Fisher's z with the variances for normal variables,
    `corrected` what `compare_sampled` gives. file: written after every row; rows that it holds from as many repeats are
    kept.
    """
    return kept_rows(
        [asdict(case) | {"repeats": repeats} for case in chosen],
        lambda i: asdict(chosen[i]) | {"repeats": repeats} | _coverage(chosen[i], repeats),
        lambda row: _key(row, row["repeats"]),
        file=file,
        about={"draws": DRAWS},
        progress=progress,
    )


def _key(row: Mapping[str, Any], repeats: int) -> str:
    return json.dumps([row.get(name) for name in Case.__dataclass_fields__] + [repeats])


def _coverage(case: Case, repeats: int) -> dict[str, float]:
    timed = case.what in ("onset", "peak")
    rng = np.random.default_rng(zlib.crc32(_key(asdict(case), 0).encode()))
    threads = numba.get_num_threads()
    numba.set_num_threads(1)  # samples are small
    try:
        if case.what == "sampled pairs":
            sides = _sides(case, rng)
            truth = compare(sides[0].rdm(), sides[1].rdm(), method=case.method)
            ends = np.array([_of_sample(case, sides, seed) for seed in range(repeats)])
        else:
            truth = _truth(case)
            ends = np.array([_intervals(case, rng, seed) for seed in range(repeats)])
    finally:
        numba.set_num_threads(threads)
    found = ends[~np.isnan(ends).any(axis=(1, 2))]  # of a latency, where there is a significant cluster
    held = ((found[:, :, 0] <= truth) & (truth <= found[:, :, 1])).mean(axis=0).tolist()
    widths = found[:, :, 1] - found[:, :, 0]
    width = (np.median(widths, axis=0) if timed else widths.mean(axis=0)).tolist()
    row = {"truth": truth, "plain": held[0], "corrected": held[1]} | ({"found": len(found) / repeats} if timed else {})
    return row | {"plain width": width[0], "corrected width": width[1]}


def _truth(case: Case) -> float:
    if case.what in ("onset", "peak"):
        return true_latency(case.what, case.kind)
    return population(case if case.size > 1 else replace(case, n=2))


def _intervals(case: Case, rng: np.random.Generator, seed: int) -> list[tuple[float, float]]:
    """The plain and the corrected interval from one sample."""
    shared = _shared(rng, case.n, case.size, case.strength)
    groups = None if case.singly else [f"{i // case.size:04d}" for i in range(case.n)]
    if case.what in ("onset", "peak"):
        layer = _rdm(_own(rng, shared, case.layers[0]), case)

        def target_at(strength: float) -> RDM:
            return _rdm(_own(rng, strength * shared, case.target), case)

        return latency_intervals(case.what, case.kind, case.method, layer, target_at, DRAWS, seed)
    layers = {f"layer {i}": _rdm(_own(rng, shared, noise), case) for i, noise in enumerate(case.layers)}
    target = {"target": _rdm(_own(rng, shared, case.target), case)}
    draws = bootstrap(layers, target, method=case.method, n=DRAWS, seed=seed, groups=groups)
    values = draws.to_numpy()[:, 0]
    if case.what == "similarity":
        plain, corrected = values[0], tuple(float(end[0, 0]) for end in interval(draws))
    elif case.what == "difference":
        table = layer_differences(draws).isel(pair=0, target=0)
        plain, corrected = values[0] - values[1], (float(table["low"]), float(table["high"]))
    else:
        plain, corrected = values.max(axis=0), best_layer_interval(draws)
    low, high = np.nanquantile(plain, (0.025, 0.975))
    return [(float(low), float(high)), (corrected[0], corrected[1])]


def _sides(case: Case, rng: np.random.Generator) -> tuple[Features, Features]:
    """A layer and the target over the stimuli that pairs are drawn of."""
    shared, names = _shared(rng, case.n, 1), range(case.n)
    return Features(_own(rng, shared, case.layers[0]), names), Features(_own(rng, shared, case.target), names)


def _of_sample(case: Case, sides: tuple[Features, Features], seed: int) -> list[tuple[float, float]]:
    """The plain and the corrected interval from one sample of pairs."""
    found = compare_sampled(*sides, method=case.method, pairs=_SAMPLED, seed=seed)
    variance, less = _NORMAL[case.method]
    z, error = math.atanh(found.value), 1.96 * math.sqrt(variance / (found.pairs - less))
    return [(math.tanh(z - error), math.tanh(z + error)), (found.low, found.high)]


@cache
def population(case: Case) -> float:
    """The true value of what a case estimates, which without groups is the same for every n."""
    if case.what == "difference":
        return 0.0
    from scipy import stats

    rng = np.random.default_rng(0)
    within = rng.random(PAIRS) < (case.size - 1) / (case.n - 1)
    group = [_shared(rng, PAIRS, 1, case.strength) for _ in range(2)]
    group[1][within] = group[0][within]
    share = 0.8 if case.size > 1 else 1.0
    sides = [share * part + np.sqrt(1 - share**2) * _shared(rng, PAIRS, 1) for part in group]
    own = [[_own(rng, side, noise) for side in sides] for noise in (min(case.layers), case.target)]
    x, y = (_distances(a, b, case) for a, b in own)
    if case.method == "cosine":
        return float(x @ y / np.sqrt((x @ x) * (y @ y)))
    return float(np.corrcoef(x, y)[0, 1] if case.method == "pearson" else stats.spearmanr(x, y)[0])


def _shared(rng: np.random.Generator, n: int, size: int, strength: float = 0.0) -> Array:
    """(n, 20) patterns that all systems share; in groups, most of each is common to a group."""
    own = rng.normal(size=(n, len(_SCALE))) * _SCALE
    if size > 1:
        common = rng.normal(size=(-(-n // size), len(_SCALE))) * _SCALE
        own = 0.8 * np.repeat(common, size, axis=0)[:n] + 0.6 * own
    patterns: Array = own * np.exp(strength * rng.normal(size=(n, 1))) if strength else own
    return patterns


def _own(rng: np.random.Generator, shared: Array, noise: float) -> Array:
    return shared + noise * rng.normal(size=shared.shape) * _SCALE


def _rdm(features: Array, case: Case) -> RDM:
    metric = "sqeuclidean" if case.strength else "correlation"
    return compute_rdm(features, metric=metric, labels=[f"{i:04d}" for i in range(len(features))])


def _distances(a: Array, b: Array, case: Case) -> Array:
    """Distance of every row of one from the same row of the other."""
    if case.strength:
        squared: Array = ((a - b) ** 2).sum(axis=1)
        return squared
    a, b = (x - x.mean(axis=1, keepdims=True) for x in (a, b))
    products = [np.einsum("ij,ij->i", x, y) for x, y in ((a, b), (a, a), (b, b))]
    distances: Array = 1 - products[0] / np.sqrt(products[1] * products[2])
    return distances
