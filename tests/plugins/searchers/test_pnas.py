"""PNAS: how networks grow, rounds against a plain account, and the surrogate against known truth."""

import numpy as np
import pytest
from scipy.stats import spearmanr
from tgsage.plugins import PNASSearcher
from tgsage.plugins.searchers.pnas import Growth
from tgsage.plugins.searchers.surrogate import Encoder, Surrogate
from tgsage.plugins.spaces import Architecture, Space, get_space
from tgsage.plugins.testing import run_search
from tgsage.rsa import RSAError

GROWING = {"toy": 3, "cnn10": 10, "nasbench201": 6, "macro": 8, "cell": 6}


@pytest.mark.parametrize("name", GROWING)
def test_networks_grow_part_by_part_to_the_largest(name: str) -> None:
    space, rng = get_space(name), np.random.default_rng(0)
    growth = Growth(space)
    assert growth.most == GROWING[name]
    for _ in range(5):
        found, sizes = growth.begin(rng), list[int]()
        while (more := growth.extend(found, rng)) != found:
            assert space.canonical(more) == more
            sizes.append(_size(space, found))
            assert sizes[-1] < _size(space, more)
            assert all(more[key] == one for key, one in found.items() if one != space.complete({}).get(key, one)) or (
                name in ("cell", "macro", "toy", "cnn10")  # canonical forms reorder, and the first choice counts layers
            )
            found = more
        assert len(sizes) < growth.most


def _size(space: Space, architecture: Architecture) -> int:
    if "n_layers" in architecture:
        return int(str(architecture["n_layers"]))
    plain = space.complete({})
    return sum(choice != plain[name] for name, choice in architecture.items())


def test_a_round_tries_what_the_surrogate_orders_first() -> None:
    space = get_space("toy")
    searcher = PNASSearcher(space, seed=1, top=6, draws=60)
    found = run_search(searcher, range(18))
    assert [one["n_layers"] for _, one, _ in found] == [1] * 6 + [2] * 6 + [3] * 6
    for turn in (1, 2):
        fresh = PNASSearcher(space, seed=1, top=6, draws=60)
        for told in found[: turn * 6]:
            fresh.tell(*told)
        scored = [(architecture, score) for _, architecture, score in found[: turn * 6] if score is not None]
        parents = [one for _, one, score in found[(turn - 1) * 6 : turn * 6] if score is not None]
        encode = Encoder(space)
        surrogate = Surrogate(encode([one for one, _ in scored]), [score for _, score in scored])
        tried = [one for _, one, _ in found[turn * 6 : turn * 6 + 6]]
        kept = [
            {name: one[name] for name in one if name != "n_layers" and f"layer{turn + 1}" not in name} for one in tried
        ]
        assert all({"n_layers": turn, **one} in parents for one in kept)
        predicted = surrogate.predict(encode(tried))
        assert list(predicted) == sorted(predicted, reverse=True)
        others = [fresh.propose_beside(turn * 6, np.random.default_rng(0), tried)]
        assert surrogate.predict(encode(others))[0] <= predicted[-1]


def test_later_news_of_a_round_do_not_change_it_but_those_before_do() -> None:
    space = get_space("nasbench201")
    found = run_search(PNASSearcher(space, seed=3, top=5, draws=50), range(12))
    forward, backward = (PNASSearcher(space, seed=3, top=5, draws=50) for _ in range(2))
    for told in found:
        forward.tell(*told)
    for told in reversed(found):
        backward.tell(*told)
    assert [forward.ask(trial) for trial in range(12, 18)] == [backward.ask(trial) for trial in range(12, 18)]
    assert forward.diagnostics() == backward.diagnostics()


def test_the_surrogate_orders_networks_larger_than_all_that_it_knows() -> None:
    space, rng = get_space("cnn5"), np.random.default_rng(0)

    def score(architecture: Architecture) -> float:
        wide = [choice == 128 for name, choice in architecture.items() if name.endswith("filters")]
        relu = [choice == "ReLU" for name, choice in architecture.items() if name.endswith("activation")]
        return float(np.mean(wide) + np.mean(relu))

    known = [space.complete({"n_layers": 1 + i % 3}, rng) for i in range(120)]
    new = [space.complete({"n_layers": 4}, rng) for _ in range(60)]
    encode = Encoder(space)
    surrogate = Surrogate(encode(known), [score(one) for one in known])
    assert spearmanr(surrogate.predict(encode(new)), [score(one) for one in new]).statistic > 0.7
    noise = Surrogate(encode(known), rng.normal(size=120).tolist())
    assert abs(spearmanr(noise.predict(encode(new)), [score(one) for one in new]).statistic) < 0.5


def test_the_surrogate_is_a_kernel_ridge_regression() -> None:
    from scipy.special import ndtri
    from scipy.stats import rankdata
    from sklearn.kernel_ridge import KernelRidge

    rng = np.random.default_rng(0)
    rows, scores = rng.integers(0, 2, (40, 9)).astype(float), rng.normal(size=40)
    x = (rows - rows.mean(0)) / rows.std(0)
    distances = ((x[:, None] - x) ** 2).sum(-1)
    kernel = x @ x.T / 9 + np.exp(-distances / np.median(distances[distances > 1e-9]))
    goals, errors, predictions = ndtri((rankdata(scores) - 0.5) / 40), [], []
    for alpha in (1e-3, 1e-2, 1e-1, 1.0, 10.0):
        model, left = KernelRidge(alpha=alpha, kernel="precomputed"), 0.0
        for i in range(40):
            rest = np.delete(np.arange(40), i)
            model.fit(kernel[np.ix_(rest, rest)], goals[rest])
            left += float((model.predict(kernel[i : i + 1, rest]) - goals[i])[0] ** 2)
        errors.append(left)
        predictions.append(model.fit(kernel, goals).predict(kernel))
    assert Surrogate(rows, scores.tolist()).predict(rows) == pytest.approx(
        predictions[int(np.argmin(errors))], abs=1e-6
    )


def test_it_reports_how_well_the_surrogate_ordered_a_round() -> None:
    space = get_space("nasbench201")
    searcher = PNASSearcher(space, top=10, draws=100)
    assert searcher.diagnostics() == {}
    for trial in range(40):
        asked = searcher.ask(trial)
        searcher.tell(trial, asked, float(sum(choice == "conv3x3" for choice in asked.values())) + trial % 3 / 10)
    found = searcher.diagnostics()
    assert found["rounds"] == 4.0
    assert found["surrogate"] > 0.4


@pytest.mark.parametrize("settings", [{"top": 0}, {"draws": 0.5}])
def test_wrong_settings_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(RSAError, match="must be a whole number from 1"):
        PNASSearcher(get_space("toy"), **settings)
