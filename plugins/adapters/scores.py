"""What the loops of others report, as a searcher wants to be told it."""

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
    """Called for stored trials that are no architectures of the space; it warns of the first one."""

    def __init__(self) -> None:
        self._warned = False

    def __call__(self, trial: int, why: object) -> None:
        if not self._warned:
            warnings.warn(f"trial {trial} and others like it are passed over: {why}", stacklevel=4)
        self._warned = True
