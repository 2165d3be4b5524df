"""The benchmark of a second comparison of the same models, at a small size."""

import pytest
from tgsage.benchmarks.speed.models import compare_kept


@pytest.mark.slow
def test_ten_models_are_compared_with_four_targets_a_second_time() -> None:
    found = compare_kept(stimuli=10, draws=10)
    assert found["tests"] == 4 * 45
    assert found["layers"] == 4 * 10 * 16
    assert found["CPU seconds"] < 60
