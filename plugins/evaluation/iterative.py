"""The objective of a search whose teacher is its own best candidate (see `IteratingSearcher`)."""

import tempfile
from collections.abc import Mapping
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...rsa import RDM, RSAError, Teacher
from ..result import Evaluation, Heritage
from ..spaces.space import Architecture, Space
from ..training.data import Data
from ..training.models import make_network
from ..training.teachers import network_teacher
from .evaluator import Evaluator
from .objective import Objective

if TYPE_CHECKING:
    from torch import nn

_FORM = "iterate:EVERY or iterate:EVERY:FIRST, such as iterate:20 or iterate:20:resnet:1"


def read_iteration(teacher: str | None) -> tuple[int | None, str | None]:
    """After how many candidates a search's teacher is replaced (None: never), and its first teacher.

    Raises RSAError for "iterate:" without a number.
    """
    word, _, rest = (teacher or "").partition(":")
    if word != "iterate":
        return None, teacher
    every, _, first = rest.partition(":")
    if not (every.isascii() and every.isdigit() and int(every) > 0):
        raise RSAError(f"an iterative teacher is {_FORM}, with a whole number from 1, not {teacher!r}")
    return int(every), None if first in ("", "none") else first


class IterativeObjective(Objective):
    """An `Objective` whose candidates are taught by the RDMs of another candidate over the same stimuli.

    The RDMs go through the tracker: `descend` takes the teacher's as a heritage and returns the candidate's own.

    Parameters
    ----------
    space, data
        As in `Objective`.
    teacher : optional
        The first teacher, as in `Objective`. Without one the first generation is scored by P, and later teachers are
        about the validation images.
    by : str, optional
        As in `Objective`.
    **settings
        As in `Objective`.
    """

    def __init__(
        self, space: Space | str, data: Data | str, *, teacher: Any = None, by: str | None = None, **settings: Any
    ) -> None:
        super().__init__(space, data, teacher=teacher, by=by, **settings)
        self.guided = teacher is not None
        if not self.guided:  # any network says which stimuli, and by what
            plain = "resnet:1" if self.data.unit == "images" else "lstm:1x8"
            model = make_network(plain, shape=self.data.shape, n_classes=self.data.n_classes, seed=0)
            about: dict[str, Any] = {} if by is None else {"by": by}
            first = network_teacher("first", model, self.data, device=str(self._where.device), **about)
            super().__init__(space, self.data, teacher=first, by=by, **settings)

    def __call__(self, architecture: Architecture, **report: Any) -> Evaluation:
        return self.descend(architecture, Heritage())[0]

    def descend(self, architecture: Architecture, heritage: Heritage) -> tuple[Evaluation, bytes | None]:
        """Evaluate a candidate by the teacher that is its heritage, and return its own RDMs.

        Parameters
        ----------
        architecture : Architecture
        heritage : Heritage
            Its weights are RDMs that this method returned; None stands for the first teacher.

        Returns
        -------
        evaluation : Evaluation
        rdms : bytes or None
            None if it failed.

        Raises
        ------
        RSAError
            For what is no architecture of the space, and for RDMs that are damaged.
        """
        begun, taught = self.evaluator, _Taught(self.evaluator, heritage.weights)
        self.evaluator = taught
        try:
            found, _ = self._evaluated(architecture, None)
        finally:
            self.evaluator = begun
        if found.failed:
            return found, None
        if heritage.weights is None and not self.guided:
            found = replace(found, score=found.p, tg=None, table={})
        return found, taught.packed()

    def describe(self) -> dict[str, object]:
        first = {} if self.guided else {"teacher": None}
        return super().describe() | first | {"iterative teacher": True}


class _Taught(Evaluator):
    """An evaluator with the RDMs of another network as teacher, which keeps those of the network that it evaluates."""

    def __init__(self, like: Evaluator, content: bytes | None) -> None:
        self.__dict__ = copy(like.__dict__)
        self.found: dict[str, RDM] = {}
        if content is not None:
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / "teacher.h5"
                file.write_bytes(content)
                try:
                    rdms = Teacher.load(file).rdms
                except RSAError as error:
                    raise RSAError("the teaching candidate's RDMs are damaged; they were not read") from error
            self.teacher = self._with(rdms)

    def _with(self, rdms: Mapping[str, RDM]) -> Teacher:
        """The teacher with other RDMs: only these are another network's."""
        if self.teacher is None:
            raise RSAError("an iterative teacher needs stimuli")
        return replace(self.teacher, name="candidate", rdms=dict(rdms), ceilings={}, features={}, attrs={})

    def _measure(self, model: "nn.Module") -> Any:
        measured = super()._measure(model)
        self.found = dict(measured[1])
        return measured

    def packed(self) -> bytes:
        """The RDMs of the network that was evaluated, as a teacher's file."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "teacher.h5"
            self._with(self.found).save(file)
            return file.read_bytes()
