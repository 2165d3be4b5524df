"""The explorer: joins space, searcher, objective and tracker into a search that can be stopped and continued anywhere.

The paper's explorer contains the search algorithm, too, which lies in `searchers` here.

A search is its database: every call of `search` with the same storage, study and settings works at the same one, after
an interruption or at the same time on another machine.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...rsa import RSAError
from ...rsa.errors import as_mapping, as_names, check_is, check_number, check_whole
from ...rsa.extensions import versions
from ..pareto import check_objectives
from ..result import Evaluation
from ..searchers.searcher import Searcher
from ..spaces.space import Architecture, Choice, Space
from .candidates import Candidate, Notify, best_of, counts, frame_of, work
from .description import default_study, describe_search
from .isolation import ObjectiveFactory, Scorer
from .local import LocalWorkers
from .storage import storage_url
from .tracker import Tracker

if TYPE_CHECKING:
    import pandas

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
    share: tuple[float, float] = (0.0, 1.0)

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
    """A finished search.

    Attributes
    ----------
    storage, study : str
        Where it is kept.
    candidates : tuple of Candidate
        In order of their numbers.
    exhausted : bool
        Whether it ended because every network of the space had been tried.
    """

    storage: str
    study: str
    candidates: tuple[Candidate, ...] = field(repr=False)
    exhausted: bool = False

    @property
    def best(self) -> Candidate | None:
        """The candidate with the highest score, the earliest of equals; None if all failed."""
        return best_of(self.candidates)

    @property
    def architecture(self) -> Architecture | None:
        """The architecture of the best candidate."""
        return None if self.best is None else self.best.architecture

    @property
    def evaluation(self) -> Evaluation | None:
        """The evaluation of the best candidate."""
        return None if self.best is None else self.best.evaluation

    def to_dataframe(self) -> "pandas.DataFrame":
        """Return one row per candidate: status, results, cost, and the architecture's choices."""
        return frame_of(self.candidates).infer_objects()

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
    objectives: Sequence[str] = (),
    patience: float = 300.0,
    heartbeat: float = 10.0,
    allow_changes: bool = False,
    engine: Engine | None = None,
    power: Sequence[float] = (),
    notify: Notify | None = None,
) -> SearchResult:
    """Search for the architecture with the highest score, until `samples` candidates are finished.

    The same call continues an interrupted search; on another machine or in another process, with the same storage, it
    joins in. With one worker an interrupted search proposes what an uninterrupted one does.

    Parameters
    ----------
    space : Space
    searcher : Searcher
        Results that it was told before are ignored.
    objective : callable
        Returns an `Evaluation` or a score for an architecture; or a factory with `make(device) -> objective`, which
        every worker calls once. If the objective raises or returns no finite number, the candidate has failed: it is
        recorded, told to the searcher as None, and counts as finished.
    samples : int
        Number of candidates that are finished in the end, those of earlier calls included.
    storage : str or Path
        A SQLite file or its URL, or the URL of a server (postgresql://USER:PASSWORD@HOST/NAME), which is needed for
        several machines.
    study : str or None
        Name of this search in the storage; None means SPACE-SEARCHER.
    workers, devices : int, sequence of str
        Number of processes on this machine, and the devices that they get in turn; with more than one worker, space,
        searcher and objective must be picklable.
    timeout : float or None
        Seconds for one candidate, after which it has failed: every candidate then runs in a process of its own, which
        is killed when time is up. Without a timeout, an objective that hangs blocks its worker.
    reuse : bool
        Use the result of an equal architecture that succeeded, at no cost, instead of evaluating it again.
    repeats : bool
        Let the searcher propose an architecture that another candidate has. Without this, a search also ends, as
        `exhausted`, when all networks of the space have been tried.
    successes : bool
        Count as samples only evaluations that succeeded, neither failed nor reused ones; at most ten candidates per
        sample are tried.
    params : bool
        Also write architectures as Optuna's parameters, for its importances and its dashboard; each write then takes
        five times as long.
    enqueue : sequence of architectures
        Try these next, before the searcher is asked, except those that the study already has: each is tried once,
        however often the call is repeated. They count as samples, and the searcher is told of them.
    fixed : mapping or None
        Choices of dimensions for all that the searcher proposes, wherever these dimensions are active; part of what
        makes two searches the same.
    objectives : sequence of str
        Objectives whose front the reports show, such as ("score", "parameters"); by default those that the searcher
        weighs.
    patience, heartbeat : float
        Seconds to wait when the database goes away or the disk is full, and seconds between two signs of life of a
        worker, which counts as lost after six such intervals without one.
    allow_changes : bool
        Go on even though the search differs (see Notes). The changes are kept in the study, with the number of the
        candidate they came before, and shown in its report; earlier scores stay as they are, and are reused.
    engine : callable or None
        Runs the workers, in place of processes on this machine.
    power : sequence of float
        How much each worker can do, such as 4 and 1, in the order of `devices`: for searchers, such as
        `ShadhoSearcher`, that give the workers different things to do. By default all can do the same.
    notify : callable or None
        Called with all candidates at every look at the database.

    Raises
    ------
    RSAError
        If the study holds another search (naming what differs), the database cannot be reached, something cannot be
        sent to a worker, or workers keep dying. Finished candidates are kept, also after KeyboardInterrupt.

    Notes
    -----
    A study can only be continued by the same search: the same space (every dimension), searcher, settings, seed and
    objective. Functions are compared by their source and objects by class and fields (see `identity`), unless the
    objective has a `describe()` that returns a mapping name -> JSON-able value, which then stands for it. Versions of
    packages are kept and shown, but may change.

    A worker that dies is replaced and its candidate taken over; the candidate fails when more than three workers have
    died of it, not counting those that ended with the whole search.

    Examples
    --------
    >>> import tempfile
    >>> from tgsage.plugins import RandomSearcher, search
    >>> from tgsage.plugins.spaces import ToySpace
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     found = search(
    ...         ToySpace(), RandomSearcher(ToySpace()), lambda architecture: architecture["n_layers"],
    ...         samples=5, storage=f"{folder}/a.db",
    ...     )
    >>> found.best.score, found.counts["ok"]
    (3.0, 5)
    """
    check_is(Space, space=space)
    check_is(Searcher, searcher=searcher)
    check_whole(1, samples=samples, workers=workers)
    check_number(0, patience=patience, heartbeat=heartbeat, **({} if timeout is None else {"timeout": timeout}))
    devices = as_names(devices, "devices")
    if power and (len(power) != workers or engine is not None or any(not one > 0 for one in power)):
        raise RSAError(f"power is one number above 0 for each of the {workers} local workers, not {list(power)}")
    if searcher.space != space:
        raise RSAError(f"the searcher is for the space {searcher.space.name}, not {space.name}")
    only, queue = as_mapping(fixed, "fixed"), [space.canonical(architecture) for architecture in enqueue]
    space.check_fixed(only)
    weighed = check_objectives(tuple(objectives) or searcher.objectives)
    described = describe_search(space, searcher, objective, only)
    name = study or default_study(described)
    plan = Plan(
        space,
        type(searcher),
        searcher.settings,
        objective,
        samples,
        storage_url(storage),
        name,
        timeout=timeout,
        reuse=reuse,
        repeats=repeats,
        successes=successes,
        params=params,
        fixed=only,
        patience=patience,
        heartbeat=heartbeat,
    )
    told = notify or (lambda candidates: None)
    with plan.tracker() as tracker:
        agree(tracker, space, described, allow_changes=allow_changes)
        tracker.note_versions(versions())
        tracker.keep_objectives(weighed)
        _enqueue(plan, tracker, queue)
        if engine is not None:
            engine(plan, tracker, told)
        elif workers > 1:
            LocalWorkers(workers, devices, power)(plan, tracker, told)
        else:
            work(plan, tracker, device=devices[0] if devices else None, notify=told)
        candidates = tracker.candidates()
        told(candidates)
        done, wanted = plan.finished(candidates), plan.limit(candidates)
        exhausted = len(done) < wanted and not repeats and tracker.exhausted
        if len(done) < wanted and not exhausted:
            raise RSAError(
                f"the search ended early, with {len(done)} of {wanted} candidates; the same call continues it"
            )
        succeeded = sum(candidate.score is not None and candidate.reused is None for candidate in done)
        if successes and succeeded < samples and not exhausted:
            raise RSAError(
                f"the search ended early, with {succeeded} successful evaluations of {samples}, after {len(done)}"
                " candidates; what is done is kept"
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
                f"study {tracker.study} cannot continue with this space: candidate {candidate.number} is {error}; "
                "give this search a new name"
            ) from error
    tracker.agree(description, allow_changes=allow_changes)
