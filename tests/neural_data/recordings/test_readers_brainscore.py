"""The netCDF4 layout of BrainIO and Brain-Score, from files that plain h5py wrote, and from real ones."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray
from tgsage.neural_data import check_recording, load, region_rdms, time_window
from tgsage.neural_data.recordings.readers.brainscore import read_brainscore
from tgsage.rsa import RSAError

from ..layouts import SITES, Images, majaj_columns, shuffled, write_assembly, write_majaj, write_majaj_sized

IMAGES = Images()
ORDER = shuffled(IMAGES, 3)
IT = [i for i, (_, region, _) in enumerate(SITES) if region == "IT"]


def test_majaj_comes_back_with_all_its_levels_flat(tmp_path: Path) -> None:
    responses = write_majaj(tmp_path / "no_suffix", IMAGES, ORDER)
    one = check_recording(load(tmp_path / "no_suffix"))
    assert one.dims == ("presentation", "neuroid", "time_bin")
    assert one.dtype == np.float32
    np.testing.assert_array_equal(one.values[:, :, 0], responses)
    columns = majaj_columns(IMAGES, ORDER, identity="stimulus_id")
    for dim, levels in columns.items():
        for name, values in levels.items():
            assert one[name].dims == (dim,)
            np.testing.assert_array_equal(one[name].values, values)
    assert set(one.coords) == {name for levels in columns.values() for name in levels}
    assert one.attrs == {"identifier": "dicarlo.MajajHong2015.public"}


@pytest.mark.parametrize(
    "options",
    [
        {"dtype": ">f4", "integers": ">i4"},
        {"dtype": ">f8"},
        {"chunks": (3, 50, 1), "compression": "gzip", "shuffle": True},
        {"name": "__xarray_dataarray_variable__"},
        {"group": "sessions/first"},
    ],
    ids=["big-endian", "double", "compressed", "older name", "group"],
)
def test_majaj_may_be_stored_in_any_of_these_ways(options: dict[str, Any], tmp_path: Path) -> None:
    responses = write_majaj(tmp_path / "a.nc", IMAGES, ORDER, **options)
    one = load(tmp_path / "a.nc", part=options.get("group", ""))
    np.testing.assert_array_equal(one.values[:, :, 0], responses)
    assert one.dtype.isnative
    assert one["variation"].dtype.isnative
    np.testing.assert_array_equal(one["variation"].values, IMAGES.variation[ORDER])


@pytest.mark.parametrize("identity", ["image_id", "stimulus_id"])
@pytest.mark.parametrize("dims", [("neuroid", "presentation", "time_bin"), ("presentation", "time_bin", "neuroid")])
def test_older_and_newer_names_and_any_order_of_dims_give_one_recording(
    identity: str, dims: tuple[str, ...], tmp_path: Path
) -> None:
    columns = majaj_columns(IMAGES, ORDER, identity=identity)
    del columns["presentation"]["repetition"]
    stored = np.random.default_rng(0).normal(size=(len(ORDER), len(SITES), 1))
    axes = [("presentation", "neuroid", "time_bin").index(dim) for dim in dims]
    write_assembly(tmp_path / "a.nc", stored.transpose(axes), columns, dims=dims, dtype="<f8")
    one = load(tmp_path / "a.nc")
    np.testing.assert_array_equal(one.values, stored)
    assert one["stimulus_id"].values.tolist() == IMAGES.ids[ORDER].tolist()
    repetition = majaj_columns(IMAGES, ORDER)["presentation"]["repetition"]
    assert one["repetition"].values.tolist() == repetition.tolist()  # counted, as the file has none


def test_a_file_beyond_memory_stays_on_disk_and_gives_the_same_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = majaj_columns(IMAGES, ORDER)
    columns["time_bin"] = {"time_bin_start": np.arange(0, 200, 10), "time_bin_end": np.arange(10, 210, 10)}
    responses = np.random.default_rng(0).normal(size=(len(SITES), len(ORDER), 20))
    write_assembly(tmp_path / "a.nc", responses, columns, chunks=(2, 30, 20), compression="gzip")
    whole = load(tmp_path / "a.nc")
    monkeypatch.setattr("tgsage.neural_data.recordings.readers.on_disk.MAX_BYTES", 1000)
    monkeypatch.setattr("tgsage.neural_data.recordings.recording._BLOCK_BYTES", 50_000)
    lazy = load(tmp_path / "a.nc")
    assert not isinstance(lazy.variable._data, np.ndarray)
    for key in (
        {"neuroid": slice(2, 5)},
        {"presentation": [7, 3, 3, -1], "time_bin": slice(None, None, -1)},
        {"neuroid": 1, "time_bin": 4},
        {"presentation": np.arange(9), "neuroid": [5, 0], "time_bin": [3, 2]},
    ):
        np.testing.assert_array_equal(lazy.isel(key).values, whole.isel(key).values)
    xarray.testing.assert_identical(time_window(lazy), time_window(whole))
    ours, theirs = (region_rdms(one.isel(neuroid=IT), level="region")["IT"] for one in (lazy, whole))
    np.testing.assert_array_equal(ours.values, theirs.values)
    assert not isinstance(lazy.variable._data, np.ndarray)  # nothing above has loaded it as a whole


@pytest.mark.parametrize("animal", ["subject", "animal"])
def test_ids_that_repeat_between_animals_are_prefixed(animal: str, tmp_path: Path) -> None:
    columns = majaj_columns(IMAGES, ORDER)
    animals = columns["neuroid"].pop("animal")
    columns["neuroid"]["neuroid_id"] = np.array([0, 1, 2, 0, 1, 2, 3, 4])
    columns["neuroid"]["reliability_window"] = np.linspace(0, 1, len(SITES))
    columns["neuroid"][animal] = animals
    write_assembly(tmp_path / "a.nc", np.ones((len(SITES), len(ORDER), 1)), columns)
    one = check_recording(load(tmp_path / "a.nc"))
    assert one.attrs["neuroid_ids"].startswith("repeat between animals")
    assert one["neuroid_id"].values.tolist() == [f"Chabo_{i}" for i in range(3)] + [f"Tito_{i}" for i in range(5)]
    assert "subject" not in one.coords
    assert one["animal"].values.tolist() == animals.tolist()
    assert one["reliability_window"].dims == ("neuroid",)


def test_the_window_of_a_temporal_file_is_averaged_before_anything_else(tmp_path: Path) -> None:
    columns = majaj_columns(IMAGES, ORDER)
    columns["time_bin"] = {"time_bin_start": np.arange(0, 200, 10), "time_bin_end": np.arange(10, 210, 10)}
    responses = np.random.default_rng(0).normal(size=(len(SITES), len(ORDER), 20)).astype(np.float32)
    write_assembly(tmp_path / "a.nc", responses, columns)
    flat = dict(columns)
    flat["time_bin"] = {"time_bin_start": np.array([70]), "time_bin_end": np.array([170])}
    write_assembly(tmp_path / "b.nc", responses[:, :, 7:17].astype(float).mean(axis=2, keepdims=True), flat)
    one, other = (
        region_rdms(load(tmp_path / name).isel(neuroid=IT), level="region")["IT"] for name in ("a.nc", "b.nc")
    )
    np.testing.assert_allclose(one.values, other.values, atol=1e-6)
    assert one.attrs["window"] == other.attrs["window"] == "70-170 ms"


def test_files_written_by_brainio_load(data_dir: Path) -> None:
    one = load(data_dir / "brainio" / "assy_test_TestMe.nc")
    assert one["stimulus_id"].values.tolist() == ["n0", "n1", "n1", "n0", "n4", "n9"]
    assert one["repetition"].values.tolist() == [1, 1, 2, 1, 1, 1]
    assert one["neuroid_id"].values.tolist() == ["alpha", "beta", "gamma"]
    np.testing.assert_array_equal(one.values, np.arange(1, 19).reshape(6, 3))
    two = load(data_dir / "brainio" / "assy_test_package_assembly.nc")
    assert two.sizes == {"presentation": 6, "neuroid": 3, "time_bin": 1}
    assert two["stimulus_id"].values.tolist() == [f"n{i}" for i in range(6)]
    assert two["time_bin_end"].values.tolist() == [10]
    for part, size in (("", 1000), ("test", 40)):
        events = load(data_dir / "brainio" / "assy_test_package_assembly_extras.nc", part=part)
        expected = xarray.open_dataset(
            data_dir / "brainio" / "assy_test_package_assembly_extras.nc", engine="h5netcdf", group=part
        )
        assert events.sizes == {"event": size}
        np.testing.assert_array_equal(events.values, expected["data"].values)
        for name in expected.coords:
            np.testing.assert_array_equal(events[name].values, expected[name].values)
    with pytest.raises(RSAError, match=r"a recording has dims .* got \(event\)"):
        region_rdms(events)


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _edit(change: Callable[[h5py.File], None]) -> Callable[[Path], None]:
    def apply(path: Path) -> None:
        with h5py.File(path, "a") as file:
            change(file)

    return apply


def _replace(name: str, **options: Any) -> Callable[[Path], None]:
    def change(file: h5py.File) -> None:
        dim = "presentation" if name in ("image_id", "repetition") else "neuroid"
        del file[name]
        file.create_dataset(name, **options)
        if file[name].ndim == 1 and len(file[name]) == len(file[dim]):
            file[name].dims[0].attach_scale(file[dim])

    return _edit(change)


def _external_link(file: h5py.File) -> None:
    del file["region"]
    file["region"] = h5py.ExternalLink("/etc/passwd", "/region")


def _soft_link(file: h5py.File) -> None:
    del file["region"]
    file["region"] = h5py.SoftLink("/subregion")


def _external_storage(file: h5py.File) -> None:
    del file["x"]
    file.create_dataset("x", (len(SITES),), "f8", external=[("/etc/passwd", 0, 8 * len(SITES))])
    file["x"].dims[0].attach_scale(file["neuroid"])


def _virtual(file: h5py.File) -> None:
    del file["x"]
    layout = h5py.VirtualLayout((len(SITES),), "f8")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (len(SITES),))
    file.create_virtual_dataset("x", layout)
    file["x"].dims[0].attach_scale(file["neuroid"])


DATA = "dicarlo.MajajHong2015.public"


def _huge_data(file: h5py.File) -> None:
    del file[DATA]
    data = file.create_dataset(DATA, (len(SITES), 10**9, 1), "f4", chunks=(1, 10**6, 1), compression="gzip")
    for i, dim in enumerate(("neuroid", "presentation", "time_bin")):
        data.dims[i].attach_scale(file[dim])


def _no_names(file: h5py.File) -> None:
    del file[DATA].attrs["DIMENSION_LIST"]


def _attribute(name: str, value: Any) -> Callable[[Path], None]:
    return _edit(lambda file: file[DATA].attrs.__setitem__(name, value))


def _long_text(path: Path) -> None:
    """One text claims 4 GB: libhdf5 would allocate them before it finds out."""
    with h5py.File(path) as file:
        place = file["region"].id.get_offset() + 16 * 3
    content = bytearray(path.read_bytes())
    content[place : place + 4] = b"\xff\xff\xff\xf0"
    path.write_bytes(content)


N = len(ORDER)
HOSTILE: dict[str, tuple[Callable[[Path], object], str]] = {
    "truncated": (_truncate, "cannot be read: .*truncated"),
    "no HDF5 inside": (lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(500)), "cannot be read"),
    "empty": (lambda path: path.write_bytes(b""), "is no recording"),
    "external link": (_edit(_external_link), "region is a link, not data"),
    "soft link": (_edit(_soft_link), "region is a link, not data"),
    "external storage": (_edit(_external_storage), "x lies in another file"),
    "virtual data set": (_edit(_virtual), "x lies in another file"),
    "a text of 4 GB": (_long_text, "cannot be read: .*memory|cannot be read: .*alloc"),
    "a column of 10^9": (_replace("x", shape=(10**9,), dtype="f8"), "x claims 1000000000 values but holds 0 bytes"),
    "responses of 10^9": (_edit(_huge_data), "claims 8000000000 values but holds 0 bytes"),
    "columns of another length": (_replace("x", data=np.zeros(3)), "dims without a name"),
    "duplicated ids": (
        _replace("neuroid_id", data=["a", "b", "a", "c", "d", "e", "f", "g"]),
        "neuroid_id must be unique; 1 occur more than once: a",
    ),
    "ids without text": (_replace("image_id", data=[""] * N), "stimulus_id is empty at 0, 1, 2 and 117 more"),
    "undecodable text": (_replace("animal", data=[b"\xff\xfe"] * len(SITES)), "cannot be read: .*decode"),
    "compound values": (_replace("x", data=np.zeros(len(SITES), [("a", "i4")])), "x holds .*, not numbers or texts"),
    "repetitions of the wrong byte order": (
        _replace("repetition", data=np.arange(1, N + 1).byteswap()),
        "repetition holds 72057594037927936.*byte order",
    ),
    "repetitions that are text": (_replace("repetition", data=["a"] * N), "repetition must be int"),
    "no stimulus": (
        _edit(lambda file: file.__delitem__("image_id")),
        "lists coordinates that the file lacks: image_id",
    ),
    "no data": (_edit(lambda file: file.__delitem__(DATA)), "one variable of responses is needed, there are 0"),
    "coordinates is a number": (_attribute("coordinates", 7), "attribute coordinates of .* is no text"),
    "a factor that is text": (_attribute("scale_factor", "0.1"), "holds float32, its attribute scale_factor is 0.1"),
    "a factor of 0": (_attribute("scale_factor", 0.0), "scale_factor .* is 0.0; one number is needed"),
    "two offsets": (_attribute("add_offset", [1.0, 2.0]), "holds float32, .* add_offset is \\[1. 2.\\]"),
    "a thousand kinds of missing values": (_attribute("missing_value", np.arange(1000.0)), "missing_value is \\[ *0"),
    "responses in an unknown calendar": (
        _edit(lambda file: file[DATA].attrs.update(units="days since 2000-01-01", calendar="maya")),
        "cannot be decoded: ",
    ),
    "an infinite offset": (_attribute("add_offset", np.inf), "add_offset .* is inf; one number is needed"),
    "a fill value that is text": (_attribute("_FillValue", "none"), "holds float32, its attribute _FillValue is none"),
    "missing values of no kind": (_attribute("missing_value", np.zeros(0)), "holds float32, .* missing_value is"),
    "responses that are times": (_attribute("units", "days since 2000-01-01"), "cannot be decoded|real numbers"),
    "an unknown calendar": (
        _edit(lambda file: file["x"].attrs.update(units="days since 2000-01-01", calendar="maya")),
        "x cannot be decoded: ",
    ),
    "bins in samples": (
        _edit(lambda file: file["time_bin_start"].attrs.update(units="samples")),
        "time_bin_start is in 'samples'; .* ms, .* are known",
    ),
    "a fill value among ids": (
        _edit(lambda file: file["neuroid_id"].attrs.update(_FillValue=SITES[2][0])),
        "1 of 8 neuroid_id are missing .* at positions 2 from 0",
    ),
    "no dimension names": (_edit(_no_names), "dims without a name"),
    "dimension list is a number": (_attribute("DIMENSION_LIST", 3), "cannot be read|dims without a name"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_end_in_one_line_that_names_the_file(name: str, tmp_path: Path) -> None:
    damage, message = HOSTILE[name]
    path = tmp_path / "hostile.nc"
    write_majaj(path, IMAGES, ORDER)
    load(path)
    damage(path)
    with pytest.raises(RSAError, match=message) as caught:
        load(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_zero_presentations_are_an_error(tmp_path: Path) -> None:
    write_assembly(tmp_path / "a.nc", np.zeros((len(SITES), 0, 1)), majaj_columns(IMAGES, ORDER[:0]))
    with pytest.raises(RSAError, match="has no presentation"):
        load(tmp_path / "a.nc")


def test_responses_of_a_wrongly_declared_byte_order_are_an_error(tmp_path: Path) -> None:
    responses = np.random.default_rng(0).normal(1, 2, (len(SITES), N, 1)).astype(np.float32)
    write_assembly(tmp_path / "a.nc", responses.byteswap(), majaj_columns(IMAGES, ORDER))
    with pytest.raises(RSAError, match="is the byte order declared right"):
        region_rdms(load(tmp_path / "a.nc"))


def test_a_neuroid_of_nan_is_named(tmp_path: Path) -> None:
    responses = np.random.default_rng(0).normal(1, 2, (len(SITES), N, 1))
    responses[1] = np.nan
    write_assembly(tmp_path / "a.nc", responses, majaj_columns(IMAGES, ORDER))
    with pytest.raises(RSAError, match=f"1 of 6 neuroids .*: {SITES[1][0]}; missing='drop'"):
        region_rdms(load(tmp_path / "a.nc"), level="region")


def test_a_group_that_does_not_exist_is_named(tmp_path: Path) -> None:
    write_majaj(tmp_path / "a.nc", IMAGES, ORDER, group="first")
    with pytest.raises(RSAError, match="has no group second; there are: first"):
        read_brainscore(tmp_path / "a.nc", "second")
    with pytest.raises(RSAError, match="one variable of responses is needed, there are 0: first"):
        load(tmp_path / "a.nc")


SIZED = """
import re, sys
from tgsage.neural_data import load, region_rdms
rdms = region_rdms(load(sys.argv[1]), level="paper", scale="zscore")
peak = re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]
print(int(peak) / 1e6, *map(len, rdms.values()))
"""


@pytest.mark.slow
def test_a_file_of_the_size_of_majaj_takes_less_than_a_gigabyte(tmp_path: Path) -> None:
    path = write_majaj_sized(tmp_path / "majaj.nc")
    done = subprocess.run([sys.executable, "-c", SIZED, str(path)], capture_output=True, text=True, check=True)
    gigabytes, *sizes = (float(word) for word in done.stdout.split())
    assert sizes == [3200, 3200, 3200]
    assert gigabytes < 1
