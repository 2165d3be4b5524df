"""Processes of ours: Ctrl-C does not reach them, not even while they begin, and they do not outlive us."""

import os
import signal
import subprocess
import sys
import time
from multiprocessing.connection import Connection

from tgsage.plugins.searching.isolation import Child

_PARENT = """
import sys, time
sys.path.insert(0, sys.argv[1])
from test_isolation import wait_long
from tgsage.plugins.searching.isolation import Child
if __name__ == "__main__":
    print(Child(wait_long).process.pid, flush=True)
    time.sleep(600)
"""


def say_hello(line: Connection) -> None:
    line.send("hello")


def wait_long(line: Connection) -> None:
    time.sleep(600)


def test_ctrl_c_does_not_reach_a_process_that_is_only_beginning() -> None:
    child = Child(say_hello)
    assert child.process.pid is not None
    os.kill(child.process.pid, signal.SIGINT)
    assert child.line.recv() == "hello"
    assert child.exit == "exit code 0"
    child.close()
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_a_process_ends_with_the_one_that_started_it() -> None:
    command = [sys.executable, "-c", _PARENT, os.path.dirname(__file__)]  # noqa: PTH120
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()
    for _ in range(600):
        if not _alive(child):
            return
        time.sleep(0.1)
    raise AssertionError("it outlived its parent")


def _alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
