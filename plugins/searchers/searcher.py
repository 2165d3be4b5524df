"""What a searcher is, and how it is found by its name.

To add one: derive a class with `propose` and `learn` from `Searcher`, in a file of this folder (random.py is the
shortest), and list it among the entry points `tgsage.searchers` of pyproject.toml, as other packages list theirs.
"""

import inspect
import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from importlib.metadata import EntryPoint
from typing import Any, ClassVar, Self

import numpy as np

from ...rsa import RSAError, extensions
from ...rsa.errors import check_is, check_known, check_whole, near
from ..spaces.space import Architecture, Choice, Space

GROUP = "tgsage.searchers"  # of entry points
_STEPS, _NEAR = 1000, 20  # mutations tried for an unknown network, and how many of them start from one network


class Exhausted(RSAError):
    """Every network of the space has been told or is running."""


class Searcher(ABC):
    """Propose architectures of a space; higher scores are better.

    What it proposes when asked depends on its seed, the trial number, what it was told and in which order, what it is
    told is running, and the share of its worker, and on nothing else; telling a new searcher the history resumes a
    search. Any number of asks may be outstanding, and a trial that was asked for may never be told. A subclass
    overrides `propose`, and `learn` where it learns; this class ensures that no network is proposed twice and no trial
    learned twice. `tgsage.plugins.testing.SearcherContract` tests all this.

    Attributes
    ----------
    settings : dict
        What it was made with, by name: `type(searcher)(searcher.space, **searcher.settings)` is the same searcher
        before it was told anything.

    Raises
    ------
    RSAError
        For settings out of range, and for settings that can only be given by position.
    """

    attempts: ClassVar[int] = 5  # proposals that are drawn before a known one is mutated
    objectives: tuple[str, ...] = ("score",)  # what it weighs, of `OBJECTIVES` in pareto.py
    inherits: ClassVar[bool] = False  # whether candidates begin with the weights of their parents
    share: tuple[float, float] = (0.0, 1.0)  # of the workers' power in all, the strongest first: the part of this one
    settings: dict[str, Any]
    _heard: dict[int, tuple[str, float | None]]  # trial -> key of the architecture, score

    def __new__(cls, *arguments: Any, **settings: Any) -> Self:
        searcher = super().__new__(cls)
        searcher.settings, searcher._heard = _named(searcher, arguments, settings), {}
        return searcher

    def __init__(self, space: Space, *, seed: int = 0) -> None:
        check_is(Space, space=space)
        check_whole(0, seed=seed)
        self.space, self.seed = space, seed

    def ask(
        self,
        trial: int,
        *,
        running: Iterable[Architecture] = (),
        repeats: bool = False,
        fixed: Architecture | None = None,
    ) -> dict[str, Choice]:
        """Return the canonical architecture to try next.

        A network that was told or is running is not proposed again: another proposal is drawn or, after `attempts`
        proposals, a mutation of the last one is taken.

        Parameters
        ----------
        trial : int
            Number of the trial, from 0.
        running : iterable of architectures
            Those being tried at the moment, in any order.
        repeats : bool
            Take the first proposal, known or not.
        fixed : mapping
            Choices for some dimensions, which replace the proposed ones wherever these dimensions are active;
            dimensions that this activates are drawn.

        Raises
        ------
        Exhausted
            If no unknown network is left.
        RSAError
            For a negative trial, and for choices that a dimension does not have.
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
        """Return one that is a mutation away, or two, ...; else the first of the whole space."""
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

    def tell(
        self, trial: int, architecture: Architecture, score: float | None, measured: Mapping[str, float] | None = None
    ) -> None:
        """Take in the result of a trial, asked for here or not; a trial that was told already is not learned again.

        Parameters
        ----------
        trial : int
            Number of the trial, from 0.
        architecture : mapping
        score : float or None
            None if the trial failed.
        measured : mapping, optional
            What else is known about the network (`Evaluation.measured`), for searchers with several objectives.

        Raises
        ------
        RSAError
            For an invalid architecture, a score that is not finite, a negative trial, and a trial that was told before
            with another result.
        """
        self.rng(trial)
        if score is not None and not math.isfinite(score):
            raise RSAError(f"a score is a finite number, or None for a trial that failed, not {score}")
        canonical, number = self.space.canonical(architecture), None if score is None else float(score)
        told = self.space.key(canonical), number
        if trial not in self._heard:
            self.learn_measured(trial, canonical, number, measured or {})
            self._heard[trial] = told
        elif self._heard[trial] != told:
            raise RSAError(
                f"trial {trial} was told before, as {self._heard[trial]}, and now comes as {told}; "
                "make a new searcher for another search"
            )

    def rng(self, trial: int, attempt: int = 0) -> np.random.Generator:
        """Return the random generator of a trial, or of a further attempt at it. Raises RSAError for a negative trial.

        Parameters
        ----------
        trial : int
            Number of the trial, from 0.
        attempt : int
        """
        if trial < 0:
            raise RSAError(f"a trial's number must be 0 or more, not {trial}")
        return np.random.default_rng([self.seed, trial, *([attempt] if attempt else [])])

    def parent(self, trial: int) -> int | None:
        """Return the told trial whose weights this trial's network begins with, or None if it begins with new ones.

        Parameters
        ----------
        trial : int

        Returns
        -------
        int or None
        """
        return None

    def ancestors(self) -> set[int]:
        """Return the told trials that may still become parents; the weights of the others are not kept.

        A trial that has once been missing here must not become a parent later.
        """
        return set()

    def _ahead(self, leader: Callable[[int], int | None], size: int, startup: int = 0) -> set[int]:
        """Whom rounds of so many trials, the first of which begins with trial `startup`, may still be led by."""
        last = max(self._heard, default=0)
        first_open = next(trial for trial in range(last + 2) if trial not in self._heard)
        begin = max(first_open, startup)
        begin -= (begin - startup) % size
        leaders = {leader(first) for first in range(begin, last + 2 * size, size)}
        return {trial for trial in leaders if trial is not None}

    def diagnostics(self) -> dict[str, float]:
        """Return numbers about the present state that are worth plotting against trials; none by default."""
        return {}

    @abstractmethod
    def propose(self, trial: int, rng: np.random.Generator) -> Architecture:
        """Return a valid architecture, canonical or not, with no randomness other than `rng`.

        This must leave the searcher as it was: asks are not part of the history.

        Parameters
        ----------
        trial : int
            Number of the trial, from 0.
        rng : numpy.random.Generator
        """

    def propose_beside(
        self, trial: int, rng: np.random.Generator, running: Sequence[dict[str, Choice]]
    ) -> Architecture:
        """Propose while these canonical architectures are being tried; by default the same as `propose`.

        Parameters
        ----------
        trial : int
            Number of the trial, from 0.
        rng : numpy.random.Generator
        running : sequence of dict
            Canonical architectures.
        """
        return self.propose(trial, rng)

    def learn_measured(
        self, trial: int, architecture: dict[str, Choice], score: float | None, measured: Mapping[str, float]
    ) -> None:
        """Take in one result with what else was measured; by default the same as `learn`, which takes only the score.

        Parameters
        ----------
        trial : int
            Number of the trial, from 0.
        architecture : dict
            Canonical, and the searcher's to keep.
        score : float or None
            None if the trial failed.
        measured : mapping
            Such as "parameters" and "latency"; may be empty.
        """
        self.learn(trial, architecture, score)

    def learn(self, trial: int, architecture: dict[str, Choice], score: float | None) -> None:  # noqa: B027
        """Take in one result, which is new.

        Parameters
        ----------
        trial : int
            Number of the trial, from 0.
        architecture : dict
            Canonical, and the searcher's to keep.
        score : float or None
            None if the trial failed.
        """


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
            raise RSAError(f"{type(searcher).__name__} takes {name} by position only; settings need names")
        named |= given[name] if kind is inspect.Parameter.VAR_KEYWORD else {name: given[name]}
    return named


def make_searcher(kind: type[Searcher], space: Space, *, seed: int, settings: Mapping[str, Any]) -> Searcher:
    """Make a searcher by settings that a person wrote. Raises RSAError for one that it lacks."""
    parameters = inspect.signature(kind.__init__).parameters.values()
    known = [one.name for one in parameters if one.kind is one.KEYWORD_ONLY and one.name != "seed"]
    for name in settings:
        if name not in known and not any(one.kind is one.VAR_KEYWORD for one in parameters):
            raise RSAError(f"{kind.__name__} has no setting {name!r}{near(name, known) if known else '; it has none'}")
    return kind(space, seed=seed, **settings)


@cache
def list_searchers() -> tuple[str, ...]:
    """Return the names of all searchers that load, sorted; a broken plug-in is left out with a warning.

    Examples
    --------
    >>> from tgsage.plugins import list_searchers
    >>> list_searchers()
    ('evolution', 'lemonade', 'nash', 'pnas', 'random', 'rl', 'shadho', 'tpe')
    """
    found = []
    for name, point in _points().items():
        try:
            _load(point)
        except RSAError as error:
            warnings.warn(f"{error}; it is left out", stacklevel=2)
        else:
            found.append(name)
    return tuple(found)


def get_searcher(name: str) -> type[Searcher]:
    """Return the class of a searcher; call it as `(space, seed=..., ...)`.

    Parameters
    ----------
    name : str
        One of `list_searchers`, such as "tpe" or "nash", or the place of any class as "module:Class". If two have the
        same name, ours is taken, with a warning.

    Raises
    ------
    RSAError
        For an unknown name, and for a plug-in that does not load.
    """
    if ":" in name:
        return _load(EntryPoint(name, name, GROUP))
    if name not in _points():
        check_known("no searcher", name, list_searchers())
    return _load(_points()[name])


@cache
def _points() -> dict[str, EntryPoint]:
    found, refused = extensions.installed(GROUP)
    for line in refused:
        warnings.warn(f"searcher {line}; ask for it by its place", stacklevel=2)
    return found


@cache
def _load(point: EntryPoint) -> type[Searcher]:
    try:
        found = extensions.load(point)
    except RSAError as error:
        raise RSAError(f"searcher {error}") from error
    if not (isinstance(found, type) and issubclass(found, Searcher)):
        raise RSAError(f"searcher {point.name} ({point.value}) is broken: it is not a subclass of Searcher")
    return found
