"""Bashivan, Kar & DiCarlo 2019 (Science): macaque V4, natural and synthesised images, `npc_v4_data.h5`."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ....rsa import RSAError
from ....rsa.errors import check_known, listing
from ....rsa.io.hdf5 import MAX_BYTES, holds, member, opened, plain_dataset, read_column
from ....rsa.types import Array
from ..recording import from_arrays, trials_shown

if TYPE_CHECKING:
    import h5py
    import xarray

NATURAL = "naturalistic"


def is_npc_v4(path: Path) -> bool:
    """Whether an HDF5 file has the groups of this one."""
    return holds(path, "neural", "images", "target_inds")


def read_npc_v4(path: Path, part: str = "") -> "xarray.DataArray":
    """Single trials of V4 sites, spikes from 70 to 170 ms after onset.

    part: "naturalistic" (the default), all sessions side by side, NaN where one has fewer repeats; or a session of
    synthesised images, such as "synthetic/monkey_m/ohp/session_1". Image i has the id "naturalistic/i" (four digits,
    from 0) or that of its session, as in `images` of the same file. Neuroids have `animal`, `setting`, `session` and
    `is_target`.

    Raises RSAError naming the file for parts that it lacks and shapes that disagree.
    """
    part = part or NATURAL
    with opened(path) as file:
        known = [NATURAL, *(f"synthetic/{name}" for name in _sessions(file, "neural/synthetic"))]
        check_known("unknown part", part, known)
        sessions = _sessions(file, f"neural/{NATURAL}") if part == NATURAL else [part.removeprefix("synthetic/")]
        root = part.split("/")[0]
        trials = {name: _trials(file, f"neural/{root}/{name}") for name in sessions}
        targets = {name: read_column(file, f"target_inds/{name}").ravel() for name in sessions}
        n_images = len(plain_dataset(file, f"images/{part}"))
    odd = [name for name, values in trials.items() if values.shape[1] != n_images]
    if odd or not sessions:
        raise RSAError(f"{path}: {len(odd)} sessions have other than the {n_images} images: {listing(odd)}")
    repeats = max(len(values) for values in trials.values())
    padded = [np.pad(v, ((0, repeats - len(v)), (0, 0), (0, 0)), constant_values=np.nan) for v in trials.values()]
    joined = np.concatenate(padded, axis=2).transpose(1, 0, 2)
    responses, image, trial = trials_shown(joined.reshape(n_images * repeats, -1), n_images)
    rows = [(*name.split("/"), i, i in targets[name]) for name, v in trials.items() for i in range(v.shape[2])]
    animal, setting, session, index, target = (np.array(column) for column in zip(*rows, strict=True))
    ids = np.array(image_ids(part, n_images))
    return from_arrays(
        responses,
        stimulus_id=ids[image],
        repetition=trial,
        region="V4",
        neuroid_id=["_".join(map(str, row)) for row in zip(animal, setting, session, index, strict=True)],
        neuroid={"animal": animal, "setting": setting, "session": session, "is_target": target},
        attrs={
            "identifier": "bashivan2019" if part == NATURAL else f"bashivan2019/{part}",
            "source": "Bashivan, Kar & DiCarlo 2019, macaque V4, natural and synthesised images",
            "window_start": 70.0,
            "window_end": 170.0,
            "images": str(path),
        },
    )


def image_ids(part: str, n: int) -> list[str]:
    """Names of the images of a part."""
    return [f"{part.removeprefix('synthetic/')}/{i:04d}" for i in range(n)]


def image_parts(path: Path) -> dict[str, list[str]]:
    """Data set of images -> the ids of its images, for all parts."""
    with opened(path) as file:
        names = [NATURAL, *(f"synthetic/{name}" for name in _sessions(file, "images/synthetic"))]
        return {f"images/{name}": image_ids(name, len(plain_dataset(file, f"images/{name}"))) for name in names}


def _sessions(file: "h5py.File", root: str) -> list[str]:
    """ "monkey/setting/session" of a group of them, in order of names."""
    import h5py

    found: list[str] = []
    left = [""]
    for _ in range(3):
        groups = [(name, member(file, f"{root}/{name}")) for name in left]
        if not all(isinstance(group, h5py.Group) for _, group in groups):
            raise RSAError(f"{root} must hold monkey/setting/session")
        left = [f"{name}/{inner}".strip("/") for name, group in groups for inner in sorted(group)]
        found = left
    return found


def _trials(file: "h5py.File", name: str) -> Array:
    data = plain_dataset(file, name)
    if data.ndim != 3 or data.dtype.kind not in "fiu" or 0 in data.shape or 8 * data.size > MAX_BYTES:
        raise RSAError(f"{name} has shape {data.shape} of {data.dtype}, expected numbers (repeats, images, neuroids)")
    values = read_column(file, name)
    return values if values.dtype.kind == "f" else values.astype(np.float64)
