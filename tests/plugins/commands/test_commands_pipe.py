"""`tgsage ... --json FILE | head -1`: whoever reads the tables may leave, the files are there."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tgsage.plugins.searchers.random import RandomSearcher
from tgsage.plugins.searching.explorer import search
from tgsage.plugins.spaces.toy import ToySpace
from tgsage.rsa.cli import app as cli
from tgsage.rsa.cli import console


@pytest.fixture
def gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody reads the tables."""

    def print_table(*arguments: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(console, "print_table", print_table)


@pytest.mark.usefixtures("gone")
@pytest.mark.parametrize(
    ("arguments", "files"),
    [
        ("data list --json a.json", ""),
        ("space --json a.json", ""),
        ("space toy --out b.json --json a.json", "b.json"),
        ("space toy --sample 2 --json a.json", ""),
        ("train resnet:1 --epochs 0 --json a.json", ""),
        ("evaluate resnet:1 --json a.json", ""),
        ("teacher train a.h5 --network resnet:1 --data digits --recipe digits --epochs 0 --json a.json", "a.h5"),
        ("search --teacher none --samples 1 --epochs 0 --searcher random --storage b.db --json a.json", "b.html"),
        ("report a.db --html a.html --csv a.csv --best best.json --json a.json", "a.html a.csv best.json"),
    ],
)
def test_files_are_written_before_the_first_table(
    arguments: str, files: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    if arguments.startswith("report"):
        search(ToySpace(), RandomSearcher(ToySpace()), lambda architecture: 1.0, samples=2, storage="a.db")
    assert cli.main(arguments.split()) == 1
    assert capsys.readouterr().err == ""
    for name in files.split():
        assert (tmp_path / name).stat().st_size > 0
    json.loads((tmp_path / "a.json").read_text())


@pytest.mark.parametrize(
    ("stdout", "code", "words"), [("| head -1", 1, ""), (">&-", 0, ""), ("> /dev/full", 1, "No space")]
)
def test_an_output_that_closes_costs_no_traceback(stdout: str, code: int, words: str, tmp_path: Path) -> None:
    program = Path(sys.executable).parent / "tgsage"
    command = f"set -o pipefail; {program} space cnn20 --sample 40 --json a.json {stdout}"
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == bool(words)
    assert len(json.loads((tmp_path / "a.json").read_text())["architectures"]) == 40
