"""Shape distance after the best rotation (Procrustes): Williams et al. 2021, Ding et al. 2021."""

import math

import numpy as np
import numpy.typing as npt

from ..types import Array
from .features import check_pair, compact


def procrustes_distance(x: npt.ArrayLike, y: npt.ArrayLike) -> float:
    """min over rotations Q of ||X Q - Y||_F, both centred and of norm 1: 0 for equal shapes, at most sqrt(2).

    x: (n, f), y: (n, g), rows the same stimuli; the narrower is padded with zeros. A metric, blind to shifts, rotations
    and isotropic scaling (Williams et al. 2021; Ding et al. 2021 take its square).

    Raises RSAError for different numbers of rows, fewer than 3, and constant features.
    """
    return math.sqrt(2 * (1 - procrustes_similarity(x, y)))


def procrustes_similarity(x: npt.ArrayLike, y: npt.ArrayLike) -> float:
    """Nuclear norm ||X' Y||_* of centred features of norm 1: 1 for equal shapes, from 0.

    It is 1 - d^2 / 2 with the `procrustes_distance` d, and the cosine of the angular distance of Williams et al. 2021.
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
