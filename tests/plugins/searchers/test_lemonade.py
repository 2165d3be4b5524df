"""LEMONADE: its front, its parents, and what it costs a network to be large."""

from typing import Any

import numpy as np
import pytest
import torch
from tgsage.plugins import LEMONADESearcher, size_of
from tgsage.plugins.evaluation.costs import costs_of, planned_size
from tgsage.plugins.pareto import pareto_front
from tgsage.plugins.spaces import ToySpace, get_space
from tgsage.plugins.testing import pretend, run_search
from tgsage.plugins.training.placement import place
from tgsage.rsa import RSAError

SPACE = ToySpace()


@pytest.mark.parametrize("name", ["toy", "nasbench201", "cnn3", "macro"])
def test_planned_sizes_are_those_of_the_networks(name: str) -> None:
    space, rng = get_space(name), np.random.default_rng(0)
    for _ in range(3):
        architecture = space.sample(rng)
        network = space.build(architecture, input_shape=(3, 8, 8), n_classes=10)
        assert planned_size(space, architecture, (3, 8, 8)) == size_of(network, (3, 8, 8))


def test_the_population_is_the_front_and_parents_come_from_it() -> None:
    searcher = LEMONADESearcher(SPACE, seed=1, startup=5, children=3)
    told: list[tuple[int, tuple[float, float]]] = []
    for trial in range(40):
        architecture = searcher.ask(trial, repeats=True)
        parent, front = searcher.parent(trial), searcher.ancestors()
        assert (parent in front) if trial >= 5 else parent is None
        score = pretend(SPACE, architecture)
        searcher.tell(trial, architecture, score)
        if score is not None:
            size = planned_size(SPACE, architecture, (3, 32, 32))
            assert size is not None
            told.append((trial, (-score, float(size.parameters))))
        best = {told[place][0] for place in pareto_front([values for _, values in told])}
        assert searcher.ancestors() == best
        assert searcher.diagnostics() == {"front": float(len(best))}


def test_the_order_of_telling_makes_no_difference() -> None:
    found = run_search(LEMONADESearcher(SPACE, seed=1, startup=5), range(25), repeats=True)
    one, other = (LEMONADESearcher(SPACE, seed=1, startup=5) for _ in range(2))
    for told, late in zip(found, reversed(found), strict=True):
        one.tell(*told)
        other.tell(*late)
    assert [one.ask(trial) for trial in range(25, 29)] == [other.ask(trial) for trial in range(25, 29)]


def test_a_measured_latency_counts() -> None:
    searcher = LEMONADESearcher(SPACE, seed=1, objectives=("score", "latency"))
    rng = np.random.default_rng(0)
    for trial, (score, latency) in enumerate([(0.5, 2.0), (0.5, 1.0), (0.6, 3.0), (0.4, 1.5)]):
        searcher.tell(trial, SPACE.sample(rng), score, {"latency": latency})
    assert searcher.ancestors() == {1, 2}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"objectives": "score,speed"}, "no objective 'speed'"),
        ({"mutations": -1}, "mutations must be a share from 0 to 1, not -1"),
        ({"shape": (3, 8)}, r"shape is \(channels, height, width\), not \(3, 8\)"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(RSAError, match=words):
        LEMONADESearcher(SPACE, **settings)


def test_costs_are_counted_and_timed() -> None:
    network, where = torch.nn.Conv2d(3, 8, 3, bias=False), place((3, 8, 8), "cpu")
    found = costs_of(network, ("multiply-adds", "latency"), (3, 8, 8), where)
    assert found["multiply-adds"] == 8 * 27 * 36
    assert 0 < found["latency"] < 1000
    with pytest.raises(RSAError, match="costs are multiply-adds and latency, not 'price'"):
        costs_of(network, ("price",), (3, 8, 8), where)
