"""How similar two RDMs are: seven measures, over the same stimuli whatever their order."""

import math
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from . import _kernels
from .errors import RSAError, listing, near
from .rdm import RDM, Array

if TYPE_CHECKING:
    import xarray

METHODS = ("pearson", "spearman", "tau-a", "rho-a", "cosine", "cosine-whitened", "pearson-whitened")
_RANKED = ("spearman", "rho-a", "tau-a")
_MAX_PAIRS = 2**30  # doubled ranks stay below 2^31


def compare(a: RDM, b: RDM, *, method: str = "pearson", allow_subset: bool = False) -> float:
    """Similarity of two RDMs over their pairs of stimuli, matched by label.

    method: "pearson"; "spearman" (mid-ranks); "tau-a" (Kendall, ties counted against: the choice of Nili et al. 2014
    for categorical models); "rho-a" (Spearman's rho expected under random breaking of ties, Schutt et al. 2023);
    "cosine"; "cosine-whitened" and "pearson-whitened" (Diedrichsen et al. 2021: the covariance of RDM entries that
    share a stimulus is taken out, independent equal noise assumed).

    Raises RSAError when labels are in one RDM only (unless `allow_subset`: then the common ones, at least 3 of
    them, are used), or when an RDM is constant so that the measure is undefined.
    """
    _check_method(method)
    (first,), (second,) = align({"a": a}, {"b": b}, allow_subset=allow_subset)
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(lambda rdm: _prepare(rdm, method), (first, second))
    return _similarity(one, other, method)


def compare_all(
    a: Mapping[str, RDM], b: Mapping[str, RDM], *, method: str = "pearson", allow_subset: bool = False
) -> "xarray.DataArray":
    """`compare` for every pair: DataArray with dims ("layer", "target"), the keys as coordinates."""
    import xarray

    _check_method(method)
    layers, targets = align(a, b, allow_subset=allow_subset)
    with ThreadPoolExecutor(2) as pool:
        columns = list(pool.map(lambda rdm: _prepare(rdm, method), targets))
    table = np.empty((len(layers), len(targets)))
    for i, layer in enumerate(layers):
        row = _prepare(layer, method)
        table[i] = [_similarity(row, column, method) for column in columns]
    coords = {"layer": list(a), "target": list(b)}
    return xarray.DataArray(table, coords, ("layer", "target"), "similarity", {"method": method, "n": len(layers[0])})


def align(a: Mapping[str, RDM], b: Mapping[str, RDM], *, allow_subset: bool = False) -> tuple[list[RDM], list[RDM]]:
    """All RDMs over the same labels in the order of the first. Raises RSAError as `compare` does."""
    named = [(key, rdm) for side in (a, b) for key, rdm in side.items()]
    if not a or not b:
        raise RSAError("nothing to compare: one side has no RDM")
    first_key, first = named[0]
    common = set(first.labels).intersection(*(rdm.labels for _, rdm in named[1:]))
    for key, rdm in named[1:]:
        only_first = [label for label in first.labels if label not in set(rdm.labels)] if not allow_subset else []
        only_here = [label for label in rdm.labels if label not in set(first.labels)] if not allow_subset else []
        if only_first or only_here:
            sides = [
                f"{len(only)} only in {rdm_.name or key_!r} ({listing(only)})"
                for only, key_, rdm_ in ((only_first, first_key, first), (only_here, key, rdm))
                if only
            ]
            raise RSAError(
                f"labels differ: {', '.join(sides)}; allow_subset=True compares the {len(common)} common ones"
            )
    if len(common) < 3:
        raise RSAError(f"{len(common)} common label(s); a comparison needs at least 3")
    order = [label for label in first.labels if label in common]
    aligned = [rdm.subset(order) for _, rdm in named]
    return aligned[: len(a)], aligned[len(a) :]


def _check_method(method: str) -> None:
    if method not in METHODS:
        raise RSAError(f"unknown method {method!r}{near(method, METHODS)}")


def ranks(values: Array) -> Array:
    """Doubled mid-ranks (whole numbers) of a vector; half of them are scipy's `rankdata`."""
    if values.size > _MAX_PAIRS:
        raise RSAError(f"{values.size} pairs are too many to rank; at most {_MAX_PAIRS}")
    packed, out = np.empty(values.size, np.uint64), np.empty(values.size, np.int32)
    pack, bits = (
        (_kernels.pack_float32, np.uint32) if values.dtype == np.float32 else (_kernels.pack_float64, np.uint64)
    )
    pack(values, values.view(bits), packed)
    packed.sort()
    _kernels.midranks(packed, values, out)
    return out


@dataclass(frozen=True)
class _Prepared:
    """One RDM's part of an inner product: its values about a centre, and, whitened, its row means."""

    vector: Array
    centre: float
    rows: Array | None
    n: int
    norm: float = 0.0


def _prepare(rdm: RDM, method: str) -> _Prepared:
    n = len(rdm)
    vector = ranks(rdm.values) if method in _RANKED else rdm.values
    centre = 0.0 if method.startswith("cosine") else _kernels.total(vector) / vector.size
    rows = None
    if method.endswith("whitened"):
        rows = (_kernels.row_sums(vector, n) - (n - 1) * centre) / n
    form = _Prepared(vector, centre, rows, n)
    form = _Prepared(vector, centre, rows, n, math.sqrt(max(_inner(form, form), 0.0)))
    low, high = rdm.values.min(), rdm.values.max()
    if (centre != 0.0 and low == high) or (low == high == 0.0) or form.norm == 0.0:
        raise RSAError(f"{rdm!r} is constant ({low:g}), so its {method} similarity is undefined")
    return form


def _inner(a: _Prepared, b: _Prepared) -> float:
    product = float(_kernels.centred_dot(a.vector, a.centre, b.vector, b.centre))
    if a.rows is None or b.rows is None:
        return product
    n = a.n  # <HAH, HBH> for centred squares, H = I - 1/n: Diedrichsen et al. 2021, the inverse of V in closed form
    return 2 * product - 2 * n * float(a.rows @ b.rows) + n * n * float(a.rows.mean() * b.rows.mean())


def _similarity(a: _Prepared, b: _Prepared, method: str) -> float:
    if method == "tau-a":
        return _tau_a(a.vector, b.vector)
    if method == "rho-a":
        pairs = float(a.vector.size)
        return 3 * _inner(a, b) / (pairs**3 - pairs)  # 12 cov for ranks; ours are doubled on both sides
    return max(-1.0, min(1.0, _inner(a, b) / (a.norm * b.norm)))


def _tau_a(x: Array, y: Array) -> float:
    """(concordant - discordant) / all pairs, by Knight's merge counting."""
    size = x.size
    packed, order, spare = np.empty(size, np.uint64), np.empty(size, np.uint32), np.empty(size, np.uint32)
    _kernels.pack_pairs(x, y, packed)
    packed.sort()
    both = int(_kernels.equal_pairs(packed))
    _kernels.lower_halves(packed, order)
    in_x = int(_kernels.equal_pairs(packed >> np.uint64(32)))
    discordant = int(_kernels.count_inversions(order, spare))
    pairs = size * (size - 1) // 2
    in_y = int(_kernels.equal_pairs(np.sort(y)))
    return (pairs - in_x - in_y + both - 2 * discordant) / pairs
