"""Making a pool: an ordinary search whose candidates leave their RDMs in one file each, so that it can be resumed."""

import hashlib
import json
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
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
from .pool import NUMBERS, Member, Pool, View, join

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ...plugins.training.trainer import Moment

ROUNDING = 2**-9  # of an RDM's largest value: what spreads less is lost in float16, in which a pool keeps RDMs
TESTED = 1000
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
    """Train a candidate, as the objective of a search, and keep its RDMs at every checkpoint in a file.

    Premature networks are evaluated with the statistics of their batches: after a few steps averages mean nothing.
    With several workers all fields are pickled.

    Attributes
    ----------
    space : Space
    data : Data
    recipe : Recipe
    checkpoints : tuple of int
        Training examples, ascending; 0 is before training.
    views : tuple of Shown
    folder : Path
        Where the candidates' files are kept.
    mature : callable, optional
        Architecture -> mature performance, a fraction. Without it candidates are trained on, for `epochs` or to the end
        of the recipe, and their accuracy on the test images is taken.
    epochs : float, optional
    build : mapping
        Settings of `Space.build`.
    seed : int
        Of every training.
    groups : mapping of str to str
        `Space.key` of an architecture -> why it was drawn.
    tested : int
        So many test images whose logits are kept, beside those of the validation images.

    Raises
    ------
    RSAError
        For checkpoints that do not ascend from 0 or exceed the recipe, and without a view.
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
    groups: Mapping[str, str] = field(default_factory=dict)
    tested: int = TESTED

    def __post_init__(self) -> None:
        if not self.checkpoints or min(self.checkpoints) < 0 or list(self.checkpoints) != sorted(set(self.checkpoints)):
            raise RSAError(f"checkpoints are ascending numbers of examples from 0, got {listing(self.checkpoints, 9)}")
        if not self.views:
            raise RSAError("a pool needs at least one view")
        for length in (Budget(examples=self.checkpoints[-1]), Budget(self.epochs or 0)):
            length.images(self.recipe, len(self.data.part("train")))

    @property
    def readout(self) -> Readout:
        """Which features of every layer make its RDMs."""
        return Readout(seed=self.seed)

    def __call__(self, architecture: Architecture) -> Evaluation:
        """Train and evaluate one candidate.

        Parameters
        ----------
        architecture : mapping

        Returns
        -------
        Evaluation
            Failed where the training did not reach every checkpoint; otherwise the score is P at the last one. A
            candidate that was made alike and whose file is there is not trained again.
        """
        try:
            return self._kept(architecture) or self._evaluate(architecture)
        except NotFinite as error:
            return Evaluation(FAILED, str(error))

    def _kept(self, architecture: Architecture) -> Evaluation | None:
        part = self.part(architecture)
        if not part.exists():
            return None
        try:
            pool = Pool.load(part)
        except RSAError:  # damaged: it is made anew
            return None
        (member,) = pool.members
        if pool.settings != json.loads(json.dumps(self.describe())):
            return None
        p, loss, examples = (getattr(member, key)[-1] for key in ("p", "loss", "examples"))
        return Evaluation(OK, p=float(p), loss=float(loss), score=float(p), examples=int(examples))

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
        rdms = {shown.view.name: _stacked(looks, shown.view.name) for shown in self.views}
        numbers = {key: np.array([getattr(look, key) for look in looks]) for key in NUMBERS}
        made: dict[str, Any] = {**numbers, "layers": tuple(looks[0].rdms[self.views[0].view.name]), "rdms": rdms}
        made["logits"] = {part: np.stack([look.logits[part] for look in looks]) for part in looks[0].logits}
        made["group"] = self.groups.get(self.space.key(self.space.canonical(architecture)), "")
        member = Member(dict(architecture), known(architecture), **made)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.pool([member]).save(self.part(architecture))
        seconds = {"train and evaluate": time.perf_counter() - start}
        p, loss = looks[-1].p, looks[-1].loss
        return Evaluation(OK, p=p, loss=loss, score=p, examples=done.examples, seconds=seconds)

    def part(self, architecture: Architecture) -> Path:
        """Tell where a candidate's file is kept.

        Parameters
        ----------
        architecture : mapping

        Returns
        -------
        Path
        """
        key = hashlib.sha256(self.space.key(self.space.canonical(architecture)).encode()).hexdigest()[:16]
        return self.folder / f"{key}.h5"

    def pool(self, members: Sequence[Member]) -> Pool:
        """Make a pool of members that this made.

        Parameters
        ----------
        members : sequence of Member

        Returns
        -------
        Pool
        """
        views = {shown.view.name: shown.view for shown in self.views}
        return Pool(self.space.name, self.checkpoints, views, tuple(members), self.describe())

    def describe(self) -> dict[str, Any]:
        """State what candidates depend on, JSON-able: pools and searches with equal statements can be joined."""
        views = [shown.view for shown in self.views]
        mature = "trained here" if self.mature is None else getattr(self.mature, "name", identity(self.mature))
        space = json.dumps(space_identity(self.space))
        how = "{} conditions by {}, {} images of {}"
        return {
            **self.data.describe(),
            "train": len(self.data.train),
            "valid": len(self.data.valid),
            "recipe": self.recipe.to_dict(),
            "checkpoints": list(self.checkpoints),
            "build": dict(self.build),
            "views": {v.name: how.format(len(v.labels), v.by, len(v.stimulus_ids), v.reference) for v in views},
            "stimuli": {shown.view.name: shown.content for shown in self.views},
            "space definition": hashlib.sha256(space.encode()).hexdigest()[:16],
            "mature": mature,
            "epochs": self.epochs,
            "n_features": self.readout.n_features,
            "seed": self.seed,
            "batchnorm": "batch",
        }

    def _look(self, model: "nn.Module", examples: int, start: float) -> "_Look":
        heard = [(one, Collector(model, one.images.stimuli, self.readout, by=one.view.by)) for one in self.views]
        import torch

        outputs = dict[str, list[npt.NDArray[np.float16]]]()

        def keep(part: str) -> Callable[["Tensor", "Tensor"], None]:
            kept = outputs.setdefault(part, [])
            return lambda places, logits: kept.append(logits.cpu().numpy().astype(np.float16))

        pairs = [(one.images, collector) for one, collector in heard]
        found = perform(model, self.data, pairs, each=keep("valid"))
        if tested := min(self.tested, len(self.data.test)):
            few = replace(self.data, test=self.data.test.take(torch.arange(tested)))
            evaluate_network(model, few, "test", batchnorm="batch", each=keep("test"))
        rdms = {one.view.name: _stored(collector) for one, collector in heard}
        logits = {part: np.concatenate(values) for part, values in outputs.items()}
        return _Look(found.accuracy, found.loss, examples, time.perf_counter() - start, rdms, logits)


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
    logits: dict[str, npt.NDArray[np.float16]]


def _stacked(looks: Sequence[_Look], view: str) -> npt.NDArray[np.float16]:
    return np.stack([np.stack(list(look.rdms[view].values())) for look in looks])


class Listed(Searcher):
    """Proposes the architectures it was given, one after the other."""

    def __init__(self, space: Space, *, seed: int = 0, architectures: Sequence[Architecture] = ()) -> None:
        super().__init__(space, seed=seed)
        if not architectures:
            raise RSAError("there is no architecture to propose")
        self.architectures = tuple(architectures)

    def propose(self, trial: int, rng: np.random.Generator) -> Architecture:
        return self.architectures[trial % len(self.architectures)]


def make_pool(
    maker: Maker,
    *,
    storage: Path,
    samples: int = 0,
    architectures: Sequence[Architecture] = (),
    study: str = "pool",
    workers: int = 1,
    notify: Callable[[Sequence[Any]], object] | None = None,
    allow_changes: bool = False,
) -> Pool:
    """Make the pool of random architectures, each once, without those whose training failed.

    The same call continues where it was stopped, or joins in from another process.

    Parameters
    ----------
    maker : Maker
    storage : Path
        Database of the search behind the pool.
    samples : int
        Random architectures to draw.
    architectures : sequence of mapping
        Architectures to take beside them.
    study : str
        Name of the search.
    workers : int
        Processes.
    notify : callable, optional
        Called with all candidates now and then.
    allow_changes : bool
        Continue a search that was begun otherwise, by an older version for example.

    Returns
    -------
    Pool

    Raises
    ------
    RSAError
        As `search` does, and when no candidate could be trained.
    """
    searcher: Searcher = RandomSearcher(maker.space, seed=maker.seed)
    if architectures:
        drawn = [searcher.ask(trial) for trial in range(samples)]
        searcher = Listed(maker.space, seed=maker.seed, architectures=[*architectures, *drawn])
        samples += len(architectures)
    how: dict[str, Any] = {"storage": storage, "study": study, "workers": workers, "notify": notify}
    how["allow_changes"] = allow_changes
    search(maker.space, searcher, maker, samples=samples, repeats=True, **how)
    return collect(maker.folder)


def left(maker: Maker, architectures: Sequence[Architecture], trained: Collection[str]) -> list[Architecture]:
    """Architectures that are not trained elsewhere (`Space.key`), with those whose file is here already.

    So the list stays as it is, and the search that it began goes on, when what is trained here becomes known elsewhere.
    """
    keys = [maker.space.key(maker.space.canonical(one)) for one in architectures]
    return [one for one, key in zip(architectures, keys, strict=True) if key not in trained or maker.part(one).exists()]


def parts_of(folder: Path) -> list[Path]:
    """The files of the candidates that are done so far, where a `Maker` keeps them."""
    return sorted(folder.glob("[!.]*.h5"))


def collect(folder: Path) -> Pool:
    """Read the pool of all candidates that are done so far.

    Parameters
    ----------
    folder : Path
        Where a `Maker` keeps its candidates.

    Returns
    -------
    Pool

    Raises
    ------
    RSAError
        If there is no candidate, or a file is damaged.
    """
    parts = parts_of(folder)
    if not parts:
        raise RSAError(f"{folder} holds no candidate that could be trained")
    return join([Pool.load(path) for path in parts])
