"""The CF conventions of netCDF: missing values, packed numbers, truth values and times, as xarray decodes them."""

import re
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray

from ....rsa import RSAError
from ....rsa.errors import listing, reason
from ....rsa.io.hdf5 import attribute, read_column

if TYPE_CHECKING:
    import h5py

_MASKS, _FACTORS = ("_FillValue", "missing_value"), ("scale_factor", "add_offset")
_MOST = 16  # kinds of missing values: each is looked for in all the data
_MILLISECONDS = {
    name: factor
    for factor, names in {
        1e-6: "nanoseconds ns",
        1e-3: "microseconds us",
        1.0: "milliseconds millisecond msec ms",
        1e3: "seconds second sec s",
    }.items()
    for name in names.split()
}
_NO_DATE = re.compile(r"\bsince\b(?!\s*[-+]?\d)")  # "ms since stimulus onset" is no calendar time
_TEXTS = ("_Unsigned", "units", "calendar", "dtype")
DECODED = (*_MASKS, *_FACTORS, "_Unsigned", "dtype")  # say how values are stored, not what they are


def conventions(data: "h5py.Dataset") -> dict[str, Any]:
    """The attributes that say how to decode a variable. Raises RSAError for those that cannot belong to its values."""
    found: dict[str, Any] = {name: value for name in _TEXTS if isinstance(value := attribute(data, name), str)}
    text = data.dtype.kind not in "biuf"
    for name in (*_MASKS, *_FACTORS):
        if name not in data.attrs:
            continue
        values = np.asarray(data.attrs[name])
        if text and name in _MASKS:
            found[name] = attribute(data, name)
            continue
        if text or values.dtype.kind not in "iuf" or not 0 < values.size <= (_MOST if name == "missing_value" else 1):
            raise RSAError(f"{data.name} holds {data.dtype}, its attribute {name} is {_shown(data.attrs[name])}")
        if name in _FACTORS:
            if not np.isfinite(values).all() or (name == "scale_factor" and not values.all()):
                raise RSAError(f"attribute {name} of {data.name} is {_shown(values)}; one number is needed")
            if values.dtype not in (np.float32, np.float64):
                values = values.astype(np.float64)  # xarray would decode missing values to integers
        found[name] = values if values.size > 1 else values.ravel()[0]
    if found.get("dtype") == "bool" and any(name in found for name in (*_MASKS, *_FACTORS)):
        raise RSAError(f"{data.name} holds truth values with {listing(sorted(found.keys() - set(_TEXTS)))}")
    return found


def decoded(name: str, variable: xarray.Variable) -> xarray.Variable:
    """The variable with its attributes of the conventions applied, lazily where it is lazy.

    Raises RSAError where xarray cannot apply them.
    """
    from xarray.conventions import decode_cf_variable

    if _NO_DATE.search(str(variable.attrs.get("units", ""))):
        variable = variable.copy(deep=False)
        variable.attrs = {key: value for key, value in variable.attrs.items() if key not in ("units", "calendar")}
    spans = str(variable.attrs.get("dtype", "")).startswith("timedelta64")  # not every number of seconds is a time
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of several fill values, and of marks that have no effect
            out = decode_cf_variable(name, variable, concat_characters=False, decode_timedelta=spans)
            out[(slice(0, 1),) * out.ndim].values  # noqa: B018  what cannot be applied shows at the first value
    except Exception as error:  # anything that damaged attributes may cause
        raise RSAError(f"{name} cannot be decoded: {reason(error)}") from error
    out.attrs, out.encoding = {}, {}
    return out


def read_decoded(at: "h5py.Group", name: str, dims: tuple[str, ...]) -> xarray.Variable:
    """A column or single value, decoded; integers of which none is missing stay integers, edges of bins become ms."""
    raw, marks = read_column(at, name), conventions(at[name])
    factor = 1.0
    if name in ("time_bin_start", "time_bin_end"):
        unit = str(marks.pop("units", "ms")).partition(" since ")[0]
        marks.pop("dtype", None)
        if unit.lower() not in _MILLISECONDS:
            raise RSAError(f"{name} is in {unit!r}; {listing(_MILLISECONDS, 20)} are known")
        factor = _MILLISECONDS[unit.lower()]
    out = decoded(name, xarray.Variable(dims, raw, marks)).load()
    if raw.dtype.kind in "iu" and out.dtype.kind == "f" and not {*_FACTORS, "_Unsigned"} & set(marks):
        out = out if out.isnull().any() else xarray.Variable(dims, raw)
    return out if factor == 1 else (out * factor).round(6)


def _shown(value: Any) -> str:
    return " ".join(str(value).split())[:40]
