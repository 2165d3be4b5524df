"""Zhang et al. 2011: macaque IT, 132 sites, 7 objects at 3 positions, single trials in overlapping time bins."""

import re
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ....rsa import RSAError
from ....rsa.errors import listing, reason
from ....rsa.types import Array
from ..recording import encode, from_arrays, number_repetitions, trials_shown

if TYPE_CHECKING:
    import xarray

_MAX_BYTES = 2**30
_OBJECTS = {"car", "couch", "face", "flower", "guitar", "hand", "kiwi"}
_POSITIONS = {"lower", "middle", "upper"}
_ATTRS: dict[str, str | int | float] = {
    "identifier": "zhangdesimone",
    "source": "Zhang et al. 2011, macaque IT, objects in isolation",
    "unit": "spikes per ms",
    "window_start": 100.0,
    "window_end": 300.0,
}


def read_zhang_desimone(path: Path) -> "xarray.DataArray":
    """A recording from `rate` (trials, bins), `site`, `stimulus`, `position` and `bins` (names) of an npz file.

    Sites were recorded one after the other, so trials of different sites were not simultaneous: presentation r of a
    stimulus combines the r-th trial of every site, NaN where a site has fewer. A stimulus is an object at a position
    ("car/upper"), with columns `object_name` and `position`. With other objects than those of the paper, the recording
    names neither region nor source.

    Raises RSAError naming the file for arrays that are missing, disagree in length, are too large or of another kind.
    """
    arrays = _load(path)
    rate, site, objects, positions = (arrays[name] for name in ("rate", "site", "stimulus", "position"))
    matching = all(column.shape == rate.shape[:1] for column in (site, objects, positions))
    if rate.ndim != 2 or rate.dtype.kind != "f" or not matching:
        raise RSAError(
            f"{path}: rate must be (trials, bins) with one site, stimulus and position per trial, got {rate.shape}"
        )
    if not len(rate):
        raise RSAError(f"{path} holds no trials")
    edges = [re.fullmatch(r"time\.(-?\d+)_(-?\d+)", str(name)) for name in arrays["bins"]]
    if None in edges or len(edges) != rate.shape[1]:
        raise RSAError(f"{path}: bins must be {rate.shape[1]} names such as time.-500_-350")
    names = np.char.add(np.char.add(objects, "/"), positions)
    stimuli, stimulus = encode(names)
    sites, neuroid = encode(site.astype(str))
    repeat = number_repetitions(stimulus * len(sites) + neuroid)
    n = int(repeat.max()) + 1
    responses = np.full((len(stimuli) * n, len(sites), rate.shape[1]), np.nan, rate.dtype)
    responses[stimulus * n + repeat, neuroid] = rate
    shown, image, trial = trials_shown(responses, len(stimuli))
    split = np.array([name.rsplit("/", 1) for name in stimuli.tolist()])
    theirs = set(objects.tolist()) <= _OBJECTS and set(positions.tolist()) <= _POSITIONS
    return from_arrays(
        shown,
        stimulus_id=stimuli[image],
        repetition=trial,
        region="IT" if theirs else None,
        neuroid_id=np.char.add("site", sites),
        presentation={"object_name": split[image, 0], "position": split[image, 1]},
        time_bins=[(float(edge[1]), float(edge[2])) for edge in edges if edge is not None],
        attrs=_ATTRS if theirs else {},
    )


def _load(path: Path) -> dict[str, Array]:
    numbers, texts = ("rate", "site"), ("stimulus", "position", "bins")
    try:
        with zipfile.ZipFile(path) as archive:
            claimed = sum(member.file_size for member in archive.infolist())
        if claimed > _MAX_BYTES:
            raise RSAError(f"{path} claims {claimed} bytes, too many for these recordings")
        with np.load(path, allow_pickle=False) as file:
            lacking = [name for name in (*numbers, *texts) if name not in file]
            if lacking:
                raise RSAError(f"{path} has no {listing(lacking)}; it holds {listing(file, 12)}")
            return {name: file[name].astype(str) if name in texts else file[name] for name in (*numbers, *texts)}
    except RSAError:
        raise
    except Exception as error:  # anything that a damaged file may cause in a parser
        raise RSAError(f"{path} cannot be read: {reason(error)}") from error
