"""The space of convolutional networks of the paper: layers with any earlier layers as inputs (Zoph & Le 2017)."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ...rsa import RSAError
from ..networks.structures import ConvLayer, Shape, unread_layers
from .space import Architecture, Choice, Dimension, Graph, Space

if TYPE_CHECKING:
    from torch import nn

_SETTINGS: dict[str, tuple[Choice, ...]] = {
    "filters": (32, 64, 128),
    "kernel_width": (1, 3, 5, 7),
    "kernel_height": (1, 3, 5, 7),
    "stride": (1, 2),
    "activation": ("identity", "ReLU"),
    "normalisation": ("none", "BN"),
}
_MOST_LAYERS = 100


class CNNSpace(Space):
    """Convolutional networks in which each layer reads any subset of the image and the layers before it.

    A layer's inputs are zero-padded to the largest and concatenated in depth; a layer without inputs takes the image;
    layers that no other layer reads are concatenated before the classifier. Dimensions: the number of layers (step 0),
    then for layer j (step j) six settings and, for j > 1, one connection to the image and to each earlier layer: 115
    for 10 layers, 330 for 20.

    Canonical form: in a layer without inputs, the connection to the image is set. No layer is unreachable, since unread
    layers reach the classifier. Equal networks stay distinct where they differ only in the order of layers that do not
    read each other.

    Parameters
    ----------
    max_layers : int
        1 to 100.

    References
    ----------
    Bashivan et al. 2019, supplement.
    """

    def __init__(self, max_layers: int = 10) -> None:
        if not 1 <= max_layers <= _MOST_LAYERS:
            raise RSAError(f"a network has 1 to {_MOST_LAYERS} layers, not {max_layers}")
        self.max_layers = max_layers
        super().__init__(f"cnn{max_layers}", self._choices())

    def _choices(self) -> Iterator[Dimension]:
        depths = tuple(range(1, self.max_layers + 1))
        yield Dimension("n_layers", depths, 0, "n_layers")
        for j in depths:
            condition = ("n_layers", depths[j - 1 :])
            for kind, choices in _SETTINGS.items():
                yield Dimension(f"layer{j}/{kind}", choices, j, kind, *condition)
            for i in range(j if j > 1 else 0):
                yield Dimension(_connection(i, j), (0, 1), j, "connection", *condition, source=i, target=j)

    def layers(self, architecture: Architecture) -> list[ConvLayer]:
        """List the layers of a valid architecture."""
        found = []
        for j in range(1, int(architecture["n_layers"]) + 1):
            setting = {kind: architecture[f"layer{j}/{kind}"] for kind in _SETTINGS}
            found.append(
                ConvLayer(
                    filters=int(setting["filters"]),
                    kernel=(int(setting["kernel_height"]), int(setting["kernel_width"])),
                    stride=int(setting["stride"]),
                    relu=setting["activation"] == "ReLU",
                    norm=setting["normalisation"] == "BN",
                    inputs=(0,) if j == 1 else tuple(i for i in range(j) if architecture[_connection(i, j)] == 1),
                )
            )
        return found

    def architecture(self, layers: Sequence[ConvLayer]) -> dict[str, Choice]:
        """Find the architecture of these layers.

        Parameters
        ----------
        layers : sequence of ConvLayer

        Returns
        -------
        dict
            Canonical.
        """
        found: dict[str, Choice] = {"n_layers": len(layers)}
        for j, layer in enumerate(layers, start=1):
            values: list[Choice] = [layer.filters, layer.kernel[1], layer.kernel[0], layer.stride]
            values += ["ReLU" if layer.relu else "identity", "BN" if layer.norm else "none"]
            found |= {f"layer{j}/{kind}": value for kind, value in zip(_SETTINGS, values, strict=True)}
            found |= {_connection(i, j): int(i in layer.inputs) for i in range(j if j > 1 else 0)}
        return self.canonical(found)

    def _simplify(self, architecture: dict[str, Choice]) -> dict[str, Choice]:
        later = range(2, int(architecture["n_layers"]) + 1)  # than the first, which always reads the image
        lonely = [j for j in later if not any(architecture[_connection(i, j)] for i in range(j))]
        return architecture | {_connection(0, j): 1 for j in lonely}

    def describe(self, architecture: Architecture) -> str:
        layers = self.layers(self.canonical(architecture))
        lines = [
            f"layer{j}: {layer.describe()}; reads {', '.join(map(_source, layer.inputs))}"
            for j, layer in enumerate(layers, start=1)
        ]
        return "\n".join([*lines, f"classifier reads {', '.join(map(_source, unread_layers(layers)))}"])

    def graph(self, architecture: Architecture) -> Graph:
        layers = self.layers(self.canonical(architecture))
        nodes = {"image": "image"}
        nodes |= {f"layer{j}": f"layer{j}: {layer.describe()}" for j, layer in enumerate(layers, start=1)}
        nodes["classifier"] = "global average, classifier"
        edges = [(_source(i), f"layer{j}", "") for j, layer in enumerate(layers, start=1) for i in layer.inputs]
        edges += [(_source(j), "classifier", "") for j in unread_layers(layers)]
        return Graph(nodes, tuple(edges))

    def build(
        self, architecture: Architecture, *, input_shape: Shape = (3, 32, 32), n_classes: int = 10, **settings: Any
    ) -> "nn.Module":
        from ..networks.cnn import CNN

        self.check_settings(settings, ())
        return CNN(self.layers(self.canonical(architecture)), input_shape=input_shape, n_classes=n_classes)


def _connection(source: int, target: int) -> str:
    return f"layer{target}/from_{_source(source)}"


def _source(number: int) -> str:
    return f"layer{number}" if number else "image"
