"""Every draw equals the resample done by hand; draws are paired and do not depend on order."""

import numpy as np
import pytest
from scipy import stats
from tgsage.rsa import METHODS, RDM, RSAError, bootstrap, compute_rdm
from tgsage.rsa.inference.bootstrap import Resampling

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
        ({"n": 0}, "at least 1 draw"),
        ({"method": "kendall"}, "unknown method"),
        ({"groups": "category_name"}, "no descriptor 'category_name'"),
        ({"groups": ["a", "b"]}, "2 values for 24 stimuli"),
        ({"groups": ["a"] * 12 + ["b"] * 12}, "2 groups are too few"),
        ({"seed": -1}, "seed from 0"),
    ],
)
def test_bad_arguments_are_named(arguments: dict[str, object], words: str) -> None:
    with pytest.raises(RSAError, match=words):
        bootstrap(rdms("a", 0), rdms("x", 1), **arguments)  # type: ignore[arg-type]
