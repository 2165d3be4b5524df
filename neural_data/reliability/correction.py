"""The similarity of a noiseless model and a noisy RDM, where Spearman and Brown's formula is biased.

The formula assumes that the noise of an RDM falls as 1 / repeats. In a correlation distance, part of it (the product
of two noisy patterns) falls as 1 / repeats^2. Noise also lengthens patterns: the correlation of conditions i and j
shrinks by g_i g_j, where g^2 is the share of signal in a pattern's power, most of all for conditions of little power.
The two halves of the repeats share this distortion; a noiseless model does not have it.

Products of the halves A and B are free of noise: A_i . B_i estimates the power of the signal in pattern i, and the
covariance of (corr A) / (g g) with (corr B) / (g g) the variance of the true correlations c. So the model reaches

    cov(c, g_i g_j c) / sqrt(var(c) var(corr of all repeats)),

and likewise with the inner products of other methods. g is that of the repeats behind each pattern of the target.
Conditions without halves are assumed to have the c of the others; their g follows from their power and repeats.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ...rsa import RSAError, compare, compute_rdm
from ...rsa.rdm.comparison import method_named
from ...rsa.rdm.distances import FEW
from ...rsa.types import Array
from .halves import Noise

_WIDE = 256  # features; below it BLAS gains less than its threads lose by waiting for those of other splits
_FLOOR = 0.25  # of the mean power: a pattern that seems weaker is taken to be that strong


@dataclass(frozen=True)
class Power:
    """One split's estimate of the power of n patterns: (n,) signal, and noise of one trial.

    along: mean variance of one trial's noise along a pattern, times the pattern's power; between: mean variance of
    the product of two trials' noise.
    """

    signal: Array
    noise: Array
    along: float
    between: float

    @classmethod
    def of(cls, a: Array, b: Array, whole: Array, noise: Noise, here: npt.NDArray[np.int64]) -> "Power":
        """From patterns (n, f) of the halves and of all repeats; `here` are their places in the target."""
        a, b, whole = (x - x.mean(axis=1, keepdims=True) for x in (a, b, whole))
        trial = (a - b) / np.sqrt(noise.smaller + noise.larger)[here, None]
        between = pair_product(trial, trial) / (len(a) * (len(a) - 1))
        along = np.mean(np.einsum("ij,ij->i", whole, trial) ** 2) - between * noise.whole[here].mean()
        return cls(np.einsum("ij,ij->i", a, b), np.einsum("ij,ij->i", trial, trial), max(float(along), 0.0), between)

    def take(self, chosen: npt.NDArray[np.bool_]) -> "Power":
        return replace(self, signal=self.signal[chosen], noise=self.noise[chosen])


@dataclass(frozen=True)
class Shares:
    """g of the halves' patterns (n,): `whole` in the target, `half` in the halves (the geometric mean of both).

    `whole` represents all conditions of the target: the mean g of those without halves is mixed in.
    """

    whole: Array
    half: Array

    @classmethod
    def of(cls, powers: Sequence[Power], noise: Noise, here: npt.NDArray[np.int64]) -> "Shares | None":
        """From several splits of the conditions at these places of the target; None without any signal.

        Powers are shrunk towards their mean by the share of noise in their variance. The noise that is left is
        averaged over, since products are not linear in g. Noise along a pattern also lengthens it, which changes all
        its products alike.
        """
        signal, trial = (np.mean([getattr(p, key) for p in powers], axis=0) for key in ("signal", "noise"))
        along, between = (float(np.mean([getattr(p, key) for p in powers])) for key in ("along", "between"))
        mean, usual = float(signal.mean()), float(trial.mean())
        if mean <= 0 or usual <= 0:
            return None
        whole, freedom = noise.whole[here], noise.freedom[here]
        power, spread = _drawn(signal, 4 * along * whole + 2 * between * whole**2 * (freedom + 1) / freedom)
        trial, _ = _drawn(trial, 2 * between / freedom)
        least = _FLOOR * mean * trial / usual
        power = np.maximum(power, least)
        wide = np.log1p((spread / power) ** 2)  # the variance of log(power), were it normal
        others = np.ones(len(noise.whole), np.bool_)
        others[here] = False
        sizes = [whole, noise.smaller[here], noise.larger[here], noise.whole[others].mean() if others.any() else 0.0]
        along, between = min(along / mean / usual, 0.9), min(between / usual**2, 0.4)
        found = []
        for log in (-np.sqrt(wide) - wide / 2, np.sqrt(wide) - wide / 2):
            trials = trial / np.maximum(power * np.exp(log), least)
            found.append([_cosine(trials * size, along, between) for size in sizes])
        g, smaller, larger, lacking = np.transpose(found, (1, 0, 2))
        half = (1 / (smaller * larger)).mean(axis=0)
        seen = (g / (smaller * larger)).mean(axis=0) / half
        return cls(seen + others.mean() * (lacking.mean() - seen), 1 / np.sqrt(half))


def _cosine(noise: Array, along: float, between: float) -> Array:
    """Expected cosine between a pattern and itself plus noise of `noise` times its power.

    along: share of the noise along the pattern; between: 1 / the number of dimensions of the noise.
    """
    total = np.zeros(len(noise))
    for sign in (-1, 1):
        length = 1 + sign * np.sqrt(min(along, between) * noise)
        for size in (1 - math.sqrt(2 * between), 1 + math.sqrt(2 * between)):
            total += length / np.sqrt(length**2 + (1 - along) * size * noise) / 4
    return total


def _drawn(values: Array, sampling: Array) -> tuple[Array, Array]:
    """Values shrunk towards their mean by their sampling variance, and the standard deviation that is left."""
    mean, true = values.mean(), max(float(values.var() - sampling.mean()), 0.0)
    kept = true / np.maximum(true + sampling, np.finfo(float).tiny)
    return mean + (values - mean) * kept, np.sqrt(kept * sampling)


def products(a: Array, b: Array, shares: Shares, method: str) -> tuple[float, float]:
    """One split's estimates of <c, c> and <c, g_i g_j c>, from the halves' patterns (n, f)."""
    za, zb = (unit_rows(x) / shares.half[:, None] for x in (a, b))
    shrunk = shares.whole[:, None]
    return rdm_inner(za, zb, method), (rdm_inner(za, zb * shrunk, method) + rdm_inner(zb, za * shrunk, method)) / 2


def explainable(found: Sequence[tuple[float, float]], whole: Array, method: str) -> float:
    """Squared similarity of a noiseless model's RDM and that of `whole` (n, f), the target's patterns.

    found: `products` of several splits. NaN where these show no true variance.
    """
    truth, shared = np.mean(found, axis=0)
    z = unit_rows(whole)
    return shared**2 / (truth * rdm_inner(z, z, method)) if truth > 0 and shared > 0 else float("nan")


def unit_rows(x: Array) -> Array:
    """Rows centred and scaled to length one: their products are correlations."""
    z: Array = x - x.mean(axis=1, keepdims=True)
    z /= np.sqrt(np.einsum("ij,ij->i", z, z))[:, None]
    return z


def pair_product(a: Array, b: Array) -> float:
    """Sum over pairs i != j of (a_i . a_j)(b_i . b_j), without the n x n matrices where there are fewer features."""
    n, f = a.shape
    if f < n:
        products = np.einsum("ij,ik->jk", a, b, optimize=f > _WIDE)
        total = np.vdot(products, products)
    else:
        total = np.vdot(a @ a.T, b @ b.T)
    return float(total - np.einsum("ij,ij->i", a, a) @ np.einsum("ij,ij->i", b, b))


def pair_mean(a: Array) -> float:
    """Mean over pairs i != j of a_i . a_j."""
    n = len(a)
    return float((np.square(a.sum(axis=0)).sum() - np.square(a).sum()) / (n * (n - 1)))


def pair_covariance(a: Array, b: Array) -> float:
    """Covariance over pairs i != j of a_i . a_j and b_i . b_j."""
    n = len(a)
    return pair_product(a, b) / (n * (n - 1)) - pair_mean(a) * pair_mean(b)


def rdm_inner(a: Array, b: Array, method: str) -> float:
    """The inner product of a linear `method` over n(n - 1), for RDMs with entries 1 - a_i . a_j and 1 - b_i . b_j.

    "pearson": a covariance; "cosine"; whitened forms: <HAH, HBH> with H = I - 1 / n.
    """
    how, n, means = method_named(method), len(a), (pair_mean(a), pair_mean(b))
    product = pair_product(a, b) / (n * (n - 1)) - means[0] * means[1]
    levels = means if how.centred else (1.0, 1.0)
    product += (levels[0] - means[0]) * (levels[1] - means[1])
    if not how.whitened:
        return product
    rows = [
        ((n - 1) * level - x @ x.sum(axis=0) + np.einsum("ij,ij->i", x, x)) / n
        for x, level in zip((a, b), levels, strict=True)
    ]
    return product + float(n * rows[0].mean() * rows[1].mean() - 2 * (rows[0] @ rows[1])) / (n - 1)


def rdm_correlation(a: Array, b: Array, metric: str = "correlation", method: str = "pearson") -> float:
    """`compare(compute_rdm(a), compute_rdm(b))` of (n, f) float64 responses, Pearson's r of correlation RDMs fast."""
    if metric != "correlation" or method != "pearson" or a.shape[1] < FEW:
        return compare(compute_rdm(a, metric=metric), compute_rdm(b, metric=metric), method=method)
    za, zb = unit_rows(a), unit_rows(b)
    var_a, var_b = pair_covariance(za, za), pair_covariance(zb, zb)
    if min(var_a / (var_a + pair_mean(za) ** 2), var_b / (var_b + pair_mean(zb) ** 2)) < 1e-12:
        raise RSAError("the RDM of half of the repeats is constant, so its reliability is undefined")
    return pair_covariance(za, zb) / math.sqrt(var_a * var_b)
