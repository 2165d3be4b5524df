"""Images with labels in three parts, as networks are trained and tested on them."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from ...rsa import RSAError, Stimuli
from ...rsa.errors import listing
from ...rsa.networks.pictures import as_rgb
from ...rsa.types import Array
from .decoding import FileImages

if TYPE_CHECKING:
    from .performance import Performance

PARTS = ("train", "valid", "test")
_DIGESTED, _SAMPLED = 2**28, 1000  # bytes of images that are all read for a digest; images that are read of more
SPLIT_SEED = 0  # of the validation images: one split for everybody, whatever a network's own seed


@dataclass(frozen=True, eq=False, repr=False)
class Part:
    """Some images of a source, in random order, so that any batch is a fair sample of the part.

    Attributes
    ----------
    source : torch.Tensor or FileImages
        uint8 (N, C, H, W), shared by the parts and possibly mapped from disk; or image files, decoded when indexed.
    places, labels : torch.Tensor
        Indices into the source, and classes; both (n,) int64.
    table : mapping
        Columns of n values, `stimulus_id` first.
    """

    source: Tensor | FileImages
    places: Tensor
    labels: Tensor
    table: Mapping[str, Array]

    def __len__(self) -> int:
        return len(self.places)

    def __repr__(self) -> str:
        size = " x ".join(map(str, self.source.shape[1:]))
        return f"Part({len(self):,} images, {size}; columns {listing(self.table, 8)})"

    def batch(self, index: Tensor) -> Tensor:
        """Get images without augmentation.

        Parameters
        ----------
        index : torch.Tensor
            Positions in the part, (k,) int64.

        Returns
        -------
        torch.Tensor
            uint8 (k, C, H, W).
        """
        return self.source[self.places[index]]

    @property
    def images(self) -> Tensor:
        """All images, uint8 (n, C, H, W)."""
        return self.batch(torch.arange(len(self)))

    @cached_property
    def content(self) -> str:
        """Digest of ids, labels and pixels (for files: bytes); of a large part, pixels of 1,000 images only."""
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
        """Select images.

        Parameters
        ----------
        index : torch.Tensor
            Positions in the part, (k,) int64, in the wanted order.
        """
        columns = {key: values[index.numpy()] for key, values in self.table.items()}
        return Part(self.source, self.places[index], self.labels[index], columns)

    def joined(self, other: "Part") -> "Part":
        """Append the images of another part of the same source."""
        columns = {key: np.concatenate([values, other.table[key]]) for key, values in self.table.items()}
        places, labels = torch.cat([self.places, other.places]), torch.cat([self.labels, other.labels])
        return Part(self.source, places, labels, columns)


@dataclass(frozen=True, eq=False, repr=False)
class Data:
    """A data set; `load_data` reads one by name, `make_data` makes one from your own tensor.

    Attributes
    ----------
    name : str
    classes : tuple of str
    train, valid, test : Part
        P is measured on `valid`.
    mean, std : tuple of float, optional
        Mean and standard deviation per channel, for pixels in [0, 1]; without them, each image is standardised over all
        its pixels (the paper's CIFAR recipes).
    taken : str
        Where the parts come from, for `summary`.
    """

    name: str
    classes: tuple[str, ...]
    train: Part
    valid: Part
    test: Part
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    taken: str = ""
    unit: ClassVar[str] = "images"
    by: ClassVar[str] = "category_name"  # what RDMs of a network are by, as in the paper

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.summary()})"

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of its images."""
        channels, height, width = self.train.source.shape[1:]
        return channels, height, width

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return len(self.classes)

    def summary(self) -> str:
        """Describe it in one line: classes, number of images in each part, and their size."""
        counts = ", ".join(f"{len(getattr(self, name)):,} {name}" for name in PARTS)
        size = " x ".join(map(str, self.shape))
        taken = f"; {self.taken}" if self.taken else ""
        return f"{self.name}: {self.n_classes} classes ({listing(self.classes)}); images: {counts}, {size}{taken}"

    def part(self, name: str) -> Part:
        """Get a part by name.

        Raises
        ------
        RSAError
            For any other name, and for a part without images.
        """
        if name not in PARTS:
            raise RSAError(f"a data set has parts {', '.join(PARTS)}, not {name!r}")
        part: Part = getattr(self, name)
        if not len(part):
            raise RSAError(f"{self.name} has no {name} images here")
        return part

    def describe(self) -> dict[str, Any]:
        """Return JSON-able facts that are equal for equal data, digests of the images included."""
        about = {"data": self.name, "classes": list(self.classes), "mean": self.mean, "std": self.std}
        parts = {"training images": self.train, "validation images": self.valid}
        return about | {key: f"{len(part)}, SHA-256 {part.content}" for key, part in parts.items()}

    def whole(self) -> "Data":
        """Move the validation images to the training images, for a final training."""
        return replace(self, train=self.train.joined(self.valid), valid=self.valid.take(torch.arange(0)), taken="")

    def value(self, found: "Performance") -> float:
        """Return P, which a search maximises, from what was measured on the validation part: the accuracy.

        Parameters
        ----------
        found : Performance
        """
        return found.accuracy

    def streams(self, batch_size: int) -> tuple[Tensor, list[int]] | None:
        """Return the only order in which the training part can be learned, and the sizes of the batches.

        Parameters
        ----------
        batch_size : int

        Returns
        -------
        tuple of torch.Tensor and list of int, or None
            None where any order will do.
        """
        return None

    def columns(self, part: Part) -> dict[str, Array]:
        """Return the columns by which the stimuli of a part can be grouped.

        Parameters
        ----------
        part : Part

        Returns
        -------
        dict
            Name -> values, one for each image.
        """
        return {**part.table, "category_name": np.array(self.classes)[part.labels.numpy()]}

    def normalise(self, images: Tensor) -> Tensor:
        """Turn pixels into inputs of a network.

        Parameters
        ----------
        images : torch.Tensor
            uint8 (n, C, H, W).

        Returns
        -------
        torch.Tensor
            float32 (n, C, H, W).
        """
        if self.mean is None or self.std is None:
            return standardise(images)
        mean, std = (torch.tensor(values, device=images.device).view(1, -1, 1, 1) for values in (self.mean, self.std))
        return (images.float() / 255 - mean) / std

    def preprocess(self, image: Any) -> Tensor:
        """Turn any image, such as a stimulus of a recording, into an input for networks of this data.

        Parameters
        ----------
        image : object
            As for `Stimuli`: a PIL image, a path, an array or a tensor. Its shorter side is resized, its centre
            cropped, and it is converted to grey or RGB as the data are.

        Returns
        -------
        torch.Tensor
            float32 (C, H, W).
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
        """Get the images of a part as stimuli, with stimulus_id, category_name and the part's other columns.

        Parameters
        ----------
        part : {"train", "valid", "test"}
        limit : int, optional
            At most this many, drawn by `seed`, in the part's order.
        seed : int

        Returns
        -------
        Stimuli
            uint8 (C, H, W) images to be shown through `preprocess`; `load_stimuli` finds them again by their
            reference, NAME/PART.
        """
        chosen = self.part(part)
        if limit is not None and limit < len(chosen):
            if limit < 1:
                raise RSAError(f"at least one stimulus is needed, got limit {limit}")
            drawn = np.random.default_rng(seed).permutation(len(chosen))[:limit]
            chosen = chosen.take(torch.from_numpy(np.sort(drawn)))
        return Stimuli(_Shown(chosen), self.columns(chosen), reference=f"{self.name}/{part}")


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
    """Make a data set from your own images, split into parts.

    Parameters
    ----------
    name : str
    source : torch.Tensor or FileImages
        uint8 images (n, C, H, W).
    labels : sequence of int
        Class of each image, (n,).
    classes : sequence of str
        Their names.
    test : array of bool
        Which images are for testing, (n,).
    validation : int or array of bool
        How many of the other images are held out for P, or which ones, (n,). A number of images is drawn by a fixed
        seed; a smaller number takes a subset of the images that a larger one takes.
    table : mapping, optional
        Further columns of n values.
    mean, std, taken
        See `Data`.

    Raises
    ------
    RSAError
        For labels that do not fit, and where no training image would be left.

    Examples
    --------
    >>> import numpy as np, torch
    >>> from tgsage.plugins.training import make_data
    >>> images, labels = torch.zeros(10, 1, 8, 8, dtype=torch.uint8), [0, 1] * 5
    >>> data = make_data("mine", images, labels, ["a", "b"], test=np.arange(10) < 2, validation=3)
    >>> len(data.train), len(data.valid), len(data.test)
    (5, 3, 2)
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

    The deviation, of pixels in 0..255, is at least 1 / sqrt(number of pixels), so that a blank image becomes zeros.
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
