"""Sessions of Cowley et al. 2023: macaque V4, natural images, spike counts per 100 ms."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...rsa import RSAError
from ...rsa.errors import reason
from ...rsa.rdm import Array
from ..recording import from_arrays

if TYPE_CHECKING:
    import xarray

_REPEATS = {"190923": 14, "210325": 8}  # of the sessions published here, by the authors' table


def read_cowley(path: Path) -> "xarray.DataArray":
    """One session from `responses_SESSION.npy` (neuroids, images), averaged over repeats, or from
    `responses_raw_SESSION.npy` (neuroids, images, repeats), where NaN marks a repeat that was not shown.

    Image i has the id "SESSION/imageNNNN", counted from 1 as in the session's archive of images. With repeats, one
    presentation is one repeat of one image.

    Raises RSAError naming the file when it is no such array, is truncated, or holds images without any repeat.
    """
    responses = _open(path)
    if not re.fullmatch(r"responses_(raw_)?\w+", path.stem):
        raise RSAError(f"{path}: a bare array names neither stimuli nor regions; from_arrays and save_recording do")
    session = re.sub(r"^responses_(raw_)?", "", path.stem)
    neuroids, images = responses.shape[:2]
    ids = np.array([f"{session}/image{i + 1:04d}" for i in range(images)])
    attrs: dict[str, str | int | float] = {
        "identifier": f"cowley2023/{session}",
        "source": "Cowley et al. 2023, macaque V4, natural images",
        "unit": "spikes per 100 ms",
    }
    names = [f"{session}/{i}" for i in range(neuroids)]
    columns = {"region": ["V4"] * neuroids, "subregion": ["V4"] * neuroids}
    if re.fullmatch(r"\d{6}", session):  # the animals were recorded one after the other
        columns["animal"] = ["WE" if session < "20" else "PE" if session < "2106" else "RA"] * neuroids
    if responses.ndim == 2:
        if session in _REPEATS:
            attrs["repeats"] = _REPEATS[session]
        return from_arrays(responses.T, stimulus_id=ids, neuroid_id=names, neuroid=columns, attrs=attrs)
    trials = np.moveaxis(responses, 0, 2).reshape(-1, neuroids)  # image by image, repeats in order
    shown = ~np.isnan(trials).all(axis=1)
    never = ids[~shown.reshape(images, -1).any(axis=1)]
    if len(never):
        raise RSAError(f"{path}: {len(never)} of {images} images have no repeat: {', '.join(never[:3])}")
    image, repeat = (index.ravel()[shown] for index in np.indices((images, responses.shape[2])))
    return from_arrays(
        trials[shown], stimulus_id=ids[image], repetition=repeat, neuroid_id=names, neuroid=columns, attrs=attrs
    )


def session_of_images(path: Path, names: Sequence[str]) -> str:
    """What goes before the names of images in a session's archive: the session and a slash; nothing for others."""
    session = re.fullmatch(r"images_(\d{6})", path.stem)
    return f"{session[1]}/" if session and all(re.fullmatch(r"image\d{4}", name) for name in names) else ""


def _open(path: Path) -> Array:
    try:
        responses = np.load(path, allow_pickle=False, mmap_mode="r")
    except Exception as error:  # whatever a parser of a stranger's file may stumble over
        raise RSAError(f"{path} cannot be read: {reason(error)}") from error
    if not isinstance(responses, np.ndarray) or responses.ndim not in (2, 3) or responses.dtype.kind not in "fiu":
        raise RSAError(f"{path}: expected numbers of shape (neuroids, images[, repeats])")
    if 0 in responses.shape:
        raise RSAError(f"{path}: shape {responses.shape} (neuroids, images[, repeats]) holds nothing")
    return np.array(responses)
