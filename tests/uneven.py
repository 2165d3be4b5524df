"""A network whose layers differ in what can be compared of them."""

import torch
from torch import nn


class Uneven(nn.Module):
    """Layers with batch normalisation, one that is dead, and one to which all images are alike."""

    stages = ("first", "dead", "flat", "last")

    def __init__(self, channels: int = 3, classes: int = 10) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Sequential(nn.Conv2d(channels, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU())
        self.dead, self.flat = nn.Conv2d(6, 4, 3), nn.Conv2d(6, 4, 3)
        self.last = nn.Sequential(nn.Conv2d(6, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
        self.head = nn.Linear(4, classes)
        with torch.no_grad():
            for weights in (self.dead.weight, self.dead.bias, self.flat.weight):
                weights.zero_()  # type: ignore[union-attr]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        x = self.last(x) + self.dead(x) + self.flat(x)
        return torch.as_tensor(self.head(x.mean((2, 3))))
