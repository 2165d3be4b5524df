"""Recordings in the netCDF4 layout of BrainIO and Brain-Score, which `save_recording` writes too."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ....rsa import RSAError
from ....rsa.errors import listing, reason
from ....rsa.io.hdf5 import attribute, member, opened, plain_dataset
from ....rsa.labels import check_names, plain_column
from ....rsa.types import Array
from ..recording import DIMS, check_recording, number_repetitions
from .conventions import DECODED, conventions, read_decoded
from .on_disk import lazy_array

if TYPE_CHECKING:
    import h5py
    import xarray

INTERNAL = ("coordinates", "DIMENSION_LIST", "CLASS", "NAME", "REFERENCE_LIST", *DECODED)  # attributes of netCDF's own
OWN_NAME, TRUTHS = "_name", "_truths"  # of `save_recording`: the array's name, and the attributes that are truth values
_NO_VARIABLE = "This is a netCDF dimension but not a netCDF variable"
_UNNAMED = ("data", "responses", "__xarray_dataarray_variable__")


def read_brainscore(path: Path, group: str = "") -> "xarray.DataArray":
    """The assembly in a netCDF4 file, or in one of its groups, as a recording.

    The layout stores each level of a MultiIndex as a variable along its dim; these stay flat. `image_id` of older
    files becomes `stimulus_id`, and `repetition` is counted where it is absent. Dims are ordered (presentation,
    neuroid, time_bin), and bytes as on this machine. Missing values, packed numbers and times are decoded by the CF
    conventions (`_FillValue`, `missing_value`, `scale_factor`, `add_offset`, `_Unsigned`, `units`), as in xarray;
    edges of time bins are converted to ms. A data variable beyond 1 GiB stays on disk and is decoded as it is read.
    `subject` of neuroids becomes `animal`; ids of neuroids that repeat between animals are prefixed by these, which
    `attrs["neuroid_ids"]` says. BrainIO's tables of events (one dim, no presentations) are returned as
    they are.

    Raises RSAError naming the file for other files, links out of the file, variables that claim more than the file can
    hold, attributes that do not fit the values, and as `check_recording`.
    """
    with opened(path) as file:
        if str(kind := attribute(file, "format")).startswith("tgsage-"):
            raise RSAError(f"it is a {kind} file, not a recording")
        at = _group(file, group)
        dims = {name: found for name in at if (found := _dims(at, name)) is not None}
        name, listed = _data_variable(at, dims)
        columns = {
            key: read_decoded(at, key, own)
            for key, own in dims.items()
            if key != name and len(own) < 2 and set(own) <= set(dims[name]) and (own or key in listed)
        }
        marks, attrs = conventions(at[name]), _attributes(at) | _attributes(at[name])
        full_name, own_name = at[name].name, attribute(at[name], OWN_NAME)
        _name_columns(columns)
        attrs |= _distinct_neuroids(columns)
    order = tuple(dim for dim in DIMS if dim in dims[name]) + tuple(dim for dim in dims[name] if dim not in DIMS)
    try:
        recording = lazy_array(path, full_name, dims[name], order, marks).assign_coords(columns).rename(own_name)
        recording = recording.assign_attrs(({} if name in _UNNAMED else {"identifier": name}) | attrs)
        return check_recording(recording) if {"presentation", "neuroid"} & set(order) else recording
    except ValueError as error:  # RSAError is one
        named = isinstance(error, RSAError) and str(path) in str(error)
        raise error if named else RSAError(f"{path}: {reason(error)}") from error


def read_presentations(path: Path, group: str = "") -> tuple[str, dict[str, Array]]:
    """The columns along the presentations of a netCDF4 file, such as of behaviour, and which one is the variable.

    Raises RSAError naming the file for other files, and as `read_brainscore` for links and sizes.
    """
    with opened(path) as file:
        at = _group(file, group)
        dims = {name: found for name in at if (found := _dims(at, name)) is not None}
        listing_ = [name for name in dims if "coordinates" in at[name].attrs and len(dims[name]) == 1]
        along = dims[listing_[0]][0] if len(listing_) == 1 else "presentation"
        columns = {
            name: plain_column(read_decoded(at, name, own).values) for name, own in dims.items() if own == (along,)
        }
        if not columns:
            raise RSAError(f"it has no columns along a dim of presentations; it holds {listing(at, 12)}")
        return (listing_[0] if len(listing_) == 1 else ""), columns


def _group(file: "h5py.File", group: str) -> "h5py.Group":
    import h5py

    if group and group.split("/")[0] not in file:
        raise RSAError(f"it has no group {group}; there are: {listing(file, 12)}")
    at = member(file, group)
    if not isinstance(at, h5py.Group):
        raise RSAError(f"{group} is no group")
    return at


def _dims(at: "h5py.Group", name: str) -> tuple[str, ...] | None:
    """Dims of a variable; None for groups, types, and dims without a variable (data sets too, in netCDF)."""
    import h5py

    item = member(at, name)
    if not isinstance(item, h5py.Dataset):
        return None
    if attribute(item, "CLASS") == "DIMENSION_SCALE":
        return None if str(attribute(item, "NAME")).startswith(_NO_VARIABLE) or item.ndim != 1 else (name,)
    data = plain_dataset(at, name)
    scales = data.attrs.get("DIMENSION_LIST", ())  # by hand, since libhdf5's own way does not survive damage
    if len(scales) != data.ndim or not all(len(of_dim) for of_dim in scales):
        raise RSAError(
            f"variable {name} has dims without a name, so this is no netCDF file of an assembly; --responses,"
            " --stimulus-ids and --dims name its arrays (or h5py reads them, and from_arrays names them)"
        )
    dims = tuple(str(at[of_dim[0]].name).rsplit("/", 1)[-1] for of_dim in scales)
    return dims[:-1] if data.dtype == "S1" and len(dims) > 1 else dims  # rows of characters, which are texts


def _data_variable(at: "h5py.Group", dims: dict[str, tuple[str, ...]]) -> tuple[str, list[str]]:
    """The variable of responses, and the coordinates that it lists."""
    coordinates = {name: attribute(at[name], "coordinates") for name in dims if "coordinates" in at[name].attrs}
    found = [name for name, own in dims.items() if len(own) > 1] or list(coordinates)
    if len(found) != 1:
        which = listing(found) or listing(at, 12)
        raise RSAError(f"one variable of responses is needed, there are {len(found)}: {which}")
    listed = coordinates.get(found[0], "")
    if not isinstance(listed, str):
        raise RSAError(f"attribute coordinates of {found[0]} is no text")
    lacking = [name for name in listed.split() if name not in dims]
    if lacking:
        raise RSAError(f"{found[0]} lists coordinates that the file lacks: {listing(lacking)}")
    return found[0], listed.split()


def _name_columns(columns: "dict[str, xarray.Variable]") -> None:
    """Give the columns the names and types of a recording."""
    for name, older in (("stimulus_id", ("image_id", "presentation")), ("neuroid_id", ("neuroid",))):
        present = [other for other in older if other in columns]
        if name not in columns and present:
            columns[name] = columns.pop(present[0])
    for dim in DIMS:
        columns.pop(dim, None)  # numbers or names beside the ids
    for name, column in columns.items():
        if name in ("stimulus_id", "neuroid_id") and column.dtype.kind != "U":
            columns[name] = column.copy(data=np.array(check_names(column.values, name)))
        elif column.dtype.kind == "O":
            columns[name] = column.copy(data=plain_column(column.values))
    if "repetition" in columns:
        repetition = columns["repetition"]
        values = repetition.values
        if values.dtype.kind == "f" and (np.abs(values) < 2**53).all() and (values == np.round(values)).all():
            columns["repetition"] = repetition.copy(data=values.astype(np.int64))
    elif "stimulus_id" in columns and columns["stimulus_id"].dims == ("presentation",):
        numbers = number_repetitions(columns["stimulus_id"].values)
        columns["repetition"] = columns["stimulus_id"].copy(data=numbers)


def _distinct_neuroids(columns: "dict[str, xarray.Variable]") -> dict[str, str]:
    """Prefix ids of neuroids that repeat between animals by these, and say so."""
    if "subject" in columns and "animal" not in columns and columns["subject"].dims == ("neuroid",):
        columns["animal"] = columns.pop("subject")
    ids, animals = columns.get("neuroid_id"), columns.get("animal")
    if ids is None or animals is None or not ids.dims == animals.dims == ("neuroid",):
        return {}
    longer = np.char.add(np.char.add(animals.values.astype(str), "_"), ids.values)
    if len(np.unique(ids.values)) == len(longer) or len(np.unique(longer)) < len(longer):
        return {}  # the check of a recording refuses what repeats within an animal
    columns["neuroid_id"] = ids.copy(data=longer)
    return {"neuroid_ids": "repeat between animals in the file and are prefixed by these"}


def _attributes(item: "h5py.Group | h5py.Dataset") -> dict[str, str | int | float]:
    """Texts and numbers among the attributes; the rest is netCDF's own."""
    known = {name: attribute(item, name) for name in item.attrs if name not in INTERNAL and not name.startswith("_")}
    truths = str(attribute(item, TRUTHS) or "").split()
    return {name: bool(v) if name in truths else v for name, v in known.items() if v is not None}
