"""Our own files: what was saved comes back."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray
from tgsage.neural_data import from_arrays, load, save_recording
from tgsage.rsa import RSAError


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
    odd = recording().assign_coords(when=("presentation", np.zeros(5, "M8[s]")))
    with pytest.raises(RSAError, match=r"coordinate when holds datetime64\[s\]; texts and numbers can be saved"):
        save_recording(odd, tmp_path / "one.nc")
    with pytest.raises(RSAError, match="coordinate monkey cannot be saved"):
        save_recording(recording().assign_coords(monkey="WE"), tmp_path / "one.nc")
    with pytest.raises(RSAError, match="attribute unit is a list"):
        save_recording(recording().assign_attrs(unit=[1]), tmp_path / "one.nc")
    assert list(tmp_path.iterdir()) == []


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
