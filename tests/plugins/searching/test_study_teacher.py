"""One teacher for all who work at a study, and settings that cannot be, refused before it is trained."""

import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tgsage.plugins import Objective, RandomSearcher, search
from tgsage.plugins.commands.search_objective import SearchObjective
from tgsage.plugins.searching.tracker import Tracker
from tgsage.plugins.spaces import get_space
from tgsage.plugins.training import Data, get_recipe, teachers
from tgsage.plugins.training.teachers import digest_of
from tgsage.rsa import RDM, RSAError, Teacher
from tgsage.rsa.cli import app as cli


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch, digits: Data) -> list[Teacher]:
    """The teachers that were "trained": another one every time, as on another machine."""
    made: list[Teacher] = []

    def train(network: str, data: Data, recipe: object, **settings: Any) -> Teacher:
        values = np.random.default_rng(len(made)).random(45)
        made.append(
            Teacher.from_rdms(network, {"a": RDM(values, digits.classes, by="category_name")}, stimuli="digits/valid")
        )
        return made[-1]

    monkeypatch.setattr("tgsage.plugins.training.teachers.trained_teacher", train)
    return made


def test_whoever_joins_a_study_has_its_teacher_bit_by_bit(
    digits: Data, trainings: list[Teacher], tmp_path: Path
) -> None:
    found = []
    for study in ("a", "a", "b"):
        with Tracker(tmp_path / "a.db", study) as tracker:
            found.append(teachers.study_teacher(tracker, "resnet:1", digits, get_recipe("digits")))
    with Tracker(tmp_path / "a.db", "a") as tracker:
        found.append(teachers.study_teacher(tracker, "resnet:1", digits, get_recipe("digits", lr=0.5)))
    digests = [digest_of(teacher.rdms) for teacher in found]
    assert digests[0] == digests[1] == digest_of(trainings[0].rdms)
    assert len(set(digests)) == len(trainings) == 3


def test_one_makes_what_the_others_wait_for_and_a_lost_maker_is_replaced(tmp_path: Path) -> None:
    made: list[str] = []

    def make(name: str) -> bytes:
        made.append(name)
        time.sleep(0.5)
        return name.encode()

    def work(name: str) -> None:
        with Tracker(tmp_path / "a.db", "a") as tracker:
            found.append(tracker.kept("teacher", lambda: make(name)))

    found: list[bytes] = []
    with Tracker(tmp_path / "a.db", "a") as tracker:

        def fail() -> bytes:
            raise RSAError("the training failed")

        with pytest.raises(RSAError, match="the training failed"):
            tracker.kept("teacher", fail)
        lost = Tracker(tmp_path / "a.db", "a")
        assert lost._claim_making()
        lost.close()
    threads = [threading.Thread(target=work, args=(name,)) for name in "xyz"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert found == [made[0].encode()] * 3


def test_the_command_trains_once_and_its_workers_get_that_teacher(
    trainings: list[Teacher], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    seen: list[Teacher] = []
    make = SearchObjective.make

    def sent(self: SearchObjective, device: str | None) -> Any:
        rebuild, fields = self.__reduce__()
        seen.append(rebuild(*fields).taught)
        return make(self, device)

    monkeypatch.setattr(SearchObjective, "make", sent)
    command = ["search", "--searcher", "random", "--epochs", "0", "--storage", "a.db"]
    for samples in ("1", "2"):
        assert cli.main([*command, "--samples", samples]) == 0
    assert len(trainings) == 1
    assert {digest_of(teacher.rdms) for teacher in seen} == {digest_of(trainings[0].rdms)}
    assert cli.main([*command, "--teacher", "resnet:2"]) == 2
    assert "objective teacher was resnet:1 and is resnet:2; give this search a new name" in capsys.readouterr().err
    assert len(trainings) == 1


def test_another_teacher_of_the_same_name_is_refused_with_how_to_share_one(
    trainings: list[Teacher], digits: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = get_space("toy")
    for number in (1, 2):
        objective = Objective(space, digits, recipe="digits", epochs=0, teacher="resnet:1")
        if number == 1:
            search(space, RandomSearcher(space), objective, samples=1, storage=tmp_path / "a.db")
            continue
        with pytest.raises(RSAError, match=r"objective teacher RDMs was .* trained by name is not the same on every"):
            search(space, RandomSearcher(space), objective, samples=2, storage=tmp_path / "a.db")


IMPOSSIBLE = [
    ("search --recipe imagenet64-search --epochs 2", "recipe imagenet64-search ends after 1 epochs"),
    ("search --devices cpu,cuda:99", "device cuda:99 cannot be used"),
    ("search --json nowhere/a.json", "there is no folder nowhere"),
    ("search --storage nowhere/a.db", "there is no folder"),
    ("search --by colour", "no column 'colour'"),
    ("search --finalists 1 --recipe imagenet64-search --epochs 1 --finalist-epochs 2", "ends after 1 epochs"),
    ("train resnet:1 --recipe imagenet64-search --epochs 2 --out a.pt", "ends after 1 epochs"),
    ("train resnet:1 --device cuda:99 --out a.pt", "device cuda:99 cannot be used"),
    ("train resnet:1 --batchnorm bach --out a.pt", "did you mean batch"),
    ("teacher train a.h5 --network resnet:1 --data digits --recipe imagenet64-search --epochs 2", "ends after 1 epoch"),
    ("teacher train a.h5 --network resnet:1 --data digits --recipe digits --device cuda:99", "cuda:99 cannot be used"),
    ("evaluate resnet:1 --epochs 2 --recipe imagenet64-search", "ends after 1 epochs"),
    ("evaluate resnet:1 --batchnorm bach --epochs 1", "did you mean batch"),
    ("evaluate resnet:1 --device cuda:99 --epochs 1", "cuda:99 cannot be used"),
]


@pytest.mark.parametrize(("arguments", "words"), IMPOSSIBLE, ids=[arguments for arguments, _ in IMPOSSIBLE])
def test_settings_that_cannot_be_are_refused_before_anything_is_trained_or_stored(
    arguments: str,
    words: str,
    trainings: list[Teacher],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def learn(*arguments: object) -> None:
        raise AssertionError("it was trained")

    monkeypatch.setattr("tgsage.plugins.training.trainer.Loop.run", learn)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TGSAGE_CACHE", str(tmp_path / "cache"))
    assert cli.main(arguments.split()) == 2
    said = capsys.readouterr().err
    assert words in said
    assert len(said.splitlines()) == 1
    assert not list(tmp_path.iterdir())
    assert not trainings


def test_an_objective_is_not_made_with_settings_that_cannot_be(trainings: list[Teacher], digits: Data) -> None:
    for settings, words in (
        ({"epochs": 301}, "ends after 300 epochs"),
        ({"examples": 10**9}, "ends after 300 epochs"),
        ({"epochs": -1}, "at least 0 epochs"),
        ({"epochs": 1, "device": "cuda:99"}, "cannot be used"),
    ):
        with pytest.raises(RSAError, match=words):
            Objective("toy", digits, recipe="cifar-cnn", teacher="resnet:1", **settings)
    assert trainings == []


def test_a_storage_that_cannot_be_written_is_said_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(RSAError, match="is read-only"):
        Tracker(tmp_path / "a.db", "a")
    monkeypatch.undo()
    assert not (tmp_path / "a.db").exists()
    assert torch.get_num_threads() > 0
