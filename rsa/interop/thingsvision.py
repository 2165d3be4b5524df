"""Folders of features written by thingsvision."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from ..errors import RSAError, listing, reason
from ..io.hdf5 import opened, read_or_map
from ..io.mapped import held
from ..similarity.features import Features
from ..types import Array

_NAMES = "file_names.txt"
_KINDS = (".npy", ".hdf5", ".h5")
_PART = re.compile(r"features\D*(?:_(\d+)(?:-\d+)?)?")  # features, features_03, features_0-500
_LARGEST_LIST = 256 * 2**20


def read_thingsvision(folder: str | Path, *, labels: Iterable[object] | None = None) -> dict[str, Features]:
    """Read the features that thingsvision's `save_features` or `extract_features(output_dir=...)` wrote.

    Parameters
    ----------
    folder : str or Path
        Folder with features.npy, features.hdf5 or features.h5, which holds one layer, or with one such folder per
        layer. A layer may come in parts: features_01.npy, features_0-500.npy, or several data sets in one HDF5 file.
    labels : iterable, optional
        Names of the images. Default: the lines of file_names.txt, in the folder or the one above it, without suffix,
        and with their path where names repeat.

    Returns
    -------
    dict of str to Features
        Features by the name of the layer's folder; feature maps are flattened.

    Raises
    ------
    RSAError
        If there are no features, if they do not fit the names, for .pt, .mat and .txt files (save features as npy or
        hdf5), and for npy files of Python objects, which are pickles.
    """
    root = Path(folder)
    if not root.is_dir():
        raise RSAError(f"{root} is not a folder")
    inside = sorted(path for path in root.iterdir() if path.is_dir())
    layers = [root] if _parts(root) else [path for path in inside if _parts(path)]
    if not layers:
        other = sorted(path.name for path in root.glob("features*"))
        raise RSAError(f"{root} holds no features.npy or features.hdf5" + (f" but {listing(other)}" if other else ""))
    given = None if labels is None else tuple(labels)
    found = {}
    for layer in layers:
        parts = [_read(path) for path in _parts(layer)]
        if len({part.shape[1] for part in parts}) > 1:
            raise RSAError(f"{layer}: its parts have different numbers of features")
        values = _joined(parts)
        names = _file_names(layer, root) if given is None else given
        if len(names) != len(values):
            raise RSAError(f"{layer}: {len(values)} rows of features but {len(names)} names")
        try:
            found[layer.name] = Features(values, names, name=layer.name, attrs={"n_features": values.shape[1]})
        except RSAError as error:
            raise RSAError(f"{layer}: {error}") from error
    return found


def _parts(folder: Path) -> list[Path]:
    """The files of one layer in the order of their rows."""
    matches = [(_PART.fullmatch(path.stem), path) for path in folder.iterdir() if path.suffix in _KINDS]
    numbered = sorted((int(match[1] or 0), path) for match, path in matches if match)
    if len({path.suffix for _, path in numbered}) > 1 or len({number for number, _ in numbered}) < len(numbered):
        raise RSAError(f"{folder} holds features in several forms: {listing(path.name for _, path in numbered)}")
    return [path for _, path in numbered]


def _read(path: Path) -> Array:
    if path.suffix == ".npy":
        try:
            values: Array = np.lib.format.open_memmap(path, mode="r")  # no pickles; checks the claimed size
        except (OSError, ValueError, EOFError) as error:
            raise RSAError(f"{path} cannot be read: {reason(error)}") from error
        return _flat(path, values)
    with opened(path) as file:
        numbered = sorted((int(match[1] or 0), name) for name in file if (match := _PART.fullmatch(name)))
        if not numbered:
            raise RSAError(f"{path} holds no features; there are: {listing(file, 12) or '-'}")
        return _joined([_flat(path, read_or_map(file, name)) for _, name in numbered])


def _flat(path: Path, values: Array) -> Array:
    if values.ndim < 2 or values.dtype.kind not in "biuf":
        raise RSAError(f"{path} holds {values.dtype} of shape {values.shape}, not one row of features per image")
    return held(values.reshape(len(values), -1))


def _joined(parts: Sequence[Array]) -> Array:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _file_names(layer: Path, root: Path) -> tuple[str, ...]:
    """The names of the images without suffix, with their path where they would repeat."""
    path = next((folder / _NAMES for folder in (layer, layer.parent) if (folder / _NAMES).is_file()), None)
    if path is None:
        raise RSAError(f"{root} has no {_NAMES}, so its features have no names; labels= gives them")
    if path.stat().st_size > _LARGEST_LIST:
        raise RSAError(f"{path} is too large for a list of names")
    try:
        lines = path.read_text("utf-8").split("\n")  # names may hold other line separators
    except (OSError, ValueError) as error:
        raise RSAError(f"{path} cannot be read: {reason(error)}") from error
    files = [PurePosixPath(line.strip().replace("\\", "/")) for line in lines if line.strip()]
    stems = tuple(file.stem for file in files)
    return stems if len(set(stems)) == len(stems) else tuple(str(file.with_suffix("")) for file in files)
