"""A surrogate: predicts scores of architectures from those of others, by kernel ridge regression on their choices."""

from collections.abc import Sequence

import numpy as np
from scipy.linalg import eigh
from scipy.special import ndtri
from scipy.stats import rankdata

from ...rsa.types import Array
from ..spaces.space import Architecture, Space

_SHRINKAGE = 10.0 ** np.arange(-3, 2)  # of the kernel, of which the best is taken


class Encoder:
    """Architectures of a space as rows of numbers.

    Every choice of every dimension has a column, and so has every choice of a kind of dimension: how many of the active
    dimensions take it. What is known about one layer or block so tells something about the next one, which no network
    had so far.
    """

    def __init__(self, space: Space) -> None:
        self._columns: dict[tuple[str, object], tuple[int, int]] = {}
        shared: dict[tuple[str, object], int] = {}
        places = [(d, choice) for d in space.dimensions for choice in d.choices]
        for place, (dimension, choice) in enumerate(places):
            kind = shared.setdefault((dimension.kind, choice), len(places) + len(shared))
            self._columns[dimension.name, choice] = place, kind
        self._width = len(places) + len(shared)

    def __call__(self, architectures: Sequence[Architecture]) -> Array:
        """(architectures, columns)."""
        found = np.zeros((len(architectures), self._width))
        for row, architecture in zip(found, architectures, strict=True):
            for choice in architecture.items():
                place, kind = self._columns[choice]
                row[place] = 1.0
                row[kind] += 1.0
        return found


class Surrogate:
    """Predicts scores by kernel ridge regression on the columns of an `Encoder`.

    The kernel is the sum of a linear and a Gaussian one, which is as wide as the median distance of the known rows. How
    much it shrinks is chosen by leaving one out. Scores are replaced by their normal ranks, so that a few bad ones do
    not matter: predictions order architectures, and mean nothing else.

    Parameters
    ----------
    rows : numpy.ndarray
        Of the known architectures, (n, columns).
    scores : sequence of float
    """

    def __init__(self, rows: Array, scores: Sequence[float]) -> None:
        self._mean, self._scale = rows.mean(axis=0), np.where(rows.std(axis=0) > 0, rows.std(axis=0), 1.0)
        self._rows = self._standard(rows)
        products = self._rows @ self._rows.T
        norms = np.diag(products)
        squares = np.maximum(norms[:, None] + norms - 2 * products, 0)
        self._width = float(np.median(squares[squares > 1e-9])) if (squares > 1e-9).any() else 1.0
        kernel = self._kernel(products, squares)
        goals = ndtri((rankdata(np.asarray(scores)) - 0.5) / len(scores))
        values, vectors = eigh(kernel)
        turned, best = vectors.T @ goals, np.inf
        for shrinkage in _SHRINKAGE:
            inverse = 1 / (np.maximum(values, 0) + shrinkage)
            weights = vectors @ (inverse * turned)
            left_out = weights / ((vectors**2) @ inverse)  # the error of each without itself
            error = float(left_out @ left_out)
            if error < best * (1 - 1e-9):
                best, self._weights = error, weights

    def _standard(self, rows: Array) -> Array:
        return np.asarray((rows - self._mean) / self._scale)

    def _kernel(self, products: Array, squares: Array) -> Array:
        return np.asarray(products / self._rows.shape[1] + np.exp(-squares / self._width))

    def predict(self, rows: Array) -> Array:
        """Predict, (m, columns) to (m,). Rounded, so that what is equal but for the order of sums is equal.

        Parameters
        ----------
        rows : numpy.ndarray
        """
        asked = self._standard(rows)
        products = asked @ self._rows.T
        squares = (asked**2).sum(axis=1)[:, None] + (self._rows**2).sum(axis=1) - 2 * products
        return np.asarray((self._kernel(products, np.maximum(squares, 0)) @ self._weights).round(8))
