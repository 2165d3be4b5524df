"""Features with the names of their stimuli, and the forms in which similarities take them."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import RSAError, listing
from ..fields import Labelled
from ..io.mapped import forget
from ..labels import as_matrix, named_rows, order_of, row_labels, row_names, unique
from ..rdm.rdm import RDM
from ..types import Array, Attr

_CHECKED = 2**22  # numbers


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Features(Labelled):
    """Features of n stimuli or conditions with their names, so that reordered rows are never compared as they stand.

    Attributes
    ----------
    values : array (n, n_features)
        float32 or float64, all finite; kept without a copy, and read-only through this object.
    labels : tuple of str (n,)
        Unique names; a DataFrame or DataArray brings its own.
    name : str
        Name of the layer or the brain region.
    by : str
        "stimulus", or the column whose groups were averaged.
    descriptors : mapping of str to array (n,)
    attrs : mapping
        How they were made, for the reader of a result.

    Raises
    ------
    RSAError
        When lengths disagree, labels repeat or are missing, or values are not finite.

    Examples
    --------
    >>> from tgsage.rsa import Features
    >>> features = Features([[1.0, 2.0], [3.0, 5.0], [4.0, 0.0]], ["cat", "dog", "car"], name="V4")
    >>> features.subset(["dog", "cat"]).values
    array([[3., 5.],
           [1., 2.]])
    """

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
        names = unique(own)
        if len(names) != len(array):
            raise RSAError(f"{title}: {len(array)} rows but {len(names)} labels")
        step = max(1, _CHECKED // max(1, array.shape[1]))  # of arrays that lie on disk a part at a time
        parts = [np.isfinite(array[start : start + step]).all(axis=1) for start in range(0, len(array) or 1, step)]
        forget(array)
        if len(strange := np.flatnonzero(~np.concatenate(parts))):
            raise RSAError(f"{title}: NaN or infinity in rows {listing(names[i] for i in strange)}")
        self._set(array, given, title, labels=names, name=name, by=by, descriptors=descriptors, attrs=attrs)

    def __repr__(self) -> str:
        return f"Features({self.name!r}, {len(self)} x {self.values.shape[1]} by {self.by}, {self.values.dtype})"

    def _selected(self, order: npt.NDArray[np.int64]) -> Array:
        return self.values[order]

    def rdm(self, *, metric: str = "correlation", out: str | Path | None = None) -> RDM:
        """Compute their RDM, with the same names and descriptors.

        Parameters
        ----------
        metric, out
            As in `compute_rdm`.

        Raises
        ------
        RSAError
            As `compute_rdm` does.
        """
        from ..rdm.distances import compute_rdm

        kept: dict[str, Any] = {key: getattr(self, key) for key in ("labels", "by", "name", "descriptors")}
        return compute_rdm(self.values, metric=metric, attrs={**self.attrs, "metric": metric}, out=out, **kept)


def averaged_over(by: str) -> dict[str, Attr]:
    """What the attrs of features say when they are means of groups."""
    return {} if by == "stimulus" else {"features": f"averaged over the stimuli of each {by}"}


def centred(values: npt.ArrayLike) -> Array:
    """Centre the columns and divide by the largest value, (n, f) float64: what similarities that ignore scale need.

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
    """Left singular vectors (n, k) of x (n, f) and its singular values (k,), largest first, without rounding noise.

    With more features than rows they come from the Gram matrix: many times as fast, and values below 1e-6 of the
    largest are rounding there.
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
