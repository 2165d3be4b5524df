"""Stripes of three directions in noise, a small network, and how to compare its weights."""

import numpy as np
import torch
from tgsage.plugins.training import Data, Recipe, build_seeded, make_data
from torch import Tensor, nn

RECIPE = Recipe(
    "small", epochs=4, lr=0.05, schedule="cosine", batch_size=16, weight_decay=1e-4, clip=5.0, pad=1, flip=True
)


def stripes() -> Data:
    """150 pictures of 16 x 16: 100 for training, 20 for validation, 30 for testing."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 150)
    rows, columns = np.mgrid[:16, :16]
    waves = np.stack([np.sin(rows), np.sin(columns), np.sin(rows * columns / 8)])
    pixels = 128 + 40 * waves[labels][:, None] + rng.normal(0, 25, (150, 3, 16, 16))
    source = torch.from_numpy(pixels.clip(0, 255).astype(np.uint8))
    return make_data(
        "stripes", source, labels, ["rows", "columns", "curves"], test=np.arange(150) >= 120, validation=20
    )


def network(seed: int = 0) -> nn.Module:
    def build() -> nn.Module:
        first = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        second = nn.Sequential(nn.Conv2d(8, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.2))
        return nn.Sequential(first, second, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3))

    return build_seeded(build, seed)


def weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(value, b[name]) for name, value in a.items())
