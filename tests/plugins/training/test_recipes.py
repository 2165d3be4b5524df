"""Recipes: the paper's numbers, and the rate at every epoch."""

import math

import pytest
import torch
from tgsage.plugins.training import RECIPES, Recipe, get_recipe
from tgsage.rsa import RSAError


def test_the_recipes_hold_the_numbers_of_the_paper() -> None:
    fields = ("optimiser", "momentum", "nesterov", "lr", "schedule", "epochs", "weight_decay", "clip")
    found = {name: tuple(getattr(get_recipe(name), field) for field in fields) for name in RECIPES}
    assert found["cifar-cnn"] == ("sgd", 0.9, True, 0.1, "steps", 300, 0.0, 0.0)
    assert found["cifar-cell"] == ("sgd", 0.9, True, 0.025, "cosine", 600, 5e-4, 5.0)
    assert found["imagenet-cell"] == ("rmsprop", 0.9, False, 0.1, "steps", 40, 4e-5, 10.0)
    cell, search = get_recipe("imagenet-cell"), get_recipe("imagenet64-search")
    assert (cell.batch_size, cell.decay, cell.step, cell.shorter, cell.flip) == (128, 0.9, 15, (256, 512), True)
    assert (search.epochs, search.optimiser, search.clip) == (1, "rmsprop", 10.0)
    for name in ("cifar-cnn", "cifar-cell"):
        assert (get_recipe(name).pad, get_recipe(name).flip) == (4, True)


def test_rates_follow_their_schedules() -> None:
    steps = get_recipe("cifar-cnn")
    rates = [steps.lr_at(epoch, 300) for epoch in (0, 99.99, 100, 200, 299)]
    assert rates == pytest.approx([0.1, 0.1, 0.01, 0.001, 0.001])
    cosine = get_recipe("cifar-cell")
    for epoch in (0, 2, 150.5, 300, 600):
        assert cosine.lr_at(epoch, 2) == pytest.approx(0.025 * math.cos(math.pi * epoch / 1200) ** 2)
    restarts = get_recipe("nash", lr=1.0, step=4)
    torchs = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(torchs, T_0=4)
    for epoch in (0.0, 1.5, 3.99, 4.0, 7.0, 10.25):
        schedule.step(epoch)
        assert restarts.lr_at(epoch, 2) == pytest.approx(torchs.param_groups[0]["lr"], abs=1e-7)
    cycle = get_recipe("one-cycle", lr=1.0)
    assert [cycle.lr_at(share * 8, 8) for share in (0, 0.15, 0.3, 0.65, 1)] == pytest.approx([0.04, 0.52, 1, 0.5, 0])


@pytest.mark.parametrize("name", ["cifar-cell", "imagenet-cell", "digits"])
def test_optimisers_take_the_recipe_s_numbers(name: str) -> None:
    recipe = get_recipe(name)
    group = recipe.make_optimiser([torch.nn.Parameter(torch.zeros(2))]).param_groups[0]
    assert (group["lr"], group["weight_decay"]) == (recipe.lr, recipe.weight_decay)
    if recipe.optimiser == "adamw":
        assert group["betas"] == (0.9, 0.999)
        return
    assert group["momentum"] == 0.9
    if recipe.optimiser == "rmsprop":
        assert (group["alpha"], group["eps"]) == (0.9, 1.0)
    else:
        assert group["nesterov"]


def test_other_values_make_another_recipe_and_wrong_ones_are_named() -> None:
    assert get_recipe("one-cycle", lr=0.05, epochs=3) != get_recipe("one-cycle")
    for message, name, changes in (
        (r"no recipe is named 'cifar'; did you mean cifar-c", "cifar", {}),
        (r"a recipe has no rate; did you mean", "digits", {"rate": 1}),
        (r"lr must be a number from 0, got nan", "digits", {"lr": float("nan")}),
        (r"epochs must be a whole number from 1, got 2.5", "digits", {"epochs": 2.5}),
        (r"optimiser is 'sdg'; did you mean sgd", "digits", {"optimiser": "sdg"}),
        (r"step must be a whole number from 1, got 0", "cifar-cnn", {"step": 0}),
        (r"shortest and the longest side, got \(9, 3\)", "imagenet-cell", {"shorter": (9, 3)}),
    ):
        with pytest.raises(RSAError, match=message):
            get_recipe(name, **changes)


def test_a_recipe_is_made_again_from_its_values() -> None:
    for recipe in RECIPES.values():
        assert Recipe(**recipe.to_dict()) == recipe
