"""One set of defaults for whoever reads layers, and settings that are checked once."""

import inspect
from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest
import tgsage
import torch
from tgsage.neural_data.commands.score import score
from tgsage.plugins import Evaluator
from tgsage.plugins.commands.teacher import train
from tgsage.plugins.training import network_teacher
from tgsage.rsa import Guidance, RSAError, Teacher, extract, layer_features, layer_rdms
from tgsage.rsa.networks.readout import N_FEATURES, Readout

READERS = (Readout, layer_rdms, layer_features, Teacher.from_network, Guidance, Evaluator, network_teacher)


@pytest.mark.parametrize("call", [*READERS, tgsage.score, score, train])
def test_layers_that_are_compared_keep_as_many_features_whoever_asks(call: Any) -> None:
    assert inspect.signature(call).parameters["n_features"].default == N_FEATURES == 8192
    assert inspect.signature(extract).parameters["n_features"].default is None


def test_a_readout_is_checked_once_and_stays_as_it_is() -> None:
    readout = Readout(["a", "b"], 100, seed=3, metric="cosine")
    assert (readout.layers, readout.attrs()) == (("a", "b"), {"seed": 3, "metric": "cosine"})
    with pytest.raises(FrozenInstanceError):
        readout.seed = 4  # type: ignore[misc]
    for settings, words in (
        ({"n_features": 0}, "n_features must be a whole number from 1, got 0"),
        ({"seed": -1}, "seed must be a whole number from 0, got -1"),
        ({"batch_size": 0}, "batch_size must be a whole number from 1, got 0"),
        ({"metric": "mahalanobis"}, "'mahalanobis' is not supported for network layers; give metric= one of"),
    ):
        with pytest.raises(RSAError, match=words):
            Readout(**settings)


def test_large_images_are_shown_a_few_at_a_time_on_cpus() -> None:
    readout, seen = Readout(), list[int]()
    sizes = [readout.images_at_a_time(side * side, "cpu") for side in (32, 112, 160, 224, 512)]
    assert sizes == [64, 64, 31, 16, 4]
    assert readout.images_at_a_time(512 * 512, "cuda") == 64
    assert Readout(batch_size=100).images_at_a_time(512 * 512, "cpu") == 100
    model = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(2))
    model.register_forward_hook(lambda module, inputs, output: seen.append(len(inputs[0])))
    images = torch.rand(20, 1, 224, 224, generator=torch.Generator().manual_seed(0))
    found = extract(model, images, ["0"])
    assert seen == [10, 10]
    np.testing.assert_allclose(found["0"], extract(model, images, ["0"], batch_size=20)["0"], atol=1e-6)
