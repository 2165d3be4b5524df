"""The life of a candidate, from its number to its record: `work` and `_Worker` lead it, `Candidate` is what is known.

=========== ========================================================================================================
claimed     A worker takes the lowest number that nobody has: new, given back, or of a lost worker (`Tracker.claim`).
told        The worker's searcher learns what has finished since (`_Worker._learn`).
proposed    The searcher proposes an architecture, unless one was stored under this number (`_Worker._ask`).
reserved    Its network is kept for this number, so that no other worker tries it (`Tracker.reserve`).
running     Architecture, parent and diagnostics of the searcher are stored (`Tracker.start`).
trained,    The objective evaluates it, in this process or one of its own (`isolation.assess`); the result of an equal
scored      network that succeeded is used instead (`Candidate.reused`).
ok, failed  The weights for its children, if any, and then the evaluation are stored: the end (`Tracker.finish`).
interrupted Ctrl-C or an error before the end: given back, for whoever claims it next (`Tracker.release`).
=========== ========================================================================================================

A killed worker leaves its candidate running; it is claimed again once its lease counts as lost (`leases`), and fails
after four such deaths. Whoever lost a candidate to another worker writes nothing any more.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ..result import FAILED, OK, Evaluation, Heritage
from ..searchers.searcher import Exhausted
from ..spaces.space import Choice
from .isolation import Contained, Scored, assess_heir, make_objective

if TYPE_CHECKING:
    import pandas

    from .explorer import Plan
    from .tracker import Tracker

RUNNING, INTERRUPTED = "running", "interrupted"
_REUSED = "reused"
_HUGE = 1e6  # from here on decimals say nothing
_DEATHS = 3  # workers that one candidate may cost; those that vanish with the whole command do not count
_POLL = 0.5  # seconds between looks of a worker for whom there is nothing to do


@dataclass(frozen=True)
class Candidate:
    """What is known about a candidate.

    Attributes
    ----------
    number : int
        0, 1, ... without gaps, whatever was killed; only where several workers exhaust a space can there be gaps among
        the last numbers.
    status : str
        "ok", "failed" (the evaluation gives the reason), "running" (also if its worker was killed and nobody has taken
        it over yet) or "interrupted" (given back by its worker).
    architecture : mapping
    evaluation : Evaluation or None
    diagnostics : mapping
        What the searcher said about itself when it proposed this candidate.
    trial : int
        Number of the trial in the Optuna study.
    parent : int or None
        The candidate whose weights it begins with.
    """

    number: int
    status: str
    architecture: Mapping[str, Choice]
    evaluation: Evaluation | None = None
    diagnostics: Mapping[str, Any] = field(default_factory=dict)
    trial: int = 0
    parent: int | None = None

    @property
    def finished(self) -> bool:
        """Whether its status is "ok" or "failed"."""
        return self.status in (OK, FAILED)

    @property
    def reused(self) -> int | None:
        """The number of the candidate with the same architecture whose result this is: it was not trained again."""
        number = None if self.evaluation is None else self.evaluation.attrs.get(_REUSED)
        return number if isinstance(number, int) else None

    @property
    def score(self) -> float | None:
        """Its score; None if it failed or is not finished."""
        return self.evaluation.score if self.status == OK and self.evaluation is not None else None

    def result_again(self) -> Evaluation:
        """Return the evaluation of another candidate with this architecture: the same result, at no cost."""
        known = self.evaluation or Evaluation(FAILED)
        return replace(known, examples=0, seconds={}, attrs={**known.attrs, _REUSED: self.number})

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-able form."""
        evaluation = None if self.evaluation is None else self.evaluation.to_dict()
        return {**vars(self), "reused": self.reused, "architecture": dict(self.architecture), "evaluation": evaluation}


Notify = Callable[[Sequence[Candidate]], object]
Assess = Callable[[dict[str, Choice], Heritage | None], Scored]


def figure(value: float | None) -> str:
    """A score in a table: 0.7432, 1.235e+300 where it is huge, - where there is none."""
    return "-" if value is None else f"{value:.4f}" if abs(value) < _HUGE else f"{value:.4g}"


def ranked(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Those with a score, the highest first; of equal ones the earlier."""
    scored = [(candidate.score, -candidate.number, candidate) for candidate in candidates]
    return [one for *_, one in sorted((one for one in scored if one[0] is not None), key=lambda one: one[:2])][::-1]


def best_of(candidates: Iterable[Candidate]) -> Candidate | None:
    """The one with the highest score, the earliest of equals; None where none succeeded."""
    return next(iter(ranked(candidates)), None)


def shown_results(candidates: Iterable[Candidate]) -> dict[str, str]:
    """Name -> field of the results that tables of candidates show; B only where some have it."""
    shown = {"score": "score", "P": "p", "TG": "tg"}
    found = (candidate.evaluation for candidate in candidates)
    return shown | ({"B": "b"} if any(one is not None and one.b is not None for one in found) else {})


def frame_of(candidates: Sequence[Candidate]) -> "pandas.DataFrame":
    """A row per candidate: its number, status, results, cost, the reason of a failure, and its choices as they are."""
    import pandas

    results = ("score", "p", "tg", "b", "loss", "examples", "parameters", "reason")
    names = dict.fromkeys(name for candidate in candidates for name in candidate.architecture)
    rows = []
    for one in candidates:
        evaluated = [getattr(one.evaluation, name, None) for name in results]
        rows.append([one.number, one.status, one.reused, *evaluated, *map(one.architecture.get, names)])
    return pandas.DataFrame(rows, columns=["candidate", "status", "reused", *results, *names], dtype=object)


def counts(candidates: Sequence[Candidate]) -> dict[str, int]:
    """How many have each status, and how many were not trained but reused."""
    found = dict.fromkeys((OK, FAILED, RUNNING, INTERRUPTED), 0)
    for candidate in candidates:
        found[candidate.status] += 1
    return {**found, "reused": sum(candidate.reused is not None for candidate in candidates)}


def work(plan: "Plan", tracker: "Tracker", *, device: str | None = None, notify: Notify | None = None) -> None:
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
    def __init__(self, plan: "Plan", tracker: "Tracker", device: str | None) -> None:
        self._plan, self._tracker, self._device = plan, tracker, device
        self._searcher = plan.searcher(plan.space, **plan.settings)
        self._searcher.share = plan.share
        self._told: set[int] = set()
        self._known: dict[str, Candidate] = {}  # the first candidate that succeeded with an architecture
        self._assess: Assess | None = None

    def see_to(self, number: int, deaths: int) -> None:
        """Bring the claimed candidate to its end, unless another worker has taken it over."""
        stored = self._learn(number)
        diagnostics: dict[str, float] = {}
        if stored is None:
            architecture, parent = self._ask(number), self._searcher.parent(number)
            diagnostics = self._searcher.diagnostics()
        else:
            architecture, parent = dict(stored.architecture), stored.parent
        evaluate = self._evaluator(architecture, stored, deaths)
        if not self._tracker.start(number, architecture, diagnostics, parent):
            return
        evaluation, weights = evaluate(architecture, self._heritage(parent))
        if weights is None or self._tracker.keep_weights(number, weights):
            self._tracker.finish(number, evaluation)
        if weights is not None:
            self._tracker.drop_weights(self._told - self._searcher.ancestors())

    def _heritage(self, parent: int | None) -> Heritage | None:
        """None for a searcher whose candidates inherit nothing."""
        if not self._searcher.inherits:
            return None
        found = next((one for one in self._tracker.known if one.number == parent), None)
        if found is None:
            return Heritage()
        weights = self._tracker.weights(found.number if found.reused is None else found.reused)
        return Heritage() if weights is None else Heritage(found.architecture, weights)

    def _learn(self, number: int) -> Candidate | None:
        """Tell the searcher what had finished when this number was claimed; return the candidate stored under it."""
        stored = None
        for candidate in self._tracker.known:
            if candidate.number == number:
                stored = candidate
            if candidate.finished and candidate.number not in self._told:
                self._told.add(candidate.number)
                measured = {} if candidate.evaluation is None else candidate.evaluation.measured()
                self._searcher.tell(candidate.number, candidate.architecture, candidate.score, measured)
                if candidate.score is not None:
                    self._known.setdefault(self._plan.space.key(candidate.architecture), candidate)
        return stored

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

    def _evaluator(self, architecture: dict[str, Choice], stored: Candidate | None, deaths: int) -> Assess:
        if stored is not None and (evaluation := stored.evaluation) is not None:  # killed between two writes
            return lambda *_: (evaluation, None)
        if deaths > _DEATHS:
            return lambda *_: (Evaluation(FAILED, f"its worker died {deaths} times"), None)
        twin = self._known.get(self._plan.space.key(architecture)) if self._plan.reuse else None
        if twin is not None:
            return lambda *_: (twin.result_again(), None)
        if self._assess is None:
            self._assess = self._assessor()
        return self._assess

    def _assessor(self) -> Assess:
        plan = self._plan
        if plan.timeout is not None:
            return Contained(plan.objective, self._device, plan.timeout)
        objective = make_objective(plan.objective, self._device)
        return lambda architecture, heritage: assess_heir(objective, architecture, heritage)

    def close(self) -> None:
        if isinstance(self._assess, Contained):
            self._assess.close()
