"""Evolution and random search against an independent account of their algorithms."""

import numpy as np
from tgsage.plugins import EvolutionSearcher, RandomSearcher
from tgsage.plugins.spaces import ToySpace
from tgsage.plugins.spaces.space import Choice
from tgsage.plugins.testing import run_search


def test_random_search_draws_every_active_dimension_uniformly() -> None:
    searcher = RandomSearcher(ToySpace(), seed=1)
    found = [searcher.ask(trial) for trial in range(3000)]
    for name, choices in {"n_layers": (1, 2, 3), "layer1/kernel": (1, 3, 5)}.items():
        counts = [sum(one[name] == choice for one in found) for choice in choices]
        assert np.allclose(counts, 1000, atol=4 * (3000 * 2 / 9) ** 0.5)


def test_evolution_follows_algorithm_1_of_real_et_al() -> None:
    space = ToySpace()
    found = run_search(EvolutionSearcher(space, seed=5, population=7, tournament=3), range(60), repeats=True)
    alive: list[tuple[dict[str, Choice], float]] = []
    for trial, architecture, score in found:
        rng = np.random.default_rng([5, trial])
        if len(alive) < 7:
            assert architecture == space.sample(rng)
        else:
            drawn = [alive[int(place)] for place in rng.integers(7, size=3)]
            best = max(score for _, score in drawn)
            parent = next(member for member, score in drawn if score == best)
            assert architecture == space.mutate(parent, rng)
        if score is not None:
            alive.append((architecture, score))
        if len(alive) > 7:
            del alive[0]
    assert sum(score is None for *_, score in found) > 2
