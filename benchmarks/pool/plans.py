"""The pools that the claims are tested on, by name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch

from ...neural_data import images as load_images
from ...plugins.spaces import Architecture, get_space
from ...plugins.training import Data, get_recipe, load_data
from ...rsa import RSAError, Stimuli
from ..validity.nasbench201 import Table, accuracy, read_table
from .making import Maker, Shown

CHECKPOINTS = (0, 1500, 3000, 6000, 12000, 24000)
TRAIN, VALID = 6000, 1000
BY_STIMULUS = 200  # images of a view by stimulus
PER_OBJECT = 5  # images of a view by object
CANDIDATES = "candidates"  # folder of their files, in that of the pool
RECORDINGS = {"cowley2023/190923": "stimulus", "simulated": "object_name"}


@dataclass(frozen=True)
class Published:
    """The accuracy that NAS-Bench-201 publishes for a cell, as a fraction."""

    table: Table
    name: str = "test accuracy in the table of NAS-Bench-201"

    def __call__(self, architecture: Architecture) -> float:
        return accuracy(self.table, architecture) / 100


def plan_pool(
    folder: Path,
    *,
    space: str = "nasbench201",
    data: str = "cifar10-jpeg",
    train: int | None = None,
    valid: int | None = None,
    recipe: str = "cifar-cnn",
    checkpoints: Sequence[int] = CHECKPOINTS,
    recordings: Mapping[str, str] = MappingProxyType({}),
    epochs: float | None = None,
    data_dir: Path | None = None,
    seed: int = 0,
) -> Maker:
    """Candidates of a space, shown the validation images by category and some by stimulus, and recordings' stimuli.

    train, valid: so many of the images, all of them by default. recordings: name -> by. epochs: mature performance is
    the accuracy on the test images after so long a training of our own; without it the published one of NAS-Bench-201,
    whose cells are built with one per stage and 16 channels. The candidates' files come into `folder`/candidates.

    Raises RSAError where images are missing, or the published performance is.
    """
    mature = None
    if epochs is None:
        if space != "nasbench201":
            raise RSAError(f"nobody has published the performance in space {space}: epochs say how long to train")
        mature = Published(read_table())
    images = reduce(load_data(data, data_dir=data_dir), train, valid)
    views = validation_views(images, seed) + tuple(
        Shown.of(name, some_of(load_images(name, data_dir=data_dir), by, seed), by, images, seed)
        for name, by in recordings.items()
    )
    build = {"cells": 1, "channels": 16} if space == "nasbench201" else {}
    return Maker(
        get_space(space), images, get_recipe(recipe), tuple(checkpoints), views, folder / CANDIDATES, mature=mature,
        epochs=epochs, build=build, seed=seed,
    )  # fmt: skip


def reduce(data: Data, train: int | None = None, valid: int | None = None) -> Data:
    """With the first so many training and validation images, which are in random order.

    The others stay unused, so that a teacher trained on all training images has not seen the validation images.
    """
    train, valid = len(data.train) if train is None else train, len(data.valid) if valid is None else valid
    if not (0 < train <= len(data.train) and 0 < valid <= len(data.valid)):
        there = f"{len(data.train)} training and {len(data.valid)} validation images"
        raise RSAError(f"{data.name} has {there}, so {train} and {valid} cannot be taken")
    return replace(data, train=data.train.take(torch.arange(train)), valid=data.valid.take(torch.arange(valid)))


def validation_views(data: Data, seed: int = 0) -> tuple[Shown, ...]:
    """All validation images by category, and a fixed part of them by stimulus."""
    some = data.stimuli("valid", limit=BY_STIMULUS, seed=seed)
    return (
        Shown.of("validation by category", data.stimuli("valid"), "category_name", data),
        Shown.of("validation by stimulus", some, "stimulus", data),
    )


def some_of(stimuli: Stimuli, by: str, seed: int = 0) -> Stimuli:
    """A seeded part that costs few forward passes: so many stimuli, or so many of every condition."""
    order = np.random.default_rng(seed).permutation(len(stimuli))
    if by == "stimulus":
        return stimuli.take(np.sort(order[:BY_STIMULUS]).tolist())
    column, taken = stimuli.column(by), dict[str, int]()
    chosen = []
    for place in order.tolist():
        taken[column[place]] = taken.get(column[place], 0) + 1
        if taken[column[place]] <= PER_OBJECT:
            chosen.append(place)
    return stimuli.take(sorted(chosen))
