"""Training a network by a recipe: stopped where asked for, resumed where it was left."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...rsa import RSAError
from ...rsa.errors import check_is, check_whole, reason
from ...rsa.io.storage import check_writable
from ...rsa.networks.memory import memory_kept
from ..networks.recurrent import RecurrentNetwork
from ..result import FAILED, OK
from .batches import Batches
from .checkpoints import Checkpoint
from .data import Data
from .placement import Choice, Placement, Team, out_of_memory, place
from .recipes import Budget, Recipe

SAVE_EVERY = 600.0  # seconds between two checkpoints within an epoch
_CHECK_EVERY = 20  # batches between two looks at the loss, each of which waits for a GPU


@dataclass(frozen=True)
class Moment:
    """The state of a training at one moment.

    Attributes
    ----------
    epoch, examples : float, int
        Epochs and images trained on so far.
    lr : float
        The learning rate.
    loss, accuracy : float
        Means over this epoch's images, while training on them; NaN before its first image.
    seconds : float
        Training time so far.
    """

    epoch: float
    examples: int
    lr: float
    loss: float
    accuracy: float
    seconds: float

    @classmethod
    def from_dict(cls, values: Mapping[str, float]) -> "Moment":
        """Make a moment from the values of its fields.

        Parameters
        ----------
        values : mapping
            Field name to number, as in a checkpoint's history.
        """
        return cls(**{**values, "examples": int(values["examples"])})  # type: ignore[arg-type]


Report: TypeAlias = Callable[[Moment], object]


@dataclass(frozen=True)
class Training:
    """The outcome of a training; the network itself was trained in place.

    Attributes
    ----------
    status, reason : str
        "ok", or "failed" with the reason: the loss diverged, or memory ran out.
    examples, epochs : int, float
        Images trained on, and the same in epochs.
    finished : bool
        Whether the end of the recipe was reached.
    seconds : float
    history : tuple of Moment
        One moment per epoch; the last may lie within an epoch.
    placement : Placement
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
        """Whether the training failed."""
        return self.status == FAILED


def train(
    model: nn.Module,
    data: Data,
    recipe: Recipe,
    *,
    epochs: float | None = None,
    examples: int | None = None,
    seed: int = 0,
    device: str | torch.device | Placement | None = None,
    amp: Choice = "auto",
    channels_last: Choice = "auto",
    checkpoint: str | Path | None = None,
    moments: Sequence[float] = (),
    resume: str | Path | None = None,
    report: Report | None = None,
    progress: Callable[[int], object] | None = None,
) -> Training:
    """Train a network in place by a recipe, on the training images of a data set.

    Parameters
    ----------
    model : torch.nn.Module
        The network, with the weights to start from (see `make_network`). It ends up on the device, in evaluation mode.
    data : Data
    recipe : Recipe
    epochs, examples : float, int, optional
        Stop after this many epochs or this many examples (give one of the two), rounded up to whole batches; 0 trains
        nothing. By default training stops at the end of the recipe.
    seed : int
        Seed of the order of images, the augmentation and the network's own randomness. Equal seeds give equal weights
        on the same processor with the same number of threads.
    device, amp, channels_last
        See `place`. Under torchrun each process takes a share of every batch.
    checkpoint : path, optional
        File to which the state is saved after each epoch, every ten minutes, and at the end.
    moments : sequence of float
        Further epochs (0 is before training; fractions are allowed) at which to call `report` and to keep a copy of the
        checkpoint, as NAME@EPOCH.
    resume : path, optional
        Checkpoint to continue; the result is that of an uninterrupted training.
    report : callable, optional
        Called with a `Moment` after each epoch and at the `moments`; an exception that it raises ends the training.
    progress : callable, optional
        Called with the number of images of each batch; when a training is resumed, first with the number trained on
        before.

    Returns
    -------
    Training
        Its status is "failed" where the loss stops being finite or memory runs out.

    Raises
    ------
    RSAError
        For an invalid length, and for a checkpoint of another training.

    Examples
    --------
    >>> from tgsage.plugins.training import get_recipe, load_data, make_network, train
    >>> data, recipe = load_data("digits"), get_recipe("digits")
    >>> network = make_network("resnet:1", shape=data.shape, n_classes=data.n_classes)
    >>> training = train(network, data, recipe, examples=128, device="cpu")
    >>> training.status, training.examples
    ('ok', 188)
    """
    check_is(nn.Module, model=model)
    check_is(Data, data=data)
    check_is(Recipe, recipe=recipe)
    check_whole(0, seed=seed)
    file, length = None if checkpoint is None else check_writable(checkpoint), Budget(epochs, examples)
    where = place(data.shape, device, amp, channels_last)
    team = Team(where.device)
    loop: Loop | None = None
    with memory_kept(), torch.random.fork_rng(devices=[where.device] if where.device.type == "cuda" else []):
        torch.manual_seed(seed + team.rank)
        try:
            where.move(model)
            batches = Batches(data, recipe, seed, where, team)
            loop = Loop(model, recipe, batches, batches.step_at(length.images(recipe, batches.n)))
            if resume is not None:
                loop.restore(Checkpoint.load(resume))
            marks = {batches.step_at(epoch * batches.n): epoch for epoch in moments}
            if beyond := [epoch for step, epoch in marks.items() if epoch < 0 or step > loop.last]:
                raise RSAError(f"epoch {beyond[0]:g} is not within this training of {loop.last / batches.per_epoch:g}")
            wrong = loop.run(file, marks, report, progress)
        except (MemoryError, RuntimeError) as error:
            found = out_of_memory(error)
            if found is None or team.size > 1:  # torchrun ends the other processes
                raise
            wrong = found
    model.zero_grad(set_to_none=True)
    model.eval()
    if loop is None:
        return Training(FAILED, wrong, 0, 0.0, False, 0.0, (), where)
    now = loop.moment()
    team.part()
    history = loop.history if math.isnan(now.loss) and not wrong else [*loop.history, now]
    status = FAILED if wrong else OK
    return Training(
        status, wrong, now.examples, now.epoch, loop.finished and not wrong, now.seconds, tuple(history), where
    )


class Loop:
    """Training state: `step` batches done of `last`; the schedule is `span` epochs long."""

    def __init__(self, model: nn.Module, recipe: Recipe, batches: Batches, last: int) -> None:
        self.model, self.recipe, self.batches, self.last = model, recipe, batches, last
        self.optimiser = recipe.make_optimiser(model.parameters())
        self.wrapped = batches.team.wrap(model, batches.where.device)
        self.span = last / batches.per_epoch if recipe.schedule == "one-cycle" else float(recipe.epochs)
        self.step, self.earlier, self.history = 0, 0.0, list[Moment]()
        self.sums = torch.zeros(3, dtype=torch.float64, device=batches.where.device)  # loss, correct answers, images
        self.started = time.perf_counter()

    def run(
        self,
        file: Path | None,
        moments: Mapping[int, float],
        report: Report | None,
        progress: Callable[[int], object] | None,
    ) -> str:
        """Train to the end, saving and reporting after every epoch and at `moments` (step -> epoch).

        Returns the reason of a failure, or "".
        """
        saved = time.monotonic()
        if self.step and progress is not None:
            progress(self.batches.examples_at(self.step))
        if self.step == 0 and 0 in moments:
            self._keep(file, moments[0])
            self._tell(report, self.moment())
        self.wrapped.train()
        while self.step < self.last:
            epoch, first = divmod(self.step, self.batches.per_epoch)
            if first == 0 and isinstance(self.model, RecurrentNetwork):
                self.model.carried = None  # the text begins anew
            for inputs, labels, count in self.batches.epoch(epoch, first):
                self._learn(inputs, labels, count)
                self.step += 1
                if progress is not None:
                    progress(count)
                ends = self.step % self.batches.per_epoch == 0
                mark = ends or self.step == self.last or self.step in moments
                if (mark or self.step % _CHECK_EVERY == 0) and (wrong := self._diverged(mark)):
                    return wrong
                now = self.moment() if mark else None
                if now is not None and ends:
                    self.history.append(now)
                    self.sums.zero_()
                if mark or time.monotonic() - saved > SAVE_EVERY:
                    self._keep(file, moments.get(self.step))
                    saved = time.monotonic()
                if now is not None and (ends or self.step in moments):
                    self._tell(report, now)
                if self.step == self.last:
                    break
        return ""

    def moment(self) -> Moment:
        loss, correct, images = self.batches.team.total(self.sums.clone()).tolist()
        examples, share = self.batches.examples_at(self.step), images or math.nan
        rate = self.recipe.lr_at(self.step / self.batches.per_epoch, self.span)
        return Moment(examples / self.batches.n, examples, rate, loss / share, correct / share, self._seconds())

    @property
    def finished(self) -> bool:
        """Whether the schedule's end is reached."""
        return 0 < self.step >= self.span * self.batches.per_epoch

    def restore(self, kept: Checkpoint) -> None:
        """Continue from a checkpoint. Raises RSAError when it is of another training, or beyond the end of this one."""
        kept.check_settings(self._settings())
        if kept.network != getattr(self.model, "origin", ""):
            raise RSAError("the checkpoint is of another network")
        if kept.position > self.last:
            done = kept.position / self.batches.per_epoch
            raise RSAError(f"the checkpoint was written after {done:g} epochs, later than this training ends")
        kept.restore(self.model, self.optimiser)
        self.step, self.earlier = kept.position, kept.seconds
        self.sums.copy_(torch.tensor(kept.sums, dtype=torch.float64))
        if isinstance(self.model, RecurrentNetwork):
            self.model.restore(kept.carried)
        try:
            self.history = [Moment.from_dict(values) for values in kept.history]
            if not self.batches.team.first:
                return  # its dropout goes on from its own seed, not from the first process's
            torch.set_rng_state(kept.random["cpu"])
            if "cuda" in kept.random and self.batches.where.device.type == "cuda":
                torch.cuda.set_rng_state(kept.random["cuda"], self.batches.where.device)
        except (KeyError, RuntimeError, TypeError, ValueError) as error:
            raise RSAError(f"the checkpoint's history or random numbers cannot be read: {reason(error)}") from error

    def _learn(self, inputs: Tensor, labels: Tensor, count: int) -> None:
        for group in self.optimiser.param_groups:
            group["lr"] = self.recipe.lr_at(self.step / self.batches.per_epoch, self.span)
        with self.batches.where.autocast():
            outputs = self.wrapped(inputs)
            logits, *auxiliary = outputs if isinstance(outputs, tuple) else (outputs,)
            loss = functional.cross_entropy(logits.float(), labels)
            extra = sum(functional.cross_entropy(output.float(), labels) for output in auxiliary)
        self.optimiser.zero_grad(set_to_none=True)
        weight = len(labels) * self.batches.team.size / count  # shares may differ by an image
        (weight * (loss + self.recipe.auxiliary * extra)).backward()  # type: ignore[no-untyped-call]
        if self.recipe.clip:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip)
        self.optimiser.step()
        with torch.no_grad():
            correct = (logits.argmax(1) == labels).sum()
            seen = torch.tensor(labels.numel(), dtype=torch.float64, device=labels.device)
            self.sums += torch.stack([loss * seen, correct, seen])

    def _diverged(self, thorough: bool) -> str:
        after = f"after {self.batches.examples_at(self.step):,} examples"
        loss = float(self.batches.team.total(self.sums[:1].clone()))
        if not math.isfinite(loss):
            return f"the loss became {loss} within the last {_CHECK_EVERY} batches, {after}"
        if thorough and not all(bool(torch.isfinite(weight).all()) for weight in self.model.parameters()):
            return f"the weights became infinite {after}"
        return ""

    def _keep(self, file: Path | None, moment: float | None) -> None:
        if file is None or not self.batches.team.first:
            return
        random = {"cpu": torch.get_rng_state()}
        if self.batches.where.device.type == "cuda":
            random["cuda"] = torch.cuda.get_rng_state(self.batches.where.device)
        loss, correct, images = self.sums.tolist()
        weights, history = self.model.state_dict(), tuple(asdict(moment) for moment in self.history)
        about = (self._settings(), getattr(self.model, "origin", ""), self.step)
        sums = (loss, correct, images)
        carried = self.model.carried or () if isinstance(self.model, RecurrentNetwork) else ()
        state = Checkpoint(
            weights, self.optimiser.state_dict(), *about, sums, random, history, self._seconds(), tuple(carried)
        )
        state.save(file)
        if moment is not None:
            state.save(moment_path(file, moment))

    def _tell(self, report: Report | None, now: Moment) -> None:
        if report is not None and self.batches.team.first:
            report(now)
            self.wrapped.train()  # whatever it did to the model

    def _seconds(self) -> float:
        return self.earlier + time.perf_counter() - self.started

    def _settings(self) -> dict[str, Any]:
        """What a training must have in common with the one it continues."""
        batches = self.batches
        settings = {"recipe": self.recipe.to_dict(), "epochs": self.span, "seed": batches.seed}
        settings |= {"data": batches.data.name, "training images": batches.n}
        return settings | {"content": batches.data.train.content, "processes": batches.team.size}


def moment_path(file: Path, epoch: float) -> Path:
    """Where the copy of a checkpoint at a chosen epoch lies: model.pt -> model@2.pt."""
    return file.with_name(f"{file.stem}@{epoch:g}{file.suffix}")
