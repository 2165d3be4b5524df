"""Pools with a known answer."""

import numpy as np
from tgsage.benchmarks.pool.pool import Member, Pool, View
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
        learned = (np.array(CHECKPOINTS), np.arange(3.0), LAYERS, {view.name: rdms.astype(np.float16)})
        members.append(Member({"x": i}, 0.9 + 0.01 * quality, p, 2 - p, *learned))
    return Pool("toy", CHECKPOINTS, {view.name: view}, tuple(members), {"data": "made"})


def teacher(name: str = "good", **rdms: RDM) -> Teacher:
    return Teacher.from_rdms(name, rdms or {"goal": TARGET}, stimuli=REFERENCE)
