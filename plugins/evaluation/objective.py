"""The objective of a search: build a candidate, train it a little, and score P + alpha TG (paper, section 3.2)."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from ...rsa import RSAError, Stimuli, Teacher
from ...rsa.errors import as_mapping, check_is, check_whole, reason
from ...rsa.io.storage import make_folder
from ..morphisms.morphisms import inherited, preserves
from ..result import FAILED, Evaluation, Heritage
from ..spaces.space import Architecture, Space
from ..training.checkpoints import Checkpoint, packed_weights, unpacked_weights
from ..training.data import Data
from ..training.datasets import load_data
from ..training.models import check_reads, make_network
from ..training.placement import Choice, place, same_threads
from ..training.recipes import Budget, Recipe, get_recipe
from ..training.teachers import make_teacher
from ..training.trainer import Moment, train
from .evaluator import Evaluator

if TYPE_CHECKING:
    import torch
    from torch import nn

Report: TypeAlias = Callable[[float, Evaluation], object]


class Objective:
    """architecture -> Evaluation: trains a candidate a little, then scores it by P + alpha TG.

    Parameters
    ----------
    space, data, recipe : objects or their names
    epochs, examples : float, int
        Where the training stops; by default after 2 epochs, as in the paper.
    teacher : Teacher, network, name or file, optional
        A Teacher, a file of one, a name that `load_teacher` knows, or a network, whose layers over the validation
        images are the targets. A network given by name, such as "resnet:1", is first trained by the whole recipe,
        always with seed 0. Without a teacher the score is P.
    by : str, optional
        What the teacher's RDMs are by; by default the teacher's own: "category_name" for a network, "stimulus" for a
        recording.
    alpha, stimuli, settings
        As in `Evaluator`.
    build : mapping, optional
        Settings of `Space.build`, such as the number of cells per stage.
    seed : int
        Seed of the weights, the order of images and the augmentation: the same for every candidate, so that evaluating
        one twice gives the same numbers.
    data_dir : path, optional
        Folder of the recordings and data sets that are given by name.
    device, amp, channels_last
        As in `evaluate_network`.
    checkpoints : path, optional
        Folder to which a candidate's training is saved while it runs, after every epoch and every ten minutes. After a
        kill, the training goes on from there and reaches the same numbers; its file is removed when the candidate has
        been evaluated or has failed.

    Raises
    ------
    RSAError
        For settings that do not fit together. What goes wrong with a single candidate makes a failed evaluation
        instead.
    """

    def __init__(
        self,
        space: Space | str,
        data: Data | str,
        *,
        recipe: Recipe | str,
        epochs: float | None = None,
        examples: int | None = None,
        teacher: "Teacher | nn.Module | str | Path | None" = None,
        stimuli: Stimuli | None = None,
        alpha: float = 1.0,
        by: str | None = None,
        seed: int = 0,
        build: Mapping[str, Any] | None = None,
        data_dir: str | Path | None = None,
        checkpoints: str | Path | None = None,
        device: "str | torch.device | None" = None,
        amp: Choice = "auto",
        channels_last: Choice = "auto",
        **settings: Any,
    ) -> None:
        from ..spaces.catalogue import get_space

        self.space = get_space(space) if isinstance(space, str) else space
        self.data = load_data(data, data_dir=data_dir) if isinstance(data, str) else data
        self.recipe = get_recipe(recipe) if isinstance(recipe, str) else recipe
        check_is(Data, data=self.data)
        check_is(Recipe, recipe=self.recipe)
        check_is(Space, space=self.space)
        check_whole(0, seed=seed)
        check_reads(self.space.name, self.space.reads, self.data.shape)
        self.examples, self.epochs = examples, 2.0 if epochs is None and examples is None else epochs
        Budget(self.epochs, examples).images(self.recipe, len(self.data.part("train")))
        self.seed, self.build = seed, as_mapping(build, "build")
        self.checkpoints = None if checkpoints is None else make_folder(checkpoints)
        if checkpoints is not None:
            trained = self.recipe.to_dict(), self.epochs, self.examples, seed, self.data.describe()
            self._training = json.dumps(trained, sort_keys=True)
        self._where = place(self.data.shape, device, amp, channels_last)
        with same_threads():
            made, where = None, None if device is None else str(device)
            if teacher is not None:
                found = {"data_dir": data_dir, "device": where, "loaders": settings.get("loaders", 1)}
                made = make_teacher(teacher, self.data, recipe=self.recipe, by=by, **found)
            settings |= {"device": self._where, "amp": amp, "channels_last": channels_last, "seed": seed}
            settings |= {"alpha": alpha, "data_dir": data_dir}
            self.evaluator = Evaluator(self.data, teacher=made, stimuli=stimuli, **settings)

    def __call__(self, architecture: Architecture, *, report: Report | None = None) -> Evaluation:
        """Build, train and evaluate a candidate; equal architectures give equal evaluations, except for the seconds.

        Parameters
        ----------
        architecture : Architecture
        report : callable, optional
            Called with (epochs done, the evaluation at that point) after every whole epoch, so that an external loop
            can prune; an exception that it raises ends the candidate. Each report costs one more evaluation.

        Raises
        ------
        RSAError
            For anything that is not an architecture of the space.
        """
        return self._evaluated(architecture, report)[0]

    def descend(self, architecture: Architecture, heritage: Heritage) -> tuple[Evaluation, bytes | None]:
        """Evaluate a candidate that begins with its parent's weights, and return its own weights too.

        Parameters
        ----------
        architecture : Architecture
        heritage : Heritage
            The parent and its weights, or neither.

        Returns
        -------
        evaluation : Evaluation
            Its `attrs` say under "inherited" whether the child computes, before it is trained, what the parent does
            ("all"), or only keeps what fits ("part").
        weights : bytes or None
            For its children; None if it failed.

        Raises
        ------
        RSAError
            For anything that is not an architecture of the space, and for damaged weights.
        """
        return self._evaluated(architecture, None, heritage)

    def _evaluated(
        self, architecture: Architecture, report: Report | None, heritage: Heritage | None = None
    ) -> tuple[Evaluation, bytes | None]:
        canonical = self.space.canonical(architecture)
        start = time.perf_counter()
        described = {"space": self.space.name, "architecture": canonical, "settings": self.build}
        try:
            model = make_network(described, shape=self.data.shape, n_classes=self.data.n_classes, seed=self.seed)
        except RSAError as error:
            return Evaluation(FAILED, str(error)), None
        attrs = {} if heritage is None else self._inherit(model, canonical, heritage)
        built = time.perf_counter() - start

        def look(moment: Moment) -> None:
            if report is not None and 0 < moment.epoch == int(moment.epoch):
                report(moment.epoch, self.evaluator(model))

        with self._kept(model, heritage) as file:
            resume = file if file is not None and _is_whole(file) else None
            settings: dict[str, Any] = {key: getattr(self, key) for key in ("epochs", "examples", "seed")}
            settings |= {"report": None if report is None else look, "device": self._where}
            training = train(model, self.data, self.recipe, checkpoint=file, resume=resume, **settings)
            seconds = {"build": built, "train": training.seconds}
            if training.failed:
                return Evaluation(FAILED, training.reason, examples=training.examples, seconds=seconds), None
            found = self.evaluator(model)
        seconds |= found.seconds
        found = replace(found, examples=training.examples, seconds=seconds, attrs={**found.attrs, **attrs})
        return found, None if heritage is None or found.failed else packed_weights(model)

    def _inherit(self, model: "nn.Module", child: Architecture, heritage: Heritage) -> dict[str, str]:
        """Give a network its parent's weights; what an evaluation says about it."""
        if heritage.architecture is None or heritage.weights is None:
            return {}
        old, fresh = unpacked_weights(heritage.weights), model.state_dict()
        try:
            model.load_state_dict(inherited(self.space, heritage.architecture, child, old, fresh))
        except (IndexError, KeyError, RuntimeError) as error:
            raise RSAError(f"the parent's weights are not of its network: {reason(error)}") from error
        return {"inherited": "all" if preserves(self.space, heritage.architecture, child) else "part"}

    @contextmanager
    def _kept(self, model: "nn.Module", heritage: Heritage | None = None) -> Iterator[Path | None]:
        """The file for the training of a network, if any; only an interruption or a kill leaves it behind."""
        if self.checkpoints is None:
            yield None
            return
        begun = sha256(f"{model.origin} {self._training}".encode())
        begun.update(b"" if heritage is None or heritage.weights is None else heritage.weights)
        file = self.checkpoints / f"{begun.hexdigest()[:24]}.pt"
        try:
            yield file
        except Exception:
            file.unlink(missing_ok=True)
            raise
        file.unlink(missing_ok=True)

    def describe(self) -> dict[str, object]:
        """What evaluations must have in common to belong to one search, JSON-able."""
        own = {key: getattr(self, key) for key in ("build", "epochs", "examples", "seed")}
        return {"space": self.space.name, "recipe": self.recipe.to_dict()} | own | self.evaluator.describe()


def _is_whole(file: Path) -> bool:
    """Whether a training can go on from it; one that is damaged begins again."""
    try:
        Checkpoint.load(file)
    except RSAError:
        return False
    return True
