"""Targets by any column of neuroids: names, divided numbers, both; too few neuroids; many targets in bounded memory."""

from pathlib import Path

import numpy as np
import pytest
import xarray
from tgsage.neural_data import (
    as_teacher,
    from_arrays,
    rdms_over_time,
    region_neuroids,
    region_rdms,
    save_recording,
    time_window,
)
from tgsage.rsa import RSAError, compute_rdm
from tgsage.rsa.cli.app import main

IMAGES = [f"image{i}" for i in range(8)]


def recording(neuroids: int = 40, seed: int = 0) -> xarray.DataArray:
    rng = np.random.default_rng(seed)
    columns = {
        "region": np.where(np.arange(neuroids) % 2, "V4", "IT"),
        "arr": np.array([f"array{i % 5}" for i in range(neuroids)]),
        "depth": rng.permutation(np.linspace(0, 2000, neuroids)),
        "session": np.arange(neuroids) % 12,
    }
    rates = rng.poisson(6, (32, neuroids)).astype(np.float32)
    return from_arrays(rates, stimulus_id=IMAGES * 4, neuroid=columns)


def test_numbers_are_divided_into_equal_groups_or_at_edges() -> None:
    rec = recording()
    depth = rec["depth"].values
    five = region_neuroids(rec, "depth:5")
    assert [len(sites) for sites in five.values()] == [8] * 5
    highest = [depth[sites].max() for sites in five.values()]
    assert highest == sorted(highest)
    edges = region_neuroids(rec, "depth:0,500,2000")
    assert list(edges) == ["depth 0-500", "depth 500-2000"]
    assert set(edges["depth 0-500"]) == set(np.flatnonzero(depth < 500))
    assert 2000 in depth[edges["depth 500-2000"]]
    assert list(region_neuroids(rec, "session"))[:3] == ["0", "1", "2"]


def test_columns_are_combined() -> None:
    rec = recording()
    found = region_neuroids(rec, "region+depth:0,1000,2000")
    assert list(found) == ["V4 depth 0-1000", "V4 depth 1000-2000", "IT depth 0-1000", "IT depth 1000-2000"]
    expected = (rec["region"].values == "IT") & (rec["depth"].values < 1000)
    assert found["IT depth 0-1000"].tolist() == np.flatnonzero(expected).tolist()


@pytest.mark.parametrize(
    ("level", "message"),
    [
        ("deepth:5", r"no column deepth; did you mean depth"),
        ("depth", r"column depth holds 40 different numbers; depth:5 makes 5 groups of them"),
        ("arr:5", r"column arr holds texts such as array0, array1, which cannot be divided by :5"),
        ("depth:many", r"depth:many: a number of groups or rising edges are needed, such as depth:5"),
        ("depth:1", r"depth:1: 2 to 40 groups can be made of 40 neuroids"),
        ("depth:500,100", r"edges rise"),
        ("depth:5000,6000", r"no neuroid lies there; depth goes from 0 to 2000"),
    ],
)
def test_groups_that_cannot_be_are_refused(level: str, message: str) -> None:
    with pytest.raises(RSAError, match=message):
        region_neuroids(recording(), level)


def test_rdms_of_groups_are_those_of_their_neuroids_and_small_groups_are_listed() -> None:
    rec = recording()
    rdms = region_rdms(rec, level="arr")
    means = rec.values.reshape(4, 8, 40).mean(axis=0, dtype=np.float64)
    expected = compute_rdm(means[:, rec["arr"].values == "array3"])
    np.testing.assert_allclose(rdms["array3"].values, expected.values, atol=1e-6)
    few = rec.isel(neuroid=slice(0, 30))  # 12 sessions: 6 have 3 neuroids, 6 have 2
    teacher = as_teacher(few, level="session", splits=3)
    assert list(teacher.rdms) == [str(k) for k in range(6)]
    listed = "6 of 12 targets by session, with fewer than 3 neuroids: 6, 7, 8 and 3 more"
    assert teacher.attrs["left_out"] == listed
    with pytest.raises(RSAError, match=r"12 of 12 targets by session, with fewer than 3 neuroids.*none is left"):
        region_rdms(rec.isel(neuroid=slice(0, 20)), level="session")


def test_groups_over_time_are_those_of_the_whole_recording() -> None:
    rng = np.random.default_rng(2)
    columns = {"depth": rng.uniform(0, 1000, 18)}
    bins = [(0, 10), (10, 20)]
    rec = from_arrays(rng.normal(size=(24, 18, 2)), stimulus_id=IMAGES * 3, neuroid=columns, time_bins=bins)
    first = next(rdms_over_time(rec, level="depth:3", splits=2))
    expected = region_rdms(time_window(rec, 0, 10), level="depth:3")
    assert list(first.rdms) == list(expected)
    for name, rdm in expected.items():
        np.testing.assert_allclose(first.rdms[name].values, rdm.values, atol=1e-9)
    assert first.halves is not None
    assert set(first.halves.indexes["target"]) == set(expected)


def test_the_command_shows_a_row_for_each_of_many_targets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rec = recording(160)
    save_recording(rec, tmp_path / "rec.nc")
    (tmp_path / "names.txt").write_text("\n".join(IMAGES))
    np.savez(tmp_path / "model.npz", one=np.random.default_rng(1).normal(size=(8, 9)))
    command = ["score", str(tmp_path / "model.npz"), "--labels", str(tmp_path / "names.txt"), "--splits", "0"]
    command += ["--teacher", str(tmp_path / "rec.nc"), "--bootstrap", "0", "--plot", str(tmp_path / "map.png")]
    assert main([*command, "--target-by", "region+depth:8"]) == 0
    shown = capsys.readouterr().out
    assert "V4 depth 0-" in shown
    assert "best layer" in shown
    assert (tmp_path / "map.png").stat().st_size > 5000
    assert main(["data", "describe", str(tmp_path / "rec.nc"), "--splits", "2", "--target-by", "depth:3"]) == 0
    assert "depth 0-" in capsys.readouterr().out
