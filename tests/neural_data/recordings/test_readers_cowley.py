"""Sessions of Cowley et al. 2023: the real ones, and damaged ones."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tgsage.neural_data import average_repetitions, load, load_teacher
from tgsage.neural_data.recordings.readers import cowley
from tgsage.rsa import RSAError


def test_session_190923_holds_averages_of_33_neuroids_over_1200_images(data_dir: Path) -> None:
    one = load("cowley2023/190923", data_dir=data_dir)
    stored = np.load(data_dir / "cowley_v4" / "responses_190923.npy")
    assert one.shape == (1200, 33)
    np.testing.assert_array_equal(one.values, stored.T)
    assert one["stimulus_id"].values[[0, 1199]].tolist() == ["190923/image0001", "190923/image1200"]
    assert set(one["region"].values) == {"V4"}
    assert one.attrs["identifier"] == "cowley2023/190923"
    assert one.attrs["repeats"] == 14


def test_session_210325_holds_the_valid_repeats_as_presentations(data_dir: Path) -> None:
    one = load("cowley2023/210325", data_dir=data_dir)
    raw = np.load(data_dir / "cowley_v4" / "responses_raw_210325.npy")
    assert one.shape == (4840, 50)
    assert not np.isnan(one.values).any()
    for row in (0, 7, 2500, 4839):
        image = int(one["stimulus_id"].values[row][-4:]) - 1
        np.testing.assert_array_equal(one.values[row], raw[:, image, one["repetition"].values[row]])
    mean = average_repetitions(one)
    np.testing.assert_allclose(mean.values, np.load(data_dir / "cowley_v4" / "responses_210325.npy").T, atol=1e-12)
    assert mean["stimulus_id"].values.tolist() == [f"210325/image{i + 1:04d}" for i in range(640)]
    assert mean.attrs["repeats"] == 7.562


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small ones, as if they had been published."""
    for name, shape in {"200101": (2, 2, 3), "210401": (2, 3, 2), "190101": (3, 40, 1)}.items():
        monkeypatch.setitem(cowley._SESSIONS, name, shape)


def _save(path: Path, values: Any) -> Path:
    np.save(path, values)
    return path.with_suffix(".npy")


@pytest.mark.usefixtures("sessions")
def test_a_repeat_is_left_out_only_where_no_neuroid_has_it(tmp_path: Path) -> None:
    raw = np.arange(12.0).reshape(2, 2, 3)
    raw[:, 0, 2] = np.nan
    raw[0, 1, 1] = np.nan
    one = load(_save(tmp_path / "responses_raw_200101.npy", raw))
    assert one["stimulus_id"].values.tolist() == ["200101/image0001"] * 2 + ["200101/image0002"] * 3
    assert one["repetition"].values.tolist() == [0, 1, 0, 1, 2]
    np.testing.assert_array_equal(one.values[3], [np.nan, 10])
    assert set(one["animal"].values) == {"PE"}


@pytest.mark.usefixtures("sessions")
def test_big_endian_and_fortran_order_are_read(tmp_path: Path) -> None:
    stored = np.asfortranarray(np.arange(6.0).reshape(2, 3).astype(">f8"))
    np.testing.assert_array_equal(load(_save(tmp_path / "responses_210401.npy", stored)).values, stored.T)


def _header(shape: str, descr: str = "<f8") -> bytes:
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (_header("(33, 1000000000)") + bytes(800), "cannot be read"),
        (_header("(33, 1200)") + bytes(800), "cannot be read"),
        (_header("(-1, 5)") + bytes(800), "cannot be read|expected numbers"),
        (_header("(2, 2)", "|O") + bytes(800), "cannot be read"),
        (_header("(2, 2)", "<U4") + bytes(64), r"expected numbers of shape \(neuroids, images\[, repeats\]\)"),
        (_header("(4,)") + bytes(32), "expected numbers of shape"),
        (_header("(0, 5)"), r"shape \(0, 5\) .* holds nothing"),
        (b"\x93NUMPY\x01\x00" + b"\xff\xff" + b"{" * 400, "cannot be read"),
        (b"\x93NUMPY", "cannot be read"),
    ],
)
def test_hostile_arrays_end_in_one_line(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "responses.npy").write_bytes(content)
    with pytest.raises(RSAError, match=message) as caught:
        load(tmp_path / "responses.npy")
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("sessions")
def test_images_without_any_repeat_are_named(tmp_path: Path) -> None:
    raw = np.ones((2, 3, 2))
    raw[:, 1] = np.nan
    with pytest.raises(RSAError, match="1 of 3 images have no repeat: 210401/image0002"):
        load(_save(tmp_path / "responses_raw_210401.npy", raw))
    with pytest.raises(RSAError, match="holds nothing"):
        load(_save(tmp_path / "responses_raw_210401.npy", raw[:, :, :0]))


@pytest.mark.usefixtures("sessions")
def test_a_wrongly_declared_byte_order_is_an_error(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(5, 1, (3, 40)).byteswap()
    with pytest.raises(RSAError, match="byte order"):
        average_repetitions(load(_save(tmp_path / "responses_190101.npy", values)))


@pytest.mark.parametrize(
    ("name", "shape", "known"),
    [
        ("mine", (30, 100), ""),
        ("responses_mylab", (200, 12), ""),
        ("responses_raw_250101", (20, 50, 3), ""),
        ("responses_190923", (1200, 33), r", and session 190923 of Cowley et al. has \(33, 1200\)"),
        ("responses_raw_210325", (50, 600, 4), r", and session 210325 of Cowley et al. has \(50, 640\)"),
    ],
)
def test_any_other_array_is_not_taken_for_a_session(
    name: str, shape: tuple[int, ...], known: str, tmp_path: Path
) -> None:
    path = _save(tmp_path / name, np.ones(shape))
    message = rf"{name}\.npy: a bare array of shape .* names neither stimuli nor regions{known}; --stimulus-ids"
    for read in (load, load_teacher):
        with pytest.raises(RSAError, match=message):
            read(path)
