"""Images in an archive, a folder or an HDF5 array, decoded when they are asked for and never unpacked to disk."""

import io
import os
import struct
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from ...rsa import RSAError
from ...rsa.errors import listing, reason
from ...rsa.labels import SUFFIXES
from ...rsa.networks.pictures import MAX_BYTES, read_bytes, read_image

if TYPE_CHECKING:
    from PIL import Image

_NOT_IMAGES = ("__MACOSX", "@eaDir")  # folders in which macOS and network drives keep copies of their own


class ImageFiles(ABC):
    """Images by position, RGB. Holds names and no open file, so threads and worker processes may share it.

    An image that cannot be decoded raises one RSAError that names all such images of the set.
    """

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        self.path = path
        self.names = tuple(names)

    @abstractmethod
    def read(self, index: int) -> bytes:
        """The encoded image. Raises RSAError, OSError or zlib.error."""

    @abstractmethod
    def take(self, order: Sequence[int]) -> "ImageFiles":
        """These images in this order."""

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> "Image.Image":
        if not -len(self) <= index < len(self):
            raise IndexError(f"image {index} of {len(self)}")
        try:
            return self._decode(index)
        except Exception as error:  # anything that a damaged image may cause in a decoder
            bad = [name for i, name in enumerate(self.names) if not self._is_sound(i)]
            raise RSAError(
                f"{self.path}: {len(bad)} of {len(self)} images cannot be decoded: {listing(bad)} ({reason(error)})"
            ) from error

    def _decode(self, index: int) -> "Image.Image":
        return read_image(self.read(index))

    def _is_sound(self, index: int) -> bool:
        try:
            self._decode(index)
        except Exception:
            return False
        return True


def is_image(name: str) -> bool:
    """Whether a path in a set is an image by its name, and neither hidden nor in a hidden folder."""
    parts = PurePosixPath(name).parts
    return PurePosixPath(name).suffix.lower() in SUFFIXES and not any(map(is_hidden, parts))


def _inside(path: Path) -> Iterator[Path]:
    """The files of a folder, of those in it, and of those that links in it lead to, but for hidden folders."""
    for name, folders, files in os.walk(path, followlinks=True):
        folder = Path(name)
        folders[:] = [inner for inner in folders if not is_hidden(inner) and not _loops(folder / inner)]
        yield from (folder / file for file in files if is_image(file) and (folder / file).is_file())


def _loops(folder: Path) -> bool:
    """Whether a folder is a link to one that it lies in."""
    return folder.is_symlink() and folder.parent.resolve().is_relative_to(folder.resolve())


def is_hidden(part: str) -> bool:
    """Whether a file or folder belongs to some system: `._a.png`, `.ipynb_checkpoints`, `__MACOSX`."""
    return part.startswith(".") or part in _NOT_IMAGES


class FolderImages(ImageFiles):
    """The image files of a folder and its subfolders, in order of their names; hidden ones are left out."""

    def __init__(self, path: Path, names: Sequence[str] | None = None) -> None:
        if names is None:
            names = sorted(file.relative_to(path).as_posix() for file in _inside(path))
        super().__init__(path, names)

    def read(self, index: int) -> bytes:
        return read_bytes(self.path / self.names[index])

    def take(self, order: Sequence[int]) -> "FolderImages":
        return FolderImages(self.path, [self.names[i] for i in order])


class ZipImages(ImageFiles):
    """The image files of a zip archive, in order of their names; hidden ones are left out.

    Raises RSAError for what is no archive, and for members that are encrypted, that claim more than 64 MiB, or whose
    name leads out of the archive.
    """

    def __init__(self, path: Path, members: Sequence[zipfile.ZipInfo] | None = None) -> None:
        self.members = tuple(_members(path) if members is None else members)
        super().__init__(path, [member.filename for member in self.members])

    def read(self, index: int) -> bytes:
        member = self.members[index]
        with self.path.open("rb") as file:
            file.seek(member.header_offset)
            lengths = struct.unpack("<HH", file.read(30)[26:])  # of name and extra field; the directory's may differ
            file.seek(sum(lengths), io.SEEK_CUR)
            content = file.read(member.compress_size)
        if member.compress_type == zipfile.ZIP_DEFLATED:
            content = zlib.decompressobj(-zlib.MAX_WBITS).decompress(content, member.file_size + 1)
        if len(content) != member.file_size or zlib.crc32(content) != member.CRC:
            raise RSAError("its size or checksum is not the archive's")
        return content

    def take(self, order: Sequence[int]) -> "ZipImages":
        return ZipImages(self.path, [self.members[i] for i in order])


def _members(path: Path) -> list[zipfile.ZipInfo]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
    except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError, struct.error) as error:
        raise RSAError(f"{path} cannot be read as a zip archive: {reason(error)}") from error
    outside = [
        m.filename
        for m in members
        if m.filename.startswith(("/", "\\")) or ".." in m.filename.replace("\\", "/").split("/")
    ]
    if outside:
        raise RSAError(f"{path} names files outside itself: {listing(outside)}")
    members = [member for member in members if is_image(member.filename)]
    huge = [m.filename for m in members if max(m.file_size, m.compress_size) > MAX_BYTES]
    if huge:
        raise RSAError(f"{path}: {len(huge)} images claim more than {MAX_BYTES >> 20} MiB: {listing(huge)}")
    odd = [
        m.filename
        for m in members
        if m.flag_bits & 1 or m.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
    ]
    if odd:
        raise RSAError(f"{path}: {len(odd)} images are encrypted or packed in another way than deflate: {listing(odd)}")
    return sorted(members, key=lambda member: member.filename)


class ArrayImages:
    """Images of an HDF5 data set (n, height, width) or (n, height, width, 3) of bytes, as RGB.

    Raises RSAError naming the file when the data set is something else or cannot be read.
    """

    def __init__(self, path: Path, name: str = "images") -> None:
        from ...rsa.io.hdf5 import opened, plain_dataset

        with opened(path) as file:
            data = plain_dataset(file, name)
            if data.dtype != np.uint8 or data.ndim not in (3, 4) or data.shape[3:] not in ((), (3,)):
                raise RSAError(f"{name} holds {data.dtype} of shape {data.shape}, not images")
            if np.prod(data.shape[1:]) > MAX_BYTES:
                raise RSAError(f"{name} claims images of {data.shape[1:]} pixels")
            self._count = len(data)
        self.path, self.name = path, name

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> "Image.Image":
        from PIL import Image

        from ...rsa.io.hdf5 import opened, plain_dataset

        row = range(self._count)[index]
        with opened(self.path) as file:
            pixels: Any = plain_dataset(file, self.name)[row]
        return Image.fromarray(pixels).convert("RGB")


class JoinedImages:
    """The images of several sets, one set after the other."""

    def __init__(self, sets: Sequence[ArrayImages]) -> None:
        self.places = [(images, i) for images in sets for i in range(len(images))]

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> "Image.Image":
        images, i = self.places[index]
        return images[i]
