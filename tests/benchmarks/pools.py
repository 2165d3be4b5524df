"""Pools with a known answer, and makers of tiny ones."""

from pathlib import Path
from typing import Any

import numpy as np
from tgsage.benchmarks.pool.making import Maker
from tgsage.benchmarks.pool.plans import validation_views
from tgsage.benchmarks.pool.pool import Member, Pool, View
from tgsage.plugins.spaces import get_space
from tgsage.plugins.training import Data, get_recipe
from tgsage.rsa import RDM, Teacher, compute_rdm

CHECKPOINTS = (0, 100, 200)
LAYERS = ("shallow", "middle", "deep")
REFERENCE = "made/valid"


def random_rdm(seed: int, n: int = 20) -> RDM:
    features = np.random.default_rng(seed).normal(size=(n, 30)).astype(np.float32)
    return compute_rdm(features, labels=[f"s{i}" for i in range(n)])


TARGET = random_rdm(1)


def known_pool(n: int = 60, *, seed: int = 0, learns: bool = True) -> Pool:
    """The deep layer of better members is more like TARGET (where `learns`); P is noise about their quality."""
    rng = np.random.default_rng(seed)
    pixels, labels = random_rdm(2), TARGET.labels
    view = View(
        "by stimulus", REFERENCE, "stimulus", labels, labels, tuple(f"c{i % 4}" for i in range(20)), pixels.values
    )
    members = []
    for i in range(n):
        quality = float(rng.normal())
        noise = rng.normal(size=(len(CHECKPOINTS), len(LAYERS), TARGET.values.size))
        rdms = 1 + 0.1 * noise
        if learns:
            rdms[:, 2] += (0.5 + 0.2 * quality) * (TARGET.values - TARGET.values.mean())
        p = 0.3 + 0.01 * (quality + rng.normal(size=3) * [4, 2, 1])
        numbers: dict[str, Any] = {"p": p, "loss": 2 - p, "examples": np.array(CHECKPOINTS), "seconds": np.arange(3.0)}
        kept = {view.name: rdms.astype(np.float16)}
        members.append(Member({"x": i}, 0.9 + 0.01 * quality, layers=LAYERS, rdms=kept, **numbers))
    return Pool("toy", CHECKPOINTS, {view.name: view}, tuple(members), {"data": "made"})


def teacher(name: str = "good", **rdms: RDM) -> Teacher:
    return Teacher.from_rdms(name, rdms or {"goal": TARGET}, stimuli=REFERENCE)


def tiny_maker(digits: Data, folder: Path, checkpoints: tuple[int, ...] = (0, 64), **settings: Any) -> Maker:
    """Candidates of the space "toy" that train on digits."""
    chosen: dict[str, Any] = {"space": get_space("toy"), "recipe": get_recipe("digits")} | settings
    return Maker(data=digits, checkpoints=checkpoints, views=validation_views(digits), folder=folder, **chosen)
