"""Shape distance after the best rotation (Procrustes): Williams et al. 2021, Ding et al. 2021."""

import math

import numpy as np
import numpy.typing as npt

from ..types import Array
from .features import check_pair, compact


def procrustes_distance(x: npt.ArrayLike, y: npt.ArrayLike) -> float:
    """Compute min over rotations and reflections Q of ||X Q - Y||_F, with both centred and scaled to norm 1.

    This is a metric that ignores shifts, rotations, reflections and isotropic scaling (Ding et al. 2021 take its
    square).

    Parameters
    ----------
    x : array (n, f)
    y : array (n, g)
        The rows of both are the same stimuli; the narrower side is padded with zeros.

    Returns
    -------
    float
        From 0 for equal shapes to sqrt(2).

    Raises
    ------
    RSAError
        For different numbers of rows, fewer than 3, and constant features.

    References
    ----------
    Williams et al. (2021), NeurIPS; Ding et al. (2021), NeurIPS.
    """
    return math.sqrt(2 * (1 - procrustes_similarity(x, y)))


def procrustes_similarity(x: npt.ArrayLike, y: npt.ArrayLike) -> float:
    """Compute the nuclear norm ||X' Y||_* of centred features of norm 1.

    It is 1 - d^2 / 2 with d the `procrustes_distance`, and the cosine of the angular distance of Williams et al. 2021.

    Parameters
    ----------
    x, y : array
        As in `procrustes_distance`.

    Returns
    -------
    float
        From 0 to 1, the value for equal shapes.

    Raises
    ------
    RSAError
        As `procrustes_distance` does.
    """
    first, second = check_pair(x, y)
    return overlap(unit_shape(first), unit_shape(second))


def unit_shape(x: Array) -> Array:
    """Centred features as (n, min(n, f)) coordinates of Frobenius norm 1."""
    shape = compact(x)
    unit: Array = shape / np.linalg.norm(shape)
    return unit


def overlap(a: Array, b: Array) -> float:
    """The nuclear norm of a' b."""
    return float(np.clip(np.linalg.svd(a.T @ b, compute_uv=False).sum(), 0, 1))
