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

from . import _resample_kernels as kernels
from .comparison import RANKED, align, check_method, ranks
from .errors import RSAError, listing
from .rdm import RDM, Array, as_text

if TYPE_CHECKING:
    import xarray

LEAST = 5  # stimuli or groups; with fewer, draws repeat each other
_CONSTANT = 1e-12  # share of its raw squares below which an RDM's centred squares are rounding
_ROWS = 256  # rows of the matrices in work at once
_BINS = 2**16  # with more different values neighbours count as ties: off by 4e-7 at 400 stimuli, less with more


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
    copies of a stimulus keep their distance of zero to each other, in the others such pairs are left out.
    groups: resample these together (a block bootstrap: images of one object are not independent): a descriptor of the
    first RDM ("object_name"), or one value per stimulus in its order.

    One seed gives the same draws for the same stimuli, whatever their order and the RDMs: differences are paired.
    A draw with fewer than 3 different stimuli, or in which an RDM is constant, is NaN. Raises RSAError as `compare_all`
    does, for n < 1, for fewer than 5 stimuli or groups (too few to say anything), and for groups that do not fit.
    """
    import xarray

    check_method(method)
    if n < 1 or seed < 0:
        raise RSAError(f"at least 1 draw and a seed from 0 are needed, got n={n}, seed={seed}")
    layers = {a.name or "a": a} if isinstance(a, RDM) else dict(a)
    targets = {b.name or "b": b} if isinstance(b, RDM) else dict(b)
    first, second = align(layers, targets, cure="RDM.subset selects")
    weights = draw_multiplicities(first[0], n, seed, groups)
    if method == "tau-a":
        values = _tau_a(first, second, weights)
    elif method in RANKED:
        values = _ranked(first, second, weights, method)
    elif method in ("pearson", "cosine", "pearson-whitened", "cosine-whitened"):
        values = _quadratic(first, second, weights, method)
    else:
        raise NotImplementedError(method)
    values[:, :, (weights > 0).sum(axis=1) < 3] = np.nan
    coords = {"layer": list(layers), "target": list(targets)}
    attrs = {"method": method, "seed": seed, "resampled": _resampled(groups), "n": len(first[0])}
    return xarray.DataArray(values, coords, ("layer", "target", "draw"), "similarity", attrs)


def _resampled(groups: str | Sequence[object] | None) -> str:
    return "stimuli" if groups is None else groups if isinstance(groups, str) else "groups"


def draw_multiplicities(
    rdm: RDM, n: int, seed: int, groups: str | Sequence[object] | None = None
) -> npt.NDArray[np.int64]:
    """(n, stimuli) how often every stimulus is in every draw; depends on seed and labels, not on their order."""
    if groups is None:
        blocks: Sequence[object] = rdm.labels
    elif isinstance(groups, str):
        if groups not in rdm.descriptors:
            raise RSAError(
                f"{rdm!r} has no descriptor {groups!r} to resample; it has: {listing(rdm.descriptors) or '-'}"
            )
        blocks = list(rdm.descriptors[groups])
    else:
        blocks = list(groups)
    if len(blocks) != len(rdm):
        raise RSAError(f"groups= has {len(blocks)} values for {len(rdm)} stimuli")
    names, place = np.unique(np.array([as_text(block) for block in blocks]), return_inverse=True)
    if len(names) < LEAST:
        what = "stimuli" if groups is None else "groups"
        raise RSAError(f"{len(names)} {what} are too few to resample; at least {LEAST} are needed")
    counts = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), size=n)
    return np.ascontiguousarray(counts[:, place], np.int64)


def _quadratic(layers: list[RDM], targets: list[RDM], weights: npt.NDArray[np.int64], method: str) -> Array:
    """Pearson, cosine and their whitened forms from sums of D, of products, and (whitened) from D w."""
    rdms = [*layers, *targets]
    size, draws, n = len(rdms), len(weights), len(rdms[0])
    w = np.ascontiguousarray(weights.T, np.float64)
    centres = [0.0 if method.startswith("cosine") else float(np.median(rdm.values)) for rdm in rdms]
    whitened = method.endswith("whitened")
    pairs = [(k, k) for k in range(size)] + list(product(range(len(layers)), range(len(layers), size)))
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
    values = np.empty((len(layers), len(targets), draws))
    with np.errstate(divide="ignore", invalid="ignore"):
        for k, m in pairs[size:]:
            norms = np.sqrt(inner_products[k, k] * inner_products[m, m])
            values[k, m - len(layers)] = inner_products[k, m] / norms
    return values


def _ranked(layers: list[RDM], targets: list[RDM], weights: npt.NDArray[np.int64], method: str) -> Array:
    rdms = [*layers, *targets]
    bins = np.stack([_bins(rdm) for rdm in rdms])
    out = np.empty((len(weights), len(rdms) + len(layers) * len(targets) + 1))
    kernels.rank_products(bins, int(bins.max()) + 1, weights, len(layers), out)
    squares, products = out[:, : len(rdms)].T, out[:, len(rdms) : -1].T.reshape(len(layers), len(targets), -1)
    with np.errstate(divide="ignore", invalid="ignore"):
        if method == "rho-a":
            values: Array = 12 * products / (out[:, -1] ** 3 - out[:, -1])
            values[np.minimum(squares[: len(layers), None], squares[None, len(layers) :]) == 0] = np.nan
        else:
            values = products / np.sqrt(squares[: len(layers), None] * squares[None, len(layers) :])
    return values


def _bins(rdm: RDM) -> Array:
    values, place = np.unique(rdm.values, return_inverse=True)
    if len(values) > _BINS:
        place = (ranks(rdm.values).astype(np.int64) - 1) * _BINS // (2 * rdm.values.size)
    return place.astype(np.uint16)


def _tau_a(layers: list[RDM], targets: list[RDM], weights: npt.NDArray[np.int64]) -> Array:
    rows, columns = (index.astype(np.int32) for index in np.triu_indices(len(layers[0]), 1))
    dense = [np.unique(rdm.values, return_inverse=True)[1].astype(np.int64) + 1 for rdm in (*layers, *targets)]
    out = np.empty((len(layers), len(targets), len(weights)))
    for k, t in product(range(len(layers)), range(len(targets))):
        x = dense[k]
        kernels.tau_a(np.argsort(x), rows, columns, x, dense[len(layers) + t], weights, out[k, t])
    return out
