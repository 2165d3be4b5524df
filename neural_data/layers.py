"""Features and RDMs that are a model: from files and arrays, brought to the stimuli or conditions of a teacher."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np

from ..rsa import RDM, Features, RSAError, Stimuli, Teacher
from ..rsa.errors import as_names, listing, near
from ..rsa.interop.layers import read_layers
from ..rsa.io.arrays import ARRAYS
from ..rsa.io.kinds import TABLES, content_of
from ..rsa.io.tables import read_names
from ..rsa.labels import respelled
from ..rsa.rdm.distances import METRICS
from ..rsa.similarity.features import averaged_over

ORDER = "order"
_SAID = "rows in the order of the teacher's stimuli, as told"


def is_file_of_layers(model: object) -> bool:
    """Whether a model's name is that of a file or folder of features or RDMs, and not of a network or its weights."""
    if not isinstance(model, str | Path) or not str(model):
        return False
    path = Path(model)
    if path.is_dir():
        return (
            isinstance(model, Path) or os.sep in model or any(path.glob("features*")) or any(path.glob("*/features*"))
        )
    return path.is_file() and ".py:" not in str(model) and content_of(path) in (*ARRAYS, *TABLES)


def given_layers(
    model: Any, teacher: Teacher, labels: "str | Path | Iterable[object] | None"
) -> dict[str, RDM] | dict[str, Features]:
    """Layers of a file, or of RDMs, features or arrays in memory, whose rows are named by `labels` if they are not."""
    names: Sequence[object] | None
    ordered = isinstance(labels, str) and labels == ORDER and not Path(labels).is_file()
    if ordered:
        names = teacher.labels
    elif isinstance(labels, str | Path):
        names = read_names(Path(labels))
    else:
        names = None if labels is None else list(labels)
    if isinstance(model, str | Path):
        layers: dict[str, Any] = dict(read_layers(model, labels=names))
    else:
        layers = {}
        for name, one in (
            model if isinstance(model, Mapping) else {getattr(model, "name", "") or "model": model}
        ).items():
            if not isinstance(one, RDM | Features):
                if names is None and not hasattr(one, "iloc") and not hasattr(one, "coords"):
                    raise RSAError(
                        f"the rows of {name} have no names; labels= gives them, or 'order' for the teacher's"
                    )
                one = Features(one, names, name=str(name))
            layers[str(name)] = one
        if names is not None and any(
            isinstance(one, RDM | Features) and one.labels != tuple(names) for one in layers.values()
        ):
            raise RSAError("labels= names rows that have no names, and these have")
    if ordered:
        layers = {name: one.replace(attrs={**one.attrs, "labels": _SAID}) for name, one in layers.items()}
    return layers


def matching_layers(layers: Mapping[str, Any], wanted: str | Sequence[str]) -> dict[str, Any]:
    """The layers of these names or globs, in their own order; all for "auto"."""
    globs = as_names(wanted, "layers")
    if globs == ["auto"]:
        return dict(layers)
    for glob in globs:
        if not any(name == glob or fnmatchcase(name, glob) for name in layers):
            raise RSAError(f"there is no layer {glob!r}{near(glob, layers)}")
    return {name: one for name, one in layers.items() if any(name == g or fnmatchcase(name, g) for g in globs)}


def comparable(
    layers: Mapping[str, Any], teacher: Teacher, similarity: str, metric: str | None, shown: Callable[[], Stimuli]
) -> dict[str, RDM] | dict[str, Features]:
    """Layers over the conditions of the teacher, as RDMs or as features, whichever the similarity compares.

    shown: the images, whose table says which stimuli belong to a condition. Raises RSAError where a condition is
    missing, for an RDM where features are compared, and for `metric` where RDMs are ready.
    """
    found: dict[str, Any] = {}
    for name, one in layers.items():
        if isinstance(one, RDM) and (similarity != "rdm" or metric is not None):
            what = (
                f"metric {metric} makes RDMs of features" if similarity == "rdm" else f"{similarity} compares features"
            )
            raise RSAError(f"{what}, and {name} is an RDM already")
        here = _over_conditions(one, name, teacher, shown)
        if similarity == "rdm" and isinstance(here, Features):
            own = teacher.metric if teacher.metric in METRICS else "correlation"
            here = here.rdm(metric=metric or own)
        found[name] = here
    return found


def _over_conditions(one: Any, name: str, teacher: Teacher, shown: Callable[[], Stimuli]) -> Any:
    wanted = teacher.labels
    here = _renamed(one, wanted)
    lacking = sorted(set(wanted).difference(here.labels))
    if not lacking:
        attrs = {**one.attrs, **_rows_used(len(wanted), len(here.labels))}
        return (here if set(here.labels) == set(wanted) else here.subset(wanted)).replace(by=teacher.by, attrs=attrs)
    if teacher.by == "stimulus" or len(lacking) < len(wanted) or isinstance(one, RDM):
        what = "stimuli" if teacher.by == "stimulus" else f"conditions by {teacher.by}"
        raise RSAError(
            f"{len(lacking)} of the teacher's {len(wanted)} {what} have no row in {name}: {listing(lacking)}"
        )
    ids, groups, known = list(teacher.members), list(teacher.members.values()), _renamed(one, teacher.members)
    if not set(ids).intersection(known.labels):
        try:
            stimuli = teacher.select(shown())
            ids, groups = stimuli.column("stimulus"), stimuli.column(teacher.by)
        except RSAError as error:
            raise RSAError(
                f"the teacher is by {teacher.by}, and which row of {name} belongs to which is not known ({error});"
                f" average the rows by {teacher.by} and name them so, or give --stimuli with that column"
            ) from error
        known = _renamed(one, ids)
    absent = sorted(set(ids).difference(known.labels))
    if absent:
        raise RSAError(f"{len(absent)} of the teacher's {len(ids)} stimuli have no row in {name}: {listing(absent)}")
    values = known.subset(ids).values
    of = np.array(groups)
    means = np.stack([values[of == group].mean(axis=0, dtype=np.float64) for group in wanted])
    attrs = {**one.attrs, **averaged_over(teacher.by), **_rows_used(len(ids), len(one.labels))}
    return Features(means, wanted, name=one.name, by=teacher.by, attrs=attrs)


def _renamed(one: Any, wanted: Iterable[str]) -> Any:
    """RDM or features whose rows have the wanted names where they are spelled differently."""
    other = respelled(wanted, one.labels, "stimuli")
    return one.replace(labels=[other.get(label, label) for label in one.labels]) if other else one


def _rows_used(used: int, given: int) -> dict[str, str]:
    """What is stated where a model has more rows than the teacher has conditions."""
    return {"rows": f"{used} of {given}, those of the teacher"} if used < given else {}
