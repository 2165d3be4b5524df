"""How far a recording can be trusted: split halves of its repeats, and what animals have in common.

A region's RDM is made from either random half of every stimulus' repeats. Their correlation r gives the reliability of
the RDM made from all repeats: the share of its variance that a noiseless model can explain. Spearman and Brown's
2r / (1 + r) (1910) is the first estimate, which `noiseless` corrects. The square root of the reliability is the
similarity that a noiseless model is expected to reach: the ceiling. A ceiled score is a similarity divided by the
ceiling, not squared.
"""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numba
import numpy as np
import numpy.typing as npt

from ..rsa import RSAError
from ..rsa.comparison import check_method
from ..rsa.labels import plain
from ..rsa.rdm import Array
from .halves import Region, Trials
from .neuroids import region_neuroids
from .noiseless import Power, Shares, covariances, explainable
from .products import rdm_correlation
from .recording import check_recording

if TYPE_CHECKING:
    import xarray

_OWN = (
    "r", "spearman_brown", "reliability", "ceiling", "repeats", "stimuli", "neuroids", "neuroid_r",
    "neuroid_reliability", "reason",
)  # fmt: skip
_MOST_THREADS = 8  # each holds two halves of all responses
_CORRECTED_ON = 10  # splits behind the correction of Spearman-Brown: it varies little between them
DEFINITION = (
    "reliability = 2r / (1 + r) of split halves, corrected for noise that does not fall as 1 / repeats;"
    " ceiling = sqrt(reliability); ceiled score = similarity / ceiling"
)


def spearman_brown(r: npt.ArrayLike, factor: float = 2.0) -> Array:
    """Reliability of a measure `factor` times as long as the one whose reliability is `r`."""
    r = plain(r).astype(np.float64)
    return factor * r / (1 + (factor - 1) * r)


def split_half(
    recording: "xarray.DataArray",
    *,
    by: str = "stimulus",
    level: str = "subregion",
    scale: str = "none",
    window: tuple[float, float] | None = None,
    metric: str = "correlation",
    splits: int = 100,
    seed: int = 0,
    method: str = "pearson",
    advance: Callable[[int], object] = lambda steps: None,
) -> "xarray.Dataset":
    """Split-half reliability of every neuroid and of every region's RDM (`by` to `metric` as in `region_rdms`).

    A split puts whole presentations of each stimulus into two halves, so that noise which neuroids share stays in its
    half; an odd one goes to either. Where neuroids lack different presentations, each set of missing neuroids is
    halved for itself. Halves depend on `seed` and the number of the split only.

    Left out: stimuli that fewer than half of a region's neuroids saw twice, then neuroids that did not see all others
    twice; in a single split, neuroids without a value in a half or that cannot be scaled there, and conditions
    without variance. method: as in `compare`. advance: called with 1 after each split.

    Returns a Dataset. Per target (region): `r` of its RDM, mean over splits, and `split_half` with each split's;
    `spearman_brown`, `reliability` and `ceiling` (NaN where r is negative); `repeats`, mean over stimuli and neuroids;
    `stimuli` and `neuroids` used, and, as means over splits, `split_conditions` and `split_neuroids`; `reason`, why a
    region has none of these (NaN, 0), or "". Per neuroid, with the recording's coordinates (but those of these names):
    `neuroid_r` of its responses to the stimuli and `neuroid_reliability`, their Spearman-Brown (NaN for one that does
    not vary).

    The reliability is Spearman-Brown times a correction (see `noiseless`) that is found with correlation RDMs and
    Pearson's r on the first 10 splits, and taken for the other methods too; other metrics have none. The ceiled score
    of a perfect model, simulated with 50 sites: .96 to 1.03 from a reliability of .2 up, with equal noise, with
    patterns of unequal strength and for Poisson counts, scaled or not (Spearman-Brown alone: .95 to 1.22); with a large
    pattern common to all stimuli 1.02 at .8, 1.08 at .5 and 1.2 at .2.

    Raises RSAError when no region has 3 stimuli with two repeats: a recording of averages has no ceiling.
    """
    import xarray

    check_recording(recording)
    check_method(method)
    if splits < 1 or seed < 0:
        raise RSAError(f"at least one split and a seed from 0 are needed, got splits={splits}, seed={seed}")
    trials = Trials(recording, window)
    settings = {"by": by, "level": level, "scale": scale, "metric": metric, "method": method}
    halved = {
        name: _Halved.of(name, sites, trials, settings) for name, sites in region_neuroids(recording, level).items()
    }

    def one(split: int) -> tuple[Array, list[_Split | str]]:
        halves = trials.halves(seed, split)
        return _column_correlation(*halves), [region.split(halves, split) for region in halved.values()]

    neuroid_r = np.empty((splits, recording.sizes["neuroid"]))
    with ThreadPoolExecutor(_threads(metric, method)) as pool:
        for number, (columns, outcomes) in enumerate(pool.map(one, range(splits))):
            neuroid_r[number] = columns
            for region, outcome in zip(halved.values(), outcomes, strict=True):
                region.add(outcome)
            advance(1)
    reasons = [region.reason for region in halved.values()]
    if all(reasons):
        raise RSAError("; ".join(dict.fromkeys(reasons)))
    corrections = _corrections(list(halved.values()), trials, seed, min(splits, _CORRECTED_ON))
    rows = [region.summary(c) for region, c in zip(halved.values(), corrections, strict=True)]
    r = np.array([region.correlations(splits) for region in halved.values()])
    neuroid_mean = _mean_of_known(neuroid_r)
    stated: dict[str, object] = {"window": f"{window[0]:g}-{window[1]:g} ms"} if window is not None else {}
    stated |= {key: recording.attrs[key] for key in ("identifier", "source", "note") if key in recording.attrs}
    return xarray.Dataset(
        {name: ("target", np.array([row[name] for row in rows])) for name in rows[0]}
        | {"reason": ("target", np.array(reasons)), "split_half": (("target", "split"), r)}
        | {"neuroid_r": ("neuroid", neuroid_mean), "neuroid_reliability": ("neuroid", spearman_brown(neuroid_mean))},
        {"target": list(halved)}
        | {str(k): (c.dims, c.values) for k, c in recording.coords.items() if c.dims == ("neuroid",) and k not in _OWN},
        {**stated, **settings, "splits": splits, "seed": seed, "definition": DEFINITION},
    )


@dataclass(frozen=True)
class _Split:
    """One split of a region: the correlation of the halves' RDMs, the conditions and neuroids in them."""

    r: float
    conditions: int
    neuroids: int
    power: Power | None


@dataclass
class _Halved:
    """A region and what its splits gave; or the reason why they gave nothing."""

    region: Region | None
    conditions: npt.NDArray[np.int64]
    settings: dict[str, str]
    reason: str = ""
    splits: list[_Split] = field(default_factory=list)

    @classmethod
    def of(cls, name: str, sites: npt.NDArray[np.int64], trials: Trials, settings: dict[str, str]) -> "_Halved":
        conditions = trials.conditions(settings["by"])
        try:
            return cls(Region.choose(name, sites, trials.counts), conditions, settings)
        except RSAError as error:
            return cls(None, conditions, settings, str(error))

    def patterns(self, parts: Array) -> Array:
        assert self.region is not None  # noqa: S101  the callers' condition, for the type checker
        return self.region.responses(parts, self.conditions, self.settings["scale"], self.settings["metric"])

    def split(self, halves: Array, number: int) -> "_Split | str":
        if self.region is None:
            return self.reason
        metric = self.settings["metric"]
        try:
            a, b = self.patterns(halves)
            r = rdm_correlation(a, b, metric, self.settings["method"])
        except RSAError as error:
            return str(error)
        corrected = metric == "correlation" and number < _CORRECTED_ON
        return _Split(r, a.shape[0], a.shape[1], Power.of(a, b, self.region.balance) if corrected else None)

    def add(self, outcome: "_Split | str") -> None:
        if isinstance(outcome, str):
            self.reason = self.reason or outcome
        else:
            self.splits.append(outcome)

    def correlations(self, splits: int) -> list[float]:
        return [math.nan] * splits if self.reason else [split.r for split in self.splits]

    def shares(self) -> Shares | None:
        """Of the splits that lack no condition."""
        if self.reason or self.region is None:
            return None
        powers = [s.power for s in self.splits if s.power is not None]
        most = max((len(power.signal) for power in powers), default=0)
        complete = [power for power in powers if len(power.signal) == most]
        return Shares.of(complete, self.region.repeats) if complete else None

    def summary(self, correction: float) -> dict[str, float]:
        if self.reason or self.region is None:
            floats = ("r", "spearman_brown", "reliability", "ceiling", "repeats", "split_conditions", "split_neuroids")
            return dict.fromkeys(floats, math.nan) | {"stimuli": 0, "neuroids": 0}
        r = float(np.mean([split.r for split in self.splits]))
        first = float(spearman_brown(r)) if r >= 0 else math.nan
        reliability = min(first * correction, 1.0) if r >= 0 else math.nan
        return {
            "r": r,
            "spearman_brown": first,
            "reliability": reliability,
            "ceiling": math.sqrt(reliability) if r >= 0 else math.nan,
            "repeats": self.region.repeats,
            "split_conditions": float(np.mean([split.conditions for split in self.splits])),
            "split_neuroids": float(np.mean([split.neuroids for split in self.splits])),
            "stimuli": len(self.region.stimuli),
            "neuroids": len(self.region.neuroids),
        }


def _corrections(regions: "list[_Halved]", trials: Trials, seed: int, splits: int) -> list[float]:
    """What Spearman-Brown's reliability of each region is multiplied with: 1 where no better estimate exists."""
    shares = [region.shares() for region in regions]
    corrections = [1.0] * len(regions)
    if not any(shares):
        return corrections
    found: list[list[tuple[float, float, float]]] = [[] for _ in regions]
    for number in range(splits):
        halves = trials.halves(seed, number)
        for region, share, here in zip(regions, shares, found, strict=True):
            if share is not None:
                a, b = region.patterns(halves)
                if len(a) == len(share.half):
                    here.append((*covariances(a, b, share), rdm_correlation(a, b)))
    means = trials.means()
    for i, (region, here) in enumerate(zip(regions, found, strict=True)):
        if here:
            (whole,) = region.patterns(means)
            first = float(spearman_brown(np.mean([r for _, _, r in here])))
            better = explainable([(truth, shared) for truth, shared, _ in here], whole)
            if first > 0 and math.isfinite(better):
                corrections[i] = better / first
    return corrections


def _threads(metric: str, method: str) -> int:
    """Splits at a time: whole RDMs are made on all threads already."""
    return min(numba.get_num_threads(), _MOST_THREADS) if (metric, method) == ("correlation", "pearson") else 1


def _column_correlation(a: Array, b: Array) -> Array:
    """Pearson r of every column over the rows that both have; NaN for fewer than 3 of them or without variance."""
    present = ~(np.isnan(a) | np.isnan(b))
    n = present.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        centred, squares = [], []
        for half in (a, b):
            x = np.where(present, half, 0).astype(np.float64)
            mean = x.sum(axis=0) / n
            x = np.where(present, x - mean, 0)
            square = np.einsum("ij,ij->j", x, x)
            centred.append(x)
            squares.append(np.where((n < 3) | (square <= n * (1e-12 * mean) ** 2), np.nan, square))
        return np.asarray(np.einsum("ij,ij->j", *centred) / np.sqrt(squares[0] * squares[1]))


def _mean_of_known(values: Array) -> Array:
    """Column means over what is not NaN; NaN for columns without anything."""
    known = ~np.isnan(values)
    counts = known.sum(axis=0)
    return np.where(counts > 0, np.where(known, values, 0).sum(axis=0) / np.maximum(counts, 1), np.nan)
