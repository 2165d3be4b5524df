"""RDMs from and to rsatoolbox: its objects, and the HDF5 files of its `RDMs.save`."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ..errors import RSAError, listing
from ..io.hdf5 import opened, read_column
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


def to_rsatoolbox(rdms: Mapping[str, RDM]) -> "RDMs":
    """Convert RDMs to one `rsatoolbox.rdm.RDMs`.

    Parameters
    ----------
    rdms : mapping of str to RDM
        RDMs over the same labels, in any order, with the same metric and `by`.

    Returns
    -------
    rsatoolbox.rdm.RDMs
        RDMs over the labels in the order of the first. The names are the RDM descriptor "name", the labels the pattern
        descriptor "stimulus" (or whatever the RDMs are `by`); the first RDM's descriptors are kept.

    Raises
    ------
    RSAError
        If the RDMs differ in labels, `by` or metric, or rsatoolbox is not installed.
    """
    try:
        from rsatoolbox.rdm.rdms import RDMs
    except ImportError as error:
        raise RSAError("rsatoolbox is not installed: pip install 'tgsage[rsatoolbox]'") from error
    if not rdms:
        raise RSAError("there is no RDM to convert")
    first_name, first = next(iter(rdms.items()))
    for name, rdm in rdms.items():
        for what in ("metric", "by"):
            if getattr(rdm, what) != getattr(first, what):
                kinds = f"{first_name} {getattr(first, what)}, {name} {getattr(rdm, what)}"
                raise RSAError(f"the RDMs of one rsatoolbox object must have one {what}, got {kinds}")
        if set(rdm.labels) != set(first.labels):
            raise RSAError(f"{name} has other labels than {first_name}; RDM.subset selects the common ones")
    columns = {key: (v.astype(str) if v.dtype.kind in "mM" else v).tolist() for key, v in first.descriptors.items()}
    shared = {key: [rdm.attrs.get(key) for rdm in rdms.values()] for key in first.attrs}
    same_type = {key: values for key, values in shared.items() if len(set(map(type, values))) == 1}
    attrs = {key: values for key, values in same_type.items() if np.array(values).dtype.kind in "biufU"}
    return cast("Callable[..., RDMs]", RDMs)(
        np.stack([rdm.subset(first.labels).values for rdm in rdms.values()]),
        dissimilarity_measure=_TO_THEIRS.get(first.metric, first.metric),
        descriptors={"by": first.by},
        rdm_descriptors=attrs | {"name": list(rdms)},
        pattern_descriptors=columns | {first.by: list(first.labels)},
    )


def from_rsatoolbox(rdms: "RDMs", *, labels: str | None = None) -> dict[str, RDM]:
    """Convert an `rsatoolbox.rdm.RDMs` to RDMs.

    Parameters
    ----------
    rdms : rsatoolbox.rdm.RDMs
    labels : str, optional
        Pattern descriptor that names the conditions. Default: the one written by `to_rsatoolbox`, otherwise the only
        one whose values are all different (columns of floats only where there is no other), and "index" where there is
        no descriptor but it.

    Returns
    -------
    dict of str to RDM
        RDMs by the RDM descriptor "name", or by "0", "1", ... where there is none.

    Raises
    ------
    RSAError
        If several descriptors, or none, could name the conditions, if `labels` is unknown, and for values that `RDM`
        does not take (NaN, missing names).

    Notes
    -----
    "squared euclidean" becomes sqeuclidean and "squared mahalanobis" mahalanobis. rsatoolbox divides both by the number
    of features, a factor that no comparison depends on.
    """
    values = plain(rdms.dissimilarities)
    if values.ndim != 2:
        raise RSAError(f"dissimilarities must have shape (RDMs, pairs), got {values.shape}")
    n = (1 + int(np.sqrt(1 + 8 * values.shape[1]))) // 2
    if n * (n - 1) // 2 != values.shape[1]:
        raise RSAError(f"{values.shape[1]} pairs do not fit any number of conditions")
    columns = _columns(rdms.pattern_descriptors, n)
    by = as_text(rdms.descriptors.get("by", "stimulus"))
    chosen = _label_column(columns, by, labels)
    names_of = _columns(rdms.rdm_descriptors, len(values))
    names = check_names(names_of.pop("name", np.arange(len(values))), "RDM names")
    if len(set(names)) < len(names):
        raise RSAError(f"RDMs share names: {listing(sorted({name for name in names if names.count(name) > 1}))}")
    measure = rdms.dissimilarity_measure or "unknown"
    rest = {key: column for key, column in columns.items() if key not in ("index", chosen)}
    found = {}
    for i, name in enumerate(names):
        told = {key: column.tolist()[i] for key, column in names_of.items() if key != "index"}
        found[name] = RDM(
            values[i],
            columns[chosen] if chosen else range(n),
            metric=_TO_OURS.get(measure, measure),
            name=name,
            by=by,
            descriptors=rest,
            attrs={key: value for key, value in told.items() if isinstance(value, str | int | float)},
        )
    return found


def write_rsatoolbox(path: str | Path, rdms: Mapping[str, RDM]) -> None:
    """Write RDMs to an HDF5 file of rsatoolbox, as `to_rsatoolbox(rdms).save(path)` does, completely or not at all.

    Parameters
    ----------
    path : str or Path
        File to write; an existing one is replaced.
    rdms : mapping of str to RDM
        As in `to_rsatoolbox`.

    Raises
    ------
    RSAError
        As `to_rsatoolbox`, if the file cannot be written, and for non-ASCII text, which rsatoolbox cannot store.
    """
    import h5py

    made: Any = to_rsatoolbox(rdms)  # rsatoolbox declares types for a part of itself only
    for key, column in {**made.rdm_descriptors, **made.pattern_descriptors}.items():
        if odd := [text for text in column if isinstance(text, str) and not text.isascii()]:
            raise RSAError(f"descriptor {key} holds {odd[0]!r}; files of rsatoolbox are ASCII only")
    with replacing(path) as temporary, steady(temporary) as raw, h5py.File(raw, "w") as file:
        made.save(file.id)  # which rsatoolbox itself would leave open


def read_rsatoolbox(path: str | Path, *, labels: str | None = None) -> dict[str, RDM]:
    """Read RDMs from an HDF5 file written by rsatoolbox's `RDMs.save`; rsatoolbox need not be installed.

    Parameters
    ----------
    path : str or Path
    labels : str, optional
        As in `from_rsatoolbox`.

    Returns
    -------
    dict of str to RDM
        As `from_rsatoolbox` returns it.

    Raises
    ------
    RSAError
        If the file is a pickle (`file_type="pkl"`), which can run code when read, or otherwise not such a file, and as
        `from_rsatoolbox`.
    """
    source = Path(path)
    if not source.is_file():
        raise RSAError(f"{source}: no such file")
    with source.open("rb") as raw:
        if source.suffix == ".pkl" or raw.read(1) == _PICKLE:
            raise RSAError(f"{source} is a pickle, which can run code when read; save it with file_type='hdf5'")
    # Not by rsatoolbox's load_rdm, which follows links into other files and trusts the sizes that a file claims.
    with opened(source) as file:
        if "dissimilarities" not in file:
            raise RSAError(f"{source} holds no dissimilarities, so it is not a file of rsatoolbox's RDMs")
        measure = file.attrs.get("dissimilarity_measure")
        read = SimpleNamespace(
            dissimilarities=read_column(file, "dissimilarities", limit=np.inf),
            dissimilarity_measure=measure if isinstance(measure, str) else None,
            descriptors=_read_descriptors(file, "descriptors"),
            rdm_descriptors=_read_descriptors(file, "rdm_descriptors"),
            pattern_descriptors=_read_descriptors(file, "pattern_descriptors"),
        )
        return from_rsatoolbox(cast("RDMs", read), labels=labels)


def _read_descriptors(file: "h5py.File", name: str) -> dict[str, Any]:
    """The texts and arrays of one group of descriptors; nested lists were written as groups, None without a shape."""
    import h5py

    group = file.get(name)
    if not isinstance(group, h5py.Group):
        return {}
    found: dict[str, Any] = dict(group.attrs)
    for key in group:
        if isinstance(group[key], h5py.Dataset) and group[key].shape is not None:
            found[key] = read_column(group, key)
    return found


def _columns(descriptors: Mapping[str, Any], n: int) -> dict[str, Array]:
    """The descriptors that have one number or text for each of n."""
    found = {}
    for key, values in descriptors.items():
        with suppress(RSAError, TypeError, ValueError):  # lists of arrays and the like name nothing
            if (column := plain_column(values)).shape == (n,):
                found[str(key)] = column
    return found


def _label_column(columns: Mapping[str, Array], by: str, wanted: str | None) -> str | None:
    """The pattern descriptor that names the conditions, if any."""
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
