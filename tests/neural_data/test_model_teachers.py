"""A model, by its name, as the teacher of another one: layers against layers over any images."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tgsage
import torch
from PIL import Image
from tgsage.neural_data import images
from tgsage.neural_data.commands.score import score
from tgsage.neural_data.commands.teacher import teacher
from tgsage.neural_data.teacher import is_model_name
from tgsage.rsa import Guidance, RSAError, Teacher, layer_rdms, load_model
from typer import Typer
from typer.testing import CliRunner

MODELS = """
import torch
from tgsage.rsa.networks.models import ImagePreprocess
from torch import nn

def network(seed, size):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 6, 3, 2), nn.ReLU(), nn.Conv2d(6, 8, 3), nn.ReLU()), ImagePreprocess(size)

def small():
    return network(0, 12)

def large():
    return network(1, 16)

class Patches(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.mix = nn.Conv2d(3, 6, 4, 4), nn.Linear(6, 6)

    def forward(self, x):
        return self.mix(self.embed(x).flatten(2).mT)

def patches():
    torch.manual_seed(2)
    return Patches(), ImagePreprocess(12)
"""

APP = Typer()
APP.command("score")(score)
APP.add_typer(teacher, name="teacher")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("models")
    (place / "images").mkdir()
    rng = np.random.default_rng(0)
    for i in range(12):
        Image.fromarray(rng.integers(0, 255, (20, 24, 3), dtype=np.uint8)).save(place / "images" / f"s{i:02d}.png")
    (place / "own.py").write_text(MODELS)
    return place


def run(*arguments: object) -> str:
    result = CliRunner().invoke(APP, [str(part) for part in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_layers_against_layers_are_those_of_numpy(folder: Path) -> None:
    one, other = f"{folder}/own.py:small", f"{folder}/own.py:large"
    picture, written = folder / "map.png", folder / "found.json"
    printed = run(
        "score", one, "--teacher", other, "--stimuli", folder / "images", "--bootstrap", 20, "--json", written,
        "--plot", picture,
    )  # fmt: skip
    found = json.loads(written.read_text())
    shown = images(folder / "images")
    rdms = []
    for name in (one, other):
        module, preprocess = load_model(name)
        with torch.no_grad():
            outputs = [torch.stack([preprocess(shown[i]) for i in range(12)])]
            for layer in module.children():
                outputs.append(layer(outputs[-1]))
        rows = np.triu_indices(12, 1)
        rdms.append([1 - np.corrcoef(output.reshape(12, -1).numpy())[rows] for output in outputs[1:]])
    expected = np.corrcoef(rdms[0], rdms[1])[:4, 4:]
    table = [[found["table"][layer][target] for target in "0123"] for layer in "0123"]
    np.testing.assert_allclose(table, expected, atol=1e-5)
    assert found["attrs"]["teacher_network"] == other
    assert found["attrs"]["teacher_preprocess"].startswith("16 x 16 pixels")
    assert f"{one} against {other}" in printed.replace("\n", "")
    with Image.open(picture) as drawn:
        assert drawn.width > 100


@pytest.mark.parametrize("similarity", ["rdm", "cka"])
def test_a_model_against_itself_and_its_untrained_twin(folder: Path, similarity: str) -> None:
    name, shown = f"{folder}/own.py:small", folder / "images"
    same = tgsage.score(name, name, shown, similarity=similarity, bootstrap=0 if similarity == "rdm" else None)
    np.testing.assert_allclose(np.diag(same.table), 1, atol=1e-5)
    assert same.best_layer == {layer: layer for layer in "0123"}
    twin = tgsage.score(name, f"{name}@untrained", shown, similarity=similarity, targets=["1", "3"])
    assert twin.table.shape == (4, 2)
    assert twin.tg < 1 - 1e-3
    assert (twin.draws is None) == (similarity != "rdm")


def test_tokens_are_those_of_the_model_that_has_them(folder: Path) -> None:
    one, other, shown = f"{folder}/own.py:patches", f"{folder}/own.py:small", folder / "images"
    here, there = (tgsage.score(*pair, shown, tokens="mean", bootstrap=0) for pair in ((one, other), (other, one)))
    assert (here.attrs["tokens"], here.attrs.get("teacher_tokens")) == ("mean", None)
    assert (there.attrs.get("tokens"), there.attrs["teacher_tokens"]) == (None, "mean")
    np.testing.assert_allclose(here.table.values, there.table.values.T, atol=1e-6)
    module, preprocess = load_model(one)
    expected = layer_rdms(module, images(shown), "mix", preprocess=preprocess, tokens="mean")["mix"]
    np.testing.assert_allclose(here.layers["mix"].values, expected.values, atol=1e-6)
    with pytest.raises(RSAError, match="and none of these does"):
        tgsage.score(other, other, shown, tokens="mean")


def test_tokens_are_no_reason_to_leave_out_models_without_them(folder: Path) -> None:
    shown = images(folder / "images")
    module, preprocess = load_model(f"{folder}/own.py:large")
    teacher = Teacher.from_rdms("t", {"x": layer_rdms(module, shown, "0", preprocess=preprocess)["0"]})
    names = {name: f"{folder}/own.py:{name}" for name in ("small", "patches")}
    how: dict[str, Any] = {"bootstrap": 20, "halvings": 3, "splits": None}
    plain, mean = (tgsage.compare_models(names, teacher, shown, tokens=tokens, **how) for tokens in ("all", "mean"))
    similarity = [{row["model"]: row["similarity"] for row in found.rows} for found in (plain, mean)]
    assert similarity[0]["small"] == similarity[1]["small"]
    assert similarity[0]["patches"] != similarity[1]["patches"]
    with pytest.raises(RSAError, match="no model has the tokens that 'mean' asks for"):
        tgsage.compare_models({"small": names["small"]}, teacher, shown, tokens="mean", **how)
    with pytest.raises(
        RSAError, match="no model has the tokens that 'cls' asks for"
    ):  # the only one has no class token
        tgsage.compare_models(names, teacher, shown, tokens="cls", **how)


def test_a_model_becomes_a_teacher_file(folder: Path) -> None:
    name, file = f"{folder}/own.py:large", folder / "teacher.h5"
    run("teacher", "build", name, file, "--stimuli", folder / "images", "--layers", "1,3", "--features")
    made, shown = Teacher.load(file), images(folder / "images")
    assert (list(made.rdms), list(made.features), made.checksum) == (["1", "3"], ["1", "3"], shown.checksum())
    module, preprocess = load_model(name)
    expected = layer_rdms(module, shown, ["1", "3"], preprocess=preprocess)
    for target, rdm in made.rdms.items():
        np.testing.assert_allclose(rdm.values, expected[target].values, atol=1e-6)
    module, preprocess = load_model(f"{folder}/own.py:small")
    by_name = Guidance(Teacher.from_network("large", name, shown), shown, preprocess=preprocess, batchnorm="running")(
        module
    )
    by_file = Guidance(made, shown, preprocess=preprocess, batchnorm="running")(module)
    np.testing.assert_allclose(by_name.table.sel(target=["1", "3"]), by_file.table, atol=1e-5)


def test_a_name_is_a_data_set_then_a_file_then_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert not is_model_name("simulated")
    assert is_model_name("pixels")
    Path("pixels").mkdir()
    assert not is_model_name("pixels")
    for wrong, near in (("majajhong2015-publik", "majaj"), ("efficientnet_lite9", "did you mean efficientnet_lite")):
        with pytest.raises(RSAError, match=rf"{wrong} is neither a file nor a data set .* nor a model.*(?i:{near})"):
            is_model_name(wrong)
    with pytest.raises(RSAError, match="did you mean torchvision:resnet18 or timm:resnet18"):
        is_model_name("resnet18")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("score", "pixels", "--teacher", "pixels"), "pixels is a model, and a teacher only over images"),
        (("score", "pixels", "--teacher", "pixels", "--stimuli", "{}", "--level", "region"), "level is for recordings"),
        (("score", "pixels", "--teacher", "pixels", "--stimuli", "{}", "--target", "conv1"), "no layer 'conv1'"),
        (("teacher", "build", "pixels", "{}.h5"), "give stimuli"),
        (("teacher", "build", "pixels", "{}.h5", "--stimuli", "{}", "--splits", "3"), "splits is for recordings"),
        (("teacher", "build", "zhangdesimone", "{}.h5", "--layers", "conv1"), "layers is for a model"),
    ],
)
def test_wrong_options_end_in_one_line(folder: Path, options: tuple[str, ...], words: str) -> None:
    with pytest.raises(RSAError, match=words):
        run(*(option.format(folder / "images") for option in options))
