"""Which modules "auto", names and globs stand for."""

from typing import Any

import pytest
import torch
import torchvision
from tgsage.rsa.errors import RSAError
from tgsage.rsa.networks.layers import choose_layers
from torch import Tensor, nn


def names(model: nn.Module, layers: str | list[str] = "auto") -> list[str]:
    return [layer.name for layer in choose_layers(model, layers)]


class Plain(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.relu = nn.ReLU()
        self.fc = nn.Linear(4, 2)


class Blocks(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3)
        self.blocks = nn.ModuleList(nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU()) for _ in range(3))
        self.head = nn.Sequential(nn.Dropout(), nn.Linear(4, 2))


def block() -> nn.Module:
    return nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)


def network(**names: nn.Module) -> nn.Module:
    """Children named as in a published transformer."""
    module = nn.Module()
    for name, child in names.items():
        module.add_module(name, child)
    return module


class Embedding(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.projection, self.norm = nn.Conv2d(3, 8, 8, 8), nn.LayerNorm(8)

    def forward(self, x: Tensor) -> Tensor:
        return x


class Encoder(nn.Module):
    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        return x


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten()), ["0", "1", "2"]),
        (nn.Sequential(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())), ["0.0", "0.1"]),
        (Plain(), ["conv", "fc"]),
        (Blocks(), ["blocks.0", "blocks.1", "blocks.2"]),
        (nn.Flatten(), ["output"]),
        (torchvision.models.resnet18(weights=None), ["layer1", "layer2", "layer3", "layer4"]),
        (torchvision.models.squeezenet1_1(weights=None), [f"features.{i}" for i in range(13)]),
        (torchvision.models.mobilenet_v2(weights=None), [f"features.{i}" for i in range(19)]),
        (torchvision.models.swin_t(weights=None), [f"features.{i}" for i in range(8)]),
        (torchvision.models.maxvit_t(weights=None), ["stem", *(f"blocks.{i}" for i in range(4))]),
        (torchvision.models.resnet50(weights=None), ["layer1", "layer2", "layer3", "layer4"]),
        (torchvision.models.resnet101(weights=None), ["layer1", "layer2", "layer3", "layer3.9", "layer4"]),
        (  # timm's VisionTransformer, MLP-Mixer and, with other blocks, Swin
            network(
                patch_embed=Embedding(),
                pos_drop=nn.Dropout(),
                blocks=nn.Sequential(*(block() for _ in range(3))),
                norm=nn.LayerNorm(8),
                head=nn.Linear(8, 5),
            ),
            ["patch_embed", "blocks.0", "blocks.1", "blocks.2"],
        ),
        (  # transformers' ViTForImageClassification
            network(
                vit=network(
                    embeddings=Embedding(),
                    encoder=Encoder(nn.ModuleList(block() for _ in range(2))),
                    pooler=nn.Sequential(nn.Linear(8, 8), nn.Tanh()),
                ),
                classifier=nn.Linear(8, 5),
            ),
            ["vit.embeddings", "vit.encoder.layer.0", "vit.encoder.layer.1"],
        ),
    ],
)
def test_auto_takes_the_stages(model: nn.Module, expected: list[str]) -> None:
    assert names(model) == expected


def test_globs_stay_within_a_dotted_part() -> None:
    resnet = torchvision.models.resnet18(weights=None)
    assert names(resnet, "layer*.1") == ["layer1.1", "layer2.1", "layer3.1", "layer4.1"]
    assert names(resnet, "layer4.**.conv1") == ["layer4.0.conv1", "layer4.1.conv1"]
    assert names(resnet, ["fc", "layer[12]", "layer1"]) == ["layer1", "layer2", "fc"]


def test_suffixes_choose_a_call_and_a_tensor() -> None:
    call, item = choose_layers(Plain(), ["relu#2", "relu[1]"])
    assert (call.path, call.call, call.item) == ("relu", 2, 0)
    assert (item.path, item.call, item.item) == ("relu", None, 1)


@pytest.mark.parametrize(("wanted", "words"), [("layer_5", "layer"), ("layr*.1", "mean layer"), ("fc2#1", "fc")])
def test_a_name_that_does_not_exist_names_near_ones(wanted: str, words: str) -> None:
    with pytest.raises(RSAError, match=rf"no layer '{wanted.replace('*', '[*]')}'.*{words}"):
        choose_layers(torchvision.models.resnet18(weights=None), wanted)


def test_no_layer_asked_for_is_an_error() -> None:
    with pytest.raises(RSAError, match="no layer is named"):
        choose_layers(Plain(), [])


def test_a_compiled_model_has_the_layers_of_the_plain_one() -> None:
    plain = torchvision.models.resnet18(weights=None)
    compiled: Any = torch.compile(plain, backend="eager")
    for wanted in ("auto", "layer[34].*", "layer1.0.conv1", "output"):
        assert [layer.module for layer in choose_layers(compiled, wanted)] == [
            layer.module for layer in choose_layers(plain, wanted)
        ]
        assert names(compiled, wanted) == names(plain, wanted)
    assert names(compiled, "_orig_mod.layer1") == ["layer1"]
    plain.layer2 = torch.compile(plain.layer2, backend="eager")
    assert names(plain) == ["layer1", "layer2", "layer3", "layer4"]
    assert names(plain, "layer2.*.conv1") == ["layer2.0.conv1", "layer2.1.conv1"]


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:FutureWarning")
def test_layers_that_take_no_hooks_are_named() -> None:
    scripted = nn.Sequential(nn.Conv2d(3, 4, 3), torch.jit.script(nn.Sequential(nn.Conv2d(4, 4, 3), nn.ReLU())))
    assert names(scripted, "0") == ["0"]
    for wanted in ("auto", "1", "1.*"):
        with pytest.raises(RSAError, match=r"layer '1.*' is scripted and takes no hooks"):
            choose_layers(scripted, wanted)
    with pytest.raises(RSAError, match="scripted"):
        choose_layers(torch.jit.script(nn.ReLU()), "output")
    plain = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    exported = torch.export.export(plain, (torch.rand(2, 3, 8, 8),)).module()
    for model in (exported, nn.Sequential(exported)):
        with pytest.raises(RSAError, match=r"program of torch\.export"):
            choose_layers(model, "output")
