"""RDMs and their comparison against the bare matrix product and against rsatoolbox; the list of all rows."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ...rsa import RDM, RSAError, compare, compute_rdm
from ...rsa.errors import listing, near
from ...rsa.types import Array
from .ceilings import ceilings
from .draws import draws
from .environment import optional
from .networks import hooks, memory, tg
from .scaling import scaling
from .search_costs import search_costs
from .timing import Result, faster, race


def product(quick: bool) -> Iterator[Result]:
    """The correlation RDM costs little more than the symmetric matrix product inside it."""
    from scipy.linalg.blas import ssyrk

    n, f = (1440, 1024) if quick else (5760, 4096)
    x = _features(n, f)[0]
    ours, theirs = race(lambda: compute_rdm(x), lambda: ssyrk(1.0, x.T, trans=1, lower=1))
    limit = None if quick else 1.2
    yield Result("product", f"{n} x {f} float32", min(ours) / min(theirs), "x", limit, False, ours, theirs, "ssyrk")


def rdm(quick: bool) -> Iterator[Result]:
    """The correlation RDM against rsatoolbox, by size."""
    toolbox, data = optional("rsatoolbox.rdm"), optional("rsatoolbox.data")
    for n in (92, 500) if quick else (92, 500, 1000, 2560):
        x = _features(n, 4096)[0]
        dataset = data.Dataset(x)
        yield faster(
            "rdm", f"{n} x 4096 float32", lambda x=x: compute_rdm(x),  # type: ignore[misc]
            lambda dataset=dataset: toolbox.calc_rdm(dataset, method="correlation"),  # type: ignore[misc]
            25 if n == 2560 else None, "rsatoolbox calc_rdm",
        )  # fmt: skip


_METHODS = (
    ("pearson", "corr", False, 20), ("spearman", "spearman", False, 8), ("spearman", "spearman", True, 8),
    ("tau-a", "tau-a", False, 5), ("tau-a", "tau-a", True, 5), ("cosine-whitened", "cosine_cov", False, 50),
)  # fmt: skip


def comparison(quick: bool) -> Iterator[Result]:
    """Two RDMs against rsatoolbox, tied and untied, in both precisions."""
    toolbox = optional("rsatoolbox.rdm")
    n = 400 if quick else 2560
    for dtype in (np.float32, np.float64):
        pair = [compute_rdm(x.astype(dtype)) for x in _features(n, 30)]
        for method, name, tied, least in _METHODS:
            a, b = (_rounded(one) for one in pair) if tied else pair
            one, other = (toolbox.RDMs(side.values[None]) for side in (a, b))
            yield faster(
                "comparison", f"{method}, n = {n}, {np.dtype(dtype).name}{', tied' if tied else ''}",
                lambda a=a, b=b, method=method: compare(a, b, method=method),  # type: ignore[misc]
                lambda one=one, other=other, name=name: toolbox.compare(one, other, method=name),  # type: ignore[misc]
                None if quick else least, "rsatoolbox compare",
            )  # fmt: skip


ROWS: dict[str, Callable[[bool], Iterator[Result]]] = {
    "product": product, "rdm": rdm, "comparison": comparison, "hooks": hooks, "tg": tg, "memory": memory,
    "draws": draws, "ceilings": ceilings, "search": search_costs, "scaling": scaling,
}  # fmt: skip


def choose(rows: Sequence[str] = ()) -> list[str]:
    """These rows, or all. Raises RSAError for an unknown one."""
    unknown = [row for row in rows if row not in ROWS]
    if unknown:
        raise RSAError(f"no row {listing(unknown)}{near(unknown[0], tuple(ROWS))}")
    return list(rows or ROWS)


def measure(
    rows: Sequence[str] = (), *, quick: bool = False, advance: Callable[[int], object] = lambda steps: None
) -> list[Result]:
    """The results of these rows or of all; `quick`: small sizes, which have no targets; `advance(1)` after every row.

    Raises RSAError for an unknown row, and where a peer is not installed.
    """
    results: list[Result] = []
    for row in choose(rows):
        results += ROWS[row](quick)
        advance(1)
    return results


def _features(n: int, f: int) -> tuple[Array, Array]:
    """Two related feature matrices (n, f), float32."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, f), dtype=np.float32)
    return x, x + rng.standard_normal((n, f), dtype=np.float32)


def _rounded(rdm: RDM) -> RDM:
    """With two decimals: a few hundred different values."""
    return rdm.replace(values=rdm.values.round(2))
