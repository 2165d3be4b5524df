"""The iterative teacher: the best network so far replaces the teacher (Bashivan et al. 2019, future work)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...rsa import RSAError
from ...rsa.errors import check_whole
from ..spaces.space import Choice, Space
from .searcher import Searcher, get_searcher, make_searcher


class IteratingSearcher(Searcher):
    """Propose as another searcher does, and name the candidate that teaches each trial.

    The first `every` trials have the teacher that the search begins with. Each further `every` trials are a generation,
    taught by the network with the highest P of all generations before it. P compares networks whatever taught them;
    scores do not.

    A trial's teacher is its `parent`: what candidates leave to their children through the tracker are then their RDMs,
    by an objective such as `IterativeObjective`.

    Parameters
    ----------
    space : Space
    seed : int
    every : int
        Trials per generation.
    searcher : str
        The other searcher, by its name; one whose candidates begin with their parents' weights is refused.
    **settings
        Of the other searcher.

    Raises
    ------
    RSAError
        For an unknown searcher, one that inherits, and settings that it lacks.
    """

    inherits = True

    def __init__(self, space: Space, *, seed: int = 0, every: int = 20, searcher: str = "tpe", **settings: Any) -> None:
        super().__init__(space, seed=seed)
        check_whole(1, every=every)
        kind = get_searcher(searcher)
        if kind.inherits:
            raise RSAError(f"an iterative teacher goes with searchers that keep no weights, not with {searcher}")
        self.every, self.searcher = every, make_searcher(kind, space, seed=seed, settings=settings)
        self._p: dict[int, float] = {}

    def propose(self, trial: int, rng: np.random.Generator) -> Mapping[str, Choice]:
        return self.propose_beside(trial, rng, ())

    def propose_beside(
        self, trial: int, rng: np.random.Generator, running: Sequence[dict[str, Choice]]
    ) -> Mapping[str, Choice]:
        self.searcher.share = self.share
        return self.searcher.propose_beside(trial, rng, running)

    def parent(self, trial: int) -> int | None:
        """Return the trial whose network teaches this one; None: the teacher at the beginning.

        Parameters
        ----------
        trial : int

        Returns
        -------
        int or None
        """
        return self._teacher(trial - trial % self.every)

    def ancestors(self) -> set[int]:
        return self._ahead(self._teacher, self.every)

    def _teacher(self, first: int) -> int | None:
        """Of the generation that begins with this trial: of all before it the best, and the earlier of equals."""
        return max((trial for trial in self._p if trial < first), key=lambda one: (self._p[one], -one), default=None)

    def learn_measured(
        self, trial: int, architecture: dict[str, Choice], score: float | None, measured: Mapping[str, float]
    ) -> None:
        self.searcher.tell(trial, architecture, score, measured)
        if score is not None:
            self._p[trial] = 1 - measured["error"] if "error" in measured else score

    def diagnostics(self) -> dict[str, float]:
        """Return what the other searcher says about itself.

        Returns
        -------
        dict
        """
        return self.searcher.diagnostics()
