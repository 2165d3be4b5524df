"""RDMs from and to rsatoolbox: its objects, and the HDF5 files of its `RDMs.save`."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from ..errors import RSAError, listing
from ..io.hdf5 import opened, plain_dataset, read_column
from ..io.storage import replacing, steady
from ..labels import as_text, check_names, naming_column, plain, plain_column
from ..rdm.rdm import RDM
from ..types import Array

if TYPE_CHECKING:
    import h5py
    from rsatoolbox.rdm.rdms import RDMs

_TO_THEIRS = {"sqeuclidean": "squared euclidean", "mahalanobis": "squared mahalanobis"}
_TO_OURS = {**{theirs: ours for ours, theirs in _TO_THEIRS.items()}, "mahalanobis": "sqrt of mahalanobis"}
_PICKLE = b"\x80"


class _Parts(NamedTuple):
    """The fields of an `rsatoolbox.rdm.RDMs`."""

    dissimilarities: Array
    measure: str | None
    descriptors: Mapping[str, Any]
    rdm_descriptors: Mapping[str, Any]
    pattern_descriptors: Mapping[str, Any]


def to_rsatoolbox(rdms: Mapping[str, RDM]) -> "RDMs":
    """One `rsatoolbox.rdm.RDMs` of all RDMs, over the same conditions in the order of the first.

    Names become the RDM descriptor "name"; labels the pattern descriptor "stimulus", or what the RDMs are `by`; other
    descriptors of the first stay. Raises RSAError for other labels, kinds or metrics in one of them, and without
    rsatoolbox.
    """
    try:
        from rsatoolbox.rdm.rdms import RDMs
    except ImportError as error:
        raise RSAError("rsatoolbox is not installed: pip install rsatoolbox") from error
    parts, make = _taken_apart(rdms), cast("Callable[..., RDMs]", RDMs)
    return make(
        parts.dissimilarities,
        dissimilarity_measure=parts.measure,
        descriptors=dict(parts.descriptors),
        rdm_descriptors={key: values.tolist() for key, values in parts.rdm_descriptors.items()},
        pattern_descriptors={key: values.tolist() for key, values in parts.pattern_descriptors.items()},
    )


def from_rsatoolbox(rdms: "RDMs", *, labels: str | None = None) -> dict[str, RDM]:
    """Every RDM of an `rsatoolbox.rdm.RDMs` by its name: the RDM descriptor "name", or "0", "1", ...

    labels: the pattern descriptor that names the conditions; without it the one written by `to_rsatoolbox`, else the
    only one that tells all conditions apart, of whatever type; "index" where there is no other. "squared euclidean"
    becomes sqeuclidean and "squared mahalanobis" mahalanobis; theirs are per feature, a factor that no comparison sees.
    Raises RSAError for several candidates, for descriptors of which none tells the conditions apart, for an unknown
    descriptor, and what `RDM` refuses (NaN, missing names).
    """
    fields = (rdms.descriptors, rdms.rdm_descriptors, rdms.pattern_descriptors)
    return _put_together(_Parts(rdms.dissimilarities, rdms.dissimilarity_measure, *fields), labels)


def write_rsatoolbox(path: str | Path, rdms: Mapping[str, RDM]) -> None:
    """The file that `to_rsatoolbox(rdms).save(path)` would write, whole or not at all; rsatoolbox is not needed.

    Raises RSAError as `to_rsatoolbox` does, and for texts beyond ASCII, which rsatoolbox cannot read back.
    """
    import h5py

    parts = _taken_apart(rdms)
    with replacing(path) as temporary, steady(temporary) as raw, h5py.File(raw, "w") as file:
        file["dissimilarities"] = parts.dissimilarities
        file.attrs["dissimilarity_measure"] = parts.measure
        for name in ("descriptors", "rdm_descriptors", "pattern_descriptors"):
            group = file.create_group(name)
            for key, values in getattr(parts, name).items():
                if isinstance(values, str):
                    group.attrs[key] = values
                    continue
                try:
                    group[key] = values.astype("S") if values.dtype.kind == "U" else values
                except UnicodeEncodeError as error:
                    raise RSAError(
                        f"{name} {key} holds {error.object!r}; files of rsatoolbox are ASCII only"
                    ) from error


def read_rsatoolbox(path: str | Path, *, labels: str | None = None) -> dict[str, RDM]:
    """What `RDMs.save(path)` of rsatoolbox wrote as HDF5, as `from_rsatoolbox` gives it; rsatoolbox is not needed.

    Raises RSAError naming the file for a pickle (`file_type="pkl"`), which can run code when it is read, for anything
    else that is no such file, and as `from_rsatoolbox` does.
    """
    source = Path(path)
    if not source.is_file():
        raise RSAError(f"{source}: no such file")
    with source.open("rb") as raw:
        if source.suffix == ".pkl" or raw.read(1) == _PICKLE:
            raise RSAError(f"{source} is a pickle, which can run code when read; save it with file_type='hdf5'")
    with opened(source) as file:
        if "dissimilarities" not in file:
            raise RSAError(f"{source} holds no dissimilarities, so it is no file of rsatoolbox's RDMs")
        names = ("descriptors", "rdm_descriptors", "pattern_descriptors")
        columns = [_read_descriptors(file, name) for name in names]
        measure = file.attrs.get("dissimilarity_measure")
        values = read_column(file, "dissimilarities", limit=np.inf)
        return _put_together(_Parts(values, measure if isinstance(measure, str) else None, *columns), labels)


def _read_descriptors(file: "h5py.File", name: str) -> dict[str, Any]:
    """One group of descriptors; lists that HDF5 cannot hold were written entry by entry, empty ones without a shape."""
    import h5py

    group = file.get(name)
    if not isinstance(group, h5py.Group):
        return {}
    found: dict[str, Any] = dict(group.attrs)
    for key in group:
        if isinstance(group[key], h5py.Dataset) and group[key].shape is not None:
            plain_dataset(group, key)
            found[key] = read_column(group, key)
    return found


def _taken_apart(rdms: Mapping[str, RDM]) -> _Parts:
    if not rdms:
        raise RSAError("there is no RDM to hand over")
    first_name, first = next(iter(rdms.items()))
    for name, rdm in rdms.items():
        for what in ("metric", "by"):
            if getattr(rdm, what) != getattr(first, what):
                kinds = f"{first_name} {getattr(first, what)}, {name} {getattr(rdm, what)}"
                raise RSAError(f"the RDMs of one rsatoolbox object have one {what}, got {kinds}")
        if set(rdm.labels) != set(first.labels):
            raise RSAError(f"{name} has other labels than {first_name}; RDM.subset selects the common ones")
    columns = {key: v.astype(str) if v.dtype.kind in "mM" else v for key, v in first.descriptors.items()}
    shared = {key: [rdm.attrs.get(key) for rdm in rdms.values()] for key in first.attrs}
    told = {key: np.array(values) for key, values in shared.items() if len({type(value) for value in values}) == 1}
    return _Parts(
        np.stack([rdm.subset(first.labels).values for rdm in rdms.values()]),
        _TO_THEIRS.get(first.metric, first.metric),
        {"by": first.by},
        {key: values for key, values in told.items() if values.dtype.kind in "biufU"} | {"name": np.array(list(rdms))},
        columns | {first.by: np.array(first.labels)},
    )


def _put_together(parts: _Parts, labels: str | None) -> dict[str, RDM]:
    values = plain(parts.dissimilarities)
    if values.ndim != 2:
        raise RSAError(f"dissimilarities have shape (RDMs, pairs), got {values.shape}")
    n = (1 + int(np.sqrt(1 + 8 * values.shape[1]))) // 2
    if n * (n - 1) // 2 != values.shape[1]:
        raise RSAError(f"{values.shape[1]} pairs are not those of any number of conditions")
    columns = _columns(parts.pattern_descriptors, n)
    by = as_text(parts.descriptors.get("by", "stimulus"))
    chosen = _label_column(columns, by, labels)
    names_of = _columns(parts.rdm_descriptors, len(values))
    names = check_names(names_of.pop("name", np.arange(len(values))), "RDM names")
    if len(set(names)) < len(names):
        raise RSAError(f"RDMs share names: {listing(sorted({name for name in names if names.count(name) > 1}))}")
    metric = _TO_OURS.get(parts.measure or "", parts.measure or "unknown")
    rest = {key: column for key, column in columns.items() if key not in ("index", chosen)}
    found = {}
    for i, name in enumerate(names):
        told = {key: column.tolist()[i] for key, column in names_of.items() if key != "index"}
        attrs = {key: value for key, value in told.items() if isinstance(value, str | int | float)}
        conditions = columns[chosen] if chosen else range(n)
        found[name] = RDM(values[i], conditions, metric=metric, name=name, by=by, descriptors=rest, attrs=attrs)
    return found


def _columns(descriptors: Mapping[str, Any], n: int) -> dict[str, Array]:
    """Those that have one number or text for each of n."""
    found = {}
    for key, values in descriptors.items():
        with suppress(RSAError, TypeError, ValueError):  # lists of arrays and the like name nothing
            if (column := plain_column(values)).shape == (n,):
                found[str(key)] = column
    return found


def _label_column(columns: Mapping[str, Array], by: str, wanted: str | None) -> str | None:
    """The pattern descriptor with the names of the conditions; None where there is none."""
    if wanted is not None:
        if wanted not in columns:
            raise RSAError(f"there is no pattern descriptor {wanted!r}; there are: {listing(columns, 12) or '-'}")
        return wanted
    told = {key: column for key, column in columns.items() if key != "index"}
    chosen = naming_column(told, [by], "labels= chooses one")
    if chosen is None and told:
        raise RSAError(
            f"no pattern descriptor ({listing(told, 12)}) tells the {len(next(iter(told.values())))} conditions apart,"
            " so they have no names; labels='index' numbers them"
        )
    return chosen or ("index" if "index" in columns else None)
