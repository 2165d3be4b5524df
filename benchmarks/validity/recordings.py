"""A pretrained network, the same network untrained, and pixels, against real recordings: does training matter?"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...neural_data import images, load_teacher
from ...rsa import Guidance, load_model

MODELS = ("efficientnet_lite0", "efficientnet_lite0@untrained", "pixels")
TEACHERS = (
    ("cowley2023/190923", "none", "pearson"),
    ("cowley2023/190923", "zscore", "pearson"),
    ("cowley2023/210325", "none", "pearson"),
    ("cowley2023/210325", "zscore", "pearson"),
    ("kriegeskorte2008", "none", "spearman"),
)


def score_recordings(
    *, data_dir: str | Path | None = None, bootstrap: int = 1000, advance: Callable[[int], object] = lambda steps: None
) -> list[dict[str, Any]]:
    """One row per model, recording, scaling and target: best layer, its similarity with 95% interval, the ceiling.

    The interval allows for the layer's having been chosen by the same stimuli (`best_layer_interval`).

    All layers of "auto", 8192 features each; `advance(1)` after every model and recording.
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
                rows.append({
                    "model": name, "recording": recording, "scale": scale, "target": target, "method": method,
                    "stimuli": score.table.attrs["n"], "best_layer": layer,
                    "similarity": float(score.table.sel(here)), "low": low, "high": high,
                    "ceiling": score.ceilings.get(target, (None, None))[1],
                })  # fmt: skip
            advance(1)
    return rows
