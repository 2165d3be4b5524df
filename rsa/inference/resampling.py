"""The bootstrap over stimuli, for all layers and targets at once, without copying an RDM.

A resample is a vector w of multiplicities. A sum over the resampled pairs of different stimuli is a quadratic form,
`sum w_i w_j D_ij E_ij = w' (D * E) w` with a zero diagonal, so draws are columns of one matrix and all of them are a
few products of matrices. It gives what resampling rows and dropping pairs of copies gives (Nili et al. 2014).
"""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..errors import RSAError, listing
from ..labels import KINDS, beside, check_names
from ..rdm.comparison import RANKED, align, check_method
from ..rdm.rdm import RDM
from ..types import Array
from . import _kernels as kernels
from .influence import influences, places

if TYPE_CHECKING:
    import xarray

LEAST = 5  # stimuli or groups; with fewer, draws repeat each other
_CONSTANT = 1e-12  # share of its raw squares below which an RDM's centred squares are rounding
_ROWS = 256  # rows of the matrices in work at once


def bootstrap(
    a: RDM | Mapping[str, RDM],
    b: RDM | Mapping[str, RDM],
    *,
    method: str = "pearson",
    n: int = 1000,
    seed: int = 0,
    groups: str | Sequence[object] | None = None,
) -> "xarray.DataArray":
    """Similarities under resampling of the stimuli with replacement: DataArray ("layer", "target", "draw").

    a, b: RDMs (or mappings of them) over the same stimuli in any order. method: as in `compare`; in the whitened forms
    copies of a stimulus keep their distance of zero to each other, in the others such pairs are left out, and copies of
    one pair are not counted as tied with each other by rho-a and tau-a, which ties would lower.
    groups: resample these together (a block bootstrap: images of one object are not independent): a descriptor of the
    first RDM ("object_name"), or one value per stimulus in its order. Without groups the draws are about new stimuli of
    the same objects and categories: for a claim about new ones intervals are then much too narrow.

    One seed gives the same draws for the same stimuli, whatever their order and the RDMs: differences are paired.
    A draw with fewer than 3 different stimuli, or in which an RDM is constant, is NaN.

    Coordinates with what `interval` and `layer_differences` need to correct the spread of the draws: `estimate`
    (layer, target), the similarity over all stimuli once; `linear` (layer, target, draw), the part of every draw that
    is a sum over single stimuli or groups; `dof` (layer, target), the degrees of freedom of its variance. Attributes:
    `resampled`, what; `units`, how many of them; `about`, what new samples the draws stand for.

    Raises RSAError as `compare_all` does, for n < 1, for fewer than 5 stimuli or groups (too few to say anything), and
    for groups that do not fit.
    """
    import xarray

    check_method(method)
    if n < 1 or seed < 0:
        raise RSAError(f"at least 1 draw and a seed from 0 are needed, got n={n}, seed={seed}")
    layers = {a.name or "a": a} if isinstance(a, RDM) else dict(a)
    targets = {b.name or "b": b} if isinstance(b, RDM) else dict(b)
    first, second = align(layers, targets, cure="RDM.subset selects")
    unit = blocks(first[0], groups)
    counts = draw_counts(int(unit.max()) + 1, n, seed)
    weights = np.ascontiguousarray(counts[:, unit])
    placed = [places(rdm, method) for rdm in (*first, *second)] if method in RANKED else []
    similarity, slopes = influences(first, second, method, placed)
    similarity = np.clip(similarity, -1, 1)  # rounding
    slopes = np.stack([np.bincount(unit, slope) for slope in slopes.reshape(-1, len(unit))])
    linear = (slopes @ (counts - 1.0).T).reshape(*similarity.shape, n)
    coords = {
        "layer": list(layers),
        "target": list(targets),
        "estimate": (("layer", "target"), similarity),
        "linear": (("layer", "target", "draw"), linear),
        "dof": (("layer", "target"), _degrees_of_freedom(slopes).reshape(similarity.shape)),
    }
    values = resampled(first, second, weights, method, placed)
    kind = "stimuli" if groups is None else groups if isinstance(groups, str) else "groups"
    about = _about(first[0], groups, counts.shape[1])
    attrs = {"method": method, "seed": seed, "resampled": kind, "about": about}
    attrs |= {"n": len(first[0]), "units": counts.shape[1]}
    return xarray.DataArray(values, coords, ("layer", "target", "draw"), "similarity", attrs)


def _about(rdm: RDM, groups: str | Sequence[object] | None, units: int) -> str:
    """What new samples draws of so many units stand for: objects and categories that are coarser stay the same."""
    noun = groups if isinstance(groups, str) else "groups" if groups is not None else "stimuli"
    if groups is None and rdm.by != "stimulus":
        noun = rdm.by
    counts = {key: len(set(rdm.descriptors[key])) for key in KINDS if key in rdm.descriptors}
    same = {key: count for key, count in counts.items() if 1 < count < units}
    if not same:
        return f"new {noun}"
    cure = " (set groups for new ones)" if max(same.values()) >= LEAST else ""
    return f"new {noun} of the same {' and '.join(f'{count} {key}' for key, count in same.items())}{cure}"


def _degrees_of_freedom(slopes: Array) -> Array:
    """Of the sum of squares of each row, by Satterthwaite: few where single stimuli carry most of it."""
    squares, n = slopes**2, slopes.shape[-1]
    share = (squares**2).sum(axis=-1) / np.maximum(squares.sum(axis=-1) ** 2, 1e-300) - 1 / n
    degrees: Array = np.clip(2 * (n - 1) / (n * np.maximum(share, 1e-12)), 2, n - 1)
    return degrees


def resampled(
    layers: Sequence[RDM], targets: Sequence[RDM], weights: npt.NDArray[np.int64], method: str, placed: Sequence[Array]
) -> Array:
    """Similarities (layers, targets, draws) under weights (draws, stimuli); placed as in `influences`."""
    if method == "tau-a":
        values = _tau_a(placed, len(layers), weights)
    elif method in RANKED:
        values = _ranked(placed, len(layers), weights, method)
    else:
        values = _quadratic([*layers, *targets], len(layers), weights, method)
    values[:, :, (weights > 0).sum(axis=1) < 3] = np.nan
    return values


def draw_counts(units: int, n: int, seed: int) -> npt.NDArray[np.int64]:
    """(n, units) how often each of so many units is in every draw."""
    chosen = np.random.default_rng(seed).integers(units, size=(n, units)) + units * np.arange(n)[:, None]
    return np.bincount(chosen.ravel(), minlength=n * units).reshape(n, units)


def blocks(rdm: RDM, groups: str | Sequence[object] | None) -> npt.NDArray[np.int64]:
    """The number of the unit that every stimulus is resampled with: its own, or its group's; in order of their names.

    Raises RSAError for an unknown descriptor, a wrong length, and fewer than 5 units.
    """
    if groups is None:
        names: Sequence[str] = rdm.labels
    elif isinstance(groups, str):
        if groups not in rdm.descriptors:
            raise RSAError(
                f"{rdm!r} has no descriptor {groups!r} to resample; it has: {listing(rdm.descriptors) or '-'}"
            )
        names = check_names(rdm.descriptors[groups], f"{groups} of the stimuli")
    else:
        names = beside(groups, rdm.labels, "groups")
    if len(names) != len(rdm):
        raise RSAError(f"groups= has {len(names)} values for {len(rdm)} stimuli")
    known, unit = np.unique(np.array(names), return_inverse=True)
    if len(known) < LEAST:
        what = "stimuli" if groups is None else "groups"
        raise RSAError(f"{len(known)} {what} are too few to resample; at least {LEAST} are needed")
    return unit.astype(np.int64)


def _quadratic(rdms: Sequence[RDM], first: int, weights: npt.NDArray[np.int64], method: str) -> Array:
    """Pearson, cosine and their whitened forms from sums of D, of products, and (whitened) from D w."""
    size, draws, n = len(rdms), len(weights), len(rdms[0])
    w = np.ascontiguousarray(weights.T, np.float64)
    centres = [0.0 if method.startswith("cosine") else float(np.median(rdm.values)) for rdm in rdms]
    whitened = method.endswith("whitened")
    pairs = [(k, k) for k in range(size)] + list(product(range(first), range(first, size)))
    sums, products = np.zeros((size, draws)), {pair: np.zeros(draws) for pair in pairs}
    rows = np.zeros((size, n, draws)) if whitened else None
    for start in range(0, n - 1, _ROWS):
        stop = min(start + _ROWS, n)
        own, rest = w[start:stop], w[start:]
        blocks = np.empty((size, stop - start, n - start))
        for k, rdm in enumerate(rdms):
            kernels.upper_rows(rdm.values, centres[k], n, start, stop, blocks[k])
            inner = blocks[k] @ rest
            sums[k] += np.einsum("ib,ib->b", own, inner)
            if rows is not None:
                rows[k, start:stop] += inner
                rows[k, start:] += blocks[k].T @ own
        for k, m in pairs:
            products[k, m] += np.einsum("ib,ib->b", own, (blocks[k] * blocks[m]) @ rest)
    total = w.sum(axis=0)
    count = (total**2 - (w**2).sum(axis=0)) / 2
    with np.errstate(divide="ignore", invalid="ignore"):  # draws of one stimulus alone, NaN in the end
        means = np.zeros_like(sums) if method.startswith("cosine") else sums / count
    inner_products = {}
    for k, m in pairs:
        value = products[k, m] - sums[k] * means[m] - means[k] * sums[m] + count * means[k] * means[m]
        if rows is not None:  # <HAH, HBH> with weighted centring, as in `compare`
            centred = [rows[i] - means[i] * (total - w) for i in (k, m)]
            cross = np.einsum("ib,ib,ib->b", w, *centred) / total
            grand = [np.einsum("ib,ib->b", w, part) / total for part in centred]
            value = 2 * value - 2 * cross + grand[0] * grand[1]
        inner_products[k, m] = np.where(value <= _CONSTANT * products[k, m], np.nan, value) if k == m else value
    values = np.empty((first, size - first, draws))
    with np.errstate(divide="ignore", invalid="ignore"):
        for k, m in pairs[size:]:
            norms = np.sqrt(inner_products[k, k] * inner_products[m, m])
            values[k, m - first] = inner_products[k, m] / norms
    return values


def _ranked(placed: Sequence[Array], first: int, weights: npt.NDArray[np.int64], method: str) -> Array:
    size, rows = len(placed), np.stack(placed)
    out = np.empty((len(weights), size + first * (size - first) + 1))
    kernels.rank_products(rows, int(rows.max()) + 1, weights, first, out)
    squares, products = out[:, :size].T, out[:, size:-1].T.reshape(first, size - first, -1)
    with np.errstate(divide="ignore", invalid="ignore"):
        if method == "rho-a":
            cubes = weights.astype(np.float64) ** 3
            copied = (cubes.sum(axis=1) ** 2 - (cubes**2).sum(axis=1)) / 2  # of pairs, summed
            values: Array = 12 * products / (out[:, -1] ** 3 - copied)
            values[np.minimum(squares[:first, None], squares[None, first:]) == 0] = np.nan
        else:
            values = products / np.sqrt(squares[:first, None] * squares[None, first:])
    return values


def _tau_a(placed: Sequence[Array], first: int, weights: npt.NDArray[np.int64]) -> Array:
    rows, columns = (index.astype(np.int32) for index in np.triu_indices(weights.shape[1], 1))
    out = np.empty((first, len(placed) - first, len(weights)))
    for k, t in product(range(first), range(len(placed) - first)):
        x = placed[k]
        kernels.tau_a(np.argsort(x), rows, columns, x, placed[first + t], weights, out[k, t])
    return out
