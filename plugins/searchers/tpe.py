"""Tree of Parzen estimators (Bergstra et al. 2011), by hyperopt, with the paper's settings (supplement, TPE)."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..spaces.space import Choice, Space
from .searcher import Searcher, check_counts, check_positive

_PRIOR_WEIGHT = 1.0  # pseudo-count that hyperopt gives every choice


class TPESearcher(Searcher):
    """hyperopt's TPE over the active dimensions.

    startup: random proposals until so many trials were told. candidates: draws from the good trials' density l, of
    which the one with the highest l / g is proposed, per dimension. gamma: the gamma sqrt(N) best of N told trials are
    good, 25 at most (with .25 the paper's sqrt(N) / 4). In both densities the newest 25 trials count fully and older
    ones linearly less (hyperopt's linear forgetting). Failed trials are the worst; of equal scores the first told is
    the better one. Trials that are running count as failed (a constant liar), so that other workers look elsewhere.

    Raises RSAError for settings that are not positive.
    """

    attempts = 1  # a further draw costs as much again, and late in a search finds the same network

    def __init__(
        self, space: Space, *, seed: int = 0, startup: int = 20, candidates: int = 24, gamma: float = 0.25
    ) -> None:
        super().__init__(space, seed=seed)
        check_counts(startup=startup, candidates=candidates)
        check_positive(gamma=gamma)
        from hyperopt.base import Domain
        from hyperopt.tpe import build_posterior_wrapper

        from .hyperopt_space import space_of

        self.startup, self.candidates = startup, candidates
        self._domain = Domain(None, space_of(space))
        self._observed, self._ranked, self._posterior = build_posterior_wrapper(self._domain, _PRIOR_WEIGHT, gamma)
        self._scores: list[float] = []
        self._told: dict[str, list[int]] = {dimension.name: [] for dimension in space.dimensions}
        self._places: dict[str, list[int]] = {dimension.name: [] for dimension in space.dimensions}

    def propose(self, trial: int, rng: np.random.Generator) -> dict[str, Choice]:
        return self.propose_beside(trial, rng, ())

    def propose_beside(
        self, trial: int, rng: np.random.Generator, running: Sequence[dict[str, Choice]]
    ) -> dict[str, Choice]:
        if len(self._scores) < self.startup:
            return self.space.sample(rng)
        from hyperopt.pyll import rec_eval

        told, places = self._told, self._places
        scores = [*self._scores, *(-np.inf for _ in running)]
        if running:
            told, places = ({name: [*known] for name, known in one.items()} for one in (told, places))
        n = len(scores)
        for number, architecture in enumerate(running, start=len(self._scores)):
            self._place(number, architecture, told, places)
        losses = np.empty(n, dtype=np.int64)  # ranks: numpy sorts ties differently from processor to processor
        losses[np.argsort(-np.array(scores), kind="stable")] = np.arange(n)
        memo: dict[Any, Any] = {
            self._domain.s_new_ids: list(range(n, n + self.candidates)),
            self._domain.s_rng: rng,
            self._observed["idxs"]: told,
            self._observed["vals"]: places,
            self._ranked["idxs"]: np.arange(n),
            self._ranked["vals"]: losses,
        }
        _, drawn = rec_eval(self._posterior, memo=memo, print_node_on_error=False)
        return {d.name: d.choices[int(drawn[d.name][0])] for d in self.space.dimensions if len(drawn[d.name])}

    def learn(self, trial: int, architecture: dict[str, Choice], score: float | None) -> None:
        self._place(len(self._scores), architecture, self._told, self._places)
        self._scores.append(-np.inf if score is None else score)

    def _place(
        self, number: int, architecture: dict[str, Choice], told: dict[str, list[int]], places: dict[str, list[int]]
    ) -> None:
        for dimension in self.space.active(architecture):
            told[dimension.name].append(number)
            places[dimension.name].append(dimension.choices.index(architecture[dimension.name]))
