"""hyperopt: any of our searchers as the algorithm of `hyperopt.fmin`, and any of our spaces as its space."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from hyperopt import JOB_STATE_NEW, JOB_STATE_RUNNING, STATUS_OK, hp
from hyperopt.pyll import scope

from ...rsa import RSAError
from ..searchers.searcher import Exhausted, Searcher
from ..spaces.space import Choice, Dimension, Space
from . import PassedOver, score_of


def space_of(space: Space) -> Any:
    """Return the `space=` argument of `hyperopt.fmin`; the function it minimises gets canonical architectures.

    Every dimension is one `hp.choice` of its name, shared by all choices of its parent under which it is active, so
    that hyperopt draws and learns from active dimensions only (a flat space would draw all of them).
    """
    nodes: dict[str, Any] = {}

    def node(dimension: Dimension) -> Any:
        if dimension.name not in nodes:
            children = [child for child in space.dimensions if child.parent == dimension.name]
            options = [
                {dimension.name: choice, **{child.name: node(child) for child in children if choice in child.when}}
                for choice in dimension.choices
            ]
            nodes[dimension.name] = hp.choice(dimension.name, options)
        return nodes[dimension.name]

    roots = {dimension.name: node(dimension) for dimension in space.dimensions if not dimension.parent}
    return scope.tgsage_architecture(space, roots)


@scope.define  # type: ignore[untyped-decorator]
def tgsage_architecture(space: Space, tree: Mapping[str, Any]) -> dict[str, Any]:
    """Called by hyperopt: a dimension's name leads to its choice and, under their names, to its children."""

    def flat(branch: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in branch.items():
            found |= flat(value) if isinstance(value, Mapping) else {name: value}
        return found

    return space.canonical(flat(tree))


def hyperopt_algo(searcher: Searcher, *, repeats: bool = False) -> Callable[..., list[Any]]:
    """Return the `algo=` argument of `hyperopt.fmin(function, space_of(searcher.space), algo=...)`.

    The function gets a canonical architecture and returns a loss; the searcher is told its negative, None for a trial
    that failed (status "fail", a NaN, an exception that fmin catches), in order of trial id. With `trials=` of an
    earlier call the searcher, untold or the same, resumes it; trials of another space are passed over with a warning.
    The proposals follow the searcher's seed, not fmin's `rstate`. repeats: see `Searcher.ask`; without, fmin ends where
    no unknown network is left.

    Raises RSAError, within fmin, if fmin's space is not `space_of(searcher.space)`.
    """
    dimensions = {dimension.name: dimension for dimension in searcher.space.dimensions}
    told: set[int] = set()
    pass_over = PassedOver()

    def tell(trials: Any) -> list[dict[str, Choice]]:
        """Tell what is finished; return the architectures that are running."""
        running = []
        for found in sorted(trials._dynamic_trials, key=lambda found: found["tid"]):  # `.trials` lacks exceptions
            if (trial := found["tid"]) in told or (architecture := architecture_of(found)) is None:
                continue
            if found["state"] in (JOB_STATE_NEW, JOB_STATE_RUNNING):
                running.append(architecture)
                continue
            told.add(trial)
            loss = found["result"].get("loss") if found["result"].get("status") == STATUS_OK else None
            searcher.tell(trial, architecture, score_of(loss, minimised=True))
        return running

    def architecture_of(found: Any) -> dict[str, Choice] | None:
        places = {name: int(place[0]) for name, place in found["misc"]["vals"].items() if len(place)}
        try:
            return searcher.space.canonical({name: dimensions[name].choices[place] for name, place in places.items()})
        except (KeyError, IndexError, RSAError):
            pass_over(found["tid"], f"not an architecture of {searcher.space.name}")
            return None

    def document(trial: int, architecture: dict[str, Choice], domain: Any, trials: Any) -> Any:
        places = {
            name: [one.choices.index(architecture[name])] if name in architecture else []
            for name, one in dimensions.items()
        }
        idxs = {name: [trial] * len(place) for name, place in places.items()}
        misc = {"tid": trial, "cmd": domain.cmd, "workdir": domain.workdir, "idxs": idxs, "vals": places}
        return trials.new_trial_docs([trial], [None], [domain.new_result()], [misc])[0]

    def suggest(new_ids: Sequence[int], domain: Any, trials: Any, seed: int) -> list[Any]:
        if set(domain.params) != set(dimensions):
            raise RSAError(f"fmin's space is not that of the searcher: pass space_of({searcher.space!r})")
        running, documents = tell(trials), list[Any]()
        with suppress(Exhausted):  # fmin ends when it gets nothing
            for trial in new_ids:
                running.append(searcher.ask(trial, running=running, repeats=repeats))
                documents.append(document(trial, running[-1], domain, trials))
        return documents

    return suggest
