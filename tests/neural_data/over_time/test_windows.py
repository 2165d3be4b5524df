"""Windows of whole time bins, and the recording in each of them, from memory and from disk."""

from pathlib import Path

import numpy as np
import pytest
import xarray
from tgsage.neural_data import from_arrays, load, save_recording, time_window, time_windows
from tgsage.neural_data.over_time import windows as module
from tgsage.rsa import RSAError


def recording(bins: list[tuple[float, float]], seed: int = 0) -> xarray.DataArray:
    rates = np.random.default_rng(seed).poisson(4, (12, 5, len(bins))).astype(np.float32)
    return from_arrays(rates, stimulus_id=list("abcd") * 3, region="V4", time_bins=bins)


EVEN = [(10.0 * t, 10.0 * t + 10) for t in range(8)]


def test_windows_are_the_bins_or_tiles_of_them() -> None:
    rec = recording(EVEN)
    assert time_windows(rec) == EVEN
    assert time_windows(rec, width=30) == [(0, 30), (30, 60)]
    assert time_windows(rec, width=40, step=20, between=(10, 80)) == [(20, 60), (40, 80)]
    assert time_windows(rec, windows=[(50, 80), (0, 20)]) == [(0, 20), (50, 80)]
    sliding = recording([(5.0 * t, 5.0 * t + 20) for t in range(6)])
    assert time_windows(sliding, width=30, step=5)[0] == (0, 30)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"width": 25}, r"window 0-25 ms is not made of whole time bins; these are 10 ms long and start at 0, 10, 20"),
        ({"width": 20, "step": 5}, r"window 5-25 ms is not made of whole time bins"),
        ({"width": 0}, r"width and step are above 0 ms, got 0 and 0"),
        ({"width": 10, "step": -10}, r"width and step are above 0 ms, got 10 and -10"),
        ({"width": 90}, r"windows of 90 ms are longer than the recording: the 8 bins cover 0-80 ms"),
        ({"step": 10}, r"a step needs the width of the windows"),
        ({"width": 80}, r"1 window is no course over time"),
        ({"between": (200, 300)}, r"no window lies inside 200-300 ms; the 8 bins cover 0-80 ms"),
        ({"windows": [(0, 20), (200, 220)]}, r"window 200-220 ms lies outside the recording"),
        ({"windows": [(0, 20), (40, 30)]}, r"a window starts before it ends, got 40-30 ms"),
        ({"windows": [(0, 20), 5]}, r"a window is \(start, end\) in ms, got 5"),
        ({"windows": [(0, 20), (0, 20)]}, r"two windows are the same"),
        ({"windows": [(0, 20)], "width": 10}, r"windows= are the windows themselves"),
    ],
)
def test_windows_that_do_not_fit_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(RSAError, match=message):
        time_windows(recording(EVEN), **settings)  # type: ignore[arg-type]


def test_gaps_between_bins_and_recordings_without_time_are_refused() -> None:
    with pytest.raises(RSAError, match=r"window 0-30 ms is not made of whole time bins"):
        time_windows(recording([(0, 10), (20, 30), (30, 40)]), width=30, step=10)
    with pytest.raises(RSAError, match=r"one time bin \(70-170 ms\), so nothing changes over time"):
        time_windows(recording([(70, 170)]))
    with pytest.raises(RSAError, match=r"has no time bins, so nothing can be followed over time"):
        time_windows(time_window(recording(EVEN), 0, 40))


def test_each_window_is_what_time_window_makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one pass and in several, from memory and from disk, over bins of unequal lengths and in any order."""
    uneven = [(0.0, 10.0), (30.0, 50.0), (10.0, 30.0), (50.0, 55.0), (55.0, 80.0)]
    rec = recording(uneven)
    rec.values[3, 2, 1] = np.nan
    wanted = [(0.0, 30.0), (10.0, 50.0), (30.0, 55.0), (55.0, 80.0)]
    expected = [time_window(rec, *window) for window in wanted]
    save_recording(rec, tmp_path / "rec.nc")
    monkeypatch.setattr("tgsage.neural_data.recordings.readers.on_disk.MAX_BYTES", 0)
    on_disk = load(tmp_path / "rec.nc")
    assert not on_disk._in_memory
    for bytes_at_once in (1, 500, 2**20):
        monkeypatch.setattr(module, "_AT_ONCE", bytes_at_once)
        for source in (rec, on_disk):
            for (window, part), own in zip(module.in_each_window(source, wanted), expected, strict=True):
                np.testing.assert_allclose(part.values, own.values, rtol=1e-6)
                assert part.dtype == np.float32
                assert window == (part.attrs["window_start"], part.attrs["window_end"])
                assert set(part.coords) == set(own.coords)
