"""Our own files: what was saved comes back."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray
from tgsage.neural_data import from_arrays, load, save_recording
from tgsage.rsa import RSAError

from ...files import no_room


def recording(dtype: Any = np.float32, n_bins: int = 2) -> xarray.DataArray:
    values = np.random.default_rng(0).normal(size=(5, 3, n_bins)).astype(dtype)
    values[1, 2] = np.nan
    return from_arrays(
        values,
        stimulus_id=["é", "b", "é", "c", "b"],
        region=["V4", "", "IT"],
        presentation={"flag": np.array([True, False, True, True, False]), "size": np.array([1.5, np.nan, 2, 3, 4])},
        neuroid={"depth": np.arange(3, dtype=np.int32)},
        time_bins=[(70.0, 120.0), (120.0, 170.5)],
        attrs={"identifier": "x", "repeats": 2, "ratio": 0.1, "note": "not a brain"},
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_recording_comes_back_as_it_was(dtype: Any, tmp_path: Path) -> None:
    one = recording(dtype)
    save_recording(one, tmp_path / "one.h5")
    back = load(tmp_path / "one.h5")
    xarray.testing.assert_identical(back, one)
    assert back.dtype == one.dtype
    assert {str(name): c.dtype.kind for name, c in back.coords.items()} == {
        str(n): c.dtype.kind for n, c in one.coords.items()
    }
    assert {key: type(value) for key, value in back.attrs.items()} == {
        key: type(value) for key, value in one.attrs.items()
    }


def test_names_truth_values_and_numpy_numbers_come_back(tmp_path: Path) -> None:
    one = (
        recording()
        .rename("rate of V4")
        .assign_attrs(sorted=True, dead=np.bool_(False), n=np.int64(3), p=np.float64(0.5))
    )
    save_recording(one, tmp_path / "one.nc")
    back = load(tmp_path / "one.nc")
    xarray.testing.assert_identical(back, one)
    assert back.attrs["sorted"] is True
    assert back.attrs["dead"] is False
    assert [type(back.attrs[key]) for key in ("n", "p")] == [int, float]


@pytest.mark.parametrize("dtype", ["?", "i1", "u1", "<i2", ">i4", "<i8", "<f4", ">f8"])
def test_responses_of_every_type_come_back(dtype: str, tmp_path: Path) -> None:
    one = recording().fillna(0).astype(dtype)
    save_recording(one, tmp_path / "one.nc")
    back = load(tmp_path / "one.nc")
    xarray.testing.assert_identical(back, one)
    assert back.dtype == np.dtype(dtype).newbyteorder("=")


def test_times_and_single_values_come_back(tmp_path: Path) -> None:
    days = np.array(["2001-02-03", "NaT", "2001-02-05", "1999-12-31", "2030-01-01"], "M8[ns]")
    waits = np.array([5, 7, 11], "m8[ms]")
    one = recording().assign_coords(day=("presentation", days), wait=("neuroid", waits), monkey="WE", depth=1.5)
    save_recording(one, tmp_path / "one.nc")
    xarray.testing.assert_identical(load(tmp_path / "one.nc"), one)


ODD: dict[str, tuple[Callable[[xarray.DataArray], xarray.DataArray], str]] = {
    "attribute of netCDF": (lambda one: one.assign_attrs(coordinates="x"), "attribute 'coordinates' cannot be saved"),
    "attribute with a slash": (lambda one: one.assign_attrs({"a/b": 1}), "attribute 'a/b' cannot be saved"),
    "attribute without a name": (lambda one: one.assign_attrs({"": 1}), "attribute '' cannot be saved"),
    "attribute named by a number": (lambda one: one.assign_attrs({3: 1}), "attribute 3 cannot be saved"),
    "hidden attribute": (lambda one: one.assign_attrs(_name="x"), "attribute '_name' cannot be saved"),
    "a huge number": (lambda one: one.assign_attrs(n=2**70), "cannot be saved"),
    "a NUL in an attribute": (lambda one: one.assign_attrs(unit="a\0b"), "cannot be saved"),
    "a text that is no text": (lambda one: one.assign_attrs(unit="\udcff"), "cannot be saved"),
    "packing": (lambda one: one.assign_attrs(scale_factor=2.0), "cannot be saved"),
    "a name that is a number": (lambda one: one.rename(3), "the name of the recording is 3"),
    "a column named as the data": (lambda one: one.assign_coords(responses=one["size"]), "coordinate responses cannot"),
    "a column of two words": (lambda one: one.assign_coords({"a b": one["size"]}), "coordinate a b cannot be saved"),
    "a column of objects": (
        lambda one: one.assign_coords(when=("presentation", np.array([{}] * 5))),
        r"coordinate when holds object; texts, numbers and times can be saved",
    ),
    "a NUL in a column": (lambda one: one.assign_coords(note=("neuroid", ["a", "b\0c", "d"])), "cannot be saved"),
    "an attribute that is a list": (lambda one: one.assign_attrs(unit=[1]), "attribute unit is a list"),
}


@pytest.mark.parametrize("name", ODD)
def test_what_would_not_come_back_is_refused_and_nothing_is_left(name: str, tmp_path: Path) -> None:
    change, message = ODD[name]
    with pytest.raises(RSAError, match=message) as caught:
        save_recording(change(recording()), tmp_path / "one.nc")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_real_recordings_come_back_as_they_were(data_dir: Path, tmp_path: Path) -> None:
    for name in ("cowley2023/210325", "zhangdesimone"):
        one = load(name, data_dir=data_dir)
        save_recording(one, tmp_path / "one.nc")
        xarray.testing.assert_identical(load(tmp_path / "one.nc"), one)


def test_other_tools_can_read_the_file(tmp_path: Path) -> None:
    save_recording(recording(), tmp_path / "one.nc")
    with xarray.open_dataarray(tmp_path / "one.nc", engine="h5netcdf") as other:
        np.testing.assert_array_equal(other.values, recording().values)
        assert other["stimulus_id"].values.tolist() == ["é", "b", "é", "c", "b"]


def test_nothing_is_left_behind_where_writing_fails(tmp_path: Path) -> None:
    with pytest.raises(RSAError, match="cannot write"):
        save_recording(recording(), tmp_path / "missing" / "one.nc")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("most", [0, 3000])
def test_a_full_disk_costs_one_line_and_no_older_file(most: int, tmp_path: Path) -> None:
    file = tmp_path / "one.nc"
    file.write_text("as it was")
    with no_room(most), pytest.raises(RSAError, match=r"^cannot write .*one.nc: File too large$"):
        save_recording(recording(), file)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["as it was"]


def test_a_truncated_file_is_named(tmp_path: Path) -> None:
    save_recording(recording(), tmp_path / "one.nc")
    content = (tmp_path / "one.nc").read_bytes()
    for share in (0.1, 0.5, 0.9):
        (tmp_path / "cut.nc").write_bytes(content[: int(share * len(content))])
        with pytest.raises(RSAError, match=r"cut.nc cannot be read"):
            load(tmp_path / "cut.nc")


def test_attributes_that_are_no_text_or_number_are_not_taken(tmp_path: Path) -> None:
    save_recording(recording(), tmp_path / "one.nc")
    with h5py.File(tmp_path / "one.nc", "a") as file:
        file["responses"].attrs["odd"] = np.arange(10)
        file["responses"].attrs["raw"] = np.bytes_(b"text")
    assert load(tmp_path / "one.nc").attrs == {**recording().attrs, "raw": "text"}
