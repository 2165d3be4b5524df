"""Files in the exact layouts of MajajHong2015 (netCDF4) and of the course file of HvM (HDF5), made with plain h5py."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray
from tgsage.rsa.types import Array

Columns = dict[str, dict[str, Any]]

SITES = (  # neuroid_id as animal_hemisphere_array_row_col, region, subregion
    ("Chabo_L_A_0_0", "IT", "aIT"),
    ("Chabo_L_M_5_9", "IT", "cIT"),
    ("Chabo_L_P_1_2", "V4", "V4"),
    ("Tito_L_P_8_5", "V4", "V4"),
    ("Tito_R_A_2_3", "IT", "pIT"),
    ("Tito_R_A_2_4", "IT", "aIT"),
    ("Tito_R_M_7_0", "IT", "pIT"),
    ("Tito_R_M_7_1", "IT", "cIT"),
)


@dataclass(frozen=True)
class Images:
    """A small HvM: of each object `per_object` images of V0, and twice that of V3 and of V6."""

    n_objects: int = 4
    per_object: int = 2

    def __len__(self) -> int:
        return 5 * self.n_objects * self.per_object

    @property
    def variation(self) -> Array:
        return np.tile(np.repeat([0, 3, 3, 6, 6], self.per_object), self.n_objects)

    @property
    def object_name(self) -> Array:
        return np.repeat([f"object{i}" for i in range(self.n_objects)], 5 * self.per_object)

    @property
    def category_name(self) -> Array:
        return np.repeat([f"kind{i % 2}" for i in range(self.n_objects)], 5 * self.per_object)

    @property
    def ids(self) -> Array:
        return np.array([f"{i * 2654435761 % 2**32:08x}" for i in range(len(self))])

    def pose(self, i: int) -> Array:
        return np.cos(np.arange(len(self)) * (i + 1))


def shuffled(images: Images, repeats: int, seed: int = 0) -> Array:
    """Which image each presentation shows: all of them `repeats` times, in random order."""
    return np.random.default_rng(seed).permutation(np.tile(np.arange(len(images)), repeats))


def majaj_columns(images: Images, order: Array, *, identity: str = "image_id", sites: Any = SITES) -> Columns:
    """Levels of presentations (image `order[i]` at presentation i), neuroids and the one time bin."""
    seen = [0] * len(images)
    repetition = []
    for i in order.tolist():
        repetition.append(seen[i])
        seen[i] += 1
    parts = [site.split("_") for site, _, _ in sites]
    return {
        "presentation": {
            identity: images.ids[order],
            "repetition": np.array(repetition),
            "stimulus": images.ids[order],
            "category_name": images.category_name[order],
            "object_name": images.object_name[order],
            "variation": images.variation[order],
            "background_id": np.array([f"bg{i % 7}" for i in order]),
            **{name: images.pose(i)[order] for i, name in enumerate(("size", "ty", "tz", "rxy", "ryz", "rxz"))},
        },
        "neuroid": {
            "neuroid_id": np.array([site for site, _, _ in sites]),
            "arr": np.array([part[2] for part in parts]),
            "row": np.array([int(part[3]) for part in parts]),
            "col": np.array([int(part[4]) for part in parts]),
            "hemisphere": np.array([part[1] for part in parts]),
            "region": np.array([region for _, region, _ in sites]),
            "subregion": np.array([subregion for _, _, subregion in sites]),
            "animal": np.array([part[0] for part in parts]),
            "x": np.linspace(-1, 1, len(parts)),
        },
        "time_bin": {"time_bin_start": np.array([70]), "time_bin_end": np.array([170])},
    }


def write_assembly(
    path: Path,
    responses: Array,
    columns: Mapping[str, Mapping[str, Any]],
    *,
    name: str = "dicarlo.MajajHong2015.public",
    dims: tuple[str, ...] = ("neuroid", "presentation", "time_bin"),
    group: str = "",
    dtype: str = "<f4",
    integers: str = "<i8",
    **storage: Any,
) -> Path:
    """A BrainIO assembly: MultiIndexes flattened to one variable per level, listed in `coordinates` of the data."""
    with h5py.File(path, "a") as file:
        at = file.require_group(group) if group else file
        for dim, size in zip(dims, responses.shape, strict=True):
            scale = at.create_dataset(dim, (size,), ">f4")  # a netCDF4 dimension without a variable: never written
            scale.make_scale(f"This is a netCDF dimension but not a netCDF variable.{size:>10d}")
        for dim, levels in columns.items():
            for level, values in levels.items():
                text = values.dtype.kind == "U"
                kind = h5py.string_dtype() if text else integers if values.dtype.kind == "i" else values.dtype
                variable = at.create_dataset(level, data=values.astype(object) if text else values, dtype=kind)
                variable.dims[0].attach_scale(at[dim])
        data = at.create_dataset(name, data=responses.astype(dtype), **storage)
        for i, dim in enumerate(dims):
            data.dims[i].attach_scale(at[dim])
        data.attrs["coordinates"] = np.bytes_(" ".join(level for levels in columns.values() for level in levels))
        data.attrs["_FillValue"] = np.full(1, np.nan, dtype)
    return path


def write_majaj(path: Path, images: Images, order: Array, *, seed: int = 0, **options: Any) -> Array:
    """A MajajHong2015 file of random responses; returns them as (presentations, neuroids) float32."""
    responses = np.random.default_rng(seed).normal(1, 2, (len(SITES), len(order), 1)).astype(np.float32)
    write_assembly(path, responses, majaj_columns(images, order), **options)
    return responses[:, :, 0].T


def write_encoded(recording: xarray.DataArray, path: Path) -> xarray.Dataset:
    """The recording as xarray packs it: values and columns of every kind of encoding. Returns what was packed."""
    n, neuroids = recording.sizes["presentation"], recording.sizes["neuroid"]
    ranks = np.arange(neuroids)
    columns: dict[str, Any] = {
        "packed": ("neuroid", np.where(ranks == 1, np.nan, ranks / 10)),
        "unsigned": ("neuroid", ranks * 30.0),
        "session": ("presentation", np.arange(n, dtype=float)),
        "gap": ("neuroid", np.where(ranks == 2, np.nan, ranks)),
        "day": ("presentation", np.datetime64("2001-02-03", "ns") + np.arange(n) * np.timedelta64(36, "h")),
        "wait": ("presentation", np.arange(n) * np.timedelta64(7, "ms")),
        "code": ("neuroid", np.char.add("é", ranks.astype(str))),
        "bytes": ("presentation", np.char.add("b", np.arange(n).astype(str)).astype("S")),
        "ready": ("neuroid", ranks % 2 == 0),
        "rig": "rig 2",
    }
    encoding: dict[str, Any] = {
        "responses": {"dtype": "i2", "scale_factor": 0.002, "add_offset": 1.0, "_FillValue": -32768},
        "packed": {"dtype": "i2", "scale_factor": np.float32(0.1), "_FillValue": -1},
        "unsigned": {"dtype": "i1", "_Unsigned": "true", "_FillValue": -1},
        "session": {"dtype": "i4", "_FillValue": -9},
        "gap": {"dtype": "f4", "missing_value": -999.0, "_FillValue": -999.0},
        "day": {"units": "hours since 2000-01-01", "dtype": "i8"},
    }
    values = recording.copy(data=np.where(np.arange(recording.size).reshape(recording.shape) % 7, recording, np.nan))
    whole = values.assign_coords(columns).drop_attrs().drop_encoding().to_dataset(name="responses")
    whole.to_netcdf(path, engine="h5netcdf", encoding=encoding)
    return whole


def write_majaj_sized(path: Path) -> Path:
    """148,480 presentations x 256 neuroids of 3200 images: signal shared by the neuroids of a region, and noise."""
    rng = np.random.default_rng(0)
    images = Images(64, 10)
    order = rng.permutation(np.concatenate([shuffled(images, 46), rng.choice(len(images), 1280, replace=False)]))
    regions = ["V4"] * 88 + ["pIT"] * 56 + ["cIT"] * 28 + ["aIT"] * 84
    sites = [(f"Chabo_L_M_{i // 16}_{i % 16}", "V4" if name == "V4" else "IT", name) for i, name in enumerate(regions)]
    responses = np.empty((256, len(order), 1), np.float32)
    shared = rng.normal(size=(4, len(images)))
    for i, region in enumerate(regions):
        own = shared[("V4", "pIT", "cIT", "aIT").index(region)] * rng.normal() + rng.normal(size=len(images))
        responses[i, :, 0] = own[order] + 2 * rng.standard_normal(len(order), np.float32)
    return write_assembly(path, responses, majaj_columns(images, order, sites=sites))


@dataclass(frozen=True)
class HvmFile:
    """What `write_hvm` wrote: trials[level] (trial, image, neuron) with NaN, averages, neurons of each region."""

    variation: Array
    object_name: Array
    category_name: Array
    trials: dict[int, Array]
    averaged: Array
    binned: Array
    v4: Array
    it: Array


def write_hvm(path: Path, *, per_object: int = 2, seed: int = 0) -> HvmFile:
    """`ventral_neural_data.hdf5` in small: bytes, indices out of order, a neuron in neither region, missing trials.

    Images of the three variation levels are interleaved, so that position within a level is not position in the file.
    """
    rng = np.random.default_rng(seed)
    images = Images(4, per_object)
    shuffle = rng.permutation(len(images))
    variation, objects, categories = (c[shuffle] for c in (images.variation, images.object_name, images.category_name))
    v4, it, n = np.array([6, 0, 3]), np.array([5, 1, 4, 7]), 8
    trials = {}
    for level, repeats in ((0, 3), (3, 5), (6, 4)):
        trials[level] = rng.normal(2, 1, (repeats, int((variation == level).sum()), n))
        trials[level][-1, 0] = np.nan  # a trial that was not run
    averaged = np.empty((len(images), n))
    for level, values in trials.items():
        averaged[variation == level] = np.nanmean(values, axis=0)
    binned = rng.normal(size=(len(images), 11, n))
    with h5py.File(path, "w") as file:
        file["images"] = rng.integers(0, 256, (len(images), 16, 16), np.uint8)
        meta = file.create_group("image_meta")
        meta["category"] = categories.astype("S")
        meta["object_name"] = objects.astype("S")
        meta["variation_level"] = np.array([b"V%d" % level for level in variation])
        for i, name in enumerate(
            ("rotation_xy", "rotation_xz", "rotation_yz", "size", "translation_y", "translation_z")
        ):
            meta[name] = images.pose(i)
        file["neural_meta/V4_NEURONS"] = v4
        file["neural_meta/IT_NEURONS"] = it
        file["neural_meta/ANIMAL_INFO"] = np.array([b"Chabo"] * 5 + [b"Tito"] * 3)
        for level, values in trials.items():
            file[f"time_averaged/variation_level_{level}"] = values
        file["time_averaged_trial_averaged"] = averaged
        file["time_binned_trial_averaged"] = binned
    return HvmFile(variation, objects, categories, trials, averaged, binned, v4, it)
