"""What a searcher is: something that proposes architectures and is told their scores."""

import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Self, SupportsFloat, SupportsIndex

import numpy as np

from ...rsa import RSAError
from ...rsa.errors import near
from ..spaces.space import Architecture, Choice, Space


class Searcher(ABC):
    """Proposes architectures of a space; higher scores are better.

    What it asks depends on its seed, the trial number, and what it was told in which order, on nothing else: it is
    resumed by constructing it anew and telling it the history. Any number of asks may be outstanding, and a trial that
    was asked may never be told. A searcher of your own overrides `propose`, and `learn` where it learns; its settings
    are keyword arguments after `seed`. `tgsage.plugins.testing.SearcherContract` tests that it keeps to this.

    Raises RSAError for a negative seed.
    """

    settings: dict[str, Any]  # the keyword arguments it was made with: `type(s)(s.space, **s.settings)` is it, untold

    def __new__(cls, *arguments: Any, **settings: Any) -> Self:
        searcher = super().__new__(cls)
        searcher.settings = settings
        return searcher

    def __init__(self, space: Space, *, seed: int = 0) -> None:
        if seed < 0:
            raise RSAError(f"a searcher's seed is 0 or more, not {seed}")
        self.space, self.seed = space, seed

    def ask(self, trial: int) -> dict[str, Choice]:
        """The canonical architecture to try as this trial (0, 1, ...). Raises RSAError for a negative one."""
        return self.space.canonical(self.propose(trial, self.rng(trial)))

    def tell(self, trial: int, architecture: Architecture, score: float | None) -> None:
        """What came of a trial: its architecture, asked here or not, and its score (None = it failed).

        Raises RSAError for what is no architecture of the space, for a score that is not finite and a negative number.
        """
        self.rng(trial)
        if score is not None and not math.isfinite(score):
            raise RSAError(f"a score is a finite number, or None for a trial that failed, not {score}")
        self.learn(trial, self.space.canonical(architecture), None if score is None else float(score))

    def rng(self, trial: int) -> np.random.Generator:
        """The randomness of one trial, from its start. Raises RSAError for a negative number."""
        if trial < 0:
            raise RSAError(f"a trial's number is 0 or more, not {trial}")
        return np.random.default_rng([self.seed, trial])

    def diagnostics(self) -> dict[str, float]:
        """Numbers about its present state worth plotting against trials; none by default."""
        return {}

    @abstractmethod
    def propose(self, trial: int, rng: np.random.Generator) -> Architecture:
        """A valid architecture, canonical or not, chosen with no other randomness than this trial's own `rng`.

        It must leave the searcher as it was: asks are not part of the history.
        """

    def learn(self, trial: int, architecture: dict[str, Choice], score: float | None) -> None:  # noqa: B027
        """Take in one result. The architecture is canonical and the searcher's to keep; None = failed."""


def make_searcher(kind: type[Searcher], space: Space, *, seed: int, settings: Mapping[str, Any]) -> Searcher:
    """A searcher by settings that a person wrote. Raises RSAError for one that it lacks."""
    parameters = inspect.signature(kind.__init__).parameters.values()
    known = [one.name for one in parameters if one.kind is one.KEYWORD_ONLY and one.name != "seed"]
    for name in settings:
        if name not in known and not any(one.kind is one.VAR_KEYWORD for one in parameters):
            raise RSAError(f"{kind.__name__} has no setting {name!r}{near(name, known) if known else '; it has none'}")
    return kind(space, seed=seed, **settings)


def check_counts(**settings: Any) -> None:
    """Raises RSAError unless each is a whole number from 1 on."""
    for name, value in settings.items():
        if not isinstance(value, SupportsIndex) or int(value) < 1:
            raise RSAError(f"{name} must be a whole number from 1 on, not {value!r}")


def check_positive(**settings: Any) -> None:
    """Raises RSAError unless each is a finite number above 0."""
    for name, value in settings.items():
        if not isinstance(value, SupportsFloat) or not 0 < float(value) < math.inf:
            raise RSAError(f"{name} must be a number above 0, not {value!r}")
