"""A recording with a known answer, in the shape of the paper's: 296 sites in V4, pIT and aIT, 5760 images.

Sites are readouts of a network's stages (see `sites`), not brains; every recording says so in `attrs["note"]`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...rsa import RSAError, Stimuli
from ...rsa.errors import check_known
from ...rsa.types import Array
from ..recordings.recording import DIMS, WINDOW, check_recording
from .cache import cached
from .images import PER_OBJECT, PIXELS, check_settings, hvm_images, image_arrays
from .sites import site_network, site_rates

if TYPE_CHECKING:
    import xarray

REPEATS = (21, 50)  # fewest and most of an image
LATENCIES = {"V4": 60.0, "pIT": 75.0, "aIT": 90.0}  # ms after onset at which a subregion's sites begin to answer
SHOWN = 100.0  # ms of an image
TIME_BINS = tuple((10.0 * t, 10.0 * t + 10.0) for t in range(25))
VARIANTS: dict[str, dict[str, Any]] = {
    "simulated": {"per_object": (1, 2, 2), "trials": True},
    "simulated/time": {"per_object": (1, 2, 2), "trials": True, "time_bins": TIME_BINS},
    "simulated/full": {"per_object": PER_OBJECT},
}


def load_simulated(name: str = "simulated", data_dir: str | Path | None = None) -> "xarray.DataArray":
    """A simulation by name: "simulated", 320 images with every trial, "simulated/time", the same in bins of 10 ms, or
    "simulated/full", the paper's 5760 averaged.

    Raises RSAError for another name.
    """
    return simulate_hvm(**_variant(name), data_dir=data_dir).assign_attrs(identifier=name)


def simulated_images(name: str = "simulated", data_dir: str | Path | None = None) -> Stimuli:
    """The images of `load_simulated(name)`."""
    shown = hvm_images(per_object=_variant(name)["per_object"], data_dir=data_dir)
    shown.reference = name
    return shown


def simulate_hvm(
    seed: int = 0,
    *,
    per_object: Sequence[int] = PER_OBJECT,
    trials: bool = False,
    pixels: int = PIXELS,
    time_bins: Sequence[tuple[float, float]] = (),
    latencies: Mapping[str, float] | None = None,
    data_dir: str | Path | None = None,
) -> "xarray.DataArray":
    """Simulate spike counts of 296 sites, 70 to 170 ms after the onset of each image of `hvm_images`.

    Parameters
    ----------
    seed, per_object, pixels, data_dir
        As in `hvm_images`.
    trials : bool
        One presentation per trial (uint8). Otherwise two presentations per image, each the mean of every other trial
        (float32), so that split halves still give the reliability; the column `trials` says how many trials are behind
        each.
    time_bins : sequence of (float, float)
        Start and end of time bins in ms after onset, in place of the one window.
    latencies : mapping of str to float, optional
        Latencies of the subregions V4, pIT and aIT in ms, for use with time bins; 60, 75 and 90 by default. Until its
        latency a site fires at its spontaneous rate. The column `latency` of the neuroids holds them.

    Returns
    -------
    xarray.DataArray
        Values are spikes per 100 ms or, with time bins, spikes per bin. Neuroids carry `layer` (the one that the site
        reads), `kind` ("driven", "unreliable" or "dead") and `expected_reliability` of the mean over all trials, 70 to
        170 ms after onset: the variance of the true mean over images, as a share of itself plus the Poisson variance.

    Raises
    ------
    RSAError
        For impossible counts and sizes.

    Notes
    -----
    Every image is shown 21 to 50 times; counts are Poisson around the site's rate, independent between trials and
    sites. Equal arguments give equal bytes on one machine; a smaller set of images is part of a larger one, up to the
    network's rounding. Images and rates are kept on disk (see `simulation.cache`).
    """
    import xarray

    settings = check_settings(seed, per_object, pixels)
    images, table = image_arrays(seed, per_object, pixels, data_dir)
    network = site_network()

    def rates() -> dict[str, Array]:
        calibration, _ = image_arrays(seed + 1, (0, 0, 1), pixels, data_dir)
        return site_rates(seed, network, images, calibration)

    sites = cached("rates", {**settings, "network": network}, rates, data_dir)
    per_second, spontaneous = sites.pop("rates").astype(np.float64), sites.pop("spontaneous")
    expected = per_second * ((WINDOW[1] - WINDOW[0]) / 1000)
    generators = [np.random.default_rng((seed, *name.encode())) for name in table["stimulus_id"].tolist()]
    repeats = np.array([rng.integers(REPEATS[0], REPEATS[1] + 1) for rng in generators])
    sites["expected_reliability"] = _reliability(expected, repeats)
    over_time = None
    if len(time_bins) or latencies is not None:
        sites["latency"] = _latencies(sites["subregion"], latencies)
        over_time = _OverTime(per_second, spontaneous, sites["latency"], _edges(time_bins))
    counts, source, number, behind = _present(expected, repeats, generators, trials, over_time)
    coords: dict[str, Any] = {key: ("presentation", column[source]) for key, column in table.items()}
    coords |= {"repetition": ("presentation", number), "trials": ("presentation", behind)}
    coords |= {key: ("neuroid", column) for key, column in sites.items()}
    attrs: dict[str, str | int | float] = {
        "identifier": f"simulated(seed={seed}, per_object={tuple(per_object)}, pixels={pixels})",
        "source": f"simulation: sites read {network}",
        "note": f"these sites are readouts of a network ({network}), not brains",
        "seed": seed,
        "unit": "spikes per 100 ms",
        "window_start": WINDOW[0],
        "window_end": WINDOW[1],
        "presentation": "one trial" if trials else "mean of every other trial of an image",
        "repeats": float(behind.mean()),
    }
    if over_time is not None:
        attrs["unit"] = "spikes per bin"
        coords |= {f"time_bin_{end}": ("time_bin", over_time.edges[:, k]) for k, end in enumerate(("start", "end"))}
    return check_recording(xarray.DataArray(counts, coords, DIMS[: counts.ndim], "simulated", attrs))


def _latencies(subregions: Array, given: Mapping[str, float] | None) -> Array:
    wanted = {**LATENCIES, **(given or {})}
    unknown = set(wanted).difference(LATENCIES)
    if unknown or not all(0 <= value <= SHOWN for value in wanted.values()):
        raise RSAError(f"latencies are of {', '.join(LATENCIES)}, 0 to {SHOWN:g} ms, got {dict(given or {})}")
    return np.array([wanted[name] for name in subregions.tolist()])


def _edges(time_bins: Sequence[tuple[float, float]]) -> Array:
    edges = np.array(list(time_bins), np.float64)
    if edges.ndim != 2 or edges.shape[1] != 2 or not (edges[:, 0] < edges[:, 1]).all() or not len(edges) <= 1000:
        raise RSAError(f"time_bins are 1 to 1000 pairs (start, end) in ms, got {time_bins!r}")
    return edges


class _OverTime:
    """Expected counts of an image's sites in every time bin.

    Above its spontaneous rate a site's rate follows `_profile` from its latency on; over 70 to 170 ms after onset it is
    the rate of the recording without time bins.
    """

    def __init__(self, rates: Array, spontaneous: Array, latency: Array, edges: Array) -> None:
        self.rates, self.spontaneous, self.edges = rates, spontaneous, edges
        moments = np.arange(WINDOW[0] + 0.5, WINDOW[1])
        self.profile = np.empty((len(latency), len(edges)))
        for late in np.unique(latency):
            scale = _profile(moments - late).mean()
            fine = [np.linspace(start, end, 41)[:-1] + (end - start) / 80 for start, end in edges]
            self.profile[latency == late] = [_profile(times - late).mean() / scale for times in fine]

    def expected(self, image: int) -> Array:
        """(sites, bins) spikes."""
        above = (self.rates[image] - self.spontaneous)[:, None] * self.profile
        counts: Array = (self.spontaneous[:, None] + above) * (np.diff(self.edges, axis=1)[:, 0] / 1000)
        return counts


def _profile(after: Array) -> Array:
    """A transient and a sustained answer to an image that is shown for 100 ms, so long after the latency."""
    on = -np.expm1(-np.maximum(after, 0) / 5) * (0.4 + 0.6 * np.exp(-np.maximum(after, 0) / 40))
    return np.asarray(on * np.exp(-np.maximum(after - SHOWN, 0) / 20))


def _present(
    expected: Array, repeats: Array, generators: list[np.random.Generator], trials: bool, over_time: "_OverTime | None"
) -> tuple[Array, Array, Array, Array]:
    """Responses, and for each presentation its image, its number among the image's, and the trials behind it."""
    n, sites = expected.shape
    each = repeats if trials else np.full(n, 2)
    source = np.repeat(np.arange(n), each)
    number = np.concatenate([np.arange(count) for count in each])
    behind = np.ones(len(source), np.int64) if trials else (repeats[source] + 1 - number) // 2
    shape = (sites,) if over_time is None else (sites, len(over_time.edges))
    out = np.empty((len(source), *shape), np.uint8 if trials else np.float32)
    for image, (rows, rng) in enumerate(zip(np.split(out, np.cumsum(each)[:-1]), generators, strict=True)):
        mean = expected[image] if over_time is None else over_time.expected(image)
        drawn = rng.poisson(mean, (repeats[image], *shape))
        rows[:] = drawn if trials else [drawn[half::2].mean(axis=0) for half in (0, 1)]
    return out, source, number, behind


def _reliability(expected: Array, repeats: Array) -> Array:
    """Signal variance / (signal variance + Poisson variance of a mean over `repeats` trials); `expected` in counts."""
    signal = expected.var(axis=0)
    return np.asarray(signal / (signal + (expected / repeats[:, None]).mean(axis=0)))


def _variant(name: str) -> dict[str, Any]:
    check_known("no simulation is named", name, VARIANTS)
    return VARIANTS[name]
