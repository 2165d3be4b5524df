"""Which class and which part an image is of, by the folders that it lies in: [train/ or val/ or test/] CLASS / FILE."""

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from ...neural_data.catalogue.image_files import is_hidden
from ...rsa import RSAError
from ...rsa.errors import listing
from ...rsa.types import Array

_TITLES = {"valid": "validation", "test": "test"}
_SPELLINGS = {
    "train": "trn|train(ing)?",
    "valid": "val(id(ation)?)?|dev(el(opment)?)?|eval(uation)?",
    "test": "tst|test(ing)?",
}
_ENDING = r"([ _.-]?(set|split|data|images|imgs))?([ _.-]?\d{1,4})?"  # as in train_set, val2017


@dataclass(frozen=True)
class ClassFolders:
    """classes: names in order. labels (n,): the class of every image. test (n,): which are for testing.

    valid (n,): which P is measured on, None where these are to be drawn from the training images. taken: a few words
    on where the parts are from.
    """

    classes: tuple[str, ...]
    labels: Array
    test: Array
    valid: Array | None
    taken: str


def part_of(folder: str) -> str | None:
    """The part that a folder's name stands for, in any usual spelling: train, valid, test, or None."""
    return next((p for p, names in _SPELLINGS.items() if re.fullmatch(f"({names}){_ENDING}", folder.lower())), None)


def class_folders(path: Path, names: Sequence[str]) -> ClassFolders:
    """Classes and parts of the images of a folder or archive, by their paths in it.

    `val` is what P is measured on where a `test` lies beside it, and for testing where none does; without parts a
    tenth of the images is for testing. Warns of folders without images and of classes that a part lacks.

    Raises RSAError for images in no class, fewer than two classes, parts beside classes or inside them, two folders
    for one part, and no training images of a class.
    """
    split = [PurePosixPath(name).parts for name in names]
    parts = _parts(path, split)
    depth = 1 if parts else 0
    loose = [name for name, levels in zip(names, split, strict=True) if len(levels) < depth + 2]
    if loose:
        raise RSAError(f"{path}: {len(loose)} images lie in no folder of a class: {listing(loose)}")
    kinds = np.array([levels[depth] for levels in split])
    classes, labels = np.unique(kinds, return_inverse=True)
    if len(classes) < 2:
        inner = any(len(levels) > depth + 2 for levels in split)
        hint = f"; its own folders may be what is meant: {path / classes[0]}" if inner and not parts else ""
        raise RSAError(f"{path}: all images lie in one folder of a class, {classes[0]}; there must be two{hint}")
    _check_empty(path, split, depth)
    if not parts:
        _check_inside(path, split)
        order = np.random.default_rng(0).permutation(len(names))
        test = np.isin(np.arange(len(names)), order[: len(names) // 10])
        return ClassFolders(tuple(classes.tolist()), labels, test, None, "a random tenth is for testing")
    mine = np.array([levels[0] for levels in split])
    present = {part: mine == folder for part, folder in parts.items()}
    _check_classes(path, parts, {part: set(kinds[places].tolist()) for part, places in present.items()})
    tested = "test" if "test" in parts else "valid"
    test = present.get(tested, np.zeros(len(names), bool))
    valid = present.get("valid") if tested == "test" else None
    measured = "images of it" if valid is None else f"{parts['valid']}/"
    taken = f"trained on {parts['train']}/, P is measured on {measured}"
    taken += f", tested on {parts[tested]}/" if tested in parts else ", no images for testing"
    return ClassFolders(tuple(classes.tolist()), labels, test, valid, taken)


def _parts(path: Path, split: Sequence[tuple[str, ...]]) -> dict[str, str]:
    """Part -> its folder; empty where the folders are classes."""
    depths: dict[str, int] = {}
    for levels in split:
        depths[levels[0]] = max(len(levels), depths.get(levels[0], 0))
    found = [(part_of(folder), folder) for folder, depth in depths.items() if depth > 1]
    named = [folder for part, folder in found if part]
    if not named:
        return {}
    others = [folder for folder in depths if folder not in named]
    if others:
        if len(named) == 1 and depths[named[0]] == 2:
            return {}  # images of trains, beside those of ships
        raise RSAError(
            f"{path}: {listing(named)} are parts of a data set (or classes with folders of their own?), but beside "
            f"them lie {listing(others)}; rename or move one of the two"
        )
    by_part = {part: [folder for p, folder in found if p == part] for part in _SPELLINGS}
    twice = next((folders for folders in by_part.values() if len(folders) > 1), None)
    if twice:
        raise RSAError(f"{path}: {listing(twice)} are names of the same part; keep one of them")
    if not by_part["train"]:
        raise RSAError(f"{path}: there are {listing(named)} but no training images, in train/CLASS/")
    return {part: folders[0] for part, folders in by_part.items() if folders}


def _check_inside(path: Path, split: Sequence[tuple[str, ...]]) -> None:
    """Raises RSAError where the parts are folders of the classes."""
    inside = {(levels[0], levels[1]) for levels in split if len(levels) > 2}
    if len({part_of(folder) for _, folder in inside} - {None}) > 1:
        shown = sorted(f"{kind}/{folder}" for kind, folder in inside if part_of(folder))
        raise RSAError(
            f"{path}: parts lie inside the classes ({listing(shown)}); they must be around them: train/CLASS"
        )


def _check_classes(path: Path, parts: dict[str, str], classes: dict[str, set[str]]) -> None:
    """Every class must be trained on; a warning where a part lacks one."""
    for part, folder in parts.items():
        unknown = sorted(classes[part] - classes["train"])
        if unknown:
            what = f"{_TITLES[part]} images of {listing(unknown)}, of which there are no training images"
            raise RSAError(f"{path}: {what}; the folders of classes must have the same names in every part")
        lacking = sorted(classes["train"] - classes[part])
        if lacking:
            warnings.warn(f"{path}: {folder}/ has no images of {listing(lacking)}", stacklevel=4)


def _check_empty(path: Path, split: Sequence[tuple[str, ...]], depth: int) -> None:
    """A warning where a folder of a class or a part holds no images."""
    if not path.is_dir():
        return
    full = {levels[: i + 1] for levels in split for i in range(depth + 1)}
    empty = [
        "/".join((*above, folder.name))
        for above in [(), *sorted({levels for levels in full if len(levels) == depth and depth})]
        for folder in sorted(path.joinpath(*above).iterdir())
        if folder.is_dir() and not is_hidden(folder.name) and (*above, folder.name) not in full
    ]
    if empty:
        warnings.warn(f"{path}: {len(empty)} folders hold no images: {listing(empty)}", stacklevel=4)
