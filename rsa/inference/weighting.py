"""How weights of layers, or of features, are fitted to a target: none negative, or ridge regression."""

from dataclasses import dataclass

import numpy as np

from ..errors import RSAError, near
from ..types import Array
from . import _kernels as kernels

RULES = ("nnls", "ridge")
FEATURES = "features-"  # before a rule: features are weighted, not layers
PENALTIES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)  # to choose from
_ALIKE = 1e-9  # share of the layers' variance that is added to it, so that layers may be the same


@dataclass(frozen=True)
class Weighting:
    """How weights are fitted: "nnls", or "ridge" with a penalty; written "ridge:0.1".

    penalty: None for one that is chosen by crossvalidation ("ridge"). features: of single features ("features-nnls"),
    for which the penalty is in their mean variance, so that weak ones do not get large weights.
    """

    rule: str
    penalty: float | None = 0.0
    features: bool = False

    @classmethod
    def named(cls, text: str) -> "Weighting":
        """Read it. Raises RSAError for another rule, and for a penalty that is no positive number."""
        given, colon, penalty = str(text).partition(":")
        rule, features = given.removeprefix(FEATURES), given.startswith(FEATURES)
        if rule not in RULES or (rule == "nnls" and colon):
            known = [*RULES, *(FEATURES + one for one in RULES)]
            what = "nnls, ridge or ridge:PENALTY, or one of these after features-"
            raise RSAError(f"weighted is {what}, not {text!r}{near(given, known)}")
        if rule == "nnls":
            return cls(rule, features=features)
        if not colon:
            return cls(rule, None, features)
        try:
            value = float(penalty)
        except ValueError:
            value = np.nan
        if not 0 < value < np.inf:
            raise RSAError(f"the penalty of ridge is a number above 0, not {penalty!r}")
        return cls(rule, value, features)

    def __str__(self) -> str:
        rule = f"{FEATURES if self.features else ''}{self.rule}"
        return rule if self.rule == "nnls" or self.penalty is None else f"{rule}:{self.penalty:g}"

    def fit(self, between: Array, to: Array, penalty: Array | float | None = None) -> Array:
        """Weights (..., k) from inner products between layers (..., k, k) and with the target (..., k).

        penalty: (...) where it is not given by the rule.
        """
        added = np.asarray(self.penalty if penalty is None else penalty, np.float64)[..., None, None] + _ALIKE
        scale = np.sqrt(self._scale(np.einsum("...kk->...k", between)))
        with np.errstate(divide="ignore", invalid="ignore"):
            unit = np.where(scale > 0, 1 / scale, 0.0)
            towards = to * unit  # not a number where a target is constant over few stimuli
        correlation = between * unit[..., None] * unit[..., None, :]
        own = np.eye(between.shape[-1])
        correlation = correlation + added * own if self.features else np.where(own > 0, 1.0 + added, correlation)
        defined = np.isfinite(correlation).all(axis=(-2, -1)) & np.isfinite(towards).all(axis=-1)
        weights = np.full(towards.shape, np.nan)
        if self.rule == "ridge":
            weights[defined] = np.linalg.solve(correlation[defined], towards[defined][..., None])[..., 0]
        else:
            found = np.zeros((int(defined.sum()), towards.shape[-1]))
            kernels.nnls(np.ascontiguousarray(correlation[defined]), np.ascontiguousarray(towards[defined]), found)
            weights[defined] = found
        return weights * unit

    def _scale(self, squares: Array) -> Array:
        """What the penalty is in units of, by weight (..., k): each layer's variance, or the mean of all features'."""
        if not self.features:
            return squares
        mean: Array = np.broadcast_to(squares.mean(axis=-1, keepdims=True), squares.shape)
        return mean

    def slope(self, weights: Array, penalty: float, between: Array, by_between: Array, by_to: Array) -> Array:
        """Derivatives (n, k) of weights (k,) where inner products change by (n, k, k) and (n, k)."""
        used = np.flatnonzero(weights > 0) if self.rule == "nnls" else np.arange(len(weights))
        change = np.zeros(by_to.shape)
        if len(used):
            added = penalty + _ALIKE
            own = between[np.ix_(used, used)] + np.diag(added * self._scale(np.diag(between))[used])
            moved = by_between[:, used][:, :, used]
            diagonal = added * self._scale(np.einsum("nkk->nk", by_between))[:, used] * weights[used]
            change[:, used] = np.linalg.solve(own, (by_to[:, used] - moved @ weights[used] - diagonal).T).T
        return change
