"""Distances between RDMs as distances on paper: metric multidimensional scaling in two dimensions."""

import numpy as np

from ..types import Array


def planar_map(distances: Array, *, steps: int = 300) -> tuple[Array, float]:
    """(n, 2) places whose distances approach the (n, n) `distances`, and Kruskal's stress-1 of the result.

    From classical scaling (Torgerson 1952), then by majorisation (SMACOF, de Leeuw 1977), which never raises the
    stress. Stress-1 is sqrt(sum (d - D)^2 / sum d^2) over pairs (Kruskal 1964): 0 is perfect, above .2 is poor.
    """
    wanted = np.asarray(distances, np.float64)
    n = len(wanted)
    centring = np.eye(n) - 1 / n
    values, vectors = np.linalg.eigh(-centring @ wanted**2 @ centring / 2)
    places = np.zeros((n, 2))
    kept = min(n, 2)
    places[:, :kept] = (vectors * np.sqrt(np.maximum(values, 0)))[:, ::-1][:, :kept]
    for axis in range(kept):  # the sign of an eigenvector is the solver's choice
        places[:, axis] *= -1 if places[np.argmax(np.abs(places[:, axis])), axis] < 0 else 1
    for _ in range(steps):
        now = _between(places)
        ratio = np.divide(wanted, now, out=np.zeros_like(now), where=now > 0)
        moved = ratio.sum(axis=1, keepdims=True) * places - ratio @ places  # the Guttman transform
        places = moved / n
    now = _between(places)
    total = float((now**2).sum())
    return places, float(np.sqrt(((now - wanted) ** 2).sum() / total)) if total > 0 else 0.0


def _between(places: Array) -> Array:
    apart = places[:, None] - places[None]
    out: Array = np.sqrt((apart**2).sum(axis=-1))
    return out
