"""Images in the manner of HvM (Majaj, Hong et al. 2015): rendered objects at three levels of variation.

| variation | size            | place (halves of the image's width) | pose, about each of 3 axes |
|-----------|-----------------|-------------------------------------|----------------------------|
| 0         | 1               | 0                                   | the canonical one          |
| 3         | 1/1.3 to 1.3    | -0.3 to 0.3                         | -45 to 45 degrees          |
| 6         | 1/1.6 to 1.6    | -0.6 to 0.6                         | -90 to 90 degrees          |

All are uniform (size on a logarithmic scale) and independent of each other, of the object and of the background. The
objects and backgrounds are our own; they share with HvM the categories, the numbers and the ranges. Backgrounds have
the spectrum of natural scenes: amplitude falls as 1/f, phases are random (Field 1987).

`python -m tgsage.neural_data.simulation.images docs/hvm-contact-sheet.png` draws the objects on one sheet.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from ...rsa import RSAError, Stimuli
from ...rsa.io.storage import replacing
from ...rsa.types import Array
from .cache import cached

RANGES = {0: (1.0, 0.0, 0.0), 3: (1.3, 0.3, 45.0), 6: (1.6, 0.6, 90.0)}  # variation -> factor of size, place, degrees
PER_OBJECT = (10, 40, 40)  # images of each object at each variation: 5760 in all
PIXELS = 64
MEAN, CONTRAST = 0.5, 0.1  # of a background: mean grey, and standard deviation
_MARGIN, _GAP, _GREYS = 64, 6, 48  # of the sheet: pixels for words and between images; few shades keep the file small


def hvm_images(
    seed: int = 0, *, per_object: Sequence[int] = PER_OBJECT, pixels: int = PIXELS, data_dir: str | Path | None = None
) -> Stimuli:
    """Render grey images of 64 objects at variations 0, 3 and 6, object by object.

    Parameters
    ----------
    seed : int
    per_object : sequence of three int
        Images of each object at each variation.
    pixels : int
        Width and height, 8 to 512.
    data_dir : str or Path, optional
        Folder that keeps the images; by default `$TGSAGE_CACHE`, then the cache.

    Returns
    -------
    Stimuli
        The table holds category_name, object_name, variation, and what was drawn: size; the shifts ty and tz (right,
        up); and the rotations rxy, rxz and ryz (about the vertical, towards the viewer, in the image plane; degrees).

    Raises
    ------
    RSAError
        For impossible counts and sizes.

    Notes
    -----
    An image depends on the seed and its stimulus_id only, so a smaller set is part of a larger one.
    """
    values, table = image_arrays(seed, per_object, pixels, data_dir)
    reference = f"hvm_images(seed={seed}, per_object={tuple(per_object)}, pixels={pixels})"
    return Stimuli(_Pictures(values), table, reference=reference)


def image_arrays(
    seed: int, per_object: Sequence[int], pixels: int, data_dir: str | Path | None = None
) -> tuple[Array, dict[str, Array]]:
    """The images (n, pixels, pixels) uint8 and the table of `hvm_images`."""
    settings = check_settings(seed, per_object, pixels)
    made = cached("images", settings, lambda: _draw(seed, per_object, pixels), data_dir)
    return made.pop("images"), made


def check_settings(seed: int, per_object: Sequence[int], pixels: int) -> dict[str, object]:
    """The settings as JSON-able values; raises RSAError where they are impossible."""
    counts = tuple(per_object)
    if len(counts) != len(RANGES) or min(counts) < 0 or not 0 < sum(counts) <= 10_000:
        raise RSAError(f"per_object gives the images of variations 0, 3 and 6, such as {PER_OBJECT}, got {counts}")
    if seed < 0 or not 8 <= pixels <= 512:
        raise RSAError(f"seed must be at least 0 and pixels 8 to 512, got {seed} and {pixels}")
    return {"seed": int(seed), "per_object": [int(count) for count in counts], "pixels": int(pixels)}


class _Pictures:
    """Grey PIL images of an array (n, pixels, pixels) uint8."""

    def __init__(self, values: Array) -> None:
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: int) -> Image.Image:
        return Image.fromarray(self.values[index])


def _draw(seed: int, per_object: Sequence[int], pixels: int) -> dict[str, Array]:
    from .render.renderer import render
    from .render.scene import objects

    scene, categories = objects()
    keys = [
        (thing, variation, number)
        for thing in range(len(scene.names))
        for variation, count in zip(RANGES, per_object, strict=True)
        for number in range(count)
    ]
    generators = [np.random.default_rng((seed, *key)) for key in keys]
    which, variation, _ = np.array(keys).T
    factor, place, degrees = np.array([RANGES[v] for v in variation]).T
    drawn = np.array([rng.uniform(-1, 1, 6) for rng in generators]).T
    pose = {"size": factor ** drawn[0], "ty": place * drawn[1] + 0.0, "tz": place * drawn[2] + 0.0}
    pose |= {axis: degrees * turn + 0.0 for axis, turn in zip(("rxy", "rxz", "ryz"), drawn[3:], strict=True)}
    names = np.array(scene.names)[which]
    return {
        "images": render(scene, which, pink_backgrounds(generators, pixels), **pose),
        "stimulus_id": np.array([f"{scene.names[thing]}_V{v}_{number:02d}" for thing, v, number in keys]),
        "category_name": np.array(categories)[which],
        "object_name": names,
        "variation": variation,
        **pose,
    }


def pink_backgrounds(generators: Sequence[np.random.Generator], pixels: int) -> Array:
    """One background (pixels, pixels) float32 per generator, in [0, 1], unrelated to everything else in the image."""
    shape = (pixels, pixels // 2 + 1)
    fy, fx = np.fft.fftfreq(pixels)[:, None], np.fft.rfftfreq(pixels)[None, :]
    frequency = np.hypot(fx, fy)
    frequency[0, 0] = np.inf
    noise = np.empty((len(generators), *shape), np.complex64)
    for i, rng in enumerate(generators):
        noise[i].real, noise[i].imag = rng.standard_normal((2, *shape), np.float32)
    images = np.fft.irfft2(noise / frequency, (pixels, pixels))
    images /= images.std(axis=(1, 2), keepdims=True)
    return np.clip(MEAN + CONTRAST * images, 0.0, 1.0).astype(np.float32)


def contact_sheet(path: str | Path) -> None:
    """Write a PNG with one row per category: its objects at variation 0, then four at variation 3 and four at 6."""
    stimuli = hvm_images(per_object=(1, 1, 1))
    table = stimuli.table
    rows = []
    for category in dict.fromkeys(table["category_name"].tolist()):
        mine = [np.flatnonzero((table["category_name"] == category) & (table["variation"] == v)) for v in (0, 3, 6)]
        rows.append((category, [*mine[0], *mine[1][:4], *mine[2][4:]]))
    size = stimuli[0].width
    steps = [_MARGIN + i * size + _GAP * ((i >= 8) + (i >= 12)) for i in range(17)]
    sheet = Image.new("L", (steps[-1], 16 + len(rows) * size), 255)
    draw = ImageDraw.Draw(sheet)
    for title, column in (("variation 0", 0), ("variation 3", 8), ("variation 6", 12)):
        draw.text((steps[column], 2), title, fill=0)
    for i, (category, chosen) in enumerate(rows):
        draw.text((4, 16 + i * size + size // 2 - 6), category, fill=0)
        for left, k in zip(steps, chosen, strict=False):
            sheet.paste(stimuli[int(k)], (left, 16 + i * size))
    with replacing(path) as temporary:
        sheet.quantize(_GREYS).save(temporary, format="PNG", optimize=True)


if __name__ == "__main__":
    contact_sheet(sys.argv[1])
