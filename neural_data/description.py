"""What a recording, a set of published RDMs or a teacher file holds, in numbers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..rsa import RDM, RSAError
from ..rsa.errors import listing
from .catalogue import load
from .neuroids import region_neuroids
from .rdms import region_rdms
from .recording import check_recording, encode, time_window
from .reliability import DEFINITION, split_half
from .subjects import leave_one_animal_out
from .teachers import load_teacher, publishes_rdms

if TYPE_CHECKING:
    import xarray


@dataclass(frozen=True)
class Description:
    """targets: target -> what is known of it, the same keys for each. facts: about the whole.

    For a recording with repeats: halves, what `split_half` returned, and neuroids, the indices of each target's.
    """

    name: str
    targets: dict[str, dict[str, Any]]
    facts: dict[str, Any]
    rdms: dict[str, RDM]
    halves: "xarray.Dataset | None" = None
    neuroids: Mapping[str, npt.NDArray[np.int64]] = field(default_factory=dict)


def describe(
    name_or_path: str | Path,
    *,
    by: str = "stimulus",
    level: str = "subregion",
    scale: str = "none",
    splits: int = 100,
    seed: int = 0,
    data_dir: str | Path | None = None,
    advance: Callable[[int], object] = lambda steps: None,
) -> Description:
    """Dims, regions, neuroids, stimuli, repeats and reliability (arguments as in `load_teacher`).

    Neuroids that lack a response to some stimulus are left out of the RDMs and counted. Raises RSAError as `load` and
    `region_rdms` do.
    """
    if publishes_rdms(name_or_path):
        teacher = load_teacher(name_or_path, by=by, level=level, scale=scale, data_dir=data_dir)
        targets = {
            target: {
                "conditions": len(rdm),
                "min": float(rdm.values.min()),
                "max": float(rdm.values.max()),
                "reliability": rdm.attrs.get("reliability"),
                "ceiling": teacher.ceilings.get(target, (None, None))[1],
            }
            for target, rdm in teacher.rdms.items()
        }
        facts = {"holds": f"RDMs by {teacher.by}, {teacher.metric}", **teacher.attrs}
        for target, rdm in teacher.rdms.items():
            if "subjects" in rdm.attrs:
                low, high = rdm.attrs["leave_one_out_lower"], rdm.attrs["leave_one_out_upper"]
                facts[f"{target}, leave-one-subject-out"] = f"{low:.4f} to {high:.4f}, {rdm.attrs['subjects']} subjects"
        return Description(teacher.name, targets, facts, dict(teacher.rdms))
    recording = check_recording(load(name_or_path, data_dir=data_dir))
    settings: dict[str, Any] = {"by": by, "level": level, "scale": scale}
    facts = _facts(recording) | {"RDMs": f"by {by}, scale {scale}, level {level}"}
    if "time_bin" in recording.dims:
        recording = time_window(recording)
    rdms = region_rdms(recording, missing="drop", **settings)
    neuroids = region_neuroids(recording, level)
    halves: xarray.Dataset | None = None
    try:
        halves = split_half(recording, splits=splits, seed=seed, advance=advance, **settings)
        facts["reliability"] = f"{splits} random split halves, seed {seed}; {DEFINITION}"
    except RSAError as error:
        facts["reliability"] = f"none, so there is no ceiling: {error}"
    facts |= _between_animals(recording, settings)
    dropped = {t: len(neuroids[t]) - int(str(rdm.attrs["neuroids"])) for t, rdm in rdms.items()}
    if any(dropped.values()):
        facts["left out of RDMs"] = ", ".join(f"{n} neuroids of {target}" for target, n in dropped.items() if n)
    targets = {target: _target(rdm, target, neuroids[target], halves) for target, rdm in rdms.items()}
    title = str(recording.attrs.get("identifier", "")) or str(name_or_path)
    return Description(title, targets, facts, rdms, halves, neuroids)


def _target(rdm: RDM, target: str, neuroids: npt.NDArray[np.int64], halves: "xarray.Dataset | None") -> dict[str, Any]:
    numbers: dict[str, Any] = {"neuroids": rdm.attrs["neuroids"], "conditions": len(rdm)}
    names = {"repeats": "repeats", "split_r": "r", "reliability": "reliability", "ceiling": "ceiling"}
    if halves is None:
        return numbers | dict.fromkeys((*names, "median_neuroid"))
    here = halves.sel(target=target)
    reliable = halves["neuroid_reliability"].values[neuroids]
    middle = float(np.median(reliable[np.isfinite(reliable)])) if np.isfinite(reliable).any() else None
    return numbers | {name: here[key].item() for name, key in names.items()} | {"median_neuroid": middle}


def _between_animals(recording: "xarray.DataArray", settings: dict[str, Any]) -> dict[str, str]:
    animals = np.unique(recording["animal"].values) if "animal" in recording.coords else ()
    if len(animals) < 2:
        return {"leave-one-animal-out": f"none: {'one animal' if len(animals) else 'animals are not named'}"}
    try:
        bounds = leave_one_animal_out(recording, **settings)
    except RSAError as error:
        return {"leave-one-animal-out": f"none: {error}"}
    return {
        f"{target}, leave-one-animal-out": f"{low:.4f} to {high:.4f}, {n} animals, {repeats:.1f} repeats"
        for target, low, high, n, repeats in zip(
            *(bounds[key].values.tolist() for key in ("target", "lower", "upper", "animals", "repeats")), strict=True
        )
    }


def _facts(recording: "xarray.DataArray") -> dict[str, Any]:
    stimuli, codes = encode(recording["stimulus_id"].values)
    counts = np.bincount(codes)
    facts: dict[str, Any] = {
        "dims": ", ".join(f"{dim} {size}" for dim, size in recording.sizes.items()) + f", {recording.dtype}",
        "stimuli": len(stimuli),
        "presentations per stimulus": f"{counts.min()} to {counts.max()}, mean {counts.mean():.1f}",
    }
    if "repeats" in recording.attrs:
        facts["each presentation"] = f"an average of {recording.attrs['repeats']:g} repeats"
    for name in ("object_name", "category_name", "variation", "animal"):
        if name in recording.coords:
            values = np.unique(recording[name].values)
            facts[name] = f"{len(values)} ({listing(values, 8)})"
    if "time_bin" in recording.dims:
        start, end = recording["time_bin_start"].values, recording["time_bin_end"].values
        facts["time bins"] = f"{len(start)}, {start.min():g} to {end.max():g} ms"
    return facts | {str(key): value for key, value in recording.attrs.items() if key not in ("identifier", "repeats")}
