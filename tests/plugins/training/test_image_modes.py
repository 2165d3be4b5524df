"""Images of every mode look the same to a network, whichever way they come; the reference is a plain loop."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tgsage.neural_data import images
from tgsage.plugins.training import load_data, make_data
from tgsage.rsa import RSAError, Stimuli, extract, load_model
from torch import nn
from torch.utils.data import Subset
from torchvision.datasets import ImageFolder
from torchvision.transforms import Compose

SIDE = 64
RNG = np.random.default_rng(0)
GREY, ALPHA = RNG.integers(0, 256, (2, SIDE, SIDE), np.uint8)
COLOUR = RNG.integers(0, 256, (SIDE, SIDE, 3), np.uint8)
INKS = RNG.integers(0, 256, (SIDE, SIDE, 4), np.uint8)
DEEP = RNG.integers(0, 65536, (SIDE, SIDE), np.uint16)
DEEP[:2, :2] = [[0, 65535], [257, 128]]
PALETTE = RNG.integers(0, 256, (256, 3), np.uint8)


def over_grey(colour: Any, alpha: int) -> list[float]:
    return [int(value) * int(alpha) / 255 + 128 * (255 - int(alpha)) / 255 for value in colour]


def each_pixel(pixel: Callable[[int, int], Any]) -> Any:
    return np.array([[pixel(y, x) for x in range(SIDE)] for y in range(SIDE)], float)


def palette_image(transparency: Any = None) -> Image.Image:
    made = Image.fromarray(GREY, "P")
    made.putpalette(PALETTE.tobytes())
    if transparency is not None:
        made.info["transparency"] = transparency
    return made


def with_palette_alpha() -> Image.Image:
    made = Image.new("PA", (SIDE, SIDE))
    made.putpalette(PALETTE.tobytes())
    made.putdata(list(zip(GREY.ravel().tolist(), ALPHA.ravel().tolist(), strict=True)))
    return made


def turned() -> Image.Image:
    """Stored on its side: orientation 6 says that its left edge is the top."""
    made = Image.fromarray(np.ascontiguousarray(np.rot90(COLOUR)))
    made.getexif()[0x0112] = 6
    return made


CLEAR = bytes(range(255, -1, -1))
MODES: dict[str, tuple[Callable[[], Image.Image], Callable[[int, int], Any], str]] = {
    "1": (lambda: Image.fromarray(GREY > 99), lambda y, x: [255 * (GREY[y, x] > 99)] * 3, "png"),
    "L": (lambda: Image.fromarray(GREY), lambda y, x: [GREY[y, x]] * 3, "png"),
    "LA": (
        lambda: Image.fromarray(np.dstack([GREY, ALPHA]), "LA"),
        lambda y, x: over_grey([GREY[y, x]] * 3, ALPHA[y, x]),
        "png",
    ),
    "P": (palette_image, lambda y, x: PALETTE[GREY[y, x]], "png"),
    "P, one colour clear": (
        lambda: palette_image(7),
        lambda y, x: [128] * 3 if GREY[y, x] == 7 else PALETTE[GREY[y, x]],
        "png",
    ),
    "P, every colour with its alpha": (
        lambda: palette_image(CLEAR),
        lambda y, x: over_grey(PALETTE[GREY[y, x]], CLEAR[GREY[y, x]]),
        "png",
    ),
    "PA": (with_palette_alpha, lambda y, x: over_grey(PALETTE[GREY[y, x]], ALPHA[y, x]), ""),
    "RGB": (lambda: Image.fromarray(COLOUR), lambda y, x: COLOUR[y, x], "png"),
    "RGBA": (
        lambda: Image.fromarray(np.dstack([COLOUR, ALPHA])),
        lambda y, x: over_grey(COLOUR[y, x], ALPHA[y, x]),
        "png",
    ),
    "CMYK": (
        lambda: Image.fromarray(INKS, "CMYK"),
        lambda y, x: [(255 - int(ink)) * (255 - int(INKS[y, x, 3])) / 255 for ink in INKS[y, x, :3]],
        "tif",
    ),
    "I;16": (lambda: Image.fromarray(DEEP), lambda y, x: [round(int(DEEP[y, x]) * 255 / 65535)] * 3, "png"),
    "I;16 in TIFF": (lambda: Image.fromarray(DEEP), lambda y, x: [round(int(DEEP[y, x]) * 255 / 65535)] * 3, "tif"),
    "I;16B": (
        lambda: Image.fromarray(DEEP.astype(">u2")),
        lambda y, x: [round(int(DEEP[y, x]) * 255 / 65535)] * 3,
        "tif",
    ),
    "16 bits in PGM": (lambda: Image.fromarray(DEEP), lambda y, x: [round(int(DEEP[y, x]) * 255 / 65535)] * 3, "pgm"),
    "on its side": (turned, lambda y, x: COLOUR[y, x], "png"),
}
PIXELS = {
    "1": (GREY > 99)[None],
    "L": GREY[None],
    "LA": np.stack([GREY, ALPHA]),
    "RGB": COLOUR.transpose(2, 0, 1),
    "RGBA": np.dstack([COLOUR, ALPHA]).transpose(2, 0, 1),
    "I;16": DEEP[None],
}


class Pairs:
    """A data set of (image, class)."""

    classes = ("thing",)

    def __init__(self, image: Any) -> None:
        self.image = image

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return self.image, 0


def ways_in(mode: str, folder: Path) -> dict[str, Any]:
    """Name -> stimuli that show one image of this mode."""
    make, _, suffix = MODES[mode]
    ways: dict[str, Any] = {"PIL image": [make()], "data set": Stimuli.from_dataset(Pairs(make()))}
    if suffix:
        (folder / "set").mkdir()
        path = folder / "set" / f"a.{suffix}"
        image = make()
        settings: dict[str, Any] = {"exif": image.getexif()} if mode == "on its side" else {**image.info}  # type: ignore[dict-item]
        if suffix == "pgm":  # not every Pillow writes 16 bits of it
            path.write_bytes(b"P5 %d %d 65535\n" % image.size + np.asarray(image).astype(">u2").tobytes())
        else:
            image.save(path, **settings)
        with zipfile.ZipFile(folder / "x.zip", "w") as archive:
            archive.write(path, "a.png")
        ways |= {
            "file that is open": [Image.open(io.BytesIO(path.read_bytes()))],
            "path": [path],
            "path as text": [str(path)],
        }
        ways |= {"folder": images(path.parent), "archive": images(folder / "x.zip")}
        (folder / "classes" / "thing").mkdir(parents=True)
        (folder / "classes" / "thing" / path.name).write_bytes(path.read_bytes())
        for name, transform in (("plain", None), ("with a transform", Compose([]))):
            classes = ImageFolder(folder / "classes", transform)
            for title, dataset in (("ImageFolder", classes), ("part of one", Subset(classes, [0]))):
                ways[f"{title}, {name}"] = Stimuli.from_dataset(dataset)
    if mode in PIXELS:
        ways |= {"array": PIXELS[mode][None], "tensor": torch.from_numpy(PIXELS[mode].copy()[None])}
        flipped = PIXELS[mode][:, :, ::-1].copy()[:, :, ::-1]  # the same values with negative strides
        ways |= {"list of arrays": [np.asarray(PIXELS[mode], PIXELS[mode].dtype.newbyteorder(">"))], "view": [flipped]}
        ways |= {"data set of tensors": Stimuli.from_dataset(Pairs(ways["tensor"][0]))}
    return ways


@pytest.mark.parametrize("mode", MODES)
def test_every_way_in_and_every_preprocess_shows_the_same_pixels(mode: str, tmp_path: Path) -> None:
    expected = each_pixel(MODES[mode][1])
    blank, mean, std = torch.zeros(2, 3, SIDE, SIDE, dtype=torch.uint8), (0.0,) * 3, (1.0,) * 3
    tested = np.zeros(2, bool)
    data = make_data("own", blank, [0, 1], ["a", "b"], test=tested, validation=0, mean=mean, std=std)
    seen = {}
    for way, stimuli in ways_in(mode, tmp_path).items():
        for name, preprocess in (
            ("none", None),
            ("load_model's", load_model("pixels")[1]),
            ("data's", data.preprocess),
        ):
            found = extract(nn.Identity(), stimuli, "output", preprocess=preprocess)["output"]
            seen[way, name] = np.rint(found.reshape(3, SIDE, SIDE).transpose(1, 2, 0) * 255)
    assert np.abs(seen["PIL image", "none"] - expected).max() <= (
        0 if mode in ("1", "L", "RGB", "P") or "16" in mode else 1
    )
    assert not [key for key, found in seen.items() if not np.array_equal(found, seen["PIL image", "none"])]


@pytest.mark.parametrize("mode", ["I", "F"])
def test_pixels_without_a_known_white_are_refused_on_every_way(mode: str, tmp_path: Path) -> None:
    image = Image.fromarray(GREY.astype(np.int32 if mode == "I" else np.float32))
    (tmp_path / "set").mkdir()
    image.save(tmp_path / "set" / "a.tif")
    for stimuli in (
        [image],
        [tmp_path / "set" / "a.tif"],
        images(tmp_path / "set"),
        Stimuli.from_dataset(Pairs(image)),
    ):
        for preprocess in (None, load_model("pixels")[1]):
            with pytest.raises(RSAError, match=rf"pixels of 32 bits \(mode {mode}\) have no known white; convert"):
                extract(nn.Identity(), stimuli, "output", preprocess=preprocess)


def test_a_preprocess_of_one_s_own_gets_palettes_and_alpha_as_rgb_and_grey_as_grey() -> None:
    from torchvision.transforms.functional import to_tensor

    found = extract(nn.Identity(), [palette_image()], "output", preprocess=to_tensor)["output"]
    assert np.array_equal(np.rint(found.reshape(3, SIDE, SIDE) * 255).transpose(1, 2, 0), PALETTE[GREY])
    assert extract(nn.Identity(), [Image.fromarray(GREY)], "output", preprocess=to_tensor)["output"].shape == (
        1,
        SIDE**2,
    )


def test_floats_with_alpha_are_shown_over_grey_as_bytes_are() -> None:
    _, preprocess = load_model("pixels")
    pixels = torch.from_numpy(PIXELS["RGBA"].copy())
    assert torch.allclose(preprocess(pixels / 255), preprocess(pixels), atol=1.01 / 255)


def test_grey_images_stay_as_they_are_in_grey_data() -> None:
    ramp = torch.arange(256, dtype=torch.uint8).view(1, 16, 16)
    data = make_data("own", ramp.expand(2, 1, 16, 16), [0, 1], ["a", "b"], test=np.zeros(2, bool), validation=0)
    expected = data.normalise(ramp[None])[0]
    for shown in (ramp, Image.fromarray(ramp[0].numpy()), ramp.expand(3, -1, -1), ramp / 255):
        assert torch.equal(data.preprocess(shown), expected)


def test_a_network_takes_the_images_of_a_data_set_without_a_preprocess(tmp_path: Path) -> None:
    for name in "abc":
        for i in range(4):
            (tmp_path / name).mkdir(exist_ok=True)
            Image.fromarray(RNG.integers(0, 256, (16, 16, 3), np.uint8)).save(tmp_path / name / f"{i}.png")
    stimuli = load_data(f"folder:{tmp_path}", validation=3).stimuli("train")
    pictures = [Image.fromarray(stimuli[i].permute(1, 2, 0).numpy()) for i in range(len(stimuli))]
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    assert np.array_equal(extract(network, stimuli, "1")["1"], extract(network, pictures, "1")["1"])


def test_a_checksum_is_of_the_pixels_that_a_path_or_a_palette_stands_for(tmp_path: Path) -> None:
    palette_image().save(tmp_path / "a.png")
    shown = Stimuli([Image.fromarray(PALETTE[GREY])]).checksum()
    for image in (tmp_path / "a.png", str(tmp_path / "a.png"), palette_image()):
        assert Stimuli([image]).checksum() == shown


def test_a_file_that_is_no_image_and_a_missing_one_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no image")
    for name, words in (("a.png", "cannot identify image file"), ("b.png", "No such file")):
        with pytest.raises(RSAError, match=f"image 0 cannot be read: .*{words}"):
            extract(nn.Identity(), [tmp_path / name], "output")


def test_a_network_of_grey_images_is_told_how_to_get_them() -> None:
    stimuli = load_data("digits").stimuli(limit=3)
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
    with pytest.raises(RSAError, match=r"fails on images of shape .* preprocess= makes inputs of another shape"):
        extract(network, stimuli, "1")
    assert extract(network, stimuli, "1", preprocess=load_data("digits").preprocess)["1"].shape == (3, 72)
