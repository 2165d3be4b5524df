"""Similarities by canonical correlations: SVCCA (Raghu et al. 2017) and PWCCA (Morcos et al. 2018)."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..errors import RSAError
from ..types import Array
from .features import check_pair, principal

VARIANCE = 0.99


def svcca(x: npt.ArrayLike, y: npt.ArrayLike, *, variance: float = VARIANCE) -> float:
    """Compute the mean canonical correlation of the leading principal components (SVCCA).

    Parameters
    ----------
    x : array (n, f)
    y : array (n, g)
        The rows of both are the same stimuli.
    variance : float
        Share of each side's variance that its components hold; 1 keeps all of them, which is plain CCA.

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    RSAError
        When both sides together have as many components as there are stimuli, or more: some canonical correlations
        are then 1 whatever the features. Also for different numbers of rows and constant features.

    References
    ----------
    Raghu et al. (2017), NeurIPS.
    """
    first, second = check_pair(x, y)
    return mean_correlation(components(first, variance), components(second, variance))


def pwcca(x: npt.ArrayLike, y: npt.ArrayLike, *, variance: float = VARIANCE) -> float:
    """Compute the mean canonical correlation, weighted by how much of x each canonical variate accounts for (PWCCA).

    It is not symmetric: the weights `sum_j |<h_i, x_j>|` are over the features x_j, h_i being the variates of x.

    Parameters
    ----------
    x, y, variance
        As in `svcca`; variance=1 is the form of the paper, which needs few features.

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    RSAError
        As `svcca` does.

    References
    ----------
    Morcos et al. (2018), NeurIPS, eq. 2.
    """
    first, second = check_pair(x, y)
    return weighted_correlation(components(first, variance), components(second, variance))


@dataclass(frozen=True)
class Components:
    """Orthonormal principal components (n, k) of centred features, and these features."""

    basis: Array
    features: Array


def components(x: Array, variance: float = VARIANCE) -> Components:
    """The first components of centred features (n, f) that hold this share of their variance."""
    if not 0 < variance <= 1:
        raise RSAError(f"variance is a share in (0, 1], got {variance}")
    basis, sizes = principal(x)
    shares = np.cumsum(sizes**2) / np.sum(sizes**2)
    kept = len(sizes) if variance == 1 else int(np.searchsorted(shares, variance)) + 1
    return Components(basis[:, :kept], x)


def mean_correlation(a: Components, b: Components) -> float:
    """SVCCA from components."""
    _check(a, b)
    return float(np.clip(np.linalg.svd(a.basis.T @ b.basis, compute_uv=False), 0, 1).mean())


def weighted_correlation(a: Components, b: Components) -> float:
    """PWCCA from components, weighted by a."""
    _check(a, b)
    turn, correlations, _ = np.linalg.svd(a.basis.T @ b.basis, full_matrices=False)
    weights = np.abs((a.basis @ turn).T @ a.features).sum(axis=1)
    return float(np.clip(correlations, 0, 1) @ weights / weights.sum())


def _check(a: Components, b: Components) -> None:
    n, first, second = len(a.basis), a.basis.shape[1], b.basis.shape[1]
    if first + second >= n:
        raise RSAError(
            f"{n} stimuli are too few for {first} and {second} components: {first + second - n + 1} canonical"
            " correlation(s) are 1 whatever the features; fewer features or more stimuli are needed"
        )
