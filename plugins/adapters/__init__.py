"""Our searchers and spaces inside other people's search loops, and how a searcher is told what those report."""

import math
import warnings
from typing import Any


def score_of(value: Any, *, minimised: bool) -> float | None:
    """Higher is better; None, a failure, for what is no finite number."""
    try:
        score = -float(value) if minimised else float(value)
    except (TypeError, ValueError):
        return None
    return score if math.isfinite(score) else None


class PassedOver:
    """Warn of the first stored trial that is no architecture of the space."""

    def __init__(self) -> None:
        self._warned = False

    def __call__(self, trial: int, why: object) -> None:
        if not self._warned:
            warnings.warn(f"trial {trial} and others like it are skipped: {why}", stacklevel=4)
        self._warned = True
