"""Morphisms of networks whose layers read layers: deeper, wider, larger kernels, and connections by concatenation."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ..networks.structures import ConvLayer, unread_layers

IMAGE = 0  # as the number of a layer


class Limits(NamedTuple):
    """What layers of a space can be: how many, their filters and sides of kernels, and whether they may be joined."""

    layers: int
    filters: Sequence[int]
    kernels: Sequence[tuple[int, int]]
    norms: bool = True
    connections: bool = True


class Change(NamedTuple):
    """One morphism: its kind, the layer, and the new layer's or the changed layer's values."""

    kind: str
    layer: int
    filters: int = 0
    kernel: tuple[int, int] = (0, 0)
    relu: bool = False
    norm: bool = False
    source: int = 0


@dataclass(frozen=True)
class Lineage:
    """Where a child's layers come from.

    Attributes
    ----------
    copies : tuple of (int or None)
        For each layer of the child the parent's layer with its weights; None for a new one.
    carries : tuple of (int or None)
        For the image and each layer of the child, the parent's layer (0: image) whose output it repeats. A new layer
        that carries something is an identity.
    preserved : bool
        Whether the child can compute what its parent does.
    """

    copies: tuple[int | None, ...]
    carries: tuple[int | None, ...]
    preserved: bool = True


def changes(layers: Sequence[ConvLayer], limits: Limits) -> dict[str, list[Change]]:
    """All single morphisms of a network, by kind.

    deeper: a layer behind another one, with ReLU only where that has one, and BN only behind BN. wider: more filters.
    kernel: a larger one. skip: one more input that is no larger than the others, and that the classifier does not read.
    """
    found: dict[str, list[Change]] = {"deeper": [], "wider": [], "kernel": [], "skip": []}
    unread, halved = set(unread_layers(list(layers))), halvings(layers)
    for j, layer in enumerate(layers, start=1):
        if len(layers) < limits.layers:
            for relu in {False, layer.relu} if limits.norms else {True}:
                for norm in {False, layer.norm}:
                    found["deeper"] += [Change("deeper", j, layer.filters, k, relu, norm) for k in limits.kernels]
        found["wider"] += [Change("wider", j, filters) for filters in limits.filters if filters > layer.filters]
        found["kernel"] += [
            Change("kernel", j, kernel=k) for k in limits.kernels if k != layer.kernel and _holds(k, layer.kernel)
        ]
        if limits.connections:
            least = min(halved[i] for i in layer.inputs or (IMAGE,))
            free = (i for i in range(j) if i not in (layer.inputs or (IMAGE,)) and i not in unread)
            found["skip"] += [Change("skip", j, source=i) for i in free if halved[i] >= least]
    return {kind: sorted(some) for kind, some in found.items() if some}


def apply(layers: Sequence[ConvLayer], change: Change) -> list[ConvLayer]:
    """The layers after a morphism."""
    j, changed = change.layer, list(layers)
    old = changed[j - 1]
    if change.kind == "wider":
        changed[j - 1] = old._replace(filters=change.filters)
    elif change.kind == "kernel":
        changed[j - 1] = old._replace(kernel=change.kernel)
    elif change.kind == "skip":
        changed[j - 1] = old._replace(inputs=tuple(sorted({*(old.inputs or (IMAGE,)), change.source})))
    else:  # all that read layer j read the new one
        moved = [one._replace(inputs=tuple(i + (i >= j) for i in one.inputs)) for one in changed[j:]]
        new = ConvLayer(change.filters, change.kernel, 1, change.relu, change.norm, (j,))
        changed = [*changed[:j], new, *moved]
    return changed


def halvings(layers: Sequence[ConvLayer]) -> list[int]:
    """How often the image (first) and each layer's output are halved; what is halved more often is not larger."""
    found = [0]
    for layer in layers:
        found.append(min(found[i] for i in layer.inputs or (IMAGE,)) + (layer.stride == 2))
    return found


def size(
    layers: Sequence[ConvLayer], shape: tuple[int, int, int], n_classes: int, *, pooled: bool = False
) -> tuple[int, int]:
    """Parameters, and multiply-adds of an image (C, H, W), without building the network.

    pooled: sizes are halved by pooling after a layer, not by its stride.
    """
    outputs, parameters, multiply_adds = [shape], 0, 0
    for layer in layers:
        read = [outputs[i] for i in layer.inputs or (IMAGE,)]
        full = max(one[1] for one in read), max(one[2] for one in read)
        after = -(-full[0] // layer.stride), -(-full[1] // layer.stride)
        height, width = full if pooled else after
        weights = sum(one[0] for one in read) * layer.filters * layer.kernel[0] * layer.kernel[1]
        parameters += weights + layer.filters * (1 + layer.norm)
        multiply_adds += weights * height * width
        outputs.append((layer.filters, *after))
    last = n_classes * sum(layers[j - 1].filters for j in unread_layers(list(layers)))
    return parameters + last + n_classes, multiply_adds + last


def lineage(parent: Sequence[ConvLayer], child: Sequence[ConvLayer]) -> Lineage:
    """How a child comes from its parent by any number of morphisms; else layer by layer, as far as both go."""
    found = next(_lineages(list(parent), list(child), (), (IMAGE,)), None)
    if found is not None:
        return found
    copies = tuple(j if j <= len(parent) else None for j in range(1, len(child) + 1))
    return Lineage(copies, (IMAGE, *copies), preserved=False)


def carrier(sources: Sequence[int], carries: Sequence[int | None], wanted: int) -> int | None:
    """The first of these layers of the child that carries a layer of the parent."""
    return next((source for source in sources if carries[source] == wanted), None)


def _lineages(
    parent: list[ConvLayer], child: list[ConvLayer], copies: tuple[int | None, ...], carries: tuple[int | None, ...]
) -> Iterator[Lineage]:
    """Every way to take each layer of the child for the parent's next one or for an identity."""
    done, new = sum(copy is not None for copy in copies), len(copies)
    if new == len(child):
        halved = halvings(child)
        if done == len(parent) and _reads(unread_layers(child), unread_layers(parent), carries, halved):
            yield Lineage(copies, carries)
        return
    layer = child[new]
    if done < len(parent) and _continues(layer, parent[done], carries, halvings(child[:new])):
        yield from _lineages(parent, child, (*copies, done + 1), (*carries, done + 1))
    if len(child) - new > len(parent) - done and _is_identity(layer, parent, carries):
        yield from _lineages(parent, child, (*copies, None), (*carries, carries[layer.inputs[0]]))


def _continues(layer: ConvLayer, old: ConvLayer, carries: Sequence[int | None], halved: Sequence[int]) -> bool:
    """Whether a layer of the child can do what one of the parent does."""
    same = (layer.stride, layer.relu, layer.norm) == (old.stride, old.relu, old.norm)
    grown = layer.filters >= old.filters and _holds(layer.kernel, old.kernel)
    return same and grown and _reads(layer.inputs or (IMAGE,), old.inputs or (IMAGE,), carries, halved)


def _reads(sources: Sequence[int], old: Sequence[int], carries: Sequence[int | None], halved: Sequence[int]) -> bool:
    """Whether these sources hold all that the parent's do, and nothing larger that would change the padding."""
    needed = [carrier(sources, carries, source) for source in old]
    if any(source is None for source in needed):
        return False
    least = min(halved[source] for source in needed if source is not None)
    return all(halved[source] >= least for source in sources)


def _is_identity(layer: ConvLayer, parent: list[ConvLayer], carries: Sequence[int | None]) -> bool:
    """Whether a new layer can hand on what its only input carries."""
    if len(layer.inputs) != 1 or not (carried := carries[layer.inputs[0]]) or layer.stride != 1:
        return False
    origin = parent[carried - 1]
    return layer.filters >= origin.filters and origin.relu >= layer.relu and origin.norm >= layer.norm


def _holds(kernel: tuple[int, int], smaller: tuple[int, int]) -> bool:
    return kernel[0] >= smaller[0] and kernel[1] >= smaller[1]
