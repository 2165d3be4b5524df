"""The tracker: the database in which every candidate of a search is kept, with its status, results and cost.

It is an Optuna study, so that optuna-dashboard and other tools can read it; a candidate is a trial whose architecture
and evaluation are one user attribute each. `candidates` tells what a candidate goes through.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ...rsa import RSAError
from ...rsa.extensions import needed
from ..result import FAILED, OK, Evaluation
from ..spaces.space import Architecture, Space
from .candidates import INTERRUPTED, RUNNING, Candidate
from .description import differences, refusal
from .leases import KeptFiles, Leases, Reservations, end_owner, new_owner
from .storage import Patience, away, check_name, open_storage, quiet, shown, storage_url

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial
    from sqlalchemy.orm import Session

_SEARCH, _FINALS, _NUMBER, _EXHAUSTED = "search", "finals", "candidate", "exhausted"
_OBJECTIVES = "objectives"
_VERSIONS, _CHANGES = "versions", "changes"
_ARCHITECTURE, _EVALUATION, _DIAGNOSTICS, _PARENT = "architecture", "evaluation", "diagnostics", "parent"
_STATUS = {"COMPLETE": OK, "FAIL": FAILED, "PRUNED": FAILED, "WAITING": INTERRUPTED}  # of a trial's states
_WEIGHTS = "weights "  # before the number of a candidate: the key of its weights
_MAKING = -1  # the number under which a worker leases the making of the study's files
_JOINING = 5.0  # seconds that a worker who joins waits for the one who has just begun the study


class _TakenOver(Exception):
    """Another worker has the candidate by now."""


class Tracker:
    """One worker's view of a search; every method waits while the database is unavailable.

    Parameters
    ----------
    storage, study, patience, heartbeat
        As in `search`.
    create : bool
        Begin the study if there is none.
    owner : str or None
        Name of this worker in the database; a parent process sets it, so that it can `bury` the worker.
    params : Space or None
        Also write the dimensions of this space as Optuna's parameters, for its importances and its dashboard.

    Raises
    ------
    RSAError
        If the database cannot be opened; from every method, if it was unavailable for too long.
    """

    def __init__(
        self,
        storage: str | Path,
        study: str,
        *,
        create: bool = True,
        patience: float = 300.0,
        heartbeat: float = 10.0,
        owner: str | None = None,
        params: Space | None = None,
    ) -> None:
        get_storage = needed("optuna.storages", "search").get_storage
        check_name("study", study)
        self._database = open_storage(storage, create=create)
        self.place, self.study, self.owner = shown(storage_url(storage)), study, owner or new_owner()
        self._patiently = Patience(
            patience,
            f"{self.place} failed for {patience:g} s; what is done is kept, and the same call continues the search",
        )
        self._storage, self._heartbeat, self._params = get_storage(self._database), heartbeat, params
        try:
            self._new, self._id = self._patiently(lambda: self._join(create))
            self._leases = self._patiently(lambda: Leases(self._database.engine, self._id, self.owner, heartbeat))
        except BaseException:
            self.close()
            raise
        self._finished: dict[int, Candidate] = {}
        self._unfinished: dict[int, Candidate] = {}
        self._trials: dict[int, int] = {}  # number -> Optuna's id, of those not finished
        self._beating: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections; a candidate that is still claimed counts as left behind by a lost worker."""
        end_owner(self.owner)
        self._database.remove_session()
        self._database.engine.dispose()

    def _join(self, create: bool) -> tuple[bool, int]:
        from optuna.exceptions import DuplicatedStudyError
        from optuna.study import StudyDirection

        try:
            if create:
                with quiet():
                    return True, self._storage.create_new_study([StudyDirection.MAXIMIZE], self.study)
            return False, self._storage.get_study_id_from_name(self.study)
        except DuplicatedStudyError:
            return False, self._storage.get_study_id_from_name(self.study)
        except KeyError as error:
            raise RSAError(f"{self.place} has no study {self.study}") from error

    def _stored(self, key: str) -> Any:
        return self._patiently(lambda: self._storage.get_study_user_attrs(self._id)).get(key)

    def _store(self, key: str, value: Any) -> None:
        self._patiently(lambda: self._storage.set_study_user_attr(self._id, key, value))

    @property
    def description(self) -> dict[str, Any]:
        """What makes this search this search, as `agree` stored it."""
        found = self._stored(_SEARCH)
        return found if isinstance(found, dict) else {}

    @property
    def finals(self) -> tuple[int, int]:
        """Finalists trained after the search, and the examples they took in all: M2 and M2 E2 of the cost."""
        found = self._stored(_FINALS)
        return (int(found[0]), int(found[1])) if isinstance(found, list) and len(found) == 2 else (0, 0)

    def keep_finals(self, finalists: int, examples: int) -> None:
        """Store `finals`.

        Parameters
        ----------
        finalists : int
        examples : int
            Examples that the finalists were trained with.
        """
        self._store(_FINALS, [finalists, examples])

    @property
    def objectives(self) -> tuple[str, ...]:
        """What the search weighs, as `keep_objectives` stored it."""
        found = self._stored(_OBJECTIVES)
        return tuple(map(str, found)) if isinstance(found, list) else ()

    def keep_objectives(self, names: Sequence[str]) -> None:
        """Store `objectives`.

        Parameters
        ----------
        names : sequence of str
        """
        if self.objectives != tuple(names):
            self._store(_OBJECTIVES, list(names))

    @property
    def exhausted(self) -> bool:
        """Whether a worker found that every network of the space has been tried."""
        return bool(self._stored(_EXHAUSTED))

    def exhaust(self) -> None:
        """Store that every network of the space has been tried."""
        self._store(_EXHAUSTED, True)

    def agree(self, description: Mapping[str, Any], *, allow_changes: bool = False) -> None:
        """Store what makes this search this search, or compare it with what is stored.

        A study that nobody has worked on yet, because its objective could not be made, takes on the new description.

        Raises RSAError naming what differs, or with `allow_changes` notes it in the study's history.

        Parameters
        ----------
        description : mapping
            Settings by name.
        allow_changes : bool
        """
        deadline = time.monotonic() + _JOINING
        while not (stored := self.description) and not self._new and time.monotonic() < deadline:
            time.sleep(0.1)
        changed = differences(stored, description)
        if stored and not changed:
            return
        if stored and not self._untouched():
            if not allow_changes:
                raise RSAError(refusal(self.study, stored, description))
            self._append(_CHANGES, changed)
            self._store(_EXHAUSTED, False)
        self._store(_SEARCH, dict(description))

    def history(self, of: str) -> list[tuple[int, dict[str, str]]]:
        """Return what was noted about the study, each note with the number of candidates that there were before it.

        Parameters
        ----------
        of : str
            "versions" (package -> version, where versions changed) or "changes" (setting -> what it was and is, where
            changes were allowed).
        """
        return [(int(candidates), dict(entry)) for candidates, entry in self._stored(of) or []]

    def note_versions(self, versions: Mapping[str, str]) -> None:
        """Note the versions of packages with which candidates are made from now on.

        Parameters
        ----------
        versions : mapping
            Package -> version.
        """
        known = self.history(_VERSIONS)
        if not known or known[-1][1] != dict(versions):
            self._append(_VERSIONS, versions)

    def _append(self, to: str, entry: Mapping[str, str]) -> None:
        self._store(to, [*self.history(to), (len(self.candidates()), dict(entry))])

    def kept(self, key: str, make: Callable[[], bytes]) -> bytes:
        """Return a file of the study from its database, or make it with `make`, once for all who work on the study.

        A worker that comes while another is making it waits, and makes it itself if the other is lost.

        Parameters
        ----------
        key : str
            Name of the file.
        make : callable
        """
        files = self._patiently(lambda: self._files)
        while (found := self._patiently(lambda: files.read(key))) is None:
            if not self._patiently(self._claim_making):
                time.sleep(1)
                continue
            try:
                if self._patiently(lambda: files.read(key)) is None:
                    with self.beating():
                        content = make()
                    self._patiently(lambda content=content: files.write(key, content))  # type: ignore[misc]
            finally:
                self.release(_MAKING)
        return found

    def _claim_making(self) -> bool:
        lease = self._leases.read(_MAKING).get(_MAKING)
        if lease is not None and not self._leases.free(_MAKING, lease):
            return False
        if not self._leases.take(_MAKING, self.owner, lease):
            return False
        self._beating = _MAKING
        return True

    def _untouched(self) -> bool:
        leases = self._patiently(lambda: self._leases.read(_MAKING))
        return not self.candidates() and all(self._leases.free(number, lease) for number, lease in leases.items())

    def candidates(self) -> list[Candidate]:
        """Return all candidates that have been proposed so far, in order of their numbers."""
        self._patiently(self._look)
        return self.known

    @property
    def known(self) -> list[Candidate]:
        """What `candidates` or `claim` last saw."""
        return [candidate for _, candidate in sorted({**self._unfinished, **self._finished}.items())]

    def _look(self) -> None:
        self._unfinished, self._trials = {}, {}
        for trial in self._storage.get_all_trials(self._id, deepcopy=False):
            number = trial.user_attrs.get(_NUMBER)
            if isinstance(number, int) and number not in self._finished:
                candidate = _candidate(number, trial)
                if candidate.finished:
                    self._finished[number] = candidate
                elif number not in self._trials:
                    self._unfinished[number], self._trials[number] = candidate, trial._trial_id

    def claim(self, samples: int, *, new: bool = False) -> tuple[int, int] | None:
        """Claim the lowest number below `samples` that nobody has: given back, left by a lost worker, or new.

        Parameters
        ----------
        samples : int
        new : bool
            Claim only a number without an architecture.

        Returns
        -------
        tuple of int or None
            The number and how many workers it has cost, or None if there is none to be had at the moment.
        """
        return self._patiently(lambda: self._claim(samples, new))

    def _claim(self, samples: int, new: bool) -> tuple[int, int] | None:
        leases = self._leases.read(self._first_open())  # before the look: who is done with a candidate still has it
        self._look()
        for number in range(self._first_open(), samples):
            lease = leases.get(number)
            if number in self._finished or (lease is not None and not self._leases.free(number, lease)):
                continue
            if new and number in self._unfinished:
                continue
            mine = lease is not None and lease.owner == self.owner  # claimed, but the answer did not arrive
            if mine or self._leases.take(number, self.owner, lease):
                if lease is not None and not mine:  # a lost worker's last write can be younger than our look
                    self._look()
                    if number in self._finished:
                        continue
                    if new and number in self._unfinished:
                        self._leases.release(number, self.owner)
                        continue
                self._beating = number
                return number, 0 if lease is None else lease.deaths
        return None

    def _first_open(self) -> int:
        return next(number for number in range(len(self._finished) + 1) if number not in self._finished)

    def bury(self, owner: str, *, alone: bool) -> None:
        """Give back what one of our workers still had when it ended; if it died `alone`, count a death.

        Parameters
        ----------
        owner : str
            The worker.
        alone : bool
        """
        end_owner(owner)

        def give_back() -> None:
            leases = self._leases.read(self._first_open())
            self._look()
            for number, lease in leases.items():
                if lease.owner == owner and number not in self._finished:
                    (self._leases.bury if alone else self._leases.release)(number, owner)

        self._patiently(give_back)

    def start(
        self,
        number: int,
        architecture: Architecture,
        diagnostics: Mapping[str, Any] | None = None,
        parent: int | None = None,
    ) -> bool:
        """Store that this candidate is being evaluated, and what it is; False if another worker has taken it over.

        Parameters
        ----------
        number : int
            Number of the candidate.
        architecture : mapping
        diagnostics : mapping, optional
            What the searcher said about itself.
        parent : int, optional
            The candidate whose weights it begins with.
        """
        try:
            about = {_DIAGNOSTICS: dict(diagnostics or {}), _PARENT: parent}
            self._patiently(lambda: self._start(number, architecture, about), self._look)
        except _TakenOver:
            self._beating = None
            return False
        self._beating = number
        return True

    def _start(self, number: int, architecture: Architecture, about: Mapping[str, Any]) -> None:
        from optuna.trial import TrialState, create_trial

        if number in self._finished or not self._leases.renew(number, self.owner):
            raise _TakenOver
        with self._holding(number):
            if number not in self._trials:
                attributes: dict[str, Any] = {_NUMBER: number, _ARCHITECTURE: dict(architecture)}
                attributes |= {name: value for name, value in about.items() if value not in (None, {})}
                new = create_trial(state=TrialState.RUNNING, user_attrs=attributes, **self._parameters(architecture))
                self._trials[number] = self._storage.create_new_trial(self._id, template_trial=new)
            elif number in self._unfinished and self._unfinished[number].status == INTERRUPTED:
                self._storage.set_trial_state_values(self._trials[number], TrialState.RUNNING)

    @contextmanager
    def _holding(self, number: int) -> Iterator[None]:
        """Let Optuna commit within it only while this worker still has the candidate; else raise _TakenOver.

        Optuna's own locks do not know of owners: a worker that slept while another one took over must write nothing.
        """
        from sqlalchemy import event

        def check(session: "Session") -> None:
            if not self._leases.renew(number, self.owner, session.connection()):
                raise _TakenOver

        event.listen(self._database.scoped_session, "before_commit", check)
        try:
            yield
        finally:
            event.remove(self._database.scoped_session, "before_commit", check)

    def _parameters(self, architecture: Architecture) -> dict[str, Any]:
        from optuna.distributions import CategoricalDistribution

        if self._params is None:
            return {}
        kinds = {d.name: CategoricalDistribution(d.choices) for d in self._params.active(architecture)}
        return {"params": dict(architecture), "distributions": kinds}

    @cached_property
    def _reservations(self) -> Reservations:
        return Reservations(self._database.engine, self._id)

    def reserve(self, number: int, key: str) -> bool:
        """Keep a network, by its key, for this candidate; False if another candidate has it already.

        Parameters
        ----------
        number : int
            Number of the candidate.
        key : str
        """
        return self._patiently(lambda: self._reservations.take(number, key))

    @cached_property
    def _files(self) -> KeptFiles:
        return KeptFiles(self._database.engine, self._id)

    def keep_weights(self, number: int, weights: bytes) -> bool:
        """Keep the weights of a started candidate for its children; False if another worker has taken it over.

        Parameters
        ----------
        number : int
            Number of the candidate.
        weights : bytes

        Returns
        -------
        bool
        """
        if not self._patiently(lambda: self._leases.renew(number, self.owner)):
            return False
        self._patiently(lambda: self._files.replace(f"{_WEIGHTS}{number}", weights))
        return True

    def weights(self, number: int) -> bytes | None:
        """Return the weights that a candidate left, if they are kept.

        Parameters
        ----------
        number : int
            Number of the candidate.

        Returns
        -------
        bytes or None
        """
        return self._patiently(lambda: self._files.read(f"{_WEIGHTS}{number}"))

    def drop_weights(self, numbers: Set[int]) -> None:
        """Drop the weights of these candidates, except those that an unfinished candidate begins with.

        While a worker has claimed a candidate but has not yet stored its parent, nothing is dropped.

        Parameters
        ----------
        numbers : set of int
            Finished candidates that will not become parents any more.
        """

        def drop() -> None:
            leases = self._leases.read(self._first_open())
            self._look()
            started = {*self._finished, *self._unfinished, _MAKING}
            if leases.keys() <= started:
                spared = {candidate.parent for candidate in self._unfinished.values()}
                self._files.drop([f"{_WEIGHTS}{number}" for number in numbers - spared])

        self._patiently(drop)

    def finish(self, number: int, evaluation: Evaluation) -> bool:
        """Store the result of a started candidate; False if another worker has taken it over.

        Parameters
        ----------
        number : int
            Number of the candidate.
        evaluation : Evaluation
        """
        try:
            return self._patiently(lambda: self._finish(number, evaluation))
        except _TakenOver:
            return False
        finally:
            self._beating = None

    def _finish(self, number: int, evaluation: Evaluation) -> bool:
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        if number not in self._trials:
            raise _TakenOver
        trial, score = self._trials[number], evaluation.score
        try:
            with self._holding(number):
                self._storage.set_trial_user_attr(trial, _EVALUATION, evaluation.to_dict())
                if evaluation.failed or score is None:
                    self._storage.set_trial_state_values(trial, TrialState.FAIL)
                else:
                    self._storage.set_trial_state_values(trial, TrialState.COMPLETE, [score])
        except UpdateFinishedTrialError:  # perhaps by ourselves, and the answer did not arrive
            self._look()
            return self._finished[number].evaluation == evaluation
        return True

    def release(self, number: int) -> None:
        """Give an unfinished candidate back for the next worker, without waiting for the database.

        If this fails, the candidate is taken over later, like that of a killed worker.

        Parameters
        ----------
        number : int
            Number of the candidate.
        """
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        self._beating = None
        try:
            if number in self._trials:
                with self._holding(number):
                    self._storage.set_trial_state_values(self._trials[number], TrialState.WAITING)
            self._leases.release(number, self.owner)
        except (UpdateFinishedTrialError, _TakenOver):
            pass
        except Exception as error:
            if not away(error):
                raise

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Within the block, keep the candidate that this worker has claimed from being taken over."""
        stop = threading.Event()

        def beat() -> None:
            while not stop.wait(self._heartbeat):
                if (number := self._beating) is not None:
                    try:
                        self._leases.renew(number, self.owner)
                    except Exception as error:
                        if not away(error):
                            raise

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(timeout=1)


def list_studies(storage: str | Path) -> list[str]:
    """Return the names of the searches in a database, by age. Raises RSAError if it cannot be opened."""
    database = open_storage(storage, create=False)
    try:
        return [study.study_name for study in database.get_all_studies()]
    finally:
        database.remove_session()
        database.engine.dispose()


def _candidate(number: int, trial: "FrozenTrial") -> Candidate:
    stored = trial.user_attrs
    try:
        evaluation = Evaluation.from_dict(stored[_EVALUATION]) if _EVALUATION in stored else None
        architecture, diagnostics = dict(stored[_ARCHITECTURE]), dict(stored.get(_DIAGNOSTICS, {}))
        status, parent = _STATUS.get(trial.state.name, RUNNING), stored.get(_PARENT)
        return Candidate(number, status, architecture, evaluation, diagnostics, trial.number, parent)
    except (KeyError, TypeError, ValueError) as error:
        raise RSAError(f"trial {trial.number} of the study is damaged: {error}") from error
