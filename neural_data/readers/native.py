"""Recordings of any source written to one file: netCDF4, so that xarray and every netCDF tool read it too."""

from pathlib import Path
from typing import TYPE_CHECKING

from ...rsa import RSAError
from ...rsa.storage import replacing
from ..recording import check_recording

if TYPE_CHECKING:
    import xarray


def save_recording(recording: "xarray.DataArray", path: str | Path) -> None:
    """Write a recording; `load` reads it back as it was, values, coordinates and attributes.

    Raises RSAError as `check_recording` does, for columns that are neither text nor numbers, and where the file cannot
    be written.
    """
    check_recording(recording)
    for name, column in recording.coords.items():
        if column.dtype.kind not in "biufU":
            raise RSAError(f"coordinate {name} holds {column.dtype}; texts and numbers can be saved")
        if column.ndim == 0 or not str(name).isidentifier():
            raise RSAError(
                f"coordinate {name} cannot be saved: one word along one dim is needed (attrs hold single values)"
            )
    whole = recording.drop_encoding().to_dataset(name="responses")
    unmarked = {str(name): {"_FillValue": None} for name, column in whole.variables.items() if column.dtype.kind == "f"}
    with replacing(path) as temporary:
        whole.to_netcdf(temporary, engine="h5netcdf", encoding=unmarked)
