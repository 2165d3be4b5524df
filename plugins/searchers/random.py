"""Random search."""

import numpy as np

from ..spaces.space import Choice
from .searcher import Searcher


class RandomSearcher(Searcher):
    """Draw every active dimension uniformly; learn nothing.

    Examples
    --------
    >>> from tgsage.plugins import RandomSearcher
    >>> from tgsage.plugins.spaces import ToySpace
    >>> RandomSearcher(ToySpace(), seed=1).ask(0)["n_layers"]
    2
    """

    def propose(self, trial: int, rng: np.random.Generator) -> dict[str, Choice]:
        return self.space.sample(rng)
