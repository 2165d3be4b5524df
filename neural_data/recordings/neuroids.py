"""Neuroids of a region, reliable neuroids, and their scaling."""

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ...rsa import RSAError
from ...rsa.errors import check_is, check_known, listing, near
from ...rsa.labels import MISSING, named_rows, row_numbers
from ...rsa.types import Array
from ..settings import SCALES
from .recording import encode
from .selection import state_selected

if TYPE_CHECKING:
    import xarray

_LEVELS = ("subregion", "region", "paper")
_MOST_NUMBERS = 20  # different numbers of a column that are groups as they are
_ORDER = ("V1", "V2", "V4", "pIT", "cIT", "aIT", "IT")  # along the ventral stream


def region_neuroids(recording: "xarray.DataArray", level: str = "subregion") -> dict[str, npt.NDArray[np.int64]]:
    """Find the neuroids of each region, or of other groups of neuroids.

    Parameters
    ----------
    recording : xarray.DataArray
    level : str
        `"subregion"`: those of V4, pIT, cIT, aIT that exist (regions, where there is no such column). `"region"`: V4,
        IT. `"paper"`: V4, pIT, aIT as in Bashivan et al. 2019, with central IT as part of anterior IT (as in Hong et
        al. 2016, who recorded these sites). Otherwise any column of neuroids, such as `"animal"` or `"arr"`. A column
        of numbers is divided by `"depth:5"` into 5 groups of about the same number of neuroids, and by
        `"depth:0,500,1000"` at these edges (from each edge to just below the next, with the last edge included;
        neuroids beyond them are in no group). `+` combines columns: `"region+depth:5"`.

    Returns
    -------
    dict of str to array of int
        Name -> indices of its neuroids; regions in the order of the ventral stream, numbers in ascending order.

    Raises
    ------
    RSAError
        For a column that does not exist, neuroids without a value in it, numbers that no groups are made of, and edges
        that do not rise or have no neuroid between them.

    Examples
    --------
    >>> from tgsage.neural_data import from_arrays, region_neuroids
    >>> depth = {"depth": [100.0, 900.0, 300.0, 650.0]}
    >>> recording = from_arrays([[3, 0, 1, 2], [1, 4, 0, 2]], stimulus_id=["a", "b"], neuroid=depth)
    >>> region_neuroids(recording, "depth:0,500,1000")
    {'depth 0-500': array([0, 2]), 'depth 500-1000': array([1, 3])}
    """
    check_is(str, level=level)
    whole = level in _LEVELS or level in recording.coords
    groups = [_groups(recording, part.strip()) for part in ([level] if whole else level.split("+"))]
    found = groups[0]
    for other in groups[1:]:
        pairs = ((f"{a} {b}", np.intersect1d(one, two)) for a, one in found.items() for b, two in other.items())
        found = {name: sites for name, sites in pairs if len(sites)}
    if not found:
        raise RSAError(f"no neuroid is in any group of {level}")
    return found


def _groups(recording: "xarray.DataArray", level: str) -> dict[str, npt.NDArray[np.int64]]:
    """The neuroids by one column, or by what one is divided into."""
    column, colon, how = (level, "", "") if level in recording.coords else level.partition(":")
    column = "subregion" if column == "paper" else column
    if level == "subregion" and "subregion" not in recording.coords:
        column = "region"
    known = [str(name) for name, c in recording.coords.items() if c.dims in ((), ("neuroid",))]
    if column not in known:
        add = (
            "; --region NAME (region=) names it where a table, NWB or arrays are read,"
            f" recording.assign_coords({column}=('neuroid', [...])) in Python, and --level takes another column"
        )
        raise RSAError(f"the neuroids have no column {column}{add if 'region' in column else near(column, known)}")
    values = np.broadcast_to(recording[column].values, recording.sizes["neuroid"])
    names = values.astype(str)
    if level == "paper":
        names = np.where(names == "cIT", "aIT", names)
    unnamed = recording["neuroid_id"].values[np.isin(names, MISSING)]
    if len(unnamed):
        raise RSAError(f"{len(unnamed)} neuroids have no {column}: {listing(unnamed)}")
    if colon:
        return _divided(values, column, how)
    found = list(dict.fromkeys(names.tolist()))
    if values.dtype.kind == "f" and len(found) > _MOST_NUMBERS:
        raise RSAError(f"column {column} holds {len(found)} different numbers; {column}:5 makes 5 groups of them")
    if values.dtype.kind in "iuf":
        found.sort(key=float)
    found.sort(key=lambda name: _ORDER.index(name) if name in _ORDER else len(_ORDER))
    return {name: np.flatnonzero(names == name) for name in found}


def _divided(values: Array, column: str, how: str) -> dict[str, npt.NDArray[np.int64]]:
    """Groups of neuroids by a number: so many of equal size, or between edges."""
    if values.dtype.kind not in "iuf":
        raise RSAError(f"column {column} holds texts such as {listing(values[:2])}, which cannot be divided by :{how}")
    try:
        given = [float(part) for part in how.split(",")]
    except ValueError as error:
        raise RSAError(f"{column}:{how}: a number of groups or rising edges are needed, such as depth:5") from error
    numbers = values.astype(np.float64)
    if len(given) == 1:
        if not (given[0].is_integer() and 2 <= given[0] <= len(numbers)):
            raise RSAError(f"{column}:{how}: 2 to {len(numbers)} groups can be made of {len(numbers)} neuroids")
        edges = np.unique(np.quantile(numbers, np.linspace(0, 1, int(given[0]) + 1)))
    else:
        edges = np.array(given)
    if len(edges) < 2 or not (np.diff(edges) > 0).all():
        raise RSAError(f"{column}:{how}: edges rise, and the column holds more than one number")
    place = np.searchsorted(edges, numbers, side="right") - 1
    place[numbers == edges[-1]] = len(edges) - 2
    spans = [f"{column} {low:.4g}-{high:.4g}" for low, high in pairwise(edges.tolist())]
    found = {span: np.flatnonzero(place == k) for k, span in enumerate(spans) if (place == k).any()}
    if not found:
        low, high = numbers.min(), numbers.max()
        raise RSAError(f"{column}:{how}: no neuroid lies there; {column} goes from {low:g} to {high:g}")
    return found


def reliable_neuroids(
    recording: "xarray.DataArray", reliability: "xarray.DataArray | npt.ArrayLike", *, at_least: float = 0.5
) -> "xarray.DataArray":
    """Select the neuroids of sufficient reliability; an undefined reliability (NaN) is not sufficient.

    Parameters
    ----------
    recording : xarray.DataArray
    reliability : array-like
        One number per neuroid, in the order of the neuroids, or matched by name if it is a Series or DataArray.
    at_least : float

    Returns
    -------
    xarray.DataArray
        `attrs["selected"]` states the selection.

    Raises
    ------
    RSAError
        When numbers and neuroids do not match or no neuroid is left.
    """
    ids = recording["neuroid_id"].values.tolist()
    r, names = named_rows(reliability, "reliability")
    r = np.asarray(r, np.float64)
    if names is not None and not row_numbers(names):
        place = {name: i for i, name in enumerate(names)}
        lacking = [name for name in ids if name not in place]
        if lacking:
            raise RSAError(f"{len(lacking)} neuroids have no reliability: {listing(lacking)}")
        r = r[[place[name] for name in ids]]
    if r.shape != (len(ids),):
        raise RSAError(f"{len(ids)} neuroids but reliability has shape {r.shape}")
    keep = np.flatnonzero(r >= at_least)
    if not len(keep):
        raise RSAError(
            f"no neuroid reaches reliability {at_least:g}; the highest is {np.nanmax(r, initial=-np.inf):.3g}"
        )
    selected = f"{len(keep)} of {len(r)} neuroids, reliability >= {at_least:g}"
    return state_selected(recording.isel(neuroid=keep), selected)


def repeated_stimuli(recording: "xarray.DataArray", *, at_least: int = 2) -> "xarray.DataArray":
    """Select the presentations of stimuli that were shown several times.

    Parameters
    ----------
    recording : xarray.DataArray
    at_least : int
        Smallest number of presentations.

    Returns
    -------
    xarray.DataArray
        `attrs["selected"]` states the selection.

    Raises
    ------
    RSAError
        When no stimulus was shown that often.
    """
    _, codes = encode(recording["stimulus_id"].values)
    shown = np.bincount(codes)
    keep = np.flatnonzero(shown[codes] >= at_least)
    if not len(keep):
        raise RSAError(f"no stimulus was shown {at_least} times or more; the most are {shown.max()}")
    selected = f"{(shown >= at_least).sum()} of {len(shown)} stimuli, shown {at_least} times or more"
    return state_selected(recording.isel(presentation=keep), selected)


def scale_neuroids(responses: Array, scale: str) -> Array:
    """Scale each neuroid over stimuli, ignoring NaN.

    Parameters
    ----------
    responses : array
        Shape (n_stimuli, n_neuroids).
    scale : str
        `"none"`; `"zscore"`, mean 0 and standard deviation 1; or `"max"`, largest magnitude 1.

    Returns
    -------
    array
        Columns that cannot be scaled, since they do not vary (zscore) or are all zero (max), are NaN.

    Raises
    ------
    RSAError
        For an unknown scale.

    Examples
    --------
    >>> import numpy as np
    >>> from tgsage.neural_data import scale_neuroids
    >>> scale_neuroids(np.array([[1.0, 5.0], [3.0, 5.0]]), "zscore")
    array([[-1., nan],
           [ 1., nan]])
    """
    check_known("unknown scale", scale, SCALES)
    if scale == "none":
        return responses
    responses = named_rows(responses, "responses")[0]  # missing values, not what lies under a mask
    x = responses.astype(np.float64)
    low, high = np.fmin.reduce(x, axis=0), np.fmax.reduce(x, axis=0)
    if scale == "zscore":
        n = np.maximum((~np.isnan(x)).sum(axis=0), 1)
        x -= np.nansum(x, axis=0) / n
        size, dead = np.sqrt(np.nansum(x**2, axis=0) / n), ~(low < high)
    else:
        size = np.fmax(np.abs(low), np.abs(high))
        dead = ~(size > 0)
    return np.where(dead, np.nan, x / np.where(dead, 1, size)).astype(responses.dtype)
