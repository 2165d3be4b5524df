"""All that is known of a pool's members over training seeds, as arrays: what is free, P, and what teachers say."""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...plugins.evaluation.predictors import PREDICTORS
from ...plugins.evaluation.teacher_rules import RULES as RIVALS
from ...plugins.spaces import Architecture, get_space
from ...rsa import RSAError, Teacher
from ...rsa.types import Array
from ..pool.layer_similarities import view_of
from ..pool.making import collect
from ..pool.pool import Pool
from ..pool.seeds import check_alike, one_of, places_of
from ..teachers.rules import FIXED, Matched
from .free import FILE, RIVAL_FILE, Free, free_of, rivals_of

SIZE = "parameters"  # among the free predictors
RULES = ("paper", "deep", "deepest", "partial")
CHANGE = "change of "  # from the untrained network
MARK = 32  # dissimilarities of a target
LEARNED = ("deep", "deepest", f"{CHANGE}deepest")  # of a teacher, in combinations


@dataclass(frozen=True, eq=False)
class Table:
    """Members (A of them) over S training seeds and C checkpoints.

    measured: (S, A), mature performance. groups: (A,). present: (S, A), which were trained. p, loss: (S, A, C). free:
    (A,) by name. teachers: name -> rule -> (S, A, C). controls: those of the teachers that know nothing about vision.
    keys: `Space.key` of each member. rivals: (A,) by name, rules of others that have a trained network as their
    teacher. marks: name -> a few of the teacher's dissimilarities, by which it is known again.
    """

    space: str
    checkpoints: tuple[int, ...]
    seeds: tuple[int, ...]
    measured: Array
    groups: tuple[str, ...]
    present: npt.NDArray[np.bool_]
    p: Array
    loss: Array
    free: Mapping[str, Array]
    teachers: Mapping[str, Mapping[str, Array]]
    controls: tuple[str, ...]
    about: Mapping[str, Any] = field(default_factory=dict)
    keys: tuple[str, ...] = ()
    rivals: Mapping[str, Array] = field(default_factory=dict)
    marks: Mapping[str, Array] = field(default_factory=dict)

    @property
    def mature(self) -> Array:
        """Mature performance, (A,): a mean over seeds, which differ where it was trained here."""
        return np.asarray((self.measured * self.present).sum(axis=0) / self.present.sum(axis=0))


def read_table(
    pool: Path, teachers: Sequence[Teacher], *, progress: Callable[[int], object] = lambda steps: None
) -> Table:
    """Read a pool, over seeds or of one, seed by seed; members that are not trained yet are absent.

    Every target of a recording is a teacher of its own. What is told of untrained networks comes from `with_free` and
    `with_rivals`. progress: called with 1 after every seed.

    Raises RSAError where seeds do not belong together, and as `Pool.load` and `view_of`.
    """
    seeds, members, tables = [], dict[str, Any](), []
    first = replace(one_of(pool), members=())
    named, controls = _named(first, teachers)
    for place in places_of(pool).values():
        one = Pool.load(place) if place.is_file() else collect(place)
        one = replace(one, members=tuple(member for member in one.members if member.usable))
        check_alike(first, one, place)
        if not one.members:
            progress(1)
            continue
        seeds.append(int(one.settings.get("seed", 0)))
        where = get_space(one.space)
        keys = [where.key(where.canonical(member.architecture)) for member in one.members]
        members |= {key: member for key, member in zip(keys, one.members, strict=True) if key not in members}
        members = {key: replace(member, rdms={}, logits={}) for key, member in members.items()}
        tables.append((keys, one.p, one.loss, one.mature, rules_of(one, named)))
        progress(1)
    if not tables:
        raise RSAError(f"{pool} holds no member that was trained to the end and has RDMs at every checkpoint")
    names = list(members)
    shape = len(seeds), len(names), len(first.checkpoints)
    present = np.zeros(shape[:2], bool)
    p, loss, mature = np.zeros(shape), np.zeros(shape), np.zeros(shape[:2])
    rules: dict[str, dict[str, Array]] = {
        name: {rule: np.zeros(shape) for rule in columns} for name, columns in tables[0][4].items()
    }
    for s, (keys, p_here, loss_here, mature_here, rules_here) in enumerate(tables):
        places = [names.index(key) for key in keys]
        present[s, places], mature[s, places] = True, mature_here
        p[s, places], loss[s, places] = p_here, loss_here
        for name, columns in rules_here.items():
            for rule, values in columns.items():
                rules[name][rule][s, places] = values
    groups = tuple(_group(members[key].group) for key in names)
    about = {"pool": dict(first.settings), "teachers": {name: dict(teacher.attrs) for name, teacher in named.items()}}
    marks = {name: mark(teacher) for name, teacher in named.items()}
    nothing = dict[str, Array]()
    numbers = mature, groups, present, p, loss, nothing, rules, controls, about, tuple(names)
    return Table(first.space, first.checkpoints, tuple(seeds), *numbers, marks=marks)


def with_free(
    table: Table, beside: Path, data_dir: Path | None = None, progress: Callable[[int], object] = lambda steps: None
) -> Table:
    """The table with free predictors.

    beside: of the table, a pool's folder or a file; there their values are kept. progress: called with 1 after every
    member. Raises RSAError as `free_of`.
    """
    found, made = free_of(*_drawn(table), _beside(beside, FILE), data_dir=data_dir, progress=progress)
    return replace(table, free=_columns(found, table.keys, PREDICTORS), about={**table.about, "free": made})


def with_rivals(
    table: Table,
    beside: Path,
    network: Path,
    data_dir: Path | None = None,
    progress: Callable[[int], object] = lambda steps: None,
) -> Table:
    """The same with rules of others, whose teacher is a network: its checkpoint. Raises RSAError as `rivals_of`."""
    found, made = rivals_of(*_drawn(table), _beside(beside, RIVAL_FILE), network, data_dir=data_dir, progress=progress)
    return replace(table, rivals=_columns(found, table.keys, RIVALS), about={**table.about, "rivals": made})


def _drawn(table: Table) -> tuple[Mapping[str, Any], str, list[Architecture]]:
    return table.about["pool"], table.space, [json.loads(key) for key in table.keys]


def _columns(told: Free, keys: Sequence[str], names: Iterable[str]) -> dict[str, Array]:
    """(A,) by name."""
    return {name: np.array([number(told[key].get(name)) for key in keys]) for name in names}


def _beside(pool: Path, file: str) -> Path:
    return pool / file if pool.is_dir() else pool.with_name(f"{pool.stem}-{file}")


def number(value: float | None) -> float:
    """The least of all where there is none: such networks train worst."""
    return -np.finfo(float).max if value is None else value


def varying(columns: Mapping[str, Array]) -> dict[str, Array]:
    """Those of (A,) that tell some member from another."""
    return {name: values for name, values in columns.items() if (values != values[0]).any()}


def mark(teacher: Teacher) -> Array:
    """Some dissimilarities of every target, evenly spread, by which a teacher is known again."""
    rows = [rdm.values[np.linspace(0, len(rdm.values) - 1, MARK).astype(int)] for rdm in teacher.rdms.values()]
    return np.concatenate(rows).astype(np.float32)


def _group(text: str) -> str:
    """Bands of size are written alike, whatever wrote them: "size 10-10"."""
    return re.sub(r"\.0\b", "", text)


def _named(pool: Pool, teachers: Sequence[Teacher]) -> tuple[dict[str, Teacher], tuple[str, ...]]:
    """Name -> teacher, and the names of the controls, of every view that some teacher is about."""
    found: dict[str, Teacher] = {}
    views = []
    for teacher in teachers:
        view = view_of(pool, teacher)
        views.append(view)
        regions = view.reference != f"{pool.settings.get('data')}/valid" and len(teacher.rdms) > 1
        several = {f"{teacher.name}: {target}": {target: rdm} for target, rdm in teacher.rdms.items()}
        parts = several if regions else {teacher.name: teacher.rdms}
        if twice := sorted(found.keys() & parts.keys()):
            raise RSAError(f"two teachers are named {twice[0]}; give one of them, or save it under another name")
        found |= {name: replace(teacher, rdms=rdms, ceilings={}) for name, rdms in parts.items()}
    controls = {f"{one.name}, {view.name}": one for view in dict.fromkeys(views) for one in view.controls()}
    return found | controls, tuple(controls)


def rules_of(pool: Pool, named: Mapping[str, Teacher]) -> dict[str, dict[str, Array]]:
    """Teacher -> rule -> (members, checkpoints)."""
    views = {name: view_of(pool, teacher) for name, teacher in named.items()}
    found: dict[str, dict[str, Array]] = {}
    for view in dict.fromkeys(views.values()):
        here = {name: teacher for name, teacher in named.items() if views[name] is view}
        for name, matched in Matched.of(pool, view, here).items():
            columns = {rule: FIXED[rule](matched) for rule in RULES}
            for rule in ("paper", "deepest"):
                columns[f"{CHANGE}{rule}"] = columns[rule] - columns[rule][:, :1]
            found[name] = columns
    return {name: found[name] for name in named}
