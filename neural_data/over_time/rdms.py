"""RDMs of a recording's regions in every window, and how reliable they are there."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ...rsa import RDM, RSAError
from ...rsa.over_time import time_axis
from ..recordings.neuroids import region_neuroids
from ..regions import make_rdms, responses
from ..reliability.split_half import split_half
from ..settings import SPLITS, RegionSettings, window_text
from .windows import Window, in_each_window, time_windows

if TYPE_CHECKING:
    import xarray

_TARGET = "target_of_neuroid"  # column of neuroids: groups of a part would be others, where numbers are divided
NUMBERS = ("reliability", "ceiling", "neuroids")


@dataclass(frozen=True)
class WindowRDMs:
    """RDMs of one window.

    Attributes
    ----------
    window : (float, float)
        Start and end in ms.
    rdms : mapping of str to RDM
        By target, without the targets that have no RDM here.
    reasons : mapping of str to str
        Why a target has no RDM here.
    halves : xarray.Dataset or None
        What `split_half` returned for this window; None where it was not asked for or there is nothing to split.
    """

    window: Window
    rdms: Mapping[str, RDM]
    reasons: Mapping[str, str] = field(default_factory=dict)
    halves: "xarray.Dataset | None" = None


def rdms_over_time(
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
    splits: int = 0,
    seed: int = 0,
    method: str = "pearson",
) -> Iterator[WindowRDMs]:
    """Compute the RDMs of every region in every window, one window after the other.

    Parameters
    ----------
    recording : xarray.DataArray
        A recording with time bins. One on disk is read in pieces.
    width, step, between, windows
        As in `time_windows`.
    by, level, scale, metric, missing
        As in `region_rdms`.
    splits : int
        Random split halves for reliability and ceilings, with the same presentations in every window; 0 for none.
    seed, method
        As in `split_half`.

    Yields
    ------
    WindowRDMs
        A region that has no RDM in a window, because its responses are missing or the same for all neuroids, is named
        with the reason.

    Raises
    ------
    RSAError
        As `time_windows`, for an unknown `level` or `by`, and when no region has an RDM in any window.

    Examples
    --------
    >>> import numpy as np
    >>> from tgsage.neural_data import from_arrays, rdms_over_time
    >>> rates = np.random.default_rng(0).poisson(5, (8, 6, 3))
    >>> bins = [(0, 50), (50, 100), (100, 150)]
    >>> recording = from_arrays(rates, stimulus_id=list("abcdabcd"), region="V4", time_bins=bins)
    >>> [(one.window, len(one.rdms["V4"])) for one in rdms_over_time(recording)]
    [((0.0, 50.0), 4), ((50.0, 100.0), 4), ((100.0, 150.0), 4)]
    """
    settings = RegionSettings(by, level, scale, None, metric, missing)
    chosen = time_windows(recording, width=width, step=step, between=between, windows=windows)
    yield from each_window(recording, chosen, settings, splits=splits, seed=seed, method=method)


def each_window(
    recording: "xarray.DataArray",
    windows: Sequence[Window],
    settings: RegionSettings,
    *,
    targets: Iterable[str] = (),
    splits: int = 0,
    seed: int = 0,
    method: str = "pearson",
    progress: Callable[[int], object] = lambda steps: None,
) -> Iterator[WindowRDMs]:
    """What `rdms_over_time` yields, for these windows and, where they are named, these targets."""
    neuroids = region_neuroids(recording, settings.level)
    wanted = list(targets) or list(neuroids)
    neuroids = {target: neuroids[target] for target in wanted}
    made = 0
    reasons: dict[str, str] = {}
    sites = np.sort(np.concatenate(list(neuroids.values())))
    if len(sites) < recording.sizes["neuroid"]:
        recording = recording.isel(neuroid=sites)
        neuroids = {target: np.searchsorted(sites, own) for target, own in neuroids.items()}
    names = np.empty(len(sites), object)
    for target, own in neuroids.items():
        names[own] = target
    recording = recording.assign_coords({_TARGET: ("neuroid", names.astype(str))})
    for window, part in in_each_window(recording, windows):
        rdms, lacking = _rdms(part, neuroids, settings)
        halves = None
        if splits and rdms:
            try:
                used = np.sort(np.concatenate([neuroids[target] for target in rdms]))
                halves = split_half(
                    part if len(used) == part.sizes["neuroid"] else part.isel(neuroid=used),  # isel copies
                    by=settings.by,
                    level=_TARGET,
                    scale=settings.scale,
                    metric=settings.metric,
                    splits=splits,
                    seed=seed,
                    method=method,
                )
            except RSAError as error:
                lacking = {**lacking, "": f"no reliability: {error}"}
        made, reasons = made + len(rdms), reasons | lacking
        del part  # one window is held at a time, and none while what it gave is compared
        yield WindowRDMs(window, rdms, lacking, halves)
        progress(1)
    if not made:
        raise RSAError(f"no target has an RDM in any of {len(windows)} windows: {next(iter(reasons.values()))}")


def _rdms(
    part: "xarray.DataArray", neuroids: Mapping[str, npt.NDArray[np.int64]], settings: RegionSettings
) -> tuple[dict[str, RDM], dict[str, str]]:
    rdms: dict[str, RDM] = {}
    reasons: dict[str, str] = {}
    for target, sites in neuroids.items():
        try:
            found = responses(part.isel(neuroid=sites), settings, {target: np.arange(len(sites))})
            rdms |= make_rdms(found, settings)
        except RSAError as error:
            reasons[target] = str(error)
    return rdms, reasons


def reliability_over_time(
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
    splits: int = SPLITS,
    seed: int = 0,
    method: str = "pearson",
    progress: Callable[[int], object] = lambda steps: None,
) -> "xarray.Dataset":
    """Estimate the reliability of every region's RDM in every window.

    Parameters
    ----------
    recording, width, step, between, windows, by, level, scale, metric, missing, splits, seed, method
        As in `rdms_over_time`.
    progress : callable
        Called with 1 after each window.

    Returns
    -------
    xarray.Dataset
        Dims ("target", "time"), where `time` is the middle of a window in ms. It holds `reliability` and `ceiling` as
        in `split_half`, `neuroids`, and `reason`, which says why a target has no RDM or no reliability there.
        `window_start` and `window_end` lie along `time`.

    Raises
    ------
    RSAError
        As `rdms_over_time`.
    """
    settings = RegionSettings(by, level, scale, None, metric, missing)
    chosen = time_windows(recording, width=width, step=step, between=between, windows=windows)
    targets = list(region_neuroids(recording, level))
    each = each_window(recording, chosen, settings, splits=splits, seed=seed, method=method, progress=progress)
    attrs = {**_attrs(recording, settings), "method": method, "splits": splits, "seed": seed}
    return course([about(one, targets) for one in each], targets).assign_attrs(attrs)


def about(one: WindowRDMs, targets: Sequence[str]) -> tuple[Window, list[tuple[float, float, float]], list[str]]:
    """The window; reliability, ceiling and neuroids of every target, NaN where unknown; why one has no RDM."""
    numbers = []
    for target in targets:
        neuroids = float(str(one.rdms[target].attrs["neuroids"])) if target in one.rdms else np.nan
        known = one.halves is not None and target in one.halves.indexes["target"]
        here = one.halves.sel(target=target) if one.halves is not None and known else None
        reliability, ceiling = (np.nan if here is None else float(here[key]) for key in NUMBERS[:2])
        numbers.append((reliability, ceiling, neuroids))
    return one.window, numbers, [one.reasons.get(target, one.reasons.get("", "")) for target in targets]


def course(
    found: Sequence[tuple[Window, list[tuple[float, float, float]], list[str]]], targets: Sequence[str]
) -> "xarray.Dataset":
    """Reliability, ceiling and neuroids of the targets over time, and why there is none, from `about` each window."""
    import xarray

    numbers = np.array([values for _, values, _ in found]).transpose(1, 0, 2)
    columns: dict[str, Any] = {name: (("target", "time"), numbers[..., k]) for k, name in enumerate(NUMBERS)}
    columns["reason"] = (("target", "time"), np.array([reasons for *_, reasons in found]).T)
    return xarray.Dataset(columns, {"target": list(targets), **time_axis([window for window, *_ in found])})


def mean_over_subjects(table: "xarray.Dataset", people: Mapping[str, Mapping[str, str]]) -> "xarray.Dataset":
    """What `course` made of single subjects, by target: the mean of their numbers, and why some have no RDM.

    people: target -> subject -> its name in the table.
    """
    import xarray

    parts = []
    for target, own in people.items():
        here = table.sel(target=list(own.values()))
        part = here[[*NUMBERS[:2]]].mean("target", skipna=False)
        part["neuroids"] = here["neuroids"].sum("target", skipna=False)
        named = [
            "; ".join(f"{who}: {why}" for who, why in zip(own, column, strict=True) if why)
            for column in here["reason"].to_numpy().T.tolist()
        ]
        part["reason"] = ("time", np.array(named))
        parts.append(part.expand_dims(target=[target]))
    return xarray.concat(parts, "target")


def _attrs(recording: "xarray.DataArray", settings: RegionSettings) -> dict[str, Any]:
    stated = {key: recording.attrs[key] for key in ("identifier", "source", "note") if key in recording.attrs}
    return {**stated, **settings.attrs()}


def said(windows: Sequence[Window]) -> str:
    """Windows in words: "25 of 10 ms, 0-250 ms"."""
    lengths = sorted({round(end - start, 6) for start, end in windows})
    size = f"{lengths[0]:g}" if len(lengths) == 1 else f"{lengths[0]:g} to {lengths[-1]:g}"
    return f"{len(windows)} of {size} ms, {window_text(windows[0][0], max(end for _, end in windows))}"
