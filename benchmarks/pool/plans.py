"""Which images the candidates of a pool are shown, and which architectures are taken (paper, section 4.1)."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ...neural_data import images as load_images
from ...plugins import Candidate, Tracker
from ...plugins.spaces import Architecture, Space, get_space
from ...plugins.training import Data, get_recipe, load_data
from ...rsa import RSAError, Stimuli
from ...rsa.errors import listing
from ..validity.macro import MacroTable, read_macro
from ..validity.nasbench201 import Table, accuracy, read_table
from .making import TESTED, Maker, Mature, Shown

CHECKPOINTS = (0, 1500, 3000, 6000, 12000, 24000)
TRAIN, VALID = 6000, 1000
BY_STIMULUS = 200  # images of a view by stimulus
BEST = 0.1  # of a table: the members of the group "best"
TOP = 5  # the best so far that are taken
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

    def size(self, architecture: Architecture) -> float:
        """Weights of the convolutions of a canonical cell, in those of a 1x1 convolution, and one more."""
        operations = list(architecture.values())
        return 1 + 9 * operations.count("conv3x3") + operations.count("conv1x1")


@dataclass(frozen=True)
class Source:
    """Where mature performance is published: `read` makes what knows it and `size`, `build` a smaller network."""

    read: "Callable[[Path | None], Published | MacroTable]"
    build: Mapping[str, Any]


PUBLISHED: Mapping[str, Source] = {
    "nasbench201": Source(lambda _: Published(read_table()), {"cells": 1, "channels": 16}),
    "macro": Source(read_macro, {"width": 0.5}),
}


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
    groups: Mapping[str, str] = MappingProxyType({}),
    tested: int = TESTED,
) -> Maker:
    """Plan a pool.

    Candidates are shown the validation images by category, some of them by stimulus, and the stimuli of recordings.

    Parameters
    ----------
    folder : Path
        The candidates' files come into `folder`/candidates.
    space : str
    data : str
        Data set.
    train, valid : int, optional
        Images used; all by default.
    recipe : str
    checkpoints : sequence of int
        Training examples after which candidates are evaluated.
    recordings : mapping of str to str
        Recording -> the column that groups its stimuli.
    epochs : float, optional
        Mature performance is the accuracy on the test images after so long a training. Without it, it is the published
        one of the space, see `PUBLISHED`, whose networks are built smaller than they were published.
    data_dir : Path, optional
    seed : int
        Of every training; the stimuli are the same for every seed.
    groups : mapping of str to str
        Why members were drawn, from `thirds`: key of an architecture -> group.
    tested : int
        So many test images whose logits are kept.

    Returns
    -------
    Maker

    Raises
    ------
    RSAError
        If images are missing, or the published performance is.
    """
    mature = None if epochs is not None else published(space, data_dir)
    images = reduce(load_data(data, data_dir=data_dir), train, valid)
    views = validation_views(images) + tuple(
        Shown.of(name, some_of(load_images(name, data_dir=data_dir), by), by, images) for name, by in recordings.items()
    )
    build = PUBLISHED[space].build if space in PUBLISHED else {}
    made = get_space(space), images, get_recipe(recipe), tuple(checkpoints), views, folder / CANDIDATES
    return Maker(*made, mature=mature, epochs=epochs, build=build, seed=seed, groups=dict(groups), tested=tested)


def published(space: str, data_dir: Path | None = None) -> Published | MacroTable:
    """What is published for a space. Raises RSAError where nothing is."""
    if space not in PUBLISHED:
        known = listing(PUBLISHED)
        raise RSAError(f"mature performance is published for {known} only; for {space} give epochs to train")
    return PUBLISHED[space].read(data_dir)


def thirds(space: Space, mature: Mature, size: Callable[[Architecture], float], each: int) -> dict[str, str]:
    """Draw a third at random, one from the best tenth, and one of three sizes; the same whatever is trained.

    Parameters
    ----------
    space : Space
    mature : callable
        Architecture -> mature performance.
    size : callable
        Architecture -> something like its number of parameters. The bands lie around its quartiles and are as narrow as
        three times the networks needed, 60 at least, allow.
    each : int
        Architectures per third.

    Returns
    -------
    dict
        Key of an architecture -> its group: "random", "best", "size LOW-HIGH"; the thirds take turns, so that the first
        members are of all groups.

    Raises
    ------
    RSAError
        If the space has too few networks.
    """
    rng = np.random.default_rng(0)
    table = {space.key(one): one for one in space.architectures()}
    keys = sorted(table)
    good = np.array([mature(table[key]) for key in keys])
    sizes = np.array([size(table[key]) for key in keys], float)
    taken: dict[str, str] = {}

    def draw(places: npt.NDArray[np.int64], n: int, group: str) -> list[str]:
        free = [keys[i] for i in rng.permutation(places) if keys[i] not in taken][:n]
        if len(free) < n:
            raise RSAError(f"{space.name} has {len(free)} networks left for the group {group!r}, not {n}")
        taken.update(dict.fromkeys(free, group))
        return free

    drawn = [draw(np.arange(len(keys)), each, "random")]
    drawn.append(draw(np.flatnonzero(good >= np.quantile(good, 1 - BEST)), each, "best"))
    drawn.append([])
    for band, share in enumerate((0.25, 0.5, 0.75)):
        n = each // 3 + (each % 3 > band)
        far = np.abs(np.log(sizes / np.quantile(sizes, share)))
        inside = np.flatnonzero(far <= np.sort(far)[min(max(3 * n, 60), len(far)) - 1] + 1e-12)
        drawn[2] += draw(inside, n, f"size {sizes[inside].min():.0f}-{sizes[inside].max():.0f}")
    return {key: taken[key] for turn in zip(*drawn, strict=True) for key in turn}


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


def read_search(place: str) -> list[Candidate]:
    """The candidates of a search, as STUDY@STORAGE. Raises RSAError where there is none."""
    study, sign, storage = place.partition("@")
    if not (study and sign and storage):
        raise RSAError(f"a search is named STUDY@STORAGE, such as cnn10-rl@tgsage.db, not {place!r}")
    with Tracker(storage, study, create=False) as tracker:
        return list(tracker.candidates())


def current_tops(candidates: Iterable[Candidate], every: int, top: int = TOP) -> list[dict[str, Any]]:
    """The architectures that were among the best so far at every `every`-th candidate, each once.

    Failed candidates count as samples and are never among the best.
    """
    if every < 1 or top < 1:
        raise RSAError(f"the interval and the number of best are at least 1, got {every} and {top}")
    finished = [candidate for candidate in candidates if candidate.finished]
    taken: dict[str, dict[str, Any]] = {}
    for end in range(every, len(finished) + 1, every):
        scored = [(one.score, one) for one in finished[:end] if one.score is not None]
        ranked = sorted(scored, key=lambda item: (-item[0], item[1].number))
        best = {json.dumps(dict(one.architecture), sort_keys=True): dict(one.architecture) for _, one in ranked}
        taken |= dict(islice(best.items(), top))
    return list(taken.values())
