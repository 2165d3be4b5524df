"""The data of small pools."""

import pytest
from tgsage.benchmarks.pool.plans import reduce
from tgsage.plugins.training import Data, load_data


@pytest.fixture(scope="session")
def digits() -> Data:
    return reduce(load_data("digits"), 128, 60)
