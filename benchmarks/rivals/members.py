"""A file of all that is known of a pool's members: small, where the pool itself, with its RDMs, is large.

With it a pool goes on on another machine, and is analysed again, without the networks that were trained.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ...rsa import RSAError
from ...rsa.errors import listing
from ...rsa.io.hdf5 import attribute, opened, read_column, read_json, read_text, reading, writing
from ...rsa.types import Array
from .table import LEARNED, RULES, SIZE, Table

if TYPE_CHECKING:
    import h5py

KIND = "members"
LARGE = 1000  # values that are worth compressing
NEAR = 1e-3  # between two makings of one teacher on different processors
_OPEN = ("seed", "command")  # of a pool's settings: what may differ


def is_members(path: Path) -> bool:
    """Whether a file is one of `save_members`, which says nothing about what else is in it."""
    if not path.is_file():
        return False
    with opened(path) as file:
        return attribute(file, "format") == f"tgsage-{KIND}"


def save_members(path: Path, table: Table) -> None:
    """Write a table without its rivals, whole or not at all; P, loss and what teachers say in single precision."""
    with writing(path, KIND) as file:
        file.attrs["space"] = table.space
        file.attrs["about"] = json.dumps(dict(table.about))
        file.attrs["controls"] = json.dumps(table.controls)
        _write(file, "checkpoints", np.array(table.checkpoints))
        _write(file, "seeds", np.array(table.seeds))
        for name in ("keys", "groups"):
            _write(file, name, getattr(table, name))
        for name in ("p", "loss"):
            _write(file, name, getattr(table, name).astype(np.float32))
        _write(file, "measured", table.measured)
        _write(file, "present", table.present.astype(np.uint8))
        _write(file, "free", tuple(table.free))
        _write(file, "free values", np.stack([*table.free.values()]))
        for i, (name, rules) in enumerate(table.teachers.items()):
            group = file.create_group(f"teacher{i}")
            group.attrs["name"] = name
            _write(group, "mark", table.marks[name])
            _write(group, "rules", tuple(rules))
            _write(group, "values", np.stack([*rules.values()]).astype(np.float32))


def load_members(path: Path) -> Table:
    """Read what `save_members` wrote. Raises RSAError naming the file, whatever is wrong with it."""
    with reading(path, KIND) as file:
        seeds, checkpoints = (tuple(map(int, read_column(file, name))) for name in ("seeds", "checkpoints"))
        keys, groups = (tuple(map(str, read_column(file, name))) for name in ("keys", "groups"))
        shape = len(seeds), len(keys), len(checkpoints)
        p, loss = (_read(file, name, shape) for name in ("p", "loss"))
        measured, present = (_read(file, name, shape[:2]) for name in ("measured", "present"))
        if len(groups) != len(keys) or not present.any(axis=0).all() or not present.any(axis=1).all():
            raise RSAError("its members and its arrays do not match")
        if len({*seeds}) != len(seeds) or len({*keys}) != len(keys):
            raise RSAError("it names a seed or a member twice")
        if not all(isinstance(json.loads(key), dict) for key in keys):
            raise RSAError("its members are not architectures")
        names = tuple(map(str, read_column(file, "free")))
        free = dict(zip(names, _read(file, "free values", (len(names), len(keys))), strict=True))
        teachers: dict[str, Mapping[str, Array]] = {}
        marks = {}
        for group in [file[f"teacher{i}"] for i in range(len(file)) if f"teacher{i}" in file]:
            rules = tuple(map(str, read_column(group, "rules")))
            name = read_text(group, "name")
            if missing := sorted({*RULES, *LEARNED} - {*rules}):
                raise RSAError(f"its teacher {name} lacks {listing(missing, 9)}")
            teachers[name] = dict(zip(rules, _read(group, "values", (len(rules), *shape)), strict=True))
            marks[name] = read_column(group, "mark")
        controls = tuple(map(str, read_json(file, "controls", list)))
        about = read_json(file, "about")
        if not isinstance(about.get("pool"), dict) or not {*controls} <= {*teachers} or SIZE not in free:
            raise RSAError("it lacks settings of its pool, a control, or sizes")
        made: dict[str, Any] = {"about": about, "keys": keys, "marks": marks}
        known = measured, groups, present.astype(bool), p, loss, free, teachers, controls
        return Table(read_text(file, "space"), checkpoints, seeds, *known, **made)


def joined(first: Table, other: Table, source: Path) -> Table:
    """The members of both at all seeds; of those that both have at a seed what `first` knows.

    Raises RSAError naming what differs where the two were not made alike. source: of the other, for that message.
    """
    if wrong := _differing(first, other):
        raise RSAError(f"{source} was made with other settings than this pool: {listing(wrong, 9)}")
    seeds = tuple(sorted({*first.seeds, *other.seeds}))
    keys = tuple(dict.fromkeys([*first.keys, *other.keys]))
    members = [[keys.index(key) for key in one.keys] for one in (other, first)]  # the later overwrites
    places = [
        np.ix_([seeds.index(seed) for seed in one.seeds], here)
        for one, here in zip((other, first), members, strict=True)
    ]
    groups = np.empty(len(keys), object)
    for here, one in zip(members, (other, first), strict=True):
        groups[here] = one.groups

    def union(theirs: Array, mine: Array) -> Array:
        """Of (S, A, ...)."""
        found = np.zeros((len(seeds), len(keys), *mine.shape[2:]), mine.dtype)
        found[places[0]] = theirs
        here = first.present.reshape(*first.present.shape, *[1] * (mine.ndim - 2))
        found[places[1]] = np.where(here, mine, found[places[1]])
        return found

    free = {name: np.zeros(len(keys)) for name in first.free}
    for here, one in zip(members, (other, first), strict=True):
        for name, column in free.items():
            column[here] = one.free[name]
    numbers: dict[str, Any] = {
        name: union(getattr(other, name), getattr(first, name)) for name in ("measured", "present", "p", "loss")
    }
    teachers = {
        name: {rule: union(other.teachers[name][rule], values) for rule, values in rules.items()}
        for name, rules in first.teachers.items()
    }
    return replace(first, seeds=seeds, keys=keys, groups=tuple(groups), free=free, teachers=teachers, **numbers)


def trained_at(path: Path, seed: int, settings: Mapping[str, Any]) -> frozenset[str]:
    """Keys of the members that were trained at a seed.

    Raises RSAError as `load_members`, and where they were made by other settings of a pool than these.
    """
    table = load_members(path)
    if wrong := _unlike(json.loads(json.dumps(dict(settings))), table.about["pool"]):
        raise RSAError(f"{path} was made with other settings than this pool: {listing(wrong, 9)}")
    if seed not in table.seeds:
        return frozenset()
    here = table.present[table.seeds.index(seed)]
    return frozenset(key for key, there in zip(table.keys, here, strict=True) if there)


def _unlike(settings: Mapping[str, Any], others: Mapping[str, Any]) -> list[str]:
    keys = sorted({*settings, *others} - {*_OPEN})
    return [key for key in keys if settings.get(key) != others.get(key)]


def _differing(first: Table, other: Table) -> list[str]:
    wrong = [name for name in ("space", "checkpoints") if getattr(first, name) != getattr(other, name)]
    here, there = (json.loads(json.dumps(dict(one.about))) for one in (first, other))
    wrong += _unlike(here["pool"], there["pool"])
    wrong += ["free predictors"] if here.get("free") != there.get("free") or set(first.free) != set(other.free) else []
    for name in dict.fromkeys([*first.teachers, *other.teachers]):
        if not same_teacher(*(one.marks.get(name, np.empty(0)) for one in (first, other))):
            wrong.append(f"teacher {name}")
    return wrong


def same_teacher(mark: Array, other: Array) -> bool:
    """Whether these are marks of one teacher."""
    return mark.shape == other.shape and np.allclose(mark, other, rtol=0, atol=NEAR)


def _write(group: "h5py.Group | h5py.File", name: str, values: Any) -> None:
    import h5py

    if isinstance(values, tuple):
        group.create_dataset(name, data=np.array(values, object), dtype=h5py.string_dtype())
        return
    packing = {"compression": "gzip", "shuffle": True} if values.size > LARGE else {}
    group.create_dataset(name, data=values, **packing)


def _read(group: "h5py.Group | h5py.File", name: str, shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    values = read_column(group, name)
    if values.shape != shape or not np.isfinite(values).all():
        raise RSAError(f"{name} has shape {values.shape} where {shape} is needed, or holds NaN")
    return values.astype(np.float64)
