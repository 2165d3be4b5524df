"""The benchmark's own code, once and small; its numbers are printed, never asserted."""


import pytest
from tgsage.benchmarks import networks, timing


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A twentieth of the images, and two rounds each."""
    monkeypatch.setattr(timing, "ROUNDS", 2)
    monkeypatch.setattr(networks, "SHARE", 0.05)
