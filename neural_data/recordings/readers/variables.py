"""Recordings in files of plain arrays (.npy, .npz, MATLAB, HDF5), whose variables the user names."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ....rsa import RSAError
from ....rsa.errors import listing, naming
from ....rsa.io.arrays import ArrayFile
from ....rsa.io.tables import named_like, read_names, the_one
from ....rsa.labels import check_names
from ....rsa.types import Array
from ...settings import Layout
from ..recording import from_arrays

if TYPE_CHECKING:
    import xarray


def read_variables(path: Path, kind: str, layout: Layout) -> "xarray.DataArray":
    """The recording in the variables that the layout names, or whose names leave no doubt.

    Without dims, the axis of presentations is the one that has as many entries as there are names of stimuli. Raises
    RSAError naming the file and what it holds, for variables that do not exist or do not fit each other.
    """
    file = ArrayFile(path, kind)
    with naming(path):
        return _read(file, layout)


def _read(file: ArrayFile, layout: Layout) -> "xarray.DataArray":
    name = layout.responses or (next(iter(file)) if len(file) == 1 else _guess(file, "responses", 2))
    if not name:
        raise RSAError(f"which variable holds the responses? --responses names it; there are: {file.holds()}")
    responses = file[name]
    if responses.dtype.kind not in "biuf" or responses.ndim < 2:
        raise RSAError(f"{name} is {responses.dtype} of shape {responses.shape}, not responses")
    said = [f"responses from {name}"]
    ids, from_where = _names(file, layout.stimulus_ids or _guess(file, "stimulus_ids", 1), "stimulus_ids")
    if ids is None and layout.stimulus_ids != "order":
        raise RSAError(
            "what was shown has no names: --stimulus-ids takes a variable, a file with a name per line, or order, which"
            f" numbers the stimuli; there are: {file.holds()}"
        )
    said.append(f"stimuli from {from_where}")
    sites, from_where = _names(file, layout.neuroid_ids or _guess(file, "neuroid_ids", 1), "neuroid_ids")
    dims = layout.dims or _axes(responses, ids, sites)
    if layout.stimulus_ids == "order":
        axis = next((i for i, dim in enumerate(dims) if dim in ("stimulus", "presentation")), 0)
        ids, said[-1] = [str(i) for i in range(responses.shape[axis])], "stimuli numbered in their order, from 0"
    said += [f"neuroids from {from_where}"] if sites else []
    said.append(f"axes {', '.join(dims)}")
    columns: dict[str, Any] = {}
    region = layout.region or _guess(file, "region", 1)
    if region in file:
        columns["region"], region = _column(file, region), ""
        said.append(f"regions from {layout.region or 'the file'}")
    elif region:
        said.append(f"region {region} for all neuroids, as given")
    repetition = layout.repetition or (_guess(file, "repetition", 1) if "repetition" not in dims else "")
    bins = _time_bins(file) if "time_bin" in dims else None
    return from_arrays(
        responses,
        dims=dims,
        stimulus_id=ids,
        neuroid_id=sites,
        repetition=_column(file, repetition) if repetition else None,
        region=region or None,
        neuroid=columns,
        time_bins=bins,
        attrs={"read_as": "; ".join(said)},
    )


def _guess(file: ArrayFile, role: str, least: int) -> str:
    """The variable whose name is usual for the role; numbers of the least number of axes or, for names, columns."""
    fitting = {}
    for name, (shape, _) in file.shapes.items():
        long = [size for size in shape if size != 1]
        if (len(long) >= 2) if least == 2 else (len(long) <= 1 and shape):
            fitting[name.rsplit("/", 1)[-1]] = name
    if role == "stimulus_ids" and not named_like(role, fitting):
        role = "files" if named_like("files", fitting) else "labels"
    found = the_one(role, fitting)
    return fitting[found] if found else ""


def _names(file: ArrayFile, source: str, what: str) -> tuple[list[str] | None, str]:
    """The names that a variable or another file holds, and where they are from."""
    if not source or (source == "order" and what == "stimulus_ids" and source not in file):
        return None, source
    if source not in file and Path(source).is_file():
        return read_names(Path(source)), source
    return check_names(_column(file, source), source), source


def _column(file: ArrayFile, name: str) -> Array:
    values = file[name]
    if sum(size != 1 for size in values.shape) > 1:
        raise RSAError(f"{name} has shape {values.shape}, and one entry per row is needed")
    return whole(values.ravel())


def whole(values: Array) -> Array:
    """Integers where all values are whole numbers, which MATLAB and others store as float64."""
    if values.dtype.kind == "f" and (values == np.round(values)).all() and (np.abs(values) < 2**53).all():
        return values.astype(np.int64)
    return values


def _axes(responses: Array, ids: list[str] | None, sites: list[str] | None) -> tuple[str, ...]:
    """Dims of responses with two axes, by the numbers of names. Raises RSAError where these leave a doubt."""
    fits = responses.ndim == 2 and ids is not None
    first = fits and len(ids or ()) == responses.shape[0] and (sites is None or len(sites) == responses.shape[1])
    second = fits and len(ids or ()) == responses.shape[1] and (sites is None or len(sites) == responses.shape[0])
    if first and not second:
        return ("presentation", "neuroid")
    if second and not first:
        return ("neuroid", "presentation")
    counted = f"{len(ids)} names of stimuli" if ids is not None else "no names of stimuli"
    raise RSAError(
        f"which axis is which? responses have shape {responses.shape}, and there are {counted}; --dims names the axes,"
        " such as stimulus,repetition,neuroid"
    )


def _time_bins(file: ArrayFile) -> list[tuple[float, float]]:
    last = {name.rsplit("/", 1)[-1]: name for name in file}
    if "time_bin_start" not in last or "time_bin_end" not in last:
        raise RSAError(f"time bins need variables time_bin_start and time_bin_end (ms); there are: {listing(file, 12)}")
    low, high = (file[last[name]].ravel().astype(np.float64).tolist() for name in ("time_bin_start", "time_bin_end"))
    return list(zip(low, high, strict=True)) if len(low) == len(high) else []
