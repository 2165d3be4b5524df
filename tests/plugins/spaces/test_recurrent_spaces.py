"""Equal recurrent cells are equal mappings, whatever their nodes were called; published cells are in the space."""

import random
from typing import Any

import numpy as np
import pytest
import torch
from tgsage.plugins.networks.recurrent import GraphLayer
from tgsage.plugins.networks.recurrent_graph import Node, RecurrentGraph, make_graph, read_graph
from tgsage.plugins.spaces import NASBenchNLP, RNNTree
from tgsage.rsa import RSAError

from .test_space import written


def outputs(graph: RecurrentGraph) -> torch.Tensor:
    """Of a layer in which all weights are one matrix, so that they need not be told apart."""
    torch.manual_seed(0)
    layer, matrix = GraphLayer(graph, 3, 3).double(), torch.randn(3, 3, dtype=torch.float64) / 2
    with torch.no_grad():
        for value in layer.parameters():
            value.copy_(matrix if value.ndim == 2 else matrix[0])
    words, zeros = torch.randn(2, 5, 3, dtype=torch.float64), torch.zeros(2, 3, dtype=torch.float64)
    found: torch.Tensor = layer(words, [zeros] * layer.states)[0]
    return found


@pytest.mark.parametrize("space", [RNNTree(4), NASBenchNLP()], ids=["tree", "graph"])
def test_the_canonical_cell_computes_what_the_written_one_does(space: RNNTree | NASBenchNLP) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        architecture = written(space, rng)
        torch.testing.assert_close(
            outputs(space.cell(space.canonical(architecture))), outputs(space.cell(architecture))
        )


def renamed(graph: RecurrentGraph, shuffle: random.Random) -> RecurrentGraph:
    """The same cell with other names, in another order, with other numbers of its states, and dead nodes."""
    others = list(range(1, graph.states))
    shuffle.shuffle(others)
    number = dict(enumerate([0, *others]))
    names = {f"h_prev_{i}": f"h_prev_{number[i]}" for i in number} | {"x": "x"}
    names |= {f"h_new_{i}": f"h_new_{number[i]}" for i in number}
    kept = [name for name in graph.nodes if name not in names]
    names |= dict(zip(kept, shuffle.sample([f"n{i}" for i in range(50)], len(kept)), strict=True))
    nodes = {}
    for name, one in shuffle.sample(list(graph.nodes.items()), len(graph.nodes)):
        inputs = [names[read] for read in one.inputs]
        if one.operation in ("linear", "sum", "product"):
            shuffle.shuffle(inputs)
        nodes[names[name]] = Node(one.operation, tuple(inputs))
    return make_graph(nodes)


def test_a_graph_is_one_mapping_whatever_its_nodes_are_called() -> None:
    space, rng, shuffle = NASBenchNLP(), np.random.default_rng(1), random.Random(1)  # noqa: S311
    states = set()
    for _ in range(60):
        architecture = space.sample(rng)
        graph = space.cell(architecture)
        states.add(graph.states)
        assert space.architecture(renamed(graph, shuffle)) == architecture
    assert states == {1, 2, 3}


def test_branches_of_a_tree_have_no_order() -> None:
    space, rng = RNNTree(4), np.random.default_rng(2)
    for _ in range(20):
        architecture = space.sample(rng)
        swapped = dict(architecture)
        for one, other in (("leaf0", "leaf2"), ("leaf1", "leaf3"), ("node0", "node1")):
            for part in ("combination", "activation"):
                swapped[f"{one}/{part}"], swapped[f"{other}/{part}"] = (
                    architecture[f"{other}/{part}"],
                    architecture[f"{one}/{part}"],
                )
            for mark in ("inject", "index"):
                at = architecture[f"{mark}/node"]
                if at in (one, other):
                    swapped[f"{mark}/node"] = other if at == one else one
        assert space.canonical(swapped) == architecture


def test_a_node_that_is_computed_twice_without_weights_is_one_node() -> None:
    space = NASBenchNLP()
    nodes = {"a": Node("linear", ("x", "h_prev_0")), "b": Node("tanh", ("a",)), "c": Node("tanh", ("a",))}
    found = space.architecture(make_graph(nodes | {"h_new_0": Node("product", ("b", "c"))}))
    assert found["nodes"] == 3
    assert (found["node3/input_a"], found["node3/input_b"]) == ("node2", "node2")
    twice = nodes | {"d": Node("linear", ("x", "h_prev_0")), "h_new_0": Node("product", ("a", "d"))}
    assert space.architecture(make_graph(twice))["nodes"] == 3  # two linear maps have weights of their own


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({f"h_new_{i}": {"op": "linear", "input": ["x", "x"]} for i in range(4)}, "up to 3 states"),
        ({"h_new_0": {"op": "linear", "input": ["x"]}}, "has linear of 1 inputs"),
        ({"h_new_0": {"op": "elementwise_sum", "input": ["x", "x", "x"]}}, "has sum of 3 inputs"),
        ({"a": {"op": "linear", "input": ["x", "x"]}, "h_new_0": {"op": "identity", "input": ["x"]}}, "1 to 15 nodes"),
    ],
)
def test_cells_beyond_the_space_are_refused(content: Any, message: str) -> None:
    with pytest.raises(RSAError, match=message):
        NASBenchNLP().architecture(read_graph(content))
