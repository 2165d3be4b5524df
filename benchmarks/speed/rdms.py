"""RDMs, their comparison and its bootstrap: against the bare matrix product, and against rsatoolbox."""

import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from ...rsa import RDM, bootstrap, compare, compute_rdm
from ...rsa.types import Array
from .environment import optional, peak_of, resident_memory
from .timing import Result, faster, race


def product(quick: bool) -> Iterator[Result]:
    """The correlation RDM costs little more than the symmetric matrix product inside it."""
    from scipy.linalg.blas import ssyrk

    for n, f, most in ((1440, 1024, None),) if quick else ((5760, 4096, 1.15), (92, 4096, 1.5)):
        x = features(n, f)[0]
        ours, theirs = race(partial(compute_rdm, x), partial(ssyrk, 1.0, x.T, trans=1, lower=1))
        ratio = min(ours) / min(theirs)
        yield Result("product", f"{n} x {f} float32", ratio, "x", most, False, ours, theirs, "ssyrk")


def reduced(quick: bool) -> Iterator[Result]:
    """The correlation RDM from products in bfloat16, against the one in float32."""
    n, f = (360, 512) if quick else (2560, 4096)
    x = features(n, f)[0]
    ours, theirs = partial(compute_rdm, x, reduced=True), partial(compute_rdm, x)
    case = f"{n} x {f} in bfloat16"
    yield faster("reduced", case, ours, theirs, None, "compute_rdm in float32")


def rdm(quick: bool) -> Iterator[Result]:
    """The correlation RDM against rsatoolbox, by size."""
    toolbox, data = optional("rsatoolbox.rdm"), optional("rsatoolbox.data")
    for n in (92, 500) if quick else (92, 500, 1000, 2560):
        x = features(n, 4096)[0]
        theirs = partial(toolbox.calc_rdm, data.Dataset(x), method="correlation")
        limit = 40 if n == 2560 else None
        yield faster("rdm", f"{n} x 4096 float32", partial(compute_rdm, x), theirs, limit, "rsatoolbox calc_rdm")


_METHODS = (  # ours, theirs, with ties, the target
    ("pearson", "corr", False, 35),
    ("spearman", "spearman", False, 14),
    ("spearman", "spearman", True, 14),
    ("tau-a", "tau-a", False, 7),
    ("tau-a", "tau-a", True, 7),
    ("cosine-whitened", "cosine_cov", False, 75),
)


def comparison(quick: bool) -> Iterator[Result]:
    """Two RDMs against rsatoolbox, tied and untied, in both precisions."""
    toolbox = optional("rsatoolbox.rdm")
    n = 400 if quick else 2560
    for dtype in (np.float32, np.float64):
        pair = [compute_rdm(x.astype(dtype)) for x in features(n, 30)]
        for method, name, tied, least in _METHODS:
            a, b = (_rounded(one) for one in pair) if tied else pair
            one, other = (toolbox.RDMs(side.values[None]) for side in (a, b))
            case = f"{method}, n = {n}, {np.dtype(dtype).name}{', tied' if tied else ''}"
            ours, theirs = partial(compare, a, b, method=method), partial(toolbox.compare, one, other, method=name)
            yield faster("comparison", case, ours, theirs, least, "rsatoolbox compare")


def draws(quick: bool) -> Iterator[Result]:
    """The bootstrap of one similarity against rsatoolbox's, then that of ten layers by three regions."""
    inference, toolbox = optional("rsatoolbox.inference"), optional("rsatoolbox.rdm")
    models = optional("rsatoolbox.model")
    n, number, fewer = (100, 20, 20) if quick else (500, 1000, 100)
    (one,), (other,) = _rdms(n, 1, 0), _rdms(n, 1, 1)
    data, model = toolbox.RDMs(other.values[None]), models.ModelFixed("one", one.values)

    def theirs() -> None:
        inference.eval_bootstrap_pattern(model, data, method="corr", N=fewer, boot_noise_ceil=False)

    mine, others = race(lambda: bootstrap(one, other, n=number), theirs)
    others = [seconds * number / fewer for seconds in others]
    case, peer = f"pearson, n = {n}, {number} draws", f"rsatoolbox eval_bootstrap_pattern, from {fewer} draws"
    yield Result("draws", case, min(others) / min(mine), "x", 150, True, mine, others, peer)
    for method, size, most in (("pearson", 5760, 30), ("spearman", 2560, 60)):
        size, number = (200, 20) if quick else (size, 1000)
        layers = {f"layer{i}": rdm for i, rdm in enumerate(_rdms(size, 10, 2))}
        targets = {f"target{i}": rdm for i, rdm in enumerate(_rdms(size, 3, 3))}
        bootstrap(layers, targets, method=method, n=2)
        start = time.perf_counter()
        bootstrap(layers, targets, method=method, n=number)
        seconds = time.perf_counter() - start
        case = f"{method}, n = {size}, 10 layers x 3 targets x {number} draws"
        yield Result("draws", case, seconds, "s", most, False, [seconds])


def disk(quick: bool) -> Iterator[Result]:
    """RDMs that do not fit in memory, computed into files and compared there: memory on top of the features."""
    n = 1000 if quick else 30_000
    x, y = features(n, 256)
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / name for name in ("a.h5", "b.h5")]
        made: list[RDM] = []

        def compute() -> None:
            made[:] = [compute_rdm(side, out=file) for side, file in zip((x, y), files, strict=True)]

        def score() -> None:
            for method in ("pearson", "cosine-whitened"):
                compare(*made, method=method)

        compute_rdm(x[:500], out=files[0])
        for what, call in (("computed into files", compute), ("compared there", score)):
            held = resident_memory()
            taken = max(0, peak_of(call) - held) / 1e9
            yield Result("disk", f"two RDMs of {n} stimuli, {what}, memory on top", taken, "GB", 0.5)


def features(n: int, f: int) -> tuple[Array, Array]:
    """Two related feature matrices (n, f), float32."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, f), dtype=np.float32)
    return x, x + rng.standard_normal((n, f), dtype=np.float32)


def _rounded(rdm: RDM) -> RDM:
    """The RDM rounded to two decimals, so that it has a few hundred different values."""
    return rdm.replace(values=rdm.values.round(2))


def _rdms(n: int, count: int, seed: int) -> list[RDM]:
    rng = np.random.default_rng(seed)
    return [compute_rdm(rng.standard_normal((n, 50), dtype=np.float32)) for _ in range(count)]
