"""Cluster-based permutation tests over time, and the latencies that follow (Maris and Oostenveld 2007)."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..errors import RSAError
from ..rdm.comparison import align, method_named
from ..rdm.rdm import RDM
from ..types import Array
from . import _kernels as kernels
from .bootstrap import Resampling
from .intervals import PERMUTED, centred

if TYPE_CHECKING:
    import xarray

LEVEL = 0.05  # of a cluster, and of a single time that may belong to one
LEAST_SUBJECTS = 5  # whose sign flips can reach it
_ROUNDING = 1e-6  # of a cluster's mass: what RDMs in single precision leave of equal ones
_ORDERS = 64  # permutations in work at once


@dataclass(frozen=True)
class ClusterTest:
    """Stretches of a time course that are higher than chance.

    Attributes
    ----------
    p : array (times,)
        The p-value of the cluster that a time belongs to, NaN outside clusters.
    clusters : tuple of (start, stop, mass, p)
        In order of time. `start` and `stop` are indices of times: `stop` is the first index after the cluster.
    threshold : array (times,)
        What the course has to exceed to be in a cluster.
    centre, spread : array (times,)
        What is subtracted from a course, and what the rest is divided by, to get the scores that are summed to a mass.
    critical : float
        Mass from which on a cluster has p <= .05; infinite if no mass is that rare under chance alone.
    """

    p: Array
    clusters: tuple[tuple[int, int, float, float], ...]
    threshold: Array
    centre: Array
    spread: Array
    critical: float

    def significant(self, courses: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Return which times of other courses (bootstrapped ones, say) lie in clusters of at least the critical mass.

        Parameters
        ----------
        courses : array (..., times)

        Returns
        -------
        array of bool (..., times)
        """
        values = np.asarray(courses, np.float64)
        inside = values > self.threshold
        masses = _masses((values - self.centre) / self.spread, inside)
        return inside & (masses >= self.critical * (1 - _ROUNDING))


def cluster_test(observed: npt.ArrayLike, null: npt.ArrayLike, *, form: float = LEVEL) -> ClusterTest:
    """Find the stretches of a time course that are higher than chance, with all times as one family.

    Parameters
    ----------
    observed : array (times,)
        The time course; times with NaN belong to no cluster.
    null : array (permutations, times)
        The course in each permutation, the same permutation at all times (see `permuted_similarities`).
    form : float
        Probability, below .5 (one-sided), with which a single time exceeds the threshold under permutation. It decides
        which clusters there are, not how often chance alone produces one.

    Returns
    -------
    ClusterTest

    Raises
    ------
    RSAError
        For shapes that do not fit together, a `form` outside (0, .5), and too few permutations to reach it.

    Notes
    -----
    At each time, the score of a course is its distance from the mean over permutations, the course itself among them,
    in units of their standard deviation. A cluster is a run of neighbouring times that exceed the `1 - form` quantile
    of the permutations; its mass is the sum of their scores. Its p-value is the share of permutations, the course
    itself among them, whose largest mass is at least as large. A small p says that there is an effect within the
    course, not that the effect begins where the cluster does (Sassenhagen and Draschkow 2019).

    References
    ----------
    Maris and Oostenveld (2007), J Neurosci Methods 164:177-190; Sassenhagen and Draschkow (2019), Psychophysiology
    56:e13335.

    Examples
    --------
    >>> import numpy as np
    >>> from tgsage.rsa import cluster_test
    >>> null = np.random.default_rng(0).normal(size=(999, 6))
    >>> [cluster[:2] for cluster in cluster_test([0.1, 0.2, 4.0, 5.0, 3.0, -1.0], null).clusters]
    [(2, 5)]
    """
    course, chance = np.asarray(observed, np.float64), np.asarray(null, np.float64)
    if course.ndim != 1 or chance.ndim != 2 or chance.shape[1] != len(course):
        raise RSAError(f"a course (times,) needs a null (permutations, times), got {course.shape} and {chance.shape}")
    if not 0 < form < 0.5:
        raise RSAError(f"form is a probability between 0 and .5, got {form}")
    if (len(chance) + 1) * form < 1:
        least = int(np.ceil(1 / form)) - 1
        raise RSAError(f"{len(chance)} permutations cannot reach p = {form:g}; at least {least} are needed")
    courses = np.vstack([course, chance])  # the course is one of them, so that it is exchangeable under chance
    known = np.isfinite(courses).all(axis=0)
    courses = np.where(known, courses, 0.0)
    centre, spread = courses.mean(axis=0), courses.std(axis=0)
    varied = known & (spread > 1e-12 * np.abs(courses).max(axis=0))
    beyond = max(int(np.floor(form * len(courses))), 1)
    threshold = np.where(varied, np.sort(courses, axis=0)[len(courses) - beyond - 1], np.inf)
    return _tested(courses, threshold, centre, np.where(varied, spread, 1.0))


def sign_flip_test(values: npt.ArrayLike, *, form: float = LEVEL, n: int = 10_000, seed: int = 0) -> ClusterTest:
    """Find the stretches at which subjects' similarities are above zero, with all times as one family.

    Parameters
    ----------
    values : array (subjects, times)
        A similarity, or a difference of similarities, of each subject or animal.
    form : float
        As in `cluster_test`, here for Student's t.
    n, seed : int
        Number of sign flips, the subjects' own signs among them, and the seed they are drawn with; where there are no
        more than `n` possible flips, all of them are used.

    Returns
    -------
    ClusterTest
        The test of the course of t-values; `threshold` and `significant` refer to such courses.

    Raises
    ------
    RSAError
        For fewer than 5 subjects, whose flips cannot reach p = .05, missing values, and a `form` outside (0, .5).

    Notes
    -----
    Under the null hypothesis, a subject's course has either sign with equal probability. Clusters are runs of t-values
    above the threshold, and masses their sums, as in the one-sample cluster test of MNE-Python.

    References
    ----------
    Maris and Oostenveld (2007), J Neurosci Methods 164:177-190.
    """
    import scipy.special

    x = np.asarray(values, np.float64)
    if x.ndim != 2 or len(x) < LEAST_SUBJECTS or not np.isfinite(x).all():
        raise RSAError(f"similarities (subjects, times) of 5 subjects or more are needed, without gaps, got {x.shape}")
    if not 0 < form < 0.5:
        raise RSAError(f"form is a probability between 0 and .5, got {form}")
    subjects, resampling = len(x), Resampling(n, seed=seed)
    if subjects < 60 and 2**subjects <= n:
        flips = np.array(list(product((1.0, -1.0), repeat=subjects)))
    else:
        drawn = np.random.default_rng(resampling.seed).choice((1.0, -1.0), (n - 1, subjects))
        flips = np.vstack([np.ones(subjects), drawn])
    t = _t(flips @ x / subjects, (x**2).sum(axis=0) / subjects, subjects)
    threshold = np.full(x.shape[1], float(scipy.special.stdtrit(subjects - 1, 1 - form)))
    return _tested(t, threshold, np.zeros(x.shape[1]), np.ones(x.shape[1]))


def t_values(values: npt.ArrayLike, counts: npt.ArrayLike | None = None) -> Array:
    """Student's t of subjects' values (subjects, times); of resamples, how often they hold each (draws, subjects)."""
    x: Array = np.asarray(values, np.float64)
    shares = np.full(len(x), 1 / len(x)) if counts is None else np.asarray(counts, np.float64) / len(x)
    return _t(shares @ x, shares @ x**2, len(x))


def _t(mean: Array, squares: Array, subjects: int) -> Array:
    """Student's t from means of values and of their squares; 0 without variance."""
    variance = np.maximum(squares - mean**2, 0) / (subjects - 1)  # of the mean
    varied = variance > 1e-15 * np.maximum(squares, 1e-300)  # rounding leaves a little of none
    t: Array = np.divide(mean, np.sqrt(variance), out=np.zeros_like(mean), where=varied)
    return t


def _tested(courses: Array, threshold: Array, centre: Array, spread: Array) -> ClusterTest:
    """Of the first of the courses (permutations, times), all of which are equally likely under chance."""
    inside = courses > threshold
    masses = _masses((courses - centre) / spread, inside)
    largest = masses.max(axis=1, initial=0.0)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], inside[0].astype(np.int8), [0]])))
    p, clusters = np.full(courses.shape[1], np.nan), []
    for start, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        mass = float(masses[0, start])
        p[start:stop] = share = float((largest >= mass * (1 - _ROUNDING)).mean())
        clusters.append((start, stop, mass, share))
    critical = np.sort(largest)[::-1][max(int(np.floor(LEVEL * len(largest))) - 1, 0)]
    beyond = (largest >= critical * (1 - _ROUNDING)).mean()  # ties can make it more
    if beyond > LEVEL or critical <= 0:
        higher = np.unique(largest[largest > critical * (1 + _ROUNDING)])
        critical = higher[0] if len(higher) else np.inf
    return ClusterTest(p, tuple(clusters), threshold, centre, spread, float(critical))


def _masses(scores: Array, inside: npt.NDArray[np.bool_]) -> Array:
    """(..., times): at every time inside, the sum over its run; 0 elsewhere."""
    total = np.where(inside, scores, 0.0)
    for t in range(1, total.shape[-1]):
        total[..., t] += np.where(inside[..., t], total[..., t - 1], 0.0)
    for t in range(total.shape[-1] - 2, -1, -1):
        total[..., t] = np.where(inside[..., t] & inside[..., t + 1], total[..., t + 1], total[..., t])
    return total


def permuted_similarities(
    layers: Mapping[str, RDM], targets: Mapping[str, RDM], *, method: str = "pearson", n: int = 1000, seed: int = 0
) -> "xarray.DataArray":
    """Compare RDMs whose stimuli are matched at random.

    The same seed gives the same permutations for the same stimuli, whatever their order: the RDMs of successive windows
    are permuted alike, which preserves what neighbouring times have in common.

    Parameters
    ----------
    layers, targets : mapping of str to RDM
        Over the same stimuli.
    method : str
        "pearson", "spearman", "rho-a" or "cosine".
    n, seed : int
        Number of permutations, and the seed they are drawn with.

    Returns
    -------
    xarray.DataArray
        Dims ("layer", "target", "permutation").

    Raises
    ------
    RSAError
        For any other method, and as `compare_all` does.
    """
    import xarray

    if method not in PERMUTED:
        raise RSAError(f"permutations of stimuli are for {', '.join(PERMUTED)}, not {method!r}")
    how, resampling = method_named(method), Resampling(n, seed=seed)
    first, second = align(layers, targets)
    order = np.argsort(np.array(first[0].labels))  # by name, so that draws do not depend on the order of stimuli
    rng, size = np.random.default_rng(resampling.seed), len(order)
    sides = [[_normed(centred(rdm, how), rdm, how.normalised) for rdm in side] for side in (first, second)]
    rows = np.stack(sides[0])
    squares = [rdm.replace(values=values).square() for rdm, values in zip(second, sides[1], strict=True)]
    found = np.empty((len(first), len(second), n))
    places = np.argsort(order)
    for start in range(0, n, _ORDERS):
        drawn = np.stack([rng.permutation(size) for _ in range(min(_ORDERS, n - start))])
        orders = order[drawn][:, places]
        for k, square in enumerate(squares):
            out = np.empty((len(drawn), len(first)))
            kernels.permuted_products(rows, square, orders, out)
            found[:, k, start : start + len(drawn)] = out.T
    coords = {"layer": list(layers), "target": list(targets)}
    return xarray.DataArray(
        found, coords, ("layer", "target", "permutation"), "similarity", {"method": method, "seed": seed}
    )


def _normed(values: Array, rdm: RDM, normalised: bool) -> Array:
    """Values whose inner products are similarities, in the precision of the RDM."""
    pairs = float(values.size)
    norm = float(np.linalg.norm(values)) if normalised else np.sqrt((pairs**3 - pairs) / 3)
    if norm <= 0:
        raise RSAError(f"{rdm!r} is constant ({rdm.values[0]:g}), so nothing is similar to it")
    return (values / norm).astype(rdm.values.dtype)
