"""Several models against several teachers in one call: what `tgsage compare` and `compare_models` do."""

import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..rsa import RDM, RSAError, Stimuli, Teacher
from ..rsa.comparer import Comparer
from ..rsa.comparison import ModelComparison, Targets, joined
from ..rsa.errors import listing, reason, refuse
from ..rsa.inference.models import OVER, SPLITS
from ..rsa.inference.multiplicity import check_correction
from ..rsa.inference.weighting import FEATURES, Weighting
from ..rsa.networks.readout import N_FEATURES, NoTokens
from .catalogue.lookup import load_as
from .recordings.selection import select
from .scoring import Options
from .settings import GUESSED, Layout
from .source import Source
from .teacher import is_model_name, publishes_rdms

if TYPE_CHECKING:
    import torch
    import xarray

    from ..rsa.networks.cache import LayerCache
    from ..rsa.networks.stimuli import Images

OF_TARGETS = "targets"
ANIMAL = "animal"
CATEGORY = "category:"


@dataclass(frozen=True)
class Entry:
    """A model of a comparison: its name, what it is, and what differs from the other models' settings."""

    name: str
    model: Any
    weights: str | Path | None = None
    layers: str | Sequence[str] | None = None
    weighted: str | None = None


def compare_models(
    models: "str | Path | Sequence[Any] | Mapping[str, Any]",
    teachers: "str | Path | Teacher | xarray.DataArray | Targets | Sequence[Any]",
    stimuli: "str | Path | Images | None" = None,
    *,
    over: str = "stimuli",
    subjects: str = ANIMAL,
    beyond: str | Sequence[str] = (),
    correction: str = "fdr",
    bootstrap: int = 1000,
    halvings: int = SPLITS,
    weights: str | Path | Sequence[str | Path] | None = None,
    weighted: str | Mapping[str, str] = "",
    layers: str | Sequence[str] = "auto",
    targets: str | Sequence[str] = (),
    by: str | None = None,
    level: str | None = None,
    scale: str | None = None,
    window: tuple[float, float] | None = None,
    missing: str | None = None,
    splits: int | None = None,
    where: str | Iterable[str] = (),
    layout: Layout = GUESSED,
    method: str | None = None,
    metric: str | None = None,
    n_features: int | None = N_FEATURES,
    groups: str | None = None,
    seed: int = 0,
    labels: "str | Path | Iterable[object] | None" = None,
    data_dir: str | Path | None = None,
    batch_size: int | None = None,
    device: "str | torch.device | None" = None,
    tokens: str = "all",
    loaders: int = 1,
    cache: "LayerCache | None" = None,
    progress: bool = False,
    report: Callable[[str], object] = lambda line: None,
) -> ModelComparison:
    """Compare models with the targets of teachers, as `tgsage compare` does.

    Every model is compared at a layer chosen on other stimuli, so that having more layers is no advantage.

    Parameters
    ----------
    models : str, Path, sequence or mapping
        What `score` takes as a model, several of these, or a mapping of names to them; `"@FILE"` is a file that lists
        models, one a line, each with `name=`, `weights=`, `layers=` and `weighted=` of its own where these differ.
        `"category:COLUMN"` is a model in which two stimuli differ where their values in this column of the stimuli do;
        with several columns, `"category:COLUMN,COLUMN"`, each column is a layer.
    teachers : str, Path, Teacher, xarray.DataArray, Targets, or sequence of these
        What `score` takes as a teacher, or targets of several subjects.
    stimuli : str, Path or images, optional
        Images to show; those of each teacher by default.
    over : {"stimuli", "subjects", "both"}
        What intervals and tests generalise to: new stimuli with the same subjects, new subjects with the same stimuli,
        or both new.
    subjects : str
        The column of recordings that names subjects, for inference over them; `"targets"` where the targets of a
        teacher are RDMs of its subjects.
    beyond : str or sequence of str
        Names of models that are controlled for in partial similarities.
    correction : {"fdr", "holm", "max", "none"}
        Correction for the number of tests of one kind with one target: false discovery rate, family-wise (Holm, or the
        maximum statistic of the pairs), or none.
    bootstrap : int
        Resamples for intervals and tests, at least 1.
    halvings : int
        Random halvings for the choice of layers.
    weights : str, Path or sequence, optional
        Files with state dicts for the one model given, or a glob of them: each is a model of its own.
    weighted : str or mapping of str to str
        Combine a model's layers with weights that are fitted on other stimuli, in place of choosing one: `"nnls"` (none
        negative), `"ridge:PENALTY"` (in units of the variance of a layer's RDM) or `"ridge"`, whose penalty is chosen
        by crossvalidation within the stimuli that weights are fitted to. `"features-nnls"` and `"features-ridge"`
        weight the features of all its layers together instead or, where there are more than 50 of these, their
        principal components. One rule for all models that have several layers (or features), or a mapping of names of
        models to rules.
    layers, targets, by, level, scale, window, missing, splits, where, layout, method, metric, n_features, groups, seed
        As in `score`.
    labels, data_dir, batch_size, device, tokens, loaders, cache, progress
        As in `score`.
    report : callable, optional
        Called with a line of text when a model begins or has failed.

    Returns
    -------
    ModelComparison
        A model that fails is a row that gives the reason.

    Raises
    ------
    TGSageError
        For impossible settings, a teacher that cannot be loaded, two models of the same name, and when all models fail.

    References
    ----------
    Schutt et al. (2023), eLife 12:e82566.

    Examples
    --------
    >>> import numpy as np
    >>> from tgsage.neural_data import compare_models
    >>> from tgsage.rsa import Teacher, compute_rdm
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(20, 30))
    >>> teacher = Teacher.from_rdms("monkey", {"IT": compute_rdm(x)})
    >>> models = {"alike": {"conv": compute_rdm(x + rng.normal(size=x.shape))}, "noise": {"a": compute_rdm(x[::-1])}}
    >>> found = compare_models(models, teacher, bootstrap=100)
    >>> [round(row["similarity"], 2) for row in found.rows], found.pairs[0]["p_adjusted"] < 0.05
    ([0.53, 0.09], True)
    """
    check_correction(correction)
    if over not in OVER:
        raise RSAError(f"inference is over {', '.join(OVER)}, not {over!r}")
    if bootstrap < 1 or halvings < 1:
        raise RSAError(f"a comparison needs at least 1 resample and 1 halving, got {bootstrap} and {halvings}")
    entries = _with_weights(listed(models, weights), weighted)
    controls = [beyond] if isinstance(beyond, str) else list(beyond)
    names = [entry.name for entry in entries]
    unknown = [control for control in controls if control not in names]
    if unknown:
        raise RSAError(f"{unknown[0]} is controlled for and is none of the models: {listing(names, 8)}")
    options = Options(
        layers=layers,
        targets=targets,
        similarity="rdm",
        by=by,
        level=level,
        scale=scale,
        window=window,
        missing=missing,
        splits=splits,
        where=where,
        layout=layout,
        method=method,
        metric=metric,
        n_features=n_features,
        groups=groups,
        seed=seed,
        data_dir=data_dir,
        batch_size=batch_size,
        device=device,
        tokens=tokens,
        progress=progress,
        cache=cache,
        loaders=loaders,
    )
    many = isinstance(teachers, Sequence) and not isinstance(teachers, str)
    asked = list(teachers) if many else [teachers]  # type: ignore[arg-type]
    if not asked:
        raise RSAError("at least one teacher is needed")
    sides = [_Side(teacher, stimuli, options, over, subjects) for teacher in asked]
    how: dict[str, Any] = {"over": over, "draws": bootstrap, "seed": seed, "splits": halvings}
    comparers = [
        Comparer(side.targets, correction=correction, beyond=controls, groups=side.grouped(), **how) for side in sides
    ]
    order = sorted(entries, key=lambda entry: entry.name not in controls)
    for done, entry in enumerate(order):
        report(f"model {done + 1} of {len(order)}: {entry.name}")
        own = options if entry.layers is None else replace(options, layers=entry.layers)
        for comparer, why in _add(entry, own, sides, comparers, labels):
            comparer.fail(entry.name, why)
            report(f"{entry.name} against {comparer.targets.name} failed: {why}")
    parts = [
        comparer.finished(names, _named(side.targets.name, len(sides) > 1))
        for side, comparer in zip(sides, comparers, strict=True)
    ]
    found = joined(parts)
    if all(row["reason"] for row in found.rows):
        raise RSAError(f"no model could be compared: {names[0]}: {found.rows[0]['reason']}")
    if tokens != "all" and not any(side.tokens for side in sides):
        raise RSAError(f"no model has the tokens that {tokens!r} asks for; leave it out, or add a transformer")
    about = {"subjects_by": subjects if over != "stimuli" else "", "checkpoints": _are_checkpoints(entries)}
    return replace(found, settings={**found.settings, **about})


def _are_checkpoints(entries: Sequence[Entry]) -> bool | None:
    """Whether the models are one network with different weights."""
    kinds = {str(entry.model) for entry in entries}
    return True if len(entries) > 1 and len(kinds) == 1 and all(entry.weights for entry in entries) else None


def _named(teacher: str, several: bool) -> Callable[[str], str]:
    return (lambda target: f"{teacher}: {target}") if several else str


def _add(
    entry: Entry, options: Options, sides: "Sequence[_Side]", comparers: Sequence[Comparer], labels: Any
) -> list[tuple[Comparer, str]]:
    """Compare one model with all teachers; returns those with which that failed, and why."""
    columns = str(entry.model).removeprefix(CATEGORY) if str(entry.model).startswith(CATEGORY) else ""
    try:
        if columns:
            refuse({"weights": entry.weights}, f"is for a network, and {entry.model} is none")
        source = Source("") if columns else Source.of(entry.model, entry.weights, cache=options.cache)
    except Exception as error:
        return [(comparer, reason(error)) for comparer in comparers]
    failed = []
    for side, comparer in zip(sides, comparers, strict=True):
        try:
            rule = entry.weighted or ""
            layers: Mapping[str, RDM]
            if columns:  # each is a feature
                layers, rule = side.categories(columns.split(",")), rule.removeprefix(FEATURES)
            else:
                own = replace(options, features=rule.startswith(FEATURES))
                layers = side.layers_of(source, own, labels)
            if len(layers) == 1 and not rule.startswith(FEATURES):
                rule = ""
            comparer.add(entry.name, layers, rule, metric=options.metric or side.teacher.metric)
        except Exception as error:
            failed.append((comparer, reason(error)))
    return failed


class _Side:
    """One teacher: its targets, by subject where these are resampled, and the images that models are shown."""

    def __init__(self, teacher: Any, stimuli: Any, options: Options, over: str, subjects: str) -> None:
        self.options = options
        self._shown: Stimuli | None = None
        self._checksum = ""
        self.tokens = False  # whether some network has them
        if isinstance(teacher, Targets):
            self.targets, self.stimuli = teacher, stimuli
            self.teacher = Teacher.from_rdms(teacher.name, {"first": teacher.first}, method=teacher.method)
            return
        people = {} if over == "stimuli" else self._people(teacher, subjects)
        asked = people or {"": (teacher, options)}
        every = {name: own.teacher(one, stimuli) for name, (one, own) in asked.items()}
        self.teacher, self.stimuli = next(iter(every.values()))
        rdms: dict[str, dict[str, RDM]] = {}
        for target in self.teacher.rdms:
            own = {name: one.rdms[target] for name, (one, _) in every.items() if target in one.rdms}
            if len(own) == len(every):
                rdms[target] = own
        if over != "stimuli" and subjects == OF_TARGETS:
            rdms = {self.teacher.name: {name: one[""] for name, one in rdms.items()}}
        elif not rdms:
            raise RSAError(f"no target of {self.teacher.name} is recorded in all of {listing(every)}")
        method = options.method or self.teacher.method
        ceilings = self.teacher.ceilings if len(every) == 1 and method == self.teacher.method else {}
        self.targets = Targets(self.teacher.name, rdms, ceilings, method, self.teacher.attrs)

    def _people(self, teacher: Any, column: str) -> dict[str, tuple[Any, Options]]:
        """Subject -> its recording and how it is read; nothing where the targets are the subjects."""
        options = self.options
        if column == OF_TARGETS:
            return {}
        named = isinstance(teacher, str | Path)
        if isinstance(teacher, Teacher) or (
            named and (is_model_name(teacher) or publishes_rdms(teacher, options.layout))
        ):
            raise RSAError(
                f"{getattr(teacher, 'name', teacher)} holds RDMs without a column {column!r}; where its targets are"
                f" subjects, say subjects {OF_TARGETS}"
            )
        where = [options.where] if isinstance(options.where, str) else list(options.where)
        recording = teacher
        if named:
            recording = load_as(teacher, options.data_dir, replace(options.layout, window=options.window), where)
        if column not in recording.coords:
            raise RSAError(f"{getattr(recording, 'name', '') or teacher} has no column {column!r} of subjects")
        values = sorted({str(value) for value in recording[column].values.tolist()})
        if len(values) < 2:
            raise RSAError(f"{column} has one value, {listing(values)}; inference over subjects needs at least 2")
        own = replace(options, where=())
        return {value: (select(recording, [f"{column}={value}"]), own) for value in values}

    def grouped(self) -> Any:
        """The groups that are resampled together: one value per condition of the targets."""
        groups = self.options.groups
        return groups if groups is None or groups in self.targets.first.descriptors else self._column(groups)

    def _column(self, name: str) -> Sequence[object]:
        """A column of the stimuli: one value per condition of the targets."""
        first = self.targets.first
        if name in first.descriptors:
            return list(first.descriptors[name])
        of = dict(zip(self.shown.column(self.teacher.by), self.shown.column(name), strict=True))
        return [of[label] for label in first.labels]

    def categories(self, columns: Sequence[str]) -> dict[str, RDM]:
        """By column: 0 between stimuli of one category, 1 between others."""
        first, found = self.targets.first, {}
        for column in columns:
            values = np.unique(np.array([str(value) for value in self._column(column)]), return_inverse=True)[1]
            if not 0 < values.max() < len(values) - 1:
                what = "one value" if values.max() == 0 else "another value for every stimulus"
                raise RSAError(f"{column} has {what}, and is no column of categories")
            one, other = np.triu_indices(len(values), 1)
            found[column] = first.replace(values=(values[one] != values[other]).astype(np.float64))
        return found

    @property
    def shown(self) -> Stimuli:
        from .scoring import shown_for

        if self._shown is None:
            found = shown_for(self.teacher, self.stimuli, self.options.groups, self.options.data_dir)
            self._shown = self.teacher.select(found)
        return self._shown

    def layers_of(self, source: Source, options: Options, labels: Any) -> Mapping[str, RDM]:
        stimuli: Any = self.stimuli
        if not source.is_network:
            options = replace(options, device=None)
        else:
            stimuli, labels = self.shown, None
            if options.cache is not None and not self._checksum:
                self._checksum = stimuli.checksum()

        def read(tokens: str) -> Mapping[str, RDM]:
            own, how = replace(options, tokens=tokens), {"taught": True, "checksum": self._checksum}
            here: Mapping[str, RDM] = own.layers_of(source, self.teacher, stimuli, labels, **how)  # type: ignore[arg-type]
            return here

        try:
            found = read(options.tokens)
            self.tokens = self.tokens or source.is_network
        except NoTokens:
            if options.tokens == "cls" and _works(partial(read, "mean")):
                raise  # it has tokens, and none of them is for the class
            found = read("all")
        if not found:
            raise RSAError(f"no layer can be compared: {listing(getattr(found, 'unusable', {}).values(), 2)}")
        return found


def _works(read: Callable[[], object]) -> bool:
    try:
        read()
    except NoTokens:
        return False
    return True


def _with_weights(entries: Sequence[Entry], weighted: str | Mapping[str, str]) -> list[Entry]:
    """Entries, and how their layers are combined. Raises RSAError for a rule or a name that does not exist."""
    if isinstance(weighted, Mapping):
        names = [entry.name for entry in entries]
        if unknown := [name for name in weighted if name not in names]:
            raise RSAError(f"weighted names {unknown[0]}, which is none of the models: {listing(names, 8)}")
        every = [weighted.get(entry.name, "") for entry in entries]
    else:
        every = [weighted] * len(entries)
    rules = [(rule if entry.weighted is None else entry.weighted) for entry, rule in zip(entries, every, strict=True)]
    return [
        replace(entry, weighted=str(Weighting.named(rule)) if rule else "")
        for entry, rule in zip(entries, rules, strict=True)
    ]


def listed(models: Any, weights: Any = None) -> list[Entry]:
    """The models of a comparison: names, files of them ("@FILE"), a mapping, or one model with several weights.

    Raises RSAError for none, for two of one name, for weights that do not exist, and for a file that lists no models.
    """
    if isinstance(models, Mapping):
        entries = [Entry(str(name), model) for name, model in models.items()]
    else:
        several = isinstance(models, Sequence) and not isinstance(models, str)
        entries = []
        for i, model in enumerate(models if several else [models]):
            if isinstance(model, str) and model.startswith("@"):
                entries += _file_of_models(Path(model[1:]))
            else:
                named = isinstance(model, str | Path)
                entries.append(Entry(str(model) if named else f"{type(model).__name__} {i + 1}", model))
    if not entries:
        raise RSAError("at least one model is needed")
    if weights is not None:
        entries = _checkpoints(entries, weights)
    names = [entry.name for entry in entries]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise RSAError(f"two models are called {listing(twice)}; name=... in a file of models tells them apart")
    return entries


def _checkpoints(entries: Sequence[Entry], weights: Any) -> list[Entry]:
    if len(entries) != 1 or entries[0].weights is not None:
        raise RSAError(
            f"weights are for one model, and {len(entries)} are given; in a file of models: MODEL weights=FILE"
        )
    given = [weights] if isinstance(weights, str | Path) else list(weights)
    files: list[str] = []
    for one in given:
        found = sorted(glob(str(one)), key=_natural) if not Path(one).is_file() else [str(one)]  # noqa: PTH207  absolute ones, too
        if not found:
            raise RSAError(f"{one}: no such file")
        files += found
    if len(files) == 1:
        return [replace(entries[0], weights=files[0])]
    stems = [Path(file).stem for file in files]
    names = stems if len(set(stems)) == len(stems) else files
    return [replace(entries[0], name=name, weights=file) for name, file in zip(names, files, strict=True)]


def _natural(name: str) -> list[Any]:
    """So that epoch 10 comes after epoch 9."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", name) if part]


def _file_of_models(path: Path) -> list[Entry]:
    if not path.is_file():
        raise RSAError(f"{path}: no such file; it would list models, one a line")
    if path.stat().st_size > 2**20:
        raise RSAError(f"{path} is too large for a list of models")
    entries = []
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise RSAError(f"{path} cannot be read as a list of models: {reason(error)}") from error
    for number, line in enumerate(lines, 1):
        try:
            words = shlex.split(line, comments=True)
        except ValueError as error:
            raise RSAError(f"{path}, line {number}: {error}") from error
        if not words:
            continue
        model, *rest = words
        own = dict(word.partition("=")[::2] for word in rest)
        if unknown := [word for word in own if word not in ("name", "weights", "layers", "weighted")]:
            raise RSAError(
                f"{path}, line {number}: MODEL name=... weights=... layers=... weighted=..., not {unknown[0]!r}"
            )
        layers = own["layers"].split(",") if "layers" in own else None
        entries.append(Entry(own.get("name") or model, model, own.get("weights"), layers, own.get("weighted")))
    if not entries:
        raise RSAError(f"{path} lists no models")
    return entries
