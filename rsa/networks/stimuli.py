"""Stimuli: images with names and a table about them."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np

from ..errors import RSAError, check_known, listing, reason
from ..labels import (
    as_text,
    both_sides,
    check_labels,
    check_names,
    order_of,
    plain_column,
    respelled,
    row_labels,
    row_names,
)
from ..types import Array

if TYPE_CHECKING:
    import torch


class _Indexed(Protocol):
    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Any: ...


class _WithTable(_Indexed, Protocol):
    @property
    def table(self) -> Mapping[str, Any]: ...


class Stimuli:
    """n images and a table about them.

    `stimuli[i]` is an image (PIL, the path of a file, or a tensor (C, H, W)), loaded when asked for. Any object with
    `len`, `[i]` and `table` is accepted in place of Stimuli.

    Parameters
    ----------
    images : sequence of images, or any object with `len` and `[i]`
    table : mapping of str to n values, or DataFrame, optional
        Without a column `stimulus_id`, ids are the index of `images` or of the columns (Series, DataFrame, DataArray),
        otherwise "0", "1", ... A column with an index is aligned with the images by that index. Missing texts become
        empty strings.
    reference : str
        Where the images come from; saved with what is computed from them.

    Attributes
    ----------
    table : dict of str to array (n,)
        Columns: `stimulus_id` (unique) first, then `object_name`, `category_name` or whatever is known.

    Raises
    ------
    RSAError
        If a column differs from the images in length or index, and for missing or repeated ids.

    Examples
    --------
    >>> import numpy as np
    >>> from tgsage.rsa import Stimuli
    >>> images = np.zeros((3, 1, 8, 8), np.uint8)
    >>> stimuli = Stimuli(images, {"stimulus_id": ["a", "b", "c"], "object_name": ["car", "dog", "car"]})
    >>> stimuli.select("object_name", ["car"]).column("stimulus")
    ['a', 'c']
    """

    def __init__(
        self, images: _Indexed, table: Mapping[str, Sequence[Any] | Array] | None = None, *, reference: str = ""
    ) -> None:
        if isinstance(images, np.ma.MaskedArray) and np.ma.is_masked(images):
            raise RSAError("images hold masked pixels; fill them first")
        if not hasattr(images, "__len__") or hasattr(images, "columns"):
            raise RSAError(f"images must be a sequence of images, not {type(images).__name__}")
        if table is not None and not hasattr(table, "keys"):
            raise RSAError(f"table must be a mapping of columns or a DataFrame, not {type(table).__name__}")
        n, own = len(images), row_names(images)
        indexed = hasattr(images, "iloc") or hasattr(images, "coords")
        self.images = _Lazy(n, partial(_row, images)) if indexed else images
        self.table: dict[str, Array] = _table({} if table is None else dict(table.items()), own, n)
        self.reference = str(reference or "")

    def __repr__(self) -> str:
        whence = f", from {self.reference}" if self.reference else ""
        return f"Stimuli({len(self)} images{whence}; columns {listing(self.table, 8)})"

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Any:
        return self.images[index]

    def select(self, by: str, labels: Sequence[str]) -> "Stimuli":
        """Select the stimuli of some conditions, keeping the order of the stimuli.

        Names that differ only in spelling (Unicode form, file suffix) are matched and renamed, with a warning.

        Parameters
        ----------
        by : str
            "stimulus" or a column of the table.
        labels : sequence of str
            Conditions.

        Raises
        ------
        RSAError
            For an unknown column, and for conditions without a stimulus.
        """
        column = self.column(by)
        if other := respelled(labels, column, "stimuli" if by == "stimulus" else by):
            renamed = np.array([other.get(name, name) for name in column])
            table = {**self.table, "stimulus_id" if by == "stimulus" else by: renamed}
            return Stimuli(self.images, table, reference=self.reference).select(by, labels)
        wanted, present = set(labels), set(column)
        absent = [label for label in labels if label not in present]
        if absent:
            which = listing(absent)
            if len(absent) == len(labels):
                which = both_sides("the list of conditions", absent, "that of stimuli", list(dict.fromkeys(column)))
            raise RSAError(f"no stimulus for {len(absent)} of {len(labels)} conditions by {by}: {which}")
        if wanted == present:
            return self
        keep = [i for i, value in enumerate(column) if value in wanted]
        return self.take(keep)

    def take(self, places: list[int]) -> "Stimuli":
        """Select stimuli by position.

        Parameters
        ----------
        places : list of int
            Positions, in the order wanted.
        """
        table = {key: values[places] for key, values in self.table.items()}
        return Stimuli(_Lazy(len(places), partial(_selected, self.images, places)), table, reference=self.reference)

    def column(self, by: str) -> list[str]:
        """Return the condition of every stimulus.

        Parameters
        ----------
        by : str
            "stimulus" or a column of the table.

        Raises
        ------
        RSAError
            For an unknown column and missing values.
        """
        name = "stimulus_id" if by == "stimulus" else by
        check_known("the stimuli have no column", name, self.table)
        return check_names(self.table[name], f"{name} of the stimuli")

    def descriptors(self, by: str) -> dict[str, Array]:
        """Return the columns that are constant within each condition, for the descriptors of an RDM.

        Parameters
        ----------
        by : str
            "stimulus" or a column of the table.

        Returns
        -------
        dict of str to array (n_conditions,)
        """
        groups = self.column(by)
        first = {group: i for i, group in reversed(list(enumerate(groups)))}
        order = [first[group] for group in dict.fromkeys(groups)]
        source = np.array([first[group] for group in groups])
        columns = {key: values for key, values in self.table.items() if key not in ("stimulus_id", by)}
        return {key: values[order] for key, values in columns.items() if _same(values, values[source])}

    def checksum(self, *, loaders: int = 1) -> str:
        """Return the SHA-256 of ids and pixels.

        Parameters
        ----------
        loaders : int
            Threads that decode images, see `extract`.

        Returns
        -------
        str
        """
        from .readout import check_loaders

        digest, at_once = hashlib.sha256(), 16 * check_loaders(loaders)
        with ThreadPoolExecutor(loaders) as readers:
            for start in range(0, len(self), at_once):
                places = range(start, min(start + at_once, len(self)))
                pixels = map(self._pixels, places) if loaders == 1 else readers.map(self._pixels, places)
                for name, image in zip(self.table["stimulus_id"][start : start + at_once], pixels, strict=True):
                    digest.update(f"{name} {image.shape} {image.dtype}".encode())
                    digest.update(np.ascontiguousarray(image).tobytes())
        return digest.hexdigest()

    def _pixels(self, index: int) -> Array:
        from .pictures import plain, read_image

        try:
            image = self.images[index]
            image = read_image(image) if _is_file(image) else plain(image)
            if hasattr(image, "detach"):
                image = image.detach().cpu()
                image = image.numpy() if str(image.dtype) != "torch.bfloat16" else image.float().numpy()
            return np.asarray(image)
        except Exception as error:
            raise RSAError(f"image {self.table['stimulus_id'][index]} cannot be read: {reason(error)}") from error

    @classmethod
    def from_dataset(cls, dataset: Any, *, reference: str = "") -> "Stimuli":
        """Make stimuli from a torchvision-style data set of (image, target) pairs; ids are positions.

        Parameters
        ----------
        dataset : sequence of (image, target)
            For a `torch.utils.data.Subset`, names are looked up in the whole data set.
        reference : str
            Where the images come from.

        Returns
        -------
        Stimuli
            Classes become `category_name`, named by the data set's `classes` (with all synonyms; names shared by two
            classes are made unique by their `wnids` or numbers). Vectors (attributes, several labels) become one column
            per value, named by `attr_names` or `classes`, otherwise `target_0`, `target_1`, ...

        Raises
        ------
        RSAError
            For targets of any other kind, and for targets that do not fit the names.

        Notes
        -----
        Files that torchvision would open with its default loader, which turns 16-bit images white, are read in the same
        way as those of image folders.
        """
        first = (None, None) if _opens_files(dataset) or not len(dataset) else dataset[0]
        if not (isinstance(first, tuple | list) and len(first) >= 2):
            raise RSAError("dataset must hold (image, class) pairs; for images alone use Stimuli(images)")
        targets = _stored_targets(dataset)
        if targets is None:
            targets = [dataset[i][1] for i in range(len(dataset))]
        images = _Lazy(len(dataset), partial(_image_of, dataset))
        return cls(images, _target_columns(dataset, targets), reference=reference)


def _stored_targets(dataset: Any) -> Any:
    """The targets that a data set knows without decoding its images, or None."""
    targets, places = getattr(dataset, "targets", None), getattr(dataset, "indices", None)
    if targets is None and places is not None and hasattr(dataset, "dataset"):  # torch.utils.data.Subset
        whole = _stored_targets(dataset.dataset)
        return None if whole is None else [whole[i] for i in places]
    return targets


def _target_columns(dataset: Any, targets: Iterable[Any]) -> dict[str, Sequence[Any] | Array]:
    values = [target.tolist() if hasattr(target, "tolist") else target for target in targets]
    names = _class_names(dataset)
    if all(isinstance(value, str | bytes | int | float) for value in values):
        if not names:
            return {"category_name": check_names(values, "classes of the images")}
        return {"category_name": [_class_name(i, value, names) for i, value in enumerate(values)]}
    advice = "pass what you need of them as columns: Stimuli(images, table)"
    if not all(isinstance(value, tuple | list) and all(isinstance(x, int | float) for x in value) for value in values):
        raise RSAError(f"targets must be classes or vectors of numbers, not {_kind(values)}; {advice}")
    widths = sorted({len(value) for value in values})
    titles = [as_text(name) for name in _known(dataset, "attr_names") or () if name] or list(names.values())
    if len(widths) > 1 or (titles and len(titles) != widths[0]):
        known = f"for {len(titles)} names" if titles else "in one data set"
        raise RSAError(f"targets are vectors of {listing(widths)} values {known}; {advice}")
    table = np.array(values)
    whole = table.astype(np.int64) if np.all(np.mod(table, 1) == 0) else table
    return {name: whole[:, i] for i, name in enumerate(titles or [f"target_{i}" for i in range(widths[0])])}


def _kind(values: Sequence[Any]) -> str:
    odd = next(value for value in values if not isinstance(value, str | bytes | int | float))
    inside = f" of {type(odd[0]).__name__}" if isinstance(odd, tuple | list) and odd else ""
    return type(odd).__name__ + inside


def _known(dataset: Any, name: str) -> Any:
    """An attribute of a data set, or of the one of which it is a subset."""
    found = getattr(dataset, name, None)
    return _known(dataset.dataset, name) if found is None and hasattr(dataset, "dataset") else found


def _class_names(dataset: Any) -> dict[int, str]:
    """The unique names of a data set's classes by number."""
    classes, codes = _known(dataset, "classes"), _known(dataset, "wnids")
    if isinstance(classes, Mapping):  # number -> name, or name -> number
        numbered = dict(classes) if all(isinstance(k, int) for k in classes) else {v: k for k, v in classes.items()}
    else:
        numbered = dict(enumerate(() if classes is None else classes))
    names = {
        number: ", ".join(map(as_text, name)) if isinstance(name, tuple | list) else as_text(name)
        for number, name in numbered.items()
    }
    count = Counter(names.values())
    return {
        number: name if count[name] == 1 else f"{name} ({codes[number] if codes is not None else number})"
        for number, name in names.items()
    }


def _class_name(place: int, value: Any, names: Mapping[int, str]) -> str:
    if isinstance(value, str | bytes):
        return as_text(value)
    if value not in names:
        raise RSAError(f"image {place} is of class {value}, but the data set names classes {listing(names, 12)}")
    return names[value]


def _is_file(image: Any) -> bool:
    return isinstance(image, str | PathLike) and Path(image).is_file()


def _table(columns: dict[str, Any], own: list[str] | None, n: int) -> dict[str, Array]:
    """The columns in the order of n images that have `own` names, `stimulus_id` first."""
    given = columns.pop("stimulus_id", None)
    indices = (row_names(column) for column in ([given] if given is not None else columns.values()))
    rows = own or next((index for index in indices if index is not None), None)
    ids = check_labels(row_labels(own, given) or rows or range(n))
    table = {"stimulus_id": np.array(ids)}
    for key, values in columns.items():
        order = order_of(row_names(values), ids, f"column {key}", rows)
        try:
            column = plain_column(values)
        except (TypeError, ValueError) as error:
            raise RSAError(f"column {key} of the stimuli: {reason(error)}") from error
        table[as_text(key)] = column if order is None or len(order) != len(column) else column[order]
    for key, column in table.items():
        if column.shape != (n,):
            raise RSAError(f"{n} images but column {key} has shape {column.shape}")
    return table


def _same(a: Array, b: Array) -> bool:
    """Whether two columns are equal, taking NaN as equal to NaN."""
    both_nan = (a != a) & (b != b)
    return bool(np.all((a == b) | both_nan))


@dataclass
class _Lazy:
    """n images, each made when asked for."""

    n: int
    image: Callable[[int], Any]

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int) -> Any:
        return self.image(index)


def _row(images: Any, index: int) -> Any:
    """An image of a Series or DataArray by position."""
    return images.iloc[index] if hasattr(images, "iloc") else images[index].to_numpy()


def _selected(images: _Indexed, places: list[int], index: int) -> Any:
    return images[places[index]]


def _image_of(dataset: Any, index: int) -> Any:
    """The image of a pair; files that torchvision's default loader would open are read by `read_image`."""
    from .pictures import read_image

    if not _opens_files(dataset):
        return dataset[index][0]
    if hasattr(dataset, "indices"):
        return _image_of(dataset.dataset, dataset.indices[index])
    image = read_image(dataset.samples[index][0])
    return image if dataset.transform is None else dataset.transform(image)


def _opens_files(dataset: Any) -> bool:
    """Whether this is torchvision's data set of files with its default loader, or a subset of one."""
    from torch.utils.data import Subset
    from torchvision.datasets.folder import DatasetFolder, default_loader

    if type(dataset) is Subset:
        return _opens_files(dataset.dataset)
    own = getattr(type(dataset), "__getitem__", None) is DatasetFolder.__getitem__
    return own and dataset.loader is default_loader


Images: TypeAlias = "Stimuli | _WithTable | torch.Tensor | Array | Sequence[Any]"


def as_stimuli(images: Any) -> Stimuli:
    """Make Stimuli of Stimuli (or an object like them), a tensor or array (n, C, H, W), or a list of images."""
    if isinstance(images, Stimuli):
        return images
    if hasattr(images, "table"):
        return Stimuli(images, images.table, reference=getattr(images, "reference", ""))
    if hasattr(images, "ndim") and images.ndim != 4 and not hasattr(images, "iloc"):
        raise RSAError(f"images must have shape (n, C, H, W), got {tuple(images.shape)}")
    if not (hasattr(images, "__len__") and hasattr(images, "__getitem__")) or isinstance(images, str | bytes | Mapping):
        raise RSAError(
            f"images must be Stimuli, a tensor (n, C, H, W) or a list of images, not {type(images).__name__}; "
            "tgsage.neural_data.images reads folders and archives"
        )
    return Stimuli(images)
