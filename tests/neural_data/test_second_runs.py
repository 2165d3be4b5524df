"""What a second run of `tgsage.score` takes from the cache, and that it gives the same numbers."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

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


@pytest.mark.parametrize("name", ["pixels", "torchvision:squeezenet1_1@untrained"])
def test_neither_the_network_nor_torch_is_loaded_again(images: Path, tmp_path: Path, name: str) -> None:
    command = [sys.executable, "-c", WARM, str(images), str(tmp_path / "kept"), name]
    runs = [subprocess.run(command, capture_output=True, text=True, check=True).stdout.rsplit(" ", 1) for _ in "ab"]
    assert [torch for _, torch in runs] == ["True\n", "False\n"]
    assert runs[0][0] == runs[1][0]
