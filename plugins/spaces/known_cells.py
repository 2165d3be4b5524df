"""Cells found by published searches, for the same builder as the cells of `CellSpace`.

They go beyond that space in three ways: the reduction cell may be another one than the normal cell, a cell may
concatenate blocks that other blocks read, and the builder knows more operations (`OPERATIONS` of the networks) than the
eight that are searched. State numbers and outputs are those of the released networks.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import overload

from ..networks.structures import CROSSED, SEPARABLE, Block, Cell, separable_cell
from ..networks.structures import CellPair as CellPair
from .space import Architecture, Choice


def _cell(blocks: Iterable[tuple[str, int, str, int]], output: Iterable[int]) -> Cell:
    return Cell(tuple(Block(*block) for block in blocks), tuple(output))


_NASNET_A = CellPair(
    "nasnet-a",
    normal=_cell(
        [
            ("separable5x5", 0, "separable3x3", 1),
            ("separable5x5", 1, "separable3x3", 1),
            ("avgpool3x3", 0, "identity", 1),
            ("avgpool3x3", 1, "avgpool3x3", 1),
            ("separable3x3", 0, "identity", 0),
        ],
        output=(1, 2, 3, 4, 5, 6),
    ),
    reduction=_cell(
        [
            ("separable5x5", 0, "separable7x7", 1),
            ("maxpool3x3", 0, "separable7x7", 1),
            ("avgpool3x3", 0, "separable5x5", 1),
            ("identity", 3, "avgpool3x3", 2),
            ("separable3x3", 2, "maxpool3x3", 0),
        ],
        output=(3, 4, 5, 6),
    ),
    published={"repeats": 6, "filters": 32},
    source="Zoph, Vasudevan, Shlens & Le 2018, Learning transferable architectures for scalable image recognition",
)

_PNASNET_5_CELL = _cell(
    [
        ("separable5x5", 1, "maxpool3x3", 1),
        ("separable7x7", 0, "maxpool3x3", 0),
        ("separable5x5", 0, "separable3x3", 0),
        ("separable3x3", 4, "maxpool3x3", 0),
        ("separable3x3", 1, "identity", 0),
    ],
    output=(2, 3, 4, 5, 6),
)
_PNASNET_5 = CellPair(
    "pnasnet-5",
    normal=_PNASNET_5_CELL,
    reduction=_PNASNET_5_CELL,
    published={"repeats": 3, "filters": 48, "reduction": "strided"},
    source="Liu et al. 2018, Progressive neural architecture search",
)

_AMOEBANET_A = CellPair(
    "amoebanet-a",
    normal=_cell(
        [
            ("avgpool3x3", 0, "maxpool3x3", 0),
            ("separable3x3", 1, "identity", 1),
            ("identity", 0, "avgpool3x3", 1),
            ("separable3x3", 0, "separable5x5", 2),
            ("avgpool3x3", 5, "separable3x3", 0),
        ],
        output=(1, 3, 4, 6),
    ),
    reduction=_cell(
        [
            ("separable3x3", 1, "avgpool3x3", 0),
            ("maxpool3x3", 0, "separable7x7", 2),
            ("maxpool3x3", 1, "maxpool3x3", 0),
            ("separable3x3", 4, "bottleneck1x7-7x1", 0),
            ("avgpool3x3", 1, "separable7x7", 0),
        ],
        output=(2, 3, 4, 5, 6),
    ),
    published={"repeats": 6, "filters": 36},
    source="Real, Aggarwal, Huang & Le 2019, Regularized evolution for image classifier architecture search",
)

KNOWN_CELLS: Mapping[str, CellPair] = MappingProxyType(
    {pair.name: pair for pair in (_NASNET_A, _PNASNET_5, _AMOEBANET_A)}
)


@overload
def separable(cell: CellPair) -> CellPair: ...
@overload
def separable(cell: Architecture) -> dict[str, Choice]: ...
def separable(cell: CellPair | Architecture) -> CellPair | dict[str, Choice]:
    """Replace every 1x7-7x1 convolution by a separable 7x7 one: the paper's "-sep" (Table 2).

    Parameters
    ----------
    cell : mapping or CellPair
        An architecture of a `CellSpace`, or a known cell.

    Returns
    -------
    dict or CellPair
        A known cell's name then ends in "-sep".
    """
    if isinstance(cell, CellPair):
        normal, reduction = separable_cell(cell.normal), separable_cell(cell.reduction)
        return replace(cell, name=f"{cell.name}-sep", normal=normal, reduction=reduction)
    return {name: SEPARABLE if choice in CROSSED else choice for name, choice in cell.items()}
