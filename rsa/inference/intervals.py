"""Intervals, tests of one similarity, and tests of differences between layers.

To add a statistic of draws: a function of what `bootstrap` returns; one with an algorithm of its own gets a file here.
"""

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..errors import RSAError
from ..rdm.comparison import Method, align, compare, method_named, ranks
from ..rdm.rdm import RDM
from ..types import Array
from . import _kernels as kernels
from .bootstrap import Resampling

if TYPE_CHECKING:
    import xarray

_CHUNK = 256  # orders in memory at once
_LEAN = 0.3  # of acceleration times t: more than draws of some stimuli can tell
_ROUNDING = 1e-12  # of a similarity
PERMUTED = ("pearson", "spearman", "rho-a", "cosine")


def interval(draws: "xarray.DataArray", level: float = 0.95) -> tuple["xarray.DataArray", "xarray.DataArray"]:
    """Compute the confidence interval of every similarity.

    Parameters
    ----------
    draws : xarray.DataArray
        What `bootstrap` or `bootstrap_neuroids` returned.
    level : float
        Nominal coverage.

    Returns
    -------
    low, high : xarray.DataArray
        Dims ("layer", "target"), in [-1, 1], with the similarity between them.

    Raises
    ------
    RSAError
        For a level outside (0, 1), and for draws without the coordinates that `bootstrap` gives them.

    Notes
    -----
    The interval reaches t standard errors (`standard_error`) to either side on Fisher's z scale; t has the degrees of
    freedom `dof` of the draws. On the side towards which the sampling distribution leans, it reaches further, `t / (1 -
    abs(a) t)`, where the acceleration a (Efron 1987) is the rate at which the standard error grows with the similarity;
    abs(a) t is limited to .3. The other side is not shortened in return, since a is uncertain where stimuli are few or
    differ in strength.

    Plain percentile intervals are too wide: a resample doubles stimuli in rows and in columns, so the noise of single
    pairs is counted three times (with independent RDMs, 95% percentile intervals contain the true value in 99.8% of
    samples). `tgsage bench coverage` measures both kinds of interval.

    References
    ----------
    Efron (1987), J Am Stat Assoc 82:171-185.
    """
    if not 0 < level < 1:
        raise RSAError(f"level is a probability between 0 and 1, got {level}")
    error = standard_error(draws)
    value, linear = draws["estimate"].to_numpy(), draws["linear"].to_numpy()
    rest = draws.to_numpy() - value[..., None] - linear
    below, above = _reach(level, draws["dof"].to_numpy(), rest, linear, error.to_numpy())
    low, high = z_ends(value, below * error.to_numpy(), above * error.to_numpy())
    return error.copy(data=low), error.copy(data=high)


def standard_error(draws: "xarray.DataArray") -> "xarray.DataArray":
    """Estimate the standard errors of similarities over new samples of stimuli.

    Parameters
    ----------
    draws : xarray.DataArray
        What `bootstrap` or `bootstrap_neuroids` returned.

    Returns
    -------
    xarray.DataArray
        Dims ("layer", "target").

    Raises
    ------
    RSAError
        For draws without the coordinates that `bootstrap` gives them.

    Notes
    -----
    It is not the standard deviation of the draws. Let s be the effect of single stimuli and d what pairs of stimuli add
    to it. The variance of a similarity is 4 s / n + 2 d / n^2. Draws vary by 4 s / n + 4 d / n^2 in the part that is
    linear in the multiplicities and by 2 d / n^2 in the rest, so the variance is that of the linear part minus that of
    the rest. It is taken to be at least that of the rest, since s is not negative, and at most that of the linear part,
    which the rest can exceed only because of what copies do to ranks and to small numbers of stimuli. The linear part
    is widened by the finite-sample factor of the jackknife (Efron and Stein 1981).

    References
    ----------
    Efron and Stein (1981), Ann Stat 9:586-596.
    """
    _check_draws(draws)
    values, linear = draws.to_numpy(), draws["linear"].to_numpy()
    variance = sampling_variance(
        values - draws["estimate"].to_numpy()[..., None] - linear, linear, draws.attrs["units"]
    )
    return draws.isel(draw=0).drop_vars(["estimate", "linear", "dof"]).copy(data=np.sqrt(variance))


def _check_draws(draws: "xarray.DataArray") -> None:
    if not {"estimate", "linear", "dof"} <= set(draws.coords) or "units" not in draws.attrs:
        raise RSAError("these are not draws of bootstrap: the coordinates estimate, linear and dof are missing")


def sampling_variance(rest: Array, linear: Array, units: int, apart: Array | float = 0.0) -> Array:
    """The sampling variance behind draws (..., draw) split into the part linear in the multiplicities and the rest.

    apart: (...) variance of the draws that is of halvings within them.
    """
    pairs = np.maximum(spread(rest) - apart, 0.0)
    alone = spread(linear) * units * (units - 1) / (units - 2) ** 2
    variance: Array = np.minimum(np.maximum(alone - pairs, pairs), alone)
    return variance


def _mean(draws: Array) -> Array:
    """Over the draws (..., draw) that are defined; NaN where none is."""
    defined = np.isfinite(draws)
    count = defined.sum(axis=-1)
    total = np.where(defined, draws, 0.0).sum(axis=-1)
    mean: Array = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
    return mean


def at_standard_error(draws: "xarray.DataArray") -> Array:
    """Draws (layer, target, draw) about their estimates, with their `standard_error` as standard deviation.

    Plain resamples vary more than new samples of stimuli do.
    """
    values, error = draws.to_numpy(), standard_error(draws).to_numpy()
    drawn = np.sqrt(spread(values))
    scale = np.divide(error, drawn, out=np.zeros_like(error), where=drawn > 0)
    centre = np.nanmean(values, axis=-1, keepdims=True)
    moved: Array = draws["estimate"].to_numpy()[..., None] + scale[..., None] * (values - centre)
    return moved


def spread(draws: Array) -> Array:
    """Variance over the draws (..., draw) that are defined; NaN where none is."""
    return _mean(_centred_draws(draws) ** 2)


def _centred_draws(draws: Array) -> Array:
    centred: Array = draws - _mean(draws)[..., None]
    return centred


def _quantile(dof: Array, level: float) -> Array:
    """How many standard errors hold so large a share of Student's t."""
    import scipy.special

    t: Array = scipy.special.stdtrit(dof, (1 + level) / 2)
    return t


def _reach(level: float, dof: Array, rest: Array, linear: Array, error: Array) -> tuple[Array, Array]:
    """Below and above the similarity, in standard errors; draws split as in `sampling_variance`.

    The acceleration is a sixth of the skewness of the sampling distribution, whose third moment is that of the linear
    part and three times that of the linear part, twice, with the rest.
    """
    rest, linear = _centred_draws(rest), _centred_draws(linear)
    third = _mean(linear**3 + 3 * linear**2 * rest)
    acceleration = np.divide(third, 6 * error**3, out=np.zeros_like(third), where=error > 0)
    t = _quantile(dof, level)
    lean = np.clip(acceleration * t, -_LEAN, _LEAN)
    return t / (1 + np.minimum(lean, 0.0)), t / (1 - np.maximum(lean, 0.0))


def z_ends(value: Array, below: Array, above: Array) -> tuple[Array, Array]:
    """Ends so far below and above a similarity, taken to Fisher's z scale: in [-1, 1], with the similarity between."""
    z = np.arctanh(np.clip(value, -1 + _ROUNDING, 1 - _ROUNDING))
    slope = np.maximum(1 - value**2, _ROUNDING)
    low = np.minimum(value - _ROUNDING, np.tanh(z - below / slope))
    high = np.maximum(value + _ROUNDING, np.tanh(z + above / slope))
    return np.maximum(low, -1.0), np.minimum(high, 1.0)


def best_layer_interval(draws: "xarray.DataArray", level: float = 0.95) -> tuple[float, float]:
    """Compute the confidence interval of TG, the best layer's similarity averaged over targets.

    `interval` is for layers that were named beforehand; the estimate of a layer that was chosen as the best is biased
    upwards.

    Parameters
    ----------
    draws : xarray.DataArray
        What `bootstrap` returned; for one target's best layer, `draws.sel(target=[target])`.
    level : float

    Returns
    -------
    low, high : float

    Raises
    ------
    RSAError
        As `interval` does.

    Notes
    -----
    TG is biased upwards. In every draw the maximum is taken anew, over similarities whose spread is corrected to
    `standard_error`. The upper end is lowered by the amount by which these maxima exceed TG on average, which is too
    little where layers are tied. For the lower end, the expected gain of the maximum over all layers that cannot be
    told apart from the best one (paired, at this level) is subtracted, and the end lies as far below that as this
    maximum varies. `crossvalidated_choice` errs less, and in the other direction.
    """
    if not 0 < level < 1:
        raise RSAError(f"level is a probability between 0 and 1, got {level}")
    error = standard_error(draws).to_numpy()
    similarity, linear, dof = (draws[key].to_numpy() for key in ("estimate", "linear", "dof"))
    values, units = draws.to_numpy(), draws.attrs["units"]
    drawn = np.sqrt(spread(values))
    scale = np.divide(error, drawn, out=np.zeros_like(error), where=drawn > 0)
    luck = scale[..., None] * _centred_draws(values)
    best = similarity.argmax(axis=0), np.arange(similarity.shape[1])

    behind, lead = similarity[best] - similarity, linear[best] - linear
    paired = np.sqrt(sampling_variance(values[best] - values - behind[..., None] - lead, lead, units))
    tied = behind <= _quantile(dof[best], level) * paired
    luckiest = np.where(tied[..., None], luck, -np.inf).max(axis=0).mean(axis=0)
    narrower = np.sqrt(spread(luckiest) / max(spread(luck[best].mean(axis=0)), 1e-300))

    tg, alone = similarity[best].mean(), linear[best].mean(axis=0)
    rest = values[best].mean(axis=0) - tg - alone
    width = np.sqrt(sampling_variance(rest, alone, units))
    below, above = _reach(level, dof[best].min(), rest, alone, width)
    gain = _mean(np.fmax.reduce(similarity[..., None] + luck, axis=0).mean(axis=0)) - tg
    low, high = z_ends(tg, _mean(luckiest) + below * width * narrower, np.maximum(above * width - gain, 0.0))
    return float(low), float(high)


def layer_differences(draws: "xarray.DataArray") -> "xarray.Dataset":
    """Test the differences between all pairs of layers.

    Parameters
    ----------
    draws : xarray.DataArray
        What `bootstrap` or `bootstrap_neuroids` returned.

    Returns
    -------
    xarray.Dataset
        Dims ("pair", "target"), coordinates `first` and `second` along "pair". `difference` (first - second);
        `standard_error` (of the paired difference, corrected as in `standard_error`); `low`, `high` (95%, in [-2, 2]);
        `p` (two-sided, Student's t); `p_adjusted` (Benjamini-Hochberg over the pairs of each target: the false
        discovery rate is controlled for each target, not over all of them; a p-value of NaN stays NaN and does not
        count as a test).

    Raises
    ------
    RSAError
        For fewer than 2 layers, and for draws without the coordinates that `bootstrap` gives them.
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
        error = np.sqrt(sampling_variance(values[i] - values[j] - d[:, None] - alone, alone, draws.attrs["units"]))
        degrees = np.minimum(dof[i], dof[j])
        ratio = np.divide(np.abs(d), error, out=0 * error, where=error > 0)  # layers may be the same
        p = 2 * scipy.special.stdtr(degrees, -ratio)
        half = _quantile(degrees, 0.95) * error
        low, high = np.clip([d - half, d + half], -2, 2)
        for key, value in zip(columns, (d, error, low, high, p), strict=True):
            columns[key][row] = value
    columns["p_adjusted"] = np.stack([false_discovery(column) for column in columns["p"].T], axis=1)
    coords = {
        "first": ("pair", [names[i] for i, _ in pairs]),
        "second": ("pair", [names[j] for _, j in pairs]),
        "target": draws.indexes["target"].to_numpy(),
    }
    return xarray.Dataset({key: (("pair", "target"), column) for key, column in columns.items()}, coords)


def false_discovery(p: npt.ArrayLike) -> Array:
    """p-values (n,) of one family, adjusted by Benjamini and Hochberg (1995); NaN stays NaN and is no test."""
    values = np.asarray(p, np.float64)
    adjusted, tested = np.full_like(values, np.nan), np.flatnonzero(np.isfinite(values))
    falling = tested[np.argsort(values[tested])[::-1]]  # importing scipy's takes longer than most tests
    steps = values[falling] * len(tested) / np.arange(len(tested), 0, -1)
    adjusted[falling] = np.minimum(np.minimum.accumulate(steps), 1.0)
    return adjusted


def permutation_test(
    a: RDM, b: RDM, *, method: str = "pearson", n: int = 10_000, seed: int = 0, allow_subset: bool = False
) -> tuple[float, float]:
    """Test the similarity of two RDMs by matching their stimuli at random (one-sided).

    Parameters
    ----------
    a, b : RDM
    method : str
        "pearson", "spearman", "rho-a" or "cosine".
    n : int
        Number of permutations of the labels of one RDM.
    seed : int
    allow_subset : bool
        As in `compare`.

    Returns
    -------
    similarity, p : float
        p = (1 + number of permutations that reach the similarity) / (1 + n).

    Raises
    ------
    RSAError
        For any other method, and as `compare` does.

    References
    ----------
    Nili et al. (2014), PLoS Comput Biol 10:e1003553.
    """
    if method not in PERMUTED:
        raise RSAError(f"the permutation test is for {', '.join(PERMUTED)}, not {method!r}")
    how, resampling = method_named(method), Resampling(n, seed=seed)
    similarity = compare(a, b, method=method, allow_subset=allow_subset)
    (first,), (second,) = align({"a": a}, {"b": b}, allow_subset=allow_subset)
    x, y = (centred(rdm, how) for rdm in (first, second))
    square = first.replace(values=y).square()
    size = len(first)
    rng = np.random.default_rng(resampling.seed)
    observed = float(x @ y)  # means and norms do not change with the order: the products alone decide
    reached, tolerance = 0, 1e-12 * float(np.linalg.norm(x) * np.linalg.norm(y))
    for start in range(0, n, _CHUNK):  # scipy's permutation_test would copy an RDM for every order
        orders = np.stack([rng.permutation(size) for _ in range(min(_CHUNK, n - start))])
        dots = np.empty(len(orders))
        kernels.permuted_dots(x, square, orders, dots)
        reached += int((dots >= observed - tolerance).sum())
    return similarity, (1 + reached) / (1 + n)


def centred(rdm: RDM, method: Method) -> Array:
    """Entries, or their ranks, about their mean where the method takes them so."""
    values: Array = (ranks(rdm.values) if method.ranked else rdm.values).astype(np.float64)
    return values - values.mean() if method.centred else values
