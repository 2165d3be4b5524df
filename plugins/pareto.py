"""Fronts of networks that no other one beats in every objective, and the volume that they dominate."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..rsa import RSAError
from ..rsa.errors import listing, near
from .result import Evaluation

OBJECTIVES = {  # name -> whether more is better
    "score": True,
    "error": False,
    "loss": False,
    "parameters": False,
    "multiply-adds": False,
    "latency": False,
}
MEASURED = ("multiply-adds", "latency")  # only where an evaluation is asked for them


def check_objectives(names: Sequence[str]) -> tuple[str, ...]:
    """Return these names. Raises RSAError for an unknown one, for one that comes twice, and for none.

    Parameters
    ----------
    names : sequence of str
        Of `OBJECTIVES`.

    Returns
    -------
    tuple of str
    """
    for name in names:
        if name not in OBJECTIVES:
            raise RSAError(f"no objective {name!r:.40}{near(str(name), list(OBJECTIVES))}")
    if not names or len(set(names)) < len(names):
        raise RSAError(f"objectives are one or more different ones of {listing(OBJECTIVES)}, got {listing(names)}")
    return tuple(names)


def objectives_of(evaluation: Evaluation, names: Sequence[str]) -> tuple[float, ...] | None:
    """Return what was measured of these objectives; None where one of them was not.

    Parameters
    ----------
    evaluation : Evaluation
    names : sequence of str

    Returns
    -------
    tuple of float or None
    """
    known = {"score": evaluation.score, **evaluation.measured()}
    found = [known.get(name) for name in names]
    if evaluation.failed or any(value is None for value in found):
        return None
    return tuple(float(value) for value in found if value is not None)


def losses(values: npt.ArrayLike, names: Sequence[str]) -> npt.NDArray[np.float64]:
    """Objectives (n, d) with the sign with which less is better.

    Parameters
    ----------
    values : array (n, d)
    names : sequence of str

    Returns
    -------
    array (n, d)
    """
    signs = [-1.0 if OBJECTIVES[name] else 1.0 for name in names]
    return np.asarray(values, dtype=np.float64).reshape(-1, len(names)) * signs


def pareto_front(points: npt.ArrayLike) -> list[int]:
    """Find the points that no other point is as good as in all columns and better in one; less is better.

    Parameters
    ----------
    points : array (n, d)

    Returns
    -------
    list of int
        Their rows, in order; of equal points the first.

    Examples
    --------
    >>> from tgsage.plugins.pareto import pareto_front
    >>> pareto_front([[1, 5], [2, 2], [3, 3], [5, 1], [2, 2]])
    [0, 1, 3]
    """
    rows = np.asarray(points, dtype=np.float64)
    front: list[int] = []
    for i in np.lexsort(rows.T[::-1]) if len(rows) else ():  # a point is beaten only by those before it
        if not any((rows[j] <= rows[i]).all() for j in front):
            front.append(int(i))
    return sorted(front)


def hypervolume(points: npt.ArrayLike, reference: npt.ArrayLike) -> float:
    """Measure the volume between points and a reference point that they dominate; less is better.

    Parameters
    ----------
    points : array (n, d)
        Those that are not better than the reference in every column add nothing.
    reference : array (d,)

    Returns
    -------
    float

    References
    ----------
    Zitzler & Thiele 1998, Multiobjective optimization using evolutionary algorithms, PPSN.

    Examples
    --------
    >>> from tgsage.plugins.pareto import hypervolume
    >>> hypervolume([[1, 2], [2, 1]], [3, 3])
    3.0
    """
    corner = np.asarray(reference, dtype=np.float64)
    rows = np.asarray(points, dtype=np.float64).reshape(-1, len(corner))
    rows = rows[(rows < corner).all(axis=1)]
    return _volume(rows[pareto_front(rows)], corner)


def _volume(rows: npt.NDArray[np.float64], corner: npt.NDArray[np.float64]) -> float:
    """By slices along the last column: between two of its values the volume of the rest is constant."""
    if len(rows) == 0:
        return 0.0
    if len(corner) == 1:
        return float(corner[0] - rows[:, 0].min())
    ordered = rows[np.argsort(rows[:, -1], kind="stable")]
    heights = np.diff([*ordered[:, -1], corner[-1]])
    volume = 0.0
    for i, height in enumerate(heights):
        part = ordered[: i + 1, :-1]
        volume += float(height) * _volume(part[pareto_front(part)], corner[:-1]) if height > 0 else 0.0
    return volume


def inverse_density(points: npt.NDArray[np.float64], among: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Weights that add to 1, inverse to a kernel density estimate from points (Gaussian; Scott's bandwidth).

    Parameters
    ----------
    points : array (n, d)
        For which the weights are.
    among : array (m, d)
        From which the density is estimated.

    Returns
    -------
    array (n,)
    """
    spread = among.std(axis=0)
    scale = np.where(spread > 0, spread, 1.0) * len(among) ** (-1 / (among.shape[1] + 4))
    squares = (((points[:, None] - among[None]) / scale) ** 2).sum(axis=2)
    nearest = squares.min(axis=1, keepdims=True)  # in logarithms: far points have no density that a float could hold
    density = -nearest[:, 0] / 2 + np.log(np.exp((nearest - squares) / 2).mean(axis=1))
    weights = np.exp(np.clip(density.max() - density, 0, 50))
    return np.asarray(weights / weights.sum())
