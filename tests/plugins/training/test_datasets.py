"""Data sets by name, their parts, and what a network is shown of them."""

import hashlib
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tgsage.plugins.training import Data, load_data, load_stimuli, make_data
from tgsage.plugins.training.batches import DRAWS, shift_and_flip
from tgsage.plugins.training.data import standardise
from tgsage.rsa import RSAError
from torchvision.datasets import CIFAR10


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TGSAGE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def pictures(folder: Path, parts: tuple[str, ...], *, size: tuple[int, int] = (20, 16), each: int = 3) -> None:
    """Pictures of plain colours: red for class a, green for b, as `size` (width, height)."""
    for part in parts:
        for kind, colour in (("a", (200, 0, 0)), ("b", (0, 180, 0))):
            (folder / part / kind).mkdir(parents=True)
            for i in range(each):
                Image.new("RGB", size, colour).save(folder / part / kind / f"{i}.png")


def small(n: int = 40, validation: int = 8) -> Data:
    images = torch.arange(n * 48).reshape(n, 3, 4, 4).to(torch.uint8)
    return make_data("own", images, np.arange(n) % 5, list("abcde"), test=np.arange(n) >= 30, validation=validation)


def test_parts_share_nothing_and_hold_everything() -> None:
    data = small()
    ids = [set(getattr(data, part).table["stimulus_id"]) for part in ("train", "valid", "test")]
    assert [len(part) for part in ids] == [22, 8, 10]
    assert set().union(*ids) == {str(i) for i in range(40)}
    assert ids[2] == {str(i) for i in range(30, 40)}
    for part in (data.train, data.valid, data.test):
        places = [int(name) for name in part.table["stimulus_id"]]
        assert torch.equal(part.images, data.train.source[torch.tensor(places)])
        assert part.labels.tolist() == [place % 5 for place in places]
    assert data.whole().n_classes == 5
    assert set(data.whole().train.table["stimulus_id"]) == ids[0] | ids[1]
    with pytest.raises(RSAError, match="own has no valid images"):
        data.whole().stimuli("valid")


def test_the_split_is_always_the_same_and_fewer_are_part_of_more() -> None:
    assert small().valid.table["stimulus_id"].tolist() == small().valid.table["stimulus_id"].tolist()
    assert small(validation=3).valid.table["stimulus_id"].tolist() == small().valid.table["stimulus_id"].tolist()[:3]


def test_stimuli_are_named_limited_by_seed_and_keep_their_order() -> None:
    data = small()
    every, some, other = data.stimuli(), data.stimuli(limit=4, seed=1), data.stimuli(limit=4, seed=2)
    order = every.table["stimulus_id"].tolist()
    assert every.table["category_name"].tolist() == ["abcde"[int(name) % 5] for name in order]
    assert some.table["stimulus_id"].tolist() == [name for name in order if name in set(some.table["stimulus_id"])]
    assert some.table["stimulus_id"].tolist() != other.table["stimulus_id"].tolist()
    assert torch.equal(every[2], data.valid.images[2])
    assert every.reference == "own/valid"


def test_digits_are_scikit_learn_s() -> None:
    from sklearn.datasets import load_digits

    data, found = load_data("digits"), load_digits()
    assert (len(data.train), len(data.valid), len(data.test), data.shape) == (1257, 180, 360, (1, 8, 8))
    places = np.array([int(name) for name in data.test.table["stimulus_id"]])
    assert np.array_equal(data.test.labels.numpy(), found.target[places])
    assert np.abs(data.test.images[:, 0].numpy() / 255 - found.images[places] / 16).max() < 0.5 / 255 + 1e-9


@pytest.mark.slow
def test_simulated_images_are_of_variation_3_and_those_of_the_recording_are_for_testing() -> None:
    from tgsage.neural_data import images

    data = load_data("simulated")
    assert (len(data.train), len(data.valid), len(data.test), data.shape) == (1792, 256, 512, (1, 64, 64))
    assert data.classes == ("animals", "boats", "cars", "chairs", "faces", "fruits", "planes", "tables")
    shown = images("simulated")
    trained = set(data.train.table["stimulus_id"]) | set(data.valid.table["stimulus_id"])
    assert not trained & set(shown.table["stimulus_id"])
    place = (
        shown.table["stimulus_id"].tolist().index(data.test.table["stimulus_id"].tolist()[0].rpartition("_")[0] + "_00")
    )
    tested = data.stimuli("test")
    same = tested.table["stimulus_id"].tolist().index(shown.table["stimulus_id"][place])
    assert np.array_equal(np.asarray(shown[place]), tested[same][0].numpy())
    assert torch.allclose(data.preprocess(shown[place]), data.normalise(tested[same][None])[0], atol=1e-5)


@pytest.mark.slow
def test_the_jpegs_are_decoded_once_and_as_pillow_does(data_dir: Path, cache: Path) -> None:
    data = load_data("cifar10-jpeg", data_dir=data_dir)
    assert (len(data.train), len(data.valid), len(data.test), data.shape) == (18_000, 2_000, 2_000, (3, 32, 32))
    assert torch.bincount(data.whole().train.labels).tolist() == [2000] * 10
    assert torch.bincount(data.test.labels).tolist() == [200] * 10
    with zipfile.ZipFile(data_dir / "cifar10" / "cifar10_jpg.zip") as archive:
        for i in (0, 77):
            name = data.test.table["stimulus_id"][i]
            assert data.classes[int(data.test.labels[i])] == name.split("/")[1]
            with archive.open(f"{name}.jpg") as file:
                expected = np.asarray(Image.open(file)).transpose(2, 0, 1)
            assert np.array_equal(data.stimuli("test")[i].numpy(), expected)
    (kept,) = (cache / "images").iterdir()
    before = kept.stat().st_mtime_ns
    again = load_data("cifar10-jpeg", data_dir=data_dir)
    assert kept.stat().st_mtime_ns == before
    assert torch.equal(again.test.images, data.test.images)


def test_a_folder_of_classes_gives_every_image_its_folder_s_name(tmp_path: Path) -> None:
    pictures(tmp_path / "set", (".",), each=10)
    data = load_data(f"folder:{tmp_path / 'set'}")
    assert (data.classes, data.shape) == (("a", "b"), (3, 16, 16))
    assert (len(data.train), len(data.valid), len(data.test)) == (17, 1, 2)
    for image, label in zip(data.train.images, data.train.labels.tolist(), strict=True):
        assert image[:, 0, 0].tolist() == [[200, 0, 0], [0, 180, 0]][label]
    shown = load_stimuli(data.stimuli("test").reference)
    assert shown.checksum() == data.stimuli("test").checksum()


def test_a_folder_is_the_same_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures(tmp_path / "pictures", ("",), each=10)
    monkeypatch.chdir(tmp_path)
    found = load_data("folder:pictures")
    assert found.name == f"folder:{tmp_path / 'pictures'}" == load_data("folder:nothing/../pictures").name
    monkeypatch.chdir("/")
    assert found.stimuli("train").checksum() == load_stimuli(f"{found.name}/train").checksum()


def test_a_damaged_cache_is_made_again(tmp_path: Path, cache: Path) -> None:
    pictures(tmp_path / "set", ("train", "test"))
    expected = load_data(f"folder:{tmp_path / 'set'}").test.images.clone()
    (file,) = (cache / "images").iterdir()
    file.write_bytes(file.read_bytes()[:-100])
    assert torch.equal(load_data(f"folder:{tmp_path / 'set'}").test.images, expected)


def test_a_folder_that_cannot_be_written_warns_and_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures(tmp_path / "set", ("train", "test"))
    (tmp_path / "full").write_text("no folder")
    monkeypatch.setenv("TGSAGE_CACHE", str(tmp_path / "full"))
    with pytest.warns(UserWarning, match="not kept for the next time"):
        assert len(load_data(f"folder:{tmp_path / 'set'}").test) == 6


def test_imagenet_is_shown_as_central_crops_and_trained_on_random_ones(tmp_path: Path) -> None:
    pictures(tmp_path / "net", ("train", "val"), size=(300, 260))
    ramp = np.broadcast_to(np.arange(300, dtype=np.uint8)[None, :, None], (260, 300, 3))
    Image.fromarray(ramp.copy()).save(tmp_path / "net" / "train" / "a" / "0.png")
    data = load_data(f"imagenet:{tmp_path / 'net'}", validation=1)
    assert (data.shape, len(data.train), len(data.valid), len(data.test)) == ((3, 224, 224), 5, 1, 6)
    files = data.train.source
    assert not isinstance(files, torch.Tensor)
    place = torch.tensor([files.files.names.index("train/a/0.png")])
    centre = files[place][0, 0, 100].float()
    slope = float(centre[150] - centre[50]) / 100
    assert slope == pytest.approx(260 / 256, abs=0.03)  # shorter side 260 -> 256
    corner = files.random_crops(place, torch.zeros(1, DRAWS), (260, 512))[0, 0, 0]
    assert corner[:50].tolist() == list(range(50))
    large = files.random_crops(place, torch.tensor([[0, 0, 0, 0.9999]]), (260, 512))[0, 0, 0]
    assert float(large[200]) == pytest.approx(200 * 260 / 512, abs=1.5)


def test_imagenet_at_64_is_decoded_once(tmp_path: Path) -> None:
    pictures(tmp_path / "net", ("train", "val"), size=(90, 70))
    data = load_data(f"imagenet64:{tmp_path / 'net'}", validation=2)
    assert (data.shape, len(data.train), len(data.valid)) == ((3, 64, 64), 4, 2)
    assert isinstance(data.train.source, torch.Tensor)


def published_cifar(folder: Path, monkeypatch: pytest.MonkeyPatch) -> np.ndarray[Any, Any]:
    """Files of CIFAR-10's layout in small, which torchvision is told are the published ones."""
    root = folder / "cifar-10-batches-py"
    root.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (60, 3072), dtype=np.uint8)
    lists: dict[str, list[list[str]]] = {"train_list": [], "test_list": []}
    for i, name in enumerate(["data_batch_1", "data_batch_2", "test_batch"]):
        rows = pixels[20 * i : 20 * i + 20]
        content = pickle.dumps({"data": rows, "labels": [j % 10 for j in range(20)]})
        (root / name).write_bytes(content)
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
        lists["test_list" if name == "test_batch" else "train_list"].append([name, md5])
    names = pickle.dumps({"label_names": list("abcdefghij")})
    (root / "batches.meta").write_bytes(names)
    for key, values in lists.items():
        monkeypatch.setattr(CIFAR10, key, values)
    md5 = hashlib.md5(names, usedforsecurity=False).hexdigest()
    monkeypatch.setattr(CIFAR10, "meta", {"filename": "batches.meta", "key": "label_names", "md5": md5})
    return pixels


def test_cifar_is_read_from_torchvision_s_files_if_they_are_the_published_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = published_cifar(tmp_path, monkeypatch)
    data = load_data("cifar10", data_dir=tmp_path, validation=5)
    assert (len(data.train), len(data.valid), len(data.test), data.classes[9]) == (35, 5, 20, "j")
    shown = data.stimuli("test")
    for i in (0, 7):
        row = int(shown.table["stimulus_id"][i].removeprefix("test/"))
        assert np.array_equal(shown[i].numpy().ravel(), pixels[40 + row])
    batch = tmp_path / "cifar-10-batches-py" / "data_batch_1"
    batch.write_bytes(pickle.dumps("something else"))
    with pytest.raises(RSAError, match="does not hold the published files"):
        load_data("cifar10", data_dir=tmp_path)


def test_wrong_names_and_missing_files_are_told(tmp_path: Path) -> None:
    (tmp_path / "loose").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "loose" / "a.png")
    pictures(tmp_path / "odd", ("train", "test"))
    (tmp_path / "odd" / "test" / "c").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "odd" / "test" / "c" / "0.png")
    for message, name in (
        ("no data set is named 'cifar'; did you mean cifar10", "cifar"),
        ("imagenet needs its folder: imagenet:PATH", "imagenet"),
        ("digits takes no path", "digits:here"),
        ("cifar10_jpg.zip is missing; TGSAGE_DATA", "cifar10-jpeg"),
        ("cifar100: .* does not hold the published files; with download", "cifar100"),
        ("there is no folder", f"folder:{tmp_path / 'none'}"),
        ("1 images lie in no folder of a class: a.png", f"folder:{tmp_path / 'loose'}"),
        ("test images of c, of which there are no training images", f"folder:{tmp_path / 'odd'}"),
    ):
        with pytest.raises(RSAError, match=message):
            load_data(name, data_dir=tmp_path)
    with pytest.raises(RSAError, match="1437 training images; 1437 of them cannot be held out"):
        load_data("digits", validation=1437)


def test_an_archive_of_other_classes_is_not_cifar(tmp_path: Path) -> None:
    (tmp_path / "cifar10").mkdir()
    with zipfile.ZipFile(tmp_path / "cifar10" / "cifar10_jpg.zip", "w") as archive:
        for name in ("train/mug/0.jpg", "test/mug/0.jpg", "train/cat/0.jpg"):
            archive.writestr(name, b"x")
    with pytest.raises(RSAError, match=r"cifar10_jpg.zip holds cat, mug, not the classes of CIFAR-10"):
        load_data("cifar10-jpeg", data_dir=tmp_path)


def test_a_hostile_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cifar10").mkdir()
    with zipfile.ZipFile(tmp_path / "cifar10" / "cifar10_jpg.zip", "w") as archive:
        archive.writestr("../train/a/0.jpg", b"x")
    with pytest.raises(RSAError, match="names files outside itself"):
        load_data("cifar10-jpeg", data_dir=tmp_path)


def test_crops_and_mirrors_are_those_of_a_plain_loop() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (50, 3, 6, 5), dtype=torch.uint8, generator=generator)
    draws = torch.rand(50, DRAWS, generator=generator)
    made = shift_and_flip(images, draws, pad=2, flip=True)
    for image, (down, right, mirror, _), out in zip(images, draws.tolist(), made, strict=True):
        padded = torch.nn.functional.pad(image, (2, 2, 2, 2))
        top, left = int(down * 5), int(right * 5)
        crop = padded[:, top : top + 6, left : left + 5]
        assert torch.equal(out, crop.flip(-1) if mirror < 0.5 else crop)
    assert torch.equal(shift_and_flip(images, draws, pad=0, flip=False), images)


def test_standardised_images_have_mean_0_and_deviation_1_and_blank_ones_are_zeros() -> None:
    images = torch.randint(0, 256, (4, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    images[3] = 9
    out = standardise(images)
    for image, made in zip(images[:3].double().numpy(), out[:3].numpy(), strict=True):
        assert made == pytest.approx((image - image.mean()) / image.std(), abs=1e-5)
    assert not out[3].any()


def test_any_image_can_be_shown_to_a_network_of_the_data() -> None:
    data = small()
    grey = Image.fromarray(np.full((9, 12), 70, np.uint8))
    assert data.preprocess(grey).shape == (3, 4, 4)
    image = data.valid.images[0]
    assert torch.equal(data.preprocess(image), data.normalise(image[None])[0])
    assert torch.equal(data.preprocess(Image.fromarray(image.permute(1, 2, 0).numpy())), data.normalise(image[None])[0])
    red = torch.zeros(3, 16, 16)
    red[0] = 1.0
    assert load_data("digits").preprocess(red).shape == (1, 8, 8)
