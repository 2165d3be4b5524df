"""NAS-Bench-NLP's logs, and their cells trained a little: resumed, compared, refused when damaged."""

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from tgsage.benchmarks.validity import nas_bench_nlp
from tgsage.benchmarks.validity.nas_bench_nlp import Published, compare, measure, read_logs
from tgsage.plugins.networks.recurrent import recurrent_network
from tgsage.plugins.networks.recurrent_graph import read_graph
from tgsage.plugins.spaces import NASBenchNLP
from tgsage.rsa import RSAError

ACTIVATIONS = ("tanh", "sigm", "leaky_relu")


def log(activation: str, losses: list[float], extra: bool) -> dict[str, Any]:
    inputs = ["x", "h_prev_0"]
    recipe: dict[str, Any] = {"f": {"op": "linear", "input": inputs}}
    recipe["h_new_0"] = {"op": f"activation_{activation}", "input": ["f"]}
    if extra:
        recipe["h_new_0"] = {"op": "elementwise_sum", "input": ["f", "g"]}
        recipe["g"] = {"op": f"activation_{activation}", "input": ["f"]}
    return {"recepie": json.dumps(recipe), "val_losses": losses, "num_params": 100 + extra}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "nas_bench_nlp").mkdir()
    (tmp_path / "wikitext2").mkdir()
    rng = np.random.default_rng(0)
    words = [f"w{i}" for i in rng.zipf(1.5, 3000) % 50]
    (tmp_path / "wikitext2" / "test.txt").write_text("\n".join(" ".join(words[i : i + 9]) for i in range(0, 3000, 9)))
    with zipfile.ZipFile(tmp_path / nas_bench_nlp.FILE, "w") as logs:
        for i, (activation, extra) in enumerate((a, e) for a in ACTIVATIONS for e in (False, True)):
            logs.writestr(f"log{i}.json", json.dumps(log(activation, [9.0 - i, 5 + i / 10, 5.5], extra)))
        logs.writestr("twice.json", json.dumps(log("tanh", [8.0, 5.2], False)))
        logs.writestr("diverged.json", json.dumps(log("tanh", [8.0, float("nan")], False)))
    return tmp_path


def test_trainings_of_one_network_are_kept_together_and_diverged_ones_left_out(folder: Path) -> None:
    logs = read_logs(folder)
    assert len(logs) == 6
    tanh = next(one for one in logs.values() if len(one.losses) == 2)
    assert (tanh.losses, tanh.first, tanh.parameters) == ((5.0, 5.2), 9.0, 100)


def test_cells_are_trained_once_and_results_go_on(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TGSAGE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(nas_bench_nlp, "BUILD", {"embedding": 4})
    monkeypatch.setattr(nas_bench_nlp, "TEACHER", "lstm:1x4")
    monkeypatch.setattr(nas_bench_nlp, "TEACHER_EPOCHS", 1)
    monkeypatch.setattr(nas_bench_nlp, "CONTEXTS", 10)
    file = tmp_path / "out.json"
    first = measure(4, data_dir=folder, file=file)
    assert [row["cells"] for row in first["rows"]] == [4] * 7
    assert all(one["loss"] < 5 and -1 <= one["tg"] <= 1 and not one["failed"] for one in first["values"].values())
    monkeypatch.setattr(nas_bench_nlp, "trained_teacher", None)  # nothing is left to train
    assert measure(4, data_dir=folder, file=file) == first
    assert json.loads(file.read_text()).items() >= first.items()
    with pytest.raises(RSAError, match="made with other settings"):
        measure(4, data_dir=folder, file=file, seed=1)
    with pytest.raises(RSAError, match="6 different cells"):
        measure(60, data_dir=folder)


def test_correlations_are_scipy_s() -> None:
    rng = np.random.default_rng(1)
    logs = {str(i): Published({}, (float(rng.normal()),), float(rng.normal()), i) for i in range(20)}
    values = {key: {"loss": float(rng.normal()), "tg": float(rng.normal()), "tg_before": 0.0} for key in logs}
    values["3"]["loss"] = None  # type: ignore[assignment]
    rows = {row["predictor"]: row for row in compare(values, logs)}
    y = [-logs[key].losses[0] for key in values]
    losses = [-np.inf if one["loss"] is None else -one["loss"] for one in values.values()]
    row = next(row for name, row in rows.items() if name.startswith("P, minus"))
    assert row["spearman"] == pytest.approx(spearmanr(losses, y).statistic, abs=1e-4)
    assert row["without"] == 1
    assert row["interval"][0] < row["spearman"] < row["interval"][1]
    assert rows["TG before training"]["spearman"] == 0
    half = [i for i, reached in enumerate(y) if reached >= np.median(y)]
    expected = spearmanr([losses[i] for i in half], [y[i] for i in half]).statistic
    assert row["better"]["spearman"] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "is missing: get"),
        (b"PK\x03\x04 no zip", "holds no logs"),
        ({"a.json": "{"}, "holds no logs"),
        ({"a.json": '{"val_losses": [1], "num_params": 1, "recepie": "[]"}'}, "mapping node"),
        ({"a.json": " " * (2**20 + 1)}, "holds more than logs"),
        ({}, "holds no logs"),
    ],
)
def test_damaged_logs_are_refused_in_one_line(content: Any, message: str, tmp_path: Path) -> None:
    path = tmp_path / nas_bench_nlp.FILE
    path.parent.mkdir()
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        with zipfile.ZipFile(path, "w") as logs:
            for name, text in content.items():
                logs.writestr(name, text)
    with pytest.raises(RSAError, match=message) as found:
        read_logs(tmp_path)
    assert "\n" not in str(found.value)


@pytest.mark.skipif(not Path(os.environ.get("TGSAGE_DATA", ""), nas_bench_nlp.FILE).is_file(), reason="no real logs")
def test_published_cells_have_the_published_number_of_parameters() -> None:
    """Of 40 of the logs, for WikiText-2's 33,278 words; all cells are in the space."""
    space = NASBenchNLP()
    with zipfile.ZipFile(Path(os.environ["TGSAGE_DATA"], nas_bench_nlp.FILE)) as logs:
        for name in sorted(name for name in logs.namelist() if name.endswith(".json"))[::9]:
            content = json.loads(logs.read(name))
            graph = read_graph(json.loads(content["recepie"]))
            size: dict[str, int] = {"layers": 3, "embedding": 400, "width": 600}
            with torch.device("meta"):
                network = recurrent_network(graph, input_shape=(1, 1, 70), n_classes=33_278, **size)
            assert sum(parameter.numel() for parameter in network.parameters()) == content["num_params"]
            assert space.canonical(space.architecture(graph)) == space.architecture(graph)
