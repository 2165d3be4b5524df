"""More conditions than RDMs are made of: teachers that hold features alone, and layers that wait on disk."""

import gc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tgsage
import torch
import typer
import xarray
from tgsage.neural_data import as_teacher, describe, from_arrays, load_teacher, save_recording
from tgsage.neural_data.commands.score import score
from tgsage.neural_data.commands.teacher import build
from tgsage.plugins import Evaluator
from tgsage.plugins.training import load_data
from tgsage.rsa import Features, Guidance, RSAError, Stimuli, Teacher, layer_features
from tgsage.rsa.io.mapped import forget
from tgsage.rsa.networks import collector as collector_module
from torch import nn
from typer.testing import CliRunner

N = 24
NAMES = [f"s{i}" for i in range(N)]


def is_mapped(values: Any) -> bool:
    while isinstance(values, np.ndarray) and not isinstance(values, np.memmap):
        values = values.base
    return isinstance(values, np.memmap)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """RDMs of 20 conditions at most, and features beyond a few numbers on disk."""
    monkeypatch.setattr("tgsage.rsa.teacher.MOST", 20)
    monkeypatch.setattr("tgsage.neural_data.teacher.MOST", 20)
    for module in ("collector", "extract"):
        monkeypatch.setattr(f"tgsage.rsa.networks.{module}.MEMORY_BUDGET", 1000)


@pytest.fixture(scope="module")
def stimuli() -> Stimuli:
    pixels = np.random.default_rng(0).random((N, 3, 8, 8), dtype=np.float32)
    return Stimuli(torch.as_tensor(pixels), {"stimulus_id": NAMES})


@pytest.fixture(scope="module")
def recording() -> xarray.DataArray:
    rng = np.random.default_rng(1)
    rates = np.tile(rng.normal(size=(N, 20)), (2, 1)) + 0.5 * rng.normal(size=(2 * N, 20))
    return from_arrays(rates, stimulus_id=NAMES * 2, region=["V4"] * 10 + ["IT"] * 10)


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 9))


def test_a_score_without_any_rdm_is_that_of_rdms(
    network: nn.Module, recording: xarray.DataArray, stimuli: Stimuli, request: pytest.FixtureRequest
) -> None:
    how: dict[str, Any] = {"level": "region", "splits": 5, "bootstrap": 50, "batch_size": 5}
    made = tgsage.score(network, recording, stimuli, method="pearson", **how)
    request.getfixturevalue("few")
    without = tgsage.score(network, recording, stimuli, similarity="rsa-pearson", **how)
    xarray.testing.assert_allclose(without.table, made.table, atol=1e-5)
    assert made.ceilings != {}
    assert without.ceilings == {}
    assert "no RDMs are made of more than 20 conditions" in str(without.attrs["teacher_ceiling"])


@pytest.mark.usefixtures("few")
def test_features_on_disk_are_those_in_memory(
    network: nn.Module, stimuli: Stimuli, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = layer_features(network, stimuli, ["1", "3"], batch_size=7)
    monkeypatch.setattr(collector_module, "MEMORY_BUDGET", 2**29)
    monkeypatch.setattr("tgsage.rsa.networks.extract.MEMORY_BUDGET", 2**29)
    held = layer_features(network, stimuli, ["1", "3"], batch_size=7)
    gc.collect()  # the store and its file are gone
    for name, one in waiting.items():
        assert is_mapped(one.values)
        np.testing.assert_array_equal(one.values, held[name].values)
        forget(one.values)
        np.testing.assert_array_equal(one.values, held[name].values)


@pytest.mark.parametrize("mode", ["r", "r+", "c"])
def test_nothing_is_lost_by_forgetting_pages(tmp_path: Path, mode: Any) -> None:
    np.arange(4096.0).tofile(tmp_path / "numbers")
    mapped = np.memmap(tmp_path / "numbers", np.float64, mode)
    if mode != "r":
        mapped[7] = -1.0
    forget(np.asarray(mapped)[3:])
    assert mapped[7] == (7.0 if mode == "r" else -1.0)
    forget(np.arange(3.0))


@pytest.mark.usefixtures("few")
def test_a_teacher_of_features_alone_is_kept_and_says_so(recording: xarray.DataArray, tmp_path: Path) -> None:
    teacher = as_teacher(recording, level="region", features=True, name="monkey")
    assert teacher.rdms == {}
    assert (teacher.targets, teacher.labels, teacher.by) == (("V4", "IT"), tuple(NAMES), "stimulus")
    assert repr(teacher) == "Teacher('monkey', 2 targets over 24 stimuli: V4, IT; features)"
    assert teacher.keep(["IT"]).targets == ("IT",)
    teacher.save(tmp_path / "monkey.h5")
    again = load_teacher(tmp_path / "monkey.h5", features=True)
    assert again.rdms == {}
    np.testing.assert_array_equal(again.features["V4"].values, teacher.features["V4"].values)
    assert describe(tmp_path / "monkey.h5").facts["holds"] == "features"
    assert "24" in teacher._repr_html_()


@pytest.mark.usefixtures("few")
def test_what_needs_rdms_is_refused(recording: xarray.DataArray, stimuli: Stimuli, network: nn.Module) -> None:
    teacher = as_teacher(recording, level="region", features=True)
    refusal = "holds features of 24 conditions and no RDMs; similarity='rsa-pearson' compares these"
    layers = layer_features(network, stimuli, ["1"])
    with pytest.raises(RSAError, match=refusal):
        teacher.score({name: one.rdm() for name, one in layers.items()})
    with pytest.raises(RSAError, match=refusal):
        Guidance(teacher, stimuli)
    with pytest.raises(RSAError, match=refusal):
        Evaluator(load_data("digits"), teacher=teacher)


@pytest.mark.usefixtures("few")
def test_a_network_is_a_teacher_without_rdms_too(network: nn.Module, stimuli: Stimuli) -> None:
    teacher = Teacher.from_network("itself", network, stimuli, ["1", "3"], features=True)
    assert teacher.rdms == {}
    assert teacher.attrs["n_features"] == "9 to 144"
    found = Guidance(teacher, stimuli, similarity="rsa-pearson", layers=["1", "3"], batchnorm="running")(network)
    assert found.tg == pytest.approx(1.0)


@pytest.mark.usefixtures("few")
def test_the_command_builds_and_scores_without_rdms(
    recording: xarray.DataArray, network: nn.Module, stimuli: Stimuli, tmp_path: Path
) -> None:
    app = typer.Typer()
    app.command("build")(build)
    app.command("score")(score)
    save_recording(recording, tmp_path / "rec.nc")
    layers = layer_features(network, stimuli, ["1", "3"])
    arrays: dict[str, Any] = {f"layer{k}": one.values for k, one in layers.items()}
    np.savez(tmp_path / "model.npz", stimulus_id=NAMES, **arrays)

    def run(*words: object) -> str:
        result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    shown = run("build", tmp_path / "rec.nc", tmp_path / "t.h5", "--features", "--json", tmp_path / "t.json")
    assert "no RDMs are made of more than 20 conditions" in " ".join(shown.split())
    shown = run("score", tmp_path / "model.npz", "--teacher", tmp_path / "t.h5", "--similarity", "rsa-pearson")
    assert "layer1" in shown


def test_features_given_are_only_read(tmp_path: Path) -> None:
    np.arange(12.0).tofile(tmp_path / "numbers")
    mapped = np.memmap(tmp_path / "numbers", np.float64, "r", shape=(4, 3))
    assert is_mapped(Features(mapped, list("abcd")).values)
