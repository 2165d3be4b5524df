"""How well a network classifies a part of its data."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...rsa import RSAError
from ...rsa.networks.batchnorm import batches_of
from ...rsa.networks.batchnorm import normalising as normalising
from ...rsa.networks.readout import BATCH
from ...rsa.networks.readout import BATCHNORMS as BATCHNORMS
from .data import Data
from .placement import Choice, Placement, place, same_threads

CALIBRATION = 4 * BATCH  # training images of a recalibration

Each: TypeAlias = Callable[[Tensor, Tensor], object]


class NotFinite(RSAError):
    """A network's outputs are NaN or infinite, so that it has no accuracy."""


@dataclass(frozen=True)
class Performance:
    """How well a network classifies images.

    Attributes
    ----------
    accuracy : float
        Fraction of images whose largest logit is that of their class; for text, fraction of words that were predicted
        in this way.
    loss : float
        Mean cross-entropy, in nats.
    images : int
        Number of images, or of contexts of words.
    seconds : float
    """

    accuracy: float
    loss: float
    images: int
    seconds: float


def evaluate_network(
    model: nn.Module,
    data: Data,
    part: str = "valid",
    *,
    batchnorm: str = "batch",
    batch_size: int = BATCH,
    device: str | torch.device | Placement | None = None,
    amp: Choice = "auto",
    channels_last: Choice = "auto",
    each: Each | None = None,
) -> Performance:
    """Measure accuracy and loss on a part of a data set, without augmentation.

    Parameters
    ----------
    model : torch.nn.Module
        Its mode and running averages are restored afterwards; it stays on the device.
    data : Data
    part : {"train", "valid", "test"}
    batchnorm : {"batch", "running", "recalibrated"}
        See `normalising`. "batch" suits networks after a few steps of training, as in a search; use "running" for
        mature ones. Recalibration first shows 2,000 training images.
    batch_size : int
    device, amp, channels_last
        See `place`.
    each : callable, optional
        Called after each batch with the positions in the part and the logits, in the part's order.

    Returns
    -------
    Performance
        Equal calls give equal results.

    Raises
    ------
    RSAError
        For a part without images.
    NotFinite
        An RSAError, for a network whose outputs are NaN or infinite.
    """
    chosen, where = data.part(part), place(data.shape, device, amp, channels_last)
    start = time.perf_counter()
    correct, loss = 0, 0.0
    with evaluating(model, data, where, batchnorm, batch_size):
        for places in batches_of(len(chosen), batch_size):
            with torch.no_grad(), where.autocast():
                logits = model(where.inputs(data.normalise(chosen.batch(places).to(where.device)))).float()
            check_logits(logits)
            labels = chosen.labels[places].to(where.device)
            loss += functional.cross_entropy(logits, labels, reduction="sum").item()
            correct += int((logits.argmax(1) == labels).sum())
            if each is not None:
                each(places, logits)
    answers = chosen.labels.numel()  # one for an image, one for every word of a context
    return Performance(correct / answers, loss / answers, len(chosen), time.perf_counter() - start)


def check_logits(logits: Tensor) -> None:
    """Raise NotFinite for NaN, and where the largest logit of an image is infinite."""
    bad = int((~logits.amax(dim=1).isfinite()).sum())
    if bad:
        raise NotFinite(f"the network's outputs are NaN or infinite for {bad} of {len(logits)} images")


@contextmanager
def evaluating(
    model: nn.Module, data: Data, where: Placement, batchnorm: str = "batch", batch_size: int = BATCH
) -> Iterator[None]:
    """`normalising`, with training images for a recalibration: inside it `layer_rdms` sees the network that P saw."""
    where.move(model)

    def calibrate() -> None:
        with where.autocast():
            for places in batches_of(min(CALIBRATION, len(data.train)), batch_size):
                model(where.inputs(data.normalise(data.train.batch(places).to(where.device))))

    with same_threads(), normalising(model, batchnorm, calibrate):
        yield
