"""Training a network by a recipe: stopped where asked for, resumed where it was left."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from ...rsa import RSAError
from ...rsa.io.storage import check_writable
from ..result import FAILED, OK
from .batches import Batches
from .checkpoints import Checkpoint
from .data import Data
from .loop import Loop, Moment, Report
from .placement import Choice, Placement, Team, out_of_memory, place
from .recipes import Recipe


@dataclass(frozen=True)
class Training:
    """What a training came to; the network itself was trained in place.

    status: "ok", or "failed" with a `reason` (the loss diverged, memory did not suffice). examples: images x epochs.
    finished: whether the recipe's last epoch was reached. history: one moment per epoch; the last may lie within one.
    """

    status: str
    reason: str
    examples: int
    epochs: float
    finished: bool
    seconds: float
    history: tuple[Moment, ...]
    placement: Placement

    @property
    def failed(self) -> bool:
        return self.status == FAILED


def train(
    model: nn.Module,
    data: Data,
    recipe: Recipe,
    *,
    epochs: float | None = None,
    examples: int | None = None,
    seed: int = 0,
    device: str | torch.device | None = None,
    amp: Choice = "auto",
    channels_last: Choice = "auto",
    checkpoint: str | Path | None = None,
    moments: Sequence[float] = (),
    resume: str | Path | None = None,
    report: Report | None = None,
    progress: Callable[[int], object] | None = None,
) -> Training:
    """Train a network in place on data.train, by the recipe; `make_network` decides its first weights by a seed.

    epochs, examples: stop there (rounded up to whole batches); the recipe's end by default, 0 for no training at all.
    seed: of the order of images, the augmentation and what is random in the network; with the same one, equal weights
      on the same processor and number of threads.
    device, amp, channels_last: see `place`. Under torchrun every process takes a share of each batch.
    checkpoint: a file for the state after each epoch, every ten minutes, and at the end. moments: epochs (fractions
      count, 0 is before training) at which `report` is called as well and the state is kept beside the checkpoint, as
      NAME@EPOCH. resume: a checkpoint to go on from; the result is that of a training without interruption.
    report: called with a `Moment` after every epoch and at the moments; what it raises ends the training. progress:
      called with the number of images of every batch; where it goes on from a checkpoint, first with those before.

    The network stays on the device, in evaluation mode. A loss that is no number any more, and memory that does not
    suffice, end the training with status "failed". Raises RSAError for lengths that cannot be and for a checkpoint of
    another training.
    """
    file = None if checkpoint is None else check_writable(checkpoint)
    where = place(data.shape, device, amp, channels_last)
    team = Team(where.device)
    loop: Loop | None = None
    with torch.random.fork_rng(devices=[where.device] if where.device.type == "cuda" else []):
        torch.manual_seed(seed + team.rank)
        try:
            where.move(model)
            batches = Batches(data, recipe, seed, where, team)
            loop = Loop(model, recipe, batches, _last_step(batches, recipe, epochs, examples))
            if resume is not None:
                loop.restore(Checkpoint.load(resume))
            marks = {batches.step_at(epoch * batches.n): epoch for epoch in moments}
            if beyond := [epoch for step, epoch in marks.items() if epoch < 0 or step > loop.last]:
                raise RSAError(f"epoch {beyond[0]:g} is not within this training of {loop.last / batches.per_epoch:g}")
            reason = loop.run(file, marks, report, progress)
        except (MemoryError, RuntimeError) as error:
            found = out_of_memory(error)
            if found is None or team.size > 1:  # torchrun ends the other processes
                raise
            reason = found
    model.zero_grad(set_to_none=True)
    model.eval()
    if loop is None:
        return Training(FAILED, reason, 0, 0.0, False, 0.0, (), where)
    now = loop.moment()
    team.part()
    history = loop.history if math.isnan(now.loss) and not reason else [*loop.history, now]
    status = FAILED if reason else OK
    return Training(
        status, reason, now.examples, now.epoch, loop.finished and not reason, now.seconds, tuple(history), where
    )


def _last_step(batches: Batches, recipe: Recipe, epochs: float | None, examples: int | None) -> int:
    """The step before which the training ends."""
    if epochs is not None and examples is not None:
        raise RSAError("a training ends after some epochs or after some examples: give one of them")
    wanted = float(examples) if examples is not None else (recipe.epochs if epochs is None else epochs) * batches.n
    if not 0 <= wanted < math.inf:
        raise RSAError(f"a training has at least 0 epochs or examples, got {epochs if examples is None else examples}")
    recipe.check_length(wanted / batches.n)
    return batches.step_at(wanted)
