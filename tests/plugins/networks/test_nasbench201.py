"""NAS-Bench-201: the cells, the published skeleton, and what is the same network."""

import itertools
from typing import Any

import pytest
import torch
from tgsage.plugins.networks.nasbench201 import TabularCell
from tgsage.plugins.networks.operations import relu_conv_norm
from tgsage.plugins.spaces import get_space
from tgsage.plugins.spaces.nasbench201 import EDGES
from tgsage.rsa import RSAError
from tgsage.rsa.networks.layers import choose_layers
from torch import Tensor

NAMES = ("0-1", "0-2", "1-2", "0-3", "1-3", "2-3")
OPERATIONS = ("none", "skip", "conv1x1", "conv3x3", "avgpool")


def cell(*operations: str) -> dict[str, Any]:
    return dict(zip(NAMES, operations, strict=True))


def test_the_edges_are_in_the_order_of_the_table() -> None:
    space = get_space("nasbench201")
    assert tuple(d.name for d in space.dimensions) == NAMES
    assert all(d.choices == OPERATIONS for d in space.dimensions)
    assert space.size() == 15_625


@pytest.mark.parametrize(
    ("operations", "millions"), [(("none",) * 6, 0.073306), (("conv3x3",) * 6, 1.531546), (("skip",) * 6, 0.073306)]
)
def test_parameters_of_the_published_network(operations: tuple[str, ...], millions: float) -> None:
    space = get_space("nasbench201")
    with torch.device("meta"):
        network = space.build(cell(*operations), cells=5, channels=16)
    assert sum(p.numel() for p in network.parameters()) == round(millions * 1e6)


def paths(alive: frozenset[str]) -> set[str]:
    """Edges on any path 0 -> 3, by listing the four possible paths."""
    routes = [("0-3",), ("0-1", "1-3"), ("0-2", "2-3"), ("0-1", "1-2", "2-3")]
    return {edge for route in routes if alive >= set(route) for edge in route}


def test_dead_edges_become_none_and_no_others() -> None:
    space = get_space("nasbench201")
    for marks in itertools.product(("none", "conv3x3"), repeat=6):
        written = cell(*marks)
        live = paths(frozenset(name for name, mark in written.items() if mark != "none"))
        assert space.canonical(written) == {name: mark if name in live else "none" for name, mark in written.items()}


def test_the_number_of_canonical_cells() -> None:
    space = get_space("nasbench201")
    found = {space.key(space.canonical(cell(*marks))) for marks in itertools.product(OPERATIONS, repeat=6)}
    by_hand = 0
    for marks in itertools.product((False, True), repeat=6):
        alive = frozenset(name for name, mark in zip(NAMES, marks, strict=True) if mark)
        by_hand += 4 ** len(alive) if paths(alive) == alive else 0
    assert len(found) == by_hand


def every_edge(operations: dict[tuple[int, int], str], modules: Any, x: Tensor) -> Tensor:
    """The cell as published, dead edges too: a node is the sum over all its incoming edges, "none" giving zeros."""
    nodes = [x]
    for j in (1, 2, 3):
        total = torch.zeros_like(x)
        for (i, target), operation in operations.items():
            if target == j and operation != "none":
                total = total + (nodes[i] if operation == "skip" else modules[i, j](nodes[i]))
        nodes.append(total)
    return nodes[3]


@pytest.mark.parametrize("seed", range(12))
def test_a_cell_is_the_published_one_also_in_its_canonical_form(seed: int) -> None:
    space = get_space("nasbench201")
    generator = torch.Generator().manual_seed(seed)
    picks = torch.randint(5, (6,), generator=generator).tolist()
    operations = {edge: OPERATIONS[pick] for edge, pick in zip(EDGES, picks, strict=True)}
    torch.manual_seed(seed)
    modules: dict[tuple[int, int], Any] = {}
    for edge, operation in operations.items():
        if operation == "avgpool":
            modules[edge] = torch.nn.AvgPool2d(3, 1, 1, count_include_pad=False)
        elif operation.startswith("conv"):
            modules[edge] = relu_conv_norm(4, 4, int(operation[-1])).eval()
    canonical = space.canonical({f"{i}-{j}": operation for (i, j), operation in operations.items()})
    simple = TabularCell({edge: str(canonical[name]) for edge, name in zip(EDGES, NAMES, strict=True)}, 4).eval()
    written = TabularCell(operations, 4).eval()
    for built in (simple, written):
        for name, module in built.operations.items():
            i, j = map(int, name.split("-"))
            if (i, j) in modules:
                module.load_state_dict(modules[i, j].state_dict())
    x = torch.randn(2, 4, 6, 6)
    torch.testing.assert_close(simple(x), every_edge(operations, modules, x))
    assert torch.equal(simple(x), written(x))


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (32, 32)])
def test_networks_run_at_any_size_and_name_their_stages(size: tuple[int, int]) -> None:
    space = get_space("nasbench201")
    architecture = cell("conv3x3", "skip", "avgpool", "none", "conv1x1", "skip")
    network = space.build(architecture, cells=2, channels=4, input_shape=(1, *size), n_classes=3)
    network(torch.randn(4, 1, *size)).sum().backward()
    assert all(p.grad is not None for p in network.parameters())
    expected = ["cell1", "cell2", "reduction1", "cell3", "cell4", "reduction2", "cell5", "cell6"]
    assert [layer.name for layer in choose_layers(network, "auto")] == expected


def test_the_network_without_any_path_still_answers() -> None:
    space = get_space("nasbench201")
    architecture = space.canonical(cell("none", "conv3x3", "skip", "none", "skip", "none"))
    assert set(architecture.values()) == {"none"}
    logits = space.build(architecture, channels=4).eval()(torch.randn(3, 3, 8, 8))
    assert torch.equal(logits[0], logits[1])


def test_less_than_one_cell_is_refused() -> None:
    space = get_space("nasbench201")
    with pytest.raises(RSAError, match=r"at least 1 cell per stage .* and 1 channel are needed, got 0 and 16"):
        space.build(space.complete({}), cells=0)
