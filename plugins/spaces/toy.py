"""A space of small networks, for tests, documentation and searches that end in seconds."""

from collections import OrderedDict
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ..networks.structures import Shape
from .space import Architecture, Dimension, Graph, Space

if TYPE_CHECKING:
    from torch import nn

_FILTERS, _KERNELS, _POOLS = (4, 8, 16), (1, 3, 5), ("none", "max")


class ToySpace(Space):
    """Chains of one to three convolutions with filters, kernel and pooling to choose: 18 + 18^2 + 18^3 networks."""

    def __init__(self) -> None:
        depth = Dimension("n_layers", (1, 2, 3), 0, "n_layers")
        dimensions = [depth]
        for j in depth.choices:
            condition = ("n_layers", tuple(choice for choice in depth.choices if int(choice) >= int(j)))
            for kind, choices in (("filters", _FILTERS), ("kernel", _KERNELS), ("pool", _POOLS)):
                dimensions.append(Dimension(f"layer{j}/{kind}", choices, int(j), kind, *condition))
        super().__init__("toy", dimensions)

    def describe(self, architecture: Architecture) -> str:
        a = self.canonical(architecture)
        return "\n".join(
            f"layer{j}: {a[f'layer{j}/filters']} filters {a[f'layer{j}/kernel']}x{a[f'layer{j}/kernel']}, ReLU"
            + (", 2x2 max pooling" if a[f"layer{j}/pool"] == "max" else "")
            for j in range(1, int(a["n_layers"]) + 1)
        )

    def graph(self, architecture: Architecture) -> Graph:
        lines = self.describe(architecture).splitlines()
        names = ["image", *(line.partition(":")[0] for line in lines), "classifier"]
        nodes = dict(zip(names, ["image", *lines, "global average, classifier"], strict=True))
        return Graph(nodes, tuple((source, target, "") for source, target in pairwise(names)))

    def build(
        self, architecture: Architecture, *, input_shape: Shape = (3, 32, 32), n_classes: int = 10, **settings: Any
    ) -> "nn.Module":
        from torch import nn

        from ..networks.operations import check_task

        self.check_settings(settings, ())
        check_task(input_shape, n_classes)
        a = self.canonical(architecture)
        channels, network = input_shape[0], dict[str, nn.Module]()
        for j in range(1, int(a["n_layers"]) + 1):
            width, kernel = int(a[f"layer{j}/filters"]), int(a[f"layer{j}/kernel"])
            parts: list[nn.Module] = [nn.Conv2d(channels, width, kernel, padding=kernel // 2), nn.ReLU()]
            if a[f"layer{j}/pool"] == "max":
                parts.append(nn.MaxPool2d(2, ceil_mode=True))
            network[f"layer{j}"] = nn.Sequential(*parts)
            channels = width
        head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, n_classes))
        built = nn.Sequential(OrderedDict({**network, "classifier": head}))
        built.stages = tuple(network)  # type: ignore[assignment]
        return built
