"""`tgsage evaluate` on files, names and checkpoints."""

import json
from pathlib import Path

import pytest
from tgsage.plugins.training import load_data, make_network, network_teacher
from tgsage.plugins.training.checkpoints import Checkpoint
from tgsage.rsa.cli.app import main


@pytest.fixture
def teacher(tmp_path: Path) -> str:
    digits = load_data("digits")
    made = network_teacher("t", make_network("resnet:1", shape=digits.shape, n_classes=10, seed=5), digits)
    made.save(tmp_path / "t.h5")
    return str(tmp_path / "t.h5")


def test_p_tg_and_score_are_printed_and_written(
    teacher: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "found.json"
    arguments = ["evaluate", "resnet:1", "--teacher", teacher, "--epochs", "1", "--alpha", "2", "--json", str(out)]
    assert main(arguments) == 0
    found = json.loads(out.read_text())
    assert found["score"] == pytest.approx(found["p"] + 2 * found["tg"])
    assert set(found["table"]) == {"L1", "L2", "L3"}
    assert found["examples"] == 1257
    printed = capsys.readouterr().out
    for words in (f"P = {found['p']:.4f}", f"TG = {found['tg']:.4f}", f"score = P + 2 TG = {found['score']:.4f}"):
        assert words in printed


def test_without_a_teacher_the_score_is_p(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "resnet:1", "--teacher", "none"]) == 0
    printed = capsys.readouterr().out
    assert "loss" in printed
    assert "TG" not in printed


def test_a_checkpoint_is_evaluated_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = str(tmp_path / "model.pt")
    assert main(["train", "resnet:1", "--epochs", "1", "--out", kept]) == 0
    assert main(["evaluate", kept]) == 0
    assert "score" not in capsys.readouterr().err
    assert main(["evaluate", kept, "--epochs", "2"]) == 2
    assert "evaluated as it is" in capsys.readouterr().err
    state = Checkpoint.load(kept)
    next(iter(state.model.values())).view(-1)[0] = float("nan")
    state.save(kept)
    assert main(["evaluate", kept]) == 2
    assert "the network's outputs are NaN or infinite for 180 of 180 images" in capsys.readouterr().err


def test_free_predictors_are_of_the_network_before_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = []
    for more in ([], ["--examples", "128"]):
        assert main(["evaluate", "resnet:1", "--predictors", *more, "--json", str(tmp_path / "found.json")]) == 0
        found.append(json.loads((tmp_path / "found.json").read_text()))
    assert found[0]["predictors"] == found[1]["predictors"]
    assert found[0]["predictors"]["parameters"] == found[0]["parameters"]
    assert found[0]["p"] != found[1]["p"]
    assert "Before training, from 64 images of digits" in capsys.readouterr().out
    taught = ["--teacher", "simulated", "--by", "object_name", "--examples", "128"]
    assert main(["evaluate", "resnet:1", *taught[:-2], "--json", str(tmp_path / "before.json")]) == 0
    assert main(["evaluate", "resnet:1", "--predictors", *taught, "--json", str(tmp_path / "after.json")]) == 0
    before, after = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("before", "after"))
    assert after["untrained_tg"] == before["tg"] != after["tg"]
    assert f"{before['tg']:.4f}" in capsys.readouterr().out.partition("TG, untrained")[2]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["missing.pt", "--predictors"], "are about untrained networks"),
        (["nosuch"], "no network is named 'nosuch'"),
        (["resnet:1", "--teacher", "nosuch"], "neither a file nor a data set"),
        (["resnet:1", "--data", "mnist"], "no data set is named 'mnist'"),
        (["missing.pt"], "no such checkpoint"),
        (["resnet:1", "--by", "stimulus"], "name one with --teacher"),
    ],
)
def test_mistakes_are_one_line(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", *arguments]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


def test_a_checkpoint_is_for_images_of_its_own_size_and_classes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = str(tmp_path / "model.pt")
    assert main(["train", "resnet:1", "--epochs", "1", "--out", kept]) == 0
    assert main(["evaluate", kept, "--data", "simulated"]) == 2
    error = capsys.readouterr().err
    assert "made for images (1, 8, 8) of 10 classes, not for images (1, 64, 64) of 8 classes" in error


def test_a_premature_checkpoint_is_evaluated_as_training_tested_it(tmp_path: Path) -> None:
    kept, told, found = (tmp_path / name for name in ("model.pt", "told.json", "found.json"))
    for recipe, norm in (("cifar-cell", "batch"), ("digits", "running")):
        arguments = ["--recipe", recipe, "--epochs", "1", "--out", str(kept), "--json", str(told)]
        assert main(["train", "resnet:1", *arguments]) == 0
        assert main(["evaluate", str(kept), "--json", str(found)]) == 0
        trained, evaluated = json.loads(told.read_text()), json.loads(found.read_text())
        assert trained["valid"]["batchnorm"] == evaluated["settings"]["batchnorm"] == norm
        assert evaluated["p"] == trained["valid"]["accuracy"]
        kept.unlink()


def test_p_on_images_that_a_network_was_trained_on_is_called_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = str(tmp_path / "model.pt")
    assert main(["train", "resnet:1", "--whole", "--epochs", "1", "--out", kept]) == 0
    assert main(["evaluate", kept]) == 0
    assert "P is not a validation accuracy" in capsys.readouterr().out


def test_a_teachers_rdms_are_not_taken_for_others(teacher: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "resnet:1", "--teacher", teacher, "--by", "stimulus"]) == 2
    error = capsys.readouterr().err
    assert teacher in error
    assert error.index("by category_name") < error.index("stimulus")


def test_recordings_and_their_images_are_found_in_the_given_folder(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TGSAGE_DATA", raising=False)
    monkeypatch.setenv("TGSAGE_CACHE", str(tmp_path))
    arguments = ["--teacher", "kriegeskorte2008", "--data-dir", str(data_dir), "--most-stimuli", "20"]
    assert main(["evaluate", "resnet:1", *arguments]) == 0
