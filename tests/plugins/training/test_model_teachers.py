"""A model's name as the teacher of a search: its layers over the validation images, in its own preprocessing."""

from pathlib import Path

import numpy as np
import pytest
from tgsage.plugins.training import Data
from tgsage.plugins.training.teachers import BY, is_made_here, make_teacher, own_by
from tgsage.rsa import layer_rdms, load_model
from tgsage.rsa.cli import app as cli

MODEL = """
import torch
from tgsage.rsa.networks.models import ImagePreprocess
from torch import nn

def small():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.ReLU()), ImagePreprocess(12)
"""


@pytest.fixture
def name(tmp_path: Path) -> str:
    (tmp_path / "own.py").write_text(MODEL)
    return f"{tmp_path}/own.py:small"


def test_its_rdms_are_over_the_validation_images(digits: Data, name: str) -> None:
    made = make_teacher(name, digits)
    module, preprocess = load_model(name)
    expected = layer_rdms(module, digits.stimuli("valid"), by="category_name", preprocess=preprocess)
    assert (made.by, made.stimuli, list(made.rdms)) == ("category_name", "digits/valid", list(expected))
    for layer, rdm in expected.items():
        np.testing.assert_allclose(made.rdms[layer].values, rdm.values, atol=1e-6)
    assert (own_by(name), is_made_here(name), is_made_here("simulated")) == (BY, True, False)
    assert is_made_here("torchvision:resnet18@DEFAULT")


def test_search_and_evaluate_take_it(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    search = ["search", "--searcher", "random", "--epochs", "0", "--samples", "1", "--storage", "a.db"]
    assert cli.main([*search, "--teacher", name]) == 0
    assert cli.main(["evaluate", "resnet:1", "--teacher", name]) == 0
    assert f"teacher {name}" in capsys.readouterr().out.replace("\n", "")
    assert cli.main([*search, "--teacher", "timm:nothing", "--study", "b"]) == 2
