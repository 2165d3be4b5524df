"""What the loops of others report, as a searcher wants to be told it."""

import math
from typing import Any


def score_of(value: Any, *, minimised: bool) -> float | None:
    """Higher is better; None, a failure, for what is no finite number."""
    try:
        score = -float(value) if minimised else float(value)
    except (TypeError, ValueError):
        return None
    return score if math.isfinite(score) else None
