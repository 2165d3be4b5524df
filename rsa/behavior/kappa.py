"""Error consistency: whether two observers err in the same trials beyond what their accuracies make likely."""

import numpy as np
import numpy.typing as npt

from ..errors import RSAError
from ..types import Array
from .trials import Behavior, Codes

_MOST_PAIRED = 200  # subjects: beyond them pairs of trials stand for pairs of subjects
_LARGEST = 10**8  # entries of the table of subjects by items


def error_consistency(one: npt.ArrayLike, other: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> float:
    """Compute Cohen's kappa between two observers, by which trials each of them got right.

    Parameters
    ----------
    one, other : array_like
        Whether each observer got each trial right, (n,): truth values, or the rates, from 0 to 1, at which they did.
    weights : array_like, optional
        Weights of the trials, (n,).

    Returns
    -------
    float
        1 for the same errors, 0 for errors that are independent, NaN where both observers are always right, or both
        always wrong.

    Raises
    ------
    RSAError
        For arrays that differ in shape or are not of shape (n,), and for values outside 0 to 1.

    References
    ----------
    Geirhos, Meding & Wichmann (2020), Beyond accuracy: quantifying trial-by-trial behaviour of CNNs and humans by
    measuring error consistency, NeurIPS.

    Examples
    --------
    >>> from tgsage.rsa import error_consistency
    >>> error_consistency([True, True, False, False], [True, True, False, True])
    0.5
    """
    a, c = np.asarray(one, np.float64), np.asarray(other, np.float64)
    w = np.ones(a.shape) if weights is None else np.asarray(weights, np.float64)
    if not a.shape == c.shape == w.shape or a.ndim != 1 or not a.size:
        raise RSAError(f"two observers of the same trials are needed, got shapes {a.shape}, {c.shape} and {w.shape}")
    if not ((a >= 0) & (a <= 1) & (c >= 0) & (c <= 1)).all():
        raise RSAError("trials are right or wrong: truth values, or rates from 0 to 1")
    w = w / w.sum()
    return float(_kappa(w @ (a * c + (1 - a) * (1 - c)), w @ a, w @ c))


def _kappa(agreement: npt.ArrayLike, one: npt.ArrayLike, other: npt.ArrayLike) -> Array:
    """From the rate of agreement and both accuracies; NaN where these leave nothing to chance."""
    p, q = np.asarray(one), np.asarray(other)
    chance = p * q + (1 - p) * (1 - q)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(1 - chance > 1e-12, (agreement - chance) / (1 - chance), np.nan)


def kappa_with(behavior: Behavior, right: Array, weights: Array | None = None) -> float:
    """Kappa of a model with each subject, in the subject's trials, as a mean over subjects; all are one if unknown.

    right: how often the model is right in each cell of `behavior.cells`. weights: of the trials.
    """
    theirs, ours, who = right_trials(behavior), right[behavior.cells], behavior.subject
    if who is None:
        return error_consistency(ours, theirs, weights)
    w = np.ones(len(who)) if weights is None else weights
    total = np.bincount(who, w)
    with np.errstate(invalid="ignore", divide="ignore"):
        both, a, c = (
            np.bincount(who, w * x) / total for x in (ours * theirs + (1 - ours) * (1 - theirs), ours, theirs)
        )
    found = _kappa(both, a, c)
    known = np.isfinite(found)
    if not known.any():
        return float("nan")
    mean: float = found[known].mean() if weights is None else np.average(found[known], weights=_drawn(who, w)[known])
    return float(mean)


def _drawn(who: Codes, weights: Array) -> Array:
    """How often each subject counts: the mean weight of its trials."""
    return np.bincount(who, weights) / np.maximum(np.bincount(who), 1)


def kappa_between(behavior: Behavior) -> float:
    """Kappa between subjects: the mean over pairs of them in the items that both saw, where these can be told apart.

    Otherwise, and beyond 200 subjects, that of two trials of the same item.
    """
    items = np.unique(behavior.cells, return_inverse=True)[1].ravel()
    right, subjects = right_trials(behavior), behavior.subjects
    if behavior.subject is not None and 2 <= subjects <= _MOST_PAIRED and subjects * (items.max() + 1) <= _LARGEST:
        who = np.unique(behavior.subject, return_inverse=True)[1].ravel()
        return _between_subjects(who, items, right)
    seen, rightly = np.bincount(items), np.bincount(items, right)
    wrong = seen - rightly
    several = seen > 1
    agree = (rightly * (rightly - 1) + wrong * (wrong - 1))[several] / (seen - 1)[several]
    if not several.any():
        return float("nan")
    p = rightly[several].sum() / seen[several].sum()
    return float(_kappa(agree.sum() / seen[several].sum(), p, p))


def _between_subjects(who: Codes, items: Codes, right: Array) -> float:
    n, m = int(who.max()) + 1, int(items.max()) + 1
    seen = np.bincount(who * m + items, minlength=n * m).reshape(n, m)
    with np.errstate(invalid="ignore", divide="ignore"):
        rates = np.bincount(who * m + items, right, n * m).reshape(n, m) / seen
    known = (seen > 0).astype(np.float64)
    rates = np.where(seen > 0, rates, 0.0)
    shared = known @ known.T
    with np.errstate(invalid="ignore", divide="ignore"):
        accuracy = (rates @ known.T) / shared  # [s, t]: of s in the items that t saw as well
        both = rates @ rates.T
        neither = shared - rates @ known.T - known @ rates.T + both
        found = _kappa((both + neither) / shared, accuracy, accuracy.T)[np.triu_indices(n, 1)]
    found = found[np.isfinite(found)]
    return float(found.mean()) if len(found) else float("nan")


def right_trials(behavior: Behavior) -> Array:
    """Whether each trial is right, (trials,) 0 and 1."""
    return np.asarray(behavior.choice == behavior.truth[behavior.stimulus], np.float64)


def right_of_model(behavior: Behavior, probabilities: Array) -> Array:
    """Whether a model's likeliest option is the right one, for each cell of `behavior.cells`."""
    own = probabilities[np.arange(len(behavior.truth)), behavior.truth]
    if behavior.distractor is None:
        return np.asarray(probabilities.argmax(1) == behavior.truth, np.float64)
    return np.asarray(own[:, None] > probabilities, np.float64).ravel()


def right_of_trials(behavior: Behavior) -> Array:
    """How often subjects were right in each cell; NaN where there are no trials."""
    size = len(behavior.stimulus_ids) * (1 if behavior.distractor is None else len(behavior.options))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.bincount(behavior.cells, right_trials(behavior), size) / np.bincount(behavior.cells, minlength=size)
