"""Time of `tgsage score` from the start of its process to the table: a first run, and a second one with kept layers.

640 images, 8 presentations of each to 50 neuroids, and 16 layers of a torchvision network without training.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from ...neural_data import from_arrays, save_recording
from .timing import Result

_MODEL, _LAYERS = "torchvision:mobilenet_v3_large@untrained", "features.?,features.1[0-5]"
_NEUROIDS, _REPEATS, _PIXELS = 50, 8, 64
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
_PROGRAM = "from tgsage.rsa.cli.app import run; run()"


def score(quick: bool) -> Iterator[Result]:
    """Similarities, ceilings of 100 split halves and 1000 resamples, on one thread: others wait for it by spinning."""
    n, draws = (24, 20) if quick else (640, 1000)
    first, second = score_twice(n, draws)
    case = f"tgsage score, {n} images x 16 layers x {draws} resamples"
    yield Result("score", f"{case}, first run, time of a core", first, "s", None, False, [first])
    yield Result("score", f"{case}, second run, time of a core", second, "s", 5, False, [second])


def score_twice(n: int, draws: int) -> tuple[float, float]:
    """CPU seconds of two runs of one command, whose layers and split halves the second finds; compiled beforehand."""
    import resource

    with tempfile.TemporaryDirectory() as folder:
        images, file = Path(folder) / "images", Path(folder) / "recording.nc"
        write_recording(file, images, n)
        command = [sys.executable, "-c", _PROGRAM, "score", _MODEL, "--layers", _LAYERS, "--teacher", str(file)]
        command += ["--stimuli", str(images), "--bootstrap", str(draws)]
        spent = []
        for cache in ("compiling", "kept", "kept"):
            kept = {"TGSAGE_CACHE": str(Path(folder) / cache), "TGSAGE_CACHE_GB": "1"}
            environment = {**os.environ, **kept, **dict.fromkeys(_THREADS, "1")}
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run(command, check=True, capture_output=True, env=environment)  # noqa: S603
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return spent[1], spent[2]


def write_recording(file: Path, folder: Path, n: int) -> None:
    """Write n images of noise, and responses to them."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    names = [f"image{i}" for i in range(n)]
    for name in names:
        Image.fromarray(rng.integers(0, 256, (_PIXELS, _PIXELS, 3), np.uint8)).save(folder / f"{name}.png")
    rates = rng.normal(size=(n, 1, _NEUROIDS)) + rng.normal(size=(n, _REPEATS, _NEUROIDS))
    shown = np.repeat(names, _REPEATS)
    save_recording(from_arrays(rates.reshape(-1, _NEUROIDS), stimulus_id=shown, region="V4"), file)
