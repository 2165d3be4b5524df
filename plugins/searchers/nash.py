"""NASH: hill climbing by network morphisms (Elsken, Metzen & Hutter 2018, arXiv:1711.04528, algorithm 1)."""

from typing import SupportsFloat

import numpy as np

from ...rsa import RSAError
from ...rsa.errors import check_whole
from ..morphisms.morphisms import morph
from ..spaces.space import Choice, Space
from .searcher import Searcher


class NASHSearcher(Searcher):
    """Make children of the best network by morphisms, train them from its weights, and move to the best.

    The first `startup` trials are random; then every `children` trials are a round. A round's parent is the best
    network of all rounds before it, so that the search stays where it is when no child is better. An objective that is
    able to (`Objective` is) begins with the parent's weights.

    Parameters
    ----------
    space : Space
    seed : int
    children : int
        Children per round; 8 in the publication, with 5 or 8 rounds.
    morphisms : int
        Morphisms applied in a row to make a child; 5 in the publication, for networks that begin small.
    mutations : float
        Share of the children that are made by one change of any kind (`Space.mutate`) instead. These may be smaller,
        and keep only those of the parent's weights that fit. A parent without morphisms is always mutated.
    startup : int
        Random networks at the beginning.
    climb : bool
        Move to the best. With False the search moves to the newest network, whatever its score; with children=1 this is
        the publication's baseline of random networks.
    """

    inherits = True

    def __init__(
        self,
        space: Space,
        *,
        seed: int = 0,
        children: int = 8,
        morphisms: int = 1,
        mutations: float = 0.5,
        startup: int = 20,
        climb: bool = True,
    ) -> None:
        super().__init__(space, seed=seed)
        check_whole(1, children=children, morphisms=morphisms, startup=startup)
        if not (isinstance(mutations, SupportsFloat) and 0 <= mutations <= 1):
            raise RSAError(f"mutations must be a share from 0 to 1, not {mutations!r}")
        if not isinstance(climb, bool):
            raise RSAError(f"climb must be True or False, not {climb!r}")
        self.children, self.morphisms, self.mutations = children, morphisms, mutations
        self.startup, self.climb = startup, climb
        self._scored: dict[int, tuple[float, dict[str, Choice]]] = {}

    def propose(self, trial: int, rng: np.random.Generator) -> dict[str, Choice]:
        parent = self.parent(trial)
        if parent is None:
            return self.space.sample(rng)
        _, start = self._scored[parent]
        if rng.random() >= self.mutations:
            try:
                return morph(self.space, start, rng, self.morphisms)
            except RSAError:  # the largest network, or a space without morphisms
                pass
        try:
            return self.space.mutate(start, rng)
        except RSAError:  # the space has one network
            return start

    def parent(self, trial: int) -> int | None:
        return None if trial < self.startup else self._leader(self._first_of_round(trial))

    def ancestors(self) -> set[int]:
        return self._ahead(self._leader, self.children, self.startup)

    def _first_of_round(self, trial: int) -> int:
        return trial - (trial - self.startup) % self.children

    def _leader(self, first: int) -> int | None:
        """The trial that the round which begins with this one starts from: of all before it, and the earlier of equals.

        Rounds go by numbers, not by what is told first, so that all workers of a search agree.
        """
        known = [trial for trial in self._scored if trial < first]
        if not self.climb:
            return max(known, default=None)
        return max(known, key=lambda trial: (self._scored[trial][0], -trial), default=None)

    def learn(self, trial: int, architecture: dict[str, Choice], score: float | None) -> None:
        if score is not None:
            self._scored[trial] = score, architecture

    def diagnostics(self) -> dict[str, float]:
        """Return the best score so far; if it climbs, the next round, or this one already, starts from its network.

        Returns
        -------
        dict
            `leader`; empty before the first success.
        """
        scores = [score for score, _ in self._scored.values()]
        return {"leader": max(scores)} if scores else {}
