"""The readout of a model's features, against scikit-learn's own cross-validation."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tgsage.rsa import RSAError
from tgsage.rsa.behavior.readout import _parts, readout_probabilities, without_classifier
from torch import nn


def test_it_is_fitted_on_other_images() -> None:
    rng = np.random.default_rng(0)
    truth = np.arange(60) % 3
    features = rng.normal(size=(60, 20)) + 3 * np.eye(20)[truth]
    found = readout_probabilities(features, truth, 4, seed=1)
    parts = _parts(truth, 5, 1)
    assert np.array_equal(np.bincount(parts * 3 + truth), np.full(15, 4))
    model = make_pipeline(StandardScaler(), LogisticRegression(C=1e-3, max_iter=1000))
    expected = cross_val_predict(model, features, truth, cv=PredefinedSplit(parts), method="predict_proba")
    np.testing.assert_allclose(found[:, :3], expected, atol=1e-6)
    assert (found[:, 3] == 0).all()
    assert (found.argmax(1) == truth).mean() > 0.7
    noise = readout_probabilities(rng.normal(size=(60, 20)), truth, 3)
    assert (noise.argmax(1) == truth).mean() < 0.6


def test_the_last_linear_layer_is_taken_out_and_put_back() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Sequential(nn.Linear(4, 3), nn.ReLU()), nn.Linear(3, 2)).eval()
    images = torch.rand(5, 4)
    before, inside = model(images), model[1](images)
    with without_classifier(model) as name:
        assert name == "2"
        assert torch.equal(model(images), inside)
    assert torch.equal(model(images), before)
    with without_classifier(nn.Identity()) as name:
        assert name == ""


def test_what_cannot_be_read_out_is_said() -> None:
    with pytest.raises(
        RSAError, match="a readout in 5 folds needs so many images of each of two or more options, not 2"
    ):
        readout_probabilities(np.ones((4, 2)), [0, 0, 1, 1], 2)
    with pytest.raises(RSAError, match=r"features must be finite numbers of shape \(2, f\), got shape \(2, 1\)"):
        readout_probabilities([[1.0], [np.nan]], [0, 1], 2)
