"""The evaluator: P, TG and B of a network, from the same passes where they show the same images (paper, 3.2)."""

import math
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ...rsa import Behavior, BehaviorScore, RSAError, Stimuli, Teacher, p_plus_tg
from ...rsa.behavior.consistency import DEFAULT_METRIC
from ...rsa.errors import check_is, check_number
from ...rsa.networks.batchnorm import batches_of
from ...rsa.networks.collector import Collector
from ...rsa.networks.readout import BATCH, N_FEATURES, Layers, Readout, check_batchnorm
from ...rsa.rdm.comparison import method_named
from ...rsa.rdm.rdm import RDM
from ...rsa.score import nested
from ..identity import identity
from ..result import FAILED, OK, Evaluation
from ..training.data import Data
from ..training.models import count_parameters
from ..training.performance import Each, Performance, check_logits, evaluate_network, evaluating
from ..training.placement import Choice, Placement, out_of_memory, place
from ..training.teachers import LIMIT, cut, digest_of, stimuli_of
from .behavior import BehaviorTeacher
from .costs import costs_of

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

Combine: TypeAlias = Callable[[float, float], float]
_PREPARED = 2**30  # bytes of stimuli, as inputs, that are kept between candidates


class Evaluator:
    """Shows networks the validation images and a teacher's stimuli, and scores them by P + alpha TG + beta B.

    Untrained, premature and mature networks go through the same call.

    Parameters
    ----------
    data : Data
        P is the accuracy on its validation part; for text, minus the loss.
    teacher : Teacher, optional
        Without a teacher the score is P.
    stimuli : Stimuli, optional
        The images that the teacher is about; by default they are found by its reference (files in `data_dir`). Where
        they are validation images, P's own forward passes serve TG as well. Others are prepared by `data.preprocess`.
    most_stimuli : int or None
        From a teacher by stimulus, and of a behaviour's images, at most this many are used, drawn by `seed`; None uses
        all.
    alpha : float
        The score is P + alpha TG.
    combine : callable, optional
        `combine(p, tg)` takes the place of P + alpha TG.
    behavior : BehaviorTeacher, Behavior, str or path, optional
        Subjects' choices, as `load_behavior` reads them; networks' choices are compared with these, which gives B.
    beta : float
        The score is P + alpha TG + beta B.
    behavior_metric : str
        Which of `BEHAVIOR_METRICS` is B.
    layers, n_features
        As in `layer_rdms`.
    metric, method : str, optional
        Metric of the network's RDMs, and method of comparing RDMs; by default the teacher's own.
    batchnorm : str
        See `normalising`; "running" for mature networks.
    costs : sequence of str
        What else to measure: "multiply-adds", "latency".
    seed : int
        Seed of the features and stimuli drawn, and of the order of stimuli that are not validation images.
    data_dir : path, optional
        Folder of recordings and data sets.
    batch_size, device, amp, channels_last
        As in `evaluate_network`.
    loaders : int
        Threads that decode the teacher's stimuli where these are not validation images.

    Raises
    ------
    RSAError
        When the stimuli are missing or are not those that the teacher was made with, and for invalid settings.
    """

    def __init__(
        self,
        data: Data,
        *,
        teacher: Teacher | None = None,
        stimuli: Stimuli | None = None,
        most_stimuli: int | None = LIMIT,
        alpha: float = 1.0,
        combine: Combine | None = None,
        behavior: "BehaviorTeacher | Behavior | str | Path | None" = None,
        beta: float = 1.0,
        behavior_metric: str = DEFAULT_METRIC,
        layers: str | list[str] = "auto",
        metric: str | None = None,
        method: str | None = None,
        n_features: int | None = N_FEATURES,
        batchnorm: str = "batch",
        batch_size: int = BATCH,
        costs: Sequence[str] = (),
        seed: int = 0,
        data_dir: str | Path | None = None,
        loaders: int = 1,
        device: "str | torch.device | Placement | None" = None,
        amp: Choice = "auto",
        channels_last: Choice = "auto",
    ) -> None:
        check_is(Data, data=data)
        if teacher is not None:
            check_is(Teacher, teacher=teacher)
            teacher.check_rdms()
        data.part("valid")
        check_batchnorm(batchnorm)
        check_number(alpha=alpha, beta=beta)
        self.costs = tuple(costs)
        self.data, self.teacher, self.alpha, self.batchnorm = data, teacher, alpha, batchnorm
        fraction = data.unit == "images"  # P, which of text is minus the loss
        own: Combine = lambda p, tg: p_plus_tg(p, tg, alpha) if fraction else p + alpha * tg  # noqa: E731
        self._combine, self.combine = combine, combine or own
        chosen = metric or ("correlation" if teacher is None else teacher.metric)
        self.readout = Readout(layers, n_features, seed, batch_size=batch_size, metric=chosen, loaders=loaders)
        self._where, self._asked = place(data.shape, device, amp, channels_last), (amp, channels_last)
        self.behavior: BehaviorTeacher | None = None
        self.beta = beta
        if behavior is not None:
            about: dict[str, Any] = {"metric": behavior_metric, "most": most_stimuli, "seed": seed}
            if not isinstance(behavior, BehaviorTeacher):
                behavior = BehaviorTeacher(behavior, data, data_dir=data_dir, **about)
            self.behavior = behavior
            self._chosen = Presented(data, self.behavior.stimuli, seed, loaders)
        if teacher is None:
            return
        self.method = method or teacher.method
        method_named(self.method)
        found = stimuli_of(teacher, data, stimuli, data_dir)
        self._content = teacher.checksum or found.checksum(loaders=loaders)
        self.teacher = cut(teacher, most_stimuli, seed)
        self._presented = Presented(data, self.teacher.select(found), seed, loaders)
        if self.behavior is not None and self._chosen.shows(self._presented):
            self._presented = self._chosen  # shown once for both

    @property
    def stimuli(self) -> Stimuli:
        """The teacher's stimuli in the order in which networks are shown them."""
        return self._presented.stimuli

    def __call__(self, model: "nn.Module") -> Evaluation:
        """Evaluate the network as it is.

        If something goes wrong with the network, the evaluation is a failed one. Layers that cannot be compared, such
        as dead ones, are left out and named in `attrs["unusable"]`. The network's mode and averages are restored; it
        stays on the device.

        Returns
        -------
        Evaluation
            P, loss, TG, B, score and the table of layers and targets; its seconds are those of "evaluate" (forward
            passes for P) and "rdms" (what TG and B add).
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
        """Measure P, and compute the RDMs of the layers over the teacher's conditions.

        Returns
        -------
        tuple of Performance, dict and dict
            P; layer -> RDM; layer that has no RDM -> the reason.
        """
        performance, layers, _ = self._measure(model)
        return performance, layers, layers.unusable

    def _measure(self, model: "nn.Module") -> "tuple[Performance, Layers[RDM], BehaviorScore | None]":
        heard = []
        if self.teacher is not None:
            collector = Collector(model, self.stimuli, self.readout, by=self.teacher.by)
            heard.append((self._presented, collector))
        if self.behavior is not None:
            outputs = self.behavior.collector(model, self._chosen.stimuli)
            heard.append((self._chosen, outputs))
        settings: dict[str, Any] = {"batchnorm": self.batchnorm, "batch_size": self.readout.batch_size}
        performance = perform(model, self.data, heard, device=self._where, **settings)
        found = Layers[RDM]({}, {}) if self.teacher is None else collector.rdms(leave_out=True)
        return performance, found, None if self.behavior is None else self.behavior.score(outputs)

    def _evaluate(self, model: "nn.Module") -> Evaluation:
        start = time.perf_counter()
        performance, layers, chosen = self._measure(model)
        seconds = {"evaluate": performance.seconds}
        p = self.data.value(performance)
        known: dict[str, Any] = {"score": p}
        if self.teacher is not None:
            found = self.teacher.score(layers, method=self.method)
            known = {"tg": found.tg, "score": self.combine(p, found.tg), "table": nested(found.table)}
            known["attrs"] = {key: value for key, value in found.attrs.items() if key == "unusable"}
        if chosen is not None and self.behavior is not None:
            values = {metric: one.value for metric, one in chosen.metrics.items() if math.isfinite(one.value)}
            if self.behavior.metric not in values:
                raise RSAError(f"{self.behavior.metric} of the network's choices is not defined")
            b = values[self.behavior.metric]
            known |= {"b": b, "score": known["score"] + self.beta * b, "behavior": values}
        if self.teacher is not None or chosen is not None:
            seconds["rdms"] = time.perf_counter() - start - performance.seconds
        known |= {"p": p, "loss": performance.loss, "parameters": count_parameters(model)}
        known["costs"] = costs_of(model, self.costs, self.data.shape, self._where)
        return Evaluation(OK, seconds=seconds, **known)

    def describe(self) -> dict[str, object]:
        """What two evaluations must have in common to be comparable, JSON-able."""
        readout, asked = self.readout, dict(zip(("amp", "channels_last"), self._asked, strict=True))
        about = self.data.describe() | {"batchnorm": self.batchnorm, **asked}
        about |= {"batch_size": readout.batch_size, "seed": readout.seed}
        about |= {"costs": list(self.costs)} if self.costs else {}
        if self.behavior is not None:
            about |= {"behavior": self.behavior.describe(), "beta": self.beta}
        if self.teacher is None:
            return about | {"teacher": None}
        teacher = {key: getattr(self.teacher, key) for key in ("name", "by", "stimuli")}
        teacher |= {"RDMs": digest_of(self.teacher.rdms), "targets": ", ".join(self.teacher.rdms)}
        scored = {"alpha": self.alpha} if self._combine is None else {"combine": identity(self._combine)}
        layers = readout.layers if isinstance(readout.layers, str) else list(readout.layers)
        about |= {"teacher": teacher, "layers": layers, "metric": readout.metric, "method": self.method}
        about |= {"n_features": readout.n_features, "images": len(self.stimuli), "images' content": self._content[:16]}
        return about | scored


class Presented:
    """Stimuli as networks are shown them: in P's own passes where they are validation images, else in mixed order.

    A batch's own statistics need mixed batches, and stimuli often come category by category. rows: which of the stimuli
    every validation image is (-1: none); None for other images.
    """

    def __init__(self, data: Data, stimuli: Stimuli, seed: int = 0, loaders: int = 1) -> None:
        self.rows: npt.NDArray[np.int64] | None = None
        if stimuli.reference == f"{data.name}/valid":
            place = {name: i for i, name in enumerate(stimuli.column("stimulus"))}
            self.rows = np.array([place.get(str(name), -1) for name in data.valid.table["stimulus_id"]])
        else:
            stimuli = stimuli.take(np.random.default_rng(seed).permutation(len(stimuli)).tolist())
        self.stimuli, self._data, self._loaders = stimuli, data, loaders
        self._kept: Tensor | None = None

    def shows(self, other: "Presented") -> bool:
        """Whether the other one shows the same images in the same order."""
        one, two = self.stimuli, other.stimuli
        same = bool(one.reference) and one.reference == two.reference
        return same and one.column("stimulus") == two.column("stimulus")

    def inputs(self, places: "Tensor | None" = None) -> "Tensor":
        """The stimuli (at these places) as inputs (n, C, H, W); few ones are prepared once for all networks."""
        import torch

        def prepared(places: Iterable[int]) -> "Tensor":
            with ThreadPoolExecutor(self._loaders) as readers:
                return torch.stack(list(readers.map(lambda i: self._data.preprocess(self.stimuli[i]), places)))

        n = len(self.stimuli)
        if self._kept is None and self.rows is None and 4 * n * math.prod(self._data.shape) <= _PREPARED:
            self._kept = prepared(range(n))
        wanted = torch.arange(n) if places is None else places
        return prepared(wanted.tolist()) if self._kept is None else self._kept[wanted]


def perform(
    model: "nn.Module",
    data: Data,
    heard: Sequence[tuple[Presented, Collector]] = (),
    *,
    batchnorm: str = "batch",
    batch_size: int = BATCH,
    each: Each | None = None,
    **placed: Any,
) -> Performance:
    """Measure P, and let the collectors hear their stimuli: in the same forward passes where these are its images.

    each: called with every batch of P's passes, as in `evaluate_network`.
    """
    import torch

    own = [(shown.rows, collector) for shown, collector in heard if shown.rows is not None]

    def take(places: "Tensor", logits: "Tensor") -> None:
        if each is not None:
            each(places, logits)
        for rows, collector in own:
            collector.take(rows[places.numpy()])

    with ExitStack() as listening:
        for _, collector in own:
            listening.enter_context(collector)
        found = evaluate_network(model, data, "valid", batchnorm=batchnorm, batch_size=batch_size, each=take, **placed)
    where = place(data.shape, **placed)
    others: dict[int, list[tuple[Presented, Collector]]] = {}
    for pair in heard:
        if pair[0].rows is None:
            others.setdefault(id(pair[0]), []).append(pair)
    for pairs in others.values():
        shown, collectors = pairs[0][0], [collector for _, collector in pairs]
        with ExitStack() as listening, evaluating(model, data, where, batchnorm, batch_size), torch.no_grad():
            for collector in collectors:
                listening.enter_context(collector)
            for places in batches_of(len(shown.stimuli), batch_size):
                with where.autocast():
                    logits = model(where.inputs(shown.inputs(places).to(where.device)))
                check_logits(logits.float())
                for collector in collectors:
                    collector.take(places.numpy())
    return found
