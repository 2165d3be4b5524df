"""Files in the exact layout of TVSD, as MATLAB 7.3 writes them, made with plain h5py."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import scipy.io
from tgsage.rsa.types import Array

SITES = 1024
REGIONS = {"monkeyN": ["V1"] * 512 + ["V4"] * 256 + ["IT"] * 256, "monkeyF": ["V1"] * 512 + ["IT"] * 320 + ["V4"] * 192}


@dataclass(frozen=True)
class Written:
    """Where the file is, its arrays as written, and the file names and concepts of train and test images."""

    path: Path
    arrays: dict[str, Array]
    ids: dict[str, list[str]]
    concepts: dict[str, list[str]]


def write_cells(file: h5py.File, name: str, texts: Sequence[str]) -> None:
    """A column of references to texts of 16 bits per character, each a column itself."""
    refs = file.require_group("#refs#")
    data = file.create_dataset(name, (len(texts), 1), h5py.ref_dtype)
    made = []
    for i, text in enumerate(texts):
        item = refs.create_dataset(
            f"{name.replace('/', '_')}{i}", data=np.frombuffer(text.encode("utf-16-le"), "<u2")[:, None]
        )
        item.attrs["MATLAB_class"] = np.bytes_("char")
        made.append(item.ref)
    data[:, 0] = made


def names(concepts: int, each: int, first: int = 1) -> tuple[list[str], list[str]]:
    """(file name without suffix, concept) of the images, concept by concept."""
    of = [f"concept{i:04d}" for i in range(concepts) for _ in range(each)]
    return [f"{concept}_{first + i % each:02d}b" for i, concept in enumerate(of)], of


def write_images(folder: Path, parts: dict[str, tuple[list[str], list[str]]]) -> None:
    """`_logs/things_imgs.mat`."""
    (folder / "_logs").mkdir(parents=True)
    with h5py.File(folder / "_logs" / "things_imgs.mat", "w", userblock_size=512) as file:
        for part, (ids, concepts) in parts.items():
            paths = [f"object_images\\{concept}\\{name}.jpg" for name, concept in zip(ids, concepts, strict=True)]
            for field, texts in {
                "class": concepts,
                "things_path": paths,
                "local_path": [f"x\\{i}.bmp" for i in range(len(ids))],
            }.items():
                write_cells(file, f"{part}_imgs/{field}", texts)
    header(folder / "_logs" / "things_imgs.mat")


def header(path: Path) -> None:
    """The block of 512 bytes that MATLAB writes before HDF5."""
    with path.open("r+b") as file:
        file.write(
            b"MATLAB 7.3 MAT-file, Platform: GLNXA64, Created on: Mon Jan 01 00:00:00 2024 HDF5 schema 1.00 .".ljust(
                126
            )
            + b"\x00\x02IM"
        )


def write_tvsd(
    folder: Path, *, concepts: int = 6, each: int = 4, test: int = 5, repeats: int = 6, seed: int = 0, dtype: str = "f4"
) -> Written:
    """`THINGS_normMUA.mat` with its names of images; folder: ends in monkeyN or monkeyF."""
    rng = np.random.default_rng(seed)
    parts = {"train": names(concepts, each), "test": names(test, 1, 90)}
    write_images(folder, parts)
    n, signal = concepts * each, rng.normal(size=(test, SITES))
    reps = signal + rng.normal(0, 0.5, (repeats, test, SITES))
    pairs = [np.corrcoef(reps[i, :, :].ravel(), reps[j].ravel())[0, 1] for i in range(repeats) for j in range(i)]
    arrays: dict[str, Array] = {
        "train_MUA": rng.standard_normal((n, SITES), np.float32),
        "test_MUA": reps.mean(axis=0),
        "test_MUA_reps": reps,
        "reliab": np.array(pairs)[:, None] * np.linspace(0, 1, SITES),
        "oracle": rng.uniform(size=(SITES, 1)),
        "SNR_max": rng.uniform(1, 9, (SITES, 1)),
        "SNR": rng.uniform(1, 9, (4, SITES)),
        "lats": rng.uniform(30, 90, (4, SITES)),
        "tb": np.arange(-100.0, 200.0)[:, None],
    }
    arrays = {name: values.astype(dtype) for name, values in arrays.items()}
    path = folder / "THINGS_normMUA.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, values in arrays.items():
            file.create_dataset(name, data=values, chunks=True, compression="gzip", compression_opts=1)
    header(path)
    return Written(path, arrays, *({part: columns[i] for part, columns in parts.items()} for i in range(2)))


def write_trials(folder: Path, *, columns: int = 6, seed: int = 0) -> Written:
    """`THINGS_MUA_trials.mat`: 8 train images once and 3 test images 4 times, channels in another order."""
    rng = np.random.default_rng(seed)
    parts = {"train": names(4, 2), "test": names(3, 1, 90)}
    write_images(folder, parts)
    order = rng.permutation(20)
    train = np.concatenate([np.arange(1, 9), np.zeros(12, int)])[order]
    test = np.concatenate([np.zeros(8, int), np.tile([1, 2, 3], 4)])[order]
    allmat = np.zeros((columns, 20))
    allmat[0], allmat[1], allmat[2], allmat[-1] = np.arange(1, 21), train, test, np.repeat([1, 2], 10)
    arrays = {
        "ALLMUA": rng.normal(size=(300, 20, SITES)).astype("f4"),
        "ALLMAT": allmat,
        "tb": np.arange(-100.0, 200.0)[:, None],
    }
    with h5py.File(folder / "THINGS_MUA_trials.mat", "w", userblock_size=512) as file:
        for name, values in arrays.items():
            file.create_dataset(name, data=values, chunks=(20, 5, SITES) if name == "ALLMUA" else None)
    header(folder / "THINGS_MUA_trials.mat")
    mapping = rng.permutation(SITES) + 1
    scipy.io.savemat(folder / "_logs" / "1024chns_mapping_20220105.mat", {"mapping": mapping.astype(np.uint16)})
    arrays["mapping"] = mapping
    return Written(folder / "THINGS_MUA_trials.mat", arrays, *({p: c[i] for p, c in parts.items()} for i in range(2)))
