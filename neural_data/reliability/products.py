"""Sums over pairs of conditions, from their patterns and without n x n matrices."""

import math

import numpy as np

from ...rsa import RSAError, compare, compute_rdm
from ...rsa.rdm.comparison import method_named
from ...rsa.rdm.distances import FEW
from ...rsa.types import Array

_WIDE = 256  # below it BLAS gains less than its threads lose by waiting for those of other splits


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
    """The inner product behind `method`, over n(n - 1), of two RDMs whose entries are 1 - a_i . a_j and 1 - b_i . b_j.

    method: "pearson" (a covariance), "cosine", or a whitened form, <HAH, HBH> with H = I - 1 / n.
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
    """`compare(compute_rdm(a), compute_rdm(b))` for (n, f) float64 responses; Pearson's r of correlation RDMs fast."""
    if metric != "correlation" or method != "pearson" or a.shape[1] < FEW:
        return compare(compute_rdm(a, metric=metric), compute_rdm(b, metric=metric), method=method)
    za, zb = unit_rows(a), unit_rows(b)
    var_a, var_b = pair_covariance(za, za), pair_covariance(zb, zb)
    if min(var_a / (var_a + pair_mean(za) ** 2), var_b / (var_b + pair_mean(zb) ** 2)) < 1e-12:
        raise RSAError("the RDM of half of the repeats is constant, so its reliability is undefined")
    return pair_covariance(za, zb) / math.sqrt(var_a * var_b)
