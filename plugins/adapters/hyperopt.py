"""hyperopt: any of our searchers as the algorithm of `hyperopt.fmin`."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from hyperopt import JOB_STATE_NEW, JOB_STATE_RUNNING, STATUS_OK

from ...rsa import RSAError
from ..searchers.hyperopt_space import space_of as space_of
from ..searchers.searcher import Exhausted, Searcher
from ..spaces.space import Choice
from .scores import PassedOver, score_of


def hyperopt_algo(searcher: Searcher, *, repeats: bool = False) -> Callable[..., list[Any]]:
    """`fmin(function, space_of(searcher.space), algo=hyperopt_algo(searcher), ...)`.

    The function gets a canonical architecture and returns a loss; the searcher is told its negative, None for a trial
    that failed (status "fail", a NaN, an exception that fmin catches), in order of trial id. With `trials=` of an
    earlier call the searcher, untold or the same, resumes it; trials of another space are passed over with a warning.
    The proposals follow the searcher's seed, not fmin's `rstate`. repeats: see `Searcher.ask`; without, fmin ends where
    no unknown network is left.

    Raises RSAError, within fmin, where fmin's space is not `space_of(searcher.space)`.
    """
    dimensions = {dimension.name: dimension for dimension in searcher.space.dimensions}
    told: set[int] = set()
    pass_over = PassedOver()

    def tell(trials: Any) -> list[dict[str, Choice]]:
        """Returns the architectures that are running."""
        running = []
        for found in sorted(trials._dynamic_trials, key=lambda found: found["tid"]):  # `.trials` lacks exceptions
            if found["tid"] in told or (architecture := architecture_of(found)) is None:
                continue
            if found["state"] in (JOB_STATE_NEW, JOB_STATE_RUNNING):
                running.append(architecture)
                continue
            told.add(found["tid"])
            result = found["result"]
            finished = result.get("status") == STATUS_OK
            searcher.tell(
                found["tid"], architecture, score_of(result.get("loss"), minimised=True) if finished else None
            )
        return running

    def architecture_of(found: Any) -> dict[str, Choice] | None:
        places = {name: int(place[0]) for name, place in found["misc"]["vals"].items() if len(place)}
        try:
            return searcher.space.canonical({name: dimensions[name].choices[place] for name, place in places.items()})
        except (KeyError, IndexError, RSAError):
            pass_over(found["tid"], f"not an architecture of {searcher.space.name}")
            return None

    def document(trial: int, architecture: dict[str, Choice], domain: Any, trials: Any) -> Any:
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
        running, documents = tell(trials), list[Any]()
        with suppress(Exhausted):  # fmin ends when it gets nothing
            for trial in new_ids:
                running.append(searcher.ask(trial, running=running, repeats=repeats))
                documents.append(document(trial, running[-1], domain, trials))
        return documents

    return suggest
