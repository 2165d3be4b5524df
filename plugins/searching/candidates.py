"""One line of a search's history: a candidate, where it stands, and what came out of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..result import FAILED, OK, Evaluation
from ..spaces.space import Choice

RUNNING, INTERRUPTED = "running", "interrupted"
_REUSED = "reused"
_HUGE = 1e6  # from here on decimals say nothing


@dataclass(frozen=True)
class Candidate:
    """The candidate with this number: the numbers of a search are 0, 1, ... without a gap, whatever was killed.

    Only where several workers exhaust a space, the last numbers can have gaps.

    status: ok, failed (with the reason in its evaluation), running (also where its worker was killed and nobody has
    taken it over yet) or interrupted (given back by its worker). diagnostics: what the searcher said about itself when
    it proposed this. trial: the number of its trial in the Optuna study.
    """

    number: int
    status: str
    architecture: Mapping[str, Choice]
    evaluation: Evaluation | None = None
    diagnostics: Mapping[str, Any] = field(default_factory=dict)
    trial: int = 0

    @property
    def finished(self) -> bool:
        return self.status in (OK, FAILED)

    @property
    def reused(self) -> int | None:
        """The number of the candidate with the same architecture whose result this is: it was not trained again."""
        number = None if self.evaluation is None else self.evaluation.attrs.get(_REUSED)
        return number if isinstance(number, int) else None

    def result_again(self) -> Evaluation:
        """The evaluation of another candidate with this architecture: the same result, at no cost."""
        known = self.evaluation or Evaluation(FAILED)
        return replace(known, examples=0, seconds={}, attrs={**known.attrs, _REUSED: self.number})

    @property
    def score(self) -> float | None:
        """None where it failed or is not finished."""
        return self.evaluation.score if self.status == OK and self.evaluation is not None else None

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        evaluation = None if self.evaluation is None else self.evaluation.to_dict()
        return {**vars(self), "reused": self.reused, "architecture": dict(self.architecture), "evaluation": evaluation}


def figure(value: float | None) -> str:
    """A score in a table: 0.7432, 1.235e+300 where it is huge, - where there is none."""
    return "-" if value is None else f"{value:.4f}" if abs(value) < _HUGE else f"{value:.4g}"


def best_of(candidates: Iterable[Candidate]) -> Candidate | None:
    """The one with the highest score, the earliest of equals; None where none succeeded."""
    scored = [(candidate.score, -candidate.number, candidate) for candidate in candidates]
    best = max((item for item in scored if item[0] is not None), key=lambda item: item[:2], default=None)
    return None if best is None else best[2]


def counts(candidates: Sequence[Candidate]) -> dict[str, int]:
    """How many have each status, and how many were not trained but reused."""
    found = dict.fromkeys((OK, FAILED, RUNNING, INTERRUPTED), 0)
    for candidate in candidates:
        found[candidate.status] += 1
    return {**found, "reused": sum(candidate.reused is not None for candidate in candidates)}
