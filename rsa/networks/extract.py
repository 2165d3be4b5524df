"""Activations of any torch module, layer by layer, and the RDMs of its layers.

Mode, device, gradients and hooks of the model and torch's random numbers are restored afterwards, also after an
exception. Several threads may show images to one model, unless one of them moves it to another device.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import RSAError, reason
from ..rdm.distances import FOLDED, METRICS
from ..rdm.rdm import RDM
from ..similarity.features import Features, averaged_over
from ..types import Array
from .collector import MEMORY_BUDGET, Collector
from .models import Preprocess
from .modes import evaluation_mode
from .pictures import as_input, plain
from .stimuli import Images, Stimuli, as_stimuli

Progress: TypeAlias = Callable[[int], object]

LAYER_METRICS = tuple(metric for metric in METRICS if metric not in ("mahalanobis", *FOLDED))


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
    preprocess: image -> tensor (C, H, W); PIL images come to it upright and opaque, in mode L or RGB. Without it images
      (PIL, paths of files, tensors of integers) become RGB in [0, 1], and tensors of floats stay as they are.
    n_features: of layers with more, this many drawn without replacement by (seed, layer name), in ascending order, so
      they do not depend on the batch size or on the other layers; None = all.
    device: where to run (the model comes back afterwards); default: where the model is.
    progress: called with the number of images of every batch done.

    The model runs in evaluation mode without gradients, in its own precision. Raises RSAError for no stimuli, an
    image that cannot be read, a model that fails on a batch, an unknown layer, or one asked for by name that never ran.
    """
    shown = as_stimuli(stimuli)
    found = _collected(
        model, shown, layers, "stimulus", preprocess, n_features, seed, batch_size, device, progress
    )  # fmt: skip
    return {name: features for name, features, _ in found.conditions()}


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
    return _collected(
        model, shown, layers, by, preprocess, n_features, seed, batch_size, device, progress, MEMORY_BUDGET
    ).rdms(metric=metric)


def layer_features(
    model: nn.Module,
    stimuli: Images,
    layers: str | Iterable[str] = "auto",
    *,
    by: str = "stimulus",
    preprocess: Preprocess | None = None,
    n_features: int | None = None,
    seed: int = 0,
    batch_size: int = 64,
    device: str | torch.device | None = None,
    progress: Progress | None = None,
) -> dict[str, Features]:
    """What `layer_rdms` compares: the features of every layer with the names of their stimuli, all of them in memory.

    By another column than "stimulus" they are averaged over the stimuli of each of its groups, and the attrs say so.
    Arguments and errors as in `layer_rdms`.
    """
    shown = as_stimuli(stimuli)
    found = _collected(model, shown, layers, by, preprocess, n_features, seed, batch_size, device, progress)
    columns, said = found.descriptors, averaged_over(by)
    return {
        name: Features(features, found.labels, name=name, by=by, descriptors=columns, attrs=said | attrs)
        for name, features, attrs in found.conditions()
    }


def _collected(
    model: nn.Module,
    stimuli: Stimuli,
    layers: str | Iterable[str],
    by: str,
    preprocess: Preprocess | None,
    n_features: int | None,
    seed: int,
    batch_size: int,
    device: str | torch.device | None,
    progress: Progress | None,
    budget: int | None = None,
) -> Collector:
    """What the layers left in one pass over the stimuli."""
    if batch_size < 1:
        raise RSAError(f"batch_size must be at least 1, got {batch_size}")
    collector = Collector(model, stimuli, layers, by=by, n_features=n_features, seed=seed, budget=budget)
    with _evaluating(model, device) as (target, dtype), collector:
        for start, images in _batches(stimuli, preprocess, batch_size):
            batch = images.to(target, dtype if images.is_floating_point() else None)
            _show(model, batch)
            collector.take(np.arange(start, start + len(images)))
            if progress is not None:
                progress(len(images))
        if collector.ambiguous:
            _show(model, batch[:1])  # one image alone cannot be taken for its tokens
            collector.take([-1])
    return collector


def _show(model: nn.Module, batch: Tensor) -> None:
    try:
        model(batch)
    except RSAError:
        raise
    except Exception as error:
        raise RSAError(
            f"the model fails on images of shape {tuple(batch.shape[1:])}: {reason(error)}; preprocess= makes inputs "
            "of another shape or range"
        ) from error


@contextmanager
def _evaluating(
    model: nn.Module, device: str | torch.device | None
) -> Iterator[tuple[torch.device, torch.dtype | None]]:
    """Evaluation mode without gradients on `device`; yields where and in which precision the model computes."""
    weights = [*model.parameters(), *model.buffers()]
    home = weights[0].device if weights else torch.device("cpu")
    try:
        target = home if device is None else torch.device(device)
    except RuntimeError as error:
        raise RSAError(f"device {device} cannot be used: {reason(error)}") from error
    dtype = next((weight.dtype for weight in weights if weight.is_floating_point()), None)
    with evaluation_mode(model, alone=target != home):
        try:
            if target != home:
                try:
                    model.to(target)
                except (RuntimeError, AssertionError) as error:
                    raise RSAError(f"device {device} cannot be used: {reason(error)}") from error
            with torch.random.fork_rng(devices=[target] if target.type == "cuda" else []), torch.no_grad():
                yield target, dtype
        finally:
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
        return as_input(image) if preprocess is None else torch.as_tensor(preprocess(plain(image)))
    except Exception as error:
        name = stimuli.table["stimulus_id"][index]
        raise RSAError(f"image {name} cannot be read: {reason(error)}") from error
