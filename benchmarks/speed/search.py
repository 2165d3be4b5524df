"""The cost of a search besides training: asking and telling a searcher, the database, replaying a long history."""

import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from ...plugins import Evaluation, Tracker, get_searcher
from ...plugins import search as search_space
from ...plugins.spaces import Architecture, Space, get_space
from .timing import Result

_ASK_AND_TELL = {"random": 0.015, "rl": 0.015, "evolution": 0.015, "tpe": 0.06}  # s
_TRACKER, _REPLAY = 0.025, 30.0  # s


def search(quick: bool) -> Iterator[Result]:
    """One candidate of the 20-layer space after 1000; the tracker on SQLite; resuming a search of 1000."""
    space, told = get_space("cnn10" if quick else "cnn20"), 50 if quick else 1000
    random = get_searcher("random")(space)
    history = [random.ask(number) for number in range(told)]
    for name, most in _ASK_AND_TELL.items():
        searcher = get_searcher(name)(space)
        for number, architecture in enumerate(history):
            searcher.tell(number, architecture, _score(architecture))
        turns = []
        for number in range(told, told + 10):
            start = time.thread_time()
            architecture = searcher.ask(number)
            searcher.tell(number, architecture, _score(architecture))
            turns.append(time.thread_time() - start)
        case = f"ask + tell, {name}, {space.name}, {told} told, time of a core"
        yield Result("search", case, median(turns), "s", most, False, turns)
    with tempfile.TemporaryDirectory() as folder:
        yield _tracker(Path(folder) / "tracker.db", history)
        yield _replay(Path(folder) / "replay.db", space, told)


def _tracker(storage: Path, history: Sequence[Architecture]) -> Result:
    evaluation = Evaluation(p=0.5, tg=0.5, score=1.0, table={f"layer{i}": {"it": 0.5, "v4": 0.5} for i in range(20)})
    turns = []
    with Tracker(storage, "costs") as tracker, tracker.beating():
        for number, architecture in enumerate(history):
            start = time.perf_counter()
            tracker.claim(len(history))
            tracker.start(number, architecture)
            tracker.finish(number, evaluation)
            turns.append(time.perf_counter() - start)
    size = sum(map(len, history)) / len(history)
    case = f"tracker per candidate, SQLite, {len(history)} candidates of {size:.0f} choices on average"
    return Result("search", case, median(turns), "s", _TRACKER, False, turns)


def _replay(storage: Path, space: Space, told: int) -> Result:
    searcher = get_searcher("tpe")(space)
    search_space(space, get_searcher("random")(space), _score, samples=told, storage=storage, study="replay")
    start = time.perf_counter()
    with Tracker(storage, "replay") as tracker:
        for candidate in tracker.candidates():
            searcher.tell(candidate.number, candidate.architecture, candidate.score)
    seconds = time.perf_counter() - start
    case = f"replay of {told} candidates at start, tpe, {space.name}"
    return Result("search", case, seconds, "s", _REPLAY, False, [seconds])


def _score(architecture: Architecture) -> float:
    return sum(choice for choice in architecture.values() if isinstance(choice, int)) / 1000
