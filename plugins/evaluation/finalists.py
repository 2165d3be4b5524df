"""After a search: its best candidates trained longer, the winner trained to maturity, and what all of it cost."""

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
from ..training.recipes import Recipe
from ..training.trainer import Training, train
from .evaluator import Evaluator

if TYPE_CHECKING:
    import pandas
    from torch import nn

Progress = Callable[[int], object]


@dataclass(frozen=True)
class Finalist:
    """An architecture and what longer training made of it. test: its accuracy on test images, where asked for."""

    architecture: Architecture
    evaluation: Evaluation
    test: float | None = None

    def to_dataframe(self) -> "pandas.DataFrame":
        """Return one row: the evaluation's, the test accuracy and the architecture's choices."""
        import pandas

        return pandas.DataFrame([{**self.evaluation.row(), "test": self.test, **self.architecture}])

    def to_dict(self) -> dict[str, Any]:
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
    """Train the best of a search longer and put the best by validation accuracy first.

    epochs: of the recipe, all of it by default: 600 of "cifar-cell". The paper reranks its cells after 300 epochs: with
    epochs=300 that recipe's cosine is cut off half way; get_recipe("cifar-cell", epochs=300) brings it to its end.
    The networks are evaluated with the averages that training left, as mature ones are. folder: for checkpoints, from
    which an interrupted call goes on. Equal architectures are trained once. A training that fails comes last.
    """
    found: dict[str, Finalist] = {}
    for architecture in architectures:
        canonical = space.canonical(architecture)
        key = space.key(canonical)
        if key not in found:
            file = None if folder is None else Path(folder) / f"{len(found):03d}.pt"
            model, done = _trained(space, canonical, data, recipe, epochs, seed, build, file, progress, placed)
            evaluation = _failed(done)
            if not done.failed:
                here = Evaluator(data, batchnorm="running", **placed)(model)
                seconds = {"train": done.seconds, **here.seconds}
                evaluation = replace(here, examples=done.examples, seconds=seconds)
            found[key] = Finalist(canonical, evaluation)
    return sorted(found.values(), key=reranking, reverse=True)


def reranking(one: Finalist) -> float:
    """What finalists are sorted by, the highest first: P, and below all others where the training failed."""
    return -1.0 if one.evaluation.p is None else one.evaluation.p


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
    """Mature performance: trained by the whole recipe on all training images, validation included, then tested once.

    data: that of the search, or another one to see how a cell transfers; build: its size there, such as four cells per
    stage, 48 filters and stem="imagenet". checkpoint: a file from which an interrupted call goes on.
    """
    everything = data.whole()
    canonical = space.canonical(architecture)
    file = None if checkpoint is None else Path(checkpoint)
    model, done = _trained(space, canonical, everything, recipe, epochs, seed, build, file, progress, placed)
    if done.failed:
        return Finalist(canonical, _failed(done))
    try:
        tested = evaluate_network(model, everything, "test", batchnorm="running", **placed)
    except NotFinite as error:
        return Finalist(canonical, _failed(replace(done, reason=str(error))))
    seconds = {"train": done.seconds, "evaluate": tested.seconds}
    evaluation = Evaluation(
        loss=tested.loss, score=tested.accuracy, examples=done.examples, seconds=seconds,
        parameters=count_parameters(model),
    )  # fmt: skip
    return Finalist(canonical, evaluation, tested.accuracy)


def _failed(done: Training) -> Evaluation:
    return Evaluation(FAILED, done.reason, examples=done.examples, seconds={"train": done.seconds})


def _trained(
    space: Space,
    architecture: Architecture,
    data: Data,
    recipe: Recipe,
    epochs: float | None,
    seed: int,
    build: Mapping[str, Any] | None,
    file: Path | None,
    progress: Progress | None,
    placed: Mapping[str, Any],
) -> "tuple[nn.Module, Training]":
    described = {"space": space.name, "architecture": dict(architecture), "settings": dict(build or {})}
    model = make_network(described, shape=data.shape, n_classes=data.n_classes, seed=seed)
    resume = file if file is not None and file.exists() else None
    if resume is not None and Checkpoint.load(resume).network != model.origin:
        raise RSAError(f"{resume} is of another network; give another folder, or delete it")
    if file is not None:
        make_folder(file.parent)
    done = train(
        model, data, recipe, epochs=epochs, seed=seed, checkpoint=file, resume=resume, progress=progress, **placed
    )
    return model, done


@dataclass(frozen=True)
class Size:
    """parameters: trainable ones, auxiliary heads left out. multiply_adds: of one image."""

    parameters: int
    multiply_adds: int


def size_of(model: "nn.Module", input_shape: tuple[int, int, int] = (3, 32, 32)) -> Size:
    """Counted by torchinfo in one forward pass; the network's mode and torch's generator are left as they were."""
    import torch
    import torchinfo

    modes = [(module, module.training) for module in model.modules()]
    try:
        with torch.random.fork_rng(devices=()):
            where = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
            found = torchinfo.summary(model, input_size=(1, *input_shape), mode="eval", verbose=0, device=where)
    finally:
        for module, training in modes:
            module.training = training
    return Size(count_parameters(model), found.total_mult_adds)


def search_cost(m1: int, e1: int, m2: int = 0, e2: int = 0) -> int:
    """M1 E1 + M2 E2 examples: m1 candidates trained on e1 examples each, m2 finalists on e2 (Liu et al. 2018)."""
    if min(m1, e1, m2, e2) < 0:
        raise RSAError(f"a cost is made of counts from 0, got {m1}, {e1}, {m2}, {e2}")
    return m1 * e1 + m2 * e2
