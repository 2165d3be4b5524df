"""Making a pool: an ordinary search whose candidates leave their RDMs in a file each, so that it can stop and go on."""

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ...plugins.evaluation.evaluator import Presented, perform
from ...plugins.identity import identity, space_identity
from ...plugins.result import FAILED, OK, Evaluation
from ...plugins.searchers.random import RandomSearcher
from ...plugins.searchers.searcher import Searcher
from ...plugins.searching.explorer import search
from ...plugins.spaces import Architecture, Space
from ...plugins.training import Data, Recipe, evaluate_network, make_network, train
from ...plugins.training.performance import NotFinite
from ...plugins.training.recipes import Budget
from ...rsa import RSAError, Stimuli, compute_rdm
from ...rsa.errors import listing
from ...rsa.networks.collector import Collector
from ...rsa.networks.readout import Readout
from .pool import Member, Pool, View, join
from .sampling import Listed

if TYPE_CHECKING:
    from torch import nn

    from ...plugins.training.trainer import Moment

ROUNDING = 2**-9  # of an RDM's largest value: what spreads less is lost in float16, in which a pool keeps RDMs
Mature = Callable[[Architecture], float]


@dataclass(frozen=True, eq=False)
class Shown:
    """A view with its images, as networks are presented with them."""

    view: View
    images: Presented

    @cached_property
    def content(self) -> str:
        """A digest of the images and their ids."""
        return self.images.stimuli.checksum()[:16]

    @classmethod
    def of(cls, name: str, stimuli: Stimuli, by: str, data: Data, seed: int = 0) -> "Shown":
        """The view of these stimuli, whose pixels are those of the inputs that networks are given."""
        images = Presented(data, stimuli, seed)
        stimuli = images.stimuli
        pixels = compute_rdm(images.inputs().flatten(1).numpy(), groups=stimuli.column(by), by=by)
        kinds = stimuli.descriptors(by).get("category_name", [""] * len(pixels))
        categories = pixels.labels if by == "category_name" else tuple(map(str, kinds))
        ids = tuple(stimuli.column("stimulus"))
        return cls(View(name, stimuli.reference, by, pixels.labels, ids, categories, pixels.values), images)


@dataclass(frozen=True, eq=False)
class Maker:
    """architecture -> Evaluation, as a search wants it; the RDMs of every checkpoint go to a file in `folder`.

    checkpoints: training examples, ascending; 0 is before training. mature: mature performance, a fraction, where it is
    known; without it the candidate is trained on, for `epochs` or to the recipe's end, and it is its accuracy on the
    test images. Premature networks are evaluated with their batches' statistics: after a few steps averages mean
    nothing. With several workers everything in here is pickled.
    """

    space: Space
    data: Data
    recipe: Recipe
    checkpoints: tuple[int, ...]
    views: tuple[Shown, ...]
    folder: Path
    mature: Mature | None = None
    epochs: float | None = None
    build: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.checkpoints or min(self.checkpoints) < 0 or list(self.checkpoints) != sorted(set(self.checkpoints)):
            raise RSAError(f"checkpoints are ascending numbers of examples from 0, got {listing(self.checkpoints, 9)}")
        if not self.views:
            raise RSAError("a pool needs at least one view")
        for length in (Budget(examples=self.checkpoints[-1]), Budget(self.epochs or 0)):
            length.images(self.recipe, len(self.data.part("train")))

    @property
    def readout(self) -> Readout:
        return Readout(seed=self.seed)

    def __call__(self, architecture: Architecture) -> Evaluation:
        try:
            return self._evaluate(architecture)
        except NotFinite as error:
            return Evaluation(FAILED, str(error))

    def _evaluate(self, architecture: Architecture) -> Evaluation:
        start = time.perf_counter()
        described = {"space": self.space.name, "architecture": dict(architecture), "settings": dict(self.build)}
        model = make_network(described, shape=self.data.shape, n_classes=self.data.n_classes, seed=self.seed)
        epochs = [examples / len(self.data.train) for examples in self.checkpoints]
        looks: list[_Look] = []

        def look(moment: "Moment") -> None:
            while len(looks) < len(epochs) and moment.epoch >= epochs[len(looks)] - 1e-9:
                looks.append(self._look(model, moment.examples, start))

        last: dict[str, Any] = {"epochs": self.epochs} if self.mature is None else {"examples": self.checkpoints[-1]}
        done = train(model, self.data, self.recipe, **last, seed=self.seed, moments=epochs, report=look)
        if done.failed or len(looks) < len(epochs):
            return Evaluation(FAILED, done.reason or f"{len(looks)} of {len(epochs)} checkpoints were reached")
        known = self.mature or (lambda _: evaluate_network(model, self.data, "test", batchnorm="running").accuracy)
        member = Member(
            dict(architecture), known(architecture), layers=tuple(looks[0].rdms[self.views[0].view.name]),
            rdms={shown.view.name: _stacked(looks, shown.view.name) for shown in self.views},
            **{key: np.array([getattr(look, key) for look in looks]) for key in ("p", "loss", "examples", "seconds")},
        )  # fmt: skip
        self.folder.mkdir(parents=True, exist_ok=True)
        self.pool([member]).save(self.part(architecture))
        seconds = {"train and evaluate": time.perf_counter() - start}
        p, loss = looks[-1].p, looks[-1].loss
        return Evaluation(OK, p=p, loss=loss, score=p, examples=done.examples, seconds=seconds)

    def part(self, architecture: Architecture) -> Path:
        """Where a candidate's file lies."""
        key = hashlib.sha256(self.space.key(self.space.canonical(architecture)).encode()).hexdigest()[:16]
        return self.folder / f"{key}.h5"

    def pool(self, members: Sequence[Member]) -> Pool:
        views = {shown.view.name: shown.view for shown in self.views}
        return Pool(self.space.name, self.checkpoints, views, tuple(members), self.describe())

    def describe(self) -> dict[str, Any]:
        """What made the pool, JSON-able; part of what makes the search the same one."""
        views = [shown.view for shown in self.views]
        mature = "trained here" if self.mature is None else getattr(self.mature, "name", identity(self.mature))
        space = json.dumps(space_identity(self.space))
        return {
            **self.data.describe(), "train": len(self.data.train), "valid": len(self.data.valid),
            "recipe": self.recipe.to_dict(), "checkpoints": list(self.checkpoints), "build": dict(self.build),
            "views": {v.name: f"{len(v.labels)} conditions by {v.by}, {len(v.stimulus_ids)} images of {v.reference}"
                      for v in views},
            "stimuli": {shown.view.name: shown.content for shown in self.views},
            "space definition": hashlib.sha256(space.encode()).hexdigest()[:16],
            "mature": mature, "epochs": self.epochs, "n_features": self.readout.n_features, "seed": self.seed,
            "batchnorm": "batch",
        }  # fmt: skip

    def _look(self, model: "nn.Module", examples: int, start: float) -> "_Look":
        heard = [(one, Collector(model, one.images.stimuli, self.readout, by=one.view.by)) for one in self.views]
        found = perform(model, self.data, [(one.images, collector) for one, collector in heard])
        rdms = {one.view.name: _stored(collector) for one, collector in heard}
        return _Look(found.accuracy, found.loss, examples, time.perf_counter() - start, rdms)


def _stored(collector: Collector) -> dict[str, npt.NDArray[np.float16]]:
    """Layer -> its RDM in half precision, NaN for a layer that has none."""
    made, n = collector.rdms(leave_out=True, rounding=ROUNDING), len(collector.labels)
    nothing = np.full(n * (n - 1) // 2, np.nan, np.float16)
    return {name: made[name].values.astype(np.float16) if name in made else nothing for name in collector.names}


@dataclass(frozen=True, eq=False)
class _Look:
    p: float
    loss: float
    examples: int
    seconds: float
    rdms: dict[str, dict[str, npt.NDArray[np.float16]]]


def _stacked(looks: Sequence[_Look], view: str) -> npt.NDArray[np.float16]:
    return np.stack([np.stack(list(look.rdms[view].values())) for look in looks])


def make_pool(
    maker: Maker,
    *,
    storage: Path,
    samples: int = 0,
    architectures: Sequence[Architecture] = (),
    study: str = "pool",
    workers: int = 1,
    notify: Callable[[Sequence[Any]], object] | None = None,
) -> Pool:
    """The pool of so many random draws, each architecture once and without those whose training failed.

    architectures: with these, the pool is of them and of the draws.
    The same call goes on where it was stopped, or joins in. Raises RSAError as `search` does, and when none is left.
    """
    searcher: Searcher = RandomSearcher(maker.space, seed=maker.seed)
    if architectures:
        drawn = [searcher.ask(trial) for trial in range(samples)]
        searcher = Listed(maker.space, seed=maker.seed, architectures=[*architectures, *drawn])
        samples += len(architectures)
    search(
        maker.space, searcher, maker, samples=samples, storage=storage, study=study, workers=workers, notify=notify,
        repeats=True,
    )  # fmt: skip
    return collect(maker.folder)


def collect(folder: Path) -> Pool:
    """The pool of all candidates that are done so far. Raises RSAError for none, and naming a file that is damaged."""
    parts = sorted(folder.glob("[!.]*.h5"))
    if not parts:
        raise RSAError(f"{folder} holds no candidate that could be trained")
    return join([Pool.load(path) for path in parts])
