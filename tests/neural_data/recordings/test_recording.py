"""The schema of recordings, and what is done to every one of them."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import xarray
from tgsage.neural_data import average_repetitions, check_recording, from_arrays, region_rdms, time_window
from tgsage.neural_data.recordings.recording import encode, number_repetitions
from tgsage.rsa import RSAError


def recording(n_bins: int = 0, dtype: Any = np.float64) -> xarray.DataArray:
    rng = np.random.default_rng(0)
    shown = ["b", "a", "b", "c", "a", "b", "c"]
    shape = (len(shown), 4) + (n_bins,) * (n_bins > 0)
    bins = [(20.0 * i, 20.0 * i + 20) for i in range(n_bins)] or None
    return from_arrays(
        rng.normal(5, 2, shape).astype(dtype),
        stimulus_id=shown,
        region=["V4", "V4", "IT", "IT"],
        time_bins=bins,
        presentation={"object_name": [f"o{s}" for s in shown], "session": np.arange(7)},
    )


def test_repetitions_are_numbered_in_order_of_appearance() -> None:
    assert recording()["repetition"].values.tolist() == [0, 0, 1, 0, 1, 2, 1]
    assert number_repetitions(np.array(["x"] * 3)).tolist() == [0, 1, 2]


def test_encode_keeps_the_order_of_first_appearance() -> None:
    values, codes = encode(np.array(["z", "a", "z", "m"]))
    assert values.tolist() == ["z", "a", "m"]
    assert codes.tolist() == [0, 1, 0, 2]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_bins", [0, 3])
def test_average_is_the_nanmean_over_presentations_of_each_stimulus(dtype: Any, n_bins: int) -> None:
    one = recording(n_bins, dtype)
    one.values[2, 1] = np.nan
    one.values[[3, 6], 0] = np.nan  # stimulus c has no valid repeat for neuroid 0
    mean = average_repetitions(one)
    assert mean["stimulus_id"].values.tolist() == ["b", "a", "c"]
    assert mean.dtype == dtype
    for i, stimulus in enumerate("bac"):
        rows = [one.values[j] for j in range(7) if one["stimulus_id"].values[j] == stimulus]
        for neuroid in range(4):
            valid = [row[neuroid].astype(float) for row in rows if not np.isnan(row[neuroid]).any()]
            expected = np.mean(valid, axis=0) if valid else np.full(one.shape[2:], np.nan)
            np.testing.assert_allclose(mean.values[i, neuroid], expected, rtol=1e-6)


def test_average_keeps_columns_that_are_constant_and_states_the_repeats() -> None:
    mean = average_repetitions(recording())
    assert mean["object_name"].values.tolist() == ["ob", "oa", "oc"]
    assert "session" not in mean.coords
    assert mean.attrs["repeats"] == pytest.approx(7 / 3, abs=1e-3)
    assert mean.attrs["repeats_range"] == "2 to 3"
    check_recording(mean)
    xarray.testing.assert_identical(average_repetitions(mean), mean)


def test_repeats_are_those_with_a_value() -> None:
    one = recording()
    one.values[[3, 6], 0] = np.nan  # stimulus c has no valid repeat for neuroid 0
    one.values[2, 1] = np.nan  # stimulus b has two of three for neuroid 1
    mean = average_repetitions(one)
    counts = [2, 3] + [2, 2, 2] + [2, 3, 2] * 2  # of each neuroid, without the stimulus that it lacks
    assert mean.attrs["repeats"] == pytest.approx(np.mean(counts), abs=1e-3)
    whole = average_repetitions(recording()[:6].isel(presentation=[0, 2, 5, 1, 4, 3]))
    assert whole.attrs["repeats_range"] == "1 to 3"
    assert "repeats_range" not in average_repetitions(recording()[:2]).attrs


def test_presentations_that_are_means_of_trials_count_as_these() -> None:
    halves = recording().assign_coords(trials=("presentation", [10, 20, 10, 30, 20, 10, 30]))
    mean = average_repetitions(halves.assign_attrs(repeats=18.6))
    assert (mean.attrs["repeats"], mean.attrs["repeats_range"]) == (pytest.approx(130 / 3, abs=1e-3), "30 to 60")
    assert "trials" not in mean.coords
    assert average_repetitions(mean).attrs == mean.attrs


def test_average_does_not_depend_on_the_size_of_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = average_repetitions(recording(3))
    monkeypatch.setattr("tgsage.neural_data.recordings.recording._BLOCK_BYTES", 1)
    xarray.testing.assert_identical(average_repetitions(recording(3)), whole)


def test_window_is_the_mean_of_the_bins_that_lie_whole_inside() -> None:
    one = recording(10)  # bins of 20 ms from 0 to 200
    window = time_window(one, 70, 170)
    np.testing.assert_allclose(window.values, one.values[:, :, 4:8].mean(axis=2))  # 80-160
    assert (window.attrs["window_start"], window.attrs["window_end"]) == (80, 160)
    assert window.dims == ("presentation", "neuroid")
    np.testing.assert_allclose(time_window(one, 80, 160).values, window.values)
    np.testing.assert_allclose(time_window(one).values, window.values)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
def test_a_bin_counts_for_as_long_as_it_lasts(dtype: Any) -> None:
    """The same rates in bins of 10 ms, and with some of these bins joined."""
    edges = [0, 70, 80, 120, 130, 170, 300]
    fine = np.random.default_rng(0).poisson(50, (6, 4, 30)).astype(dtype)
    joined = np.stack([fine[:, :, a // 10 : b // 10].mean(axis=2) for a, b in pairwise(edges)], axis=2)
    ids: dict[str, Any] = {"stimulus_id": list("abcabc"), "region": "IT"}
    whole = from_arrays(fine, time_bins=[(10.0 * i, 10.0 * i + 10) for i in range(30)], **ids)
    uneven = from_arrays(joined, time_bins=list(pairwise(edges)), **ids)
    for window in ((70, 170), (0, 300), (70, 80)):
        np.testing.assert_allclose(time_window(uneven, *window).values, time_window(whole, *window).values, rtol=1e-5)
        rdms = [region_rdms(one, window=window)["IT"].values for one in (uneven, whole)]
        np.testing.assert_allclose(rdms[0], rdms[1], atol=1e-4)
    counts = fine[:, :, :3].copy()  # integers are not rounded
    one = from_arrays(counts, time_bins=[(70, 80), (80, 100), (100, 170)], **ids).astype(dtype)
    np.testing.assert_allclose(time_window(one).values, counts.astype(float) @ [0.1, 0.2, 0.7], rtol=1e-6)


def test_window_of_a_recording_names_its_own_default() -> None:
    one = recording(10).assign_attrs(window_start=0, window_end=40)
    np.testing.assert_allclose(time_window(one).values, one.values[:, :, :2].mean(axis=2))
    np.testing.assert_allclose(time_window(recording(1)).values, recording(1).values[:, :, 0])


def test_window_without_bins_is_an_error() -> None:
    with pytest.raises(RSAError, match=r"no time bin lies inside 85-95 ms; the 10 bins cover 0-200 ms"):
        time_window(recording(10), 85, 95)
    with pytest.raises(RSAError, match="no time bins"):
        time_window(recording(), 70, 170)
    with pytest.raises(RSAError, match="a window has a start and an end in ms, got 70 and None"):
        time_window(recording(10), 70)


def _edit(name: str, values: Any, dim: str = "presentation") -> Callable[[xarray.DataArray], Any]:
    return lambda one: one.assign_coords({name: (dim, values)})


BROKEN: dict[str, tuple[Callable[[xarray.DataArray], Any], str]] = {
    "an array": (lambda one: one.values, "not ndarray; from_arrays makes one"),
    "dims in another order": (lambda one: one.transpose(), r"got \(neuroid, presentation\)"),
    "text responses": (lambda one: one.astype(str), "must be real numbers"),
    "complex responses": (lambda one: one.astype(complex), "must be real numbers"),
    "no presentations": (lambda one: one[:0], "has no presentation"),
    "no neuroids": (lambda one: one[:, :0], "has no neuroid"),
    "no stimulus_id": (lambda one: one.drop_vars("stimulus_id"), "stimulus_id is missing; there are: .*neuroid_id"),
    "stimulus_id of neuroids": (_edit("stimulus_id", list("abcd"), "neuroid"), r"lies along \('neuroid',\)"),
    "numbers as ids": (_edit("stimulus_id", np.arange(7)), "must be text, got int64"),
    "an empty id": (_edit("stimulus_id", ["a", "", "b", "c", "", "d", "e"]), "stimulus_id is empty at 1, 4"),
    "a neuroid twice": (_edit("neuroid_id", list("axxa"), "neuroid"), "2 occur more than once: a, x"),
    "repetition in fractions": (_edit("repetition", np.linspace(0, 1, 7)), "must be int, got float64"),
    "repetition in the wrong byte order": (
        _edit("repetition", np.arange(7).byteswap()),
        "holds 72057594037927936, .* byte order",
    ),
    "an index": (lambda one: one.assign_coords(presentation=np.arange(7)), "presentation is an index"),
    "an attribute that is a list": (lambda one: one.assign_attrs(unit=["Hz"]), "attribute unit is a list"),
    "half of a window": (lambda one: one.assign_attrs(window_start=70), "window_start and window_end belong together"),
    "a number that is text": (lambda one: one.assign_attrs(repeats="many"), "attribute repeats is a str; a number"),
    "a time bin that ends early": (
        lambda _: recording(2).assign_coords(time_bin_end=("time_bin", [20.0, 10.0])),
        "time_bin 1 starts at 20.0 and ends at 10.0 ms",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_check_names_what_is_wrong_in_one_line(name: str) -> None:
    edit, message = BROKEN[name]
    with pytest.raises(RSAError, match=message) as caught:
        check_recording(edit(recording()))
    assert "\n" not in str(caught.value)


def test_values_that_no_neuroid_has_are_an_error_when_they_are_used() -> None:
    one = recording(dtype=np.float32)
    with pytest.raises(RSAError, match="byte order"):
        average_repetitions(one.copy(data=one.values.byteswap()))
    with pytest.raises(RSAError, match="byte order"):
        average_repetitions(one.copy(data=np.round(one.values).byteswap()))  # whole numbers become denormal
    with pytest.raises(RSAError, match="responses reach inf"):
        average_repetitions(one.copy(data=np.where(one.values > 5, np.inf, one.values)))


def test_from_arrays_takes_bytes_other_byte_orders_and_integers() -> None:
    big = np.arange(6.0).reshape(3, 2).astype(">f4")
    one = from_arrays(big, stimulus_id=[b"a", b"b", b"c"], neuroid_id=np.array([b"x", b"y"]), region="V4")
    assert one.dtype == np.float32
    assert one.dtype.isnative
    assert one["stimulus_id"].values.tolist() == ["a", "b", "c"]
    assert one["neuroid_id"].values.tolist() == ["x", "y"]
    assert from_arrays(np.eye(2, dtype=int), stimulus_id="ab").dtype == np.float64


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"responses": np.zeros(3)}, r"must have shape .* got \(3,\)"),
        ({"responses": np.array([["a"]])}, "must be real numbers"),
        ({"responses": [[1, 2, 3], [4, 5]]}, "responses is no array: .*inhomogeneous"),
        ({"stimulus_id": [["a"], ["b", "c"]]}, r"a name is one text or number, got \['a'\]"),
        ({"stimulus_id": 3}, "stimulus_id are one text or number per row, got int"),
        ({"stimulus_id": [b"\xff", b"a"]}, "no UTF-8 text"),
        ({"neuroid": {"x": [1, [2, 3], 4]}}, "x is no column: .*inhomogeneous"),
        ({"responses": np.zeros((2, 3, 1)), "time_bins": [(0, 1, 2)]}, r"time_bins are pairs .* got shape \(1, 3\)"),
        ({"stimulus_id": ["a"]}, r"stimulus_id has shape \(1,\) for 2 presentations"),
        ({"region": ["V4"]}, r"region has shape \(1,\) for 3 neuroids"),
        ({"time_bins": [(0, 1)]}, "time_bins were given"),
        ({"responses": np.zeros((0, 3)), "stimulus_id": []}, "has no presentation"),
    ],
)
def test_from_arrays_names_what_does_not_fit(arguments: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"responses": np.zeros((2, 3)), "stimulus_id": ["a", "b"], **arguments}
    with pytest.raises(RSAError, match=message):
        from_arrays(**given)
