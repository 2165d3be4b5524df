"""Result files: rows that are kept, and files of something else."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tgsage.benchmarks.report import kept_rows, reading_results
from tgsage.rsa import RSAError

CASES = [{"n": n} for n in (1, 2, 3)]


def made(file: Path, calls: list[int], cases: list[dict[str, int]], draws: int = 5, stop: int = 0) -> list[Any]:
    """Rows of squares; `stop` interrupts at that case."""

    def make(i: int) -> dict[str, Any]:
        if cases[i]["n"] == stop:
            raise KeyboardInterrupt
        calls.append(cases[i]["n"])
        return cases[i] | {"square": cases[i]["n"] ** 2}

    def key(row: Mapping[str, Any]) -> str:
        return str(row["n"])

    about = {"kind": "squares", "draws": draws}
    return kept_rows(cases, make, key, file=file, about=about, progress=lambda steps: None)


def test_rows_are_made_once_and_survive_an_interruption(tmp_path: Path) -> None:
    file, calls = tmp_path / "rows.json", list[int]()
    made(file, calls, CASES[2:])
    with pytest.raises(KeyboardInterrupt):
        made(file, calls, CASES, stop=2)
    assert [row["n"] for row in json.loads(file.read_text())["rows"]] == [1, 3]  # the third is not lost
    assert [row["square"] for row in made(file, calls, CASES)] == [1, 4, 9]
    assert calls == [3, 1, 2]
    made(file, calls, CASES, draws=6)
    assert calls == [3, 1, 2, 1, 2, 3]  # made otherwise


@pytest.mark.parametrize("text", ["[]", "{", '{"kind": "cubes", "rows": []}'])
def test_a_file_of_something_else_is_named_and_left(tmp_path: Path, text: str) -> None:
    file = tmp_path / "rows.json"
    file.write_text(text)
    with pytest.raises(RSAError, match=r"rows\.json"):
        made(file, [], CASES)
    assert file.read_text() == text


@pytest.mark.parametrize("error", [IndexError("list index out of range"), ZeroDivisionError("division by zero")])
def test_whatever_is_odd_in_a_file_is_one_line(tmp_path: Path, error: Exception) -> None:
    file = tmp_path / "a.json"
    file.write_text('{"kind": "a"}')
    with pytest.raises(RSAError, match=r"a\.json holds no result: "), reading_results(file, "a", "result"):
        raise error
