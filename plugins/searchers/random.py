"""Random search."""

import numpy as np

from ..spaces.space import Choice
from .searcher import Searcher


class RandomSearcher(Searcher):
    """Draws every active dimension uniformly; learns nothing."""

    def propose(self, trial: int, rng: np.random.Generator) -> dict[str, Choice]:
        return self.space.sample(rng)
