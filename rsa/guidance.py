"""Guidance of anybody's loop by a teacher, and P + alpha TG (paper, section 3.2)."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .errors import RSAError
from .networks.stimuli import Images, as_stimuli
from .rdm.comparison import check_method
from .rdm.rdm import RDM
from .score import TeacherScore
from .similarity.features import Features
from .teacher import Teacher

if TYPE_CHECKING:
    import torch

    from .networks.extract import Progress
    from .networks.models import Preprocess


class Guidance:
    """A teacher and its stimuli, ready to score networks inside anybody's own training or search loop.

    `guidance(module)` shows the module every stimulus that the teacher's RDMs are about and returns a TeacherScore;
    its `tg` goes into `p_plus_tg`. The module's mode, device and gradients are left as they were. similarity: "rdm", or
    one that compares features, which the teacher must then hold (see `Teacher.score`).

    Raises RSAError at once when the stimuli lack a condition of the teacher or are not the images it was made with, for
    a teacher without the features that the similarity compares, and for method= or metric= with such a similarity.
    """

    def __init__(
        self,
        teacher: Teacher,
        stimuli: Images,
        *,
        preprocess: "Preprocess | None" = None,
        layers: str | list[str] = "auto",
        metric: str | None = None,
        n_features: int | None = 8192,
        method: str | None = None,
        similarity: str = "rdm",
        seed: int = 0,
        batch_size: int = 64,
        device: "str | torch.device | None" = None,
    ) -> None:
        from .networks.extract import LAYER_METRICS

        if similarity != "rdm":
            teacher.check_features(similarity)
            if method or metric:
                what = f"method={method!r}" if method else f"metric={metric!r}"
                raise RSAError(f"{what} is for similarity='rdm'; {similarity!r} compares features")
        elif (metric or teacher.metric) not in LAYER_METRICS:
            known = ", ".join(LAYER_METRICS)
            raise RSAError(f"a network's RDMs cannot be made by {metric or teacher.metric}; give metric=: {known}")
        check_method(method or teacher.method)
        shown = as_stimuli(stimuli)
        self.teacher, self.method, self.similarity = teacher, method, similarity
        self.metric = metric or teacher.metric
        self.stimuli = teacher.select(shown)
        if teacher.checksum and teacher.checksum != self.stimuli.checksum():
            raise RSAError(f"these are not the images that teacher {teacher.name!r} was made with ({teacher.stimuli})")
        self._settings: dict[str, Any] = {
            "layers": layers, "by": teacher.by, "preprocess": preprocess, "n_features": n_features, "seed": seed,
            "batch_size": batch_size, "device": device,
        }  # fmt: skip

    def __call__(self, module: "torch.nn.Module") -> TeacherScore:
        return self.teacher.score(self.layers(module), similarity=self.similarity, method=self.method)

    def layers(
        self, module: "torch.nn.Module", *, progress: "Progress | None" = None
    ) -> Mapping[str, RDM] | Mapping[str, Features]:
        """What the similarity compares of the module: `rdms` or `features`."""
        return (self.rdms if self.similarity == "rdm" else self.features)(module, progress=progress)

    def rdms(self, module: "torch.nn.Module", *, progress: "Progress | None" = None) -> dict[str, RDM]:
        """The RDMs of the module's layers over the teacher's conditions; raises RSAError as `layer_rdms` does."""
        from .networks.extract import layer_rdms

        return layer_rdms(module, self.stimuli, metric=self.metric, progress=progress, **self._settings)

    def features(self, module: "torch.nn.Module", *, progress: "Progress | None" = None) -> dict[str, Features]:
        """The features of the module's layers over the same; raises RSAError as `layer_features` does."""
        from .networks.extract import layer_features

        return layer_features(module, self.stimuli, progress=progress, **self._settings)


def p_plus_tg(p: float, tg: float, alpha: float = 1.0) -> float:
    """P + alpha TG (paper, section 3.2).

    Raises RSAError unless p, validation accuracy, is a fraction in [0, 1], and tg is finite.
    """
    if not 0.0 <= p <= 1.0:
        raise RSAError(f"p must be a fraction in [0, 1], got {p}" + ("; divide percent by 100" if 1 < p <= 100 else ""))
    if not math.isfinite(tg):
        raise RSAError(f"tg must be a finite number, got {tg}")
    return p + alpha * tg
