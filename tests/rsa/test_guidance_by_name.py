"""`Guidance` with the name of a model as its teacher."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tgsage.rsa import Guidance, RSAError, Stimuli, Teacher, load_model

OWN = """
import torch

def small():
    torch.manual_seed(0)
    layers = torch.nn.Conv2d(3, 6, 5, stride=4), torch.nn.ReLU(), torch.nn.Conv2d(6, 8, 3, stride=2), torch.nn.ReLU()
    return torch.nn.Sequential(*layers), lambda image: torch.nn.functional.interpolate(image[None], (32, 32))[0]
"""
STIMULI = Stimuli(torch.rand(20, 3, 16, 16, generator=torch.Generator().manual_seed(0)))


@pytest.fixture
def name(tmp_path: Path) -> str:
    (tmp_path / "own.py").write_text(OWN)
    return f"{tmp_path / 'own.py'}:small"


@pytest.mark.parametrize("similarity", ["rdm", "cka"])
def test_a_model_is_a_teacher_by_its_name(name: str, similarity: str) -> None:
    module, preprocess = load_model(name)
    how: dict[str, Any] = {"preprocess": preprocess, "similarity": similarity, "batchnorm": "running"}
    guide = Guidance(name, STIMULI, **how)
    assert guide.teacher.attrs["network"] == name
    assert guide(module).tg == pytest.approx(1)
    other = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU())
    made = Teacher.from_network(name, name, STIMULI, features=similarity != "rdm")
    assert guide(other).tg == Guidance(made, STIMULI, **how)(other).tg < 1


def test_metric_and_features_are_those_asked_for(name: str) -> None:
    guide = Guidance(name, STIMULI, metric="euclidean", n_features=50)
    assert guide.teacher.metric == guide.metric == "euclidean"
    assert guide.teacher.attrs["n_features"] == 50


@pytest.mark.parametrize(
    ("teacher", "options", "words"),
    [
        ("majajhong2015", {}, "'majajhong2015' is no model; .*load_teacher of tgsage.neural_data a recording"),
        ("resnet18", {}, "'resnet18' is no model; did you mean torchvision:resnet18 or timm:resnet18"),
        ("own.py:small", {"method": "persan"}, "unknown method|persan"),
        ("own.py:small", {"similarity": "ckaa"}, "ckaa"),
        ("own.py:small", {"similarity": "cka", "method": "pearson"}, "is for similarity='rdm'"),
        ("own.py:small", {"batchnorm": "moving"}, "batchnorm is one of"),
        ("own.py:absent", {}, "own.py: no such file"),
    ],
)
def test_what_is_wrong_is_said_before_any_image_is_shown(teacher: str, options: dict[str, Any], words: str) -> None:
    class Never(list[Any]):
        def __getitem__(self, index: Any) -> Any:
            raise AssertionError("an image was asked for")

    stimuli = Stimuli(Never([0] * 4))
    with pytest.raises(RSAError, match=words) as caught:
        Guidance(teacher, stimuli, **options)
    assert "\n" not in str(caught.value)
