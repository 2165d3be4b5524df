"""Fixtures of the whole suite. Real recordings are read from TGSAGE_DATA; in CI their absence is a failure."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from tgsage.rsa.cli import console

os.environ.setdefault("TGSAGE_CACHE_GB", "0")  # no test finds what another run has kept


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first: with several workers, one that began such a file last would keep the others idle."""
    slow = {item.path for item in items if item.get_closest_marker("slow") is not None}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real recordings."""
    folder = os.environ.get("TGSAGE_DATA", "")
    if folder and Path(folder).is_dir():
        return Path(folder)
    reason = f"TGSAGE_DATA {f'names no folder: {folder}' if folder else 'is not set'}; real recordings are not tested"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(autouse=True)
def no_lines_of_a_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a command writes to stderr does not depend on how long it takes here."""
    monkeypatch.setattr(console, "FIRST_LINE", 1e6)


@pytest.fixture
def ray_alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One test at a time has a Ray cluster: clusters of one machine find each other, in other processes as well."""
    with FileLock(tmp_path_factory.getbasetemp().parent / "ray.lock"):
        yield
        if "ray" in sys.modules:  # Ray Tune starts a cluster by itself, and leaves it to the process
            import ray

            ray.shutdown()
