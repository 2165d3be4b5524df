"""Signals that would be lost come again."""

import os
import signal
import time
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from tgsage.rsa.cli import interruption


class Thing:
    pass


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(interruption, "_AGAIN", 0.2)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # which a background shell ignores
    yield
    signal.signal(signal.SIGINT, before)


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


def test_what_is_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with interruption.interruptible():
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL


def test_another_thread_changes_no_handlers() -> None:
    def handlers() -> list[object]:
        return [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]

    def within() -> list[object]:
        with interruption.interruptible():
            return handlers()

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(within).result() == handlers()
