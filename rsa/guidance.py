"""Teacher guidance: the TG of a network, P + alpha TG, and both inside anybody's search loop (paper, section 3.2).

A network becomes a TG in three steps, the same for `Guidance`, `Evaluator`, pools of candidates and their rules:

1. forward passes over the teacher's stimuli inside `normalising`, which decides what batch normalisation does;
2. `Collector.rdms(leave_out=True)`, which leaves out dead layers and those whose RDM is flat;
3. `score.teacher_guidance` of the table of similarities between layers and targets.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .errors import RSAError, check_is, check_number
from .networks.readout import BATCH, N_FEATURES, Layers, Readout, check_batchnorm
from .networks.stimuli import Images, as_stimuli
from .rdm.comparison import method_named
from .rdm.rdm import RDM
from .similarity.features import Features
from .teacher import Teacher

if TYPE_CHECKING:
    import torch

    from .networks.collector import Collector
    from .networks.extract import Progress
    from .networks.models import Preprocess
    from .score import TeacherScore


def p_plus_tg(p: float, tg: float, alpha: float = 1.0) -> float:
    """Combine validation accuracy and teacher guidance: P + alpha TG (paper, section 3.2).

    Parameters
    ----------
    p : float
        Validation accuracy, a fraction.
    tg, alpha : float
        Teacher guidance and its weight.

    Raises
    ------
    RSAError
        Unless `p` is in [0, 1] and `tg` and `alpha` are finite.

    Examples
    --------
    >>> from tgsage.rsa import p_plus_tg
    >>> p_plus_tg(0.5, 0.25, alpha=2.0)
    1.0
    """
    check_number(p=p, tg=tg, alpha=alpha)
    if not 0.0 <= p <= 1.0:
        raise RSAError(f"p must be a fraction in [0, 1], got {p}" + ("; divide percent by 100" if 1 < p <= 100 else ""))
    return p + alpha * tg


class Guidance:
    """A teacher and its stimuli, ready to score networks inside a training or search loop of your own.

    `guidance(module)` shows the module every stimulus that the teacher's RDMs are about and returns a `TeacherScore`,
    whose `tg` goes into `p_plus_tg`. Layers that cannot be compared (dead ones, and those for which all conditions are
    alike) are left out and named in `score.attrs["unusable"]`. The module's mode, averages, device and gradients are
    left as they were.

    Parameters
    ----------
    teacher : Teacher or str
        The name of a model (see `load_model`) stands for that model's layers over the stimuli, by stimulus and with its
        own preprocessing; to load other teachers by name, use `load_teacher` of `tgsage.neural_data`.
    stimuli : Stimuli, tensor (n, C, H, W), or list of images
        The images that the teacher is about; there may be others among them.
    layers, n_features, seed, preprocess, device, tokens, loaders
        As in `layer_rdms`.
    metric, method : str, optional
        The metric of the module's RDMs and the method of comparing them; by default the teacher's own.
    similarity : str
        "rdm", or one that compares features, which the teacher must then hold (see `Teacher.score`).
    batchnorm : {"batch", "running", "recalibrated"}
        See `normalising`. "batch" suits candidates after a few training steps; use "running" for mature networks. With
        "batch" the stimuli are shown in an order shuffled by `seed`.
    calibrate : callable, optional
        For "recalibrated": a function that is called with the module and shows it training images.
    batch_size : int, optional
        By default 500 with batchnorm="batch", whose statistics need large batches, else as in `extract`.

    Raises
    ------
    RSAError
        When the stimuli lack a condition of the teacher or are not the images it was made with, for a teacher without
        the features that the similarity compares, and for method= or metric= with such a similarity. Calling the object
        raises it when no layer can be compared.

    Examples
    --------
    >>> import torch
    >>> from tgsage.rsa import Guidance, Teacher
    >>> images = torch.rand(20, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    >>> network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU())
    >>> guide = Guidance(Teacher.from_network("itself", network, images), images)
    >>> round(guide(network).tg, 3)
    1.0
    """

    def __init__(
        self,
        teacher: Teacher | str,
        stimuli: Images,
        *,
        preprocess: "Preprocess | None" = None,
        layers: str | list[str] = "auto",
        metric: str | None = None,
        n_features: int | None = N_FEATURES,
        method: str | None = None,
        similarity: str = "rdm",
        batchnorm: str = "batch",
        calibrate: "Callable[[torch.nn.Module], object] | None" = None,
        seed: int = 0,
        batch_size: int | None = None,
        device: "str | torch.device | None" = None,
        tokens: str = "all",
        loaders: int = 1,
    ) -> None:
        from .similarity.table import check_similarity

        if similarity != "rdm" and (method or metric):
            what = f"method={method!r}" if method else f"metric={metric!r}"
            raise RSAError(f"{what} is for similarity='rdm'; {similarity!r} compares features")
        check_batchnorm(batchnorm)
        if (batchnorm == "recalibrated") != (calibrate is not None):
            raise RSAError("batchnorm='recalibrated' and calibrate=, which shows a module training images, go together")
        method_named(method or "pearson")
        shown, named = as_stimuli(stimuli), isinstance(teacher, str)
        if isinstance(teacher, str):
            if similarity != "rdm":
                check_similarity(similarity)
            how: dict[str, Any] = {"n_features": n_features, "seed": seed, "device": device, "loaders": loaders}
            how |= {"metric": metric or "correlation", "features": similarity != "rdm"}
            teacher = Teacher.from_network(teacher, _model(teacher), shown, **how)
        check_is(Teacher, teacher=teacher)
        if similarity == "rdm":
            teacher.check_rdms()
        else:
            teacher.check_features(similarity)
        method_named(method or teacher.method)
        size = BATCH if batch_size is None and batchnorm == "batch" else batch_size
        # features have no metric of their own
        chosen = (metric or teacher.metric) if similarity == "rdm" else "correlation"
        self.readout = Readout(layers, n_features, seed, preprocess, size, device, chosen, tokens, loaders)
        self.teacher, self.method, self.similarity = teacher, method, similarity
        self.batchnorm, self._calibrate = batchnorm, calibrate
        self.stimuli = teacher.select(shown)
        if not named and teacher.checksum and teacher.checksum != self.stimuli.checksum(loaders=loaders):
            raise RSAError(f"these are not the images that teacher {teacher.name!r} was made with ({teacher.stimuli})")

    @property
    def metric(self) -> str:
        """Metric of the module's RDMs."""
        return self.readout.metric

    def __call__(self, module: "torch.nn.Module") -> "TeacherScore":
        """Score a module.

        Raises
        ------
        RSAError
            As `layer_rdms`, and when no layer can be compared.
        """
        return self.teacher.score(self.layers(module), similarity=self.similarity, method=self.method)

    def layers(
        self, module: "torch.nn.Module", *, progress: "Progress | None" = None
    ) -> Layers[RDM] | Layers[Features]:
        """Return what the similarity compares: the `rdms` or the `features` of the module.

        Parameters
        ----------
        module : torch.nn.Module
        progress : callable, optional
            Called after every batch with the number of its images.

        Returns
        -------
        Layers
            Mapping of layer -> RDM or Features; its attribute `unusable` maps each layer that was left out to the
            reason.
        """
        return (self.rdms if self.similarity == "rdm" else self.features)(module, progress=progress)

    def rdms(self, module: "torch.nn.Module", *, progress: "Progress | None" = None) -> Layers[RDM]:
        """Compute the RDMs of the module's layers over the teacher's conditions.

        Parameters
        ----------
        module, progress
            As in `layers`.

        Returns
        -------
        Layers of RDM
            As in `layers`.
        """
        return self._shown(module, progress).rdms(leave_out=True)

    def features(self, module: "torch.nn.Module", *, progress: "Progress | None" = None) -> Layers[Features]:
        """Collect the features of the module's layers over the teacher's conditions.

        Parameters
        ----------
        module, progress
            As in `layers`.

        Returns
        -------
        Layers of Features
            As in `layers`.
        """
        return self._shown(module, progress).features(leave_out=True)

    def _shown(self, module: "torch.nn.Module", progress: "Progress | None") -> "Collector":
        from .networks.batchnorm import normalising
        from .networks.collector import MEMORY_BUDGET
        from .networks.extract import show

        calibrate, by, mixed = self._calibrate, self.teacher.by, self.batchnorm == "batch"
        with normalising(module, self.batchnorm, None if calibrate is None else lambda: calibrate(module)):
            return show(module, self.stimuli, self.readout, by=by, mixed=mixed, budget=MEMORY_BUDGET, progress=progress)


def _model(name: str) -> str:
    """The name of a model. Raises RSAError for any other teacher, which this layer cannot find."""
    from .networks.models import is_model, similar_models

    if not is_model(name):
        raise RSAError(
            f"{name!r} is no model{similar_models(name)}; Teacher.load reads a teacher file, and load_teacher of"
            " tgsage.neural_data a recording"
        )
    return name
