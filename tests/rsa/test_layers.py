"""Which modules "auto", names and globs stand for."""

import pytest
import torchvision
from tgsage.rsa.errors import RSAError
from tgsage.rsa.layers import choose_layers
from torch import nn


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
    with pytest.raises(RSAError, match="no layer asked for"):
        choose_layers(Plain(), [])
