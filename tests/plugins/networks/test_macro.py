"""NAS-Bench-Macro: networks of the published size, and what is the same network."""

import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tgsage.plugins.evaluation.predictors import size_of
from tgsage.plugins.networks.macro import MacroNetwork
from tgsage.plugins.spaces import get_space
from tgsage.plugins.spaces.macro import OPERATIONS
from tgsage.rsa import RSAError
from tgsage.rsa.networks.layers import choose_layers
from torch import nn

IDENTITY, SMALL, LARGE = OPERATIONS


def architecture(key: str) -> dict[str, Any]:
    return {f"layer{i}": OPERATIONS[int(code)] for i, code in enumerate(key, start=1)}


def by_hand(key: str) -> tuple[int, int]:
    """Parameters and multiply-adds from the text of the publication, convolution by convolution."""
    parameters = multiply_adds = 0
    pixels = 32 * 32

    def convolution(before: int, after: int, kernel: int, groups: int = 1) -> None:
        nonlocal parameters, multiply_adds
        weights = before // groups * after * kernel**2
        parameters += weights + 2 * after  # BN
        multiply_adds += weights * pixels

    channels = 32
    convolution(3, channels, 3)
    for layer, code in enumerate(key, start=1):
        strided = layer in (1, 3, 6)
        after = 2 * channels if strided else channels
        if code != "0":
            kernel, inner = (3, 3 * channels) if code == "1" else (5, 6 * channels)
            convolution(channels, inner, 1)
            pixels //= 4 if strided else 1
            convolution(inner, inner, kernel, groups=inner)
            convolution(inner, after, 1)
        elif strided:
            pixels //= 4
            convolution(channels, after, 1)
        channels = after
    convolution(channels, 1280, 1)
    return parameters + 1280 * 10 + 10, multiply_adds + 1280 * 10


@pytest.fixture(scope="module")
def published(data_dir: Path) -> Mapping[str, Any]:
    table: dict[str, Any] = json.loads((data_dir / "nas_bench_macro/nas-bench-macro_cifar10.json").read_text())
    return table


def test_all_published_sizes_are_those_of_the_text(published: Mapping[str, Any]) -> None:
    assert len(published) == 3**8
    assert all((row["params"], row["flops"]) == by_hand(key) for key, row in published.items())


def test_networks_have_the_sizes_of_the_text() -> None:
    """Every operation in every layer, since a layer's size depends on no other's; and one with both counts known."""
    known = size_of(get_space("macro").build(architecture("11000200")))
    assert (known.parameters, known.multiply_adds) == (707_914, 28_082_688)
    keys = ["00000000", "11111111", "22222222", "01201201", "12012012", "20120120"]
    for key in keys:
        with torch.device("meta"):
            found = size_of(get_space("macro").build(architecture(key)))
        assert (found.parameters, found.multiply_adds) == by_hand(key)


@pytest.mark.slow
def test_all_networks_have_the_published_parameters(
    published: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in (nn.BatchNorm2d, nn.Linear):  # their first values, a third of the time, are not asked for
        monkeypatch.setattr(kind, "reset_parameters", lambda self: None)
    space = get_space("macro")
    different = {space.key(space.canonical(architecture(key))): key for key in published}
    for key in different.values():
        with torch.device("meta"):
            network = space.build(architecture(key))
        assert sum(parameter.numel() for parameter in network.parameters()) == published[key]["params"]


def test_identities_that_change_nothing_may_stand_anywhere() -> None:
    space = get_space("macro")
    keys = ["".join(key) for key in itertools.product("012", repeat=8)]
    assert len({space.key(space.canonical(architecture(key))) for key in keys}) == 3**3 * 3 * 7 * 7 == 3969
    moved = {"layer5": "layer4", "layer8": "layer7"}
    torch.manual_seed(0)
    pair = ("11102102", "11120120")
    one, other = (MacroNetwork(list(architecture(key).values()), width=1 / 8).eval() for key in pair)
    parts = {name: name.partition(".") for name in one.state_dict()}
    names = {name: f"{moved.get(layer, layer)}.{rest}" for name, (layer, _, rest) in parts.items()}
    other.load_state_dict({names[name]: weights for name, weights in one.state_dict().items()})
    images = torch.randn(2, 3, 32, 32)
    assert torch.equal(one(images), other(images))
    assert space.canonical(architecture(pair[0])) == architecture(pair[1])


def test_layers_are_the_stem_and_those_that_exist() -> None:
    network = get_space("macro").build(architecture("01000200"), n_classes=7, width=0.25)
    assert [layer.name for layer in choose_layers(network, "auto")] == ["stem", "layer1", "layer2", "layer3", "layer6"]
    assert network(torch.randn(2, 3, 32, 32)).shape == (2, 7)


def test_a_block_has_a_shortcut_where_the_shape_stays() -> None:
    network = get_space("macro").build(architecture("11000000"), width=0.25).eval()
    first, second = network.get_submodule("layer1"), network.get_submodule("layer2")
    images = torch.randn(2, 16, 8, 8)
    assert torch.equal(second(images), images + second.get_submodule("layers")(images))
    assert first(torch.randn(2, 8, 8, 8)).shape == (2, 16, 4, 4)


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"width": 0.01}, "width is a factor from 0.03125 to 100, got 0.01"), ({"width": float("nan")}, "width is a")],
)
def test_widths_that_leave_no_channel_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(RSAError, match=words):
        get_space("macro").build(get_space("macro").sample(np.random.default_rng(0)), **settings)


def test_operations_are_known_and_eight() -> None:
    with pytest.raises(RSAError, match="a network has 8 layers, got 3"):
        MacroNetwork([IDENTITY, SMALL, LARGE])
    with pytest.raises(RSAError, match="unknown operation 'mb7x7'; known: identity, mb3x3e3, mb5x5e6"):
        MacroNetwork([IDENTITY] * 7 + ["mb7x7"])
