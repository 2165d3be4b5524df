"""Time of a comparison of models whose layers are kept from an earlier run.

Ten networks of 16 layers are shown 92 images and compared with four targets; then the same is asked again in a process
of its own: this module, run with the folder and what is asked of it.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ...neural_data import compare_models
from ...rsa import LayerCache, Stimuli, Teacher, compute_rdm
from .timing import Result

_NETWORKS, _LAYERS, _TARGETS = 10, 16, 4
_NAMES = tuple(str(i) for i in range(_LAYERS))
_CODE = f"""import torch
def _network(seed):
    torch.manual_seed(seed)
    first = torch.nn.Conv2d(3, 4, 3, padding=1, bias=False)
    rest = (torch.nn.Conv2d(4, 4, 3, padding=1, bias=False) for _ in range({_LAYERS - 1}))
    blocks = (torch.nn.Sequential(layer, torch.nn.LeakyReLU(0.2)) for layer in (first, *rest))
    return torch.nn.Sequential(*blocks), lambda image: torch.as_tensor(image).float()
"""


def models(quick: bool) -> Iterator[Result]:
    """From kept layers to similarities, intervals and tests of all pairs."""
    found = compare_kept(stimuli=20, draws=50) if quick else compare_kept()
    case = f"{_NETWORKS} models x {_TARGETS} targets x {20 if quick else 92} images, layers kept"
    yield Result("models", f"{case}, time of a core", found["CPU seconds"], "s", 30)


def compare_kept(*, stimuli: int = 92, draws: int = 1000) -> dict[str, float]:
    """Measure a process that compares networks that were shown the same images before, from its start.

    `CPU seconds` are those of all its threads, whatever else the machine does.
    """
    import resource

    with tempfile.TemporaryDirectory() as folder:
        factories = "".join(f"def net{i}():\n    return _network({i})\n" for i in range(_NETWORKS))
        (Path(folder) / "nets.py").write_text(_CODE + factories, encoding="utf-8")
        _compare(folder, stimuli, 1)
        command = [sys.executable, "-m", __name__, folder, str(stimuli), str(draws)]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"CPU seconds": spent, **json.loads(done.stdout)}


def _compare(folder: str, stimuli: int, draws: int) -> dict[str, float]:
    rng = np.random.default_rng(0)
    labels = [str(i) for i in range(stimuli)]
    images = Stimuli(rng.random((stimuli, 3, 46, 46), np.float32), {"stimulus_id": labels})
    rdms = {f"target {i}": compute_rdm(rng.normal(size=(stimuli, 50)), labels=labels) for i in range(_TARGETS)}
    names, cache = [f"{folder}/nets.py:net{i}" for i in range(_NETWORKS)], LayerCache(Path(folder) / "kept")
    found = compare_models(
        names, Teacher.from_rdms("simulated", rdms), images, layers=_NAMES, bootstrap=draws, cache=cache
    )
    return {"tests": len(found.pairs), "layers": sum(row["layers"] for row in found.rows)}


if __name__ == "__main__":
    print(json.dumps(_compare(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
