"""The derivative of every similarity by the weight of a stimulus, against finite differences."""

import numpy as np
import pytest
from tgsage.rsa import METHODS, RDM, RSAError, bootstrap, compare_all, compute_rdm
from tgsage.rsa.inference.bootstrap import Sides
from tgsage.rsa.rdm.comparison import method_named

N = 14
UPPER = np.triu_indices(N, 1)


def rdms(tied: bool) -> list[RDM]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(N, 6))
    made = [compute_rdm(x + rng.normal(size=x.shape), metric="euclidean") for _ in range(4)]
    return [rdm.replace(values=rdm.values.round(0 if tied else 12)) for rdm in made]


def weighted(a: RDM, b: RDM, w: np.ndarray, method: str) -> float:
    """The similarity with real weights of the stimuli, the number of pairs in rho-a left as it is."""
    x, y = a.values, b.values
    u = (w[:, None] * w)[UPPER]
    if method.endswith("whitened"):
        centring = np.eye(N) - np.outer(np.ones(N), w) / w.sum()
        sides = []
        for rdm in (a, b):
            shift = u @ rdm.values / u.sum() if method.startswith("pearson") else 0.0
            square = np.where(np.eye(N), 0.0, rdm.square() - shift)
            sides.append(centring @ square @ centring.T)
        inner = [
            float((np.outer(w, w) * p * q).sum()) for p, q in ((sides[0], sides[1]), (sides[0],) * 2, (sides[1],) * 2)
        ]
        return inner[0] / float(np.sqrt(inner[1] * inner[2]))
    if method == "tau-a":
        signs = np.sign(x[:, None] - x) * np.sign(y[:, None] - y)
        return float(u @ signs @ u / (u.sum() ** 2 - (u**2).sum()))
    if method_named(method).ranked:
        x, y = (((v[:, None] > v) + 0.5 * (v[:, None] == v)) @ u / u.sum() - 0.5 for v in (x, y))
        if method == "rho-a":
            return float(12 * (u @ (x * y)) / u.sum() * len(u) ** 2 / (len(u) ** 2 - 1))
    elif method == "pearson":
        x, y = (v - u @ v / u.sum() for v in (x, y))
    return float(u @ (x * y) / np.sqrt((u @ x**2) * (u @ y**2)))


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_slopes_are_finite_differences(method: str, tied: bool) -> None:
    a, b, c, d = rdms(tied)
    values, slopes = Sides([a, b], [c, d], method_named(method)).influences()
    expected = compare_all({"a": a, "b": b}, {"c": c, "d": d}, method=method)
    np.testing.assert_allclose(values, expected, atol=1e-12)
    for i in range(N):
        step = 1e-5 * np.eye(N)[i]
        change = weighted(b, c, 1 + step, method) - weighted(b, c, 1 - step, method)
        assert slopes[1, 0, i] == pytest.approx(change / 2e-5, abs=1e-8)


@pytest.mark.parametrize("method", METHODS)
def test_draws_know_their_linear_part(method: str) -> None:
    """What is left of a draw shrinks with the number of stimuli as 1 / n, the linear part as 1 / sqrt(n)."""
    rng = np.random.default_rng(1)
    ratios = []
    for n in (15, 60):
        x = rng.normal(size=(n, 6))
        draws = bootstrap(compute_rdm(x), compute_rdm(x + 0.5 * rng.normal(size=x.shape)), method=method, n=200)
        rest = draws - draws["estimate"] - draws["linear"]
        ratios.append(float(rest.std() / draws["linear"].std()))
    assert ratios[1] < 0.75 * ratios[0]


def test_constant_rdms_are_named() -> None:
    a, b = rdms(False)[:2]
    with pytest.raises(RSAError, match=r"'flat'.* is constant \(2\)"):
        bootstrap(a, b.replace(values=np.full(len(b.values), 2.0), name="flat"))
