"""How well any model could do, given how much subjects differ: leave-one-out noise ceilings."""

from collections.abc import Mapping, Sequence

import numpy as np

from ..errors import RSAError
from ..rdm.comparison import Method, align, compare, method_named, ranks
from ..rdm.rdm import RDM
from ..types import Array


def noise_ceiling(rdms: Sequence[RDM] | Mapping[str, RDM], *, method: str = "pearson") -> tuple[float, float]:
    """Bound the mean similarity that the best possible model can have to the RDMs of single subjects.

    Parameters
    ----------
    rdms : sequence of RDM, or mapping of str to RDM
        At least 2, one per subject or animal, over the same stimuli in any order.
    method : str
        As in `compare`.

    Returns
    -------
    lower, upper : float
        Mean similarity of each subject to the average of the others, and to the average of all, itself included.

    Raises
    ------
    RSAError
        For fewer than 2 RDMs, and as `compare` does for labels, constant RDMs and unknown methods.

    Notes
    -----
    The average is the one that the method rewards most, as in rsatoolbox: of RDMs scaled to equal norm ("cosine",
    "cosine-whitened"), of z-scored RDMs ("pearson", "pearson-whitened"), of rank-transformed RDMs ("spearman", "rho-a",
    "tau-a"). For "tau-a" and the whitened measures it is close to the best average but not identical to it, so the
    upper bound is approximate.

    References
    ----------
    Nili et al. (2014), PLoS Comput Biol 10:e1003553.
    """
    how = method_named(method)
    subjects = list(rdms.values()) if isinstance(rdms, Mapping) else list(rdms)
    if len(subjects) < 2:
        raise RSAError(f"a leave-one-out ceiling needs at least 2 subjects, got {len(subjects)}")
    others = {f"subject {i}": rdm for i, rdm in enumerate(subjects) if i}
    (first,), rest = align({"subject 0": subjects[0]}, others, cure="RDM.subset selects")
    subjects = [first, *rest]
    for rdm in subjects:
        compare(rdm, rdm, method=method)
    lower, upper = (
        np.mean([compare(bound, rdm, method=method) for bound, rdm in zip(bounds, subjects, strict=True)])
        for bounds in left_out(subjects, how)
    )
    return float(lower), float(upper)


def left_out(subjects: Sequence[RDM], method: Method) -> tuple[list[RDM], list[RDM]]:
    """For every subject's RDM, all in one order, the average of the others', and the average of all."""
    parts = [_normalised(rdm.values, method) for rdm in subjects]
    total = np.sum(parts, axis=0)
    lower = [rdm.replace(values=total - part) for rdm, part in zip(subjects, parts, strict=True)]
    return lower, [rdm.replace(values=total) for rdm in subjects]


def _normalised(values: Array, method: Method) -> Array:
    if method.ranked:
        return ranks(values).astype(np.float64)
    x = values.astype(np.float64)
    if method.centred:
        x -= x.mean()
    return x / np.linalg.norm(x)
