"""What a network costs its user: multiply-adds and measured latency; its parameters are in every evaluation."""

import json
import statistics
import time
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import torch

from ...rsa import RSAError
from ...rsa.networks.batchnorm import evaluation_mode
from ..morphisms import layered
from ..morphisms.families import Chains, CNNs, family_of
from ..networks.structures import WORDS
from ..pareto import MEASURED
from ..spaces.nasbench201 import EDGES, NASBench201
from ..spaces.space import Architecture, Space
from .predictors import Size, size_of

if TYPE_CHECKING:
    from torch import nn

    from ..training.placement import Placement

_PASSES, _FIRST = 20, 3  # forward passes that are timed, and those before them that are not


def costs_of(
    model: "nn.Module", names: Sequence[str], shape: tuple[int, int, int], where: "Placement"
) -> dict[str, float]:
    """Count multiply-adds of one image, and time one in milliseconds, the median of 20 passes, on its device.

    Of text it is one context.
    """
    found: dict[str, float] = {}
    for name in names:
        if name == "multiply-adds":
            found[name] = size_of(model, shape).multiply_adds
        elif name == "latency":
            found[name] = 1000 * _seconds(model, shape, where)
        else:
            raise RSAError(f"costs are {' and '.join(MEASURED)}, not {name!r}")
    return found


def _seconds(model: "nn.Module", shape: tuple[int, int, int], where: "Placement") -> float:
    image, times = where.inputs(torch.zeros(1, *shape, device=where.device)), list[float]()
    with evaluation_mode(model), torch.no_grad(), where.autocast():
        for _ in range(_FIRST + _PASSES):
            start = time.perf_counter()
            model(image)
            if where.device.type == "cuda":
                torch.cuda.synchronize(where.device)
            times.append(time.perf_counter() - start)
    return statistics.median(times[_FIRST:])


def planned_size(
    space: Space, architecture: Architecture, shape: tuple[int, int, int], n_classes: int = 10
) -> Size | None:
    """The size of the network of a canonical architecture, built without weights; None where it cannot be built."""
    if space.reads == "text":
        shape = (1, 1, WORDS)
    family = family_of(space)
    if isinstance(family, CNNs):  # building them takes 10 ms
        return Size(*layered.size(family.layers(architecture), shape, n_classes, pooled=isinstance(family, Chains)))
    if isinstance(space, NASBench201):  # the same for every order of its convolutions, so built 28 times in all
        convolutions = sorted(choice for choice in map(str, architecture.values()) if choice.startswith("conv"))
        alike = (*convolutions, *["skip"] * (len(EDGES) - len(convolutions)))
        architecture = dict(zip(architecture, alike, strict=True))
    return _built_size(space, space.key(architecture), shape, n_classes)


@lru_cache(maxsize=100_000)
def _built_size(space: Space, key: str, shape: tuple[int, int, int], n_classes: int) -> Size | None:
    try:
        with torch.device("meta"):
            model = space.build(json.loads(key), input_shape=shape, n_classes=n_classes)
        return size_of(model, shape)
    except (RSAError, NotImplementedError):
        return None
