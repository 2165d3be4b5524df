"""A model against a teacher in one call: what `tgsage score` and `tgsage.score` do."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..rsa import RDM, Features, Guidance, RSAError, Stimuli, Teacher, TeacherScore
from ..rsa.errors import as_names, check_whole, refuse
from ..rsa.inference.bootstrap import LEAST
from ..rsa.networks.readout import N_FEATURES, NoTokens
from ..rsa.networks.stimuli import Images, as_stimuli
from ..rsa.similarity.table import check_similarity
from ..rsa.similarity.without_rdms import NAMES
from .catalogue.images import images
from .catalogue.lookup import with_columns_of_images
from .layers import comparable, given_layers, matching_layers
from .settings import GUESSED, SPLITS, Layout, RegionSettings
from .source import Source
from .teacher import as_teacher, is_model_name, load_teacher, publishes_rdms

if TYPE_CHECKING:
    import torch
    import xarray

    from ..rsa.networks.cache import LayerCache
    from ..rsa.networks.models import Preprocess

_DRAWS = 1000  # resamples behind intervals


def score(
    model: "str | Path | torch.nn.Module | RDM | Features | Mapping[str, Any]",
    teacher: "str | Path | Teacher | xarray.DataArray" = "simulated",
    stimuli: "str | Path | Images | None" = None,
    *,
    layers: str | Sequence[str] = "auto",
    targets: str | Sequence[str] = (),
    similarity: str = "rdm",
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
    bootstrap: int | None = None,
    groups: str | None = None,
    seed: int = 0,
    weights: str | Path | None = None,
    labels: "str | Path | Iterable[object] | None" = None,
    preprocess: "Preprocess | None" = None,
    data_dir: str | Path | None = None,
    batch_size: int | None = None,
    device: "str | torch.device | None" = None,
    tokens: str = "all",
    loaders: int = 1,
    progress: bool = False,
    cache: "LayerCache | None" = None,
) -> TeacherScore:
    """Score a model against a teacher, as `tgsage score` does.

    Parameters
    ----------
    model : str, Path, torch.nn.Module, RDM, Features or mapping
        A name that `load_model` knows, a network, a file or folder that `read_layers` reads, or RDMs, Features or
        arrays by layer. Where RDMs are compared, they are made from features.
    teacher : str, Path, Teacher or xarray.DataArray
        A name or file that `load_teacher` knows, a teacher, a recording, or the name of a model (see `load_model`)
        whose layers over `stimuli` are the targets. A name is taken as one in the catalogue, else as an existing file,
        else as a model.
    stimuli : str, Path or images, optional
        Images to show, or a name or path that `images` knows; those of the teacher by default.
    layers : str or sequence of str
        Names, globs (`"layer*.1"`) or `"auto"`, the stages of the network.
    targets : str or sequence of str
        Targets of the teacher to compare with; all by default. For a model as teacher, names or globs of its layers.
    similarity : str
        `"rdm"`, or one of `SIMILARITIES`, which compare features.
    by, level, scale, window, missing : optional
        How the RDMs of a recording are made, as in `as_teacher` and with its defaults; windows are in ms.
    splits : int, optional
        Random split halves for a recording's noise ceilings, 100 by default where RDMs are compared; 0 for no ceilings.
    where : str or iterable of str
        Conditions on the columns of a recording, see `select`: `"variation=6"`, `"region=V4,IT"`.
    layout : Layout
        What the columns of a table of responses or the variables of a file of arrays are.
    method, metric : str, optional
        How RDMs are compared, and the dissimilarity for the model's RDMs; by default the teacher's own.
    n_features : int, optional
        Random features per layer, drawn by `seed` and the layer's name; None or 0 for all.
    bootstrap : int, optional
        Resamples of the stimuli for intervals and tests; by default 1000 for RDMs of 5 or more conditions,
        or with `groups`, and for the similarities "rsa-..."; 0 for none.
    groups : str, optional
        Column of the stimuli whose groups are resampled together, or stay in one fold of ridge.
    seed : int
        Seed of features, split halves, resamples and folds.
    weights : str or Path, optional
        File with a state dict for a model given by name.
    labels : str, Path or sequence, optional
        Names for the rows of features or RDMs that have none: the names themselves, a file of them, or `"order"` for
        rows in the order of the teacher's stimuli.
    preprocess : callable, optional
        Turns an image into a tensor, for a network given as a module; a model given by name has its own.
    data_dir : str or Path, optional
        Folder of recordings; `$TGSAGE_DATA`, then the cache, by default.
    batch_size, device
        Images per forward pass, and where the network runs.
    tokens : {"all", "cls", "mean"}
        What to keep of a transformer's layers: all tokens, the class token or their mean.
    loaders : int
        Threads that decode images; results are the same for any number.
    progress : bool
        Show on stderr how far the work has got.
    cache : LayerCache, optional
        Keeps the layers of models given by name, and supplies them again when the same model has been shown the same
        images before; also keeps the split halves of recordings.

    Returns
    -------
    TeacherScore
        With the RDMs or features behind it in `layers` and `targets`, which its `plot` shows.

    Raises
    ------
    TGSageError
        For unknown names and files, arguments that would have no effect, and as `load_model`, `load_teacher`, `images`,
        `Guidance` and `Teacher.score` do.

    Examples
    --------
    >>> import numpy as np, tgsage
    >>> rng = np.random.default_rng(0)
    >>> v4 = tgsage.compute_rdm(rng.normal(size=(8, 30)))
    >>> teacher = tgsage.Teacher.from_rdms("monkey", {"V4": v4})
    >>> result = tgsage.score({"conv1": v4, "conv2": tgsage.compute_rdm(rng.normal(size=(8, 30)))}, teacher)
    >>> result.best_layer, round(result.tg, 3)
    ({'V4': 'conv1'}, 1.0)
    """
    _check_similarity(
        similarity, groups, {"method": method, "metric": metric, "bootstrap": bootstrap, "splits": splits}
    )
    options = Options(
        layers=layers,
        targets=targets,
        similarity=similarity,
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
    source = Source.of(model, weights, preprocess, cache)
    chosen, shown = options.teacher(teacher, stimuli)
    made = options.layers_of(source, chosen, shown, labels, taught=shown is not stimuli)
    if bootstrap is None:
        enough = groups is not None or len(chosen.labels) >= LEAST
        bootstrap = _DRAWS if (similarity == "rdm" or similarity in NAMES) and enough else 0
    with bar(progress, f"{len(made)} layers against {len(chosen.targets)} targets, {bootstrap} resamples"):
        result = chosen.score(made, similarity=similarity, method=method, bootstrap=bootstrap, groups=groups, seed=seed)
    return replace(result, model=source.name, layers=made, targets=chosen.rdms)


@dataclass(frozen=True)
class Options:
    """How models and teachers are read, as the arguments of `score` say."""

    layers: str | Sequence[str] = "auto"
    targets: str | Sequence[str] = ()
    similarity: str = "rdm"
    by: str | None = None
    level: str | None = None
    scale: str | None = None
    window: tuple[float, float] | None = None
    missing: str | None = None
    splits: int | None = None
    where: str | Iterable[str] = ()
    layout: Layout = GUESSED
    method: str | None = None
    metric: str | None = None
    n_features: int | None = N_FEATURES
    groups: str | None = None
    seed: int = 0
    data_dir: str | Path | None = None
    batch_size: int | None = None
    device: "str | torch.device | None" = None
    tokens: str = "all"
    progress: bool = False
    cache: "LayerCache | None" = None
    loaders: int = 1
    features: bool = False  # of models, in place of their RDMs

    def __post_init__(self) -> None:
        check_whole(0, seed=self.seed)

    def teacher(
        self, teacher: "str | Path | Teacher | xarray.DataArray", stimuli: "str | Path | Images | None" = None
    ) -> "tuple[Teacher, str | Path | Images | None]":
        """The teacher with the targets wanted, and the images to show. Raises RSAError as `score` does."""
        settings: dict[str, Any] = {key: getattr(self, key) for key in ("by", "level", "scale", "window", "missing")}
        settings |= {"splits": self.splits, "where": tuple(as_names(self.where, "where")) or None}
        wanted = as_names(self.targets, "targets")
        if not (isinstance(teacher, str) and is_model_name(teacher)):
            chosen = _teacher(
                teacher,
                stimuli,
                settings,
                self.layout,
                self.similarity,
                self.method,
                self.seed,
                self.data_dir,
                self.progress,
                self.cache,
            )
            return (chosen.keep(wanted) if wanted else chosen), stimuli
        del settings["by"]
        make = partial(
            model_teacher,
            teacher,
            stimuli,
            wanted,
            of_recordings=settings | dict.fromkeys(self.layout.given, True),
            by=self.by,
            metric=self.metric,
            method=self.method,
            data_dir=self.data_dir,
            progress=self.progress,
            seed=self.seed,
            features=self.similarity != "rdm",
            n_features=self.n_features or None,
            batch_size=self.batch_size,
            device=self.device,
            loaders=self.loaders,
        )
        try:
            return make(tokens=self.tokens)
        except NoTokens:  # which are for the other model then
            return make(tokens="all")

    def layers_of(
        self,
        source: Source,
        chosen: Teacher,
        stimuli: "str | Path | Images | None" = None,
        labels: "str | Path | Iterable[object] | None" = None,
        *,
        taught: bool = False,
        checksum: str = "",
    ) -> Any:
        """A model's layers over the teacher's conditions, as the similarity compares them: RDMs or features.

        taught: the stimuli are those of a model that is the teacher. checksum: of these stimuli, where it is known.
        Raises RSAError as `score` does.
        """
        if not source.is_network:
            refuse({"device": self.device}, "is for a network, and the layers' RDMs or features are given")
            given = given_layers(source.ready, chosen, labels)
            if all(isinstance(one, RDM) for one in given.values()):
                refuse(
                    {"stimuli": None if taught else stimuli},
                    "is for a network or for features, and the layers' RDMs are given",
                )
            shown = partial(shown_for, chosen, stimuli, self.groups, self.data_dir)
            if self.features:
                return comparable(matching_layers(given, self.layers), chosen, "weighting", None, shown)
            return comparable(matching_layers(given, self.layers), chosen, self.similarity, self.metric, shown)
        refuse({"labels": labels}, "names rows of features that are given, and a network has none")
        guide = Guidance(
            chosen,
            shown_for(chosen, stimuli, self.groups, self.data_dir),
            preprocess=source.preprocess,
            layers=as_names(self.layers, "layers"),
            metric=self.metric,
            n_features=self.n_features or None,
            method=self.method,
            similarity=self.similarity,
            batchnorm="running",
            seed=self.seed,
            batch_size=self.batch_size,
            device=self.device,
            tokens=self.tokens,
            loaders=self.loaders,
        )
        key = self._key(source, guide, checksum)
        if key is not None and self.cache is not None:
            kept = self.cache.load(key, guide.readout, guide.stimuli, chosen.by)
            if kept is not None:
                return kept
        try:
            with bar(self.progress, f"{source.name}: forward passes", len(guide.stimuli), "images") as done:
                read = guide.features if self.features else guide.layers
                made: Any = read(source.module, progress=done)
        except NoTokens:
            if chosen.attrs.get("tokens") != self.tokens:
                raise
            return replace(self, tokens="all").layers_of(source, chosen, stimuli, taught=taught, checksum=checksum)
        if key is not None and self.cache is not None:
            self.cache.keep(key, guide.readout, made)
        return made

    def _key(self, source: Source, guide: Guidance, checksum: str) -> str | None:
        """What decides a named network's layers; None without a cache to look in."""
        if self.cache is None or not self.cache.limit or not source.named:
            return None
        from ..rsa.networks.cache import layer_key

        if not source.known:
            self.cache.take_note(source.key, source.digest)
        groups = guide.stimuli.column(guide.teacher.by)
        kind = "rdm" if self.similarity == "rdm" and not self.features else "features"
        checksum = checksum or guide.stimuli.checksum(loaders=self.loaders)
        return layer_key(source.digest, checksum, groups, kind, guide.readout)


def model_teacher(
    name: str,
    stimuli: "str | Path | Images | None",
    layers: list[str],
    *,
    of_recordings: Mapping[str, Any],
    by: str | None,
    metric: str | None,
    method: str | None,
    data_dir: str | Path | None,
    progress: bool,
    **how: Any,
) -> tuple[Teacher, Stimuli]:
    """The layers of a model, by its name, as targets, and what it was shown; how: as in `Teacher.from_network`."""
    refuse(of_recordings, f"is for recordings, and {name} is a model")
    if stimuli is None:
        raise RSAError(f"{name} is a model, and a teacher only over images: give stimuli")
    shown = _opened(stimuli, data_dir)
    how |= {"by": by or RegionSettings.by, "metric": metric or RegionSettings.metric}
    with bar(progress, f"{name}: forward passes", len(shown), "images") as done:
        made = Teacher.from_network(name, name, shown, layers or "auto", progress=done, **how)
    return made.with_method(method or made.method), shown


def _teacher(
    teacher: "str | Path | Teacher | xarray.DataArray",
    stimuli: "str | Path | Images | None",
    settings: Mapping[str, Any],
    layout: Layout,
    similarity: str,
    method: str | None,
    seed: int,
    data_dir: str | Path | None,
    progress: bool,
    cache: "LayerCache | None",
) -> Teacher:
    """The teacher that a name, a file or a recording stands for; settings: how a recording's RDMs are made."""
    given = {key: value for key, value in settings.items() if value is not None}
    if isinstance(teacher, Teacher):
        own = {"by": teacher.by, **teacher.attrs}
        changed = {key: value for key, value in given.items() if value != own.get(key)}
        refuse(changed, f"is for recordings, and teacher {teacher.name!r} is ready")
        return teacher
    given |= {"features": similarity != "rdm"} | ({"method": method} if method else {})
    if not isinstance(teacher, str | Path):
        recording = with_columns_of_images(teacher, given.get("where", ()), given.get("by"), data_dir, stimuli)
        name, make = "recording", partial(as_teacher, recording)
    elif publishes_rdms(teacher, layout):
        of_responses = {key: settings[key] for key in ("window", "missing", "splits", "where")}
        refuse(of_responses, f"is for recordings, and {teacher} holds RDMs as they are")
        return load_teacher(teacher, data_dir=data_dir, **given)
    else:
        name, make = str(teacher), partial(load_teacher, teacher, data_dir=data_dir, layout=layout, stimuli=stimuli)
    given |= {"seed": seed, "splits": given.get("splits", SPLITS if similarity == "rdm" else 0)}
    with bar(progress, f"{name}: split halves", given["splits"]) as done:
        return make(progress=done, cache=cache, **given)


def shown_for(
    teacher: Teacher, stimuli: "str | Path | Images | None", groups: str | None, data_dir: str | Path | None
) -> Stimuli:
    if stimuli is None and not teacher.stimuli:
        raise RSAError(f"{teacher.name} does not say which images it is about; give stimuli")
    where = teacher.stimuli if stimuli is None else stimuli
    shown = _opened(where, data_dir)
    if groups is not None:
        shown.column(groups)
    return shown


def _opened(where: "str | Path | Images", data_dir: str | Path | None) -> Stimuli:
    return images(where, data_dir=data_dir) if isinstance(where, str | Path) else as_stimuli(where)


def bar(
    shown: bool, label: str, total: int | None = None, unit: str = ""
) -> AbstractContextManager[Callable[[int], object]]:
    """How far the work of a block is, on stderr where that is wanted: called with the number of further steps."""
    if not shown:
        return nullcontext(lambda steps: None)
    from ..rsa.cli.console import progress

    return progress(label, total, unit)


def _check_similarity(similarity: str, groups: str | None, of_rdms: "Mapping[str, str | int | None]") -> None:
    if similarity == "rdm":
        if groups is not None and of_rdms["bootstrap"] == 0:
            raise RSAError("groups are resampled together, and bootstrap 0 resamples nothing")
        return
    check_similarity(similarity)
    resampled = ("bootstrap", "splits") if similarity in NAMES else ()
    refuse(
        {key: value or None for key, value in of_rdms.items() if key not in resampled},
        f"is for similarity rdm; {similarity} compares features",
    )
    if groups is not None and similarity != "ridge" and not resampled:
        raise RSAError(f"groups are for rdm (resampled together) and ridge (kept in one fold), not {similarity}")
