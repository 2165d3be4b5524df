"""netCDF as xarray writes it: what comes back is what xarray decodes."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray
from tgsage.neural_data import from_arrays, load, region_rdms, save_recording, time_window
from tgsage.rsa import RSAError

from ..layouts import Images, majaj_columns, shuffled, write_assembly, write_encoded


def recording(n: int = 12, neuroids: int = 6, bins: int = 3) -> xarray.DataArray:
    return from_arrays(
        np.random.default_rng(0).normal(1, 3, (n, neuroids, bins)),
        stimulus_id=[f"img_{i // 2}" for i in range(n)],
        region="IT",
        time_bins=[(70.0 + 20 * i, 90.0 + 20 * i) for i in range(bins)],
    )


def write(one: xarray.DataArray, path: Path, **encoding: Any) -> Path:
    one.to_dataset(name="responses").to_netcdf(path, engine="h5netcdf", encoding=encoding)
    return path


def test_values_and_every_column_come_back_as_xarray_decodes_them(tmp_path: Path) -> None:
    packed = write_encoded(recording(), tmp_path / "a.nc")
    one = load(tmp_path / "a.nc")
    with xarray.open_dataset(tmp_path / "a.nc", engine="h5netcdf") as file:
        expected = file["responses"].load()
    np.testing.assert_array_equal(one.values, expected.values)
    assert one.dtype == expected.dtype
    assert np.isnan(one.values).sum() == -(-one.size // 7)
    np.testing.assert_allclose(one.values, packed["responses"].values, atol=0.002)
    assert set(one.coords) == set(expected.coords)
    for name in set(one.coords) - {"bytes", "session"}:
        np.testing.assert_array_equal(one[name].values, expected[name].values, str(name))
        assert one[name].dtype.kind == expected[name].dtype.kind
    assert one["bytes"].values.tolist() == [f"b{i}" for i in range(12)]
    assert one["session"].dtype.kind == "i"  # masked integers of which none is missing
    assert one["session"].values.tolist() == expected["session"].values.tolist()
    assert one["rig"].item() == "rig 2"
    assert not {"scale_factor", "add_offset", "missing_value"} & set(one.attrs)


def test_on_disk_the_same_values_are_decoded_as_they_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_encoded(recording(), tmp_path / "a.nc")
    whole = load(tmp_path / "a.nc")
    monkeypatch.setattr("tgsage.neural_data.recordings.readers.on_disk.MAX_BYTES", 100)
    monkeypatch.setattr("tgsage.neural_data.recordings.recording._BLOCK_BYTES", 1000)
    lazy = load(tmp_path / "a.nc")
    assert not isinstance(lazy.variable._data, np.ndarray)
    for key in ({"neuroid": 2}, {"presentation": [5, 1, 1], "time_bin": slice(None, None, -1)}):
        np.testing.assert_array_equal(lazy.isel(key).values, whole.isel(key).values)
    xarray.testing.assert_identical(time_window(lazy, 70, 110), time_window(whole, 70, 110))
    assert not isinstance(lazy.variable._data, np.ndarray)


@pytest.mark.parametrize("mark", ["_FillValue", "missing_value"])
@pytest.mark.parametrize("layout", ["xarray", "Brain-Score"])
def test_a_marked_response_is_missing_in_the_rdm(layout: str, mark: str, tmp_path: Path) -> None:
    images = Images()
    order = shuffled(images, 1)
    columns = majaj_columns(images, order)
    values = np.random.default_rng(0).normal(5, 1, (len(order), 8, 1))
    values[3, 2] = -9999.0
    if layout == "xarray":
        one = from_arrays(values[..., 0], stimulus_id=images.ids[order], neuroid=columns["neuroid"])
        path = write(one.where(one != -9999.0), tmp_path / "a.nc", responses={mark: -9999.0})
    else:
        path = write_assembly(tmp_path / "a.nc", values.transpose(1, 0, 2), columns)
        with h5py.File(path, "a") as file:
            file["dicarlo.MajajHong2015.public"].attrs[mark] = np.float32(-9999.0)
    assert load(path).isnull().sum() == 1
    with pytest.raises(RSAError, match=f"1 of 2 neuroids .*: {columns['neuroid']['neuroid_id'][2]}; missing='drop'"):
        region_rdms(load(path), level="region")


def test_names_may_be_coordinates_of_the_dims_and_one_region_a_single_value(tmp_path: Path) -> None:
    one = recording(bins=1).isel(time_bin=0, drop=True)
    indexed = one.assign_coords(presentation=one["stimulus_id"].values, neuroid=one["neuroid_id"].values)
    indexed = indexed.drop_vars(["stimulus_id", "neuroid_id", "repetition", "region"]).assign_coords(region="IT")
    back = load(write(indexed, tmp_path / "a.nc"))
    for name in ("stimulus_id", "repetition", "neuroid_id"):
        np.testing.assert_array_equal(back[name].values, one[name].values)
    np.testing.assert_array_equal(region_rdms(back)["IT"].values, region_rdms(one)["IT"].values)
    numbered = one.assign_coords(presentation=np.arange(12), neuroid=np.arange(6))
    assert load(write(numbered, tmp_path / "b.nc"))["stimulus_id"].values.tolist() == one["stimulus_id"].values.tolist()


@pytest.mark.parametrize(("unit", "size"), [("seconds", 1e3), ("ms", 1.0), ("nanoseconds", 1e-6)])
def test_edges_of_bins_become_milliseconds(unit: str, size: float, tmp_path: Path) -> None:
    one = recording()
    for name in ("time_bin_start", "time_bin_end"):
        edges = ("time_bin", one[name].values / size, {"units": unit})
        one = one.assign_coords({name: edges})
    back = load(write(one, tmp_path / "a.nc"))
    assert back["time_bin_start"].values.tolist() == [70, 90, 110]
    assert back["time_bin_end"].values.tolist() == [90, 110, 130]
    spans = recording()
    for name in ("time_bin_start", "time_bin_end"):
        spans = spans.assign_coords({name: ("time_bin", spans[name].values.astype("timedelta64[ms]"))})
    assert load(write(spans, tmp_path / "b.nc"))["time_bin_end"].values.tolist() == [90, 110, 130]


def test_ids_and_repetitions_that_are_marked_missing_are_refused(tmp_path: Path) -> None:
    one = recording(bins=1).isel(time_bin=0, drop=True)
    numbers = np.array([7, 7, 1, 1, -1, 3, 4, 4, 5, 5, 6, 6])
    named = one.assign_coords(stimulus_id=("presentation", numbers)).to_dataset(name="x")
    named.to_netcdf(tmp_path / "a.nc", engine="h5netcdf", encoding={"stimulus_id": {"_FillValue": -9}})
    assert load(tmp_path / "a.nc")["stimulus_id"].values.tolist() == [str(number) for number in numbers]
    named.to_netcdf(tmp_path / "b.nc", engine="h5netcdf", encoding={"stimulus_id": {"_FillValue": -1}})
    with pytest.raises(RSAError, match=r"b\.nc: 1 of 12 stimulus_id are missing .* at positions 4 from 0"):
        load(tmp_path / "b.nc")
    repeated = one.assign_coords(repetition=("presentation", np.where(numbers == 3, np.nan, 0))).to_dataset(name="x")
    repeated["repetition"].encoding = {"dtype": "i4", "_FillValue": -1}
    repeated.to_netcdf(tmp_path / "c.nc", engine="h5netcdf")
    with pytest.raises(RSAError, match=r"c\.nc: coordinate repetition must be int, got float64"):
        load(tmp_path / "c.nc")


@pytest.mark.parametrize("name", ["scale_factor", "missing_value", "add_offset"])
def test_attributes_that_would_change_the_values_are_not_saved(name: str, tmp_path: Path) -> None:
    with pytest.raises(RSAError, match=f"attribute '{name}' cannot be saved"):
        save_recording(recording().assign_attrs({name: 2.0}), tmp_path / "a.nc")
    assert not list(tmp_path.iterdir())


def test_arrays_of_matlab_are_told_what_they_are(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.mat", "w", userblock_size=512) as file:
        file["responses"] = np.zeros((30, 100))
    with (tmp_path / "a.mat").open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\0\2IM")
    with pytest.raises(RSAError, match=r"a\.mat: what was shown has no names: --stimulus-ids takes"):
        load(tmp_path / "a.mat")


def test_netcdf3_is_told_how_to_become_netcdf4(tmp_path: Path) -> None:
    recording().to_dataset(name="x").drop_attrs().to_netcdf(tmp_path / "a.nc", engine="scipy")
    with pytest.raises(RSAError, match=r"a\.nc is netCDF3; xarray\.open_dataset\(.*\)\.to_netcdf"):
        load(tmp_path / "a.nc")
    with xarray.open_dataset(tmp_path / "a.nc", engine="scipy") as older:
        older.to_netcdf(tmp_path / "b.nc", engine="h5netcdf")
    np.testing.assert_array_equal(load(tmp_path / "b.nc").values, recording().values)
    assert load(tmp_path / "b.nc")["region"].values.tolist() == ["IT"] * 6


def test_truth_values_that_may_be_missing_are_refused(tmp_path: Path) -> None:
    one = recording().assign_coords(ready=("neuroid", np.arange(6) % 2 == 0)).to_dataset(name="x")
    one.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    assert load(tmp_path / "a.nc")["ready"].dtype == bool
    with h5py.File(tmp_path / "a.nc", "a") as file:
        file["ready"].attrs["_FillValue"] = np.int8(-1)
    with pytest.raises(RSAError, match=r"a\.nc: /ready holds truth values with _FillValue"):
        load(tmp_path / "a.nc")


def test_a_unit_since_an_event_is_no_calendar_time(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(3, 4, 2))
    coords = {
        "stimulus_id": ("presentation", ["a", "b", "c"]),
        "rt": ("presentation", [210.0, 250.0, 300.0]),
        "neuroid_id": ("neuroid", ["n0", "n1", "n2", "n3"]),
        "region": ("neuroid", ["IT"] * 4),
        "time_bin_start": ("time_bin", [0.07, 0.12]),
        "time_bin_end": ("time_bin", [0.12, 0.17]),
    }
    made = xarray.DataArray(x, coords, ("presentation", "neuroid", "time_bin"), "made.up")
    made["rt"].attrs["units"] = "ms since stimulus onset"
    for name in ("time_bin_start", "time_bin_end"):
        made[name].attrs["units"] = "s since stimulus onset"
    made.attrs["units"] = "spikes / s since stimulus onset"
    made.to_netcdf(tmp_path / "made.nc", engine="h5netcdf")
    found = load(tmp_path / "made.nc")
    np.testing.assert_allclose(found["rt"], [210, 250, 300])
    np.testing.assert_allclose(found["time_bin_end"], [120, 170])
    np.testing.assert_allclose(found.transpose(*made.dims).values, x)
