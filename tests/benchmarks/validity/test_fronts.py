"""Fronts on the table: their rows, runs that are resumed, and LEMONADE beyond random search."""

import json
from pathlib import Path

import numpy as np
import pytest
from tgsage.benchmarks.validity.fronts import compare, measure
from tgsage.rsa import RSAError
from tgsage.rsa.cli.app import main


def test_rows_compare_the_same_seeds() -> None:
    runs = {"random": {"0": [0.1, 0.2], "1": [0.3, 0.4]}, "lemonade": {"0": [0.2, 0.4], "1": [0.5, 0.6]}}
    rows = {(row["searcher"], row["trials"]): row for row in compare(runs)}
    assert rows["random", 50]["mean"] == 0.2
    half = 1.96 * float(np.std([0.1, 0.2], ddof=1)) / 2**0.5
    assert rows["lemonade", 50]["better"] == pytest.approx([0.15 - half, 0.15, 0.15 + half], abs=1e-5)
    assert "better" not in rows["random", 100]


def test_the_command_writes_draws_and_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, picture = tmp_path / "fronts.json", tmp_path / "fronts.png"
    with pytest.raises(RSAError, match=r"fronts are of .*, not tpe"):
        measure(["tpe"])
    measure(["random", "nsga2"], seeds=2, trials=50, file=file)
    before = json.loads(file.read_text())["runs"]
    assert {len(volumes) for volumes in before["nsga2"].values()} == {1}
    assert (
        main(["bench", "fronts", "--searchers", "random", "--seeds", "2", "--json", str(file), "--plot", str(picture)])
        == 0
    )
    after = json.loads(file.read_text())["runs"]
    assert after["nsga2"] == before["nsga2"]
    assert after["random"]["0"][0] == before["random"]["0"][0]
    assert picture.stat().st_size > 10_000
    assert "random, 300" in capsys.readouterr().out
    file.write_text("[]")
    assert main(["bench", "fronts", "--json", str(file)]) == 2


@pytest.mark.slow
def test_lemonade_dominates_more_than_random_at_equal_cost() -> None:
    rows = {(row["searcher"], row["trials"]): row for row in measure(["random", "lemonade"], seeds=6)["rows"]}
    assert all(rows["lemonade", trials]["better"][0] > 0 for trials in (100, 200, 300))
