"""From a recording to the RDM of each region (paper, section 3.1)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ...rsa import RDM, RSAError, compute_rdm
from ...rsa.errors import listing, near
from ...rsa.labels import check_names
from ...rsa.types import Attr
from ..recordings.averaging import average_and_count, group_means, state_repeats
from ..recordings.neuroids import region_neuroids, scale_neuroids
from ..recordings.recording import check_recording, constant_columns, encode, time_window

if TYPE_CHECKING:
    import xarray

STATED = ("identifier", "source", "unit", "repeats_range", "selected", "note")


def region_rdms(
    recording: "xarray.DataArray",
    *,
    by: str = "stimulus",
    level: str = "subregion",
    scale: str = "none",
    window: tuple[float, float] | None = None,
    metric: str = "correlation",
    missing: str = "raise",
) -> dict[str, RDM]:
    """The RDM of each region: repeats averaged, neuroids scaled over stimuli, then stimuli averaged within `by`.

    by: "stimulus", or a column of presentations that is constant within a stimulus ("object_name", ...); every
      stimulus weighs the same. level: see `region_neuroids`. window: (start, end) ms, see `time_window`.
    scale: "none", "zscore" or "max", see `scale_neuroids`. Unscaled, the neuroids with high rates rule the RDM.
      Neuroids that cannot be scaled, since they do not vary, are left out.
    metric: any of `compute_rdm`. missing: "raise", or "drop" neuroids without a valid response to some stimulus.

    The RDMs' `attrs` state scale, window, number of neuroids, how many were left out and why, and mean repeats;
    their descriptors are the columns that are constant within a condition.

    Raises RSAError for a column or region that does not exist, neuroids with missing responses, and regions of which
    nothing is left.
    """
    averaged = condition_responses(recording, by=by, level=level, scale=scale, window=window, missing=missing)
    return {region: _rdm(part, region, by, metric) for region, part in averaged.items()}


def _rdm(part: "xarray.DataArray", region: str, by: str, metric: str) -> RDM:
    columns = {str(key): c.values for key, c in part.coords.items() if c.dims == ("condition",) and key != "condition"}
    labels = part["condition"].values
    try:
        return compute_rdm(
            part.values, metric=metric, labels=labels, by=by, name=region, descriptors=columns, attrs=part.attrs
        )
    except RSAError as error:
        raise RSAError(f"{region} ({part.sizes['neuroid']} neuroids): {error}") from error


def condition_responses(
    recording: "xarray.DataArray",
    *,
    by: str = "stimulus",
    level: str = "subregion",
    scale: str = "none",
    window: tuple[float, float] | None = None,
    missing: str = "raise",
) -> "dict[str, xarray.DataArray]":
    """What `region_rdms` compares: region -> responses with dims ("condition", "neuroid"); arguments as there."""
    if missing not in ("raise", "drop"):
        raise RSAError(f"missing is 'raise' or 'drop', not {missing!r}")
    check_recording(recording)
    columns = [str(name) for name, c in recording.coords.items() if c.dims == ("presentation",)]
    if by != "stimulus" and by not in columns:
        raise RSAError(f"the presentations have no column {by}{near(by, ['stimulus', *columns])}")
    if window is not None or "time_bin" in recording.dims:
        recording = time_window(recording, *((None, None) if window is None else window))
    regions = region_neuroids(recording, level)
    averaged, counts = average_and_count(recording)
    if by == "repetition" or (by != "stimulus" and by not in averaged.coords):
        raise RSAError(f"column {by} differs between presentations of one stimulus, so no RDM can be made by it")
    if by != "stimulus":
        check_names(averaged[by].values, f"{by} of the stimuli")
    return {
        region: _region(
            averaged.isel(neuroid=neuroids),
            region,
            by,
            scale,
            missing,
            {**state_repeats(counts[:, neuroids]), "level": level},
        )
        for region, neuroids in regions.items()
    }


def _region(
    averaged: "xarray.DataArray", region: str, by: str, scale: str, missing: str, attrs: Mapping[str, Attr]
) -> "xarray.DataArray":
    import xarray

    ids = averaged["neuroid_id"].values
    gaps = np.isnan(averaged.values).any(axis=0)
    if gaps.any() and missing == "raise":
        raise RSAError(
            f"{region}: {gaps.sum()} of {len(ids)} neuroids lack a valid response to some stimulus:"
            f" {listing(ids[gaps])}; missing='drop' leaves them out"
        )
    scaled = scale_neuroids(averaged.values[:, ~gaps], scale)
    dead = np.isnan(scaled).any(axis=0)
    if dead.all():
        raise RSAError(f"{region}: none of its {len(ids)} neuroids responds with variance to complete stimuli")
    scaled = scaled[:, ~dead]
    stated: dict[str, Attr] = {key: averaged.attrs[key] for key in STATED if key in averaged.attrs}
    stated |= {**attrs, "scale": scale, "neuroids": scaled.shape[1]}
    if "window_start" in averaged.attrs:
        stated["window"] = f"{averaged.attrs['window_start']:g}-{averaged.attrs['window_end']:g} ms"
    if gaps.any():
        stated["dropped_missing"] = int(gaps.sum())
    if dead.any():
        stated["dropped_constant"] = int(dead.sum())
    kept = averaged.isel(neuroid=np.flatnonzero(~gaps)[~dead]).copy(data=scaled)
    column = kept["stimulus_id" if by == "stimulus" else by].values
    names, codes = encode(column)
    means = scaled if by == "stimulus" else group_means(kept, codes, len(names))[0]
    descriptors = constant_columns(kept, codes)
    coords = {"condition": names.astype(str), "neuroid_id": ("neuroid", kept["neuroid_id"].values)}
    own = ("stimulus_id", "repetition", by)
    coords |= {name: ("condition", values) for name, values in descriptors.items() if name not in own}
    return xarray.DataArray(means, coords, ("condition", "neuroid"), region, stated)
