"""How near a noiseless model comes to a noisy RDM, beyond what Spearman and Brown's formula says.

The formula takes the noise of an RDM to fall as 1 / repeats. That of a correlation distance has a part that falls as
1 / repeats^2, where two noisy patterns meet, and noise also lengthens patterns: the correlation of conditions i and j
shrinks by g_i g_j, where g^2 is the share of signal in a pattern's power, and conditions of little power shrink most.
A noiseless model lacks that distortion, and the two halves of the repeats share it.

Products of the halves A, B are free of noise: A_i . B_i estimates the power of the signal in pattern i, and the
covariance of (corr A) / (g g) with (corr B) / (g g) that of the true correlations c. So the model reaches

    cov(c, g_i g_j c) / sqrt(var(c) var(corr of all repeats)),

and the same with other inner products than the covariance. g belongs to the repeats behind each pattern of the target;
conditions without halves are taken to be like the others in c, and their g is known from their power and repeats.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ...rsa.types import Array
from .halves import Noise
from .products import pair_product, rdm_inner, unit_rows

_FLOOR = 0.25  # of the mean power: a pattern that seems weaker is taken to be that strong


@dataclass(frozen=True)
class Power:
    """What one split of the repeats says of n patterns' power: (n,) signal, and noise of one trial.

    along: mean variance of one trial's noise along a pattern, times the pattern's power; between: of the product of
    two trials' noise.
    """

    signal: Array
    noise: Array
    along: float
    between: float

    @classmethod
    def of(cls, a: Array, b: Array, whole: Array, noise: Noise, here: npt.NDArray[np.int64]) -> "Power":
        """From patterns (n, f) of the halves and of all repeats. here: their places in the target and its `noise`."""
        a, b, whole = (x - x.mean(axis=1, keepdims=True) for x in (a, b, whole))
        trial = (a - b) / np.sqrt(noise.smaller + noise.larger)[here, None]
        between = pair_product(trial, trial) / (len(a) * (len(a) - 1))
        along = np.mean(np.einsum("ij,ij->i", whole, trial) ** 2) - between * noise.whole[here].mean()
        return cls(np.einsum("ij,ij->i", a, b), np.einsum("ij,ij->i", trial, trial), max(float(along), 0.0), between)

    def take(self, chosen: npt.NDArray[np.bool_]) -> "Power":
        return replace(self, signal=self.signal[chosen], noise=self.noise[chosen])


@dataclass(frozen=True)
class Shares:
    """g of the halves' patterns (n,): `whole` for the target, `half` for the halves, their geometric mean.

    `whole` stands for all conditions of the target: it is mixed with the mean g of those without halves.
    """

    whole: Array
    half: Array

    @classmethod
    def of(cls, powers: Sequence[Power], noise: Noise, here: npt.NDArray[np.int64]) -> "Shares | None":
        """From several splits of the conditions at those places of the target; None where no signal is seen.

        Powers are drawn towards their mean by the part of their variance that is noise; what is left of it is kept in
        mind, since the products are not linear in g. Noise lengthens a pattern along itself too, which changes its
        products alike.
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
    """Expected cosine of the angle between a pattern and itself with noise of so many times its power.

    along: the share of the noise that lies along the pattern; between: 1 / the dimensions that the noise fills.
    """
    total = np.zeros(len(noise))
    for sign in (-1, 1):
        length = 1 + sign * np.sqrt(min(along, between) * noise)
        for size in (1 - math.sqrt(2 * between), 1 + math.sqrt(2 * between)):
            total += length / np.sqrt(length**2 + (1 - along) * size * noise) / 4
    return total


def _drawn(values: Array, sampling: Array) -> tuple[Array, Array]:
    """Values drawn towards their mean by their sampling variance, and what is left of its root."""
    mean, true = values.mean(), max(float(values.var() - sampling.mean()), 0.0)
    kept = true / np.maximum(true + sampling, np.finfo(float).tiny)
    return mean + (values - mean) * kept, np.sqrt(kept * sampling)


def products(a: Array, b: Array, shares: Shares, method: str) -> tuple[float, float]:
    """One split's estimates of <c, c> and <c, g_i g_j c>, from the halves' patterns (n, f)."""
    za, zb = (unit_rows(x) / shares.half[:, None] for x in (a, b))
    shrunk = shares.whole[:, None]
    return rdm_inner(za, zb, method), (rdm_inner(za, zb * shrunk, method) + rdm_inner(zb, za * shrunk, method)) / 2


def explainable(found: Sequence[tuple[float, float]], whole: Array, method: str) -> float:
    """The squared similarity of a noiseless model's RDM with that of `whole` (n, f), the target's patterns.

    found: `products` of several splits. NaN where they show no variance in the truth.
    """
    truth, shared = np.mean(found, axis=0)
    z = unit_rows(whole)
    return shared**2 / (truth * rdm_inner(z, z, method)) if truth > 0 and shared > 0 else float("nan")
