"""Data sets by name. To add one: a function here, and its line in `DATASETS`."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias

import numpy as np
import torch

from ...neural_data.catalogue.image_files import FolderImages, ImageFiles, ZipImages
from ...neural_data.catalogue.lookup import data_folder
from ...rsa import RSAError, Stimuli
from ...rsa.errors import check_is, listing, near, reason
from ...rsa.networks.readout import check_loaders
from ...rsa.types import Array
from .class_folders import class_folders
from .data import Data, make_data
from .decoding import FileImages, decode_once
from .text import VOCABULARY, read_text

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet
_CIFAR10 = {"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"}
_LARGEST = 224  # side of a folder's images, unless a size is asked for


@dataclass(frozen=True)
class Request:
    """What is asked of a loader: the name, what followed its colon, and the arguments of `load_data`."""

    name: str
    path: str
    folder: Path
    validation: int | None
    size: int | None
    download: bool
    loaders: int | None

    def held_out(self, default: int) -> int:
        return default if self.validation is None else self.validation


Loader: TypeAlias = Callable[[Request], Data]


def load_data(
    name: str,
    *,
    data_dir: str | Path | None = None,
    validation: int | None = None,
    size: int | None = None,
    download: bool = False,
    loaders: int | None = None,
) -> Data:
    """Read a data set by name.

    =================  ========================================================================  ==============
    name               what it is                                                                held out for P
    =================  ========================================================================  ==============
    `digits`           scikit-learn's 8 x 8 grey digits, 360 of them for testing                 180
    `simulated`        rendered objects of 8 categories, 64 x 64 grey, variation 3: images 0     256
                       to 7 of each of the 64 objects, which the recording "simulated" shows,
                       for testing, 8 to 39 for training: the objects in the test images are
                       known from training, the images are not
    `cifar10`, 100     torchvision's files in the data folder                                    5,000
    `cifar10-jpeg`     2,000 + 200 images per class from cifar10/cifar10_jpg.zip there           2,000
    `folder:PATH`      PATH/CLASS/..., a tenth for testing; or PATH/train/CLASS and              a tenth
                       PATH/test/CLASS
    `imagenet:PATH`    PATH/train/CLASS and PATH/val/CLASS (for testing), 224 x 224, decoded     50,000
                       anew
    `imagenet64:PATH`  the same at 64 x 64, decoded once into the cache (16 GB)                  50,000
    `text:FILE`        words of a UTF-8 text in contexts of 35, a tenth for testing              a tenth
                       (`TextData`)
    =================  ========================================================================  ==============

    The parts of a folder may be named in any usual spelling (training, Val, dev, testing, ...). Where a folder has both
    val and test, P is measured on val and nothing is held out. Images of ImageNet and of folders are normalised by
    ImageNet's mean and standard deviation, every other image over its own pixels.

    Parameters
    ----------
    name : str
        PATH is made absolute, in the data set's name as well, so that a search or a checkpoint refers to the same
        folder from anywhere.
    data_dir : path, optional
        By default $TGSAGE_DATA, else the cache folder.
    validation : int, optional
        How many training images are held out for P; always the same ones.
    size : int, optional
        For a folder, the side of its images, by default the first image's shorter side, at most 224; for a text, the
        number of words in its vocabulary, by default 10,000.
    download : bool
        Fetch cifar10 or cifar100 where they are missing.
    loaders : int, optional
        Threads that decode image files; by default one for each core.

    Raises
    ------
    RSAError
        For an unknown name, and for files that are missing or damaged.

    Examples
    --------
    >>> from tgsage.plugins.training import load_data
    >>> data = load_data("digits")
    >>> data.shape, len(data.train), len(data.valid), len(data.test)
    ((1, 8, 8), 1257, 180, 360)
    """
    check_is(str, name=name)
    kind, _, path = name.partition(":")
    if kind not in DATASETS:
        raise RSAError(f"no data set is named {name!r}{near(kind, DATASETS)}")
    if bool(path) != (kind in _WITH_PATH):
        needed = "file: text:FILE" if kind == "text" else f"folder: {kind}:PATH"
        raise RSAError(f"data set {kind} needs its {needed}" if not path else f"{kind} takes no path")
    if size is not None and (kind not in ("folder", "text") or size < 1):
        raise RSAError(f"a size (at least 1) can be chosen for folder:PATH and text:FILE only, not {size} for {kind}")
    if loaders is not None:
        check_loaders(loaders)
    if path:
        path = os.path.abspath(path)  # noqa: PTH100  symbolic links keep their names
        name = f"{kind}:{path}"
    return DATASETS[kind](Request(name, path, data_folder(data_dir), validation, size, download, loaders))


def load_stimuli(reference: str, *, data_dir: str | Path | None = None) -> Stimuli:
    """Read the images that a teacher made from `Data.stimuli` refers to.

    Parameters
    ----------
    reference : str
        NAME/PART, such as "cifar10-jpeg/valid".
    data_dir : path, optional
        As in `load_data`.

    Raises
    ------
    RSAError
        As `load_data` does.
    """
    name, _, part = reference.rpartition("/")
    return load_data(name, data_dir=data_dir).stimuli(part)


def _digits(request: Request) -> Data:
    from sklearn.datasets import load_digits

    found = load_digits()
    pixels = np.round(found.images * (255 / 16)).astype(np.uint8)[:, None]
    test = np.isin(np.arange(len(pixels)), np.random.default_rng(0).permutation(len(pixels))[:360])
    classes = [str(digit) for digit in range(10)]
    held_out = request.held_out(180)
    return make_data(request.name, torch.from_numpy(pixels), found.target, classes, test=test, validation=held_out)


def _simulated(request: Request) -> Data:
    from ...neural_data.simulation.images import PER_OBJECT, image_arrays

    images, table = image_arrays(0, (0, PER_OBJECT[1], 0), 64, None)
    classes, labels = np.unique(table["category_name"], return_inverse=True)
    test = np.array([int(name.rpartition("_")[2]) < 8 for name in table["stimulus_id"].tolist()])
    columns = {key: table[key] for key in ("stimulus_id", "object_name", "variation")}
    source, held_out = torch.from_numpy(images[:, None]), request.held_out(256)
    return make_data(request.name, source, labels, classes.tolist(), test=test, validation=held_out, table=columns)


def _cifar(request: Request) -> Data:
    from torchvision.datasets import CIFAR10, CIFAR100

    kind = CIFAR100 if request.name == "cifar100" else CIFAR10
    try:  # pickles, which torchvision opens only where their MD5 is the published one
        sets = [kind(request.folder, train=train, download=request.download) for train in (True, False)]
    except (RuntimeError, OSError) as error:
        where = request.folder / kind.base_folder
        how = (
            f"torchvision cannot fetch it ({reason(error)})"
            if request.download
            else "with download (--download) torchvision fetches them"
        )
        raise RSAError(f"{request.name}: {where} does not hold the published files; {how}") from error
    pixels = torch.from_numpy(np.concatenate([part.data for part in sets])).permute(0, 3, 1, 2).contiguous()
    labels = np.concatenate([part.targets for part in sets])
    test = np.repeat([False, True], [len(part) for part in sets])
    ids = [f"{part}/{i:05d}" for part, found in zip(("train", "test"), sets, strict=True) for i in range(len(found))]
    table = {"stimulus_id": np.array(ids)}
    held_out = request.held_out(5000)
    return make_data(request.name, pixels, labels, sets[0].classes, test=test, validation=held_out, table=table)


def _cifar_jpeg(request: Request) -> Data:
    path = request.folder / "cifar10" / "cifar10_jpg.zip"
    if not path.is_file():
        raise RSAError(f"{request.name}: {path} is missing; TGSAGE_DATA or data_dir names the folder that has it")
    files = ZipImages(path)
    classes = {PurePosixPath(name).parent.name for name in files.names}
    if classes != _CIFAR10:
        raise RSAError(
            f"{path} holds {listing(sorted(classes))}, not the classes of CIFAR-10; folder:PATH reads others"
        )
    return _from_files(request, files, 32, held_out=request.held_out(2000), normalised=False)


def _folder(request: Request) -> Data:
    files = _files_of(request)
    size = request.size or min(*files[0].size, _LARGEST)
    return _from_files(request, files, size, held_out=request.validation)


def _imagenet(request: Request) -> Data:
    return _from_files(request, _files_of(request), 224, held_out=request.held_out(50_000), once=False)


def _imagenet64(request: Request) -> Data:
    return _from_files(request, _files_of(request), 64, held_out=request.held_out(50_000))


def _text(request: Request) -> Data:
    sizes: dict[str, Any] = {"vocabulary": request.size or VOCABULARY, "validation": request.validation}
    return read_text(request.path, name=request.name, **sizes)


def _files_of(request: Request) -> ImageFiles:
    folder = Path(request.path)
    if not folder.is_dir():
        raise RSAError(f"{request.name}: there is no folder {folder}")
    files = FolderImages(folder)
    if not len(files):
        raise RSAError(f"{folder} holds no images")
    return files


def _from_files(
    request: Request, files: ImageFiles, size: int, *, held_out: int | None, normalised: bool = True, once: bool = True
) -> Data:
    found = class_folders(files.path, files.names)
    if found.valid is not None and request.validation is not None:
        raise RSAError(f"{request.name} has validation images of its own; leave out validation={request.validation}")
    ids: Array = np.array([str(PurePosixPath(name).with_suffix("")) for name in files.names])
    if len(set(ids)) < len(ids):
        ids = np.array(files.names)
    held_out = max(1, int((~found.test).sum()) // 10) if held_out is None else held_out
    source = decode_once(files, size, request.loaders) if once else FileImages(files, size, request.loaders)
    scale: dict[str, Any] = {"mean": _MEAN, "std": _STD} if normalised else {}
    split: dict[str, Any] = {"test": found.test, "validation": held_out if found.valid is None else found.valid}
    about = {**split, **scale, "taken": found.taken, "table": {"stimulus_id": ids}}
    data = make_data(request.name, source, found.labels, found.classes, **about)
    counts = np.bincount(found.labels)
    untrained = np.setdiff1d(found.labels, data.train.labels.numpy())
    if len(untrained):
        named = listing(f"{found.classes[kind]} ({counts[kind]} images)" for kind in untrained.tolist())
        raise RSAError(f"{files.path}: no training images are left of {named}; add images, or leave such classes out")
    return data


_WITH_PATH = ("folder", "imagenet", "imagenet64", "text")
DATASETS: dict[str, Loader] = {
    "digits": _digits,
    "simulated": _simulated,
    "cifar10": _cifar,
    "cifar100": _cifar,
    "cifar10-jpeg": _cifar_jpeg,
    "folder": _folder,
    "imagenet": _imagenet,
    "imagenet64": _imagenet64,
    "text": _text,
}
