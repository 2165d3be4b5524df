"""How similar two RDMs are, over the same stimuli in whatever order.

To add a method: one entry in `_REGISTRY`. Inner products of entries (or of their ranks) are done by its fields alone;
another algorithm gets a field of `Method`, its branch in `_similarity`, and those in `inference/bootstrap.py` and in
the noise ceilings (CONTRIBUTING).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from ..errors import RSAError, check_known, listing
from ..fields import Labelled
from ..io.mapped import pieces
from ..labels import both_sides, respelled
from ..types import Array
from . import _kernels, _rank_kernels
from .rdm import RDM

if TYPE_CHECKING:
    import xarray

_MAX_PAIRS = 2**30  # doubled ranks stay below 2^31
L = TypeVar("L", bound=Labelled)


@dataclass(frozen=True)
class Method:
    """A measure of similarity between RDMs.

    Attributes
    ----------
    name : str
    ranked : bool
        Compares the ranks of the entries.
    centred : bool
        Entries are taken about their mean, so that chance gives zero.
    whitened : bool
        The covariance of entries that share a stimulus is taken out (Diedrichsen et al. 2021).
    normalised : bool
        Divided by the norms of both sides; otherwise by the norms that untied ranks would have, so that ties lower it.
    concordance : bool
        Counts pairs of entries that are ordered alike, in place of an inner product.
    sized : bool
        The higher the fewer the stimuli, so that values over different numbers of them do not compare.
    """

    name: str
    ranked: bool = False
    centred: bool = True
    whitened: bool = False
    normalised: bool = True
    concordance: bool = False
    sized: bool = False

    @property
    def linear(self) -> str:
        """The method that compares values where this one compares their ranks."""
        return "pearson" if self.ranked else self.name


_REGISTRY = {
    method.name: method
    for method in (
        Method("pearson"),
        Method("spearman", ranked=True),
        Method("tau-a", ranked=True, concordance=True),
        Method("rho-a", ranked=True, normalised=False),
        Method("cosine", centred=False),
        Method("cosine-whitened", centred=False, whitened=True, sized=True),
        Method("pearson-whitened", whitened=True),
    )
}
METHODS = tuple(_REGISTRY)


def method_named(name: str) -> Method:
    """Look up a method. Raises RSAError for an unknown one."""
    check_known("unknown method", name, METHODS)
    return _REGISTRY[name]


def caution(name: str) -> str:
    """What to say of similarities by this name over different numbers of stimuli; empty where they compare."""
    if name not in _REGISTRY or not _REGISTRY[name].sized:
        return ""
    return f"{name} is higher for fewer stimuli: compare scores over equal numbers only (or use pearson-whitened)"


def compare(a: RDM, b: RDM, *, method: str = "pearson", allow_subset: bool = False) -> float:
    """Compare two RDMs over their pairs of stimuli, matched by label.

    The methods without ranks go through RDMs that lie in files a part at a time. Ranks are sorted in memory, which
    takes 20 to 24 bytes per pair (9 to 11 GB for 30,000 stimuli).

    Parameters
    ----------
    a, b : RDM
    method : str
        "pearson"; "spearman" (mid-ranks); "tau-a" (Kendall's, lowered by ties: the choice of Nili et al. 2014 for
        categorical models); "rho-a" (Spearman's rho expected under random breaking of ties, Schutt et al. 2023);
        "cosine"; "cosine-whitened" and "pearson-whitened" (the covariance of entries that share a stimulus is removed,
        assuming independent noise of equal variance).
    allow_subset : bool
        Where the labels differ, compare the stimuli that both have, at least 3.

    Returns
    -------
    float
        In [-1, 1].

    Raises
    ------
    RSAError
        For labels that only one RDM has (unless `allow_subset`), and for a constant RDM, for which the measure is
        undefined.

    Notes
    -----
    "cosine-whitened" is the biased kernel alignment of the RDMs and therefore higher for fewer stimuli (.46, .24 and
    .16 over 20, 100 and 1,500 stimuli of one population); "pearson-whitened" does not depend on their number.

    References
    ----------
    Nili et al. (2014), PLoS Comput Biol 10:e1003553; Diedrichsen et al. (2021), Neurons, Behavior, Data Analysis, and
    Theory 5(3); Schutt et al. (2023), eLife 12:e82566.

    Examples
    --------
    >>> from tgsage.rsa import RDM, compare
    >>> a = RDM([0.1, 0.9, 0.8], ["cat", "dog", "car"])
    >>> b = RDM([9.0, 7.0, 3.0], ["car", "cat", "dog"])
    >>> round(compare(a, b, method="spearman"), 6)
    1.0
    """
    how = method_named(method)
    (first,), (second,) = align({"a": a}, {"b": b}, allow_subset=allow_subset)
    return _similarity(_prepare(first, how), _prepare(second, how), how)


def compare_all(
    a: Mapping[str, RDM], b: Mapping[str, RDM], *, method: str = "pearson", allow_subset: bool = False
) -> "xarray.DataArray":
    """Compare every RDM of one side with every RDM of the other.

    Parameters
    ----------
    a, b : mapping of str to RDM
        Layers and targets.
    method, allow_subset
        As in `compare`; the subset is the stimuli that all RDMs have.

    Returns
    -------
    xarray.DataArray
        Dims ("layer", "target"), the keys as coordinates; attributes `method` and `n`, the number of stimuli.

    Raises
    ------
    RSAError
        As `compare` does.
    """
    import xarray

    how = method_named(method)
    layers, targets = align(a, b, allow_subset=allow_subset)
    columns = [_prepare(target, how) for target in targets]
    table = np.empty((len(layers), len(targets)))
    for i, layer in enumerate(layers):
        row = _prepare(layer, how)
        table[i] = [_similarity(row, column, how) for column in columns]
    coords = {"layer": list(a), "target": list(b)}
    return xarray.DataArray(table, coords, ("layer", "target"), "similarity", {"method": method, "n": len(layers[0])})


def align(
    a: Mapping[str, L], b: Mapping[str, L], *, allow_subset: bool = False, cure: str = "allow_subset=True compares"
) -> tuple[list[L], list[L]]:
    """Bring all RDMs or features to the same labels, in the order of the first.

    Labels that differ only in spelling become those of the first, with a warning (see `respelled`). Raises RSAError as
    `compare` does, with `cure` as the way to take the common labels.
    """
    sides_given: tuple[object, object] = (a, b)
    for side in sides_given:
        if not isinstance(side, Mapping):
            raise RSAError(f"a mapping of names to RDMs (or Features) is needed, not {type(side).__name__}")
        strange = [f"{key} is {type(item).__name__}" for key, item in side.items() if not hasattr(item, "subset")]
        if strange:
            raise RSAError(f"RDMs (or Features) are compared, and {listing(strange)}; RDM.from_square makes them")
    if not a or not b:
        raise RSAError("nothing to compare: one side is empty")
    named = _spelled_alike([(key, rdm) for side in (a, b) for key, rdm in side.items()])
    first_key, first = named[0]
    others = [(key, rdm) for key, rdm in named[1:] if rdm.labels != first.labels]
    if not others and len(first) > 2:
        return [rdm for _, rdm in named[: len(a)]], [rdm for _, rdm in named[len(a) :]]
    common = set(first.labels).intersection(*(rdm.labels for _, rdm in others))
    for key, rdm in others if not allow_subset or not common else ():
        sides = [
            f"{len(only)} only in {rdm_.name or key_!r} ({listing(only)})"
            for rdm_, key_, other in ((first, first_key, rdm), (rdm, key, first))
            if (only := _only_in(rdm_, other))
        ]
        if len(sides) == 2 and not set(first.labels).intersection(rdm.labels):
            names = (repr(rdm_.name or key_) for rdm_, key_ in ((first, first_key), (rdm, key)))
            raise RSAError(f"no label is in both: {both_sides(next(names), first.labels, next(names), rdm.labels)}")
        if sides and not allow_subset:
            offer = f"; {cure} the {len(common)} common ones" if len(common) > 2 else ""
            raise RSAError(f"labels differ: {', '.join(sides)}{offer}")
    if len(common) < 3:
        raise RSAError(f"{len(common)} common label(s); a comparison needs at least 3")
    order = tuple(label for label in first.labels if label in common)
    aligned = [rdm if rdm.labels == order else rdm.subset(order) for _, rdm in named]
    return aligned[: len(a)], aligned[len(a) :]


def _spelled_alike(named: list[tuple[str, L]]) -> list[tuple[str, L]]:
    """The same, with labels as the first spells them."""
    first = named[0][1].labels
    known: dict[tuple[str, ...], dict[str, str]] = {first: {}}
    out = []
    for key, rdm in named:
        if rdm.labels not in known:
            known[rdm.labels] = respelled(first, rdm.labels, "labels")
        if other := known[rdm.labels]:
            rdm = rdm.replace(labels=[other.get(label, label) for label in rdm.labels])
        out.append((key, rdm))
    return out


def _only_in(rdm: Labelled, other: Labelled) -> list[str]:
    known = set(other.labels)
    return [label for label in rdm.labels if label not in known]


def ranks(values: Array) -> Array:
    """Doubled mid-ranks (whole numbers) of a vector: twice scipy's `rankdata`, 4 times as fast on one thread."""
    if values.size > _MAX_PAIRS:
        raise RSAError(f"{values.size} pairs are too many to rank; at most {_MAX_PAIRS}")
    low, high = float(values.min()), float(values.max())
    if not math.isfinite(high - low):
        values, low, high = values / 4, low / 4, high / 4
    share = 1 / (high - low) if high > low else 0.0
    if not math.isfinite((2**32 - 1) * share):
        share = 0.0  # one key for all values, told apart later
    keys, out = np.empty(values.size, np.uint64), np.empty(values.size, np.int32)
    if not _rank_kernels.rank_levels(values, low, (_rank_kernels.LEVELS - 1) * share, out):
        _rank_kernels.pack(values, low, (2**32 - 1) * share, keys)
        apart = _least_step(values, low, high) * (2**32 - 1) * share > 1 + 1e-3
        _rank_kernels.midranks(_radix_sorted(keys, 32, 64), values, apart, out)
    return out


def _least_step(values: Array, low: float, high: float) -> float:
    """What different values differ by at least: as much as neighbouring numbers of their type, nearest to 0."""
    nearest = min(abs(low), abs(high)) if low * high > 0 else 0.0
    return float(np.spacing(values.dtype.type(nearest))) if values.dtype.kind == "f" else 0.0


def _radix_sorted(keys: Array, low: int, high: int) -> Array:
    """Keys in the order of their bits `low` to `high`, stable; overwrites `keys`."""
    spare = np.empty_like(keys)
    for shift in range(low, high, _rank_kernels.DIGIT):
        _rank_kernels.radix_pass(keys, spare, shift)
        keys, spare = spare, keys
    return keys


@dataclass(frozen=True)
class _Prepared:
    """One RDM's part of an inner product: its values about a centre, their norm, and, whitened, the row means."""

    vector: Array
    centre: float
    norm: float
    rows: Array | None


def _prepare(rdm: RDM, method: Method) -> _Prepared:
    n = len(rdm)
    vector = ranks(rdm.values) if method.ranked else rdm.values
    centre, square, varies = _moments(vector, method)
    if not 1e-200 < square < 1e200 and (peak := max(float(vector.max()), -float(vector.min()))) > 0:
        vector = vector / peak  # the squares left the range of float64
        centre, square, varies = _moments(vector, method)
    rows = (row_sums(vector, n) - (n - 1) * centre) / n if method.whitened else None
    square = _whitened(square, rows, rows)
    if not varies or square <= 0.0:
        raise RSAError(f"{rdm!r} is constant ({rdm.values[0]:g}), so its {method.name} similarity is undefined")
    return _Prepared(vector, centre, math.sqrt(square), rows)


def _moments(vector: Array, method: Method) -> tuple[float, float, bool]:
    """What the method takes as centre, the sum of squares about it, and whether any value differs from it."""
    guess = 0.0
    if method.centred:
        with np.errstate(over="ignore"):
            guess = float(vector[:: vector.size // 64 + 1].mean(dtype=np.float64))
    parts = [_kernels.moments(vector[at], guess, vector[0]) for at in pieces(vector, n=vector.size)]
    total, squares, different = (sum(part) for part in zip(*parts, strict=True))
    if not method.centred:
        return 0.0, squares, squares > 0.0
    return guess + total / vector.size, squares - total * total / vector.size, different > 0


def row_sums(values: Array, n: int) -> Array:
    """Row sums of the square matrix (zero diagonal) behind a condensed one."""
    sums = [_kernels.row_sums(values, n, rows.start, rows.stop) for rows in pieces(values, n=n, width=n)]
    total: Array = np.sum(sums, axis=0)
    return total


def _whitened(product: float, a: Array | None, b: Array | None) -> float:
    """<HAH, HBH> from a . b and the row means of A and B, with H = I - 1/n; without row means a . b itself.

    Diedrichsen et al. 2021: the inverse of the covariance of RDM entries, in closed form.
    """
    if a is None or b is None:
        return product
    n = a.size
    return 2 * product - 2 * n * float(a @ b) + n * n * float(a.mean() * b.mean())


def _similarity(a: _Prepared, b: _Prepared, method: Method) -> float:
    if method.concordance:
        return _tau_a(a.vector, b.vector)
    products = [
        float(_kernels.centred_dot(a.vector[at], a.centre, b.vector[at], b.centre))
        for at in pieces(a.vector, b.vector, n=a.vector.size)
    ]
    inner = _whitened(sum(products), a.rows, b.rows)
    if not method.normalised:
        pairs = float(a.vector.size)
        return 3 * inner / (pairs**3 - pairs)  # 12 cov for ranks; these are doubled on both sides
    return float(np.clip(inner / (a.norm * b.norm), -1.0, 1.0))


def _tau_a(x: Array, y: Array) -> float:
    """(concordant - discordant) / all pairs: once sorted by x, then y, discordant pairs are inversions (Knight)."""
    pairs = x.size * (x.size - 1) // 2
    bits = (2 * x.size).bit_length()
    keys, order = np.empty(x.size, np.uint64), np.empty(x.size, np.uint32)
    upper = np.uint64(0xFFFFFFFF << 32)
    _rank_kernels.pack_pairs(x, y, keys)
    keys = _radix_sorted(keys, 0, bits)
    in_y = int(_rank_kernels.equal_pairs(keys, ~upper))
    keys = _radix_sorted(keys, 32, 32 + bits)
    in_x, both = int(_rank_kernels.equal_pairs(keys, upper)), int(_rank_kernels.equal_pairs(keys, ~np.uint64(0)))
    _rank_kernels.lower_halves(keys, order)
    discordant = int(_rank_kernels.count_inversions(order, bits))
    return (pairs - in_x - in_y + both - 2 * discordant) / pairs
