"""Where features wait while a model runs: whole blocks, on disk where they are many, or sums per group."""

import tempfile
import weakref
from collections.abc import Mapping, Sequence
from typing import IO, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..errors import RSAError, reason
from ..types import Array

Rows: TypeAlias = npt.NDArray[np.int64]


class Blocks:
    """One (n, f) float32 block per layer, filled batch by batch.

    Beyond `budget` bytes in all, blocks go to a temporary file with plain writes (mapped pages would count as memory)
    and come back one at a time.
    """

    def __init__(self, n: int, *, budget: int | None) -> None:
        self.n, self.budget = n, budget
        self.names: list[str] = []
        self._arrays: dict[str, Array] = {}
        self._starts: dict[str, int] = {}
        self._widths: dict[str, int] = {}
        self._file: IO[bytes] | None = None

    def add(self, rows: Rows, batch: Mapping[str, Tensor]) -> None:
        """These rows of every layer."""
        if not self.names:
            self._open(batch)
        for name, tensor in batch.items():
            features = tensor.numpy()
            _check_width(name, features.shape[1], self._widths[name])
            if self._file is None:
                self._arrays[name][rows] = features
                continue
            try:
                for run in np.split(np.arange(len(rows)), np.flatnonzero(np.diff(rows) != 1) + 1):
                    self._file.seek(self._starts[name] + int(rows[run[0]]) * self._widths[name] * 4)
                    self._file.write(np.ascontiguousarray(features[run], np.float32).data)
            except OSError as error:
                needed = 4 * self.n * sum(self._widths.values()) / 1e9
                place = tempfile.gettempdir()
                raise RSAError(f"{needed:.1f} GB of features do not fit into {place}: {reason(error)}") from error

    def _open(self, batch: Mapping[str, Tensor]) -> None:
        self.names = list(batch)
        self._widths = {name: features.shape[1] for name, features in batch.items()}
        if self.budget is None or 4 * self.n * sum(self._widths.values()) <= self.budget:
            self._arrays = {name: np.empty((self.n, width), np.float32) for name, width in self._widths.items()}
            return
        offset = 0
        for name, width in self._widths.items():
            self._starts[name] = offset
            offset += 4 * self.n * width
        self._file = tempfile.TemporaryFile(prefix="tgsage-features-")  # noqa: SIM115
        weakref.finalize(self, self._file.close)

    def take(self, name: str) -> Array:
        """The layer's block, given up by this store."""
        if self._file is None:
            return self._arrays.pop(name)
        self._file.seek(self._starts[name])
        block = np.empty((self.n, self._widths[name]), np.float32)
        self._file.readinto(block.data.cast("B"))  # type: ignore[attr-defined]
        return block


class GroupSums:
    """Running sums per group and layer, so that only (groups, f) numbers are kept however many images there are.

    Added by torch: between a network's layers NumPy's BLAS threads would take the cores from torch's for a while.
    """

    def __init__(self, groups: Sequence[str]) -> None:
        place = {group: i for i, group in enumerate(dict.fromkeys(groups))}
        self._index = np.array([place[group] for group in groups])
        self._counts = np.bincount(self._index)
        self._sums: dict[str, Array] = {}

    @property
    def names(self) -> list[str]:
        return list(self._sums)

    def add(self, rows: Rows, batch: Mapping[str, Tensor]) -> None:
        """These rows of every layer."""
        present, group = np.unique(self._index[rows], return_inverse=True)
        places = torch.as_tensor(group)
        for name, features in batch.items():
            sums = self._sums.setdefault(name, np.zeros((len(self._counts), features.shape[1])))
            _check_width(name, features.shape[1], sums.shape[1])
            inside = torch.zeros(len(present), features.shape[1]).index_add_(0, places, features)
            sums[present] += inside.numpy()  # single precision within a batch, double between batches

    def take(self, name: str) -> Array:
        """The layer's group means (groups, f), float32; groups in order of first appearance."""
        return (self._sums[name] / self._counts[:, None]).astype(np.float32)


def _check_width(name: str, found: int, width: int) -> None:
    if found != width:
        raise RSAError(f"layer {name} has {width} features in one batch and {found} in another")
