"""A study's searches in several processes, which end with the one that started them."""

import multiprocessing
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection, wait

from ...plugins.searching.children import belong_to_parent, start_child
from ...plugins.searching.local import threads_shared
from ...rsa import RSAError
from ...rsa.errors import reason
from .runs import Study

_LOOK = 1.0  # seconds between two looks


def perform(study: Study, workers: int = 1, notify: Callable[[], object] = lambda: None) -> None:
    """All searches of a study, to their end; those that another command has in hand are left to it.

    notify: called after every sample, or with several workers every second. Raises what a worker raised, and RSAError
    where one was killed; what is done stays.
    """
    if workers < 1:
        raise RSAError(f"a study needs at least one worker, not {workers}")
    if workers == 1:
        for _ in study.work():
            notify()
        return
    context = multiprocessing.get_context("spawn")
    running = []
    try:
        with threads_shared(workers):
            for _ in range(workers):
                line, theirs = context.Pipe(duplex=False)
                process = context.Process(target=_serve, args=(theirs, study), daemon=True)
                start_child(process)
                theirs.close()
                running.append((process, line))
        waiting = [line for _, line in running]
        while waiting:
            for line in [one for one in wait(waiting, timeout=_LOOK) if isinstance(one, Connection)]:
                waiting.remove(line)
                _hear(line)
            notify()
    finally:
        for process, _ in running:
            process.terminate()
        for process, _ in running:
            process.join()


def _hear(line: Connection) -> None:
    try:
        said = line.recv()
    except EOFError as error:
        raise RSAError("a worker was killed; the same command goes on from there") from error
    if said:
        raise RSAError(said)


def _serve(line: Connection, study: Study) -> None:
    belong_to_parent()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        for _ in study.work():
            pass
        line.send("")
    except KeyboardInterrupt:
        pass
    except RSAError as error:
        line.send(str(error))
    except Exception as error:
        line.send(f"a worker failed: {type(error).__name__}: {reason(error)}")
