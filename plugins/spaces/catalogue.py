"""Spaces by name."""

import re
from collections.abc import Callable

from ...rsa import RSAError
from .cell import CellSpace
from .cnn import CNNSpace
from .nasbench201 import NASBench201
from .space import Space
from .toy import ToySpace

NAMES = ("cnn10", "cnn20", "cell", "nasbench201", "toy")
_SIZED = re.compile(r"(cnn|cell)([1-9]\d{0,3})")


def get_space(name: str) -> Space:
    """The space of this name: "cnn10", "cnn20", "cell", "nasbench201", "toy"; "cnn7" and "cell4" stand for other sizes.

    Raises RSAError for another name, listing the known ones.
    """
    sized = _SIZED.fullmatch(name)
    if sized:
        return CNNSpace(int(sized[2])) if sized[1] == "cnn" else CellSpace(int(sized[2]))
    plain: dict[str, Callable[[], Space]] = {"cell": CellSpace, "nasbench201": NASBench201, "toy": ToySpace}
    if name not in plain:
        known = ", ".join(NAMES)
        raise RSAError(f"unknown space {name!r}; known: {known}, and other sizes as cnn7 (layers) or cell4 (blocks)")
    return plain[name]()
