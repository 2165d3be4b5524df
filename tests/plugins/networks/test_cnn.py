"""The CNN space and its networks, against the rules written out as plain loops."""

from typing import Any

import numpy as np
import pytest
import torch
from tgsage.plugins.networks.cnn import CNN, concatenate
from tgsage.plugins.networks.structures import ConvLayer
from tgsage.plugins.spaces import CNNSpace, get_space
from tgsage.rsa.networks.layers import choose_layers
from torch import Tensor, nn
from torch.nn import functional


def plain(filters: int = 4, inputs: tuple[int, ...] = (), **changes: Any) -> ConvLayer:
    chosen = {"kernel": (3, 3), "stride": 1, "relu": True, "norm": False, **changes}
    return ConvLayer(filters=filters, inputs=inputs, **chosen)


@pytest.mark.parametrize(("layers", "dimensions"), [(1, 7), (10, 115), (20, 330)])
def test_the_paper_s_spaces_have_115_and_330_dimensions(layers: int, dimensions: int) -> None:
    assert len(CNNSpace(layers).dimensions) == dimensions


def test_connections_know_their_ends_and_layer_1_has_none() -> None:
    ends = [(d.source, d.target) for d in CNNSpace(4).dimensions if d.kind == "connection"]
    assert ends == [(i, j) for j in (2, 3, 4) for i in range(j)]
    assert all(d.choices == (0, 1) and d.step == d.target for d in CNNSpace(4).dimensions if d.kind == "connection")


def test_a_layer_without_inputs_is_one_that_reads_the_image() -> None:
    space = CNNSpace(3)
    empty = {
        **space.complete({"n_layers": 3}),
        "layer3/from_image": 0,
        "layer3/from_layer1": 0,
        "layer3/from_layer2": 0,
    }
    assert space.canonical(empty) == {**empty, "layer3/from_image": 1}
    assert space.canonical({**empty, "layer3/from_layer1": 1})["layer3/from_image"] == 0


def expected(network: CNN, layers: list[ConvLayer], images: Tensor) -> Tensor:
    """The network's output by the rules: every layer computed and kept, everything padded by hand."""
    outputs, read = [images], set()
    for j, layer in enumerate(layers, start=1):
        inputs = layer.inputs or (0,)
        read |= set(inputs)
        sequence = network.get_submodule(f"layer{j}")
        assert isinstance(sequence, nn.Sequential)
        x = sequence(stacked([outputs[i] for i in inputs]))
        height, width = max(outputs[i].shape[2] for i in inputs), max(outputs[i].shape[3] for i in inputs)
        assert x.shape[2:] == (-(-height // layer.stride), -(-width // layer.stride))
        assert x.shape[1] == layer.filters
        assert (x.min() >= 0) == layer.relu
        outputs.append(x)
    unread = stacked([outputs[j] for j in range(1, len(layers) + 1) if j not in read])
    logits: Tensor = network.classifier(unread.sum(dim=(2, 3)) / (unread.shape[2] * unread.shape[3]))
    return logits


def stacked(parts: list[Tensor]) -> Tensor:
    height, width = max(p.shape[2] for p in parts), max(p.shape[3] for p in parts)
    canvas = torch.zeros(parts[0].shape[0], sum(p.shape[1] for p in parts), height, width)
    start = 0
    for p in parts:
        top, left = (height - p.shape[2]) // 2, (width - p.shape[3]) // 2
        canvas[:, start : start + p.shape[1], top : top + p.shape[2], left : left + p.shape[3]] = p
        start += p.shape[1]
    return canvas


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("size", [(9, 14), (8, 8), (1, 1)])
def test_networks_follow_the_rules(seed: int, size: tuple[int, int]) -> None:
    space = CNNSpace(6)
    layers = space.layers(space.complete({"n_layers": 6}, np.random.default_rng(seed)))
    torch.manual_seed(seed)
    network = CNN(layers, input_shape=(2, *size), n_classes=5).eval()
    images = torch.randn(3, 2, *size)
    torch.testing.assert_close(network(images), expected(network, layers, images))


def test_unread_outputs_of_all_sizes_reach_the_classifier() -> None:
    layers = [plain(4), plain(5, (0,), stride=2), plain(6, (0,), stride=2)]
    network = CNN(layers, input_shape=(3, 8, 8), n_classes=2)
    assert network.classifier.in_features == 15
    network(torch.randn(2, 3, 8, 8)).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


def test_smaller_inputs_are_padded_evenly() -> None:
    small, large = torch.ones(1, 1, 2, 1), torch.full((1, 1, 5, 4), 2.0)
    both = concatenate([small, large])
    assert both.shape == (1, 2, 5, 4)
    assert torch.equal(both[:, 1:], large)
    assert both[0, 0].sum() == 2
    assert torch.equal(both[0, 0, 1:3, 1], torch.ones(2))


def test_kernels_are_height_by_width_and_biases_stand_where_no_bn_is() -> None:
    space = CNNSpace(2)
    chosen: dict[str, Any] = {"n_layers": 2, "layer1/kernel_height": 7, "layer1/kernel_width": 3}
    architecture = space.complete({**chosen, "layer2/normalisation": "BN"})
    network = space.build(architecture)
    assert space.describe(architecture).startswith("layer1: 32 filters 7x3, stride 1; reads image")
    shapes = {name: tuple(parameter.shape) for name, parameter in network.named_parameters()}
    assert shapes["layer1.0.weight"] == (32, 3, 7, 3)
    assert shapes["layer1.0.bias"] == (32,)
    assert "layer2.0.bias" not in shapes
    assert shapes["layer2.1.weight"] == (32,)


@pytest.mark.parametrize("seed", range(8))
def test_the_canonical_form_is_the_same_network(seed: int) -> None:
    space = CNNSpace(5)
    rng = np.random.default_rng(seed)
    written = {
        **space.complete({"n_layers": 5}, rng),
        **{f"layer4/from_{s}": 0 for s in ("image", "layer1", "layer2", "layer3")},
    }
    assert space.canonical(written) != written
    torch.manual_seed(1)
    first = CNN(space.layers(written), input_shape=(3, 8, 8)).eval()
    torch.manual_seed(2)
    second = space.build(written, input_shape=(3, 8, 8)).eval()
    images = torch.randn(2, 3, 8, 8)
    assert not torch.equal(first(images), second(images))
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(images), second(images))


def test_layers_are_the_stages() -> None:
    space = get_space("cnn10")
    network = space.build(space.complete({"n_layers": 4}, np.random.default_rng(0)))
    assert [layer.name for layer in choose_layers(network, "auto")] == ["layer1", "layer2", "layer3", "layer4"]


def test_weights_depend_on_torch_s_seed_alone() -> None:
    space = get_space("cnn10")
    architecture = space.complete({"n_layers": 10}, np.random.default_rng(5))
    states = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        states.append(space.build(architecture).state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not torch.equal(states[0]["layer1.0.weight"], states[2]["layer1.0.weight"])


@pytest.mark.parametrize("relu", [True, False])
def test_he_weights_keep_the_size_of_activations(relu: bool) -> None:
    layers = [plain(128, (j,), relu=relu) for j in range(12)]
    torch.manual_seed(0)
    network = CNN(layers, input_shape=(64, 12, 12))
    x = torch.randn(4, 64, 12, 12)
    with torch.no_grad():
        for j in range(1, 13):
            x = network.get_submodule(f"layer{j}")(x)
    assert 0.1 < float(x[:, :, 5:7, 5:7].square().mean()) < 4  # borders see padding, so a little is lost per layer


def test_memory_format_changes_nothing() -> None:
    space = CNNSpace(6)
    torch.manual_seed(3)
    network = space.build(space.complete({"n_layers": 6}, np.random.default_rng(8)), input_shape=(3, 12, 12)).eval()
    images = torch.randn(4, 3, 12, 12)
    plain_output = network(images)
    network = network.to(memory_format=torch.channels_last)
    output = network(images.to(memory_format=torch.channels_last))
    torch.testing.assert_close(output, plain_output, rtol=1e-3, atol=1e-4)


def test_a_convolution_pads_to_the_same_size() -> None:
    torch.manual_seed(0)
    network = CNN([plain(1, kernel=(1, 5), relu=False)], input_shape=(1, 3, 6))
    weight, bias = network.get_parameter("layer1.0.weight"), network.get_parameter("layer1.0.bias")
    images = torch.randn(1, 1, 3, 6)
    by_hand = torch.zeros(3, 6)
    padded = functional.pad(images[0, 0], (2, 2))
    for row in range(3):
        for column in range(6):
            by_hand[row, column] = (padded[row, column : column + 5] * weight[0, 0, 0]).sum() + bias[0]
    torch.testing.assert_close(network.get_submodule("layer1")(images)[0, 0], by_hand)
