"""The benchmark of targets by a column, on a small file."""

import pytest
from tgsage.benchmarks.speed.columns import score_sessions


@pytest.mark.slow
def test_units_are_scored_by_session() -> None:
    found = score_sessions(units=900, stimuli=30)
    assert found["targets"] == 90
    assert 0 < found["peak GB"] < 1
    assert found["CPU seconds"] > 0
