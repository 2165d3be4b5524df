"""Time and memory from a file of the size of MajajHong2015 to the RDMs of V4, pIT and aIT with split-half ceilings.

A simulated file of the published layout (148,480 presentations of 3,200 images, 256 neuroids, one time bin) is loaded
and made a teacher in a process of its own: this module, run with the file and the number of splits.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from .environment import peak_memory
from .timing import Result

_REGIONS = {"V4": 88, "pIT": 84, "aIT": 84}


def ceilings(quick: bool) -> Iterator[Result]:
    """From disk to a teacher with 100 split halves."""
    found = build_teacher(stimuli=320, presentations=4000, splits=10) if quick else build_teacher()
    case = "MajajHong2015-sized file to three RDMs with ceilings"
    yield Result("ceilings", f"{case}, time", found["seconds"], "s", 20)
    yield Result("ceilings", f"{case}, memory", found["peak GB"], "GB", 1.5)


def build_teacher(*, stimuli: int = 3200, presentations: int = 148_480, splits: int = 100) -> dict[str, float]:
    """Measure seconds and peak resident GB of a process that loads such a file and builds its teacher.

    `seconds` starts before the package is imported; compiled kernels come from the cache.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "assembly.nc"
        write_assembly(path, stimuli, presentations)
        command = [sys.executable, "-m", "tgsage.benchmarks.speed.ceilings", str(path), str(splits)]
        subprocess.run([*command[:-1], "2"], check=True, capture_output=True)  # noqa: S603 - compiles
        done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    result: dict[str, float] = json.loads(done.stdout)
    return result


def write_assembly(path: Path, stimuli: int, presentations: int, seed: int = 0, *, bins: int = 1) -> None:
    """Write noisy simulated responses as a netCDF4 file with the dims, dtypes and columns of MajajHong2015.

    With several time bins these are 10 ms long from 0 on, and responses begin after a quarter of them.
    """
    import h5py

    rng = np.random.default_rng(seed)
    order = rng.permutation(np.arange(presentations) % stimuli)
    counts = np.bincount(order)
    repetition = np.argsort(np.argsort(order, kind="stable")) - (np.cumsum(counts) - counts)[order]
    sites = sum(_REGIONS.values())
    signal = rng.normal(size=(stimuli, 12)) @ rng.normal(size=(12, sites))
    region = np.repeat(list(_REGIONS), list(_REGIONS.values()))
    with h5py.File(path, "w") as file:
        for dim, size in {"neuroid": sites, "presentation": presentations, "time_bin": bins}.items():
            scale = file.create_dataset(dim, (size,), ">f4")
            scale.make_scale(f"This is a netCDF dimension but not a netCDF variable.{size:>10d}")
        shape = (sites, presentations, bins)
        shown = np.ones(1) if bins == 1 else (np.arange(bins) >= bins // 4).astype(np.float64)
        data = file.create_dataset("dicarlo.MajajHong2015.public", shape, "<f4")
        for j in range(sites):
            noise = rng.standard_normal((presentations, bins), np.float32) * 10
            data[j] = signal[order, j, None] * shown + noise
        columns = {
            "presentation": {
                "image_id": np.array([f"{i:040x}" for i in range(stimuli)], object)[order],
                "repetition": repetition,
                "object_name": np.array([f"object{i % 64}" for i in range(stimuli)], object)[order],
                "category_name": np.array([f"category{i % 8}" for i in range(stimuli)], object)[order],
                "background_id": np.array([f"{i:032x}" for i in range(stimuli)], object)[order],
                "variation": np.arange(stimuli)[order] % 2 * 3,
                **{name: rng.normal(size=stimuli)[order] for name in ("size", "ty", "tz", "rxy", "ryz", "rxz")},
            },
            "neuroid": {
                "neuroid_id": np.array([f"Chabo_L_M_{i // 10}_{i % 10}" for i in range(sites)], object),
                "region": np.where(region == "V4", "V4", "IT").astype(object),
                "subregion": region.astype(object),
                "animal": np.array([("Chabo", "Tito")[i % 2] for i in range(sites)], object),
            },
            "time_bin": {
                "time_bin_start": np.array([70]) if bins == 1 else 10 * np.arange(bins),
                "time_bin_end": np.array([170]) if bins == 1 else 10 * np.arange(bins) + 10,
            },
        }
        for dim, named in columns.items():
            for name, values in named.items():
                kind = h5py.string_dtype() if values.dtype == object else None
                file.create_dataset(name, data=values, dtype=kind).dims[0].attach_scale(file[dim])
        for i, dim in enumerate(("neuroid", "presentation", "time_bin")):
            data.dims[i].attach_scale(file[dim])
        data.attrs["coordinates"] = " ".join(name for named in columns.values() for name in named)


def _build(path: str, splits: int) -> None:
    start = time.perf_counter()
    from ...neural_data import as_teacher, load

    recording = load(path)
    loaded = time.perf_counter()
    teacher = as_teacher(recording, splits=splits)
    seconds, built = loaded - start, time.perf_counter() - start
    ceilings = {f"ceiling {target}": high for target, (_, high) in teacher.ceilings.items()}
    print(json.dumps({"seconds": built, "seconds to load": seconds, "peak GB": peak_memory() / 1e9, **ceilings}))


if __name__ == "__main__":
    _build(sys.argv[1], int(sys.argv[2]))
