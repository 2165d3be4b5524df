"""Optuna: any of our searchers in any of its studies, and any of its samplers on our spaces."""

import threading
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import BaseTrial, FrozenTrial, TrialState

from ...rsa import RSAError
from ..searchers.searcher import Searcher
from ..spaces.space import Choice, Space
from .scores import score_of

if TYPE_CHECKING:
    from optuna.study import Study

_FINISHED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


def suggest(space: Space, trial: BaseTrial) -> dict[str, Choice]:
    """The canonical architecture of an Optuna trial: one categorical parameter for each active dimension, in order."""
    chosen: dict[str, Choice] = {}
    for dimension in space.dimensions:
        if space.is_active(dimension, chosen):
            chosen[dimension.name] = cast(Choice, trial.suggest_categorical(dimension.name, dimension.choices))
    return space.canonical(chosen)


class OptunaSampler(BaseSampler):
    """`optuna.create_study(sampler=OptunaSampler(searcher))`; the objective calls `suggest(searcher.space, trial)`.

    Before each trial the searcher is told what the study finished since, in order of trial number: a value, turned
    round where the study minimises, the last report of a pruned trial, None for a failed one. So an untold searcher
    resumes a stored study. Trials that lack dimensions of the space are not told. Parameters beyond the space are
    drawn uniformly.

    Raises RSAError, at the first trial, in a study of several objectives.
    """

    def __init__(self, searcher: Searcher) -> None:
        self.searcher = searcher
        self._told: set[int] = set()
        self._lock = threading.Lock()  # of `study.optimize(n_jobs=...)`, which shares one sampler
        dimensions = searcher.space.dimensions
        self._distributions = {d.name: CategoricalDistribution(d.choices) for d in dimensions}

    def infer_relative_search_space(self, study: "Study", trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return {**self._distributions}

    def sample_relative(
        self, study: "Study", trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        if len(study.directions) > 1:
            raise RSAError(f"a searcher has one score; this study has {len(study.directions)} objectives")
        with self._lock:
            self._tell(study.get_trials(deepcopy=False, states=_FINISHED), minimised=study.direction.name == "MINIMIZE")
            return self.searcher.ask(trial.number)

    def _tell(self, finished: Sequence[FrozenTrial], *, minimised: bool) -> None:
        space = self.searcher.space
        for trial in sorted(finished, key=lambda trial: trial.number):
            if trial.number in self._told:
                continue
            self._told.add(trial.number)
            chosen = {name: value for name, value in trial.params.items() if name in self._distributions}
            active = [dimension for dimension in space.active(chosen) if dimension.name in chosen]
            if len(active) == len(space.active(chosen)):
                score = score_of(trial.value, minimised=minimised)
                self.searcher.tell(trial.number, {d.name: chosen[d.name] for d in active}, score)

    def sample_independent(
        self, study: "Study", trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        seed = np.random.default_rng([self.searcher.seed, trial.number, zlib.crc32(param_name.encode())])
        drawn = RandomSampler(seed=int(seed.integers(2**32)))
        return drawn.sample_independent(study, trial, param_name, param_distribution)
