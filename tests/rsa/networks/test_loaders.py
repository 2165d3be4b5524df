"""Images decoded by several threads: the same numbers, few images ahead of the model, one error, a clean end."""

import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tgsage.neural_data import images
from tgsage.rsa import Guidance, RSAError, Stimuli, Teacher, extract

N, BATCH = 41, 8
MODEL = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Flatten())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for i in range(N):
        Image.fromarray(rng.integers(0, 256, (12, 12, 3)).astype(np.uint8)).save(made / f"photo{i:02d}.png")
    return made


class Counted:
    """Images that take their time and count how many were asked for."""

    def __init__(self) -> None:
        self.table = {"stimulus_id": [f"s{i}" for i in range(N)]}
        self.asked, self._lock = 0, threading.Lock()

    def __len__(self) -> int:
        return N

    def __getitem__(self, index: int) -> torch.Tensor:
        with self._lock:
            self.asked += 1
        time.sleep(0.002)
        return torch.full((3, 4, 4), index / N)


def reading() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("ThreadPoolExecutor")]


@pytest.mark.parametrize("loaders", [2, 3, 16])
def test_numbers_are_those_of_one_loader(folder: Path, loaders: int) -> None:
    stimuli = images(folder)
    alone, together = (extract(MODEL, stimuli, ["1"], batch_size=BATCH, loaders=n)["1"] for n in (1, loaders))
    np.testing.assert_array_equal(alone, together)
    assert stimuli.checksum(loaders=loaders) == stimuli.checksum()


def test_as_teacher_and_guidance(folder: Path) -> None:
    stimuli = images(folder)
    teacher = Teacher.from_network("net", MODEL, stimuli, ["1"], loaders=3)
    guide = Guidance(teacher, stimuli, layers=["1"], batchnorm="running", loaders=2)
    assert guide(MODEL).tg == pytest.approx(1)
    assert "loaders" not in teacher.attrs  # as results do not depend on it


@pytest.mark.parametrize("loaders", [1, 4])
def test_no_more_than_a_batch_is_decoded_ahead_of_the_model(loaders: int) -> None:
    stimuli, ahead = Counted(), list[int]()

    def seen(_: torch.nn.Module, inputs: Any, __: Any) -> None:
        time.sleep(0.05)
        done = sum(ahead)
        ahead.append(len(inputs[0]))
        assert stimuli.asked - done <= 2 * BATCH

    model = torch.nn.Sequential(torch.nn.Flatten())
    model[0].register_forward_hook(seen)
    extract(model, stimuli, ["0"], batch_size=BATCH, loaders=loaders)
    assert sum(ahead) == N == stimuli.asked


@pytest.mark.parametrize("loaders", [1, 5])
def test_a_broken_image_is_named_with_its_file(folder: Path, tmp_path: Path, loaders: int) -> None:
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "photo29.png").write_bytes(b"\x89PNG no")
    with pytest.raises(RSAError, match=r"image photo29 cannot be read: .*photo29\.png") as caught:
        extract(MODEL, images(tmp_path), ["1"], batch_size=BATCH, loaders=loaders)
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)
    assert not reading()


@pytest.mark.parametrize("loaders", [2, 4])
def test_shapes_that_differ_are_named_by_two_images(loaders: int) -> None:
    shapes = [(3, 5, 4) if i == 13 else (3, 4, 4) for i in range(N)]
    stimuli = Stimuli([torch.zeros(shape) for shape in shapes], {"stimulus_id": [f"s{i}" for i in range(N)]})
    with pytest.raises(RSAError, match=r"images differ in shape .*s13 \(3, 5, 4\)|s13 \(3, 5, 4\), s"):
        extract(MODEL, stimuli, ["1"], batch_size=BATCH, loaders=loaders)


def test_an_interruption_stops_the_loaders() -> None:
    stimuli = Counted()

    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        extract(MODEL, stimuli, ["1"], batch_size=BATCH, loaders=3, progress=interrupt)
    assert not reading()
    assert stimuli.asked <= 2 * BATCH


@pytest.mark.parametrize("loaders", [0, -2])
def test_no_loader_is_refused(folder: Path, loaders: int) -> None:
    with pytest.raises(RSAError, match="loaders are threads that decode images, at least 1, got"):
        extract(MODEL, images(folder), loaders=loaders)
    with pytest.raises(RSAError, match="loaders are threads"):
        images(folder).checksum(loaders=loaders)
