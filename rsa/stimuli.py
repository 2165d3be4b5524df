"""Images with names: what a model is shown."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np

from .errors import RSAError
from .rdm import Array, check_labels

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

    @classmethod
    def from_dataset(cls, dataset: Any, *, reference: str = "") -> "Stimuli":
        """From a torchvision-style data set of (image, class): ids are indices, classes become `category_name`."""
        if len(dataset) and not (isinstance(dataset[0], tuple) and len(dataset[0]) >= 2):
            raise RSAError("a data set of (image, class) pairs is needed; for images alone use Stimuli(images)")
        classes = list(getattr(dataset, "classes", ()))
        targets = getattr(dataset, "targets", None)
        if targets is None:
            targets = [dataset[i][1] for i in range(len(dataset))]
        names = [classes[int(t)] if classes else str(int(t)) for t in targets]
        return cls(_FirstOfPair(dataset), {"category_name": names}, reference=reference)


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
        raise RSAError(f"images must be Stimuli, a tensor (n, C, H, W) or a list of images, not {type(images).__name__}")
    return Stimuli(images)
