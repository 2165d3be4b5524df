"""What networks are made of, without any tensor: cells of blocks over states, layers that read layers, edges."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeAlias

Shape: TypeAlias = tuple[int, int, int]  # of an image: channels, height, width
WORDS = 35  # of a context, as long as back-propagation reaches (Zaremba et al. 2014)
STATES = ("cell-1", "cell-2")  # states 0 and 1: the outputs of the cell before and of the one before that
CROSSED, SEPARABLE = ("conv1x7-7x1", "bottleneck1x7-7x1"), "separable7x7"


def is_text(shape: tuple[int, ...]) -> bool:
    """Whether inputs are lines of words, (1, 1, words), which no image is: text is data like any other."""
    return tuple(shape[:2]) == (1, 1) and len(shape) == 3 and shape[2] > 1


@dataclass(frozen=True)
class Block:
    """operation_a(state input_a) + operation_b(state input_b); its output is one more state."""

    operation_a: str
    input_a: int
    operation_b: str
    input_b: int

    @property
    def operands(self) -> tuple[tuple[str, int], tuple[str, int]]:
        return (self.operation_a, self.input_a), (self.operation_b, self.input_b)


@dataclass(frozen=True)
class Cell:
    """Blocks in order, and the states whose concatenation is the cell's output.

    States are numbered: 0 the output of the previous cell, 1 that of the cell before it, 2 the first block, ...
    """

    blocks: tuple[Block, ...]
    output: tuple[int, ...]

    def describe(self) -> str:
        """A line per block and one for the output."""
        lines = []
        for j, block in enumerate(self.blocks, start=1):
            terms = (f"{operation}({state_name(state)})" for operation, state in block.operands)
            lines.append(f"block{j}: {' + '.join(terms)}")
        return "\n".join([*lines, f"output: {', '.join(map(state_name, self.output))}"])


@dataclass(frozen=True)
class CellPair:
    """The cells of a network.

    Attributes
    ----------
    name : str
    normal, reduction : Cell
        The cell that keeps the size, and the one that halves it.
    published : mapping
        Settings of the publication for CIFAR, for `CellSpace.build`.
    source : str
        The publication.
    """

    name: str
    normal: Cell
    reduction: Cell
    published: Mapping[str, Any] = field(default_factory=dict, hash=False)
    source: str = ""

    def describe(self) -> str:
        """Describe both cells in words, or the one that serves as both."""
        if self.normal == self.reduction:
            return self.normal.describe()
        return f"normal cell\n{self.normal.describe()}\nreduction cell\n{self.reduction.describe()}"


def state_name(state: int) -> str:
    """cell-1, cell-2, block1, ..."""
    return STATES[state] if state < 2 else f"block{state - 1}"


def unread(blocks: Sequence[Block]) -> set[int]:
    """States that no block reads, states 0 and 1 included."""
    return set(range(len(blocks) + 2)) - {state for block in blocks for _, state in block.operands}


def separable_cell(cell: Cell) -> Cell:
    """Every 1x7-7x1 convolution replaced by a 7x7 separable one."""

    def swapped(operation: str) -> str:
        return SEPARABLE if operation in CROSSED else operation

    blocks = (Block(swapped(b.operation_a), b.input_a, swapped(b.operation_b), b.input_b) for b in cell.blocks)
    return replace(cell, blocks=tuple(blocks))


class ConvLayer(NamedTuple):
    """One layer; inputs: 0 is the image, j layer j."""

    filters: int
    kernel: tuple[int, int]  # height, width
    stride: int
    relu: bool
    norm: bool
    inputs: tuple[int, ...]

    def describe(self) -> str:
        words = [f"{self.filters} filters {self.kernel[0]}x{self.kernel[1]}", f"stride {self.stride}"]
        return ", ".join(words + ["BN"] * self.norm + ["ReLU"] * self.relu)


def unread_layers(layers: list[ConvLayer]) -> list[int]:
    """Numbers of the layers that no other layer reads; the last one is always among them."""
    read = {i for layer in layers for i in layer.inputs}
    return [j for j in range(1, len(layers) + 1) if j not in read]


def live_edges(operations: dict[tuple[int, int], str]) -> set[tuple[int, int]]:
    """The edges on a path from node 0 to node 3 whose operations are not "none"."""
    edges = [edge for edge, operation in operations.items() if operation != "none"]
    fed, used = {0}, {3}
    for i, j in sorted(edges):
        if i in fed:
            fed.add(j)
    for i, j in sorted(edges, reverse=True):
        if j in used:
            used.add(i)
    return {(i, j) for i, j in edges if i in fed and j in used}
