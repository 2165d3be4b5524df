"""The course file of HvM, written independently of the reader, with its traps."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from tgsage.neural_data import as_teacher, images, load, region_rdms, save_recording
from tgsage.rsa import RSAError

from ..layouts import HvmFile, write_hvm


@pytest.fixture
def hvm(tmp_path: Path) -> tuple[Path, HvmFile]:
    return tmp_path / "some.file", write_hvm(tmp_path / "some.file")


def test_trials_find_their_image_neuron_and_variation_level(hvm: tuple[Path, HvmFile]) -> None:
    path, truth = hvm
    one = load(path)
    assert one.sizes == {"presentation": 8 * 3 + 16 * 5 + 16 * 4 - 3, "neuroid": 7}  # one trial of each level missing
    kept = [0, 1, 3, 4, 5, 6, 7]
    for row in range(one.sizes["presentation"]):
        image = int(one["stimulus_id"].values[row].removeprefix("hvm/"))
        level = int(truth.variation[image])
        position = np.flatnonzero(truth.variation == level).tolist().index(image)
        trial = int(one["repetition"].values[row])
        np.testing.assert_array_equal(one.values[row], truth.trials[level][trial, position, kept].astype(np.float32))
        assert one["variation"].values[row] == level
        assert one["object_name"].values[row] == truth.object_name[image]
        assert one["category_name"].values[row] == truth.category_name[image]
    assert not np.isnan(one.values).any()


def test_neurons_are_those_of_the_two_regions_in_rising_order(hvm: tuple[Path, HvmFile]) -> None:
    one = load(hvm[0])
    assert one["region"].values.tolist() == ["V4", "IT", "V4", "IT", "IT", "V4", "IT"]
    assert one["animal"].values.tolist() == ["Chabo"] * 4 + ["Tito"] * 3
    assert one["neuroid_id"].values.tolist()[:2] == ["Chabo_000", "Chabo_001"]
    assert list(region_rdms(one)) == ["V4", "IT"]


def test_averaged_and_binned_parts_hold_the_images_in_order(hvm: tuple[Path, HvmFile]) -> None:
    path, truth = hvm
    kept = [0, 1, 3, 4, 5, 6, 7]
    averaged = load(path, part="averaged")
    np.testing.assert_array_equal(averaged.values, truth.averaged[:, kept])
    np.testing.assert_array_equal(averaged["variation"].values, truth.variation)
    binned = load(path, part="binned")
    np.testing.assert_array_equal(binned.values, truth.binned[:, :, kept].transpose(0, 2, 1))
    assert binned["time_bin_start"].values.tolist() == list(range(0, 220, 20))
    assert region_rdms(binned)["IT"].attrs["window"] == "80-160 ms"
    by_trials, by_averages = region_rdms(load(path))["IT"], region_rdms(averaged)["IT"]
    by_averages = by_averages.subset(by_trials.labels)
    np.testing.assert_allclose(by_trials.values, by_averages.values, atol=1e-5)


def test_images_and_their_table_share_the_ids_of_the_recording(hvm: tuple[Path, HvmFile]) -> None:
    path, truth = hvm
    stimuli = images(path)
    assert stimuli.table["stimulus_id"].tolist() == load(path, part="averaged")["stimulus_id"].values.tolist()
    assert stimuli.table["variation"].tolist() == truth.variation.tolist()
    assert {"rxy", "rxz", "ryz", "size", "ty", "tz", "category_name"} <= set(stimuli.table)
    with h5py.File(path) as file:
        np.testing.assert_array_equal(np.asarray(stimuli[3])[:, :, 1], file["images"][3])
    assert stimuli[3].mode == "RGB"


def test_a_teacher_of_a_file_knows_the_images_in_the_file(hvm: tuple[Path, HvmFile], tmp_path: Path) -> None:
    for part in ("trials", "averaged", "binned"):
        one = load(hvm[0], part=part)
        teacher = as_teacher(one, splits=2)
        shown = images(teacher.stimuli)
        assert set(one["stimulus_id"].values) <= set(shown.table["stimulus_id"])
        assert len(teacher.select(shown)) == len(next(iter(teacher.rdms.values())))
    save_recording(one, tmp_path / "copy.nc")
    assert as_teacher(load(tmp_path / "copy.nc"), splits=0).stimuli == str(hvm[0])


def _set(name: str, value: Any) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        del file[name]
        if value is not None:
            file[name] = value

    return change


DAMAGED: dict[str, tuple[Callable[[h5py.File], None], str]] = {
    "an unknown level": (_set("image_meta/variation_level", np.array([b"low"] * 40)), "holds low; V0, V3 and V6"),
    "no levels": (_set("image_meta/variation_level", None), "has no variation_level; there are: category_name"),
    "a short column": (_set("image_meta/category", np.array([b"a"] * 3)), r"has shape \(3,\) for 40 images"),
    "an index too high": (_set("neural_meta/IT_NEURONS", np.array([1, 99])), "distinct indices below 8; got 99"),
    "an index twice": (_set("neural_meta/IT_NEURONS", np.array([0, 1])), "distinct indices below 8; some repeat"),
    "no V4": (_set("neural_meta/V4_NEURONS", None), "has no neural_meta/V4_NEURONS"),
    "trials of other images": (
        _set("time_averaged/variation_level_3", np.zeros((2, 5, 8))),
        r"variation_level_3 has shape \(2, 5, 8\), expected \(2, 16, 8\)",
    ),
    "fewer neurons than indices": (_set("time_averaged/variation_level_3", np.zeros((2, 16, 3))), "index 7 is named"),
    "zero repeats": (_set("time_averaged/variation_level_0", np.zeros((0, 8, 8))), r"has shape \(0, 8, 8\)"),
    "no trials": (_set("time_averaged", None), "cannot be read|has no time_averaged"),
    "text for trials": (_set("time_averaged/variation_level_0", np.full((3, 8, 8), b"a")), "no table of responses"),
    "a link": (_set("neural_meta/ANIMAL_INFO", h5py.ExternalLink("/etc/passwd", "x")), "is a link, not data"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_files_end_in_one_line(name: str, hvm: tuple[Path, HvmFile]) -> None:
    change, message = DAMAGED[name]
    with h5py.File(hvm[0], "a") as file:
        change(file)
    with pytest.raises(RSAError, match=message) as caught:
        load(hvm[0])
    assert "\n" not in str(caught.value)
    assert str(hvm[0]) in str(caught.value)


def test_an_unknown_part_is_named(hvm: tuple[Path, HvmFile]) -> None:
    with pytest.raises(RSAError, match=r"unknown part 'trial' .*did you mean trials"):
        load(hvm[0], part="trial")
