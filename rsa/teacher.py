"""Teachers, their guidance in anybody's loop, and P + alpha TG (paper, section 3.2)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .comparison import align, check_method, compare_all
from .errors import RSAError, listing
from .rdm import RDM, Attr
from .resampling import bootstrap as resample
from .score import TeacherScore
from .stimuli import Images, Stimuli, as_stimuli

if TYPE_CHECKING:
    import torch

    from .activations import Progress
    from .models import Preprocess


@dataclass(frozen=True, eq=False)
class Teacher:
    """A fixed, ordered set of target RDMs: of a network's layers, or of brain regions.

    rdms: target -> RDM. ceilings: target -> (lower, upper) similarity that the targets' noise allows; may lack some.
    stimuli, checksum: where the images come from, for whoever has to show them to a candidate.
    method: the comparison this teacher is meant for. stimulus_ids: the stimuli behind RDMs of groups, where known:
    a candidate is shown these and no others of the same groups.
    """

    name: str
    rdms: Mapping[str, RDM]
    ceilings: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    method: str = "pearson"
    stimuli: str = ""
    checksum: str = ""
    attrs: Mapping[str, Attr] = field(default_factory=dict)
    stimulus_ids: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.rdms:
            raise RSAError(f"teacher {self.name!r} has no target")
        if len({rdm.by for rdm in self.rdms.values()}) > 1:
            kinds = listing(f"{target} by {rdm.by}" for target, rdm in self.rdms.items())
            raise RSAError(f"teacher {self.name!r} mixes RDMs of different kinds: {kinds}")
        first = next(iter(self.rdms.values()))
        other = [target for target, rdm in self.rdms.items() if set(rdm.labels) != set(first.labels)]
        if other:
            raise RSAError(f"teacher {self.name!r}: target {other[0]} has other labels than {next(iter(self.rdms))}")
        stray = [target for target in self.ceilings if target not in self.rdms]
        if stray:
            raise RSAError(f"teacher {self.name!r} has a ceiling for {listing(stray)}, which is no target of it")

    @classmethod
    def from_rdms(
        cls,
        name: str,
        rdms: Mapping[str, RDM],
        ceilings: Mapping[str, tuple[float, float]] | None = None,
        *,
        method: str = "pearson",
        stimuli: str = "",
        checksum: str = "",
        attrs: Mapping[str, Attr] | None = None,
        stimulus_ids: Sequence[str] = (),
    ) -> "Teacher":
        """From RDMs of one kind (`by`). Raises RSAError for none, mixed kinds, or a ceiling without its target."""
        kept = (dict(ceilings or {}), method, stimuli, checksum, dict(attrs or {}), tuple(stimulus_ids))
        return cls(name, dict(rdms), *kept)

    @classmethod
    def from_network(
        cls,
        name: str,
        model: "torch.nn.Module",
        stimuli: Images,
        layers: str | list[str] = "auto",
        *,
        by: str = "stimulus",
        preprocess: "Preprocess | None" = None,
        metric: str = "correlation",
        n_features: int | None = None,
        seed: int = 0,
        batch_size: int = 64,
        device: "str | torch.device | None" = None,
    ) -> "Teacher":
        """The RDMs of a network's layers (arguments as in `layer_rdms`), with the checksum of its stimuli."""
        from .activations import layer_rdms

        shown = as_stimuli(stimuli)
        rdms = layer_rdms(
            model, shown, layers, by=by, preprocess=preprocess, metric=metric, n_features=n_features, seed=seed,
            batch_size=batch_size, device=device,
        )  # fmt: skip
        attrs: dict[str, Attr] = {"seed": seed, "metric": metric, **_features_used(rdms)}
        ids = tuple(shown.column("stimulus"))
        return cls(name, rdms, stimuli=shown.reference, checksum=shown.checksum(), attrs=attrs, stimulus_ids=ids)

    @property
    def by(self) -> str:
        return next(iter(self.rdms.values())).by

    @property
    def metric(self) -> str:
        return next(iter(self.rdms.values())).metric

    def select(self, stimuli: Images) -> Stimuli:
        """Those of the stimuli that this teacher is about; raises RSAError when some of them are not there."""
        shown = as_stimuli(stimuli)
        if self.stimulus_ids:
            shown = shown.select("stimulus", self.stimulus_ids)
        return shown.select(self.by, next(iter(self.rdms.values())).labels)

    def score(
        self,
        rdms: Mapping[str, RDM],
        *,
        method: str | None = None,
        bootstrap: int = 0,
        groups: str | Sequence[object] | None = None,
        seed: int = 0,
        allow_subset: bool = False,
    ) -> TeacherScore:
        """Compare a candidate's layers with every target; the teacher's own `method` unless another is given.

        bootstrap: number of resamples of the stimuli for intervals (0 = none), of whole `groups` where these are given
        (see `bootstrap`), drawn by `seed`. Ceilings belong to the teacher's own method: another has none.

        Raises RSAError as `compare` does: for labels in one of the RDMs only, and constant RDMs.
        """
        if not isinstance(rdms, Mapping):
            raise RSAError(f"a mapping of layer -> RDM is needed, got {type(rdms).__name__}")
        method = method or self.method
        table = compare_all(rdms, self.rdms, method=method, allow_subset=allow_subset)
        shared = next(iter(rdms.values())).attrs
        attrs = {f"teacher_{key}": value for key, value in self.attrs.items()}
        attrs |= {key: shared[key] for key in ("seed", "metric") if key in shared}
        attrs |= _features_used(rdms)
        draws = None
        if bootstrap:
            layers, targets = align(rdms, self.rdms, allow_subset=allow_subset)
            one, other = dict(zip(rdms, layers, strict=True)), dict(zip(self.rdms, targets, strict=True))
            draws = resample(one, other, method=method, n=bootstrap, groups=groups, seed=seed)
        ceilings = dict(self.ceilings) if method == self.method else {}
        if len(ceilings) < len(self.ceilings):
            attrs["teacher_ceiling"] = f"none for {method}: those of this teacher are for {self.method}"
        return TeacherScore(table, ceilings, method, self.by, self.name, attrs, draws)

    def save(self, path: str | Path) -> None:
        """One HDF5 file, written whole or not at all."""
        from .storage import write_array, writing

        with writing(path, "teacher") as file:
            for key in ("name", "method", "stimuli", "checksum"):
                file.attrs[key] = getattr(self, key)
            file.attrs["attrs"] = json.dumps(dict(self.attrs))
            file.attrs["ceilings"] = json.dumps({target: list(pair) for target, pair in self.ceilings.items()})
            file.attrs["targets"] = json.dumps(list(self.rdms))
            if self.stimulus_ids:
                write_array(file, "stimulus_ids", np.array(self.stimulus_ids))
            for i, rdm in enumerate(self.rdms.values()):
                rdm.write(file.create_group(f"rdm{i}"))

    @classmethod
    def load(cls, path: str | Path) -> "Teacher":
        """What `save` wrote. Raises RSAError naming the file when it is missing, truncated or something else."""
        from .hdf5 import read_column
        from .storage import read_json, read_text, reading

        with reading(path, "teacher") as file:
            targets = [str(target) for target in read_json(file, "targets")]
            rdms = {target: RDM.read(file[f"rdm{i}"]) for i, target in enumerate(targets)}
            ceilings = {str(t): (float(low), float(high)) for t, (low, high) in read_json(file, "ceilings").items()}
            name, method, stimuli, checksum = (
                read_text(file, key) for key in ("name", "method", "stimuli", "checksum")
            )
            ids = tuple(read_column(file, "stimulus_ids").tolist()) if "stimulus_ids" in file else ()
            return cls(name, rdms, ceilings, method, stimuli, checksum, read_json(file, "attrs"), ids)


class Guidance:
    """A teacher and its stimuli, ready to score networks inside anybody's own training or search loop.

    `guidance(module)` shows the module every stimulus that the teacher's RDMs are about and returns a TeacherScore;
    its `tg` goes into `p_plus_tg`. The module's mode, device and gradients are left as they were.

    Raises RSAError at once when the stimuli lack a condition of the teacher or are not the images it was made with.
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
        seed: int = 0,
        batch_size: int = 64,
        device: "str | torch.device | None" = None,
    ) -> None:
        from .activations import LAYER_METRICS

        if (metric or teacher.metric) not in LAYER_METRICS:
            known = ", ".join(LAYER_METRICS)
            raise RSAError(f"a network's RDMs cannot be made by {metric or teacher.metric}; give metric=: {known}")
        check_method(method or teacher.method)
        shown = as_stimuli(stimuli)
        self.teacher, self.method = teacher, method
        self.stimuli = teacher.select(shown)
        if teacher.checksum and teacher.checksum != self.stimuli.checksum():
            raise RSAError(f"these are not the images that teacher {teacher.name!r} was made with ({teacher.stimuli})")
        self._settings: dict[str, Any] = {
            "layers": layers, "by": teacher.by, "preprocess": preprocess, "metric": metric or teacher.metric,
            "n_features": n_features, "seed": seed, "batch_size": batch_size, "device": device,
        }  # fmt: skip

    def __call__(self, module: "torch.nn.Module") -> TeacherScore:
        return self.teacher.score(self.rdms(module), method=self.method)

    def rdms(self, module: "torch.nn.Module", *, progress: "Progress | None" = None) -> dict[str, RDM]:
        """The RDMs of the module's layers over the teacher's conditions; raises RSAError as `layer_rdms` does."""
        from .activations import layer_rdms

        return layer_rdms(module, self.stimuli, progress=progress, **self._settings)


def _features_used(rdms: Mapping[str, RDM]) -> dict[str, Attr]:
    used = sorted({int(rdm.attrs["n_features"] or 0) for rdm in rdms.values() if "n_features" in rdm.attrs})
    return {"n_features": used[0] if len(used) == 1 else f"{used[0]} to {used[-1]}"} if used else {}


def p_plus_tg(p: float, tg: float, alpha: float = 1.0) -> float:
    """P + alpha TG (paper, section 3.2). p: validation accuracy as a fraction in [0, 1]. Raises RSAError otherwise."""
    if not 0.0 <= p <= 1.0:
        raise RSAError(f"p must be a fraction in [0, 1], got {p}" + ("; divide percent by 100" if 1 < p <= 100 else ""))
    return p + alpha * tg
