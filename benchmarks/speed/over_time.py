"""Memory and time from a file of the size of MajajHong2015's temporal assembly to a score over time.

A simulated file of the published layout (148,480 presentations of 3,200 images, 256 neuroids, 20 time bins, float32: 3
GB) is scored in a process of its own: this module, run with the file and what is asked of it.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from .ceilings import write_assembly
from .environment import peak_memory
from .timing import Result

_SPLITS, _DRAWS, _PERMUTATIONS = 4, 100, 20  # enough to need all the memory that more of them need


def time(quick: bool) -> Iterator[Result]:
    """From disk to similarities, reliability, intervals and clusters in every bin."""
    found = score_file(stimuli=100, presentations=1200, bins=4) if quick else score_file()
    case = "MajajHong2015-sized temporal file scored over time"
    yield Result("time", f"{case}, memory", found["peak GB"], "GB", 2)
    yield Result("time", f"{case}, per time bin, time of a core", found["CPU seconds"] / found["windows"], "s")


def score_file(*, stimuli: int = 3200, presentations: int = 148_480, bins: int = 20) -> dict[str, float]:
    """Measure CPU seconds (of all threads) and peak resident GB of a process that scores two layers against such a
    file over time."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "assembly.nc"
        write_assembly(path, stimuli, presentations, bins=bins)
        command = [sys.executable, "-m", "tgsage.benchmarks.speed.over_time", str(path), str(stimuli)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    result: dict[str, float] = json.loads(done.stdout)
    return result


def _score(path: str, stimuli: int) -> None:
    import resource

    from ...neural_data import load, score_over_time

    rng = np.random.default_rng(0)
    names = [f"{i:040x}" for i in range(stimuli)]
    layers = {name: rng.standard_normal((stimuli, 200), np.float32) for name in ("one", "two")}
    score = score_over_time(
        layers, load(path), labels=names, splits=_SPLITS, bootstrap=_DRAWS, permutations=_PERMUTATIONS
    )
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    seconds = sum(one.ru_utime + one.ru_stime for one in used)
    facts = {"windows": score.table.sizes["time"], "highest reliability": float(score.table["reliability"].max())}
    print(json.dumps({"CPU seconds": seconds, "peak GB": peak_memory() / 1e9, **facts}))


if __name__ == "__main__":
    _score(sys.argv[1], int(sys.argv[2]))
