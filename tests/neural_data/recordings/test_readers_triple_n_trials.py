"""Single trials of Triple-N, written as the authors' scripts do: `ses*.h5` with its info, and `GoodUnit_*.mat`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import scipy.io
from tgsage.neural_data import load, load_teacher, region_rdms, select, time_window
from tgsage.rsa import RSAError
from tgsage.rsa.types import Array

from .test_readers_triple_n import AREAS, write_processed

STEM, UNITS, TIME, BEFORE = "ses01_240629_M1_2", 7, 300, 50
RNG = np.random.default_rng(0)
SHOWN = RNG.permutation(np.concatenate([np.repeat(np.arange(1, 13), 4), np.repeat([1001, 1072], 3)]))
RASTER: Array = RNG.poisson(0.1, (UNITS, len(SHOWN), TIME)).astype(np.uint8)  # as MATLAB has it
NSD, LOCALISERS = np.flatnonzero(SHOWN <= 1000), np.flatnonzero(SHOWN > 1000)


def write_session(folder: Path, **changed: Any) -> Path:
    path = folder / f"{STEM}.h5"
    with h5py.File(path, "w") as file:
        file["raster_matrix_img"] = changed.pop("raster", RASTER).T
        file["response_matrix_img"] = np.zeros((TIME, 1072, UNITS), np.float32)
    info: dict[str, Any] = {"img_idx": SHOWN[None].astype(float), "global_params": {"pre_onset": float(BEFORE)}}
    info |= {"meta_data": {"g_number": "2"}, "GoodUnitStrc": [{"spikepos": np.zeros(2)}] * UNITS}
    scipy.io.savemat(folder / f"{STEM}_info.mat", info | changed, do_compression=True)
    return path


def write_good_unit(folder: Path, raster: Array = RASTER, **changed: Any) -> Path:
    """Trials that failed have the image 0 and no row in a raster."""
    path = folder / "GoodUnit_240629_Monkey_NSD1000_LOC_g2.mat"
    trials = np.zeros(2 * len(SHOWN))
    trials[1::2] = SHOWN
    content: dict[str, Any] = {"meta_data/trial_valid_idx": trials[:, None], "global_params/pre_onset": [[BEFORE]]}
    content |= {"meta_data/dataset_valid_idx": (trials > 0)[:, None].astype(float)}
    with h5py.File(path, "w", userblock_size=512) as file:
        refs = file.create_group("#refs#")
        for name, values in (content | changed).items():
            file[name.replace("__", "/")] = values
        cells: dict[str, list[Array]] = {"Raster": [one.T.astype(float) for one in raster]}
        cells["spikepos"] = [np.array([[16.0], [100.0 * (i + 1)]]) for i in range(len(raster))]
        for name, arrays in cells.items():
            made = file.create_dataset(f"GoodUnitStrc/{name}", (len(arrays), 1), h5py.ref_dtype)
            stored = {"compression": "gzip", "chunks": True}
            made[:, 0] = [refs.create_dataset(f"{name}{i}", data=a, **stored).ref for i, a in enumerate(arrays)]
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file".ljust(126) + b"\0\2IM")
    return path


def tables(folder: Path) -> None:
    (folder / "exclude_area.csv").write_text(AREAS)
    rows = "".join(f"nsd_{7 * i:05d},{7 * i},{i}\n" for i in range(1, 1001))
    (folder / "stimulus_Li2026_Stimuli.csv").write_text("stimulus_id,nsd_id,tn_index\n" + rows)


@pytest.mark.parametrize("write", [write_session, write_good_unit])
@pytest.mark.parametrize(("part", "rows"), [("", NSD), ("localizer", LOCALISERS)])
def test_trials_equal_the_file_and_stay_on_disk(
    write: Callable[[Path], Path], part: str, rows: Array, tmp_path: Path
) -> None:
    tables(tmp_path)
    one = load(write(tmp_path), part=part)
    assert not isinstance(one.variable._data, np.ndarray)
    whole = RASTER[:, rows].transpose(1, 0, 2)
    np.testing.assert_array_equal(one.isel(presentation=slice(3, 6)).values, whole[3:6])
    np.testing.assert_array_equal(one.isel(neuroid=[4, 1], time_bin=9).values, whole[:, [4, 1], 9])
    np.testing.assert_array_equal(one.isel(presentation=2, neuroid=slice(1, 4)).values, whole[2, 1:4])
    np.testing.assert_array_equal(one.values, whole)
    names = [f"nsd_{7 * i:05d}" if i <= 1000 else f"localizer/{i - 1000:02d}" for i in SHOWN[rows]]
    assert one["stimulus_id"].values.tolist() == names
    assert one["time_bin_start"].values[[0, -1]].tolist() == [-50, 249]
    assert one["repetition"].values.max() == (2 if part else 3)
    window = time_window(one)
    np.testing.assert_allclose(window.values, whole[:, :, BEFORE + 70 : BEFORE + 220].mean(axis=2))
    assert (window.attrs["window_start"], window.attrs["window_end"]) == (70, 220)


def test_units_are_those_of_the_processed_file(tmp_path: Path) -> None:
    (tmp_path / "Processed").mkdir()
    (tmp_path / "H5FILES").mkdir()
    content = write_processed(tmp_path / "Processed" / f"Processed_{STEM}.mat")
    tables(tmp_path)
    one = load(write_session(tmp_path / "H5FILES"))
    assert one["region"].values.tolist() == ["IT", "IT", "V4", "V4", "V4", "unassigned", "unassigned"]
    assert one["neuroid_id"].values.tolist() == [f"M1_ses01_unit{i:04d}" for i in range(UNITS)]
    np.testing.assert_array_equal(one["reliability"].values, content["reliability_basic"].ravel())
    assert "note" not in one.attrs
    shown = np.array([RASTER[2:5, i == SHOWN, 120:220].mean(axis=(1, 2)) for i in dict.fromkeys(SHOWN[NSD].tolist())])
    expected = 1 - np.corrcoef(shown)[np.triu_indices(12, 1)]
    v4 = region_rdms(select(one, "region=V4"), window=(70, 170))["V4"]
    np.testing.assert_allclose(v4.values, expected, atol=1e-9)
    teacher = load_teacher(tmp_path / "H5FILES" / f"{STEM}.h5", level="region", splits=5, where="region=V4")
    assert set(teacher.rdms) == set(teacher.ceilings) | {"V4"} == {"V4"}


def test_what_is_not_beside_the_file_is_said(tmp_path: Path) -> None:
    one = load(write_session(tmp_path))
    assert f"Processed_{STEM}.mat is not beside the file" in one.attrs["note"]
    assert "pos" not in one.coords
    assert one["stimulus_id"].values[0].startswith("shared")
    other = load(write_good_unit(tmp_path))
    np.testing.assert_array_equal(other["pos"].values, 100.0 * np.arange(1, UNITS + 1))
    tables(tmp_path)
    assert "the number of the session is not in the file's name" in load(write_good_unit(tmp_path)).attrs["note"]
    assert "their positions are not" in load(write_session(tmp_path)).attrs["note"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"raster": RASTER[0]}, r"raster_matrix_img has shape \(300, 54\)"),
        ({"raster": RASTER[:, :-1]}, "holds 53 trials, and 54 images from 1 to 1072 were shown"),
        ({"raster": np.zeros((2, 2, 2), "S1")}, "expected numbers"),
        ({"img_idx": SHOWN + 0.5}, "the numbers of images must be whole numbers"),
        ({"img_idx": SHOWN - 1.0}, "from 0 to 1071 were shown; expected one of 1 to 1072"),
        ({"img_idx": np.full(len(SHOWN), 1001.0)}, "has no trial of the part nsd"),
        ({"global_params": {"pre_onset": 300.0}}, "images appear 300 ms after the first of 300 bins"),
        ({"global_params": {"pre_onset": np.nan}}, "must be whole numbers"),
        ({"global_params": {"pre_onset": [1.0, 2.0]}}, "pre_onset must be one whole number"),
        ({"global_params": 50.0}, "has no img_idx and global_params.pre_onset"),
    ],
)
def test_what_is_wrong_with_a_session_is_said_in_one_line(
    changed: dict[str, Any], message: str, tmp_path: Path
) -> None:
    path = write_session(tmp_path, **changed)
    with pytest.raises(RSAError, match=message) as caught:
        load(path)
    assert "\n" not in str(caught.value)
    assert STEM in str(caught.value)


def _replace(name: str, values: Any) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        with h5py.File(path, "a") as file:
            del file[name]
            file[name] = values(file) if callable(values) else values

    return change


def _cell(values: Array) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        with h5py.File(path, "a") as file:
            file["GoodUnitStrc/Raster"][3, 0] = file.create_dataset("#refs#/odd", data=values).ref

    return change


def _huge(path: Path) -> None:
    with h5py.File(path, "a") as file:
        for i in range(UNITS):
            odd = file.create_dataset(f"#refs#/huge{i}", (10**6, 10**6), "f8", chunks=(1, 10**3))
            file["GoodUnitStrc/Raster"][i, 0] = odd.ref


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_cell(np.zeros((TIME, 3))), "each Raster must be numbers"),
        (_cell(np.array([b"a", b"b"])), "each Raster must be numbers"),
        (_huge, "Raster of unit 1 claims"),
        (_replace("GoodUnitStrc/Raster", np.zeros(3)), "not references to cells"),
        (_replace("GoodUnitStrc/Raster", h5py.SoftLink("/GoodUnitStrc/spikepos")), "is a link, not data"),
        (_replace("meta_data/trial_valid_idx", np.array([b"x"])), "must be whole numbers"),
        (_replace("meta_data/trial_valid_idx", np.ones((3, 1))), "were shown; expected one of 1 to 1072 for each"),
        (_replace("global_params/pre_onset", np.zeros(0)), "pre_onset must be one whole number"),
        (_replace("GoodUnitStrc/spikepos", lambda file: file["GoodUnitStrc/Raster"][()]), "spikepos must hold two"),
    ],
)
def test_what_is_wrong_with_a_good_unit_file_is_said_in_one_line(
    damage: Callable[[Path], None], message: str, tmp_path: Path
) -> None:
    path = write_good_unit(tmp_path)
    damage(path)
    with pytest.raises(RSAError, match=message) as caught:
        load(path)
    assert "\n" not in str(caught.value)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    path = write_session(tmp_path)
    with pytest.raises(RSAError, match=r"unknown part 'best' of .*; known: nsd, localizer"):
        load(path, part="best")
    (tmp_path / f"{STEM}_info.mat").unlink()
    with pytest.raises(RSAError, match=rf"{STEM}_info.mat: this file of Triple-N says what was shown, and is missing"):
        load(path)
    write_session(tmp_path)
    write_processed(tmp_path / f"Processed_{STEM}.mat", pos=np.zeros((1, 3)))
    with pytest.raises(RSAError, match="pos must hold one number per unit, 7"):
        load(path)
