"""Models by name, and weights from strangers."""

import pickle
from pathlib import Path

import pytest
import torch
from PIL import Image
from tgsage.rsa import RSAError, extract, load_model
from tgsage.rsa.networks.models import decided
from tgsage.rsa.networks.weights import load_weights

from ...files import compressed

MODEL_FILE = """
import torch
from torch import nn

def small():
    return nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten())

def with_preprocess():
    return small(), lambda image: torch.zeros(3, 8, 8)

def wrong():
    return 7

def fails():
    raise RuntimeError("no weights here")
"""


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    file = tmp_path / "mine.py"
    file.write_text(MODEL_FILE)
    return file


def test_a_packaged_network_classifies_in_imagenet_normalisation() -> None:
    model, preprocess = load_model("efficientnet_lite0")
    image = preprocess(Image.new("L", (300, 200), 255))
    assert image.shape == (3, 224, 224)
    assert image[:, 0, 0].tolist() == pytest.approx([2.2489, 2.4286, 2.64], abs=1e-3)
    assert not model.training
    assert model(image[None]).shape == (1, 1000)


def test_untrained_weights_are_the_same_every_time_and_leave_the_generator_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first, _ = load_model("torchvision:resnet18@untrained")
    assert torch.equal(torch.rand(1), expected)
    second, _ = load_model("torchvision:resnet18@untrained")
    assert torch.equal(first.conv1.weight, second.conv1.weight)  # type: ignore[union-attr, arg-type]


def test_pixels_are_a_model_too() -> None:
    model, preprocess = load_model("pixels")
    features = extract(model, [Image.new("RGB", (32, 32), (0, 255, 0))], preprocess=preprocess)
    assert list(features) == ["output"]
    assert features["output"].shape == (1, 3 * 64 * 64)
    assert features["output"].sum() == 64 * 64


def test_a_function_in_a_file_makes_the_model(model_file: Path) -> None:
    model, preprocess = load_model(f"{model_file}:small")
    assert preprocess(Image.new("RGB", (30, 30))).shape == (3, 224, 224)
    assert model(torch.zeros(1, 3, 5, 5)).shape == (1, 18)
    _, own = load_model(f"{model_file}:with_preprocess")
    assert own(None).shape == (3, 8, 8)


@pytest.mark.parametrize("prefix", ["", "module.", "model.", "_orig_mod.", "model._orig_mod.", "_orig_mod.module."])
@pytest.mark.parametrize("inside", ["0.", "0._orig_mod."])  # a compiled layer
def test_weights_come_from_a_state_dict(model_file: Path, tmp_path: Path, prefix: str, inside: str) -> None:
    source, _ = load_model(f"{model_file}:small")
    state = {prefix + key.replace("0.", inside, 1): value + 1 for key, value in source.state_dict().items()}
    key = {"module.": "state_dict", "model.": "model"}.get(prefix, "model_state_dict")
    torch.save({key: state} if prefix else state, tmp_path / "weights.pt")
    model, _ = load_model(f"{model_file}:small", tmp_path / "weights.pt")
    assert torch.equal(model[0].weight, source[0].weight + 1)  # type: ignore[index]
    compiled = torch.nn.Sequential()
    compiled.add_module("_orig_mod", source)  # as torch.compile names it
    load_weights(compiled, tmp_path / "weights.pt")
    assert torch.equal(source[0].weight, model[0].weight)  # type: ignore[index]


class Hostile:
    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (Path("hostile-was-here"),))


def test_a_pickle_disguised_as_weights_is_not_run(
    model_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(Hostile()))
    torch.save({"weight": Hostile()}, tmp_path / "zipped.pt")
    for name in ("plain.pt", "zipped.pt"):
        with pytest.raises(RSAError, match=rf"{name} holds no plain state dict"):
            load_model(f"{model_file}:small", tmp_path / name)
    assert not (tmp_path / "hostile-was-here").exists()


def test_weights_that_do_not_fit_are_named(model_file: Path, tmp_path: Path) -> None:
    torch.save({"0.weight": torch.zeros(2, 3, 3, 3), "0.bias": torch.zeros(3)}, tmp_path / "a.pt")
    with pytest.raises(RSAError, match=r"1 of 2 tensors, 0.bias is of another shape"):
        load_model(f"{model_file}:small", tmp_path / "a.pt")
    torch.save({"0.weight": torch.zeros(2, 3, 3, 3), "0.bias": torch.zeros(2), "9": torch.zeros(1)}, tmp_path / "b.pt")
    with pytest.raises(RSAError, match=r"1 tensors more, such as 9"):
        load_model(f"{model_file}:small", tmp_path / "b.pt")
    torch.save([torch.zeros(3)], tmp_path / "c.pt")
    with pytest.raises(RSAError, match="holds no state dict"):
        load_model(f"{model_file}:small", tmp_path / "c.pt")


def test_pixels_outside_their_range_are_named() -> None:
    _, preprocess = load_model("pixels")
    whole = torch.full((3, 8, 8), 255)
    assert preprocess(whole).max() == preprocess(whole.to(torch.uint8)).max() == 1
    with pytest.raises(RSAError, match=r"float32 must lie in \[0, 1\], not \[255, 255\]"):
        preprocess(whole.float())


def test_a_model_of_volumes_and_a_helper_beside_the_file_load(tmp_path: Path) -> None:
    (tmp_path / "my_helper.py").write_text("from torch.nn import Conv3d\n")
    (tmp_path / "volumes.py").write_text("import my_helper\ndef make():\n    return my_helper.Conv3d(3, 2, 1)\n")
    model, _ = load_model(f"{tmp_path}/volumes.py:make")
    assert model(torch.zeros(1, 3, 2, 2, 2)).shape == (1, 2, 2, 2, 2)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("efficientnet_lite9", "did you mean efficientnet_lite"),
        ("efficientnet_lite0@IMAGENET", "one set of weights"),
        ("torchvision:resnet19", "did you mean resnet"),
        ("torchvision:resnet18@IMAGENET1K_V9", "did you mean IMAGENET1K_V1"),
        ("nowhere.py:model", "no such file"),
        ("{file}:smal", "did you mean small"),
        ("{file}:wrong", "returned int, not a torch module"),
        ("{file}:fails", "no weights here"),
        ("{file}:small@x", "--weights"),
    ],
)
def test_bad_names_are_answered(model_file: Path, name: str, words: str) -> None:
    with pytest.raises(RSAError, match=words):
        load_model(name.format(file=model_file))


def test_a_missing_weights_file_is_named(model_file: Path) -> None:
    with pytest.raises(RSAError, match=r"nothing.pt: no such file"):
        load_model(f"{model_file}:small", "nothing.pt")


def test_a_name_is_known_without_loading_it_where_nothing_else_decides_its_network(
    model_file: Path, tmp_path: Path
) -> None:
    file = tmp_path / "w.pt"
    file.write_bytes(b"one")
    names = ["pixels", "efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite0@untrained"]
    names += ["torchvision:resnet18", "torchvision:resnet18@untrained", "timm:resnet18@untrained"]
    names += [f"torchvision:resnet18@{file}", "open_clip:RN50@untrained"]
    found = [decided(name) for name in names]
    assert all(found)
    assert len(set(found)) == len(found)
    assert decided("torchvision:resnet18", file) == decided(f"torchvision:resnet18@{file}")
    before = decided("timm:resnet18", file)
    file.write_bytes(b"two")
    assert before
    assert decided("timm:resnet18", file) not in ("", before)
    for name in (f"{model_file}:small", "timm:resnet18", "hf:vit@untrained", "open_clip:RN50/openai", "nowhere"):
        assert decided(name) == ""
    assert decided(f"{model_file}:small", file) == decided("timm:resnet18", tmp_path / "missing.pt") == ""
    with pytest.raises(RSAError, match="already names its weights"):
        decided("torchvision:resnet18@untrained", file)


def test_compressed_weights_are_refused_unread(tmp_path: Path) -> None:
    module, file, packed = torch.nn.Linear(300, 300), tmp_path / "a.pt", tmp_path / "b.pt"
    torch.save({name: torch.zeros_like(weight) for name, weight in module.state_dict().items()}, file)
    load_weights(module, file)
    compressed(file, packed)
    with pytest.raises(RSAError, match=r"b\.pt holds no plain state dict of tensors, or is damaged"):
        load_weights(module, packed)
    torch.save(dict(module.state_dict()), file, _use_new_zipfile_serialization=False)
    load_weights(module, file)
