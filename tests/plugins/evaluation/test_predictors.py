"""Free predictors against plain loops, closed forms and published counts."""

import math

import numpy as np
import pytest
import torch
from tgsage.plugins.evaluation.evaluator import Evaluator
from tgsage.plugins.evaluation.predictors import PREDICTORS, free_predictors, size_of
from tgsage.plugins.spaces import KNOWN_CELLS, CellSpace, get_space
from tgsage.plugins.training import make_data
from tgsage.rsa import RSAError
from torch import nn
from torch.nn import functional
from torchvision.models import resnet18, vgg11

IMAGES = torch.randn(8, 3, 8, 8, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(8) % 4


class Small(nn.Module):
    """Two convolutions with BN, a skip connection, a classifier."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.first = nn.Conv2d(3, 5, 3, padding=1)
        self.norm: nn.Module = nn.BatchNorm2d(5)
        self.second, self.relu, self.last = nn.Conv2d(5, 5, 3, padding=1), nn.ReLU(), nn.Linear(5, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first = self.relu(self.norm(self.first(x)))
        logits: torch.Tensor = self.last((first + self.relu(self.second(first))).mean(dim=(2, 3)))
        return logits


def test_naswot_counts_the_relus_that_agree() -> None:
    model = Small().train()
    first = model.norm(model.first(IMAGES))
    second = model.second(first.relu())
    on = torch.cat([first.flatten(1) > 0, second.flatten(1) > 0], dim=1).numpy()
    kernel = [[float(np.sum(a == b)) for b in on] for a in on]
    expected = np.linalg.slogdet(np.array(kernel)).logabsdet
    assert free_predictors(Small(), IMAGES, LABELS, ["naswot"])["naswot"] == pytest.approx(expected)


def test_synflow_of_a_chain_has_a_closed_form() -> None:
    """R is the product of |weights|, and every layer's sum of |w dR/dw| is R itself."""
    first, second = nn.Linear(192, 6, bias=False), nn.Linear(6, 4, bias=False)
    model = nn.Sequential(nn.Flatten(), first, nn.ReLU(), second)
    flow = second.weight.abs().double() @ first.weight.abs().double() @ torch.ones(192, dtype=torch.float64)
    found = free_predictors(model, IMAGES, LABELS, ["synflow"])["synflow"]
    assert found == pytest.approx(math.log1p(2 * float(flow.detach().sum())))


def test_synflow_is_the_sum_of_weights_times_finite_differences() -> None:
    """R is linear in every single weight, so a difference quotient of any step is its slope."""
    model = Small().double()
    model.norm = nn.Identity()
    ones = torch.ones(1, 3, 8, 8, dtype=torch.float64)
    flow = 0.0
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.abs_()
        for layer in (model.first, model.second, model.last):
            weights = layer.weight.view(-1)
            for i in range(len(weights)):
                kept, before = float(weights[i]), float(model(ones).sum())
                weights[i] = 2 * kept
                flow += float(model(ones).sum()) - before
                weights[i] = kept
    assert free_predictors(Small(), IMAGES, LABELS, ["synflow"])["synflow"] == pytest.approx(math.log1p(flow))


def test_jacob_cov_of_input_gradients() -> None:
    model = Small().train()
    images = IMAGES.clone().requires_grad_()
    rows = [torch.autograd.grad(model(images).sum(), images)[0][i].flatten().numpy() for i in range(len(images))]
    values = np.linalg.eigvalsh(np.corrcoef(np.array(rows, np.float64)))
    expected = -sum(math.log(v + 1e-5) + 1 / (v + 1e-5) for v in values)
    assert free_predictors(Small(), IMAGES, LABELS, ["jacob_cov"])["jacob_cov"] == pytest.approx(expected, rel=1e-4)


def test_gradients_of_the_loss() -> None:
    model = Small().train()
    functional.cross_entropy(model(IMAGES), LABELS).backward()  # type: ignore[no-untyped-call]
    weights = [model.first.weight, model.second.weight, model.last.weight]
    norm = sum(math.sqrt(sum(g * g for g in w.grad.flatten().tolist())) for w in weights if w.grad is not None)
    snip = sum(float((w.detach() * w.grad).abs().sum()) for w in weights if w.grad is not None)
    found = free_predictors(Small(), IMAGES, LABELS, ["grad_norm", "snip"])
    assert found == pytest.approx({"grad_norm": norm, "snip": snip}, rel=1e-5)


@pytest.mark.parametrize(("model", "depth"), [(resnet18(), 18), (vgg11(), 11), (nn.Flatten(), 0)])
def test_depth_is_the_number_in_the_names(model: nn.Module, depth: int) -> None:
    assert free_predictors(model, torch.randn(2, 3, 64, 64), LABELS[:2], ["depth"]) == {"depth": depth}


def test_sizes_are_those_of_the_layers() -> None:
    found = free_predictors(Small(), IMAGES, LABELS, ["parameters", "multiply-adds"])
    assert found == {"parameters": 140 + 10 + 230 + 24, "multiply-adds": 64 * (27 * 5 + 45 * 5) + 20}


def test_a_network_is_left_as_it_was() -> None:
    model = Small().eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.get_rng_state()
    free_predictors(model, IMAGES, LABELS)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert not model.training
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.equal(state, torch.get_rng_state())
    assert not any(module._forward_hooks for module in model.modules())


class Noisy(nn.Sequential):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows: torch.Tensor = super().forward(x * torch.rand(1))  # type: ignore[no-untyped-call]
        return rows


@pytest.mark.parametrize(
    ("model", "unusable"),
    [
        (nn.Sequential(nn.Flatten(), nn.Linear(192, 4)), {"naswot"}),
        (nn.Sequential(nn.Conv2d(3, 4, 8), nn.GELU(), nn.Flatten()), {"naswot"}),
        (nn.Sequential(nn.ReLU(inplace=True), nn.ReLU6(), nn.Conv2d(3, 4, 8), nn.Dropout(), nn.Flatten()), set()),
        (Noisy(nn.Conv2d(3, 4, 5), nn.ReLU(), nn.Flatten()), set()),
        (nn.Sequential(nn.Flatten(), nn.AvgPool1d(48)), set(PREDICTORS) - {"parameters", "multiply-adds", "depth"}),
        (nn.Sequential(nn.Conv2d(1, 4, 8), nn.Flatten()), set(PREDICTORS) - {"parameters"}),
        (nn.Sequential(nn.Conv2d(3, 30, 8), nn.BatchNorm2d(30), nn.ReLU(), nn.Flatten()), set()),
        (nn.Sequential(nn.Conv2d(3, 4, 5), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten()).requires_grad_(False), set()),
    ],
)
def test_what_has_no_number_says_why(model: nn.Module, unusable: set[str]) -> None:
    found = free_predictors(model, IMAGES, LABELS)
    assert list(found) == list(PREDICTORS)
    assert set(found.unusable) == unusable
    assert {name for name, value in found.items() if math.isnan(value)} == unusable
    assert all(why and "\n" not in why for why in found.unusable.values())


def test_a_dead_cell_and_broken_weights_have_reasons() -> None:
    nothing = get_space("nasbench201").build(dict.fromkeys(("0-1", "0-2", "0-3", "1-2", "1-3", "2-3"), "none"))
    images = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    found = free_predictors(nothing, images, LABELS[:4])
    assert found["synflow"] == 0
    assert found.unusable == {
        "naswot": "its ReLUs do not tell all images apart",
        "jacob_cov": "no image reaches the logits",
    }
    broken = Small()
    with torch.no_grad():
        broken.first.weight.fill_(math.nan)
    found = free_predictors(broken, IMAGES, LABELS)
    assert set(found.unusable) == {"naswot", "synflow", "jacob_cov", "grad_norm", "snip"}


def test_unknown_names_are_refused() -> None:
    with pytest.raises(RSAError, match="unknown predictor 'naswat'"):
        free_predictors(Small(), IMAGES, LABELS, ["naswat"])


@pytest.mark.parametrize(("images", "labels"), [(IMAGES[:1], LABELS[:1]), (IMAGES, LABELS[:3]), (IMAGES[0], LABELS)])
def test_a_batch_has_images_with_a_label_each(images: torch.Tensor, labels: torch.Tensor) -> None:
    with pytest.raises(RSAError, match=r"need images \(n, C, H, W\) and labels \(n,\), two or more, got"):
        free_predictors(Small(), images, labels)


def test_sizes_are_counted_as_by_hand() -> None:
    convolution = nn.Conv2d(3, 8, 3, padding=1, bias=False)
    model = nn.Sequential(convolution, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))
    found = size_of(model, (3, 16, 16))
    assert (found.parameters, found.multiply_adds) == (3 * 8 * 9 + 45, 3 * 8 * 9 * 256 + 40)
    assert size_of(nn.ConvTranspose2d(3, 8, 2, stride=2), (3, 5, 5)).multiply_adds == 25 * 3 * 8 * 4
    assert size_of(nn.Conv2d(4, 8, 3, stride=2, groups=2), (4, 9, 9)).multiply_adds == 16 * 8 * 2 * 9


def test_counting_changes_neither_modes_nor_random_numbers_and_leaves_the_auxiliary_head_out() -> None:
    cells = (CellSpace().build(KNOWN_CELLS["nasnet-a"], repeats=1, filters=4, auxiliary=aux) for aux in (False, True))
    plain, headed = cells
    headed.train()
    dropout = headed.get_submodule("dropout").eval()
    before = torch.random.get_rng_state()
    assert size_of(plain) == size_of(headed)
    assert torch.equal(before, torch.random.get_rng_state())
    assert (headed.training, dropout.training) == (True, False)
    source = torch.randint(0, 256, (30, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    data = make_data("noise", source, np.arange(30) % 10, list("0123456789"), test=np.arange(30) < 10, validation=10)
    evaluations = [Evaluator(data)(model) for model in (plain, headed)]
    assert evaluations[0].parameters == evaluations[1].parameters == size_of(plain).parameters
