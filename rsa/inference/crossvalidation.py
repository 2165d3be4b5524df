"""The best layer chosen on half of the stimuli and scored on the other half."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..errors import RSAError
from ..rdm.comparison import RANKED, align, check_method
from ..rdm.rdm import RDM
from .influence import places
from .resampling import blocks, resampled

if TYPE_CHECKING:
    import xarray


def crossvalidated_choice(
    a: Mapping[str, RDM],
    b: Mapping[str, RDM],
    *,
    method: str = "pearson",
    n: int = 100,
    seed: int = 0,
    groups: str | Sequence[object] | None = None,
) -> "xarray.DataArray":
    """Similarity of the best layer on stimuli that did not choose it: DataArray ("target", "split").

    The maximum over layers is biased upwards, the more so the more layers there are and the fewer stimuli; this is not.
    It is the similarity of the layer that half of the stimuli choose: where some are nearly as good as the best, lower
    than the best's, by .02 to .08 with 8 such layers and 20 to 50 stimuli.
    n: random halvings of the stimuli, or of whole `groups` (as in `bootstrap`); each serves both ways, so there are 2n
    splits. Coordinate `layer` (target, split): the choice.

    "cosine-whitened" is higher on half of the stimuli than on all (see `compare`).

    Raises RSAError as `bootstrap` does, and where an RDM is constant on half of the stimuli.
    """
    import xarray

    check_method(method)
    if n < 1 or seed < 0:
        raise RSAError(f"at least 1 halving and a seed from 0 are needed, got n={n}, seed={seed}")
    layers, targets = align(a, b, cure="RDM.subset selects")
    unit = blocks(layers[0], groups)
    units, rng = int(unit.max()) + 1, np.random.default_rng(seed)
    halves = np.stack([rng.permutation(units) < units // 2 for _ in range(n)])[:, unit]
    weights = np.concatenate([halves, ~halves]).astype(np.int64)
    placed = [places(rdm, method) for rdm in (*layers, *targets)] if method in RANKED else []
    here = resampled(layers, targets, weights, method, placed)
    if np.isnan(here).any():
        raise RSAError("half of the stimuli are too few: an RDM is constant on them")
    best = here.argmax(axis=0)
    there = np.roll(here, n, axis=-1)  # the same layers and targets on the other half
    values = np.take_along_axis(there, best[None], axis=0)[0]
    coords = {"target": list(b), "layer": (("target", "split"), np.array(list(a))[best])}
    return xarray.DataArray(values, coords, ("target", "split"), "similarity", {"method": method, "seed": seed})
