"""Teachers from recordings and from published RDMs: what they hold, what their ceilings are, what they say of both."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray
from tgsage.neural_data.catalogue.lookup import load, load_rdms
from tgsage.neural_data.recordings.readers.native import save_recording
from tgsage.neural_data.recordings.recording import from_arrays
from tgsage.neural_data.regions import region_rdms
from tgsage.neural_data.reliability.split_half import split_half
from tgsage.neural_data.teacher import as_teacher, load_teacher
from tgsage.rsa import Guidance, RSAError, Stimuli, Teacher, compare, compute_rdm, noise_ceiling


def recording(noise: float = 1.0, repeats: int = 4, note: str = "made up") -> xarray.DataArray:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(30, 6)) @ rng.normal(size=(6, 24))
    trials = truth[:, None] + noise * rng.normal(size=(30, repeats, 24))
    return from_arrays(
        trials.reshape(-1, 24),
        stimulus_id=np.repeat([f"s{i}" for i in range(30)], repeats),
        region=["V4"] * 12 + ["IT"] * 12,
        presentation={"object_name": np.repeat([f"o{i % 6}" for i in range(30)], repeats)},
        neuroid={"subregion": ["V4"] * 12 + ["pIT"] * 6 + ["aIT"] * 6},
        attrs={"identifier": "made/up", "note": note},
    )


def test_a_teacher_has_the_region_rdms_and_the_split_half_ceilings() -> None:
    made = as_teacher(recording(), by="object_name", scale="zscore", splits=10, seed=2)
    rdms = region_rdms(recording(), by="object_name", scale="zscore")
    halves = split_half(recording(), by="object_name", scale="zscore", splits=10, seed=2)
    assert list(made.rdms) == ["V4", "pIT", "aIT"] == list(rdms)
    for target, rdm in made.rdms.items():
        here = halves.sel(target=target)
        np.testing.assert_array_equal(rdm.values, rdms[target].values)
        assert made.ceilings[target] == (float(here["ceiling"]), float(here["ceiling"]))
        assert rdm.attrs["reliability"] == pytest.approx(float(here["reliability"]), abs=1e-6)
        assert rdm.attrs["repeats"] == 4
    assert (made.name, made.stimuli, made.by) == ("made/up", "", "object_name")
    assert made.attrs["note"] == "made up"
    assert "10 splits, seed 2" in str(made.attrs["ceiling"])


def test_the_ceiled_score_is_similarity_over_the_root_of_reliability_and_not_squared() -> None:
    made = as_teacher(recording(), splits=10)
    model = compute_rdm(np.random.default_rng(1).normal(size=(30, 9)), labels=[f"s{i}" for i in range(30)])
    score = made.score({"layer": model})
    for target, rdm in made.rdms.items():
        expected = compare(model, rdm) / np.sqrt(float(str(rdm.attrs["reliability"])))
        assert float(score.ceiled.sel(layer="layer", target=target)) == pytest.approx(expected, abs=1e-5)


def test_a_saved_teacher_loads_as_it_was_by_its_path(tmp_path: Path) -> None:
    made = as_teacher(recording(), by="object_name", scale="zscore", splits=5)
    made.save(tmp_path / "teacher.h5")
    again = load_teacher(tmp_path / "teacher.h5")
    assert (again.ceilings, again.attrs, again.by) == (made.ceilings, made.attrs, "object_name")
    assert [dict(rdm.attrs) for rdm in again.rdms.values()] == [dict(rdm.attrs) for rdm in made.rdms.values()]
    assert load_teacher(tmp_path / "teacher.h5", by="object_name", scale="zscore").name == made.name
    with pytest.raises(RSAError, match="holds RDMs with by object_name, which cannot become category_name"):
        load_teacher(tmp_path / "teacher.h5", by="category_name")
    with pytest.raises(RSAError, match="holds RDMs with by object_name, which cannot become stimulus"):
        load_teacher(tmp_path / "teacher.h5", by="stimulus")
    other = load_teacher(tmp_path / "teacher.h5", method="spearman", splits=0)
    assert (other.method, other.ceilings) == ("spearman", {})
    assert other.attrs["ceiling"] == "none for spearman: those of this teacher are for pearson"
    for given in ({"splits": 100}, {"seed": 0}, {"missing": "raise"}):
        with pytest.raises(RSAError, match=f"{next(iter(given))}= is for recordings, and .* holds RDMs as they are"):
            load_teacher(tmp_path / "teacher.h5", **given)
    with pytest.raises(RSAError, match="holds RDMs with scale zscore, which cannot become max"):
        load_teacher(tmp_path / "teacher.h5", scale="max")


def test_a_recording_file_becomes_a_teacher_with_its_settings(tmp_path: Path) -> None:
    save_recording(recording(), tmp_path / "recording.nc")
    made = load_teacher(tmp_path / "recording.nc", level="region", splits=5)
    assert list(made.rdms) == ["V4", "IT"]
    assert made.ceilings == as_teacher(recording(), level="region", splits=5).ceilings


@pytest.mark.parametrize(("repeats", "splits", "words"), [(1, 5, "two repeats or more"), (4, 0, "not asked for")])
def test_without_split_halves_there_is_no_ceiling_and_the_teacher_says_why(
    repeats: int, splits: int, words: str
) -> None:
    made = as_teacher(recording(repeats=repeats), splits=splits)
    assert not made.ceilings
    assert str(made.attrs["ceiling"]).startswith("none: ")
    assert words in str(made.attrs["ceiling"])
    assert np.isnan(made.score(made.rdms).ceiled).all()


def test_targets_whose_halves_do_not_agree_are_named() -> None:
    noise = as_teacher(recording(noise=1e6), splits=3)
    without = [target for target in noise.rdms if target not in noise.ceilings]
    assert without
    assert all(f"; none for {target}: " in str(noise.attrs["ceiling"]) for target in without)
    assert "halves do not agree" in str(noise.attrs["ceiling"])


def test_neuroids_that_are_in_the_rdm_but_not_in_its_reliability_are_counted() -> None:
    partly = recording()
    partly.values[1:4, 2] = np.nan  # one repeat of one stimulus is left to this neuroid
    made = as_teacher(partly, splits=3)
    assert (made.rdms["V4"].attrs["neuroids"], made.rdms["V4"].attrs["reliability_neuroids"]) == (12, 11)
    assert "reliability_neuroids" not in made.rdms["aIT"].attrs


def test_macaque_v4_sessions_with_and_without_repeats(data_dir: Path) -> None:
    averaged = load_teacher("cowley2023/190923", data_dir=data_dir)
    assert (len(averaged.rdms["V4"]), averaged.ceilings) == (1200, {})
    trials = load_teacher("cowley2023/210325", data_dir=data_dir, splits=20)
    assert trials.ceilings["V4"] == pytest.approx((0.898, 0.898), abs=0.01)
    assert trials.stimuli == "cowley2023/210325"


def test_objects_of_zhang_and_desimone_from_trials(data_dir: Path) -> None:
    recording = load("zhangdesimone", data_dir=data_dir)
    made = as_teacher(recording, by="object_name", splits=20)
    (target,) = made.rdms
    assert sorted(made.rdms[target].labels) == ["car", "couch", "face", "flower", "guitar", "hand", "kiwi"]
    assert made.rdms[target].attrs["neuroids"] == 132
    assert 0.9 < made.ceilings[target][0] < 1


def test_human_it_has_a_ceiling_across_subjects_and_states_the_leave_one_out_bounds(data_dir: Path) -> None:
    made = load_teacher("kriegeskorte2008", data_dir=data_dir)
    subjects = load_rdms("kriegeskorte2008/subjects", data_dir=data_dir)
    attrs = made.rdms["hIT"].attrs
    bounds = (attrs["leave_one_out_lower"], attrs["leave_one_out_upper"])
    assert bounds == noise_ceiling(subjects)
    assert bounds == pytest.approx((0.394410, 0.680413), abs=1e-6)
    r = np.mean([compare(a, b) for i, a in enumerate(subjects.values()) for b in list(subjects.values())[:i]])
    assert made.ceilings == {"hIT": pytest.approx((np.sqrt(4 * r / (1 + 3 * r)),) * 2, abs=1e-6)}
    assert made.score({"macaque": made.rdms["mIT"]}).table.sel(target="hIT").item() == pytest.approx(0.4912, abs=5e-5)
    with pytest.raises(RSAError, match="holds RDMs with by stimulus, which cannot become category_name"):
        load_teacher("kriegeskorte2008", data_dir=data_dir, by="category_name")


def test_published_rdms_load_from_their_file_too(data_dir: Path) -> None:
    models = load_teacher(data_dir / "kriegeskorte92" / "92_modelRDMs.mat")
    assert (len(models.rdms), models.ceilings) == (8, {})
    assert str(models.attrs["ceiling"]).startswith("none")


def test_what_is_no_teacher_is_named(tmp_path: Path) -> None:
    with pytest.raises(RSAError, match="neither a file nor a data set"):
        load_teacher("nobody2000")
    (tmp_path / "torn.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    with pytest.raises(RSAError, match=r"torn\.h5"):
        load_teacher(tmp_path / "torn.h5")
    Teacher.from_rdms("x", region_rdms(recording())).save(tmp_path / "teacher.h5")
    content = (tmp_path / "teacher.h5").read_bytes()
    (tmp_path / "teacher.h5").write_bytes(content[: len(content) // 2])
    with pytest.raises(RSAError, match=r"teacher\.h5"):
        load_teacher(tmp_path / "teacher.h5")


def test_a_teacher_of_groups_is_about_the_stimuli_of_its_recording_and_no_others(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pixels = torch.rand(12, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    groups = [f"o{i % 6}" for i in range(12)]
    stimuli = Stimuli(pixels, {"stimulus_id": [f"s{i}" for i in range(12)], "object_name": groups})
    recording = from_arrays(
        rng.normal(size=(6, 9)),
        stimulus_id=[f"s{i}" for i in range(6)],
        region="V4",
        presentation={"object_name": groups[:6]},
        attrs={"identifier": "simulated"},
    )
    made = as_teacher(recording, by="object_name")
    made.save(tmp_path / "t.h5")
    for teacher in (made, Teacher.load(tmp_path / "t.h5")):
        shown = Guidance(teacher, stimuli).stimuli
        assert list(shown.table["stimulus_id"]) == [f"s{i}" for i in range(6)]
    with pytest.raises(RSAError, match="no stimulus for 6 of 6"):
        Guidance(made, Stimuli(pixels, {"stimulus_id": range(12), "object_name": groups}))


@pytest.mark.parametrize("wrong", [{"method": "peerson"}, {"splits": -1}, {"seed": -1}])
def test_a_mistake_is_no_reason_for_a_teacher_without_ceilings(wrong: dict[str, Any]) -> None:
    recording = from_arrays(np.random.default_rng(0).normal(size=(6, 9)), stimulus_id=range(6), region="V4")
    with pytest.raises(RSAError, match=r"peerson|from 0"):
        as_teacher(recording, **wrong)
