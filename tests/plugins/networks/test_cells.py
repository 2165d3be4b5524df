"""Cells and the networks of stacked cells: published sizes, wiring, and what is the same network."""

from typing import Any

import numpy as np
import pytest
import torch
from tgsage.plugins.networks.cells import CellModule, CellNetwork, CellPlan
from tgsage.plugins.networks.operations import OPERATIONS, FactorisedReduction
from tgsage.plugins.networks.structures import Block, Cell
from tgsage.plugins.spaces import KNOWN_CELLS, CellPair, CellSpace, get_space, separable
from tgsage.rsa import RSAError
from tgsage.rsa.networks.layers import choose_layers
from torch import Tensor, nn

IMAGENET = {"stem": "imagenet", "n_classes": 1000}


def parameters(cell: Any, **settings: Any) -> int:
    with torch.device("meta"):
        network = CellSpace().build(cell, **settings)
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


@pytest.mark.parametrize(
    ("name", "settings", "expected"),
    [
        ("nasnet-a", {"repeats": 6, "filters": 32}, 3_346_538),
        ("nasnet-a", {"repeats": 6, "filters": 168, **IMAGENET}, 88_753_150),
        ("nasnet-a", {"repeats": 4, "filters": 44, "stem_filters": 32, **IMAGENET}, 5_289_978),
        ("pnasnet-5", {"repeats": 3, "filters": 48}, 3_189_082),
        ("pnasnet-5", {"repeats": 4, "filters": 216, **IMAGENET}, 86_057_668),
    ],
)
def test_published_networks_have_their_published_parameters(name: str, settings: Any, expected: int) -> None:
    assert parameters(KNOWN_CELLS[name], **settings) == expected


@pytest.mark.parametrize(
    ("name", "settings", "millions", "digits"),
    [
        ("amoebanet-a", {"repeats": 6, "filters": 36}, 3.2, 1),
        ("amoebanet-a", {"repeats": 6, "filters": 190, "stem_filters": 32, **IMAGENET}, 86.7, 1),
        ("nasnet-a", {"repeats": 4, "filters": 44, "stem_filters": 32, **IMAGENET}, 5.3, 1),
        ("pnasnet-5", {"repeats": 3, "filters": 54, "stem_filters": 32, **IMAGENET}, 5.1, 1),
    ],
)
def test_published_sizes_in_millions(name: str, settings: Any, millions: float, digits: int) -> None:
    assert round(parameters(KNOWN_CELLS[name], **settings) / 1e6, digits) == millions


def test_the_published_settings_of_known_cells_build_them() -> None:
    counts = [parameters(pair, **pair.published) for pair in KNOWN_CELLS.values()]
    assert counts[:2] == [3_346_538, 3_189_082]
    assert round(counts[2] / 1e6, 1) == 3.2


def test_the_auxiliary_head_is_counted_apart() -> None:
    published: Any = KNOWN_CELLS["nasnet-a"].published
    both = parameters(KNOWN_CELLS["nasnet-a"], **published, auxiliary=True)
    head = 6 * 64 * 128 + 2 * 128 + 128 * 768 * 4 * 4 + 2 * 768 + 768 * 10 + 10
    assert both - 3_346_538 == head == 1_631_498


def test_a_separable_cell_saves_what_the_paper_reports() -> None:
    """SAGENet has 6.0 M parameters, SAGENet-sep 2.7 M: two 1x7-7x1 convolutions at N = 6, F = 32 (Table 2)."""
    space = CellSpace()
    cell = space.complete({"block1/operation_a": "conv1x7-7x1", "block2/operation_b": "conv1x7-7x1"})
    saved = parameters(cell, repeats=6, filters=32) - parameters(separable(cell), repeats=6, filters=32)
    assert saved / 1e6 == pytest.approx(6.0 - 2.7, abs=0.1)


def test_separable_swaps_these_convolutions_only() -> None:
    space = CellSpace()
    cell = space.sample(np.random.default_rng(3)) | {"block3/operation_a": "conv1x7-7x1"}
    swapped = separable(cell)
    assert "conv1x7-7x1" not in swapped.values()
    assert swapped["block3/operation_a"] == "separable7x7"
    assert all(swapped[key] == choice for key, choice in cell.items() if choice != "conv1x7-7x1")
    pair = separable(KNOWN_CELLS["amoebanet-a"])
    assert pair.name == "amoebanet-a-sep"
    assert pair.normal == KNOWN_CELLS["amoebanet-a"].normal
    assert pair.reduction.blocks[3] == Block("separable3x3", 4, "separable7x7", 0)


def test_the_space_has_the_paper_s_choices() -> None:
    space = CellSpace()
    assert len(space.dimensions) == 5 * 4 + 2
    inputs = [len(d.choices) for d in space.dimensions if d.kind == "input_a"]
    assert inputs == [2, 3, 4, 5, 6]
    operations = {d.choices for d in space.dimensions if d.kind.startswith("operation")}
    assert [len(choices) for choices in operations] == [8]
    assert set(operations.pop()) < set(OPERATIONS)
    assert get_space("cell4") == CellSpace(4) != space


@pytest.mark.parametrize("seed", range(10))
def test_the_canonical_form_is_the_same_network(seed: int) -> None:
    space, rng = CellSpace(), np.random.default_rng(seed)
    written = {d.name: d.choices[int(rng.integers(len(d.choices)))] for d in space.dimensions}
    simple = space.canonical(written)
    plan = CellPlan(repeats=1, filters=4)
    torch.manual_seed(seed)
    first, second = (
        CellNetwork(CellPair("", cell, cell), plan, input_shape=(3, 8, 8)).eval()
        for cell in (space.cell(written), space.cell(simple))
    )
    swapped = [
        any(written[f"block{j}/{kind}_a"] != simple[f"block{j}/{kind}_a"] for kind in ("input", "operation"))
        for j in range(1, 6)
    ]
    assert any(swapped)
    state = {}
    for name, values in first.state_dict().items():
        parts = name.split(".")
        if parts[1] == "blocks" and swapped[int(parts[2])]:
            parts[3] = {"a": "b", "b": "a"}[parts[3]]
        state[".".join(parts)] = values
    second.load_state_dict(state)
    images = torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(first(images), second(images))


def test_an_unread_input_is_in_the_output_whether_forced_or_not() -> None:
    space = CellSpace(1)
    both_read = space.complete({"block1/input_a": "cell-1", "block1/input_b": "cell-1"})
    assert both_read["output/cell-2"] == 1
    assert space.cell(both_read).output == (1, 2)
    assert space.cell({**both_read, "output/cell-1": 1}).output == (0, 1, 2)
    assert space.canonical({**both_read, "output/cell-2": 0}) == both_read


def nasnet_reduction(module: Any, now: Tensor, before: Tensor) -> Tensor:
    """NASNet-A's reduction cell spelled out from the publication's figure."""
    x, y = module.squeeze(now), module.align(before)
    (a1, b1), (a2, b2), (a3, b3), (a4, b4), (a5, b5) = ((block.a, block.b) for block in module.blocks)
    first = a1(x) + b1(y)  # separable 5x5, separable 7x7
    second = a2(x) + b2(y)  # max pool, separable 7x7
    third = a3(x) + b3(y)  # average pool, separable 5x5
    fourth = a4(second) + b4(first)  # identity, average pool
    fifth = a5(first) + b5(x)  # separable 3x3, max pool
    return torch.cat([second, third, fourth, fifth], dim=1)


def test_nasnet_s_reduction_cell_is_wired_as_published() -> None:
    torch.manual_seed(0)
    module = CellModule(KNOWN_CELLS["nasnet-a"].reduction, 6, 10, False, 8, 2).eval()
    now, before = torch.randn(2, 6, 9, 7), torch.randn(2, 10, 9, 7)
    output = module(now, before)
    assert output.shape == (2, 32, 5, 4)
    assert module.width == 32
    torch.testing.assert_close(output, nasnet_reduction(module, now, before))
    kinds = [type(block.b).__name__ for block in module.blocks]
    assert kinds == ["Sequential", "Sequential", "Sequential", "AvgPool2d", "MaxPool2d"]
    assert isinstance(module.blocks[3].a, nn.Identity)


def test_a_normal_cell_concatenates_an_input_that_it_reads() -> None:
    torch.manual_seed(0)
    module = CellModule(KNOWN_CELLS["nasnet-a"].normal, 6, 8, False, 8, 1).eval()
    now, before = torch.randn(2, 6, 5, 5), torch.randn(2, 8, 5, 5)
    output = module(now, before)
    assert output.shape == (2, 48, 5, 5)
    assert torch.equal(output[:, :8], before)  # the same channels and size: taken as it is


def test_inputs_are_matched_by_size_then_by_channels() -> None:
    pair = KNOWN_CELLS["nasnet-a"]
    smaller: Any = CellModule(pair.normal, 6, 10, True, 8, 1)
    wider: Any = CellModule(pair.normal, 6, 10, False, 8, 1)
    first: Any = CellModule(pair.normal, 6, 0, False, 8, 1)
    assert isinstance(smaller.align[1], FactorisedReduction)
    assert [type(part).__name__ for part in wider.align] == ["ReLU", "Conv", "BatchNorm2d"]
    assert isinstance(first.align, nn.Identity)
    assert [type(part).__name__ for part in first.matched["1"]] == ["Conv", "BatchNorm2d"]  # no ReLU here
    assert smaller(torch.randn(2, 6, 4, 4), torch.randn(2, 10, 7, 8)).shape == (2, 48, 4, 4)


def test_a_strided_cell_reduces_an_input_that_it_passes_on() -> None:
    cell = Cell((Block("identity", 0, "separable3x3", 0), Block("identity", 2, "maxpool3x3", 2)), output=(1, 3))
    module: Any = CellModule(cell, 4, 4, False, 4, 2)
    assert isinstance(module.matched["1"], FactorisedReduction)
    assert [type(part).__name__ for part in module.blocks[0].a] == ["ReLU", "Conv", "BatchNorm2d"]
    assert isinstance(module.blocks[1].a, nn.Identity)  # reads a block: not strided
    assert module(torch.randn(2, 4, 6, 6), torch.randn(2, 4, 6, 6)).shape == (2, 8, 3, 3)


def test_the_search_compares_eight_cells() -> None:
    space = get_space("cell")
    cell = space.sample(np.random.default_rng(0))
    expected = ["cell1", "cell2", "reduction1", "cell3", "cell4", "reduction2", "cell5", "cell6"]
    small_imagenet = {"stem": "imagenet", "stem_cells": 0, "input_shape": (3, 64, 64)}
    each: list[dict[str, Any]] = [{}, small_imagenet]
    for settings in each:
        network = space.build(cell, filters=4, **settings)
        assert [layer.name for layer in choose_layers(network, "auto")] == expected


def sizes_of(network: nn.Module, images: Tensor) -> list[tuple[int, ...]]:
    found: list[tuple[int, ...]] = []
    for name in network.stages:  # type: ignore[union-attr]
        network.get_submodule(str(name)).register_forward_hook(lambda m, args, out: found.append(tuple(out.shape[1:])))
    network(images)
    return found


def test_stems_and_reductions_set_sizes_and_widths() -> None:
    pair = KNOWN_CELLS["pnasnet-5"]
    cifar = CellSpace().build(pair, repeats=2, filters=4)
    stages = [(20, 32, 32), (40, 16, 16), (80, 8, 8)]
    assert sizes_of(cifar, torch.randn(2, 3, 32, 32)) == [size for size in stages for _ in range(2)]
    mobile = CellSpace().build(pair, repeats=1, filters=8, stem="imagenet", stem_filters=6, reduction="extra")
    assert mobile.stages == ("stem1", "stem2", "cell1", "reduction1", "cell2", "reduction2", "cell3")
    stem, stages = [(10, 16, 16), (20, 8, 8), (40, 8, 8)], [(80, 4, 4), (160, 2, 2)]
    assert sizes_of(mobile, torch.randn(2, 3, 65, 64)) == stem + [size for size in stages for _ in range(2)]


@pytest.mark.parametrize("settings", [{}, {"stem": "imagenet"}, {"reduction": "strided"}])
@pytest.mark.parametrize("shape", [(3, 1, 1), (1, 2, 5), (2, 28, 28)])
def test_networks_run_at_any_size_with_an_auxiliary_head(settings: Any, shape: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    network = CellSpace().build(
        KNOWN_CELLS["nasnet-a"], repeats=1, filters=8, auxiliary=True, input_shape=shape, n_classes=3, **settings
    )
    images = torch.randn(4, *shape)
    logits, extra = network(images)
    assert logits.shape == extra.shape == (4, 3)
    (logits.sum() + extra.sum()).backward()
    assert all(p.grad is not None for p in network.parameters())
    assert network.eval()(images).shape == (4, 3)


def test_drop_path_grows_with_depth_and_spares_identities_and_evaluation(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[float] = []

    def note(x: Tensor, probability: float) -> Tensor:
        seen.append(probability)
        return x

    monkeypatch.setattr("tgsage.plugins.networks.cells.drop_path", note)
    cell = Cell((Block("identity", 0, "separable3x3", 0),), output=(1, 2))
    network = CellNetwork(CellPair("", cell, cell), CellPlan(repeats=1, filters=4, drop_path=0.4))
    images = torch.randn(2, 3, 8, 8)
    network(images)
    assert seen == pytest.approx([0.08, 0.16, 0.24, 0.32, 0.4])  # five cells, one operation each
    seen.clear()
    network.drop_path = 0.1
    network(images)
    assert seen[-1] == pytest.approx(0.1)
    seen.clear()
    network.eval()(images)
    assert seen == []


def test_weights_depend_on_torch_s_seed_alone() -> None:
    cell = CellSpace().sample(np.random.default_rng(1))
    states = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        states.append(CellSpace().build(cell, repeats=1, filters=4).state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not torch.equal(states[0]["stem.conv.weight"], states[2]["stem.conv.weight"])


def test_all_wrong_settings_are_named_at_once() -> None:
    wrong: dict[str, Any] = {"repeats": 0, "stem": "mnist", "reduction": "none", "stem_filters": 0, "stem_cells": -1}
    with pytest.raises(RSAError) as caught:
        CellPlan(**wrong, drop_path=1.0, dropout=-0.1)
    named = ("repeats is 0", "stem is 'mnist'", "reduction is 'none'", "stem_filters is 0", "stem_cells is -1")
    for part in (*named, "drop_path is 1.0", "dropout is -0.1"):
        assert part in str(caught.value)
    with pytest.raises(RSAError, match="filters is 4, not an integer of at least 8"):
        CellPlan(stem="imagenet", filters=4)
    with pytest.raises(RSAError, match="n_reductions is 0, not an integer of at least 1"):
        CellPlan(auxiliary=True, n_reductions=0)


def test_unknown_settings_and_operations_are_named() -> None:
    space = CellSpace()
    with pytest.raises(RSAError, match="no setting 'filter'; did you mean filters"):
        space.build(space.complete({}), filter=3)
    cell = Cell((Block("identity", 0, "conv9x9", 1),), output=(2,))
    with pytest.raises(RSAError, match="unknown operation 'conv9x9'; known: identity"):
        space.build(CellPair("mine", cell, cell))
