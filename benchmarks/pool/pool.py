"""A pool: architectures, what is known of each after little training, and how good they become (paper, section 4.1).

RDMs are kept and not only scores, so that any teacher can be tried afterwards without training again.
"""

import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...plugins.spaces import Architecture
from ...rsa import RDM, RSAError, Teacher, compute_rdm
from ...rsa.errors import listing
from ...rsa.io.hdf5 import read_column, read_json, read_text, reading, write_array, writing
from ...rsa.types import Array

if TYPE_CHECKING:
    import h5py
    import pandas

KIND = "pool"
_NOISY = 64  # features behind the noise teacher
_LOGITS, _PARTS = "logits ", ("valid", "test")  # names of arrays
NUMBERS = ("p", "loss", "examples", "seconds")  # of a member at every checkpoint


@dataclass(frozen=True, eq=False, repr=False)
class View:
    """One set of stimuli that every candidate is shown, and how its RDMs group them.

    Attributes
    ----------
    name : str
        Name within the pool.
    reference : str
        Where the stimuli come from, as in a teacher ("cifar10-jpeg/valid", "cowley2023/190923").
    by : str
        Column of the stimuli whose values are the conditions.
    labels : tuple of str
        The conditions, in the order of the RDMs.
    stimulus_ids : tuple of str
        The stimuli behind them.
    categories : tuple of str
        Category of each condition, empty where it has none.
    pixels : numpy.ndarray
        Condensed RDM of the images as the candidates take them, (pairs,).
    """

    name: str
    reference: str
    by: str
    labels: tuple[str, ...]
    stimulus_ids: tuple[str, ...]
    categories: tuple[str, ...]
    pixels: Array

    def __repr__(self) -> str:
        return f"View({self.name!r}, {len(self.labels)} conditions by {self.by}, of {self.reference})"

    def same(self, other: "View") -> bool:
        """Say whether RDMs over both views can be compared.

        Parameters
        ----------
        other : View

        Returns
        -------
        bool
        """
        keys = ("name", "reference", "by", "labels", "stimulus_ids")
        return all(getattr(self, key) == getattr(other, key) for key in keys)

    def controls(self) -> list[Teacher]:
        """Make the teachers that know nothing about vision.

        "pixels" is the RDM of the images. "noise" is that of random features: what it gains is due to chance. "labels",
        where categories group the conditions, has distance 0 within a category and 1 between two, as the features of
        an ideal classifier.
        """
        features = np.random.default_rng(zlib.crc32(self.name.encode())).normal(size=(len(self.labels), _NOISY))
        found = {"pixels": self.pixels, "noise": compute_rdm(features.astype(np.float32), labels=self.labels).values}
        if 1 < len(set(self.categories)) < len(self.labels):
            first, second = np.triu_indices(len(self.labels), 1)
            kinds = np.array(self.categories)
            found["labels"] = (kinds[first] != kinds[second]).astype(np.float32)
        about: dict[str, Any] = {"stimuli": self.reference, "stimulus_ids": self.stimulus_ids}
        rdms = {name: RDM(values, self.labels, name=name, by=self.by) for name, values in found.items()}
        return [Teacher.from_rdms(name, {name: rdm}, **about) for name, rdm in rdms.items()]

    def _write(self, group: "h5py.Group") -> None:
        for key in ("name", "reference", "by"):
            group.attrs[key] = getattr(self, key)
        for key in ("labels", "stimulus_ids", "categories"):
            write_array(group, key, np.array(getattr(self, key), object))
        write_array(group, "pixels", self.pixels)

    @classmethod
    def _read(cls, group: "h5py.Group") -> "View":
        name, reference, by = (read_text(group, attribute) for attribute in ("name", "reference", "by"))
        labels, ids, kinds = (
            tuple(map(str, read_column(group, part))) for part in ("labels", "stimulus_ids", "categories")
        )
        pixels = np.asarray(read_column(group, "pixels"), np.float32)
        if len(kinds) != len(labels) or pixels.shape != (len(labels) * (len(labels) - 1) // 2,):
            raise RSAError(f"view {name}: categories or pixels do not fit its {len(labels)} conditions")
        return cls(name, reference, by, labels, ids, kinds, pixels)


@dataclass(frozen=True, eq=False, repr=False)
class Member:
    """One candidate at every checkpoint.

    Attributes
    ----------
    architecture : mapping
    mature : float
        Mature performance, a fraction.
    p, loss : numpy.ndarray
        Validation accuracy, a fraction, and cross-entropy, (checkpoints,).
    examples, seconds : numpy.ndarray
        Training examples seen, and time spent including the evaluations, (checkpoints,).
    layers : tuple of str
        Names, shallow to deep.
    rdms : mapping of str to numpy.ndarray
        View -> condensed RDMs (checkpoints, layers, pairs) as float16, NaN for a layer without one.
    logits : mapping of str to numpy.ndarray
        "valid", "test" -> (checkpoints, images, classes) as float16; empty in older pools.
    group : str
        Why it was drawn ("random", "best", "size 3-7"), where a pool has groups.
    """

    architecture: Architecture
    mature: float
    p: Array
    loss: Array
    examples: Array
    seconds: Array
    layers: tuple[str, ...]
    rdms: Mapping[str, Array]
    logits: Mapping[str, Array] = field(default_factory=dict)
    group: str = ""

    def __repr__(self) -> str:
        return f"Member({dict(self.architecture)}, mature {self.mature:.4f}, {len(self.p)} checkpoints)"

    @property
    def usable(self) -> bool:
        """Whether P and loss are finite and some layer has an RDM in every view, at every checkpoint."""
        rdms = [np.isfinite(values).all(2).any(1) for values in map(np.asarray, self.rdms.values())]
        return all(bool(known.all()) for known in (np.isfinite([self.p, self.loss]), *rdms))

    def _write(self, group: "h5py.Group") -> None:
        group.attrs["architecture"] = json.dumps(dict(self.architecture))
        group.attrs["mature"] = self.mature
        group.attrs["group"] = self.group
        group.attrs["layers"] = json.dumps(self.layers)
        for key in NUMBERS:
            write_array(group, key, getattr(self, key))
        for i, (view, values) in enumerate(self.rdms.items()):
            write_array(group, f"rdms{i}", values)
            group[f"rdms{i}"].attrs["name"] = view
        for part, values in self.logits.items():
            write_array(group, f"{_LOGITS}{part}", values)

    @classmethod
    def _read(cls, group: "h5py.Group") -> "Member":
        numbers = {key: np.asarray(read_column(group, key)) for key in NUMBERS}
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
        logits = {
            part: np.asarray(read_column(group, f"{_LOGITS}{part}")) for part in _PARTS if _LOGITS + part in group
        }
        odd = [part for part, values in logits.items() if values.ndim != 3 or len(values) != shape[0]]
        if odd:
            raise RSAError(f"{group.name}: logits of the {odd[0]} images do not fit its {shape[0]} checkpoints")
        known: dict[str, Any] = numbers | {"layers": layers, "rdms": rdms, "logits": logits}
        drawn = read_text(group, "group") if "group" in group.attrs else ""
        return cls(read_json(group, "architecture"), float(group.attrs["mature"]), group=drawn, **known)


@dataclass(frozen=True, eq=False, repr=False)
class Pool:
    """Candidates of one space, trained and evaluated alike.

    Attributes
    ----------
    space : str
    checkpoints : tuple of int
        Training examples seen at each.
    views : mapping of str to View
    members : tuple of Member
    settings : mapping
        Everything that made the pool, JSON-able.

    Examples
    --------
    >>> from tgsage.benchmarks import Pool, compare_teachers
    >>> pool = Pool.load("pool/pool.h5")  # doctest: +SKIP
    >>> compare_teachers(pool, [teacher]).gain  # doctest: +SKIP
    """

    space: str
    checkpoints: tuple[int, ...]
    views: Mapping[str, View]
    members: tuple[Member, ...]
    settings: Mapping[str, Any]

    def __len__(self) -> int:
        return len(self.members)

    def __repr__(self) -> str:
        shown = f"{len(self.checkpoints)} checkpoints, views {listing(self.views)}"
        return f"Pool({len(self)} members of {self.space}, {shown})"

    def to_dataframe(self) -> "pandas.DataFrame":
        """Return one row per member and checkpoint: `mature`, `p`, `loss`, cost, and the architecture's choices."""
        import pandas

        rows = [
            {"member": i, "checkpoint": checkpoint, "mature": member.mature}
            | {key: float(getattr(member, key)[k]) for key in NUMBERS}
            | dict(member.architecture)
            for i, member in enumerate(self.members)
            for k, checkpoint in enumerate(self.checkpoints)
        ]
        return pandas.DataFrame(rows)

    @property
    def mature(self) -> Array:
        """Mature performance, (members,)."""
        return np.array([member.mature for member in self.members])

    @property
    def p(self) -> Array:
        """Premature performance, (members, checkpoints)."""
        return np.stack([member.p for member in self.members])

    @property
    def loss(self) -> Array:
        """Validation cross-entropy, (members, checkpoints)."""
        return np.stack([member.loss for member in self.members])

    def rdms(self, view: str, member: Member, checkpoint: int) -> Iterator[tuple[str, RDM]]:
        """Yield the RDMs of a member's layers, shallow to deep, without layers that have none.

        Parameters
        ----------
        view : str
        member : Member
        checkpoint : int
            Index of the checkpoint.

        Yields
        ------
        tuple of str and RDM
            Layer and its RDM.
        """
        about = self.views[view]
        for layer, values in zip(member.layers, member.rdms[view][checkpoint], strict=True):
            if np.isfinite(values).all():
                yield layer, RDM(values.astype(np.float32), about.labels, name=layer, by=about.by)

    def save(self, path: str | Path) -> None:
        """Write one HDF5 file, whole or not at all.

        Parameters
        ----------
        path : path-like
        """
        with writing(path, KIND) as file:
            file.attrs["space"] = self.space
            file.attrs["settings"] = json.dumps(dict(self.settings))
            write_array(file, "checkpoints", np.array(self.checkpoints))
            for i, view in enumerate(self.views.values()):
                view._write(file.create_group(f"view{i}"))
            for i, member in enumerate(self.members):
                member._write(file.create_group(f"member{i:05d}"))

    @classmethod
    def load(cls, path: str | Path) -> "Pool":
        """Read what `save` wrote.

        Parameters
        ----------
        path : path-like

        Returns
        -------
        Pool

        Raises
        ------
        RSAError
            If the file is missing, damaged or something else, or its parts do not fit together.
        """
        with reading(path, KIND) as file:
            stored = [f"view{i}" for i in range(len(file)) if f"view{i}" in file]
            views = {view.name: view for view in (View._read(file[key]) for key in stored)}
            members = tuple(Member._read(file[key]) for key in sorted(file) if key.startswith("member"))
            checkpoints = tuple(int(examples) for examples in read_column(file, "checkpoints"))
            pool = cls(read_text(file, "space"), checkpoints, views, members, read_json(file, "settings"))
            pool._check()
        return pool

    def _check(self) -> None:
        """Raise RSAError when there is no member, or one does not fit the checkpoints or the views."""
        if not self.members:
            raise RSAError("the pool is empty")
        sizes = {name: view.pixels.shape for name, view in self.views.items()}
        wrong = [i for i, member in enumerate(self.members) if not self._holds(member, sizes)]
        if wrong:
            raise RSAError(f"members {listing(wrong)} do not fit the pool's checkpoints or views")

    def _holds(self, member: Member, sizes: Mapping[str, tuple[int, ...]]) -> bool:
        seen = {name: values.shape[2:] for name, values in member.rdms.items()}
        return member.p.shape == (len(self.checkpoints),) and bool(np.isfinite(member.mature)) and seen == sizes


def join(pools: Sequence[Pool]) -> Pool:
    """Join pools that were made alike. Raises RSAError naming what differs, and for none."""
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
