"""The bootstrap over stimuli: against rsatoolbox, and at the sizes of a whole study."""

import time
from collections.abc import Iterator

import numpy as np

from ...rsa import RDM, bootstrap, compute_rdm
from .environment import optional
from .timing import Result, race


def draws(quick: bool) -> Iterator[Result]:
    """Draws of one similarity against rsatoolbox's, then ten layers by three regions by 1000 draws."""
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
    yield Result("draws", case, min(others) / min(mine), "x", None if quick else 100, True, mine, others, peer)
    for method, size, most in (("pearson", 5760, 40), ("spearman", 2560, 90)):
        size, number = (200, 20) if quick else (size, 1000)
        layers = {f"layer{i}": rdm for i, rdm in enumerate(_rdms(size, 10, 2))}
        targets = {f"target{i}": rdm for i, rdm in enumerate(_rdms(size, 3, 3))}
        bootstrap(layers, targets, method=method, n=2)
        start = time.perf_counter()
        bootstrap(layers, targets, method=method, n=number)
        seconds = time.perf_counter() - start
        limit = None if quick else most
        case = f"{method}, n = {size}, 10 layers x 3 targets x {number} draws"
        yield Result("draws", case, seconds, "s", limit, False, [seconds])


def _rdms(n: int, count: int, seed: int) -> list[RDM]:
    rng = np.random.default_rng(seed)
    return [compute_rdm(rng.standard_normal((n, 50), dtype=np.float32)) for _ in range(count)]
