"""Every source of models: real architectures with random weights, their layers, and what cannot be loaded."""

import importlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tgsage.rsa import RSAError, extract, load_model
from tgsage.rsa.networks.layers import choose_layers
from torch import Tensor, nn

PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8))
SMALL = {"image_size": 32, "patch_size": 8, "hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2}
STAGES = {"image_size": 64, "embed_dim": 8, "depths": [1, 1, 4, 1], "num_heads": [1, 2, 2, 2], "window_size": 2}
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "vit": {**SMALL, "num_hidden_layers": 4},
    "dinov2": {**SMALL, "num_hidden_layers": 3},
    "clip": {"vision_config": {**SMALL, "num_hidden_layers": 3}, "text_config": {"num_hidden_layers": 1}},
    "convnext": {"hidden_sizes": [8, 8, 16, 16], "depths": [1, 1, 4, 1]},
    "swin": STAGES,
}


def numbered(form: str, n: int) -> list[str]:
    return [form.format(i) for i in range(n)]


def hub(folder: Path, kind: str) -> str:
    """A model's folder as the Hub has it, without weights."""
    place = folder / kind
    place.mkdir()
    size = 64 if kind == "swin" else 32
    pixels: dict[str, Any] = {"image_mean": [0.5] * 3, "image_std": [0.25] * 3, "size": {"height": size, "width": size}}
    pixels |= {"do_resize": True, "do_normalize": True, "do_rescale": True, "rescale_factor": 1 / 255}
    (place / "config.json").write_text(json.dumps({"model_type": kind, **CONFIGURATIONS[kind]}))
    (place / "preprocessor_config.json").write_text(json.dumps({"image_processor_type": "ViTImageProcessor", **pixels}))
    return f"hf:{place}"


def check(name: str, layers: list[str], middle: str) -> None:
    """One batch through a model: its "auto" layers, and one of them as a plain hook has it."""
    module, preprocess = load_model(name)
    images = torch.stack([preprocess(PICTURE), preprocess(PICTURE.rotate(180))])
    assert [layer.name for layer in choose_layers(module)] == layers
    heard: list[Any] = []
    handle = module.get_submodule(middle).register_forward_hook(lambda _module, _args, out: heard.append(out))
    with torch.no_grad():
        module(images)
    handle.remove()
    plain = heard[0] if isinstance(heard[0], Tensor) else heard[0][0]
    found = extract(module, [PICTURE, PICTURE.rotate(180)], preprocess=preprocess)
    assert set(found) <= set(layers)
    np.testing.assert_array_equal(found[middle], plain.reshape(2, -1).numpy())
    assert not np.allclose(found[middle][0], found[middle][1])


@pytest.mark.parametrize(
    ("name", "layers", "middle"),
    [
        ("vit_tiny_patch16_224", ["patch_embed", *numbered("blocks.{}", 12)], "blocks.5"),
        (
            "convnext_atto",
            ["stem", "stages.0", "stages.1", "stages.2", "stages.2.blocks.1", "stages.3"],
            "stages.2.blocks.1",
        ),
        ("regnety_002", ["stem", "s1", "s2", "s3", "s4"], "s3"),
        ("mixer_s32_224", ["stem", *numbered("blocks.{}", 8)], "blocks.3"),
        ("efficientnet_lite0", numbered("blocks.{}", 7), "blocks.3"),
        ("resnet18", numbered("layer{}", 5)[1:], "layer2"),
        pytest.param(
            "swin_tiny_patch4_window7_224",
            ["patch_embed", "layers.0", "layers.1", "layers.2", "layers.2.blocks.1", "layers.3"],
            "layers.2.blocks.1",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_timm(name: str, layers: list[str], middle: str) -> None:
    timm = pytest.importorskip("timm", reason="timm is not installed")
    check(f"timm:{name}@untrained", layers, middle)
    about = timm.data.resolve_data_config(timm.get_pretrained_cfg(name).to_dict())
    _, preprocess = load_model(f"timm:{name}@untrained")
    own = timm.data.create_transform(**about, is_training=False)
    torch.testing.assert_close(preprocess(PICTURE), own(PICTURE))


@pytest.mark.parametrize(
    ("kind", "layers", "middle"),
    [
        ("vit", ["embeddings", *numbered("layers.{}", 4)], "layers.1"),
        ("dinov2", ["embeddings", *numbered("encoder.layer.{}", 3)], "encoder.layer.1"),
        ("clip", ["embeddings", *numbered("encoder.layers.{}", 3)], "encoder.layers.1"),
        ("convnext", ["embeddings", *numbered("encoder.stages.{}", 4)], "encoder.stages.1"),
        ("swin", ["embeddings", *numbered("encoder.layers.{}", 4)], "encoder.layers.1"),
    ],
)
def test_transformers(tmp_path: Path, kind: str, layers: list[str], middle: str) -> None:
    pytest.importorskip("transformers", reason="transformers is not installed")
    if kind in ("convnext", "swin"):
        stage = "encoder.stages.2.layers" if kind == "convnext" else "encoder.layers.2.blocks"
        layers = [*layers[:4], f"{stage}.0", layers[4]]
    name = hub(tmp_path, kind)
    check(f"{name}@untrained", layers, middle)
    _, preprocess = load_model(f"{name}@untrained")
    size = 64 if kind == "swin" else 32
    pixels = np.asarray(PICTURE.resize((size, size), Image.Resampling.BILINEAR), np.float32) / 255
    difference = preprocess(PICTURE).numpy() - (pixels.transpose(2, 0, 1) - 0.5) / 0.25
    assert np.abs(difference).max() < 0.02  # rounding of the resized pixels
    assert "ViTImageProcessor" in str(preprocess)


def test_a_folder_of_transformers_brings_its_weights(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    name = hub(tmp_path, "vit")
    torch.manual_seed(3)
    made = transformers.AutoModel.from_config(transformers.AutoConfig.from_pretrained(tmp_path / "vit"))
    made.save_pretrained(tmp_path / "vit")
    trained, untrained = load_model(name)[0], load_model(f"{name}@untrained")[0]
    weights = [dict(model.state_dict()) for model in (made, trained, untrained)]
    assert all(torch.equal(value, weights[1][key]) for key, value in weights[0].items())
    assert not all(torch.equal(value, weights[2][key]) for key, value in weights[0].items())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "layers", "middle"),
    [
        ("ViT-S-32", numbered("transformer.resblocks.{}", 12), "transformer.resblocks.5"),
        ("RN50", [*numbered("layer{}", 5)[1:], "attnpool"], "layer2"),
        (
            "convnext_tiny",
            ["trunk.stem", *numbered("trunk.stages.{}", 3), "trunk.stages.2.blocks.2", "trunk.stages.3"],
            "trunk.stages.2.blocks.2",
        ),
        ("ViT-B-32/openai", numbered("transformer.resblocks.{}", 12), "transformer.resblocks.5"),
    ],
)
def test_open_clip(name: str, layers: list[str], middle: str) -> None:
    pytest.importorskip("open_clip", reason="open_clip is not installed")
    check(f"open_clip:{name}@untrained", layers, middle)


@pytest.mark.parametrize(
    ("name", "layers", "middle"),
    [
        ("resnet18", numbered("layer{}", 5)[1:], "layer2"),
        ("squeezenet1_1", numbered("features.{}", 13), "features.6"),
        (
            "regnet_y_400mf",
            ["stem", *numbered("trunk_output.block{}", 4)[1:], "trunk_output.block3.block3-3", "trunk_output.block4"],
            "trunk_output.block3.block3-3",
        ),
        pytest.param(
            "vit_b_16",
            numbered("encoder.layers.encoder_layer_{}", 12),
            "encoder.layers.encoder_layer_5",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_torchvision(name: str, layers: list[str], middle: str) -> None:
    check(f"torchvision:{name}@untrained", layers, middle)


def test_files(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(
        "import torch\nfrom torch import nn\n"
        "class Reader(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.rows, self.fc = nn.LSTM(96, 8, batch_first=True), nn.Linear(8, 3)\n"
        "    def forward(self, x):\n"
        "        return self.fc(self.rows(x.permute(0, 2, 1, 3).flatten(2))[0][:, -1])\n"
        "def lstm():\n"
        "    return Reader(), lambda image: torch.linspace(0, 1, 3072).view(3, 32, 32) * image.getpixel((0, 0))[0]\n"
        "def cnn():\n"
        "    return nn.Sequential(nn.Conv2d(3, 4, 7, 4), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU())\n"
        "def mlp():\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 224 * 224, 4), nn.ReLU(), nn.Linear(4, 2))\n"
        "class Odd(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.scale = nn.Parameter(torch.ones(3))\n"
        "def odd():\n"
        "    return Odd()\n"
    )
    check(f"{tmp_path}/own.py:lstm", ["rows", "fc"], "rows")
    check(f"{tmp_path}/own.py:cnn", ["0", "1", "2", "3"], "1")
    check(f"{tmp_path}/own.py:mlp@untrained", ["0", "1", "2", "3"], "1")
    own, twin, again = (load_model(f"{tmp_path}/own.py:cnn{end}")[0] for end in ("", "@untrained", "@untrained"))
    weights = [model.state_dict()["0.weight"] for model in (own, twin, again)]
    assert not torch.equal(weights[0], weights[1])
    assert torch.equal(weights[1], weights[2])
    with pytest.raises(RSAError, match=r"own.py:odd@untrained: Odd has no reset_parameters"):
        load_model(f"{tmp_path}/own.py:odd@untrained")


@pytest.mark.parametrize(
    ("name", "layers", "middle", "file", "under", "prefix"),
    [
        ("torchvision:squeezenet1_1", numbered("features.{}", 13), "features.6", "a.pt", "state_dict", "module."),
        ("torchvision:resnet18", numbered("layer{}", 5)[1:], "layer2", "a.ckpt", "model_state_dict", "_orig_mod."),
        ("torchvision:mobilenet_v3_small", numbered("features.{}", 13), "features.6", "a.safetensors", "", ""),
    ],
)
def test_checkpoints_of_real_architectures(
    name: str, layers: list[str], middle: str, file: str, under: str, prefix: str, tmp_path: Path
) -> None:
    fresh = load_model(f"{name}@untrained")[0].state_dict()
    state = {f"{prefix}{key}": value * 1.25 if value.is_floating_point() else value for key, value in fresh.items()}
    if under:
        torch.save({under: state, "epoch": 3}, tmp_path / file)
    else:
        pytest.importorskip("safetensors.torch").save_file(
            {k: v.contiguous() for k, v in state.items()}, tmp_path / file
        )
    check(f"{name}@{tmp_path / file}", layers, middle)
    loaded = load_model(f"{name}@{tmp_path / file}")[0].state_dict()
    assert all(torch.equal(loaded[key], state[f"{prefix}{key}"]) for key in fresh)


@pytest.mark.parametrize("file", ["weights.pt", "weights.safetensors"])
def test_weights_may_be_named_with_the_model(tmp_path: Path, file: str) -> None:
    (tmp_path / "own.py").write_text("from torch import nn\ndef small():\n    return nn.Sequential(nn.Linear(2, 1))\n")
    state = {"0.weight": torch.full((1, 2), 5.0), "0.bias": torch.zeros(1)}
    if file.endswith("safetensors"):
        pytest.importorskip("safetensors", reason="safetensors is not installed")
        importlib.import_module("safetensors.torch").save_file(state, tmp_path / file)
    else:
        torch.save({"epoch": 3, "model_state_dict": state}, tmp_path / file)
    module, _ = load_model(f"{tmp_path}/own.py:small@{tmp_path}/{file}")
    assert module(torch.ones(1, 2)).item() == 10
    with pytest.raises(RSAError, match="already names its weights"):
        load_model(f"{tmp_path}/own.py:small@{tmp_path}/{file}", "other.pt")


@pytest.mark.parametrize("name", ["timm:resnet18", "hf:google/vit", "open_clip:RN50/openai"])
def test_a_missing_package_names_its_extra(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    source = name.partition(":")[0]
    package = "transformers" if source == "hf" else source
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(RSAError, match=rf"{package} is not installed: pip install 'tgsage\[{source}\]'"):
        load_model(name)


def test_weights_that_cannot_be_fetched_end_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("timm", reason="timm is not installed")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    timm = importlib.import_module("timm")

    def unreachable(*_args: Any, **_settings: Any) -> nn.Module:
        raise OSError("no route\nto host")

    monkeypatch.setattr(timm, "create_model", unreachable)
    with pytest.raises(RSAError, match=r"^timm:resnet18 cannot be fetched \(no route\); timm:resnet18@untrained needs"):
        load_model("timm:resnet18")


@pytest.mark.parametrize(
    ("name", "words", "package"),
    [
        ("timm:resnet19", "timm has no model 'resnet19'; did you mean resnet", "timm"),
        ("timm:resnet18@v1", "takes @untrained or a file of weights, not @v1", "timm"),
        ("hf:/nowhere/at/all", "cannot be (fetched|made)", "transformers"),
        ("hf:bert@untrained", "is a BertModel and takes input_ids, not images", "transformers"),
        ("open_clip:RN51/openai", "open_clip has no model 'RN51'; did you mean RN", "open_clip"),
        ("open_clip:RN50", "several weights; name one as open_clip:RN50/WEIGHTS; known: openai", "open_clip"),
        ("open_clip:RN50/opena", "no weights 'opena'; did you mean openai", "open_clip"),
        ("resnet18", "did you mean torchvision:resnet18 or timm:resnet18", "torchvision"),
        ("tim:resnet18", "unknown model 'tim:resnet18'; known: efficientnet_lite0, .*, timm:NAME, hf:", "torchvision"),
    ],
)
def test_bad_names_are_answered(name: str, words: str, package: str) -> None:
    pytest.importorskip(package, reason=f"{package} is not installed")
    with pytest.raises(RSAError, match=words):
        load_model(name)


@dataclass
class Result:
    name: str
    hidden: Tensor


class Answering(nn.Module):
    """A layer that returns a dataclass, and one that computes its parts in one fused step."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.attend = Wrapped(), nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.first(x).hidden
        out: Tensor = self.attend(hidden, hidden, hidden)[0]
        return out


class Wrapped(nn.Module):
    def forward(self, x: Tensor) -> Result:
        return Result("wrapped", x.flatten(1, 2) + 1)


def test_dataclasses_are_opened_and_fused_layers_named() -> None:
    images = torch.rand(3, 3, 4, 8)
    found = extract(Answering(), images, ["first", "attend"])
    np.testing.assert_array_equal(found["first"], (images.flatten(1) + 1).numpy())
    with pytest.raises(RSAError, match=r"'attend.out_proj' never runs .* part of attend \(MultiheadAttention\), which"):
        extract(Answering(), images, "attend.out_proj")
