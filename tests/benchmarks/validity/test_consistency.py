"""The simulation behind the intervals of consistency, small; what the whole run finds is in benchmarks/results."""

import json
from pathlib import Path

import numpy as np
import pytest
from tgsage.benchmarks.validity import consistency
from tgsage.benchmarks.validity.consistency import METRICS, Case, sample
from tgsage.rsa import BehaviorTest
from tgsage.rsa.cli.app import main


def test_the_command_keeps_its_rows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consistency, "_MANY", 400)
    monkeypatch.setattr(consistency, "DRAWS", 5)
    monkeypatch.setattr(consistency, "cases", lambda: [Case(24), Case(24, 2), Case(24, pairs=True)])
    file = tmp_path / "consistency.json"
    command = ["bench", "consistency", "--repeats", "10", "--json", str(file)]
    assert main(command) == 0
    text = file.read_text()
    rows = json.loads(text)["rows"]
    assert [(row["n"], row["subjects"], row["pairs"]) for row in rows] == [
        (24, 0, False),
        (24, 2, False),
        (24, 0, True),
    ]
    assert set(rows[0]["truth"]) == set(METRICS)
    assert "kappa" in capsys.readouterr().out
    monkeypatch.setattr(consistency, "simulated", lambda *given, **how: pytest.fail("measured again"))
    assert main(command) == 0
    assert json.loads(file.read_text())["rows"] == rows


@pytest.mark.slow
@pytest.mark.parametrize("subjects", [0, 8])
def test_intervals_are_as_wide_as_values_vary(subjects: int) -> None:
    """Over 50 samples of 64 images; resampled together and not corrected, subjects would make them twice as wide."""
    rng, values, wide = np.random.default_rng(0), [], []
    for seed in range(50):
        behavior, model = sample(Case(64, subjects), 24, rng)
        found = BehaviorTest(behavior, ["i1", "i2", "kappa"], splits=4, seed=seed)(model, bootstrap=40).metrics
        values.append([one.value for one in found.values()])
        wide.append([one.high - one.value for one in found.values()])  # type: ignore[operator]
    ratio = np.mean(wide, axis=0) / (1.96 * np.std(values, axis=0))
    assert (ratio > 0.8).all(), ratio
    assert (ratio < 1.7).all(), ratio
