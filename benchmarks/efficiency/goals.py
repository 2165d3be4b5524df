"""What the searches of a study maximise: P, or P + alpha TG, after a number of training examples."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ...plugins.training.teachers import digest_of
from ...rsa import RSAError, Teacher, compare
from ...rsa.errors import check_known
from ..pool.layer_similarities import similarities, view_of
from ..pool.pool import Pool
from ..teachers.rules import FIXED, Matched
from .cache import Evaluated


@dataclass(frozen=True, eq=False)
class Goal:
    """P, or with a teacher P + alpha TG.

    examples: training examples of a candidate. rule: a fixed one of `rules.RULES`. cost: training examples that the
    teacher itself has seen, if known.

    Raises RSAError for numbers out of range and for a rule that has to learn something first.
    """

    examples: int
    teacher: Teacher | None = None
    alpha: float = 1.0
    rule: str = "paper"
    cost: int | None = None

    def __post_init__(self) -> None:
        if self.examples < 1 or not 0 <= self.alpha < np.inf:
            raise RSAError(f"a goal needs examples from 1 and alpha from 0, got {self.examples} and {self.alpha}")
        check_known("a search's rule is fixed, not", self.rule, FIXED)

    @property
    def name(self) -> str:
        """As tables show it, without the examples."""
        if self.teacher is None:
            return "P"
        rule = "" if self.rule == "paper" else f", rule {self.rule}"
        return f"P + {'' if self.alpha == 1 else f'{self.alpha:g} '}TG, {self.teacher.name}{rule}"

    def __call__(self, found: Evaluated) -> tuple[float | None, float | None]:
        """Score and TG of a candidate; no score if the training or the evaluation failed, or no layer has an RDM."""
        if found.pool is None:
            return None, None
        (member,) = found.pool.members
        p = float(member.p[found.checkpoint])
        if not np.isfinite(member.loss[found.checkpoint]):  # its outputs were no numbers, so its P is none
            return None, None
        if self.teacher is None:
            return p, None
        tg = guidance(found.pool, self.teacher, self.rule)[0, found.checkpoint]
        return (None, None) if np.isnan(tg) else (p + self.alpha * float(tg), float(tg))

    def describe(self) -> dict[str, Any]:
        """JSON-able; equal for goals that give equal scores."""
        about: dict[str, Any] = {"name": self.name, "examples": self.examples}
        if self.teacher is not None:
            targets, rdms = list(self.teacher.rdms), digest_of(self.teacher.rdms)
            about |= {"teacher": self.teacher.name, "targets": targets, "method": self.teacher.method}
            about |= {"by": self.teacher.by, "alpha": self.alpha, "rule": self.rule, "rdms": rdms}
        return about


def guidance(pool: Pool, teacher: Teacher, rule: str = "paper") -> npt.NDArray[np.float64]:
    """TG of a pool's members, (members, checkpoints), NaN where no layer has an RDM.

    Raises RSAError if the pool was not shown the teacher's stimuli.
    """
    view = view_of(pool, teacher)
    pixels = view.controls()[0].rdms["pixels"]
    targets = [rdm.subset(view.labels) for rdm in teacher.rdms.values()]
    found = np.asarray(similarities(pool, view, [*targets, pixels], teacher.method), np.float64)
    shared = np.zeros(len(targets))
    if rule == "partial":  # no other rule asks for it, and a search looks at every candidate
        shared = np.array([compare(target, pixels, method=teacher.method) for target in targets])
    layers = np.array([len(member.layers) for member in pool.members])
    tg = FIXED[rule](Matched(found[..., :-1], layers, found[..., -1:], shared))
    return np.where(np.isnan(found).all(axis=(2, 3)), np.nan, tg)
