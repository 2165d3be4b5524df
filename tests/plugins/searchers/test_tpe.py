"""TPE against hyperopt's own."""

from typing import Any

import numpy as np
import pytest
from tgsage.plugins import RandomSearcher, TPESearcher
from tgsage.plugins.spaces import Space, ToySpace
from tgsage.plugins.spaces.space import Choice
from tgsage.plugins.testing import ConditionalSpace, pretend, run_search


def hyperopts_own(
    space: Space, told: list[tuple[dict[str, Choice], float | None]], seed: list[int], gamma: float = 0.25
) -> dict[str, Any]:
    """What hyperopt's `tpe.suggest` proposes after these trials."""
    from hyperopt import JOB_STATE_DONE, tpe
    from hyperopt.base import Domain, Trials
    from tgsage.plugins.adapters.hyperopt import space_of

    domain, trials = Domain(None, space_of(space)), Trials()
    for tid, (architecture, score) in enumerate(told):
        places = {
            d.name: [d.choices.index(architecture[d.name])] if d.name in architecture else [] for d in space.dimensions
        }
        idxs = {name: [tid] * len(place) for name, place in places.items()}
        result = {"status": "fail"} if score is None else {"status": "ok", "loss": -score}
        misc = {"tid": tid, "cmd": domain.cmd, "workdir": None, "idxs": idxs, "vals": places}
        (document,) = trials.new_trial_docs([tid], [None], [result], [misc])
        trials.insert_trial_doc({**document, "state": JOB_STATE_DONE})
    trials.refresh()
    generator: Any = np.random.default_rng(seed)  # hyperopt hands it to numpy, which keeps a generator as it is
    (found,) = tpe.suggest([len(told)], domain, trials, generator, gamma=gamma, verbose=False)
    vals = found["misc"]["vals"]
    return {d.name: d.choices[int(vals[d.name][0])] for d in space.dimensions if vals[d.name]}


@pytest.mark.parametrize("gamma", [0.25, 5.0])  # with the larger one more than 25 trials would be good
@pytest.mark.parametrize("space", [ToySpace(), ConditionalSpace()], ids=["toy", "conditional"])
def test_tpe_proposes_what_hyperopt_proposes(space: Space, gamma: float) -> None:
    searcher, told = TPESearcher(space, seed=2, gamma=gamma), list[tuple[dict[str, Choice], float | None]]()
    for trial in range(60):
        architecture = searcher.ask(trial, repeats=True)
        if trial in (20, 21, 37, 59):
            assert architecture == space.canonical(hyperopts_own(space, told, [2, trial], gamma))
        code = pretend(space, architecture)
        told.append((architecture, None if code is None else code + trial * 1e-6))  # no ties
        searcher.tell(trial, *told[-1])


def test_for_tpe_running_trials_are_failures() -> None:
    space = ToySpace()
    searcher, told = TPESearcher(space, seed=2), run_search(RandomSearcher(space, seed=3), range(30))
    for one in told:
        searcher.tell(*one)
    running = [space.sample(np.random.default_rng(i)) for i in range(3)]
    known = [(architecture, score) for _, architecture, score in told]
    known += [(one, None) for one in sorted(running, key=space.key)]
    assert searcher.ask(30, running=running) == space.canonical(hyperopts_own(space, known, [2, 30]))
    assert searcher.ask(30, running=running) != searcher.ask(30)


def test_tpe_starts_randomly_and_depends_on_the_order_of_scores_only() -> None:
    space = ToySpace()
    searcher, stretched = TPESearcher(space, seed=7), TPESearcher(space, seed=7)
    for trial in range(40):
        architecture = searcher.ask(trial, repeats=True)
        assert stretched.ask(trial, repeats=True) == architecture
        assert (architecture == RandomSearcher(space, seed=7).ask(trial)) or trial >= 20
        score = pretend(space, architecture)
        searcher.tell(trial, architecture, score)
        stretched.tell(trial, architecture, None if score is None else np.expm1(5 * score))
