"""TVSD (Papale et al. 2025, Neuron): macaque V1, V4 and IT, 22,248 THINGS images shown once and 100 shown 30 times."""

from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray

from ....rsa import RSAError
from ....rsa.errors import listing, near
from ....rsa.io.hdf5 import holds, opened, plain_dataset, read_column
from ....rsa.io.matlab import read_cell_texts, read_mat5
from ....rsa.types import Array
from ..recording import from_arrays, number_repetitions, trials_shown
from .on_disk import TrialsOnDisk, by_trials

if TYPE_CHECKING:
    import h5py

PARTS = ("test", "train")
_REGIONS = {  # columns of each region, and how many of them have a reliability above .3 (published)
    "monkeyN": {"V1": (0, 512, 410), "V4": (512, 768, 198), "IT": (768, 1024, 141)},
    "monkeyF": {"V1": (0, 512, 332), "IT": (512, 832, 157), "V4": (832, 1024, 117)},
}
_SITES, _RELIABLE = 1024, 0.3
_FILES = ("THINGS_normMUA.mat", "THINGS_MUA_trials.mat")


def is_tvsd(path: Path) -> bool:
    """Whether it is a file of TVSD, or a folder with one of a monkey or with folders of both."""
    if path.is_dir():
        return any((path / folder / name).is_file() for folder in ("", *_REGIONS) for name in _FILES)
    return holds(path, "test_MUA_reps", "reliab") or holds(path, "ALLMUA", "ALLMAT", "tb")


def read_tvsd(path: Path, part: str = "") -> xarray.DataArray:
    """The normalised responses of one monkey (`THINGS_normMUA.mat`), or its trials in time (`THINGS_MUA_trials.mat`).

    part: "test" (the default), 100 images with their 30 repeats; "train", 22,248 images shown once each.
    A folder is read for its normalised responses. `things_imgs.mat`, in the folder `_logs` beside the file, names the
    images: `stimulus_id` is the name of THINGS' own file without its suffix, `object_name` the concept. Neuroids have
    `region`, by column, and `reliability`, the mean of `reliab` over its pairs of repeats; the usual filter is > .3.
    Trials stay on disk in bins of 1 ms, and a window of them is read in pieces.

    Raises RSAError naming the file for a monkey that the path does not name, other shapes than the published, and
    missing names of images or of channels.
    """
    part = part or "test"
    if part not in PARTS:
        raise RSAError(f"unknown part {part!r} of {path}{near(part, PARTS)}")
    path = _file_of(path)
    monkey = _monkey(path)
    ids, concepts = _images(path, part)
    region = np.empty(_SITES, "U2")
    for name, (start, end, _) in _REGIONS[monkey].items():
        region[start:end] = name
    neuroids: dict[str, Any] = {
        "neuroid_id": np.array([f"{monkey}_{i:04d}" for i in range(_SITES)]),
        "region": region,
        "animal": np.full(_SITES, monkey),
    }
    attrs: dict[str, str | int | float] = {
        "identifier": f"tvsd/{monkey}" if part == "test" else f"tvsd/{monkey}/train",
        "source": "Papale et al. 2025 (TVSD), macaque V1, V4 and IT, THINGS images",
    }
    with opened(path) as file:
        if "ALLMUA" in file:
            return _trials(path, file, part, (ids, concepts), neuroids, attrs)
        reliab = _numbers(file, "reliab", (None, _SITES))
        neuroids["reliability"] = reliab.mean(axis=0, dtype=np.float64)
        for name in ("oracle", "SNR_max"):
            if name in file:
                neuroids[name.lower()] = _numbers(file, name, None).ravel()
        if part == "test":
            repeats = _numbers(file, "test_MUA_reps", (None, len(ids), _SITES))
            responses, image, trial = trials_shown(repeats.transpose(1, 0, 2).reshape(-1, _SITES), len(ids))
        else:
            responses = _numbers(file, "train_MUA", (len(ids), _SITES))
            image, trial = np.arange(len(ids)), np.zeros(len(ids), np.int64)
    attrs |= {"unit": "multi-unit activity, normalised per electrode and day", "usual_filter": "reliability>.3"}
    attrs["note"] = _filtered(monkey, region, neuroids["reliability"])
    neuroid_id, region = neuroids.pop("neuroid_id"), neuroids.pop("region")
    shown = {"object_name": concepts[image]}
    return from_arrays(
        responses, stimulus_id=ids[image], repetition=trial, region=region, neuroid_id=neuroid_id, neuroid=neuroids,
        presentation=shown, attrs=attrs,
    )  # fmt: skip


def _file_of(path: Path) -> Path:
    if not path.is_dir():
        return path
    inside = [path / name for name in _FILES if (path / name).is_file()]
    if inside:
        return inside[0]
    raise RSAError(
        f"{path} holds both monkeys' folders; name one of them: {listing([str(path / m) for m in _REGIONS])}"
    )


def _monkey(path: Path) -> str:
    parts = "/".join(path.absolute().parts[-3:])
    named = [monkey for monkey in _REGIONS if monkey in parts]
    if len(named) != 1:
        raise RSAError(
            f"{path}: the regions of its columns depend on the monkey; keep it in a folder monkeyN or monkeyF"
        )
    return named[0]


def _images(path: Path, part: str) -> tuple[Array, Array]:
    """Names of the images in the order of the responses, and their concepts."""
    above = (path.parent, path.parent.parent, *(path.parent.parent / monkey for monkey in _REGIONS))
    places = [path.parent / "things_imgs.mat", *(folder / "_logs" / "things_imgs.mat" for folder in above)]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise RSAError(f"{path}: things_imgs.mat names its images, and is missing; its place is {places[1]}")
    fields = ("things_path", "class")
    with found.open("rb") as start:
        old = start.read(10) == b"MATLAB 5.0"
    if old:
        content = read_mat5(found, [f"{part}_imgs"]).get(f"{part}_imgs")
        if not isinstance(content, np.ndarray) or not set(fields) <= set(content.dtype.names or ()):
            raise RSAError(f"{found} has no {part}_imgs with things_path and class")
        paths, concepts = ([str(np.ravel(text)[0]) for text in content[field].ravel()] for field in fields)
    else:
        paths, concepts = read_cell_texts(found, *(f"{part}_imgs/{field}" for field in fields))
    ids = np.array([PureWindowsPath(text).stem for text in paths])  # which splits at both kinds of slashes
    if not len(ids) or len(np.unique(ids)) < len(ids) or len(concepts) != len(ids):
        raise RSAError(f"{found}: {part}_imgs must name each image once, with its concept")
    return ids, np.array(concepts)


def _numbers(file: "h5py.File", name: str, shape: tuple[int | None, ...] | None) -> Array:
    """A whole array of numbers. Raises RSAError for another shape; None stands for any length."""
    data = plain_dataset(file, name)
    expected = shape or data.shape
    right = data.ndim == len(expected) and all(e in (None, n) for e, n in zip(expected, data.shape, strict=True))
    if not right or (shape is None and data.size != _SITES) or 0 in data.shape or data.dtype.kind != "f":
        sizes = ", ".join("any" if e is None else str(e) for e in shape or (_SITES,))
        raise RSAError(f"{name} has shape {data.shape} of {data.dtype}, expected numbers ({sizes})")
    return read_column(file, name)


def _filtered(monkey: str, region: Array, reliability: Array) -> str:
    """How many columns the usual filter leaves, and whether these are the published ones."""
    counts = {name: int((reliability[region == name] > _RELIABLE).sum()) for name in ("V1", "V4", "IT")}
    published = {name: _REGIONS[monkey][name][2] for name in counts}
    left, before = (", ".join(f"{name} {n}" for name, n in of.items()) for of in (counts, published))
    also = "as published" if counts == published else f"the published file {before}"
    return f"reliability > .3 leaves {left}, {also}"


def _trials(
    path: Path,
    file: "h5py.File",
    part: str,
    images: tuple[Array, Array],
    neuroids: dict[str, Any],
    attrs: dict[str, Any],
) -> xarray.DataArray:
    ids, concepts = images
    data = plain_dataset(file, "ALLMUA")
    shown, tb = read_column(file, "ALLMAT"), read_column(file, "tb").ravel()
    if data.ndim != 3 or data.shape[0] != len(tb) or data.shape[2] != _SITES or data.dtype.kind != "f":
        raise RSAError(f"ALLMUA has shape {data.shape}, expected ({len(tb)} times, trials, {_SITES} channels)")
    if shown.ndim != 2 or shown.shape[0] not in (6, 7) or shown.shape[1] != data.shape[1]:
        raise RSAError(f"ALLMAT has shape {shown.shape}, expected 6 or 7 columns for {data.shape[1]} trials")
    column = shown[1 if part == "train" else 2]  # of the image in things_imgs.mat, from 1; 0 for the other part
    rows = np.flatnonzero(column > 0)
    image = column[rows].astype(np.int64) - 1
    if not len(rows) or image.max() >= len(ids):
        raise RSAError(
            f"ALLMAT names {part} images {image.min(initial=0) + 1} to {image.max(initial=-1) + 1} of {len(ids)}"
        )
    source = TrialsOnDisk(path, "ALLMUA", rows, _channels(path))
    columns: dict[str, Any] = {name: ("neuroid", values) for name, values in neuroids.items()}
    columns |= {"stimulus_id": ("presentation", ids[image]), "object_name": ("presentation", concepts[image])}
    columns |= {"repetition": ("presentation", number_repetitions(image)), "day": ("presentation", shown[-1, rows])}
    columns |= {"time_bin_start": ("time_bin", tb - 1.0), "time_bin_end": ("time_bin", tb * 1.0)}
    attrs |= {"unit": "multi-unit activity, not normalised", "window_start": 75.0, "window_end": 175.0}
    attrs["note"] = "windows of the paper: V1 25-125, V4 50-150, IT 75-175 ms"
    return by_trials(source, columns, attrs)


def _channels(path: Path) -> Array:
    """The channel of each site, from 0: `ALLMUA` is in the order of the recording system."""
    found = sorted(
        place for folder in (path.parent / "_logs", path.parent) for place in folder.glob("1024chns_mapping*.mat")
    )
    if not found:
        raise RSAError(
            f"{path}: the file 1024chns_mapping*.mat, which orders its channels, is missing;"
            f" its place is {path.parent / '_logs'}"
        )
    channels = np.ravel(read_mat5(found[0], ["mapping"]).get("mapping", ())).astype(np.int64) - 1
    if not np.array_equal(np.sort(channels), np.arange(_SITES)):
        raise RSAError(f"{found[0]}: mapping must hold the numbers 1 to {_SITES}")
    return channels
