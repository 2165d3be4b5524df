"""Random halves of the presentations of every stimulus, and the responses of regions in each."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..rsa import RSAError
from ..rsa.errors import near
from ..rsa.labels import check_names
from ..rsa.rdm import Array
from . import _kernels
from .neuroids import scale_neuroids
from .recording import blocks, constant_columns, encode, time_window

if TYPE_CHECKING:
    import xarray


class Trials:
    """The presentations of a recording, sorted by stimulus.

    values: (presentations, neuroids), NaN where missing. counts: (stimuli, neuroids), how many values there are.
    """

    def __init__(self, recording: "xarray.DataArray", window: tuple[float, float] | None = None) -> None:
        if window is not None or "time_bin" in recording.dims:
            recording = time_window(recording, *(window or ()))
        dtype = recording.dtype if recording.dtype in (np.float32, np.float64) else np.dtype(np.float64)
        self.values: Array = np.empty(recording.shape, dtype)
        for here, block in blocks(recording):
            self.values[:, here] = block
        stimuli, codes = encode(recording["stimulus_id"].values)
        self._columns = {"stimulus": stimuli, **constant_columns(recording, codes)}
        self._order = np.argsort(codes, kind="stable")
        self._starts = np.concatenate([[0], np.cumsum(np.bincount(codes))])
        self._patterns = _patterns(self.values)[self._order]
        self.counts = np.empty((len(stimuli), self.values.shape[1]), np.int32)
        _kernels.count_valid(self.values, self._order, self._starts, self.counts)

    def conditions(self, by: str) -> npt.NDArray[np.int64]:
        """The condition of every stimulus, numbered. Raises RSAError for a column that is not one of stimuli."""
        if by not in self._columns:
            raise RSAError(
                f"no column {by} says the same at every presentation of a stimulus{near(by, list(self._columns))}"
            )
        if by != "stimulus":
            check_names(self._columns[by], f"{by} of the stimuli")
        return encode(self._columns[by])[1]

    def halves(self, seed: int, split: int) -> Array:
        """(2, stimuli, neuroids): mean responses in two random halves, NaN where a half has no value.

        A half holds whole presentations. Those with the same neuroids missing are dealt out in turn, so that every
        such set is halved; the order is drawn from `seed` and `split` alone.
        """
        rng = np.random.default_rng([seed, split])
        keys = rng.permutation(self._patterns.max() + 1)[self._patterns] + rng.random(len(self._patterns))
        out = np.empty((2, *self.counts.shape), self.values.dtype)
        flip = rng.integers(0, 2, len(self.counts))
        _kernels.part_means(self.values, self._order, self._starts, keys, flip, out)
        return out

    def means(self) -> Array:
        """(1, stimuli, neuroids): mean responses over all presentations, NaN without one."""
        out = np.empty((1, *self.counts.shape), self.values.dtype)
        zeros = np.zeros(len(self.counts), np.int64)
        _kernels.part_means(
            self.values, self._order, self._starts, np.arange(len(self._order), dtype=float), zeros, out
        )
        return out


def _patterns(values: Array) -> npt.NDArray[np.int64]:
    """For every presentation, the number of its set of missing neuroids."""
    missing = np.isnan(values)
    if not missing.any():
        return np.zeros(len(values), np.int64)
    packed = np.packbits(missing, axis=1)
    return np.unique(packed, axis=0, return_inverse=True)[1].reshape(-1)


@dataclass(frozen=True)
class Region:
    """The stimuli and neuroids of a region whose repeats can be halved; repeats: their mean number.

    balance: mean over stimuli of 4 k (r - k) / r^2, for halves of k and r - k of their repeats.
    """

    name: str
    stimuli: npt.NDArray[np.int64]
    neuroids: npt.NDArray[np.int64]
    repeats: float
    balance: float

    @classmethod
    def choose(cls, name: str, neuroids: npt.NDArray[np.int64], counts: npt.NDArray[np.int32]) -> "Region":
        """Stimuli that at least half of the recorded neuroids saw twice, then neuroids that saw all of those twice."""
        twice = counts[:, neuroids] >= 2
        recorded = counts[:, neuroids].any(axis=0)
        stimuli = np.flatnonzero(twice[:, recorded].sum(axis=1) * 2 >= max(recorded.sum(), 1))
        if len(stimuli) < 3:
            raise RSAError(
                f"{name}: {len(stimuli)} of {len(counts)} stimuli have two repeats or more, split halves need 3"
                " (a recording of averages has no reliability)"
            )
        kept = neuroids[recorded & twice[stimuli].all(axis=0)]
        if len(kept) < 2:
            raise RSAError(
                f"{name}: {len(kept)} of {len(neuroids)} neuroids saw the {len(stimuli)} repeated stimuli twice"
            )
        repeats = counts[np.ix_(stimuli, kept)]
        balance = float((4 * (repeats // 2) * (repeats - repeats // 2) / repeats**2).mean())
        return cls(name, stimuli, kept, float(repeats.mean()), balance)

    def responses(self, halves: Array, conditions: npt.NDArray[np.int64], scale: str, metric: str) -> Array:
        """(parts, conditions, neuroids) float64: what all parts have, scaled and averaged as in `region_rdms`.

        halves: (parts, stimuli, neuroids) as from `Trials.halves` or `Trials.means`.

        Raises RSAError when fewer than 3 conditions or 2 neuroids are left.
        """
        x = halves.take(self.neuroids, axis=2).take(self.stimuli, axis=1).astype(np.float64)
        x = _complete(x)
        if scale != "none":
            x = np.stack([scale_neuroids(half, scale) for half in x])
            x = _complete(x)
        x = _group(x, conditions[self.stimuli])
        if metric in ("correlation", "spearman"):
            varied = (x.max(axis=2, initial=-np.inf) > x.min(axis=2, initial=np.inf)).all(axis=0)
            x = x if varied.all() else x[:, varied]
        elif metric == "cosine":
            x = x[:, x.any(axis=2).all(axis=0)]
        if x.shape[1] < 3 or x.shape[2] < 2:
            raise RSAError(
                f"{self.name}: halves of its repeats leave {x.shape[1]} conditions and {x.shape[2]} neuroids that vary"
            )
        return x


def _complete(x: Array) -> Array:
    lacking = np.isnan(x).any(axis=(0, 1))
    return x[:, :, ~lacking] if lacking.any() else x


def _group(x: Array, codes: npt.NDArray[np.int64]) -> Array:
    from scipy.sparse import csr_array

    names, codes = np.unique(codes, return_inverse=True)
    if len(names) == len(codes):
        return x
    pick = csr_array((1 / np.bincount(codes)[codes], (codes, np.arange(len(codes)))), (len(names), len(codes)))
    return np.stack([pick @ half for half in x])
