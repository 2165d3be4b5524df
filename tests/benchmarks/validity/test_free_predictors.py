"""Free predictors on NAS-Bench-201 beside published figures."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr
from tgsage.benchmarks.validity.free_predictors import compare, measure
from tgsage.benchmarks.validity.nasbench201 import Table, read_table
from tgsage.plugins.evaluation.predictors import PREDICTORS
from tgsage.rsa import RSAError
from tgsage.rsa.cli.app import main


@pytest.fixture(scope="module")
def table() -> Table:
    try:
        return read_table()
    except RSAError as error:
        pytest.skip(str(error))


def live_edges_of(cells: list[tuple[int, ...]]) -> np.ndarray:
    """Which cells have no dead edge: every edge is "none" (1) or on a path, of which these are all."""
    paths = ((2,), (0, 4), (1, 5), (0, 3, 5))  # edges 0-1, 0-2, 0-3, 1-2, 1-3, 2-3
    lives = [{i for path in paths if all(cell[i] != 1 for i in path) for i in path} for cell in cells]
    return np.array([{i for i in range(6) if cell[i] != 1} == live for cell, live in zip(cells, lives, strict=True)])


def test_rows_are_correlations_over_all_and_over_the_best(table: Table) -> None:
    rng = np.random.default_rng(0)
    drawn = [sorted(table)[i] for i in rng.permutation(len(table))[:300]]
    names = ["".join(map(str, key)) for key in drawn]
    noisy = np.array([table[key] for key in drawn]) + rng.normal(size=300)
    values = {name: [float(value)] * len(PREDICTORS) for name, value in zip(names, noisy, strict=True)}
    sizes = {"".join(map(str, key)): (key.count(2), 9 * key.count(2)) for key in table}
    rows = {row["predictor"]: row for row in compare(values, table, sizes)}
    reached = np.array([table[key] for key in drawn])
    best = reached >= np.quantile(list(table.values()), 0.9)
    assert rows["snip"]["all"]["spearman"] == pytest.approx(spearmanr(noisy, reached).statistic, abs=1e-4)
    assert rows["snip"]["best"]["spearman"] == pytest.approx(spearmanr(noisy[best], reached[best]).statistic, abs=1e-4)
    assert rows["snip"]["best"]["cells"] == best.sum()
    low, high = rows["snip"]["all"]["interval"]
    assert low < rows["snip"]["all"]["spearman"] < high
    assert rows["snip"]["near"] is False
    live = live_edges_of(drawn)
    expected = spearmanr(noisy[live], reached[live]).statistic
    assert rows["snip"]["different"]["spearman"] == pytest.approx(expected, abs=1e-4)
    assert rows["parameters"]["different"]["cells"] == 9445  # networks, as counted by others
    assert (rows["parameters"]["all"]["cells"], rows["parameters"]["all"]["interval"]) == (15625, None)
    whole = spearmanr([key.count(2) for key in table], list(table.values())).statistic
    assert rows["parameters"]["all"]["spearman"] == pytest.approx(whole, abs=1e-4)


def test_cells_without_a_number_rank_last(table: Table) -> None:
    drawn = sorted(table, key=lambda key: table[key])[:: len(table) // 20]
    values = {"".join(map(str, key)): [float(table[key])] * len(PREDICTORS) for key in drawn}
    first = "".join(map(str, drawn[0]))
    values[first] = [float("nan")] * len(PREDICTORS)
    sizes = {"".join(map(str, key)): (1, 1) for key in table}
    row = {row["predictor"]: row for row in compare(values, table, sizes)}["naswot"]
    assert (row["all"]["spearman"], row["without a number"]) == (1, 1)


def test_cells_in_the_file_are_not_computed_again(
    table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "found.json"
    arguments = ["bench", "predictors", "--data", "digits", "--repeats", "1", "--batch", "8", "--json", str(file)]
    assert main([*arguments, "--cells", "3"]) == 0
    kept = json.loads(file.read_text())
    assert {row["predictor"] for row in kept["rows"]} == set(PREDICTORS)
    sizes = {row["predictor"]: row["all"]["spearman"] for row in kept["rows"]}
    assert sizes["parameters"] == sizes["multiply-adds"] == pytest.approx(0.81, abs=0.01)
    monkeypatch.setattr("tgsage.benchmarks.validity.free_predictors.free_predictors", None)
    assert measure(3, data="digits", repeats=1, batch=8, file=file)["values"] == kept["values"]
    assert main([*arguments[:-1], str(file), "--cells", "3", "--batch", "9"]) == 2
    assert "was made with other settings" in capsys.readouterr().err
    assert main([*arguments[:-1], str(file), "--cells", "20000"]) == 2
    assert "the table has 15625 cells" in capsys.readouterr().err
