"""Networks while they are measured: evaluation mode that threads share, and by what batch normalisation normalises."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..errors import RSAError
from .memory import memory_kept
from .readout import check_batchnorm


def batches_of(n: int, batch_size: int) -> tuple[Tensor, ...]:
    """0 .. n - 1 in order, in as few batches as possible, whose sizes differ by at most one."""
    return torch.arange(n).tensor_split(max(1, -(-n // batch_size)))


@contextmanager
def normalising(model: nn.Module, batchnorm: str, calibrate: Callable[[], object] | None = None) -> Iterator[None]:
    """Put the model into evaluation mode and choose the statistics of its batch normalisation.

    Running averages mean nothing after a few training steps, so that evaluation mode alone misjudges young networks.
    Inside the block this also holds for `extract`, `layer_rdms` and `layer_features`. Mode and averages are restored.

    Parameters
    ----------
    model : torch.nn.Module
    batchnorm : {"batch", "running", "recalibrated"}
        "batch": each batch's own statistics, for networks after a few steps; batches should be large and mixed.
        "running": the averages that training left, for mature networks.
        "recalibrated": the plain mean of the statistics of the batches that `calibrate()` shows the model. An image's
        output then depends on no other image.
    calibrate : callable, optional
        For "recalibrated": shows the model training images.

    Yields
    ------
    None

    Raises
    ------
    RSAError
        For another name, for "recalibrated" without `calibrate`, and while another thread uses a model whose
        statistics would change.

    Examples
    --------
    >>> import torch
    >>> from tgsage.rsa.networks.batchnorm import normalising
    >>> model, images = torch.nn.BatchNorm2d(3), 5 + torch.rand(8, 3, 4, 4)
    >>> with normalising(model, "batch"), torch.no_grad():
    ...     round(float(model(images).mean().abs()), 3)
    0.0
    """
    check_batchnorm(batchnorm)
    if batchnorm == "recalibrated" and calibrate is None:
        raise RSAError("batchnorm='recalibrated' needs calibrate=, which shows the model training images")
    layers = [m for m in model.modules() if isinstance(m, _BatchNorm) and m.running_mean is not None]
    with memory_kept(), evaluation_mode(model, alone=batchnorm != "running" and bool(layers)):
        kept = [
            (layer, layer.running_mean, layer.running_var, layer.num_batches_tracked, layer.momentum)
            for layer in layers
        ]
        try:
            if batchnorm == "batch":
                for layer in layers:  # without averages a layer takes its batch's statistics, in evaluation mode too
                    layer.running_mean = layer.running_var = layer.num_batches_tracked = None
            elif batchnorm == "recalibrated" and calibrate is not None and layers:
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
            for layer, mean, variance, count, momentum in kept:
                layer.running_mean, layer.running_var, layer.num_batches_tracked = mean, variance, count
                layer.momentum = momentum


@dataclass
class _Use:
    """training: the mode to restore. users: (thread, whether it needs the module alone) of everyone who has it now."""

    training: bool
    users: list[tuple[int, bool]] = field(default_factory=list)


_lock = threading.Lock()
_used: "WeakKeyDictionary[nn.Module, _Use]" = WeakKeyDictionary()


@contextmanager
def evaluation_mode(model: nn.Module, *, alone: bool = False) -> Iterator[None]:
    """Put the model into evaluation mode; the last thread to leave restores the mode of every module.

    alone: no other thread may use the model meanwhile, since more than its mode is changed.
    Raises RSAError if another thread uses the model, or a part of it, and one of the two needs it alone.
    """
    modules, me = list(model.modules()), (threading.get_ident(), alone)
    with _lock:
        users = [user for module in modules if module in _used for user in _used[module].users]
        if any(thread != me[0] and (alone or needs_it_alone) for thread, needs_it_alone in users):
            raise RSAError("the model is in use by another thread; wait for it, or give every thread a copy of its own")
        for module in modules:
            _used.setdefault(module, _Use(module.training)).users.append(me)
    try:
        with _lock:
            model.eval()
        yield
    finally:
        with _lock:
            for module in modules:
                use = _used[module]
                use.users.remove(me)
                if not use.users:
                    module.training = use.training
                    del _used[module]
