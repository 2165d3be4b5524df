"""Bashivan, Kar & DiCarlo 2019: V4 sites, natural and synthesised images, from a file that plain h5py wrote."""

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from tgsage.neural_data import images, load, match_images, region_rdms
from tgsage.rsa import RSAError
from tgsage.rsa.types import Array

SESSIONS = {"monkey_m/ohp/session_1": (3, 4), "monkey_m/stretch/session_1": (5, 3), "monkey_s/ohp/session_1": (4, 2)}
SYNTHETIC = "synthetic/monkey_m/ohp/session_1"


@pytest.fixture
def written(tmp_path: Path) -> tuple[Path, dict[str, Array]]:
    return tmp_path / "npc_v4_data.h5", write_npc_v4(tmp_path / "npc_v4_data.h5")


def write_npc_v4(path: Path) -> dict[str, Array]:
    """Sessions of these numbers of repeats and neurons, 6 natural and 4 synthesised images."""
    rng, arrays = np.random.default_rng(0), {}
    with h5py.File(path, "w") as file:
        file["images/naturalistic"] = rng.integers(0, 256, (6, 8, 8), np.uint8)
        for name, (repeats, neurons) in SESSIONS.items():
            arrays[name] = rng.normal(size=(repeats, 6, neurons))
            file[f"neural/naturalistic/{name}"] = arrays[name]
            file[f"target_inds/{name}"] = np.array([0, neurons - 1])
        arrays[SYNTHETIC] = rng.normal(size=(2, 4, 4))
        file[f"neural/{SYNTHETIC}"] = arrays[SYNTHETIC]
        file[f"images/{SYNTHETIC}"] = rng.integers(0, 256, (4, 8, 8), np.uint8)
        arrays["pictures"] = np.concatenate([file["images/naturalistic"][()], file[f"images/{SYNTHETIC}"][()]])
    return arrays


def test_sessions_stand_side_by_side_with_gaps_for_missing_repeats(written: tuple[Path, dict[str, Array]]) -> None:
    path, arrays = written
    one = load(path)
    assert one.sizes == {"presentation": 30, "neuroid": 9}
    for name, (repeats, _) in SESSIONS.items():
        animal, setting, session = name.split("/")
        own = (one["animal"] == animal) & (one["setting"] == setting) & (one["session"] == session)
        part = one.isel(neuroid=np.flatnonzero(own.values))
        for image in range(6):
            shown = part.isel(presentation=np.flatnonzero(one["stimulus_id"].values == f"naturalistic/{image:04d}"))
            np.testing.assert_array_equal(shown.values[:repeats], arrays[name][:, image])
            assert np.isnan(shown.values[repeats:]).all()
        assert part["is_target"].values.tolist() == [i in (0, SESSIONS[name][1] - 1) for i in range(SESSIONS[name][1])]
    means = np.concatenate([arrays[name].mean(axis=0) for name in SESSIONS], axis=1)
    expected = 1 - np.corrcoef(means)[np.triu_indices(6, 1)]
    np.testing.assert_allclose(region_rdms(one)["V4"].values, expected, atol=1e-9)
    assert load("bashivan2019", data_dir=path.parent).attrs["identifier"] == "bashivan2019"


def test_a_session_of_synthesised_images_is_a_part(written: tuple[Path, dict[str, Array]]) -> None:
    path, arrays = written
    one = load(path, part=SYNTHETIC)
    assert one["stimulus_id"].values[:3].tolist() == [f"monkey_m/ohp/session_1/000{i}" for i in (0, 0, 1)]
    np.testing.assert_array_equal(one.values, arrays[SYNTHETIC].transpose(1, 0, 2).reshape(8, 4))
    with pytest.raises(RSAError, match=r"unknown part 'synthetic/monkey_m/ohp/session_2'; did you mean .*session_1"):
        load(path, part="synthetic/monkey_m/ohp/session_2")


def test_images_of_all_parts_are_in_the_same_file(written: tuple[Path, dict[str, Array]]) -> None:
    path, arrays = written
    stimuli = images(path)
    assert len(stimuli) == 10
    for i, picture in enumerate(arrays["pictures"]):
        np.testing.assert_array_equal(np.asarray(stimuli[i])[:, :, 0], picture)
    for part, first in (("", 0), (SYNTHETIC, 6)):
        shown = match_images(load(path, part=part), stimuli)
        np.testing.assert_array_equal(np.asarray(shown[1])[:, :, 0], arrays["pictures"][first + 1])


def _text(file: h5py.File) -> None:
    del file["neural/naturalistic/monkey_s/ohp/session_1"]
    file["neural/naturalistic/monkey_s/ohp/session_1"] = ["a"]


def _flat(file: h5py.File) -> None:
    del file["neural/naturalistic/monkey_s/ohp"]
    file["neural/naturalistic/monkey_s/ohp"] = np.zeros(3)


def _fewer(file: h5py.File) -> None:
    del file["neural/naturalistic/monkey_s/ohp/session_1"]
    file["neural/naturalistic/monkey_s/ohp/session_1"] = np.zeros((4, 5, 2))


def _no_targets(file: h5py.File) -> None:
    del file["target_inds/monkey_s"]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_text, "expected numbers"),
        (_flat, "must hold monkey/setting/session"),
        (_fewer, "1 sessions have other than the 6 images: monkey_s"),
        (_no_targets, "it has no target_inds/monkey_s"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_in_one_line(
    damage: Callable[[h5py.File], None], message: str, written: tuple[Path, dict[str, Array]]
) -> None:
    with h5py.File(written[0], "a") as file:
        damage(file)
    with pytest.raises(RSAError, match=message) as caught:
        load(written[0])
    assert "\n" not in str(caught.value)
