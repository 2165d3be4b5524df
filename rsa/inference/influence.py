"""How much every stimulus moves a similarity: its derivative by the weight of that stimulus.

With `w` the multiplicities of a resample, `similarity + influence @ (w - 1)` is the linear part of a bootstrap draw
(the infinitesimal jackknife). `inference` needs it to tell what one stimulus does alone from what pairs of them do.
"""

import math
from collections.abc import Sequence

import numpy as np

from ..errors import RSAError
from ..rdm._kernels import row_sums
from ..rdm.comparison import RANKED, ranks
from ..rdm.rdm import RDM
from ..types import Array
from . import _kernels as kernels

BINS = 2**16  # with more different values neighbours count as ties: off by 4e-7 at 400 stimuli, less with more


def places(rdm: RDM, method: str) -> Array:
    """Every pair's place among the different values: from 1 for tau-a; in at most BINS shares of the pairs, from 0."""
    rank = ranks(rdm.values)
    there = np.zeros(int(rank.max()) + 1, np.bool_)
    there[rank] = True
    dense = np.cumsum(there) - 1
    if method == "tau-a":
        return dense[rank] + 1
    if dense[-1] < BINS:
        return dense[rank].astype(np.uint16)
    place = (rank.astype(np.int64) - 1) * BINS // (2 * rank.size)
    return place.astype(np.uint16)


def influences(
    layers: Sequence[RDM], targets: Sequence[RDM], method: str, placed: Sequence[Array]
) -> tuple[Array, Array]:
    """Similarities (layers, targets) and their derivatives by the weights (layers, targets, n) at weight 1 each.

    The RDMs are over the same stimuli in one order; placed: the `places` of all of them where the method ranks.
    Copies of a stimulus are treated as in `bootstrap`. Raises RSAError for a constant RDM, as `compare` does.
    """
    for rdm in (*layers, *targets):
        least = 0.0 if method.startswith("cosine") else rdm.values[0]
        if (rdm.values == least).all():
            raise RSAError(f"{rdm!r} is constant ({least:g}), so its {method} similarity is undefined")
    n, shape = len(layers[0]), (len(layers), len(targets))
    values, slopes = np.empty(shape), np.empty((*shape, n))
    if method == "tau-a":
        _tau_a(placed, values, slopes)
    elif method in RANKED:
        _ranked(placed, method, values, slopes)
    else:
        _quadratic([*layers, *targets], method, values, slopes)
    return values, slopes


def _quadratic(rdms: Sequence[RDM], method: str, values: Array, slopes: Array) -> None:
    """Of a ratio of inner products; of double-centred entries in the whitened forms, where copies are zero apart."""
    n = len(rdms[0])
    centres = [0.0 if method.startswith("cosine") else float(rdm.values.mean(dtype=np.float64)) for rdm in rdms]
    means = [np.zeros(n)] * len(rdms)
    if method.endswith("whitened"):
        sums = [row_sums(rdm.values, n) - (n - 1) * centre for rdm, centre in zip(rdms, centres, strict=True)]
        means = [s / n - s.sum() / (2 * n * n) for s in sums]

    def rows(k: int, m: int) -> Array:
        """Every stimulus's part of the inner product of two RDMs."""
        sides = rdms[k].values, centres[k], means[k], rdms[m].values, centres[m], means[m]
        part: Array = kernels.product_rows(*sides, n) + 4 * means[k] * means[m]
        return part

    squares = [rows(k, k) for k in range(len(rdms))]
    for k, t in np.ndindex(values.shape):
        m = values.shape[0] + t
        inner, norms = rows(k, m), math.sqrt(squares[k].sum() * squares[m].sum())
        values[k, t] = inner.sum() / norms
        own = squares[k] / squares[k].sum() + squares[m] / squares[m].sum()
        slopes[k, t] = 2 * inner / norms - values[k, t] * own


def _ranked(placed: Sequence[Array], method: str, values: Array, slopes: Array) -> None:
    """Spearman's rho and rho-a, where a stimulus also moves the ranks of all other pairs."""
    pairs, n = placed[0].size, slopes.shape[-1]
    counts = [np.bincount(place) for place in placed]
    tables = [np.cumsum(count) - count / 2 - pairs / 2 for count in counts]  # centred mid-ranks

    def shifts(k: int, m: int) -> Array:
        """By place in one RDM: how one more pair there moves the ranks of others, times their ranks in the other."""
        held = np.bincount(placed[k], tables[m][placed[m]], len(counts[k]))
        after: Array = held.sum() - np.cumsum(held) + held / 2
        return after

    def product(k: int, m: int) -> tuple[float, Array]:
        """Mean product of ranks, and its derivative."""
        sums = kernels.table_rows(placed[k], tables[k], shifts(k, m), placed[m], tables[m], shifts(m, k), n)
        mean = float(sums.sum()) / (6 * pairs)  # ranks and shifts have one mean each; a pair is in two rows
        return mean, (sums - 3 * (n - 1) * mean) / pairs

    squares = [] if method == "rho-a" else [product(k, k) for k in range(len(placed))]
    for k, t in np.ndindex(values.shape):
        m = values.shape[0] + t
        mean, slope = product(k, m)
        if method == "rho-a":
            values[k, t], slopes[k, t] = (12 / (pairs**2 - 1) * part for part in (mean, slope))
        else:
            norms = math.sqrt(squares[k][0] * squares[m][0])
            values[k, t] = mean / norms
            own = squares[k][1] / squares[k][0] + squares[m][1] / squares[m][0]
            slopes[k, t] = slope / norms - values[k, t] / 2 * own


def _tau_a(placed: Sequence[Array], values: Array, slopes: Array) -> None:
    pairs, n = placed[0].size, slopes.shape[-1]
    alike = np.empty(pairs, np.int64)
    for k, t in np.ndindex(values.shape):
        kernels.concordance(np.argsort(placed[k]), placed[k], placed[values.shape[0] + t], alike)
        values[k, t] = alike.sum() / (pairs * (pairs - 1))
        slopes[k, t] = 2 * (row_sums(alike / (pairs - 1), n) - (n - 1) * values[k, t]) / pairs
