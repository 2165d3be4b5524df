"""A process that works at a search: STORAGE SAMPLES LOG SECONDS SEARCHER REPEATS."""

import importlib
import signal
import sys
from pathlib import Path

if __name__ == "__main__":
    from tgsage.plugins.searchers.searcher import get_searcher
    from tgsage.plugins.searching.explorer import search
    from tgsage.plugins.spaces.toy import ToySpace

    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a background shell ignores
    storage, samples, log, seconds, searcher, repeats = sys.argv[1:]
    sys.path.insert(0, str(Path(__file__).parent))
    toy = importlib.import_module("search_objectives").Toy(log, float(seconds))
    space = ToySpace()
    made = get_searcher(searcher)(space, seed=1)
    again = repeats == "True"
    search(space, made, toy, samples=int(samples), storage=storage, heartbeat=1.0, reuse=False, repeats=again)
