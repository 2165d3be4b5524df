"""The residual networks for CIFAR of He et al. 2016, among them the paper's first teacher."""

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

from ...rsa import RSAError

WIDTHS = (16, 32, 64)


class ResNet(nn.Module):
    """6n + 2 layers: a 3x3 convolution, three stacks `L1`, `L2`, `L3` of n blocks of two, global average, linear.

    n: blocks per stack. n = 9 is He et al.'s ResNet-56, of whose 56 layers 54 are the convolutions of the stacks: the
      "54 convolutional layers (n = 9)" of the teacher (Bashivan et al. 2019). n = 3 is ResNet-20.
    shortcut: where a stack halves the image and doubles the channels, "A" takes every other pixel and pads channels
      with zeros (no parameters: He et al.'s choice for CIFAR, the default), "B" is a 1x1 convolution with BN.

    Weights are He-normal as in the publication. `stages` names the outputs that serve as layers and targets.
    Source: He, Zhang, Ren & Sun 2016, Deep residual learning for image recognition, CVPR, section 4.2.
    Raises RSAError for n below 1 and another shortcut.
    """

    stages = ("L1", "L2", "L3")

    def __init__(
        self, n: int = 9, *, in_channels: int = 3, n_classes: int = 10, shortcut: Literal["A", "B"] = "A"
    ) -> None:
        if n < 1 or shortcut not in ("A", "B"):
            raise RSAError(f"a ResNet has n >= 1 blocks per stack and shortcut A or B, got {n} and {shortcut!r}")
        super().__init__()
        self.stem = nn.Sequential(_conv(in_channels, WIDTHS[0], 3), nn.BatchNorm2d(WIDTHS[0]), nn.ReLU())
        self.L1 = _stack(n, WIDTHS[0], WIDTHS[0], shortcut)
        self.L2 = _stack(n, WIDTHS[0], WIDTHS[1], shortcut)
        self.L3 = _stack(n, WIDTHS[1], WIDTHS[2], shortcut)
        self.classifier = nn.Linear(WIDTHS[2], n_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.L3(self.L2(self.L1(self.stem(images))))
        logits: Tensor = self.classifier(features.mean(dim=(2, 3)))
        return logits


class Block(nn.Module):
    """Two 3x3 convolutions with BN around a shortcut, ReLU after the sum."""

    def __init__(self, before: int, width: int, shortcut: str) -> None:
        super().__init__()
        stride = 1 if before == width else 2
        self.conv1, self.norm1 = _conv(before, width, 3, stride), nn.BatchNorm2d(width)
        self.conv2, self.norm2 = _conv(width, width, 3), nn.BatchNorm2d(width)
        self.shortcut: nn.Module = nn.Identity()
        if before != width:
            projection = nn.Sequential(_conv(before, width, 1, stride), nn.BatchNorm2d(width))
            self.shortcut = projection if shortcut == "B" else _Padded(width - before)

    def forward(self, images: Tensor) -> Tensor:
        inner = functional.relu(self.norm1(self.conv1(images)))
        return functional.relu(self.norm2(self.conv2(inner)) + self.shortcut(images))


class _Padded(nn.Module):
    """Every other pixel, with channels of zeros, half before and half after."""

    def __init__(self, more: int) -> None:
        super().__init__()
        self.more = more

    def forward(self, images: Tensor) -> Tensor:
        half = self.more // 2
        return functional.pad(images[:, :, ::2, ::2], (0, 0, 0, 0, half, self.more - half))


def _conv(before: int, width: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(before, width, kernel, stride, padding=kernel // 2, bias=False)


def _stack(n: int, before: int, width: int, shortcut: str) -> nn.Sequential:
    return nn.Sequential(*(Block(before if i == 0 else width, width, shortcut) for i in range(n)))
