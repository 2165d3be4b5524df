"""A model without the subjects' options as its classes chooses by a readout: logistic regression on features."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..errors import RSAError
from ..types import Array

if TYPE_CHECKING:
    from torch import nn

FOLDS = 5
PENALTY = 1e-3  # scikit-learn's C, which Brain-Score uses


def readout_probabilities(
    features: npt.ArrayLike, truth: npt.ArrayLike, n_options: int, *, folds: int = FOLDS, seed: int = 0
) -> Array:
    """Predict each image's option from its features by a logistic regression that was fitted on other images.

    Parameters
    ----------
    features : array_like
        (n images, f), finite.
    truth : array_like
        Right option of each, (n,) whole numbers.
    n_options : int
    folds : int
        Parts of the images; each is predicted from all others.
    seed : int
        Of the parts, which hold equally many images of each option.

    Returns
    -------
    numpy.ndarray
        Probabilities, (n, n_options).

    Raises
    ------
    RSAError
        For features that are not finite, and for options with fewer images than folds.

    Notes
    -----
    Features are standardised over the images of the fit. C is 1e-3, as in Brain-Score's readout.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, y = np.asarray(features, np.float64), np.asarray(truth, np.int64)
    if x.ndim != 2 or len(x) != len(y) or not np.isfinite(x).all():
        raise RSAError(f"features must be finite numbers of shape ({len(y)}, f), got shape {x.shape}")
    counts = np.bincount(y, minlength=n_options)
    few = np.flatnonzero((counts > 0) & (counts < folds))
    if folds < 2 or len(few) or (counts > 0).sum() < 2:
        least = counts[counts > 0].min()
        raise RSAError(f"a readout in {folds} folds needs so many images of each of two or more options, not {least}")
    parts = _parts(y, folds, seed)
    found = np.zeros((len(y), n_options))
    for fold in range(folds):
        test = parts == fold
        fitted = make_pipeline(StandardScaler(), LogisticRegression(C=PENALTY, max_iter=1000))
        fitted.fit(x[~test], y[~test])
        found[np.ix_(test, fitted[-1].classes_)] = fitted.predict_proba(x[test])
    return found


def _parts(truth: npt.NDArray[np.int64], folds: int, seed: int) -> npt.NDArray[np.int64]:
    """A fold for each image, with equally many of each option but for one."""
    order = np.random.default_rng(seed).permutation(len(truth))
    parts = np.empty(len(truth), np.int64)
    for option in np.unique(truth):
        members = order[truth[order] == option]
        parts[members] = np.arange(len(members)) % folds
    return parts


@contextmanager
def without_classifier(model: "nn.Module") -> Iterator[str]:
    """Let the model return what its last linear layer would be given, within the block.

    Yields the layer's name, or "" for a model without one, which returns what it always does.
    """
    from torch import nn

    linear = [(name, module) for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    if not linear or not linear[-1][0]:
        yield ""
        return
    name, last = linear[-1]
    parent, _, own = name.rpartition(".")
    holder = model.get_submodule(parent)
    setattr(holder, own, nn.Identity())
    try:
        yield name
    finally:
        setattr(holder, own, last)
