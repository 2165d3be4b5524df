"""Intervals, tests of one similarity, and tests of differences between layers."""

import math
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


def interval(draws: "xarray.DataArray", level: float = 0.95) -> tuple["xarray.DataArray", "xarray.DataArray"]:
    """Lower and upper end of the confidence interval of every similarity in draws of `bootstrap`.

    similarity +- t standard errors on Fisher's z scale, t with the `dof` of the draws and `standard_error`s. The plain
    percentiles are too wide: a resample doubles stimuli in rows and in columns, so noise that belongs to single pairs
    comes in three times (with independent RDMs 95% percentile intervals hold the truth in 99.8% of samples).
    `tgsage bench coverage` measures both.

    Raises RSAError for a level outside (0, 1), and for draws without the coordinates that `bootstrap` gives them.
    """
    import scipy.special

    if not 0 < level < 1:
        raise RSAError(f"level is a probability between 0 and 1, got {level}")
    error = standard_error(draws)
    value = draws["estimate"].to_numpy()
    room = np.maximum(1 - value**2, 1e-12)
    half = scipy.special.stdtrit(draws["dof"].to_numpy(), (1 + level) / 2) * error.to_numpy() / room
    z = np.arctanh(np.clip(value, -1 + 1e-12, 1 - 1e-12))
    return error.copy(data=np.tanh(z - half)), error.copy(data=np.tanh(z + half))


def standard_error(draws: "xarray.DataArray") -> "xarray.DataArray":
    """Standard errors (layer, target) of the similarities over new samples of stimuli, from draws of `bootstrap`.

    Not the draws' standard deviation. With s_i what stimulus i does alone (variance 4 s / n of a similarity) and d what
    a pair of stimuli does beyond that (variance 2 d / n^2), draws vary by 4 s / n + 4 d / n^2 in the part linear in
    the multiplicities and by 2 d / n^2 in the rest, six where there should be two. So the variance is that of the
    linear part less that of the rest, and at least the latter, since s is not negative. The linear part is widened by
    the finite-sample factor of the jackknife (Efron and Stein 1981).

    Raises RSAError for draws without the coordinates that `bootstrap` gives them.
    """
    _check_draws(draws)
    values, linear = draws.to_numpy(), draws["linear"].to_numpy()
    variance = _variance(values - draws["estimate"].to_numpy()[..., None] - linear, linear, draws.attrs["units"])
    return draws.isel(draw=0).drop_vars(["estimate", "linear", "dof"]).copy(data=np.sqrt(variance))


def _check_draws(draws: "xarray.DataArray") -> None:
    if not {"estimate", "linear", "dof"} <= set(draws.coords) or "units" not in draws.attrs:
        raise RSAError("these are not draws of bootstrap: the coordinates estimate, linear and dof are missing")


def _variance(rest: Array, linear: Array, units: int) -> Array:
    """The sampling variance behind draws (..., draw) split into the part linear in the multiplicities and the rest."""
    pairs = np.nanvar(rest, axis=-1)
    alone = np.nanvar(linear, axis=-1) * units * (units - 1) / (units - 2) ** 2
    variance: Array = np.maximum(alone - pairs, pairs)
    return variance


def best_layer_interval(draws: "xarray.DataArray", level: float = 0.95) -> tuple[float, float]:
    """Confidence interval of TG, the best layer's similarity averaged over targets, from draws of `bootstrap`.

    The maximum is retaken in every draw, of similarities whose spread is corrected to `standard_error`: by as much as
    these maxima exceed TG on average, TG exceeds the truth, and the interval's centre lies that much below TG. Its
    width is that of the layers that are best over all stimuli.

    Where one layer is clearly best the interval holds the truth as often as that of one similarity. Where many layers
    are equally good, less often (six of them: 85 to 94%, percentiles 4 to 55%), since TG is then more biased than
    resampling can tell; `crossvalidated_choice` has no such bias. Raises RSAError as `interval` does.
    """
    import scipy.special

    if not 0 < level < 1:
        raise RSAError(f"level is a probability between 0 and 1, got {level}")
    error = standard_error(draws).to_numpy()
    similarity, linear, dof = (draws[key].to_numpy() for key in ("estimate", "linear", "dof"))
    values = draws.to_numpy()
    spread = np.nanstd(values, axis=-1)
    scale = np.divide(error, spread, out=np.zeros_like(error), where=spread > 0)[..., None]
    corrected = similarity[..., None] + scale * (values - np.nanmean(values, axis=-1)[..., None])
    tg = similarity.max(axis=0).mean()
    bias = np.nanmean(corrected.max(axis=0).mean(axis=0)) - tg
    best = similarity.argmax(axis=0), np.arange(similarity.shape[1])
    alone = linear[best].mean(axis=0)
    width = math.sqrt(_variance(values[best].mean(axis=0) - tg - alone, alone, draws.attrs["units"]))
    half = scipy.special.stdtrit(dof[best].min(), (1 + level) / 2) * width
    return float(tg - bias - half), float(tg - bias + half)


def layer_differences(draws: "xarray.DataArray") -> "xarray.Dataset":
    """Paired differences between all layers, from the draws of `bootstrap` (layer, target, draw).

    Dataset with dims ("pair", "target"), coordinates `first` and `second` along "pair": `difference` (first - second),
    `standard_error` (of the paired difference, corrected as in `standard_error`), `low`, `high` (95%), `p` (two-sided,
    Student's t) and `p_adjusted` (Benjamini-Hochberg over the pairs of each target).

    Raises RSAError for fewer than 2 layers, and for draws without the coordinates that `bootstrap` gives them.
    """
    import scipy.special
    import xarray

    _check_draws(draws)
    values, names = draws.to_numpy(), [str(layer) for layer in draws.indexes["layer"]]
    similarity, linear, dof = (draws[key].to_numpy() for key in ("estimate", "linear", "dof"))
    pairs = list(combinations(range(len(names)), 2))
    if not pairs:
        raise RSAError("differences need at least 2 layers")
    columns: dict[str, Array] = {
        key: np.empty((len(pairs), values.shape[1])) for key in ("difference", "standard_error", "low", "high", "p")
    }
    for row, (i, j) in enumerate(pairs):  # one pair at a time: all at once are pairs x targets x draws numbers
        d, alone = similarity[i] - similarity[j], linear[i] - linear[j]
        error = np.sqrt(_variance(values[i] - values[j] - d[:, None] - alone, alone, draws.attrs["units"]))
        degrees = np.minimum(dof[i], dof[j])
        ratio = np.divide(np.abs(d), error, out=np.zeros_like(d), where=error > 0)  # layers may be the same
        p = 2 * scipy.special.stdtr(degrees, -ratio)
        half = scipy.special.stdtrit(degrees, 0.975) * error
        for key, value in zip(columns, (d, error, d - half, d + half, p), strict=True):
            columns[key][row] = value
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
