"""The HDF5 file of HvM that courses hand out (`ventral_neural_data.hdf5`): Majaj, Hong et al. 2015 with its images."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ....rsa import RSAError
from ....rsa.errors import listing, near
from ....rsa.io.hdf5 import MAX_BYTES, holds, opened, plain_dataset, read_column
from ....rsa.types import Array
from ..recording import from_arrays, trials_shown

if TYPE_CHECKING:
    import h5py
    import xarray

PARTS = ("trials", "averaged", "binned")
_NAMES = {  # of the file -> of Brain-Score
    "category": "category_name",
    "rotation_xy": "rxy",
    "rotation_xz": "rxz",
    "rotation_yz": "ryz",
    "translation_y": "ty",
    "translation_z": "tz",
}
_BIN = 20.0  # ms, from 0 on, in time_binned_trial_averaged


def is_hvm(path: Path) -> bool:
    """Whether an HDF5 file has the groups of the HvM file."""
    return holds(path, "image_meta", "neural_meta")


def read_hvm(path: Path, part: str = "trials") -> "xarray.DataArray":
    """Responses of V4 and IT sites to 5760 images.

    part: "trials", single trials of all variation levels, in the file's only time window; "averaged", their mean over
    trials; "binned", the mean over trials in bins of 20 ms from stimulus onset.
    Image i has the id "hvm/i" (four digits), as in `images` of the same file, whose path is `attrs["images"]`. Trials
    without any response are left out. The file distinguishes V4 and IT, and no subregions.

    Raises RSAError naming the file for missing parts, shapes that disagree, and unknown variation levels.
    """
    if part not in PARTS:
        raise RSAError(f"unknown part {part!r} of {path}{near(part, PARTS)}")
    table = read_hvm_table(path)
    with opened(path) as file:
        regions, animals, kept = _sites(file)
        if part == "trials":
            responses, image, trial = _trials(file, table["variation"], kept)
        else:
            name, ndim = ("time_averaged", 2) if part == "averaged" else ("time_binned", 3)
            data = plain_dataset(file, f"{name}_trial_averaged")
            _check_shape(data, (len(table["stimulus_id"]), *data.shape[1:-1], len(animals)), ndim)
            responses = np.take(_read(data), kept, axis=-1)
            image, trial = np.arange(len(data)), np.zeros(len(data), np.int64)
        if part == "binned":
            responses = responses.transpose(0, 2, 1)
        bins = [(i * _BIN, (i + 1) * _BIN) for i in range(responses.shape[2])] if part == "binned" else None
        return from_arrays(
            responses,
            stimulus_id=table["stimulus_id"][image],
            repetition=trial,
            region=regions,
            neuroid_id=[f"{animals[i]}_{i:03d}" for i in kept],
            neuroid={"animal": animals[kept]},
            presentation={name: column[image] for name, column in table.items() if name != "stimulus_id"},
            time_bins=bins,
            attrs={
                "identifier": f"hvm/{part}",
                "source": "Majaj, Hong et al. 2015, macaque V4 and IT, HvM images",
                "degrees": 8.0,
                **({"images": str(path)} if "images" in file else {}),
            },
        )


def read_hvm_table(path: Path) -> dict[str, Array]:
    """Columns about the images, named as in Brain-Score; `variation` is 0, 3 or 6."""
    with opened(path) as file:
        columns = {_NAMES.get(name, name): read_column(file, f"image_meta/{name}") for name in file["image_meta"]}
        if "variation_level" not in columns:
            raise RSAError(f"image_meta has no variation_level; there are: {listing(columns, 12)}")
        levels = columns.pop("variation_level").astype(str)
        odd = [level for level in np.unique(levels).tolist() if not re.fullmatch(r"V\d", level)]
        if odd:
            raise RSAError(f"variation_level holds {listing(odd)}; V0, V3 and V6 are known")
        short = [name for name, column in columns.items() if column.shape != levels.shape]
        if short:
            raise RSAError(f"image_meta/{short[0]} has shape {columns[short[0]].shape} for {len(levels)} images")
    ids = np.array([f"hvm/{i:04d}" for i in range(len(levels))])
    return {"stimulus_id": ids, **columns, "variation": np.array([int(level[1:]) for level in levels])}


def _sites(file: "h5py.File") -> tuple[Array, Array, Array]:
    """(region of each neuroid kept, animal of every neuroid of the file, indices of those kept, increasing)."""
    v4, it = (read_column(file, f"neural_meta/{region}_NEURONS").ravel() for region in ("V4", "IT"))
    animals = read_column(file, "neural_meta/ANIMAL_INFO").ravel().astype(str)
    chosen = np.concatenate((v4, it))
    bad = chosen[(chosen < 0) | (chosen >= len(animals))]
    if len(bad) or chosen.dtype.kind not in "iu" or len(np.unique(chosen)) < len(chosen):
        why = f"got {listing(bad)}" if len(bad) else "some repeat or are no integers"
        raise RSAError(f"V4_NEURONS and IT_NEURONS must be distinct indices below {len(animals)}; {why}")
    kept = np.sort(chosen)
    return np.where(np.isin(kept, v4), "V4", "IT"), animals, kept


def _trials(file: "h5py.File", variation: Array, kept: Array) -> tuple[Array, Array, Array]:
    """Responses (presentations, neuroids) float32, and the image and trial of each, image by image within a level."""
    parts: list[tuple[Array, Array, Array]] = []
    for level in np.unique(variation).tolist():
        where = np.flatnonzero(variation == level)
        data = plain_dataset(file, f"time_averaged/variation_level_{level}")
        _check_shape(data, (data.shape[0], len(where), data.shape[-1]), 3)
        if kept[-1] >= data.shape[2]:
            raise RSAError(f"{data.name} holds {data.shape[2]} neuroids; index {kept[-1]} is named")
        responses = np.take(_read(data).astype(np.float32), kept, axis=2).transpose(1, 0, 2).reshape(-1, len(kept))
        responses, image, trial = trials_shown(responses, len(where))
        parts.append((responses, where[image], trial))
    responses, image, trial = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return responses, image, trial


def _check_shape(data: "h5py.Dataset", shape: tuple[int, ...], ndim: int) -> None:
    if data.ndim != ndim or data.shape != shape or 0 in data.shape:
        raise RSAError(f"{data.name} has shape {data.shape}, expected {shape}")


def _read(data: "h5py.Dataset") -> Array:
    if data.dtype.kind not in "fiu" or data.size * data.dtype.itemsize > 4 * MAX_BYTES:
        raise RSAError(f"{data.name} holds {data.size} values of {data.dtype}, which is no table of responses")
    values: Any = data[()]
    return np.asarray(values, data.dtype.newbyteorder("="))
