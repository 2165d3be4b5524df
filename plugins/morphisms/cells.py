"""Morphisms of cells: what can be added to a cell, or exchanged in it, without a change of what it computes.

Operations begin with ReLU, which loses the negative part of what a skip connection or a pool hands on: neither can
become a convolution where it is. A convolution whose last BN has scale 0 adds nothing, so it can be added anywhere.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, product

from ..networks.structures import Block, Cell

Edge = tuple[int, int]
Edges = dict[Edge, str]  # of live edges
ZERO, FRESH = "zero", "fresh"
_CONVS = ("conv1x1", "conv3x3")
_SEPARABLE = ("separable3x3", "separable5x5", "separable7x7")
_INNER = (1, 2)  # nodes between the cell's input and its output


def grown_edges(edges: Edges, every: Sequence[Edge], operations: Sequence[str]) -> Iterator[Edges]:
    """Cells near this one that may compute the same: one or two more operations, or a detour by an idle node."""
    free = [edge for edge in every if edge not in edges]
    yield from ({**edges, edge: "conv3x3"} for edge, operation in edges.items() if operation == "conv1x1")
    yield from ({**edges, edge: operation} for edge in free for operation in operations)
    for one, other in combinations(free, 2):
        yield from ({**edges, one: a, other: b} for a, b in product(operations, repeat=2))
    for (i, j), operation in edges.items():
        for middle in (node for node in _INNER if operation == "skip" and i < node < j):
            detour = {(i, middle): "skip", (middle, j): "skip"}
            if not any(middle in edge for edge in edges):
                yield from ({**edges, **detour, (i, j): conv} for conv in _CONVS)


def edge_sources(parent: Edges, child: Edges) -> dict[Edge, Edge | str] | None:
    """Where the weights of each edge come from so that the child computes what its parent does; None: it cannot.

    An edge of the parent, or "zero" (a convolution that adds nothing), or "fresh" (it does not matter). Each node of
    the child holds what one of the parent's holds (0: the input), or something that only zero convolutions read.
    """
    idle = [node for node in _INNER if not any(node in edge for edge in parent)]
    options = [(None, 0) if node in idle else (node, *(n for n in (*_INNER, 0) if n != node), None) for node in _INNER]
    for first, second in product(*options):
        held: dict[int, int | None] = {0: 0, 1: first, 2: second, 3: 3}
        found: dict[Edge, Edge | str] = {}
        for node in (*_INNER, 3):
            terms = _terms(node, held, parent, child)
            if terms is None:
                break
            found |= terms
        else:
            return found
    return None


def _terms(node: int, held: Mapping[int, int | None], parent: Edges, child: Edges) -> dict[Edge, Edge | str] | None:
    """The sources of the edges into a node of the child that is to hold what a node of the parent holds."""
    mine = sorted(edge for edge in child if edge[1] == node)
    wanted = held[node]
    if wanted is None:
        return dict.fromkeys(mine, FRESH)
    found: dict[Edge, Edge | str] = {}
    if wanted != 3 and node != 3:
        alias = next((edge for edge in mine if child[edge] == "skip" and held[edge[0]] == wanted), None)
        if alias is not None:
            found[alias] = FRESH  # it has no weights
            return _rest_zero(mine, found, child)
        if wanted == 0:
            return None
    for old in sorted(edge for edge in parent if edge[1] == wanted):
        same = [e for e in mine if e not in found and held[e[0]] == old[0] and _holds(child[e], parent[old])]
        if not same:
            return None
        found[min(same, key=lambda edge: child[edge] != parent[old])] = old
    return _rest_zero(mine, found, child)


def _rest_zero(mine: Sequence[Edge], found: dict[Edge, Edge | str], child: Edges) -> dict[Edge, Edge | str] | None:
    rest = [edge for edge in mine if edge not in found]
    return None if any(child[edge] not in _CONVS for edge in rest) else {**found, **dict.fromkeys(rest, ZERO)}


def _holds(operation: str, old: str) -> bool:
    return operation == old or (operation, old) == ("conv3x3", "conv1x1")


def grown_cells(cell: Cell) -> Iterator[Cell]:
    """Cells of blocks that compute the same: a larger separable convolution, or an input in the output as well."""
    for b, block in enumerate(cell.blocks):
        for side in ("operation_a", "operation_b"):
            operation = getattr(block, side)
            for larger in _SEPARABLE[_SEPARABLE.index(operation) + 1 :] if operation in _SEPARABLE else ():
                changed = Block(**{**vars(block), side: larger})
                yield Cell((*cell.blocks[:b], changed, *cell.blocks[b + 1 :]), cell.output)
    more = sorted({0, 1} - set(cell.output))
    for states in [[state] for state in more] + [more] * (len(more) > 1):
        grown = Cell(cell.blocks, tuple(sorted({*cell.output, *states})))
        if _converted(cell) and _converted(grown):
            yield grown


def operand_sources(parent: Cell, child: Cell) -> list[tuple[int, int]] | None:
    """For each block of the child which operand (0, 1) of the parent's each of its two is; None: it computes another.

    Between cells of blocks, which stay in their order.
    """
    joined = set(parent.output) <= set(child.output) and all(s < 2 for s in set(child.output) - set(parent.output))
    wide = child.output == parent.output or (_converted(parent) and _converted(child))
    if len(parent.blocks) != len(child.blocks) or not joined or not wide:
        return None
    found = []
    for old, new in zip(parent.blocks, child.blocks, strict=True):
        orders = [
            order
            for order in ((0, 1), (1, 0))
            if all(_contains(new.operands[i], old.operands[order[i]]) for i in range(2))
        ]
        if not orders:
            return None
        found.append(orders[0])
    return found


def _converted(cell: Cell) -> bool:
    """Whether every reader of its output has a convolution: one with as many filters, maybe doubled, reads as it is."""
    return len(cell.output).bit_count() > 1


def _contains(operand: tuple[str, int], old: tuple[str, int]) -> bool:
    (operation, state), (before, read) = operand, old
    larger = operation in _SEPARABLE and before in _SEPARABLE and operation >= before  # their names sort by size
    return state == read and (operation == before or larger)
