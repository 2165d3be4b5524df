"""A pool planned again from its settings, and settings that differ."""

import json
from pathlib import Path
from typing import Any

import pytest
from tgsage.benchmarks.pool.plans import plan_pool
from tgsage.benchmarks.rivals.replanning import replanned
from tgsage.rsa import RSAError

SMALL: dict[str, Any] = {"data": "digits", "recipe": "digits", "train": 40, "valid": 30, "checkpoints": (0, 20, 40)}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    maker = plan_pool(tmp_path_factory.mktemp("pool"), recordings={"simulated": "object_name"}, **SMALL)
    made: dict[str, Any] = json.loads(json.dumps(maker.describe()))
    return made


def test_the_plan_is_the_same(settings: dict[str, Any], tmp_path: Path) -> None:
    made = replanned(settings, "nasbench201", tmp_path, Path("m.h5"))
    assert json.loads(json.dumps(made.describe())) == settings
    some = replanned(settings, "nasbench201", tmp_path, Path("m.h5"), views=(), checkpoints=(0, 20))
    assert [shown.view.name for shown in some.views] == ["validation by category", "validation by stimulus"]
    assert some.checkpoints == (0, 20)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"stimuli": {"simulated": "other"}}, "other images or settings: validation by category"),
        ({"stimuli": None}, "does not state how its pool was made"),
        ({"views": {"simulated": "some images"}}, "describes the view simulated in words"),
        ({"build": {"cells": 2}}, "other images or settings: build"),
        ({"train": "many"}, "does not state how its pool was made: invalid literal"),
        ({"recipe": {}}, "does not state how its pool was made"),
        ({"recipe": {"name": "nosuch"}}, "no recipe"),
    ],
)
def test_what_differs_is_named(settings: dict[str, Any], change: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(RSAError, match=said):
        replanned({**settings, **change}, "nasbench201", tmp_path, Path("m.h5"))
