"""Where and in which precision a network computes, and how several processes share one training."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

from ...rsa import RSAError
from ...rsa.errors import reason

Choice: TypeAlias = Literal["auto"] | bool
SMALLEST = 16  # side of images from which bfloat16 pays; at 8 x 8 it gains nothing


@dataclass(frozen=True)
class Placement:
    """Device and precision of computations; see `place`.

    Attributes
    ----------
    device : torch.device
    amp : bool
        Whether matrix products run in bfloat16 (autocast).
    channels_last : bool
        Memory order of images and weights.
    """

    device: torch.device
    amp: bool
    channels_last: bool

    def autocast(self) -> AbstractContextManager[object]:
        """Return torch's autocast context.

        Returns
        -------
        context manager
        """
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.amp)

    def inputs(self, images: Tensor) -> Tensor:
        """Move images to the device, in this placement's memory order.

        Parameters
        ----------
        images : torch.Tensor
            Float, (n, C, H, W).
        """
        layout = torch.channels_last if self.channels_last else torch.contiguous_format
        return images.to(self.device, memory_format=layout)

    def move(self, model: nn.Module) -> None:
        """Move a network to the device, in this placement's memory order."""
        if self.channels_last and all(parameter.ndim < 5 for parameter in model.parameters()):
            model.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        else:
            model.to(self.device)


def place(
    shape: tuple[int, ...],
    device: str | torch.device | Placement | None = None,
    amp: Choice = "auto",
    channels_last: Choice = "auto",
) -> Placement:
    """Decide where and in which precision a network computes.

    Parameters
    ----------
    shape : tuple of int
        Shape of an image: (C, H, W).
    device : str, torch.device or Placement, optional
        By default the first GPU, else the CPU. Under torchrun "cuda" is the process's own GPU. A Placement is returned
        as it is.
    amp : bool or "auto"
        "auto": bfloat16 for images of 16 x 16 pixels or more, on GPUs and processors with instructions for it (on two
        cores of an AMD EPYC, forward and backward passes of convolutional, separable and residual networks ran 1.6 to
        2.1 times as fast; there was no difference at 8 x 8).
    channels_last : bool or "auto"
        "auto": always (1.0 to 1.6 times as fast there).

    Returns
    -------
    Placement
        It does not depend on the current load: equal settings give equal weights on one machine.

    Raises
    ------
    RSAError
        For a device that is unknown or cannot be used.
    """
    if isinstance(device, Placement):
        return device
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    where = check_device(device)
    if str(where) == "cuda":
        where = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
    try:
        torch.empty(0, device=where).cpu()
    except (AssertionError, NotImplementedError, RuntimeError) as error:
        raise RSAError(f"device {device} cannot be used: {reason(error):.160}") from error
    if amp == "auto":
        amp = min(shape[1:]) >= SMALLEST and _has_bfloat16(where)
    return Placement(where, bool(amp), channels_last if channels_last != "auto" else True)


def check_device(device: str | torch.device) -> torch.device:
    """The device, without taking memory on it. Raises RSAError for one that is unknown or that this machine lacks."""
    try:
        where = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise RSAError(f"there is no device {device!r}; cpu and cuda:0 are examples") from error
    there = torch.cuda.device_count()
    if where.type == "cuda" and (where.index or 0) >= there:
        raise RSAError(f"device {device} cannot be used: this machine has {there or 'no'} CUDA devices")
    return where


def _has_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    supported = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return device.type == "cpu" and supported


@contextmanager
def same_threads() -> Iterator[None]:
    """torch has as many threads after the block as before it, so that what is trained next is the same network.

    The first of numba's parallel kernels in a process sets the threads of the OpenMP that both use to numba's own
    number, and torch splits sums by it. (Starting numba's threads early would forbid child processes by `fork`.)
    """
    threads = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def out_of_memory(error: BaseException) -> str | None:
    """Tell whether an error means that memory ran out, on the CPU or a GPU.

    Returns
    -------
    str or None
        One line about it; None for any other error.
    """
    text = str(error)
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in text:
        return f"out of memory: {reason(error)}"
    return None


class Team:
    """The processes that torchrun started for this training; one alone without it.

    Every batch is divided among them and the gradients of the shares are averaged, as in the paper.
    """

    def __init__(self, device: torch.device) -> None:
        self.size, self.rank = int(os.environ.get("WORLD_SIZE", 1)), int(os.environ.get("RANK", 0))
        self._own = self.size > 1 and not torch.distributed.is_initialized()
        if self._own:
            if device.type == "cuda":
                torch.cuda.set_device(device)  # NCCL's own, which would else be the first for every process
            torch.distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")

    def part(self) -> None:
        """Leave the others."""
        if self._own:
            torch.distributed.destroy_process_group()

    @property
    def first(self) -> bool:
        return self.rank == 0

    def share(self, index: Tensor) -> Tensor:
        """The part of a batch that this process takes."""
        return index[self.rank :: self.size]

    def wrap(self, model: nn.Module, device: torch.device) -> nn.Module:
        if self.size == 1:
            return model
        return nn.parallel.DistributedDataParallel(model, [device] if device.type == "cuda" else None)

    def total(self, values: Tensor) -> Tensor:
        """The sum over all processes."""
        if self.size > 1:
            torch.distributed.all_reduce(values)
        return values
