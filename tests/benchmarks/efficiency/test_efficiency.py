"""Searches compared at equal cost: with evaluations whose numbers are known."""

import json
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr, ttest_1samp
from tgsage.benchmarks import compare_teachers
from tgsage.benchmarks.efficiency.comparison import ALL, compare
from tgsage.benchmarks.efficiency.goals import Goal, guidance
from tgsage.benchmarks.efficiency.results import Results, Searched, collect, read_plan, write_plan
from tgsage.benchmarks.efficiency.runs import Study, Watch, rest
from tgsage.benchmarks.efficiency.statistics import (
    area,
    current_best,
    interval,
    rank_correlation,
    reached,
    sign_flip,
    value_at,
)
from tgsage.benchmarks.efficiency.workers import perform
from tgsage.benchmarks.validity.nasbench201 import accuracy
from tgsage.plugins import get_searcher
from tgsage.plugins.spaces import get_space
from tgsage.rsa import RSAError, p_plus_tg

from ..pools import known_pool, random_rdm, teacher
from ..studies import LONG, SHORT, Made, goals, read_table_once


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Results:
    folder = tmp_path_factory.mktemp("study")
    study = Study(Made(fails=True), goals(), folder, ("random", "evolution"), seeds=8, samples=32)
    write_plan(study)
    perform(study)
    return collect(folder)


def test_a_run_is_the_searchers_own_search(tmp_path: Path) -> None:
    study = Study(Made(), [Goal(SHORT, teacher(), 2.0)], tmp_path, ("tpe",), seeds=2, samples=24)
    perform(study)
    guided = Goal(SHORT, teacher(), 2.0)
    for run in study.runs():
        searcher = get_searcher("tpe")(get_space("nasbench201"), seed=run.seed)
        for number, sample in enumerate(run.history()):
            architecture = searcher.ask(number, repeats=True)
            assert sample["architecture"] == architecture
            made = Made()(architecture, run.seed, SHORT)
            assert sample["mature"] == accuracy(read_table_once(), architecture) / 100
            assert sample["score"] == pytest.approx(p_plus_tg(sample["p"], sample["tg"], 2.0))
            assert sample["score"] == guided(made)[0]
            searcher.tell(number, architecture, sample["score"])


def test_tg_is_that_of_the_comparison_of_teachers_and_of_the_teacher_itself() -> None:
    pool = known_pool(12)
    compared = compare_teachers(pool, [teacher()], bootstrap=5)
    np.testing.assert_allclose(guidance(pool, teacher()), compared.members["tg"].sel(teacher="good").T, atol=1e-6)
    for place, member in enumerate(pool.members):
        own = teacher().score(dict(pool.rdms("by stimulus", member, 2))).tg
        assert guidance(pool, teacher())[place, 2] == pytest.approx(own, abs=1e-5)
    for rule in ("depth", "deep", "partial"):
        other = compare_teachers(pool, [teacher()], rules=[rule], bootstrap=5, controls=False)
        expected = other.members["tg"].sel(teacher="good").T
        np.testing.assert_allclose(guidance(pool, teacher(), rule), expected, atol=1e-6)


def test_a_candidate_without_rdms_has_p_but_no_tg() -> None:
    made = Made()(get_space("nasbench201").sample(np.random.default_rng(0)), 0, SHORT)
    assert made.pool is not None
    (member,) = made.pool.members
    bare = replace(member, rdms={"by stimulus": np.full_like(member.rdms["by stimulus"], np.nan)})
    nothing = replace(made, pool=replace(made.pool, members=(bare,)))
    assert Goal(SHORT)(nothing) == (float(member.p[0]), None)
    assert Goal(SHORT, teacher())(nothing) == (None, None)
    assert Goal(SHORT)(replace(made, pool=None)) == (None, None)
    diverged = replace(member, loss=np.full_like(member.loss, np.nan))
    assert Goal(SHORT)(replace(made, pool=replace(made.pool, members=(diverged,)))) == (None, None)


def test_an_interrupted_study_goes_on_and_is_the_same(tmp_path: Path) -> None:
    whole = Study(Made(), goals(), tmp_path / "whole", ("evolution", "random"), seeds=1, samples=25)
    parts = replace(whole, evaluations=Made(tmp_path / "calls"), folder=tmp_path / "parts")
    perform(whole)
    assert [run.seed for run in replace(whole, seeds=2, first_seed=3).runs()[:2]] == [3, 4]
    for stop in (1, 7, 26):
        for number, _ in enumerate(parts.work(), 1):
            if number == stop:
                break
    perform(parts)
    without = ("waited",)
    for one, other in zip(whole.runs(), parts.runs(), strict=True):
        assert one.file.name == other.file.name
        assert _less(one.history(), without) == _less(other.history(), without)
    calls = (tmp_path / "calls").read_text().splitlines()
    assert len(calls) == sum(run.samples for run in parts.runs())  # no sample was looked at twice
    longer = replace(parts, samples=27)
    perform(longer)
    assert len((tmp_path / "calls").read_text().splitlines()) == len(calls) + 2 * 2 * 2
    assert _less(longer.runs()[-1].history()[:25], without) == _less(parts.runs()[-1].history(), without)


def _less(samples: list[dict[str, Any]], names: tuple[str, ...]) -> list[dict[str, Any]]:
    return [{key: value for key, value in sample.items() if key not in names} for sample in samples]


@pytest.mark.slow
def test_workers_share_the_searches_out_and_find_the_same(tmp_path: Path) -> None:
    alone = Study(Made(), goals(), tmp_path / "alone", ("random",), seeds=2, samples=10)
    shared = replace(alone, evaluations=Made(tmp_path / "calls"), folder=tmp_path / "shared")
    looks: list[int] = []
    perform(alone)
    perform(shared, workers=2, notify=lambda: looks.append(sum(Watch(shared.runs())())))
    for one, other in zip(alone.runs(), shared.runs(), strict=True):
        assert _less(one.history(), ("waited",)) == _less(other.history(), ("waited",))
    assert len((tmp_path / "calls").read_text().splitlines()) == sum(run.samples for run in shared.runs())
    assert looks[-1] == sum(run.samples for run in shared.runs())


@pytest.mark.slow
def test_what_a_worker_cannot_do_is_said(tmp_path: Path) -> None:
    study = Study(Made(), [Goal(SHORT, teacher("odd", goal=random_rdm(1, 12)))], tmp_path, ("random",), 1, 2)
    with pytest.raises(RSAError, match="conditions"):
        perform(study, workers=2)


def test_what_is_planned_and_what_is_left_is_told_from_the_folder_alone(tmp_path: Path) -> None:
    study = Study(Made(), goals(), tmp_path, ("random",), seeds=2, samples=16)
    write_plan(study)
    about, kept, runs = read_plan(tmp_path)
    assert [goal["name"] for goal in kept] == ["P", "P", "P + TG, good"]
    assert [run.file for run in runs] == [run.file for run in study.runs()]
    assert rest(runs)[:2] == (0, 2 * (16 + 2 + 16))
    assert np.isnan(rest(runs)[2])
    assert about["seeds"] == 2
    for number, _ in enumerate(study.work(), 1):
        if number == 5:
            break
    histories = [run.history() for run in runs]
    waited = {n: np.mean([s["waited"] for h, r in zip(histories, runs, strict=True) if r.examples == n for s in h])
              for n in (SHORT, LONG)}  # fmt: skip
    done, total, seconds = rest(runs)
    assert (done, total) == (5, 68)
    assert seconds == pytest.approx(63 * waited[SHORT])
    assert collect(tmp_path).about["finished"] == 2


def test_current_best_is_by_score_each_cell_once_and_never_a_failed_one() -> None:
    cells, scores = list("aabcdefg"), [0.5, 0.4, 0.9, None, 0.9, 0.1, 0.2, 0.95]
    mature = [1.0, 1.0, 2.0, 9.0, 4.0, 5.0, 6.0, 7.0]
    mean, best = current_best(cells, scores, mature, top=2)
    np.testing.assert_allclose(mean, [1, 1, 1.5, 1.5, 3, 3, 3, 4.5])
    np.testing.assert_allclose(best, [1, 1, 2, 2, 4, 4, 4, 7])
    mean, _ = current_best("ab", [None, 0.1], [3, 4])
    assert np.isnan(mean[0])
    assert mean[1] == 4


def test_ranks_are_scipys_over_the_different_cells_with_failed_ones_last() -> None:
    cells, scores, mature = list("abacde"), [0.5, 0.1, 0.9, None, 0.7, 0.1], [3.0, 2.0, 3.0, 1.0, 4.0, 2.5]
    expected = spearmanr([0.5, 0.1, -1, 0.7, 0.1], [3, 2, 1, 4, 2.5]).statistic
    assert rank_correlation(cells, scores, mature) == pytest.approx(expected)
    assert rank_correlation("aa", [0.1, 0.2], [1, 1]) == 0


def test_a_curve_holds_its_value_until_the_next_sample() -> None:
    curve = np.array([1.0, 3.0, 2.0])
    np.testing.assert_array_equal(value_at(curve, 10, [9.9, 10, 19, 20, 30, 99]), [np.nan, 1, 1, 3, 2, 2])
    grid = np.arange(1000, 3500) / 100
    assert area(curve, 10, 10, 35) == pytest.approx(value_at(curve, 10, grid).mean())
    assert area(curve, 10, 15, 25) == pytest.approx(2.0)
    assert area(curve, 10, 30, 30) == pytest.approx(2.0)
    assert reached(curve, 10, 2.0) == 20
    assert reached(curve, 10, 1.0) == 10
    assert reached(curve, 10, 2.5) is None
    assert reached(np.array([np.nan, 5.0, 1.0, 2.0, 2.0]), 10, 2.0) == 40


def test_intervals_of_few_seeds_are_students() -> None:
    for n in (2, 5, 30):
        x = np.random.default_rng(n).normal(size=n)
        expected = ttest_1samp(x, 0).confidence_interval(0.95)
        assert interval(x) == pytest.approx((expected.low, expected.high))
    assert interval([1.0]) is None
    assert interval([2.0, 2.0, 2.0]) == (2.0, 2.0)


@pytest.mark.parametrize("n", [3, 5])
def test_the_interval_of_few_seeds_holds_the_truth_as_often_as_it_says(n: int) -> None:
    rng = np.random.default_rng(0)
    inside = [low < 0 < high for low, high in (interval(rng.normal(size=n)) or (1, 0) for _ in range(2000))]
    assert 0.94 < np.mean(inside) < 0.96


@pytest.mark.parametrize("n", [2, 5, 6, 9])
def test_the_sign_flip_counts_all_signs(n: int) -> None:
    x = np.random.default_rng(n).normal(0.5, 1, size=n)
    means = [np.mean(np.array(signs) * x) for signs in product((1, -1), repeat=n)]
    assert sign_flip(x) == pytest.approx(np.mean(np.abs(means) >= abs(x.mean()) - 1e-12))
    assert sign_flip(np.abs(x)) == pytest.approx(2 / 2**n)
    assert sign_flip([1.0]) is None
    assert sign_flip([0.0, 0.0, 0.0]) == 1


def test_the_rows_are_what_the_searches_say(found: Results) -> None:
    rows = compare(found)
    assert [(row["searcher"], row["goal"]) for row in rows] == [
        (searcher, goal) for searcher in ("random", "evolution", ALL) for goal in range(3)
    ]
    finals = {run.seed: 100 * run.mean[-1] for run in found.runs if (run.searcher, run.goal) == ("random", 0)}
    guided = {run.seed: 100 * run.mean[-1] for run in found.runs if (run.searcher, run.goal) == ("random", 2)}
    assert 100 * rows[0]["top"] == pytest.approx(np.mean(list(finals.values())))
    assert 100 * rows[0]["top error"] == pytest.approx(np.std(list(finals.values()), ddof=1) / 8**0.5)
    assert rows[0]["top gain"] is None
    gains = np.array([guided[seed] - finals[seed] for seed in range(8)])
    assert 100 * rows[2]["top gain"] == pytest.approx(gains.mean())
    assert (rows[2]["top low"], rows[2]["top high"]) == pytest.approx(interval(gains / 100))
    assert rows[2]["top p"] == pytest.approx(sign_flip(gains))
    assert rows[0]["top p"] is None
    assert rows[2]["examples"] == 32 * SHORT
    assert rows[1]["samples"] == 4
    assert rows[1]["examples"] == rows[0]["examples"]
    assert rows[0]["failed"] > 0
    assert rows[8]["top"] == pytest.approx((rows[2]["top"] + rows[5]["top"]) / 2)
    assert rows[2]["level"] == rows[0]["top"]


def test_a_teacher_that_knows_better_is_found_to_help_and_to_be_cheaper(found: Results) -> None:
    """P is mostly noise here and TG is not: the guided random search must win, and be there earlier."""
    plain, _, guided = compare(found)[6:]
    assert guided["top low"] > 0
    assert guided["area low"] > 0
    assert guided["rank low"] > 0
    assert guided["rank"] > plain["rank"]
    assert guided["reached"] < plain["examples"]
    assert guided["reaching"] == 8


def test_goals_without_a_difference_have_none() -> None:
    curve = np.array([0.5, 0.7])
    runs = [
        Searched("random", goal, seed, 2, 10, 2, 0, 1.0, 0.5, curve * (1 + goal * 1e-15), curve)
        for goal in (0, 1)
        for seed in range(3)
    ]
    named = [{"name": "P", "examples": 10}, {"name": "Q", "examples": 10, "teacher": "t"}]
    row = compare(Results({}, named, runs))[1]
    assert (row["top gain"], row["top low"], row["top high"], row["reached"]) == (0, 0, 0, 20)
    with pytest.raises(RSAError, match="P alone"):
        compare(Results({}, named[1:], runs[3:]))
    nothing = [Searched("random", goal, 0, 2, 10, 2, 2, 1.0, 0.5, curve * np.nan, curve * np.nan) for goal in (0, 1)]
    for row in compare(Results({}, named, nothing)):
        assert (row["top"], row["top gain"], row["top low"], row["reached"]) == (None, None, None, None)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"searchers": ("randm",)}, "did you mean random"),
        ({"seeds": 0}, "at least 1 seed"),
        ({"goals": [Goal(5), Goal(5)]}, "differ"),
        ({"goals": []}, "goals"),
    ],
)
def test_impossible_studies_are_named(tmp_path: Path, wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(RSAError, match=said):
        Study(**{"evaluations": Made(), "goals": goals(), "folder": tmp_path, **wrong})


def test_impossible_goals_and_damaged_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(RSAError, match="fixed"):
        Goal(5, teacher(), rule="weights")
    with pytest.raises(RSAError, match="from 1"):
        Goal(0)
    study = Study(Made(), [Goal(5)], tmp_path, ("random",), 1, 2)
    perform(study)
    file = study.runs()[0].file
    for text in ("{", "[]", json.dumps({"samples": [{"score": 1}]})):
        file.write_text(text)
        with pytest.raises(RSAError, match=file.name):
            perform(study)
    with pytest.raises(RSAError, match="no folder of a study"):
        collect(tmp_path)
