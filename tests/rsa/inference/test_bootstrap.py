"""Every draw equals the resample by hand, and every influence a finite difference; draws are paired, in any order."""

import numpy as np
import pytest
from scipy import stats
from tgsage.rsa import METHODS, RDM, RSAError, bootstrap, compare_all, compute_rdm
from tgsage.rsa.inference.bootstrap import Resampling, Sides
from tgsage.rsa.rdm.comparison import method_named

N = 24
LABELS = [f"im{i}" for i in range(N)]


def rdms(names: str, seed: int, tied: bool = False) -> dict[str, RDM]:
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(N, 5)) + np.arange(N)[:, None] * 0.05
    made = {}
    for name in names:
        x = features + rng.normal(size=(N, 5))
        column = {"object_name": [f"o{i // 4}" for i in range(N)]}
        made[name] = compute_rdm(
            np.round(x) if tied else x, metric="euclidean", labels=LABELS, name=name, descriptors=column
        )
    return made


def weights_of(rdm: RDM, n: int, groups: str | list[str] | None = None) -> np.ndarray:
    resampling = Resampling(n, groups)
    unit = resampling.units(rdm)
    return resampling.counts(int(unit.max()) + 1)[:, unit]


def by_hand(a: RDM, b: RDM, w: np.ndarray, method: str) -> float:
    """The similarity over resampled rows: pairs of copies are dropped (whitened forms: kept at zero).

    rho-a and tau-a are shares of what is reached without ties: copies of one pair cannot help being tied.
    """
    index = np.repeat(np.arange(N), w)
    upper = np.triu_indices(len(index), 1)
    keep = index[upper[0]] != index[upper[1]]
    x, y = (rdm.square()[np.ix_(index, index)][upper].astype(float) for rdm in (a, b))
    if method.endswith("whitened"):
        centring = np.eye(len(index)) - 1 / len(index)
        sides = []
        for values in (x, y):
            shift = values[keep].mean() if method.startswith("pearson") else 0.0
            square = np.zeros((len(index), len(index)))
            square[upper] = np.where(keep, values - shift, 0)
            sides.append(centring @ (square + square.T) @ centring)
        p, q = sides
        return float((p * q).sum() / np.sqrt((p * p).sum() * (q * q).sum()))
    x, y = x[keep], y[keep]
    copies = np.unique(np.stack([index[side] for side in upper])[:, keep], axis=1, return_inverse=True)[1]
    if method == "cosine":
        return float(x @ y / np.sqrt((x @ x) * (y @ y)))
    if method == "tau-a":
        signs = np.sign(x[:, None] - x) * np.sign(y[:, None] - y)
        return float(signs.sum() / (copies[:, None] != copies).sum())
    if method == "pearson":
        return float(np.corrcoef(x, y)[0, 1])
    r, s = stats.rankdata(x), stats.rankdata(y)
    if method == "spearman":
        return float(np.corrcoef(r, s)[0, 1])
    untied = (len(x) ** 3 - (np.bincount(copies) ** 3).sum()) / 12
    return float((r - r.mean()) @ (s - s.mean()) / untied)


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_every_draw_equals_the_resample_by_hand(method: str, tied: bool) -> None:
    layers, targets = rdms("ab", 0), rdms("xyz", 1, tied)
    draws = bootstrap(layers, targets, method=method, n=12)
    assert draws.dims == ("layer", "target", "draw")
    weights = weights_of(layers["a"], 12)
    expected = [[[by_hand(a, b, w, method) for w in weights] for b in targets.values()] for a in layers.values()]
    np.testing.assert_allclose(draws.to_numpy(), expected, atol=1e-12)


def test_blocks_of_rows_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = bootstrap(rdms("ab", 0), rdms("x", 1), method="pearson-whitened", n=20)
    monkeypatch.setattr("tgsage.rsa.inference.bootstrap._ROWS", 5)
    parts = bootstrap(rdms("ab", 0), rdms("x", 1), method="pearson-whitened", n=20)
    np.testing.assert_allclose(parts.to_numpy(), whole.to_numpy(), atol=1e-13)


def test_binned_ranks_stay_close_to_exact_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = bootstrap(rdms("ab", 0), rdms("x", 1), method="spearman", n=20)
    errors = []
    for bins in (32, 128):
        monkeypatch.setattr("tgsage.rsa.inference.bootstrap.BINS", bins)
        binned = bootstrap(rdms("ab", 0), rdms("x", 1), method="spearman", n=20)
        errors.append(float(abs(binned - exact).max()))
    assert 0 < errors[1] < errors[0] / 2 < 0.05


@pytest.mark.parametrize("method", ["pearson", "spearman"])
def test_draws_are_paired_and_do_not_depend_on_the_order_of_stimuli(method: str) -> None:
    layers, targets = rdms("ab", 0), rdms("x", 1)
    together = bootstrap(layers, targets, method=method, n=30)
    order = np.random.default_rng(3).permutation(LABELS)
    alone = bootstrap(layers["b"].subset(order), targets["x"], method=method, n=30)
    np.testing.assert_allclose(alone.to_numpy()[0], together.sel(layer="b").to_numpy(), atol=1e-12)
    other = bootstrap(layers, targets, method=method, n=30, seed=1)
    assert not np.array_equal(other.to_numpy(), together.to_numpy())


def test_draws_say_what_new_samples_they_are_about() -> None:
    x = np.random.default_rng(0).normal(size=(N, 8))
    columns = {"object_name": [f"o{i // 2}" for i in range(N)], "category_name": [f"c{i // 12}" for i in range(N)]}
    named, plain = (compute_rdm(x, labels=LABELS, descriptors=found) for found in (columns, {}))

    def about(rdm: RDM, groups: str | list[str] | None = None) -> str:
        return str(bootstrap(rdm, plain.replace(name="b"), n=2, groups=groups).attrs["about"])

    assert about(named) == "new stimuli of the same 12 object_name and 2 category_name (set groups for new ones)"
    assert about(named, "object_name") == "new object_name of the same 2 category_name"
    assert about(plain) == "new stimuli"
    assert about(plain, columns["object_name"]) == "new groups"


def test_groups_are_resampled_whole() -> None:
    rdm = rdms("a", 0)["a"]
    weights = weights_of(rdm, 50, "object_name")
    assert weights.sum(axis=1).tolist() == [N] * 50
    blocks = weights.reshape(50, 6, 4)
    assert (blocks == blocks[:, :, :1]).all()
    assert blocks.max() > 1
    given = weights_of(rdm, 50, [f"o{i // 4}" for i in range(N)])
    np.testing.assert_array_equal(given, weights)


def test_spread_agrees_with_simulated_replications() -> None:
    """The bootstrap's standard deviation is near that of fresh samples of stimuli (within 35%)."""
    rng = np.random.default_rng(0)

    def sample() -> tuple[RDM, RDM]:
        x = rng.normal(size=(60, 8))
        return compute_rdm(x), compute_rdm(x + 1.5 * rng.normal(size=x.shape))

    fresh = [np.corrcoef(a.values, b.values)[0, 1] for a, b in (sample() for _ in range(200))]
    spreads = [float(bootstrap(*sample(), n=100).std()) for _ in range(10)]
    assert np.mean(spreads) == pytest.approx(np.std(fresh), rel=0.35)


@pytest.mark.parametrize("method", METHODS)
def test_draws_in_which_an_rdm_is_constant_are_nan(method: str) -> None:
    labels = [f"s{i}" for i in range(6)]
    categories = RDM.from_square(1.0 - np.equal.outer([0, 0, 0, 0, 0, 1], [0, 0, 0, 0, 0, 1]), labels)
    other = compute_rdm(np.random.default_rng(0).normal(size=(6, 5)), labels=labels)
    draws = bootstrap(categories, other, method=method, n=200).to_numpy()[0, 0]
    without = weights_of(categories, 200)[:, 5] == 0
    assert 20 < without.sum() < 180
    if not method.endswith("whitened"):
        assert np.isnan(draws[without]).all()
    assert not np.isinf(draws).any()
    assert np.nanmax(np.abs(draws)) <= 1 + 1e-9


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"n": 0}, "n must be a whole number from 1"),
        ({"method": "kendall"}, "unknown method"),
        ({"groups": "category_name"}, "no descriptor 'category_name'"),
        ({"groups": ["a", "b"]}, "2 values for 24 stimuli"),
        ({"groups": ["a"] * 12 + ["b"] * 12}, "2 groups are too few"),
        ({"seed": -1}, "seed must be a whole number from 0"),
    ],
)
def test_bad_arguments_are_named(arguments: dict[str, object], words: str) -> None:
    with pytest.raises(RSAError, match=words):
        bootstrap(rdms("a", 0), rdms("x", 1), **arguments)  # type: ignore[arg-type]


FEW = 14
PAIRS = np.triu_indices(FEW, 1)


def four_rdms(tied: bool) -> list[RDM]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(FEW, 6))
    made = [compute_rdm(x + rng.normal(size=x.shape), metric="euclidean") for _ in range(4)]
    return [rdm.replace(values=rdm.values.round(0 if tied else 12)) for rdm in made]


def weighted(a: RDM, b: RDM, w: np.ndarray, method: str) -> float:
    """The similarity with real weights of the stimuli, the number of pairs in rho-a left as it is."""
    x, y = a.values, b.values
    u = (w[:, None] * w)[PAIRS]
    if method.endswith("whitened"):
        centring = np.eye(FEW) - np.outer(np.ones(FEW), w) / w.sum()
        sides = []
        for rdm in (a, b):
            shift = u @ rdm.values / u.sum() if method.startswith("pearson") else 0.0
            square = np.where(np.eye(FEW), 0.0, rdm.square() - shift)
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
    a, b, c, d = four_rdms(tied)
    values, slopes = Sides([a, b], [c, d], method_named(method)).influences()
    expected = compare_all({"a": a, "b": b}, {"c": c, "d": d}, method=method)
    np.testing.assert_allclose(values, expected, atol=1e-12)
    for i in range(FEW):
        step = 1e-5 * np.eye(FEW)[i]
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
    a, b = four_rdms(False)[:2]
    with pytest.raises(RSAError, match=r"'flat'.* is constant \(2\)"):
        bootstrap(a, b.replace(values=np.full(len(b.values), 2.0), name="flat"))
