"""Batch normalisation of networks that have seen few batches, whose running averages mean nothing yet."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from ...rsa import RSAError
from ...rsa.errors import near
from ...rsa.networks.modes import evaluation_mode

BATCHNORMS = ("batch", "running", "recalibrated")


def check_batchnorm(name: str) -> None:
    """Raises RSAError for what is none of the ways of `normalising`."""
    if name not in BATCHNORMS:
        raise RSAError(f"batchnorm is one of {', '.join(BATCHNORMS)}, not {name!r}{near(name, BATCHNORMS)}")


@contextmanager
def normalising(model: nn.Module, batchnorm: str, calibrate: Callable[[], object] | None = None) -> Iterator[None]:
    """Inside the block the model is in evaluation mode, and its BN layers normalise in one of three ways.

    "running": by the averages that training left, as for a mature network. "batch": by each batch's own statistics,
    for networks after a few steps; batches must then be large and mixed. "recalibrated": by the plain mean of the
    statistics of the batches that `calibrate()` shows the model; an image's output then depends on no other image, as
    stimuli in the order of their categories need.

    It holds for `layer_rdms` and `Guidance` inside the block, too. Mode and averages are as before at the end.
    Raises RSAError for another name, for recalibration without `calibrate`, and while another thread uses the model.
    """
    check_batchnorm(batchnorm)
    if batchnorm == "recalibrated" and calibrate is None:
        raise RSAError("recalibrated batch normalisation needs `calibrate`, which shows the model training images")
    with evaluation_mode(model, alone=batchnorm != "running"):
        layers = [m for m in model.modules() if isinstance(m, _BatchNorm) and m.running_mean is not None]
        kept = [(layer, layer.running_mean, layer.running_var, layer.num_batches_tracked) for layer in layers]
        momenta = [layer.momentum for layer in layers]
        try:
            if batchnorm == "batch":
                for layer in layers:  # without averages a layer takes its batch's statistics, in evaluation mode too
                    layer.running_mean = layer.running_var = layer.num_batches_tracked = None
            elif calibrate is not None and batchnorm == "recalibrated":
                for layer in layers:
                    layer.running_mean = torch.zeros_like(layer.running_mean)  # type: ignore[arg-type]
                    layer.running_var = torch.ones_like(layer.running_var)  # type: ignore[arg-type]
                    layer.num_batches_tracked = torch.zeros_like(layer.num_batches_tracked)  # type: ignore[arg-type]
                    layer.momentum = None  # the plain mean of all batches
                    layer.train()
                with torch.no_grad():
                    calibrate()
                model.eval()
            yield
        finally:
            for (layer, mean, variance, count), momentum in zip(kept, momenta, strict=True):
                layer.running_mean, layer.running_var, layer.num_batches_tracked = mean, variance, count
                layer.momentum = momentum
