"""Time and memory from files of the size of TVSD to the RDMs of V1, V4 and IT by concept, and to a network's score.

The published layout (22,248 images of 1,854 concepts, 1,024 electrodes, names as cells of MATLAB 7.3) is simulated, and
read in a process of its own: this module, run with the file, or with the words of a `tgsage` command.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...rsa.types import Array
from .environment import peak_memory
from .timing import Result

if TYPE_CHECKING:
    import h5py

_SITES = 1024
_WIDTHS = {"early": 8192, "middle": 4096, "late": 2048}  # features of the network's layers
_PEAK = "peak GB: "


def tvsd(quick: bool) -> Iterator[Result]:
    """From disk to three RDMs by concept; and the command that scores a network's layers by every image."""
    found = build_rdms(concepts=60) if quick else build_rdms()
    case = "TVSD-sized file to three RDMs by concept"
    yield Result("tvsd", f"{case}, time", found["seconds"], "s", 30)
    yield Result("tvsd", f"{case}, time of a core", found["CPU seconds"], "s", 15)
    yield Result("tvsd", f"{case}, memory", found["peak GB"], "GB", 2)
    scored = score_images(60, dict.fromkeys(_WIDTHS, 128)) if quick else score_images()
    case = f"TVSD-sized file against layers of {', '.join(map(str, _WIDTHS.values()))} features, by image"
    yield Result("tvsd", f"{case}, time of a core", scored["CPU seconds"], "s")
    yield Result("tvsd", f"{case}, memory", scored["peak GB"], "GB", 4)


def build_rdms(*, concepts: int = 1854) -> dict[str, float]:
    """Measure seconds and peak resident GB of a process that loads such a file and makes its RDMs.

    `seconds` starts before the package is imported; compiled kernels come from the cache. `CPU seconds` are those of
    all its threads and of the processes that it starts, whatever else the machine does.
    """
    import resource

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "monkeyN" / "THINGS_normMUA.mat"
        write_tvsd(path, concepts)
        command = [sys.executable, "-m", "tgsage.benchmarks.speed.recordings", str(path)]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    result: dict[str, float] = json.loads(done.stdout)
    return result | {"CPU seconds": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime}


def score_images(concepts: int = 1854, widths: Mapping[str, int] = _WIDTHS) -> dict[str, float]:
    """Measure the command that scores features against a recording image by image, with intervals.

    The features lie in one HDF5 file, a data set per layer. `CPU seconds` as in `build_rdms`; "tg" is the score.
    """
    import resource

    with tempfile.TemporaryDirectory() as folder:
        write_tvsd(Path(folder) / "tvsd" / "monkeyN" / "THINGS_normMUA.mat", concepts)
        features, out = Path(folder) / "network.h5", Path(folder) / "score.json"
        write_features(features, concepts, widths)
        words = ["score", features, "--teacher", "tvsd/monkeyN/train", "--similarity", "rsa-pearson"]
        words += ["--data-dir", folder, "--json", out]
        command = [sys.executable, "-m", __name__, *map(str, words)]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        tg = json.loads(out.read_text())["tg"]
    peak = next(line for line in done.stdout.splitlines() if line.startswith(_PEAK))
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"peak GB": float(peak.removeprefix(_PEAK)), "CPU seconds": seconds, "tg": tg}


def write_features(path: Path, concepts: int, widths: Mapping[str, int]) -> None:
    """Write features of the images of `write_tvsd`: what those of a concept share, and noise, by random weights."""
    import h5py

    rng = np.random.default_rng(2)
    signal = np.repeat(_signal(concepts, 0), 12, axis=0)
    with h5py.File(path, "w") as file:
        file["stimulus_id"] = [f"concept{i:04d}_{j:02d}b" for i in range(concepts) for j in range(12)]
        for layer, width in widths.items():
            weights = rng.standard_normal((_SITES, width), np.float32)
            values = file.create_dataset(layer, (len(signal), width), np.float32)
            for start in range(0, len(signal), 1000):
                own = signal[start : start + 1000]
                values[start : start + 1000] = (own + rng.standard_normal(own.shape, np.float32)) @ weights


def _signal(concepts: int, seed: int) -> Array:
    """What the electrodes respond to every concept, without noise."""
    return np.random.default_rng(seed).normal(size=(concepts, _SITES)).astype(np.float32)


def write_tvsd(path: Path, concepts: int, seed: int = 0) -> None:
    """Write responses to 12 images per concept and, 30 times each, to 100 others, with the names of the images."""
    import h5py

    rng = np.random.default_rng(seed + 1)
    images = {
        "train": [(f"concept{i:04d}", f"concept{i:04d}_{j:02d}b") for i in range(concepts) for j in range(12)],
        "test": [(f"concept{i:04d}", f"concept{i:04d}_90b") for i in range(100)],
    }
    (path.parent / "_logs").mkdir(parents=True)
    with h5py.File(path.parent / "_logs" / "things_imgs.mat", "w", userblock_size=512) as file:
        refs = file.create_group("#refs#")
        for part, named in images.items():
            paths = [f"object_images\\{concept}\\{name}.jpg" for concept, name in named]
            local = [f"{part}\\{i:05d}.bmp" for i in range(len(named))]
            fields = {"class": [concept for concept, _ in named], "things_path": paths, "local_path": local}
            for field, texts in fields.items():
                cells = file.create_dataset(f"{part}_imgs/{field}", (len(texts), 1), h5py.ref_dtype)
                cells[:, 0] = [_cell(refs, f"{part}{field}{i}", text) for i, text in enumerate(texts)]
    signal = _signal(concepts, seed)
    with h5py.File(path, "w", userblock_size=512) as file:
        train = np.repeat(signal, 12, axis=0) + rng.standard_normal((12 * concepts, _SITES), np.float32)
        file.create_dataset("train_MUA", data=train, chunks=True, compression="gzip", compression_opts=1)
        file["test_MUA_reps"] = rng.standard_normal((30, 100, _SITES), np.float32)
        file["reliab"] = rng.uniform(0, 1, (435, _SITES)).astype(np.float32)
    for name in (path, path.parent / "_logs" / "things_imgs.mat"):
        with name.open("r+b") as raw:
            raw.write(b"MATLAB 7.3 MAT-file".ljust(126) + b"\0\2IM")


def _cell(refs: "h5py.Group", name: str, text: str) -> object:
    item = refs.create_dataset(name, data=np.frombuffer(text.encode("utf-16-le"), "<u2")[:, None])
    item.attrs["MATLAB_class"] = np.bytes_("char")
    return item.ref


def _build(path: str) -> None:
    start = time.perf_counter()
    from ...neural_data import load, region_rdms

    recording = load(path, part="train")
    loaded = time.perf_counter() - start
    rdms = region_rdms(recording, by="object_name")
    seconds = time.perf_counter() - start
    concepts = {f"concepts of {region}": len(rdm) for region, rdm in rdms.items()}
    print(json.dumps({"seconds": seconds, "seconds to load": loaded, "peak GB": peak_memory() / 1e9, **concepts}))


def _run(words: Sequence[str]) -> None:
    """Run a `tgsage` command and print what it held at most."""
    from ...rsa.cli.app import build

    build()(words, standalone_mode=False)
    print(f"{_PEAK}{peak_memory() / 1e9}")


if __name__ == "__main__":
    _run(sys.argv[1:]) if sys.argv[2:] else _build(sys.argv[1])
