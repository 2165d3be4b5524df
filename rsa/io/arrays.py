"""Arrays in files of others: .npy, .npz, MATLAB 5 and 7.3, and HDF5, by the names of their variables."""

import math
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import RSAError, listing, naming
from ..types import Array
from .hdf5 import attribute, member, opened, plain_dataset, read_column, read_or_map
from .mapped import held
from .matlab import cells, check_matlab

if TYPE_CHECKING:
    import h5py

LARGEST = 4 * 2**30  # bytes of one array, or of all that a compressed file claims
_MOST_NAMES = 100_000


class ArrayFile(Mapping[str, Array]):
    """Variables of a file, read when they are asked for; `shapes` tells them beforehand.

    Texts are arrays of str, and arrays of MATLAB have the axes that MATLAB shows. Nothing is unpickled, and sizes are
    checked before memory is taken. Large arrays of numbers in .npy and HDF5 stay in the file, read only.
    """

    def __init__(self, path: Path, kind: str) -> None:
        self.path = path
        shapes: Callable[[Path], dict[str, tuple[tuple[int, ...], str]]]
        shapes, self._read = _KINDS[kind]
        with naming(path, "cannot be read"):
            self.shapes = shapes(path)

    def __getitem__(self, name: str) -> Array:
        if name not in self.shapes:
            raise RSAError(f"{self.path} has no {name!r}; there are: {self.holds()}")
        with naming(self.path, "cannot be read"):
            return self._read(self.path, name)

    def __contains__(self, name: object) -> bool:
        return name in self.shapes

    def __iter__(self) -> Iterator[str]:
        return iter(self.shapes)

    def __len__(self) -> int:
        return len(self.shapes)

    def holds(self) -> str:
        """What is in the file, in a line."""
        return (
            listing((f"{name} {_size(shape)} {kind}" for name, (shape, kind) in self.shapes.items()), 12) or "nothing"
        )


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "single"


def _npy_shapes(path: Path) -> dict[str, tuple[tuple[int, ...], str]]:
    values = np.load(path, allow_pickle=False, mmap_mode="r")
    return {path.stem: (values.shape, _kind(values.dtype))}


def _read_npy(path: Path, name: str) -> Array:
    return _plain(held(np.load(path, allow_pickle=False, mmap_mode="r")))


def _npz_shapes(path: Path) -> dict[str, tuple[tuple[int, ...], str]]:
    found = {}
    headers: dict[tuple[int, int], Callable[..., Any]] = {
        (1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0
    }  # fmt: skip
    with zipfile.ZipFile(path) as archive:
        if sum(part.file_size for part in archive.infolist()) > LARGEST:
            raise RSAError("it claims more than 4 GiB")
        for part in archive.infolist():
            if not part.filename.endswith(".npy"):
                continue
            with archive.open(part) as file:
                read = headers.get(np.lib.format.read_magic(file))
                if read is None:
                    raise RSAError(f"{part.filename} is of a newer kind of npy")
                shape, _, dtype = read(file)
            if math.prod(shape) * dtype.itemsize > part.file_size:
                raise RSAError(f"{part.filename} claims shape {shape} but holds {part.file_size} bytes")
            found[part.filename.removesuffix(".npy")] = (shape, _kind(dtype))
    return found


def _read_npz(path: Path, name: str) -> Array:
    with np.load(path, allow_pickle=False) as file:
        return _plain(file[name])


def _matlab_shapes(path: Path) -> dict[str, tuple[tuple[int, ...], str]]:
    from scipy.io import whosmat

    check_matlab(path, LARGEST)
    return {name: (tuple(shape), kind) for name, shape, kind in whosmat(path)}


def _read_matlab(path: Path, name: str) -> Array:
    from scipy.io import loadmat

    return _plain(loadmat(path, variable_names=[name])[name])


def _hdf5_shapes(path: Path) -> dict[str, tuple[tuple[int, ...], str]]:
    import h5py

    found: dict[str, tuple[tuple[int, ...], str]] = {}
    with opened(path) as file:
        left: list[tuple[str, Any]] = [("", file)]
        while left:
            at, item = left.pop()
            if isinstance(item, h5py.Dataset):
                if item.shape is not None:
                    found[at] = (item.shape[::-1] if _of_matlab(item) else item.shape, _hdf5_kind(item))
                continue
            inside = [name for name in item if isinstance(item.get(name, getlink=True), h5py.HardLink)]
            left += [(f"{at}/{name}".strip("/"), item[name]) for name in reversed(inside) if name != "#refs#"]
            if len(left) + len(found) > _MOST_NAMES:
                raise RSAError("it holds too many objects")
    return found


def _hdf5_kind(item: "h5py.Dataset") -> str:
    import h5py

    matlab = attribute(item, "MATLAB_class")
    text = h5py.check_string_dtype(item.dtype) is not None or matlab == "char"
    return "text" if text else "cell" if h5py.check_ref_dtype(item.dtype) is not None else _kind(item.dtype)


def _of_matlab(item: "h5py.Dataset") -> bool:
    return "MATLAB_class" in item.attrs


def _read_hdf5(path: Path, name: str) -> Array:
    import h5py

    with opened(path) as file:
        item = member(file, name)
        if not isinstance(item, h5py.Dataset):
            raise RSAError(f"{name} is a group, not data")
        if h5py.check_ref_dtype(item.dtype) is not None:
            return _texts_of_cells(file, name)
        values = (read_column if _of_matlab(item) else read_or_map)(file, name, limit=LARGEST)
        if attribute(item, "MATLAB_class") == "char":
            return np.array([_matlab_text(row) for row in np.atleast_2d(values.T)])
        return values.T if _of_matlab(item) else values


def _texts_of_cells(file: "h5py.File", name: str) -> Array:
    """The texts that a cell array of MATLAB refers to."""
    import h5py

    if (size := plain_dataset(file, name).size) > _MOST_NAMES * 10:
        raise RSAError(f"{name} claims {size} cells, too many")
    texts = []
    for cell in map(h5py.Dataset, cells(file, name)):
        if attribute(cell, "MATLAB_class") != "char" or cell.nbytes > 2**16:
            raise RSAError(f"{name} is a cell array that holds other things than texts")
        texts.append(_matlab_text(cell[()].T))
    return np.array(texts)


def _matlab_text(codes: Any) -> str:
    return "".join(map(chr, np.asarray(codes).ravel().tolist())).rstrip("\0 ")


def _plain(values: Any) -> Array:
    """Numbers as they are, texts (also of a cell array of MATLAB) as a column of str. Raises RSAError for others."""
    array = np.asarray(values)
    if array.dtype.kind == "O":
        items = [np.asarray(item) for item in array.ravel()]
        if not all(item.dtype.kind == "U" and item.size <= 1 for item in items):
            raise RSAError("it is a cell array or structure that holds other things than texts")
        return np.array([str(item.ravel()[0]) if item.size else "" for item in items])
    if array.dtype.kind == "S":
        return np.char.decode(array, "utf-8")
    if array.dtype.kind not in "biufU":
        raise RSAError(f"it holds {array.dtype}, not numbers or texts")
    if array.dtype.kind == "U":
        return np.char.rstrip(array.ravel() if array.ndim > 1 and max(array.shape) == array.size else array)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _kind(dtype: np.dtype[Any]) -> str:
    return "text" if dtype.kind in "SU" else str(dtype)


_KINDS: dict[str, tuple[Callable[[Path], dict[str, tuple[tuple[int, ...], str]]], Callable[[Path, str], Array]]] = {
    "npy": (_npy_shapes, _read_npy),
    "npz": (_npz_shapes, _read_npz),
    "mat": (_matlab_shapes, _read_matlab),
    "hdf5": (_hdf5_shapes, _read_hdf5),
}
ARRAYS = tuple(_KINDS)
