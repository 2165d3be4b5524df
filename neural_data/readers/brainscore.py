"""Recordings in the netCDF4 layout of BrainIO and Brain-Score, which is also that of our own files."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...rsa import RSAError
from ...rsa.errors import listing, reason
from ...rsa.hdf5 import attribute, member, opened, plain_dataset, read_column
from ...rsa.rdm import Array
from ..recording import DIMS, check_recording, number_repetitions
from .on_disk import lazy_array

if TYPE_CHECKING:
    import h5py
    import xarray

INTERNAL = ("coordinates", "DIMENSION_LIST", "CLASS", "NAME", "REFERENCE_LIST", "dtype")  # attributes of netCDF's own
OWN_NAME, TRUTHS = "_name", "_truths"  # of `save_recording`: the array's name, and the attributes that are truth values
_UNNAMED = ("data", "responses", "__xarray_dataarray_variable__")


def read_brainscore(path: Path, group: str = "") -> "xarray.DataArray":
    """The assembly in a netCDF4 file, or in one of its groups, as a recording.

    The layout stores each level of a MultiIndex as a variable along its dim, and flat they stay. `image_id` of older
    files becomes `stimulus_id`; absent `repetition`s are counted; dims take the order (presentation, neuroid,
    time_bin), bytes the order of this machine. A data variable of more than 1 GiB stays on disk. BrainIO's tables of
    events (one dim, no presentations) are returned flat, as they are.

    Raises RSAError naming the file for what is no such file, for links out of it, for variables that claim more than
    the file can hold, and as `check_recording` does.
    """
    import xarray

    with opened(path) as file:
        if str(kind := attribute(file, "format")).startswith("tgsage-"):
            raise RSAError(f"it is a {kind} file, not a recording")
        at = _group(file, group)
        dims = {name: found for name in at if (found := _dims(at, name))}
        name = _data_variable(at, dims)
        if "scale_factor" in at[name].attrs or "add_offset" in at[name].attrs:
            raise RSAError(f"{name} is packed (scale_factor), which no recording here is")
        columns = {
            key: (dim, read_column(at, key))
            for key, (dim, *more) in dims.items()
            if not more and dim in dims[name] and key != name
        }
        attrs = _attributes(at) | _attributes(at[name])
        full_name, own_name = at[name].name, attribute(at[name], OWN_NAME)
    _name_columns(columns)
    order = tuple(dim for dim in DIMS if dim in dims[name]) + tuple(dim for dim in dims[name] if dim not in DIMS)
    coords = {key: xarray.Variable((dim,), values) for key, (dim, values) in columns.items()}
    try:
        recording = lazy_array(path, full_name, dims[name], order).assign_coords(coords).rename(own_name)
    except RSAError:
        raise
    except ValueError as error:
        raise RSAError(f"{path} cannot be read: {reason(error)}") from error
    recording = recording.assign_attrs(({} if name in _UNNAMED else {"identifier": name}) | attrs)
    if not {"presentation", "neuroid"} & set(order):
        return recording
    try:
        return check_recording(recording)
    except RSAError as error:
        raise RSAError(f"{path}: {error}") from error


def _group(file: "h5py.File", group: str) -> "h5py.Group":
    import h5py

    if group and group.split("/")[0] not in file:
        raise RSAError(f"it has no group {group}; there are: {listing(file, 12)}")
    at = member(file, group)
    if not isinstance(at, h5py.Group):
        raise RSAError(f"{group} is no group")
    return at


def _dims(at: "h5py.Group", name: str) -> tuple[str, ...]:
    """Dims of a variable; () for groups, types and the dims themselves, which netCDF stores as data sets too."""
    import h5py

    item = member(at, name)
    if not isinstance(item, h5py.Dataset) or item.attrs.get("CLASS") == b"DIMENSION_SCALE":
        return ()
    data = plain_dataset(at, name)
    scales = data.attrs.get("DIMENSION_LIST", ())  # by hand, since libhdf5's own way does not survive damage
    if len(scales) != data.ndim or not all(len(of_dim) for of_dim in scales):
        raise RSAError(f"variable {name} has dims without a name, so this is no netCDF file of an assembly")
    return tuple(str(at[of_dim[0]].name).rsplit("/", 1)[-1] for of_dim in scales)


def _data_variable(at: "h5py.Group", dims: dict[str, tuple[str, ...]]) -> str:
    found = [name for name, own in dims.items() if len(own) > 1]
    found = found or [name for name in dims if "coordinates" in at[name].attrs]
    if len(found) != 1:
        which = listing(found) or listing(at, 12)
        raise RSAError(f"one variable of responses is needed, there are {len(found)}: {which}")
    listed = at[found[0]].attrs.get("coordinates", "")
    listed = listed.decode() if isinstance(listed, bytes) else listed
    if not isinstance(listed, str):
        raise RSAError(f"attribute coordinates of {found[0]} is no text")
    lacking = [name for name in listed.split() if name not in dims]
    if lacking:
        raise RSAError(f"{found[0]} lists coordinates that the file lacks: {listing(lacking)}")
    return found[0]


def _name_columns(columns: dict[str, tuple[str, Array]]) -> None:
    if "stimulus_id" not in columns and "image_id" in columns:
        columns["stimulus_id"] = columns.pop("image_id")
    for name in ("stimulus_id", "neuroid_id"):
        if name in columns:
            columns[name] = (columns[name][0], columns[name][1].astype(str))
    if "repetition" in columns:
        dim, values = columns["repetition"]
        if values.dtype.kind == "f" and (np.abs(values) < 2**53).all() and (values == np.round(values)).all():
            columns["repetition"] = (dim, values.astype(np.int64))
    elif columns.get("stimulus_id", ("",))[0] == "presentation":
        columns["repetition"] = ("presentation", number_repetitions(columns["stimulus_id"][1]))


def _attributes(item: "h5py.Group | h5py.Dataset") -> dict[str, str | int | float]:
    """Texts and numbers among the attributes; the rest is netCDF's own."""
    known = {name: attribute(item, name) for name in item.attrs if name not in INTERNAL and not name.startswith("_")}
    truths = str(attribute(item, TRUTHS) or "").split()
    return {name: bool(v) if name in truths else v for name, v in known.items() if v is not None}
