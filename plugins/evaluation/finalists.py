"""After a search: its best candidates are trained longer, the winner to maturity, and what all of it costs."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...rsa import RSAError
from ...rsa.io.storage import make_folder
from ..result import FAILED, Evaluation
from ..spaces.space import Architecture, Space
from ..training.checkpoints import Checkpoint
from ..training.data import Data
from ..training.models import count_parameters, make_network
from ..training.performance import NotFinite, evaluate_network
from ..training.placement import place
from ..training.recipes import Recipe
from ..training.trainer import Training, train
from .evaluator import Evaluator

if TYPE_CHECKING:
    import pandas
    from torch import nn

Progress = Callable[[int], object]


@dataclass(frozen=True)
class Finalist:
    """An architecture and what longer training made of it.

    Attributes
    ----------
    architecture : Architecture
    evaluation : Evaluation
    test : float, optional
        Its accuracy on test images, where asked for; for test text, minus the loss.
    """

    architecture: Architecture
    evaluation: Evaluation
    test: float | None = None

    def to_dataframe(self) -> "pandas.DataFrame":
        """Return one row: the evaluation's columns, the test accuracy and the architecture's choices."""
        import pandas

        return pandas.DataFrame([{**self.evaluation.row(), "test": self.test, **self.architecture}])

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-able values."""
        return {"architecture": dict(self.architecture), "test": self.test, **self.evaluation.to_dict()}


def finalists(
    space: Space,
    data: Data,
    architectures: Sequence[Architecture],
    recipe: Recipe,
    *,
    epochs: float | None = None,
    seed: int = 0,
    build: Mapping[str, Any] | None = None,
    folder: str | Path | None = None,
    progress: Progress | None = None,
    **placed: Any,
) -> list[Finalist]:
    """Train the best of a search longer, each architecture once, and sort them by validation accuracy, best first.

    The networks are evaluated with the averages that training left, as mature ones are; a failed training comes last.
    epochs: of the recipe, all of it by default: 600 of "cifar-cell". The paper reranks its cells after 300 epochs: with
    epochs=300 that recipe's cosine is cut off half way; get_recipe("cifar-cell", epochs=300) brings it to its end.
    folder: for checkpoints, from which an interrupted call goes on.
    """
    found, where = dict[str, Finalist](), place(data.shape, **placed)
    for architecture in architectures:
        canonical = space.canonical(architecture)
        key = space.key(canonical)
        if key not in found:
            file = None if folder is None else Path(folder) / f"{len(found):03d}.pt"
            settings: dict[str, Any] = {"epochs": epochs, "seed": seed, "progress": progress, "device": where}
            model, done = _trained(space, canonical, data, recipe, build, file, **settings)
            evaluation = _failed(done)
            if not done.failed:
                here = Evaluator(data, batchnorm="running", device=where)(model)
                seconds = {"train": done.seconds, **here.seconds}
                evaluation = replace(here, examples=done.examples, seconds=seconds)
            found[key] = Finalist(canonical, evaluation)
    return sorted(found.values(), key=reranking, reverse=True)


def reranking(one: Finalist) -> float:
    """What finalists are sorted by, the highest first: P, and below all others where the training failed."""
    return -math.inf if one.evaluation.p is None else one.evaluation.p


def mature(
    space: Space,
    architecture: Architecture,
    data: Data,
    recipe: Recipe,
    *,
    epochs: float | None = None,
    seed: int = 0,
    build: Mapping[str, Any] | None = None,
    checkpoint: str | Path | None = None,
    progress: Progress | None = None,
    **placed: Any,
) -> Finalist:
    """Train an architecture by the whole recipe on all training images, validation included, and test it once.

    Parameters
    ----------
    space : Space
    architecture : Architecture
    data : Data
        The data of the search, or other data to see how a cell transfers.
    recipe : Recipe
    epochs : float, optional
        Epochs of the recipe to train for; by default all of them.
    seed : int
    build : mapping, optional
        Settings of `Space.build`, such as four cells per stage, 48 filters and stem="imagenet".
    checkpoint : path, optional
        A file from which an interrupted call goes on.
    progress : callable, optional
        Called with the number of images trained on.

    Returns
    -------
    Finalist
        Its score is the test accuracy; for text, minus the loss.
    """
    everything = data.whole()
    canonical = space.canonical(architecture)
    file = None if checkpoint is None else Path(checkpoint)
    where = place(data.shape, **placed)
    settings: dict[str, Any] = {"epochs": epochs, "seed": seed, "progress": progress, "device": where}
    model, done = _trained(space, canonical, everything, recipe, build, file, **settings)
    if done.failed:
        return Finalist(canonical, _failed(done))
    try:
        tested = evaluate_network(model, everything, "test", batchnorm="running", device=where)
    except NotFinite as error:
        return Finalist(canonical, _failed(replace(done, reason=str(error))))
    seconds, parameters = {"train": done.seconds, "evaluate": tested.seconds}, count_parameters(model)
    known: dict[str, Any] = {"examples": done.examples, "seconds": seconds, "parameters": parameters}
    value = data.value(tested)
    return Finalist(canonical, Evaluation(loss=tested.loss, score=value, **known), value)


def _failed(done: Training) -> Evaluation:
    return Evaluation(FAILED, done.reason, examples=done.examples, seconds={"train": done.seconds})


def _trained(
    space: Space,
    architecture: Architecture,
    data: Data,
    recipe: Recipe,
    build: Mapping[str, Any] | None,
    file: Path | None,
    *,
    seed: int,
    **settings: Any,
) -> "tuple[nn.Module, Training]":
    described = {"space": space.name, "architecture": dict(architecture), "settings": dict(build or {})}
    model = make_network(described, shape=data.shape, n_classes=data.n_classes, seed=seed)
    resume = file if file is not None and file.exists() else None
    if resume is not None and Checkpoint.load(resume).network != model.origin:
        raise RSAError(f"{resume} is of another network; give another folder, or delete it")
    if file is not None:
        make_folder(file.parent)
    return model, train(model, data, recipe, seed=seed, checkpoint=file, resume=resume, **settings)


def search_cost(m1: int, e1: int, m2: int = 0, e2: int = 0) -> int:
    """Count the examples of a search: M1 E1 + M2 E2 (Liu et al. 2018).

    Parameters
    ----------
    m1, e1 : int
        Number of candidates, and of the training examples of each.
    m2, e2 : int
        The same for the finalists.

    Examples
    --------
    >>> from tgsage.plugins import search_cost
    >>> search_cost(1000, 90_000, 10, 13_500_000)
    225000000
    """
    if min(m1, e1, m2, e2) < 0:
        raise RSAError(f"a cost is made of counts from 0, got {m1}, {e1}, {m2}, {e2}")
    return m1 * e1 + m2 * e2
