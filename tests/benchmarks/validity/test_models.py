"""The simulation behind the tests between models, and that these keep their level."""

import numpy as np
import pytest
from tgsage.benchmarks.validity.models import Case, measure, simulated


def test_rows_are_kept(tmp_path) -> None:  # type: ignore[no-untyped-def]
    file, few = tmp_path / "models.json", [Case("both", 12, (1, 2), "useless", 2)]
    first = measure(few, repeats=10, file=file)
    text = file.read_text()
    assert measure(few, repeats=10, file=file) == first
    assert file.read_text() == text
    assert 0 <= first[0]["level"] <= 1


@pytest.mark.slow
def test_tests_keep_their_level_and_intervals_their_coverage() -> None:
    """Of 40 samples of 20 stimuli, a model of one layer and one with 9 more that are nearly as good."""
    row = simulated(Case("stimuli", 20, (1, 10), "graded"), repeats=40)
    assert row["level"] < 0.05 + 4 * np.sqrt(0.05 * 0.95 / 40)
    assert min(row["coverage"]) > 0.95 - 4 * np.sqrt(0.05 * 0.95 / 40)
