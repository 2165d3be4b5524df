"""NWB files written by pynwb, against a plain loop over spikes."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from tgsage.neural_data import as_teacher, load, load_teacher
from tgsage.rsa import RSAError

pynwb = pytest.importorskip("pynwb", reason="pynwb writes the files of these tests")
DynamicTable = pytest.importorskip("hdmf.common").DynamicTable
pytestmark = pytest.mark.filterwarnings("ignore")  # of pynwb
RNG = np.random.default_rng(0)
SHOWN, OBJECTS = [f"im{t % 4}" for t in range(12)], [f"o{t % 2}" for t in range(12)]
ONSETS = np.arange(12) * 0.5 + 0.1
SPIKES = [np.sort(RNG.uniform(0, 6.5, n)) for n in (400, 0, 300, 500, 200)]
ELECTRODES = [1, 0, 2, 2, 0]
LOCATIONS = ["V4", "IT", "V4"]


def write(path: Path, *, table: str = "trials", stimulus: str = "image_id", observed: bool = False) -> Path:
    nwb = pynwb.NWBFile("session", "id", datetime(2020, 1, 1, tzinfo=UTC))
    nwb.subject = pynwb.file.Subject(subject_id="N", species="Macaca mulatta", age="P5Y", sex="F")
    group = nwb.create_electrode_group("g", "array", "ventral stream", nwb.create_device("array"))
    for location in LOCATIONS:
        nwb.add_electrode(location=location, group=group)
    trials = pynwb.epoch.TimeIntervals(table, "what was shown")
    for name in (stimulus, "object_name", "correct"):
        trials.add_column(name, name)
    for onset, shown, thing in zip(ONSETS, SHOWN, OBJECTS, strict=True):
        row: dict[str, Any] = {stimulus: shown, "object_name": thing, "correct": thing == "o1"}
        trials.add_row(start_time=onset, stop_time=onset + 0.3, **row)
    if table == "trials":
        nwb.trials = trials
    else:
        nwb.add_time_intervals(trials)
    for spikes, electrode in zip(SPIKES, ELECTRODES, strict=True):
        seen = {"obs_intervals": [[0.0, 1.3], [2.0, 7.0]]} if observed else {}
        nwb.add_unit(spike_times=spikes, electrodes=[electrode], **seen)
    with pynwb.NWBHDF5IO(path, "w") as io:
        io.write(nwb)
    return path


def counted(start: float, end: float) -> list[list[int]]:
    return [[sum(o + start <= s < o + end for s in spikes) for spikes in SPIKES] for o in ONSETS]


@pytest.mark.parametrize("table", ["trials", "presentations"])
def test_spikes_are_counted_after_each_onset(table: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.nwb", table=table)
    one = load(path)
    np.testing.assert_array_equal(one.values[:, :, 0], counted(0.07, 0.17))
    assert one["stimulus_id"].values.tolist() == SHOWN
    assert one["object_name"].values.tolist() == OBJECTS
    assert one["correct"].values.tolist() == [thing == "o1" for thing in OBJECTS]
    assert one["repetition"].values.tolist() == [t // 4 for t in range(12)]
    assert one["region"].values.tolist() == [LOCATIONS[e] for e in ELECTRODES]
    assert set(one["animal"].values) == {"N"}
    assert one.attrs["read_as"] == (
        f"spikes 70 to 170 ms after start_time of {table}; stimuli from image_id; regions from location of the"
        " electrodes"
    )
    wider = load(path, window=(0, 200), where="correct=true")
    np.testing.assert_array_equal(wider.values[:, :, 0], np.array(counted(0, 0.2))[1::2])


def test_a_teacher_counts_in_the_window_that_is_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nwb")
    teacher = load_teacher(path, window=(0, 200), where="region=V4", splits=0)
    expected = as_teacher(load(path, window=(0, 200)), where="region=V4", splits=0)
    for region, rdm in teacher.rdms.items():
        np.testing.assert_array_equal(rdm.values, expected.rdms[region].values)
        assert rdm.attrs["window"] == "0-200 ms"
    assert "0 to 200 ms after start_time" in str(teacher.attrs["read_as"])


def test_what_a_unit_was_not_observed_in_is_missing(tmp_path: Path) -> None:
    values = load(write(tmp_path / "a.nwb", observed=True)).values[:, :, 0]
    inside = [any(a <= o + 0.07 and o + 0.17 <= b for a, b in ((0, 1.3), (2, 7))) for o in ONSETS]
    assert not all(inside)
    np.testing.assert_array_equal(values[inside], np.array(counted(0.07, 0.17))[inside])
    assert np.isnan(values[~np.array(inside)]).all()


def test_columns_are_named_by_the_user(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nwb", stimulus="what")
    with pytest.raises(RSAError, match=r"no table of intervals has a column that names stimuli.*trials \(.*what"):
        load(path)
    one = load(path, stimulus_ids="what", region="ventral")
    assert one["stimulus_id"].values.tolist() == SHOWN
    assert set(one["region"].values) == {"ventral"}
    for options, message in (
        ({"part": "trails"}, "no table of intervals 'trails'; did you mean trials"),
        ({"neuroid_ids": "name"}, "units have no column 'name'"),
        ({"window": (100, 50)}, "a start before its end"),
        ({"dims": "stimulus,neuroid"}, "have no dims"),
    ):
        with pytest.raises(RSAError, match=message):
            load(path, **{"stimulus_ids": "what", **options})  # type: ignore[arg-type]


def test_rasters_and_other_arrays_in_it_are_read_by_their_names(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nwb")
    rasters = RNG.poisson(3, (4, 3, 5)).astype(np.float64)
    with h5py.File(path, "a") as file:
        file["processing/ecephys/rasters/data"] = rasters
        file["processing/ecephys/rasters/images"] = ["a", "b", "c", "d"]
    named = {"responses": "processing/ecephys/rasters/data", "stimulus_ids": "processing/ecephys/rasters/images"}
    one = load(path, **named, dims="stimulus,repetition,neuroid")  # type: ignore[arg-type]
    np.testing.assert_array_equal(one.values, rasters.reshape(12, 5))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.pop("units"), "no sorted units"),
        (lambda f: f.pop("intervals"), "no table of intervals .*there are: none"),
        (
            lambda f: f["units/spike_times_index"].write_direct(np.array([9, 3, 4, 5, 6], np.uint16)),
            "index of spike_times",
        ),
        (lambda f: f["intervals/trials/start_time"].write_direct(np.full(12, np.nan)), "12 trials have no onset"),
        (lambda f: f["units/electrodes"].write_direct(np.full(5, 77)), "electrodes that do not exist"),
    ],
)
def test_damaged_files_end_in_one_line(change: Any, message: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.nwb")
    with h5py.File(path, "a") as file:
        change(file)
    with pytest.raises(RSAError, match=message) as caught:
        load(path)
    assert str(path) in str(caught.value)


RATE, BINS, SERIES = 1000.0, 7000, "stimulus/presentation/presentations"
RASTER = RNG.poisson(0.05, (BINS, 4)).astype(np.uint8)
FILES = [f"stimuli/set/im{i}.png" for i in range(4)]


def write_rasters(path: Path, *, trials: bool = False, timestamps: bool = False, **changed: Any) -> Path:
    """As DANDI 000628: no sorted units but a time series of counts, and a series that indexes the files of images."""
    nwb = pynwb.NWBFile("session", "id", datetime(2020, 1, 1, tzinfo=UTC))
    module = nwb.create_processing_module("ecephys", "rasters")
    clock: dict[str, Any] = {"starting_time": 0.05, "rate": RATE}
    if timestamps:
        clock = {"timestamps": 0.05 + np.arange(BINS) / RATE}
    clock |= {"data": RASTER, "unit": "count"} | changed
    module.add(pynwb.TimeSeries("rasters", **clock))
    units = DynamicTable("unit_names", "names of the units")
    units.add_column("unit_name", "name")
    for i in range(4):
        units.add_row(unit_name=f"00{i}a")
    module.add(units)
    if trials:
        nwb.add_trial_column("image_id", "what was shown")
        for onset, shown in zip(ONSETS, SHOWN, strict=True):
            nwb.add_trial(start_time=onset, stop_time=onset + 0.3, image_id=shown)
    else:
        files = pynwb.image.ImageSeries(
            "images", external_file=FILES, format="external", timestamps=np.arange(4.0), starting_frame=[0, 1, 2, 3]
        )
        nwb.add_stimulus_template(files)
    with pynwb.NWBHDF5IO(path, "w") as io:
        io.write(nwb)
    if not trials:  # a series as older pynwb wrote it, which today's refuses to write
        with h5py.File(path, "a") as file:
            series = file.require_group(SERIES)
            series.attrs["neurodata_type"] = "IndexSeries"
            series["data"] = np.array([FILES.index(f"stimuli/set/{name}.png") for name in SHOWN], np.uint32)
            series["timestamps"] = ONSETS
            series["indexed_timeseries"] = h5py.SoftLink("/stimulus/templates/images")
    return path


@pytest.mark.parametrize(("trials", "timestamps"), [(False, False), (True, False), (False, True)])
def test_rasters_without_sorted_units_are_counted_in_the_window(trials: bool, timestamps: bool, tmp_path: Path) -> None:
    one = load(write_rasters(tmp_path / "a.nwb", trials=trials, timestamps=timestamps), region="IT")
    begins = 0.05 + np.arange(BINS) / RATE
    inside = [(begins > o + 0.07 - 1e-6) & (begins < o + 0.17 - 1e-4) for o in ONSETS]
    np.testing.assert_array_equal(one.values[:, :, 0], [RASTER[rows].sum(axis=0) for rows in inside])
    assert one["stimulus_id"].values.tolist() == (SHOWN if trials else [f"{name}.png" for name in SHOWN])
    assert one["neuroid_id"].values.tolist() == ["000a", "001a", "002a", "003a"]
    assert set(one["region"].values.tolist()) == {"IT"}
    assert "bins of 1 ms of processing/ecephys/rasters" in str(one.attrs["read_as"])
    late = load(write_rasters(tmp_path / "b.nwb", trials=trials), window=(1100, 1500))
    assert np.isnan(late.values[-1]).all()
    assert np.isfinite(late.values[:-1]).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda f: f["stimulus/presentation/presentations/data"].write_direct(np.full(12, 9, np.uint32)),
            "images 9 to 9",
        ),
        (lambda f: f["processing/ecephys/rasters"].pop("data"), "no sorted units|no table of intervals"),
        (lambda f: f["processing/ecephys/rasters/starting_time"].attrs.update(rate=-1.0), "starting_time with a rate"),
        (lambda f: f["processing/ecephys/rasters/starting_time"].attrs.update(rate=5.0), "do not fit into a window"),
        (lambda f: f[f"{SERIES}/timestamps"].write_direct(np.full(12, np.nan)), "no onset"),
        (lambda f: f[f"{SERIES}/timestamps"].write_direct(np.full(12, 1e6)), "no onset lies"),
        (lambda f: f["stimulus/templates/images"].pop("external_file"), "does not say which files"),
        (lambda f: f.update({"processing/ecephys/rasters2": f["processing/ecephys/rasters"]}), "holds several rasters"),
    ],
)
def test_damaged_rasters_end_in_one_line(change: Any, message: str, tmp_path: Path) -> None:
    path = write_rasters(tmp_path / "a.nwb")
    with h5py.File(path, "a") as file:
        change(file)
    with pytest.raises(RSAError, match=message) as caught:
        load(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_rasters_elsewhere_are_not_followed(tmp_path: Path) -> None:
    path = write_rasters(tmp_path / "a.nwb")
    with h5py.File(path, "a") as file:
        del file["processing/ecephys/rasters"]
        file["processing/ecephys/rasters"] = h5py.ExternalLink("/etc/passwd", "/x")
    with pytest.raises(RSAError, match="no table of intervals"):
        load(path)
