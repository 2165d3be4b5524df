"""Sessions of Cowley et al. 2023: macaque V4, natural images, spike counts per 100 ms."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ....rsa import RSAError
from ....rsa.errors import reason
from ....rsa.types import Array
from ..recording import from_arrays, trials_shown

if TYPE_CHECKING:
    import xarray

# session, neuroids, images, repeats, by the authors' table
_TABLE = """
    190923 33 1200 14; 190924 25 900 13; 190925 36 900 14; 190926 27 900 15; 190927 31 900 11;
    190928 24 900 13; 190929 33 900 15; 201016 82 900 6; 201017 88 900 7; 201018 80 600 5;
    201019 82 1600 4; 201020 87 1600 4; 201021 88 1600 7; 201022 79 2000 5; 201023 86 2000 7;
    201024 85 2000 7; 201025 89 1200 12; 210224 67 800 9; 210225 55 1200 6; 210226 78 1600 6;
    210301 61 2000 4; 210302 70 2000 5; 210303 67 2049 3; 210304 65 1968 5; 210305 70 400 22;
    210308 70 2000 4; 210309 56 2000 4; 210310 64 2000 3; 210312 81 2000 4; 210315 65 2000 2;
    210316 62 2000 3; 210322 59 1200 4; 210323 59 1200 4; 210324 54 1200 4; 210325 50 640 8;
    210326 60 1200 4; 210620 42 1600 9; 210621 51 1200 16; 211008 21 1200 24; 211012 51 2000 15;
    211013 52 2000 15; 211014 46 2000 11; 211015 49 2000 18; 211018 56 3000 10; 211022 42 1600 20;
    211025 54 2000 16; 211026 56 2000 13; 211027 56 2000 18; 211028 55 2000 14; 211103 49 3000 13
"""
_SESSIONS = {session: tuple(map(int, counts)) for session, *counts in map(str.split, _TABLE.split(";"))}


def read_cowley(path: Path) -> "xarray.DataArray":
    """One session, averaged over repeats or with every repeat.

    The file is `responses_SESSION.npy` (neuroids, images) or `responses_raw_SESSION.npy` (neuroids, images, repeats),
    where NaN marks a repeat that was not shown; its shape must be that of the session. Image i has the id
    "SESSION/imageNNNN", counted from 1 as in the session's archive of images.

    Raises RSAError naming the file for other or truncated arrays, and for images without any repeat.
    """
    responses = _open(path)
    neuroids, images = responses.shape[:2]
    session = re.sub(r"^responses_(raw_)?", "", path.stem)
    if _SESSIONS.get(session, ())[:2] != (neuroids, images):
        known = f", and session {session} of Cowley et al. has {_SESSIONS[session][:2]}" if session in _SESSIONS else ""
        raise RSAError(
            f"{path}: a bare array of shape {responses.shape} names neither stimuli nor regions{known};"
            " --stimulus-ids, --region and --dims do, or from_arrays and save_recording"
        )
    ids = np.array([f"{session}/image{i + 1:04d}" for i in range(images)])
    attrs: dict[str, str | int | float] = {
        "identifier": f"cowley2023/{session}",
        "source": "Cowley et al. 2023, macaque V4, natural images",
        "unit": "spikes per 100 ms",
    }
    names = [f"{session}/{i}" for i in range(neuroids)]
    columns = {"region": ["V4"] * neuroids, "subregion": ["V4"] * neuroids}
    columns["animal"] = ["WE" if session < "20" else "PE" if session < "2106" else "RA"] * neuroids  # one after another
    if responses.ndim == 2:
        attrs["repeats"] = _SESSIONS[session][2]
        return from_arrays(responses.T, stimulus_id=ids, neuroid_id=names, neuroid=columns, attrs=attrs)
    trials = np.moveaxis(responses, 0, 2).reshape(-1, neuroids)  # image by image, repeats in order
    shown, image, repeat = trials_shown(trials, images)
    never = np.setdiff1d(ids, ids[image])
    if len(never):
        raise RSAError(f"{path}: {len(never)} of {images} images have no repeat: {', '.join(never[:3])}")
    return from_arrays(shown, stimulus_id=ids[image], repetition=repeat, neuroid_id=names, neuroid=columns, attrs=attrs)


def session_of_images(path: Path, names: Sequence[str]) -> str:
    """The prefix of ids of the images in a session's archive, "SESSION/"; "" for other archives."""
    session = path.stem.removeprefix("images_")
    whole = [f"image{i + 1:04d}" for i in range(_SESSIONS.get(session, (0, 0))[1])]
    return f"{session}/" if whole and list(names) == whole else ""


def _open(path: Path) -> Array:
    try:
        responses = np.load(path, allow_pickle=False, mmap_mode="r")
    except Exception as error:  # anything that a damaged file may cause in a parser
        raise RSAError(f"{path} cannot be read: {reason(error)}") from error
    if not isinstance(responses, np.ndarray) or responses.ndim not in (2, 3) or responses.dtype.kind not in "fiu":
        raise RSAError(f"{path}: expected numbers of shape (neuroids, images[, repeats])")
    if 0 in responses.shape:
        raise RSAError(f"{path}: shape {responses.shape} (neuroids, images[, repeats]) holds nothing")
    return np.array(responses)
