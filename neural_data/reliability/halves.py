"""Random halves of the presentations of every stimulus, and the responses of regions in each."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ...rsa import RSAError
from ...rsa.errors import near
from ...rsa.labels import check_names
from ...rsa.types import Array
from ..recordings.averaging import trials_behind
from ..recordings.neuroids import scale_neuroids
from ..recordings.recording import blocks, constant_columns, encode
from ..settings import RegionSettings
from . import _kernels

if TYPE_CHECKING:
    import xarray


class Trials:
    """The presentations of a recording, sorted by stimulus.

    values: (presentations, neuroids), NaN where missing. counts: (stimuli, neuroids), how many values there are.
    noise: (stimuli,) noise variance of a presentation in units of one trial's: 1 / the trials behind it.
    """

    def __init__(self, recording: "xarray.DataArray") -> None:
        dtype = recording.dtype if recording.dtype in (np.float32, np.float64) else np.dtype(np.float64)
        held: Any = recording.variable._data  # of a recording on disk no array
        shared = isinstance(held, np.ndarray) and held.dtype == dtype and held.flags.c_contiguous
        self.values: Array = held if shared else np.empty(recording.shape, dtype)
        for here, block in blocks(recording):  # checks what it reads
            if not shared:
                self.values[:, here] = block
        stimuli, codes = encode(recording["stimulus_id"].values)
        self._columns = {"stimulus": stimuli, **constant_columns(recording, codes)}
        self._order = np.argsort(codes, kind="stable")
        self._starts = np.concatenate([[0], np.cumsum(np.bincount(codes))])
        self._patterns = _patterns(self.values)[self._order]
        self.counts = np.empty((len(stimuli), self.values.shape[1]), np.int32)
        _kernels.count_valid(self.values, self._order, self._starts, self.counts)
        self.noise: Array = np.bincount(codes, 1 / trials_behind(recording)) / np.bincount(codes)

    def conditions(self, by: str) -> npt.NDArray[np.int64]:
        """The condition of every stimulus, numbered. Raises RSAError for a column that is not one of stimuli."""
        if by not in self._columns:
            raise RSAError(f"no column {by} says the same at every presentation of a stimulus{near(by, self._columns)}")
        if by != "stimulus":
            check_names(self._columns[by], f"{by} of the stimuli")
        return encode(self._columns[by])[1]

    def factors(self) -> Array:
        """(neuroids,) how much noisier than the mean of all repeats, over stimuli, that of a half is; NaN without."""
        k, noise = self.counts, self.noise[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            ends = np.where(k > 1, noise * (1 / (k // 2) + 1 / (k - k // 2)), 0).sum(axis=0) / 2 / (k > 1).sum(axis=0)
            return np.asarray(ends / (np.where(k > 0, noise / k, 0).sum(axis=0) / (k > 0).sum(axis=0)))

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
        keys = np.arange(len(self._order), dtype=float)
        _kernels.part_means(self.values, self._order, self._starts, keys, zeros, out)
        return out


def _patterns(values: Array) -> npt.NDArray[np.int64]:
    """For every presentation, the number of its set of missing neuroids."""
    missing = np.isnan(values)
    if not missing.any():
        return np.zeros(len(values), np.int64)
    packed = np.packbits(missing, axis=1)
    return np.unique(packed, axis=0, return_inverse=True)[1].reshape(-1)


@dataclass(frozen=True)
class Noise:
    """Noise variance of the n conditions of a target RDM, in units of one trial's, and how far it can be seen: (n,).

    whole: of the mean that the target is made of; smaller, larger: of the halves, NaN without halves; freedom: degrees
    of freedom of the differences between repeats; halved: whether halves hold nine in ten of a condition's stimuli.
    """

    whole: Array
    smaller: Array
    larger: Array
    freedom: Array
    halved: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, counts: Array, noise: Array, codes: npt.NDArray[np.int64], twice: npt.NDArray[np.bool_]) -> "Noise":
        """From (stimuli, neuroids) repeats, (stimuli,) noise of one, condition, and whether the halves have it."""
        size, seen = np.bincount(codes), np.bincount(codes, twice)
        of, least = codes[twice], counts[twice] // 2
        with np.errstate(invalid="ignore"):
            smaller, larger = (
                np.bincount(of, noise[twice] * (1 / k).mean(axis=1), len(size)) / seen**2
                for k in (least, counts[twice] - least)
            )
            middle, apart = (smaller + larger) / 2, (smaller - larger) / 2 / np.sqrt(seen)  # odd ones go to either half
        whole = np.bincount(codes, noise * (1 / counts).mean(axis=1)) / size**2
        freedom = np.bincount(of, counts[twice].mean(axis=1) - 1, len(size))
        return cls(whole, middle + apart, middle - apart, freedom, seen >= 0.9 * size)

    @property
    def factor(self) -> float:
        """How much noisier than the target the RDM of a half is."""
        return float(np.nanmean(self.smaller + self.larger) / 2 / self.whole.mean())

    @property
    def even(self) -> bool:
        """Whether the noise of conditions varies by little."""
        return bool(self.whole.std() <= 0.2 * self.whole.mean())


@dataclass(frozen=True)
class Region:
    """A region's target RDM, and the stimuli and neuroids whose repeats can be halved.

    shown: the stimuli of the target; of_neuroids: how many neuroids it has. stimuli, neuroids: of the halves, with the
    mean number of their repeats. places: of the halves' conditions among those of the target.
    """

    name: str
    shown: npt.NDArray[np.int64]
    of_neuroids: int
    stimuli: npt.NDArray[np.int64]
    neuroids: npt.NDArray[np.int64]
    repeats: float
    noise: Noise
    places: npt.NDArray[np.int64]

    @classmethod
    def choose(
        cls, name: str, neuroids: npt.NDArray[np.int64], trials: Trials, conditions: npt.NDArray[np.int64]
    ) -> "Region":
        """The stimuli that at least half of the target's neuroids saw twice, then the neuroids that saw those twice.

        The target has the neuroids that saw every stimulus; without two such it has what the halves have.
        """
        counts = trials.counts[:, neuroids]
        complete, twice = (counts > 0).all(axis=0), counts >= 2
        has_target = complete.sum() >= 2
        wanted = complete if has_target else counts.any(axis=0)
        stimuli = np.flatnonzero(twice[:, wanted].sum(axis=1) * 2 >= max(wanted.sum(), 1))
        if len(stimuli) < 3:
            raise RSAError(
                f"{name}: {len(stimuli)} of {len(counts)} stimuli have two repeats or more, split halves need 3"
                " (a recording of averages has no reliability)"
            )
        kept = wanted & twice[stimuli].all(axis=0)
        if kept.sum() < 2:
            raise RSAError(
                f"{name}: {kept.sum()} of {len(neuroids)} neuroids saw the {len(stimuli)} repeated stimuli twice"
            )
        shown = np.arange(len(counts)) if has_target else stimuli
        names, codes = np.unique(conditions[shown], return_inverse=True)
        behind = counts[np.ix_(shown, kept)]
        in_halves = np.isin(shown, stimuli)
        noise = Noise.of(behind, trials.noise[shown], codes, in_halves)
        places = np.searchsorted(names, np.unique(conditions[stimuli]))
        repeats = float(behind[in_halves].mean())
        return cls(name, shown, int(wanted.sum()), stimuli, neuroids[kept], repeats, noise, places)

    def responses(
        self, parts: Array, conditions: npt.NDArray[np.int64], settings: RegionSettings, *, whole: bool = False
    ) -> tuple[Array, npt.NDArray[np.bool_]]:
        """(parts, conditions, neuroids) float64: what all parts have, scaled and averaged as in `region_rdms`.

        parts: (parts, stimuli, neuroids) as from `Trials.halves`, or `Trials.means` with `whole`: then of the target's
        stimuli. Also which of the conditions that makes, without those that do not vary.

        Raises RSAError when fewer than 3 conditions or 2 neuroids are left.
        """
        stimuli = self.shown if whole else self.stimuli
        x = parts.take(self.neuroids, axis=2).take(stimuli, axis=1).astype(np.float64)
        x = _complete(x)
        if settings.scale != "none":
            x = np.stack([scale_neuroids(half, settings.scale) for half in x])
            x = _complete(x)
        x = _group(x, conditions[stimuli])
        varied: npt.NDArray[np.bool_] = np.ones(x.shape[1], np.bool_)
        if settings.metric in ("correlation", "spearman"):
            varied = np.all(x.max(axis=2, initial=-np.inf) > x.min(axis=2, initial=np.inf), axis=0)
        elif settings.metric == "cosine":
            varied = (x != 0).any(axis=2).all(axis=0)
        x = x if varied.all() else x[:, varied]
        if x.shape[1] < 3 or x.shape[2] < 2:
            raise RSAError(
                f"{self.name}: halves of its repeats leave {x.shape[1]} conditions and {x.shape[2]} neuroids that vary"
            )
        return x, varied


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
