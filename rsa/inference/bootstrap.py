"""The bootstrap over stimuli, for all layers and targets at once, without copying an RDM.

A resample is a vector w of multiplicities. A sum over the resampled pairs of different stimuli is a quadratic form,
`sum w_i w_j D_ij E_ij = w' (D * E) w` with a zero diagonal, so draws are columns of one matrix and all of them are a
few products of matrices. It gives what resampling rows and dropping pairs of copies gives (Nili et al. 2014).

The influence of a stimulus is the derivative of a similarity by its weight: `similarity + influence @ (w - 1)` is the
linear part of a draw (the infinitesimal jackknife). Intervals need it to tell what one stimulus does alone from what
pairs of stimuli do.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..errors import RSAError, as_mapping, check_whole, listing
from ..fields import Labelled
from ..io.mapped import forget, pieces
from ..labels import KINDS, beside, check_names
from ..rdm.comparison import Method, align, method_named, ranks, row_sums
from ..rdm.rdm import RDM
from ..types import Array, Attr
from . import _kernels as kernels

if TYPE_CHECKING:
    import xarray

LEAST = 5  # stimuli or groups; with fewer, draws repeat each other
BINS = 2**16  # with more different values neighbours count as ties: off by 4e-7 at 400 stimuli, less with more
_CONSTANT = 1e-12  # share of its raw squares below which an RDM's centred squares are rounding
_ROWS = 128  # rows of the matrices in work at once
_SAMPLE = 2**20  # values whose median stands for that of all


@dataclass(frozen=True)
class Resampling:
    """What is drawn: so many resamples of the stimuli, or of whole groups of them, by a seed.

    groups: a descriptor of the RDMs, or one value per stimulus. Raises RSAError for no draw and a negative seed.
    """

    draws: int
    groups: str | Sequence[object] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        check_whole(1, n=self.draws)
        check_whole(0, seed=self.seed)

    def units(self, rdm: Labelled) -> npt.NDArray[np.int64]:
        """Number the unit that every stimulus is drawn with: its own or its group's, in the order of their names.

        Raises RSAError for an unknown descriptor, a wrong length, and fewer than 5 units.
        """
        if self.groups is None:
            names: Sequence[str] = rdm.labels
        elif isinstance(self.groups, str):
            if self.groups not in rdm.descriptors:
                has = listing(rdm.descriptors) or "-"
                raise RSAError(f"{rdm!r} has no descriptor {self.groups!r} to resample; it has: {has}")
            names = check_names(rdm.descriptors[self.groups], f"{self.groups} of the stimuli")
        else:
            names = beside(self.groups, rdm.labels, "groups")
        if len(names) != len(rdm):
            raise RSAError(f"groups= has {len(names)} values for {len(rdm)} stimuli")
        known, unit = np.unique(np.array(names), return_inverse=True)
        if len(known) < LEAST:
            what = "stimuli" if self.groups is None else "groups"
            raise RSAError(f"{len(known)} {what} are too few to resample; at least {LEAST} are needed")
        return unit.astype(np.int64)

    def counts(self, units: int) -> npt.NDArray[np.int64]:
        """(draws, units) how often each of so many units is in every draw."""
        chosen = np.random.default_rng(self.seed).integers(units, size=(self.draws, units))
        chosen += units * np.arange(self.draws)[:, None]
        return np.bincount(chosen.ravel(), minlength=self.draws * units).reshape(self.draws, units)

    @property
    def kind(self) -> str:
        """What is resampled."""
        return "stimuli" if self.groups is None else self.groups if isinstance(self.groups, str) else "groups"

    def attrs(self, rdm: Labelled, units: int) -> dict[str, Attr]:
        """What draws of so many units say of themselves."""
        about = self.about(rdm, units)
        return {"seed": self.seed, "resampled": self.kind, "about": about, "n": len(rdm), "units": units}

    def about(self, rdm: Labelled, units: int) -> str:
        """What new samples draws of so many units stand for: objects and categories that are coarser stay the same."""
        noun = rdm.by if self.groups is None and rdm.by != "stimulus" else self.kind
        counts = {key: len(set(rdm.descriptors[key])) for key in KINDS if key in rdm.descriptors}
        same = {key: count for key, count in counts.items() if 1 < count < units}
        if not same:
            return f"new {noun}"
        cure = " (set groups for new ones)" if max(same.values()) >= LEAST else ""
        return f"new {noun} of the same {' and '.join(f'{count} {key}' for key, count in same.items())}{cure}"


def bootstrap(
    a: RDM | Mapping[str, RDM],
    b: RDM | Mapping[str, RDM],
    *,
    method: str = "pearson",
    n: int = 1000,
    seed: int = 0,
    groups: str | Sequence[object] | None = None,
) -> "xarray.DataArray":
    """Resample the stimuli with replacement and compare the RDMs in every draw.

    The same seed gives the same draws for the same stimuli, whatever their order and whatever the RDMs, so differences
    are paired.

    Parameters
    ----------
    a, b : RDM or mapping of str to RDM
        Layers and targets, over the same stimuli in any order.
    method : str
        As in `compare`. With the whitened methods, copies of a stimulus keep their distance of zero from each other;
        with the others, such pairs are left out. "rho-a" and "tau-a", which ties would lower, do not count the copies
        of one pair as tied with each other.
    n : int
        Number of draws.
    seed : int
    groups : str or sequence, optional
        Stimuli to resample together (a block bootstrap: images of one object are not independent): a descriptor of the
        first RDM ("object_name"), or one value per stimulus in the order of that RDM. Without groups the draws stand
        for new stimuli of the same objects and categories; for claims about new objects or categories, intervals are
        then much too narrow.

    Returns
    -------
    xarray.DataArray
        Dims ("layer", "target", "draw"); NaN for a draw with fewer than 3 different stimuli or a constant RDM.
        Coordinates, which `interval` and `layer_differences` need to correct the spread of the draws: `estimate`
        (layer, target), the similarity over all stimuli once; `linear` (layer, target, draw), the part of every draw
        that is a sum over single stimuli or groups; `dof` (layer, target), the degrees of freedom of its variance.
        Attributes: `resampled`, what was resampled; `units`, how many of these there are; `about`, what new stimuli the
        draws stand for.

    Raises
    ------
    RSAError
        As `compare_all` does; for n < 1, fewer than 5 stimuli or groups, and groups that do
        not fit the stimuli.

    Examples
    --------
    >>> import numpy as np
    >>> from tgsage.rsa import bootstrap, compute_rdm, interval
    >>> x = np.random.default_rng(0).normal(size=(40, 20))
    >>> draws = bootstrap(compute_rdm(x), compute_rdm(x[:, :15]), n=200)
    >>> draws.sizes["draw"], draws.attrs["about"]
    (200, 'new stimuli')
    >>> low, high = interval(draws)
    >>> bool(low < draws.estimate) and bool(draws.estimate < high)
    True
    """
    how, resampling = method_named(method), Resampling(n, groups, seed)
    layers = {a.name or "a": a} if isinstance(a, RDM) else as_mapping(a, "a")
    targets = {b.name or "b": b} if isinstance(b, RDM) else as_mapping(b, "b")
    first, second = align(layers, targets, cure="RDM.subset selects")
    unit = resampling.units(first[0])
    counts = resampling.counts(int(unit.max()) + 1)
    sides = Sides(first, second, how)
    similarity, slopes = sides.influences()
    values = sides.resampled(np.ascontiguousarray(counts[:, unit]))
    attrs = resampling.attrs(first[0], counts.shape[1]) | {"method": method}
    return as_draws(similarity, slopes, unit, counts, values, list(layers), list(targets), attrs)


def as_draws(
    similarity: Array,
    slopes: Array,
    unit: npt.NDArray[np.int64],
    counts: npt.NDArray[np.int64],
    values: Array | None,
    layers: Sequence[str],
    targets: Sequence[str],
    attrs: Mapping[str, Attr],
) -> "xarray.DataArray":
    """What `bootstrap` returns, of similarities and their derivatives by the weights of stimuli (see `influences`).

    Parameters
    ----------
    similarity : array (layer, target)
    slopes : array (layer, target, stimulus)
    unit : array (stimulus,)
        What each stimulus is drawn with.
    counts : array (draw, unit)
    values : array (layer, target, draw), optional
        Similarities in every draw; without them their linear part alone.
    """
    import xarray

    similarity = np.clip(similarity, -1, 1)  # rounding
    slopes = np.stack([np.bincount(unit, slope) for slope in slopes.reshape(-1, len(unit))])
    linear = (slopes @ (counts - 1.0).T).reshape(*similarity.shape, len(counts))
    coords = {
        "layer": list(layers),
        "target": list(targets),
        "estimate": (("layer", "target"), similarity),
        "linear": (("layer", "target", "draw"), linear),
        "dof": (("layer", "target"), degrees_of_freedom(slopes).reshape(similarity.shape)),
    }
    if values is None:
        values = similarity[..., None] + linear
    return xarray.DataArray(values, coords, ("layer", "target", "draw"), "similarity", dict(attrs))


def influences_of_products(rows: Callable[[int, int], Array], layers: int, targets: int) -> tuple[Array, Array]:
    """Similarities (layers, targets) that are inner products over norms, and their derivatives by the weights.

    rows(k, m): every stimulus's part (n,) of the inner product of sides k and m, the layers before the targets.
    """
    squares = [rows(k, k) for k in range(layers + targets)]
    values, slopes = np.empty((layers, targets)), np.empty((layers, targets, squares[0].size))
    for k, t in np.ndindex(values.shape):
        m = layers + t
        inner, norms = rows(k, m), math.sqrt(squares[k].sum() * squares[m].sum())
        values[k, t] = inner.sum() / norms
        own = squares[k] / squares[k].sum() + squares[m] / squares[m].sum()
        slopes[k, t] = 2 * inner / norms - values[k, t] * own
    return values, slopes


def degrees_of_freedom(slopes: Array) -> Array:
    """Of the sum of squares of each row, by Satterthwaite: few where single stimuli carry most of it."""
    squares, n = slopes**2, slopes.shape[-1]
    share = (squares**2).sum(axis=-1) / np.maximum(squares.sum(axis=-1) ** 2, 1e-300) - 1 / n
    degrees: Array = np.clip(2 * (n - 1) / (n * np.maximum(share, 1e-12)), 2, n - 1)
    return degrees


def places(values: Array, method: Method) -> Array:
    """Every value's place among the different values: from 1 for tau-a; in at most BINS shares of them, from 0."""
    rank = ranks(values)
    there = np.zeros(int(rank.max()) + 1, np.bool_)
    there[rank] = True
    dense = np.cumsum(there) - 1
    if method.concordance:
        return dense[rank] + 1
    if dense[-1] < BINS:
        return dense[rank].astype(np.uint16)
    place = (rank.astype(np.int64) - 1) * BINS // (2 * rank.size)
    return place.astype(np.uint16)


def _mean(values: Array) -> float:
    total = sum(float(values[at].sum(dtype=np.float64)) for at in pieces(values, n=values.size))
    return total / values.size


def _middle(values: Array) -> float:
    """The median of about a million of the values."""
    step = values.size // _SAMPLE + 1
    return float(np.median(np.concatenate([values[at][::step] for at in pieces(values, n=values.size)])))


class Sides:
    """Layers and targets over the same stimuli in one order, as a method compares them under weights of stimuli."""

    def __init__(self, layers: Sequence[RDM], targets: Sequence[RDM], method: Method) -> None:
        self.method, self.rdms, self.first = method, [*layers, *targets], len(layers)
        self.placed = [places(rdm.values, method) for rdm in self.rdms] if method.ranked else []
        self.n, self.shape = len(self.rdms[0]), (len(layers), len(targets))

    def influences(self) -> tuple[Array, Array]:
        """Similarities (layers, targets) and their derivatives by the weights (layers, targets, n), at weights of 1.

        Copies of a stimulus are treated as in `bootstrap`. Raises RSAError for a constant RDM, as `compare` does.
        """
        for rdm in self.rdms:
            least = rdm.values[0] if self.method.centred else 0.0
            if all(bool((rdm.values[at] == least).all()) for at in pieces(rdm.values, n=rdm.values.size)):
                raise RSAError(f"{rdm!r} is constant ({least:g}), so its {self.method.name} similarity is undefined")
        values, slopes = np.empty(self.shape), np.empty((*self.shape, self.n))
        if self.method.concordance:
            self._influences_of_concordance(values, slopes)
        elif self.method.ranked:
            self._influences_of_ranks(values, slopes)
        else:
            values[:], slopes[:] = influences_of_products(self.parts(), *self.shape)
        return values, slopes

    def resampled(self, weights: npt.NDArray[np.int64]) -> Array:
        """Similarities (layers, targets, draws) under weights (draws, stimuli)."""
        if self.method.concordance:
            values = self._resampled_concordance(weights)
        elif self.method.ranked:
            values = self._resampled_ranks(weights)
        else:
            values = self._resampled_products(weights)
        values[:, :, (weights > 0).sum(axis=1) < 3] = np.nan
        return values

    def parts(self) -> Callable[[int, int], Array]:
        """Return what gives every stimulus's part (n,) of the inner product of two of all RDMs, at weights of 1.

        The derivative by the weight of a stimulus is twice its part. In the whitened forms of double-centred entries,
        and copies are zero apart.
        """
        rdms, n = self.rdms, self.n
        centres = [_mean(rdm.values) if self.method.centred else 0.0 for rdm in rdms]
        means = [np.zeros(n)] * len(rdms)
        if self.method.whitened:
            sums = [row_sums(rdm.values, n) - (n - 1) * centre for rdm, centre in zip(rdms, centres, strict=True)]
            means = [s / n - s.sum() / (2 * n * n) for s in sums]

        def rows(k: int, m: int) -> Array:
            sides = rdms[k].values, centres[k], means[k], rdms[m].values, centres[m], means[m]
            parts = [
                kernels.product_rows(*sides, n, rows.start, rows.stop)
                for rows in pieces(rdms[k].values, rdms[m].values, n=n, width=n)
            ]
            part: Array = np.sum(parts, axis=0) + 4 * means[k] * means[m]
            return part

        return rows

    def _influences_of_ranks(self, values: Array, slopes: Array) -> None:
        """Spearman's rho and rho-a, where a stimulus also moves the ranks of all other pairs."""
        placed, pairs, n = self.placed, self.placed[0].size, self.n
        counts = [np.bincount(place) for place in placed]
        tables = [np.cumsum(count) - count / 2 - pairs / 2 for count in counts]  # centred mid-ranks

        def shifts(k: int, m: int) -> Array:
            """By place in one RDM: how a further pair there moves the others' ranks, times their ranks in the other."""
            held = np.bincount(placed[k], tables[m][placed[m]], len(counts[k]))
            after: Array = held.sum() - np.cumsum(held) + held / 2
            return after

        def inner(k: int, m: int) -> tuple[float, Array]:
            """Mean product of ranks, and its derivative."""
            sums = kernels.table_rows(placed[k], tables[k], shifts(k, m), placed[m], tables[m], shifts(m, k), n)
            mean = float(sums.sum()) / (6 * pairs)  # ranks and shifts have one mean each; a pair is in two rows
            return mean, (sums - 3 * (n - 1) * mean) / pairs

        squares = [inner(k, k) for k in range(len(placed))] if self.method.normalised else []
        for k, t in np.ndindex(values.shape):
            m = self.first + t
            mean, slope = inner(k, m)
            if self.method.normalised:
                norms = math.sqrt(squares[k][0] * squares[m][0])
                values[k, t] = mean / norms
                own = squares[k][1] / squares[k][0] + squares[m][1] / squares[m][0]
                slopes[k, t] = slope / norms - values[k, t] / 2 * own
            else:
                values[k, t], slopes[k, t] = (12 / (pairs**2 - 1) * part for part in (mean, slope))

    def _influences_of_concordance(self, values: Array, slopes: Array) -> None:
        placed, pairs, n = self.placed, self.placed[0].size, self.n
        alike = np.empty(pairs, np.int64)
        for k, t in np.ndindex(values.shape):
            kernels.concordance(np.argsort(placed[k]), placed[k], placed[self.first + t], alike)
            values[k, t] = alike.sum() / (pairs * (pairs - 1))
            slopes[k, t] = 2 * (row_sums(alike / (pairs - 1), n) - (n - 1) * values[k, t]) / pairs

    def inner_products(
        self, pairs: Sequence[tuple[int, int]], weights: npt.NDArray[np.int64]
    ) -> dict[tuple[int, int], Array]:
        """Inner products (draws,) of these pairs of all RDMs under weights (draws, stimuli).

        By the methods without ranks: from sums of D, of products, and (whitened) from D w. Of an RDM that is constant
        and itself they are 0.
        """
        rdms, n, method = self.rdms, self.n, self.method
        size, draws = len(rdms), len(weights)
        w = np.ascontiguousarray(weights.T, np.float64)
        centres = [_middle(rdm.values) if method.centred else 0.0 for rdm in rdms]
        sums, products = np.zeros((size, draws)), {pair: np.zeros(draws) for pair in pairs}
        rows = np.zeros((size, n, draws)) if method.whitened else None
        for start in range(0, n - 1, _ROWS):
            stop = min(start + _ROWS, n)
            own, rest = w[start:stop], w[start:]
            tiles = np.empty((size, stop - start, n - start))
            for k, rdm in enumerate(rdms):
                kernels.upper_rows(rdm.values, centres[k], n, start, stop, tiles[k])
                forget(rdm.values)
                inner = tiles[k] @ rest
                sums[k] += np.einsum("ib,ib->b", own, inner)
                if rows is not None:
                    rows[k, start:stop] += inner
                    rows[k, start:] += tiles[k].T @ own
            for k, m in pairs:
                products[k, m] += np.einsum("ib,ib->b", own, (tiles[k] * tiles[m]) @ rest)
        total = w.sum(axis=0)
        count = (total**2 - (w**2).sum(axis=0)) / 2
        with np.errstate(divide="ignore", invalid="ignore"):  # draws of one stimulus alone, NaN in the end
            means = sums / count if method.centred else np.zeros_like(sums)
        inner_products = {}
        for k, m in pairs:
            value = products[k, m] - sums[k] * means[m] - means[k] * sums[m] + count * means[k] * means[m]
            if rows is not None:  # <HAH, HBH> with weighted centring, as in `compare`
                centred = [rows[i] - means[i] * (total - w) for i in (k, m)]
                cross = np.einsum("ib,ib,ib->b", w, *centred) / total
                grand = [np.einsum("ib,ib->b", w, part) / total for part in centred]
                value = 2 * value - 2 * cross + grand[0] * grand[1]
            inner_products[k, m] = np.where(value <= _CONSTANT * products[k, m], 0.0, value) if k == m else value
        return inner_products

    def _resampled_products(self, weights: npt.NDArray[np.int64]) -> Array:
        """Pearson, cosine and their whitened forms."""
        first, size, draws = self.first, len(self.rdms), len(weights)
        pairs = [(k, k) for k in range(size)] + list(product(range(first), range(first, size)))
        inner_products = self.inner_products(pairs, weights)
        values = np.empty((first, size - first, draws))
        with np.errstate(divide="ignore", invalid="ignore"):
            for k, m in pairs[size:]:
                norms = np.sqrt(inner_products[k, k] * inner_products[m, m])
                values[k, m - first] = np.where(norms > 0, inner_products[k, m] / norms, np.nan)
        return values

    def _resampled_ranks(self, weights: npt.NDArray[np.int64]) -> Array:
        size, first, rows = len(self.placed), self.first, np.stack(self.placed)
        out = np.empty((len(weights), size + first * (size - first) + 1))
        kernels.rank_products(rows, int(rows.max()) + 1, weights, first, out)
        squares, products = out[:, :size].T, out[:, size:-1].T.reshape(first, size - first, -1)
        with np.errstate(divide="ignore", invalid="ignore"):
            if self.method.normalised:
                values: Array = products / np.sqrt(squares[:first, None] * squares[None, first:])
            else:
                cubes = weights.astype(np.float64) ** 3
                copied = (cubes.sum(axis=1) ** 2 - (cubes**2).sum(axis=1)) / 2  # of pairs, summed
                values = 12 * products / (out[:, -1] ** 3 - copied)
                values[np.minimum(squares[:first, None], squares[None, first:]) == 0] = np.nan
        return values

    def _resampled_concordance(self, weights: npt.NDArray[np.int64]) -> Array:
        rows, columns = (index.astype(np.int32) for index in np.triu_indices(weights.shape[1], 1))
        out = np.empty((*self.shape, len(weights)))
        for k, t in np.ndindex(self.shape):
            x = self.placed[k]
            kernels.tau_a(np.argsort(x), rows, columns, x, self.placed[self.first + t], weights, out[k, t])
        return out
