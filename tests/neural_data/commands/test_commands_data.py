"""`tgsage data`: the catalogue, descriptions in words, numbers and a picture, and files converted."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tgsage.neural_data.catalogue.lookup import list_datasets, load
from tgsage.neural_data.commands.data import data
from tgsage.neural_data.recordings.readers.native import save_recording
from tgsage.neural_data.recordings.recording import from_arrays
from tgsage.neural_data.reliability.split_half import split_half
from tgsage.rsa import RSAError
from tgsage.rsa.cli.app import main
from typer.testing import CliRunner


def run(*arguments: object) -> str:
    """What the command printed; what it raised is raised here too."""
    return CliRunner().invoke(data, [str(argument) for argument in arguments], catch_exceptions=False).output


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of two animals and two regions, 24 stimuli of 3 categories, 4 repeats, with a dead neuroid."""
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(24, 5)) @ rng.normal(size=(5, 20))
    trials = truth[:, None] + rng.normal(size=(24, 4, 20))
    trials[:, :, 3] = 0
    made = from_arrays(
        trials.reshape(-1, 20),
        stimulus_id=np.repeat([f"s{i}" for i in range(24)], 4),
        region=["V4"] * 10 + ["IT"] * 10,
        presentation={"category_name": np.repeat([f"c{i % 3}" for i in range(24)], 4)},
        neuroid={"animal": ["Tito", "Chabo"] * 10},
        attrs={"note": "these sites are readouts of a network, not brains"},
    )
    path = tmp_path_factory.mktemp("data") / "recording.nc"
    save_recording(made, path)
    return path


def test_the_list_names_every_data_set_and_what_is_on_disk(data_dir: Path, tmp_path: Path) -> None:
    here = run("list", "--data-dir", data_dir, "--json", tmp_path / "list.json")
    listed = {item["name"]: item for item in json.loads((tmp_path / "list.json").read_text())["datasets"]}
    for dataset in list_datasets():
        assert dataset.name in here
        assert listed[dataset.name]["licence"] == dataset.licence
    assert listed["cowley2023/190923"]["on_disk"] == "yes"
    assert listed["simulated"]["on_disk"] == "made here"
    assert {name for name, item in listed.items() if not item["public"]} == {
        "majajhong2015/private",
        "majajhong2015/temporal-private",
        "freemanziemba2013/private",
        "hvm",
        "hvm/averaged",
        "hvm/binned",
    }
    run("list", "--data-dir", tmp_path, "--json", tmp_path / "list.json")
    states = {item["on_disk"] for item in json.loads((tmp_path / "list.json").read_text())["datasets"]}
    assert states == {"no", "made here"}


def test_a_description_gives_dims_regions_repeats_and_reliability(file: Path, tmp_path: Path) -> None:
    shown = run("describe", file, "--splits", 5, "--json", tmp_path / "d.json", "--plot", tmp_path / "d.png")
    found = json.loads((tmp_path / "d.json").read_text())
    halves = split_half(load(file), splits=5)
    assert list(found["targets"]) == ["V4", "IT"]
    for target, numbers in found["targets"].items():
        assert (numbers["neuroids"], numbers["conditions"], numbers["repeats"]) == (10, 24, 4)
        for name, key in (("split_r", "r"), ("reliability", "reliability"), ("ceiling", "ceiling")):
            assert numbers[name] == float(halves[key].sel(target=target))
    for words in (
        "presentation 96, neuroid 20",
        "3 (c0, c1, c2)",
        "2 (Chabo, Tito)",
        "not brains",
        "sqrt(reliability)",
    ):
        assert words in shown
    assert "2 animals, 4.0 repeats" in found["facts"]["V4, leave-one-animal-out"]
    with Image.open(tmp_path / "d.png") as picture:
        pixels = np.asarray(picture.convert("RGB")).reshape(-1, 3)
    assert len(np.unique(pixels, axis=0)) > 100


def test_every_output_states_how_its_rdms_were_made(data_dir: Path, tmp_path: Path) -> None:
    name, made = "zhangdesimone", {"level": "region", "scale": "zscore", "by": "object_name"}
    options = [word for key, value in made.items() for word in (f"--{key}", value)]
    shown = run("describe", name, "--splits", 2, *options, "--data-dir", data_dir, "--json", tmp_path / "d.json")
    found = json.loads((tmp_path / "d.json").read_text())
    assert found["settings"] == {**made, "window": "100-300 ms", "metric": "correlation"}
    assert "RDMs: by object_name, level region, scale zscore, window 100-300 ms, metric correlation" in shown
    numbers = found["targets"]["IT"]
    assert (numbers["repeats"], numbers["repeats_range"]) == (pytest.approx(20, abs=0.01), "19 to 20")


def test_regions_of_one_neuroid_have_no_rdm_and_no_ceiling(tmp_path: Path) -> None:
    trials = np.random.default_rng(0).normal(size=(40, 5))
    made = from_arrays(trials, stimulus_id=np.repeat(list("abcdefghij"), 4), region=["V4"] * 4 + ["IT"])
    save_recording(made, tmp_path / "r.nc")
    shown = run(
        "describe", tmp_path / "r.nc", "--splits", 2, "--json", tmp_path / "d.json", "--plot", tmp_path / "d.png"
    )
    found = json.loads((tmp_path / "d.json").read_text())["targets"]
    assert (found["V4"]["conditions"], found["IT"]["conditions"], found["IT"]["ceiling"]) == (10, None, None)
    assert found["IT"]["neuroids"] == 1
    assert "no RDM of IT: it has one neuroid" in shown
    save_recording(made[:, 4:], tmp_path / "one.nc")
    assert "no RDM of IT" in run("describe", tmp_path / "one.nc", "--splits", 2)
    with pytest.raises(RSAError, match="has no RDM to draw"):
        run("describe", tmp_path / "one.nc", "--splits", 2, "--plot", tmp_path / "x.png")


def test_a_table_without_regions_is_described_and_a_description_makes_no_huge_rdm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [f"im{i % 4},{','.join(map(str, np.random.default_rng(i).normal(size=5)))}" for i in range(12)]
    (tmp_path / "t.csv").write_text("image,u1,u2,u3,u4,u5\n" + "\n".join(rows))
    shown = run("describe", tmp_path / "t.csv", "--splits", 2, "--json", tmp_path / "d.json")
    assert json.loads((tmp_path / "d.json").read_text())["targets"]["all"]["neuroids"] == 5
    assert "regions: not named, so all neuroids are one target here; --region NAME" in shown
    monkeypatch.setattr("tgsage.neural_data.description.MOST", 3)
    shown = run("describe", tmp_path / "t.csv", "--region", "V4", "--splits", 2)
    assert "no RDM of V4: 4 conditions are 6 pairs; --by averages over a column" in shown


def test_names_that_look_like_markup_are_shown_as_they_are(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    made = from_arrays(rng.normal(size=(12, 4)), stimulus_id=list("aabbccddeeff"), region="[/bold]")
    save_recording(made, tmp_path / "[red].nc")
    shown = run("describe", tmp_path / "[red].nc", "--splits", 2)
    assert "[/bold]" in shown
    assert "[red].nc" in shown.replace("\n", "")


def test_a_scaled_description_counts_the_neuroids_left_out(file: Path, tmp_path: Path) -> None:
    shown = run("describe", file, "--scale", "zscore", "--splits", 2)
    assert "left out of RDMs: 1 neuroids of V4" in shown


def test_a_data_set_that_is_not_here_is_described_by_the_catalogue(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "describe", "li2026", "--data-dir", str(tmp_path)]) == 2
    told = capsys.readouterr()
    assert all(part in told.out for part in ("47,503 units", "public, with tgsage data fetch", "Nature Neuroscience"))
    assert "`tgsage data fetch li2026` downloads it" in told.err
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").touch()
    assert main(["data", "describe", str(tmp_path / "images")]) == 2
    assert "it is a folder of images; --stimuli takes it" in capsys.readouterr().err


def test_a_recording_of_averages_says_that_it_has_no_ceiling(data_dir: Path, tmp_path: Path) -> None:
    shown = run("describe", "cowley2023/190923", "--data-dir", data_dir, "--json", tmp_path / "d.json")
    found = json.loads((tmp_path / "d.json").read_text())
    assert found["targets"]["V4"]["ceiling"] is None
    assert found["facts"]["each presentation"] == "an average of 14 repeats"
    assert "none, so there is no ceiling" in found["facts"]["reliability"]
    for words in ("GPL-3.0", "Cowley, Stan, Pillow", "no ceiling"):
        assert words in shown


def test_published_rdms_are_described_with_the_ceilings_of_their_subjects(data_dir: Path, tmp_path: Path) -> None:
    run(
        "describe",
        "kriegeskorte2008",
        "--data-dir",
        data_dir,
        "--json",
        tmp_path / "d.json",
        "--plot",
        tmp_path / "d.png",
    )
    found = json.loads((tmp_path / "d.json").read_text())
    assert found["facts"]["hIT, leave-one-subject-out"] == "0.3944 to 0.6804, 4 subjects"
    assert found["targets"]["mIT"]["ceiling"] is None
    assert (tmp_path / "d.png").stat().st_size > 10_000


def test_a_converted_recording_is_the_same(data_dir: Path, tmp_path: Path) -> None:
    run("convert", "cowley2023/210325", tmp_path / "v4.nc", "--data-dir", data_dir, "--json", tmp_path / "c.json")
    before, after = load("cowley2023/210325", data_dir=data_dir), load(tmp_path / "v4.nc")
    assert after.identical(before)
    assert json.loads((tmp_path / "c.json").read_text())["dims"] == {"presentation": 4840, "neuroid": 50}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("describe", "majaj"), "did you mean majajhong2015"),
        (("describe", "FILE", "--by", "colour"), "no column colour"),
        (("describe", "FILE", "--level", "layer"), "layer"),
        (("describe", "FILE", "--plot", "x.gif"), "ends in .png"),
        (("fetch", "hvm", "--data-dir", "/nowhere"), "no public link"),
        (("fetch", "majajhong2015", "--data-dir", ".", "--json", "/nowhere/x.json"), "cannot write /nowhere/x.json"),
        (("convert", "FILE", "x.nc", "--part", "foo"), "has no group foo"),
        (("convert", "simulated", "x.nc", "--part", "foo"), "has no parts, so not 'foo' either"),
        (("convert", "FILE", "/nowhere/x.nc"), "cannot write /nowhere/x.nc"),
        (("convert", "kriegeskorte2008", "x.nc"), "published as RDMs"),
    ],
)
def test_mistakes_are_named_in_one_line(
    arguments: tuple[str, ...], words: str, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RSAError) as caught:
        run(*(file if argument == "FILE" else argument for argument in arguments))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_the_command_modules_load_nothing_heavy() -> None:
    code = """
import sys
import tgsage.neural_data.commands.data, tgsage.neural_data.commands.teacher
heavy = {"numpy", "torch", "numba", "scipy", "xarray", "h5py", "matplotlib", "pooch"} & set(sys.modules)
sys.exit(f"loaded: {heavy}" if heavy else 0)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_describe_says_which_images_are_needed_and_which_filter_is_usual(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    recording = from_arrays(
        rng.normal(size=(12, 6)),
        stimulus_id=[f"nsd_{i % 6}" for i in range(12)],
        region="IT",
        neuroid={"reliability_window": [0.1, 0.39, 0.41, 0.5, np.nan, 0.9]},
    )
    save_recording(recording, tmp_path / "one.nc")
    assert main(["data", "describe", str(tmp_path / "one.nc"), "--splits", "2"]) == 0
    out = capsys.readouterr().out
    assert "images: 6 are needed: a folder of files named by stimulus_id (nsd_0, nsd_1, nsd_2 and 3 more)" in out
    assert "usual filter: --where 'reliability_window>0.4', which leaves 3 of 6" in out


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\x80\x04\x95", "a pickle, which can run code when it is read"),
        (bytes(344) + b"n+1\0", "a NIfTI image"),
        (b"\x1f\x8b\x08", "compressed by gzip; unpack it first"),
        (b"SQLite format 3\0", "an SQLite database"),
        (b"CDF\x01", "is netCDF3"),
        (b'\x40\0\0\0\0\0\0\0{"a":', "weights of a model (safetensors); --weights takes it"),
        (b"RDX3\nX\n", "data of R"),
        (b"not a table\nof anything\n", "a text without columns"),
        (b"", "empty"),
    ],
)
def test_describe_says_what_a_file_is_that_it_cannot_read(
    content: bytes, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_bytes(content)
    assert main(["data", "describe", str(tmp_path / "file")]) == 2
    told = capsys.readouterr().err
    assert words in told
    assert told.count("\n") == 1
