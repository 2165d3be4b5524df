"""Several spaces as one: which of them is the first choice."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ...rsa import RSAError
from ..networks.structures import Shape
from .space import Architecture, Choice, Dimension, Graph, Space

if TYPE_CHECKING:
    from torch import nn

SPACE = "space"  # the dimension that chooses


class SpaceUnion(Space):
    """The networks of several spaces; the dimension "space" says of which, the others are named "SPACE/DIMENSION".

    Parameters
    ----------
    parts : sequence of Space
        Two or more, of different names.

    Raises
    ------
    RSAError
        For fewer than two, for equal names, and for spaces of images beside those of text.
    """

    def __init__(self, parts: Sequence[Space]) -> None:
        self.parts = {part.name: part for part in parts}
        if len(self.parts) < max(2, len(parts)):
            raise RSAError(f"a union is of two or more different spaces, not of {[part.name for part in parts]}")
        if len({part.reads for part in parts}) > 1:
            raise RSAError("spaces of images and of text have no data in common: search them apart")
        self.reads = parts[0].reads
        super().__init__("+".join(self.parts), self._choices())

    def _choices(self) -> Iterator[Dimension]:
        yield Dimension(SPACE, tuple(self.parts), 0, SPACE)
        for name, part in self.parts.items():
            for one in part.dimensions:
                parent, when = (f"{name}/{one.parent}", one.when) if one.parent else (SPACE, (name,))
                about = {"name": f"{name}/{one.name}", "step": one.step + 1, "kind": f"{name}/{one.kind}"}
                moved = {key: None if place is None else place + 1 for key, place in _ends(one).items()}
                yield replace(one, **about, parent=parent, when=when, **moved)  # type: ignore[arg-type]

    def part(self, architecture: Architecture) -> tuple[Space, dict[str, Choice]]:
        """Get the space of an architecture, and what it is there."""
        name = str(architecture[SPACE])
        inside = {key: choice for key, choice in architecture.items() if key != SPACE}
        return self.parts[name], {key.removeprefix(f"{name}/"): choice for key, choice in inside.items()}

    def whole(self, space: Space, architecture: Architecture) -> dict[str, Choice]:
        """Find the architecture here of one of a part."""
        return {SPACE: space.name, **{f"{space.name}/{name}": choice for name, choice in architecture.items()}}

    def _simplify(self, architecture: dict[str, Choice]) -> dict[str, Choice]:
        space, inside = self.part(architecture)
        return self.whole(space, space.canonical(inside))

    def describe(self, architecture: Architecture) -> str:
        space, inside = self.part(self.canonical(architecture))
        return f"of {space.name}:\n{space.describe(inside)}"

    def graph(self, architecture: Architecture) -> Graph:
        space, inside = self.part(self.canonical(architecture))
        return space.graph(inside)

    def build(
        self, architecture: Architecture, *, input_shape: Shape = (3, 32, 32), n_classes: int = 10, **settings: Any
    ) -> "nn.Module":
        space, inside = self.part(self.canonical(architecture))
        return space.build(inside, input_shape=input_shape, n_classes=n_classes, **settings)


def _ends(dimension: Dimension) -> dict[str, int | None]:
    return {"source": dimension.source, "target": dimension.target}
