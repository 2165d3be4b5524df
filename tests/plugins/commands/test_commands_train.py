"""`tgsage train` and `tgsage teacher train`: what they write, say, and go on from."""

import json
import re
from pathlib import Path

import pytest
from tgsage.plugins.commands import teacher, train
from tgsage.plugins.spaces import ToySpace, write_architecture
from tgsage.plugins.training import Checkpoint, Moment, load_data, load_network, load_stimuli
from tgsage.plugins.training import trainer as loop_module
from tgsage.rsa import Guidance, RSAError, Teacher
from tgsage.rsa.cli import console
from tgsage.rsa.cli.app import main


def architecture(folder: Path) -> Path:
    space = ToySpace()
    choices: dict[str, int | str] = {"n_layers": 1, "layer1/filters": 8, "layer1/kernel": 3, "layer1/pool": "none"}
    write_architecture(folder / "net.json", space, choices)
    return folder / "net.json"


def test_an_architecture_file_is_trained_and_tested(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "net.pt"
    options = f"--epochs 2 --set lr=0.02 --seed 3 --device cpu --out {out} --keep 1 --json {tmp_path}/net.out.json"
    code = main(["train", str(architecture(tmp_path)), *options.split()])
    assert code == 0
    shown = capsys.readouterr().out
    for words in ("on digits by digits, seed 3", "valid: accuracy", "test: accuracy", "BN running", "2,514 examples"):
        assert words in shown
    found = json.loads((tmp_path / "net.out.json").read_text())
    assert (found["status"], found["examples"], found["finished"], found["recipe"]["lr"]) == ("ok", 2514, True, 0.02)
    assert [moment["epoch"] for moment in found["history"]] == [1.0, 2.0]
    assert found["parameters"] == sum(p.numel() for p in load_network(out).parameters())
    assert Checkpoint.load(tmp_path / "net@1.pt").position == 20


def test_a_training_in_a_log_tells_its_epochs_and_its_accuracy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(console, "FIRST_LINE", 1e-4)
    assert main(["train", str(architecture(tmp_path)), "--epochs", "2", "--device", "cpu"]) == 0
    lines = capsys.readouterr().err.splitlines()
    ended = next(line for line in lines if " 2,514 of 2,514 images, 2 of 2 epochs, training accuracy 0." in line)
    assert re.match(rf"\d\d:\d\d:\d\d training {tmp_path}/net.json: .*, in \d+ s", ended)


def test_a_premature_network_is_tested_with_batch_statistics(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["train", "resnet:1", "--recipe", "cifar-cell", "--whole", "--device", "cpu"]
    assert main([*arguments, "--examples", "200"]) == 0
    shown = capsys.readouterr().out
    assert "BN batch" in shown
    assert "valid: " not in shown


def test_a_finished_checkpoint_is_neither_overwritten_nor_trained_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["train", str(architecture(tmp_path)), "--epochs", "1", "--device", "cpu"]
    arguments += ["--out", str(tmp_path / "net.pt")]
    assert main(arguments) == 0
    first = capsys.readouterr().out
    assert main(arguments) == 2
    assert "exists; --resume goes on from it" in capsys.readouterr().err
    before = (tmp_path / "net.pt").read_bytes()
    assert main([*arguments, "--resume"]) == 0
    assert (tmp_path / "net.pt").read_bytes() == before
    accuracies = [line for line in first.splitlines() if "accuracy 0" in line]
    assert accuracies
    assert [line for line in capsys.readouterr().out.splitlines() if "accuracy 0" in line] == accuracies


def test_a_diverging_training_ends_with_exit_code_1_and_its_reason(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "resnet:1", "--epochs", "1", "--set", "lr=1e30", "--device", "cpu"]) == 1
    assert "failed: the " in capsys.readouterr().out


def test_an_interrupted_teacher_goes_on_and_becomes_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--network", "resnet:1", "--data", "digits", "--recipe", "digits", "--epochs", "2", "--device", "cpu"]
    assert main(["teacher", "train", str(tmp_path / "whole.h5"), *arguments]) == 0
    tell = loop_module.Loop._tell

    def interrupt(self: loop_module.Loop, report: object, now: Moment) -> None:
        if now.epoch == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(loop_module.Loop, "_tell", interrupt)
    assert main(["teacher", "train", str(tmp_path / "cut.h5"), *arguments]) == 130
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cut.pt", "whole.h5", "whole.pt"]
    monkeypatch.setattr(loop_module.Loop, "_tell", tell)
    assert main(["teacher", "train", str(tmp_path / "cut.h5"), *arguments]) == 0
    whole, cut = (Teacher.load(tmp_path / f"{name}.h5") for name in ("whole", "cut"))
    assert list(whole.rdms) == ["L1", "L2", "L3"]
    assert (whole.by, whole.stimuli, len(whole.stimulus_ids)) == ("category_name", "digits/valid", 180)
    assert all((cut.rdms[target].values == rdm.values).all() for target, rdm in whole.rdms.items())
    data = load_data("digits")
    model = load_network(tmp_path / "whole.pt")
    score = Guidance(whole, load_stimuli(whole.stimuli), preprocess=data.preprocess, batchnorm="running")(model)
    assert score.tg == pytest.approx(1.0, abs=1e-5)
    other = [*arguments[:-3], "1", "--device", "cpu"]
    capsys.readouterr()
    assert main(["teacher", "train", str(tmp_path / "cut.h5"), *other]) == 2
    assert "cut.pt: the checkpoint is of another training" in capsys.readouterr().err


def test_a_teacher_by_stimulus_takes_some_images_and_any_layer(tmp_path: Path) -> None:
    out, facts = tmp_path / "t.h5", tmp_path / "t.json"
    teacher.train(
        out,
        network="resnet:1",
        data="digits",
        recipe="digits",
        epochs=0,
        by="stimulus",
        limit=30,
        seed=1,
        layers=["L1", "output"],
        n_features=100,
        device="cpu",
        json=facts,
    )
    made = Teacher.load(out)
    sizes = {name: (len(rdm), rdm.attrs["n_features"]) for name, rdm in made.rdms.items()}
    assert sizes == {"L1": (30, 100), "output": (30, 10)}
    assert json.loads(facts.read_text())["training"]["examples"] == 0


def test_wrong_arguments_end_before_any_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for message, arguments in (
        ("--resume and --keep need the checkpoint", {"resume": True}),
        ("--set takes FIELD=VALUE, such as lr=0.05, not 'lr'", {"set_": ["lr"]}),
        ("a recipe has no rate", {"set_": ["rate=1"]}),
        ("no data set is named 'digit'", {"data": "digit"}),
    ):
        with pytest.raises(RSAError, match=message):
            train.train("resnet:1", **arguments)
    assert main(["train", "resnet:1", "--json", str(tmp_path / "none" / "out.json")]) == 2
    assert "there is no folder" in capsys.readouterr().err
    for message, settings in (
        ("no column 'colour'", {"by": "colour"}),
        ("no layer 'L9'", {"layers": ["L9"]}),
        ("metric 'crossnobis' is not supported", {"metric": "crossnobis"}),
    ):
        with pytest.raises(RSAError, match=message):
            teacher.train(tmp_path / "t.h5", network="resnet:1", data="digits", **settings)
    with pytest.raises(RSAError, match=r"would be the checkpoint of this teacher, too; call the teacher .*t\.h5"):
        teacher.train(tmp_path / "t.pt", network="resnet:1", data="digits")
    assert not list(tmp_path.iterdir())
