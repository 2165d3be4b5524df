"""Teacher choice against the same numbers made one at a time, and against pools whose answer is known."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr
from tgsage.benchmarks import Comparison, compare_teachers
from tgsage.benchmarks.pool.layer_similarities import METHODS, similarities, view_of
from tgsage.benchmarks.pool.pool import Pool
from tgsage.benchmarks.teachers.comparison import ANY, OVER, read_comparison, write_comparison
from tgsage.benchmarks.teachers.page import answer
from tgsage.benchmarks.teachers.rules import RULES, Examiner, Fitted, Matched, deep, depth, fit, halves, paper, partial
from tgsage.rsa import RDM, RSAError, Teacher, compare, compare_all

from ..pools import CHECKPOINTS, REFERENCE, TARGET, known_pool, random_rdm, teacher


@pytest.fixture(scope="module")
def pool() -> Pool:
    return known_pool()


@pytest.fixture(scope="module")
def found(pool: Pool) -> Comparison:
    good = teacher("good", first=random_rdm(7), goal=TARGET)
    return compare_teachers(pool, [good, teacher("random", a=random_rdm(8), b=random_rdm(9))], bootstrap=200)


@pytest.mark.parametrize("method", METHODS)
def test_similarities_in_one_product_are_those_of_compare_all(method: str) -> None:
    pool = known_pool(2)
    pool.members[1].rdms["by stimulus"][2, 1] = np.nan
    targets = {"goal": TARGET, "shuffled": random_rdm(7).subset(TARGET.labels[::-1])}
    array = similarities(pool, pool.views["by stimulus"], list(targets.values()), method)
    assert array.shape == (2, 3, 3, 2)
    assert np.isnan(array[1, 2, 1]).all()
    for i, member in enumerate(pool.members):
        for c in range(len(CHECKPOINTS)):
            table = compare_all(dict(pool.rdms("by stimulus", member, c)), targets, method=method)
            usable = [j for j, layer in enumerate(member.layers) if layer in table["layer"].values]
            np.testing.assert_allclose(array[i, c, usable], table.values, atol=2e-6)


def test_the_gain_at_an_alpha_is_the_difference_of_two_rank_correlations(pool: Pool, found: Comparison) -> None:
    goals = {"first": random_rdm(7), "goal": TARGET}
    assert found.gain.dims == ("teacher", "checkpoint", "alpha")
    for c, checkpoint in enumerate(CHECKPOINTS):
        tg = [
            Teacher.from_rdms("good", goals).score(dict(pool.rdms("by stimulus", member, c))).tg
            for member in pool.members
        ]
        here = {"checkpoint": checkpoint, "teacher": "good"}
        np.testing.assert_allclose(found.members["tg"].sel(here), tg, atol=1e-6)
        p = pool.p[:, c]
        before = spearmanr(p, pool.mature).statistic
        assert float(found.table["p"].sel(coefficient="spearman", checkpoint=checkpoint)) == pytest.approx(before)
        for alpha in (0, 1, 5):
            after = spearmanr(p + alpha * np.array(tg), pool.mature).statistic
            assert float(found.gain.sel(here | {"alpha": alpha})) == pytest.approx(after - before, abs=1e-3)


def test_a_good_teacher_gains_on_held_out_members_and_a_random_one_does_not(found: Comparison) -> None:
    held = found.held_out.sel(rule=ANY)
    assert (held["low"].sel(teacher="good") > 0).all()
    assert (held["low"].sel(teacher=ANY) > 0).all()
    for name in ("random", "pixels, by stimulus", "noise, by stimulus", "labels, by stimulus"):
        assert (held["low"].sel(teacher=name) < 0.05).all()
    assert (found.low.sel(alpha=5, teacher="good") > 0).all()
    assert (found.table["p"].sel(coefficient="spearman") > 0).all()
    np.testing.assert_allclose(found.gain.sel(alpha=0), 0)
    assert (found.low <= found.gain + 1e-9).all()
    assert (found.gain <= found.high + 1e-9).all()


def test_nothing_is_gained_where_there_is_nothing_to_learn() -> None:
    """Seven rules and three alphas on 20 pools of noise: the best of them gains on the members it was chosen on."""
    gains, in_sample = [], []
    for seed in range(20):
        pool = known_pool(40, seed=seed, learns=False)
        found = compare_teachers(pool, [teacher()], controls=False, bootstrap=1)
        gains.append(float(found.held_out["gain"].sel(rule=ANY, teacher="good", checkpoint=0)))
        in_sample.append(float(found.gain.max()))
    assert np.mean(gains) < 2 * np.std(gains) / np.sqrt(len(gains))
    assert float(np.mean(in_sample)) > max(float(np.mean(gains)), 0.0) + 0.03


def test_noise_gains_nothing_over_a_p_that_ranks_backwards() -> None:
    """Noise takes P's ranks apart: over a P of -.5 it seems to gain, over chance it does not."""
    gains, over_p = [], []
    for seed in range(12):
        pool = known_pool(40, seed=seed)
        members = tuple(replace(member, p=1 - member.p) for member in pool.members)
        found = compare_teachers(replace(pool, members=members), [teacher()], bootstrap=20, rules=["paper", "layer"])
        assert (found.table["p"].sel(coefficient="spearman", checkpoint=200) < 0).all()
        noise = found.held_out.sel(teacher="noise, by stimulus", rule="paper", checkpoint=200)
        gains.append(float(noise["gain"]))
        over_p.append(float(noise["score"] - noise["p"]))
        assert float(found.held_out["gain"].sel(rule="paper", teacher="good", checkpoint=200)) > 0.3
        here = {"rule": "paper", "checkpoint": 200}
        np.testing.assert_allclose(found.held_out["gain"].sel(here), found.held_out["score"].sel(here))
        low, gain, high = (found.table[key].sel(here) for key in ("low", "gain", "high"))
        assert bool((low <= gain).all() & (gain <= high).all())
    assert np.mean(over_p) > 0.1
    assert np.mean(gains) <= 2 * np.std(gains) / np.sqrt(len(gains))


def test_the_gain_is_over_p_in_one_half_and_over_chance_in_the_other(pool: Pool) -> None:
    examine = Examiner(pool.mature, draws=50, seed=0)
    backwards = np.isin(np.arange(len(pool)), examine.halves[0])
    p = np.where(backwards, -pool.mature, pool.mature)
    perfect = Fitted(pool.mature, 1.0, "")
    found = examine(p, [perfect, perfect])
    assert (found.p, found.score) == pytest.approx((0.0, 1.0))
    assert (found.gain, found.low, found.high) == pytest.approx(((1 + 0) / 2,) * 3)


def test_older_files_have_gains_over_p_alone_which_are_not_shown_where_p_ranks_backwards(tmp_path: Path) -> None:
    pool = known_pool(40)
    members = tuple(replace(member, p=member.p * np.array([-1, 1, 1]) + np.array([1, 0, 0])) for member in pool.members)
    found = compare_teachers(replace(pool, members=members), [teacher()], bootstrap=20)
    about = {key: value for key, value in found.about.items() if key != "gains"}
    held, table = found.held_out.copy(), found.table.copy()
    held["gain"] = held["score"] - held["p"]
    table["gain"] = (table["score"] - table["p"]).sel(coefficient="spearman", drop=True)
    write_comparison(tmp_path / "old.json", replace(found, about=about, held_out=held, table=table))
    write_comparison(tmp_path / "new.json", found)
    old, new = (read_comparison(tmp_path / f"{name}.json")[0] for name in ("old", "new"))
    assert new.about["gains"] == OVER
    for now, right in ((old.held_out, new.held_out), (old.table, new.table)):
        np.testing.assert_allclose(now["gain"], right["gain"], atol=2e-3)
        assert bool(now["low"].sel(checkpoint=0).isnull().all())
        np.testing.assert_allclose(now["low"].sel(checkpoint=200), right["low"].sel(checkpoint=200))
    assert "no verdict" in answer(old).splitlines()[2]


def test_what_is_chosen_on_a_half_ignores_the_other_half(pool: Pool) -> None:
    array = similarities(pool, pool.views["by stimulus"], [TARGET, random_rdm(7)]).astype(float)
    matched = Matched(array, np.full(len(pool), 3), array[..., :1] * 0, np.zeros(2))
    half, other = halves(len(pool), 0)
    assert sorted([*half, *other]) == list(range(len(pool)))
    spoiled = pool.mature.copy()
    spoiled[other] = np.random.default_rng(0).permutation(spoiled[other])
    for rule in RULES:
        one, two = (
            fit(rule, pool.p[:, 1], matched.at(1), mature, half, (0, 1, 5), ("goal", "random"))
            for mature in (pool.mature, spoiled)
        )
        assert (one.chosen, one.fit) == (two.chosen, two.fit)
        np.testing.assert_array_equal(one.predictor, two.predictor)
        assert one.fit == pytest.approx(spearmanr(one.predictor[half], pool.mature[half]).statistic)


def test_a_choice_is_tested_on_the_half_that_it_was_not_made_on(pool: Pool) -> None:
    examine = Examiner(pool.mature, draws=10, seed=0)
    first, second = examine.halves
    knows_first = np.where(np.isin(np.arange(len(pool)), first), pool.mature, 0.0)
    knows_second = np.where(np.isin(np.arange(len(pool)), second), pool.mature, 0.0)
    p = pool.p[:, 0]
    assert examine(p, [Fitted(knows_first, 1, ""), Fitted(knows_second, 1, "")]).score == 0
    assert examine(p, [Fitted(knows_second, 1, ""), Fitted(knows_first, 1, "")]).score == pytest.approx(1)


def test_rules_by_hand() -> None:
    similarity = np.array([[0.1, 0.9], [0.6, 0.2], [np.nan, np.nan], [0.3, 0.5]])[None, None]  # layers x targets
    pixels, shared = np.array([[0.0], [0.5], [np.nan], [0.0]])[None, None], np.array([0.0, 0.6])
    matched = Matched(similarity, np.array([4]), pixels, shared)
    assert paper(matched) == pytest.approx((0.6 + 0.9) / 2)
    assert depth(matched) == pytest.approx((0.6 + 0.5) / 2)
    assert deep(matched) == pytest.approx(0.9)
    second = [0.9 / 0.8, (0.2 - 0.5 * 0.6) / np.sqrt(0.75 * 0.64), 0.5 / 0.8]
    assert partial(matched) == pytest.approx((0.6 / np.sqrt(0.75) + max(second)) / 2)
    shorter = Matched(similarity[:, :, :2], np.array([2]), pixels[:, :, :2], shared)
    np.testing.assert_allclose(shorter.at_depths(4)[0, 0, :, 0], [0.1, 0.1, 0.6, 0.6])
    np.testing.assert_allclose(matched.at_depths(4)[0, 0, 2], 0)


def test_a_partial_correlation_takes_out_what_pixels_explain() -> None:
    pool = known_pool(8)
    view = pool.views["by stimulus"]
    pixels = RDM(view.pixels, view.labels)
    mixed = RDM(TARGET.values + 2 * pixels.values, TARGET.labels)
    array = similarities(pool, view, [mixed, pixels]).astype(float)
    shared = np.array([compare(mixed, pixels)])
    got = partial(Matched(array[..., :1], np.full(8, 3), array[..., 1:], shared))
    x, y, z = dict(pool.rdms("by stimulus", pool.members[0], 0))["deep"].values, mixed.values, pixels.values
    rest = [values - np.polyval(np.polyfit(z, values, 1), z) for values in (x, y)]
    assert got[0, 0] == pytest.approx(np.corrcoef(rest)[0, 1], abs=1e-4)


def test_members_without_rdms_are_left_out_and_counted() -> None:
    pool = known_pool(12)
    pool.members[3].rdms["by stimulus"][1] = np.nan
    found = compare_teachers(pool, [teacher()], bootstrap=5)
    assert (found.about["members"], found.about["left_out"]) == (11, 1)
    np.testing.assert_allclose(found.members["mature"], np.delete(pool.mature, 3))


def test_a_teacher_of_more_stimuli_is_cut_to_the_view(pool: Pool) -> None:
    more = random_rdm(4, 30)
    cut = Teacher.from_rdms("cut", {"a": more.subset(TARGET.labels)}, stimuli=REFERENCE)
    wide = Teacher.from_rdms("cut", {"a": more.subset(more.labels[::-1])}, stimuli=REFERENCE)
    one, other = (compare_teachers(pool, [t], bootstrap=2, controls=False) for t in (cut, wide))
    np.testing.assert_allclose(one.members["tg"], other.members["tg"], atol=1e-6)


def category(name: str) -> Teacher:
    return Teacher.from_rdms(name, {"a": TARGET.replace(by="category_name")}, stimuli=REFERENCE)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: replace(teacher(), stimuli="cowley2023/190923"), "the pool was shown made/valid"),
        (lambda: category("coarse"), "by stimulus"),
        (lambda: teacher(a=TARGET.subset(TARGET.labels[:15])), "5 of the 20 conditions"),
        (lambda: replace(teacher(), stimulus_ids=TARGET.labels[1:]), "1 of the 20 images"),
        (lambda: teacher(a=RDM(np.ones(190), TARGET.labels)), "constant"),
        (lambda: teacher(ANY), "different names"),
    ],
)
def test_a_teacher_that_does_not_fit_is_named(pool: Pool, make: Callable[[], Teacher], said: str) -> None:
    with pytest.raises(RSAError, match=said):
        compare_teachers(pool, [make()], bootstrap=2)


def test_wrong_arguments_are_named(pool: Pool) -> None:
    with pytest.raises(RSAError, match="unknown rule"):
        compare_teachers(pool, [teacher()], rules=["papers"])
    with pytest.raises(RSAError, match="one rule must be fixed"):
        compare_teachers(pool, [teacher()], rules=["weights"])
    with pytest.raises(RSAError, match="unknown method"):
        compare_teachers(pool, [teacher()], methods=["pearsons"])
    with pytest.raises(RSAError, match="different names"):
        compare_teachers(pool, [teacher(), teacher()])
    with pytest.raises(RSAError, match="at least 8"):
        compare_teachers(known_pool(5), [teacher()])
    assert view_of(pool, teacher()).name == "by stimulus"
