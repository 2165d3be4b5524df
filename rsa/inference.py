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
_LEAN = 0.5  # of acceleration times t: more than draws of some stimuli can tell
_PERMUTED = ("pearson", "spearman", "rho-a", "cosine")


def interval(draws: "xarray.DataArray", level: float = 0.95) -> tuple["xarray.DataArray", "xarray.DataArray"]:
    """Lower and upper end of the confidence interval of every similarity in draws of `bootstrap`.

    similarity - t / (1 + a t) and + t / (1 - a t) standard errors on Fisher's z scale: t with the `dof` of the draws,
    `standard_error`s, and a the acceleration (Efron 1987), by which the standard error grows with the similarity: where
    that is small a sample that falls below the truth also believes itself more certain than it is.
    The plain percentiles are too wide: a resample doubles stimuli in rows and in columns, so noise that belongs to
    single pairs comes in three times (with independent RDMs 95% percentile intervals hold the truth in 99.8% of
    samples). `tgsage bench coverage` measures both.

    Raises RSAError for a level outside (0, 1), and for draws without the coordinates that `bootstrap` gives them.
    """
    if not 0 < level < 1:
        raise RSAError(f"level is a probability between 0 and 1, got {level}")
    error = standard_error(draws)
    value, linear = draws["estimate"].to_numpy(), draws["linear"].to_numpy()
    rest = draws.to_numpy() - value[..., None] - linear
    below, above = _reach(level, draws["dof"].to_numpy(), rest, linear, error.to_numpy())
    unit = error.to_numpy() / np.maximum(1 - value**2, 1e-12)
    z = np.arctanh(np.clip(value, -1 + 1e-12, 1 - 1e-12))
    return error.copy(data=np.tanh(z - below * unit)), error.copy(data=np.tanh(z + above * unit))


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


def _quantile(dof: Array, level: float) -> Array:
    """How many standard errors hold so large a share of Student's t."""
    import scipy.special

    t: Array = scipy.special.stdtrit(dof, (1 + level) / 2)
    return t


def _reach(level: float, dof: Array, rest: Array, linear: Array, error: Array) -> tuple[Array, Array]:
    """Below and above the similarity, in standard errors; draws split as in `_variance`.

    The acceleration is a sixth of the skewness of the sampling distribution, whose third moment is that of the linear
    part and three times that of the linear part, twice, with the rest.
    """
    rest, linear = (part - np.nanmean(part, axis=-1, keepdims=True) for part in (rest, linear))
    third = np.nanmean(linear**3 + 3 * linear**2 * rest, axis=-1)
    acceleration = np.divide(third, 6 * error**3, out=np.zeros_like(third), where=error > 0)
    t = _quantile(dof, level)
    lean = np.clip(acceleration * t, -_LEAN, _LEAN)
    return t / (1 + lean), t / (1 - lean)


def best_layer_interval(draws: "xarray.DataArray", level: float = 0.95) -> tuple[float, float]:
    """Confidence interval of TG, the best layer's similarity averaged over targets, from draws of `bootstrap`.

    TG is biased upwards: of layers that are nearly as good the one that is best here was lucky. The maximum is retaken
    in every draw, of similarities whose spread is corrected to `standard_error`. The upper end takes off by as much as
    these maxima exceed TG on average, which is too little where layers are tied. The lower end lets all layers that
    cannot be told from the best one (paired, at this level) be equally good: it takes off what their luckiest gains,
    and is as far below that as the luckiest varies. `crossvalidated_choice` has no such bias.

    Raises RSAError as `interval` does.
    """
    if not 0 < level < 1:
        raise RSAError(f"level is a probability between 0 and 1, got {level}")
    error = standard_error(draws).to_numpy()
    similarity, linear, dof = (draws[key].to_numpy() for key in ("estimate", "linear", "dof"))
    values, units = draws.to_numpy(), draws.attrs["units"]
    spread = np.nanstd(values, axis=-1)
    scale = np.divide(error, spread, out=np.zeros_like(error), where=spread > 0)[..., None]
    luck = scale * (values - np.nanmean(values, axis=-1)[..., None])
    best = similarity.argmax(axis=0), np.arange(similarity.shape[1])

    behind, lead = similarity[best] - similarity, linear[best] - linear
    paired = np.sqrt(_variance(values[best] - values - behind[..., None] - lead, lead, units))
    tied = behind <= _quantile(dof[best], level) * paired
    luckiest = np.where(tied[..., None], luck, -np.inf).max(axis=0).mean(axis=0)
    narrower = np.nanstd(luckiest) / max(np.nanstd(luck[best].mean(axis=0)), 1e-300)

    tg, alone = similarity.max(axis=0).mean(), linear[best].mean(axis=0)
    rest = values[best].mean(axis=0) - tg - alone
    width = np.sqrt(_variance(rest, alone, units))
    below, above = _reach(level, dof[best].min(), rest, alone, width)
    gain = np.nanmean((similarity[..., None] + luck).max(axis=0).mean(axis=0)) - tg
    return float(tg - np.nanmean(luckiest) - below * width * narrower), float(tg - gain + above * width)


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
        half = _quantile(degrees, 0.95) * error
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
