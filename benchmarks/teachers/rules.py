"""From the similarities of layers and targets to one TG: the paper's rule, and others worth trying."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...rsa import RSAError
from ...rsa.errors import near
from ...rsa.guidance import best_similarity, teacher_guidance
from ...rsa.types import Array


@dataclass(frozen=True, eq=False)
class Matched:
    """A teacher against all members of a pool.

    similarity: (members, checkpoints, layers, targets), NaN where there is no layer or no RDM. layers: (members,) how
    many each has. pixels: the layers' similarity to the pixels (members, checkpoints, layers, 1). shared: (targets,)
    the targets' own.
    """

    similarity: Array
    layers: npt.NDArray[np.int64]
    pixels: Array
    shared: Array

    @property
    def best(self) -> Array:
        """(members, checkpoints, targets): the most similar layer of each; 0 where no layer has an RDM."""
        return best_similarity(self.similarity, empty=0.0)

    def at_depths(self, n: int) -> Array:
        """(members, checkpoints, n, targets): the layers at n equal steps of relative depth; 0 without RDM.

        Where all members have n layers these are the layers themselves.
        """
        steps = np.arange(1, n + 1) / n
        places = np.ceil(np.round(steps * self.layers[:, None], 9)).astype(np.int64) - 1
        return np.nan_to_num(np.take_along_axis(self.similarity, places[:, None, :, None], axis=2))


def paper(matched: Matched) -> Array:
    """Mean over targets of the most similar layer (paper, section 3.2)."""
    return teacher_guidance(matched.similarity, empty=0.0)


def depth(matched: Matched) -> Array:
    """Every target against the layer at its own relative depth."""
    n = matched.similarity.shape[3]
    return np.asarray(np.einsum("mctt->mc", matched.at_depths(n)) / n)


def deep(matched: Matched) -> Array:
    """The paper's rule over the deeper half of the targets."""
    n = matched.similarity.shape[3]
    return teacher_guidance(matched.similarity[..., n // 2 :], empty=0.0)


def partial(matched: Matched) -> Array:
    """The paper's rule with partial correlations given the pixels: what similar images alone explain is taken out.

    A target that is the pixels themselves leaves nothing: 0.
    """
    with np.errstate(invalid="ignore"):
        rest = np.sqrt(np.clip((1 - matched.pixels**2) * (1 - matched.shared**2), 0, None))
        above = matched.similarity - matched.pixels * matched.shared
        given = np.where(rest > 1e-3, above / np.maximum(rest, 1e-3), np.where(np.isnan(rest), np.nan, 0.0))
    return teacher_guidance(given, empty=0.0)


FIXED: Mapping[str, Callable[[Matched], Array]] = {"paper": paper, "depth": depth, "deep": deep, "partial": partial}
RULES = {  # those that are not fixed learn something on a part of the pool, see `choices`
    "paper": "mean over targets of the most similar layer",
    "depth": "every target against the layer at its own relative depth",
    "deep": "the paper's rule over the deeper half of the targets",
    "partial": "the paper's rule with partial correlations given the pixels",
    "target": "one target, chosen on the other half",
    "layer": "a fixed layer per target, chosen on the other half",
    "weights": "weights of P and of every target, learned on the other half",
}


def check_rule(rule: str) -> None:
    """Raises RSAError for an unknown one."""
    if rule not in RULES:
        raise RSAError(f"unknown rule {rule!r}{near(rule, tuple(RULES))}")
