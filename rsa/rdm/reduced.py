"""Angular dissimilarities from products in bfloat16, which some CPUs multiply several times as fast as float32."""

from typing import Any

import numpy as np

from ..errors import RSAError
from ..types import Array
from . import _kernels

_ROWS = 512  # of one product; what is below the diagonal is left out


def condensed_in_bfloat16(z: Array) -> Array:
    """1 - the products of rows of length one (n, f), in `pdist` order, float32.

    bfloat16 has 8 significant bits: a product is rounded by up to 2^-8 of itself, and so is every feature, which
    averages out over many of them.
    """
    import torch

    n = len(z)
    rows = torch.from_numpy(z).bfloat16()
    gram = np.empty((n, n), np.float32)
    for start in range(0, n, _ROWS):
        gram[start : start + _ROWS, start:] = (rows[start : start + _ROWS] @ rows[start:].T).float().numpy()
    out = np.empty(n * (n - 1) // 2, np.float32)
    _kernels.condense_similarity(gram, out)
    return out


def check_reduced(x: Any, angular: bool, others: bool) -> None:
    """Raise RSAError where products in bfloat16 cannot be had."""
    if not angular or others:
        raise RSAError(
            "reduced=True is for metrics correlation, spearman and cosine, without missing='pairwise' and out="
        )
    if not isinstance(x, np.ndarray) or x.dtype != np.float32:
        raise RSAError(f"reduced=True is for float32 features on the CPU, got {x.dtype} ({type(x).__name__})")
