"""What a model's similarity to a target holds beyond that of others: partial correlation and shares of variance."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..errors import RSAError
from ..rdm.comparison import method_named
from ..rdm.rdm import RDM
from ..types import Array
from .bootstrap import Sides

PARTIAL = ("pearson", "spearman", "pearson-whitened")
_STEP = 1e-4  # of weights, for derivatives
_ALIKE = 1e-9  # variance that controls leave of another RDM below which it is rounding


def check_partial(method: str) -> None:
    """Raise RSAError for a method without partial similarity."""
    if method not in PARTIAL:
        raise RSAError(f"partial similarity is for {', '.join(PARTIAL)}, not {method!r}")


class Beyond:
    """Partial similarity of layers (rows) and targets (columns) given the RDMs of controls, under weights of stimuli.

    Entries of RDMs (their ranks, by "spearman") are the observations of the partial correlation. RDMs are over the same
    stimuli in one order. Raises RSAError for another method than `PARTIAL`, and for no control.
    """

    def __init__(self, layers: Sequence[RDM], targets: Sequence[RDM], controls: Sequence[RDM], method: str) -> None:
        check_partial(method)
        if not controls:
            raise RSAError("partial similarity needs at least one control")
        self.shape, self.controls = (len(layers), len(targets)), len(controls)
        self._sides = Sides([*layers, *controls], [*targets, *controls], method_named(method))

    def influences(self) -> tuple[Array, Array]:
        """Partial similarities (layers, targets) and their derivatives (layers, targets, stimuli) at weights of 1."""
        values, slopes = self._sides.influences()
        ends = [partial_correlation(self._matrices(values[..., None] + sign * _STEP * slopes)) for sign in (1, -1)]
        return partial_correlation(self._matrices(values[..., None]))[..., 0], (ends[0] - ends[1]) / (2 * _STEP)

    def resampled(self, weights: npt.NDArray[np.int64]) -> Array:
        """Partial similarities (layers, targets, draws) under weights (draws, stimuli)."""
        return partial_correlation(self._matrices(self._sides.resampled(weights)))

    def variance(self) -> tuple[Array, Array, Array]:
        """Shares of the targets' variance (layers, targets): the layer's alone, common, and the controls' alone.

        The squared multiple correlation of layer and controls is their sum. The common share can be negative, where
        layer and controls explain more together than each explains alone.
        """
        found = self._matrices(self._sides.influences()[0][..., None])[..., 0, :, :]
        total = found[..., 0, 1] ** 2
        by_controls = _explained(found[..., 2:, 2:], found[..., 1, 2:])
        unique = partial_correlation(found) ** 2 * (1 - by_controls)
        common = total - unique
        return unique, common, by_controls - common

    def _matrices(self, values: Array) -> Array:
        """(layers, targets, draws, k, k) similarities between a layer, a target and the controls, in this order."""
        (layers, targets), k = self.shape, self.controls
        out = np.ones((layers, targets, values.shape[-1], k + 2, k + 2))
        out[..., 0, 1] = out[..., 1, 0] = values[:layers, :targets]
        for a in range(k):
            out[..., 0, 2 + a] = out[..., 2 + a, 0] = values[:layers, None, targets + a]
            out[..., 1, 2 + a] = out[..., 2 + a, 1] = values[None, layers + a, :targets]
            for b in range(k):
                if a != b:
                    out[..., 2 + a, 2 + b] = values[layers + a, targets + b]
        return out


def _explained(between: Array, to: Array) -> Array:
    """Squared multiple correlation from the predictors' correlations (..., k, k) and theirs with one more (..., k)."""
    weights = np.linalg.pinv(between, hermitian=True) @ to[..., None]
    share: Array = np.clip((to[..., None] * weights).sum(axis=(-2, -1)), 0.0, 1.0)
    return share


def partial_correlation(found: Array) -> Array:
    """Partial correlation of the first two given the others; 0 where these leave nothing of one of the two."""
    undefined = np.asarray(np.isnan(found).any(axis=(-2, -1)))
    known = np.where(undefined[..., None, None], np.eye(found.shape[-1]), found)
    inverse = np.linalg.pinv(known[..., 2:, 2:], hermitian=True)
    own, target = known[..., 0, 2:], known[..., 1, 2:]

    def left(x: Array, y: Array, whole: Array | float) -> Array:
        rest: Array = whole - np.einsum("...i,...ij,...j->...", x, inverse, y)
        return rest

    first, second = left(own, own, 1.0), left(target, target, 1.0)
    defined = (first > _ALIKE) & (second > _ALIKE)
    norms = np.sqrt(np.where(defined, first * second, 1.0))
    value = np.where(defined, left(own, target, known[..., 0, 1]) / norms, 0.0)
    partial: Array = np.where(undefined, np.nan, np.clip(value, -1, 1))
    return partial
