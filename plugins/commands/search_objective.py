"""The objective of `tgsage search`, by settings that are sent to its workers."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ...rsa import Teacher
    from ..evaluation.objective import Objective
    from ..result import Evaluation
    from ..training import Data


@dataclass
class SearchObjective:
    """The objective of `tgsage search` by its settings; every worker makes it for its own device.

    taught: the teacher that was trained for the study, where `teacher` is a network's name. iterate: whether candidates
    teach each other, and `teacher` only the first of them.
    """

    space: str
    data: str
    recipe: str
    epochs: float
    teacher: str | None
    alpha: float
    by: str
    seed: int
    data_dir: str | None
    download: bool
    checkpoints: str | None = None
    taught: "Teacher | None" = None
    behavior: str | None = None
    beta: float = 1.0
    behavior_metric: str = "i2n"
    costs: tuple[str, ...] = ()
    loaders: int | None = None
    iterate: bool = False

    def __reduce__(self) -> tuple[Any, ...]:  # images are read in every process, not sent
        return SearchObjective, tuple(getattr(self, field.name) for field in fields(self))

    @cached_property
    def images(self) -> "Data":
        """The data, read once in this process: for the teacher, the candidates and the finalists."""
        from ..training import load_data

        return load_data(self.data, data_dir=self.data_dir, download=self.download, loaders=self.loaders)

    def describe(self) -> dict[str, Any]:
        """All that scores depend on: not where data lie. A teacher that the study keeps is its network's name."""
        about = self._made(None, "cpu").describe()
        if self.teacher is None:
            return about  # the behaviour is described by its trials, wherever they are kept
        about |= {"teacher": self.teacher, "alpha": self.alpha, "by": self.by}
        if Path(self.teacher).is_file():  # its content, wherever a machine keeps it
            about["teacher"] = f"SHA-256 {sha256(Path(self.teacher).read_bytes()).hexdigest()}"
        return about

    def make(self, device: str | None) -> "Callable[[dict[str, Any]], Evaluation]":
        """Raises RSAError as `Objective` does, such as for a device that cannot be used."""
        return self._made(self.taught or self.teacher, device)

    def _made(self, teacher: "Teacher | str | None", device: str | None) -> "Objective":
        from ..evaluation.iterative import IterativeObjective
        from ..evaluation.objective import Objective

        names = ("recipe", "epochs", "alpha", "by", "seed", "data_dir", "checkpoints")
        settings = {name: getattr(self, name) for name in names}
        settings |= {name: getattr(self, name) for name in ("behavior", "beta", "behavior_metric", "costs")}
        kind = IterativeObjective if self.iterate else Objective
        return kind(self.space, self.images, teacher=teacher, device=device, loaders=self.loaders or 1, **settings)
