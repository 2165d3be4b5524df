"""The representational dissimilarity matrix (paper, section 3.1)."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from ..errors import RSAError, listing, reason
from ..fields import Labelled, text_field
from ..io.mapped import pieces
from ..labels import as_matrix, check_labels, named_square, plain, row_labels, row_names, unique
from ..notebooks import as_html
from ..types import Array, Attr
from . import _kernels

if TYPE_CHECKING:
    import pandas
    import xarray
    from matplotlib.axes import Axes


@dataclass(frozen=True, eq=False, repr=False, init=False)
class RDM(Labelled):
    """A symmetric matrix of dissimilarities between n conditions, stored once per pair; it cannot be changed.

    Attributes
    ----------
    values : array (n(n-1)/2,)
        In the order of `scipy.spatial.distance.pdist`, float32 or float64, all finite. An array mapped from a file
        (`numpy.memmap`, mode "r") stays in that file.
    labels : tuple of str (n,)
        Unique names of the conditions.
    metric : str
    name : str
        Name of the layer or the brain region.
    by : str
        "stimulus", or the column whose groups were averaged ("object_name", "category_name", ...).
    descriptors : mapping of str to array (n,)
        Further columns, such as the category of every stimulus.
    attrs : mapping
        How it was made (number of features, scaling, ...), for the reader of a result.

    Raises
    ------
    RSAError
        When lengths disagree, labels repeat or values are not finite.

    Examples
    --------
    >>> from tgsage.rsa import RDM
    >>> rdm = RDM([0.1, 0.9, 0.8], ["cat", "dog", "car"], metric="correlation", name="IT")
    >>> rdm
    RDM('IT', 3 x 3 by stimulus, correlation, float64)
    >>> rdm.subset(["car", "cat"]).values
    array([0.9])
    """

    metric: str

    _texts: ClassVar[tuple[str, ...]] = ("metric", "name", "by")

    def __init__(
        self,
        values: npt.ArrayLike,
        labels: Iterable[object],
        *,
        metric: str = "correlation",
        name: str = "",
        by: str = "stimulus",
        descriptors: Mapping[str, Sequence[Any] | Array] | None = None,
        attrs: Mapping[str, Attr] | None = None,
    ) -> None:
        try:
            array = np.ascontiguousarray(plain(values))
            if array.dtype not in (np.float32, np.float64):
                array = array.astype(np.float64)
        except (TypeError, ValueError, RuntimeError) as error:
            raise RSAError(f"the values of an RDM are numbers: {reason(error)}") from error
        if array.flags.writeable:
            array = array.copy()  # so that nobody changes it from outside
        names = check_labels(labels)
        n, title = len(names), f"RDM '{name}'" if name else "RDM"
        if n < 2:
            raise RSAError(f"{title} has {n} label(s); at least 2 are needed")
        if array.shape != (n * (n - 1) // 2,):
            raise RSAError(
                f"{title}: {n} labels need condensed values of shape ({n * (n - 1) // 2},), got {array.shape}"
            )
        for at in pieces(array, n=array.size):
            if math.isfinite(array[at].min()) and math.isfinite(array[at].max()):
                continue
            bad = at.start + int(np.flatnonzero(~np.isfinite(array[at]))[0])
            i = int(np.searchsorted(np.cumsum(np.arange(n - 1, 0, -1)), bad, side="right"))
            j = bad - (i * n - i * (i + 1) // 2 - i - 1)
            raise RSAError(f"{title}: the value between {names[i]} and {names[j]} is {array[bad]}; all must be finite")
        metric, rows = text_field(metric, f"{title}: metric", "unknown"), row_names(labels)
        self._set(array, rows, title, labels=names, name=name, by=by, descriptors=descriptors, attrs=attrs)
        object.__setattr__(self, "metric", metric)

    @classmethod
    def from_square(cls, matrix: npt.ArrayLike, labels: Iterable[object] | None = None, **fields: Any) -> Self:
        """Take the values from a square matrix.

        Parameters
        ----------
        matrix : array (n, n)
            A DataFrame or DataArray brings its own labels.
        labels : iterable, optional
            Names of the rows, needed where the matrix has none.
        **fields
            `metric`, `name`, `by`, `descriptors` and `attrs`.

        Raises
        ------
        RSAError
            Unless the matrix is symmetric (to 1e-6 of its range) with a zero diagonal, and where the names of its rows
            differ from those of its columns or from `labels`.
        """
        from scipy.spatial.distance import squareform

        rows, own = named_square(matrix, "the matrix")
        names = row_labels(own, labels)
        if names is None:
            raise RSAError("from_square needs labels, the names of the rows")
        square = as_matrix(rows, "the matrix")
        if square.shape[0] != square.shape[1]:
            raise RSAError(f"a square matrix is needed, got shape {square.shape}")
        tolerance = 1e-6 * float(np.ptp(square[~np.isnan(square)])) if square.size else 0.0
        if not np.allclose(square, square.T, rtol=0, atol=tolerance, equal_nan=True):
            raise RSAError("the matrix is not symmetric, so it is no RDM")
        diagonal = np.diagonal(square)
        if np.any(np.abs(diagonal[~np.isnan(diagonal)]) > tolerance):
            raise RSAError("the diagonal is not zero: a matrix of similarities is no RDM")
        values = squareform(square, checks=False)
        values.flags.writeable = False  # so that it is kept without a copy
        return cls(values, unique(names), **fields)

    def __repr__(self) -> str:
        return f"RDM({self.name!r}, {len(self)} x {len(self)} by {self.by}, {self.metric}, {self.values.dtype})"

    def square(self) -> Array:
        """Unfold to the full matrix.

        Returns
        -------
        array (n, n)
            Symmetric, with a zero diagonal.
        """
        from scipy.spatial.distance import squareform

        out: Array = squareform(self.values, checks=False)
        return out

    def _selected(self, order: npt.NDArray[np.int64]) -> Array:
        out = np.empty(len(order) * (len(order) - 1) // 2, self.values.dtype)
        for rows in pieces(self.values, n=len(order), width=len(self)):
            _kernels.gather_pairs(self.values, len(self), order, rows.start, rows.stop, out)
        return out

    def to_xarray(self) -> "xarray.DataArray":
        """Convert to a square DataArray.

        Returns
        -------
        xarray.DataArray
            Dims (`by`, `by` + "_2"); labels and descriptors are coordinates.
        """
        import xarray

        rows, columns = self.by, f"{self.by}_2"
        coords: dict[str, Any] = {rows: list(self.labels), columns: list(self.labels)}
        coords |= {key: (rows, column) for key, column in self.descriptors.items() if key not in coords}
        told = {key: int(v) if isinstance(v, bool) else v for key, v in self.attrs.items() if v is not None}
        attrs = {"metric": self.metric, **told}  # what netCDF can hold
        return xarray.DataArray(self.square(), coords, (rows, columns), self.name or None, attrs)

    def to_dataframe(self, *, pairs: bool = False) -> "pandas.DataFrame":
        """Return the dissimilarities as a table.

        Parameters
        ----------
        pairs : bool
            One row per pair, with columns `first`, `second` and `dissimilarity`, in place of the square matrix.

        Returns
        -------
        pandas.DataFrame
            Square, with the labels on both axes, as `RDM.from_square` reads it; or, with `pairs`, n(n-1)/2 rows.

        Examples
        --------
        >>> from tgsage.rsa import RDM
        >>> RDM([0.1, 0.9, 0.8], ["cat", "dog", "car"]).to_dataframe(pairs=True)
          first second  dissimilarity
        0   cat    dog            0.1
        1   cat    car            0.9
        2   dog    car            0.8
        """
        import pandas

        if not pairs:
            return pandas.DataFrame(self.square(), index=list(self.labels), columns=list(self.labels))
        names = np.array(self.labels, object)
        first, second = np.triu_indices(len(self), 1)
        return pandas.DataFrame({"first": names[first], "second": names[second], "dissimilarity": self.values})

    @classmethod
    def mean(cls, rdms: Iterable["RDM"], name: str = "") -> "RDM":
        """Average RDMs over subjects, sessions or networks.

        Parameters
        ----------
        rdms : iterable of RDM
            Of the same conditions, matched by name, with equal `metric` and `by`.
        name : str
            Name of the mean; "mean of k RDMs" by default.

        Returns
        -------
        RDM
            In the order of the first RDM, summed in float64, with the descriptors and attrs that all RDMs share, and
            their number as the attr `mean_of`.

        Raises
        ------
        RSAError
            For no RDM, and where conditions, `metric` or `by` differ.

        Examples
        --------
        >>> from tgsage.rsa import RDM
        >>> RDM.mean([RDM([0.0, 1.0, 2.0], "abc"), RDM([2.0, 1.0, 0.0], "cba")]).values
        array([0., 1., 2.])
        """
        every = list(rdms)
        if not every or not all(isinstance(rdm, RDM) for rdm in every):
            kinds = listing(dict.fromkeys(type(rdm).__name__ for rdm in every)) or "none"
            raise RSAError(f"the mean is of one or more RDMs, got {kinds}")
        first, total = every[0], np.zeros(every[0].values.shape, np.float64)
        for rdm in every:
            for field in ("metric", "by"):
                if getattr(rdm, field) != getattr(first, field):
                    raise RSAError(f"{rdm!r} and {first!r} have no mean: their {field} differs")
            if other := set(rdm.labels) ^ set(first.labels):
                raise RSAError(f"{rdm!r} and {first!r} have no mean: only one of them has {listing(sorted(other))}")
            total += rdm.subset(first.labels).values
        same = [rdm.subset(first.labels).descriptors for rdm in every]
        columns = {
            key: column
            for key, column in first.descriptors.items()
            if all(key in other and _alike(other[key], column) for other in same)
        }
        attrs = {
            key: v for key, v in first.attrs.items() if all(key in r.attrs and _alike(r.attrs[key], v) for r in every)
        }
        values = (total / len(every)).astype(np.result_type(*(rdm.values.dtype for rdm in every)))
        title = name or f"mean of {len(every)} RDMs"
        return first.replace(values=values, name=title, descriptors=columns, attrs={**attrs, "mean_of": len(every)})

    def plot(self, ax: "Axes | None" = None, *, title: str | None = None, ordered: bool = True) -> "Axes":
        """Draw the RDM; nothing is shown or written.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new pyplot figure by default.
        title : str, optional
            Name and order by default.
        ordered : bool
            Put conditions of one category together or, where no category is known, similar ones; if False, draw
            conditions in the order they are in.
        """
        from ..plots.figures import literal, new_axes
        from ..plots.rdms import display_order, draw_rdm

        axes = new_axes((5.2, 4.4)) if ax is None else ax
        order, marks, how = display_order(self) if ordered else (range(len(self)), [], "in the order of the labels")
        drawn = self.subset([self.labels[i] for i in order])
        draw_rdm(axes, drawn, f"{self.name or 'RDM'}\n{how}" if title is None else title, marks)
        literal(axes)
        return axes

    def _repr_html_(self) -> str:
        low, high = self.values.min(), self.values.max()
        facts = {"conditions": listing(self.labels, 6), "values": f"{low:.4g} to {high:.4g}", "by": self.by}
        columns = {key: listing(dict.fromkeys(map(str, column)), 6) for key, column in self.descriptors.items()}
        return as_html(repr(self), {**facts, **columns, **self.attrs})

    def save(self, path: str | Path) -> None:
        """Write an HDF5 file, completely or not at all."""
        from ..io.hdf5 import writing

        with writing(path, "rdm") as file:
            self.write(file)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a file that `save`, or `compute_rdm` with `out=`, wrote.

        Values beyond 256 MB stay in the file, which must not be changed while they are in use (saving to the same path
        again is safe). They are checked once, and mapped into memory a part at a time by whatever goes through them.

        Raises
        ------
        RSAError
            For a file that is missing, truncated or not an RDM.
        """
        from ..io.hdf5 import reading

        with reading(path, "rdm") as file:
            return cls.read(file)


def _alike(one: Any, other: Any) -> bool:
    """Whether two values, or columns, are equal, taking NaN as equal to NaN."""
    numbers = all(np.asarray(value).dtype.kind in "fc" for value in (one, other))
    return np.array_equal(one, other, equal_nan=numbers)
