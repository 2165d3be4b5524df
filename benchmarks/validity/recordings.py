"""A pretrained network, the same network untrained, and pixels, against real recordings: does training matter?"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...neural_data import images, load_teacher
from ...rsa import Guidance, load_model
from ..report import Columns

MODELS = ("efficientnet_lite0", "efficientnet_lite0@untrained", "pixels")
TEACHERS = (
    ("cowley2023/190923", "none", "pearson"),
    ("cowley2023/190923", "zscore", "pearson"),
    ("cowley2023/210325", "none", "pearson"),
    ("cowley2023/210325", "zscore", "pearson"),
    ("kriegeskorte2008", "none", "spearman"),
)


def _interval(row: dict[str, Any]) -> str:
    return "" if row["low"] is None else " [{low:.3f}, {high:.3f}]".format_map(row)


COLUMNS: Columns = (
    ("recording", "{recording}"),
    ("target", "{target}"),
    ("scale", "{scale}"),
    ("method", "{method}"),
    ("model", "{model}"),
    ("best layer", "{best_layer}"),
    ("similarity", lambda row: f"{row['similarity']:.3f}{_interval(row)}"),
    ("ceiling", lambda row: "-" if row["ceiling"] is None else f"{row['ceiling']:.3f}"),
)


def score_recordings(
    *, data_dir: str | Path | None = None, bootstrap: int = 1000, progress: Callable[[int], object] = lambda steps: None
) -> list[dict[str, Any]]:
    """One row per model, recording, scaling and target: best layer, its similarity with 95% interval, the ceiling.

    The interval allows for the layer's having been chosen by the same stimuli (`best_layer_interval`). All layers of
    "auto" are compared, with 8192 features each; `progress(1)` is called after every model and recording.
    """
    rows: list[dict[str, Any]] = []
    for name in MODELS:
        model, preprocess = load_model(name)
        rdms: dict[str, Any] = {}
        for recording, scale, method in TEACHERS:
            teacher = load_teacher(recording, scale=scale, method=method, data_dir=data_dir)
            if recording not in rdms:
                shown = images(recording, data_dir=data_dir)
                rdms[recording] = Guidance(teacher, shown, preprocess=preprocess, batchnorm="running").rdms(model)
            score = teacher.score(rdms[recording], bootstrap=bootstrap)
            for target, layer in score.best_layer.items():
                here = {"layer": layer, "target": target}
                low, high = score.best_interval.get(target, (None, None))
                about = {"model": name, "recording": recording, "scale": scale, "target": target, "method": method}
                numbers = {
                    "stimuli": score.table.attrs["n"],
                    "best_layer": layer,
                    "similarity": float(score.table.sel(here)),
                    "low": low,
                    "high": high,
                    "ceiling": score.ceilings.get(target, (None, None))[1],
                }
                rows.append(about | numbers)
            progress(1)
    return rows
