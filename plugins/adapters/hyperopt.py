"""hyperopt: any of our searchers as the algorithm of `hyperopt.fmin`."""

from collections.abc import Callable, Sequence
from typing import Any

from hyperopt import JOB_STATE_DONE, JOB_STATE_ERROR, STATUS_OK

from ...rsa import RSAError
from ..searchers.hyperopt_space import space_of as space_of
from ..searchers.searcher import Searcher
from ..spaces.space import Choice
from .scores import score_of


def hyperopt_algo(searcher: Searcher) -> Callable[..., list[Any]]:
    """`fmin(function, space_of(searcher.space), algo=hyperopt_algo(searcher), ...)`.

    The function gets a canonical architecture and returns a loss; the searcher is told its negative, None for a trial
    that failed, in order of trial id. With `trials=` of an earlier call an untold searcher resumes it. The proposals
    follow the searcher's seed, not fmin's `rstate`.

    Raises RSAError, within fmin, where fmin's space is not `space_of(searcher.space)`.
    """
    dimensions = {dimension.name: dimension for dimension in searcher.space.dimensions}
    told: set[int] = set()

    def tell(trials: Any) -> None:
        for found in sorted(trials.trials, key=lambda found: found["tid"]):
            if found["tid"] not in told and found["state"] in (JOB_STATE_DONE, JOB_STATE_ERROR):
                told.add(found["tid"])
                result, places = found["result"], found["misc"]["vals"]
                chosen = {name: dimensions[name].choices[int(place[0])] for name, place in places.items() if len(place)}
                finished = result.get("status") == STATUS_OK
                searcher.tell(found["tid"], chosen, score_of(result.get("loss"), minimised=True) if finished else None)

    def propose(trial: int, domain: Any, trials: Any) -> Any:
        architecture: dict[str, Choice] = searcher.ask(trial)
        asked = {
            name: [d.choices.index(architecture[name])] if name in architecture else []
            for name, d in dimensions.items()
        }
        idxs = {name: [trial] * len(place) for name, place in asked.items()}
        misc = {"tid": trial, "cmd": domain.cmd, "workdir": domain.workdir, "idxs": idxs, "vals": asked}
        return trials.new_trial_docs([trial], [None], [domain.new_result()], [misc])[0]

    def suggest(new_ids: Sequence[int], domain: Any, trials: Any, seed: int) -> list[Any]:
        if set(domain.params) != set(dimensions):
            raise RSAError(f"fmin's space is not that of the searcher: give it space_of({searcher.space!r})")
        tell(trials)
        return [propose(trial, domain, trials) for trial in new_ids]

    return suggest
