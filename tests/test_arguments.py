"""What is given where something else belongs ends in one line at every public entry point."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np
import pytest
import tgsage
import torch
from tgsage.neural_data import as_teacher, from_arrays, load_teacher, split_half
from tgsage.plugins import Evaluator, Objective, RandomSearcher, search
from tgsage.plugins.spaces import get_space
from tgsage.plugins.training import get_recipe, load_data, train
from tgsage.rsa import Guidance, RSAError, Stimuli, Teacher, bootstrap, compare, compute_rdm, extract, load_model
from torch import nn

STRANGE: list[Any] = [0.5, "x", None, -1, [1], nn.Linear, float("nan"), {}]
RNG = np.random.default_rng(0)
RDM = compute_rdm(RNG.normal(size=(8, 9)))
TEACHER = Teacher.from_rdms("brain", {"V4": RDM})
IMAGES = Stimuli(torch.rand(8, 1, 8, 8))
NETWORK = nn.Sequential(nn.Flatten(), nn.Linear(64, 12), nn.ReLU(), nn.Linear(12, 10))
RECORDING = from_arrays(RNG.random((16, 6)), stimulus_id=[f"s{i % 8}" for i in range(16)], region=["V4"] * 6)
SPACE, DIGITS = get_space("toy"), load_data("digits")

CALLS: dict[str, tuple[Callable[..., object], dict[str, Any]]] = {
    "score": (
        partial(tgsage.score, bootstrap=0),
        {
            "model": NETWORK,
            "teacher": TEACHER,
            "stimuli": IMAGES,
            "layers": "auto",
            "targets": (),
            "seed": 0,
            "by": None,
        },
    ),
    "Guidance": (
        lambda **given: Guidance(**given)(NETWORK),
        {"teacher": TEACHER, "stimuli": IMAGES, "layers": "auto", "method": None, "similarity": "rdm", "seed": 0},
    ),
    "extract": (extract, {"model": NETWORK, "stimuli": IMAGES, "layers": "auto", "n_features": 9, "device": None}),
    "bootstrap": (bootstrap, {"a": RDM, "b": RDM, "n": 5, "seed": 0, "groups": None, "method": "pearson"}),
    "compare": (compare, {"a": RDM, "b": RDM, "method": "pearson"}),
    "compute_rdm": (partial(compute_rdm, RNG.normal(size=(8, 9))), {"metric": "correlation", "descriptors": None}),
    "Teacher.from_rdms": (Teacher.from_rdms, {"name": "brain", "rdms": {"V4": RDM}}),
    "load_model": (load_model, {"name": "nobody"}),
    "load_teacher": (load_teacher, {"name_or_path": "nobody"}),
    "as_teacher": (
        partial(as_teacher, RECORDING),
        {"by": "stimulus", "level": "region", "window": None, "splits": 1, "seed": 0, "method": "pearson", "where": ()},
    ),
    "split_half": (partial(split_half, RECORDING), {"by": "stimulus", "level": "region", "splits": 1, "seed": 0}),
    "Evaluator": (partial(Evaluator, device="cpu"), {"data": DIGITS, "teacher": None, "alpha": 1.0, "seed": 0}),
    "Objective": (
        partial(Objective, device="cpu"),
        {"space": "toy", "data": DIGITS, "recipe": "digits", "epochs": 1, "alpha": 1.0, "seed": 0, "build": None},
    ),
    "search": (
        partial(search, objective=lambda architecture: 0.5),
        {"space": SPACE, "searcher": RandomSearcher(SPACE), "samples": 1, "workers": 1},
    ),
    "train": (
        partial(train, examples=1),
        {"model": NETWORK, "data": DIGITS, "recipe": get_recipe("digits"), "seed": 0, "device": "cpu"},
    ),
    "load_data": (load_data, {"name": "digits"}),
}


@pytest.mark.parametrize("call", CALLS)
def test_what_does_not_belong_is_refused(call: str) -> None:
    function, given = CALLS[call]
    for name in given:
        for strange in STRANGE:
            with suppress(RSAError):
                function(**given | {name: strange})


def test_a_class_is_no_network() -> None:
    with pytest.raises(RSAError, match="got the class Linear; give an instance of it"):
        tgsage.score(nn.Linear, TEACHER)  # type: ignore[arg-type]
    with pytest.raises(RSAError, match=r"seed must be a whole number from 0, got 0.5"):
        tgsage.score({"V4": RDM}, TEACHER, seed=0.5)  # type: ignore[arg-type]
