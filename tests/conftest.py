"""Fixtures of the whole suite. Real recordings are read from TGSAGE_DATA; in CI their absence is a failure."""

import os
from pathlib import Path

import pytest


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
