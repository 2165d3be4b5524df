"""Which architectures a pool is of: random ones, or as the paper took its own (section 4.1)."""

import json
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

import numpy as np

from ...plugins import Candidate, Searcher, Tracker
from ...plugins.spaces import Architecture, Space
from ...rsa import RSAError

TOP = 5


class Listed(Searcher):
    """Proposes the architectures it was given, one after the other."""

    def __init__(self, space: Space, *, seed: int = 0, architectures: Sequence[Architecture] = ()) -> None:
        super().__init__(space, seed=seed)
        if not architectures:
            raise RSAError("there is no architecture to propose")
        self.architectures = tuple(architectures)

    def propose(self, trial: int, rng: np.random.Generator) -> Architecture:
        return self.architectures[trial % len(self.architectures)]


def read_search(place: str) -> list[Candidate]:
    """The candidates of a search, as STUDY@STORAGE. Raises RSAError where there is none."""
    study, sign, storage = place.partition("@")
    if not (study and sign and storage):
        raise RSAError(f"a search is named STUDY@STORAGE, as cnn10-rl@tgsage.db, not {place!r}")
    with Tracker(storage, study, create=False) as tracker:
        return list(tracker.candidates())


def current_tops(candidates: Iterable[Candidate], every: int, top: int = TOP) -> list[dict[str, Any]]:
    """The architectures that were among the best so far at every `every`-th candidate, each once.

    Failed candidates count as samples and are never among the best.
    """
    if every < 1 or top < 1:
        raise RSAError(f"the interval and the number of best are at least 1, got {every} and {top}")
    finished = [candidate for candidate in candidates if candidate.finished]
    taken: dict[str, dict[str, Any]] = {}
    for end in range(every, len(finished) + 1, every):
        scored = [(one.score, one) for one in finished[:end] if one.score is not None]
        ranked = sorted(scored, key=lambda item: (-item[0], item[1].number))
        best = {json.dumps(dict(one.architecture), sort_keys=True): dict(one.architecture) for _, one in ranked}
        taken |= dict(islice(best.items(), top))
    return list(taken.values())
