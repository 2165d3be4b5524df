"""Loading by name or from a file: where files are, and which reader their content needs."""

import os
import zipfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ...rsa import RDM, RSAError
from ...rsa.errors import as_names, near
from ...rsa.io.arrays import ARRAYS, ArrayFile
from ...rsa.io.kinds import TABLES, content_of, is_matlab, what_is
from ...rsa.networks.stimuli import as_stimuli
from ..recordings.selection import columns_named, select
from ..settings import GUESSED, Layout, check_axes
from .datasets import DATASETS, DataFile, Dataset

if TYPE_CHECKING:
    import xarray

    from ...rsa.networks.stimuli import Images


def list_datasets() -> tuple[Dataset, ...]:
    """Return all data sets that have a name, with source, licence, citation and files."""
    return DATASETS


def load(
    name_or_path: str | Path,
    *,
    data_dir: str | Path | None = None,
    part: str = "",
    where: str | Iterable[str] = (),
    responses: str = "",
    stimulus_ids: str = "",
    neuroid_ids: str = "",
    repetition: str = "",
    region: str = "",
    dims: str | Iterable[str] = (),
    window: tuple[float, float] | None = None,
) -> "xarray.DataArray":
    """Load a recording by its name in the catalogue, or from a file of any known format.

    Parameters
    ----------
    name_or_path : str or Path
        Formats are recognised by content. Tables (CSV, Parquet, Excel) have one row per stimulus or trial and a column
        per neuroid, or one row per value; files of plain arrays are .npy, .npz, MATLAB or HDF5.
    data_dir : str or Path, optional
        Folder of data files; by default `$TGSAGE_DATA`, then a cache folder.
    part : str
        Part of a file that holds several: a group of a netCDF file; the sheet of a workbook; `"trials"` (the default),
        `"averaged"` or `"binned"` of the HDF5 file of HvM; `"test"` (the default) or `"train"` of TVSD;
        `"nsd"` (the default), `"best"` or `"localizer"` of a processed session of Triple-N.
    where : str or iterable of str
        Conditions on columns, see `select`.
    responses, stimulus_ids, neuroid_ids, repetition, region, dims, window
        What the columns of a table or the variables of a file of arrays are, see `Layout`. What is not given is guessed
        from the names, where these leave no doubt; `attrs["read_as"]` says what was taken for what.

    Returns
    -------
    xarray.DataArray
        See `check_recording`. Beyond 1 GiB it stays on disk and is read in blocks. If the file holds its images as
        well, `attrs["images"]` is the path of the file, which `images` takes.

    Raises
    ------
    RSAError
        For a name or file that does not exist, a file that is not a recording, and as the readers do.
    """
    axes = check_axes(dims)
    layout = Layout(responses, stimulus_ids, neuroid_ids, repetition, region, axes, part, window)
    return load_as(name_or_path, data_dir, layout, where)


def load_as(
    name_or_path: str | Path,
    data_dir: str | Path | None = None,
    layout: Layout = GUESSED,
    where: str | Iterable[str] = (),
    by: str | None = None,
    stimuli: "str | Path | Images | None" = None,
) -> "xarray.DataArray":
    """What `load` returns, with the column that RDMs are by where a table of the images has it."""
    where = as_names(where, "where")
    recording = _load(name_or_path, data_dir, layout)
    recording = with_columns_of_images(recording, where, by, data_dir, stimuli)
    return select(recording, where) if where else recording


def with_columns_of_images(
    recording: "xarray.DataArray",
    where: str | Iterable[str],
    by: str | None,
    data_dir: str | Path | None,
    stimuli: "str | Path | Images | None" = None,
) -> "xarray.DataArray":
    """The recording with the columns of its images' table that conditions and `by` name, where it lacks them.

    stimuli: its images, by default those that it names; without them it stays as it is.
    """
    names = columns_named(where) | ({by} if by not in (None, "stimulus") else set())
    if not names:
        return recording
    known = recording.attrs.get("identifier", "") in {dataset.name for dataset in DATASETS}
    source = str(recording.attrs.get("images", recording.attrs.get("identifier", "") if known else ""))
    lacking = names.difference(map(str, recording.coords))
    if not lacking or not (source or stimuli is not None):
        return recording
    from .images import images, match_images

    shown, columns = source if stimuli is None else stimuli, {}
    with suppress(RSAError):  # then the columns of the recording are all that there are
        opened = images(shown, data_dir=data_dir) if isinstance(shown, str | Path) else as_stimuli(shown)
        table = match_images(recording, opened).table
        place = {name: i for i, name in enumerate(table["stimulus_id"].tolist())}
        order = [place[name] for name in recording["stimulus_id"].values.tolist()]
        columns = {name: ("presentation", table[name][order]) for name in lacking.intersection(table)}
    return recording.assign_coords(columns)


def _load(name_or_path: str | Path, data_dir: str | Path | None, layout: Layout) -> "xarray.DataArray":
    dataset, part = find(name_or_path), layout.part
    if dataset is None:
        return _read(Path(name_or_path), layout)
    if layout.given:
        raise RSAError(f"{layout.given[0]} is for tables and files of plain arrays, and {dataset.name} is neither")
    if dataset.kind == "simulation":
        from ..simulation.recording import load_simulated

        if part:
            raise RSAError(f"{dataset.name} has no parts, so not {part!r} either")
        return load_simulated(dataset.name)
    if dataset.kind == "behavior":
        raise RSAError(
            f"{dataset.name} is behaviour, without responses of neurons; --behavior and load_behavior take it"
        )
    if dataset.kind == "rdms" or dataset.file is None:
        raise RSAError(f"{dataset.name} is published as RDMs, without responses; load_rdms or load_teacher reads it")
    recording = _read(locate(dataset.file, dataset, data_dir), Layout(part=part or dataset.part))
    recording.attrs.pop("images", None)  # the name says which they are
    stated: dict[str, str | float] = {"identifier": dataset.name}
    if dataset.window is not None and "time_bin" in recording.dims:
        stated |= {"window_start": dataset.window[0], "window_end": dataset.window[1]}
    if dataset.degrees is not None:
        stated["degrees"] = dataset.degrees
    if dataset.usual_filter:
        stated["usual_filter"] = dataset.usual_filter
    return recording.assign_attrs(stated)


def load_rdms(name_or_path: str | Path, *, data_dir: str | Path | None = None) -> dict[str, RDM]:
    """Load the RDMs of a source that publishes RDMs only.

    Parameters
    ----------
    name_or_path : str or Path
        `"kriegeskorte2008"` (macaque "mIT" and human "hIT"), `"kriegeskorte2008/subjects"` ("hIT S1" to "hIT S4"),
        `"kriegeskorte2008/models"` (eight models), or one of these files.
    data_dir : str or Path, optional
        See `load`.

    Returns
    -------
    dict of str to RDM
        By target.

    Raises
    ------
    RSAError
        As `load`.
    """
    from ..recordings.readers.kriegeskorte import read_kriegeskorte, read_kriegeskorte_images

    dataset = find(name_or_path)
    if dataset is None:
        path = Path(name_or_path)
        if content_of(path) != "mat":
            raise RSAError(f"{path} is no MATLAB file of RDMs; load() reads recordings")
        return read_kriegeskorte(path)
    if dataset.kind != "rdms" or dataset.file is None or dataset.images is None:
        raise RSAError(f"{dataset.name} is a recording; region_rdms(load('{dataset.name}')) makes its RDMs")
    path = locate(dataset.file, dataset, data_dir)
    supplement = data_folder(data_dir) / dataset.images.path
    table = read_kriegeskorte_images(supplement).table if supplement.is_file() else {}
    return read_kriegeskorte(path, {name: column for name, column in table.items() if name != "stimulus_id"})


def data_folder(data_dir: str | Path | None = None) -> Path:
    """The argument, else the environment variable TGSAGE_DATA, else the user's cache folder."""
    if data_dir is not None:
        return Path(data_dir)
    if os.environ.get("TGSAGE_DATA"):
        return Path(os.environ["TGSAGE_DATA"])
    import pooch

    return Path(pooch.os_cache("tgsage"))


def locate(file: DataFile, dataset: Dataset, data_dir: str | Path | None = None) -> Path:
    """Where the file lies. Raises RSAError saying how to get it when it is not there."""
    path = data_folder(data_dir) / file.path
    for place in (file.path, *file.older):
        if (data_folder(data_dir) / place).is_file():
            return data_folder(data_dir) / place
    how = f"`tgsage data fetch {dataset.name}` downloads it" if file.url else obtain(dataset)
    raise RSAError(f"{dataset.name}: {path} is missing; {how}, and TGSAGE_DATA names the folder that has it")


def obtain(dataset: Dataset) -> str:
    """How to get files without a link."""
    return dataset.obtain or f"it comes from {dataset.source}"


def find(name_or_path: str | Path) -> Dataset | None:
    """The data set of this name, None for an existing path. Raises RSAError for what is neither."""
    if not isinstance(name_or_path, str | Path):
        raise RSAError(f"a data set is a name or a path, got {type(name_or_path).__name__}")
    for dataset in DATASETS:
        if dataset.name == str(name_or_path):
            return dataset
    with suppress(OSError):  # a name too long for a path
        if str(name_or_path) and Path(name_or_path).exists():
            return None
    names = [dataset.name for dataset in DATASETS]
    asked = str(name_or_path)
    raise RSAError(f"{asked or repr(asked)} is neither a file nor a data set of the catalogue{near(asked, names)}")


def _read(path: Path, layout: Layout) -> "xarray.DataArray":
    kind, part = content_of(path), layout.part
    if kind in TABLES:
        from ..recordings.readers.table import read_table

        return read_table(path, kind, layout)
    if kind == "mat" and holds_rdms(path):
        raise RSAError(f"{path} may hold RDMs, but no responses; load_rdms or load_teacher reads it")
    if kind in ("hdf5", "folder") and not layout.given:
        from ..recordings.readers.tvsd import is_tvsd, read_tvsd

        if is_tvsd(path):
            return read_tvsd(path, part)
    if kind == "hdf5" and not layout.given:
        from ..recordings.readers.triple_n_trials import is_session, read_session

        if is_session(path):
            return read_session(path, part)
    if kind == "hdf5" and not layout.responses:
        from ..recordings.readers.nwb import is_nwb, read_nwb

        if is_nwb(path):
            return read_nwb(path, layout)
    if kind == "mat" and not layout.given and {"response_basic", "response_best", "pos"} <= set(ArrayFile(path, "mat")):
        from ..recordings.readers.triple_n import read_processed

        return read_processed(path, part)
    unnamed = kind == "mat" or (kind == "npz" and not _is_zhang_desimone(path)) or is_matlab(path)
    if layout.given or unnamed:
        if kind not in ARRAYS:
            raise RSAError(f"{layout.given[0]} is for tables and files of arrays, and {path} is neither")
        if part:
            raise RSAError(f"{path} is read by its variables, so there is no part {part!r}")
        from ..recordings.readers.variables import read_variables

        return read_variables(path, kind, layout)
    if kind == "hdf5":
        from ..recordings.readers.hvm_hdf5 import is_hvm, read_hvm

        if is_hvm(path):
            return read_hvm(path, part or "trials")
        from ..recordings.readers.npc_v4 import is_npc_v4, read_npc_v4

        if is_npc_v4(path):
            return read_npc_v4(path, part)
        from ..recordings.readers.brainscore import read_brainscore

        return read_brainscore(path, part)
    if part and kind in ("npy", "npz"):
        raise RSAError(f"{path} holds one recording without parts, so no {part!r}")
    if kind == "npy":
        from ..recordings.readers.cowley import read_cowley

        return read_cowley(path)
    if kind == "npz":
        from ..recordings.readers.zhang_desimone import read_zhang_desimone

        return read_zhang_desimone(path)
    if kind == "netcdf3":
        raise RSAError(
            f"{path} is netCDF3; xarray.open_dataset({str(path)!r}).to_netcdf(..., engine='h5netcdf') makes netCDF4"
        )
    raise RSAError(f"{path} is no recording: it is {what_is(path)}")


def _is_zhang_desimone(path: Path) -> bool:
    with zipfile.ZipFile(path) as archive:  # `content_of` has read it
        return len({"site.npy", "position.npy", "bins.npy"}.intersection(archive.namelist())) > 1


def holds_rdms(path: Path) -> bool:
    """Whether a MATLAB 5 file is one of the published RDMs, or so damaged that their reader has to say how."""
    from ..recordings.readers.kriegeskorte import VARIABLES

    try:
        return bool(VARIABLES.intersection(ArrayFile(path, "mat")))
    except RSAError:
        return True
