"""The noise between neuroids, from repeated measurements of the same condition (Walther et al. 2016)."""

from collections.abc import Sequence

import numpy as np

from .errors import RSAError, listing, near
from .rdm import Array

ESTIMATES = ("ledoit-wolf", "diagonal")


def noise_precision(x: Array, groups: Sequence[str], method: str = "ledoit-wolf") -> Array:
    """Inverse (f, f) of the covariance of what repeats of a condition differ by.

    x: (n, f) single measurements; groups: the condition of every row, some of them repeated, in any numbers. Residuals
    about the group means have n - groups degrees of freedom. method: "ledoit-wolf", the covariance shrunk towards a
    multiple of the identity by the amount that is best on average (Ledoit and Wolf 2004), or "diagonal", the
    variances alone.

    Raises RSAError for an unknown method, for groups without repeats, and where the noise has no variance.
    """
    if method not in ESTIMATES:
        raise RSAError(f"precision is a matrix, 'ledoit-wolf' or 'diagonal'{near(method, ESTIMATES)}")
    names, place = np.unique(np.array(groups), return_inverse=True)
    counts = np.bincount(place)
    if counts.max() < 2:
        raise RSAError(f"precision={method!r} is estimated from repeats, but no group has more than one row")
    sums = np.zeros((len(names), x.shape[1]))
    np.add.at(sums, place, x)
    residuals = x - (sums / counts[:, None])[place]
    degrees = len(x) - len(names)
    variances = (residuals**2).sum(axis=0) / degrees
    silent = np.flatnonzero(variances <= 1e-24 * np.square(x, dtype=np.float64).mean(axis=0))
    if len(silent) and (method == "diagonal" or len(silent) == x.shape[1]):
        raise RSAError(f"feature {listing(silent)} has no noise variance over repeats; leave it out")
    if method == "diagonal":
        return np.diag(1 / variances)
    from sklearn.covariance import ledoit_wolf

    covariance, _ = ledoit_wolf(residuals, assume_centered=True)
    inverse: Array = np.linalg.inv(covariance * (len(x) / degrees))
    return (inverse + inverse.T) / 2
