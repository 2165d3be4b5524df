"""The families of spaces that have morphisms: what a child can be in each, and where its weights come from."""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from ..networks.structures import ConvLayer
from ..spaces.cell import CellSpace
from ..spaces.cnn import CNNSpace
from ..spaces.macro import LATER, OPERATIONS, MacroSpace
from ..spaces.nasbench201 import EDGES, NASBench201
from ..spaces.space import Architecture, Choice, Space
from ..spaces.toy import ToySpace
from . import cells, layered

if TYPE_CHECKING:
    from torch import Tensor

    from .weights import Weights

Child = dict[str, Choice]


class Family(ABC):
    """Morphisms of one kind of space, between canonical architectures."""

    @abstractmethod
    def children(self, start: Child) -> Iterator[Child]:
        """All children by one morphism; some may come twice."""

    def draw(self, start: Child, rng: np.random.Generator) -> Child | None:
        """One of them; None where there is none."""
        found = list(self.children(start))
        return found[int(rng.integers(len(found)))] if found else None

    @abstractmethod
    def preserves(self, parent: Child, child: Child) -> bool:
        """Whether the child can compute what its parent does."""

    @abstractmethod
    def weights(self, parent: Child, child: Child, old: "Weights", fresh: "Weights") -> "dict[str, Tensor]":
        """The child's weights: of a morphism as it needs them, else what fits."""


def family_of(space: Space) -> Family | None:
    """The family of a space, if it has one."""
    if isinstance(space, CNNSpace):
        return CNNs(space)
    if isinstance(space, ToySpace):
        return Chains(space)
    if isinstance(space, NASBench201):
        return Edges(space)
    if isinstance(space, MacroSpace):
        return Residuals(space)
    return Blocks(space) if isinstance(space, CellSpace) else None


class CNNs(Family):
    """Layers that read any layers before them."""

    classifier = "classifier"

    def __init__(self, space: CNNSpace) -> None:
        self.space, choices = space, {one.name: one.choices for one in space.dimensions}
        sides = [[int(k) for k in choices[f"layer1/kernel_{side}"]] for side in ("height", "width")]
        filters, kernels = [int(f) for f in choices["layer1/filters"]], [(h, w) for h in sides[0] for w in sides[1]]
        self.limits = layered.Limits(space.max_layers, filters, kernels)

    def layers(self, architecture: Architecture) -> list[ConvLayer]:
        assert isinstance(self.space, CNNSpace)  # noqa: S101 - a subclass has another space and other layers
        return self.space.layers(architecture)

    def architecture(self, layers: Sequence[ConvLayer]) -> Child:
        assert isinstance(self.space, CNNSpace)  # noqa: S101
        return self.space.architecture(layers)

    def children(self, start: Child) -> Iterator[Child]:
        layers = self.layers(start)
        for some in layered.changes(layers, self.limits).values():
            yield from (self.architecture(layered.apply(layers, change)) for change in some)

    def draw(self, start: Child, rng: np.random.Generator) -> Child | None:
        """The kind first, since there are far more layers to insert than filters to add."""
        layers = self.layers(start)
        kinds = list(layered.changes(layers, self.limits).values())
        if not kinds:
            return None
        some = kinds[int(rng.integers(len(kinds)))]
        return self.architecture(layered.apply(layers, some[int(rng.integers(len(some)))]))

    def preserves(self, parent: Child, child: Child) -> bool:
        return layered.lineage(self.layers(parent), self.layers(child)).preserved

    def weights(self, parent: Child, child: Child, old: "Weights", fresh: "Weights") -> "dict[str, Tensor]":
        from .weights import layered_weights

        before, after = self.layers(parent), self.layers(child)
        origin, channels = layered.lineage(before, after), fresh["layer1.0.weight"].shape[1]
        return layered_weights(before, after, origin, old, fresh, channels=channels, classifier=self.classifier)


class Chains(CNNs):
    """The toy space: a chain of layers, in which pooling halves as a stride does."""

    classifier = "classifier.2"

    def __init__(self, space: ToySpace) -> None:
        self.space, choices = space, {one.name: one.choices for one in space.dimensions}  # type: ignore[assignment]
        filters, kernels = ([int(c) for c in choices[f"layer1/{name}"]] for name in ("filters", "kernel"))
        self.limits = layered.Limits(len(choices["n_layers"]), filters, [(k, k) for k in kernels], False, False)

    def layers(self, architecture: Architecture) -> list[ConvLayer]:
        found = []
        for j in range(1, int(architecture["n_layers"]) + 1):
            filters, side = (int(architecture[f"layer{j}/{name}"]) for name in ("filters", "kernel"))
            halved = 2 if architecture[f"layer{j}/pool"] == "max" else 1
            found.append(ConvLayer(filters, (side, side), halved, True, False, (j - 1,)))
        return found

    def architecture(self, layers: Sequence[ConvLayer]) -> Child:
        found: Child = {"n_layers": len(layers)}
        for j, layer in enumerate(layers, start=1):
            pool = "max" if layer.stride == 2 else "none"
            found |= {f"layer{j}/filters": layer.filters, f"layer{j}/kernel": layer.kernel[0], f"layer{j}/pool": pool}
        return found


class Edges(Family):
    """Cells of NAS-Bench-201, whose operations lie on the edges between four nodes."""

    def __init__(self, space: NASBench201) -> None:
        self.space = space

    def children(self, start: Child) -> Iterator[Child]:
        return map(dict, _grown(self.space, self.space.key(start)))

    def preserves(self, parent: Child, child: Child) -> bool:
        return cells.edge_sources(_live(parent), _live(child)) is not None

    def weights(self, parent: Child, child: Child, old: "Weights", fresh: "Weights") -> "dict[str, Tensor]":
        from .weights import edge_weights

        before, after = _live(parent), _live(child)
        kept = {edge: edge if before.get(edge) == operation else cells.FRESH for edge, operation in after.items()}
        sources = cells.edge_sources(before, after)
        return edge_weights(kept if sources is None else sources, old, fresh)


def _live(architecture: Architecture) -> cells.Edges:
    """The operations of a canonical cell that are not "none"."""
    found = {(i, j): str(architecture[f"{i}-{j}"]) for i, j in EDGES}
    return {edge: operation for edge, operation in found.items() if operation != "none"}


@lru_cache(maxsize=256)
def _grown(space: NASBench201, key: str) -> tuple[Mapping[str, Choice], ...]:
    parent = _live(json.loads(key))
    operations = [str(choice) for choice in space.dimensions[0].choices if choice != "none"]
    found: dict[str, Mapping[str, Choice]] = {}
    for grown in cells.grown_edges(parent, EDGES, operations):
        child = space.canonical({f"{i}-{j}": grown.get((i, j), "none") for i, j in EDGES})
        if cells.edge_sources(parent, _live(child)) is not None:
            found.setdefault(space.key(child), child)
    found.pop(key, None)
    return tuple(found.values())


class Blocks(Family):
    """Cells of blocks over states."""

    def __init__(self, space: CellSpace) -> None:
        self.space = space

    def children(self, start: Child) -> Iterator[Child]:
        return map(self.space.architecture, cells.grown_cells(self.space.cell(start)))

    def preserves(self, parent: Child, child: Child) -> bool:
        return cells.operand_sources(self.space.cell(parent), self.space.cell(child)) is not None

    def weights(self, parent: Child, child: Child, old: "Weights", fresh: "Weights") -> "dict[str, Tensor]":
        from .weights import cell_weights, same_shapes

        before, after = self.space.cell(parent), self.space.cell(child)
        operands = cells.operand_sources(before, after)
        return same_shapes(old, fresh) if operands is None else cell_weights(before, after, operands, old, fresh)


class Residuals(Family):
    """Layers of NAS-Bench-Macro: a block where there was none adds nothing at first, and a block can grow.

    An identity that halves the size is a convolution without a shortcut, and stays one.
    """

    def __init__(self, space: MacroSpace) -> None:
        self.space = space

    def children(self, start: Child) -> Iterator[Child]:
        for name, operation in start.items():
            for larger in OPERATIONS[OPERATIONS.index(str(operation)) + 1 :]:
                child = self.space.canonical({**start, name: larger})
                if self.preserves(start, child):
                    yield child

    def preserves(self, parent: Child, child: Child) -> bool:
        with_shortcut = {name for stage in LATER for name in stage}
        return all(
            OPERATIONS.index(str(child[name])) >= OPERATIONS.index(str(operation))
            and (operation != "identity" or child[name] == operation or name in with_shortcut)
            for name, operation in parent.items()
        )

    def weights(self, parent: Child, child: Child, old: "Weights", fresh: "Weights") -> "dict[str, Tensor]":
        from .weights import residual_weights

        new = [name for name, operation in parent.items() if operation == "identity" != child[name]]
        return residual_weights(new, old, fresh)
