"""Features with the names of their stimuli, and the forms in which similarities take them."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import RSAError, listing, near
from ..fields import attr_fields, columns_beside, text_field
from ..labels import as_matrix as as_matrix
from ..labels import check_labels, named_rows, order_of, row_labels, row_names
from ..rdm.rdm import RDM
from ..types import Array, Attr

if TYPE_CHECKING:
    import h5py


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Features:
    """Features of n stimuli or conditions with their names, so that permuted ones are never compared as they stand.

    values: (n, n_features) float32 or float64, all finite; kept without a copy and read-only from here.
    labels: n unique strings; a DataFrame or DataArray brings its own (see `row_labels`).
    by: "stimulus", or the column whose groups were averaged. descriptors: name -> n values.
    attrs: how they were made, for the reader of a result.

    Raises RSAError when lengths disagree, labels repeat or values are not finite.
    """

    values: Array
    labels: tuple[str, ...]
    name: str
    by: str
    descriptors: Mapping[str, Array]
    attrs: Mapping[str, Attr]

    def __init__(
        self,
        values: npt.ArrayLike,
        labels: Iterable[object] | None = None,
        *,
        name: str = "",
        by: str = "stimulus",
        descriptors: Mapping[str, Sequence[Any] | Array] | None = None,
        attrs: Mapping[str, Attr] | None = None,
    ) -> None:
        title = f"features {name!r}" if name else "features"
        rows, own = named_rows(values, title, guess=labels is None)
        given = own or row_names(labels)
        array, own = as_matrix(rows, title).view(), row_labels(own, labels)
        if own is None:
            raise RSAError(f"{title} need labels, the names of their {len(array)} rows")
        names = check_labels(own)
        if len(names) != len(array):
            raise RSAError(f"{title}: {len(array)} rows but {len(names)} labels")
        finite = np.isfinite(array).all(axis=1)
        if not finite.all():
            raise RSAError(f"{title}: NaN or infinity in rows {listing(np.array(names)[~finite])}")
        array.flags.writeable = False
        columns, said = columns_beside(descriptors, names, title, given), attr_fields(attrs, title)
        kept = (array, names, str(name or ""), text_field(by, f"{title}: by", "stimulus"), columns, said)
        for field, value in zip(("values", "labels", "name", "by", "descriptors", "attrs"), kept, strict=True):
            object.__setattr__(self, field, value)

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        return f"Features({self.name!r}, {len(self)} x {self.values.shape[1]} by {self.by}, {self.values.dtype})"

    def subset(self, labels: Iterable[object]) -> "Features":
        """Those of these conditions, in this order. Raises RSAError for an unknown or repeated label."""
        wanted = check_labels(sorted(map(str, labels)) if isinstance(labels, set | frozenset) else labels)
        if wanted == self.labels:
            return self
        place = {label: i for i, label in enumerate(self.labels)}
        unknown = [label for label in wanted if label not in place]
        if unknown:
            raise RSAError(
                f"{len(unknown)} label(s) not in {self!r}: {listing(unknown)}{near(unknown[0], self.labels)}"
            )
        order = np.array([place[label] for label in wanted], np.int64)
        columns = {key: column[order] for key, column in self.descriptors.items()}
        return Features(self.values[order], wanted, name=self.name, by=self.by, descriptors=columns, attrs=self.attrs)

    def rdm(self, *, metric: str = "correlation") -> RDM:
        """Their RDM, with the same names and descriptors; raises RSAError as `compute_rdm` does."""
        from ..rdm.distances import compute_rdm

        attrs = {**self.attrs, "metric": metric}
        return compute_rdm(
            self.values, metric=metric, labels=self.labels, by=self.by, name=self.name, descriptors=self.descriptors,
            attrs=attrs,
        )  # fmt: skip

    def write(self, group: "h5py.Group") -> None:
        """Store into an open HDF5 group."""
        from ..io.hdf5 import write_array

        write_array(group, "values", self.values)
        write_array(group, "labels", np.array(self.labels, object))
        for i, (key, column) in enumerate(self.descriptors.items()):
            write_array(group, f"descriptor{i}", column)
            group[f"descriptor{i}"].attrs["name"] = key
        for key in ("name", "by"):
            group.attrs[key] = getattr(self, key)
        group.attrs["attrs"] = json.dumps(self.attrs)

    @classmethod
    def read(cls, group: "h5py.Group") -> "Features":
        """Read from an open HDF5 group."""
        from ..io.hdf5 import read_column, read_json, read_text

        stored = [f"descriptor{i}" for i in range(len(group)) if f"descriptor{i}" in group]
        return cls(
            read_column(group, "values", limit=math.inf),
            read_column(group, "labels"),
            name=read_text(group, "name"),
            by=read_text(group, "by"),
            descriptors={read_text(group[place], "name"): read_column(group, place) for place in stored},
            attrs=read_json(group, "attrs"),
        )


def averaged_over(by: str) -> dict[str, Attr]:
    """What the attrs of features say when they are means of groups."""
    return {} if by == "stimulus" else {"features": f"averaged over the stimuli of each {by}"}


def centred(values: npt.ArrayLike) -> Array:
    """(n, f) float64 without column means, the largest value 1: what similarities that ignore scale start from.

    Raises RSAError for fewer than 3 rows, values that are not finite, and features that are the same for every row.
    """
    x = as_matrix(values).astype(np.float64)
    if len(x) < 3:
        raise RSAError(f"{len(x)} stimuli; a similarity of features needs at least 3")
    peak = float(np.abs(x).max())
    if not math.isfinite(peak):
        raise RSAError(f"features hold NaN or infinity in rows {listing(np.flatnonzero(~np.isfinite(x).all(axis=1)))}")
    if bool((x == x[0]).all()):
        raise RSAError(f"all {len(x)} stimuli have the same features, so their similarity to others is undefined")
    x /= peak
    x -= x.mean(axis=0)
    x /= np.abs(x).max()
    return x


def principal(x: Array) -> tuple[Array, Array]:
    """Left singular vectors (n, k) of x (n, f) and its singular values (k,), largest first, without those of rounding.

    Of more features than rows they come from the Gram matrix: many times as fast, and values below 1e-6 of the largest
    are rounding there.
    """
    if x.shape[1] > x.shape[0]:
        squares, basis = np.linalg.eigh(x @ x.T)
        squares, basis = squares[::-1], basis[:, ::-1]
        kept = squares > squares[0] * len(x) * np.finfo(np.float64).eps
        return np.ascontiguousarray(basis[:, kept]), np.sqrt(squares[kept])
    basis, sizes, _ = np.linalg.svd(x, full_matrices=False)
    kept = sizes > sizes[0] * len(x) * np.finfo(np.float64).eps
    return basis[:, kept], sizes[kept]


def compact(x: Array) -> Array:
    """(n, at most n) coordinates in which all inner products of the rows are those of x (n, f)."""
    if x.shape[1] <= x.shape[0]:
        return x
    basis, sizes = principal(x)
    return basis * sizes


def check_pair(x: npt.ArrayLike, y: npt.ArrayLike) -> tuple[Array, Array]:
    """Both `centred`, rows of y in the order of x where both have names (`order_of`).

    Raises RSAError unless they have as many rows, of the same names.
    """
    order = order_of(row_names(y), row_names(x), "the second features")
    first, second = centred(x), centred(y)
    if len(first) != len(second):
        raise RSAError(
            f"{len(first)} rows of features against {len(second)}; both are of the same stimuli in one order"
        )
    return first, second if order is None else second[order]
