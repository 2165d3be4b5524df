"""`tgsage.score`: a name, a module or ready layers against a name, a recording or a teacher."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tgsage
import tgsage.rsa.score as score_module
import torch
import xarray
from tgsage.neural_data import as_teacher, from_arrays
from tgsage.neural_data.commands.score import _show
from tgsage.rsa import RDM, Guidance, Stimuli, layer_features, write_report
from tgsage.rsa.plots.scores import score_figure
from torch import nn

N = 12
NAMES = [f"s{i}" for i in range(N)]


@pytest.fixture(scope="module")
def stimuli() -> Stimuli:
    pixels = np.random.default_rng(0).random((N, 3, 16, 16), dtype=np.float32)
    return Stimuli(torch.as_tensor(pixels), {"stimulus_id": NAMES, "object_name": [f"o{i % 6}" for i in range(N)]})


@pytest.fixture(scope="module")
def recording(stimuli: Stimuli) -> xarray.DataArray:
    rng = np.random.default_rng(1)
    truth = rng.normal(size=(N, 20))
    return from_arrays(
        (truth[:, None] + rng.normal(size=(N, 4, 20))).reshape(-1, 20),
        stimulus_id=np.repeat(NAMES, 4),
        region=["V4"] * 10 + ["IT"] * 10,
        presentation={"object_name": np.repeat(stimuli.table["object_name"], 4)},
    )


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 6, 3), nn.ReLU())


def test_rdms_need_not_be_made(
    network: nn.Module, recording: xarray.DataArray, stimuli: Stimuli, tmp_path: Path
) -> None:
    """The same numbers and ceilings as of RDMs, and tables, pages and figures show them."""
    common = {"level": "region", "splits": 10, "bootstrap": 30, "seed": 2}
    made = tgsage.score(network, recording, stimuli, method="pearson", **common)  # type: ignore[arg-type]
    without = tgsage.score(network, recording, stimuli, similarity="rsa-pearson", **common)  # type: ignore[arg-type]
    xarray.testing.assert_allclose(without.table, made.table, atol=1e-4)  # RDMs in float32 have fewer digits
    assert without.ceilings == made.ceilings
    assert made.draws is not None
    assert without.draws is not None
    np.testing.assert_allclose(without.draws["linear"], made.draws["linear"], atol=1e-4)
    assert without.tg_low is not None
    assert without.tg_low < without.tg
    other = tgsage.score(network, recording, stimuli, similarity="rsa-cosine", **common)  # type: ignore[arg-type]
    assert not other.ceilings
    write_report(tmp_path / "page.html", score=without)
    assert "rsa-pearson" in (tmp_path / "page.html").read_text()
    score_figure(without)


def test_a_module_against_a_recording_is_scored_as_by_hand(
    network: nn.Module, recording: xarray.DataArray, stimuli: Stimuli
) -> None:
    found = tgsage.score(network, recording, stimuli, level="region", splits=10, bootstrap=30, seed=2)
    teacher = as_teacher(recording, level="region", splits=10, seed=2)
    rdms = Guidance(teacher, stimuli, batchnorm="running", seed=2).rdms(network)
    expected = teacher.score(rdms, bootstrap=30, seed=2)
    xarray.testing.assert_identical(found.table, expected.table)
    assert found.draws is not None
    assert expected.draws is not None
    xarray.testing.assert_identical(found.draws, expected.draws)
    assert (found.ceilings, found.attrs) == (expected.ceilings, expected.attrs)
    assert found.to_dict() == expected.to_dict()
    assert (found.model, list(found.layers), list(found.targets)) == ("Sequential", list(rdms), ["V4", "IT"])


def test_ready_layers_and_a_ready_teacher_need_no_images(
    network: nn.Module, recording: xarray.DataArray, stimuli: Stimuli
) -> None:
    teacher = as_teacher(recording, level="region", splits=0, features=True)
    features = layer_features(network, stimuli)
    found = tgsage.score(features, teacher, similarity="cka", targets="IT")
    assert found.table.shape == (len(features), 1)
    rdms = {name: one.rdm() for name, one in features.items()}
    assert tgsage.score(rdms, teacher, bootstrap=0).draws is None
    drawn = tgsage.score(rdms, teacher).draws
    assert drawn is not None
    assert drawn.sizes["draw"] == 1000


def test_intervals_are_computed_once_for_all_who_show_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    layers, targets = (
        {f"{kind}{i}": tgsage.compute_rdm(rng.normal(size=(12, 9)), attrs={"n_features": 9}) for i in range(n)}
        for kind, n in (("layer", 16), ("target", 3))
    )
    result = tgsage.score(layers, tgsage.Teacher.from_rdms("t", targets), bootstrap=50)
    calls: list[str] = []

    def counted(*args: Any, real: Any) -> Any:
        calls.append(real.__name__)
        return real(*args)

    module: Any = score_module
    for real in (module.interval, module.best_layer_interval):
        monkeypatch.setattr(score_module, real.__name__, partial(counted, real=real))
    _show("model", result)
    assert "layer15" in capsys.readouterr().out
    result.to_dict()
    score_figure(result)
    write_report(tmp_path / "page.html", score=result)
    assert (calls.count("interval"), calls.count("best_layer_interval")) == (1, 3 + 1)


def test_few_conditions_are_not_resampled_unless_asked() -> None:
    rdm = RDM(np.arange(1.0, 7), "abcd")
    teacher = tgsage.Teacher.from_rdms("small", {"V4": rdm})
    assert tgsage.score({"layer": rdm}, teacher).draws is None
    with pytest.raises(tgsage.TGSageError, match="small does not say which images it is about; give stimuli"):
        tgsage.score(nn.Identity(), teacher)


@pytest.mark.parametrize("model", [[RDM([1.0], "ab")], np.zeros((4, 9)), None, (nn.Identity(), None)])
def test_what_is_no_model_is_said_before_the_teacher_is_loaded(model: Any) -> None:
    kind = type(model).__name__
    with pytest.raises(tgsage.TGSageError, match=rf"model must be a name, a torch module, .* got {kind}"):
        tgsage.score(model, "no such teacher")


def test_arguments_without_an_effect_are_errors(
    network: nn.Module, recording: xarray.DataArray, stimuli: Stimuli
) -> None:
    teacher = as_teacher(recording, level="region", splits=0)
    rdms = replace(teacher).rdms
    for options, words in (
        ({"model": rdms, "stimuli": stimuli}, "stimuli is for a network"),
        ({"model": rdms, "layers": "0"}, "there is no layer '0'"),
        ({"model": rdms, "window": (70, 170)}, "window is for recordings, and teacher 'recording' is ready"),
        ({"model": rdms, "by": "object_name"}, "by is for recordings"),
        ({"model": network, "weights": "w.pt", "stimuli": stimuli}, "weights is for a model given by name"),
        ({"model": "pixels", "preprocess": np.asarray}, "preprocess is for a module"),
        ({"model": rdms, "similarity": "cka", "method": "pearson"}, "method is for similarity rdm"),
    ):
        with pytest.raises(tgsage.TGSageError, match=words):
            tgsage.score(teacher=teacher, **options)
