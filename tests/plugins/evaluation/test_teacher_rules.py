"""Rules of others that use a teacher, against plain loops."""

import math

import numpy as np
import pytest
import torch
from tgsage.plugins.evaluation.teacher_rules import RULES, teacher_rules
from tgsage.plugins.spaces import get_space
from tgsage.plugins.training import make_network
from tgsage.rsa import RSAError, cka
from torch import nn
from torch.nn import functional

IMAGES = torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(6) % 3


class Network(nn.Module):
    """Three stages at 8, 4 and 2 pixels; `maps` are their outputs."""

    stages = ("one", "two", "three")

    def __init__(self, width: int = 4, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.one = nn.Sequential(nn.Conv2d(3, width, 3, 1, 1), nn.BatchNorm2d(width), nn.ReLU())
        self.two = nn.Sequential(nn.Conv2d(width, width, 3, 2, 1), nn.ReLU())
        self.three = nn.Sequential(nn.Conv2d(width, width, 3, 2, 1), nn.ReLU())
        self.last = nn.Linear(width, 3)

    def maps(self, x: torch.Tensor) -> list[torch.Tensor]:
        first = self.one(x)
        second = self.two(first)
        return [first, second, self.three(second)]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.last(self.maps(x)[-1].mean(dim=(2, 3)))
        return logits


def pair() -> tuple[Network, Network]:
    candidate, teacher = Network(seed=1), Network(seed=2)
    teacher.train()
    for _ in range(20):
        teacher(IMAGES)  # so that averages are about these images
    return candidate, teacher


def test_relations_between_images() -> None:
    candidate, teacher = pair()
    similar = []
    for rows in (candidate.train().maps(IMAGES)[-1], teacher.train().maps(IMAGES)[-1]):
        flat = rows.detach().flatten(1).double().numpy()
        gram = [[float(np.dot(a, b)) for b in flat] for a in flat]
        similar.append([[value / math.sqrt(sum(v * v for v in row)) for value in row] for row in gram])
    expected = -np.mean([(a - b) ** 2 for x, y in zip(*similar, strict=True) for a, b in zip(x, y, strict=True)])
    found = teacher_rules(*pair(), IMAGES, LABELS, ["diswot relation"])
    assert found["diswot relation"] == pytest.approx(expected, rel=1e-4)


def test_semantics_of_channels() -> None:
    candidate, teacher = pair()
    gradients = []
    for model in (candidate.train(), teacher.train()):
        functional.cross_entropy(model(IMAGES), LABELS).backward()  # type: ignore[no-untyped-call]
        assert model.last.weight.grad is not None
        gradients.append(model.last.weight.grad.double().numpy())
    total = 0.0
    for one, two in zip(*gradients, strict=True):  # of a class
        for i in range(4):
            rows = [[g[i] * value for value in g] for g in (one, two)]
            unit = [np.array(row) / (math.sqrt(sum(v * v for v in row)) or 1) for row in rows]
            total += float(np.sum((unit[0] - unit[1]) ** 2))
    found = teacher_rules(*pair(), IMAGES, LABELS, ["diswot", "diswot semantic", "diswot relation"])
    assert found["diswot semantic"] == pytest.approx(-total / (4 * 3), rel=1e-4)
    assert found["diswot"] == found["diswot semantic"] + found["diswot relation"]


def test_representation_mutual_information_after_a_few_steps() -> None:
    candidate, teacher = pair()
    with torch.no_grad():
        targets = [rows.flatten(1) for rows in teacher.eval().maps(IMAGES)]
    optimiser = torch.optim.SGD(candidate.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    candidate.train()
    for _ in range(3):
        optimiser.zero_grad()
        maps = candidate.maps(IMAGES)
        similar = torch.zeros(())
        for mine, other in zip(maps, targets, strict=True):
            x, y = mine.flatten(1) - mine.flatten(1).mean(0), other - other.mean(0)
            similar = similar + (x.T @ y).norm() ** 2 / ((x.T @ x).norm() * (y.T @ y).norm())
        entropy = functional.cross_entropy(candidate.last(maps[-1].mean(dim=(2, 3))), LABELS)
        loss = 0.8 * (3 - similar) + 0.2 * entropy
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    # similar is of the maps before the last step
    numbers = [cka(x.detach().flatten(1).numpy(), y.numpy()) for x, y in zip(maps, targets, strict=True)]
    assert float(similar.detach()) == pytest.approx(sum(numbers), rel=1e-4)
    found = teacher_rules(*pair(), IMAGES, LABELS, ["rmi-nas"], steps=3)
    assert found["rmi-nas"] == pytest.approx(-float(loss.detach()), rel=1e-4)


def test_a_candidate_that_is_the_teacher_is_best() -> None:
    _, teacher = pair()
    same = Network(seed=2)
    found = teacher_rules(same, teacher, IMAGES, LABELS, ["diswot", "diswot relation"])
    assert found["diswot relation"] == pytest.approx(0, abs=5e-3)
    assert teacher_rules(*pair(), IMAGES, LABELS, ["diswot"])["diswot"] < found["diswot"]


def test_networks_are_left_as_they_were() -> None:
    candidate, teacher = pair()
    before = [{k: v.clone() for k, v in model.state_dict().items()} for model in (candidate, teacher)]
    state = torch.get_rng_state()
    found = teacher_rules(candidate, teacher, IMAGES, LABELS, steps=2)
    assert not found.unusable
    for kept, model in zip(before, (candidate, teacher), strict=True):
        assert all(torch.equal(value, model.state_dict()[name]) for name, value in kept.items())
        assert model.training
        assert all(parameter.grad is None for parameter in model.parameters())
        assert not any(module._forward_hooks for module in model.modules())
    assert torch.equal(state, torch.get_rng_state())


def test_cells_and_resnets_are_compared_at_three_stages() -> None:
    teacher = make_network("resnet:1", shape=(3, 32, 32), n_classes=10)
    cell = dict.fromkeys(("0-1", "0-2", "0-3", "1-2", "1-3", "2-3"), "conv3x3")
    images = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    found = teacher_rules(get_space("nasbench201").build(cell), teacher, images, LABELS[:4], steps=1)
    assert not found.unusable
    macro = get_space("macro").build(get_space("macro").sample(np.random.default_rng(0)))
    found = teacher_rules(macro, teacher, images, LABELS[:4], steps=1)
    assert set(found.unusable) == {"diswot", "diswot semantic"}
    assert "(10, 1280) and (10, 64)" in found.unusable["diswot"]


def test_what_has_no_number_says_why() -> None:
    flat = nn.Sequential(nn.Flatten(), nn.Linear(192, 3))
    found = teacher_rules(flat, Network(), IMAGES, LABELS, steps=1)
    assert found.unusable["rmi-nas"] == "a network has no layer that returns maps (n, C, H, W)"
    assert found.unusable["diswot relation"] == "a network averages no map before its classifier"
    assert set(found) == set(RULES)
    broken = Network()
    with torch.no_grad():
        next(broken.three.parameters()).fill_(math.nan)
    assert set(teacher_rules(broken, Network(), IMAGES, LABELS, steps=1).unusable) == set(RULES)


def test_mistakes_are_one_line() -> None:
    with pytest.raises(RSAError, match="unknown rule 'rmi'; did you mean rmi-nas"):
        teacher_rules(*pair(), IMAGES, LABELS, ["rmi"])
    with pytest.raises(RSAError, match="two or more, got"):
        teacher_rules(*pair(), IMAGES[:1], LABELS[:1])
    with pytest.raises(RSAError, match="1 step or more, not 0"):
        teacher_rules(*pair(), IMAGES, LABELS, steps=0)
