"""The operations of cells and layers: convolutions, pools and the modules that match sizes and channels.

Every operation pads so that its output has ceil(size / stride) pixels ("same"), at any size down to 1 x 1. Weights are
He-normal by the number of inputs (He et al. 2015, Delving deep into rectifiers, ICCV), from torch's generator.
"""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...rsa import RSAError
from .structures import Shape


class Conv(nn.Conv2d):
    """A convolution with He-normal weights, scaled for the activation that follows; same padding, or none.

    kernel: its side, or (height, width), odd where padded. The bias, where there is one, starts at 0. On
    CPUs groups are computed in the weights' precision, also under autocast: torch is many times slower at the gradients
    of depthwise bfloat16 convolutions there.
    """

    def __init__(
        self,
        before: int,
        width: int,
        kernel: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        *,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = False,
        padded: bool = True,
        activation: Literal["relu", "linear"] = "relu",
    ) -> None:
        height, across = (kernel, kernel) if isinstance(kernel, int) else kernel
        padding = (dilation * (height // 2), dilation * (across // 2)) if padded else 0
        self.activation: Literal["relu", "linear"] = activation
        super().__init__(before, width, (height, across), stride, padding, dilation, groups, bias)

    def forward(self, input: Tensor) -> Tensor:
        if self.groups == 1 or input.device.type != "cpu":
            return super().forward(input)
        with torch.autocast("cpu", enabled=False):
            return super().forward(input.to(self.weight.dtype))

    def reset_parameters(self) -> None:
        if self.weight.is_meta:
            return  # shapes only; drawing nothing takes longer than drawing
        nn.init.kaiming_normal_(self.weight, nonlinearity=self.activation)
        if self.bias is not None:
            nn.init.zeros_(self.bias)


class AveragePool3x3(nn.Module):
    """3x3 average over the pixels that exist; on CPUs a depthwise convolution, which is several times as fast there."""

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type != "cpu":
            return functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
        ones = x.new_ones(x.shape[1], 1, 3, 3)
        # of all channels, in the order of x: division by one that is broadcast takes ten times as long in bfloat16
        pixels = functional.conv2d(torch.ones_like(x[:1]), ones, padding=1, groups=x.shape[1])
        return functional.conv2d(x, ones, padding=1, groups=x.shape[1]) / pixels


def relu_conv_norm(before: int, width: int, kernel: int = 1, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    """ReLU, convolution, BN."""
    return nn.Sequential(nn.ReLU(), Conv(before, width, kernel, stride, dilation=dilation), nn.BatchNorm2d(width))


class FactorisedReduction(nn.Module):
    """Half the size without losing pixels: two stride-2 1x1 paths, the second shifted by one pixel, then one BN."""

    def __init__(self, before: int, width: int) -> None:
        super().__init__()
        self.path1, self.path2 = Conv(before, width // 2, 1, 2), Conv(before, width - width // 2, 1, 2)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        shifted = functional.pad(x, (-1, 1, -1, 1))
        normed: Tensor = self.norm(torch.cat([self.path1(x), self.path2(shifted)], dim=1))
        return normed


def match(before: int, width: int, stride: int) -> nn.Module:
    """A state made fit for concatenation, without ReLU: factorised where strided, 1x1 + BN where channels differ."""
    if stride == 2:
        return FactorisedReduction(before, width)
    if before != width:
        return nn.Sequential(Conv(before, width, 1), nn.BatchNorm2d(width))
    return nn.Identity()


def _identity(before: int, width: int, stride: int) -> nn.Module:
    return nn.Identity() if stride == 1 and before == width else relu_conv_norm(before, width, 1, stride)


def _pool(kind: Literal["average", "max"], kernel: int) -> "Operation":
    def build(before: int, width: int, stride: int) -> nn.Module:
        pool = (
            nn.AvgPool2d(kernel, stride, kernel // 2, count_include_pad=False)
            if kind == "average"
            else nn.MaxPool2d(kernel, stride, kernel // 2)
        )
        return pool if before == width else nn.Sequential(pool, Conv(before, width, 1), nn.BatchNorm2d(width))

    return build


def _conv(kernel: int, dilation: int = 1) -> "Operation":
    return lambda before, width, stride: relu_conv_norm(before, width, kernel, stride, dilation)


def _crossed(length: int) -> "Operation":
    """(ReLU, convolution, BN) of 1 x length, then of length x 1."""

    def build(before: int, width: int, stride: int) -> nn.Module:
        across, down = Conv(before, width, (1, length), (1, stride)), Conv(width, width, (length, 1), (stride, 1))
        return nn.Sequential(nn.ReLU(), across, nn.BatchNorm2d(width), nn.ReLU(), down, nn.BatchNorm2d(width))

    return build


def _bottleneck(before: int, width: int, stride: int) -> nn.Module:
    """1x7-7x1 on a quarter of the filters, between two 1x1 convolutions."""
    inner = max(1, width // 4)
    return nn.Sequential(relu_conv_norm(before, inner), _crossed(7)(inner, inner, stride), relu_conv_norm(inner, width))


def _separable(kernel: int) -> "Operation":
    """(ReLU, depthwise, pointwise, BN) twice, the stride in the first."""

    def build(before: int, width: int, stride: int) -> nn.Module:
        parts: list[nn.Module] = []
        for channels, step in ((before, stride), (width, 1)):
            depthwise = Conv(channels, channels, kernel, step, groups=channels)
            parts += [nn.ReLU(), depthwise, Conv(channels, width, 1), nn.BatchNorm2d(width)]
        return nn.Sequential(*parts)

    return build


Operation = Callable[[int, int, int], nn.Module]  # of channels before, filters, stride

OPERATIONS: dict[str, Operation] = {
    "identity": _identity,
    "avgpool3x3": _pool("average", 3),
    "maxpool3x3": _pool("max", 3),
    "dilated3x3": _conv(3, dilation=2),
    "conv1x7-7x1": _crossed(7),
    "separable3x3": _separable(3),
    "separable5x5": _separable(5),
    "separable7x7": _separable(7),
    "conv1x1": _conv(1),
    "conv3x3": _conv(3),
    "conv1x3-3x1": _crossed(3),
    "bottleneck1x7-7x1": _bottleneck,
    "maxpool5x5": _pool("max", 5),
    "maxpool7x7": _pool("max", 7),
}


def drop_path(x: Tensor, probability: float) -> Tensor:
    """Whole examples of a batch (n, C, H, W) zeroed at random, the others scaled so that the mean stays."""
    keep = torch.rand(x.shape[0], 1, 1, 1, device=x.device) >= probability
    return x * keep / (1 - probability)


def check_task(input_shape: Shape, n_classes: int) -> None:
    """Raises RSAError unless these are (channels, height, width) and a number of classes, all of 1 or more."""
    if len(input_shape) != 3 or min(input_shape) < 1:
        raise RSAError(f"input_shape is (channels, height, width), each at least 1, not {tuple(input_shape)}")
    if n_classes < 1:
        raise RSAError(f"n_classes is at least 1, not {n_classes}")
