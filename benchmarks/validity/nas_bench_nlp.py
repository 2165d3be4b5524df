"""How well little training, a teacher and size rank the recurrent cells of NAS-Bench-NLP (Klyuchnikov et al. 2022)."""

import json
import math
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...neural_data.catalogue.lookup import data_folder
from ...plugins.evaluation.evaluator import Evaluator
from ...plugins.networks.recurrent_graph import read_graph
from ...plugins.spaces import NASBenchNLP
from ...plugins.training import get_recipe, load_data, make_network, train
from ...plugins.training.teachers import trained_teacher
from ...rsa import RSAError
from ...rsa.cli.console import write_json
from ...rsa.errors import reason
from ...rsa.types import Array
from ..rank_statistics import Resampled, interval, spearman
from ..report import Columns, reading_results

KIND = "recurrent cells"
FILE = "nas_bench_nlp/logs_wikitext-2.zip"
TEXT = "wikitext2/test.txt"
TEACHER = "lstm:2x64"
BUILD: Mapping[str, int] = {"embedding": 64}
VOCABULARY, EPOCHS, TEACHER_EPOCHS = 1000, 0.25, 3
RATE = 0.002  # at .005, which suits LSTMs, a third of the cells die or diverge
CONTEXTS = 300  # for P, and to compare with the teacher
DRAWS = 1000
_MOST_BYTES, _MOST_FILES = 2**20, 20_000


@dataclass(frozen=True)
class Published:
    """A cell of the logs: its architecture; of each of its trainings the lowest validation loss, and the first one.

    Losses are in nats per word; parameters are those of the published networks.
    """

    architecture: Mapping[str, str | int]
    losses: tuple[float, ...]
    first: float
    parameters: int


def read_logs(data_dir: str | Path | None = None) -> dict[str, Published]:
    """Read the published logs of WikiText-2: canonical key -> cell. A training that diverged is left out.

    Raises RSAError where the file is missing or something else.
    """
    path, space = data_folder(data_dir) / FILE, NASBenchNLP()
    found: dict[str, Published] = {}
    try:
        with zipfile.ZipFile(path) as logs:
            entries = [one for one in sorted(logs.infolist(), key=lambda one: one.filename) if not one.is_dir()]
            if len(entries) > _MOST_FILES or any(one.file_size > _MOST_BYTES for one in entries):
                raise RSAError(f"{path} holds more than logs of NAS-Bench-NLP")
            for entry in entries:
                content = json.loads(logs.read(entry))
                losses = [float(loss) for loss in content["val_losses"]]
                if not losses or not all(map(math.isfinite, losses)):
                    continue
                architecture = space.architecture(read_graph(json.loads(content["recepie"])))
                same = found.get(key := space.key(architecture))
                earlier = () if same is None else same.losses
                first = losses[0] if same is None else same.first
                found[key] = Published(architecture, (*earlier, min(losses)), first, int(content["num_params"]))
    except RSAError:
        raise
    except FileNotFoundError as error:
        how = "get train_logs_wikitext-2 of github.com/fmsnew/nas-bench-nlp-release as a zip, and put it there"
        raise RSAError(f"{path} is missing: {how}, or name the folder with --data-dir or TGSAGE_DATA") from error
    except Exception as error:  # zipfile has errors of many kinds for damaged files
        raise RSAError(f"{path} holds no logs of NAS-Bench-NLP: {reason(error)}") from error
    if not found:
        raise RSAError(f"{path} holds no logs of NAS-Bench-NLP")
    return found


def measure(
    cells: int = 60,
    *,
    data_dir: Path | None = None,
    text: str | None = None,
    seed: int = 0,
    file: Path | None = None,
    progress: Callable[[int], object] = lambda steps: None,
) -> dict[str, Any]:
    """Train random cells a little, and correlate what is then known of them with their published losses.

    cells: how many, each another network. text: file to train on; by default WikiText-2's test text. file: JSON,
    rewritten after each cell; cells that it holds are not trained again.

    Raises RSAError for a file of another kind or of other settings, and as `load_data` and `read_logs` do.
    """
    logs, space = read_logs(data_dir), NASBenchNLP()
    if not 4 <= cells <= len(logs):
        raise RSAError(f"the logs have {len(logs)} different cells, of which 4 or more are drawn, not {cells}")
    data = load_data(f"text:{text or data_folder(data_dir) / TEXT}", size=VOCABULARY, validation=CONTEXTS)
    recipe = get_recipe("text", lr=RATE)
    settings: dict[str, Any] = {"text": data.train.content, "words": 35 * len(data.train), "vocabulary": VOCABULARY}
    settings |= {"build": dict(BUILD), "recipe": recipe.to_dict(), "epochs": EPOCHS, "seed": seed}
    settings |= {"teacher": TEACHER, "teacher_epochs": TEACHER_EPOCHS, "contexts": CONTEXTS}
    values = _resumed(file, settings)
    keys = sorted(logs)
    drawn = [keys[i] for i in np.random.default_rng(seed).permutation(len(keys))[:cells]]
    result: dict[str, Any] = {"kind": KIND, "settings": settings, "rows": [], "values": values}
    if any(key not in values for key in drawn):
        teacher = trained_teacher(TEACHER, data, get_recipe("text", epochs=TEACHER_EPOCHS), seed=seed)
        guided, plain = Evaluator(data, teacher=teacher, seed=seed), Evaluator(data)
        task: dict[str, Any] = {"shape": data.shape, "n_classes": data.n_classes, "seed": seed}
        for key in drawn:
            if key not in values:
                described = {"space": space.name, "architecture": logs[key].architecture, "settings": dict(BUILD)}
                model = make_network(described, **task)
                before = guided(model).tg
                done = train(model, data, recipe, epochs=EPOCHS, seed=seed)
                one: dict[str, Any] = {"loss": None, "tg": None, "tg_before": before, "failed": done.reason}
                if not done.failed:  # a cell whose states have become alike has a loss, and no TG
                    taught = guided(model)
                    one |= {"loss": plain(model).loss, "tg": taught.tg, "failed": taught.reason}
                values[key] = one | {"seconds": round(done.seconds, 1)}
                if file is not None:
                    write_json(file, result)
            progress(1)
    result["rows"] = compare({key: values[key] for key in drawn}, logs)
    if file is not None:
        write_json(file, result)
    return result


def compare(values: Mapping[str, Mapping[str, Any]], logs: Mapping[str, Published]) -> list[dict[str, Any]]:
    """Spearman of every predictor with minus the published loss, over the cells drawn; no number ranks last."""

    def column(name: str, sign: float = 1.0) -> Array:
        return np.array([-np.inf if one[name] is None else sign * one[name] for one in values.values()])

    published = [logs[key] for key in values]
    y = -np.array([np.mean(one.losses) for one in published])
    loss, tg = column("loss", -1.0), column("tg")
    predictors: dict[str, Array] = {
        "parameters, as published": np.array([float(one.parameters) for one in published]),
        "TG before training": column("tg_before"),
        f"P, minus the loss after {EPOCHS:g} epochs here": loss,
        f"TG after {EPOCHS:g} epochs here": tg,
        "P + TG": loss + tg,
        "P + 5 TG": loss + 5 * tg,
        "their own loss after 1 of 50 epochs": -np.array([one.first for one in published]),
    }
    rows = [_row(name, x, y) for name, x in predictors.items()]
    twice = [one.losses[:2] for one in logs.values() if len(one.losses) > 1]
    if len(twice) > 3:
        x, z = -np.array(twice).T
        rows.append(_row("the published loss of a second training", x, z))
    return rows


def _row(name: str, x: Array, y: Array) -> dict[str, Any]:
    """Over all cells, and over the half with the lower published losses."""
    better = y >= np.median(y)
    shown = {"predictor": name, "cells": len(y), "without": int((~np.isfinite(x)).sum())}
    return shown | _spearman(x, y) | {"better": _spearman(x[better], y[better])}


def _spearman(x: Array, y: Array) -> dict[str, Any]:
    draws = Resampled(y, DRAWS, np.random.default_rng(0))(x)
    return {"spearman": round(float(spearman(x, y)), 4), "interval": [round(bound, 4) for bound in interval(draws)]}


def _written(part: Mapping[str, Any]) -> str:
    return f"{part['spearman']:.2f} [{part['interval'][0]:.2f}, {part['interval'][1]:.2f}]"


def _resumed(file: Path | None, settings: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    if file is None or not file.exists():
        return {}
    with reading_results(file, KIND, "result of this benchmark") as kept:
        values: dict[str, dict[str, Any]] = kept["values"]
        if kept["settings"] != json.loads(json.dumps(settings)):
            raise RSAError(f"{file} was made with other settings; give another file or delete it")
        if not all({"loss", "tg", "tg_before"} <= one.keys() for one in values.values()):
            raise RSAError(f"{file} holds other values; give another file or delete it")
    return values


COLUMNS: Columns = (
    ("predictor", "{predictor}"),
    ("cells", "{cells}"),
    ("Spearman", _written),
    ("in the better half", lambda row: _written(row["better"])),
    ("without a number", "{without}"),
)
