"""Spaces by name, and architectures in JSON files: {"space": name, "architecture": {dimension: choice}}."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...rsa import RSAError
from ...rsa.errors import reason
from ...rsa.io.storage import replacing
from .cell import CellSpace
from .cnn import CNNSpace
from .macro import MacroSpace
from .nasbench201 import NASBench201
from .recurrent import RNNTree
from .recurrent_graphs import NASBenchNLP
from .space import Architecture, Choice, Space
from .toy import ToySpace
from .union import SpaceUnion

NAMES = ("cnn10", "cnn20", "cell", "nasbench201", "macro", "toy", "rnn-tree", "nas-bench-nlp")
_SIZED = re.compile(r"(cnn|cell|rnn-tree)([1-9]\d{0,3})")
_MOST_BYTES = 1 << 20


def get_space(name: str) -> Space:
    """Get a search space by name.

    Parameters
    ----------
    name : str
        Networks for images: "cnn10", "cnn20", "cell", "nasbench201", "macro" or "toy"; recurrent networks for text:
        "rnn-tree" or "nas-bench-nlp". Other sizes exist as well, such as "cnn7" (layers), "cell4" (blocks) and
        "rnn-tree4" (leaves). "toy+macro" is the `SpaceUnion` of several spaces.

    Raises
    ------
    RSAError
        For any other name.

    Examples
    --------
    >>> from tgsage.plugins.spaces import get_space
    >>> space = get_space("nasbench201")
    >>> len(space.dimensions), space.size()
    (6, 15625)
    """
    if "+" in name:
        return SpaceUnion([get_space(part) for part in name.split("+")])
    sized = _SIZED.fullmatch(name)
    if sized:
        of_size: dict[str, Callable[[int], Space]] = {"cnn": CNNSpace, "cell": CellSpace, "rnn-tree": RNNTree}
        return of_size[sized[1]](int(sized[2]))
    plain: dict[str, Callable[[], Space]] = {
        "cell": CellSpace,
        "nasbench201": NASBench201,
        "macro": MacroSpace,
        "toy": ToySpace,
        "rnn-tree": RNNTree,
        "nas-bench-nlp": NASBenchNLP,
    }
    if name not in plain:
        known = ", ".join(NAMES)
        raise RSAError(f"unknown space {name!r}; known: {known}, and other sizes as cnn7 (layers) or cell4 (blocks)")
    return plain[name]()


def write_architecture(path: str | Path, space: Space, architecture: Architecture) -> None:
    """Write an architecture, in its canonical form, to a JSON file.

    Raises
    ------
    RSAError
        For an invalid architecture, and for a path that cannot be written.
    """
    content = {"space": space.name, "architecture": space.canonical(architecture)}
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n")


def read_architecture(path: str | Path) -> tuple[Space, dict[str, Choice]]:
    """Read the space and the canonical architecture from a file.

    Returns
    -------
    space : Space
    architecture : dict

    Raises
    ------
    RSAError
        Naming the file, which is missing, too large, not JSON of this form, or holds no architecture of its space.
    """
    content = _content(Path(path))
    try:
        space = get_space(_field(content, "space", str))
        return space, space.canonical(_field(content, "architecture", dict))
    except RSAError as error:
        raise RSAError(f"{path}: {error}") from error


def read_architectures(text: str, space: Space) -> list[dict[str, Choice]]:
    """Architectures of a space from JSON text or a JSON file: one or a list, as mappings or as an architecture file.

    Raises RSAError for an invalid one, naming the file and its number in the list.
    """
    inline = text.lstrip().startswith(("{", "["))
    try:
        content = json.loads(text) if inline else _content(Path(text))
    except (ValueError, RecursionError) as error:
        raise RSAError(str(error) if isinstance(error, RSAError) else f"this is no JSON: {reason(error)}") from error
    listed = content if isinstance(content, list) else [content]
    found = []
    for number, one in enumerate(listed, 1):
        try:
            if isinstance(one, dict) and "architecture" in one:
                if one.get("space") != space.name:
                    raise RSAError(f"it is of the space {one.get('space')!r:.80}, not {space.name}")
                one = one["architecture"]
            found.append(space.canonical(one))
        except RSAError as error:
            place = ", ".join(["the JSON given" if inline else text, *[f"number {number}"] * (len(listed) > 1)])
            raise RSAError(f"{place}: {error}") from error
    return found


def _content(source: Path) -> Any:
    if not source.is_file():
        raise RSAError(f"{source}: no such file")
    try:
        with source.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            raise RSAError(f"{source} is larger than {_MOST_BYTES} bytes, so no architecture")
        content = json.loads(data)
    except OSError as error:
        raise RSAError(f"cannot read {source}: {error.strerror or error}") from error
    except RSAError:
        raise
    except (ValueError, RecursionError) as error:
        raise RSAError(f"{source} is not JSON: {reason(error)}") from error
    return content


def _field(content: Any, name: str, kind: type) -> Any:
    value = content.get(name) if isinstance(content, dict) else None
    if not isinstance(value, kind):
        raise RSAError('an architecture file is {"space": name, "architecture": {dimension: choice}}')
    return value
