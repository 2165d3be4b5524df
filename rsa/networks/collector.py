"""The features of a model's layers over some stimuli, gathered from forward passes that somebody else makes."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ..errors import RSAError, listing
from ..rdm.distances import compute_rdm
from ..rdm.rdm import RDM
from ..types import Array, Attr
from .hooks import Activations, listening
from .layers import Layer, choose_layers
from .stimuli import Images, as_stimuli
from .store import Blocks, GroupSums
from .subsample import Subsample

if TYPE_CHECKING:
    from types import TracebackType

MEMORY_BUDGET = 2**29  # bytes of features held in memory; beyond it they wait in a temporary file


class Collector:
    """Listens to a model, so that P and TG come from the same forward passes.

        with Collector(model, stimuli, by="category_name", n_features=8192) as collector:
            for places, images in batches:
                logits = model(images)
                collector.take(places)      # which of the stimuli these images were, -1 for none of them
        rdms = collector.rdms()

    stimuli: what the passes will show, in any order, some of them once each. layers, by, n_features, seed: as in
    `layer_rdms`. By group only running sums are kept. By stimulus, features beyond `budget` bytes wait in a temporary
    file and are read back layer by layer; None = all stay in memory.

    Raises RSAError for no stimuli, an unknown layer or column, and settings that cannot be.
    """

    def __init__(
        self,
        model: nn.Module,
        stimuli: Images,
        layers: str | Iterable[str] = "auto",
        *,
        by: str = "stimulus",
        n_features: int | None = None,
        seed: int = 0,
        budget: int | None = MEMORY_BUDGET,
    ) -> None:
        shown = as_stimuli(stimuli)
        if len(shown) == 0:
            raise RSAError("there are no stimuli to show")
        if seed < 0:
            raise RSAError(f"a seed is a whole number from 0, got {seed}")
        if n_features is not None and n_features < 1:
            raise RSAError(f"n_features must be at least 1, got {n_features}")
        groups = shown.column(by)
        self.by, self.seed = by, seed
        self.labels, self.descriptors = tuple(dict.fromkeys(groups)), shown.descriptors(by)
        self._model, self._chosen, self._sample = model, choose_layers(model, layers), Subsample(n_features, seed)
        self._store = Blocks(len(shown), budget=budget) if by == "stimulus" else GroupSums(groups)
        self._seen, self._ids = np.zeros(len(shown), np.int64), shown.table["stimulus_id"]
        self._totals: dict[str, int] = {}
        self._names: list[str] | None = None
        self._batch_first: dict[str, bool] = {}  # False: the batches had as many images as tokens, if these come first
        self._open = ExitStack()

    def __enter__(self) -> "Collector":
        self._activations: Activations[tuple[Tensor, int, bool]] = self._open.enter_context(
            listening(self._model, self._chosen, self._sampled)
        )
        return self

    def _sampled(self, layer: Layer, output: Tensor) -> tuple[Tensor, int, bool]:
        """As `Subsample`, and whether the first dimension can only be the images."""
        surely = output.ndim != 3 or output.shape[0] != output.shape[1] or len(output) == 1
        return (*self._sample(layer, output), surely)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: "TracebackType | None"
    ) -> None:
        self._open.close()

    @property
    def names(self) -> list[str]:
        """The layers that were heard, in their order."""
        return list(self._store.names)

    def take(self, places: npt.ArrayLike) -> None:
        """Keep what the last forward pass left: its image i was stimulus places[i], or none of them (-1).

        Raises RSAError for a layer that was asked for and did not run, and for layers that ran in some passes only.
        """
        rows, heard = np.asarray(places, np.int64), self._activations
        if heard.silent():
            raise RSAError(f"layer {heard.silent()[0]!r} never runs in the model's forward pass")
        if not heard:
            raise RSAError(f"none of the {len(self._chosen)} layers ran in the model's forward pass")
        if self._names is not None and list(heard) != self._names:
            raise RSAError(f"layers ran in one batch but not in another: {listing(set(self._names) ^ set(heard))}")
        self._names = list(heard)
        kept = np.flatnonzero(rows >= 0)
        batch: dict[str, Tensor] = {}
        for name, (features, total, surely) in heard.items():
            if len(features) != len(rows):
                counts = f"{len(features)} rows for a batch of {len(rows)}"
                raise RSAError(f"layer {name}: its output has {counts}; the images must come first")
            batch[name], self._totals[name] = features, total
            self._batch_first[name] = surely or self._batch_first.get(name, False)
        if len(kept) < len(rows):
            batch = {name: features[torch.as_tensor(kept)] for name, features in batch.items()}
        if len(kept):
            self._store.add(rows[kept], batch)
            np.add.at(self._seen, rows[kept], 1)

    @property
    def ambiguous(self) -> list[str]:
        """Layers with outputs (k, k, d) for k images only: these may be tokens first, as in some transformers."""
        return [name for name, surely in self._batch_first.items() if not surely]

    def conditions(self) -> Iterator[tuple[str, Array, dict[str, Attr]]]:
        """Layer by layer its features, (n_conditions, n_features) float32, and how they were made; once.

        Raises RSAError for stimuli that were shown never or twice, and for a layer whose outputs may have tokens first.
        """
        if self.ambiguous:
            raise RSAError(
                f"layer {self.ambiguous[0]}: its outputs have as many tokens as images, and which come first cannot be"
                " told; choose another batch size"
            )
        wrong = self._ids[self._seen != 1]
        if len(wrong):
            raise RSAError(f"{len(wrong)} of {len(self._ids)} stimuli were not shown exactly once: {listing(wrong)}")
        for name in self._store.names:
            features = self._store.take(name)
            yield (
                name,
                features,
                {"n_features": features.shape[1], "of_features": self._totals[name], "seed": self.seed},
            )

    def rdms(self, *, metric: str = "correlation", unusable: dict[str, str] | None = None) -> dict[str, RDM]:
        """The RDM of every layer; its attrs state the number of features used, of how many, and the seed.

        unusable: takes layers that have no RDM, and why, instead of an exception: a dead layer of a network that has
        just begun to learn. Raises RSAError naming layer and condition otherwise.
        """
        rdms = {}
        for name, features, attrs in self.conditions():
            try:
                rdms[name] = compute_rdm(
                    features, metric=metric, labels=self.labels, by=self.by, name=name, descriptors=self.descriptors,
                    attrs={**attrs, "metric": metric}, overwrite=True,
                )  # fmt: skip
            except RSAError as error:
                if unusable is None:
                    raise RSAError(f"layer {name}: {error}") from error
                unusable[name] = str(error)
        return rdms
