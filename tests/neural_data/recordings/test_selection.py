"""Conditions on columns against masks of numpy, in memory, on disk and from the command line."""

import json
from pathlib import Path

import numpy as np
import pytest
import tgsage
from tgsage.neural_data import as_teacher, from_arrays, load, load_teacher, reliable_neuroids, save_recording, select
from tgsage.rsa import Features, RSAError, Teacher
from tgsage.rsa.cli.app import main

RNG = np.random.default_rng(0)
NAMES = np.repeat([f"s{i}" for i in range(8)], 3)
OBJECTS, VARIATION = np.repeat(list("aabbccdd"), 3), np.repeat([0, 6] * 4, 3)
REGIONS, RELIABILITY = np.repeat(["V4", "pIT", "cIT"], 4), np.linspace(-0.1, 1, 12)
RELIABILITY[5] = np.nan
ONE = from_arrays(
    RNG.normal(size=(24, 12)),
    stimulus_id=NAMES,
    region=REGIONS,
    presentation={"object_name": OBJECTS, "variation": VARIATION, "shown_twice": np.arange(24) % 2 == 0},
    neuroid={"reliability": RELIABILITY},
)
CASES = {
    "variation=6": (VARIATION == 6, None),
    "variation=0,6": (VARIATION > -1, None),
    "object_name=!a": (OBJECTS != "a", None),
    "object_name != a,b": (np.isin(OBJECTS, ["c", "d"]), None),
    "region=V4,cIT": (None, np.isin(REGIONS, ["V4", "cIT"])),
    "reliability>.4": (None, np.nan_to_num(RELIABILITY) > 0.4),
    "reliability<=.4": (None, np.nan_to_num(RELIABILITY, nan=9) <= 0.4),
    "reliability!=1": (None, ~np.isnan(RELIABILITY) & (RELIABILITY != 1)),
    "shown_twice=true": (np.arange(24) % 2 == 0, None),
    "stimulus_id=s3": (NAMES == "s3", None),
}


@pytest.mark.parametrize("condition", CASES)
def test_a_condition_leaves_what_a_mask_leaves(condition: str) -> None:
    rows, sites = CASES[condition]
    expected = ONE.values[slice(None) if rows is None else rows][:, slice(None) if sites is None else sites]
    found = select(ONE, condition)
    np.testing.assert_array_equal(found.values, expected)
    assert condition in found.attrs["selected"]


def test_conditions_hold_together_and_what_was_selected_before_stays_stated(tmp_path: Path) -> None:
    before = reliable_neuroids(ONE, np.nan_to_num(RELIABILITY), at_least=0.2)
    both = select(before, ["variation=6", "region=cIT"])
    assert both.attrs["selected"] == (
        "8 of 12 neuroids, reliability >= 0.2; variation=6, region=cIT (12 of 24 presentations, 4 of 8 neuroids)"
    )
    save_recording(before, tmp_path / "one.nc")
    again = load(tmp_path / "one.nc", where=["variation=6", "region=cIT"])
    np.testing.assert_array_equal(again.values, both.values)
    assert select(ONE, []) is ONE


def test_a_teacher_is_of_the_chosen_stimuli_and_states_the_choice(tmp_path: Path) -> None:
    save_recording(ONE, tmp_path / "one.nc")
    chosen = as_teacher(ONE, where="variation=6", splits=2)
    loaded = load_teacher(tmp_path / "one.nc", where=["variation=6"], splits=2)
    whole = as_teacher(ONE, splits=2)
    for target, rdm in chosen.rdms.items():
        np.testing.assert_allclose(rdm.values, whole.rdms[target].subset(["s1", "s3", "s5", "s7"]).values)
        np.testing.assert_array_equal(loaded.rdms[target].values, rdm.values)
    loaded.save(tmp_path / "teacher.h5")
    assert "variation=6 (12 of 24" in str(Teacher.load(tmp_path / "teacher.h5").attrs["selected"])
    with pytest.raises(RSAError, match=r"a condition is for recordings, and .* holds RDMs as they are"):
        load_teacher(tmp_path / "teacher.h5", where="variation=6")


def test_commands_take_conditions_and_state_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_recording(ONE, tmp_path / "one.nc")
    options = ["--where", "variation=6", "--where", "region=V4"]
    out = tmp_path / "out"
    assert main(["data", "describe", str(tmp_path / "one.nc"), "--splits", "2", *options, "--json", f"{out}.json"]) == 0
    assert "selected: variation=6, region=V4 (12 of 24 presentations, 4 of 12 neuroids)" in capsys.readouterr().out
    assert json.loads(Path(f"{out}.json").read_text())["targets"].keys() == {"V4"}
    assert main(["data", "convert", str(tmp_path / "one.nc"), f"{out}.nc", *options]) == 0
    assert load(f"{out}.nc").shape == (12, 4)
    assert main(["teacher", "build", str(tmp_path / "one.nc"), f"{out}.h5", *options, "--splits", "2"]) == 0
    assert "selected: variation=6, region=V4" in capsys.readouterr().out
    assert main(["teacher", "build", str(tmp_path / "one.nc"), f"{out}.h5", "--where", "colour=red"]) == 2
    assert "no column colour" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("colour=red", "no column colour .*presentations have stimulus_id, .*; neuroids have .*reliability"),
        ("variation", "'variation' is no condition"),
        ("variation=", "is no condition"),
        ("=6", "is no condition"),
        ("object_name=e", "column object_name holds no 'e'"),
        ("object_name>a", "holds texts such as a, a, which > does not order"),
        ("variation=high", "column variation holds numbers, which 'high' is not"),
        ("variation=3", "column variation holds no 3; it holds 0, 6"),
        ("reliability>2", "nothing has reliability>2; reliability goes from -0.1 to 1"),
        ("reliability>.1,.2", "one number is needed after >"),
    ],
)
def test_conditions_that_cannot_be_end_in_one_line(condition: str, message: str) -> None:
    with pytest.raises(RSAError, match=message):
        select(ONE, condition)
    with pytest.raises(RSAError, match="no presentation is left by variation=6, object_name=a, stimulus_id=s0"):
        select(ONE, ["variation=6", "object_name=a", "stimulus_id=s0"])


def test_columns_of_the_images_choose_too(tmp_path: Path) -> None:
    from PIL import Image

    (tmp_path / "images").mkdir()
    names = [f"s{i}" for i in range(8)]
    for name in names[::-1]:
        Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / "images" / f"{name}.png")
    rows = "".join(f"{name},{name}.png,{colour}\n" for name, colour in zip(names[::-1], "rgbbrgrb", strict=True))
    (tmp_path / "images.csv").write_text(f"stimulus_id,filename,colour\n{rows}")
    colours = dict(zip(names[::-1], "rgbbrgrb", strict=True))
    save_recording(ONE.assign_attrs(images=str(tmp_path / "images")), tmp_path / "one.nc")
    found = load(tmp_path / "one.nc", where=["colour=r", "variation=6"])
    kept = np.array([colours[name] == "r" for name in NAMES]) & (VARIATION == 6)
    np.testing.assert_array_equal(found.values, ONE.values[kept])
    save_recording(ONE, tmp_path / "plain.nc")  # which does not say where its images are
    chosen = ["colour=r,b", "variation=6"]
    with pytest.raises(RSAError, match="no column colour"):
        load_teacher(tmp_path / "plain.nc", where=chosen, splits=0)
    expected = load_teacher(tmp_path / "one.nc", where=chosen, splits=0).rdms["V4"]
    features = Features(RNG.normal(size=(8, 5)), [f"s{i}" for i in range(8)])
    for recording in (tmp_path / "plain.nc", ONE):
        result = tgsage.score(features, recording, tmp_path / "images", where=chosen, splits=0, bootstrap=0)
        np.testing.assert_array_equal(result.targets["V4"].values, expected.values)
        grouped = tgsage.score(features, recording, tmp_path / "images", by="colour", splits=0, bootstrap=0)
        assert set(grouped.targets["V4"].labels) == set("rgb")
