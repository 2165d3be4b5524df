"""Signals that would be lost come again."""

import os
import signal
import time
import weakref

import pytest
from tgsage.rsa.cli import interruption


class Thing:
    pass


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interruption, "_AGAIN", 0.2)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_signal_dropped_in_a_callback_interrupts_all_the_same(number: int) -> None:
    reached: list[str] = []

    def callback(_: object) -> None:
        os.kill(os.getpid(), number)
        reached.append("not interrupted here")  # pragma: no cover

    def work() -> None:
        thing = Thing()
        reference = weakref.ref(thing, callback)
        del thing
        assert reference() is None
        reached.append("dropped")
        for _ in range(600):
            time.sleep(0.1)

    with pytest.raises(KeyboardInterrupt), interruption.interruptible():
        work()
    assert reached == ["dropped"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_handles_an_interruption_is_not_interrupted(number: int) -> None:
    given_back = []

    def work() -> None:
        try:
            os.kill(os.getpid(), number)
            time.sleep(60)
        finally:
            try:
                raise ValueError
            except ValueError:
                time.sleep(0.5)
            os.kill(os.getpid(), number)  # an impatient user's second one
            given_back.append(True)

    with pytest.raises(KeyboardInterrupt), interruption.interruptible():
        work()
    assert given_back


def test_handlers_are_afterwards_what_they_were() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    with interruption.interruptible():
        assert signal.getsignal(signal.SIGTERM) is not before[0]
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before
