"""Intervals, tests of one similarity, and tests of differences between layers."""

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from . import _resample_kernels as kernels
from .comparison import RANKED, align, compare, ranks
from .errors import RSAError
from .rdm import RDM, Array

if TYPE_CHECKING:
    import xarray

_CHUNK = 256  # orders in memory at once
_PERMUTED = ("pearson", "spearman", "rho-a", "cosine")
TAILS = (0.025, 0.975)


def interval(draws: "xarray.DataArray", level: float = 0.95) -> tuple["xarray.DataArray", "xarray.DataArray"]:
    """Lower and upper end of the percentile interval over the dim "draw"; draws that are NaN are left out.

    Raises RSAError for a level outside (0, 1).
    """
    if not 0 < level < 1:
        raise RSAError(f"level is a probability between 0 and 1, got {level}")
    axis = draws.dims.index("draw")
    tails = ((1 - level) / 2, (1 + level) / 2)
    low, high = np.nanquantile(draws.to_numpy(), tails, axis=axis)
    template = draws.isel(draw=0, drop=True)
    return template.copy(data=low), template.copy(data=high)


def layer_differences(draws: "xarray.DataArray") -> "xarray.Dataset":
    """Paired differences between all layers, from the draws of `bootstrap` (layer, target, draw).

    Dataset with dims ("pair", "target"), coordinates `first` and `second` along "pair": `difference` (first - second,
    mean over draws), `low`, `high` (95%), `p` (two-sided: twice the smaller share of draws on one side of zero, with
    one draw added to each side) and `p_adjusted` (Benjamini-Hochberg over the pairs of each target).
    """
    import xarray

    values, names = draws.to_numpy(), [str(layer) for layer in draws.indexes["layer"]]
    pairs = list(combinations(range(len(names)), 2))
    if not pairs:
        raise RSAError("differences need at least 2 layers")
    numbers: dict[str, list[Array]] = {"difference": [], "low": [], "high": [], "p": []}
    for i, j in pairs:  # one pair at a time: all differences at once are pairs x targets x draws numbers
        d = values[i] - values[j]
        known = np.isfinite(d).sum(axis=-1)
        sides = np.minimum((d <= 0).sum(axis=-1), (d >= 0).sum(axis=-1))
        low, high = np.nanquantile(d, TAILS, axis=-1)
        p = np.minimum(2 * (sides + 1) / (known + 1), 1.0)
        for key, value in zip(numbers, (np.nanmean(d, axis=-1), low, high, p), strict=True):
            numbers[key].append(value)
    columns = {key: np.array(rows) for key, rows in numbers.items()}
    columns["p_adjusted"] = np.stack([benjamini_hochberg(column) for column in columns["p"].T], axis=1)
    coords = {
        "first": ("pair", [names[i] for i, _ in pairs]),
        "second": ("pair", [names[j] for _, j in pairs]),
        "target": draws.indexes["target"].to_numpy(),
    }
    return xarray.Dataset({key: (("pair", "target"), column) for key, column in columns.items()}, coords)


def benjamini_hochberg(p: npt.ArrayLike) -> Array:
    """p-values adjusted for the false discovery rate (Benjamini and Hochberg 1995), in the order given."""
    values = np.asarray(p, np.float64)
    order = np.argsort(values)[::-1]
    scaled = values[order] * len(values) / np.arange(len(values), 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(np.minimum.accumulate(scaled), 1.0)
    return adjusted


def permutation_test(
    a: RDM, b: RDM, *, method: str = "pearson", n: int = 10_000, seed: int = 0, allow_subset: bool = False
) -> tuple[float, float]:
    """Similarity of two RDMs and the probability of one as large when stimuli are matched at random (one-sided).

    The labels of one RDM are permuted n times; p = (1 + how many reach the similarity) / (1 + n) (Nili et al. 2014).
    method: "pearson", "spearman", "rho-a" or "cosine". Raises RSAError for another, and as `compare` does.
    """
    if method not in _PERMUTED:
        raise RSAError(f"the permutation test knows {', '.join(_PERMUTED)}, not {method!r}")
    if n < 1 or seed < 0:
        raise RSAError(f"at least 1 permutation and a seed from 0 are needed, got n={n}, seed={seed}")
    similarity = compare(a, b, method=method, allow_subset=allow_subset)
    (first,), (second,) = align({"a": a}, {"b": b}, allow_subset=allow_subset)
    x, y = (_centred(rdm, method) for rdm in (first, second))
    square = first.replace(values=y).square()
    size = len(first)
    rng = np.random.default_rng(seed)
    observed = float(x @ y)  # means and norms do not change with the order: the products alone decide
    reached, tolerance = 0, 1e-12 * float(np.linalg.norm(x) * np.linalg.norm(y))
    for start in range(0, n, _CHUNK):
        orders = np.stack([rng.permutation(size) for _ in range(min(_CHUNK, n - start))])
        dots = np.empty(len(orders))
        kernels.permuted_dots(x, square, orders, dots)
        reached += int((dots >= observed - tolerance).sum())
    return similarity, (1 + reached) / (1 + n)


def _centred(rdm: RDM, method: str) -> Array:
    values: Array = (ranks(rdm.values) if method in RANKED else rdm.values).astype(np.float64)
    return values if method == "cosine" else values - values.mean()
