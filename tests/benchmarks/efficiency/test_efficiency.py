"""Searches compared at equal cost: with evaluations whose numbers are known."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr, ttest_1samp
from tgsage.benchmarks import compare_teachers
from tgsage.benchmarks.efficiency.comparison import ALL, Results, Searched, collect, compare
from tgsage.benchmarks.efficiency.goals import Goal, guidance
from tgsage.benchmarks.efficiency.searches import Study, counts, expected, histories, perform, read_plan, write_plan
from tgsage.benchmarks.efficiency.statistics import (
    area,
    current_best,
    interval,
    rank_correlation,
    reached,
    sign_flip,
    value_at,
)
from tgsage.plugins import Candidate
from tgsage.plugins.spaces import get_space
from tgsage.rsa import RSAError, p_plus_tg

from ..pools import known_pool, random_rdm, teacher
from ..studies import LONG, SHORT, Made, by_hand, goals, made_results


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Results:
    folder = tmp_path_factory.mktemp("study")
    return made_results(Study(Made(fails=True), goals(), folder, ("random", "evolution"), seeds=8, samples=32))


@pytest.mark.parametrize("searcher", ["tpe", "evolution"])
def test_a_run_is_the_searchers_own_search(tmp_path: Path, searcher: str) -> None:
    guided = Goal(SHORT, teacher(), 2.0)
    study = Study(Made(fails=True), [guided], tmp_path, (searcher,), seeds=1, samples=24)
    perform(study)
    (run,) = study.runs()
    (history,) = histories(tmp_path, [run])
    for one, other in zip(history, by_hand(study, run), strict=True):
        assert _known(one) == _known(other)
        if one.evaluation is not None and one.score is not None:
            p, tg = one.evaluation.p, one.evaluation.tg
            assert p is not None
            assert tg is not None
            assert one.score == pytest.approx(p_plus_tg(p, tg, 2.0))


def _known(one: Candidate) -> tuple[Any, ...]:
    """All of a sample but how long it was waited for."""
    made = one.evaluation
    assert made is not None
    about = made.tg, made.examples, made.seconds["evaluation"], made.attrs["mature"]
    return one.number, one.status, dict(one.architecture), one.score, *about


def known(study: Study) -> list[list[tuple[Any, ...]]]:
    return [[_known(one) for one in history] for history in histories(study.folder, study.runs())]


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
    few = [Goal(SHORT), Goal(SHORT, teacher())]
    study = Study(Made(tmp_path / "calls"), few, tmp_path / "study", ("evolution", "random"), seeds=1, samples=22)
    assert [run.seed for run in replace(study, seeds=2, first_seed=3).runs()[:2]] == [3, 4]
    for stop in (2, 9, 26):
        with pytest.raises(KeyboardInterrupt):
            perform(study, progress=_interrupting(stop))
    perform(study)
    assert known(study) == [[_known(one) for one in by_hand(_uncounted(study), run)] for run in study.runs()]
    calls = (tmp_path / "calls").read_text().splitlines()
    assert len(calls) == sum(run.samples for run in study.runs())  # no sample was looked at twice
    perform(study)
    longer = replace(study, samples=24)
    perform(longer)
    assert len((tmp_path / "calls").read_text().splitlines()) == len(calls) + 2 * len(study.runs())
    assert [history[:22] for history in known(longer)] == known(study)


def _uncounted(study: Study) -> Study:
    return replace(study, evaluations=Made())


def _interrupting(stop: int) -> Callable[[], None]:
    calls = iter(range(stop))

    def progress() -> None:
        if next(calls, None) is None:
            raise KeyboardInterrupt

    return progress


@pytest.mark.slow
def test_workers_share_the_searches_out_and_find_the_same(tmp_path: Path) -> None:
    study = Study(Made(tmp_path / "calls"), goals(), tmp_path / "shared", ("random", "evolution"), seeds=2, samples=10)
    looks: list[int] = []
    perform(study, workers=2, progress=lambda: looks.append(sum(counts(study.folder, study.runs()))))
    assert known(study) == [[_known(one) for one in by_hand(_uncounted(study), run)] for run in study.runs()]
    assert len((tmp_path / "calls").read_text().splitlines()) == sum(run.samples for run in study.runs())
    assert looks == sorted(looks)
    assert looks[-1] == sum(run.samples for run in study.runs())


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_what_stops_a_search_stops_the_study_and_is_no_failed_sample(tmp_path: Path, workers: int) -> None:
    study = Study(Made(), [Goal(SHORT, teacher("odd", goal=random_rdm(1, 12)))], tmp_path, ("random",), 2, 2)
    for _ in range(2):
        with pytest.raises(RSAError, match=r"^teacher 'odd'.*conditions"):
            perform(study, workers)
    assert counts(tmp_path, study.runs()) == [0, 0]


def test_what_is_planned_and_what_is_left_is_told_from_the_folder_alone(tmp_path: Path) -> None:
    study = Study(Made(), goals(), tmp_path, ("random",), seeds=2, samples=16)
    write_plan(study)
    about, kept, runs = read_plan(tmp_path)
    assert [goal["name"] for goal in kept] == ["P", "P", "P + TG, good"]
    assert runs == study.runs()
    assert about["seeds"] == 2
    assert counts(tmp_path, runs) == [0] * 6
    assert np.isnan(expected(runs, histories(tmp_path, runs)))
    with pytest.raises(KeyboardInterrupt):
        perform(study, progress=_interrupting(14))
    made = histories(tmp_path, runs)
    assert [len(history) for history in made] == counts(tmp_path, runs)
    done = sum(map(len, made))
    assert 0 < done < sum(run.samples for run in runs) == 2 * (16 + 2 + 16)
    waited: dict[int, list[float]] = {SHORT: [], LONG: []}
    for run, history in zip(runs, made, strict=True):
        waited[run.examples] += map(_waited, history)
    assert len(waited[LONG]) == 4
    assert expected(runs, made) == pytest.approx((68 - done) * np.mean(waited[SHORT]))
    assert collect(tmp_path).about["finished"] == 2


def _waited(one: Candidate) -> float:
    assert one.evaluation is not None
    return one.evaluation.seconds["waited"]


def test_a_transaction_of_a_killed_writer_is_rolled_back_and_does_not_stop_the_count(tmp_path: Path) -> None:
    study = Study(Made(), [Goal(SHORT)], tmp_path, ("random",), seeds=1, samples=2)
    perform(study)
    script = """
import os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.executescript("PRAGMA journal_mode = TRUNCATE; PRAGMA cache_size = 1; BEGIN IMMEDIATE; DELETE FROM trials")
connection.execute("CREATE TABLE large (content)")
connection.executemany("INSERT INTO large VALUES (?)", [("x" * 10000,)] * 100)
os._exit(0)
"""
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "searches.db")], check=True)
    assert (tmp_path / "searches.db-journal").stat().st_size > 0
    assert counts(tmp_path, study.runs()) == [2]


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
    (tmp_path / "searches.db").write_text("no database" * 500)
    with pytest.raises(RSAError, match=r"searches\.db"):
        perform(study)
    with pytest.raises(RSAError, match="no folder of a study"):
        collect(tmp_path)
