"""Centred kernel alignment, linear and RBF, biased and unbiased (Kornblith et al. 2019)."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..errors import RSAError, check_known
from ..types import Array
from .features import check_pair

KERNELS = ("linear", "rbf")


def cka(
    x: npt.ArrayLike, y: npt.ArrayLike, *, kernel: str = "linear", unbiased: bool = False, bandwidth: float = 1.0
) -> float:
    """Compute the centred kernel alignment HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L)) of two sets of features.

    Parameters
    ----------
    x : array (n, f)
    y : array (n, g)
        The rows of both are the same stimuli.
    kernel : str
        "linear", or "rbf": exp(-d^2 / 2 s^2) with s = `bandwidth` times the median distance between two stimuli.
    unbiased : bool
        Estimate HSIC as Song et al. do, with mean 0 for independent features; it may be slightly negative. The biased
        form approaches 1 when features outnumber stimuli (Murphy et al. 2024).
    bandwidth : float

    Returns
    -------
    float
        In [0, 1] unless unbiased.

    Raises
    ------
    RSAError
        For different numbers of rows, fewer than 3 (unbiased: 4), and constant features; "rbf" where more than half of
        the pairs are equal, and unbiased where all stimuli are equally distant.

    References
    ----------
    Kornblith et al. (2019), ICML, section 3; Song et al. (2012), J Mach Learn Res 13:1393-1434, eq. 5.

    Examples
    --------
    >>> import numpy as np
    >>> from tgsage.rsa import cka
    >>> x = np.random.default_rng(0).normal(size=(20, 5))
    >>> round(cka(x, 3 * x[:, ::-1] + 1), 6)
    1.0
    """
    first, second = check_pair(x, y)
    return alignment(
        centred_kernel(first, kernel, bandwidth), centred_kernel(second, kernel, bandwidth), unbiased=unbiased
    )


@dataclass(frozen=True)
class CentredKernel:
    """A centred Gram matrix, or, where these are smaller, the centred features it is the product of; its diagonal."""

    gram: Array | None
    factor: Array
    diagonal: Array


def centred_kernel(x: Array, kernel: str = "linear", bandwidth: float = 1.0) -> CentredKernel:
    """Of centred features (n, f)."""
    check_known("unknown kernel", kernel, KERNELS)
    if not (bandwidth > 0 and math.isfinite(bandwidth)):
        raise RSAError(f"bandwidth is a positive multiple of the median distance, got {bandwidth}")
    if kernel == "linear" and x.shape[1] <= x.shape[0]:
        return CentredKernel(None, x, np.einsum("ij,ij->i", x, x))
    gram = x @ x.T
    if kernel == "rbf":
        squares = np.diagonal(gram).copy()
        gram *= -2
        gram += squares[:, None]
        gram += squares
        middle = float(np.median(gram[np.triu_indices(len(gram), 1)]))
        if middle <= 0:
            raise RSAError(
                "more than half of the pairs of stimuli have equal features: the RBF kernel has no bandwidth"
            )
        gram *= -0.5 / (bandwidth**2 * middle)
        np.exp(np.minimum(gram, 0, out=gram), out=gram)
        np.fill_diagonal(gram, 1)
        means = gram.mean(axis=0)
        gram -= means[:, None]
        gram -= means - means.mean()
    return CentredKernel(gram, x, np.diagonal(gram).copy())


def alignment(a: CentredKernel, b: CentredKernel, *, unbiased: bool = False) -> float:
    """CKA of two centred kernels over the same stimuli."""
    n = a.diagonal.size
    if unbiased and n < 4:
        raise RSAError(f"{n} stimuli; unbiased CKA needs at least 4")
    norms = [_hsic(k, k, unbiased) for k in (a, b)]
    if min(norms) <= 0:
        raise RSAError("unbiased CKA is undefined: all stimuli are equally far from each other")
    return float(np.clip(_hsic(a, b, unbiased) / math.sqrt(norms[0] * norms[1]), -1, 1))


def _hsic(a: CentredKernel, b: CentredKernel, unbiased: bool) -> float:
    """tr(K L) of centred kernels; unbiased: n(n - 3) times eq. 5 of Song et al. 2012, simpler as all rows sum to 0."""
    value = _trace(a, b)
    if not unbiased:
        return value
    n = a.diagonal.size
    traces = float(a.diagonal.sum() * b.diagonal.sum())
    return value - n / (n - 2) * float(a.diagonal @ b.diagonal) + traces / ((n - 1) * (n - 2))


def _trace(a: CentredKernel, b: CentredKernel) -> float:
    if a.gram is not None and b.gram is not None:
        return float(np.einsum("ij,ij->", a.gram, b.gram))
    if a.gram is None and b.gram is None:
        return float(np.square(a.factor.T @ b.factor).sum())
    gram, factor = (a.gram, b.factor) if a.gram is not None else (b.gram, a.factor)
    return float(np.einsum("ij,ij->", gram @ factor, factor))
