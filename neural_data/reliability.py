"""How far a recording can be trusted: split halves of its repeats, and what animals have in common.

A region's RDM is made from either random half of every stimulus' repeats. Their correlation r gives the reliability of
the RDM made from all repeats, 2r / (1 + r) (Spearman 1910, Brown 1910), and its square root is the similarity that a
noiseless model is expected to reach: the ceiling. A ceiled score is a similarity divided by the ceiling, not squared.
"""

import math
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numba
import numpy as np
import numpy.typing as npt

from ..rsa import RDM, RSAError, compare, compare_all, compute_rdm, noise_ceiling
from ..rsa.errors import listing
from ..rsa.rdm import Array
from .halves import Region, Trials
from .neuroids import region_neuroids
from .rdms import region_rdms
from .recording import check_recording

if TYPE_CHECKING:
    import xarray

_OWN = ("r", "reliability", "ceiling", "repeats", "stimuli", "neuroids", "neuroid_r", "neuroid_reliability")
_WIDE = 256  # below it BLAS gains less than its threads lose by waiting for those of other splits
_MOST_THREADS = 8  # each holds two halves of all responses
DEFINITION = (
    "reliability = 2r / (1 + r) of split halves; ceiling = sqrt(reliability); ceiled score = similarity / ceiling"
)


def spearman_brown(r: npt.ArrayLike, factor: float = 2.0) -> Array:
    """Reliability of a measure `factor` times as long as the one whose reliability is `r`."""
    r = np.asarray(r, np.float64)
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
    `reliability`; `ceiling` (both NaN where r is negative); `repeats`, mean over stimuli and neuroids; `stimuli` and
    `neuroids` used, and, as means over splits, `split_conditions` and `split_neuroids`. Per neuroid, with the
    recording's coordinates (but those of these names): `neuroid_r` of its responses to the stimuli and
    `neuroid_reliability`, their Spearman-Brown (NaN for one that does not vary).

    Spearman-Brown takes the noise of an RDM to fall as 1 / repeats. It falls faster where noise rules the responses,
    and the ceiling is then too low; where stimuli also differ much in strength, both halves share a distortion that a
    noiseless model lacks, and it is too high. The ceiled score of a perfect model was 1.00 to 1.01 above a reliability
    of .8 with equal noise everywhere, 1.04 at .6 and up to 1.2 at .1; it was .90 to 1.03 for Poisson counts.

    Raises RSAError when a region has fewer than 3 stimuli with two repeats: a recording of averages has no ceiling.
    """
    import xarray

    check_recording(recording)
    if splits < 1 or seed < 0:
        raise RSAError(f"at least one split and a seed from 0 are needed, got splits={splits}, seed={seed}")
    trials = Trials(recording, window)
    conditions = trials.conditions(by)
    regions = [Region.choose(name, sites, trials.counts) for name, sites in region_neuroids(recording, level).items()]

    def one(split: int) -> tuple[Array, list[tuple[int, int]], list[float]]:
        halves = trials.halves(seed, split)
        pairs = [region.responses(halves, conditions, scale, metric) for region in regions]
        r = [rdm_correlation(a, b, metric, method) for a, b in pairs]
        return _column_correlation(*halves), [(a.shape[0], a.shape[1]) for a, _ in pairs], r

    r, used = np.empty((splits, len(regions))), np.empty((splits, len(regions), 2))
    neuroid_r = np.empty((splits, recording.sizes["neuroid"]))
    with ThreadPoolExecutor(_threads(metric, method)) as pool:
        for split, result in enumerate(pool.map(one, range(splits))):
            neuroid_r[split], used[split], r[split] = result
            advance(1)
    mean, neuroid_mean = r.mean(axis=0), _mean_of_known(neuroid_r)
    reliability = spearman_brown(np.where(mean >= 0, mean, np.nan))
    targets = {
        "r": mean,
        "reliability": reliability,
        "ceiling": np.sqrt(reliability),
        "repeats": [region.repeats for region in regions],
        "stimuli": [len(region.stimuli) for region in regions],
        "neuroids": [len(region.neuroids) for region in regions],
        "split_conditions": used[:, :, 0].mean(axis=0),
        "split_neuroids": used[:, :, 1].mean(axis=0),
    }
    settings = {
        "by": by,
        "level": level,
        "scale": scale,
        "metric": metric,
        "method": method,
        "splits": splits,
        "seed": seed,
    }
    stated = {key: recording.attrs[key] for key in ("identifier", "source", "note") if key in recording.attrs}
    return xarray.Dataset(
        {name: ("target", np.asarray(values)) for name, values in targets.items()}
        | {"split_half": (("target", "split"), r.T)}
        | {"neuroid_r": ("neuroid", neuroid_mean), "neuroid_reliability": ("neuroid", spearman_brown(neuroid_mean))},
        {"target": [region.name for region in regions]}
        | {str(k): (c.dims, c.values) for k, c in recording.coords.items() if c.dims == ("neuroid",) and k not in _OWN},
        {**stated, **settings, "definition": DEFINITION},
    )


def _threads(metric: str, method: str) -> int:
    """Splits at a time: whole RDMs are made on all threads already."""
    return min(numba.get_num_threads(), _MOST_THREADS) if (metric, method) == ("correlation", "pearson") else 1


def rdm_correlation(a: Array, b: Array, metric: str = "correlation", method: str = "pearson") -> float:
    """`compare(compute_rdm(a), compute_rdm(b))` for (n, f) float64 responses.

    Pearson's r of correlation RDMs needs no n x n matrix. With rows centred and scaled to unit length, the products of
    two RDMs' similarities sum to (|A'B|^2 - n) / 2 over pairs, and the similarities to (|sum of rows|^2 - n) / 2.
    """
    if metric != "correlation" or method != "pearson":
        return compare(compute_rdm(a, metric=metric), compute_rdm(b, metric=metric), method=method)
    n, f = a.shape
    pairs = n * (n - 1) / 2
    za, zb = (_unit_rows(x) for x in (a, b))
    mean_a, mean_b = (((z.sum(axis=0) ** 2).sum() - n) / 2 / pairs for z in (za, zb))
    if f < n:
        products = (np.einsum("ij,ik->jk", x, y, optimize=f > _WIDE) for x, y in ((za, zb), (za, za), (zb, zb)))
        squares = [float(np.vdot(product, product)) for product in products]
    else:
        gram_a, gram_b = za @ za.T, zb @ zb.T
        squares = [float(np.vdot(x, y)) for x, y in ((gram_a, gram_b), (gram_a, gram_a), (gram_b, gram_b))]
    ab, aa, bb = ((square - n) / 2 for square in squares)
    var_a, var_b = aa - pairs * mean_a**2, bb - pairs * mean_b**2
    if min(var_a / aa, var_b / bb) < 1e-12:
        raise RSAError("the RDM of half of the repeats is constant, so its reliability is undefined")
    return float((ab - pairs * mean_a * mean_b) / math.sqrt(var_a * var_b))


def _unit_rows(x: Array) -> Array:
    z: Array = x - x.mean(axis=1, keepdims=True)
    z /= np.sqrt(np.einsum("ij,ij->i", z, z))[:, None]
    return z


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


def leave_one_animal_out(
    recording: "xarray.DataArray",
    *,
    by: str = "stimulus",
    level: str = "subregion",
    scale: str = "none",
    window: tuple[float, float] | None = None,
    metric: str = "correlation",
    method: str = "pearson",
) -> "xarray.Dataset":
    """`noise_ceiling` over animals, for the regions in which at least two of them have two neuroids or more.

    Dataset with `lower`, `upper`, `animals` (how many) and `repeats` (presentations per stimulus) of each target.
    Raises RSAError without a column `animal` of neuroids, when no region has two animals, and as `region_rdms` does.
    """
    import xarray

    check_recording(recording)
    regions = region_neuroids(recording, level)
    animals = region_neuroids(recording, "animal")
    found: dict[str, list[RDM]] = {name: [] for name in regions}
    for animal, sites in animals.items():
        shared = [np.intersect1d(sites, neuroids) for neuroids in regions.values()]
        wanted = [neuroids for neuroids in shared if len(neuroids) >= 2]
        if wanted:
            part = recording.isel(neuroid=np.sort(np.concatenate(wanted)))
            rdms = region_rdms(part, by=by, level=level, scale=scale, window=window, metric=metric)
            for name, rdm in rdms.items():
                found[name].append(rdm.replace(name=animal))
    several = {name: rdms for name, rdms in found.items() if len(rdms) > 1}
    if not several:
        raise RSAError(f"no region has two neuroids of two animals each; animals: {listing(animals)}")
    bounds = np.array([noise_ceiling(rdms, method=method) for rdms in several.values()])
    columns = {
        "lower": bounds[:, 0],
        "upper": bounds[:, 1],
        "animals": [len(rdms) for rdms in several.values()],
        "repeats": [float(rdms[0].attrs["repeats"] or 1) for rdms in several.values()],
    }
    data = {name: ("target", np.asarray(values)) for name, values in columns.items()}
    return xarray.Dataset(data, {"target": list(several)}, {"method": method})


def subject_ceiling(rdms: Mapping[str, RDM], *, method: str = "pearson") -> dict[str, float]:
    """Reliability and ceiling of the average of subjects' RDMs, and the leave-one-out bounds of single ones.

    The average of k subjects has reliability k r / (1 + (k - 1) r), r the mean correlation of two subjects; a model
    compared with the average is held against `ceiling`, one compared with every subject in turn against the bounds of
    `noise_ceiling`. Raises RSAError as that does.
    """
    k = len(rdms)
    lower, upper = noise_ceiling(rdms, method=method)
    between = compare_all(rdms, rdms, method=method).to_numpy()[np.triu_indices(k, 1)]
    reliability = float(spearman_brown(between.mean(), k))
    return {
        "reliability": round(reliability, 6),
        "ceiling": round(float(np.sqrt(max(reliability, 0.0))), 6),
        "subjects": k,
        "leave_one_out_lower": lower,
        "leave_one_out_upper": upper,
    }
