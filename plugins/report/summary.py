"""What a search found and what it cost, from its database alone."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...rsa import RSAError
from ...rsa.errors import listing
from ..pareto import check_objectives
from ..result import FAILED
from ..searching.candidates import Candidate, best_of, counts, figure, frame_of
from ..searching.tracker import Tracker, list_studies
from ..spaces.space import Space
from .front import Front, front_of

if TYPE_CHECKING:
    import pandas

LEAST = 50  # successes from which on importances are told: their top tenth is five of them
_TOP = 10


@dataclass(frozen=True, repr=False)
class SearchReport:
    """The numbers of a search; every list is in order of the candidates' numbers.

    Attributes
    ----------
    storage, study : str
        Where it is kept.
    settings : dict
        What makes this search this search.
    counts : dict
        Status -> candidates, and how many were reused.
    curve : list
        Per finished candidate its number, the best score so far and the training examples used so far.
    scatter : list
        Number, P, TG and score of every success.
    importance : dict
        Dimension -> share: how much more the best tenth of the candidates agrees about it than all do (PED-ANOVA,
        Watanabe et al. 2023). Empty where fewer than 50 succeeded.
    top : list of dict
        The best different architectures with score, P, TG, B, parameters and words.
    searcher : dict
        Name -> diagnostics as (candidate, value), such as the entropy of the RL controller.
    cost : dict
        Candidates trained (M1), their examples (M1 E1) and seconds; finalists (M2) and their examples (M2 E2).
    failures : dict
        Reason -> numbers of candidates.
    history : list
        What was noted about the study as (when, what): versions of packages, and settings that were changed.
    candidates : list of Candidate
    front : Front or None
        With several objectives the candidates that no other one beats.
    """

    storage: str
    study: str
    settings: dict[str, Any]
    counts: dict[str, int]
    curve: list[tuple[int, float | None, int]]
    scatter: list[tuple[int, float | None, float | None, float]]
    importance: dict[str, float]
    top: list[dict[str, Any]]
    searcher: dict[str, list[tuple[int, float]]]
    cost: dict[str, float]
    failures: dict[str, list[int]]
    history: list[tuple[str, str]]
    candidates: list[Candidate]
    front: Front | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-able form, every candidate included."""
        shallow = {name: value for name, value in vars(self).items() if name not in ("candidates", "front")}
        front = None if self.front is None else self.front.to_dict()
        return {**shallow, "front": front, "candidates": [candidate.to_dict() for candidate in self.candidates]}

    def to_csv(self) -> str:
        """Return one row per candidate: status, results, cost, the reason of a failure and the choices."""
        return str(frame_of(self.candidates).to_csv(index=False, lineterminator="\n"))

    def to_dataframe(self) -> "pandas.DataFrame":
        """Return the rows of `to_csv`."""
        return frame_of(self.candidates).infer_objects()

    def __repr__(self) -> str:
        best = (
            "none succeeded" if not self.top else f"best {self.top[0]['number']}: score {figure(self.top[0]['score'])}"
        )
        return f"SearchReport({self.study!r} of {self.storage}: {len(self.candidates)} candidates, {best})"


def search_report(
    storage: str | Path,
    study: str | None = None,
    *,
    space: Space | None = None,
    objectives: Sequence[str] | None = None,
) -> SearchReport:
    """Read what a search found and what it cost from its database.

    Parameters
    ----------
    storage : str or Path
        A database URL, or a file.
    study : str, optional
        Needed where the database holds several.
    space : Space, optional
        Describes architectures in words; by default the shipped space of the stored name.
    objectives : sequence of str, optional
        Objectives of the front; by default those of the search.

    Raises
    ------
    TGSageError
        If there is no such database or study, or there are several studies and none is named.
    """
    if study is None:
        names = list_studies(storage)
        if len(names) != 1:
            raise RSAError(f"{storage} holds {len(names)} studies; name one of them: {listing(names, 10)}")
        study = names[0]
    with Tracker(storage, study, create=False) as tracker:
        candidates, settings, place = tracker.candidates(), tracker.description, tracker.place
        finalists, longer = tracker.finals
        several = check_objectives(objectives or tracker.objectives or ("score",))
        history = _history(tracker)
    finished = [candidate for candidate in candidates if candidate.finished]
    good = [candidate for candidate in finished if candidate.score is not None]
    trained = [candidate for candidate in finished if candidate.reused is None]
    done = [candidate.evaluation for candidate in trained if candidate.evaluation is not None]
    return SearchReport(
        storage=place,
        study=study,
        settings=settings,
        counts=counts(candidates),
        curve=_curve(finished),
        scatter=[
            (one.number, one.evaluation.p, one.evaluation.tg, one.score)
            for one in good
            if one.evaluation is not None and one.score is not None
        ],
        importance=_importance(good) if len(good) >= LEAST else {},
        top=_top(good, space or _space(str(settings.get("space")))),
        searcher=_diagnostics(candidates),
        cost={
            "trained": len(trained),
            "examples": sum(one.examples for one in done),
            "seconds": sum(sum(one.seconds.values()) for one in done),
            "finalists": finalists,
            "finalist_examples": longer,
        },
        failures=reasons(finished),
        history=history,
        candidates=candidates,
        front=front_of(finished, several) if len(several) > 1 else None,
    )


def _history(tracker: Tracker) -> list[tuple[str, str]]:
    found, before = [], dict[str, str]()
    for number, versions in tracker.history("versions"):
        new = [f"{name} {version}" for name, version in versions.items() if before.get(name) != version]
        found.append((f"versions from candidate {number} on", ", ".join(new)))
        before = versions
    for number, changes in tracker.history("changes"):
        changed = [f"{name} {how}" for name, how in changes.items()]
        found.append((f"changed before candidate {number}", listing(changed, len(changed))))
    return found


def _curve(finished: Sequence[Candidate]) -> list[tuple[int, float | None, int]]:
    best, examples, curve = None, 0, []
    for candidate in finished:
        if candidate.score is not None:
            best = candidate.score if best is None else max(best, candidate.score)
        examples += 0 if candidate.evaluation is None else candidate.evaluation.examples
        curve.append((candidate.number, best, examples))
    return curve


def _importance(good: Sequence[Candidate]) -> dict[str, float]:
    import optuna
    from optuna.exceptions import ExperimentalWarning
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    from ..searching.storage import quiet

    choices: dict[str, set[Any]] = {}
    for candidate in good:
        for name, choice in candidate.architecture.items():
            choices.setdefault(name, set()).add(choice)
    kinds: dict[str, optuna.distributions.BaseDistribution] = {
        name: optuna.distributions.CategoricalDistribution(sorted(found, key=str)) for name, found in choices.items()
    }
    with quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        study = optuna.create_study(direction="maximize")
        for candidate in good:
            params = dict(candidate.architecture)
            active = {name: kinds[name] for name in params}
            study.add_trial(optuna.create_trial(params=params, distributions=active, value=candidate.score))
        return dict(get_param_importances(study, evaluator=PedAnovaImportanceEvaluator()))


def _top(good: Sequence[Candidate], space: Space | None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    rest = [candidate for candidate in good if candidate.reused is None]
    while rest and len(found) < _TOP:
        best = best_of(rest)
        if best is None or best.evaluation is None:
            break
        rest.remove(best)
        result = {name: getattr(best.evaluation, name) for name in ("score", "p", "tg", "b", "parameters")}
        words = "" if space is None else space.describe(best.architecture)
        found.append({"number": best.number, **result, "words": words, "architecture": dict(best.architecture)})
    return found


def _space(name: str) -> Space | None:
    """None for a space that is not installed here: the rest of the report does without."""
    from ..spaces import get_space

    try:
        return get_space(name)
    except RSAError:
        return None


def _diagnostics(candidates: Sequence[Candidate]) -> dict[str, list[tuple[int, float]]]:
    found: dict[str, list[tuple[int, float]]] = {}
    for candidate in candidates:
        for name, value in candidate.diagnostics.items():
            if isinstance(value, int | float) and np.isfinite(value):
                found.setdefault(name, []).append((candidate.number, float(value)))
    return found


def reasons(candidates: Sequence[Candidate]) -> dict[str, list[int]]:
    """Why candidates failed: reason -> numbers, the most frequent first."""
    found: dict[str, list[int]] = {}
    for candidate in candidates:
        if candidate.status == FAILED:
            reason = "" if candidate.evaluation is None else candidate.evaluation.reason
            found.setdefault(reason or "no reason given", []).append(candidate.number)
    return dict(sorted(found.items(), key=lambda item: -len(item[1])))
