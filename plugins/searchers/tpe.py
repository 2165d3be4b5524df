"""Tree of Parzen estimators (Bergstra et al. 2011) by hyperopt's formulas, with the paper's settings (supplement, TPE).

Not by hyperopt itself: its graph of all dimensions, active or not, takes 5 s to build for the 330 of the 20-layer space
and 0.2 s per proposal. The tests compare the proposals with hyperopt's own.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ...rsa.errors import check_number, check_whole
from ..spaces.space import Choice, Dimension, Space
from .searcher import Searcher

_PRIOR = 1.0  # pseudo-count of every choice
_NEWEST = 25  # trials that count fully; also the most that are good


class TPESearcher(Searcher):
    """Propose what is frequent in good trials and rare in others, one active dimension at a time.

    Failed trials are the worst, and so are running ones (a constant liar), so that other workers look elsewhere. Of
    equal scores, the one told first counts as the better.

    Parameters
    ----------
    space : Space
    seed : int
    startup : int
        Propose at random until this many trials have been told.
    candidates : int
        Draws from the density l of the good trials; the one with the highest l / g is proposed, where g is the density
        of the other trials. In both, the newest 25 trials count fully and older ones linearly less (hyperopt's linear
        forgetting).
    gamma : float
        Of N trials the best gamma sqrt(N), rounded up, count as good, at most 25; by default the paper's sqrt(N) / 4.
    """

    attempts = 1  # late in a search a further draw finds the same network

    def __init__(
        self, space: Space, *, seed: int = 0, startup: int = 20, candidates: int = 24, gamma: float = 0.25
    ) -> None:
        super().__init__(space, seed=seed)
        check_whole(1, startup=startup, candidates=candidates)
        check_number(0, gamma=gamma)
        self.startup, self.candidates, self.gamma = startup, candidates, gamma
        self._order = _hyperopts_order(space)
        self._scores: list[float] = []
        self._told: list[npt.NDArray[np.int64]] = []  # of each trial `_places`

    def propose(self, trial: int, rng: np.random.Generator) -> dict[str, Choice]:
        return self.propose_beside(trial, rng, ())

    def propose_beside(
        self, trial: int, rng: np.random.Generator, running: Sequence[dict[str, Choice]]
    ) -> dict[str, Choice]:
        if len(self._scores) < self.startup:
            return self.space.sample(rng)
        scores = np.array([*self._scores, *(-np.inf for _ in running)])
        places = np.stack([*self._told, *map(self._places, running)], axis=1)  # (n_dimensions, n_trials)
        n_good = min(int(np.ceil(self.gamma * np.sqrt(len(scores)))), _NEWEST)
        good = np.isin(np.arange(len(scores)), np.argsort(-scores, kind="stable")[:n_good])
        chosen: dict[str, Choice] = {}
        for dimension, known in zip(self._order, places, strict=True):
            if self.space.is_active(dimension, chosen):
                active, n = known >= 0, len(dimension.choices)
                best, other = _density(known[active & good], n), _density(known[active & ~good], n)
                drawn = rng.multinomial(1, best, size=self.candidates) @ np.arange(n)
                chosen[dimension.name] = dimension.choices[drawn[np.argmax(np.log(best[drawn]) - np.log(other[drawn]))]]
        return chosen

    def learn(self, trial: int, architecture: dict[str, Choice], score: float | None) -> None:
        self._told.append(self._places(architecture))
        self._scores.append(-np.inf if score is None else score)

    def _places(self, architecture: dict[str, Choice]) -> npt.NDArray[np.int64]:
        """Which of its choices each dimension takes, in the order of drawing; -1 where it is inactive."""
        places = np.full(len(self._order), -1)
        for i, dimension in enumerate(self._order):
            if dimension.name in architecture:
                places[i] = dimension.choices.index(architecture[dimension.name])
        return places


def _density(places: npt.NDArray[np.int64], n_choices: int) -> npt.NDArray[np.float64]:
    """Probability of each choice after these, oldest first."""
    weights = np.ones(len(places))
    older = max(0, len(places) - _NEWEST)
    if older:
        weights[:older] = np.linspace(1 / len(places), 1.0, num=older)
    counts = np.bincount(places, weights, n_choices) + _PRIOR
    density: npt.NDArray[np.float64] = counts / counts.sum()
    return density


def _hyperopts_order(space: Space) -> list[Dimension]:
    """By name from the last to the first, each after its parent."""
    by_name, order = {dimension.name: dimension for dimension in space.dimensions}, dict[str, Dimension]()

    def visit(name: str) -> None:
        if name and name not in order:
            visit(by_name[name].parent)
            order[name] = by_name[name]

    for name in sorted(by_name, reverse=True):
        visit(name)
    return list(order.values())
