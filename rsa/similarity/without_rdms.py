"""Similarity of correlation RDMs without the RDMs, so that stimuli can be many.

Rows z of length one make an RDM with the entries 1 - g_ij, g_ij = z_i . z_j. With m the mean row and u_i = z_i - m,

    g_ij = |m|^2 + p_i + p_j + k_ij,    p_i = m . u_i,    k_ij = u_i . u_j,

where p and every row of K sum to zero. The sums over pairs that linear methods compare RDMs by are then sums over rows,
and that of the products of two matrices K = UU' and L = VV' is |U'V|^2: O(n d e) for n stimuli and d and e features,
in blocks of rows. Taking the mean row out first keeps digits where all stimuli are alike.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ..errors import RSAError, listing
from ..inference.bootstrap import Resampling, as_draws, influences_of_products
from ..io.mapped import blocks, forget
from ..rdm.comparison import METHODS, Method, align, method_named
from ..rdm.distances import metric_named, unit_rows
from ..types import Array
from .features import Features

if TYPE_CHECKING:
    import xarray

BLOCK = 2**25  # numbers of a block of rows
LARGEST = 2**28  # numbers of a product of features with features; beyond it blocks of stimuli are multiplied
LINEAR = tuple(name for name in METHODS if not (method_named(name).ranked or method_named(name).concordance))
NAMES = {f"rsa-{method}": method for method in LINEAR}  # of the similarities that this is
_ROUNDING = 1e-12  # share of the squares of g below which the squares about its mean are rounding


@dataclass(frozen=True, eq=False)
class UnitRows:
    """Features as rows of length one about their mean row, made again for every block: all (n, d) are never held."""

    features: Features
    name: str

    def __len__(self) -> int:
        return len(self.features)

    @property
    def width(self) -> int:
        """Number of features."""
        return int(self.features.values.shape[1])

    def _unit(self, rows: slice) -> Array:
        """z of these stimuli, in the precision of the features."""
        block = np.array(self.features.values[rows], order="C")
        forget(self.features.values)
        try:
            return unit_rows(block, self.features.labels[rows], metric_named("correlation"), overwrite=True)
        except RSAError as error:
            raise RSAError(f"{self.name}: {error}") from error

    def __getitem__(self, rows: slice) -> Array:
        """u of these stimuli."""
        unit = self._unit(rows)
        unit -= self.mean.astype(unit.dtype)
        return unit

    @cached_property
    def mean(self) -> Array:
        """m (d,), float64."""
        sums = [self._unit(rows).sum(axis=0, dtype=np.float64) for rows in blocks(len(self), self.width, BLOCK)]
        mean: Array = np.sum(sums, axis=0) / len(self)
        return mean

    @cached_property
    def square(self) -> float:
        """|m|^2."""
        return float(self.mean @ self.mean)

    @cached_property
    def along(self) -> Array:
        """p (n,), float64."""
        p = np.concatenate([self[rows] @ self.mean for rows in blocks(len(self), self.width, BLOCK)])
        centred: Array = p - p.mean()
        return centred

    def centre(self, method: Method) -> float:
        """What the method takes off g: its mean over pairs; 1 where it compares the entries 1 - g as they are."""
        n = len(self)
        return (n * self.square - 1) / (n - 1) if method.centred else 1.0


@dataclass(frozen=True, eq=False)
class Pair:
    """Two RDMs over the same stimuli in one order, as a method compares them."""

    a: UnitRows
    b: UnitRows
    method: Method

    def inner(self) -> float:
        """The inner product of their entries, every pair of stimuli counted twice."""
        (a, c), (b, e), n = self._side(self.a), self._side(self.b), len(self.a)
        if not self._by_features:
            return float(self.rows().sum())
        products = float(np.square(self._product()).sum())
        if self.method.whitened:
            traces = n * ((e - 1) * (1 - a.square) + (c - 1) * (1 - b.square))
            return products + traces + (c - 1) * (e - 1) * (n - 1)
        shared = 2 * n * float(a.along @ b.along) + n * n * (a.square - c) * (b.square - e)
        return products + shared - n * (1 - c) * (1 - e)

    def rows(self) -> Array:
        """Every stimulus's part (n,) of `inner`."""
        (a, c), (b, e), n = self._side(self.a), self._side(self.b), len(self.a)
        products, p_l, k_q = self._sums()
        if self.method.whitened:
            own_a, own_b = (1 - side.square - 2 * side.along for side in (a, b))
            whitened: Array = products + (e - 1) * own_a + (c - 1) * own_b + (c - 1) * (e - 1) * (1 - 1 / n)
            return whitened
        shared = n * (a.along + a.square - c) * (b.along + b.square - e) + a.along @ b.along
        parts: Array = products + p_l + k_q + shared - (1 - c) * (1 - e)
        return parts

    def _side(self, side: UnitRows) -> tuple[UnitRows, float]:
        return side, side.centre(self.method)

    @property
    def _by_features(self) -> bool:
        """Whether U'V fits and is cheaper than the blocks of K and L, n^2 operations a feature: 4nde in all."""
        d, e = self.a.width, self.b.width
        widths = d if self.a is self.b else d + e
        return d * e <= LARGEST and 4 * d * e <= len(self.a) * widths

    def _both(self, rows: slice) -> tuple[Array, Array]:
        u = self.a[rows]
        return u, u if self.a is self.b else self.b[rows]

    def _product(self) -> Array:
        """U'V (d, e), float64."""
        product = np.zeros((self.a.width, self.b.width))
        for rows in blocks(len(self.a), self.a.width + self.b.width, BLOCK):
            u, v = self._both(rows)
            product += u.T @ v
        return product

    def _sums(self) -> tuple[Array, Array, Array]:
        """Of every row, the sums over j of k_ij l_ij, of p_j l_ij and of k_ij q_j."""
        a, b, n = self.a, self.b, len(self.a)
        products, p_l, k_q = np.zeros((3, n))
        if self._by_features:
            product = self._product().astype(np.result_type(a.features.values, b.features.values))
            p_v, u_q = np.zeros(b.width), np.zeros(a.width)
            for rows in blocks(n, a.width + b.width, BLOCK):
                u, v = self._both(rows)
                p_v, u_q = p_v + a.along[rows] @ v, u_q + b.along[rows] @ u
            for rows in blocks(n, 2 * (a.width + b.width), BLOCK):
                u, v = self._both(rows)
                products[rows] = np.einsum("ij,ij->i", u @ product, v, dtype=np.float64)
                p_l[rows], k_q[rows] = v @ p_v, u @ u_q
            return products, p_l, k_q
        parts = list(blocks(n, max(n, a.width + b.width), BLOCK))
        for i, rows in enumerate(parts):
            u, v = self._both(rows)
            for columns in parts[i:]:
                u_, v_ = (u, v) if rows == columns else self._both(columns)
                k = u @ u_.T
                h = k if a is b else v @ v_.T
                products[rows] += np.einsum("ij,ij->i", k, h, dtype=np.float64)
                p_l[rows] += h @ a.along[columns]
                k_q[rows] += k @ b.along[columns]
                if rows != columns:  # both are symmetric
                    products[columns] += np.einsum("ij,ij->j", k, h, dtype=np.float64)
                    p_l[columns] += a.along[rows] @ h
                    k_q[columns] += b.along[rows] @ k
        return products, p_l, k_q


class Sides:
    """Layers and targets over the same stimuli in one order.

    Raises RSAError for a method that is not linear, fewer than 3 stimuli, and an RDM that is constant.
    """

    def __init__(self, layers: Mapping[str, Features], targets: Mapping[str, Features], method: str) -> None:
        if method not in LINEAR:
            raise RSAError(f"{method} needs the RDMs themselves; without them: {listing(LINEAR, len(LINEAR))}")
        self.method, self.layers, self.targets = method_named(method), list(layers), list(targets)
        self.sides = [UnitRows(side, name) for part in (layers, targets) for name, side in part.items()]
        if len(self.sides[0]) < 3:
            raise RSAError(f"{len(self.sides[0])} stimuli; a comparison needs at least 3")

    def table(self) -> Array:
        """Similarities (layers, targets)."""
        first = len(self.layers)
        norms = [math.sqrt(self._square(side, self._pair(k, k).inner())) for k, side in enumerate(self.sides)]
        table = np.empty((first, len(self.targets)))
        for k, t in np.ndindex(table.shape):
            table[k, t] = self._pair(k, first + t).inner() / (norms[k] * norms[first + t])
        return np.clip(table, -1, 1)

    def influences(self) -> tuple[Array, Array]:
        """Similarities (layers, targets) and their derivatives by the weights of stimuli (layers, targets, n)."""

        def rows(k: int, m: int) -> Array:
            parts = self._pair(k, m).rows()
            if k == m:
                self._square(self.sides[k], float(parts.sum()))
            return parts

        return influences_of_products(rows, len(self.layers), len(self.targets))

    def _pair(self, k: int, m: int) -> Pair:
        return Pair(self.sides[k], self.sides[m], self.method)

    def _square(self, side: UnitRows, square: float) -> float:
        """`square`, unless it is nothing but rounding."""
        if square <= _ROUNDING * len(side) ** 2:
            why = f"so its {self.method.name} similarity is undefined"
            raise RSAError(f"{side.name}: all stimuli are equally dissimilar, {why}")
        return square


def bootstrap_features(
    a: Features | Mapping[str, Features],
    b: Features | Mapping[str, Features],
    *,
    method: str = "pearson",
    n: int = 1000,
    seed: int = 0,
    groups: str | Sequence[object] | None = None,
) -> "xarray.DataArray":
    """Compare the correlation RDMs of features, and resample the stimuli, without making an RDM.

    For many stimuli: time and memory grow with their number, not with its square. `interval`, `best_layer_interval` and
    `layer_differences` take the result as they take that of `bootstrap`.

    Parameters
    ----------
    a, b : Features or mapping of str to Features
        Layers and targets, over the same stimuli in any order. Their values may be memory-mapped files.
    method : str
        "pearson", "cosine", "pearson-whitened" or "cosine-whitened", as in `compare`.
    n, seed, groups
        As in `bootstrap`; the draws are the same.

    Returns
    -------
    xarray.DataArray
        As from `bootstrap`, except that the draws hold their linear part alone.

    Raises
    ------
    RSAError
        As `bootstrap` does; for any other method, and for rows without variance.

    Notes
    -----
    The estimates are exact. Intervals use the influence of single stimuli and leave out what pairs of stimuli add to
    the variance, which falls with the square of their number, so they are meant for a thousand stimuli or more. Where
    RDMs have nothing in common, they are too wide by up to a factor of sqrt(2).

    Examples
    --------
    >>> import numpy as np
    >>> from tgsage.rsa import Features, bootstrap_features, compare, interval
    >>> x = np.random.default_rng(0).normal(size=(200, 20))
    >>> a, b = (Features(part, range(200)) for part in (x, x[:, :15]))
    >>> draws = bootstrap_features(a, b)
    >>> bool(np.isclose(draws.estimate.item(), compare(a.rdm(), b.rdm())))
    True
    """
    resampling = Resampling(n, groups, seed)
    layers = {a.name or "a": a} if isinstance(a, Features) else dict(a)
    targets = {b.name or "b": b} if isinstance(b, Features) else dict(b)
    first, second = align(layers, targets, cure="Features.subset selects")
    unit = resampling.units(first[0])
    counts = resampling.counts(int(unit.max()) + 1)
    sides = Sides(dict(zip(layers, first, strict=True)), dict(zip(targets, second, strict=True)), method)
    similarity, slopes = sides.influences()
    attrs = resampling.attrs(first[0], counts.shape[1]) | {"method": method, "pairs": "left out"}
    return as_draws(similarity, slopes, unit, counts, None, sides.layers, sides.targets, attrs)
