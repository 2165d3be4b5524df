"""Arrays of every kind of file, named by the user or by their names, and axes in any order."""

import itertools
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import scipy.io
import xarray
from tgsage.neural_data import from_arrays, load
from tgsage.rsa import RSAError
from tgsage.rsa.types import Array

RNG = np.random.default_rng(0)
TRIALS = RNG.normal(5, 1, (5, 3, 4))  # stimuli, repeats, neuroids
TRIALS[2, 1] = np.nan  # not shown
NAMES, REGIONS = list("ebdac"), ["V4", "V4", "IT", "IT"]
SHOWN = [(i, r) for i in range(5) for r in range(3) if (i, r) != (2, 1)]
AXES = ("stimulus", "repetition", "neuroid")


def check(one: xarray.DataArray) -> None:
    assert one["stimulus_id"].values.tolist() == [NAMES[i] for i, _ in SHOWN]
    assert one["repetition"].values.tolist() == [r for _, r in SHOWN]
    np.testing.assert_array_equal(one.values, np.array([TRIALS[i, r] for i, r in SHOWN]))


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_axes_come_in_any_order(order: tuple[int, ...]) -> None:
    array, dims = TRIALS.transpose(order), [AXES[i] for i in order]
    check(from_arrays(array, dims=dims, stimulus_id=NAMES))
    coords: dict[str, Any] = {"stimulus": NAMES, "object_name": ("stimulus", list("xxyyz"))}
    labelled = xarray.DataArray(array, coords | {"region": ("neuroid", REGIONS)}, dims)
    one = from_arrays(labelled)
    check(one)
    assert one["object_name"].values.tolist() == ["xxyyz"[i] for i, _ in SHOWN]
    assert one["region"].values.tolist() == REGIONS


def test_axes_with_time_and_columns_per_stimulus() -> None:
    x = RNG.normal(size=(2, 4, 5, 3))  # bins, neuroids, stimuli, repeats
    one = from_arrays(
        x,
        dims="time,unit,image,repeat",
        stimulus_id=NAMES,
        presentation={"object_name": list("xxyyz")},
        time_bins=[(0, 50), (50, 100)],
    )
    for p, (i, r) in enumerate(itertools.product(range(5), range(3))):
        np.testing.assert_array_equal(one.values[p], x[:, :, i, r].T)
        assert one["object_name"].values[p] == "xxyyz"[i]
    means = from_arrays(x[0, :, :, 0], dims=("neuroid", "stimulus"), stimulus_id=NAMES)
    np.testing.assert_array_equal(means.values, x[0, :, :, 0].T)


@pytest.mark.parametrize(
    ("shape", "dims", "message"),
    [
        ((5, 3, 4), (), r"three axes of responses of shape \(5, 3, 4\) .* dims="),
        ((5, 3, 4), ("stimulus", "neuroid"), "dims name 2 axes"),
        ((5, 4), ("stimulus", "voxel"), "not 'voxel'"),
        ((5, 4), ("stimulus", "stimulus"), "an axis twice"),
        ((5, 4), ("stimulus", "repetition"), "dims are 'neuroid'"),
        ((5, 3, 4), ("presentation", "repetition", "neuroid"), "dims are 'neuroid'"),
        ((5, 3, 4), ("stimulus", "time_bin", "neuroid"), "time bins need edges"),
        ((6, 3, 4), AXES, r"stimulus_id has shape \(5,\) for 6 stimuli"),
        ((0, 3, 4), AXES, "responses must be real numbers in every axis"),
    ],
)
def test_axes_that_cannot_be_end_in_one_line(shape: tuple[int, ...], dims: tuple[str, ...], message: str) -> None:
    with pytest.raises(RSAError, match=message):
        from_arrays(np.ones(shape), dims=dims, stimulus_id=NAMES)
    with pytest.raises(RSAError, match="no repetition with any value, at positions 2"):
        from_arrays(np.where(np.arange(5)[:, None, None] == 2, np.nan, TRIALS), dims=AXES, stimulus_id=NAMES)


def cells(texts: list[str]) -> Array:
    column = np.empty((len(texts), 1), object)
    column[:, 0] = texts
    return column


def matlab73(path: Path, arrays: dict[str, Array], texts: dict[str, list[str]]) -> None:
    """As MATLAB writes it: axes reversed, cells of texts as references to uint16, 512 bytes before the HDF5."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, values in arrays.items():
            file.create_dataset(name, data=values.T).attrs["MATLAB_class"] = np.bytes_("double")
        for name, items in texts.items():
            refs = []
            for i, text in enumerate(items):
                codes = np.array([list(map(ord, text))], np.uint16).T
                cell = file.create_dataset(f"#refs#/{name}{i}", data=codes)
                cell.attrs["MATLAB_class"] = np.bytes_("char")
                refs.append(cell.ref)
            data = file.create_dataset(name, data=np.array([refs], h5py.ref_dtype))
            data.attrs["MATLAB_class"] = np.bytes_("cell")
    with path.open("r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")


def write(path: Path, responses: Array = TRIALS, names: list[str] = NAMES) -> Path:
    if path.suffix == ".npz":
        np.savez_compressed(path, resp_all=responses, shown=np.array(names), area=np.array(REGIONS))
    elif path.suffix == ".h5":
        with h5py.File(path, "w") as file:
            file["neural/resp_all"], file["shown"], file["area"] = responses, names, REGIONS
    elif path.name.endswith("73.mat"):
        matlab73(path, {"resp_all": responses}, {"shown": names, "area": REGIONS})
    else:
        arrays = {"resp_all": responses, "shown": cells(names), "area": cells(REGIONS)}
        scipy.io.savemat(path, arrays, do_compression=True)
    return path


FILES = ("a.npz", "a.h5", "a73.mat", "a.mat")


@pytest.mark.parametrize("name", FILES)
def test_variables_that_are_named_are_read(name: str, tmp_path: Path) -> None:
    path = write(tmp_path / name)
    variable = "neural/resp_all" if name == "a.h5" else "resp_all"
    one = load(path, responses=variable, stimulus_ids="shown", region="area", dims=AXES)
    check(one)
    assert one["region"].values.tolist() == REGIONS
    assert f"responses from {variable}; stimuli from shown" in one.attrs["read_as"]
    with pytest.raises(RSAError, match=r"has no 'resp'.*resp_all"):
        load(path, responses="resp", stimulus_ids="shown", dims=AXES)
    with pytest.raises(RSAError, match=r"which axis is which\?.* --dims"):
        load(path, responses=variable, stimulus_ids="shown")
    with pytest.raises(RSAError, match=r"holds the responses|--stimulus-ids takes a variable"):
        load(path, region="area", dims=AXES)


def test_usual_names_are_guessed_and_axes_by_their_lengths(tmp_path: Path) -> None:
    means = RNG.normal(size=(4, 5))
    np.savez(tmp_path / "a.npz", rates=means, stimuli=NAMES, areas=REGIONS)
    one = load(tmp_path / "a.npz")
    np.testing.assert_array_equal(one.values, means.T)
    assert one["region"].values.tolist() == REGIONS
    assert one.attrs["read_as"].startswith("responses from rates; stimuli from stimuli; axes neuroid, presentation")


def test_names_come_from_a_file_or_are_the_order(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", TRIALS)
    (tmp_path / "names.txt").write_text("\n".join(NAMES) + "\n")
    check(load(tmp_path / "a.npy", stimulus_ids=str(tmp_path / "names.txt"), dims=AXES, region="V4"))
    numbered = load(tmp_path / "a.npy", stimulus_ids="order", dims=AXES)
    assert numbered["stimulus_id"].values.tolist() == [str(i) for i, _ in SHOWN]
    assert "stimuli numbered in their order" in numbered.attrs["read_as"]
    with pytest.raises(RSAError, match=r"bare array .*--stimulus-ids"):
        load(tmp_path / "a.npy")


def test_no_pickle_and_no_claim_beyond_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, responses=np.array([{"a": 1}, None]), stimuli=NAMES)
    with pytest.raises(RSAError, match=r"a\.npz"):
        load(path, responses="responses", stimulus_ids="stimuli", dims="stimulus,neuroid")
    np.save(tmp_path / "b.npy", np.ones((3, 4)))
    content = (tmp_path / "b.npy").read_bytes().replace(b"(3, 4)", b"(3, 4000000)")
    (tmp_path / "b.npy").write_bytes(content)
    with pytest.raises(RSAError, match=r"b\.npy"):
        load(tmp_path / "b.npy", stimulus_ids="order", dims="stimulus,neuroid")


@pytest.mark.parametrize("name", FILES)
def test_damaged_files_end_in_one_line_or_none(name: str, tmp_path: Path) -> None:
    content = write(tmp_path / name).read_bytes()
    path = tmp_path / f"damaged{name}"
    for seed in range(12):
        rng = np.random.default_rng(seed)
        damaged = bytearray(content)
        for place in rng.integers(128 if name == "a.mat" else 0, len(content), 4):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged if seed % 4 else damaged[: int(rng.integers(200, len(content)))])
        try:
            load(path, responses="resp_all", stimulus_ids="shown", dims=AXES)
        except RSAError as error:
            assert "\n" not in str(error)  # noqa: PT017
