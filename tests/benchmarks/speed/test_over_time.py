"""The benchmark of memory over time on a small file; at full size it takes minutes and 3 GB of disk."""

import pytest
from tgsage.benchmarks.speed.over_time import score_file


@pytest.mark.slow
def test_a_small_temporal_file_is_scored_in_every_bin() -> None:
    found = score_file(stimuli=40, presentations=480, bins=4)
    assert found["windows"] == 4
    assert found["highest reliability"] > 0.2
    assert found["peak GB"] < 2
