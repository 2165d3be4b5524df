"""A search as it goes: how far it is, its best candidates, its failures and its pace."""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from ...rsa.cli.console import duration, lines
from ..result import FAILED, OK
from ..searching.candidates import Candidate, best_of, counts, figure, ranked, shown_results

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

_BEST = 5


class LiveView:
    """A context manager whose `update` is the `notify` of a search of so many samples, or successes.

    A terminal shows the best candidates as well, a log a line now and then.
    """

    def __init__(self, samples: int, *, successes: bool = False, console: "Console | None" = None) -> None:
        from rich.console import Console
        from rich.live import Live

        self._samples, self._successes, self._start, self._before = samples, successes, time.monotonic(), -1
        self._candidates: Sequence[Candidate] = ()
        self._console = console or Console(stderr=True)
        self._shown = ExitStack()
        self._live = Live(get_renderable=self._drawn, console=self._console, transient=True, refresh_per_second=2)

    def __enter__(self) -> "LiveView":
        self._shown.enter_context(self._live if self._console.is_terminal else lines(lambda: f"search: {self.line()}"))
        return self

    def __exit__(self, *raised: Any) -> None:
        self._shown.__exit__(*raised)

    def update(self, candidates: Sequence[Candidate]) -> None:
        """Show these from now on."""
        if self._before < 0:
            self._before = self._done(candidates)
        self._candidates = candidates

    def _done(self, candidates: Sequence[Candidate]) -> int:
        found = counts(candidates)
        return found[OK] - found["reused"] if self._successes else found[OK] + found[FAILED]

    def _drawn(self) -> "RenderableType":
        from rich import box
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        table = Table(box=box.SIMPLE_HEAD)
        best = [one for one in ranked(self._candidates) if one.reused is None][:_BEST]
        columns = shown_results(best)
        for column in ("candidate", *columns):
            table.add_column(column, justify="right")
        for candidate in best:
            found = candidate.evaluation
            values = [getattr(found, columns[name]) for name in columns] if found is not None else []
            table.add_row(str(candidate.number), *map(figure, values))
        done = self._done(self._candidates)
        return Group(Text(self.line()), ProgressBar(total=self._samples, completed=done, width=60), table)

    def line(self) -> str:
        """One line: how many are done, failed and running, the best, candidates per minute, and the time left."""
        found, best = counts(self._candidates), best_of(self._candidates)
        done = self._done(self._candidates)
        elapsed = time.monotonic() - self._start
        rate = max(0, done - max(self._before, 0)) / elapsed if elapsed > 0 else 0.0
        left = f", about {duration((self._samples - done) / rate)} left" if rate > 0 and done < self._samples else ""
        top = "none yet" if best is None or best.score is None else f"{figure(best.score)} (candidate {best.number})"
        return (
            f"{done} of {self._samples} done, {found[FAILED]} failed, {found['reused']} reused, "
            f"{found['running']} running; best {top}; {60 * rate:.1f} per minute{left}"
        )
