"""One set of defaults for whoever reads layers, and settings that are checked once."""

import inspect
from dataclasses import FrozenInstanceError
from typing import Any

import pytest
import tgsage
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
