"""Image files as pixels: decoded once into a file that is mapped into memory, or one by one when asked for."""

import hashlib
import math
import os
import shutil
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ...neural_data.catalogue.image_files import ImageFiles, ZipImages
from ...neural_data.simulation.cache import cache_folder
from ...rsa.cli.console import progress
from ...rsa.io.storage import replacing
from ...rsa.types import Array

if TYPE_CHECKING:
    from PIL import Image

_CHUNK = 64 * 2**20  # bytes of images decoded between two writes
_DECODING = "upright"  # another word for every other way to decode, so that older files are not taken for it
_SHORTER = 256 / 224  # of a picture, in sides of its central crop


class FileImages:
    """Images in files: `[places]` gives uint8 (k, 3, size, size), decoded by several threads.

    Shown as they are tested: shorter side to 8/7 of `size`, central crop. `random_crops` is for training.

    loaders: threads, by default one for each core.
    """

    def __init__(self, files: ImageFiles, size: int, loaders: int | None = None) -> None:
        self.files, self.size = files, size
        self.shape = (len(files), 3, size, size)
        self._threads = ThreadPoolExecutor(loaders or os.cpu_count())

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, places: Tensor) -> Tensor:
        return self._batch(places, [(round(self.size * _SHORTER), 0.5, 0.5)] * len(places))

    def random_crops(self, places: Tensor, draws: Tensor, shorter: tuple[int, int]) -> Tensor:
        """Shorter side to a random length from `shorter`, then a random crop; draws (k, 4) uniform in [0, 1)."""
        low, high = shorter
        views = [(low + int(scale * (high - low + 1)), down, right) for down, right, _, scale in draws.tolist()]
        return self._batch(places, views)

    def _batch(self, places: Tensor, views: list[tuple[int, float, float]]) -> Tensor:
        def one(place: int, view: tuple[int, float, float]) -> Array:
            return cropped(self.files[place], self.size, *view)

        return _stack(list(self._threads.map(one, places.tolist(), views)))


def cropped(image: "Image.Image", size: int, shorter: int, down: float = 0.5, right: float = 0.5) -> Array:
    """(size, size, 3) uint8 of a picture resized to a shorter side, at a place given in shares of what is left over."""
    if min(image.size) != shorter:
        scale = shorter / min(image.size)
        width, height = (max(round(side * scale), shorter) for side in image.size)
        image = image.resize((width, height), reducing_gap=2.0)
    left, top = int(right * (image.width - size + 0.999)), int(down * (image.height - size + 0.999))
    return np.asarray(image.crop((left, top, left + size, top + size)))


def decode_once(files: ImageFiles, size: int, loaders: int | None = None) -> Tensor:
    """All images as uint8 (n, 3, size, size): shorter side to `size`, central square; loaders as in `FileImages`.

    Kept in the cache folder (see `cache_folder`) under a digest of names, sizes and dates, and mapped from there, so
    they need not fit into memory. A folder that cannot be written costs decoding them each time, and a warning.
    Raises RSAError naming the images that cannot be decoded.
    """
    shape = (len(files), 3, size, size)
    path = cache_folder() / "images" / f"{_fingerprint(files, size)}.npy"
    try:
        kept = np.load(path, mmap_mode="c", allow_pickle=False)
        if kept.shape == shape and kept.dtype == np.uint8:
            return torch.from_numpy(kept)
    except (OSError, ValueError):  # not there, or damaged
        pass
    if not _has_room(path.parent, math.prod(shape)):
        warnings.warn(f"decoded images are not kept for the next time: no room in {path.parent}", stacklevel=2)
        pixels = np.empty(shape, np.uint8)
        _decode(files, pixels, loaders)
        return torch.from_numpy(pixels)
    with replacing(path) as temporary:
        mapped = np.lib.format.open_memmap(temporary, "w+", np.uint8, shape)
        if hasattr(os, "posix_fallocate"):  # else a disk that fills up ends this process (SIGBUS)
            with temporary.open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, temporary.stat().st_size)
        _decode(files, mapped, loaders)
        mapped.flush()
    return torch.from_numpy(np.load(path, mmap_mode="c", allow_pickle=False))


def _has_room(folder: Path, needed: int) -> bool:
    """Whether this many bytes can be written there, as far as one can know."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return os.access(folder, os.W_OK) and shutil.disk_usage(folder).free > needed
    except OSError:
        return False


def _decode(files: ImageFiles, out: Array, loaders: int | None) -> None:
    size = out.shape[-1]
    with ThreadPoolExecutor(loaders or os.cpu_count()) as threads, progress("decoding", len(files), "images") as done:
        step = max(1, _CHUNK // math.prod(out.shape[1:]))
        for start in range(0, len(files), step):
            places = range(start, min(start + step, len(files)))
            made = list(threads.map(lambda place: cropped(files[place], size, size), places))
            out[start : start + len(made)] = np.stack(made).transpose(0, 3, 1, 2)
            done(len(made))


def _stack(images: Sequence[Array]) -> Tensor:
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)


def _fingerprint(files: ImageFiles, size: int) -> str:
    digest = hashlib.sha256(f"{files.path.resolve()} {size} {_DECODING}".encode())
    if isinstance(files, ZipImages):
        facts: Sequence[object] = [(member.filename, member.file_size, member.CRC) for member in files.members]
    else:
        facts = [(name, *_size_and_date(files.path / name)) for name in files.names]
    for fact in facts:
        digest.update(repr(fact).encode())
    return digest.hexdigest()[:24]


def _size_and_date(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns
