"""How far a recording can be trusted: split halves of its repeats, and what animals have in common.

A region's RDM is made from either random half of every stimulus' repeats. Their correlation r gives the reliability of
the RDM made from all repeats: the share of its variance that a noiseless model can explain. Spearman and Brown's
m r / (1 + (m - 1) r) (1910), with a half's RDM m times as noisy as the target (2 for even numbers of repeats), is the
first estimate, which `noiseless` corrects. The square root of the reliability is the similarity that a noiseless model
is expected to reach: the ceiling. A ceiled score is a similarity divided by the ceiling, not squared.
"""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numba
import numpy as np
import numpy.typing as npt

from ...rsa import RSAError, compare, compute_rdm
from ...rsa.labels import plain
from ...rsa.rdm.comparison import method_named
from ...rsa.types import Array
from ..recordings.neuroids import region_neuroids
from ..recordings.recording import check_recording
from .correction import Power, Shares, explainable, products
from .halves import Region, Trials
from .products import rdm_correlation

if TYPE_CHECKING:
    import xarray

_OWN = (
    "r", "spearman_brown", "reliability", "ceiling", "repeats", "stimuli", "neuroids", "neuroid_r",
    "neuroid_reliability", "reason",
)  # fmt: skip
_MOST_THREADS = 8  # each holds two halves of all responses
LEAST = 0.2  # reliability below which there is no ceiling
_CORRECTED_ON = 10  # splits behind the correction of Spearman-Brown: it varies little between them
DEFINITION = (
    "reliability = m r / (1 + (m - 1) r) of split halves, m times as noisy as all repeats (2 for even numbers),"
    " corrected for noise that does not fall as 1 / repeats; ceiling = sqrt(reliability), none below .2;"
    " ceiled score = similarity / ceiling"
)


def spearman_brown(r: npt.ArrayLike, factor: npt.ArrayLike = 2.0) -> Array:
    """Reliability of a measure `factor` times as long as the one whose reliability is `r`."""
    r, factor = plain(r).astype(np.float64), plain(factor).astype(np.float64)
    return np.asarray(factor * r / (1 + (factor - 1) * r))


def method_ceiling(reliability: float, method: str) -> float:
    """The similarity by `method` that a noiseless model reaches, from the reliability of the RDM.

    Its root; for ranks what a correlation of that size becomes in normal variables (Kruskal 1958): 6 / pi asin(r / 2)
    for "spearman" and "rho-a", 2 / pi asin(r) for "tau-a".
    """
    r, how = math.sqrt(reliability), method_named(method)
    if not how.ranked:
        return r
    return 2 / math.pi * math.asin(r) if how.concordance else 6 / math.pi * math.asin(r / 2)


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

    Left out of the halves: stimuli that fewer than half of a region's neuroids saw twice, then neuroids that did not
    see all others twice; in a single split, neuroids without a value in a half or that cannot be scaled there, and
    conditions without variance. method: as in `compare`. advance: called with 1 after each split.

    Returns a Dataset. Per target (region): `r` of its RDM, mean over splits, and `split_half` with each split's;
    `spearman_brown`, `reliability` and `ceiling` of the RDM that `region_rdms` makes of all repeats; `repeats`, mean
    over stimuli and neuroids; `stimuli` and `neuroids` used, and, as means over splits, `split_conditions` and
    `split_neuroids`; `reason`, why a region has no ceiling (NaN), or "". Per neuroid, with the recording's coordinates
    (but those of these names): `neuroid_r` of its responses to the stimuli and `neuroid_reliability`, their
    Spearman-Brown (NaN for one that does not vary).

    The reliability is that of the repeats that each condition of the target has, however uneven; conditions shown once
    are taken to be like the others. It is Spearman-Brown times a correction (see `noiseless`) that is found with
    correlation RDMs on the first 10 splits; other metrics have none. Methods that rank have the reliability of
    Pearson's r, and a ceiling of their own (`method_ceiling`).

    There is no ceiling, and `reason` says why, where halves disagree, where the reliability is below .2, where halves
    lack a tenth of the neuroids or half of the conditions, and, with other metrics than "correlation", for the two
    cosine methods and where the variance of noise differs between conditions by more than a fifth (standard deviation
    over mean), since uneven repeats distort such RDMs.

    The ceiled score of a perfect model, simulated: .98 to 1.02 for 1 to 16 repeats, half of the stimuli once and half
    8 times, or 60 repeats of one stimulus and 3 of others, with 20 and 150 sites; .93 to 1.02 from a reliability of .2
    up with equal repeats, for patterns of unequal strength and Poisson counts, scaled or not (Spearman-Brown alone: .95
    to 1.22); .90 to 1.01 for both where half of the stimuli were shown once; up to .02 more by "tau-a".

    Raises RSAError when no region has 3 stimuli with two repeats: a recording of averages has no ceiling.
    """
    import xarray

    check_recording(recording)
    method_named(method)
    if splits < 1 or seed < 0:
        raise RSAError(f"at least one split and a seed from 0 are needed, got splits={splits}, seed={seed}")
    trials = Trials(recording, window)
    settings = {"by": by, "level": level, "scale": scale, "metric": metric, "method": method}
    means = trials.means()
    halved = {
        name: _Halved.of(name, sites, trials, means, settings)
        for name, sites in region_neuroids(recording, level).items()
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
    if all(region.reason for region in halved.values()):
        raise RSAError("; ".join(dict.fromkeys(region.reason for region in halved.values())))
    _correct(list(halved.values()), trials, seed, min(splits, _CORRECTED_ON))
    rows = [region.summary() for region in halved.values()]
    r = np.array([region.correlations(splits) for region in halved.values()])
    neuroid_mean = _mean_of_known(neuroid_r)
    stated: dict[str, object] = {"window": f"{window[0]:g}-{window[1]:g} ms"} if window is not None else {}
    stated |= {key: recording.attrs[key] for key in ("identifier", "source", "note") if key in recording.attrs}
    return xarray.Dataset(
        {name: ("target", np.array([row[name] for row in rows])) for name in rows[0]}
        | {"split_half": (("target", "split"), r)}
        | {"neuroid_r": ("neuroid", neuroid_mean)}
        | {"neuroid_reliability": ("neuroid", spearman_brown(neuroid_mean, trials.factors()))},
        {"target": list(halved)}
        | {str(k): (c.dims, c.values) for k, c in recording.coords.items() if c.dims == ("neuroid",) and k not in _OWN},
        {**stated, **settings, "splits": splits, "seed": seed, "definition": DEFINITION},
    )


@dataclass(frozen=True)
class _Split:
    """One split of a region: the similarity of the halves' RDMs, the conditions and neuroids in them.

    linear: the same, but Pearson's r where the method ranks. power: of those of the halves' conditions that are `used`
    for the correction.
    """

    r: float
    linear: float
    conditions: int
    neuroids: int
    used: npt.NDArray[np.bool_]
    power: Power | None


@dataclass
class _Halved:
    """A region and what its splits gave; or the reason why they gave nothing.

    whole: the patterns of the target, for the correction.
    """

    region: Region | None
    conditions: npt.NDArray[np.int64]
    settings: dict[str, str]
    reason: str = ""
    whole: Array | None = None
    splits: list[_Split] = field(default_factory=list)
    correction: float | None = None

    @classmethod
    def of(
        cls, name: str, sites: npt.NDArray[np.int64], trials: Trials, means: Array, settings: dict[str, str]
    ) -> "_Halved":
        conditions = trials.conditions(settings["by"])
        try:
            found = cls(Region.choose(name, sites, trials, conditions), conditions, settings)
            (whole,), varied = found.patterns(means, whole=True)
        except RSAError as error:
            return cls(None, conditions, settings, str(error))
        found.whole = whole if settings["metric"] == "correlation" and varied.all() else None
        return found

    def patterns(self, parts: Array, *, whole: bool = False) -> tuple[Array, npt.NDArray[np.bool_]]:
        assert self.region is not None  # noqa: S101  the callers' condition, for the type checker
        scale, metric = self.settings["scale"], self.settings["metric"]
        return self.region.responses(parts, self.conditions, scale, metric, whole=whole)

    def split(self, halves: Array, number: int) -> "_Split | str":
        if self.region is None:
            return self.reason
        metric, method = self.settings["metric"], self.settings["method"]
        try:
            (a, b), varied = self.patterns(halves)
            if method_named(method).ranked:
                one, other = (compute_rdm(x, metric=metric) for x in (a, b))
                r, linear = (compare(one, other, method=m) for m in (method, "pearson"))
            else:
                r = linear = rdm_correlation(a, b, metric, method)
        except RSAError as error:
            return str(error)
        power, used = None, varied & self.region.noise.halved[self.region.places]
        if self.whole is not None and number < _CORRECTED_ON and used.sum() > 2:
            here, keep = self.region.places[used], used[varied]
            power = Power.of(a[keep], b[keep], self.whole[here], self.region.noise, here)
        return _Split(r, linear, a.shape[0], a.shape[1], used, power)

    @property
    def linear(self) -> str:
        """The method that reliability is of."""
        return method_named(self.settings["method"]).linear

    def add(self, outcome: "_Split | str") -> None:
        if isinstance(outcome, str):
            self.reason = self.reason or outcome
        else:
            self.splits.append(outcome)

    def correlations(self, splits: int) -> list[float]:
        return [math.nan] * splits if self.reason else [split.r for split in self.splits]

    def shares(self) -> "tuple[Shares, npt.NDArray[np.bool_]] | None":
        """Of the conditions that no split lacks, and which of the halves' these are."""
        found = [(split.power, split.used) for split in self.splits if split.power is not None]
        if self.reason or self.region is None or self.whole is None or not found:
            return None
        used = np.logical_and.reduce([used for _, used in found])
        if used.sum() < max(3, len(self.whole) / 2):
            return None
        powers = [power.take(used[own]) for power, own in found]
        shares = Shares.of(powers, self.region.noise, self.region.places[used])
        return None if shares is None else (shares, used)

    def summary(self) -> dict[str, float | str]:
        if self.reason or self.region is None:
            floats = ("r", "spearman_brown", "reliability", "ceiling", "repeats", "split_conditions", "split_neuroids")
            return {**dict.fromkeys(floats, math.nan), "stimuli": 0, "neuroids": 0, "reason": self.reason}
        r, linear = (float(np.mean([getattr(split, key) for split in self.splits])) for key in ("r", "linear"))
        first = float(spearman_brown(linear, self.region.noise.factor)) if linear >= 0 else math.nan
        reason = self.doubt(linear)
        reliability = math.nan if reason else min(first * (self.correction or 1.0), 1.0)
        if reliability < LEAST:
            reason = f"the reliability {reliability:.2f} is below {LEAST:g}, where it says too little of the ceiling"
        return {
            "reason": f"{self.region.name}: {reason}" if reason else "",
            "r": r,
            "spearman_brown": first,
            "reliability": reliability,
            "ceiling": math.nan if reason else method_ceiling(reliability, self.settings["method"]),
            "repeats": self.region.repeats,
            "split_conditions": float(np.mean([split.conditions for split in self.splits])),
            "split_neuroids": float(np.mean([split.neuroids for split in self.splits])),
            "stimuli": len(self.region.stimuli),
            "neuroids": len(self.region.neuroids),
        }

    def doubt(self, linear: float) -> str:
        """Why the reliability of the target is not known, or ""."""
        assert self.region is not None  # noqa: S101  the caller's condition, for the type checker
        region, metric, method = self.region, self.settings["metric"], self.settings["method"]
        used, of = len(region.neuroids), region.of_neuroids
        halved, conditions = region.noise.halved.sum(), len(region.noise.halved)
        if not linear >= 0:
            return "halves do not agree"
        if used < 0.9 * of:
            return f"only {used} of the {of} neuroids in the RDM saw all {len(region.stimuli)} repeated stimuli twice"
        if 2 * halved < conditions:
            return (
                f"{halved} of {conditions} conditions have repeats of nine in ten of their stimuli, half of them must;"
                " repeated_stimuli(recording) leaves out stimuli that were shown once"
            )
        if self.correction is not None:
            return ""
        if not method_named(method).centred:
            return f"no ceiling is known for metric {metric!r} with method {method!r}; method='pearson' has one"
        if halved < conditions or not region.noise.even:
            low, high = 1 / region.noise.whole.max(), 1 / region.noise.whole.min()
            return (
                f"conditions have {low:.3g} to {high:.3g} repeats, which distorts metric {metric!r} in an unknown way;"
                " metric='correlation' has a ceiling, or repeated_stimuli(recording, at_least=k) makes them more alike"
            )
        return ""


def _correct(regions: "list[_Halved]", trials: Trials, seed: int, splits: int) -> None:
    """Find what Spearman-Brown's reliability of each region is multiplied with, where a better estimate exists."""
    shares = [region.shares() for region in regions]
    if not any(shares):
        return
    found: list[list[tuple[float, float]]] = [[] for _ in regions]
    for number in range(splits):
        halves = trials.halves(seed, number)
        for region, share, here in zip(regions, shares, found, strict=True):
            if share is not None:
                (a, b), varied = region.patterns(halves)
                kept = share[1][varied]
                here.append(products(a[kept], b[kept], share[0], region.linear))
    for region, here in zip(regions, found, strict=True):
        if here and region.whole is not None and region.region is not None:
            r = np.mean([split.linear for split in region.splits[:splits]])
            first = float(spearman_brown(r, region.region.noise.factor))
            better = explainable(here, region.whole, region.linear)
            if first > 0 and math.isfinite(better):
                region.correction = better / first


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
