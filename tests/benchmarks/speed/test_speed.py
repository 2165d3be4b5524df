"""The benchmark's own code, once and small. What it measures is printed, never asserted."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tgsage.benchmarks.speed import measure as speed
from tgsage.benchmarks.speed import scaling, timing
from tgsage.benchmarks.speed.timing import Result
from tgsage.rsa import RDM, RSAError
from tgsage.rsa.cli.app import main


@pytest.fixture(autouse=True)
def two_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "ROUNDS", 2)
    monkeypatch.setattr(timing, "TURN", 1e-9)


def run(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = main(arguments)
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_the_command_prints_every_row_and_writes_what_it_ran_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("threadpoolctl")
    file = tmp_path / "speed.json"
    code, out, _ = run(["bench", "speed", "--quick", "--rows", "product,rdm", "--json", str(file)], capsys)
    assert code == 0
    assert "product" in out
    found = json.loads(file.read_text())
    assert [result["row"] for result in found["results"]] == ["product", "rdm", "rdm"]
    assert all(len(result["ours"]) == len(result["theirs"]) >= 2 for result in found["results"])
    assert found["environment"]["cores"] >= 1
    assert {"library", "kernel", "threads"} <= set(found["environment"]["blas"][0])
    assert {"numpy", "scipy", "numba", "torch"} <= set(found["versions"])


@pytest.mark.parametrize(
    "row",
    [
        "comparison",
        "passes",
        "hooks",
        "tg",
        "draws",
        "ceilings",
        "reduced",
        pytest.param("score", marks=pytest.mark.slow),
    ],
)
def test_rows_measure_something(row: str) -> None:
    for result in speed.measure([row], quick=True):
        assert result.row == row
        assert result.value > 0 or min(result.ours) > 0
        assert result.met is None
        print(result.case, result.shown)


def test_rdms_in_files_take_little_memory() -> None:
    results = speed.measure(["disk"], quick=True)
    assert [result.unit for result in results] == ["GB", "GB"]
    assert all(0 <= result.value < 0.5 for result in results)


def test_no_bar_of_a_peer_reaches_the_output(capfd: pytest.CaptureFixture[str]) -> None:
    speed.measure(["draws"], quick=True)
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_scaling_compares_every_tool_at_every_size_and_draws_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = ("spearman of two RDMs", "features to spearman")
    monkeypatch.setattr(scaling, "OPERATIONS", {name: scaling.OPERATIONS[name] for name in kept})
    file, picture, again = (tmp_path / name for name in ("speed.json", "speed.png", "again.svg"))
    arguments = ["bench", "speed", "--quick", "--rows", "scaling", "--json", str(file), "--plot", str(picture)]
    code, out, _ = run(arguments, capsys)
    assert code == 0
    assert "memory" in out
    found = json.loads(file.read_text())
    peers = {(result["operation"], result["peer"]) for result in found["results"]}
    assert {peer for _, peer in peers} == {"rsatoolbox", "scipy spearmanr", "Brain-Score's path"}
    assert len(found["results"]) == len(peers) * len(scaling.QUICK)
    assert all(set(slopes) > {"tgsage", "rsatoolbox"} for slopes in found["exponents"].values())
    assert picture.stat().st_size > 10_000
    code, _, _ = run(["bench", "plot", str(file), str(again)], capsys)
    assert code == 0
    assert again.stat().st_size > 10_000


@pytest.mark.parametrize("operation", scaling.OPERATIONS)
def test_all_tools_of_an_operation_find_the_same(operation: str) -> None:
    answers = [np.asarray(_numbers(side(40)())) for side in scaling.OPERATIONS[operation].values()]
    for answer in answers[1:]:
        np.testing.assert_allclose(answer, answers[0], rtol=1e-4, atol=1e-5)


def _numbers(answer: Any) -> Any:
    """An RDM's condensed values, or a similarity, whatever the tool calls them."""
    if isinstance(answer, RDM):
        return answer.values
    if hasattr(answer, "dissimilarities"):
        return answer.dissimilarities[0]
    if hasattr(answer, "statistic"):
        return answer.statistic
    answer = np.asarray(answer)
    if answer.ndim == 2 and len(answer) > 1:
        return answer[np.triu_indices(len(answer), 1)]
    return answer if answer.ndim == 1 else answer.item()


def test_slow_peers_are_skipped_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scaling, "OPERATIONS", {"sum": {"tgsage": lambda n: lambda: n, "slow": lambda n: lambda: n}})
    monkeypatch.setattr(scaling, "memory_on_top", lambda operation, tool, sizes: dict.fromkeys(sizes, 2.0))
    monkeypatch.setattr(scaling, "race", lambda *calls: tuple([1e-6 * call() ** 2] for call in calls))
    monkeypatch.setattr(scaling, "LONGEST", 10.0)
    results = list(scaling.scaling(quick=False))
    assert [result.n for result in results if not result.skipped] == [92, 500, 1000, 2560]
    last = results[-1]
    assert last.skipped == "expected to take 33 s, more than 10"
    assert last.shown == "skipped"
    assert last.theirs == []
    assert scaling.exponents(results)["sum"]["slow"] == pytest.approx(2.0)


def test_peers_that_would_fill_memory_are_skipped_unrun(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[int] = []

    def taken(operation: str, tool: str, sizes: list[int]) -> dict[int, float]:
        return {n: 2e-5 * n**2 if tool == "large" else 2.0 for n in sizes}

    sides = {"tgsage": lambda n: lambda: n, "large": lambda n: lambda: ran.append(n)}
    monkeypatch.setattr(scaling, "OPERATIONS", {scaling.WITHOUT: sides})
    monkeypatch.setattr(scaling, "memory_on_top", taken)
    monkeypatch.setattr(scaling, "race", lambda *calls: tuple([1e-6 + 0 * bool(call())] for call in calls))
    results = list(scaling.many(quick=False))
    assert {result.n: result.skipped for result in results if result.skipped} == {
        22_248: "expected to take 9899 MB, more than 8000",
        100_000: "expected to take 200000 MB, more than 8000",
    }
    assert set(ran) == {1000, 2560, 5760}
    assert results[2].megabytes is not None
    assert results[2].megabytes[1] == pytest.approx(663.6, abs=0.1)


def test_growth_is_foreseen_at_least_quadratic() -> None:
    assert scaling.predicted({}, 100) == 0
    assert scaling.predicted({100: 1.0}, 200) == pytest.approx(4.0)
    assert scaling.predicted({100: 1.0, 200: 8.0}, 400) == pytest.approx(64.0)
    assert scaling.predicted({100: 1.0, 200: 1.0}, 400) == pytest.approx(4.0)


def test_memory_on_top_is_what_the_call_takes() -> None:
    code = """if True:
        from tgsage.benchmarks.speed.environment import peak_of, resident_memory
        b"x" * 400_000_000
        before = resident_memory()
        print(peak_of(lambda: b"x" * 200_000_000) - before)"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 190_000_000 < int(done.stdout) < 230_000_000


def test_a_plot_needs_what_scaling_measures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, error = run(["bench", "speed", "--rows", "rdm", "--plot", str(tmp_path / "a.png")], capsys)
    assert code == 2
    assert "only --rows scaling measures" in error
    (tmp_path / "other.json").write_text("[]")
    code, _, error = run(["bench", "plot", str(tmp_path / "other.json"), str(tmp_path / "a.png")], capsys)
    assert code == 2
    assert "is not a file of bench speed --json" in error
    (tmp_path / "rows.json").write_text('{"results": []}')
    code, _, error = run(["bench", "plot", str(tmp_path / "rows.json"), str(tmp_path / "a.png")], capsys)
    assert code == 2
    assert "no cost against n to draw" in error


@pytest.mark.slow
def test_the_memory_row_measures_a_process_of_its_own() -> None:
    (result,) = speed.measure(["memory"], quick=True)
    assert 0.1 < result.value < 2


def test_peak_memory_is_that_of_the_process_itself_and_stays() -> None:
    code = """if True:
        from tgsage.benchmarks.speed.environment import peak_memory
        before = peak_memory()
        b"x" * 300_000_000
        print(before, peak_memory())"""
    mine = b"x" * 10**9  # what the parent holds does not count
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    assert before < len(mine) / 2
    assert 250_000_000 < after - before < 350_000_000


def test_both_sides_are_warmed_and_take_turns() -> None:
    calls: list[str] = []
    ours, theirs = timing.race(lambda: calls.append("a"), lambda: calls.append("b"))
    assert "".join(calls) == "ababab"
    assert len(ours) == len(theirs) == 2


def test_targets_are_met_from_the_right_side() -> None:
    assert Result("r", "c", 20.0, "x", 20, at_least=True).met
    assert not Result("r", "c", 19.9, "x", 20, at_least=True).met
    assert Result("r", "c", 1.2, "x", 1.2).met
    assert not Result("r", "c", 2.1, "GB", 2).met
    assert Result("r", "c", 2.1, "GB").met is None
    assert Result("r", "c", 8.0, "%", 8).target == "<= 8 %"
    assert Result("r", "c", 25.4, "x", 25, at_least=True).target == ">= 25x"


def test_unknown_rows_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, error = run(["bench", "speed", "--rows", "comparisons"], capsys)
    assert code == 2
    assert error.strip() == "tgsage: no row comparisons; did you mean comparison or columns?"


def test_a_missing_peer_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rsatoolbox.rdm", None)
    with pytest.raises(RSAError, match=r"this benchmark needs rsatoolbox: python -m pip install 'tgsage\[bench\]'"):
        speed.measure(["rdm"], quick=True)
