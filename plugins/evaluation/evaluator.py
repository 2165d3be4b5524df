"""The evaluator: P and TG of a network, from the same forward passes where they show the same images (paper, 3.2)."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ...rsa import RSAError, Stimuli, Teacher, p_plus_tg
from ...rsa.errors import listing
from ...rsa.networks.collector import Collector
from ...rsa.networks.extract import LAYER_METRICS
from ...rsa.rdm.comparison import check_method
from ...rsa.rdm.rdm import RDM
from ..identity import identity
from ..result import FAILED, OK, Evaluation
from ..training.batchnorm import check_batchnorm
from ..training.data import Data
from ..training.models import count_parameters
from ..training.performance import BATCH, Performance, batches_of, check_logits, evaluate_network, evaluating
from ..training.placement import Choice, out_of_memory, place
from .teaching import cut, digest_of, stimuli_of

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

Combine: TypeAlias = Callable[[float, float], float]
MOST_STIMULI = 1000  # the cost of an RDM grows with their square
_FLAT = 1e-5  # an RDM that spreads less, in correlations or in shares of its largest distance, is rounding
_PREPARED = 2**30  # bytes of a teacher's stimuli, as inputs, that are kept between candidates


class Evaluator:
    """Shows networks the validation images and a teacher's stimuli, and scores them: an untrained, a premature or a
    mature one alike.

    data: P is accuracy on its validation part. teacher: without one the score is P. stimuli: the images that the
    teacher is about; by default found by its reference (files in `data_dir`), and where they are validation images P's
    own forward passes serve TG as well. Others are resized and normalised as `data.preprocess` does, once for all
    candidates.
    most_stimuli: of a teacher by stimulus a subset of so many is used, drawn by `seed`; None = all.
    alpha: the score is P + alpha TG; or `combine(p, tg)`. layers, n_features, seed: as in `layer_rdms`. metric, method:
    the teacher's own by default. batchnorm: see `normalising`; "running" for mature networks. batch_size, device, amp,
    channels_last: as in `evaluate_network`.

    Raises RSAError when the stimuli are not there or not the ones that the teacher was made with, and for an alpha that
    is not finite.
    """

    def __init__(
        self,
        data: Data,
        *,
        teacher: Teacher | None = None,
        stimuli: Stimuli | None = None,
        most_stimuli: int | None = MOST_STIMULI,
        alpha: float = 1.0,
        combine: Combine | None = None,
        layers: str | list[str] = "auto",
        metric: str | None = None,
        method: str | None = None,
        n_features: int | None = 8192,
        batchnorm: str = "batch",
        batch_size: int = BATCH,
        seed: int = 0,
        data_dir: str | Path | None = None,
        device: "str | torch.device | None" = None,
        amp: Choice = "auto",
        channels_last: Choice = "auto",
    ) -> None:
        data.part("valid")
        check_batchnorm(batchnorm)
        if not math.isfinite(alpha):
            raise RSAError(f"alpha is a finite number, not {alpha}")
        self.data, self.teacher, self.alpha, self.layers = data, teacher, alpha, layers
        self._combine, self.combine = combine, combine or (lambda p, tg: p_plus_tg(p, tg, alpha))
        self.n_features, self.batchnorm, self.batch_size, self.seed = n_features, batchnorm, batch_size, seed
        self.where = place(data.shape, device, amp, channels_last)
        self._placed: dict[str, Any] = {"device": device, "amp": amp, "channels_last": channels_last}
        self._inputs: Tensor | None = None
        if teacher is None:
            return
        self.metric, self.method = metric or teacher.metric, method or teacher.method
        check_method(self.method)
        if self.metric not in LAYER_METRICS:
            raise RSAError(
                f"a network's RDMs cannot be made by {self.metric}; give metric=: {', '.join(LAYER_METRICS)}"
            )
        shown = stimuli_of(teacher, data, stimuli, data_dir)
        self._shown, self._checksum = shown, teacher.checksum
        self.teacher = cut(teacher, most_stimuli, seed)
        self.stimuli = self.teacher.select(shown)
        self._rows = self._places_in_validation()
        if self._rows is None:
            # a batch's own statistics need mixed batches, and stimuli often come category by category
            order = np.random.default_rng(seed).permutation(len(self.stimuli))
            self.stimuli = self.stimuli.take(order.tolist())

    def __call__(self, model: "nn.Module") -> Evaluation:
        """P, loss, TG and score of the network as it is. What goes wrong with it is an evaluation of status failed.

        seconds: "evaluate" (forward passes for P), "rdms" (what TG adds). Layers without an RDM, such as dead ones, are
        left out and named in `attrs["unusable"]`. The network's mode and averages come back; it stays on the device.
        """
        try:
            return self._evaluate(model)
        except RSAError as error:
            return Evaluation(FAILED, str(error))
        except (MemoryError, RuntimeError) as error:
            found = out_of_memory(error)
            if found is None:
                raise
            return Evaluation(FAILED, found)

    def rdms(self, model: "nn.Module") -> tuple[Performance, dict[str, RDM], dict[str, str]]:
        """P, the RDMs of the layers over the teacher's conditions, and the layers without one (name -> why)."""
        assert self.teacher is not None  # noqa: S101  the callers' condition, for the type checker
        collector = Collector(
            model, self.stimuli, self.layers, by=self.teacher.by, n_features=self.n_features, seed=self.seed
        )
        if self._rows is not None:
            rows = self._rows
            with collector:
                performance = self._performance(model, lambda places, _: collector.take(rows[places.numpy()]))
        else:
            performance = self._performance(model)
            self._show(model, collector)
        unusable: dict[str, str] = {}
        rdms = collector.rdms(metric=self.metric, unusable=unusable)
        unusable |= {name: "all conditions are alike" for name, rdm in rdms.items() if _flat(rdm)}
        return performance, {name: rdm for name, rdm in rdms.items() if name not in unusable}, unusable

    def describe(self) -> dict[str, object]:
        """What two evaluations must have in common to be comparable, JSON-able."""
        placed = {key: value for key, value in self._placed.items() if key != "device"}
        about = self.data.describe() | {"batchnorm": self.batchnorm, "batch_size": self.batch_size, "seed": self.seed}
        if self.teacher is None:
            return about | placed | {"teacher": None}
        teacher = {"name": self.teacher.name, "by": self.teacher.by, "stimuli": self.teacher.stimuli}
        teacher |= {"RDMs": digest_of(self.teacher.rdms), "targets": ", ".join(self.teacher.rdms)}
        scored = {"alpha": self.alpha} if self._combine is None else {"combine": identity(self._combine)}
        return about | placed | scored | {
            "teacher": teacher, "layers": self.layers, "metric": self.metric, "method": self.method,
            "n_features": self.n_features, "images": len(self.stimuli),
            "images' content": (self._checksum or self._shown.checksum())[:16],
        }  # fmt: skip

    def _evaluate(self, model: "nn.Module") -> Evaluation:
        start = time.perf_counter()
        parameters = count_parameters(model)
        if self.teacher is None:
            performance = self._performance(model)
            result = Evaluation(OK, p=performance.accuracy, loss=performance.loss, score=performance.accuracy)
        else:
            performance, rdms, unusable = self.rdms(model)
            result = self._scored(performance, rdms, unusable)
        total = time.perf_counter() - start
        seconds = {"evaluate": performance.seconds, "rdms": total - performance.seconds}
        if self.teacher is None:
            seconds.pop("rdms")
        return replace(result, parameters=parameters, seconds=seconds)

    def _scored(self, performance: Performance, rdms: Mapping[str, RDM], unusable: Mapping[str, str]) -> Evaluation:
        assert self.teacher is not None  # noqa: S101  the callers' condition, for the type checker
        if not rdms:
            raise RSAError(f"no layer has an RDM: {listing(f'{name}: {why}' for name, why in unusable.items())}")
        found = self.teacher.score(rdms, method=self.method)
        layers, targets = (found.table.indexes[dim] for dim in ("layer", "target"))
        rows = zip(layers, found.table.to_numpy().tolist(), strict=True)
        table = {str(layer): dict(zip(map(str, targets), row, strict=True)) for layer, row in rows}
        score = self.combine(performance.accuracy, found.tg)
        attrs = {"unusable": ", ".join(unusable)} if unusable else {}
        return Evaluation(OK, "", performance.accuracy, performance.loss, found.tg, score, table, attrs=attrs)

    def _performance(self, model: "nn.Module", each: "Callable[[Tensor, Tensor], object] | None" = None) -> Performance:
        return evaluate_network(
            model, self.data, "valid", batchnorm=self.batchnorm, batch_size=self.batch_size, each=each, **self._placed
        )

    def _show(self, model: "nn.Module", collector: Collector) -> None:
        """Forward passes of the teacher's own stimuli."""
        import torch

        with evaluating(model, self.data, self.where, self.batchnorm, self.batch_size), collector, torch.no_grad():
            for places in batches_of(len(self.stimuli), self.batch_size):
                with self.where.autocast():
                    logits = model(self.where.inputs(self._prepared(places).to(self.where.device)))
                check_logits(logits.float())
                collector.take(places.numpy())

    def _prepared(self, places: "Tensor") -> "Tensor":
        """The stimuli as inputs (len(places), C, H, W); all of them are kept where they are few."""
        import torch

        size = 4 * len(self.stimuli) * int(np.prod(self.data.shape))
        if self._inputs is None and size <= _PREPARED:
            self._inputs = torch.stack([self.data.preprocess(self.stimuli[i]) for i in range(len(self.stimuli))])
        if self._inputs is not None:
            return self._inputs[places]
        return torch.stack([self.data.preprocess(self.stimuli[i]) for i in places.tolist()])

    def _places_in_validation(self) -> "np.ndarray[tuple[int], np.dtype[np.int64]] | None":
        """Which stimulus every validation image is (-1: none); None where stimuli are other images."""
        if self.stimuli.reference != f"{self.data.name}/valid":
            return None
        place = {name: i for i, name in enumerate(self.stimuli.column("stimulus"))}
        ids = self.data.valid.table["stimulus_id"]
        return np.array([place.get(str(name), -1) for name in ids])


def _flat(rdm: RDM) -> bool:
    """Whether the conditions differ by rounding only, which is relative for distances, not for correlations."""
    scale = 1.0 if rdm.metric in ("correlation", "spearman", "cosine") else float(rdm.values.max())
    return bool(np.ptp(rdm.values) <= _FLAT * scale)
