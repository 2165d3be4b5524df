"""What a searcher is: something that proposes architectures and is told their scores."""

import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Self, SupportsFloat, SupportsIndex

import numpy as np

from ...rsa import RSAError
from ...rsa.errors import near
from ..spaces.space import Architecture, Choice, Space

_STEPS, _NEAR = 1000, 20  # mutations tried in that search, and how many of them start from one network


class Exhausted(RSAError):
    """Every network of the space was told or is running."""


class Searcher(ABC):
    """Proposes architectures of a space; higher scores are better.

    What it asks depends on its seed, the trial number, what it was told in which order, and what it is told to be
    running; on nothing else. So it is resumed by constructing it anew and telling it the history. Any number of asks
    may be outstanding, and a trial that was asked may never be told. A searcher of your own overrides `propose`, and
    `learn` where it learns; this class sees to it that no network is proposed twice and no trial learned twice.
    `tgsage.plugins.testing.SearcherContract` tests all this.

    Raises RSAError for a negative seed, and for settings that can be given by position only.
    """

    attempts: ClassVar[int] = 5  # proposals that are drawn before a known one is mutated
    settings: dict[str, Any]  # what it was made with, by name: `type(s)(s.space, **s.settings)` is it, untold
    _heard: dict[int, tuple[str, float | None]]  # trial -> key of the architecture, score

    def __new__(cls, *arguments: Any, **settings: Any) -> Self:
        searcher = super().__new__(cls)
        searcher.settings, searcher._heard = _named(searcher, arguments, settings), {}
        return searcher

    def __init__(self, space: Space, *, seed: int = 0) -> None:
        if seed < 0:
            raise RSAError(f"a searcher's seed is 0 or more, not {seed}")
        self.space, self.seed = space, seed

    def ask(
        self,
        trial: int,
        *,
        running: Iterable[Architecture] = (),
        repeats: bool = False,
        fixed: Architecture | None = None,
    ) -> dict[str, Choice]:
        """The canonical architecture to try as this trial (0, 1, ...).

        running: architectures that are being tried at the moment, in any order. A network that was told or is running
        is not proposed again: another proposal is drawn or, after `attempts`, a mutation of the last one taken.
        repeats: take the first proposal even so. fixed: choices of some dimensions that replace the proposed ones
        wherever those are active; dimensions that this activates are drawn. Raises RSAError for a negative trial and
        for choices that cannot be fixed, Exhausted where no unknown network is left.
        """
        busy = {self.space.key(one): one for one in map(self.space.canonical, running)}
        beside = [busy[key] for key in sorted(busy)]
        known = set[str]() if repeats else {*busy, *(key for key, _ in self._heard.values())}
        only = dict(fixed or {})
        self.space.check_fixed(only)
        for attempt in range(self.attempts):
            rng = self.rng(trial, attempt)
            proposed = self.propose_beside(trial, rng, beside) if beside else self.propose(trial, rng)
            found = self._with(only, proposed, rng)
            if self.space.key(found) not in known:
                return found
        return self._unknown(found, known, only, rng)

    def _with(self, fixed: dict[str, Choice], proposed: Architecture, rng: np.random.Generator) -> dict[str, Choice]:
        return self.space.complete({**proposed, **fixed}, rng) if fixed else self.space.canonical(proposed)

    def _unknown(
        self, start: dict[str, Choice], known: set[str], fixed: dict[str, Choice], rng: np.random.Generator
    ) -> dict[str, Choice]:
        """At one mutation where one is found, at two, ...; else the first of the whole space."""
        for step in range(_STEPS if len(known) < self.space.size() else 0):
            try:
                found = self._with(fixed, self.space.mutate(start, rng), rng)
            except RSAError:  # the space has one network
                break
            if self.space.key(found) not in known:
                return found
            if (step + 1) % _NEAR == 0:
                start = found
        for found in self.space.architectures(fixed):
            if self.space.key(found) not in known:
                return found
        raise Exhausted(f"all {len(known)} networks of {self.space.name} were tried")

    def tell(self, trial: int, architecture: Architecture, score: float | None) -> None:
        """What came of a trial: its architecture, asked here or not, and its score (None = it failed).

        A trial that was told already is not learned again. Raises RSAError for what is no architecture of the space, a
        score that is not finite, a negative number, and a trial that was told already with another result.
        """
        self.rng(trial)
        if score is not None and not math.isfinite(score):
            raise RSAError(f"a score is a finite number, or None for a trial that failed, not {score}")
        canonical, number = self.space.canonical(architecture), None if score is None else float(score)
        told = self.space.key(canonical), number
        if trial not in self._heard:
            self.learn(trial, canonical, number)
            self._heard[trial] = told
        elif self._heard[trial] != told:
            raise RSAError(
                f"trial {trial} was told before, as {self._heard[trial]}, and now comes as {told}; "
                "make a new searcher for another search"
            )

    def rng(self, trial: int, attempt: int = 0) -> np.random.Generator:
        """The randomness of one trial, from its start, or of a further attempt at it.

        Raises RSAError for a negative number.
        """
        if trial < 0:
            raise RSAError(f"a trial's number is 0 or more, not {trial}")
        return np.random.default_rng([self.seed, trial, *([attempt] if attempt else [])])

    def diagnostics(self) -> dict[str, float]:
        """Numbers about its present state worth plotting against trials; none by default."""
        return {}

    @abstractmethod
    def propose(self, trial: int, rng: np.random.Generator) -> Architecture:
        """A valid architecture, canonical or not, chosen with no other randomness than this trial's own `rng`.

        It must leave the searcher as it was: asks are not part of the history.
        """

    def propose_beside(
        self, trial: int, rng: np.random.Generator, running: Sequence[dict[str, Choice]]
    ) -> Architecture:
        """As `propose`, while these canonical architectures are being tried; for searchers that make use of that."""
        return self.propose(trial, rng)

    def learn(self, trial: int, architecture: dict[str, Choice], score: float | None) -> None:  # noqa: B027
        """Take in one result. The architecture is canonical and the searcher's to keep; None = failed."""


def _named(searcher: Searcher, arguments: tuple[Any, ...], settings: dict[str, Any]) -> dict[str, Any]:
    """The arguments after the space, by name. What does not fit is left to `__init__` to refuse."""
    signature = inspect.signature(type(searcher).__init__)
    try:
        given = signature.bind(searcher, *arguments, **settings).arguments
    except TypeError:
        return settings
    named: dict[str, Any] = {}
    for name in list(given)[2:]:
        kind = signature.parameters[name].kind
        if kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.POSITIONAL_ONLY):
            raise RSAError(f"{type(searcher).__name__} takes {name} by position only; a searcher's settings have names")
        named |= given[name] if kind is inspect.Parameter.VAR_KEYWORD else {name: given[name]}
    return named


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
