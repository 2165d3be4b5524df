"""Responses of a recording's regions to conditions, and their RDMs and features (paper, section 3.1)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..rsa import RDM, Features, RSAError, compute_rdm
from ..rsa.errors import listing, near
from ..rsa.labels import check_names
from ..rsa.rdm.distances import metric_named
from ..rsa.similarity.features import averaged_over
from ..rsa.types import Attr
from .recordings.averaging import average_and_count, group_means, state_repeats
from .recordings.neuroids import region_neuroids, scale_neuroids
from .recordings.recording import check_recording, columns_of, constant_columns, encode, in_window
from .settings import RegionSettings, window_text

if TYPE_CHECKING:
    import xarray

_STATED = ("identifier", "source", "unit", "repeats_range", "selected", "read_as", "note")


def region_rdms(
    recording: "xarray.DataArray",
    *,
    by: str = RegionSettings.by,
    level: str = RegionSettings.level,
    scale: str = RegionSettings.scale,
    window: tuple[float, float] | None = RegionSettings.window,
    metric: str = RegionSettings.metric,
    missing: str = RegionSettings.missing,
) -> dict[str, RDM]:
    """Compute the RDM of each region.

    Repeats are averaged, neuroids scaled over stimuli, and stimuli then averaged within `by`.

    Parameters
    ----------
    recording : xarray.DataArray
        See `check_recording`.
    by, level, scale, window, metric, missing
        See `RegionSettings`. Neuroids that cannot be scaled, since they do not vary, are left out.

    Returns
    -------
    dict of str to RDM
        Their `attrs` state the scale, the window, the number of neuroids, how many were left out and why, and the mean
        number of repeats; `descriptors` are the columns that are constant within a condition.

    Raises
    ------
    RSAError
        For a column or region that does not exist, neuroids with missing responses, and regions without a neuroid
        that can be used.

    Examples
    --------
    >>> import numpy as np
    >>> from tgsage.neural_data import from_arrays, region_rdms
    >>> rates = np.random.default_rng(0).poisson(5, (8, 6))
    >>> recording = from_arrays(rates, stimulus_id=list("abcdabcd"), region=["V4"] * 3 + ["IT"] * 3)
    >>> rdms = region_rdms(recording, scale="zscore")
    >>> rdms["V4"].labels, rdms["IT"].attrs["repeats"]
    (('a', 'b', 'c', 'd'), 2.0)
    """
    settings = RegionSettings(by, level, scale, window, metric, missing)
    return make_rdms(responses(recording, settings), settings)


def region_features(
    recording: "xarray.DataArray",
    *,
    by: str = RegionSettings.by,
    level: str = RegionSettings.level,
    scale: str = RegionSettings.scale,
    window: tuple[float, float] | None = RegionSettings.window,
    missing: str = RegionSettings.missing,
) -> dict[str, Features]:
    """Return the responses behind the RDM of each region, as features.

    Parameters
    ----------
    recording, by, level, scale, window, missing
        As in `region_rdms`, whose errors it raises.

    Returns
    -------
    dict of str to Features
        Shape (n_conditions, n_neuroids).
    """
    settings = RegionSettings(by, level, scale, window, missing=missing)
    return make_features(responses(recording, settings), settings)


def condition_responses(
    recording: "xarray.DataArray",
    *,
    by: str = RegionSettings.by,
    level: str = RegionSettings.level,
    scale: str = RegionSettings.scale,
    window: tuple[float, float] | None = RegionSettings.window,
    missing: str = RegionSettings.missing,
) -> "dict[str, xarray.DataArray]":
    """Return the responses that `region_rdms` compares.

    Parameters
    ----------
    recording, by, level, scale, window, missing
        As in `region_rdms`, whose errors it raises.

    Returns
    -------
    dict of str to xarray.DataArray
        Dims ("condition", "neuroid").
    """
    return responses(recording, RegionSettings(by, level, scale, window, missing=missing))


def responses(
    recording: "xarray.DataArray",
    settings: RegionSettings,
    regions: "Mapping[str, npt.NDArray[np.int64]] | None" = None,
) -> "dict[str, xarray.DataArray]":
    """What `condition_responses` returns; regions: the neuroids of each, where a part of a recording has them."""
    check_recording(recording)
    by, columns = settings.by, list(columns_of(recording, "presentation"))
    if by != "stimulus" and by not in columns:
        raise RSAError(f"the presentations have no column {by}{near(by, ['stimulus', *columns])}")
    recording = in_window(recording, settings.window)
    regions = region_neuroids(recording, settings.level) if regions is None else regions
    averaged, counts = average_and_count(recording)
    if by == "repetition" or (by != "stimulus" and by not in averaged.coords):
        raise RSAError(f"column {by} differs between presentations of one stimulus, so no RDM can be made by it")
    if by != "stimulus":
        check_names(averaged[by].values, f"{by} of the stimuli")
    regions, few = _large_enough(regions, settings)
    stated: dict[str, Attr] = {"left_out": few} if few else {}
    return {
        region: _region(
            averaged.isel(neuroid=neuroids), region, settings, {**stated, **state_repeats(counts[:, neuroids])}
        )
        for region, neuroids in regions.items()
    }


def _large_enough(
    regions: "Mapping[str, npt.NDArray[np.int64]]", settings: RegionSettings
) -> "tuple[Mapping[str, npt.NDArray[np.int64]], str]":
    """Groups with as many neuroids as the metric needs, and what was left out; of regions none is."""
    least = metric_named(settings.metric).least
    small = [name for name, neuroids in regions.items() if len(neuroids) < least]
    if not small or settings.level in ("subregion", "region", "paper"):
        return regions, ""
    names = f"with fewer than {least} neuroids: {listing(small)}"
    of = f"{len(small)} of {len(regions)} targets by {settings.level}, {names}"
    if len(small) == len(regions):
        raise RSAError(f"{of}; none is left")
    return {name: neuroids for name, neuroids in regions.items() if name not in small}, of


def _region(
    averaged: "xarray.DataArray", region: str, settings: RegionSettings, repeats: Mapping[str, Attr]
) -> "xarray.DataArray":
    import xarray

    ids, by = averaged["neuroid_id"].values, settings.by
    gaps = np.isnan(averaged.values).any(axis=0)
    if gaps.any() and settings.missing == "raise":
        raise RSAError(
            f"{region}: {gaps.sum()} of {len(ids)} neuroids lack a valid response to some stimulus:"
            f" {listing(ids[gaps])}; missing='drop' leaves them out"
        )
    scaled = scale_neuroids(averaged.values[:, ~gaps], settings.scale)
    dead = np.isnan(scaled).any(axis=0)
    if dead.all():
        raise RSAError(f"{region}: none of its {len(ids)} neuroids responds with variance to complete stimuli")
    scaled = scaled[:, ~dead]
    stated: dict[str, Attr] = {key: averaged.attrs[key] for key in _STATED if key in averaged.attrs}
    stated |= {**repeats, "level": settings.level, "scale": settings.scale, "neuroids": scaled.shape[1]}
    if "window_start" in averaged.attrs:
        stated["window"] = window_text(averaged.attrs["window_start"], averaged.attrs["window_end"])
    stated |= {f"dropped_{why}": int(n) for why, n in (("missing", gaps.sum()), ("constant", dead.sum())) if n}
    kept = averaged.isel(neuroid=np.flatnonzero(~gaps)[~dead]).copy(data=scaled)
    names, codes = encode(kept["stimulus_id" if by == "stimulus" else by].values)
    means = scaled if by == "stimulus" else group_means(kept, codes, len(names))[0]
    coords = {"condition": names.astype(str), "neuroid_id": ("neuroid", kept["neuroid_id"].values)}
    own = ("stimulus_id", "repetition", by)
    coords |= {name: ("condition", v) for name, v in constant_columns(kept, codes).items() if name not in own}
    return xarray.DataArray(means, coords, ("condition", "neuroid"), region, stated)


def make_rdms(parts: "Mapping[str, xarray.DataArray]", settings: RegionSettings) -> dict[str, RDM]:
    """RDMs of the regions' `responses`."""
    rdms = {}
    for region, part in parts.items():
        try:
            rdms[region] = compute_rdm(part.values, metric=settings.metric, attrs=part.attrs, **_named(part, settings))
        except RSAError as error:
            raise RSAError(f"{region} ({part.sizes['neuroid']} neuroids): {error}") from error
    return rdms


def make_features(parts: "Mapping[str, xarray.DataArray]", settings: RegionSettings) -> dict[str, Features]:
    """Features of the regions' `responses`."""
    over = averaged_over(settings.by)
    return {
        region: Features(part.values, attrs={**over, **part.attrs}, **_named(part, settings))
        for region, part in parts.items()
    }


def _named(part: "xarray.DataArray", settings: RegionSettings) -> dict[str, Any]:
    """Names of the conditions, and their descriptors."""
    columns = columns_of(part, "condition")
    return {"labels": columns.pop("condition"), "by": settings.by, "name": part.name, "descriptors": columns}
