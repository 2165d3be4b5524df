"""The networks of NAS-Bench-201 (Dong & Yang 2020, section 2.1)."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...rsa import RSAError
from .operations import AveragePool3x3, Conv, check_task, relu_conv_norm
from .structures import Shape, live_edges

STAGES = 3
MOST_CELLS = 1000  # per stage
Edge = tuple[int, int]


class NASBench201Network(nn.Module):
    """3x3 convolution and BN; three stages of cells at C, 2C, 4C with a residual block before the later two; linear.

    operations: edge (i, j) -> operation. `stages` names the cells and the two residual blocks.
    Raises RSAError for less than one cell per stage or channel.
    """

    def __init__(
        self,
        operations: Mapping[Edge, str],
        *,
        cells: int,
        channels: int,
        input_shape: Shape = (3, 32, 32),
        n_classes: int = 10,
    ) -> None:
        check_task(input_shape, n_classes)
        if not 1 <= cells <= MOST_CELLS or channels < 1:
            raise RSAError(
                f"at least 1 cell per stage (at most {MOST_CELLS}) and 1 channel are needed, got {cells} and {channels}"
            )
        super().__init__()
        self.stem = nn.Sequential(Conv(input_shape[0], channels, 3), nn.BatchNorm2d(channels))
        modules: dict[str, nn.Module] = {}
        for stage in range(STAGES):
            width = channels * 2**stage
            if stage:
                modules[f"reduction{stage}"] = ResidualReduction(width // 2, width)
            for i in range(1, cells + 1):
                modules[f"cell{stage * cells + i}"] = TabularCell(operations, width)
        self.stages = tuple(modules)
        for name, module in modules.items():
            self.add_module(name, module)
        self.norm, self.classifier = nn.BatchNorm2d(width), nn.Linear(width, n_classes)

    def forward(self, images: Tensor) -> Tensor:
        features = self.stem(images)
        for name in self.stages:
            features = self.get_submodule(name)(features)
        logits: Tensor = self.classifier(functional.relu(self.norm(features)).mean(dim=(2, 3)))
        return logits


class TabularCell(nn.Module):
    """Four nodes; each is the sum of the operations on its incoming edges, without dead edges; nothing is zeros."""

    def __init__(self, operations: Mapping[Edge, str], channels: int) -> None:
        super().__init__()
        self.edges = sorted(live_edges(dict(operations)), key=lambda edge: (edge[1], edge[0]))
        self.operations = nn.ModuleDict({f"{i}-{j}": _operation(operations[i, j], channels) for i, j in self.edges})

    def forward(self, x: Tensor) -> Tensor:
        nodes = {0: x}
        for i, j in self.edges:
            term = self.operations[f"{i}-{j}"](nodes[i])
            nodes[j] = nodes[j] + term if j in nodes else term
        return nodes[3] if 3 in nodes else torch.zeros_like(x)


class ResidualReduction(nn.Module):
    """Half the size, twice the channels: two 3x3 convolutions beside an average pool with a 1x1 convolution."""

    def __init__(self, before: int, width: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(relu_conv_norm(before, width, 3, 2), relu_conv_norm(width, width, 3))
        self.shortcut = nn.Sequential(nn.AvgPool2d(2, 2, ceil_mode=True), Conv(before, width, 1))

    def forward(self, x: Tensor) -> Tensor:
        total: Tensor = self.inner(x) + self.shortcut(x)
        return total


def _operation(name: str, channels: int) -> nn.Module:
    if name == "skip":
        return nn.Identity()
    if name == "avgpool":
        return AveragePool3x3()
    kernels = {"conv1x1": 1, "conv3x3": 3}
    if name not in kernels:
        raise RSAError(f"unknown operation {name!r}; known: none, skip, avgpool, {', '.join(kernels)}")
    return relu_conv_norm(channels, channels, kernels[name])
