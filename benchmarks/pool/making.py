"""Making a pool: an ordinary search whose candidates leave their RDMs in a file each, so that it can stop and go on."""

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ...plugins.identity import identity, space_identity
from ...plugins.result import FAILED, OK, Evaluation
from ...plugins.searchers.random import RandomSearcher
from ...plugins.searchers.searcher import Searcher
from ...plugins.searching.explorer import search
from ...plugins.spaces import Architecture, Space
from ...plugins.training import Data, Recipe, evaluate_network, make_network, place, train
from ...plugins.training.performance import BATCH, NotFinite, batches_of, check_logits, evaluating
from ...rsa import RDM, RSAError, Stimuli, compute_rdm
from ...rsa.errors import listing
from ...rsa.networks.collector import Collector
from .pool import Member, Pool, View, join
from .sampling import Listed

if TYPE_CHECKING:
    import torch
    from torch import nn

    from ...plugins.training.loop import Moment

N_FEATURES = 8192
FLAT = 2**-9  # of its largest value: an RDM that spreads less is rounding to float16, so the layer has none
Mature = Callable[[Architecture], float]


@dataclass(frozen=True, eq=False)
class Shown:
    """A view with its images. rows: which of them every validation image is (-1: none), None for other images, which
    `inputs` holds as the networks take them."""

    view: View
    stimuli: Stimuli
    rows: npt.NDArray[np.int64] | None
    inputs: "torch.Tensor | None"

    @cached_property
    def content(self) -> str:
        """A digest of the images and their ids."""
        return self.stimuli.checksum()[:16]

    @classmethod
    def of(cls, name: str, stimuli: Stimuli, by: str, data: Data, seed: int = 0) -> "Shown":
        """Stimuli of another source are shown in random order: a batch's own statistics need mixed batches."""
        import torch

        rows = None
        if stimuli.reference == f"{data.name}/valid":
            place_of = {key: i for i, key in enumerate(stimuli.column("stimulus"))}
            rows = np.array([place_of.get(str(key), -1) for key in data.valid.table["stimulus_id"]])
        else:
            stimuli = stimuli.take(np.random.default_rng(seed).permutation(len(stimuli)).tolist())
        inputs = torch.stack([data.preprocess(stimuli[i]) for i in range(len(stimuli))])
        groups = stimuli.column(by)
        pixels = compute_rdm(inputs.flatten(1).numpy(), groups=groups, by=by)
        kinds = stimuli.descriptors(by).get("category_name", [""] * len(pixels))
        kinds = list(pixels.labels) if by == "category_name" else kinds
        view = View(
            name, stimuli.reference, by, pixels.labels, tuple(stimuli.column("stimulus")),
            tuple(map(str, kinds)), pixels.values,
        )  # fmt: skip
        return cls(view, stimuli, rows, None if rows is not None else inputs)


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
        for epochs in (self.checkpoints[-1] / len(self.data.part("train")), self.epochs or 0):
            self.recipe.check_length(epochs)

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
            "mature": mature, "epochs": self.epochs, "n_features": N_FEATURES, "seed": self.seed, "batchnorm": "batch",
        }  # fmt: skip

    def _look(self, model: "nn.Module", examples: int, start: float) -> "_Look":
        collectors = [
            Collector(model, shown.stimuli, by=shown.view.by, n_features=N_FEATURES, seed=self.seed)
            for shown in self.views
        ]
        pairs = list(zip(self.views, collectors, strict=True))
        own = [(shown.rows, collector) for shown, collector in pairs if shown.rows is not None]

        def take(places: "torch.Tensor", logits: "torch.Tensor") -> None:
            for rows, collector in own:
                collector.take(rows[places.numpy()])

        with ExitStack() as stack:
            for _, collector in own:
                stack.enter_context(collector)
            found = evaluate_network(model, self.data, "valid", batchnorm="batch", each=take)
        for shown, collector in pairs:
            if shown.inputs is not None:
                self._show(model, shown.inputs, collector)
        rdms = {shown.view.name: self._rdms(collector) for shown, collector in pairs}
        return _Look(found.accuracy, found.loss, examples, time.perf_counter() - start, rdms)

    def _show(self, model: "nn.Module", inputs: "torch.Tensor", collector: Collector) -> None:
        import torch

        where = place(self.data.shape)
        with evaluating(model, self.data, where, "batch"), collector, torch.no_grad(), where.autocast():
            for places in batches_of(len(inputs), BATCH):
                check_logits(model(where.inputs(inputs[places].to(where.device))))
                collector.take(places.numpy())

    def _rdms(self, collector: Collector) -> dict[str, npt.NDArray[np.float16]]:
        unusable: dict[str, str] = {}
        made = collector.rdms(unusable=unusable)
        n = len(collector.labels)
        nothing = np.full(n * (n - 1) // 2, np.nan, np.float16)

        def kept(rdm: RDM | None) -> npt.NDArray[np.float16]:
            flat = rdm is None or np.ptp(rdm.values) <= FLAT * np.abs(rdm.values).max()
            return nothing if rdm is None or flat else rdm.values.astype(np.float16)

        return {name: kept(made.get(name)) for name in collector.names}


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
