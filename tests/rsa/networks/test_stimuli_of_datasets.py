"""Stimuli of torchvision-style data sets: the names of classes, attributes and several labels."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from tgsage.rsa import RSAError, Stimuli, layer_rdms
from torch import nn
from torch.utils.data import Subset


class Made:
    """A data set of random images with these targets, and whatever else it is said to have."""

    def __init__(self, given: Any, **attributes: Any) -> None:
        self._targets = given
        self.__dict__ |= attributes

    def __len__(self) -> int:
        return len(self._targets)

    def __getitem__(self, index: int) -> Any:
        return torch.rand(3, 4, 4, generator=torch.Generator().manual_seed(index)), self._targets[index]


def categories(dataset: Any) -> list[str]:
    return list(map(str, Stimuli.from_dataset(dataset).table["category_name"]))


def test_imagenet_s_classes_keep_their_synonyms_and_stay_apart(tmp_path: Path) -> None:
    words = {"n01440764": ("tench", "Tinca tinca"), "n02012849": ("crane",), "n03126707": ("crane",)}
    torch.save((words, list(words)), tmp_path / "meta.bin")
    for word in words:
        (tmp_path / "val" / word).mkdir(parents=True)
        for i in range(2):
            Image.new("RGB", (8, 8)).save(tmp_path / "val" / word / f"{i}.JPEG")
    dataset = torchvision.datasets.ImageNet(tmp_path, "val")
    expected = ["tench, Tinca tinca"] * 2 + ["crane (n02012849)"] * 2 + ["crane (n03126707)"] * 2
    assert categories(dataset) == expected
    assert categories(Subset(dataset, [5, 0])) == [expected[5], expected[0]]


@pytest.mark.parametrize("classes", [["cat", "dog"], ("cat", "dog"), {0: "cat", 1: "dog"}, {"dog": 1, "cat": 0}])
@pytest.mark.parametrize("targets", [[1, 0], torch.tensor([1, 0]), np.array([1, 0]), [torch.tensor(1), np.int64(0)]])
def test_classes_go_by_their_names(classes: Any, targets: Any) -> None:
    assert categories(Made(targets, classes=classes)) == ["dog", "cat"]
    assert categories(Made([None, None], classes=classes, targets=targets)) == ["dog", "cat"]


def test_classes_without_names_go_by_their_numbers_and_text_stays_text() -> None:
    assert categories(Made([3, torch.tensor(1)])) == ["3", "1"]
    assert categories(Made(["07", "b"], classes=["x"])) == ["07", "b"]
    assert categories(Made([1, 0], classes=["a", "a"])) == ["a (1)", "a (0)"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.int64, torch.bool])
def test_attributes_become_columns(dtype: torch.dtype) -> None:
    values = torch.tensor([[1, 0, 1], [0, 0, 1], [1, 1, 0]]).to(dtype)
    named = Stimuli.from_dataset(Made(values, attr_names=["Smiling", "Hat", "Young", ""]))
    assert list(named.table) == ["stimulus_id", "Smiling", "Hat", "Young"]
    assert named.table["Young"].tolist() == [1, 1, 0]
    assert list(Stimuli.from_dataset(Made(values)).table)[1:] == ["target_0", "target_1", "target_2"]
    several = Stimuli.from_dataset(Made(values.tolist(), classes=["dog", "cat", "sofa"]))
    assert several.column("dog") == [str(value) for value in named.table["Smiling"].tolist()]
    (rdm,) = layer_rdms(nn.Flatten(), named, "output", by="Young").values()
    assert sorted(rdm.labels) == ["0", "1"]


@pytest.mark.parametrize(
    ("targets", "attributes", "words"),
    [
        ([{"boxes": 1}], {}, "classes or vectors of numbers, not dict; pass what you need of them as columns"),
        ([(torch.zeros(4), torch.zeros(2))], {}, "not tuple of Tensor"),
        ([[1, 2], [1]], {"classes": "abc"}, "vectors of 1, 2 values for 3 names"),
        ([[1, 2], [1, 0]], {"classes": "abc"}, "vectors of 2 values for 3 names"),
        ([0, -1], {"classes": "abc"}, "image 1 is of class -1, but the data set names classes 0, 1, 2"),
        ([0.5], {"classes": "abc"}, "image 0 is of class 0.5"),
        ([None], {}, "not NoneType"),
    ],
)
def test_targets_that_no_name_fits_are_refused(targets: Any, attributes: dict[str, Any], words: str) -> None:
    with pytest.raises(RSAError, match=words):
        Stimuli.from_dataset(Made(targets, **attributes))
