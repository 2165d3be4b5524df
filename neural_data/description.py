"""What a recording, a set of published RDMs or a teacher file holds, in numbers."""

import warnings
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..rsa import RDM, RSAError, Teacher
from ..rsa.errors import listing
from ..rsa.rdm.distances import metric_named
from ..rsa.teacher import MOST
from .catalogue.images import images, match_images
from .catalogue.lookup import list_datasets, load_as
from .recordings.neuroids import region_neuroids
from .recordings.recording import check_recording, encode, in_window
from .recordings.selection import select
from .regions import make_rdms, responses
from .reliability.animals import leave_one_animal_out
from .reliability.split_half import DEFINITION, split_half
from .settings import GUESSED, SPLITS, Layout, RegionSettings
from .teacher import load_teacher, publishes_rdms

if TYPE_CHECKING:
    import pandas
    import xarray

_USUAL = {"reliability_window": 0.4, "reliability": 0.3}  # of neuroids: as published with Li2026, with TVSD


@dataclass(frozen=True, repr=False)
class Description:
    """What `describe` found.

    Attributes
    ----------
    name : str
    targets : dict of str to dict
        Facts about each target, under the same names for all.
    facts : dict
        About the whole.
    settings : dict
        Of the RDMs.
    rdms : dict of str to RDM
        Of the targets that have one.
    halves : xarray.Dataset or None
        What `split_half` returned, for a recording with repeats.
    neuroids : mapping of str to array
        Indices of each target's neuroids, for a recording.
    """

    name: str
    targets: dict[str, dict[str, Any]]
    facts: dict[str, Any]
    settings: dict[str, Any]
    rdms: dict[str, RDM]
    halves: "xarray.Dataset | None" = None
    neuroids: Mapping[str, npt.NDArray[np.int64]] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Description({self.name!r}, {len(self.targets)} targets: {listing(self.targets, 6)}; RDMs: {self.made})"

    def to_dataframe(self) -> "pandas.DataFrame":
        """Return one row per target."""
        import pandas

        return pandas.DataFrame.from_dict(self.targets, orient="index")

    @property
    def made(self) -> str:
        """The settings in a line."""
        return ", ".join(f"{key} {value}" for key, value in self.settings.items())


def describe(
    name_or_path: str | Path,
    *,
    by: str | None = None,
    level: str | None = None,
    scale: str | None = None,
    window: tuple[float, float] | None = None,
    splits: int = SPLITS,
    seed: int = 0,
    where: str | Iterable[str] = (),
    layout: Layout = GUESSED,
    data_dir: str | Path | None = None,
    progress: Callable[[int], object] = lambda steps: None,
) -> Description:
    """Describe a recording, RDMs or a teacher file: regions, neuroids, stimuli, repeats and reliability.

    Parameters
    ----------
    name_or_path, by, level, scale, window, splits, seed, where, layout, data_dir, progress
        As in `load_teacher`.

    Returns
    -------
    Description
        Neuroids that lack a response to some stimulus are left out of the RDMs, and their number is stated.

    Raises
    ------
    RSAError
        As `load` and `region_rdms`.
    """
    made: dict[str, Any] = {"by": by, "level": level, "scale": scale}
    if publishes_rdms(name_or_path, layout):
        given = {**made, "window": window, "where": where, "layout": layout}
        return _describe_rdms(load_teacher(name_or_path, data_dir=data_dir, **given))
    settings = RegionSettings(missing="drop", **{key: value for key, value in made.items() if value is not None})
    made = {key: getattr(settings, key) for key in made}
    recording = check_recording(load_as(name_or_path, data_dir, replace(layout, window=window), where, by))
    facts = _facts(recording) | _images(recording, data_dir)
    if level is None and not {"region", "subregion"} & set(recording.coords):
        recording = recording.assign_coords(region=("neuroid", ["all"] * recording.sizes["neuroid"]))
        facts["regions"] = "not named, so all neuroids are one target here; --region NAME (region=) names them"
    recording = in_window(recording, window)
    neuroids = region_neuroids(recording, settings.level)
    rdms, reasons = _rdms(recording, neuroids, settings)
    halves: xarray.Dataset | None = None
    try:
        halves = split_half(recording, splits=splits, seed=seed, progress=progress, **made)
        facts["reliability"] = f"{splits} random split halves, seed {seed}; {DEFINITION}"
        why = dict(zip(neuroids, halves["reason"].values.tolist(), strict=True))
        facts |= {f"no ceiling of {target}": reason for target, reason in why.items() if reason}
    except RSAError as error:
        facts["reliability"] = f"none, so there is no ceiling: {error}"
    facts |= _between_animals(recording, made)
    facts |= {f"no RDM of {target}": reason for target, reason in reasons.items()}
    dropped = {target: len(neuroids[target]) - int(str(rdm.attrs["neuroids"])) for target, rdm in rdms.items()}
    if any(dropped.values()):
        facts["left out of RDMs"] = ", ".join(f"{n} neuroids of {target}" for target, n in dropped.items() if n)
    targets = {target: _target(rdms.get(target), target, sites, halves) for target, sites in neuroids.items()}
    stated = next((rdm.attrs["window"] for rdm in rdms.values() if "window" in rdm.attrs), "not stated")
    made |= {"window": stated, "metric": settings.metric}
    title = str(recording.attrs.get("identifier", "")) or str(name_or_path)
    return Description(title, targets, facts, made, rdms, halves, neuroids)


def _describe_rdms(teacher: Teacher) -> Description:
    targets = {
        target: {
            "conditions": len(one),
            "metric": getattr(one, "metric", None),
            "min": float(one.values.min()),
            "max": float(one.values.max()),
            "reliability": one.attrs.get("reliability"),
            "ceiling": teacher.ceilings.get(target, (None, None))[1],
        }
        for target, one in teacher.by_target.items()
    }
    stated = ("level", "scale", "window")
    own = {key: value for key, value in teacher.attrs.items() if key not in stated}
    facts = {"holds": "RDMs" if teacher.rdms else "features", **own}
    for target, rdm in teacher.rdms.items():
        if "subjects" in rdm.attrs:
            low, high = rdm.attrs["leave_one_out_lower"], rdm.attrs["leave_one_out_upper"]
            facts[f"{target}, leave-one-subject-out"] = f"{low:.4f} to {high:.4f}, {rdm.attrs['subjects']} subjects"
    metrics = " and ".join(dict.fromkeys(rdm.metric for rdm in teacher.rdms.values())) or "none"
    settings = {"by": teacher.by, **{key: teacher.attrs.get(key, "not stated") for key in stated}, "metric": metrics}
    return Description(teacher.name, targets, facts, settings, dict(teacher.rdms))


def _rdms(
    recording: "xarray.DataArray", neuroids: Mapping[str, npt.NDArray[np.int64]], settings: RegionSettings
) -> tuple[dict[str, RDM], dict[str, str]]:
    """The RDMs of the regions that have one, and why the others have none.

    Raises RSAError if none has, though they have neuroids enough.
    """
    rdms: dict[str, RDM] = {}
    reasons: dict[str, str] = {}
    least = metric_named(settings.metric).least
    for target, sites in neuroids.items():
        few = f"it has {len(sites)} neuroids, and a {settings.metric} distance needs {least}"
        try:
            parts = responses(recording.isel(neuroid=sites), settings, {target: np.arange(len(sites))})
            n = parts[target].sizes["condition"]
            if len(sites) < least:
                reasons[target] = "it has one neuroid" if len(sites) == 1 else few
            elif n > MOST:
                reasons[target] = f"{n:,} conditions are {n * (n - 1) // 2:,} pairs; --by averages over a column"
            else:
                rdms |= make_rdms(parts, settings)
        except RSAError as error:
            reasons[target] = str(error)
            if not rdms and len(reasons) == len(neuroids) and len(sites) >= least:
                raise
    return rdms, reasons


def _target(
    rdm: RDM | None, target: str, neuroids: npt.NDArray[np.int64], halves: "xarray.Dataset | None"
) -> dict[str, Any]:
    here: dict[str, Any] = {} if rdm is None else dict(rdm.attrs)
    numbers: dict[str, Any] = {
        "neuroids": here.get("neuroids", len(neuroids)),
        "conditions": None if rdm is None else len(rdm),
        "repeats": here.get("repeats"),
        "repeats_range": here.get("repeats_range"),
    }
    names = {"split_r": "r", "reliability": "reliability", "ceiling": "ceiling"}
    if halves is None:
        return numbers | dict.fromkeys((*names, "median_neuroid"))
    reliable = halves["neuroid_reliability"].values[neuroids]
    middle = float(np.median(reliable[np.isfinite(reliable)])) if np.isfinite(reliable).any() else None
    found = {name: halves[key].sel(target=target).item() for name, key in names.items()}
    return numbers | found | {"median_neuroid": middle}


def _between_animals(recording: "xarray.DataArray", settings: dict[str, Any]) -> dict[str, str]:
    animals = np.unique(recording["animal"].values) if "animal" in recording.coords else ()
    if len(animals) < 2:
        return {"leave-one-animal-out": f"none: {'one animal' if len(animals) else 'animals are not named'}"}
    try:
        bounds = leave_one_animal_out(recording, **settings)
    except RSAError as error:
        return {"leave-one-animal-out": f"none: {error}"}
    columns = (bounds[key].values.tolist() for key in ("target", "lower", "upper", "animals", "repeats"))
    return {
        f"{target}, leave-one-animal-out": f"{low:.4f} to {high:.4f}, {n} animals, {repeats:.1f} repeats"
        for target, low, high, n, repeats in zip(*columns, strict=True)
    }


def _images(recording: "xarray.DataArray", data_dir: str | Path | None) -> dict[str, str]:
    """Which images a model has to be shown, and whether they are there."""
    ids = list(dict.fromkeys(recording["stimulus_id"].values.tolist()))
    source = str(recording.attrs.get("images", recording.attrs.get("identifier", "")))
    folder = f"a folder of files named by stimulus_id ({listing(ids)}), to be given as --stimuli of tgsage score"
    if "images" not in recording.attrs and source not in {dataset.name for dataset in list_datasets()}:
        return {"images": f"{len(ids)} are needed: {folder}"}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of names that are spelled differently
            match_images(recording, images(source, data_dir=data_dir))
    except RSAError as error:
        return {"images": f"{len(ids)} of {source} are needed, but they are not there: {error}"}
    return {"images": f"all {len(ids)} of {source} are there"}


def _facts(recording: "xarray.DataArray") -> dict[str, Any]:
    stimuli, codes = encode(recording["stimulus_id"].values)
    counts = np.bincount(codes)
    facts: dict[str, Any] = {
        "dims": ", ".join(f"{dim} {size}" for dim, size in recording.sizes.items()) + f", {recording.dtype}",
        "stimuli": len(stimuli),
        "presentations per stimulus": str(counts[0]),
    }
    if counts.min() < counts.max():
        facts["presentations per stimulus"] = f"{counts.min()} to {counts.max()}, mean {counts.mean():.1f}"
    if "repeats" in recording.attrs:
        facts["each presentation"] = f"an average of {recording.attrs['repeats']:g} repeats"
    for name in ("object_name", "category_name", "variation", "animal"):
        if name in recording.coords:
            values = np.unique(recording[name].values)
            facts[name] = f"{len(values)} ({listing(values, 8)})"
    own = next((f"{name}>{least:g}" for name, least in _USUAL.items() if name in recording.coords), "")
    if usual := str(recording.attrs.get("usual_filter", own)):
        with suppress(RSAError):  # of a column that this recording lacks, or holds no numbers in
            left = select(recording, usual).sizes["neuroid"]
            facts["usual filter"] = f"--where '{usual}', which leaves {left} of {recording.sizes['neuroid']} neuroids"
    if "time_bin" in recording.dims:
        start, end = recording["time_bin_start"].values, recording["time_bin_end"].values
        facts["time bins"] = f"{len(start)}, {start.min():g} to {end.max():g} ms"
    elsewhere = ("identifier", "images", "usual_filter", "repeats", "window_start", "window_end")
    stated = {str(key): value for key, value in recording.attrs.items() if key not in elsewhere}
    return facts | {"read as" if key == "read_as" else key: value for key, value in stated.items()}
