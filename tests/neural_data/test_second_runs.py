"""What a second run of `tgsage.score` takes from the cache, and that it gives the same numbers."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tgsage.neural_data import as_teacher, from_arrays
from tgsage.neural_data.reliability.split_half import split_half
from tgsage.rsa import LayerCache

WARM = """
import sys
import tgsage
from tgsage.rsa import RDM, LayerCache
labels = [f"image{i}" for i in range(6)]
teacher = tgsage.Teacher.from_rdms("t", {"V4": RDM([float(i * i % 7) for i in range(15)], labels)})
score = tgsage.score(sys.argv[3], teacher, sys.argv[1], bootstrap=20, cache=LayerCache(sys.argv[2], 1))
print(score.to_dict(), "torch" in sys.modules)
"""


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder, rng = tmp_path / "images", np.random.default_rng(0)
    folder.mkdir()
    for i in range(6):
        Image.fromarray(rng.integers(0, 255, (40, 40, 3), np.uint8)).save(folder / f"image{i}.png")
    return folder


@pytest.mark.parametrize(
    "name", ["pixels", pytest.param("torchvision:squeezenet1_1@untrained", marks=pytest.mark.slow)]
)
def test_neither_the_network_nor_torch_is_loaded_again(images: Path, tmp_path: Path, name: str) -> None:
    command = [sys.executable, "-c", WARM, str(images), str(tmp_path / "kept"), name]
    runs = [subprocess.run(command, capture_output=True, text=True, check=True).stdout.rsplit(" ", 1) for _ in "ab"]
    assert [torch for _, torch in runs] == ["True\n", "False\n"]
    assert runs[0][0] == runs[1][0]


def test_a_recording_is_not_halved_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    halved: list[int] = []

    def counted(*arguments: Any, **settings: Any) -> Any:
        halved.append(1)
        return split_half(*arguments, **settings)

    monkeypatch.setattr("tgsage.neural_data.reliability.kept.split_half", counted)
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(10, 16))
    values = (truth[:, None] + rng.normal(size=(10, 4, 16))).reshape(40, 16)
    names = np.repeat([f"s{i}" for i in range(10)], 4)
    recording = from_arrays(values, stimulus_id=names, region=["V4"] * 8 + ["one"] + ["IT"] * 7)
    cache = LayerCache(tmp_path, 1)
    first = as_teacher(recording, splits=4, where="region=V4,IT")
    steps: list[int] = []
    for count in (2, 2):
        again = as_teacher(recording, splits=4, where="region=V4,IT", cache=cache, progress=steps.append)
        assert len(halved) == count
        assert again.ceilings == first.ceilings != {}
        assert again.attrs == first.attrs
        assert {name: rdm.attrs for name, rdm in again.rdms.items()} == {n: r.attrs for n, r in first.rdms.items()}
    assert sum(steps) == 8
    for settings in ({"splits": 5}, {"seed": 1}, {"scale": "zscore"}, {"method": "spearman"}, {"level": "region"}):
        own: dict[str, Any] = {"splits": 4, "where": "region=V4,IT", "cache": cache, **settings}
        before = len(halved)
        as_teacher(recording, **own)
        assert len(halved) == before + 1, settings
    values[3, 2] += 1e-9
    as_teacher(recording.copy(data=values), splits=4, where="region=V4,IT", cache=cache)
    as_teacher(recording.assign_attrs(repeats=2), splits=4, where="region=V4,IT", cache=cache)
    assert len(halved) == before + 3
