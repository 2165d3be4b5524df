"""The CIFAR ResNets: published sizes, and what their shortcuts do."""

import pytest
import torch
from tgsage.plugins.networks.resnet import ResNet
from tgsage.rsa import RSAError, record
from torch import nn


@pytest.mark.parametrize(("n", "shortcut", "parameters"), [(3, "A", 269_722), (9, "A", 853_018), (3, "B", 272_474)])
def test_parameters_are_those_of_he_et_al(n: int, shortcut: str, parameters: int) -> None:
    network = ResNet(n, shortcut=shortcut)  # type: ignore[arg-type]
    assert sum(p.numel() for p in network.parameters()) == parameters


def test_n_9_has_54_convolutions_in_its_stacks() -> None:
    network = ResNet(9)
    convolutions = [name for name, module in network.named_modules() if isinstance(module, nn.Conv2d)]
    assert len([name for name in convolutions if name.startswith("L")]) == 54
    assert len(convolutions) + 1 == 56  # with the linear layer: He et al.'s ResNet-56


def test_the_stages_are_the_three_stacks() -> None:
    network = ResNet(1, in_channels=1, n_classes=7).eval()
    with record(network) as activations, torch.no_grad():
        logits = network(torch.randn(2, 1, 16, 12))
    shapes = {name: tuple(out.shape) for name, out in activations.items()}
    assert shapes == {"L1": (2, 16, 16, 12), "L2": (2, 32, 8, 6), "L3": (2, 64, 4, 3)}
    assert logits.shape == (2, 7)


def test_a_padded_shortcut_keeps_every_other_pixel_between_channels_of_zeros() -> None:
    shortcut = ResNet(1).L2[0].shortcut
    images = torch.randn(1, 16, 5, 4)
    out = shortcut(images)  # type: ignore[operator]
    assert torch.equal(out[:, 8:24], images[:, :, ::2, ::2])
    assert not out[:, :8].any()
    assert not out[:, 24:].any()


def test_sizes_that_cannot_be_are_named() -> None:
    with pytest.raises(RSAError, match="n >= 1 blocks per stack and shortcut A or B, got 0 and 'A'"):
        ResNet(0)
