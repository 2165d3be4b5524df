"""NWB files (Neurodata Without Borders 2, HDF5): sorted units and a table of trials become a recording.

Read by h5py alone, as other untrusted HDF5 files are: neither links out of the file nor its own schemas are followed.
"""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ....rsa import RSAError
from ....rsa.errors import check_known, listing, near
from ....rsa.io.hdf5 import attribute, member, opened, plain_dataset, read_column
from ....rsa.io.tables import named_like, the_one, word
from ....rsa.labels import check_names
from ....rsa.types import Array
from ...settings import Layout
from ..recording import WINDOW, from_arrays
from .nwb_rasters import count_rasters, groups_in, held, presented, raster_of, unit_table
from .variables import whole

if TYPE_CHECKING:
    import h5py
    import xarray

_ONSETS = ("stimulus_onset_time", "stimulus_onset", "stim_onset_time", "stim_onset", "stim_on_time", "stim_on",
           "image_onset", "image_on", "onset_time", "onset", "start_time")  # fmt: skip
_ELECTRODES = "general/extracellular_ephys/electrodes"


def is_nwb(path: Path) -> bool:
    """Whether an HDF5 file says that it is NWB."""
    with opened(path) as file:
        return attribute(file, "nwb_version") is not None


def read_nwb(path: Path, layout: Layout) -> "xarray.DataArray":
    """The spikes of all units, counted in a window after each onset (70 to 170 ms unless the layout says otherwise).

    Presentations are the rows of the one table of intervals with a column that names stimuli, by its usual name or as
    `layout.stimulus_ids` says, with the other columns of that table; regions are the `location` of each unit's first
    electrode. NaN where a unit was not observed in the whole window (`obs_intervals`).

    A file without sorted units is read by its rasters (see `nwb_rasters`).

    Raises RSAError naming the file for one without units, trials or names of stimuli, and for tables that do not fit.
    """
    if layout.dims:
        raise RSAError(f"{path} is NWB, whose units and trials have no dims; --responses names an array in it")
    with opened(path) as file:
        rasters = "" if held(file, "units/spike_times") is not None else raster_of(file, layout.part)
        trials, name = presented(file) if rasters and not _has_trials(file, layout) else ({}, "")
        if not trials:
            table, name = _trials(file, replace(layout, part="") if rasters else layout)
            trials = columns_of(table)
        stimulus = layout.stimulus_ids or _stimulus_column(trials)
        onset = next((key for key in _ONSETS if key in trials), "")
        if not onset or trials[onset].dtype.kind not in "iuf":
            raise RSAError(f"{name} has no onsets; start_time or one of {listing(_ONSETS, 12)} is needed")
        start, end = layout.window or WINDOW
        if not start < end:
            raise RSAError(f"a window has a start before its end, got {start:g} and {end:g} ms")
        onsets, window, bins = trials[onset].astype(np.float64), (start / 1000, end / 1000), ""
        if rasters:
            counts, bins = count_rasters(file, rasters, onsets, *window)
            beside = unit_table(file, rasters, counts.shape[1])
            units = {"id": np.arange(counts.shape[1])} if beside is None else columns_of(beside)
        else:
            counts, units = _counts(file, onsets, *window)
        region, how = _regions(file, units, layout)
        neuroid = {word(key): column for key, column in units.items() if key not in ("id", layout.neuroid_ids)}
        subject = member(file, "general/subject/subject_id") if "general/subject/subject_id" in file else None
        if subject is not None:
            neuroid["animal"] = np.full(len(units["id"]), str(read_column(file, "general/subject/subject_id")))
        ids = _named(units, layout.neuroid_ids or (_text_column(units) if rasters else "id"), "units")
        said = [bins] if bins else []
        said += [f"spikes {start:g} to {end:g} ms after {onset} of {name}", f"stimuli from {stimulus}", how]
        columns = {word(key): column for key, column in trials.items() if key not in (stimulus, layout.repetition)}
        return from_arrays(
            counts[:, :, None],
            stimulus_id=check_names(_named(trials, stimulus, name), stimulus),
            repetition=whole(_named(trials, layout.repetition, name)) if layout.repetition else None,
            neuroid_id=check_names(ids, "units"),
            region=region,
            presentation=columns,
            neuroid=neuroid,
            time_bins=[(start, end)],
            attrs={"unit": f"spikes per {end - start:g} ms", "read_as": "; ".join(said)},
        )


def _has_trials(file: "h5py.File", layout: Layout) -> bool:
    """Whether a table of intervals names what was shown."""
    wanted = layout.stimulus_ids
    return any(wanted in t if wanted else bool(_usual(t)) for t in groups_in(file, "intervals").values())


def _text_column(units: dict[str, Array]) -> str:
    """The first column of unique texts, else the numbers."""
    texts = (name for name, column in units.items() if column.dtype.kind == "U" and len(set(column)) == len(column))
    return next(texts, "id")


def _trials(file: "h5py.File", layout: Layout) -> "tuple[h5py.Group, str]":
    tables = groups_in(file, "intervals")
    wanted = layout.stimulus_ids
    fitting = [name for name, table in tables.items() if (wanted in table if wanted else _usual(table))]
    if layout.part and layout.part not in tables:
        raise RSAError(f"it has no table of intervals {layout.part!r}{near(layout.part, tables)}")
    if layout.part:
        fitting = [layout.part]
    if len(fitting) > 1:
        raise RSAError(f"several tables of intervals name stimuli; --part chooses: {listing(fitting, 12)}")
    if not fitting:
        held = [f"{name} ({listing(table, 12)})" for name, table in tables.items()]
        raise RSAError(
            f"no table of intervals has a column {wanted or 'that names stimuli; --stimulus-ids names it'}; there are:"
            f" {listing(held, 6) or 'none'}"
        )
    return tables[fitting[0]], fitting[0]


def _usual(table: "h5py.Group") -> list[str]:
    return named_like("stimulus_ids", table) or named_like("files", table)


def _stimulus_column(trials: dict[str, Array]) -> str:
    found = the_one("stimulus_ids", trials) or the_one("files", trials)
    if not found:
        raise RSAError(f"no column names the stimuli; --stimulus-ids does; there are: {listing(trials, 12)}")
    return found


def columns_of(table: "h5py.Group") -> dict[str, Array]:
    """Columns with one number or text per row; ragged ones and references are left out."""
    import h5py

    rows = plain_dataset(table, "id").shape
    ragged = {name.removesuffix("_index") for name in table if name.endswith("_index")}
    found = {}
    for name in table:
        data = member(table, name)
        texts = isinstance(data, h5py.Dataset) and h5py.check_string_dtype(data.dtype) is not None
        if name in ragged or not isinstance(data, h5py.Dataset) or data.shape != rows:
            continue
        if texts or data.dtype.kind in "biuf" or _is_truth(data):
            found[name] = data[()].astype(bool) if _is_truth(data) else read_column(table, name)
    return found


def _is_truth(data: "h5py.Dataset") -> bool:
    import h5py

    return bool(h5py.check_enum_dtype(data.dtype) == {"FALSE": 0, "TRUE": 1})


def _named(columns: dict[str, Array], name: str, table: str) -> Array:
    check_known(f"{table} have no column", name, columns)
    return columns[name]


def _counts(
    file: "h5py.File", onsets: npt.NDArray[np.float64], start: float, end: float
) -> tuple[npt.NDArray[np.float64], dict[str, Array]]:
    """(trials, units) spikes of each unit in the window after each onset (s), and the columns of the units."""
    if "units" not in file or "spike_times" not in member(file, "units"):
        raise RSAError("it holds no sorted units with spike times; --responses, --stimulus-ids and --dims name arrays")
    if not np.isfinite(onsets).all():
        raise RSAError(f"{(~np.isfinite(onsets)).sum()} trials have no onset")
    group: Any = member(file, "units")
    units = columns_of(group)
    if not len(units["id"]):
        raise RSAError("it holds no units")
    spikes, ends = plain_dataset(group, "spike_times"), _ends(group, "spike_times", len(units["id"]))
    observed = "obs_intervals" in group
    if observed:
        spans, last = read_column(group, "obs_intervals"), _ends(group, "obs_intervals", len(units["id"]))
    counts = np.empty((len(onsets), len(ends) - 1))
    for i in range(len(ends) - 1):
        times = np.sort(np.asarray(spikes[ends[i] : ends[i + 1]], np.float64))
        low, high = np.searchsorted(times, onsets + start), np.searchsorted(times, onsets + end)
        counts[:, i] = high - low
        if observed:
            begun, over = spans[last[i] : last[i + 1]].T[:, :, None]
            inside = (begun <= onsets + start) & (onsets + end <= over)
            counts[~inside.any(axis=0), i] = np.nan
    return counts, units


def _ends(group: "h5py.Group", name: str, rows: int) -> npt.NDArray[np.int64]:
    """0 and where the entries of each row of a ragged column end."""
    ends = np.concatenate([[0], read_column(group, f"{name}_index").astype(np.int64)])
    if len(ends) != rows + 1 or (np.diff(ends) < 0).any() or ends[-1] > plain_dataset(group, name).shape[0]:
        raise RSAError(f"the index of {name} does not fit the {rows} units")
    return ends


def _regions(file: "h5py.File", units: dict[str, Array], layout: Layout) -> tuple[Any, str]:
    wanted = layout.region
    own = wanted if wanted in units else "" if wanted else the_one("region", units) or "location"
    if own in units:
        return units[own].astype(str), f"regions from {own} of the units"
    electrodes = columns_of(member(file, _ELECTRODES)) if _ELECTRODES in file else {}
    column = wanted or "location"
    group: Any = held(file, "units")
    if column in electrodes and group is not None and "electrodes" in group:
        rows = read_column(group, "electrodes").astype(np.int64)
        ragged = "electrodes_index" in group
        first = _ends(group, "electrodes", len(units["id"])) if ragged else np.arange(len(rows) + 1)
        places = rows[np.minimum(first[:-1], len(rows) - 1)] if len(rows) else rows
        if len(places) != len(units["id"]) or (ragged and (np.diff(first) == 0).any()):
            raise RSAError("some units have no electrode, so their region is not known; --region names it for all")
        if places.min() < 0 or places.max() >= len(electrodes[column]):
            raise RSAError("units name electrodes that do not exist")
        return electrodes[column][places].astype(str), f"regions from {column} of the electrodes"
    return (wanted, f"region {wanted} for all neuroids, as given") if wanted else (None, "no region is stated")
