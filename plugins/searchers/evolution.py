"""Aging evolution (Real et al. 2019, "Regularized evolution for image classifier architecture search", algorithm 1)."""

from collections import deque

import numpy as np

from ...rsa import RSAError
from ...rsa.errors import check_whole
from ..spaces.space import Choice, Space
from .searcher import Searcher


class EvolutionSearcher(Searcher):
    """Mutate the best of a few random members of a population, whose oldest member dies with every birth.

    A mutation changes one dimension, and goes on where that leaves the network as it was (`Space.mutate`). A failed
    trial never enters the population.

    Parameters
    ----------
    space : Space
    seed : int
    population : int
        Number of newest results that are alive; until this many are known, proposals are random.
    tournament : int
        Number of members drawn, with replacement; the best of them is the parent.
    """

    def __init__(self, space: Space, *, seed: int = 0, population: int = 20, tournament: int = 5) -> None:
        super().__init__(space, seed=seed)
        check_whole(1, population=population, tournament=tournament)
        self.population, self.tournament = population, tournament
        self._alive: deque[tuple[float, dict[str, Choice]]] = deque(maxlen=population)

    def propose(self, trial: int, rng: np.random.Generator) -> dict[str, Choice]:
        if len(self._alive) < self.population:
            return self.space.sample(rng)
        drawn = [self._alive[i] for i in rng.integers(self.population, size=self.tournament)]
        _, parent = max(drawn, key=lambda member: member[0])
        try:
            return self.space.mutate(parent, rng)
        except RSAError:  # the space has one network
            return parent

    def learn(self, trial: int, architecture: dict[str, Choice], score: float | None) -> None:
        if score is not None:
            self._alive.append((score, architecture))
