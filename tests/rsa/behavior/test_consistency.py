"""Behavioural metrics against plain loops, scikit-learn, and simulations whose truth is known."""

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score
from tgsage.rsa import Behavior, BehaviorTest, RSAError, error_consistency
from tgsage.rsa.behavior.consistency import BEHAVIOR_METRICS
from tgsage.rsa.behavior.kappa import kappa_between
from tgsage.rsa.behavior.rates import PATTERNS, Rates

K, N = 4, 24


def simulated(seed: int = 0, *, pairs: bool = False, trials: int = 3000, subjects: int = 0, n: int = N) -> Behavior:
    """Subjects who choose by probabilities of their own for every image."""
    rng = np.random.default_rng(seed)
    truth = np.arange(n) % K
    strength = difficulty(n) + rng.normal(0, 0.3, (n, K))
    stimulus = rng.integers(0, n, trials)
    distractor = (truth[stimulus] + rng.integers(1, K, trials)) % K if pairs else None
    offered = np.ones((trials, K), bool)
    if distractor is not None:
        offered[:] = False
        offered[np.arange(trials), distractor] = offered[np.arange(trials), truth[stimulus]] = True
    noise = rng.gumbel(size=(trials, K))
    choice = np.where(offered, strength[stimulus] + noise, -np.inf).argmax(1)
    subject = rng.integers(0, subjects, trials) if subjects else None
    options = tuple("abcdefgh"[:K])
    return Behavior("sim", tuple(f"i{j}" for j in range(n)), options, truth, stimulus, choice, distractor, subject)


def difficulty(n: int = N) -> np.ndarray:
    rng = np.random.default_rng(99)
    return np.asarray(rng.normal(0, 0.7, (n, K)) + 1.5 * (np.arange(K) == (np.arange(n) % K)[:, None]))


def probabilities(n: int = N) -> np.ndarray:
    values = np.exp(difficulty(n))
    return np.asarray(values / values.sum(1, keepdims=True))


def z(p: float) -> float:
    return float("inf") if p >= 1 else float("-inf") if p <= 0 else NormalDist().inv_cdf(p)


def d(hit: float, false: float) -> float:
    return 0.0 if hit == false else min(max(z(hit) - z(false), -5), 5)


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def loop(behavior: Behavior) -> dict[str, list[float]]:
    """The patterns by plain loops over trials."""
    of: dict[tuple[int, int], list[bool]] = {}
    said: dict[int, list[int]] = {}
    trials = list(zip(behavior.stimulus.tolist(), behavior.choice.tolist(), strict=True))
    for t, (i, chosen) in enumerate(trials):
        said.setdefault(i, []).append(chosen)
        right = int(behavior.truth[i])
        others = range(K) if behavior.distractor is None else [int(behavior.distractor[t])]
        for other in others:
            if other != right and chosen in (right, other):
                of.setdefault((i, other), []).append(chosen == right)
    pair = {key: mean(values) for key, values in of.items()}
    images = range(len(behavior.truth))
    truth = behavior.truth.tolist()
    if behavior.distractor is None:
        hit = {i: mean([c == truth[i] for c in said[i]]) for i in images}
        taken = {(i, o): mean([c == o for c in said[i]]) for i in images for o in range(K) if o != truth[i]}
    else:
        hit = {i: mean([pair[i, o] for o in range(K) if (i, o) in pair]) for i in images}
        taken = {key: 1 - value for key, value in pair.items()}
    false1 = {o: mean([v for (i, other), v in taken.items() if other == o]) for o in range(K)}
    member = {o: [i for i in images if truth[i] == o] for o in range(K)}
    pair_of = {
        (o, other): mean([pair[i, other] for i in member[o] if (i, other) in pair])
        for o in range(K)
        for other in range(K)
        if o != other
    }
    both = [(o, other) for o in range(K) for other in range(o + 1, K)]
    i1 = [d(hit[i], false1[truth[i]]) for i in images]
    i2 = {(i, o): d(pair[i, o], 1 - pair_of[o, truth[i]]) for i, o in pair}
    confused = {
        (o, other): mean([taken[i, other] for i in member[o] if (i, other) in taken])
        for o in range(K)
        for other in range(K)
        if o != other
    }
    means = {key: mean([i2[i, key[1]] for i in member[key[0]] if (i, key[1]) in i2]) for key in pair_of}
    order = [(i, o) for i in images for o in range(K)]
    return {
        "o1": [d(mean([hit[i] for i in member[o]]), false1[o]) for o in range(K)],
        "o2": [d(pair_of[o, other], 1 - pair_of[other, o]) for o, other in both],
        "i1": i1,
        "i1n": [i1[i] - mean([i1[j] for j in member[truth[i]]]) for i in images],
        "i2": [i2.get(key, float("nan")) for key in order],
        "i2n": [i2[i, o] - means[truth[i], o] if (i, o) in i2 else float("nan") for i, o in order],
        "confusion": [1 - (confused[key] + confused[key[::-1]]) / 2 for key in both],
    }


@pytest.mark.parametrize("pairs", [False, True])
@pytest.mark.parametrize("trials", [200, 3000])
def test_patterns_are_those_of_a_plain_loop(pairs: bool, trials: int) -> None:
    behavior = simulated(pairs=pairs, trials=trials)
    expected = loop(behavior)
    found = Rates.of_trials(behavior).patterns(PATTERNS)
    for metric in PATTERNS:
        np.testing.assert_allclose(found[metric], expected[metric], atol=1e-12, err_msg=metric)


def test_weights_are_copies_of_images() -> None:
    behavior = simulated()
    weights = np.random.default_rng(0).multinomial(N, np.full(N, 1 / N)).astype(float)
    weights[:K] += 1  # every object stays
    rows = np.repeat(np.arange(N), weights.astype(int))
    weighted = Rates.of_trials(behavior).patterns(["o1", "o2", "confusion", "i2n"], weights)
    copied = [
        np.flatnonzero(behavior.stimulus == row) for row in rows
    ]  # each copy is an image of its own, with the same trials
    stimulus = np.repeat(np.arange(len(rows)), [len(one) for one in copied])
    ids = tuple(f"c{j}" for j in range(len(rows)))
    same = Behavior(
        "copies", ids, behavior.options, behavior.truth[rows], stimulus, behavior.choice[np.concatenate(copied)]
    )
    expected = Rates.of_trials(same).patterns(["o1", "o2", "confusion", "i2n"])
    for metric in ("o1", "o2", "confusion"):
        np.testing.assert_allclose(weighted[metric], expected[metric], atol=1e-12)
    np.testing.assert_allclose(weighted["i2n"].reshape(N, K)[rows].ravel(), expected["i2n"], atol=1e-12)


def test_kappa_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.random(200) < 0.8, rng.random(200) < 0.6
    assert error_consistency(one, other) == pytest.approx(cohen_kappa_score(one, other), abs=1e-12)
    behavior = simulated(subjects=3)
    model = probabilities()
    per_subject = []
    for subject in range(3):
        own = behavior.subject == subject
        images = behavior.stimulus[own]
        ours = model.argmax(1)[images] == behavior.truth[images]
        per_subject.append(cohen_kappa_score(ours, behavior.choice[own] == behavior.truth[images]))
    found = BehaviorTest(behavior, ["kappa"])(model).metrics["kappa"]
    assert found.value == pytest.approx(np.mean(per_subject), abs=1e-12)
    assert np.isnan(error_consistency([True, True], [True, True]))


def test_kappa_between_subjects_is_that_of_their_pairs() -> None:
    stimulus, subject = np.tile(np.arange(N), 3), np.repeat(np.arange(3), N)
    choice = np.random.default_rng(0).integers(0, K, 3 * N)
    truth = np.arange(N) % K
    ids = tuple(f"i{j}" for j in range(N))
    behavior = Behavior("three", ids, tuple("abcd"), truth, stimulus, choice, subject=subject)
    right = (choice == truth[stimulus]).reshape(3, N)
    pairs = [cohen_kappa_score(right[i], right[j]) for i in range(3) for j in range(i)]
    assert kappa_between(behavior) == pytest.approx(np.mean(pairs), abs=1e-12)
    unknown = Behavior("crowd", ids, tuple("abcd"), truth, stimulus, choice)
    every = [(right[i, n], right[j, n]) for n in range(N) for i in range(3) for j in range(3) if i != j]
    assert kappa_between(unknown) == pytest.approx(cohen_kappa_score(*zip(*every, strict=True)), abs=1e-12)


@pytest.mark.parametrize("pairs", [False, True])
def test_the_model_that_subjects_follow_is_consistent_whatever_the_noise(pairs: bool) -> None:
    """The correction: few and many trials of people who choose by the model's probabilities give about 1."""
    values = (
        np.array(
            [
                [
                    BehaviorTest(drawn(seed, pairs, trials), ["i1", "i2", "o2"])(true_model()).metrics[m].value
                    for m in ("i1", "i2")
                ]
                for trials in (4000, 40000)
                for seed in range(4)
            ]
        )
        .reshape(2, 4, 2)
        .mean(1)
    )
    assert np.all(np.abs(values[1] - 1) < 0.03), values
    assert np.all(np.abs(values[0] - 1) < 0.08), values


def true_model() -> np.ndarray:
    return probabilities(40)


def drawn(seed: int, pairs: bool, trials: int) -> Behavior:
    rng = np.random.default_rng(seed)
    n = 40
    truth, stimulus = np.arange(n) % K, np.arange(trials) % n
    strength = difficulty(n)[stimulus] + rng.gumbel(size=(trials, K))
    distractor = None
    if pairs:
        distractor = (truth[stimulus] + rng.integers(1, K, trials)) % K
        others = np.arange(K) != distractor[:, None]
        strength[others & (np.arange(K) != truth[stimulus][:, None])] = -np.inf
    return Behavior("drawn", tuple(map(str, range(n))), tuple("abcd"), truth, stimulus, strength.argmax(1), distractor)


def test_other_subjects_are_compared_with_their_own_noise() -> None:
    one, other = drawn(0, False, 8000), drawn(1, False, 8000)
    found = BehaviorTest(one)(other)
    assert found.metrics["i2"].value == pytest.approx(1, abs=0.06)
    assert found.metrics["i2"].raw < found.metrics["i2"].value
    assert list(found.metrics) == list(BEHAVIOR_METRICS)


def test_chance_has_no_consistency_and_a_constant_model_none() -> None:
    behavior = drawn(0, False, 8000)
    found = BehaviorTest(behavior, ["i1n", "kappa"])(np.ones((40, K)))
    assert found.metrics["i1n"].value == 0.0
    assert BehaviorTest(behavior)(true_model(), bootstrap=3).attrs["resampled"] == "images within objects"


def test_the_same_seed_gives_the_same_intervals_and_images_may_be_in_any_order() -> None:
    behavior, model = simulated(subjects=5), probabilities()
    test = BehaviorTest(behavior)
    one, again = test(model, bootstrap=20), test(model, bootstrap=20)
    assert one == again
    assert one.attrs["resampled"] == "images within objects and subjects"
    found = one.metrics["i2"]
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.value < found.high
    order = np.random.default_rng(0).permutation(N)
    moved = behavior.select([behavior.stimulus_ids[i] for i in order])
    raw = Rates.of_trials(moved).patterns(["i1"])["i1"]
    np.testing.assert_allclose(raw, Rates.of_trials(behavior).patterns(["i1"])["i1"][order])


@pytest.mark.slow
@pytest.mark.parametrize("subjects", [0, 8])
def test_intervals_hold_the_truth(subjects: int) -> None:
    """Images are new ones in each sample, and so are subjects; truth from very many."""
    rng = np.random.default_rng(0)
    repeats, n, held = 40, 60, {"i1": 0, "i2": 0, "kappa": 0}

    def sample(n: int, trials: int, people: int) -> tuple[Behavior, np.ndarray]:
        truth = np.arange(n) % K
        shared = rng.normal(0, 0.7, (n, K)) + 1.5 * (np.arange(K) == truth[:, None])
        model = np.exp(shared + rng.normal(0, 0.7, (n, K)))
        theirs = shared + rng.normal(0, 0.5, (n, K))
        stimulus = np.repeat(np.arange(n), trials)
        subject = np.tile(np.arange(trials) % people, n) if people else None
        own = rng.normal(0, 0.5, (people, K))[subject] if people else 0.0
        choice = (theirs[stimulus] + own + rng.gumbel(size=(n * trials, K))).argmax(1)
        ids = tuple(map(str, range(n)))
        known = Behavior("sample", ids, tuple("abcd"), truth, stimulus, choice, subject=subject)
        return known, model / model.sum(1, keepdims=True)

    many, model = sample(10000, 48, 48 if subjects else 0)
    truth = {metric: one.value for metric, one in BehaviorTest(many, list(held), splits=1)(model).metrics.items()}
    for _ in range(repeats):
        behavior, model = sample(n, 24, subjects)
        found = BehaviorTest(behavior, list(held), splits=4)(model, bootstrap=40).metrics
        for metric, one in found.items():
            held[metric] += one.low <= truth[metric] <= one.high  # type: ignore[operator]
    assert all(count >= 0.85 * repeats for count in held.values()), (truth, held)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"truth": np.zeros(2, int)}, "truth must be 3 whole numbers"),
        ({"choice": np.array([0, 1, 2])}, "choice goes from 0 to 2, not 0 to 1"),
        ({"choice": np.zeros(0, int), "stimulus": np.zeros(0, int)}, "has no trials"),
        ({"distractor": np.array([0, 1, 1])}, "the distractor is the right option itself, first in trial 1"),
        ({"options": ("a", "a")}, "must be unique; 1 occur more than once: a"),
    ],
)
def test_what_is_wrong_with_trials_is_said(change: dict[str, object], message: str) -> None:
    whole = {
        "name": "x",
        "stimulus_ids": ("s", "t", "u"),
        "options": ("a", "b"),
        "truth": np.array([0, 1, 0]),
        "stimulus": np.array([0, 1, 2]),
        "choice": np.array([0, 1, 1]),
    }
    with pytest.raises(RSAError, match=message):
        Behavior(**{**whole, **change})  # type: ignore[arg-type]


def test_what_cannot_be_compared_is_said() -> None:
    behavior = simulated()
    with pytest.raises(RSAError, match="no metric of behaviour is named 'i3'; did you mean"):
        BehaviorTest(behavior, ["i3"])
    with pytest.raises(RSAError, match=r"must have shape \(24, 4\), got \(24, 3\)"):
        BehaviorTest(behavior, ["i1"])(np.ones((N, 3)))
    broken = probabilities()
    broken[3] = np.nan
    with pytest.raises(RSAError, match="those of images 4 are not"):
        BehaviorTest(behavior, ["i1"])(broken)
    few = simulated(trials=30)
    with pytest.raises(RSAError, match="has no reliable i2n: halves of its trials correlate by"):
        BehaviorTest(few, ["i2n"])
    with pytest.raises(RSAError, match="must be classes of the model; 2 of 4 are not: c, d"):
        behavior.columns(["A", "b", "x"])
    with pytest.raises(RSAError, match="more than one right option: cat, dog"):
        Behavior.from_trials("x", ["s", "s"], ["cat", "cat"], ["cat", "dog"])
    with pytest.raises(RSAError, match="different lengths: stimulus 2, choice 1, truth 2"):
        Behavior.from_trials("x", ["s", "s"], ["cat"], ["cat", "cat"])
    with pytest.raises(RSAError, match=r"must have shape \(1, 2\), got \(2, 2\)"):
        Behavior.from_counts("x", np.ones((2, 2), int), [0], ["s"], ["a", "b"])
    with pytest.raises(RSAError, match="counts must be whole numbers from 0"):
        Behavior.from_counts("x", np.array([[1.5, 2]]), [0], ["s"], ["a", "b"])
    with pytest.raises(RSAError, match="both must be about the same images and options"):
        BehaviorTest(behavior)(simulated(n=20))
    with pytest.raises(RSAError, match="had different tasks"):
        BehaviorTest(behavior)(simulated(pairs=True))
