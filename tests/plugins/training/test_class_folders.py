"""Folders of images by class: which are parts, which are classes, what is refused, and what is said."""

import warnings
import zipfile
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from tgsage.neural_data.catalogue.image_files import FolderImages, ZipImages
from tgsage.plugins.training import Data, load_data
from tgsage.plugins.training.class_folders import class_folders, part_of
from tgsage.rsa import RSAError, extensions
from tgsage.rsa.cli import app as cli

KINDS = (("a", (200, 0, 0)), ("b", (0, 180, 0)))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TGSAGE_CACHE", str(tmp_path / "cache"))


def picture(path: Path, colour: tuple[int, int, int] = (9, 9, 9)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), colour).save(path)


def parts(folder: Path, counts: dict[str, int]) -> Path:
    for place, (part, count) in enumerate(counts.items()):
        for kind, colour in KINDS:
            for i in range(count):
                picture(folder / part / kind / f"{i}.png", (*colour[:2], place * 20 + i))
    return folder


def load(folder: Path, kind: str = "folder", **settings: Any) -> Data:
    return load_data(f"{kind}:{folder}", **settings)


def folders_of(data: Data, part: str) -> set[str]:
    return {name.split("/")[0] for name in getattr(data, part).table["stimulus_id"].tolist()}


def test_every_usual_spelling_is_a_part_and_others_are_not() -> None:
    for names, part in (
        ("train Train TRAINING trn train_set Train-Data training_images train2017", "train"),
        ("val Val valid VALIDATION dev eval validation_set val2017 devset", "valid"),
        ("test Test testing tst TESTSET test_images", "test"),
    ):
        assert {part_of(name) for name in names.split()} == {part}, names
    assert {part_of(name) for name in ("trains", "trainer", "valve", "devil", "testudo", "a", "dogs", "12")} == {None}


@pytest.mark.parametrize("kind", ["folder", "imagenet64"])
@pytest.mark.parametrize(
    "names", [("train", "val", "test"), ("Training", "Validation", "Testing"), ("TRAIN", "dev", "test_set")]
)
def test_p_is_measured_on_val_where_a_test_lies_beside_it(names: tuple[str, ...], kind: str, tmp_path: Path) -> None:
    train, valid, test = names
    data = load(parts(tmp_path / "set", {train: 4, valid: 3, test: 2}), kind)
    assert data.classes == ("a", "b")
    for part, folder, count in (("train", train, 8), ("valid", valid, 6), ("test", test, 4)):
        assert (folders_of(data, part), len(getattr(data, part))) == ({folder}, count)
        chosen = getattr(data, part)
        for image, label in zip(chosen.images, chosen.labels.tolist(), strict=True):
            assert image[:2, 0, 0].tolist() == list(KINDS[label][1][:2])
    assert f"trained on {train}/, P is measured on {valid}/, tested on {test}/" in data.summary()
    with pytest.raises(RSAError, match="has validation images of its own; leave out validation=1"):
        load(tmp_path / "set", kind, validation=1)


@pytest.mark.parametrize("other", ["test", "val", "Valid", "validation", "testing", "DEV"])
def test_a_second_part_alone_is_for_testing(other: str, tmp_path: Path) -> None:
    data = load(parts(tmp_path / "set", {"train": 10, other: 2}))
    assert [len(part) for part in (data.train, data.valid, data.test)] == [18, 2, 4]
    assert folders_of(data, "valid") == folders_of(data, "train") == {"train"}
    assert folders_of(data, "test") == {other}
    assert f"P is measured on images of it, tested on {other}/" in data.summary()


def test_a_class_may_have_the_name_of_a_part(tmp_path: Path) -> None:
    for kind in ("bus", "car", "train"):
        for i in range(9):
            picture(tmp_path / "set" / kind / f"{i}.png")
    assert load(tmp_path / "set").classes == ("bus", "car", "train")


def test_an_archive_is_divided_as_a_folder_is(tmp_path: Path) -> None:
    folder = parts(tmp_path / "set", {"training": 4, "Val": 3, "test": 2})
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for file in folder.rglob("*.png"):
            archive.write(file, file.relative_to(folder))
    sets = ZipImages(tmp_path / "x.zip"), FolderImages(folder)
    zipped, plain = (class_folders(files.path, files.names) for files in sets)
    assert zipped.classes == plain.classes == ("a", "b")
    assert zipped.valid is not None
    assert plain.valid is not None
    assert (zipped.test.sum(), zipped.valid.sum(), len(zipped.labels)) == (4, 6, 18)
    for mine, other in ((zipped.labels, plain.labels), (zipped.test, plain.test), (zipped.valid, plain.valid)):
        assert mine.tolist() == other.tolist()


def test_hidden_files_and_folders_are_neither_images_nor_classes(tmp_path: Path) -> None:
    folder = parts(tmp_path / "set", {"train": 4, "test": 2})
    before = load(folder)
    for name in (".ipynb_checkpoints/a.png", "train/.ipynb_checkpoints/0-checkpoint.png", "test/a/._0.png"):
        picture(folder / name)
    (folder / "train" / "a" / "Thumbs.db").write_bytes(b"x")
    data = load(folder)
    assert data.classes == ("a", "b")
    assert torch.equal(data.train.images, before.train.images)
    assert torch.equal(data.test.images, before.test.images)


REFUSED = {
    "one class": (["a/1.png", "a/2.png"], "all images lie in one folder of a class, a; there must be two$"),
    "one class in parts": (["train/a/1.png", "test/a/2.png"], "all images lie in one folder of a class, a"),
    "a folder around it": (["set/a/1.png", "set/b/1.png"], "its own folders may be what is meant: .*/set$"),
    "a part beside classes": (["train/a/1.png", "train/b/1.png", "extra/a/1.png"], "train are parts .* lie extra"),
    "parts without classes": (["train/1.png", "valid/1.png"], "2 images lie in no folder of a class"),
    "parts without classes, and more": (["train/1.png", "valid/1.png", "c/1.png"], "train, valid are parts"),
    "images beside parts": (["train/a/1.png", "train/b/1.png", "1.png"], "train are parts .* lie 1.png"),
    "one part twice": (
        ["train/a/1.png", "train/b/1.png", "val/a/1.png", "valid/b/1.png"],
        "val, valid are names of the same part; keep one",
    ),
    "no training images": (
        ["val/a/1.png", "test/b/1.png"],
        r"there are test, val but no training images, in train/CLASS/",
    ),
    "parts in classes": (
        ["a/train/1.png", "a/test/1.png", "b/train/1.png"],
        r"parts lie inside the classes \(a/test, a/train, b/train\); they must be around them",
    ),
    "a class that is not trained": (
        ["train/a/1.png", "train/b/1.png", "val/a/1.png", "val/c/1.png", "test/a/1.png"],
        "validation images of c, of which there are no training images; .* the same names in every part",
    ),
    "a class whose images are all held out": (
        [*(f"a/{i}.png" for i in range(60)), "b/1.png"],
        r"no training images are left of b \(1 images\); add images",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_divided_is_refused_in_one_line(case: str, tmp_path: Path) -> None:
    names, words = REFUSED[case]
    for name in names:
        picture(tmp_path / "set" / name)
    held_out: dict[str, Any] = {"validation": 54} if "held out" in case else {}
    with pytest.raises(RSAError, match=words) as caught:
        load(tmp_path / "set", **held_out)
    assert "\n" not in str(caught.value)


def test_folders_without_images_and_classes_that_a_part_lacks_are_said(tmp_path: Path) -> None:
    folder = parts(tmp_path / "set", {"train": 4, "test": 2})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load(folder)
    (folder / "train" / "c").mkdir()
    (folder / "val").mkdir()
    with pytest.warns(UserWarning, match="2 folders hold no images: val, train/c"):
        assert load(folder).classes == ("a", "b")
    (folder / "val").rmdir()
    picture(folder / "train" / "c" / "1.png")
    with pytest.warns(UserWarning, match="test/ has no images of c"):
        assert load(folder, validation=0).classes == ("a", "b", "c")
    for kind in "ab":
        picture(tmp_path / "flat" / kind / "1.png")
    (tmp_path / "flat" / "c").mkdir()
    with pytest.warns(UserWarning, match="1 folders hold no images: c"):
        load(tmp_path / "flat", validation=0)


@pytest.mark.parametrize(
    "command",
    [
        ["train", "resnet:1", "--epochs", "0"],
        ["evaluate", "resnet:1"],
        pytest.param(["search", "--samples", "1", "--epochs", "0", "--searcher", "random"], marks=pytest.mark.slow),
    ],
)
def test_commands_say_first_what_they_took(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    points = [
        EntryPoint(name, f"tgsage.plugins.commands.{name}:{name}", cli.GROUP)
        for name in ("train", "evaluate", "search")
    ]
    made = {cli.GROUP: points}
    monkeypatch.setattr(extensions, "entry_points", lambda group: made.get(group) or entry_points(group=group))
    monkeypatch.chdir(tmp_path)
    folder = parts(tmp_path / "set", {"Train": 8, "Valid": 3, "test": 2})
    expected = (
        f"folder:{folder}: 2 classes (a, b); images: 16 train, 6 valid, 4 test, 3 x 8 x 8; "
        "trained on Train/, P is measured on Valid/, tested on test/"
    )
    assert cli.main([*command, "--data", "folder:set"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == expected


def test_of_few_images_one_is_held_out_so_that_p_can_be_measured(tmp_path: Path) -> None:
    data = load(parts(tmp_path / "set", {"train": 3}))
    assert [len(part) for part in (data.train, data.valid, data.test)] == [5, 1, 0]
    assert "no images for testing" in data.summary()
