"""Names, folders, and readers chosen by content."""

from pathlib import Path

import numpy as np
import pytest
from tgsage.neural_data import list_datasets, load, load_rdms
from tgsage.neural_data.catalogue.lookup import data_folder
from tgsage.rsa import RDM, RSAError

from ...public import ROOT
from ..layouts import Images, shuffled, write_majaj


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
        "tvsd/monkeyN",
        "tvsd/monkeyF/train",
        "papale2025",
        "papale2025/train",
        "li2026",
        "li2026/temporal",
        "majajhong2015/temporal-10ms",
    } <= set(names)
    for dataset in list_datasets():
        assert dataset.kind in ("recording", "rdms", "simulation", "behavior")
        assert all((dataset.title, dataset.source, dataset.licence, dataset.citation))
        assert all(file.url.startswith("https://") or not file.url for file in dataset.files)
        assert all(file.checksum.split(":")[0] in ("sha256", "sha1", "") for file in dataset.files)


def test_the_page_has_every_data_set_with_its_licence_and_authors() -> None:
    rows = [row for row in (ROOT / "docs" / "recordings.md").read_text().splitlines() if row.startswith("| `")]
    for dataset in list_datasets():
        family, first = dataset.name.split("/")[0], dataset.authors.replace(",", " ").split()[0]
        known = first if dataset.kind != "simulation" else "this package"
        assert any(f"`{family}" in row and dataset.licence in row and known in row for row in rows), dataset.name
        assert dataset.authors[-4:].isdigit()


def test_files_of_brainscore_lie_where_its_registry_says() -> None:
    files = {dataset.name: dataset.files for dataset in list_datasets()}
    store = "https://brainscore-storage.s3.amazonaws.com/"
    assert [file.url for file in files["majajhong2015"]] == [
        f"{store}brainio-brainscore/{name}"
        for name in ("assy_dicarlo_MajajHong2015_public.nc", "stimulus_hvm-public.zip", "stimulus_hvm-public.csv")
    ]
    assembly = files["papale2025"][0]
    assert assembly.url == (
        f"{store}brainscore-vision/benchmarks/Papale2025/assy_THINGS_TVSD_test_Assembly.nc"
        "?versionId=XK0CVCAzfHNOrKgmNrLqFfwvs_gSWKb."
    )
    assert assembly.checksum == "sha1:685025f67e90006e775ac153e8e0007e35b62bbc"
    assert [len(file.checksum) for name in ("li2026", "li2026/temporal") for file in files[name]] == [45] * 6


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


def test_an_unknown_part_is_an_error_for_every_source(data_dir: Path, tmp_path: Path) -> None:
    for name in ("cowley2023/210325", "zhangdesimone", "simulated", data_dir / "cowley_v4" / "responses_190923.npy"):
        with pytest.raises(RSAError, match=r"parts, so n.*'trials'"):
            load(name, data_dir=data_dir, part="trials")


def test_files_that_hold_no_recording_say_what_they_are(tmp_path: Path) -> None:
    RDM([1.0], ["a", "b"]).save(tmp_path / "x.h5")
    with pytest.raises(RSAError, match=r"x.h5: it is a tgsage-rdm file, not a recording"):
        load(tmp_path / "x.h5")
    with pytest.raises(RSAError, match="'' is neither a file nor a data set"):
        load("")


def test_files_of_no_known_content_are_named(tmp_path: Path) -> None:
    (tmp_path / "x.nc").write_bytes(b"CSV\x01" + bytes(100))
    for path in (tmp_path / "x.nc", tmp_path):
        with pytest.raises(RSAError, match=r"is no recording: it is (of no kind|a folder)"):
            load(path)
    (tmp_path / "y.nc").write_bytes(b"PK\x03\x04 and nothing else")
    with pytest.raises(RSAError, match="cannot be read as a zip archive"):
        load(tmp_path / "y.nc")
