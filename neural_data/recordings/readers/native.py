"""Recordings of any source saved as netCDF4, which xarray and other tools read too."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ....rsa import RSAError
from ....rsa.errors import reason
from ....rsa.io.storage import replacing, steady
from ..recording import check_recording
from .brainscore import INTERNAL, OWN_NAME, TRUTHS, read_brainscore

if TYPE_CHECKING:
    import xarray

_DATA = "responses"


def save_recording(recording: "xarray.DataArray", path: str | Path) -> None:
    """Write a recording to a netCDF4 file, which `load` reads back unchanged.

    Values, name, coordinates and attributes are kept, but not the attributes of coordinates.

    Parameters
    ----------
    recording : xarray.DataArray
    path : str or Path

    Raises
    ------
    RSAError
        As `check_recording`, for names and values that netCDF cannot represent (objects, names that it uses itself),
        and when the file cannot be written.
    """
    import h5netcdf
    from xarray.backends import H5NetCDFStore

    check_recording(recording)
    for name, column in recording.coords.items():
        if column.dtype.kind not in "biufUmM":
            raise RSAError(f"coordinate {name} holds {column.dtype}; texts, numbers and times can be saved")
        if not isinstance(name, str) or not name.isidentifier() or name == _DATA:
            raise RSAError(f"coordinate {name} cannot be saved: its name must be one word, and not {_DATA}")
    if not isinstance(recording.name, str | None):
        raise RSAError(f"the name of the recording is {recording.name!r}; text or None can be saved")
    attrs = {key: value.item() if isinstance(value, np.generic) else value for key, value in recording.attrs.items()}
    for key in attrs:
        if not isinstance(key, str) or not key.isidentifier() or key.startswith("_") or key in INTERNAL:
            raise RSAError(f"attribute {key!r} cannot be saved: one word is needed that netCDF does not use itself")
    stored: dict[str, Any] = {key: int(value) if isinstance(value, bool) else value for key, value in attrs.items()}
    stored[TRUTHS] = " ".join(key for key, value in attrs.items() if isinstance(value, bool))
    if recording.name is not None:
        stored[OWN_NAME] = recording.name
    whole = recording.drop_encoding().drop_attrs().assign_attrs(stored).to_dataset(name=_DATA)
    unmarked = {str(name): {"_FillValue": None} for name, column in whole.variables.items() if column.dtype.kind == "f"}
    with replacing(path) as temporary:
        try:
            with steady(temporary) as raw, h5netcdf.File(raw, "w") as file:
                whole.dump_to_store(H5NetCDFStore(file), encoding=unmarked)
            lost = _lost(recording, attrs, read_brainscore(temporary))
        except (ValueError, TypeError, OverflowError) as error:
            words = reason(error).replace(str(temporary), "the file")
            raise RSAError(f"{path}: this recording cannot be saved: {words}") from error
        if lost:
            raise RSAError(f"{path}: {lost} cannot be saved, since it would come back changed")


def _lost(recording: "xarray.DataArray", attrs: dict[str, Any], back: "xarray.DataArray") -> str:
    """What of the recording the file does not preserve, "" for nothing."""
    if back.name != recording.name:
        return f"the name {recording.name!r}"
    if back.dtype != recording.dtype.newbyteorder("="):
        return f"an array of {recording.dtype}"
    for name, column in recording.coords.items():
        kind, own = column.dtype.kind, column.dtype.newbyteorder("=")
        same = name in back.coords and (back[name].dtype == own or (kind == back[name].dtype.kind and kind in "UmM"))
        if not (same and np.array_equal(back[name].values, column.values, equal_nan=kind in "fmM")):
            return f"coordinate {name}"
    for key, value in attrs.items():
        again = back.attrs.get(key)
        if type(again) is not type(value) or (again != value and value == value):
            return f"attribute {key}"
    return ""
