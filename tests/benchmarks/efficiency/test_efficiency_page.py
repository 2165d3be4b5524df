"""What is said about a study of efficiency: every number from its file, and one command from nothing to the page."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from scipy.stats import ttest_1samp
from tgsage.benchmarks.efficiency.comparison import Results, compare, read_results, write_results
from tgsage.benchmarks.efficiency.page import answer, efficiency_figure, table_1
from tgsage.benchmarks.efficiency.searches import Study
from tgsage.benchmarks.pages.experiments import write_page
from tgsage.benchmarks.pool.making import Maker
from tgsage.benchmarks.report import cells
from tgsage.rsa import RSAError
from tgsage.rsa.cli.app import main

from ..pools import teacher
from ..studies import Made, goals, made_results

TINY = ("--data", "digits", "--recipe", "digits", "--train", "120", "--valid", "60", "--examples", "60")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Results:
    folder = tmp_path_factory.mktemp("study")
    study = Study(Made(), goals(), folder, ("random", "evolution"), seeds=2, samples=16)
    return made_results(study, machine="made up", command="as it was")


def test_a_result_file_gives_back_what_was_found(found: Results, tmp_path: Path) -> None:
    write_results(tmp_path / "result.json", found, compare(found))
    again, versions = read_results(tmp_path / "result.json")
    for row, right in zip(compare(again), compare(found), strict=True):
        assert row == {key: value if value is None else pytest.approx(value, abs=1e-4) for key, value in right.items()}
    assert (again.about, again.goals) == (json.loads(json.dumps(found.about)), json.loads(json.dumps(found.goals)))
    for one, other in zip(again.runs, found.runs, strict=True):
        assert one.mean == pytest.approx(other.mean, abs=1e-5)
        assert (one.searcher, one.goal, one.cells, one.step) == (other.searcher, other.goal, other.cells, other.step)
    assert "torch" in versions


def test_the_legend_is_as_wide_as_one_panel(found: Results) -> None:
    figure = efficiency_figure(replace(found, runs=[run for run in found.runs if run.searcher == "random"]))
    figure.draw_without_rendering()
    legend = figure.legends[0].get_window_extent()
    assert figure.bbox.x0 <= legend.x0 < legend.x1 <= figure.bbox.x1


def test_the_page_is_made_of_the_file_alone(found: Results, tmp_path: Path) -> None:
    result, page = tmp_path / "efficiency.json", tmp_path / "page.md"
    rows = compare(found)
    write_results(result, found, rows)
    write_page(page, [result])
    text = page.read_text()
    assert text.startswith("# Does a teacher make search cheaper\n")
    assert (tmp_path / "page" / "efficiency.png").stat().st_size > 20000
    row = rows[2]
    assert f"| {100 * row['top']:.2f} ± {100 * row['top error']:.2f} |" in text
    assert f"{100 * row['top gain']:+.2f} [{100 * row['top low']:+.2f}, {100 * row['top high']:+.2f}]" in text
    assert f"{row['examples']:,}" in text
    assert "5,000" in text
    assert "as it was" in text
    assert "np." not in text
    assert "**" not in text  # two seeds have no verdict
    kept = json.loads(result.read_text())
    for seed, run in enumerate(run for run in kept["runs"] if (run["searcher"], run["goal"]) == ("random", 0)):
        run["mean"] = " ".join(["0.50000"] * len(run["mean"].split()))
        other = next(one for one in kept["runs"] if (one["searcher"], one["goal"], one["seed"]) == ("random", 2, seed))
        other["mean"] = " ".join([f"{0.6 + seed / 1000:.5f}"] * len(other["mean"].split()))
    result.write_text(json.dumps(kept))
    write_page(page, [result])
    low, high = ttest_1samp([10.0, 10.1], 0).confidence_interval()
    assert f"| +10.05 [{low:+.2f}, {high:+.2f}] | 0.50 |" in page.read_text()


def test_the_answer_and_the_table_say_what_interval_and_p_say(found: Results) -> None:
    rows = compare(found)
    for low, high, p, seeds, said in (
        (0.01, 0.02, 0.03, 6, "yes"),
        (0.01, 0.02, 0.06, 6, "not established"),
        (-0.02, 0.02, 0.5, 6, "not established"),
        (-0.02, -0.01, 0.03, 6, "no, harm"),
        (0.01, 0.02, 0.06, 5, "no verdict below 6 seeds"),
    ):
        changed = [row | {"top low": low, "top high": high, "top p": p, "seeds": seeds} for row in rows]
        other, named = answer(found, changed).splitlines()[2:]
        assert named.startswith(f"- P + TG, good, after 100: {said}, ")
        assert f"p {p:.2f} (all, {seeds} seeds)" in named
        assert other.startswith("- P, after 800: not named beforehand, ")
        lines = map("".join, cells(table_1(found), changed))
        bold = [(row["searcher"], row["goal"]) for row, line in zip(rows, lines, strict=True) if "**" in line]
        assert bold == ([("all", 2)] if said == "yes" else [])
    assert len(answer(found, [row for row in rows if row["searcher"] == "random"]).splitlines()) == 4


@pytest.mark.parametrize("text", ['{"kind": "efficiency"}', '{"kind": "efficiency", "runs": [{}]}'])
def test_another_file_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "result.json"
    path.write_text(text)
    with pytest.raises(RSAError, match=r"result\.json"):
        write_page(tmp_path / "page.md", [path])


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["--status"], "no folder of a study"),
        (["--searchers", "random,tpa"], "did you mean tpe"),
        (["--alpha", "1", "--alpha", "2"], "given once"),
        (["--teacher", "absent.h5"], "absent.h5"),
        (["--recordings", "cowley2023"], "NAME=BY"),
        (["--pool", "absent"], "no folder of a pool"),
        (["--longer", "60"], "differ"),
        (["--json", "absent/result.json"], "no folder"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str], wrong: list[str], said: str) -> None:
    assert main(["bench", "efficiency", str(tmp_path / "study"), *TINY, *wrong]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "study").exists()


def test_a_teacher_of_other_stimuli_is_named_before_anything_is_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    teacher().save(tmp_path / "other.h5")
    given = ["--teacher", str(tmp_path / "other.h5")]
    assert main(["bench", "efficiency", str(tmp_path / "study"), *TINY, *given]) == 2
    assert "made/valid" in capsys.readouterr().err
    assert not (tmp_path / "study").exists()


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_study_is_interrupted_made_looked_at_and_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, result = str(tmp_path / "study"), tmp_path / "result.json"
    command = ["bench", "efficiency", folder, *TINY, "--longer", "0", "--searchers", "random", "--seeds", "1"]
    monkeypatch.setattr(Maker, "__call__", _interrupted)
    assert main([*command, "--samples", "2"]) == 130
    monkeypatch.undo()
    capsys.readouterr()
    assert main(["bench", "efficiency", folder, "--status"]) == 0
    assert capsys.readouterr().out == "0 of 2 samples, 0 of 1 searches\n"
    assert main([*command, "--samples", "2", "--json", str(result)]) == 0
    assert "2 of 2 samples, 1 of 1 searches" in capsys.readouterr().out
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "study").glob("seed*/*/*")}
    assert main([*command, "--samples", "3"]) == 0
    after = {path: path.stat().st_mtime_ns for path in (tmp_path / "study").glob("seed*/*/*")}
    assert {path: when for path, when in after.items() if path in before} == before
    assert main(["bench", "efficiency", folder, "--status"]) == 0
    assert "3 of 3 samples" in capsys.readouterr().out
    assert read_results(result)[0].runs[0].samples == 2
