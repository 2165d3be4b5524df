"""A model against a recording over time: what `tgsage score --over-time` and `score_over_time` do."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...rsa import RDM, Features, RSAError, Teacher, TimeScore, compare_over_time, compare_subjects_over_time
from ...rsa.errors import check_known, listing, near
from ...rsa.inference.bootstrap import LEAST
from ...rsa.inference.intervals import PERMUTED
from ...rsa.networks.readout import N_FEATURES
from ...rsa.networks.stimuli import Images
from ..catalogue.lookup import load_as
from ..recordings.neuroids import region_neuroids
from ..recordings.selection import select
from ..scoring import bar, score
from ..settings import GUESSED, SPLITS, Layout, RegionSettings
from ..teacher import is_model_name, publishes_rdms, stimuli_of
from .generalisation import HALVES, possible_halves, temporal_generalisation
from .rdms import WindowRDMs, about, course, each_window, mean_over_subjects, said
from .windows import Window, time_windows

if TYPE_CHECKING:
    import torch
    import xarray

    from ...rsa.networks.cache import LayerCache
    from ...rsa.networks.models import Preprocess

DRAWS = 1000  # resamples, and permutations, of the stimuli
FLIPS = 10_000  # of subjects
_STATED = ("source", "unit", "selected", "read_as", "left_out", "note")


def score_over_time(
    model: "str | Path | torch.nn.Module | RDM | Features | Mapping[str, Any]",
    recording: "str | Path | xarray.DataArray" = "simulated/time",
    stimuli: "str | Path | Images | None" = None,
    *,
    width: float | None = None,
    step: float | None = None,
    between: tuple[float, float] | None = None,
    windows: Iterable[tuple[float, float]] | None = None,
    layers: str | Sequence[str] = "auto",
    targets: str | Sequence[str] = (),
    by: str | None = None,
    level: str | None = None,
    scale: str | None = None,
    missing: str | None = None,
    splits: int | None = None,
    where: str | Iterable[str] = (),
    layout: Layout = GUESSED,
    method: str | None = None,
    metric: str | None = None,
    n_features: int | None = N_FEATURES,
    bootstrap: int | None = None,
    permutations: int | None = None,
    over: str = "stimuli",
    subjects: str = "animal",
    generalise: bool = False,
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
) -> TimeScore:
    """Score a model against a recording in every window, as `tgsage score --over-time` does.

    Parameters
    ----------
    model
        As in `score`.
    recording : str, Path or xarray.DataArray
        A recording with time bins: a name or file that `load` knows, or the recording itself. One on disk is read in
        pieces.
    stimuli
        As in `score`.
    width, step, between, windows : optional
        Windows in ms, see `time_windows`; by default every time bin is a window.
    layers, targets, by, level, scale, missing, where, layout, method, metric, n_features
        As in `score`.
    splits : int, optional
        Random split halves for the reliability and ceiling of every window, 100 by default; 0 for none.
    bootstrap : int, optional
        Resamples of the stimuli for intervals; by default 1000 for 5 or more conditions or with `groups`; 0 for none.
        Over subjects, resamples of these, 1000 by default.
    permutations : int, optional
        Permutations of the stimuli for cluster tests and latencies; by default 1000 where the method allows them; 0 for
        none. Over subjects, these are sign flips, 10,000 by default.
    over : {"stimuli", "subjects"}
        What intervals and tests generalise to: new stimuli, with the neuroids of all subjects together, or new subjects
        with the same stimuli, from one RDM for each subject (`compare_subjects_over_time`).
    subjects : str
        The column of neuroids that names subjects.
    generalise : bool
        Also compare the RDMs of every two windows (`temporal_generalisation`): those of random halves of the
        presentations (at most 10 splits, and no more than `splits`) or, where few stimuli have repeats, those of all
        presentations.
    groups, seed, weights, labels, preprocess, data_dir, batch_size, device, tokens, loaders, progress, cache
        As in `score`.

    Returns
    -------
    TimeScore

    Raises
    ------
    TGSageError
        As `score`, `time_windows`, `rdms_over_time` and `compare_subjects_over_time` do, and for RDMs or models in
        place of a recording; over subjects, also for `groups`, for a column that does not exist and for targets with
        one subject.

    Examples
    --------
    >>> import numpy as np
    >>> from tgsage.neural_data import from_arrays, score_over_time
    >>> rng = np.random.default_rng(0)
    >>> images, shape = [f"image{i}" for i in range(12)], rng.normal(size=(12, 20))
    >>> rates = np.stack([(t > 1) * shape + 0.3 * rng.normal(size=(12, 20)) for t in range(5)], axis=2)
    >>> bins = [(50 * t, 50 * t + 50) for t in range(5)]
    >>> recording = from_arrays(rates, stimulus_id=images, region="IT", time_bins=bins)
    >>> result = score_over_time({"layer": shape}, recording, labels=images, splits=0, bootstrap=0)
    >>> float(result.table["onset"].item())
    125.0
    """
    settings = _settings(by=by, level=level, scale=scale, missing=missing)
    loaded, name = _recording(recording, data_dir, layout, where, settings.by, stimuli)
    chosen = time_windows(loaded, width=width, step=step, between=between, windows=windows)
    wanted = _targets(loaded, settings.level, targets)
    check_known("over is 'stimuli' or 'subjects', not", over, ("stimuli", "subjects"))
    people = _people(loaded, settings.level, wanted, subjects) if over == "subjects" else {}
    if people and groups is not None:
        raise RSAError("groups of stimuli are resampled over stimuli, and here subjects are")
    resampling = {"bootstrap": bootstrap, "permutations": permutations, "splits": splits}
    for key, value in resampling.items():
        if value is not None and value < 0:
            raise RSAError(f"{key} is a whole number from 0, got {value}")
    method = method or "pearson"
    if people:
        permutations = FLIPS if permutations is None else permutations
    elif permutations is None:
        permutations = DRAWS if method in PERMUTED else 0
    elif permutations and method not in PERMUTED:
        raise RSAError(f"cluster tests are for {', '.join(PERMUTED)}, not {method!r}; permutations 0 goes without")
    splits = SPLITS if splits is None else splits
    single = [name for own in people.values() for name in own.values()]  # an RDM of each subject
    read = replace(settings, level=f"{settings.level}+{subjects}") if people else settings
    shown = _some_window(loaded, chosen, read, single or wanted)
    teacher = Teacher.from_rdms(name, shown.rdms, method=method, **stimuli_of(loaded, settings.by))
    made = score(
        model,
        teacher,
        stimuli,
        layers=layers,
        method=method,
        metric=metric,
        n_features=n_features,
        bootstrap=0,
        seed=seed,
        weights=weights,
        labels=labels,
        preprocess=preprocess,
        data_dir=data_dir,
        batch_size=batch_size,
        device=device,
        tokens=tokens,
        loaders=loaders,
        progress=progress,
        cache=cache,
    )
    if bootstrap is None:
        bootstrap = DRAWS if people or groups is not None or len(next(iter(shown.rdms.values()))) >= LEAST else 0
    model_name, model_attrs = made.model, made.attrs
    compared: Any = made.layers
    del shown, teacher, made  # RDMs of many stimuli are large, and the windows bring their own
    needed = {"stimulus_id", "repetition", "trials", settings.by, groups}
    columns = {str(key) for key, column in loaded.coords.items() if column.dims == ("presentation",)}
    loaded = loaded.drop_vars(columns - needed)  # every window would look for what is constant within a stimulus
    seen: list[Any] = []

    def rdms() -> Iterator[tuple[Window, Mapping[str, RDM]]]:
        every = each_window(loaded, chosen, read, targets=single or wanted, splits=splits, seed=seed, method=method)
        for one in every:
            seen.append(about(one, single or wanted))
            yield one.window, one.rdms

    def by_subject() -> Iterator[tuple[Window, Mapping[str, Mapping[str, RDM]]]]:
        for window, known in rdms():
            yield (
                window,
                {
                    target: {who: known[name] for who, name in own.items() if name in known}
                    for target, own in people.items()
                },
            )

    label = f"{name}: {len(compared)} layers against {len(wanted)} targets"
    with bar(progress, label, len(chosen), "windows") as done:
        how: dict[str, Any] = {"targets": wanted, "method": method, "bootstrap": bootstrap}
        how |= {"permutations": permutations, "seed": seed, "name": name, "progress": done}
        if people:
            found = compare_subjects_over_time(compared, by_subject(), **how)
        else:
            found = compare_over_time(compared, rdms(), groups=groups, **how)
    known = course(seen, single or wanted)
    known = (mean_over_subjects(known, people) if people else known).sel(target=found.targets)
    stated = _attrs(loaded, settings, chosen, splits, seed)
    if people:
        stated |= {"subjects": subjects, "ceiling": f"{stated['ceiling']}; mean over subjects"}
    attrs = {**model_attrs, **{f"teacher_{key}": value for key, value in stated.items()}}
    table = found.table.assign({str(key): column for key, column in known.data_vars.items()})
    square = None
    if generalise:
        halves = possible_halves(loaded, min(HALVES, splits))
        with bar(progress, f"{name}: RDMs of two times", max(halves, 1)) as done:
            try:
                square = temporal_generalisation(
                    loaded,
                    windows=chosen,
                    by=settings.by,
                    level=settings.level,
                    scale=settings.scale,
                    missing=settings.missing,
                    targets=found.targets,
                    method=method,
                    splits=halves,
                    seed=seed,
                    progress=done,
                )
            except RSAError as error:  # of halves alone: the score stands
                attrs["generalisation"] = f"none: {error}"
    return replace(found, table=table, by=settings.by, model=model_name, attrs=attrs, generalisation=square)


def _settings(**given: Any) -> RegionSettings:
    return RegionSettings(**{key: value for key, value in given.items() if value is not None})


def _recording(
    recording: "str | Path | xarray.DataArray",
    data_dir: str | Path | None,
    layout: Layout,
    where: str | Iterable[str],
    by: str,
    stimuli: "str | Path | Images | None",
) -> "tuple[xarray.DataArray, str]":
    """The recording with what is chosen of it, and its name."""
    if not isinstance(recording, str | Path):
        chosen = select(recording, where)
        return chosen, str(chosen.attrs.get("identifier", "recording"))
    if is_model_name(recording) or publishes_rdms(recording, layout):
        what = "is a model" if is_model_name(recording) else "holds RDMs as they are"
        raise RSAError(f"over time means in the time bins of a recording, and {recording} {what}")
    loaded = load_as(recording, data_dir, layout, where, by, stimuli)
    return loaded, str(loaded.attrs.get("identifier", "")) or Path(recording).name


def _targets(recording: "xarray.DataArray", level: str, targets: str | Sequence[str]) -> list[str]:
    known = list(region_neuroids(recording, level))
    wanted = [targets] if isinstance(targets, str) else list(dict.fromkeys(targets))
    unknown = [target for target in wanted if target not in known]
    if unknown:
        raise RSAError(f"the recording has no target {unknown[0]!r}{near(unknown[0], known)}")
    return wanted or known


def _people(
    recording: "xarray.DataArray", level: str, targets: Sequence[str], column: str
) -> dict[str, dict[str, str]]:
    """Target -> subject -> the name of what this subject's neuroids of the target are a target of their own as."""
    regions, known = region_neuroids(recording, level), region_neuroids(recording, column)
    found = {
        target: {who: f"{target} {who}" for who, own in known.items() if len(np.intersect1d(own, regions[target]))}
        for target in targets
    }
    for target, own in found.items():
        if len(own) < 2:
            raise RSAError(
                f"target {target} has one {column}, {listing(own)}; inference over subjects needs at least 2"
            )
    return found


def _some_window(
    recording: "xarray.DataArray", windows: Sequence[Window], settings: RegionSettings, targets: Sequence[str]
) -> WindowRDMs:
    """RDMs of the first window, from the middle on, that has any."""
    middle = len(windows) // 2
    why: dict[str, str] = {}
    for window in [*windows[middle:], *windows[:middle][::-1]]:
        found = next(each_window(recording, [window], settings, targets=targets))
        if found.rdms:
            return found
        why |= found.reasons
    raise RSAError(f"no target has an RDM in any of {len(windows)} windows: {listing(why.values(), 1)}")


def _attrs(
    recording: "xarray.DataArray", settings: RegionSettings, windows: Sequence[Window], splits: int, seed: int
) -> dict[str, Any]:
    """What a result states about the recording's side."""
    stated = {key: recording.attrs[key] for key in _STATED if key in recording.attrs}
    halves = f"split halves of every window, {splits} splits, seed {seed}" if splits else "none: not asked for"
    return {**stated, **settings.attrs(), "windows": said(windows), "ceiling": halves}
