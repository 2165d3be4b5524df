"""Activations of any torch module, layer by layer, and the RDMs of its layers.

Mode, device, gradients and hooks of the model and torch's random numbers are restored afterwards, also after an
exception. Several threads may show images to one model, unless one of them moves it to another device.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import RSAError, reason
from ..rdm.rdm import RDM
from ..similarity.features import Features
from ..types import Array
from .batchnorm import batches_of, evaluation_mode
from .collector import MEMORY_BUDGET, Collector
from .memory import memory_kept
from .models import Preprocess
from .pictures import as_input, plain
from .readout import N_FEATURES, Readout
from .stimuli import Images, Stimuli, as_stimuli

Progress: TypeAlias = Callable[[int], object]
_PIECES = 4  # of a batch for each loader, so that none waits long for the others


def extract(
    model: nn.Module,
    stimuli: Images,
    layers: str | Iterable[str] = "auto",
    *,
    preprocess: Preprocess | None = None,
    n_features: int | None = None,
    seed: int = 0,
    batch_size: int | None = None,
    device: str | torch.device | None = None,
    tokens: str = "all",
    loaders: int = 1,
    progress: Progress | None = None,
) -> dict[str, Array]:
    """Show a model some images and return what its layers make of them.

    The model runs in evaluation mode without gradients, in its own precision.

    Parameters
    ----------
    model : torch.nn.Module
    stimuli : Stimuli, tensor (n, C, H, W), or list of images
    layers : str or iterable of str
        Names, globs or "auto"; see `choose_layers`.
    preprocess : callable, optional
        Image -> tensor (C, H, W); PIL images reach it upright and opaque, in mode L or RGB. Without it images (PIL,
        paths of files, tensors of integers) become RGB in [0, 1], and tensors of floats stay as they are.
    n_features : int, optional
        From layers with more features, this many are drawn without replacement by (seed, layer name) and kept in
        ascending order, so which ones are drawn depends neither on the batch size nor on the other layers. None keeps
        all.
    seed : int
        Seed of the features drawn.
    batch_size : int, optional
        Images per forward pass; by default 64, or on CPUs fewer if images are larger than 112 x 112 pixels.
    device : str or torch.device, optional
        Where the model runs (it is moved back afterwards); by default where it already is.
    tokens : {"all", "cls", "mean"}
        What to keep of a transformer's layers; see `Readout`.
    loaders : int
        Number of threads that decode and preprocess images. Use several only if `stimuli[i]` and `preprocess` may be
        called by several threads at once, as those of folders, archives and named models may. The result is the same
        for any number.
    progress : callable, optional
        Called after every batch with the number of its images.

    Returns
    -------
    dict of str to ndarray
        Layer -> (n_stimuli, n_features) float32, rows in the order of the stimuli.

    Raises
    ------
    RSAError
        For no stimuli, an image that cannot be read, a model that fails on a batch, an unknown layer, and a layer
        asked for by name that never runs.

    Examples
    --------
    >>> import torch
    >>> from tgsage.rsa import extract
    >>> model = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU(), torch.nn.Flatten())
    >>> {name: values.shape for name, values in extract(model, torch.rand(5, 3, 6, 6), ["0", "1"]).items()}
    {'0': (5, 128), '1': (5, 128)}
    """
    readout = Readout(layers, n_features, seed, preprocess, batch_size, device, tokens=tokens, loaders=loaders)
    collector = show(model, as_stimuli(stimuli), readout, budget=None, progress=progress)
    return {name: features for name, features, _ in collector.conditions()}


def layer_rdms(
    model: nn.Module,
    stimuli: Images,
    layers: str | Iterable[str] = "auto",
    *,
    by: str = "stimulus",
    preprocess: Preprocess | None = None,
    metric: str = "correlation",
    n_features: int | None = N_FEATURES,
    seed: int = 0,
    batch_size: int | None = None,
    device: str | torch.device | None = None,
    tokens: str = "all",
    loaders: int = 1,
    progress: Progress | None = None,
) -> dict[str, RDM]:
    """Compute the RDM of every layer.

    By group, only running sums are kept in memory. By stimulus, features beyond 512 MB are kept in a temporary file and
    read back layer by layer.

    Parameters
    ----------
    by : str
        "stimulus", or a column of the stimuli's table, within whose groups features are averaged.
    metric : str
        See `compute_rdm`; those that need folds or a precision matrix are not supported.
    model, stimuli, layers, preprocess, n_features, seed, batch_size, device, tokens, loaders, progress
        As in `extract`.

    Returns
    -------
    dict of str to RDM
        The RDMs' attrs state how many features were used, out of how many, the seed and the metric.

    Raises
    ------
    RSAError
        As `extract`; for an unknown column; and for a row without variance, naming layer and stimulus.
    """
    readout = Readout(layers, n_features, seed, preprocess, batch_size, device, metric, tokens, loaders)
    return show(model, as_stimuli(stimuli), readout, by=by, budget=MEMORY_BUDGET, progress=progress).rdms()


def layer_features(
    model: nn.Module,
    stimuli: Images,
    layers: str | Iterable[str] = "auto",
    *,
    by: str = "stimulus",
    preprocess: Preprocess | None = None,
    n_features: int | None = N_FEATURES,
    seed: int = 0,
    batch_size: int | None = None,
    device: str | torch.device | None = None,
    tokens: str = "all",
    loaders: int = 1,
    progress: Progress | None = None,
) -> dict[str, Features]:
    """Collect the features of every layer with the names of their stimuli.

    By stimulus, features beyond 512 MB are read from a temporary file that is mapped into memory and lasts only as long
    as they do.

    Parameters
    ----------
    model, stimuli, layers, by, preprocess, n_features, seed, batch_size, device, tokens, loaders, progress
        As in `layer_rdms`.

    Returns
    -------
    dict of str to Features
        Features that are averages over groups say so in their attrs.

    Raises
    ------
    RSAError
        As `layer_rdms`.
    """
    readout = Readout(layers, n_features, seed, preprocess, batch_size, device, tokens=tokens, loaders=loaders)
    return show(model, as_stimuli(stimuli), readout, by=by, budget=MEMORY_BUDGET, progress=progress).features()


def show(
    model: nn.Module,
    stimuli: Stimuli,
    readout: Readout,
    *,
    by: str = "stimulus",
    mixed: bool = False,
    budget: int | None,
    progress: Progress | None = None,
) -> Collector:
    """Show all stimuli once, and return what the layers left.

    mixed: in the random order of the readout's seed, so that a batch's own statistics are not those of one category.
    """
    collector = Collector(model, stimuli, readout, by=by, budget=budget)
    order = np.random.default_rng(readout.seed).permutation(len(stimuli)) if mixed else np.arange(len(stimuli))
    with _evaluating(model, readout.device) as (target, dtype), collector:
        for places, images in _batches(stimuli, order, readout, target.type):
            batch = images.to(target, dtype if images.is_floating_point() else None)
            _forward(model, batch)
            collector.take(places)
            if progress is not None:
                progress(len(images))
        if collector.ambiguous:  # one image less cannot be taken for as many tokens
            rest = batch[1:]
            _forward(model, rest)
            collector.take([-1] * len(rest))
    return collector


def _forward(model: nn.Module, batch: Tensor) -> None:
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
    except (RuntimeError, TypeError) as error:
        raise RSAError(f"device {device} cannot be used: {reason(error)}") from error
    dtype = next((weight.dtype for weight in weights if weight.is_floating_point()), None)
    with memory_kept(), evaluation_mode(model, alone=target != home):
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


def _batches(stimuli: Stimuli, order: Array, readout: Readout, device: str) -> Iterator[tuple[Array, Tensor]]:
    """Places among the stimuli and their images; the next batch is read while the model works on the last."""

    def read(places: Array) -> Tensor:
        images = [_image(stimuli, i, readout.preprocess) for i in places.tolist()]
        check_shapes(images, places)
        return torch.stack(images)

    def check_shapes(images: Sequence[Tensor], places: Array) -> None:
        for i, image in zip(places, images, strict=True):
            if image.shape != images[0].shape:
                names = stimuli.table["stimulus_id"]
                shapes = f"{names[places[0]]} {tuple(images[0].shape)}, {names[i]} {tuple(image.shape)}"
                raise RSAError(f"images differ in shape ({shapes}); a preprocess that resizes them is needed")

    size = readout.batch_size or readout.images_at_a_time(math.prod(read(order[:1]).shape[2:]), device)
    batches = [order[rows.numpy()] for rows in batches_of(len(order), size)]
    each = 1 if readout.loaders == 1 else _PIECES * readout.loaders  # pieces of a batch, read by one thread each
    readers = ThreadPoolExecutor(readout.loaders)

    def submit(places: Array) -> list[tuple[Array, Future[Tensor]]]:
        pieces = np.array_split(places, min(each, len(places)))
        return [(piece, readers.submit(read, piece)) for piece in pieces]

    try:
        coming = submit(batches[0])
        for places, following in zip(batches, [*batches[1:], None], strict=True):
            pieces = [future.result() for _, future in coming]
            check_shapes([piece[0] for piece in pieces], np.array([piece[0] for piece, _ in coming]))
            if following is not None:
                coming = submit(following)
            yield places, pieces[0] if len(pieces) == 1 else torch.cat(pieces)
    finally:
        readers.shutdown(cancel_futures=True)


def _image(stimuli: Stimuli, index: int, preprocess: Preprocess | None) -> Tensor:
    try:
        image = stimuli[index]
        return as_input(image) if preprocess is None else torch.as_tensor(preprocess(plain(image)))
    except Exception as error:
        name = stimuli.table["stimulus_id"][index]
        raise RSAError(f"image {name} cannot be read: {reason(error)}") from error
