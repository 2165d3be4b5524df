"""Activations of any torch module, layer by layer, and the RDMs of its layers.

Mode, device, gradients and hooks of the model are restored afterwards, also after an exception.
"""

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from .blocks import Blocks, GroupSums
from .distances import METRICS, compute_rdm
from .errors import RSAError, listing, reason
from .layers import Layer, choose_layers
from .models import Preprocess
from .rdm import RDM, Array, Attr
from .recorder import listening
from .stimuli import Images, Stimuli, as_stimuli

Progress: TypeAlias = Callable[[int], object]

LAYER_METRICS = tuple(metric for metric in METRICS if metric not in ("mahalanobis", "crossnobis"))
MEMORY_BUDGET = 2**29  # bytes of features held in memory by `layer_rdms`; beyond it they wait in a temporary file


def extract(
    model: nn.Module,
    stimuli: Images,
    layers: str | Iterable[str] = "auto",
    *,
    preprocess: Preprocess | None = None,
    n_features: int | None = None,
    seed: int = 0,
    batch_size: int = 64,
    device: str | torch.device | None = None,
    progress: Progress | None = None,
) -> dict[str, Array]:
    """Features of every layer: name -> (n_stimuli, n_features) float32, rows in the order of the stimuli.

    stimuli: Stimuli, a tensor (n, C, H, W), or a list of images. layers: see `choose_layers`.
    preprocess: image -> tensor (C, H, W); without it PIL images become RGB in [0, 1] and tensors stay as they are.
    n_features: of layers with more, this many drawn without replacement by (seed, layer name), in ascending order, so
      they do not depend on the batch size or on the other layers; None = all.
    device: where to run (the model comes back afterwards); default: where the model is.
    progress: called with the number of images of every batch done.

    The model runs in evaluation mode without gradients, in its own precision. Raises RSAError for no stimuli, an
    image that cannot be read, a model that fails on a batch, an unknown layer, or one asked for by name that never ran.
    """
    shown = as_stimuli(stimuli)
    blocks = Blocks(len(shown), budget=None)
    for start, batch in _passes(model, shown, layers, preprocess, n_features, seed, batch_size, device, progress):
        blocks.add(start, {name: features for name, (features, _) in batch.items()})
    return {name: blocks.take(name) for name in blocks.names}


def layer_rdms(
    model: nn.Module,
    stimuli: Images,
    layers: str | Iterable[str] = "auto",
    *,
    by: str = "stimulus",
    preprocess: Preprocess | None = None,
    metric: str = "correlation",
    n_features: int | None = None,
    seed: int = 0,
    batch_size: int = 64,
    device: str | torch.device | None = None,
    progress: Progress | None = None,
) -> dict[str, RDM]:
    """The RDM of every layer, by stimulus or by the groups of a column of the stimuli's table.

    Arguments as in `extract`; metric as in `compute_rdm` (those that need neither folds nor precision). By group only
    running sums are kept. By stimulus, features beyond 512 MB wait in a temporary file and are read back layer by
    layer. Every RDM's attrs state the number of features used, of how many, and the seed.

    Raises RSAError as `extract` does, for an unknown column, and naming layer and stimulus of a row without variance.
    """
    if metric not in LAYER_METRICS:
        raise RSAError(f"the RDMs of layers are made by {', '.join(LAYER_METRICS)}, not {metric!r}")
    shown = as_stimuli(stimuli)
    groups = shown.column(by)
    grouped = by != "stimulus"
    store = GroupSums(groups) if grouped else Blocks(len(shown), budget=MEMORY_BUDGET)
    totals: dict[str, int] = {}
    for start, batch in _passes(model, shown, layers, preprocess, n_features, seed, batch_size, device, progress):
        store.add(start, {name: features for name, (features, _) in batch.items()})
        totals |= {name: total for name, (_, total) in batch.items()}
    labels = tuple(dict.fromkeys(groups))
    descriptors = shown.descriptors(by)
    rdms = {}
    for name in store.names:
        features = store.take(name)
        attrs: dict[str, Attr] = {"n_features": features.shape[1], "of_features": totals[name], "seed": seed}
        attrs["metric"] = metric
        try:
            rdms[name] = compute_rdm(
                features, metric=metric, labels=labels, by=by, name=name, descriptors=descriptors, attrs=attrs,
                overwrite=True,
            )  # fmt: skip
        except RSAError as error:
            raise RSAError(f"layer {name}: {error}") from error
    return rdms


def _passes(
    model: nn.Module,
    stimuli: Stimuli,
    layers: str | Iterable[str],
    preprocess: Preprocess | None,
    n_features: int | None,
    seed: int,
    batch_size: int,
    device: str | torch.device | None,
    progress: Progress | None,
) -> Iterator[tuple[int, dict[str, tuple[Array, int]]]]:
    """For every batch its first index and layer -> (features, how many the layer has), in the order of the layers."""
    if len(stimuli) == 0:
        raise RSAError("there are no stimuli to show")
    if seed < 0:
        raise RSAError(f"a seed is a whole number from 0, got {seed}")
    if batch_size < 1 or (n_features is not None and n_features < 1):
        raise RSAError(f"batch_size and n_features must be at least 1, got {batch_size} and {n_features}")
    chosen = choose_layers(model, layers)
    sample = _Subsample(n_features, seed)
    names: list[str] | None = None
    with _evaluating(model, device) as (target, dtype), listening(model, chosen, sample) as activations:
        for start, images in _batches(stimuli, preprocess, batch_size):
            batch = images.to(target, dtype if images.is_floating_point() else None)
            try:
                model(batch)
            except RSAError:
                raise
            except Exception as error:
                shape = tuple(images.shape[1:])
                raise RSAError(f"the model fails on images of shape {shape}: {reason(error)}") from error
            if activations.silent():
                raise RSAError(f"layer {activations.silent()[0]!r} never runs in the model's forward pass")
            if not activations:
                raise RSAError(f"none of the {len(chosen)} layers ran in the model's forward pass")
            if names is not None and list(activations) != names:
                raise RSAError(f"layers ran in one batch but not in another: {listing(set(names) ^ set(activations))}")
            names = list(activations)
            for name, (features, _) in activations.items():
                if len(features) != len(images):
                    rows = f"{len(features)} rows for {len(images)} images"
                    raise RSAError(f"layer {name}: its output has {rows}; batch must come first")
            yield start, {name: (features.numpy(), total) for name, (features, total) in activations.items()}
            if progress is not None:
                progress(len(images))


class _Subsample:
    """A layer's output (batch, ...) to (batch, k) float32 features on the CPU in logical order, and of how many."""

    def __init__(self, n_features: int | None, seed: int) -> None:
        self.n_features, self.seed = n_features, seed
        self._index: dict[tuple[Any, ...], tuple[Tensor, Array]] = {}

    def __call__(self, layer: Layer, output: Tensor) -> tuple[Tensor, int]:
        if output.ndim == 0:
            raise RSAError(f"layer {layer.name} returns a single number, not a row for every image")
        if output.is_complex():
            raise RSAError(f"layer {layer.name} returns complex numbers")
        total = math.prod(output.shape[1:])
        if self.n_features is None or total <= self.n_features:
            return output.detach().reshape(len(output), total).to("cpu", torch.float32, copy=True), total
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
            self._index[key] = torch.as_tensor(inside[ascending], device=output.device), np.argsort(ascending)
        index, back = self._index[key]
        features = stored.reshape(len(output), total)[:, index].to("cpu", torch.float32)
        return features[:, back] if order != sorted(order) else features, total


def draw_features(total: int, n_features: int, seed: int, name: str) -> Array:
    """Indices of `n_features` of `total` features, ascending, drawn by (seed, layer name)."""
    word = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    return np.sort(np.random.default_rng([seed, word]).choice(total, n_features, replace=False))


@contextmanager
def _evaluating(
    model: nn.Module, device: str | torch.device | None
) -> Iterator[tuple[torch.device, torch.dtype | None]]:
    """Evaluation mode without gradients on `device`; yields where and in which precision the model computes."""
    modes = [(module, module.training) for module in model.modules()]
    weights = [*model.parameters(), *model.buffers()]
    home = weights[0].device if weights else torch.device("cpu")
    try:
        target = home if device is None else torch.device(device)
        if target != home:
            model.to(target)
    except (RuntimeError, AssertionError) as error:
        model.to(home)
        raise RSAError(f"device {device} cannot be used: {reason(error)}") from error
    dtype = next((weight.dtype for weight in weights if weight.is_floating_point()), None)
    model.eval()
    try:
        with torch.no_grad():
            yield target, dtype
    finally:
        for module, training in modes:
            module.training = training
        if target != home:
            model.to(home)


def _batches(stimuli: Stimuli, preprocess: Preprocess | None, batch_size: int) -> Iterator[tuple[int, Tensor]]:
    """Batches in order; the next one is read while the model works on the last."""

    def read(start: int) -> Tensor:
        images = [_image(stimuli, i, preprocess) for i in range(start, min(start + batch_size, len(stimuli)))]
        for i, image in enumerate(images, start):
            if image.shape != images[0].shape:
                names = stimuli.table["stimulus_id"]
                shapes = f"{names[start]} {tuple(images[0].shape)}, {names[i]} {tuple(image.shape)}"
                raise RSAError(f"images differ in shape ({shapes}); a preprocess that resizes them is needed")
        return torch.stack(images)

    with ThreadPoolExecutor(1) as reader:
        starts = range(0, len(stimuli), batch_size)
        coming = reader.submit(read, 0)
        for start in starts:
            images = coming.result()
            if start + batch_size < len(stimuli):
                coming = reader.submit(read, start + batch_size)
            yield start, images


def _image(stimuli: Stimuli, index: int, preprocess: Preprocess | None) -> Tensor:
    try:
        image = stimuli[index]
        if preprocess is not None:
            image = preprocess(image)
        elif hasattr(image, "convert"):
            image = torch.from_numpy(np.asarray(image.convert("RGB"), np.float32).transpose(2, 0, 1) / 255)
        return torch.as_tensor(image)
    except Exception as error:
        name = stimuli.table["stimulus_id"][index]
        raise RSAError(f"image {name} cannot be read: {reason(error)}") from error
