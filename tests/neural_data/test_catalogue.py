"""Names, folders, and readers chosen by content."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tgsage.neural_data import images, list_datasets, load, load_rdms
from tgsage.neural_data.catalogue import data_folder
from tgsage.rsa import RSAError

from .layouts import Images, shuffled, write_majaj


def test_names_are_unique_and_every_entry_says_whose_the_data_are() -> None:
    names = [dataset.name for dataset in list_datasets()]
    assert len(set(names)) == len(names)
    assert {
        "cowley2023/190923",
        "kriegeskorte2008",
        "zhangdesimone",
        "majajhong2015",
        "freemanziemba2013",
        "simulated",
    } <= set(names)
    for dataset in list_datasets():
        assert dataset.kind in ("recording", "rdms", "simulation")
        assert all((dataset.title, dataset.source, dataset.licence, dataset.citation))
        assert all(file.url.startswith("https://") or not file.url for file in dataset.files)
        assert all(file.checksum.split(":")[0] in ("sha256", "sha1", "") for file in dataset.files)


def test_sizes_and_checksums_are_those_of_the_published_files(data_dir: Path) -> None:
    files = {file for dataset in list_datasets() for file in dataset.files if (data_dir / file.path).is_file()}
    assert len(files) == 8
    for file in files:
        content = (data_dir / file.path).read_bytes()
        assert len(content) == file.size
        assert f"sha256:{hashlib.sha256(content).hexdigest()}" == file.checksum


def test_the_folder_is_the_argument_then_the_environment_then_a_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TGSAGE_DATA", str(tmp_path / "environment"))
    assert data_folder(tmp_path / "argument") == tmp_path / "argument"
    assert data_folder() == tmp_path / "environment"
    monkeypatch.delenv("TGSAGE_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert data_folder() == tmp_path / "cache" / "tgsage"


def test_a_name_gives_the_recording_its_defaults(tmp_path: Path) -> None:
    write_majaj(tmp_path / "assy_dicarlo_MajajHong2015_public.nc", Images(), shuffled(Images(), 2))
    one = load("majajhong2015", data_dir=tmp_path)
    assert one.attrs == {"identifier": "majajhong2015", "degrees": 8.0, "window_start": 70.0, "window_end": 170.0}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cowley2023/190924", "neither a file nor a data set of the catalogue; did you mean cowley2023/190923"),
        ("majajhong2015", "MajajHong2015_public.nc is missing; `tgsage data fetch majajhong2015` downloads it"),
        ("majajhong2015/private", "is missing; it comes from https://github.com/brain-score/vision"),
        ("kriegeskorte2008", "published as RDMs, without responses; load_rdms or load_teacher reads it"),
    ],
)
def test_what_cannot_be_loaded_is_named_with_what_would_help(name: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(RSAError, match=message) as caught:
        load(name, data_dir=tmp_path)
    assert "\n" not in str(caught.value)


def test_a_recording_has_no_published_rdms(tmp_path: Path) -> None:
    with pytest.raises(RSAError, match=r"region_rdms\(load\('zhangdesimone'\)\) makes its RDMs"):
        load_rdms("zhangdesimone", data_dir=tmp_path)
    np.save(tmp_path / "x.npy", np.zeros((2, 2)))
    with pytest.raises(RSAError, match="is no MATLAB file of RDMs"):
        load_rdms(tmp_path / "x.npy")


@pytest.mark.parametrize(
    "name",
    [
        "cowley_v4/responses_190923.npy",
        "zd_it/zd_it.npz",
        "kriegeskorte92/92_brainRDMs.mat",
        "cowley_v4/images_210325.zip",
    ],
)
def test_damage_anywhere_is_an_error_of_one_line_or_none(name: str, data_dir: Path, tmp_path: Path) -> None:
    content = (data_dir / name).read_bytes()
    reader = {".zip": images, ".mat": load_rdms}.get(Path(name).suffix, load)
    rng = np.random.default_rng(0)
    for i in range(40):
        damaged = bytearray(content)
        for place in rng.integers(0, len(content) if i % 2 else 300, 4):
            damaged[place] = rng.integers(256)
        (tmp_path / "damaged").write_bytes(damaged)
        assert "\n" not in _error(reader, tmp_path / "damaged")


def _error(reader: Callable[[Path], object], path: Path) -> str:
    try:
        reader(path)
    except RSAError as error:
        return str(error)
    return ""


def test_files_of_no_known_content_are_named(tmp_path: Path) -> None:
    (tmp_path / "x.nc").write_bytes(b"CDF\x01" + bytes(100))
    for path in (tmp_path / "x.nc", tmp_path):
        with pytest.raises(RSAError, match="is no recording: neither netCDF4 or HDF5 nor a numpy file"):
            load(path)
    (tmp_path / "y.nc").write_bytes(b"PK\x03\x04 and nothing else")
    with pytest.raises(RSAError, match="cannot be read as a zip archive"):
        load(tmp_path / "y.nc")
