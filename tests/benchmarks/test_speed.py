"""The benchmark's own code, once and small. What it measures is printed, never asserted."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tgsage.benchmarks import speed, timing
from tgsage.benchmarks.timing import Result
from tgsage.rsa import RSAError
from tgsage.rsa.cli import main


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


@pytest.mark.parametrize("row", ["comparison", "hooks", "tg", "draws", "ceilings"])
def test_rows_measure_something(row: str) -> None:
    for result in speed.measure([row], quick=True):
        assert result.row == row
        assert result.value > 0 or min(result.ours) > 0
        assert result.met is None
        print(result.case, result.shown)


@pytest.mark.slow
def test_the_memory_row_measures_a_process_of_its_own() -> None:
    (result,) = speed.measure(["memory"], quick=True)
    assert 0.1 < result.value < 2


def test_peak_memory_is_that_of_the_process_itself_and_stays() -> None:
    code = """if True:
        from tgsage.benchmarks.environment import peak_memory
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
    assert error.strip() == "tgsage: no row comparisons; did you mean comparison?"


def test_a_missing_peer_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rsatoolbox.rdm", None)
    with pytest.raises(RSAError, match=r"this benchmark needs rsatoolbox: python -m pip install 'tgsage\[bench\]'"):
        speed.measure(["rdm"], quick=True)
