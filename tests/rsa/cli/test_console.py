"""How far long work is, told in a log: with a clock that the tests move."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from threading import Event
from typing import cast

import pytest
from tgsage.rsa.cli import console


class Clock:
    """Time as `console` reads it. Waiting moves it, while the work of the test goes on."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Waiting:
    """An Event that is waited for: every wait lets its time pass, does the next piece of work, and ends with it."""

    def __init__(self, clock: Clock, work: Iterator[object]) -> None:
        self.clock, self.work, self.waited = clock, work, list[float]()

    def wait(self, seconds: float) -> bool:
        self.clock.now += seconds
        self.waited.append(seconds)
        return next(self.work, "end") == "end"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(console, "monotonic", made)
    monkeypatch.setattr(console, "strftime", lambda form: "12:03:10")
    monkeypatch.setattr(console, "FIRST_LINE", 10.0)
    return made


def written(clock: Clock, work: Iterator[object], text: Callable[[], str]) -> list[float]:
    stop = Waiting(clock, work)
    console._write_lines(text, cast(Event, stop), Event())
    return stop.waited


def test_lines_come_after_10_seconds_and_then_less_and_less_often(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    done = console.Progress(480, "images")
    waited = written(clock, iter([None] * 7), lambda: f"training: {done.text()}")
    assert waited[:3] == [10, 15, 22.5]
    assert max(waited) == waited[-1] == console.BETWEEN_LINES
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "12:03:10 training: 0 of 480 images, 10 s so far"
    assert len(lines) == 7


def test_a_line_tells_what_is_done_of_how_much_and_how_long_the_rest_may_take(clock: Clock) -> None:
    done = console.Progress(48_000, "images")
    done.note = "2 of 30 epochs"
    clock.now += 5
    done(1600)
    assert done.text() == "1,600 of 48,000 images, 2 of 30 epochs, about 3 min left"
    clock.now += 30
    done(1600)
    assert done.text() == "3,200 of 48,000 images, 2 of 30 epochs, about 14 min left"
    clock.now += 60
    assert done.text().endswith("about 13 min left")
    done(44_800)
    assert done.text() == "48,000 of 48,000 images, 2 of 30 epochs, in 2 min"


def test_what_was_done_before_a_resumption_says_nothing_about_the_pace(clock: Clock) -> None:
    done = console.Progress(1000, "images")
    done(900)
    assert done.text() == "900 of 1,000 images, 0 s so far"
    clock.now += 20
    done(10)
    assert done.text() == "910 of 1,000 images, about 3 min left"


def test_a_step_that_takes_longer_than_those_before_is_not_about_to_end(clock: Clock) -> None:
    done = console.Progress(3, "methods")
    clock.now += 6
    done(2)
    assert done.text() == "2 of 3 methods, about 3 s left"
    clock.now += 10
    assert done.text() == "2 of 3 methods, 16 s so far"


def test_without_a_total_a_line_tells_the_time_so_far(clock: Clock) -> None:
    done = console.Progress(None, "MB")
    clock.now += 4000
    assert done.text() == "1 h 07 min so far"
    done.note, done.total = "a.zip", 20
    done(10)
    assert done.text() == "10 of 20 MB, a.zip, about 1 h 07 min left"


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (89, "89 s"), (90, "2 min"), (3540, "59 min"), (7500, "2 h 05 min")]
)
def test_durations_in_words(seconds: float, words: str) -> None:
    assert console.duration(seconds) == words


def test_work_in_a_log_writes_lines_and_a_last_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(console, "FIRST_LINE", 0.001)
    first = Event()

    def time(form: str) -> str:
        first.set()
        return "12:03:10"

    monkeypatch.setattr(console, "strftime", time)
    with console.progress("reading", 2, "files") as done:
        done()
        assert first.wait(60)
        done()
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-1].startswith("12:03:10 reading: 2 of 2 files, in ")


def test_short_work_writes_nothing_and_other_processes_of_torchrun_neither(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with console.progress("reading", 1) as done:
        done()
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setattr(console, "lines", None)
    with console.progress("reading", 1) as done:
        done()
    assert capsys.readouterr() == ("", "")


def test_a_log_of_a_real_process_is_written_as_it_goes() -> None:
    code = """
import sys
from tgsage.rsa.cli import console
console.FIRST_LINE = console.BETWEEN_LINES = 0.01
with console.progress("training resnet:1", 3, "images") as done:
    for _ in range(3):
        done()
        sys.stdin.readline()
"""
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        line = process.stderr.readline()  # while the work waits
        process.communicate("\n\n\n")
    assert re.match(r"\d\d:\d\d:\d\d training resnet:1: [01] of 3 images, \d+ s so far\n", line)
    assert process.returncode == 0
