"""Damaged files of every format: an error of one line or a load, never a crash, a hang or gigabytes of memory."""

import subprocess
import sys
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file
from tgsage.neural_data import as_teacher, load, save_recording
from tgsage.rsa import RSAError, Teacher

from ..layouts import SITES, Images, majaj_columns, shuffled, write_assembly, write_encoded, write_hvm, write_majaj
from ..tvsd_layout import write_tvsd
from .test_readers_npc_v4 import write_npc_v4
from .test_readers_nwb import write as write_nwb
from .test_readers_nwb import write_rasters
from .test_readers_triple_n import NAME as PROCESSED
from .test_readers_triple_n import write_processed
from .test_readers_triple_n_trials import write_good_unit, write_session

LOOP = """
import re, resource, sys
from pathlib import Path
from typing import Any
import h5py
import numpy as np
from tgsage.neural_data import images, load, load_rdms
from tgsage.rsa import RDM, RSAError, Teacher

readers = {".h5": load, ".nc": load, ".npy": load, ".npz": load, ".mat": load_rdms, ".zip": images,
           ".teacher": Teacher.load, ".rdm": RDM.load}
if "recordings" in sys.argv[1]:
    readers[".mat"] = load
if "people" in sys.argv[1]:
    import torch
    from tgsage.rsa import read_layers
    from tgsage.rsa.networks.weights import load_weights

    def weights(path: Path) -> None:
        load_weights(torch.nn.Linear(4, 3), path)

    readers |= dict.fromkeys((".nwb", ".csv", ".parquet", ".xlsx", ".xls", ".mat"), load)
    readers |= {".npz": read_layers, ".hdf5": read_layers, ".pt": weights, ".safetensors": weights}
sources = [Path(name) for name in sys.argv[3:]]
for source in sources:
    readers[source.suffix](source)
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**31, used + 2**31))
for source in sources:
    content = source.read_bytes()
    marks = [place.start() for place in re.finditer(rb"\\x19\\x01\\x01|GCOL|TREE|HEAP|OHDR|PK", content)] or [0]
    for seed in range(*map(int, sys.argv[2].split(":"))):
        rng = np.random.default_rng(seed)
        damaged = bytearray(content)
        start, length = [(0, len(content)), (0, 300), (rng.choice(marks), 24)][seed % 3]
        for place in rng.integers(start, min(start + length, len(content)), 4):
            damaged[place] = rng.integers(256)
        if seed % 10 == 9:
            del damaged[rng.integers(len(content)):]
        target = Path(sys.argv[1], "damaged" + source.suffix)
        target.write_bytes(damaged)
        print(source.name, seed, end=" ", flush=True)
        try:
            readers[source.suffix](target)
            print("loaded", flush=True)
        except RSAError as error:
            print("many lines" if "\\n" in str(error) else "refused", flush=True)
"""


def outcomes(folder: Path, sources: list[Path], n: int, first: int = 0) -> dict[str, Counter[str]]:
    """Name -> how often each outcome occurred over n damages of each file, the first of them with this seed."""
    command = [sys.executable, "-c", LOOP, str(folder), f"{first}:{first + n}", *map(str, sources)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [line.split(maxsplit=2) for line in done.stdout.splitlines()]
    assert done.returncode == 0, f"{lines[-1:]}: {done.returncode} {done.stderr[-2000:]}"
    found: dict[str, Counter[str]] = {}
    for name, _, outcome in lines:
        found.setdefault(name, Counter())[outcome] += 1
    assert all(sum(counts.values()) == n for counts in found.values())
    return found


@pytest.fixture
def hdf5_files(tmp_path: Path) -> list[Path]:
    """An assembly of BrainIO, ours, one of xarray's with encodings, the course file, a teacher and an RDM."""
    order = shuffled(Images(), 2)
    write_majaj(tmp_path / "majaj.nc", Images(), order)
    one = load(tmp_path / "majaj.nc")
    save_recording(one, tmp_path / "own.nc")
    write_encoded(one, tmp_path / "encoded.nc")
    write_hvm(tmp_path / "course.h5")
    sites = np.flatnonzero(one["region"].values == "IT")
    teacher = as_teacher(one.isel(neuroid=sites), by="object_name", level="region", splits=2)
    teacher.save(tmp_path / "two.teacher")
    teacher.rdms["IT"].save(tmp_path / "it.rdm")
    return [tmp_path / name for name in ("majaj.nc", "own.nc", "encoded.nc", "course.h5", "two.teacher", "it.rdm")]


def test_damaged_hdf5_ends_in_one_line_or_none(hdf5_files: list[Path], tmp_path: Path) -> None:
    found = outcomes(tmp_path, hdf5_files, 60)
    assert sum(found.values(), Counter()).keys() == {"loaded", "refused"}


def test_damage_of_matlab_files_ends_in_one_line_or_none(tmp_path: Path) -> None:
    written = write_tvsd(tmp_path / "recordings" / "monkeyN", concepts=2, each=2, test=3, repeats=3)
    write_processed(written.path.with_name(PROCESSED))
    found = outcomes(written.path.parent, [written.path, written.path.with_name(PROCESSED)], 40)
    assert sum(found.values(), Counter()).keys() == {"loaded", "refused"}


@pytest.mark.slow
def test_much_damaged_hdf5_ends_in_one_line_or_none(hdf5_files: list[Path], tmp_path: Path) -> None:
    found = outcomes(tmp_path, hdf5_files, 240, first=60)  # the first 60 are those of the test above
    assert sum(found.values(), Counter()).keys() == {"loaded", "refused"}


@pytest.fixture
def people(tmp_path: Path) -> list[Path]:
    """Sessions of Triple-N and NWB, tables, features of two kinds, and weights of two kinds."""
    folder, rng = tmp_path / "people", np.random.default_rng(0)
    folder.mkdir()
    session = write_session(folder)
    info = session.with_name(f"{session.stem}_info.mat")
    info.with_name("damaged_info.mat").write_bytes(info.read_bytes())
    frame = pd.DataFrame(rng.normal(size=(8, 5)), columns=[f"unit{i}" for i in range(5)])
    frame.insert(0, "stimulus_id", [f"im{i}" for i in range(8)])
    frame.to_csv(folder / "a.csv", index=False)
    frame.to_parquet(folder / "a.parquet")
    frame.to_excel(folder / "a.xlsx", index=False)
    names, layers = frame["stimulus_id"].to_numpy(str), {"fc": rng.normal(size=(8, 7)), "conv": rng.normal(size=(8, 9))}
    np.savez(folder / "features.npz", labels=names, **layers)  # type: ignore[arg-type]
    with h5py.File(folder / "features.hdf5", "w") as file:
        file["labels"] = names.tolist()
        for name, values in layers.items():
            file[name] = values
    state = torch.nn.Linear(4, 3).state_dict()
    torch.save({"state_dict": state}, folder / "a.pt")
    save_file(state, folder / "a.safetensors")
    kinds = ("a.csv", "a.parquet", "a.xlsx", "features.npz", "features.hdf5", "a.pt", "a.safetensors")
    write_npc_v4(folder / "npc_v4_data.h5")
    made = [session, write_good_unit(folder), write_rasters(folder / "r.nwb"), write_nwb(folder / "s.nwb")]
    made += [folder / "npc_v4_data.h5"]
    return [*made, *(folder / name for name in kinds)]


@pytest.mark.filterwarnings("ignore")  # of pynwb
def test_damage_of_what_laboratories_have_ends_in_one_line_or_none(people: list[Path]) -> None:
    found = outcomes(people[0].parent, people, 18)
    assert sum(found.values(), Counter()).keys() == {"loaded", "refused"}


def test_damage_of_other_formats_ends_in_one_line_or_none(data_dir: Path, tmp_path: Path) -> None:
    names = ("cowley_v4/responses_190923.npy", "zd_it/zd_it.npz", "kriegeskorte92/92_brainRDMs.mat")
    found = outcomes(tmp_path, [data_dir / name for name in (*names, "cowley_v4/images_210325.zip")], 40)
    assert sum(found.values(), Counter()).keys() == {"loaded", "refused"}


def test_a_text_that_libhdf5_crashes_over_is_refused(hdf5_files: list[Path]) -> None:
    path = hdf5_files[4]
    content = path.read_bytes()
    place = content.index(b"\x19\x01\x01\0", content.index(b"ceilings\0"))  # of variable length, a text
    path.write_bytes(content[: place + 1] + b"\x5d" + content[place + 2 :])
    with pytest.raises(RSAError, match=r"two.teacher cannot be read: libhdf5 crashes over its bytes"):
        Teacher.load(path)


def deflated_zeros(megabytes: int) -> bytes:
    """A zlib stream of this many million zeros, in a thousandth of them."""
    packer = zlib.compressobj(9)
    block = packer.compress(bytes(10**6)) + packer.flush(zlib.Z_FULL_FLUSH)
    again = packer.compress(bytes(10**6)) + packer.flush(zlib.Z_FULL_FLUSH)
    return block + again * (megabytes - 1) + packer.flush()


def test_a_chunk_that_inflates_to_gigabytes_is_refused(tmp_path: Path) -> None:
    order = shuffled(Images(), 2)
    responses = np.zeros((len(SITES), len(order), 1), np.float32)
    storage: dict[str, Any] = {"chunks": responses.shape, "compression": "gzip"}
    path = write_assembly(tmp_path / "bomb.nc", responses, majaj_columns(Images(), order), **storage)
    load(path)
    with h5py.File(path, "a") as file:
        file["dicarlo.MajajHong2015.public"].id.write_direct_chunk((0, 0, 0), deflated_zeros(3000))
    with pytest.raises(RSAError, match=r"bomb.nc cannot be read: "):
        load(path)


def test_compressed_texts_that_claim_gigabytes_are_refused(tmp_path: Path) -> None:
    """Texts of variable length are 16 bytes each, a length first; here within a chunk that is packed."""
    order = shuffled(Images(), 2)
    write_majaj(tmp_path / "a.nc", Images(), order)
    with h5py.File(tmp_path / "a.nc", "a") as file:
        del file["animal"]
        text = h5py.string_dtype()
        file.create_dataset("animal", data=["Chabo"] * len(SITES), dtype=text, chunks=(len(SITES),), compression="gzip")
        file["animal"].dims[0].attach_scale(file["neuroid"])
    load(tmp_path / "a.nc")
    with h5py.File(tmp_path / "a.nc", "a") as file:
        _, packed = file["animal"].id.read_direct_chunk((0,))
        texts = bytearray(zlib.decompress(packed))
        texts[16:20] = b"\xff\xff\xff\xf0"
        file["animal"].id.write_direct_chunk((0,), zlib.compress(texts))
    with pytest.raises(RSAError, match=r"a.nc cannot be read: "):
        load(tmp_path / "a.nc")
