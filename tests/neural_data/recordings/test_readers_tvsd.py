"""TVSD: normalised responses and trials in time, from files of the published layout that plain h5py wrote."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import scipy.io
from PIL import Image
from tgsage.neural_data import as_teacher, describe, fetch, images, load, match_images, region_rdms, time_window
from tgsage.rsa import RSAError
from tgsage.rsa.types import Array

from ..tvsd_layout import REGIONS, SITES, Written, write_images, write_trials, write_tvsd


@pytest.fixture(scope="module", params=["monkeyN", "monkeyF"])
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Written:
    return write_tvsd(tmp_path_factory.mktemp("data") / "tvsd" / request.param)


def test_the_test_images_have_their_repeats_and_names(written: Written) -> None:
    one = load(written.path)
    monkey = written.path.parent.name
    assert one.sizes == {"presentation": 30, "neuroid": SITES}
    assert one["region"].values.tolist() == REGIONS[monkey]
    assert one["stimulus_id"].values.tolist() == np.repeat(written.ids["test"], 6).tolist()
    assert one["object_name"].values.tolist() == np.repeat(written.concepts["test"], 6).tolist()
    assert one["repetition"].values.tolist() == list(range(6)) * 5
    np.testing.assert_array_equal(one.values, written.arrays["test_MUA_reps"].transpose(1, 0, 2).reshape(30, SITES))
    np.testing.assert_allclose(
        one["reliability"].values, written.arrays["reliab"].astype(float).mean(axis=0), rtol=1e-6
    )
    np.testing.assert_array_equal(one["snr_max"].values, written.arrays["SNR_max"].ravel())
    assert one.attrs["identifier"] == f"tvsd/{monkey}"
    assert one.attrs["usual_filter"] == "reliability>.3"
    left = [int((one["reliability"].values[one["region"].values == name] > 0.3).sum()) for name in ("V1", "V4", "IT")]
    assert f"leaves V1 {left[0]}, V4 {left[1]}, IT {left[2]}, the published file V1" in one.attrs["note"]


def test_a_folder_and_a_name_of_the_catalogue_are_the_same_recording(written: Written) -> None:
    monkey, data_dir = written.path.parent.name, written.path.parent.parent.parent
    for source in (written.path.parent, f"tvsd/{monkey}"):
        np.testing.assert_array_equal(load(source, data_dir=data_dir).values, load(written.path).values)
    train = load(f"tvsd/{monkey}/train", data_dir=data_dir)
    np.testing.assert_array_equal(train.values, written.arrays["train_MUA"])
    assert train.attrs["identifier"] == f"tvsd/{monkey}/train"


def test_rdms_by_concept_equal_plain_numpy_and_have_no_ceiling(written: Written) -> None:
    train = load(written.path, part="train")
    rdms = region_rdms(train, by="object_name")
    means = written.arrays["train_MUA"].astype(float).reshape(6, 4, SITES).mean(axis=1)
    for region in ("V1", "V4", "IT"):
        sites = np.array(REGIONS[written.path.parent.name]) == region
        expected = 1 - np.corrcoef(means[:, sites])[np.triu_indices(6, 1)]
        np.testing.assert_allclose(rdms[region].values, expected, atol=1e-5)
    teacher = as_teacher(train, by="object_name", splits=4)
    assert not teacher.ceilings
    assert str(teacher.attrs["ceiling"]).startswith("none: ")


def test_test_images_have_ceilings(written: Written) -> None:
    teacher = as_teacher(load(written.path), splits=4)
    assert set(teacher.ceilings) == {"V1", "V4", "IT"}
    assert all(0.5 < low <= 1 for low, _ in teacher.ceilings.values())
    found = describe(written.path, splits=2)
    assert str(found.facts["usual filter"]).startswith("--where 'reliability>.3', which leaves ")
    assert set(found.targets) == {"V1", "V4", "IT"}


def test_images_are_those_of_a_folder_of_things(written: Written, tmp_path: Path) -> None:
    for i, name in enumerate(written.ids["train"] + written.ids["test"]):
        folder = tmp_path / "object_images" / name.rsplit("_", 1)[0]
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4), (i, 0, 0)).save(folder / f"{name}.png")
    shown = match_images(load(written.path), images(tmp_path / "object_images"))
    assert shown.table["stimulus_id"].tolist() == written.ids["test"]
    assert [np.asarray(shown[i])[0, 0, 0] for i in range(5)] == list(range(24, 29))
    with pytest.raises(RSAError, match=r"not published with it: THINGS has them \(https://things-initiative.org\)"):
        images(f"tvsd/{written.path.parent.name}")


def test_counts_as_published_are_said(tmp_path: Path) -> None:
    written = write_tvsd(tmp_path / "monkeyF")
    reliable = np.zeros(SITES)
    reliable[:332] = reliable[512 : 512 + 157] = reliable[832 : 832 + 117] = 0.5
    with h5py.File(written.path, "a") as file:
        file["reliab"][...] = np.tile(reliable, (15, 1))
    assert load(written.path).attrs["note"] == "reliability > .3 leaves V1 332, V4 117, IT 157, as published"


def test_names_of_images_may_be_of_matlab_5(tmp_path: Path) -> None:
    written = write_tvsd(tmp_path / "monkeyN")
    place = tmp_path / "monkeyN" / "_logs" / "things_imgs.mat"
    parts = {
        f"{part}_imgs": np.array(
            [(c, f"object_images\\{c}\\{name}.jpg") for name, c in zip(ids, written.concepts[part], strict=True)],
            [("class", object), ("things_path", object)],
        )
        for part, ids in written.ids.items()
    }
    scipy.io.savemat(place, parts)
    assert load(written.path, part="train")["stimulus_id"].values.tolist() == written.ids["train"]


@pytest.mark.parametrize("columns", [6, 7])
@pytest.mark.parametrize("part", ["test", "train"])
def test_a_window_of_trials_equals_plain_numpy(
    part: str, columns: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = write_trials(tmp_path / "monkeyN", columns=columns)
    monkeypatch.setattr("tgsage.neural_data.recordings.readers.on_disk._PIECE", 300 * SITES * 4 * 3)
    monkeypatch.setattr("tgsage.neural_data.recordings.recording._BLOCK_BYTES", 8 * SITES * 300 * 2)
    one = load(written.path, part=part)
    assert not isinstance(one.variable._data, np.ndarray)
    shown = written.arrays["ALLMAT"][1 if part == "train" else 2].astype(int)
    rows = np.flatnonzero(shown)
    assert one["stimulus_id"].values.tolist() == [written.ids[part][i - 1] for i in shown[rows]]
    sites = written.arrays["mapping"] - 1
    whole = written.arrays["ALLMUA"].transpose(1, 2, 0)[rows][:, sites]
    tb = written.arrays["tb"].ravel()
    for start, end in ((25, 125), (50, 60)):
        expected = whole[:, :, (tb > start) & (tb <= end)].mean(axis=2, dtype=float)
        found = time_window(one, start, end)
        np.testing.assert_allclose(found.values, expected, rtol=1e-5, atol=1e-6)
        assert (found.attrs["window_start"], found.attrs["window_end"]) == (start, end)
    assert not isinstance(one.variable._data, np.ndarray)
    for key in (
        {"presentation": 1},
        {"neuroid": [3, 1], "time_bin": 7},
        {"presentation": [2, 0], "neuroid": slice(5, 9)},
    ):
        np.testing.assert_array_equal(one.isel(key).values, one.copy(data=whole).isel(key).values)


def _edit(name: str, values: Array | None = None, **options: Any) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        with h5py.File(path, "a") as file:
            del file[name]
            if values is not None or options:
                file.create_dataset(name, data=values, **options)

    return change


def _link(path: Path) -> None:
    with h5py.File(path, "a") as file:
        del file["train_MUA"]
        file["train_MUA"] = h5py.ExternalLink("/etc/passwd", "/x")


def _names(change: Callable[[h5py.File], None]) -> Callable[[Path], None]:
    def apply(path: Path) -> None:
        with h5py.File(path.parent / "_logs" / "things_imgs.mat", "a") as file:
            change(file)

    return apply


def _no_reference(file: h5py.File) -> None:
    file["train_imgs/class"][3] = h5py.Reference()


def _group_reference(file: h5py.File) -> None:
    file["train_imgs/class"][3] = file["#refs#"].ref


def _long_text(file: h5py.File) -> None:
    file["train_imgs/class"][3] = file.create_dataset("#refs#/long", data=np.zeros((5000, 1), "<u2")).ref


def _cell(values: Array, **options: Any) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        file["train_imgs/class"][3] = file.create_dataset("#refs#/odd", data=values, **options).ref

    return change


def _cell_elsewhere(file: h5py.File) -> None:
    made = file.create_dataset("#refs#/odd", (3, 1), "<u2", external=[("/etc/passwd", 0, 6)])
    file["train_imgs/class"][3] = made.ref


def _virtual_cell(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((3,), "<u2")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (3,))
    file["train_imgs/class"][3] = file.create_virtual_dataset("#refs#/odd", layout).ref


def _linked_cells(file: h5py.File) -> None:
    del file["train_imgs/class"]
    file["train_imgs/class"] = h5py.SoftLink("/test_imgs/class")


def _same_name(file: h5py.File) -> None:
    file["train_imgs/things_path"][3] = file["train_imgs/things_path"][2][0]


def _numbers_for_cells(file: h5py.File) -> None:
    del file["train_imgs/class"]
    file["train_imgs/class"] = np.zeros(24)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_edit("train_MUA", np.zeros((23, SITES), "f4")), r"train_MUA has shape \(23, 1024\)"),
        (_edit("train_MUA", np.zeros((24, 1000), "f4")), r"train_MUA has shape \(24, 1000\)"),
        (_edit("reliab", np.zeros((15, 10))), r"reliab has shape \(15, 10\)"),
        (_edit("train_MUA", np.zeros((24, SITES), "i4")), "of int32, expected numbers"),
        (_edit("train_MUA", shape=(10**9, SITES), dtype="f4", chunks=(1, SITES)), "train_MUA"),
        (_edit("oracle", np.zeros((3, 1))), "oracle has shape"),
        (_link, "train_MUA"),
        (_names(_no_reference), "cell 4 of train_imgs/class is empty"),
        (_names(_group_reference), "cell 4 of train_imgs/class is empty or no array"),
        (_names(_long_text), "not a text"),
        (_names(_same_name), "must name each image once"),
        (_names(_numbers_for_cells), "not references to cells"),
        (_names(_cell_elsewhere), "cell 4 of train_imgs/class lies in another file"),
        (_names(_virtual_cell), "cell 4 of train_imgs/class lies in another file"),
        (_names(_cell(np.arange(3.0))), "cell 4 of train_imgs/class is not a text"),
        (_names(_linked_cells), "it has no train_imgs/class"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_in_one_line(
    damage: Callable[[Path], None], message: str, tmp_path: Path
) -> None:
    written = write_tvsd(tmp_path / "monkeyN")
    damage(written.path)
    with pytest.raises(RSAError, match=message) as caught:
        load(written.path, part="train")
    assert "\n" not in str(caught.value)


def test_texts_may_be_compressed_or_empty(tmp_path: Path) -> None:
    written = write_tvsd(tmp_path / "monkeyN")
    odd = np.array([ord(letter) for letter in "\N{GREEK SMALL LETTER ALPHA}b"], "<u2")[:, None]
    _names(_cell(odd, chunks=(2, 1), compression="gzip"))(written.path)
    with h5py.File(written.path.parent / "_logs" / "things_imgs.mat", "a") as file:
        empty = file.create_dataset("#refs#/empty", data=np.zeros(2, "u8"))
        empty.attrs["MATLAB_empty"] = np.uint8(1)
        file["train_imgs/class"][4] = empty.ref
    names = load(written.path, part="train")["object_name"].values
    assert names[3:5].tolist() == ["\N{GREEK SMALL LETTER ALPHA}b", ""]


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    written = write_tvsd(tmp_path / "monkeyN")
    with pytest.raises(RSAError, match=r"unknown part 'tset' of .*; did you mean test"):
        load(written.path, part="tset")
    (tmp_path / "other").mkdir()
    with pytest.raises(RSAError, match="keep it in a folder monkeyN or monkeyF"):
        load(written.path.rename(tmp_path / "other" / "THINGS_normMUA.mat"))
    write_images(tmp_path / "monkeyF", {})
    (tmp_path / "other" / "THINGS_normMUA.mat").rename(tmp_path / "monkeyN" / "THINGS_normMUA.mat")
    with pytest.raises(RSAError, match=r"holds both monkeys' folders; name one of them: .*monkeyN"):
        load(tmp_path)
    for monkey in ("monkeyN", "monkeyF"):
        (tmp_path / monkey / "_logs" / "things_imgs.mat").unlink()
    with pytest.raises(RSAError, match=r"things_imgs.mat names its images, and is missing; its place is .*_logs"):
        load(written.path)
    trials = write_trials(tmp_path / "b" / "monkeyN")
    (trials.path.parent / "_logs" / "1024chns_mapping_20220105.mat").unlink()
    with pytest.raises(RSAError, match=r"1024chns_mapping\*.mat, which orders its channels, is missing"):
        load(trials.path)
    with pytest.raises(RSAError, match=r"tvsd/monkeyN has no public link: https://gin.g-node.org/paolo_papale/TVSD"):
        fetch("tvsd/monkeyN", data_dir=tmp_path / "empty")
