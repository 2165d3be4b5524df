"""One worker of a search: claims a candidate, asks the searcher, evaluates, stores; until all are finished."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..result import FAILED, Evaluation
from ..searchers.searcher import Exhausted, Searcher
from ..spaces.space import Choice, Space
from .candidates import Candidate
from .isolation import Contained, ObjectiveFactory, Scorer, assess, make_objective
from .tracker import Tracker

_DEATHS = 3  # workers that one candidate may cost; those that vanish with the whole command do not count
_TRIED = 10  # candidates for every sample, at most, where only successes count as samples
_POLL = 0.5  # seconds between looks of a worker for whom there is nothing to do

Notify = Callable[[Sequence[Candidate]], object]
Assess = Callable[[dict[str, Choice]], Evaluation]


@dataclass(frozen=True)
class Plan:
    """All that a worker has to know; `search` explains the fields."""

    space: Space
    searcher: type[Searcher]
    settings: dict[str, Any]
    objective: "Scorer | ObjectiveFactory"
    samples: int
    storage: str
    study: str
    timeout: float | None = None
    reuse: bool = True
    repeats: bool = False
    successes: bool = False
    params: bool = False
    fixed: dict[str, Choice] = field(default_factory=dict)
    patience: float = 300.0
    heartbeat: float = 10.0

    def tracker(self, owner: str | None = None) -> Tracker:
        """A view of the database for one worker."""
        params = self.space if self.params else None
        return Tracker(
            self.storage, self.study, patience=self.patience, heartbeat=self.heartbeat, owner=owner, params=params
        )

    def limit(self, candidates: Sequence[Candidate]) -> int:
        """How many candidates are to be finished, as far as is known: those with lower numbers."""
        limit = self.samples
        if self.successes:
            for candidate in candidates:  # by number
                if candidate.number >= limit or limit >= _TRIED * self.samples:
                    break
                limit += candidate.finished and (candidate.score is None or candidate.reused is not None)
        return limit

    def finished(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Those that this search counts."""
        limit = self.limit(candidates)
        return [candidate for candidate in candidates if candidate.finished and candidate.number < limit]


def work(plan: Plan, tracker: Tracker, *, device: str | None = None, notify: Notify | None = None) -> None:
    """Work at a search until all its candidates are finished, also those that other workers have and may lose.

    notify: called with all candidates at every look at the database. An interruption gives the candidate back.
    """
    worker = _Worker(plan, tracker, device)
    try:
        with tracker.beating():
            while True:
                before = plan.limit(tracker.known)
                claimed, limit = tracker.claim(before), plan.limit(tracker.known)
                if notify is not None:
                    notify(tracker.known)
                if len(plan.finished(tracker.known)) == limit:
                    return
                if claimed is None:
                    time.sleep(_POLL if limit == before else 0)
                    continue
                try:
                    worker.see_to(*claimed)
                except Exhausted:
                    tracker.release(claimed[0])
                    if all(candidate.finished for candidate in tracker.known):
                        tracker.exhaust()
                        return
                    time.sleep(_POLL)
                except BaseException:
                    tracker.release(claimed[0])
                    raise
    finally:
        worker.close()


class _Worker:
    def __init__(self, plan: Plan, tracker: Tracker, device: str | None) -> None:
        self._plan, self._tracker, self._device = plan, tracker, device
        self._searcher = plan.searcher(plan.space, **plan.settings)
        self._told: set[int] = set()
        self._known: dict[str, Candidate] = {}  # the first candidate that succeeded with an architecture
        self._assess: Assess | None = None

    def see_to(self, number: int, deaths: int) -> None:
        """Bring the claimed candidate to its end, unless another worker has taken it over."""
        here = self._learn(number)
        diagnostics: dict[str, float] = {}
        if here is None:
            architecture = self._ask(number)
            diagnostics = self._searcher.diagnostics()
        else:
            architecture = dict(here.architecture)
        evaluate = self._evaluator(architecture, here, deaths)
        if self._tracker.start(number, architecture, diagnostics):
            self._tracker.finish(number, evaluate(architecture))

    def _ask(self, number: int) -> dict[str, Choice]:
        """A network that no other candidate has, unless repeats are allowed."""
        space, others = self._plan.space, (c for c in self._tracker.known if c.number != number and not c.finished)
        running = [candidate.architecture for candidate in others]
        while True:
            architecture = space.canonical(
                self._searcher.ask(number, running=running, repeats=self._plan.repeats, fixed=self._plan.fixed)
            )
            if self._plan.repeats or self._tracker.reserve(number, space.key(architecture)):
                return architecture
            running.append(architecture)

    def _learn(self, number: int) -> Candidate | None:
        """Tell the searcher what had finished when this number was claimed; returns the candidate that was there."""
        here = None
        for candidate in self._tracker.known:
            if candidate.number == number:
                here = candidate
            if candidate.finished and candidate.number not in self._told:
                self._told.add(candidate.number)
                self._searcher.tell(candidate.number, candidate.architecture, candidate.score)
                if candidate.score is not None:
                    self._known.setdefault(self._plan.space.key(candidate.architecture), candidate)
        return here

    def _evaluator(self, architecture: dict[str, Choice], here: Candidate | None, deaths: int) -> Assess:
        if here is not None and (stored := here.evaluation) is not None:  # its worker was killed between two writes
            return lambda _: stored
        if deaths > _DEATHS:
            return lambda _: Evaluation(FAILED, f"its worker died {deaths} times")
        twin = self._known.get(self._plan.space.key(architecture)) if self._plan.reuse else None
        if twin is not None:
            return lambda _: twin.result_again()
        if self._assess is None:
            self._assess = self._assessor()
        return self._assess

    def _assessor(self) -> Assess:
        plan = self._plan
        if plan.timeout is not None:
            return Contained(plan.objective, self._device, plan.timeout)
        objective = make_objective(plan.objective, self._device)
        return lambda architecture: assess(objective, architecture)

    def close(self) -> None:
        if isinstance(self._assess, Contained):
            self._assess.close()
