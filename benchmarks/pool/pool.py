"""A pool: architectures, what is known of each after a little training, and how good they become (paper, section 4.1).

RDMs are kept and not only scores, so that any teacher can be tried afterwards without training again.
"""

import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...plugins.spaces import Architecture
from ...rsa import RDM, RSAError, Teacher, compute_rdm
from ...rsa.errors import listing
from ...rsa.io.hdf5 import read_column
from ...rsa.io.storage import read_json, read_text, reading, write_array, writing
from ...rsa.types import Array

if TYPE_CHECKING:
    import h5py

KIND = "pool"
_NOISY = 64  # features behind the noise teacher
_NUMBERS = ("p", "loss", "examples", "seconds")  # of a member at every checkpoint


@dataclass(frozen=True, eq=False)
class View:
    """One set of stimuli that every candidate is shown, and what its RDMs are by.

    reference: where the stimuli come from, as in a teacher ("cifar10-jpeg/valid", "cowley2023/190923"). labels: the
    conditions, in the order of the RDMs. stimulus_ids: the stimuli behind them. categories: the category of each
    condition, empty where it has none. pixels: (pairs,) the RDM of the images as the candidates take them.
    """

    name: str
    reference: str
    by: str
    labels: tuple[str, ...]
    stimulus_ids: tuple[str, ...]
    categories: tuple[str, ...]
    pixels: Array

    def same(self, other: "View") -> bool:
        """Whether RDMs over both can be compared."""
        keys = ("name", "reference", "by", "labels", "stimulus_ids")
        return all(getattr(self, key) == getattr(other, key) for key in keys)

    def controls(self) -> list[Teacher]:
        """Teachers that know nothing: the pixels, noise, and where the categories tell conditions apart these alone.

        "noise" is the RDM of random features; what it gains is what chance gives. "labels" has distance 0 within a
        category and 1 between two: what an ideal classifier's features would have.
        """
        features = np.random.default_rng(zlib.crc32(self.name.encode())).normal(size=(len(self.labels), _NOISY))
        found = {"pixels": self.pixels, "noise": compute_rdm(features.astype(np.float32), labels=self.labels).values}
        if 1 < len(set(self.categories)) < len(self.labels):
            first, second = np.triu_indices(len(self.labels), 1)
            kinds = np.array(self.categories)
            found["labels"] = (kinds[first] != kinds[second]).astype(np.float32)
        return [
            Teacher.from_rdms(name, {name: RDM(values, self.labels, name=name, by=self.by)}, stimuli=self.reference,
                              stimulus_ids=self.stimulus_ids)
            for name, values in found.items()
        ]  # fmt: skip

    def write(self, group: "h5py.Group") -> None:
        """Store into an open HDF5 group."""
        for key in ("name", "reference", "by"):
            group.attrs[key] = getattr(self, key)
        for key in ("labels", "stimulus_ids", "categories"):
            write_array(group, key, np.array(getattr(self, key), object))
        write_array(group, "pixels", self.pixels)

    @classmethod
    def read(cls, group: "h5py.Group") -> "View":
        """Read from an open HDF5 group. Raises RSAError for parts that do not fit together."""
        name, reference, by = (read_text(group, attribute) for attribute in ("name", "reference", "by"))
        labels, ids, kinds = (
            tuple(map(str, read_column(group, part))) for part in ("labels", "stimulus_ids", "categories")
        )
        pixels = np.asarray(read_column(group, "pixels"), np.float32)
        if len(kinds) != len(labels) or pixels.shape != (len(labels) * (len(labels) - 1) // 2,):
            raise RSAError(f"view {name}: categories or pixels do not fit its {len(labels)} conditions")
        return cls(name, reference, by, labels, ids, kinds, pixels)


@dataclass(frozen=True, eq=False)
class Member:
    """One candidate at every checkpoint.

    p, loss: (checkpoints,) validation accuracy and cross-entropy. examples, seconds: of training until there, the
    seconds with the evaluations. mature: its mature performance, a fraction. layers: names, shallow to deep.
    rdms: view -> (checkpoints, layers, pairs) float16, NaN for a layer that has none.
    """

    architecture: Architecture
    mature: float
    p: Array
    loss: Array
    examples: Array
    seconds: Array
    layers: tuple[str, ...]
    rdms: Mapping[str, Array]

    @property
    def usable(self) -> bool:
        """Whether at every checkpoint P and loss are numbers and, in every view, some layer has an RDM."""
        rdms = [np.isfinite(values).all(2).any(1) for values in map(np.asarray, self.rdms.values())]
        return all(bool(known.all()) for known in (np.isfinite([self.p, self.loss]), *rdms))

    def write(self, group: "h5py.Group") -> None:
        """Store into an open HDF5 group."""
        group.attrs["architecture"] = json.dumps(dict(self.architecture))
        group.attrs["mature"] = self.mature
        group.attrs["layers"] = json.dumps(self.layers)
        for key in _NUMBERS:
            write_array(group, key, getattr(self, key))
        for i, (view, values) in enumerate(self.rdms.items()):
            write_array(group, f"rdms{i}", values)
            group[f"rdms{i}"].attrs["name"] = view

    @classmethod
    def read(cls, group: "h5py.Group") -> "Member":
        """Read from an open HDF5 group. Raises RSAError for arrays that do not fit together."""
        numbers = {key: np.asarray(read_column(group, key)) for key in _NUMBERS}
        layers = tuple(str(name) for name in read_json(group, "layers", list))
        shape = (len(numbers["p"]), len(layers))
        uneven = [key for key, values in numbers.items() if values.shape != shape[:1]]
        if uneven:
            raise RSAError(f"{group.name}: {uneven[0]} has another length than p")
        rdms = {}
        for key in [f"rdms{i}" for i in range(len(group)) if f"rdms{i}" in group]:
            values = np.asarray(read_column(group, key, limit=np.inf))
            if values.ndim != 3 or values.shape[:2] != shape:
                raise RSAError(f"{group.name}: RDMs of shape {values.shape} for {shape} checkpoints and layers")
            rdms[read_text(group[key], "name")] = values
        mature = float(group.attrs["mature"])
        return cls(read_json(group, "architecture"), mature, layers=layers, rdms=rdms, **numbers)


@dataclass(frozen=True, eq=False)
class Pool:
    """Candidates of one space, trained and evaluated alike.

    checkpoints: training examples seen at each. settings: everything that made the pool, JSON-able.
    """

    space: str
    checkpoints: tuple[int, ...]
    views: Mapping[str, View]
    members: tuple[Member, ...]
    settings: Mapping[str, Any]

    def __len__(self) -> int:
        return len(self.members)

    @property
    def mature(self) -> Array:
        """(members,) mature performance."""
        return np.array([member.mature for member in self.members])

    @property
    def p(self) -> Array:
        """(members, checkpoints) premature performance."""
        return np.stack([member.p for member in self.members])

    @property
    def loss(self) -> Array:
        """(members, checkpoints) validation cross-entropy."""
        return np.stack([member.loss for member in self.members])

    def rdms(self, view: str, member: Member, checkpoint: int) -> Iterator[tuple[str, RDM]]:
        """The layers' RDMs of a member at a checkpoint (its place), shallow to deep, without layers that have none."""
        about = self.views[view]
        for layer, values in zip(member.layers, member.rdms[view][checkpoint], strict=True):
            if np.isfinite(values).all():
                yield layer, RDM(values.astype(np.float32), about.labels, name=layer, by=about.by)

    def save(self, path: str | Path) -> None:
        """One HDF5 file, written whole or not at all."""
        with writing(path, KIND) as file:
            file.attrs["space"] = self.space
            file.attrs["settings"] = json.dumps(dict(self.settings))
            write_array(file, "checkpoints", np.array(self.checkpoints))
            for i, view in enumerate(self.views.values()):
                view.write(file.create_group(f"view{i}"))
            for i, member in enumerate(self.members):
                member.write(file.create_group(f"member{i:05d}"))

    @classmethod
    def load(cls, path: str | Path) -> "Pool":
        """What `save` wrote. Raises RSAError naming the file when it is missing, truncated or something else."""
        with reading(path, KIND) as file:
            stored = [f"view{i}" for i in range(len(file)) if f"view{i}" in file]
            views = {view.name: view for view in (View.read(file[key]) for key in stored)}
            members = tuple(Member.read(file[key]) for key in sorted(file) if key.startswith("member"))
            checkpoints = tuple(int(examples) for examples in read_column(file, "checkpoints"))
            pool = cls(read_text(file, "space"), checkpoints, views, members, read_json(file, "settings"))
            pool.check()
        return pool

    def check(self) -> None:
        """Raises RSAError when there is no member, or one does not fit the checkpoints or the views."""
        if not self.members:
            raise RSAError("the pool is empty")
        sizes = {name: view.pixels.shape for name, view in self.views.items()}
        wrong = [
            i for i, member in enumerate(self.members)
            if member.p.shape != (len(self.checkpoints),) or not np.isfinite(member.mature)
            or {name: values.shape[2:] for name, values in member.rdms.items()} != sizes
        ]  # fmt: skip
        if wrong:
            raise RSAError(f"members {listing(wrong)} do not fit the pool's checkpoints or views")


def join(pools: Sequence[Pool]) -> Pool:
    """One pool of several made alike. Raises RSAError naming what differs, and for none."""
    if not pools:
        raise RSAError("there is no pool to join")
    first = pools[0]
    for other in pools[1:]:
        wrong = [key for key in ("space", "checkpoints", "settings") if getattr(other, key) != getattr(first, key)]
        if set(other.views) != set(first.views) or not all(
            view.same(other.views[k]) for k, view in first.views.items()
        ):
            wrong.append("views")
        if wrong:
            raise RSAError(f"these pools were made differently: their {listing(wrong)} differ")
    members = tuple(member for pool in pools for member in pool.members)
    return Pool(first.space, first.checkpoints, first.views, members, first.settings)
