"""`tgsage score`: its table, JSON and picture are what Python computes, by RDMs and by features."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from tgsage.neural_data.catalogue.images import images
from tgsage.neural_data.commands.score import score
from tgsage.neural_data.recordings.readers.native import save_recording
from tgsage.neural_data.recordings.recording import from_arrays
from tgsage.neural_data.teacher import load_teacher
from tgsage.rsa import Guidance, RSAError, load_model
from tgsage.rsa.types import Array
from typer.testing import CliRunner

N = 24
MODEL = """
import torch
from tgsage.rsa.networks.models import ImagePreprocess
from torch import nn

def tiny():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.ReLU(), nn.Conv2d(4, 6, 3), nn.ReLU())
    return network, ImagePreprocess(12)
"""

APP = typer.Typer()
APP.command()(score)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 images of 6 objects, 4 repeats of 12 sites in V4 and IT, and a model."""
    place = tmp_path_factory.mktemp("score")
    rng = np.random.default_rng(0)
    (place / "images").mkdir()
    pixels = rng.integers(0, 255, (N, 12, 12, 3), dtype=np.uint8)
    names = [f"s{i:02d}" for i in range(N)]
    objects = [f"o{i % 6}" for i in range(N)]
    for name, image in zip(names, pixels, strict=True):
        Image.fromarray(image).save(place / "images" / f"{name}.png")
    rows = "".join(f"{name},{name}.png,{thing}\n" for name, thing in zip(names, objects, strict=True))
    (place / "images.csv").write_text(f"stimulus_id,filename,object_name\n{rows}")
    truth = pixels.reshape(N, -1) / 255 @ rng.normal(size=(432, 12))
    trials = truth[:, None] + rng.normal(size=(N, 4, 12))
    recording = from_arrays(
        trials.reshape(-1, 12),
        stimulus_id=np.repeat(names, 4),
        region=["V4"] * 6 + ["IT"] * 6,
        presentation={"object_name": np.repeat(objects, 4)},
    )
    save_recording(recording, place / "recording.nc")
    (place / "model.py").write_text(MODEL)
    return place


def run(folder: Path, *options: object) -> str:
    """What the command printed; what it raised is raised here too."""
    fixed = [f"{folder}/model.py:tiny", "--teacher", folder / "recording.nc", "--stimuli", folder / "images"]
    level = [] if "--level" in options else ["--level", "region"]
    result = CliRunner().invoke(APP, [str(part) for part in (*fixed, *level, *options)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def expected(folder: Path, similarity: str, *, by: str = "stimulus", groups: str | None = None, seed: int = 0) -> Array:
    """The table that Python makes."""
    teacher = load_teacher(folder / "recording.nc", level="region", by=by, features=True, splits=0)
    module, preprocess = load_model(f"{folder}/model.py:tiny")
    guide = Guidance(
        teacher, images(folder / "images"), preprocess=preprocess, similarity=similarity, batchnorm="running"
    )
    values: Array = teacher.score(
        guide.layers(module), similarity=similarity, groups=groups, seed=seed
    ).table.to_numpy()
    return values


def test_a_score_by_rdms_has_intervals_ceilings_and_a_picture(folder: Path, tmp_path: Path) -> None:
    shown = run(folder, "--bootstrap", 50, "--splits", 10, "--json", tmp_path / "s.json", "--plot", tmp_path / "s.png")
    found = json.loads((tmp_path / "s.json").read_text())
    table = np.array([[row[target] for target in ("V4", "IT")] for row in found["table"].values()])
    np.testing.assert_allclose(table, expected(folder, "rdm"), atol=1e-9)
    assert (found["similarity"], found["method"], found["n"]) == ("rdm", "pearson", N)
    assert found["tg"] == pytest.approx(table.max(axis=0).mean())
    assert found["tg_low"] < found["tg"] + 0.2
    assert found["bootstrap"]["draws"] == 50
    assert set(found["ceilings"]) == {"V4", "IT"}
    for layer, row in found["table"].items():
        for value in row.values():
            assert re.search(rf"^ *{layer} .*{value:.4f}", shown, re.MULTILINE)
    for words in ("TG = ", "95% interval", "50 resamples", "10 splits"):
        assert words in shown
    for target, layer in found["best_layer"].items():
        low, high = (f"{end:.2f}".replace("0.", ".") for end in found["best_interval"][target])
        value = found["table"][layer][target]
        assert f"* {value:.4f} [{low}, {high}]" in shown
    assert "generalising to new stimuli of the same 6 object_name (set groups for new ones)" in " ".join(shown.split())
    with Image.open(tmp_path / "s.png") as picture:
        assert picture.size[0] > 1000


@pytest.mark.parametrize("similarity", ["cka", "cka-unbiased", "cka-rbf", "procrustes", "ridge"])
def test_a_score_by_features_is_that_of_python(similarity: str, folder: Path, tmp_path: Path) -> None:
    shown = run(folder, "--similarity", similarity, "--json", tmp_path / "s.json")
    found = json.loads((tmp_path / "s.json").read_text())
    table = np.array([[row[target] for target in ("V4", "IT")] for row in found["table"].values()])
    np.testing.assert_allclose(table, expected(folder, similarity), atol=1e-9)
    assert (found["similarity"], found["method"], found["ceilings"]) == (similarity, similarity, {})
    assert found["low"] is None
    assert found["features"]["0"] == {"n_features": 100, "of_features": 100}
    assert f": {similarity} over {N} stimuli" in shown
    assert f"ceiling: none for {similarity}" in shown


def test_features_by_object_are_averaged_and_the_output_says_so(folder: Path, tmp_path: Path) -> None:
    shown = run(folder, "--similarity", "cka", "--by", "object_name", "--json", tmp_path / "s.json")
    found = json.loads((tmp_path / "s.json").read_text())
    assert (found["n"], found["by"]) == (6, "object_name")
    table = [[row[target] for target in ("V4", "IT")] for row in found["table"].values()]
    np.testing.assert_allclose(table, expected(folder, "cka", by="object_name"), atol=1e-9)
    assert "features averaged over the stimuli of each object_name" in shown


def test_a_picture_of_features_shows_the_best_layers(folder: Path, tmp_path: Path) -> None:
    run(folder, "--similarity", "cka", "--plot", tmp_path / "s.svg")
    drawn = (tmp_path / "s.svg").read_text()
    for words in ("best layer for V4", "feature similarity (cka)", "the features of one layer"):
        assert words in drawn


def test_groups_stay_in_one_fold(folder: Path, tmp_path: Path) -> None:
    run(folder, "--similarity", "ridge", "--groups", "object_name", "--seed", 3, "--json", tmp_path / "s.json")
    table = json.loads((tmp_path / "s.json").read_text())["table"]
    values = expected(folder, "ridge", groups="object_name", seed=3)
    assert [row["V4"] for row in table.values()] == pytest.approx(list(values[:, 0]))


def test_only_some_targets(folder: Path, tmp_path: Path) -> None:
    shown = run(folder, "--target", "IT", "--bootstrap", 0, "--splits", 0, "--json", tmp_path / "s.json")
    found = json.loads((tmp_path / "s.json").read_text())
    assert all(list(row) == ["IT"] for row in found["table"].values())
    assert "V4" not in shown
    with pytest.raises(RSAError, match="no target 'TE'; did you mean IT"):
        run(folder, "--target", "TE", "--splits", 0)


def test_a_built_teacher_keeps_its_own(folder: Path, tmp_path: Path) -> None:
    """A saved teacher is scored as it is; options that would have to change it are errors."""
    teacher = load_teacher(folder / "recording.nc", level="region", splits=10, features=True)
    teacher.save(tmp_path / "t.h5")
    own = ["--teacher", tmp_path / "t.h5", "--level", "region"]
    run(folder, *own, "--bootstrap", 0, "--json", tmp_path / "a.json")
    run(folder, *own, "--bootstrap", 0, "--method", "spearman", "--json", tmp_path / "b.json")
    run(folder, *own, "--similarity", "cka", "--json", tmp_path / "c.json")
    pearson, spearman, cka = (json.loads((tmp_path / f"{name}.json").read_text()) for name in "abc")
    assert pearson["ceilings"] == {target: list(pair) for target, pair in teacher.ceilings.items()}
    assert (spearman["method"], spearman["ceilings"]) == ("spearman", {})
    assert spearman["attrs"]["teacher_ceiling"] == "none for spearman: those of this teacher are for pearson"
    assert cka["tg"] == pytest.approx(expected(folder, "cka").max(axis=0).mean())
    for name, *values in (["window", 70, 170], ["missing", "drop"], ["splits", 5]):
        with pytest.raises(RSAError, match=f"{name} is for recordings, and .*t.h5 holds RDMs"):
            run(folder, *own, f"--{name}", *values)
    teacher.from_rdms("bare", teacher.rdms).save(tmp_path / "bare.h5")
    with pytest.raises(RSAError, match=r"bare.h5 holds RDMs only"):
        run(folder, "--teacher", tmp_path / "bare.h5", "--level", "subregion", "--similarity", "cka")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--similarity", "cca"], "unknown similarity 'cca'; did you mean svcca"),
        (["--similarity", "cka", "--method", "spearman"], "method is for similarity rdm; cka compares features"),
        (["--similarity", "cka", "--metric", "cosine"], "metric is for similarity rdm"),
        (["--similarity", "cka", "--bootstrap", "100"], "bootstrap is for similarity rdm"),
        (["--similarity", "ridge", "--splits", "100"], "splits is for similarity rdm"),
        (["--similarity", "cka", "--groups", "object_name"], "groups are for rdm .* and ridge .*, not cka"),
        (["--groups", "object_name", "--bootstrap", "0"], "bootstrap 0 resamples nothing"),
        (["--similarity", "svcca"], "0 and V4: 24 stimuli are too few"),
        (["--missing", "keep"], "missing is 'raise' or 'drop', not 'keep'"),
        (["--window", "70", "170"], "time"),
    ],
)
def test_options_without_an_effect_are_errors(options: list[str], words: str, folder: Path) -> None:
    with pytest.raises(RSAError, match=words):
        run(folder, *options)
