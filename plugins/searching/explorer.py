"""The explorer: joins space, searcher, objective and tracker into a search that can be stopped and continued anywhere.

A search is its database: whoever calls `search` with the same storage, study and settings works at the same one, after
it was interrupted or at the same time on another machine.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...rsa import RSAError
from ...rsa.io.storage import versions
from ..result import Evaluation
from ..searchers.searcher import Searcher
from ..spaces.space import Architecture, Choice, Space
from .candidates import Candidate, Notify, best_of, counts, work
from .description import default_study, describe_search
from .isolation import ObjectiveFactory, Scorer
from .local import LocalWorkers
from .storage import storage_url
from .tracker import Tracker

_TRIED = 10  # candidates per sample, at most, where only successes count as samples


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


Engine = Callable[[Plan, Tracker, Notify], None]


@dataclass(frozen=True)
class SearchResult:
    """A finished search: its candidates in order of their numbers, and where they are kept.

    exhausted: whether it ended because every network of the space had been tried.
    """

    storage: str
    study: str
    candidates: tuple[Candidate, ...]
    exhausted: bool = False

    @property
    def best(self) -> Candidate | None:
        """The candidate with the highest score, the earliest of equals; None where all failed."""
        return best_of(self.candidates)

    @property
    def architecture(self) -> Architecture | None:
        """That of the best candidate."""
        return None if self.best is None else self.best.architecture

    @property
    def evaluation(self) -> Evaluation | None:
        """That of the best candidate."""
        return None if self.best is None else self.best.evaluation

    @property
    def counts(self) -> dict[str, int]:
        """How many candidates are ok and failed, and how many were not trained but reused."""
        return counts(self.candidates)


def search(
    space: Space,
    searcher: Searcher,
    objective: "Scorer | ObjectiveFactory",
    *,
    samples: int,
    storage: str | Path = "sqlite:///tgsage.db",
    study: str | None = None,
    workers: int = 1,
    devices: Sequence[str] = (),
    timeout: float | None = None,
    reuse: bool = True,
    repeats: bool = False,
    successes: bool = False,
    params: bool = False,
    enqueue: Sequence[Architecture] = (),
    fixed: Architecture | None = None,
    patience: float = 300.0,
    heartbeat: float = 10.0,
    allow_changes: bool = False,
    engine: Engine | None = None,
    notify: Notify | None = None,
) -> SearchResult:
    """Search for the architecture with the highest score, until `samples` candidates are finished.

    The same call continues an interrupted search; on another machine or in another process, with the same storage, it
    joins in. With one worker an interrupted search proposes what an uninterrupted one does.

    searcher: taken as it was made; what it was told before does not count. objective: any callable that makes an
    Evaluation or a score of an architecture, or a factory, `make(device) -> objective`, which every worker calls once.
    Where it raises or returns no finite number the candidate has failed: recorded, told to the searcher as None, and
    counted among the finished ones. storage: a SQLite file or its URL, or that of a server
    (postgresql://USER:PASSWORD@HOST/NAME), which several machines need. study: the name of this search in it,
    SPACE-SEARCHER by default.

    A study goes on as the same search only: the same space (every dimension), searcher, settings, seed and objective.
    Functions are told apart by their source, objects by class and fields (see `identity`), unless the objective names
    itself: what its `describe()` returns (name -> JSON-able value) then stands for it. allow_changes: go on in spite of
    changes, which are kept in the study with the number of the candidate they came before, and shown in its report;
    earlier scores stay as they are, and are reused. Versions of packages are kept and shown, too, and may change.

    workers: processes of this machine; with more than one, space, searcher and objective must be picklable. devices:
    for the workers in turn. timeout: seconds for one candidate; it is then evaluated in a process of its own, which is
    killed, and has failed. Without one, an objective that hangs holds its worker up. reuse: an architecture that
    already succeeded is not evaluated again; the candidate takes over that result, at no cost. repeats: whether a
    searcher may propose an architecture that another candidate has; without, a search also ends, `exhausted`, when all
    networks of the space were tried. successes: `samples` counts evaluations that succeeded, and neither failed nor
    reused ones; at most ten candidates per sample are tried. params: architectures are also written as Optuna's
    parameters, so that its importances and its dashboard show them, at five times the time per write. enqueue:
    architectures to try next, before the searcher is asked; those that the study has already are left out, so that
    each is tried once however often the call is repeated. They count as samples, and the searcher is told of them.
    fixed: dimension -> choice for all that the searcher proposes, where the dimension is active; part of what makes
    two searches the same.

    Workers that die are replaced. A candidate whose worker died is taken over by another one, and fails when more than
    three died of it: those of an engine, that is, not those that ended with the whole search.
    patience: seconds for which a database that goes away, or a full disk, is waited for. heartbeat: seconds between two
    signs of life of a worker; after six without one it counts as lost. engine: who runs the workers, instead of
    processes of this machine. notify: called with all candidates again and again.

    Raises RSAError when the study holds another search (naming what differs), the database cannot be reached,
    something cannot be sent to a worker, or workers keep dying. What is done stays then, and after KeyboardInterrupt.
    """
    if samples < 1 or workers < 1:
        raise RSAError(f"a search needs at least one sample and one worker, not {samples} and {workers}")
    if searcher.space != space:
        raise RSAError(f"the searcher is for the space {searcher.space.name}, not {space.name}")
    for name, value in (("timeout", timeout), ("patience", patience), ("heartbeat", heartbeat)):
        if value is not None and not value > 0:
            raise RSAError(f"{name} is a number of seconds above 0, not {value}")
    only, queue = dict(fixed or {}), [space.canonical(architecture) for architecture in enqueue]
    space.check_fixed(only)
    described = describe_search(space, searcher, objective, only)
    name = study or default_study(described)
    plan = Plan(
        space, type(searcher), searcher.settings, objective, samples, storage_url(storage), name,
        timeout=timeout, reuse=reuse, repeats=repeats, successes=successes, params=params, fixed=only,
        patience=patience, heartbeat=heartbeat,
    )  # fmt: skip
    told = notify or (lambda candidates: None)
    with plan.tracker() as tracker:
        agree(tracker, space, described, allow_changes=allow_changes)
        tracker.note_versions(versions())
        _enqueue(plan, tracker, queue)
        if engine is not None:
            engine(plan, tracker, told)
        elif workers > 1:
            LocalWorkers(workers, devices)(plan, tracker, told)
        else:
            work(plan, tracker, device=devices[0] if devices else None, notify=told)
        candidates = tracker.candidates()
        told(candidates)
        done, wanted = plan.finished(candidates), plan.limit(candidates)
        exhausted = len(done) < wanted and not repeats and tracker.exhausted
        if len(done) < wanted and not exhausted:
            raise RSAError(
                f"the search ended early, with {len(done)} of {wanted} candidates; the same call goes on from there"
            )
        succeeded = sum(candidate.score is not None and candidate.reused is None for candidate in done)
        if successes and succeeded < samples and not exhausted:
            raise RSAError(
                f"the search ended early, with {succeeded} successful evaluations of {samples}, after {len(done)}"
                " candidates; what is done stays"
            )
        return SearchResult(tracker.place, name, tuple(done), exhausted)


def _enqueue(plan: Plan, tracker: Tracker, queue: Sequence[dict[str, Choice]]) -> None:
    """Make each a candidate that waits for a worker, unless the study has it already or another process is faster."""
    waiting = {plan.space.key(architecture): architecture for architecture in queue}
    for candidate in tracker.candidates() if waiting else ():
        waiting.pop(plan.space.key(candidate.architecture), None)
    limit = plan.limit(tracker.known)
    room = limit - sum(candidate.number < limit for candidate in tracker.known)
    for key, architecture in waiting.items():
        claimed = tracker.claim(limit, new=True) if room >= len(waiting) else None
        if claimed is None:
            raise RSAError(
                f"{len(waiting)} architectures to enqueue do not fit into a search of {plan.samples} samples, "
                f"of which {max(0, room)} are left: ask for more samples"
            )
        if tracker.reserve(claimed[0], key):
            tracker.start(claimed[0], architecture)
        tracker.release(claimed[0])


def agree(tracker: Tracker, space: Space, description: Mapping[str, Any], *, allow_changes: bool = False) -> None:
    """`Tracker.agree`. Raises RSAError, too, where a changed space lacks a candidate: no searcher can be told of it."""
    for candidate in tracker.candidates() if allow_changes else ():
        try:
            space.canonical(candidate.architecture)
        except RSAError as error:
            raise RSAError(
                f"study {tracker.study} cannot go on with this space: candidate {candidate.number} is {error}; "
                "give this search a new name"
            ) from error
    tracker.agree(description, allow_changes=allow_changes)
