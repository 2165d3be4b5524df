"""The space of NAS-Bench-Macro (Su et al. 2021)."""

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ..networks.structures import Shape
from .space import Architecture, Choice, Dimension, Graph, Space

if TYPE_CHECKING:
    from torch import nn

OPERATIONS = ("identity", "mb3x3e3", "mb5x5e6")  # 0, 1, 2 in the keys of the published table
_LAYERS = tuple(f"layer{i}" for i in range(1, 9))
LATER = (_LAYERS[1:2], _LAYERS[3:5], _LAYERS[6:8])  # of the three stages the layers after the first


class MacroSpace(Space):
    """Eight layers in stages of 2, 3 and 3; each is the identity or one of two blocks of MobileNetV2.

    Blocks: "mb3x3e3" has a 3x3 kernel and three times as many channels inside, "mb5x5e6" a 5x5 kernel and six times as
    many. The first layer of a stage halves the size and doubles the channels; an identity there is a strided 1x1
    convolution.

    Canonical form: identities after the first layer of a stage, which change nothing, come last in their stage. So
    3,969 networks stand for the table's 6,561 keys.

    References
    ----------
    Su et al. 2021, Prioritized architecture sampling with Monte-Carlo tree search, CVPR.
    """

    def __init__(self) -> None:
        layers = (Dimension(name, OPERATIONS, i, "operation") for i, name in enumerate(_LAYERS))
        super().__init__("macro", layers)

    def _simplify(self, architecture: dict[str, Choice]) -> dict[str, Choice]:
        simple = dict(architecture)
        for names in LATER:
            operations = sorted((architecture[name] for name in names), key=lambda one: one == "identity")
            simple |= dict(zip(names, operations, strict=True))
        return simple

    def describe(self, architecture: Architecture) -> str:
        return "\n".join(f"{name}: {operation}" for name, operation in self.canonical(architecture).items())

    def graph(self, architecture: Architecture) -> Graph:
        kept = {f"{n}\n{o}": f"{n}\n{o}" for n, o in self.canonical(architecture).items()}
        nodes = {"image": "image", "stem": "stem", **kept, "classifier": "1x1 convolution,\nclassifier"}
        return Graph(nodes, tuple((source, target, "") for source, target in pairwise(nodes)))

    def build(
        self,
        architecture: Architecture,
        *,
        input_shape: Shape = (3, 32, 32),
        n_classes: int = 10,
        width: float = 1.0,
        **settings: Any,
    ) -> "nn.Module":
        """Build the network.

        Parameters
        ----------
        architecture, input_shape, n_classes
            As in `Space.build`.
        width : float
            Factor on the published numbers of channels: 32 in the stem, 1280 in the head.
        **settings
            There are no others.

        Returns
        -------
        torch.nn.Module
        """
        from ..networks.macro import MacroNetwork

        self.check_settings(settings, ("width",))
        operations = [str(operation) for operation in self.canonical(architecture).values()]
        return MacroNetwork(operations, width=width, input_shape=input_shape, n_classes=n_classes)
