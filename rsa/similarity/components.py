"""Features as RDMs of their own that can be weighted: those of the principal components of a layer.

The squared Euclidean RDM of a layer is the sum of its components' RDMs, (c_i - c_j)^2; a weighted sum gives each a
weight in place of 1 (feature-reweighted RSA: Jozwik, Kriegeskorte & Mur 2016, Neuropsychologia; Kaniuth & Hebart 2022,
NeuroImage). The components are those of all stimuli, without any target.
"""

from collections.abc import Mapping

import numpy as np
from scipy.linalg import eigh

from ..errors import RSAError
from ..rdm.rdm import RDM
from ..types import Array
from .features import Features

COMPONENTS = 20  # of a layer
_NEGLIGIBLE = 1e-10  # variance of a component, against the first


def components(layers: Mapping[str, Features], most: int) -> dict[str, RDM]:
    """RDMs of the leading principal components: 20 of each layer, fewer of many layers, and `most` in all.

    Components without variance are left out.

    Raises RSAError for RDMs in place of features, for more than `most` layers, and where no layer varies.
    """
    for name, one in layers.items():
        if not isinstance(one, Features):
            raise RSAError(f"weights of features need features, and {name} is an RDM")
    if len(layers) > most:
        raise RSAError(f"{len(layers)} layers are too many to weigh; name at most {most}")
    found: dict[str, RDM] = {}
    for name, one in layers.items():
        for k, scores in enumerate(_scores(one.values, min(COMPONENTS, most // len(layers))).T, start=1):
            title = f"{name}, component {k}"
            found[title] = one.replace(values=scores[:, None], name=title).rdm(metric="sqeuclidean")
    if not found:
        raise RSAError("no layer varies over the stimuli, so that there are no components to weigh")
    return found


def _scores(values: Array, most: int) -> Array:
    """Scores (n, k) of the leading principal components of features (n, d)."""
    centred = values.astype(np.float64)
    centred -= centred.mean(axis=0)
    n, d = centred.shape
    product = centred @ centred.T if n <= d else centred.T @ centred
    size = len(product)
    variance, vectors = eigh(product, subset_by_index=(max(0, size - most), size - 1))
    variance, vectors = variance[::-1], vectors[:, ::-1]
    kept = variance > _NEGLIGIBLE * max(variance[0], 0.0)
    scores: Array = vectors * np.sqrt(np.maximum(variance, 0.0)) if n <= d else centred @ vectors
    return scores[:, kept]
