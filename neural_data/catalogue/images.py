"""The images that were shown in a recording."""

import csv
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from ...rsa import RSAError, Stimuli
from ...rsa.errors import listing, reason
from ...rsa.io.kinds import content_of
from ...rsa.labels import both_sides, check_labels, composed, respelled
from ...rsa.types import Array
from .image_files import ArrayImages, FolderImages, ImageFiles, JoinedImages, ZipImages

if TYPE_CHECKING:
    import xarray

_IDS = ("stimulus_id", "image_id")
_FILE_COLUMNS = ("filename", "image_file_name", "image_path_within_store", "stimulus_path_within_store")
_WHOLE = re.compile(r"0|-?[1-9]\d*", re.ASCII)
_NUMBER = re.compile(r"-?(?:(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]\d+)?|inf)|nan", re.ASCII)  # as Python writes numbers
_MAX_TABLE = 256 * 2**20


def images(name_or_path: str | Path, *, data_dir: str | Path | None = None) -> Stimuli:
    """Open the images of a data set of the catalogue, a zip archive, a folder, or an HDF5 file with `images`.

    Parameters
    ----------
    name_or_path : str or Path
    data_dir : str or Path, optional
        See `load`.

    Returns
    -------
    Stimuli
        Images are decoded on request, as 8-bit RGB: turned upright (EXIF), transparent parts on grey (128), 16-bit
        values scaled. Column `degrees` is their size in degrees of visual angle, if known.

    Raises
    ------
    RSAError
        For a name or file that does not exist, and for images that the table lists and the archive lacks.

    Notes
    -----
    Ids are those of the recording. For an archive or folder, they are the file names without suffix, sorted
    ("SESSION/imageNNNN" for `images_SESSION` of Cowley et al.), or those listed in a `.csv` file of the same name
    beside it, whose columns are kept. Hidden files and folders are left out.
    """
    from .lookup import find, locate

    dataset = find(name_or_path)
    if dataset is None:
        return open_images(Path(name_or_path))
    if dataset.kind == "simulation":
        from ..simulation.recording import simulated_images

        return simulated_images(dataset.name)
    file = dataset.images
    if file is None:
        where = f": {dataset.images_at}" if dataset.images_at else ""
        raise RSAError(f"the images of {dataset.name} are not published with it{where}")
    path = locate(file, dataset, data_dir)
    if dataset.kind == "rdms":
        from ..recordings.readers.kriegeskorte import read_kriegeskorte_images

        return read_kriegeskorte_images(path)
    if dataset.table is not None:
        locate(dataset.table, dataset, data_dir)
    found = open_images(path)
    columns = {key: column for key, column in found.table.items() if key != "stimulus_id"}
    if dataset.degrees is not None:
        columns["degrees"] = np.full(len(found), dataset.degrees)
    return Stimuli(found.images, {"stimulus_id": found.table["stimulus_id"], **columns}, reference=dataset.name)


def open_images(path: Path) -> Stimuli:
    """The images of a zip archive, a folder or an HDF5 file, told apart by content, with ids as `images` says."""
    from ..recordings.readers.cowley import session_of_images

    kind = content_of(path)
    if kind == "hdf5":
        from ..recordings.readers.hvm_hdf5 import is_hvm, read_hvm_table
        from ..recordings.readers.npc_v4 import image_parts, is_npc_v4

        if is_npc_v4(path):
            parts = image_parts(path)
            joined = JoinedImages([ArrayImages(path, name) for name in parts])
            return Stimuli(joined, {"stimulus_id": np.concatenate(list(parts.values()))}, reference=path.name)
        return Stimuli(ArrayImages(path), read_hvm_table(path) if is_hvm(path) else None, reference=path.name)
    if kind not in ("zip", "folder"):
        raise RSAError(f"{path} is no zip archive, folder or HDF5 file of images")
    files: ImageFiles = ZipImages(path) if kind == "zip" else FolderImages(path)
    if not len(files):
        raise RSAError(f"{path} holds no images")
    table = path.with_name(f"{path.stem if path.suffix.lower() == '.zip' else path.name}.csv")
    if table.is_file():
        return _with_table(files, table)
    stems = [PurePosixPath(name).stem for name in files.names]
    if len(set(stems)) < len(stems):
        stems = [str(PurePosixPath(name).with_suffix("")) for name in files.names]
    ids = np.char.add(session_of_images(path, stems), stems)
    return Stimuli(files, {"stimulus_id": ids}, reference=path.name)


def match_images(recording: "xarray.DataArray", stimuli: Stimuli) -> Stimuli:
    """Select the images of a recording's stimuli, in order of first appearance and under the recording's names.

    Parameters
    ----------
    recording : xarray.DataArray
    stimuli : Stimuli

    Raises
    ------
    RSAError
        For stimuli without an image.

    Notes
    -----
    Names that differ in spelling only (composed or decomposed Unicode, the suffix of a file) are matched, with a
    warning, if they are unambiguous.
    """
    wanted = list(dict.fromkeys(recording["stimulus_id"].values.tolist()))
    place = {name: i for i, name in enumerate(stimuli.table["stimulus_id"].tolist())}
    place |= {same: place[name] for name, same in respelled(wanted, place, "stimuli").items()}
    missing = [name for name in wanted if name not in place]
    if len(missing) == len(wanted):
        raise RSAError(
            f"no stimulus has an image: {both_sides('the recording', wanted, 'the set of images', list(place))}"
        )
    if missing:
        raise RSAError(f"{len(missing)} of {len(wanted)} stimuli have no image: {listing(missing)}")
    found = stimuli.take([place[name] for name in wanted])
    return Stimuli(found.images, {**found.table, "stimulus_id": np.array(wanted)}, reference=found.reference)


def _with_table(files: ImageFiles, path: Path) -> Stimuli:
    """The images that a Brain-Score stimulus table lists, in its order, with its columns."""
    columns = read_table(path)
    ids = columns.pop("stimulus_id")
    named = next((columns[name] for name in _FILE_COLUMNS if name in columns), None)
    whole = {composed(name): i for i, name in enumerate(files.names)}
    short: dict[str, list[int]] = {}
    for name, i in whole.items():
        for key in {PurePosixPath(name).name, PurePosixPath(name).stem}:
            short.setdefault(key, []).append(i)
    keys = (ids if named is None else named).tolist()
    found_at = [[whole[key]] if key in whole else short.get(PurePosixPath(key).name, []) for key in map(composed, keys)]
    twice = [key for key, found in zip(keys, found_at, strict=True) if len(found) > 1]
    if twice:
        raise RSAError(f"{files.path}: {path.name} lists names that several files have: {listing(twice)}")
    places = [found[0] if found else None for found in found_at]
    missing = [key for key, found in zip(keys, places, strict=True) if found is None]
    if missing:
        which = listing(missing)
        if len(missing) == len(keys):
            which = both_sides("the table", keys, "the set of images", files.names)
        raise RSAError(f"{files.path} lacks {len(missing)} of {len(keys)} images that {path.name} lists: {which}")
    order = [found for found in places if found is not None]
    return Stimuli(files.take(order), {"stimulus_id": ids, **columns}, reference=files.path.name)


def read_table(path: Path) -> dict[str, Array]:
    """Columns of a comma-separated table with `stimulus_id` (or, as older ones, `image_id`); numbers where all are.

    Raises RSAError naming the file when it is too large, no table, or has no ids, and for columns of one name.
    """
    if path.stat().st_size > _MAX_TABLE:
        raise RSAError(f"{path} is too large for a table of stimuli")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            header, *rows = csv.reader(file)
    except (OSError, ValueError, csv.Error) as error:
        raise RSAError(f"{path} cannot be read as a table: {reason(error)}") from error
    uneven = [i + 2 for i, row in enumerate(rows) if len(row) != len(header)]
    if uneven:
        raise RSAError(f"{path}: {len(uneven)} rows differ from the first in number of columns: rows {listing(uneven)}")
    twice = {name: None for i, name in enumerate(header) if name and name in header[:i]}
    if twice:
        raise RSAError(f"{path}: {len(twice)} columns have the name of another one: {listing(twice)}")
    table = {name: _typed(name, [row[i] for row in rows]) for i, name in enumerate(header) if name}
    ids = next((name for name in _IDS if name in table), None)
    if ids is None or not rows:
        raise RSAError(f"{path} has no column stimulus_id; there are: {listing(header, 12)}")
    try:
        check_labels(table[ids])
    except RSAError as error:
        raise RSAError(f"{path}, column {ids}: {error}") from error
    return {"stimulus_id": table.pop(ids), **table}


def _typed(name: str, texts: Sequence[str]) -> Array:
    """Numbers where every text is written as a number and no two texts are the same one: "07" and "1e3" are names."""
    column = np.array(texts)
    distinct = set() if name in (*_IDS, *_FILE_COLUMNS) else set(texts)
    kind = np.int64 if all(map(_WHOLE.fullmatch, distinct)) else np.float64
    if not distinct or not (kind == np.int64 or all(map(_NUMBER.fullmatch, distinct))):
        return column
    try:
        numbers = column.astype(kind)
    except OverflowError:  # a long id
        return column
    return numbers if len(np.unique(numbers)) == len(distinct) else column
