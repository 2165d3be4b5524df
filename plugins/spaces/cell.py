"""The space of convolutional cells of the paper (Bashivan et al. 2019, section 4.3 and supplement)."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ...rsa import RSAError
from ..networks.structures import STATES, Block, Cell, CellPair, Shape, state_name, unread
from .space import Architecture, Choice, Dimension, Graph, Space

if TYPE_CHECKING:
    from torch import nn

SEARCHED: tuple[str, ...] = ("identity", "avgpool3x3", "maxpool3x3", "dilated3x3", "conv1x7-7x1")
SEARCHED += ("separable3x3", "separable5x5", "separable7x7")
_MOST_BLOCKS = 20


class CellSpace(Space):
    """Cells of several blocks; one cell is stacked into a network and serves, strided, as its reduction cell too.

    A block adds two operations, each on a state: the output of the previous cell ("cell-1"), of the cell before it
    ("cell-2") or of an earlier block. Blocks and cell inputs that no block reads are concatenated; two more choices
    force the inputs into that concatenation even where they are read. Step j - 1 of a sequential controller chooses
    block j, and the last step the two forced outputs. The list of states that block j may read begins with that of
    block j - 1.

    Canonical form: the operands of a block are in the order of states and operations; an input that no block reads
    counts as forced into the output. Equal networks stay distinct where they differ only in the order of blocks that do
    not read each other.

    Parameters
    ----------
    blocks : int
        1 to 20.

    References
    ----------
    Bashivan et al. 2019, section 4.3 and supplement.
    """

    def __init__(self, blocks: int = 5) -> None:
        if not 1 <= blocks <= _MOST_BLOCKS:
            raise RSAError(f"a cell has 1 to {_MOST_BLOCKS} blocks, not {blocks}")
        self.blocks = blocks
        super().__init__("cell" if blocks == 5 else f"cell{blocks}", self._choices())

    def _choices(self) -> Iterator[Dimension]:
        for j in range(self.blocks):
            states = tuple(state_name(state) for state in range(j + 2))
            for side in "ab":
                yield Dimension(f"block{j + 1}/input_{side}", states, j, f"input_{side}")
                yield Dimension(f"block{j + 1}/operation_{side}", SEARCHED, j, f"operation_{side}")
        for name in STATES:
            yield Dimension(f"output/{name}", (0, 1), self.blocks, f"output/{name}")

    def cell(self, architecture: Architecture) -> Cell:
        """Get the blocks and the output of a valid architecture, in the order given."""

        def operand(block: str, side: str) -> tuple[str, int]:
            state = str(architecture[f"{block}/input_{side}"])
            number = STATES.index(state) if state in STATES else int(state.removeprefix("block")) + 1
            return str(architecture[f"{block}/operation_{side}"]), number

        names = [f"block{j}" for j in range(1, self.blocks + 1)]
        blocks = tuple(Block(*operand(name, "a"), *operand(name, "b")) for name in names)
        forced = {state for state, name in enumerate(STATES) if architecture[f"output/{name}"] == 1}
        return Cell(blocks, tuple(sorted(unread(blocks) | forced)))

    def architecture(self, cell: Cell) -> dict[str, Choice]:
        """Find the architecture of a cell.

        Parameters
        ----------
        cell : Cell

        Returns
        -------
        dict
            Canonical.
        """
        found: dict[str, Choice] = {f"output/{name}": int(state in cell.output) for state, name in enumerate(STATES)}
        for j, block in enumerate(cell.blocks, start=1):
            for side, (operation, state) in zip("ab", block.operands, strict=True):
                found |= {f"block{j}/input_{side}": state_name(state), f"block{j}/operation_{side}": operation}
        return self.canonical(found)

    def _simplify(self, architecture: dict[str, Choice]) -> dict[str, Choice]:
        cell = self.cell(architecture)
        for j, block in enumerate(cell.blocks, start=1):
            ordered = sorted(block.operands, key=lambda operand: (operand[1], SEARCHED.index(operand[0])))
            for side, (operation, state) in zip("ab", ordered, strict=True):
                architecture[f"block{j}/input_{side}"] = state_name(state)
                architecture[f"block{j}/operation_{side}"] = operation
        return architecture | {f"output/{name}": int(state in cell.output) for state, name in enumerate(STATES)}

    def describe(self, architecture: Architecture) -> str:
        return self.cell(self.canonical(architecture)).describe()

    def graph(self, architecture: Architecture) -> Graph:
        return cell_graph(self.cell(self.canonical(architecture)))

    def build(
        self,
        architecture: Architecture | CellPair,
        *,
        input_shape: Shape = (3, 32, 32),
        n_classes: int = 10,
        **settings: Any,
    ) -> "nn.Module":
        """Build the network of stacked cells.

        Parameters
        ----------
        architecture : mapping or CellPair
            One of this space, or one of `KNOWN_CELLS`. Of a known cell's `published` settings, only `reduction` is
            applied automatically; pass the others yourself.
        input_shape, n_classes
            As in `Space.build`.
        **settings
            repeats=2, filters=32, stem="cifar", reduction="extra" and the other fields of `CellPlan`. The defaults are
            those of the paper's search: 8 cells and therefore 8 layers to compare.
        """
        from ..networks.cells import CellNetwork, CellPlan

        self.check_settings(settings, CellPlan.__dataclass_fields__)
        if isinstance(architecture, CellPair):
            pair = architecture
            settings.setdefault("reduction", pair.published.get("reduction", "extra"))
        else:
            cell = self.cell(self.canonical(architecture))
            pair = CellPair(self.name, cell, cell)
        return CellNetwork(pair, CellPlan(**settings), input_shape=input_shape, n_classes=n_classes)


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
