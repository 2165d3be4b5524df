"""p-values of many tests: false discovery rate, or the chance of any false discovery (family-wise)."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from ..errors import RSAError, near
from ..types import Array
from .intervals import false_discovery

CORRECTIONS = ("fdr", "holm", "max", "none")
SAID = {
    "fdr": "false discovery rate (Benjamini-Hochberg)",
    "holm": "family-wise error rate (Holm)",
    "max": "family-wise error rate (maximum statistic over the same resamples)",
    "none": "not corrected for the number of tests",
}


def check_correction(correction: str) -> None:
    """Raise RSAError for an unknown correction."""
    if correction not in CORRECTIONS:
        raise RSAError(
            f"correction is one of {', '.join(CORRECTIONS)}, not {correction!r}{near(correction, CORRECTIONS)}"
        )


def adjusted(p: npt.ArrayLike, correction: str = "fdr", noise: Array | None = None) -> Array:
    """Adjust the p-values of one family; NaN stays NaN and is no test.

    Parameters
    ----------
    p : array (n,)
        Two-sided.
    correction : str
        One of `CORRECTIONS`.
    noise : array (n, draws), optional
        What resampling makes of every difference, for "max".

    Returns
    -------
    array (n,)

    Raises
    ------
    RSAError
        For an unknown correction, and for "max" without draws.

    References
    ----------
    Benjamini and Hochberg (1995), J R Stat Soc B 57:289-300. Holm (1979), Scand J Stat 6:65-70. Westfall and Young
    (1993), Resampling-based multiple testing.

    Examples
    --------
    >>> from tgsage.rsa.inference.multiplicity import adjusted
    >>> adjusted([0.01, 0.04, 0.03], "holm")
    array([0.03, 0.06, 0.06])
    """
    check_correction(correction)
    values = np.asarray(p, np.float64)
    found, tested = np.full_like(values, np.nan), np.isfinite(values)
    if not tested.any():
        return found
    if correction == "max":
        if noise is None:
            raise RSAError("correction 'max' needs the draws of every test")
        found[tested] = _by_maximum(values[tested], noise[tested])
    else:
        how: dict[str, Callable[[Array], Array]] = {"fdr": false_discovery, "holm": _holm, "none": np.copy}
        found[tested] = how[correction](values[tested])
    return found


def _holm(p: Array) -> Array:
    order = np.argsort(p)
    steps = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    found = np.empty_like(p)
    found[order] = np.minimum(steps, 1.0)
    return found


def _by_maximum(p: Array, noise: Array) -> Array:
    """The share of draws in which any test is as extreme, by the normal scores of the p-values.

    Scores and not differences: a p-value knows of the degrees of freedom and of the corrected standard error.
    """
    from scipy.special import ndtri

    drawn = noise[:, np.isfinite(noise).all(axis=0)]
    centred = drawn - drawn.mean(axis=1, keepdims=True)
    spread = centred.std(axis=1, keepdims=True)
    scores = np.abs(np.divide(centred, spread, out=np.zeros_like(centred), where=spread > 0)).max(axis=0)
    reached = (scores >= -ndtri(p / 2)[:, None]).sum(axis=1)
    corrected: Array = np.maximum((1 + reached) / (1 + len(scores)), p)
    return corrected
