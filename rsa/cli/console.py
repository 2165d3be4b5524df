"""What commands share: how far long work is, tables for people, JSON for machines."""

import json
import math
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from time import monotonic, strftime
from typing import Any

from ..extensions import versions
from ..io.storage import replacing

FIRST_LINE, BETWEEN_LINES = 10.0, 60.0  # seconds before the first line of a log, and at most between two
WIDTH = 120  # characters of a line where there is no terminal


class Progress:
    """How far a long piece of work is: call it with the number of further steps done.

    note: anything else worth knowing meanwhile, such as "2 of 30 epochs". total: may be corrected as work goes on.
    """

    def __init__(self, total: float | None, unit: str) -> None:
        self.total, self.unit, self.note, self.done = total, unit, "", 0.0
        self._start = monotonic()
        self._first: tuple[float, float] | None = None  # (time, done) at the first call, which may be a resumption
        self._last = self._start
        self.changed: Callable[[], object] = lambda: None

    def __call__(self, steps: float = 1) -> None:
        self.done += steps
        self._last = monotonic()
        self._first = self._first or (self._last, self.done)
        self.changed()

    def text(self) -> str:
        """What is done, of how much, and how long the rest may take."""
        count = f"{self.done:,.0f} of {self.total:,.0f} {self.unit}".rstrip() if self.total else ""
        spent, left = duration(monotonic() - self._start), self._left()
        ended = bool(self.total) and self.done >= (self.total or 0)
        time = f"in {spent}" if ended else f"{spent} so far" if left is None else f"about {duration(left)} left"
        return ", ".join(filter(None, (count, self.note, time)))

    def _left(self) -> float | None:
        """Seconds, by the pace since the first call; by that of the first call where it has been the only one.

        None where that is not known, or where the rest takes longer than it says.
        """
        if not self.total or self._first is None:
            return None
        start, before = self._first if self.done > self._first[1] else (self._start, 0.0)
        spent, made = self._last - start, self.done - before
        if spent < 1 or made <= 0:
            return None
        left = (self.total - self.done) * spent / made - (monotonic() - self._last)
        return left if left > 0 else None


@contextmanager
def progress(label: str, total: float | None = None, unit: str = "") -> Iterator[Progress]:
    """Show on stderr how far the work of the block is: as a bar on a terminal, elsewhere as a line now and then.

    Under torchrun only the first process shows anything.
    """
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    done, console = Progress(total, unit), Console(stderr=True)
    if not is_first():
        yield done
    elif console.is_terminal:
        columns = (TextColumn("{task.description}", markup=False), BarColumn(), TextColumn("{task.fields[text]}"))
        with Bar(*columns, console=console, transient=True) as bar:
            task = bar.add_task(label, total=total, text="")
            done.changed = lambda: bar.update(task, completed=done.done, total=done.total, text=done.text())
            yield done
    else:
        with lines(lambda: f"{label}: {done.text()}"):
            yield done


@contextmanager
def lines(text: Callable[[], str]) -> Iterator[None]:
    """Write `text()` to stderr now and then while the block runs: first after 10 s, in the end once a minute.

    A block that has written a line ends with another one, unless it raises.
    """
    stop, written = Event(), Event()
    writer = Thread(target=_write_lines, args=(text, stop, written), daemon=True)
    writer.start()
    try:
        yield
    finally:
        stop.set()
        writer.join()
    if written.is_set():
        _write_line(text())


def _write_lines(text: Callable[[], str], stop: Event, written: Event) -> None:
    gap = FIRST_LINE
    while not stop.wait(gap):
        _write_line(text())
        written.set()
        gap = min(1.5 * gap, BETWEEN_LINES)


def _write_line(text: str) -> None:
    with suppress(OSError, ValueError):  # nobody reads it any more
        if sys.stderr is not None:
            print(f"{strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def duration(seconds: float) -> str:
    """About how long: 40 s, 14 min, 2 h 05 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(math.ceil(seconds / 60), 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"


def is_first() -> bool:
    """Whether this process is the one that prints and writes: the only one, or the first of torchrun's."""
    return os.environ.get("RANK", "0") == "0"


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str] = ()) -> None:
    """A table with right-aligned columns after the first, and lines under it. A cell that begins with * is bold."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    console.print(title, style="bold", markup=False, highlight=False, soft_wrap=True)
    table = Table(box=box.SIMPLE_HEAD)
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i == 0 else "right", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell, style="bold" if cell.startswith("*") else "") for cell in row))
    console.print(table)
    for note in notes:
        console.print(note, markup=False, highlight=False, soft_wrap=True)


def write_json(path: str | Path, result: dict[str, Any]) -> None:
    """Write a result as JSON, whole or not at all, with the versions that made it; NaN becomes null."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(_plain({**result, "versions": versions()}), indent=2) + "\n")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):  # numbers and arrays of numpy, torch and xarray
        return _plain(value.tolist() if not hasattr(value, "to_numpy") else value.to_numpy().tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, str | int | None) else str(value)
