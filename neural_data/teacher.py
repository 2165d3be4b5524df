"""Teachers made of recordings, and of sources that publish RDMs only."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..rsa import RDM, RSAError, Teacher
from ..rsa.errors import check_whole
from ..rsa.io.hdf5 import opened, read_text, reading
from ..rsa.io.kinds import content_of
from ..rsa.networks.models import is_model, similar_models
from ..rsa.rdm.comparison import method_named
from ..rsa.teacher import MOST
from ..rsa.types import Attr
from .catalogue.lookup import find, holds_rdms, list_datasets, load_as, load_rdms
from .recordings.recording import in_window
from .recordings.selection import select
from .regions import make_features, make_rdms, responses
from .reliability.animals import subject_ceiling
from .reliability.kept import halves_by_target
from .reliability.split_half import LEAST
from .settings import GUESSED, SPLITS, Layout, RegionSettings, window_text

if TYPE_CHECKING:
    import xarray

    from ..rsa.networks.cache import LayerCache
    from ..rsa.networks.stimuli import Images

_STATED = ("source", "unit", "level", "scale", "window", "repeats", "selected", "read_as", "left_out", "note")


def as_teacher(
    recording: "xarray.DataArray",
    *,
    where: str | Iterable[str] = (),
    by: str = RegionSettings.by,
    level: str = RegionSettings.level,
    scale: str = RegionSettings.scale,
    window: tuple[float, float] | None = RegionSettings.window,
    metric: str = RegionSettings.metric,
    missing: str = RegionSettings.missing,
    splits: int = SPLITS,
    seed: int = 0,
    method: str = "pearson",
    name: str = "",
    features: bool = False,
    progress: Callable[[int], object] = lambda steps: None,
    cache: "LayerCache | None" = None,
) -> Teacher:
    """Make a teacher from a recording: the RDM of each region with its noise ceiling.

    Parameters
    ----------
    recording : xarray.DataArray
        See `check_recording`.
    where : str or iterable of str
        Conditions on its columns, see `select`.
    by, level, scale, window, metric, missing
        See `RegionSettings`.
    splits, seed, method, progress
        As in `split_half`; `splits=0` makes no ceilings.
    name : str
        Name of the teacher; by default the recording's identifier.
    features : bool
        Also keep the responses behind the RDMs, for similarities that compare features. For more than 10,000 conditions
        only the responses are kept, without RDMs and ceilings.
    cache : LayerCache, optional
        Where the results of split halves are noted, for a recording of the same content and settings.

    Returns
    -------
    Teacher
        Its `stimuli` are the recording's `attrs["images"]`, or its identifier if that is a name in the catalogue. The
        `attrs` of each RDM hold `reliability`, `ceiling` and `split_r`.

    Raises
    ------
    RSAError
        As `region_rdms`.

    Notes
    -----
    Split halves give one number, so both ends of a target's ceiling are the similarity by `method` of a noiseless
    model; a similarity divided by it is the ceiled score. A recording of averages and the targets that `split_half`
    names, such as those of a reliability below .2, have no ceiling, and `attrs["ceiling"]` says why.
    """
    settings = RegionSettings(by, level, scale, window, metric, missing)
    recording = select(recording, where)
    how = _how(method)
    check_whole(0, splits=splits, seed=seed)
    recording, settings = in_window(recording, window), replace(settings, window=None)
    parts = responses(recording, settings)
    kept = make_features(parts, settings) if features else {}
    few = not kept or len(next(iter(kept.values()))) <= MOST
    rdms = make_rdms(parts, settings) if few else {}
    stated: dict[str, Attr] = {}
    for one in (rdms or kept).values():
        stated |= {key: one.attrs[key] for key in _STATED if key in one.attrs}
    ceilings: dict[str, tuple[float, float]] = {}
    if not few:
        stated["ceiling"] = f"none: no RDMs are made of more than {MOST:,} conditions"
    elif splits == 0:
        stated["ceiling"] = "none: not asked for"
    else:
        sampled: dict[str, Any] = {"splits": splits, "seed": seed, "method": method, "progress": progress}
        try:
            halves = halves_by_target(recording, settings, cache=cache, **sampled)
        except RSAError as error:
            stated["ceiling"] = f"none: {error}"
        else:
            rdms = {target: _with_reliability(rdm, halves[target]) for target, rdm in rdms.items()}
            ceilings = {target: (c, c) for target in rdms if (c := halves[target]["ceiling"]) > 0}
            reliability = f"{how} split-half reliability (corrected Spearman-Brown), {splits} splits, seed {seed}"
            without = [f"none for {reason}" for target in rdms if (reason := halves[target]["reason"])]
            stated["ceiling"] = "; ".join([reliability, *without])
    identifier = str(recording.attrs.get("identifier", ""))
    said: dict[str, Any] = {"method": method, "attrs": stated, **stimuli_of(recording, by)}
    return Teacher.from_rdms(name or identifier or "recording", rdms, ceilings, features=kept, **said)


def stimuli_of(recording: "xarray.DataArray", by: str) -> dict[str, Any]:
    """What a recording says about its images, as fields of a teacher: `stimuli`, `stimulus_ids` and `members`."""
    identifier = str(recording.attrs.get("identifier", ""))
    named = identifier if identifier in {dataset.name for dataset in list_datasets()} else ""
    stimuli = str(recording.attrs.get("images", named))
    shown = recording["stimulus_id"].values.tolist()
    groups = {} if by == "stimulus" else dict(zip(shown, recording[by].values.astype(str).tolist(), strict=True))
    return {"stimuli": stimuli, "stimulus_ids": list(dict.fromkeys(shown)) if stimuli else (), "members": groups}


def _how(method: str) -> str:
    """How a ceiling follows from a reliability. Raises RSAError for an unknown method."""
    ranked = method_named(method).ranked
    return f"{method} of normal variables with r = sqrt of" if ranked else f"{method}, sqrt of"


def _with_reliability(rdm: RDM, halves: Mapping[str, Any]) -> RDM:
    names = {"reliability": "reliability", "spearman_brown": "spearman_brown", "ceiling": "ceiling", "r": "split_r"}
    numbers = {name: halves[key] for key, name in names.items()}
    attrs = {**rdm.attrs, **{key: round(number, 6) if np.isfinite(number) else None for key, number in numbers.items()}}
    if not halves["stimuli"]:
        return rdm.replace(attrs=attrs)
    for what, here in (("stimuli", len(rdm)), ("neuroids", rdm.attrs["neuroids"])):
        if (used := halves[what]) != here and (what == "neuroids" or rdm.by == "stimulus"):
            attrs[f"reliability_{what}"] = used
    return rdm.replace(attrs=attrs)


def load_teacher(
    name_or_path: str | Path,
    *,
    by: str | None = None,
    level: str | None = None,
    scale: str | None = None,
    window: tuple[float, float] | None = None,
    metric: str | None = None,
    missing: str | None = None,
    data_dir: str | Path | None = None,
    splits: int | None = None,
    seed: int | None = None,
    method: str | None = None,
    features: bool = False,
    where: str | Iterable[str] = (),
    layout: Layout = GUESSED,
    stimuli: "str | Path | Images | None" = None,
    progress: Callable[[int], object] = lambda steps: None,
    cache: "LayerCache | None" = None,
) -> Teacher:
    """Load a teacher by name or file: a recording, published RDMs, or what `Teacher.save` wrote.

    RDMs that were published or saved stay as they are.

    Parameters
    ----------
    name_or_path : str or Path
        A name of the catalogue, or a file.
    by, level, scale, window, metric, missing, splits, seed, method : optional
        As in `as_teacher`, with its defaults for a recording. For saved or published RDMs they must match how these
        were made; another `method` drops the ceilings, which hold for the teacher's own method, and `splits=0` changes
        nothing.
    data_dir : str or Path, optional
        Folder of recordings.
    features : bool
        Also keep the responses behind the RDMs.
    where : str or iterable of str
        Conditions on the columns of a recording, see `select`.
    layout : Layout
        What the columns of a table or the variables of a file of arrays are.
    stimuli : str, Path or images, optional
        Images of a recording, whose table has columns for `by` and `where`; by default those that the recording names.
    progress : callable, optional
        Called with the number of split halves done.
    cache : LayerCache, optional
        As in `as_teacher`.

    Raises
    ------
    RSAError
        For an unknown name or file, for arguments that finished RDMs cannot follow, and as `load` and `as_teacher`.

    Notes
    -----
    "kriegeskorte2008" has a ceiling for "hIT", the average of 4 subjects' RDMs: the reliability of an average of k
    subjects is k r / (1 + (k - 1) r), r the mean correlation of two subjects. Its `attrs` also hold the leave-one-out
    bounds, which apply to single subjects' RDMs and not to this average.
    """
    asked: dict[str, Any] = {"by": by, "level": level, "scale": scale, "window": window, "metric": metric}
    asked |= {"missing": missing, "splits": splits, "seed": seed, "method": method}
    given = {key: value for key, value in asked.items() if value is not None}
    if is_model_name(name_or_path):
        raise RSAError(f"{name_or_path} is a model, and a teacher only over images: Teacher.from_network takes both")
    if not publishes_rdms(name_or_path, layout):
        recording = load_as(name_or_path, data_dir, replace(layout, window=window), where, by, stimuli)
        name = str(recording.attrs.get("identifier", "")) or Path(name_or_path).name
        return as_teacher(recording, name=name, features=features, progress=progress, cache=cache, **given)
    if where or layout.given:
        what = "a condition" if where else layout.given[0]
        raise RSAError(f"{what} is for recordings, and {name_or_path} holds RDMs as they are")
    if find(name_or_path) is None and _is_teacher(Path(name_or_path)):
        teacher = Teacher.load(name_or_path)
        teacher = teacher.with_method(given.pop("method", teacher.method))
    else:
        teacher = _published(name_or_path, data_dir, given.pop("method", "pearson"))
    if window is not None:
        given["window"] = window_text(*window)
    if splits == 0:
        del given["splits"]
    has = {**RegionSettings().attrs(), **teacher.attrs, "by": teacher.by, "metric": teacher.metric}
    for key, value in given.items():
        if key in ("missing", "splits", "seed"):
            raise RSAError(f"{key}= is for recordings, and {name_or_path} holds RDMs as they are")
        if value != has.get(key):
            raise RSAError(
                f"{name_or_path} holds RDMs with {key} {has.get(key, 'not stated')}, which cannot become {value}"
            )
    if features and not teacher.features:
        raise RSAError(f"{name_or_path} holds RDMs only, without the features behind them")
    return teacher


def is_model_name(name_or_path: str | Path) -> bool:
    """Whether a teacher's name is that of a model.

    A name of the catalogue comes first, then a file or folder that exists, then a model (see `load_model`). Raises
    RSAError for what is none of them, with near names of all.
    """
    try:
        find(name_or_path)
    except RSAError:
        asked, names = str(name_or_path), tuple(dataset.name for dataset in list_datasets())
        if is_model(asked):
            return True
        near = similar_models(asked, names)
        raise RSAError(
            f"{asked or repr(asked)} is neither a file nor a data set of the catalogue nor a model{near}"
        ) from None
    return False


def publishes_rdms(name_or_path: str | Path, layout: Layout = GUESSED) -> bool:
    """Whether it holds RDMs (published ones, or a teacher file) and not responses. Raises RSAError for neither."""
    dataset = find(name_or_path)
    if dataset is not None:
        return dataset.kind == "rdms"
    path = Path(name_or_path)
    return (content_of(path) == "mat" and not layout.given and holds_rdms(path)) or _is_teacher(path)


def _is_teacher(path: Path) -> bool:
    if content_of(path) != "hdf5":
        return False
    with opened(path) as file:
        return bool(file.attrs.get("format") == "tgsage-teacher")


def by_of(name_or_path: str | Path) -> str:
    """What the RDMs of this name or file are by, unless asked otherwise, without reading them."""
    if find(name_or_path) is not None or not _is_teacher(Path(name_or_path)):
        return RegionSettings.by
    with reading(Path(name_or_path), "teacher") as file:
        return read_text(file["rdm0" if "rdm0" in file else "features0"], "by")


def _published(name_or_path: str | Path, data_dir: str | Path | None, method: str) -> Teacher:
    rdms = load_rdms(name_or_path, data_dir=data_dir)
    ceilings: dict[str, tuple[float, float]] = {}
    attrs: dict[str, Attr] = {"ceiling": "none: neither repeats nor subjects are compared for these RDMs"}
    if str(name_or_path) == "kriegeskorte2008":
        try:
            subjects = load_rdms("kriegeskorte2008/subjects", data_dir=data_dir)
        except RSAError as error:
            attrs["ceiling"] = f"none: {error}"
        else:
            stated = subject_ceiling(subjects, method=method)
            rdms["hIT"] = rdms["hIT"].replace(attrs={**rdms["hIT"].attrs, **stated})
            if "ceiling" in stated:
                ceilings["hIT"] = (stated["ceiling"], stated["ceiling"])
                reliability = f"{_how(method)} its reliability across {len(subjects)} subjects"
                attrs["ceiling"] = f"of hIT: {reliability}; none for mIT"
            else:
                attrs["ceiling"] = f"none: the reliability of hIT, {stated['reliability']:.2f}, is below {LEAST:g}"
    source = {str(rdm.attrs["source"]): None for rdm in rdms.values() if "source" in rdm.attrs}
    attrs = {"source": ", ".join(source), **attrs}
    return Teacher.from_rdms(str(name_or_path), rdms, ceilings, method=method, stimuli="kriegeskorte2008", attrs=attrs)
