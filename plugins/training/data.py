"""Images with labels in three parts, as networks are trained and tested on them."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...rsa import RSAError, Stimuli
from ...rsa.errors import listing
from ...rsa.networks.pictures import as_rgb
from ...rsa.types import Array
from .decoding import FileImages

PARTS = ("train", "valid", "test")
_DIGESTED, _SAMPLED = 2**28, 1000  # bytes of images that are all read for a digest; images that are read of more
SPLIT_SEED = 0  # of the validation images: one split for everybody, whatever a network's own seed


@dataclass(frozen=True, eq=False)
class Part:
    """Some images of a source: `places` in it, labels (n,) int64, and columns of n values, `stimulus_id` first.

    source: one uint8 tensor (N, C, H, W) that parts share, possibly mapped from disk, or images decoded when asked for.
    Images are in random order, so that any batch is a fair sample of the part.
    """

    source: Tensor | FileImages
    places: Tensor
    labels: Tensor
    table: Mapping[str, Array]

    def __len__(self) -> int:
        return len(self.places)

    def batch(self, index: Tensor) -> Tensor:
        """Images (len(index), C, H, W) uint8, as they are shown to a trained network."""
        return self.source[self.places[index]]

    @property
    def images(self) -> Tensor:
        """All of them, as one tensor."""
        return self.batch(torch.arange(len(self)))

    @cached_property
    def content(self) -> str:
        """A digest of ids, labels and pixels; of files undecoded bytes. Of a large part 1,000 images are read."""
        digest = hashlib.sha256("\n".join(map(str, self.table["stimulus_id"])).encode())
        digest.update(self.labels.numpy().tobytes())
        few = math.prod(self.source.shape[1:]) * len(self) <= _DIGESTED
        chosen = torch.arange(len(self)) if few else torch.linspace(0, len(self) - 1, _SAMPLED).round().long()
        for index in torch.split(chosen, _SAMPLED):
            if isinstance(self.source, FileImages):
                for place in self.places[index].tolist():
                    digest.update(self.source.files.read(place))
            else:
                digest.update(self.batch(index).contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]

    def take(self, index: Tensor) -> "Part":
        """These of its images, in this order."""
        columns = {key: values[index.numpy()] for key, values in self.table.items()}
        return Part(self.source, self.places[index], self.labels[index], columns)

    def joined(self, other: "Part") -> "Part":
        """Its images, then those of another part of the same source."""
        columns = {key: np.concatenate([values, other.table[key]]) for key, values in self.table.items()}
        places, labels = torch.cat([self.places, other.places]), torch.cat([self.labels, other.labels])
        return Part(self.source, places, labels, columns)


@dataclass(frozen=True, eq=False)
class Data:
    """A data set: classes, parts `train`, `valid` (P is measured on it) and `test`, and how pixels become inputs.

    mean, std: per channel, of pixels in [0, 1]; without them every image is standardised over all its pixels (the
    paper's CIFAR recipes). taken: where the parts are from, for `summary`. `load_data(name)` makes one by name,
    `make_data` from a tensor of your own.
    """

    name: str
    classes: tuple[str, ...]
    train: Part
    valid: Part
    test: Part
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    taken: str = ""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of an image."""
        channels, height, width = self.train.source.shape[1:]
        return channels, height, width

    @property
    def n_classes(self) -> int:
        return len(self.classes)

    def summary(self) -> str:
        """One line: the classes, the images of every part, and their size."""
        counts = ", ".join(f"{len(getattr(self, name)):,} {name}" for name in PARTS)
        size = " x ".join(map(str, self.shape))
        taken = f"; {self.taken}" if self.taken else ""
        return f"{self.name}: {self.n_classes} classes ({listing(self.classes)}); images: {counts}, {size}{taken}"

    def part(self, name: str) -> Part:
        """Raises RSAError for an unknown part and for one without images."""
        if name not in PARTS:
            raise RSAError(f"a data set has parts {', '.join(PARTS)}, not {name!r}")
        part: Part = getattr(self, name)
        if not len(part):
            raise RSAError(f"{self.name} has no {name} images here")
        return part

    def describe(self) -> dict[str, Any]:
        """What it is, its images included, JSON-able: for telling whether results are about the same data."""
        return {
            "data": self.name, "classes": list(self.classes), "mean": self.mean, "std": self.std,
            "training images": f"{len(self.train)}, SHA-256 {self.train.content}",
            "validation images": f"{len(self.valid)}, SHA-256 {self.valid.content}",
        }  # fmt: skip

    def whole(self) -> "Data":
        """The same data with the validation images among the training images, for a final training."""
        return replace(self, train=self.train.joined(self.valid), valid=self.valid.take(torch.arange(0)), taken="")

    def normalise(self, images: Tensor) -> Tensor:
        """uint8 images (n, C, H, W) to float32 inputs of a network."""
        if self.mean is None or self.std is None:
            return standardise(images)
        mean, std = (torch.tensor(values, device=images.device).view(1, -1, 1, 1) for values in (self.mean, self.std))
        return (images.float() / 255 - mean) / std

    def preprocess(self, image: Any) -> Tensor:
        """Any image (as `rsa.pictures.as_rgb` takes it) as an input (C, H, W) of a network of this data.

        Shorter side resized, central crop, grey or RGB as the data: a brain's stimuli can be shown, too.
        """
        from torchvision.transforms.v2 import functional

        channels, height, width = self.shape
        if not (isinstance(image, Tensor) and image.dtype == torch.uint8 and image.shape == self.shape):
            shown = as_rgb(image)
            tensor = shown if isinstance(shown, Tensor) else functional.pil_to_tensor(shown)
            tensor = functional.to_dtype(tensor, torch.uint8, scale=True)
            if channels == 1:  # rounded, so that grey stays as it is
                red, green, blue = tensor.to(torch.int32)
                tensor = ((299 * red + 587 * green + 114 * blue + 500) // 1000).to(torch.uint8)[None]
            scale = max(height / tensor.shape[1], width / tensor.shape[2])
            size = [
                max(round(side * scale), least) for side, least in zip(tensor.shape[1:], (height, width), strict=True)
            ]
            image = functional.center_crop(functional.resize(tensor, size, antialias=True), [height, width])
        return self.normalise(image[None])[0]

    def stimuli(self, part: str = "valid", *, limit: int | None = None, seed: int = 0) -> Stimuli:
        """Images of a part as stimuli, uint8 (C, H, W), with stimulus_id, category_name and what else is known.

        limit: at most this many, drawn by `seed`, in the part's order. The reference is NAME/PART; `load_stimuli` finds
        them again by it. Show them through `preprocess`.
        """
        chosen = self.part(part)
        if limit is not None and limit < len(chosen):
            if limit < 1:
                raise RSAError(f"at least one stimulus is needed, got limit {limit}")
            drawn = np.random.default_rng(seed).permutation(len(chosen))[:limit]
            chosen = chosen.take(torch.from_numpy(np.sort(drawn)))
        names = np.array(self.classes)[chosen.labels.numpy()]
        return Stimuli(_Shown(chosen), {**chosen.table, "category_name": names}, reference=f"{self.name}/{part}")


def make_data(
    name: str,
    source: Tensor | FileImages,
    labels: Sequence[int] | Array,
    classes: Sequence[str],
    *,
    test: Array,
    validation: int | Array,
    table: Mapping[str, Array] | None = None,
    mean: tuple[float, ...] | None = None,
    std: tuple[float, ...] | None = None,
    taken: str = "",
) -> Data:
    """Split images into parts: those where `test` (n,) is true, `validation` random others (always the same), the rest.

    validation: a number, fewer of which are a part of more, or which images these are (n,).
    Raises RSAError where training images or labels are missing.
    """
    kinds, is_test = np.asarray(labels, np.int64), np.asarray(test, bool)
    n = len(source)
    if kinds.shape != (n,) or is_test.shape != (n,):
        raise RSAError(f"{name}: {n} images but {len(kinds)} labels and {len(is_test)} values of test")
    if n and not 0 <= int(kinds.min()) <= int(kinds.max()) < len(classes):
        raise RSAError(f"{name}: labels go from {int(kinds.min())} to {int(kinds.max())}, not 0 to {len(classes) - 1}")
    order = np.random.default_rng(SPLIT_SEED).permutation(n)
    training, testing = order[~is_test[order]], order[is_test[order]]
    if isinstance(validation, int | np.integer):
        if not 0 <= validation < len(training):
            raise RSAError(f"{name} has {len(training)} training images; {validation} of them cannot be held out")
        validating, training = np.split(training, [validation])
    else:
        held_out = np.asarray(validation, bool)
        if held_out.shape != (n,):
            raise RSAError(f"{name}: {n} images but values of validation of shape {held_out.shape}")
        validating, training = training[held_out[training]], training[~held_out[training]]
    columns = {"stimulus_id": np.arange(n).astype(str), **(table or {})}
    everything = Part(source, torch.arange(n), torch.from_numpy(kinds), columns)
    train, valid, tested = (everything.take(torch.from_numpy(places)) for places in (training, validating, testing))
    return Data(name, tuple(classes), train, valid, tested, mean, std, taken)


def standardise(images: Tensor) -> Tensor:
    """Every image (n, C, H, W) to mean 0 and standard deviation 1 over all its pixels, float32.

    The deviation is taken as at least 1 / sqrt(pixels), of pixels in 0..255, so that a blank image becomes zeros.
    """
    pixels = images.float()
    variance, mean = torch.var_mean(pixels, dim=(1, 2, 3), keepdim=True, correction=0)
    return (pixels - mean) / variance.sqrt().clamp(min=images[0].numel() ** -0.5)


class _Shown:
    """The images of a part, one by one."""

    def __init__(self, part: Part) -> None:
        self.part = part

    def __len__(self) -> int:
        return len(self.part)

    def __getitem__(self, index: int) -> Tensor:
        return self.part.batch(torch.tensor([index]))[0]
