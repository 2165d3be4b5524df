"""Reliability of a recording from random halves of its repeats, and the noise ceilings that follow.

A region's RDM is made from either random half of every stimulus' repeats. The correlation r of the two gives the
reliability of the RDM made from all repeats: the share of its variance that a noiseless model can explain. The first
estimate is m r / (1 + (m - 1) r) (Spearman 1910; Brown 1910), where the RDM of a half is m times as noisy as that of
all repeats (2 for even numbers of them); `correction` removes its bias. The ceiling, the similarity expected of a
noiseless model, is the square root of the reliability. A ceiled score is a similarity divided by the ceiling, not
squared.
"""

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numba
import numpy as np
import numpy.typing as npt

from ...rsa import RSAError, compare, compute_rdm
from ...rsa.errors import check_whole
from ...rsa.labels import plain
from ...rsa.rdm.comparison import Method, method_named
from ...rsa.types import Array
from ..recordings.neuroids import region_neuroids
from ..recordings.recording import check_recording, in_window
from ..settings import SPLITS, RegionSettings
from .correction import Power, Shares, explainable, products, rdm_correlation
from .halves import Region, Trials

if TYPE_CHECKING:
    import xarray

LEAST = 0.2  # reliability below which there is no ceiling
DEFINITION = (
    "reliability = m r / (1 + (m - 1) r), with r from split halves that are m times as noisy as all repeats (m = 2 for"
    " even numbers of repeats), corrected for noise that does not fall as 1 / repeats; ceiling = sqrt(reliability),"
    " none for a reliability below .2; ceiled score = similarity / ceiling"
)
_MOST_THREADS = 8  # each holds two halves of all responses
_CORRECTED_ON = 10  # splits behind the correction of Spearman-Brown: it varies little between them
_NUMBERS = ("r", "spearman_brown", "reliability", "ceiling", "repeats", "split_conditions", "split_neuroids")
_OWN = (*_NUMBERS[:5], "stimuli", "neuroids", "neuroid_r", "neuroid_reliability", "reason")


def spearman_brown(r: npt.ArrayLike, factor: npt.ArrayLike = 2.0) -> Array:
    """Return the reliability of a measure `factor` times as long as one of reliability `r`.

    Parameters
    ----------
    r, factor : array-like

    Returns
    -------
    array

    Examples
    --------
    >>> from tgsage.neural_data import spearman_brown
    >>> spearman_brown([0.5, 0.8])
    array([0.66666667, 0.88888889])
    """
    r, factor = plain(r).astype(np.float64), plain(factor).astype(np.float64)
    return np.asarray(factor * r / (1 + (factor - 1) * r))


def method_ceiling(reliability: float, method: str) -> float:
    """The similarity by `method` of a noiseless model and an RDM of this reliability.

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
    by: str = RegionSettings.by,
    level: str = RegionSettings.level,
    scale: str = RegionSettings.scale,
    window: tuple[float, float] | None = RegionSettings.window,
    metric: str = RegionSettings.metric,
    splits: int = SPLITS,
    seed: int = 0,
    method: str = "pearson",
    progress: Callable[[int], object] = lambda steps: None,
) -> "xarray.Dataset":
    """Estimate the split-half reliability of every neuroid and of every region's RDM.

    Parameters
    ----------
    recording : xarray.DataArray
        See `check_recording`.
    by, level, scale, window, metric
        See `RegionSettings`.
    splits : int
        Number of random splits.
    seed : int
        A split's halves depend only on this and on the number of the split.
    method : str
        Comparison of the halves' RDMs, see `compare`.
    progress : callable
        Called with 1 after each split.

    Returns
    -------
    xarray.Dataset
        For each target (region): `r` of its RDM as a mean over splits, and `split_half`, the r of each split;
        `spearman_brown`, `reliability` and `ceiling` of the RDM that `region_rdms` makes from all repeats; `repeats`, a
        mean over stimuli and neuroids; the numbers of `stimuli` and `neuroids` used and, as means over splits,
        `split_conditions` and `split_neuroids`; `reason`, which says why a region has no ceiling (NaN), or "". For each
        neuroid, beside the recording's coordinates that have other names than these: `neuroid_r` of its responses to
        the stimuli, and `neuroid_reliability`, the Spearman-Brown reliability from it (NaN for a neuroid that does not
        vary).

    Raises
    ------
    RSAError
        When no region has 3 stimuli with two repeats: a recording of averages has no ceiling.

    Notes
    -----
    A split assigns whole presentations of each stimulus to two halves, so that noise shared by neuroids stays within
    one half; if their number is odd, the last one goes to a random half. Where neuroids lack different presentations,
    the presentations with the same set of missing neuroids are halved separately.

    Halves leave out stimuli that fewer than half of a region's neuroids saw twice, then neuroids that did not see all
    remaining stimuli twice; a single split also leaves out neuroids that have no value in one of its halves or cannot
    be scaled there, and conditions without variance.

    The reliability is that of the repeats behind each condition of the target, however uneven; conditions shown once
    are assumed to be like the others. Spearman-Brown is multiplied by a correction (module `correction`) that is
    estimated with correlation RDMs on the first 10 splits; other metrics have no correction. Methods that rank have the
    reliability of Pearson's r, and a ceiling of their own (`method_ceiling`).

    There is no ceiling where halves disagree, where the reliability is below .2, where halves lack more than a tenth of
    the neuroids or half of the conditions, and, with metrics other than "correlation", for the two cosine methods and
    where the variance of noise differs between conditions by more than a fifth (standard deviation over mean), since
    uneven repeats distort such RDMs.

    In simulations, the ceiled score of a perfect model is .98 to 1.02 for 1 to 16 repeats, for half of the stimuli
    shown once and half 8 times, or for 60 repeats of one stimulus and 3 of the others, with 20 and 150 sites; .93 to
    1.02 from a reliability of .2 up with equal repeats, for patterns of unequal strength and Poisson counts, scaled or
    not (Spearman-Brown alone: .95 to 1.22); .90 to 1.01 for both where half of the stimuli were shown once; and up to
    .02 higher with "tau-a".
    """
    import xarray

    check_recording(recording)
    how, settings = method_named(method), RegionSettings(by, level, scale, window, metric)
    check_whole(1, splits=splits)
    check_whole(0, seed=seed)
    trials = Trials(in_window(recording, window))
    conditions, means = trials.conditions(by), trials.means()
    halved: dict[str, _Halved] = {}
    reasons: dict[str, str] = {}
    for name, sites in region_neuroids(recording, level).items():
        reasons[name] = ""
        try:
            halved[name] = _Halved.of(Region.choose(name, sites, trials, conditions), conditions, means, settings, how)
        except RSAError as error:
            reasons[name] = str(error)

    if not halved:  # a recording of averages, which may be of very many neuroids
        raise RSAError("; ".join(dict.fromkeys(reasons.values())))

    def one(split: int) -> tuple[Array, list[_Split | str]]:
        halves = trials.halves(seed, split)
        return _column_correlation(*halves), [region.split(halves, split) for region in halved.values()]

    neuroid_r = np.empty((splits, recording.sizes["neuroid"]))
    fast = (metric, method) == ("correlation", "pearson")  # whole RDMs are made on all threads already
    with ThreadPoolExecutor(min(numba.get_num_threads(), _MOST_THREADS) if fast else 1) as pool:
        for number, (columns, outcomes) in enumerate(pool.map(one, range(splits))):
            neuroid_r[number] = columns
            for name, outcome in zip(halved, outcomes, strict=True):
                if isinstance(outcome, str):
                    reasons[name] = reasons[name] or outcome
                else:
                    halved[name].splits.append(outcome)
            progress(1)
    if all(reasons.values()):
        raise RSAError("; ".join(dict.fromkeys(reasons.values())))
    halved = {name: region for name, region in halved.items() if not reasons[name]}
    _correct(list(halved.values()), trials, seed, min(splits, _CORRECTED_ON))
    none = {**dict.fromkeys(_NUMBERS, math.nan), "stimuli": 0, "neuroids": 0}
    rows = [halved[name].summary() if name in halved else {**none, "reason": why} for name, why in reasons.items()]
    r = [[split.r for split in halved[name].splits] if name in halved else [math.nan] * splits for name in reasons]
    neuroid_mean = _mean_of_known(neuroid_r)
    stated = {key: recording.attrs[key] for key in ("identifier", "source", "note") if key in recording.attrs}
    return xarray.Dataset(
        {name: ("target", np.array([row[name] for row in rows])) for name in rows[0]}
        | {"split_half": (("target", "split"), np.array(r))}
        | {"neuroid_r": ("neuroid", neuroid_mean)}
        | {"neuroid_reliability": ("neuroid", spearman_brown(neuroid_mean, trials.factors()))},
        {"target": list(reasons)}
        | {str(k): (c.dims, c.values) for k, c in recording.coords.items() if c.dims == ("neuroid",) and k not in _OWN},
        {**stated, **settings.attrs(), "method": method, "splits": splits, "seed": seed, "definition": DEFINITION},
    )


@dataclass(frozen=True)
class _Split:
    """One split of a region: the similarity of the halves' RDMs, the conditions and neuroids in them.

    linear: the same, but Pearson's r where the method ranks. used: those of the halves' conditions that the
    correction uses, and power: theirs.
    """

    r: float
    linear: float
    conditions: int
    neuroids: int
    used: npt.NDArray[np.bool_]
    power: Power | None


@dataclass
class _Halved:
    """A region, the patterns of its target where these can be corrected (`whole`), and the outcome of its splits."""

    region: Region
    conditions: npt.NDArray[np.int64]
    settings: RegionSettings
    method: Method
    whole: Array | None = None
    splits: list[_Split] = field(default_factory=list)
    correction: float | None = None

    @classmethod
    def of(
        cls, region: Region, conditions: npt.NDArray[np.int64], means: Array, settings: RegionSettings, method: Method
    ) -> "_Halved":
        (whole,), varied = region.responses(means, conditions, settings, whole=True)
        corrected = settings.metric == "correlation" and varied.all()
        return cls(region, conditions, settings, method, whole if corrected else None)

    def split(self, halves: Array, number: int) -> "_Split | str":
        """What a split gave, or why it gave nothing."""
        region, metric = self.region, self.settings.metric
        try:
            (a, b), varied = region.responses(halves, self.conditions, self.settings)
            if self.method.ranked:
                one, other = (compute_rdm(x, metric=metric) for x in (a, b))
                r, linear = (compare(one, other, method=m) for m in (self.method.name, "pearson"))
            else:
                r = linear = rdm_correlation(a, b, metric, self.method.name)
        except RSAError as error:
            return str(error)
        power, used = None, varied & region.noise.halved[region.places]
        if self.whole is not None and number < _CORRECTED_ON and used.sum() > 2:
            here, keep = region.places[used], used[varied]
            power = Power.of(a[keep], b[keep], self.whole[here], region.noise, here)
        return _Split(r, linear, a.shape[0], a.shape[1], used, power)

    def shares(self) -> "tuple[Shares, npt.NDArray[np.bool_]] | None":
        """Of the conditions that no split lacks, and which of the halves' these are."""
        found = [(split.power, split.used) for split in self.splits if split.power is not None]
        if self.whole is None or not found:
            return None
        used = np.logical_and.reduce([used for _, used in found])
        if used.sum() < max(3, len(self.whole) / 2):
            return None
        powers = [power.take(used[own]) for power, own in found]
        shares = Shares.of(powers, self.region.noise, self.region.places[used])
        return None if shares is None else (shares, used)

    def mean(self, key: str, splits: int | None = None) -> float:
        """Mean over the first splits, or all of them, of a number of each."""
        return float(np.mean([getattr(split, key) for split in self.splits[:splits]]))

    def summary(self) -> dict[str, float | str]:
        region, linear = self.region, self.mean("linear")
        first = float(spearman_brown(linear, region.noise.factor)) if linear >= 0 else math.nan
        reason = self.doubt(linear)
        reliability = math.nan if reason else min(first * (self.correction or 1.0), 1.0)
        if reliability < LEAST:
            reason = f"the reliability {reliability:.2f} is below {LEAST:g}, too low for an estimate of the ceiling"
        ceiling = math.nan if reason else method_ceiling(reliability, self.method.name)
        numbers = (
            self.mean("r"),
            first,
            reliability,
            ceiling,
            region.repeats,
            self.mean("conditions"),
            self.mean("neuroids"),
        )
        return {
            **dict(zip(_NUMBERS, numbers, strict=True)),
            "stimuli": len(region.stimuli),
            "neuroids": len(region.neuroids),
            "reason": f"{region.name}: {reason}" if reason else "",
        }

    def doubt(self, linear: float) -> str:
        """Why the reliability of the target is not known, or ""."""
        region, metric = self.region, self.settings.metric
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
        if not self.method.centred:
            return (
                f"no ceiling is known for metric {metric!r} with method {self.method.name!r}; method='pearson' has one"
            )
        if halved < conditions or not region.noise.even:
            low, high = 1 / region.noise.whole.max(), 1 / region.noise.whole.min()
            return (
                f"conditions have {low:.3g} to {high:.3g} repeats, which distorts metric {metric!r} in an unknown way;"
                " metric='correlation' has a ceiling, or repeated_stimuli(recording, at_least=k) makes them more alike"
            )
        return ""


def _correct(regions: Sequence[_Halved], trials: Trials, seed: int, splits: int) -> None:
    """Set the factor between each region's Spearman-Brown reliability and a better estimate, where there is one."""
    shares = [region.shares() for region in regions]
    if not any(shares):
        return
    found: list[list[tuple[float, float]]] = [[] for _ in regions]
    for number in range(splits):
        halves = trials.halves(seed, number)
        for region, share, here in zip(regions, shares, found, strict=True):
            if share is not None:
                (a, b), varied = region.region.responses(halves, region.conditions, region.settings)
                kept = share[1][varied]
                here.append(products(a[kept], b[kept], share[0], region.method.linear))
    for region, here in zip(regions, found, strict=True):
        if here and region.whole is not None:
            first = float(spearman_brown(region.mean("linear", splits), region.region.noise.factor))
            better = explainable(here, region.whole, region.method.linear)
            if first > 0 and math.isfinite(better):
                region.correction = better / first


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
