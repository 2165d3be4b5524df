"""A network as boxes and what they read, for pictures."""

from collections.abc import Mapping
from dataclasses import dataclass

from ..networks.structures import STATES, Cell, state_name


@dataclass(frozen=True)
class Graph:
    """nodes: name -> text in the box, each after those that it reads; edges: (source, target, text beside the dot)."""

    nodes: Mapping[str, str]
    edges: tuple[tuple[str, str, str], ...]


def cell_graph(cell: Cell) -> Graph:
    """The two inputs, the blocks with an operation on each state that they read, and the concatenation."""
    nodes = {name: name for name in STATES}
    edges = []
    for j, block in enumerate(cell.blocks, start=1):
        nodes[f"block{j}"] = f"block{j}: sum"
        operations: dict[int, list[str]] = {}
        for operation, state in block.operands:
            operations.setdefault(state, []).append(operation)
        edges += [(state_name(state), f"block{j}", "\n".join(words)) for state, words in operations.items()]
    nodes["output"] = "concatenation"
    edges += [(state_name(state), "output", "") for state in cell.output]
    return Graph(nodes, tuple(edges))
