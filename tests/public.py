"""The layers, and the public names: what the stubs beside a package's `__init__` list."""

import ast
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
LAYERS = ("rsa", "neural_data", "plugins", "benchmarks")  # lowest first
PACKAGES = (*LAYERS, "plugins.spaces", "plugins.training")


def public_names(package: str) -> Iterator[tuple[str, Any]]:
    """Every name that the package's stub lists, with what it stands for in the module that the stub names."""
    stub = ROOT / package.replace(".", "/") / "__init__.pyi"
    for node in ast.parse(stub.read_text()).body:
        if isinstance(node, ast.ImportFrom) and node.module:
            module = import_module(f"tgsage.{package}.{node.module}")
            yield from ((alias.asname or alias.name, getattr(module, alias.name)) for alias in node.names)
