"""Convolutional networks whose layers read any of the layers before them (Zoph & Le 2017)."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from .operations import Conv, check_task
from .structures import ConvLayer, Shape, unread_layers


class CNN(nn.Module):
    """Layers `layer1`, `layer2`, ... (the `stages`), global average over the unread ones, linear.

    Inputs of a layer are padded with zeros, evenly on both sides, to the largest of them and concatenated in depth. A
    layer without inputs reads the image. Each layer is a convolution, BN or a bias, then ReLU or nothing.
    """

    def __init__(self, layers: Sequence[ConvLayer], *, input_shape: Shape = (3, 32, 32), n_classes: int = 10) -> None:
        check_task(input_shape, n_classes)
        super().__init__()
        self.inputs = [layer.inputs or (0,) for layer in layers]
        self.stages = tuple(f"layer{j}" for j in range(1, len(layers) + 1))
        self._unread = unread_layers(list(layers))
        last = {source: j for j, sources in enumerate(self.inputs, start=1) for source in sources}
        self._done = [[source for source, reader in last.items() if reader == j] for j in range(1, len(layers) + 1)]
        widths = [input_shape[0]]
        for name, layer, sources in zip(self.stages, layers, self.inputs, strict=True):
            before = sum(widths[source] for source in sources)
            activation: Literal["relu", "linear"] = "relu" if layer.relu else "linear"
            size = (layer.filters, layer.kernel, layer.stride)
            parts: list[nn.Module] = [Conv(before, *size, bias=not layer.norm, activation=activation)]
            parts += [nn.BatchNorm2d(layer.filters)] * layer.norm + [nn.ReLU()] * layer.relu
            self.add_module(name, nn.Sequential(*parts))
            widths.append(layer.filters)
        self.classifier = nn.Linear(sum(widths[j] for j in self._unread), n_classes)

    def forward(self, images: Tensor) -> Tensor:
        outputs = {0: images}
        for j, (name, sources) in enumerate(zip(self.stages, self.inputs, strict=True), start=1):
            outputs[j] = self.get_submodule(name)(concatenate([outputs[source] for source in sources]))
            for source in self._done[j - 1]:
                del outputs[source]  # nobody reads it again
        features = concatenate([outputs[j] for j in self._unread]).mean(dim=(2, 3))
        logits: Tensor = self.classifier(features)
        return logits


def concatenate(inputs: Sequence[Tensor]) -> Tensor:
    """(n, C, H, W) of several sizes, padded with zeros to the largest height and width, in depth."""
    if len(inputs) == 1:
        return inputs[0]
    height, width = max(x.shape[2] for x in inputs), max(x.shape[3] for x in inputs)
    return torch.cat([_padded(x, height, width) for x in inputs], dim=1)


def _padded(x: Tensor, height: int, width: int) -> Tensor:
    down, across = height - x.shape[2], width - x.shape[3]
    if not down and not across:
        return x
    return functional.pad(x, (across // 2, across - across // 2, down // 2, down - down // 2))
