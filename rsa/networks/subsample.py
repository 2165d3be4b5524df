"""Which features of a layer are kept: all, or a random part that depends on the seed and the layer's name alone."""

import hashlib
import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import RSAError
from ..types import Array
from .layers import Layer


class Subsample:
    """A layer's output (batch, ...) to (batch, k) float32 features on the CPU in logical order, and of how many."""

    def __init__(self, n_features: int | None, seed: int) -> None:
        self.n_features, self.seed = n_features, seed
        self._index: dict[tuple[Any, ...], tuple[Tensor, Tensor]] = {}

    def __call__(self, layer: Layer, output: Tensor) -> tuple[Tensor, int]:
        if output.ndim == 0:
            raise RSAError(f"layer {layer.name} returns a single number, not a row for every image")
        if output.is_complex():
            raise RSAError(f"layer {layer.name} returns complex numbers")
        if output.is_nested or output.layout != torch.strided:
            kind = "nested" if output.is_nested else "sparse"
            raise RSAError(
                f"layer {layer.name} returns a {kind} tensor; a dense one with a row for every image is needed"
            )
        output, total = output.detach(), math.prod(output.shape[1:])
        if output.is_quantized:
            output = output.dequantize()
        if self.n_features is None or total <= self.n_features:
            return output.reshape(len(output), total).to("cpu", torch.float32, copy=True), total
        # read in memory order, ascending: no tensor is rearranged (channels_last) for a few of its values
        strides = output.stride()
        order = sorted(range(1, output.ndim), key=lambda dim: strides[dim], reverse=True)
        stored = output.permute(0, *order)
        if not stored.is_contiguous():
            order, stored = list(range(1, output.ndim)), output
        key = (layer.path, layer.item, tuple(output.shape[1:]), tuple(order), output.device)
        if key not in self._index:
            drawn = draw_features(total, self.n_features, self.seed, layer.path)
            places = np.unravel_index(drawn, output.shape[1:])
            sizes = [output.shape[dim] for dim in order]
            inside = np.ravel_multi_index([places[dim - 1] for dim in order], sizes)
            ascending = np.argsort(inside)
            self._index[key] = (
                torch.as_tensor(inside[ascending], device=output.device),
                torch.as_tensor(np.argsort(ascending)),
            )
        index, back = self._index[key]
        features = _columns(stored.reshape(len(output), total), index).to("cpu", torch.float32)
        return _columns(features, back) if order != sorted(order) else features, total


def _columns(rows: Tensor, index: Tensor) -> Tensor:
    """rows[:, index], at a third of its time on the CPU."""
    return rows.gather(1, index.expand(len(rows), -1))


def draw_features(total: int, n_features: int, seed: int, name: str) -> Array:
    """Indices of `n_features` of `total` features, ascending, drawn by (seed, layer name)."""
    word = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    return np.sort(np.random.default_rng([seed, word]).choice(total, n_features, replace=False))
