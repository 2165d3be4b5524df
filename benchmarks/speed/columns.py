"""Time and memory of targets by a column, at the size of Triple-N: 47,503 units of 90 sessions, 1,000 images.

A simulated file of means is scored in a process of its own: this module, run with the file and the number of stimuli.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from .environment import peak_memory
from .timing import Result

_SESSIONS, _DRAWS = 90, 100


def columns(quick: bool) -> Iterator[Result]:
    """From disk to the similarities of two layers to an RDM of every session, with intervals."""
    found = score_sessions(units=1800, stimuli=60) if quick else score_sessions()
    case = "47,503 units of 90 sessions, 1,000 images, scored by session"
    yield Result("columns", f"{case}, time of a core", found["CPU seconds"], "s", 60)
    yield Result("columns", f"{case}, memory", found["peak GB"], "GB", 2)


def score_sessions(*, units: int = 47_503, stimuli: int = 1000) -> dict[str, float]:
    """Measure CPU seconds (of all threads) and peak resident GB of a process that scores such a file by session."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "units.nc"
        write_units(path, units, stimuli)
        command = [sys.executable, "-m", "tgsage.benchmarks.speed.columns", str(path), str(stimuli)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    found: dict[str, float] = json.loads(done.stdout)
    return found


def write_units(path: Path, units: int, stimuli: int, seed: int = 0) -> None:
    """Write noisy simulated means, each stimulus once, with a column that names the sessions of the units."""
    from ...neural_data import from_arrays, save_recording

    rng = np.random.default_rng(seed)
    rates = rng.standard_normal((stimuli, 12), np.float32) @ rng.standard_normal((12, units), np.float32)
    rates += 10 * rng.standard_normal((stimuli, units), np.float32)
    session = {"session": np.sort(np.arange(units) % _SESSIONS)}
    names = [f"nsd_{i:05d}" for i in range(stimuli)]
    save_recording(from_arrays(rates, stimulus_id=names, region="IT", neuroid=session), path)


def _score(path: str, stimuli: int) -> None:
    import resource

    from ...neural_data import load, score

    rng = np.random.default_rng(1)
    layers = {name: rng.standard_normal((stimuli, 200), np.float32) for name in ("one", "two")}
    names = [f"nsd_{i:05d}" for i in range(stimuli)]
    found = score(layers, load(path), labels=names, level="session", bootstrap=_DRAWS)
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    seconds = sum(one.ru_utime + one.ru_stime for one in used)
    facts = {"CPU seconds": seconds, "peak GB": peak_memory() / 1e9, "targets": found.table.sizes["target"]}
    print(json.dumps(facts))


if __name__ == "__main__":
    _score(sys.argv[1], int(sys.argv[2]))
