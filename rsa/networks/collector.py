"""The features of a network's layers over some stimuli, gathered from forward passes that the caller makes."""

import hashlib
import math
import tempfile
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import IO, TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ..errors import RSAError, listing, reason
from ..io.mapped import forget
from ..rdm.distances import compute_rdm
from ..rdm.rdm import RDM
from ..similarity.features import Features, averaged_over
from ..types import Array, Attr
from .hooks import Activations, listening
from .layers import CLASS_TOKENS, Layer, choose_layers, has_class_token, hidden_in
from .readout import Layers, NoTokens, Readout, T
from .stimuli import Images, as_stimuli

if TYPE_CHECKING:
    from types import TracebackType

MEMORY_BUDGET = 2**29  # bytes of features held in memory; beyond it they wait in a temporary file
FLAT = 1e-5  # RDMs that spread less, in correlations or in shares of their largest distance, are rounding


class _Output(NamedTuple):
    """What is kept of a layer's output: `_Subsample`'s features of how many in all, and about the output itself.

    surely: its first dimension can only be the images. tokens: how many a transformer's has, 0 for others.
    """

    features: Tensor
    total: int
    surely: bool
    tokens: int
    required: bool


Rows: TypeAlias = npt.NDArray[np.int64]


class Collector:
    """Listens to a model, so that P and TG come from the same forward passes.

        with Collector(model, stimuli, Readout(), by="category_name") as collector:
            for places, images in batches:
                logits = model(images)
                collector.take(places)      # which of the stimuli these images were, -1 for none of them
        rdms = collector.rdms()

    Of `readout`, what concerns the passes (preprocess, batch size, device) is left to the caller. The passes must show
    each of the `stimuli` exactly once, in any order. By group only running sums are kept. By stimulus, features beyond
    `budget` bytes wait in a temporary file and are read back layer by layer; None keeps all in memory.

    Raises RSAError for no stimuli and for an unknown layer or column.
    """

    def __init__(
        self,
        model: nn.Module,
        stimuli: Images,
        readout: Readout,
        *,
        by: str = "stimulus",
        budget: int | None = MEMORY_BUDGET,
    ) -> None:
        shown = as_stimuli(stimuli)
        if len(shown) == 0:
            raise RSAError("there are no stimuli to show")
        groups = shown.column(by)
        self.by, self.readout = by, readout
        self.labels = tuple(dict.fromkeys(groups))
        self._conditions: dict[str, Any] = {"labels": self.labels, "by": by, "descriptors": shown.descriptors(by)}
        self._model, self._chosen = model, choose_layers(model, readout.layers)
        self._sample = _Subsample(readout.n_features, readout.seed)
        self._store = _Blocks(len(shown), budget=budget) if by == "stimulus" else _GroupSums(groups)
        self._seen, self._ids = np.zeros(len(shown), np.int64), shown.table["stimulus_id"]
        self._totals: dict[str, int] = {}
        self._any_tokens = False
        if readout.tokens == "cls" and not has_class_token(model):
            raise NoTokens(f"the model has no class token ({', '.join(CLASS_TOKENS[:3])}); tokens 'mean' needs none")
        self._names: list[str] | None = None
        self._batch_first: dict[str, bool] = {}  # False: the batches had as many images as tokens, if these come first
        self._open = ExitStack()

    def __enter__(self) -> "Collector":
        self._activations: Activations[_Output] = self._open.enter_context(
            listening(self._model, self._chosen, self._sampled)
        )
        return self

    def _sampled(self, layer: Layer, output: Tensor) -> "_Output":
        tokens, chosen = output.shape[1] if output.ndim == 3 else 0, self.readout.tokens
        surely = not tokens or len(output) != tokens or len(output) == 1
        if tokens and chosen != "all":
            output = output[:, 0] if chosen == "cls" else output.mean(1)
        return _Output(*self._sample(layer, output), surely, tokens, layer.required)

    def _readable(self) -> "dict[str, _Output]":
        """What was heard, without layers of "auto" and globs that have no class token where that is to be read."""
        heard = dict(self._activations)
        if self.readout.tokens != "cls":
            return heard
        most = max((one.tokens for one in heard.values()), default=0)
        for name, one in list(heard.items()):
            if one.tokens and (one.tokens < most or math.isqrt(one.tokens) ** 2 == one.tokens):
                if one.required:
                    raise RSAError(
                        f"layer {name} has {one.tokens} tokens and seemingly no class token; tokens 'mean' needs none"
                    )
                del heard[name]
        return heard

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: "TracebackType | None"
    ) -> None:
        self._open.close()

    @property
    def names(self) -> list[str]:
        """The layers that ran, in their order."""
        return list(self._store.names)

    def take(self, places: npt.ArrayLike) -> None:
        """Keep the features of the last forward pass, whose image i was stimulus places[i], or none of them (-1).

        Raises RSAError for a layer that was asked for and did not run, and for layers that ran in some passes only.
        """
        rows, heard = np.asarray(places, np.int64), self._activations
        for layer in heard.silent():
            where = hidden_in(self._model, layer)
            raise RSAError(f"layer {layer.name!r} never runs in the model's forward pass{where}")
        if not heard:
            raise RSAError(f"none of the {len(self._chosen)} layers ran in the model's forward pass")
        if self._names is not None and list(heard) != self._names:
            raise RSAError(f"layers ran in one batch but not in another: {listing(set(self._names) ^ set(heard))}")
        self._names = list(heard)
        kept = np.flatnonzero(rows >= 0)
        batch: dict[str, Tensor] = {}
        for name, one in self._readable().items():
            features, self._totals[name], surely = one.features, one.total, one.surely
            self._any_tokens |= one.tokens > 0
            if len(features) != len(rows):
                counts = f"{len(features)} rows for a batch of {len(rows)}"
                raise RSAError(f"layer {name}: its output has {counts}; the images must come first")
            batch[name] = features
            self._batch_first[name] = surely or self._batch_first.get(name, False)
        if len(kept) < len(rows):
            batch = {name: features[torch.as_tensor(kept)] for name, features in batch.items()}
        if len(kept):
            self._store.add(rows[kept], batch)
            np.add.at(self._seen, rows[kept], 1)

    @property
    def ambiguous(self) -> list[str]:
        """Layers whose outputs were always (k, k, d) for k images: tokens may come first, as in some transformers."""
        return [name for name, surely in self._batch_first.items() if not surely]

    def conditions(self, *, mapped: bool = False) -> Iterator[tuple[str, Array, dict[str, Attr]]]:
        """Yield each layer's name, its features (n_conditions, n_features) float32, and how they were made; once.

        mapped: those that wait on disk are not read, but mapped, read-only.
        Raises RSAError for stimuli that were never shown or shown twice, and for an ambiguous layer.
        """
        if self.ambiguous:
            raise RSAError(
                f"layer {self.ambiguous[0]}: its outputs have as many tokens as images, so which come first is unknown;"
                " choose another batch size"
            )
        if self.readout.tokens != "all" and not self._any_tokens:
            which = f"tokens {self.readout.tokens!r}"
            raise NoTokens(f"{which} is for layers that return (images, tokens, width), and none of these does")
        wrong = self._ids[self._seen != 1]
        if len(wrong):
            raise RSAError(f"{len(wrong)} of {len(self._ids)} stimuli were not shown exactly once: {listing(wrong)}")
        for name in self._store.names:
            features = self._store.take(name, mapped=mapped)
            attrs = {"n_features": features.shape[1], "of_features": self._totals[name], "seed": self.readout.seed}
            if self.readout.tokens != "all":
                attrs["tokens"] = self.readout.tokens
            yield name, features, attrs

    def rdms(self, *, leave_out: bool = False, rounding: float = 0.0) -> Layers[RDM]:
        """Make the RDM of every layer; its attrs state the features used, of how many, the seed and the metric.

        leave_out: name layers without an RDM in `unusable` instead of raising RSAError: dead ones, whose features do
        not vary, and flat ones, all of whose conditions are alike but for rounding. rounding: share of its largest
        value to which an RDM will be rounded when it is stored, so that a smaller spread is flat as well.
        """

        def rdm(name: str, features: Array, attrs: dict[str, Attr]) -> RDM:
            said = attrs | self.readout.attrs()
            return compute_rdm(
                features, metric=self.readout.metric, name=name, attrs=said, overwrite=True, **self._conditions
            )

        def flat(rdm: RDM) -> bool:
            largest = float(np.abs(rdm.values).max())
            scale = 1.0 if rdm.metric in ("correlation", "spearman", "cosine") else largest
            return bool(np.ptp(rdm.values) <= max(FLAT * scale, rounding * largest))

        return self._usable(rdm, flat, leave_out)

    def features(self, *, leave_out: bool = False) -> Layers[Features]:
        """The features of every layer with their names, mapped where they wait on disk; `leave_out` as in `rdms`."""
        averaged = averaged_over(self.by)

        def named(name: str, values: Array, attrs: dict[str, Attr]) -> Features:
            return Features(values, name=name, attrs=averaged | attrs, **self._conditions)

        def flat(features: Features) -> bool:
            values = features.values
            low, high = values.min(axis=0), values.max(axis=0)
            forget(values)
            return bool((high - low).max() <= FLAT * max(-low.min(), high.max()))

        return self._usable(named, flat, leave_out, mapped=True)

    def _usable(
        self,
        make: Callable[[str, Array, dict[str, Attr]], T],
        flat: Callable[[T], bool],
        leave_out: bool,
        *,
        mapped: bool = False,
    ) -> Layers[T]:
        found: dict[str, T] = {}
        unusable: dict[str, str] = {}
        for name, features, attrs in self.conditions(mapped=mapped):
            try:
                item = make(name, features, attrs)
            except RSAError as error:
                if not leave_out:
                    raise RSAError(f"layer {name}: {error}") from error
                unusable[name] = str(error)
                continue
            if leave_out and flat(item):
                unusable[name] = "all conditions are alike"
            else:
                found[name] = item
        return Layers(found, unusable)


class _Subsample:
    """A layer's output (batch, ...) to (batch, k) float32 features on the CPU in logical order, and of how many."""

    def __init__(self, n_features: int | None, seed: int) -> None:
        self.n_features, self.seed = n_features, seed
        self._index: dict[tuple[Any, ...], tuple[Tensor, Tensor]] = {}

    def __call__(self, layer: Layer, output: Tensor) -> tuple[Tensor, int]:
        if output.ndim == 0:
            raise RSAError(f"layer {layer.name} returns a single number, not a row for every image")
        if output.is_complex():
            raise RSAError(f"layer {layer.name} returns complex numbers")
        if output.is_nested or output.layout != torch.strided:
            kind = "nested" if output.is_nested else "sparse"
            raise RSAError(
                f"layer {layer.name} returns a {kind} tensor; a dense one with a row for every image is needed"
            )
        output, total = output.detach(), math.prod(output.shape[1:])
        if output.is_quantized:
            output = output.dequantize()
        if self.n_features is None or total <= self.n_features:
            return output.reshape(len(output), total).to("cpu", torch.float32, copy=True), total
        # read in memory order, ascending: no tensor is rearranged (channels_last) for a few of its values
        strides = output.stride()
        order = sorted(range(1, output.ndim), key=lambda dim: strides[dim], reverse=True)
        stored = output.permute(0, *order)
        if not stored.is_contiguous():
            order, stored = list(range(1, output.ndim)), output
        key = (layer.path, layer.item, tuple(output.shape[1:]), tuple(order), output.device)
        if key not in self._index:
            drawn = draw_features(total, self.n_features, self.seed, layer.path)
            places = np.unravel_index(drawn, output.shape[1:])
            sizes = [output.shape[dim] for dim in order]
            inside = np.ravel_multi_index([places[dim - 1] for dim in order], sizes)
            ascending = np.argsort(inside)
            self._index[key] = (
                torch.as_tensor(inside[ascending], device=output.device),
                torch.as_tensor(np.argsort(ascending)),
            )
        index, back = self._index[key]
        features = _columns(stored.reshape(len(output), total), index).to("cpu", torch.float32)
        return _columns(features, back) if order != sorted(order) else features, total


def _columns(rows: Tensor, index: Tensor) -> Tensor:
    """rows[:, index], at a third of its time on the CPU."""
    return rows.gather(1, index.expand(len(rows), -1))


def draw_features(total: int, n_features: int, seed: int, name: str) -> Array:
    """Indices of `n_features` of `total` features, ascending, drawn by (seed, layer name)."""
    word = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    return np.sort(np.random.default_rng([seed, word]).choice(total, n_features, replace=False))


class _Blocks:
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

    def take(self, name: str, *, mapped: bool = False) -> Array:
        """The layer's block, given up by this store; a mapped one keeps the file alive."""
        if self._file is None:
            return self._arrays.pop(name)
        if mapped:
            self._file.flush()
            shape = (self.n, self._widths[name])
            return np.memmap(self._file, np.float32, "r", self._starts[name], shape)
        self._file.seek(self._starts[name])
        block = np.empty((self.n, self._widths[name]), np.float32)
        self._file.readinto(block.data.cast("B"))  # type: ignore[attr-defined]
        return block


class _GroupSums:
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

    def take(self, name: str, *, mapped: bool = False) -> Array:
        """The layer's group means (groups, f), float32; groups in order of first appearance."""
        return (self._sums[name] / self._counts[:, None]).astype(np.float32)


def _check_width(name: str, found: int, width: int) -> None:
    if found != width:
        raise RSAError(f"layer {name} has {width} features in one batch and {found} in another")
