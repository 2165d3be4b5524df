"""Architectures in JSON files: {"space": name, "architecture": {dimension: choice}}."""

import json
from pathlib import Path
from typing import Any

from ...rsa import RSAError
from ...rsa.errors import reason
from ...rsa.storage import replacing
from .catalogue import get_space
from .space import Architecture, Choice, Space

_MOST_BYTES = 1 << 20


def write_architecture(path: str | Path, space: Space, architecture: Architecture) -> None:
    """Write the canonical form, whole or not at all. Raises RSAError for a choice or a path that cannot be."""
    content = {"space": space.name, "architecture": space.canonical(architecture)}
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n")


def read_architecture(path: str | Path) -> tuple[Space, dict[str, Choice]]:
    """The space and the canonical architecture of a file.

    Raises RSAError naming the file where it is missing, too large, no such JSON, or no architecture of its space.
    """
    source = Path(path)
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
    try:
        space = get_space(_field(content, "space", str))
        return space, space.canonical(_field(content, "architecture", dict))
    except RSAError as error:
        raise RSAError(f"{source}: {error}") from error


def _field(content: Any, name: str, kind: type) -> Any:
    value = content.get(name) if isinstance(content, dict) else None
    if not isinstance(value, kind):
        raise RSAError('an architecture file is {"space": name, "architecture": {dimension: choice}}')
    return value
