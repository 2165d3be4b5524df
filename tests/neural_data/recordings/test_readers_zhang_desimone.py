"""Zhang et al. 2011: the real trials, and damaged ones."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tgsage.neural_data import load, region_rdms
from tgsage.rsa import RSAError


def test_trials_of_each_site_become_repeats_of_object_and_position(data_dir: Path) -> None:
    one = load("zhangdesimone", data_dir=data_dir)
    stored = np.load(data_dir / "zd_it" / "zd_it.npz")
    assert one.sizes["neuroid"] == 132
    assert len(set(one["stimulus_id"].values)) == 21
    assert np.count_nonzero(~np.isnan(one.values[:, :, 0])) == len(stored["rate"])
    for site in (1, 77, 132):
        here = (stored["site"] == site) & (stored["stimulus"] == "kiwi") & (stored["position"] == "lower")
        rows = one["stimulus_id"].values == "kiwi/lower"
        got = one.values[rows, one["neuroid_id"].values.tolist().index(f"site{site}")]
        np.testing.assert_array_equal(got[: here.sum()], stored["rate"][here])
        assert np.isnan(got[here.sum() :]).all()
    assert one["time_bin_start"].values[[0, -1]].tolist() == [-500, 350]


def test_rdm_by_object_is_that_of_the_mean_rates_in_the_window(data_dir: Path) -> None:
    stored = np.load(data_dir / "zd_it" / "zd_it.npz")
    rate = stored["rate"][:, [12, 13]].astype(float).mean(axis=1)  # 100-250 and 150-300 ms
    objects, positions = sorted(set(stored["stimulus"])), sorted(set(stored["position"]))
    x = np.zeros((len(objects), len(positions), 132))
    for i, o in enumerate(objects):
        for j, p in enumerate(positions):
            here = (stored["stimulus"] == o) & (stored["position"] == p)
            x[i, j] = [rate[here & (stored["site"] == site)].mean() for site in range(1, 133)]
    expected = 1 - np.corrcoef(x.mean(axis=1))
    rdm = region_rdms(load("zhangdesimone", data_dir=data_dir), by="object_name")["IT"].subset(objects)
    np.testing.assert_allclose(rdm.square(), expected, atol=2e-6)
    assert rdm.attrs["window"] == "100-300 ms"


GOOD: dict[str, Any] = {
    "rate": np.ones((4, 2)),
    "site": np.array([1, 1, 2, 2]),
    "stimulus": np.array(["car", "face", "car", "face"]),
    "position": np.array(["upper"] * 4),
    "bins": np.array(["time.100_200", "time.200_300"]),
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rate": np.ones((3, 2))}, r"one site, stimulus and position per trial, got \(3, 2\)"),
        ({"rate": np.full((4, 2), "a")}, r"rate must be \(trials, bins\)"),
        ({"bins": np.array(["a", "b"])}, "bins must be 2 names such as time.-500_-350"),
        ({"bins": np.array(["time.100_200"])}, "bins must be 2 names"),
        ({"site": np.array([None] * 4)}, "cannot be read"),
        (
            {
                "rate": np.ones((0, 2)),
                "site": np.zeros(0),
                "stimulus": np.zeros(0, "U1"),
                "position": np.zeros(0, "U1"),
            },
            "no trials",
        ),
        ({"site": None}, "has no site; it holds rate"),
    ],
)
def test_odd_archives_end_in_one_line(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **{key: value for key, value in (GOOD | change).items() if value is not None})
    with pytest.raises(RSAError, match=message) as caught:
        load(tmp_path / "a.npz")
    assert "\n" not in str(caught.value)


def test_trials_of_other_objects_are_nobody_elses(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **GOOD)
    assert load(tmp_path / "a.npz").attrs["identifier"] == "zhangdesimone"
    np.savez(tmp_path / "b.npz", **GOOD | {"stimulus": np.array(["car", "shoe"] * 2)})
    one = load(tmp_path / "b.npz")
    assert one["stimulus_id"].values.tolist() == ["car/upper", "shoe/upper"]
    assert not one.attrs
    with pytest.raises(RSAError, match="the neuroids have no column region"):
        region_rdms(one, window=(100, 300))


def test_a_bomb_is_not_inflated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez_compressed(tmp_path / "a.npz", **GOOD | {"rate": np.zeros((4, 10**5))})
    monkeypatch.setattr("tgsage.neural_data.recordings.readers.zhang_desimone._MAX_BYTES", 10**6)
    with pytest.raises(RSAError, match=r"claims 32\d{5} bytes, too many"):
        load(tmp_path / "a.npz")
