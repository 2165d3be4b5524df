"""RDMs that change over time, compared with those of a model's layers."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import RSAError, naming
from .inference.bootstrap import bootstrap as resample
from .inference.clusters import cluster_test, permuted_similarities
from .inference.intervals import at_standard_error, interval
from .inference.latency import Latency, latency
from .rdm.comparison import compare_all
from .rdm.rdm import RDM
from .time_score import COURSES, LATENCIES, TimeScore
from .types import Array

if TYPE_CHECKING:
    import xarray


def compare_over_time(
    layers: Mapping[str, RDM],
    windows: Iterable[tuple[tuple[float, float], Mapping[str, RDM]]],
    *,
    targets: Sequence[str] = (),
    method: str = "pearson",
    bootstrap: int = 1000,
    permutations: int = 1000,
    groups: str | Sequence[object] | None = None,
    seed: int = 0,
    name: str = "RDMs over time",
    progress: Callable[[int], object] = lambda steps: None,
) -> TimeScore:
    """Compare layers with targets in one time window after another.

    Parameters
    ----------
    layers : mapping of str to RDM
    windows : iterable of ((start, end), mapping of str to RDM)
        In order of time, in ms; targets may be missing from some of them. Only one is held in memory at a time.
    targets : sequence of str
        The order of the targets; by default that in which they first appear.
    method : str
        As in `compare`.
    bootstrap : int
        Number of resamples of the stimuli, the same in all windows, for intervals of similarities and latencies; 0 for
        none.
    permutations : int
        Number of permutations of the stimuli, the same in all windows, for cluster tests and latencies; 0 for none.
    groups, seed
        As in `bootstrap`.
    name : str
        Name of what the RDMs are of.
    progress : callable
        Called with 1 after each window.

    Returns
    -------
    TimeScore
        Its p-values are corrected over the windows of one layer and target, but not over layers and targets.

    Raises
    ------
    RSAError
        As `compare_all`, `bootstrap` and `permuted_similarities` do, naming the window; and for fewer than two windows.

    Notes
    -----
    Draws of similarities are rescaled to their standard error (`standard_error`) before latencies are read from them,
    since plain resamples vary more than new samples of stimuli do.

    Examples
    --------
    >>> import numpy as np
    >>> from tgsage.rsa import compare_over_time, compute_rdm
    >>> rng = np.random.default_rng(0)
    >>> shape, noise = rng.normal(size=(20, 10)), rng.normal(size=(6, 20, 10))
    >>> movie = [((10 * t, 10 * t + 10), {"IT": compute_rdm((t > 2) * shape + noise[t])}) for t in range(6)]
    >>> compare_over_time({"layer": compute_rdm(shape)}, movie, bootstrap=0, permutations=200).table["onset"].item()
    35.0
    """
    spans: list[tuple[float, float]] = []
    found: list[dict[str, Any]] = []
    facts: dict[str, Any] = {}
    by, order = next(iter(layers.values())).by if layers else "stimulus", list(targets)
    for (start, end), rdms in windows:
        spans.append((float(start), float(end)))
        varied = {target: rdm for target, rdm in rdms.items() if rdm.values.min() < rdm.values.max()}
        order += [target for target in rdms if target not in order]
        with naming(f"window {start:g}-{end:g} ms"):
            found.append(_compared(layers, varied, method, bootstrap, permutations, groups, seed, facts))
        progress(1)
    times = middles(spans)
    names = [target for target in order if any(target in one for one in found)]
    columns, drawn = empty_columns(len(layers), len(names), len(spans), bootstrap if permutations else 0)
    for k, target in enumerate(names):
        here = [one.get(target) for one in found]
        for key in ("similarity", "low", "high"):
            for t, one in enumerate(here):
                if one is not None and key in one:
                    columns[key][:, k, t] = one[key]
        for i in range(len(layers) if permutations else 0):
            course = columns["similarity"][i, k]
            test = cluster_test(course, _stacked(here, "null", i, permutations))
            draws = _stacked(here, "draws", i, bootstrap) if bootstrap else None
            read = latency(times, course, test, draws)
            columns["p"][i, k] = test.p
            put_latency(columns, drawn, (i, k), read)
    table = time_dataset(columns, list(layers), names, spans).assign_attrs(
        {"bootstrap": bootstrap, "permutations": permutations, "seed": seed, **facts}
    )
    return TimeScore(table, method, by, name, draws=drawn)


def _compared(
    layers: Mapping[str, RDM],
    rdms: Mapping[str, RDM],
    method: str,
    draws: int,
    permutations: int,
    groups: str | Sequence[object] | None,
    seed: int,
    facts: dict[str, Any],
) -> dict[str, dict[str, Array]]:
    """Target -> what is known of its layers in this window."""
    if not rdms:
        return {}
    table = compare_all(layers, rdms, method=method)
    found: dict[str, dict[str, Array]] = {
        target: {"similarity": table.sel(target=target).to_numpy()} for target in rdms
    }
    facts["n"] = table.attrs["n"]
    if draws:
        sample = resample(layers, rdms, method=method, n=draws, groups=groups, seed=seed)
        facts |= {key: sample.attrs[key] for key in ("resampled", "about", "units")}
        (low, high), corrected = interval(sample), at_standard_error(sample)
        for k, target in enumerate(rdms):
            found[target] |= {"low": low.to_numpy()[:, k], "high": high.to_numpy()[:, k], "draws": corrected[:, k]}
    if permutations:
        null = permuted_similarities(layers, rdms, method=method, n=permutations, seed=seed)
        for target in rdms:
            found[target]["null"] = null.sel(target=target).to_numpy()
    return found


def _stacked(here: "Sequence[dict[str, Array] | None]", key: str, layer: int, n: int) -> Array:
    """(n, times) of one layer; NaN at times without an RDM."""
    return np.stack([np.full(n, np.nan) if one is None else one[key][layer] for one in here], axis=1)


def middles(spans: Sequence[tuple[float, float]]) -> Array:
    """The middles of windows. Raises RSAError for fewer than 2, and where they do not rise."""
    if len(spans) < 2:
        raise RSAError(f"{len(spans)} window is no course over time; at least 2 are needed")
    times: Array = np.array(spans, np.float64).mean(axis=1)
    if (np.diff(times) <= 0).any():
        raise RSAError("windows are not in the order of time")
    return times


def empty_columns(layers: int, targets: int, times: int, draws: int) -> tuple[dict[str, Array], dict[str, Array]]:
    """The columns of a `TimeScore`, and the draws of its latencies (none for 0), not yet known."""
    columns = {key: np.full((layers, targets, times), np.nan) for key in COURSES}
    columns |= {key: np.full((layers, targets), np.nan) for key in LATENCIES}
    return columns, {key: np.full((layers, targets, draws), np.nan) for key in ("onset", "peak") if draws}


def put_latency(columns: dict[str, Array], drawn: dict[str, Array], at: tuple[int, int], read: Latency) -> None:
    """Write onset and peak of one layer and target into the columns, and their draws."""
    values = (read.onset, *read.onset_interval, read.peak, *read.peak_interval)
    for key, value in zip(LATENCIES, values, strict=True):
        columns[key][at] = value
    if read.onset_draws is not None and read.peak_draws is not None:
        drawn["onset"][at], drawn["peak"][at] = read.onset_draws, read.peak_draws


def time_dataset(
    columns: Mapping[str, Array], layers: list[str], targets: list[str], spans: list[tuple[float, float]]
) -> "xarray.Dataset":
    """Columns (layer, target[, time]) with their coordinates."""
    import xarray

    dims = ("layer", "target", "time")
    return xarray.Dataset(
        {key: (dims[: values.ndim], values) for key, values in columns.items()},
        {"layer": layers, "target": targets, **time_axis(spans)},
    )


def time_axis(windows: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """Coordinates of a time axis: the middle of each window, its start and its end, in ms.

    Parameters
    ----------
    windows : sequence of (float, float)

    Returns
    -------
    dict
    """
    edges: Array = np.array(windows, np.float64)
    ends = {"window_start": ("time", edges[:, 0]), "window_end": ("time", edges[:, 1])}
    return {"time": ("time", edges.mean(axis=1), {"units": "ms"}), **ends}
