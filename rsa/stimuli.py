"""Images with names: what a model is shown."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np

from .errors import RSAError, listing, near, reason
from .rdm import Array, as_text, check_labels

if TYPE_CHECKING:
    import torch


class _Indexed(Protocol):
    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Any: ...


class Stimuli:
    """n images and a table about them.

    `stimuli[i]` is an image (PIL, or a tensor (C, H, W)), made when asked for; `table` maps column names to n values
    each, `stimulus_id` (unique) first, then whatever is known: `object_name`, `category_name`, ... Any object with
    these three (`len`, `[i]`, `table`) is taken wherever Stimuli are.

    images: a sequence of images, or anything with `len` and `[i]`. table: columns of n values; without
    `stimulus_id`, ids are "0", "1", ... reference: where the images come from, for the files of those who used them.

    Raises RSAError for columns of another length and for ids that repeat.
    """

    def __init__(
        self, images: _Indexed, table: Mapping[str, Sequence[Any] | Array] | None = None, *, reference: str = ""
    ) -> None:
        n = len(images)
        columns = {key: np.asarray(column) for key, column in (table or {}).items()}
        ids = columns.pop("stimulus_id", np.arange(n))
        self.images = images
        self.table: dict[str, Array] = {"stimulus_id": np.array(check_labels(ids)), **columns}
        self.reference = reference
        for key, column in self.table.items():
            if column.shape != (n,):
                raise RSAError(f"{n} images but column {key} has shape {column.shape}")

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Any:
        return self.images[index]

    def select(self, by: str, labels: Sequence[str]) -> "Stimuli":
        """The stimuli of these conditions (`by` "stimulus" or a column), in their own order.

        Raises RSAError for an unknown column and for conditions without a stimulus.
        """
        column = self.column(by)
        wanted, present = set(labels), set(column)
        absent = [label for label in labels if label not in present]
        if absent:
            raise RSAError(f"no stimulus for {len(absent)} of {len(labels)} conditions by {by}: {listing(absent)}")
        if wanted == present:
            return self
        keep = [i for i, value in enumerate(column) if value in wanted]
        return self.take(keep)

    def take(self, places: list[int]) -> "Stimuli":
        """The stimuli at these places, in this order."""
        table = {key: values[places] for key, values in self.table.items()}
        return Stimuli(_Selected(self.images, places), table, reference=self.reference)

    def column(self, by: str) -> list[str]:
        """The condition of every stimulus. Raises RSAError for an unknown column."""
        name = "stimulus_id" if by == "stimulus" else by
        if name not in self.table:
            raise RSAError(f"the stimuli have no column {by!r}{near(by, list(self.table))}")
        return [as_text(value) for value in self.table[name]]

    def descriptors(self, by: str) -> dict[str, Array]:
        """Columns of the conditions `by`, for an RDM's descriptors: those that are constant within each condition."""
        groups = self.column(by)
        first = {group: i for i, group in reversed(list(enumerate(groups)))}
        order = [first[group] for group in dict.fromkeys(groups)]
        source = np.array([first[group] for group in groups])
        columns = {key: values for key, values in self.table.items() if key not in ("stimulus_id", by)}
        return {key: values[order] for key, values in columns.items() if _same(values, values[source])}

    def checksum(self) -> str:
        """SHA-256 over ids and pixels."""
        digest = hashlib.sha256()
        for i, name in enumerate(self.table["stimulus_id"]):
            image = self._pixels(i)
            digest.update(f"{name} {image.shape} {image.dtype}".encode())
            digest.update(np.ascontiguousarray(image).tobytes())
        return digest.hexdigest()

    def _pixels(self, index: int) -> Array:
        try:
            image = self.images[index]
            if hasattr(image, "detach"):
                image = image.detach().cpu()
                image = image.numpy() if str(image.dtype) != "torch.bfloat16" else image.float().numpy()
            return np.asarray(image)
        except Exception as error:
            raise RSAError(f"image {self.table['stimulus_id'][index]} cannot be read: {reason(error)}") from error

    @classmethod
    def from_dataset(cls, dataset: Any, *, reference: str = "") -> "Stimuli":
        """From a torchvision-style data set of (image, class): ids are indices, classes become `category_name`."""
        if len(dataset) and not (isinstance(dataset[0], tuple) and len(dataset[0]) >= 2):
            raise RSAError("a data set of (image, class) pairs is needed; for images alone use Stimuli(images)")
        classes = list(getattr(dataset, "classes", ()))
        targets = getattr(dataset, "targets", None)
        if targets is None:
            targets = [dataset[i][1] for i in range(len(dataset))]
        names = [classes[int(t)] if classes and not isinstance(t, str) else as_text(t) for t in targets]
        return cls(_FirstOfPair(dataset), {"category_name": names}, reference=reference)


def _same(a: Array, b: Array) -> bool:
    """Whether two columns agree, NaN with NaN."""
    both_nan = (a != a) & (b != b)
    return bool(np.all((a == b) | both_nan))


class _Selected:
    def __init__(self, images: _Indexed, keep: list[int]) -> None:
        self.images, self.keep = images, keep

    def __len__(self) -> int:
        return len(self.keep)

    def __getitem__(self, index: int) -> Any:
        return self.images[self.keep[index]]


class _FirstOfPair:
    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Any:
        return self.dataset[index][0]


Images: TypeAlias = "Stimuli | torch.Tensor | Array | Sequence[Any]"


def as_stimuli(images: Any) -> Stimuli:
    """Stimuli from Stimuli (or what looks like them), a tensor or array (n, C, H, W), or a list of images."""
    if isinstance(images, Stimuli):
        return images
    if hasattr(images, "table"):
        return Stimuli(images, images.table, reference=getattr(images, "reference", ""))
    if hasattr(images, "ndim") and images.ndim != 4:
        raise RSAError(f"images must have shape (n, C, H, W), got {tuple(images.shape)}")
    if not (hasattr(images, "__len__") and hasattr(images, "__getitem__")) or isinstance(images, str | bytes | Mapping):
        raise RSAError(
            f"images must be Stimuli, a tensor (n, C, H, W) or a list of images, not {type(images).__name__}"
        )
    return Stimuli(images)
