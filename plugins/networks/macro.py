"""The networks of NAS-Bench-Macro (Su et al. 2021, Prioritized architecture sampling with Monte-Carlo tree search)."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from torch import Tensor, nn

from ...rsa import RSAError
from .operations import Conv, check_task
from .structures import Shape

STEM, HEAD = 32, 1280
LAYERS = 8
FIRST = (1, 3, 6)  # of the three stages: these layers halve the size and double the channels
BLOCKS: Mapping[str, tuple[int, int]] = MappingProxyType({"mb3x3e3": (3, 3), "mb5x5e6": (5, 6)})  # kernel, expansion


class MacroNetwork(nn.Module):
    """Stem; eight layers in three stages, each the identity or a MobileNetV2 block; 1x1 convolution; linear.

    An identity where the size halves is a strided 1x1 convolution with BN; elsewhere it is no layer. `stages` names the
    stem and the layers that exist. width: factor of all numbers of channels.

    Raises RSAError unless there are eight known operations and the width leaves at least one channel.
    """

    def __init__(
        self, operations: Sequence[str], *, width: float = 1.0, input_shape: Shape = (3, 32, 32), n_classes: int = 10
    ) -> None:
        check_task(input_shape, n_classes)
        if not 1 / STEM <= width <= 100:
            raise RSAError(f"width is a factor from {1 / STEM:g} to 100, got {width}")
        if len(operations) != LAYERS:
            raise RSAError(f"a network has {LAYERS} layers, got {len(operations)}")
        super().__init__()
        before, head = int(STEM * width), int(HEAD * width)
        modules: dict[str, nn.Module] = {"stem": _conv(input_shape[0], before, 3)}
        for number, operation in enumerate(operations, start=1):
            first = number in FIRST
            after = 2 * before if first else before
            made = _layer(operation, before, after, 2 if first else 1)
            if made is not None:
                modules[f"layer{number}"] = made
            before = after
        self.stages = tuple(modules)
        for name, module in modules.items():
            self.add_module(name, module)
        self.head, self.classifier = _conv(before, head, 1), nn.Linear(head, n_classes)

    def forward(self, images: Tensor) -> Tensor:
        features = images
        for name in self.stages:
            features = self.get_submodule(name)(features)
        logits: Tensor = self.classifier(self.head(features).mean(dim=(2, 3)))
        return logits


class InvertedResidual(nn.Module):
    """1x1 expansion, depthwise convolution, 1x1 projection, each with BN; a shortcut where the shape allows it."""

    def __init__(self, before: int, after: int, kernel: int, expansion: int, stride: int) -> None:
        super().__init__()
        inner = before * expansion
        self.layers = nn.Sequential(
            _conv(before, inner, 1),
            _conv(inner, inner, kernel, stride, groups=inner),
            Conv(inner, after, 1, activation="linear"),
            nn.BatchNorm2d(after),
        )
        self.shortcut = stride == 1 and before == after

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.layers(x)
        return x + features if self.shortcut else features


def _layer(operation: str, before: int, after: int, stride: int) -> nn.Module | None:
    if operation == "identity":
        if stride == 1:
            return None
        return nn.Sequential(Conv(before, after, 1, stride, activation="linear"), nn.BatchNorm2d(after))
    if operation not in BLOCKS:
        raise RSAError(f"unknown operation {operation!r}; known: identity, {', '.join(BLOCKS)}")
    return InvertedResidual(before, after, *BLOCKS[operation], stride)


def _conv(before: int, after: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Convolution, BN, ReLU."""
    return nn.Sequential(Conv(before, after, kernel, stride, groups=groups), nn.BatchNorm2d(after), nn.ReLU())
