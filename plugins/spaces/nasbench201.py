"""The space of NAS-Bench-201 (Dong & Yang 2020)."""

from typing import TYPE_CHECKING, Any

from ..networks.structures import Shape, live_edges
from .space import Architecture, Choice, Dimension, Graph, Space

if TYPE_CHECKING:
    from torch import nn

EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
_OPERATIONS = ("none", "skip", "conv1x1", "conv3x3", "avgpool")


class NASBench201(Space):
    """Cells of four nodes, from the input, node 0, to the output, node 3: five operations for each of six edges.

    Canonical form: an edge that carries nothing to the output ("dead": no path of edges other than "none" leads from
    node 0 through it to node 3) is "none". Equal networks stay distinct where skip connections make two nodes the same,
    and where nodes 1 and 2 are exchanged.

    References
    ----------
    Dong & Yang 2020, Extending the scope of reproducible neural architecture search, ICLR.
    """

    def __init__(self) -> None:
        edges = (Dimension(_name(edge), _OPERATIONS, i, "operation") for i, edge in enumerate(EDGES))
        super().__init__("nasbench201", edges)

    def _simplify(self, architecture: dict[str, Choice]) -> dict[str, Choice]:
        live = live_edges({edge: str(architecture[_name(edge)]) for edge in EDGES})
        return {_name(edge): architecture[_name(edge)] if edge in live else "none" for edge in EDGES}

    def describe(self, architecture: Architecture) -> str:
        a = self.canonical(architecture)
        lines = []
        for node in (1, 2, 3):
            terms = [f"{a[_name((i, j))]}(node {i})" for i, j in EDGES if j == node and a[_name((i, j))] != "none"]
            lines.append(f"node {node}: {' + '.join(terms) or 'nothing'}")
        return "\n".join(lines)

    def graph(self, architecture: Architecture) -> Graph:
        a = self.canonical(architecture)
        nodes = {"0": "node 0\ninput", "1": "node 1", "2": "node 2", "3": "node 3\noutput"}
        edges = ((str(i), str(j), str(a[_name((i, j))])) for i, j in EDGES if a[_name((i, j))] != "none")
        return Graph(nodes, tuple(edges))

    def build(
        self,
        architecture: Architecture,
        *,
        input_shape: Shape = (3, 32, 32),
        n_classes: int = 10,
        cells: int = 1,
        channels: int = 16,
        **settings: Any,
    ) -> "nn.Module":
        """Build the network.

        Parameters
        ----------
        architecture, input_shape, n_classes
            As in `Space.build`.
        cells : int
            Cells per stage; 5 as published.
        channels : int
            Channels of the first stage; doubled twice.
        **settings
            There are no others.
        """
        from ..networks.nasbench201 import NASBench201Network

        self.check_settings(settings, ("cells", "channels"))
        a = self.canonical(architecture)
        operations = {edge: str(a[_name(edge)]) for edge in EDGES}
        return NASBench201Network(
            operations, cells=cells, channels=channels, input_shape=input_shape, n_classes=n_classes
        )


def _name(edge: tuple[int, int]) -> str:
    return f"{edge[0]}-{edge[1]}"
