"""How near a noiseless model comes to a noisy RDM, beyond what Spearman and Brown's formula says.

The formula takes the noise of an RDM to fall as 1 / repeats. That of a correlation distance has a part that falls as
1 / repeats^2, where two noisy patterns meet, and noise also lengthens patterns: the correlation of conditions i and j
shrinks by g_i g_j, where g^2 is the share of signal in a pattern's power, and conditions of little power shrink most.
A noiseless model lacks that distortion, and the two halves of the repeats share it.

Products of the halves A, B are free of noise: A_i . B_i estimates the power of the signal in pattern i, and the
covariance of (corr A) / (g g) with (corr B) / (g g) that of the true correlations c. So the model reaches

    cov(c, g_i g_j c) / sqrt(var(c) var(corr of all repeats)).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..rsa.rdm import Array
from .products import pair_covariance, pair_product, unit_rows

_FLOOR = 0.25  # of the mean power: a pattern that seems weaker is taken to be that strong


@dataclass(frozen=True)
class Power:
    """What one split of the repeats says of n patterns' power: (n,) signal, and noise of the mean over all repeats.

    along: mean variance of the noise's product with its own pattern; between: with the noise of another pattern.
    """

    signal: Array
    noise: Array
    along: float
    between: float

    @classmethod
    def of(cls, a: Array, b: Array, balance: float) -> "Power":
        """From the halves' patterns (n, f). balance: 4 k (r - k) / r^2 for halves of k and r - k repeats."""
        a, b = (x - x.mean(axis=1, keepdims=True) for x in (a, b))
        mean, noise = (a + b) / 2, (a - b) * (np.sqrt(balance) / 2)
        between = pair_product(noise, noise) / (len(a) * (len(a) - 1))
        along = float(np.mean(np.einsum("ij,ij->i", mean, noise) ** 2)) - between
        return cls(np.einsum("ij,ij->i", a, b), np.einsum("ij,ij->i", noise, noise), max(along, 0.0), between)


@dataclass(frozen=True)
class Shares:
    """g of every pattern (n,): `whole` for the mean of all repeats, `half` for that of half of them."""

    whole: Array
    half: Array

    @classmethod
    def of(cls, powers: Sequence[Power], repeats: float) -> "Shares | None":
        """From several splits; None where no signal is seen.

        Powers are drawn towards their mean by the part of their variance that is noise. Noise along a pattern changes
        its length and its products alike, so only the rest shrinks correlations.
        """
        signal, noise = (np.mean([getattr(p, key) for p in powers], axis=0) for key in ("signal", "noise"))
        along, between = (float(np.mean([getattr(p, key) for p in powers])) for key in ("along", "between"))
        mean = float(signal.mean())
        if mean <= 0 or not noise.any():
            return None
        sampling = 4 * along + 2 * between * repeats / (repeats - 1)
        true = max(0.0, 1 - sampling / max(float(signal.var()), np.finfo(float).tiny))
        power = np.maximum(mean + true * (signal - mean), _FLOOR * mean)
        across = noise * (1 - min(along / mean / float(noise.mean()), 0.9))
        return cls(np.sqrt(power / (power + across)), np.sqrt(power / (power + 2 * across)))


def covariances(a: Array, b: Array, shares: Shares) -> tuple[float, float]:
    """One split's estimates of var(c) and cov(c, g_i g_j c), from the halves' patterns (n, f)."""
    za, zb = (unit_rows(x) / shares.half[:, None] for x in (a, b))
    shrunk = shares.whole[:, None]
    return pair_covariance(za, zb), (pair_covariance(za, zb * shrunk) + pair_covariance(zb, za * shrunk)) / 2


def explainable(found: Sequence[tuple[float, float]], whole: Array) -> float:
    """The squared correlation of a noiseless model's RDM with that of `whole` (n, f), the mean of all repeats.

    found: `covariances` of several splits. NaN where they show no variance in the truth.
    """
    truth, shared = np.mean(found, axis=0)
    z = unit_rows(whole)
    return shared**2 / (truth * pair_covariance(z, z)) if truth > 0 and shared > 0 else float("nan")
