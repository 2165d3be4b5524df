"""Tables of responses: wide, one column per neuroid, or long, one row per trial, neuroid and value.

What each column is follows from its name unless the user says so; `attrs["read_as"]` states what was taken for what.
"""

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ....rsa import RSAError
from ....rsa.errors import listing, naming, near
from ....rsa.io.arrays import LARGEST
from ....rsa.io.tables import UNNAMED, named_like, read_frame, the_one, word
from ....rsa.labels import check_names, plain_column
from ....rsa.types import Array
from ...settings import NAMED, Layout
from ..recording import encode, from_arrays, number_repetitions

if TYPE_CHECKING:
    import pandas
    import xarray

_NUMBERED = re.compile(r"(.*?)[\s_.-]*\d+")
_REGION = re.compile(r"(V1|V2|V3|V4|MT|TEO|TE|[PpCcAa]?IT)[^A-Za-z0-9].*")
_TIMES = ("time_bin_start", "time_bin_end")
# Numbers that tables of trials and images hold beside the responses
_BESIDE = "variation rxy rxz ryz tz ty s size contrast degrees luminance session block day run order index x y trials"


def read_table(path: Path, kind: str, layout: Layout) -> "xarray.DataArray":
    """The recording in a table (csv, parquet or excel). Raises RSAError naming the file and the options to set."""
    with naming(path):
        frame = read_frame(path, kind, layout.part, lambda names: _holding_names(names, layout))
        if not len(frame):
            raise RSAError("the table has no rows")
        roles = _roles(list(frame.columns), layout)
        long = bool(roles["neuroid_ids"] and roles["responses"])
        if layout.responses and not long:
            raise RSAError("the column of the neuroids is not known; --neuroid-ids names it")
        return _long(frame, roles, layout) if long else _wide(frame, roles, layout)


def _holding_names(names: list[str], layout: Layout) -> list[str]:
    roles = ("stimulus_ids", "files", "neuroid_ids", "region", "animal")
    usual = [name for role in roles for name in named_like(role, names)]
    given = (layout.stimulus_ids, layout.neuroid_ids, layout.region)
    return [name for name in names if name in usual or name in given]


def _roles(names: list[str], layout: Layout) -> dict[str, str]:
    """Role -> column, "" where there is none."""
    found = {}
    for role in ("responses", *NAMED):
        given = getattr(layout, role)
        if given and given not in names and role not in ("region", "neuroid_ids"):
            raise RSAError(f"there is no column {given!r}{near(given, names)}")
        found[role] = given if given in names else ""
        if not given:
            found[role] = the_one(role, names)
    if layout.dims:
        raise RSAError("--dims is for arrays; a table has one row per trial or stimulus, or one per value")
    if not found["stimulus_ids"]:
        found["stimulus_ids"] = the_one("files", names)
    found["trial"] = found["repetition"] or the_one("trial", names)
    return found


def _long(frame: "pandas.DataFrame", roles: dict[str, str], layout: Layout) -> "xarray.DataArray":
    stimulus = _stimuli(frame, roles)
    values = _numbers(frame, roles["responses"])
    columns = [name for name in frame.columns if name not in roles.values() and name not in _TIMES]
    site_names, site, prefixes = _sites(frame, roles, columns)
    stimulus_code = encode(stimulus)[1]
    binned = set(_TIMES) <= set(frame.columns)
    bins, bin_code = np.empty((0, 2)), np.zeros(len(frame), np.int64)
    if binned:
        edges = np.stack([_numbers(frame, name) for name in _TIMES], axis=1)
        bins, bin_code = np.unique(edges, axis=0, return_inverse=True)
        bin_code = bin_code.ravel()
    if roles["trial"]:
        trials = encode(plain_column(frame[roles["trial"]]).astype(str))[1]
        how = f"trials told apart by {roles['trial']}"
    else:
        trials = number_repetitions((stimulus_code * len(site_names) + site) * max(len(bins), 1) + bin_code)
        how = "repetitions counted" if not trials.any() else "repetitions counted in each neuroid"
    presentation = encode(stimulus_code * (int(trials.max()) + 1) + trials)[1]
    n = int(presentation.max()) + 1
    if n * len(site_names) * max(len(bins), 1) * 8 > LARGEST:
        raise RSAError(f"{n} presentations of {len(site_names)} neuroids take more than 4 GiB")
    where = (presentation * len(site_names) + site) * max(len(bins), 1) + bin_code
    counts = np.bincount(where, minlength=1)
    if counts.max() > 1:
        row = int(np.flatnonzero(counts[where] > 1)[0])
        told = f"--repetition names the column that numbers them, other than {roles['trial']}"
        raise RSAError(
            f"{counts.max()} values of neuroid {site_names[site[row]]} in one trial of {stimulus[row]}; {told}"
        )
    responses = np.full((n, len(site_names), max(len(bins), 1)), np.nan)
    responses.ravel()[where] = values
    first_row, first_site = _first(presentation), _first(site)
    of_presentations: dict[str, Any] = {}
    of_sites: dict[str, Any] = {}
    left: list[str] = []
    for name in dict.fromkeys([*columns, roles["trial"], *prefixes]):
        if not name or name in (roles["region"], roles["repetition"]):
            continue
        column = plain_column(frame[name])
        own = "animal" if named_like("animal", [name]) else word(name)
        along = [(of_presentations, presentation, first_row), (of_sites, site, first_site)]
        for target, codes, first in along[::-1] if own == "animal" else along:
            if np.array_equal(column[first][codes], column, equal_nan=column.dtype.kind == "f"):
                target[own] = column[first]
                break
        else:
            left.append(name)
    region, said = _region(frame, roles, layout, first_site)
    repetition = _whole(frame, roles["repetition"])[first_row] if roles["repetition"] else None
    neuroids = " and ".join([*prefixes, roles["neuroid_ids"]])
    read_as = [f"one row per value: {roles['responses']} is the response, {roles['stimulus_ids']} the stimulus"]
    read_as += [f"{neuroids} the neuroid", how, said]
    read_as += [_also("presentations", of_presentations), _also("neuroids", of_sites)]
    read_as += [f"left out, as they vary within both presentations and neuroids: {listing(left, 12)}"] if left else []
    return from_arrays(
        responses if binned else responses[:, :, 0],
        stimulus_id=stimulus[first_row],
        neuroid_id=site_names,
        region=region,
        repetition=repetition,
        time_bins=[(float(low), float(high)) for low, high in bins] if binned else None,
        presentation=of_presentations,
        neuroid=of_sites,
        attrs={"read_as": "; ".join(filter(None, read_as))},
    )


def _sites(
    frame: "pandas.DataFrame", roles: dict[str, str], columns: list[str]
) -> tuple[Array, npt.NDArray[np.int64], list[str]]:
    """Names of the neuroids, which neuroid each row is of, and the columns that tell equal names apart."""
    names = np.array(check_names(frame[roles["neuroid_ids"]], roles["neuroid_ids"]))
    prefixes = []
    for role in ("animal", "region"):
        column = roles["region"] if role == "region" else next(iter(named_like(role, columns)), "")
        if not column:
            continue
        texts = np.array(check_names(frame[column], column))
        codes = encode(names)[1]
        if not np.array_equal(texts[_first(codes)][codes], texts):
            names = np.char.add(np.char.add(texts, "/"), names)
            prefixes.append(column)
    return *encode(names), prefixes


def _wide(frame: "pandas.DataFrame", roles: dict[str, str], layout: Layout) -> "xarray.DataArray":
    names = list(frame.columns)
    if roles["neuroid_ids"] and roles["neuroid_ids"] != layout.neuroid_ids:
        raise RSAError(
            f"column {roles['neuroid_ids']} names a neuroid of each row, but no column the values; --responses does,"
            " or transpose the table so that its rows are stimuli or trials"
        )
    taken = {name for role, name in roles.items() if name and role != "responses" and role != "neuroid_ids"}
    free = [name for name in names if name not in taken]
    sites = _site_columns(frame, free, layout)
    beside = [name for name in free if name not in sites]
    if not roles["stimulus_ids"]:
        texts = [name for name in beside if frame[name].dtype.kind not in "biufc"]
        if len(texts) != 1:
            what = f"{listing(map(repr, texts), 6)} could" if texts else "no column does"
            raise RSAError(
                f"which column names the stimuli? {what}; --stimulus-ids names it; there are: {listing(names, 8)}"
            )
        roles = {**roles, "stimulus_ids": texts[0]}
        beside = [name for name in beside if name != texts[0]]
    stimulus = _stimuli(frame, roles)
    responses = np.stack([_numbers(frame, name) for name in sites], axis=1)
    beside = [name for name in beside if not _row_numbers(frame, name)]
    beside += [roles["trial"]] if roles["trial"] and roles["trial"] != roles["repetition"] else []
    columns: dict[str, Any] = {word(name): plain_column(frame[name]) for name in beside}
    region: Any = None
    said = ""
    matches = [_REGION.fullmatch(name) for name in sites]
    if layout.region and layout.region not in names:
        region, said = layout.region, f"region {layout.region} for all neuroids, as given"
    elif roles["region"]:
        values = np.unique(frame[roles["region"]].to_numpy(str))
        if len(values) > 1:
            raise RSAError(
                f"column {roles['region']} differs between rows, which are trials here; --region NAME is for all"
            )
        region, said = str(values[0]), f"region {values[0]} for all neuroids, from {roles['region']}"
    elif all(matches):
        region, said = [match[1] for match in matches if match], "regions from the names of the columns"
    repetition = _whole(frame, roles["repetition"]) if roles["repetition"] else None
    how = f"repetition from {roles['repetition']}" if repetition is not None else "repetitions counted"
    spread = f"{sites[0]} to {sites[-1]}" if len(sites) > 2 else listing(sites)
    read_as = [f"one row per trial: {roles['stimulus_ids']} is the stimulus"]
    read_as += [f"{len(sites)} columns ({spread}) the neuroids", how, said, _also("presentations", columns)]
    return from_arrays(
        responses,
        stimulus_id=stimulus,
        neuroid_id=sites,
        region=region,
        repetition=repetition,
        presentation=columns,
        attrs={"read_as": "; ".join(filter(None, read_as))},
    )


def _site_columns(frame: "pandas.DataFrame", free: list[str], layout: Layout) -> list[str]:
    """The columns that are neuroids: those that the user names, else the numbers that no other name explains."""
    if layout.neuroid_ids:
        globs = [part.strip() for part in layout.neuroid_ids.split(",")]
        found = [name for name in free if any(name == glob or fnmatchcase(name, glob) for glob in globs)]
        lacking = [glob for glob in globs if not any(name == glob or fnmatchcase(name, glob) for name in free)]
        if lacking:
            raise RSAError(f"no column is {lacking[0]!r}{near(lacking[0], free)}")
        return found
    numbers = [name for name in free if name != UNNAMED and frame[name].dtype.kind in "iuf"]
    known = _BESIDE.split()
    open_ = [name for name in numbers if name.lower() not in known and not named_like("trial", [name])]
    if not open_:
        raise RSAError(
            f"no column holds responses: numbers are in {listing(numbers, 8) or 'none'}; --neuroid-ids names the"
            " columns of neuroids, or in a table with one row per value theirs (and --responses that of the values)"
        )
    matched = {name: match for name in open_ if (match := _NUMBERED.fullmatch(name))}
    stems = {match[1] for match in matched.values()}
    regions = all(_REGION.fullmatch(name) for name in open_)
    if regions or (len(matched) == len(open_) and len(stems) == 1):
        return open_
    if not matched:
        return open_
    groups = [f"{stem}*" for stem in sorted(stems)] + [name for name in open_ if name not in matched]
    raise RSAError(
        f"which of the {len(open_)} columns of numbers are neuroids is unclear: {listing(groups, 8)}; --neuroid-ids"
        f" names them, such as {groups[0]!r}"
    )


def _stimuli(frame: "pandas.DataFrame", roles: dict[str, str]) -> Array:
    column = roles["stimulus_ids"]
    if not column:
        raise RSAError(f"no column names the stimuli; --stimulus-ids does; there are: {listing(frame.columns, 12)}")
    return np.array(check_names(frame[column], column))


def _numbers(frame: "pandas.DataFrame", name: str) -> npt.NDArray[np.float64]:
    import pandas

    column = frame[name]
    if column.dtype.kind in "biuf":
        return np.asarray(column.to_numpy(np.float64, na_value=np.nan))
    found = pandas.to_numeric(column, errors="coerce")
    wrong = np.flatnonzero((found.isna() & column.notna()).to_numpy())
    if len(wrong):
        raise RSAError(
            f"column {name} holds {str(column.iloc[wrong[0]])!r} in row {wrong[0] + 1}, where a number is needed"
        )
    return np.asarray(found.to_numpy(np.float64, na_value=np.nan))


def _whole(frame: "pandas.DataFrame", name: str) -> npt.NDArray[np.int64]:
    numbers = _numbers(frame, name)
    if not (np.abs(numbers) < 1e6).all() or (numbers != np.round(numbers)).any():
        raise RSAError(f"column {name} must number the repetitions: whole numbers below a million")
    return numbers.astype(np.int64)


def _region(
    frame: "pandas.DataFrame", roles: dict[str, str], layout: Layout, first: npt.NDArray[np.int64]
) -> tuple[Any, str]:
    if roles["region"]:
        return plain_column(frame[roles["region"]]).astype(str)[first], f"region from {roles['region']}"
    return layout.region or None, f"region {layout.region} for all neuroids, as given" if layout.region else ""


def _row_numbers(frame: "pandas.DataFrame", name: str) -> bool:
    """Whether a column without a name numbers the rows, as pandas writes an index."""
    column = frame[name]
    return name == UNNAMED and column.dtype.kind in "iu" and np.array_equal(column.to_numpy(), np.arange(len(column)))


def _first(codes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return np.unique(codes, return_index=True)[1]


def _also(what: str, names: Iterable[str]) -> str:
    return f"columns of {what}: {listing(names, 12)}" if names else ""
