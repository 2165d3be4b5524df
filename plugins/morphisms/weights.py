"""Weights of a child from those of its parent: copied, cropped or padded, zero where it must add nothing, identity."""

import math
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from ..networks.structures import Cell, ConvLayer, unread_layers
from .cells import ZERO, Edge
from .layered import IMAGE, Lineage, carrier

Weights: TypeAlias = Mapping[str, Tensor]  # a state dict
_EPS = 1e-5  # of batch normalisation
_NORM = ("weight", "bias", "running_mean", "running_var")


def fitted(old: Tensor, new: Tensor) -> Tensor:
    """Weights in the shape of new ones: their first channels; kernels centred, in zeros or cropped.

    Output channels beyond the old ones stay the new ones', input channels beyond them are 0.
    """
    if old.shape == new.shape:
        return old.clone()
    found = new.clone()
    rows = min(len(old), len(new))
    found[:rows] = 0
    if old.ndim == 1:
        found[:rows] = old[:rows]
        return found
    columns = min(old.shape[1], new.shape[1])
    into, out_of = [slice(rows), slice(columns)], [slice(rows), slice(columns)]
    for was, now in zip(old.shape[2:], new.shape[2:], strict=True):
        side = min(was, now)
        into.append(slice((now - side) // 2, (now - side) // 2 + side))
        out_of.append(slice((was - side) // 2, (was - side) // 2 + side))
    found[tuple(into)] = old[tuple(out_of)]
    return found


def joined(old: Tensor, new: Tensor, parts: Sequence[tuple[int, int, int, int]]) -> Tensor:
    """Weights whose input channels are put together anew. parts: (first old, how many, first new, how many)."""
    rows = min(len(old), len(new))
    found = new.clone()
    found[:rows] = 0
    for start, width, place, room in parts:
        part = fitted(old[:rows, start : start + width], new[:rows, place : place + room])
        found[:rows, place : place + room] = part
    return found


def layered_weights(
    parent: Sequence[ConvLayer],
    child: Sequence[ConvLayer],
    origin: Lineage,
    weights: Weights,
    fresh: Weights,
    *,
    channels: int,
    classifier: str,
) -> dict[str, Tensor]:
    """The child's weights, of networks whose `layerJ.0` is a convolution, `layerJ.1` its BN if it has one.

    channels: of the image; classifier: name of the linear layer, which reads the layers that no other one does.
    """
    found = dict(fresh)
    old_widths = [channels, *(layer.filters for layer in parent)]
    widths = [channels, *(layer.filters for layer in child)]

    def columns(sources: Sequence[int], old_sources: Sequence[int]) -> list[tuple[int, int, int, int]]:
        places = dict(zip(sources, _starts([widths[s] for s in sources]), strict=True))
        parts = []
        for old, start in zip(old_sources, _starts([old_widths[s] for s in old_sources]), strict=True):
            source = carrier(sources, origin.carries, old)
            if source is not None:
                parts.append((start, old_widths[old], places[source], widths[source]))
        return parts

    for j, (layer, copy) in enumerate(zip(child, origin.copies, strict=True), start=1):
        name = f"layer{j}"
        if copy is not None:
            old, was = parent[copy - 1], f"layer{copy}"
            parts = columns(layer.inputs or (IMAGE,), old.inputs or (IMAGE,))
            found[f"{name}.0.weight"] = joined(weights[f"{was}.0.weight"], fresh[f"{name}.0.weight"], parts)
            for key in [key for key in fresh if key.startswith(name + ".") and key != f"{name}.0.weight"]:
                before = was + key.removeprefix(name)
                found[key] = fitted(weights[before], fresh[key]) if before in weights else fresh[key]
        elif origin.carries[j] is not None:
            _make_identity(found, j, child, origin.copies.index(origin.carries[j]) + 1)
    parts = columns(unread_layers(list(child)), unread_layers(list(parent)))
    found[f"{classifier}.weight"] = joined(weights[f"{classifier}.weight"], fresh[f"{classifier}.weight"], parts)
    found[f"{classifier}.bias"] = weights[f"{classifier}.bias"].clone()
    return found


def _make_identity(found: dict[str, Tensor], j: int, child: Sequence[ConvLayer], source: int) -> None:
    """Let layer j hand on its only input, which repeats layer `source`.

    Its BN expects what the source's BN, and ReLU, make of normal inputs.
    """
    layer, origin, name = child[j - 1], child[source - 1], f"layer{j}"
    n = min(layer.filters, origin.filters, child[layer.inputs[0] - 1].filters)
    kernel = found[f"{name}.0.weight"].clone()
    kernel[:n] = 0
    kernel[range(n), range(n), kernel.shape[2] // 2, kernel.shape[3] // 2] = 1
    found[f"{name}.0.weight"] = kernel
    if not layer.norm:
        bias = found[f"{name}.0.bias"].clone()
        bias[:n] = 0
        found[f"{name}.0.bias"] = bias
        return
    scale, shift = found[f"layer{source}.1.weight"][:n], found[f"layer{source}.1.bias"][:n]
    mean, variance = rectified(shift, scale.abs()) if origin.relu else (shift, scale**2)
    for key, value in zip(_NORM, ((variance + _EPS).sqrt(), mean, mean, variance), strict=True):
        whole = found[f"{name}.1.{key}"].clone()
        whole[:n] = value
        found[f"{name}.1.{key}"] = whole


def rectified(mean: Tensor, deviation: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of ReLU(x) of a normal x."""
    s = deviation.clamp(min=1e-6)
    z = mean / s
    above, density = torch.special.ndtr(z), torch.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    first = mean * above + s * density
    second = (mean**2 + s**2) * above + mean * s * density
    return first, (second - first**2).clamp(min=0)


def edge_weights(sources: Mapping[Edge, Edge | str], weights: Weights, fresh: Weights) -> dict[str, Tensor]:
    """The child's weights, of networks whose `cellN.operations.I-J` is the operation of an edge."""
    found = same_shapes(weights, fresh)
    for key in fresh:
        cell, inside, rest = key.partition(".operations.")
        if not inside:
            continue
        name, _, part = rest.partition(".")
        i, _, j = name.partition("-")
        source = sources[int(i), int(j)]
        if isinstance(source, str):
            silent = source == ZERO and part in ("2.weight", "2.bias")
            found[key] = torch.zeros_like(fresh[key]) if silent else fresh[key]
        else:
            before = f"{cell}.operations.{source[0]}-{source[1]}.{part}"
            found[key] = fitted(weights[before], fresh[key]) if before in weights else fresh[key]
    return found


def cell_weights(
    parent: Cell, child: Cell, operands: Sequence[tuple[int, int]], weights: Weights, fresh: Weights
) -> dict[str, Tensor]:
    """The child's weights, of networks of cells of blocks; `operands` as `operand_sources` has them."""
    found = {}
    for key, new in fresh.items():
        cell, inside, rest = key.partition(".blocks.")
        before = key
        if inside:
            number, side, part = rest.split(".", 2)
            before = f"{cell}.blocks.{number}.{'ab'[operands[int(number)]['ab'.index(side)]]}.{part}"
        if before not in weights:
            found[key] = new
            continue
        old = weights[before]
        width = old.shape[1] // len(parent.output) if old.ndim > 1 else 0
        widened = old.ndim > 1 and len(parent.output) * width == old.shape[1] != new.shape[1]
        if widened and new.shape[1] == width * len(child.output):
            places = [(i * width, width, child.output.index(s) * width, width) for i, s in enumerate(parent.output)]
            found[key] = joined(old, new, places)
        else:
            found[key] = fitted(old, new)
    return found


def _starts(widths: Sequence[int]) -> list[int]:
    return [sum(widths[:i]) for i in range(len(widths))]


def same_shapes(old: Weights, fresh: Weights) -> dict[str, Tensor]:
    """The old weights of the same name and shape, else the new ones."""
    kept = {key: old[key] for key, new in fresh.items() if key in old and old[key].shape == new.shape}
    return {key: kept[key].clone() if key in kept else new for key, new in fresh.items()}


def residual_weights(new: Sequence[str], old: Weights, fresh: Weights) -> dict[str, Tensor]:
    """The child's weights, of networks whose `layerN.layers` is a branch beside a shortcut; new ones add nothing."""
    found = {key: fitted(old[key], value) if key in old else value for key, value in fresh.items()}
    silent = [f"{name}.layers.3.{key}" for name in new for key in ("weight", "bias")]  # the last BN
    return found | {key: torch.zeros_like(fresh[key]) for key in silent if key in fresh}
