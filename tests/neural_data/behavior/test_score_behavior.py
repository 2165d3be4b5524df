"""`tgsage score --behavior`: a model's choices by readout, from Python and from the command line."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tgsage.neural_data import behavior_images, load_behavior, score_behavior
from tgsage.rsa import RSAError
from tgsage.rsa.cli.app import main


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Images that are red, green or blue, and trials of two people who mix up the dark ones."""
    rng = np.random.default_rng(0)
    rows = ["image,choice,category,subject"]
    (tmp_path / "images").mkdir()
    for i in range(60):
        kind, light = i % 3, int(rng.integers(40, 255))
        pixels = rng.integers(0, 30, (16, 16, 3)).astype(np.uint8)
        pixels[:, :, kind] += light - 30
        Image.fromarray(pixels).save(tmp_path / "images" / f"i{i:02d}.png")
        for trial in range(24):
            wrong = rng.random() < 0.6 * (1 - light / 255)
            choice = (kind + 1 + int(rng.integers(0, 2))) % 3 if wrong else kind
            rows.append(f"i{i:02d},{'rgb'[choice]},{'rgb'[kind]},s{trial % 2}")
    (tmp_path / "trials.csv").write_text("\n".join(rows))
    return tmp_path


def test_a_model_is_scored_by_its_readout(folder: Path) -> None:
    trials, images = folder / "trials.csv", folder / "images"
    found = score_behavior("pixels", trials, images, metrics=["i1", "kappa"], bootstrap=5, n_features=300)
    assert found.accuracy > 0.9
    assert found.metrics["i1"].low is not None
    assert found.attrs["read from"] == "output"
    assert found.attrs["features"] == 300
    assert found.attrs["subjects"] == 2
    behavior = load_behavior(trials)
    few = score_behavior(
        "pixels", behavior, behavior_images(behavior, images), most=30, metrics=["kappa"], n_features=90
    )
    assert few.attrs["images"] == 30
    with pytest.raises(RSAError, match="does not say where its images are"):
        score_behavior("pixels", trials)


def test_the_command_shows_and_writes_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = ["score", "pixels", "--behavior", str(folder / "trials.csv"), "--stimuli", str(folder / "images")]
    out = folder / "found.json"
    assert main([*shown, "--bootstrap", "5", "--n-features", "300", "--json", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "error consistency" in printed
    assert "choice from choice; truth from category" in " ".join(printed.split())
    assert json.loads(out.read_text())["metrics"]["kappa"]["entries"] == 1440
    for wrong, message in (
        (["--method", "spearman"], "--method is about a teacher's RDMs; it goes without --behavior"),
        (["--column", "choice=x"], "there is no column 'x'"),
        (["--layers", "a,b"], "one of --layers is read out, not 2"),
    ):
        assert main([*shown, *wrong]) == 2
        assert message in capsys.readouterr().err
    assert main(["score", "pixels", "--column", "choice=x"]) == 2
    assert "--column is about a file of trials; name it with --behavior" in capsys.readouterr().err
