"""The noise between neuroids, from repeated measurements of the same condition (Walther et al. 2016)."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from ..errors import RSAError, listing, near
from ..labels import as_matrix, beside, row_names
from ..types import Array

ESTIMATES = ("ledoit-wolf", "diagonal")


def noise_precision(x: npt.ArrayLike, groups: Iterable[object], method: str = "ledoit-wolf") -> Array:
    """Inverse (f, f) of the covariance of what repeats of a condition differ by.

    x: (n, f) single measurements; groups: the condition of every row, some of them repeated, in any numbers; where both
    have an index (DataFrame, Series), matched by it. Residuals
    about the group means have n - groups degrees of freedom. method: "ledoit-wolf", the covariance shrunk towards a
    multiple of the identity by the amount that is best on average (Ledoit and Wolf 2004), or "diagonal", the
    variances alone.

    Raises RSAError for an unknown method, values that are not finite, missing groups, groups without repeats, and where
    the noise has no variance.
    """
    if method not in ESTIMATES:
        raise RSAError(f"precision is a matrix, 'ledoit-wolf' or 'diagonal'{near(method, ESTIMATES)}")
    labels = beside(groups, row_names(x), "groups")
    x = as_matrix(x)
    if len(labels) != len(x):
        raise RSAError(f"{len(x)} rows of features but {len(labels)} groups")
    if not np.isfinite(x).all():
        raise RSAError(f"features hold NaN or infinity in rows {listing(np.flatnonzero(~np.isfinite(x).all(axis=1)))}")
    names, place = np.unique(np.array(labels), return_inverse=True)
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
