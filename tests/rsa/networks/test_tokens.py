"""Which tokens of a transformer's layers are read."""

import numpy as np
import pytest
import torch
from tgsage.rsa import Guidance, RSAError, Teacher, extract, layer_rdms
from torch import Tensor, nn
from torchvision.models import VisionTransformer


@pytest.fixture(scope="module")
def model() -> nn.Module:
    torch.manual_seed(0)
    made: nn.Module = VisionTransformer(32, 8, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=32)
    return made


IMAGES = torch.rand(6, 3, 32, 32, generator=torch.Generator().manual_seed(0))
LAYER = "encoder.layers.encoder_layer_0"


@pytest.mark.parametrize("batch_size", [4, 17])
def test_the_class_token_and_the_mean_are_those_of_all(model: nn.Module, batch_size: int) -> None:
    whole = extract(model, IMAGES)[LAYER].reshape(6, 17, 16)
    for tokens, expected in (("cls", whole[:, 0]), ("mean", whole.mean(1))):
        found = extract(model, IMAGES, tokens=tokens, batch_size=batch_size)
        np.testing.assert_allclose(found[LAYER], expected, atol=1e-5)
        rdm = layer_rdms(model, IMAGES, LAYER, tokens=tokens)[LAYER]
        assert (rdm.attrs["tokens"], rdm.attrs["of_features"]) == (tokens, 16)
    assert "tokens" not in layer_rdms(model, IMAGES, LAYER)[LAYER].attrs


def test_teachers_and_scores_state_them(model: nn.Module) -> None:
    teacher = Teacher.from_network("vit", model, IMAGES, tokens="mean")
    score = Guidance(teacher, IMAGES, tokens="mean", batchnorm="running")(model)
    assert (score.attrs["tokens"], score.attrs["teacher_tokens"]) == ("mean", "mean")
    assert score.tg == pytest.approx(1)


class Embedding(nn.Conv2d):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).flatten(2).mT


class Patches(nn.Module):
    """Tokens before and after the class token is put in front."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = Embedding(3, 16, 8, 8)
        self.cls_token = nn.Parameter(torch.ones(1, 1, 16))
        self.blocks = nn.Sequential(nn.Linear(16, 16), nn.Linear(16, 16))

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.embed(x)
        out: Tensor = self.blocks(torch.cat([self.cls_token.expand(len(x), -1, -1), tokens], 1))
        return out


def test_a_layer_without_a_class_token_is_left_out_or_refused() -> None:
    assert "embed" in extract(Patches(), IMAGES, ["embed", "blocks.0"])
    assert list(extract(Patches(), IMAGES, "*", tokens="cls")) == ["blocks"]
    with pytest.raises(RSAError, match="layer embed has 16 tokens and seemingly no class token; tokens 'mean'"):
        extract(Patches(), IMAGES, ["embed", "blocks.0"], tokens="cls")


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        ("first", "tokens are all, cls or mean, not 'first'"),
        ("cls", r"no class token \(cls_token, class_token, class_embedding\); tokens 'mean' needs none"),
        ("mean", r"tokens 'mean' is for layers that return \(images, tokens, width\), and none of these does"),
    ],
)
def test_what_cannot_be_is_refused(tokens: str, words: str) -> None:
    with pytest.raises(RSAError, match=words):
        extract(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), IMAGES, tokens=tokens)
