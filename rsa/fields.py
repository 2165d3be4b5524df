"""What goes with the numbers: texts, attributes, descriptors, and the labelled values that RDMs and features are."""

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from .errors import RSAError, as_mapping, listing, near
from .labels import as_text, check_labels, order_of, plain_column, row_names
from .types import Array, Attr

if TYPE_CHECKING:
    import h5py


def text_field(value: object, what: str, default: str = "") -> str:
    """Check that a value is text; None is the default. Raises RSAError naming the field."""
    if value is None:
        return default
    if not isinstance(value, str | PurePath):
        raise RSAError(f"{what} must be text, got {value!r} ({type(value).__name__})")
    return str(value)


def attr_fields(attrs: Mapping[str, Any] | None, title: str) -> dict[str, Attr]:
    """Convert attributes to texts, plain numbers and None: numpy scalars, arrays of one element, paths and bytes.

    Raises RSAError naming the attribute that is something else.
    """
    return {
        as_text(key): _attr(value, f"{title}: attribute {key}")
        for key, value in as_mapping(attrs, f"{title}: attrs").items()
    }


def _attr(value: Any, what: str) -> Attr:
    if isinstance(value, PurePath | np.str_):
        return str(value)
    if isinstance(value, bytes):
        return as_text(value) if value else ""
    if hasattr(value, "item") and math.prod(getattr(value, "shape", ())) == 1:
        value = value.item()
    if not isinstance(value, str | int | float | None):
        raise RSAError(f"{what} must be text, a number or None, got {type(value).__name__}; str() makes text of it")
    return value


def columns_beside(
    columns: Mapping[str, Any] | None, names: Sequence[str], title: str, rows: Sequence[str] | None = None
) -> dict[str, Array]:
    """Convert columns that belong to rows of these names: one number or text per row, a missing text as "".

    A Series or DataArray is matched by its own index (`order_of`, with `rows`). Raises RSAError naming the column that
    has another shape, other rows, or values of another kind.
    """
    found = {}
    for key, values in as_mapping(columns, f"{title}: descriptors").items():
        name = f"{title}: descriptor {key}"
        try:
            order, column = order_of(row_names(values), names, name, rows), plain_column(values)
        except (TypeError, ValueError) as error:
            raise RSAError(f"{name}: {error}" if name not in str(error) else str(error)) from error
        if column.shape != (len(names),):
            raise RSAError(f"{name} has shape {column.shape}, expected ({len(names)},)")
        found[as_text(key)] = column if order is None else column[order]
    return found


def plain_fields(
    labels: tuple[str, ...], rows: Sequence[str] | None, title: str, *, name: Any, by: Any, descriptors: Any, attrs: Any
) -> dict[str, Any]:
    """Check and convert what goes with values; rows: the index that the labels came with."""
    return {
        "labels": labels,
        "name": str(name or ""),
        "by": text_field(by, f"{title}: by", "stimulus"),
        "descriptors": columns_beside(descriptors, labels, title, rows),
        "attrs": attr_fields(attrs, title),
    }


def write_fields(
    group: "h5py.Group", *, labels: Sequence[str], descriptors: Mapping[str, Array], attrs: object, **texts: str
) -> None:
    """Store what goes with values beside them in an open HDF5 group."""
    from .io.hdf5 import write_array

    write_array(group, "labels", np.array(labels, object))
    for i, (key, column) in enumerate(descriptors.items()):
        write_array(group, f"descriptor{i}", column)
        group[f"descriptor{i}"].attrs["name"] = key
    for key, text in texts.items():
        group.attrs[key] = text
    group.attrs["attrs"] = json.dumps(attrs)


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Labelled:
    """Read-only values about conditions that have names: the common part of RDMs and features."""

    values: Array
    labels: tuple[str, ...]
    name: str
    by: str
    descriptors: Mapping[str, Array]
    attrs: Mapping[str, Attr]

    _texts: ClassVar[tuple[str, ...]] = ("name", "by")  # fields that are stored as texts

    def _set(
        self, values: Array, rows: Sequence[str] | None, title: str, *, labels: tuple[str, ...], **given: Any
    ) -> None:
        """Set the fields, values and labels being checked; rows: the index that the labels came with."""
        values.flags.writeable = False
        for key, value in {"values": values, **plain_fields(labels, rows, title, **given)}.items():
            object.__setattr__(self, key, value)

    def __len__(self) -> int:
        return len(self.labels)

    def replace(self, **changed: Any) -> Self:
        """Copy with some fields changed.

        Parameters
        ----------
        **changed
            New values of fields, checked as in the constructor.

        Returns
        -------
        The same class.
        """
        make: Callable[..., Self] = type(self)
        return make(**({field.name: getattr(self, field.name) for field in fields(self)} | changed))

    def subset(self, labels: Iterable[object]) -> Self:
        """Select conditions, in the order given.

        Parameters
        ----------
        labels : iterable
            A set is taken in sorted order.

        Returns
        -------
        The same class.

        Raises
        ------
        RSAError
            For an unknown or repeated label.
        """
        wanted = check_labels(sorted(map(str, labels)) if isinstance(labels, set | frozenset) else labels)
        if wanted == self.labels:
            return self
        place = {label: i for i, label in enumerate(self.labels)}
        unknown = [label for label in wanted if label not in place]
        if unknown:
            raise RSAError(
                f"{len(unknown)} label(s) not in {self!r}: {listing(unknown)}{near(unknown[0], self.labels)}"
            )
        order = np.array([place[label] for label in wanted], np.int64)
        values = self._selected(order)
        values.flags.writeable = False  # so that it is kept without a copy
        columns = {key: column[order] for key, column in self.descriptors.items()}
        return self.replace(values=values, labels=wanted, descriptors=columns)

    def _selected(self, order: npt.NDArray[np.int64]) -> Array:
        """The values of these conditions, in this order."""
        raise NotImplementedError

    def write(self, group: "h5py.Group") -> None:
        """Store in an open HDF5 group."""
        from .io.hdf5 import write_array

        write_array(group, "values", self.values)
        texts = {key: getattr(self, key) for key in self._texts}
        write_fields(group, labels=self.labels, descriptors=self.descriptors, attrs=self.attrs, **texts)

    @classmethod
    def read(cls, group: "h5py.Group") -> Self:
        """Read from an open HDF5 group; values beyond 256 MB stay in the file and are mapped into memory.

        Returns
        -------
        The same class.

        Raises
        ------
        RSAError
            For a group that lacks a field or holds values that the constructor refuses.
        """
        from .io.hdf5 import read_column, read_json, read_or_map, read_text

        stored = [f"descriptor{i}" for i in range(len(group)) if f"descriptor{i}" in group]
        make: Callable[..., Self] = cls
        return make(
            read_or_map(group, "values"),
            read_column(group, "labels"),
            descriptors={read_text(group[place], "name"): read_column(group, place) for place in stored},
            attrs=read_json(group, "attrs"),
            **{key: read_text(group, key) for key in cls._texts},
        )
