"""SHADHO: several spaces for workers of different power (Kinnison et al. 2018, WACV)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize

from ...rsa import RSAError
from ...rsa.errors import check_whole
from ...rsa.types import Array
from ..spaces.space import Choice, Dimension, Space
from ..spaces.union import SpaceUnion
from .searcher import Searcher, get_searcher, make_searcher

_LEAST = 0.1  # of an even share: what the least promising space still gets
_SHORTEST, _LONGEST = 0.1, 100.0  # length scales
_NEWEST = 100  # scores that length scales are fitted to, at most
_ENOUGH = 5  # scores that they need


def complexity(domains: "Space | Sequence[Dimension | Sequence[Any] | tuple[float, float]]") -> float:
    """Sum the complexity of domains: 2 - 1/n of n choices, 2 + |b - a| of an interval.

    Parameters
    ----------
    domains : Space or sequence
        Dimensions, lists of choices, and pairs of floats: the interval [a, b] that holds 99% of a distribution.

    Returns
    -------
    float

    Raises
    ------
    RSAError
        For a domain without choices.

    Examples
    --------
    >>> from tgsage.plugins.searchers.shadho import complexity
    >>> complexity([[16, 32, 64, 128], (0.005, 0.995)])
    4.74
    """
    total = 0.0
    for domain in domains.dimensions if isinstance(domains, Space) else domains:
        choices = domain.choices if isinstance(domain, Dimension) else domain
        if len(choices) == 0:
            raise RSAError("a domain has one choice or more")
        if isinstance(choices, tuple) and len(choices) == 2 and all(isinstance(end, float) for end in choices):
            total += 2 + abs(float(choices[1]) - float(choices[0]))
        else:
            total += 2 - 1 / len(choices)
    return total


def priority(lengths: Sequence[float]) -> float:
    """Return 1/min(L) - 1/max(L) of length scales L: how much the choices of a space differ in what they do to a score.

    Parameters
    ----------
    lengths : sequence of float
    """
    return 1 / min(lengths) - 1 / max(lengths)


def length_scales(space: Space, architectures: Sequence[Mapping[str, Choice]], scores: Sequence[float]) -> Array:
    """Fit a length scale for each step of a space: short where another choice changes the score much.

    They are those of a Gaussian process with the kernel exp(-sum of d/L), where d is the share of a step's dimensions
    that differ, by maximum likelihood, with noise. Between .1 and 100.

    Parameters
    ----------
    space : Space
    architectures : sequence of mappings
    scores : sequence of float

    Returns
    -------
    numpy.ndarray
        (steps,), of those with a choice.
    """
    steps = space.steps
    if not steps:
        return np.ones(1)
    names = [name for group in steps.values() for name in group]
    codes: dict[str, dict[object, int]] = {name: {None: -1} for name in names}
    values = np.array([[codes[n].setdefault(a.get(n), len(codes[n])) for n in names] for a in architectures])
    groups = np.array([place for place, group in enumerate(steps.values()) for _ in group])
    differ = values[:, None] != values
    apart = np.stack([differ[..., groups == place].mean(axis=-1) for place in range(len(steps))])
    y = np.asarray(scores, np.float64)
    y = (y - y.mean()) / (y.std() or 1.0)

    def loss(logs: Array) -> tuple[float, Array]:
        signal = np.exp(-np.tensordot(np.exp(-logs[:-1]), apart, 1))
        noise = np.exp(logs[-1])
        factor = cho_factor(signal + (noise + 1e-9) * np.eye(len(y)), lower=True)
        weights, inverse = cho_solve(factor, y), cho_solve(factor, np.eye(len(y)))
        value = 0.5 * y @ weights + np.log(np.diag(factor[0])).sum()
        outer = 0.5 * (inverse - np.outer(weights, weights))
        slopes = np.tensordot(apart, outer * signal, 2) * np.exp(-logs[:-1])
        return float(value), np.append(slopes, noise * np.trace(outer))

    bounds = [(np.log(_SHORTEST), np.log(_LONGEST))] * len(steps) + [(np.log(1e-4), np.log(2.0))]
    found = minimize(loss, np.array([0.0] * len(steps) + [-2.0]), jac=True, bounds=bounds)
    return np.asarray(np.exp(found.x[:-1]))


class ShadhoSearcher(Searcher):
    """Choose one of several spaces by complexity and priority, and let another searcher propose in it.

    Spaces are ordered by complexity times priority, the largest first, and divide [0, 1] among themselves in this order
    and in proportion (each gets at least a tenth of an even share). Workers divide the same interval, the most powerful
    first, in proportion to their power: a worker draws a point from its own part, and takes the space that lies there.
    So the most demanding spaces go to the most powerful workers, and a single worker covers all spaces in proportion.
    Priorities count once every space has `startup` scores, and change after every 10 trials.

    Parameters
    ----------
    space : SpaceUnion
        A union of several spaces. Any other space is passed on to the other searcher.
    seed : int
    inner : str
        The other searcher, by its name; it learns about each space separately. Candidates begin with new weights.
    startup : int
        Scores that each space needs before priorities count; 5 at least.
    **settings
        Settings of the other searcher.
    """

    _turn = 10  # trials between changes of priority

    def __init__(self, space: Space, *, seed: int = 0, inner: str = "tpe", startup: int = 10, **settings: Any) -> None:
        super().__init__(space, seed=seed)
        check_whole(1, startup=startup)
        self.startup = startup
        self.parts = list(space.parts.values()) if isinstance(space, SpaceUnion) else [space]
        kind = get_searcher(inner)
        self.inner = {part.name: make_searcher(kind, part, seed=seed, settings=settings) for part in self.parts}
        self._scored: dict[str, dict[int, tuple[float, dict[str, Choice]]]] = {part.name: {} for part in self.parts}
        self._cached: tuple[tuple[int, int], dict[str, float]] = (-1, 0), {}

    def propose(self, trial: int, rng: np.random.Generator) -> Mapping[str, Choice]:
        return self.propose_beside(trial, rng, ())

    def propose_beside(
        self, trial: int, rng: np.random.Generator, running: Sequence[dict[str, Choice]]
    ) -> Mapping[str, Choice]:
        weights = self.weights(trial)
        order = sorted(weights, key=lambda name: -weights[name])
        ends = np.cumsum([weights[name] for name in order])
        low, high = self.share
        place = int(np.searchsorted(ends, (low + (high - low) * rng.random()) * ends[-1], side="right"))
        name = order[min(place, len(order) - 1)]
        inside = [one for part, one in map(self._part, running) if part == name]
        if isinstance(self.space, SpaceUnion):
            return self.space.whole(self.space.parts[name], self.inner[name].propose_beside(trial, rng, inside))
        return self.inner[name].propose_beside(trial, rng, inside)

    def _part(self, architecture: dict[str, Choice]) -> tuple[str, dict[str, Choice]]:
        if isinstance(self.space, SpaceUnion):
            space, inside = self.space.part(architecture)
            return space.name, inside
        return self.space.name, architecture

    def weights(self, trial: int) -> dict[str, float]:
        """Return the share of each space: complexity times priority, summing to 1.

        Parameters
        ----------
        trial : int

        Returns
        -------
        dict
        """
        before = trial - trial % self._turn
        known = {part: [one for one in sorted(found) if one < before] for part, found in self._scored.items()}
        key = (before, sum(map(len, known.values())))
        if self._cached[0] != key:
            found = {part.name: complexity(part) for part in self.parts}
            if all(len(one) >= max(self.startup, _ENOUGH) for one in known.values()):
                for part in self.parts:
                    scores, networks = zip(*(self._scored[part.name][one] for one in known[part.name]), strict=True)
                    lengths = length_scales(part, networks[-_NEWEST:], scores[-_NEWEST:])
                    found[part.name] *= priority(lengths.tolist())
            total = sum(found.values())
            even = 1 / len(found)
            shares = {name: max(one / total if total > 0 else even, _LEAST * even) for name, one in found.items()}
            self._cached = key, {name: one / sum(shares.values()) for name, one in shares.items()}
        return self._cached[1]

    def learn_measured(
        self, trial: int, architecture: dict[str, Choice], score: float | None, measured: Mapping[str, float]
    ) -> None:
        name, inside = self._part(architecture)
        self.inner[name].tell(trial, inside, score, measured)
        if score is not None:
            self._scored[name][trial] = score, inside

    def diagnostics(self) -> dict[str, float]:
        """Return the share of each space.

        Returns
        -------
        dict
            "share of SPACE".
        """
        trial = max(self._heard, default=-1) + 1
        return {f"share of {name}": share for name, share in self.weights(trial).items()}
