"""Behaviour from names, tables and netCDF files in the layouts that people have."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import xarray
from tgsage.neural_data import TrialColumns, behavior_images, load, load_behavior
from tgsage.neural_data.behavior import lookup
from tgsage.rsa import Behavior, RSAError, Stimuli
from tgsage.rsa.cli.app import main

DATA = Path(os.environ.get("TGSAGE_DATA", "missing"))
needs_cifar10h = pytest.mark.skipif(not (DATA / "cifar10h").is_dir(), reason="CIFAR-10H is not here")

GEIRHOS = """subj,session,trial,rt,object_response,category,condition,imagename
subject-01,1,1,0.8,cat,cat,cr,0001_cr_cat.png
subject-01,1,2,NaN,na,dog,cr,0002_cr_dog.png
subject-02,1,1,0.7,dog,cat,cr,0001_cr_cat.png
subject-02,1,2,0.9,dog,dog,cr,0002_cr_dog.png
"""
CIFAR10H_RAW = """annotator_id,trial_index,true_category,chosen_category,true_label,chosen_label,image_filename
0,0,cat,dog,3,5,cat_s_1.png
1,0,cat,cat,3,3,cat_s_1.png
1,1,ship,ship,8,8,ship_s_2.png
"""


@needs_cifar10h
def test_cifar10h_names_its_images() -> None:
    found = load_behavior("cifar10h")
    assert found.summary() == "cifar10h: 511,000 choices, one of 10 options, over 10,000 images; 95.2% right"
    counts = found.tally()
    assert np.array_equal(counts, np.load(DATA / "cifar10h" / "counts.npy"))
    assert (counts.argmax(1) == found.truth).mean() == pytest.approx(0.9921, abs=1e-4)
    few = found.select(["test/cat/0000", "test/airplane/0000"])
    assert few.options[few.truth[0]] == "cat"
    shown = behavior_images(few)
    assert list(shown.column("stimulus")) == ["test/cat/0000", "test/airplane/0000"]
    assert shown[0].size == (32, 32)
    frog = found.stimulus_ids[2405]  # labelled a cat; everybody calls it a frog
    assert frog.startswith("test/cat/")
    assert found.options[counts[2405].argmax()] == "frog"
    with pytest.raises(RSAError, match="cifar10h is behaviour, without responses of neurons"):
        load("cifar10h")


def test_the_command_describes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    few = Behavior.from_trials("few", ["a", "b", "c"] * 9, list("uvu") * 9, list("uvu") * 9)
    monkeypatch.setattr(lookup, "load_behavior", lambda name, **_: few)
    out = tmp_path / "it.json"
    assert main(["data", "describe", "cifar10h", "--json", str(out)]) == 0
    shown = capsys.readouterr().out
    assert "few: 27 choices, one of 2 options, over 3 images; 100.0% right" in shown
    assert "CC BY-NC-SA" in shown
    assert json.loads(out.read_text())["settings"] == {"splits": 10, "seed": 0}


def test_tables_are_read_by_the_names_of_their_columns(tmp_path: Path) -> None:
    file = tmp_path / "trials.csv"
    file.write_text(GEIRHOS)
    found = load_behavior(file)
    assert found.stimulus_ids == ("0001_cr_cat.png", "0002_cr_dog.png")
    assert (found.options, found.subjects, len(found.choice)) == (("cat", "dog"), 2, 3)
    assert found.attrs["read_as"] == (
        "stimulus from imagename; choice from object_response; truth from category; subject from subj; "
        "1 trials without a choice left out; all options on offer in every trial"
    )
    file.write_text(CIFAR10H_RAW)
    found = load_behavior(file)
    assert found.options == ("cat", "dog", "ship")
    assert found.truth.tolist() == [0, 2]
    assert found.subject is not None
    assert found.subject.tolist() == [0, 1, 1]


def test_columns_can_be_named(tmp_path: Path) -> None:
    frame = pandas.DataFrame(
        {
            "picture_shown": [1, 1, 2],
            "said": ["a", "b", "b"],
            "was": ["a", "a", "b"],
            "choice": ["z"] * 3,
            "other": ["b", "b", "a"],
        }
    )
    file = tmp_path / "trials.parquet"
    frame.to_parquet(file)
    roles = ["stimulus=picture_shown", "choice=said", "truth=was", "distractor=other"]
    found = load_behavior(file, columns=roles)
    assert found.stimulus_ids == ("1", "2")
    assert found.distractor is not None
    assert found.attrs["read_as"].startswith("stimulus from picture_shown; choice from said; truth from was")  # type: ignore[union-attr]
    book = tmp_path / "trials.xlsx"
    frame.to_excel(book, index=False)
    assert load_behavior(book, columns=TrialColumns.of(roles)).truth.tolist() == [0, 1]
    with pytest.raises(RSAError, match="no column says the images: give stimulus=COLUMN; there are: picture_shown"):
        load_behavior(file)
    with pytest.raises(RSAError, match=r"trials\.parquet: there is no column 'sad'; did you mean said"):
        load_behavior(file, columns=["stimulus=picture_shown", "choice=sad", "truth=was"])
    with pytest.raises(
        RSAError, match=r"ROLE=COLUMN with a role of stimulus, choice, .*not 'chioce=x'; did you mean choice"
    ):
        load_behavior(file, columns=["chioce=x"])


@pytest.mark.parametrize("newer", [False, True])
@pytest.mark.parametrize("as_coordinate", [False, True])
def test_brain_scores_layout(newer: bool, as_coordinate: bool, tmp_path: Path) -> None:
    """The choices are the values of the assembly, and in some files a coordinate too."""
    columns = {
        "stimulus_id" if newer else "image_id": ["i0", "i0", "i1", "i2"],
        "sample_obj": ["bear", "bear", "elephant", "gun"],
        "truth": ["bear", "bear", "elephant", "gun"],
        "dist_obj": ["gun", "elephant", "bear", "bear"],
        "worker_id": ["w1", "w2", "w1", "w2"],
        "correct": [True, False, True, True],
    }
    choice = ["bear", "elephant", "elephant", "gun"]
    if as_coordinate:
        columns["choice"] = choice
    coords = {name: ("presentation", np.array(values)) for name, values in columns.items()}
    assembly = xarray.DataArray(np.array(choice), coords, ["presentation"], "dicarlo.Rajalingham2018.public")
    file = tmp_path / "assy.nc"
    assembly.to_netcdf(file, engine="h5netcdf")
    found = load_behavior(file)
    assert found.stimulus_ids == ("i0", "i1", "i2")
    assert [found.options[i] for i in found.choice] == choice
    assert found.distractor is not None
    assert [found.options[i] for i in found.distractor] == columns["dist_obj"]
    assert found.subjects == 2


def test_images_are_those_of_the_trials() -> None:
    behavior = Behavior.from_trials("x", ["b", "a"], ["u", "v"], ["u", "v"])
    stimuli = Stimuli(
        np.arange(3)[:, None, None, None] * np.ones((3, 3, 2, 2), np.uint8), {"stimulus_id": ["a", "b", "c"]}
    )
    assert list(behavior_images(behavior, stimuli).column("stimulus")) == ["b", "a"]
    with pytest.raises(RSAError, match="x does not say where its images are; give them as stimuli"):
        behavior_images(behavior)


def test_what_is_no_behavior_is_said(tmp_path: Path) -> None:
    with pytest.raises(RSAError, match="neither a file nor the name of behaviour; did you mean cifar10h"):
        load_behavior("cifar10")
    with pytest.raises(RSAError, match="majajhong2015 is no behaviour; known: cifar10h, rajalingham2018"):
        load_behavior("majajhong2015")
    with pytest.raises(RSAError, match="columns are for files of trials, and cifar10h is known"):
        load_behavior("cifar10h", columns=["choice=x"])
    file = tmp_path / "x.csv"
    file.write_text("image,choice,truth\n")
    with pytest.raises(RSAError, match="it has no trials"):
        load_behavior(file)
    file.write_text("image,choice,truth\na,,cat\n")
    with pytest.raises(RSAError, match="column choice holds no choice"):
        load_behavior(file)
    file.write_text("image,choice,truth\na,cat,cat\na,cat,dog\n")
    with pytest.raises(RSAError, match="image a has more than one right option: cat, dog"):
        load_behavior(file)
    file.write_text("image,choice,truth,dist_obj\na,cat,cat,dog\na,cow,cat,dog\n")
    with pytest.raises(
        RSAError, match=r"in 1 trials neither the right option nor the distractor was chosen, first in tri"
    ):
        load_behavior(file)
    (tmp_path / "x.txt").write_bytes(b"\x80\x04abc")
    with pytest.raises(RSAError, match="is no table or netCDF file of trials: it is a pickle"):
        load_behavior(tmp_path / "x.txt")
    damaged = tmp_path / "cifar10h"
    damaged.mkdir()
    np.save(damaged / "counts.npy", np.ones((10000, 10)))
    np.save(damaged / "labels.npy", np.zeros(10000, np.uint8))
    with pytest.raises(RSAError, match=r"counts\.npy: whole numbers for 10,000 images are needed, it holds float64"):
        load_behavior("cifar10h", data_dir=tmp_path)
