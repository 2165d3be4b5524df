"""Temporal generalisation: how alike the RDMs of two times are (King and Dehaene 2014)."""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array

from ...rsa import RDM, RSAError, compare_all, compute_rdm
from ...rsa.errors import check_known, near
from ...rsa.over_time import time_axis
from ...rsa.rdm.comparison import method_named
from ...rsa.types import Array
from ..recordings.averaging import group_means
from ..recordings.neuroids import region_neuroids, scale_neuroids
from ..recordings.recording import check_recording, constant_columns, encode, first_places, number_repetitions
from ..settings import RegionSettings
from .windows import bins_in, time_windows

if TYPE_CHECKING:
    import xarray

HALVES = 10  # random split halves behind the matrix
_LEAST = 3  # stimuli that were shown twice, without which there are no halves
_BESIDE = 8  # windows of one half that are compared at once: those of the other are all in memory


def temporal_generalisation(
    recording: "xarray.DataArray",
    *,
    width: float | None = None,
    step: float | None = None,
    between: tuple[float, float] | None = None,
    windows: Iterable[tuple[float, float]] | None = None,
    by: str = RegionSettings.by,
    level: str = RegionSettings.level,
    scale: str = RegionSettings.scale,
    metric: str = RegionSettings.metric,
    missing: str = RegionSettings.missing,
    targets: Iterable[str] = (),
    method: str = "pearson",
    splits: int = HALVES,
    seed: int = 0,
    progress: Callable[[int], object] = lambda steps: None,
) -> "xarray.DataArray":
    """Compare every region's RDM in each window with that in each other window.

    Parameters
    ----------
    recording, width, step, between, windows, by, level, scale, metric, missing
        As in `rdms_over_time`.
    targets : iterable of str
        Which regions; all by default.
    method : str
        As in `compare`.
    splits : int
        Random halves of each stimulus' presentations, or 0 to compare RDMs of all presentations with each other.
    seed : int
        Seed from which the halves are drawn.
    progress : callable
        Called with 1 after each split.

    Returns
    -------
    xarray.DataArray
        Dims ("target", "time", "other"), where `time` and `other` are the middles of windows in ms; NaN where a window
        has no RDM. `attrs["definition"]` says which RDMs were compared.

    Raises
    ------
    RSAError
        As `rdms_over_time`; with splits, also for a recording without repeats.

    Notes
    -----
    The RDM at one time is made from one random half of each stimulus' presentations, and the RDM at the other time from
    the other half; the matrix is the mean over both ways round and over all splits. Noise that neighbouring times share
    is then in one half only and does not make them alike; the diagonal holds the split-half correlation of the RDM. A
    square of high values means a geometry that lasts; a diagonal of high values, one that changes.

    References
    ----------
    King and Dehaene (2014), Trends Cogn Sci 18:203-210.
    """
    import xarray

    check_recording(recording)
    method_named(method)
    settings = RegionSettings(by, level, scale, None, metric, missing)
    chosen = time_windows(recording, width=width, step=step, between=between, windows=windows)
    neuroids = region_neuroids(recording, level)
    wanted = list(dict.fromkeys(targets)) or list(neuroids)
    for target in wanted:
        check_known("the recording has no target", target, neuroids)
    columns_known = constant_columns(recording, encode(recording["stimulus_id"].values)[1])
    if by != "stimulus" and by not in columns_known:
        raise RSAError(
            f"no column {by} says the same at every presentation of a stimulus{near(by, list(columns_known))}"
        )
    if splits < 0 or seed < 0:
        raise RSAError(f"splits and seed are whole numbers from 0, got splits={splits}, seed={seed}")
    shares = [bins_in(recording, window) for window in chosen]
    found = np.full((len(wanted), len(chosen), len(chosen)), np.nan)
    reason = ""
    for split in range(max(splits, 1)):
        shown, one, other = _halves(recording, seed, split) if splits else _whole(recording)
        conditions = recording["stimulus_id" if by == "stimulus" else by].values[shown]
        for k, sites in enumerate(neuroids[target] for target in wanted):
            rows, why = _rdms(one[:, sites], shares, conditions, settings)
            columns = rows if one is other else _rdms(other[:, sites], shares, conditions, settings)[0]
            here = _matrix(rows, columns, len(chosen), method)
            found[k] = np.where(split == 0, 0.0, found[k]) + (here + here.T) / 2 / max(splits, 1)
            reason = reason or why
        progress(1)
    if np.isnan(found).all():
        raise RSAError(f"no target has an RDM in two windows: {reason}")
    axis = time_axis(chosen)
    coords = {"target": wanted, **axis, "other": ("other", axis["time"][1], {"units": "ms"})}
    halves = f"from random halves of the presentations of each stimulus, {splits} splits"
    how = halves if splits else "from all presentations, so that the noise they share counts"
    sides = ("one half", "the other half") if splits else ("all presentations", "all presentations")
    attrs = {"method": method, "splits": splits, "seed": seed, **settings.attrs()}
    attrs |= {"first": sides[0], "second": sides[1], "definition": f"RDMs at two times compared by {method}, {how}"}
    return xarray.DataArray(found, coords, ("target", "time", "other"), "similarity", attrs)


def possible_halves(recording: "xarray.DataArray", most: int) -> int:
    """As many splits as asked for, none for a recording with too few repeats."""
    _, codes = encode(recording["stimulus_id"].values)
    return most if (np.bincount(codes) > 1).sum() >= _LEAST else 0


def _halves(recording: "xarray.DataArray", seed: int, split: int) -> tuple[Array, Array, Array]:
    """Where repeated stimuli are first shown, and their means in two random halves: (stimuli, neuroids, bins)."""
    stimuli, codes = encode(recording["stimulus_id"].values)
    rng, n = np.random.default_rng([seed, split]), len(stimuli)
    order = rng.permutation(len(codes))
    rank = np.empty(len(codes), np.int64)
    rank[order] = number_repetitions(codes[order])
    repeated = np.flatnonzero(np.bincount(codes) > 1)
    if len(repeated) < _LEAST:
        raise RSAError(
            f"{len(repeated)} stimuli were shown twice, and halves need {_LEAST}; splits=0 compares RDMs of all "
            "presentations, whose noise is shared"
        )
    side = (rank + rng.integers(0, 2, n)[codes]) % 2
    means = group_means(recording, codes + n * side, 2 * n)[0]
    return first_places(codes)[repeated], means[repeated], means[repeated + n]


def _whole(recording: "xarray.DataArray") -> tuple[Array, Array, Array]:
    """The same for all presentations on both sides."""
    stimuli, codes = encode(recording["stimulus_id"].values)
    means = group_means(recording, codes, len(stimuli))[0]
    return first_places(codes), means, means


def _rdms(
    means: Array, shares: Sequence[tuple[Array, Array]], conditions: Array, settings: RegionSettings
) -> tuple[dict[str, RDM], str]:
    """The RDM of each window that has one, by its place, of (stimuli, neuroids, bins); and why another has none."""
    names, codes = np.unique(conditions, return_inverse=True)
    group = csr_array((1 / np.bincount(codes)[codes], (codes, np.arange(len(codes)))), (len(names), len(codes)))
    found, why = {}, ""
    for t, (bins, weights) in enumerate(shares):
        x = means[:, :, bins] @ weights
        missing = np.isnan(x).any(axis=0)
        if missing.any() and settings.missing == "raise":
            why = why or f"{missing.sum()} of {len(missing)} neuroids lack a response; missing='drop' leaves them out"
            continue
        x = scale_neuroids(x[:, ~missing], settings.scale)
        try:
            rdm = compute_rdm(group @ x[:, ~np.isnan(x).any(axis=0)], metric=settings.metric, labels=names)
        except RSAError as error:
            why = why or str(error)
        else:
            if rdm.values.min() < rdm.values.max():
                found[str(t)] = rdm
    return found, why


def _matrix(rows: dict[str, RDM], columns: dict[str, RDM], windows: int, method: str) -> Array:
    """Each window of one half against each of the other, NaN where one has no RDM."""
    out = np.full((windows, windows), np.nan)
    places = [int(t) for t in rows]
    for start in range(0, len(columns), _BESIDE):
        batch = list(columns)[start : start + _BESIDE]
        if rows:
            table = compare_all(rows, {t: columns[t] for t in batch}, method=method)
            out[np.ix_(places, [int(t) for t in batch])] = table.to_numpy()
    return out
