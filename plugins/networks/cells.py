"""Networks of stacked cells, built as NASNet was released (Zoph et al. 2018; Liu et al. 2018 for strided cells)."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...rsa import RSAError
from .operations import OPERATIONS, Conv, FactorisedReduction, check_task, drop_path, match, relu_conv_norm
from .structures import Block, Cell, CellPair, Shape

MOST_CELLS = 10_000
STEM_FILTERS = 96  # of the ImageNet stem; 32 in the publications' mobile networks


@dataclass(frozen=True)
class CellPlan:
    """How cells are stacked into a network.

    repeats: N, cells per stage; filters: F, doubled at every reduction. n_reductions: reductions between stages.
    stem: "cifar", a 3x3 convolution to 3F and BN; "imagenet", a 3x3 convolution with stride 2 and no padding to 96, BN,
      then `stem_cells` reduction cells at F/4 and F/2. stem_cells=0 leaves these out, as the paper's search on ImageNet
      at 64 x 64 does. stem_filters: other channels of the convolution; the published mobile networks have 32.
    reduction: "extra" puts a reduction cell before a stage (NASNet), "strided" strides its first cell (PNASNet).
    auxiliary: in training mode the network returns (logits, auxiliary logits), the latter from a head on the last cell
      before the last reduction (their loss counts 0.4 in the publications).
    drop_path: probability that an operation other than the identity is dropped for an example, at the last cell; less
      before, in proportion to depth. dropout: before the classifier. The paper trains its cells without either.
    """

    repeats: int = 2
    filters: int = 32
    stem: Literal["cifar", "imagenet"] = "cifar"
    stem_filters: int | None = None
    stem_cells: int = 2
    n_reductions: int = 2
    reduction: Literal["extra", "strided"] = "extra"
    auxiliary: bool = False
    drop_path: float = 0.0
    dropout: float = 0.0

    def __post_init__(self) -> None:
        """Raises RSAError for a setting that no network can have."""
        wrong = []
        if self.stem not in ("cifar", "imagenet"):
            wrong.append(f"stem is {self.stem!r}, not cifar or imagenet")
        if self.reduction not in ("extra", "strided"):
            wrong.append(f"reduction is {self.reduction!r}, not extra or strided")
        least = {"repeats": 1, "stem_cells": 0, "n_reductions": int(self.auxiliary)}
        least |= {} if self.stem_filters is None else {"stem_filters": 1}
        for name, low in least.items():
            if not isinstance(getattr(self, name), int) or getattr(self, name) < low:
                wrong.append(f"{name} is {getattr(self, name)!r}, not an integer of at least {low}")
        if not wrong and (n := self.stem_cells + (self.n_reductions + 1) * (self.repeats + 1)) > MOST_CELLS:
            wrong.append(f"these would be {n} cells, more than {MOST_CELLS}")
        if not wrong and (not isinstance(self.filters, int) or self.filters < 2 ** (self.n_stem_cells + 1)):
            wrong.append(f"filters is {self.filters!r}, not an integer of at least {2 ** (self.n_stem_cells + 1)}")
        for name in ("drop_path", "dropout"):
            value = getattr(self, name)
            if not isinstance(value, int | float) or not 0 <= value < 1:
                wrong.append(f"{name} is {value!r}, not in [0, 1)")
        if wrong:
            raise RSAError(f"no network of cells: {'; '.join(wrong)}")

    @property
    def n_stem_cells(self) -> int:
        return self.stem_cells if self.stem == "imagenet" else 0

    @property
    def stem_width(self) -> int:
        return self.stem_filters or (3 * self.filters if self.stem == "cifar" else STEM_FILTERS)

    def cells(self, pair: CellPair) -> list[tuple[str, Cell, int, int]]:
        """(name, cell, filters, stride), from the image on."""
        planned = []
        for i in range(1, self.n_stem_cells + 1):
            planned.append((f"stem{i}", pair.reduction, self.filters // 2 ** (self.n_stem_cells + 1 - i), 2))
        for stage in range(self.n_reductions + 1):
            width = self.filters * 2**stage
            if stage and self.reduction == "extra":
                planned.append((f"reduction{stage}", pair.reduction, width, 2))
            for i in range(self.repeats):
                name = f"cell{stage * self.repeats + i + 1}"
                strided = stage > 0 and i == 0 and self.reduction == "strided"
                planned.append((name, pair.reduction if strided else pair.normal, width, 2 if strided else 1))
        return planned


class CellNetwork(nn.Module):
    """Stem, cells, ReLU, global average, dropout, linear; `stages` names the cells.

    `drop_path` may be set anew at any time: a `report` of `train` can let it grow over training, as NASNet's own does.
    Raises RSAError for an operation that is not in OPERATIONS.
    """

    def __init__(
        self, pair: CellPair, plan: CellPlan, *, input_shape: Shape = (3, 32, 32), n_classes: int = 10
    ) -> None:
        check_task(input_shape, n_classes)
        super().__init__()
        channels, *size = input_shape
        small = plan.stem == "cifar"
        width = plan.stem_width
        self.stem = _Stem(channels, width, small)
        size = [side if small else (max(side, 3) - 1) // 2 for side in size]
        planned = plan.cells(pair)
        self.stages = tuple(name for name, *_ in planned)
        self.drop_path = plan.drop_path
        self.auxiliary: nn.Module | None = None
        last = [i for i, (*_, stride) in enumerate(planned) if stride == 2][-1:]
        self._auxiliary_after = planned[last[0] - 1][0] if plan.auxiliary else ""
        earlier, reduced = 0, False  # channels of the output before (0: there is none); whether the last cell halved
        for name, structure, filters, stride in planned:
            cell = CellModule(structure, width, earlier, reduced, filters, stride)
            self.add_module(name, cell)
            earlier, width, reduced = width, cell.width, stride == 2
            size = [-(-side // stride) for side in size]
            if name == self._auxiliary_after:
                self.auxiliary = _auxiliary_head(width, (size[0], size[1]), n_classes)
        self.dropout, self.classifier = nn.Dropout(plan.dropout), nn.Linear(width, n_classes)

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        before, now = None, self.stem(images)
        extra: Tensor | None = None
        for i, name in enumerate(self.stages, start=1):
            drop = self.drop_path * i / len(self.stages) if self.training else 0.0
            before, now = now, self.get_submodule(name)(now, before, drop)
            if self.training and self.auxiliary is not None and name == self._auxiliary_after:
                extra = self.auxiliary(now)
        logits: Tensor = self.classifier(self.dropout(functional.relu(now).mean(dim=(2, 3))))
        return logits if extra is None else (logits, extra)


class CellModule(nn.Module):
    """One cell: (the current input, the output before it or None) -> concatenated states, `width` channels.

    channels, earlier: channels of the two inputs (earlier 0: there is none, and state 1 is the current input);
    reduced: whether the current input is half as large as the earlier one.
    """

    def __init__(self, cell: Cell, channels: int, earlier: int, reduced: bool, filters: int, stride: int) -> None:
        super().__init__()
        self.squeeze = relu_conv_norm(channels, filters)
        self.align: nn.Module = nn.Identity()
        if earlier and reduced:
            self.align = nn.Sequential(nn.ReLU(), FactorisedReduction(earlier, filters))
        elif earlier and earlier != filters:
            self.align = relu_conv_norm(earlier, filters)
        widths = [filters, filters if earlier else channels] + [filters] * len(cell.blocks)
        self.blocks = nn.ModuleList(BlockModule(block, widths, filters, stride) for block in cell.blocks)
        self.output = cell.output
        self.matched = nn.ModuleDict(
            {str(state): match(widths[state], filters, stride) for state in cell.output if state < 2}
        )
        self.width = filters * len(cell.output)

    def forward(self, now: Tensor, before: Tensor | None, drop: float = 0.0) -> Tensor:
        states = [self.squeeze(now), self.align(now if before is None else before)]
        for block in self.blocks:
            states.append(block(states, drop))
        return torch.cat([self.matched[str(i)](states[i]) if i < 2 else states[i] for i in self.output], dim=1)


class BlockModule(nn.Module):
    """operation_a(one state) + operation_b(one state); only operations that read states 0 and 1 are strided."""

    def __init__(self, block: Block, widths: list[int], filters: int, stride: int) -> None:
        unknown = [operation for operation, _ in block.operands if operation not in OPERATIONS]
        if unknown:
            raise RSAError(f"unknown operation {unknown[0]!r}; known: {', '.join(OPERATIONS)}")
        super().__init__()
        self.block = block
        self.a, self.b = (
            OPERATIONS[operation](widths[state], filters, stride if state < 2 else 1)
            for operation, state in block.operands
        )

    def forward(self, states: list[Tensor], drop: float) -> Tensor:
        outputs = []
        for module, (operation, state) in zip((self.a, self.b), self.block.operands, strict=True):
            output = module(states[state])
            outputs.append(drop_path(output, drop) if drop and operation != "identity" else output)
        return outputs[0] + outputs[1]


class _Stem(nn.Module):
    """A 3x3 convolution and BN: same padding, or (ImageNet) stride 2 without padding, at least one pixel."""

    def __init__(self, channels: int, width: int, small: bool) -> None:
        super().__init__()
        self.least = 1 if small else 3  # pixels that the convolution needs
        self.conv = Conv(channels, width, 3, 1 if small else 2, padded=small)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, images: Tensor) -> Tensor:
        height, across = images.shape[2:]
        if min(height, across) < self.least:
            images = functional.pad(images, (0, max(self.least - across, 0), 0, max(self.least - height, 0)))
        features: Tensor = self.norm(self.conv(images))
        return features


def _auxiliary_head(channels: int, size: tuple[int, int], n_classes: int) -> nn.Sequential:
    """5x5 average pool with stride 3, 1x1 to 128, a convolution over all that is left to 768, linear."""
    pool = (min(5, size[0]), min(5, size[1]))
    left = ((size[0] - pool[0]) // 3 + 1, (size[1] - pool[1]) // 3 + 1)
    return nn.Sequential(
        nn.ReLU(),
        nn.AvgPool2d(pool, 3),
        Conv(channels, 128, 1),
        nn.BatchNorm2d(128),
        nn.ReLU(),
        Conv(128, 768, left, padded=False),
        nn.BatchNorm2d(768),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(768, n_classes),
    )
