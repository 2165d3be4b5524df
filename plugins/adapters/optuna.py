"""Optuna: any of our searchers in any of its studies, and any of its samplers on our spaces."""

import threading
import zlib
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import BaseTrial, FrozenTrial, TrialState

from ...rsa import RSAError
from ..searchers.searcher import Exhausted, Searcher
from ..spaces.space import Choice, Space
from . import PassedOver, score_of

if TYPE_CHECKING:
    from optuna.study import Study

_FINISHED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


def suggest(space: Space, trial: BaseTrial) -> dict[str, Choice]:
    """Return the canonical architecture of an Optuna trial.

    Each active dimension becomes one categorical parameter, in order; any of Optuna's samplers can choose its value.

    Examples
    --------
    >>> from optuna.trial import FixedTrial
    >>> from tgsage.plugins import suggest
    >>> from tgsage.plugins.spaces import get_space
    >>> edges = dict.fromkeys(["0-1", "0-2", "0-3", "1-2", "1-3", "2-3"], "conv3x3")
    >>> suggest(get_space("nasbench201"), FixedTrial(edges)) == edges
    True
    """
    chosen: dict[str, Choice] = {}
    for dimension in space.dimensions:
        if space.is_active(dimension, chosen):
            chosen[dimension.name] = cast(Choice, trial.suggest_categorical(dimension.name, dimension.choices))
    return space.canonical(chosen)


class OptunaSampler(BaseSampler):
    """For `optuna.create_study(sampler=OptunaSampler(searcher))`; the objective calls `suggest(searcher.space, trial)`.

    Before each trial the searcher is told what the study finished since, in order of trial number: the value (negated
    where the study minimises), the last report of a pruned trial, None for a failed one. So an untold searcher resumes
    a stored study. Trials that lack dimensions of the space are not told, nor, with a warning, those that made a choice
    which the space lacks. Parameters beyond the space, and those that others fix, are not the searcher's; what is then
    missing in its architecture is drawn uniformly.

    repeats: see `Searcher.ask`; without, the study stops after the trial for which no unknown network was left.
    Raises RSAError at the first trial of a study with several objectives.
    """

    def __init__(self, searcher: Searcher, *, repeats: bool = False) -> None:
        self.searcher, self.repeats = searcher, repeats
        self._told: set[int] = set()
        self._asked: dict[int, dict[str, Choice]] = {}  # trial -> architecture, until it is told
        self._pass_over = PassedOver()
        self._lock = threading.Lock()  # of `study.optimize(n_jobs=...)`, which shares one sampler
        dimensions = searcher.space.dimensions
        self._distributions = {d.name: CategoricalDistribution(d.choices) for d in dimensions}

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _lock=threading.Lock())

    def infer_relative_search_space(self, study: "Study", trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return {**self._distributions}

    def sample_relative(
        self, study: "Study", trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        if len(study.directions) > 1:
            raise RSAError(f"a searcher has one score; this study has {len(study.directions)} objectives")
        with self._lock:
            self._tell(study.get_trials(deepcopy=False, states=_FINISHED), minimised=study.direction.name == "MINIMIZE")
            running = {**self._asked, **self._running(study)}
            running.pop(trial.number, None)
            try:
                found = self.searcher.ask(trial.number, running=running.values(), repeats=self.repeats)
            except Exhausted:
                found = self.searcher.ask(trial.number, repeats=True)
                with suppress(RuntimeError):  # outside of `study.optimize`
                    study.stop()
            self._asked[trial.number] = found
        return {name: choice for name, choice in found.items() if name in search_space}

    def _running(self, study: "Study") -> dict[int, dict[str, Choice]]:
        """Architectures of running trials, other processes' included, as far as they are in the study by now."""
        trials = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        found = {trial.number: self._architecture(trial) for trial in trials}
        return {number: architecture for number, architecture in found.items() if architecture is not None}

    def _architecture(self, trial: FrozenTrial) -> dict[str, Choice] | None:
        """None where dimensions are missing or made another choice."""
        space = self.searcher.space
        # a copy: other threads of the study add to the parameters of their running trials
        chosen = {name: value for name, value in dict(trial.params).items() if name in self._distributions}
        active = [dimension.name for dimension in space.active(chosen)]
        if not chosen.keys() >= set(active):
            return None
        try:
            return space.canonical({name: chosen[name] for name in active})
        except RSAError as error:
            self._pass_over(trial.number, error)
            return None

    def _tell(self, finished: Sequence[FrozenTrial], *, minimised: bool) -> None:
        for trial in sorted(finished, key=lambda trial: trial.number):
            if trial.number in self._told:
                continue
            self._told.add(trial.number)
            self._asked.pop(trial.number, None)
            architecture = self._architecture(trial)
            if architecture is not None:
                self.searcher.tell(trial.number, architecture, score_of(trial.value, minimised=minimised))

    def sample_independent(
        self, study: "Study", trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        seed = np.random.default_rng([self.searcher.seed, trial.number, zlib.crc32(param_name.encode())])
        drawn = RandomSampler(seed=int(seed.integers(2**32)))
        return drawn.sample_independent(study, trial, param_name, param_distribution)
