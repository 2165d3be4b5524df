"""What stops a command from outside: SIGTERM, which schedulers send, and the SIGINT of Ctrl-C."""

import signal
import sys
import threading
from _thread import interrupt_main
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_AGAIN = 1.0  # seconds until a signal that nothing has answered interrupts again
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def interruptible() -> Iterator[None]:
    """Let these signals raise KeyboardInterrupt within the block, and again until it is handled.

    What this process was told to ignore stays ignored (a shell script's jobs in the background ignore SIGINT), and in
    another thread than the main one, where Python handles no signals, nothing changes.

    Python drops what is raised while a weak reference's callback or a destructor runs, and while torch is imported they
    run so often that one signal in seven would be lost.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    left = threading.Event()

    def interrupt(number: int, frame: FrameType | None) -> None:
        if _handled(sys.exception()):
            return
        repeat = threading.Thread(target=again, args=(number,), daemon=True)
        repeat.start()
        raise KeyboardInterrupt

    def again(number: int) -> None:
        if not left.wait(_AGAIN):
            # a real signal would kill where a library has put back the default handler
            interrupt_main(signal.Signals(number))

    heard = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, interrupt) for number in heard}
    try:
        yield
    finally:
        left.set()
        for number, handler in before.items():
            signal.signal(number, handler)


def _handled(error: BaseException | None) -> bool:
    """Whether the interrupted code is handling a KeyboardInterrupt."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None
