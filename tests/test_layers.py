"""Imports run downwards: between the four layers, and between the rooms inside each."""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from .public import LAYERS, ROOT


def module_of(file: Path) -> tuple[str, ...]:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


MODULES = {module_of(file): file for layer in LAYERS for file in sorted((ROOT / layer).rglob("*.py"))}


def exports() -> dict[tuple[tuple[str, ...], str], tuple[str, ...]]:
    """Where a name of a package's table of contents comes from."""
    found: dict[tuple[tuple[str, ...], str], tuple[str, ...]] = {}
    for layer in LAYERS:
        for stub in (ROOT / layer).rglob("*.pyi"):
            package = stub.relative_to(ROOT).parent.parts
            for node in ast.parse(stub.read_text()).body:
                if isinstance(node, ast.ImportFrom) and node.module:
                    found |= {(package, name.name): (*package, *node.module.split(".")) for name in node.names}
    return found


EXPORTS = exports()


def imports(module: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The modules of ours that this one imports, also inside functions, but not for type checkers alone."""
    file = MODULES[module]
    tree = ast.parse(file.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            node.body = []
    package = module if file.name == "__init__.py" else module[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            assert not [name for name in node.names if name.name.startswith("tgsage")], f"{file}: imports are relative"
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "tgsage":
            pytest.fail(f"{file}: imports are relative")
        elif isinstance(node, ast.ImportFrom) and node.level:
            target = (*package[: len(package) + 1 - node.level], *(node.module or "").split("."))
            target = tuple(filter(None, target))
            for name in node.names:
                place = (*target, name.name) if (*target, name.name) in MODULES else target
                yield EXPORTS.get((place, name.name), place)


def test_a_layer_imports_from_lower_ones_only() -> None:
    upward = [
        f"{'.'.join(module)} imports {'.'.join(other)}"
        for module in MODULES
        for other in imports(module)
        if LAYERS.index(other[0]) > LAYERS.index(module[0])
    ]
    assert not upward


@pytest.mark.parametrize("layer", LAYERS)
def test_rooms_of_a_layer_do_not_import_each_other_in_circles(layer: str) -> None:
    rooms: dict[str, set[str]] = {}
    for module in MODULES:
        if module[0] == layer and len(module) > 1:
            others = {other[1] for other in imports(module) if other[0] == layer and len(other) > 1}
            rooms.setdefault(module[1], set()).update(others - {module[1]})
    try:
        order = list(TopologicalSorter(rooms).static_order())
    except CycleError as error:
        pytest.fail(f"rooms in a circle: {' -> '.join(error.args[1])}")
    assert set(order) >= set(rooms)


def test_every_room_has_a_sentence_at_its_door() -> None:
    rooms = {file.parent for file in MODULES.values()}
    assert not [room for room in rooms if not ast.get_docstring(ast.parse((room / "__init__.py").read_text()))]
