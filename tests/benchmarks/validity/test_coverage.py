"""Coverage of the intervals, small; what the whole run finds is in benchmarks/results."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tgsage.benchmarks.validity import coverage
from tgsage.benchmarks.validity.coverage import Case, cases, measure
from tgsage.rsa import compare
from tgsage.rsa.cli.app import main


def test_corrected_intervals_hold_the_truth_more_often_and_are_narrower_where_similarity_is_low() -> None:
    low, high = (
        Case("similarity", "low", "pearson", 30, (3.0,), 2.0),
        Case("similarity", "high", "cosine", 40, (0.3,), 0.2),
    )
    rows = measure([low, high], repeats=80)
    assert rows[0]["plain"] > 0.97
    assert rows[0]["corrected width"] < 0.87 * rows[0]["plain width"]
    assert all(0.88 <= row["corrected"] <= 1 for row in rows)


def test_few_stimuli_of_uneven_strength_are_held_nearly_as_often() -> None:
    """150 samples; were the shorter side shortened as much as the longer one is lengthened, 83 to 86% would be held."""
    (row,) = measure([Case("similarity", "high", "spearman", 20, (0.3,), 0.2, strength=0.5)], repeats=150)
    assert 0.89 <= row["corrected"] <= 0.99


def test_onsets_and_peaks_are_held_where_there_is_a_cluster() -> None:
    onset = Case("onset", "step", "pearson", 30, (1.2,), 0.7)
    rows = measure([onset, replace(onset, what="peak", kind="rise and fall")], repeats=20)
    assert [row["truth"] for row in rows] == [45, 65]
    assert all(row["found"] > 0.8 for row in rows)
    assert all(row["corrected"] > 0.75 for row in rows)
    assert all(row["corrected width"] <= row["plain width"] for row in rows)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["pearson", "spearman", "cosine"])
def test_corrected_intervals_hold_the_truth_in_93_to_98_of_100_samples(method: coverage.Method) -> None:
    """100 stimuli, four truths, 250 samples each: the share of all 1000, whose standard error is 0.7%."""
    rows = measure(
        [case for case in cases([method], [100]) if (case.what, case.size, case.strength) == ("similarity", 1, 0)],
        repeats=250,
    )
    assert len(rows) == 4
    assert 0.93 <= np.mean([row["corrected"] for row in rows]) <= 0.985


def test_intervals_over_sampled_pairs_hold_the_similarity_over_all_pairs() -> None:
    """100 samples of either method; one of a formula for normal variables is too narrow where RDMs are alike."""
    chosen = [case for case in cases() if case.what == "sampled pairs" and case.kind == "near 1"]
    assert [case.method for case in chosen] == ["spearman", "rho-a", "tau-a"]
    rows = measure([replace(case, n=300) for case in chosen], repeats=100)
    for row in rows:
        assert 0.88 <= row["corrected"] <= 1
        assert row["truth"] > 0.8


@pytest.mark.parametrize(
    "case",
    [
        Case("similarity", "high", "pearson", 100, (0.3,), 0.2),
        Case("similarity", "low", "pearson", 100, (3.0,), 2.0, 4),
        Case("similarity", "high", "spearman", 100, (0.3,), 0.2, strength=0.5),
    ],
)
def test_the_truth_is_the_mean_over_large_samples(case: Case) -> None:
    rng = np.random.default_rng(1)
    n = 100 if case.size > 1 else 400
    found = []
    for _ in range(30):
        shared = coverage._shared(rng, n, case.size, case.strength)
        made = [coverage._rdm(coverage._own(rng, shared, noise), case) for noise in (case.layers[0], case.target)]
        found.append(compare(*made, method=case.method))
    assert np.mean(found) == pytest.approx(coverage.population(case), abs=4 * np.std(found) / np.sqrt(30) + 0.004)


def test_the_command_resumes_and_prints_every_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    few = [case for case in cases(["spearman"], [50]) if case.kind in ("low", "tied", "step")]
    assert {case.what for case in few} == {"similarity", "difference", "tg", "sampled pairs", "onset"}
    monkeypatch.setattr(coverage, "cases", lambda: few)
    monkeypatch.setattr(coverage, "PAIRS", 20_000)
    file = tmp_path / "coverage.json"
    arguments = ["bench", "coverage", "--repeats", "10", "--json", str(file)]
    assert main(arguments) == 0
    first = json.loads(file.read_text())
    assert [(row["what"], row["n"], row["repeats"]) for row in first["rows"]] == [
        (case.what, case.n, 10) for case in few
    ]
    assert "groups of 4" in capsys.readouterr().out
    monkeypatch.setattr(coverage, "_coverage", lambda *arguments: pytest.fail("measured again"))
    assert main(arguments) == 0
    assert json.loads(file.read_text())["rows"] == first["rows"]
