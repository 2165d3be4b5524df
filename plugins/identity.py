"""What a thing is as far as scores depend on it: JSON-able, and equal in every process that makes the same thing."""

import ast
import dis
import hashlib
import inspect
import io
import json
import logging
import math
import sys
import sysconfig
import types
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import fields, is_dataclass
from functools import cache, partial
from pathlib import Path
from textwrap import dedent
from typing import Any

from .spaces.space import Space

OURS = __name__.partition(".")[0]


def identity(thing: Any, _within: tuple[int, ...] = (), _met: dict[int, tuple[int, Any]] | None = None) -> Any:
    """Return numbers and texts as they are, arrays by digest, functions by source, objects by class and fields.

    A function's source comes with that of the functions of its module that it calls, its defaults, the variables that
    it encloses and the constants of its module that it uses. A class of ours or of an installed package is its name.
    Whatever has a `describe()` that returns a mapping is that mapping. An object met again is its number.
    """
    met: dict[int, tuple[int, Any]] = {} if _met is None else _met
    thing = _bare(thing)
    if thing is None or isinstance(thing, str | bool | int | float):
        return str(thing) if isinstance(thing, float) and not math.isfinite(thing) else thing
    if id(thing) in _within:
        return "itself"

    def inner(part: Any) -> Any:
        return identity(part, (*_within, id(thing)), met)

    if isinstance(thing, Mapping):
        return {str(key): inner(value) for key, value in thing.items()}
    if isinstance(thing, list | tuple):
        return [inner(value) for value in thing]
    if isinstance(thing, set | frozenset):
        return sorted((inner(value) for value in thing), key=str)
    if isinstance(thing, Space):
        return space_identity(thing)
    if isinstance(thing, logging.Logger | io.IOBase):  # no score depends on what it writes
        return type(thing).__qualname__
    if hasattr(thing, "__array__") and hasattr(thing, "shape") and not isinstance(thing, type):
        return _array(thing)
    if (described := _described(thing)) is not None:
        return inner(described)
    if isinstance(thing, partial):
        arguments = {"arguments": inner(thing.args)} if thing.args else {}
        return {"function": inner(thing.func), **arguments, **inner(thing.keywords)}
    if isinstance(thing, types.MethodType):
        return {"function": thing.__func__.__qualname__, "of": inner(thing.__self__)}
    if isinstance(thing, types.FunctionType):
        return inner(_function(thing))
    if isinstance(thing, type):
        return inner(_class(thing))
    if hasattr(thing, "__qualname__"):  # built in
        of = getattr(thing, "__self__", None)
        bound = of is not None and not isinstance(of, types.ModuleType)
        return {"function": _named(thing), "of": inner(of)} if bound else _named(thing)
    held = {} if isinstance(thing, Path | types.ModuleType) else _fields(thing)
    if not held and " at 0x" not in repr(thing):
        return repr(thing)
    if id(thing) in met:
        return f"object {met[id(thing)][0]} again"
    met[id(thing)] = len(met) + 1, thing  # keeps it alive, so that its id stays its own
    return {"class": inner(type(thing)), **inner(held)}


def space_identity(space: Space) -> dict[str, Any]:
    """Return name, class, fields and all dimensions with their choices and conditions."""
    dimensions = "; ".join(
        f"{one.name}: {', '.join(map(repr, one.choices))}"
        + (f" where {one.parent} is {', '.join(map(repr, one.when))}" if one.parent else "")
        for one in space.dimensions
    )
    base = {"name", "dimensions", "_by_name", "_children"}
    held = {key: value for key, value in _fields(space).items() if key not in base}
    return {"name": space.name, "class": identity(type(space)), "dimensions": dimensions, **identity(held)}


def digest(data: bytes) -> str:
    """Return the first 16 hexadecimal digits of a SHA-256."""
    return hashlib.sha256(data).hexdigest()[:16]


def _bare(thing: Any) -> Any:
    """The function behind one that is cached or compiled."""
    if isinstance(thing, types.FunctionType | type) or not callable(thing):
        return thing
    inside = getattr(thing, "__wrapped__", None) or getattr(thing, "py_func", None)
    return inside if isinstance(inside, types.FunctionType) else thing


def _described(thing: Any) -> Mapping[str, Any] | None:
    describe = None if isinstance(thing, type) else getattr(thing, "describe", None)
    if not callable(describe):
        return None
    try:
        described = describe()
    except TypeError:  # it takes arguments, so it does not describe the thing itself
        return None
    return described if isinstance(described, Mapping) else None


def _array(thing: Any) -> Any:
    import numpy as np

    values = np.asarray(thing.detach().cpu() if hasattr(thing, "detach") else thing)
    if values.dtype == object:
        return identity(values.tolist())
    if values.ndim == 0:
        return identity(values.item())
    data = f"{values.shape} {values.dtype.str}".encode() + np.ascontiguousarray(values).tobytes()
    return f"{values.shape} SHA-256 {digest(data)}"


def _fields(thing: Any) -> dict[str, Any]:
    if is_dataclass(thing):
        return {field.name: getattr(thing, field.name) for field in fields(thing)}
    slots = [name for kind in type(thing).__mro__ for name in getattr(kind, "__slots__", ()) if hasattr(thing, name)]
    return {**{name: getattr(thing, name) for name in slots if name != "__dict__"}, **getattr(thing, "__dict__", {})}


def is_own(thing: Any) -> bool:
    """Whether a class or function is the user's, neither ours nor an installed package's or Python's."""
    module = str(getattr(thing, "__module__", None) or "builtins")
    file = getattr(sys.modules.get(module), "__file__", None)
    if module == "__main__":
        return True
    if module.partition(".")[0] == OURS or not file or {"site-packages", "dist-packages"} & set(Path(file).parts):
        return False
    return not Path(file).is_relative_to(sysconfig.get_path("stdlib"))


def _named(thing: Any) -> str:
    """The name of what is not the user's: of ours without its module, since our files move."""
    module, name = str(getattr(thing, "__module__", None) or "builtins"), getattr(thing, "__qualname__", repr(thing))
    package = module.partition(".")[0]
    return f"{OURS} {name}" if package == OURS else f"{module}.{name}"


def _function(function: types.FunctionType) -> Any:
    return _with_around(_source(function), [function]) if is_own(function) else _named(function)


def _class(kind: type) -> Any:
    """Its name; or of the user's own the source, that of its bases, and all that its methods take from around them."""
    own = [one for one in kind.__mro__ if is_own(one)]
    if not own:
        return _named(kind)
    functions = [value for one in own for value in vars(one).values() if isinstance(value, types.FunctionType)]
    try:
        text = "\n".join(ast.unparse(ast.parse(dedent(inspect.getsource(one)))) for one in own)
    except (OSError, TypeError, SyntaxError):  # typed into a console
        text = "\n".join([f"class {kind.__qualname__}", *map(_source, functions)])
    return _with_around(text, functions)


def _with_around(text: str, functions: Sequence[types.FunctionType]) -> Any:
    around = _around(functions)
    return {"source": text, **around} if around else text


def _around(functions: Sequence[types.FunctionType]) -> dict[str, Any]:
    """Defaults, enclosed variables and constants of functions, and the functions of the user's that they call."""
    found: dict[str, Any] = {}
    waiting, seen = list(functions), set(functions)
    while waiting:
        one = waiting.pop()
        parameters = inspect.signature(one).parameters.values()
        taken = {each.name: each.default for each in parameters if each.default is not each.empty}
        changed = _changed(one.__code__)
        for name, cell in zip(one.__code__.co_freevars, one.__closure__ or (), strict=True):
            with suppress(ValueError):  # not filled yet
                if name not in changed:
                    taken[name] = cell.cell_contents
        for name in _names(one.__code__) - changed:
            value = _bare(one.__globals__.get(name))
            if isinstance(value, types.FunctionType) and is_own(value):
                if value not in seen:
                    waiting.append(value)
                    seen.add(value)
                    found[name] = _source(value)
            elif isinstance(value, str | bool | int | float | tuple):
                taken.setdefault(name, value)
        found |= taken if one in functions else {f"{one.__name__} {name}": value for name, value in taken.items()}
    return {name: found[name] for name in sorted(found)}


def _changed(code: types.CodeType) -> set[str]:
    """The variables around a function that it assigns itself: counters, not settings."""
    return {one.argval for one in dis.get_instructions(code) if one.opname in ("STORE_GLOBAL", "STORE_DEREF")}


def _names(code: types.CodeType) -> set[str]:
    inside = [part for part in code.co_consts if isinstance(part, types.CodeType)]
    return {*code.co_names, *(name for part in inside for name in _names(part))}


def _source(function: types.FunctionType) -> str:
    """The function's own text without comments and layout; its digest if that cannot be found."""
    code = function.__code__
    places = [(line, column) for line, _, column, end in code.co_positions() if line and column is not None and end]
    try:
        nodes = _parsed("".join(inspect.findsource(code)[0]))
    except (OSError, TypeError, SyntaxError):
        nodes = []
    nodes = [node for node in nodes if _first_line(node) == code.co_firstlineno]
    if len(nodes) > 1:  # lambdas; the innermost that holds all of this code
        nodes = [node for node in nodes if places and all(_holds(node, place) for place in places)][-1:]
    return ast.unparse(nodes[0]) if nodes else f"{function.__qualname__} SHA-256 {_compiled(code)}"


@cache
def _parsed(text: str) -> "list[ast.Lambda | ast.FunctionDef | ast.AsyncFunctionDef]":
    """All functions of a file, outer ones first."""
    kinds = ast.Lambda | ast.FunctionDef | ast.AsyncFunctionDef
    return [node for node in ast.walk(ast.parse(text)) if isinstance(node, kinds)]


def _first_line(node: "ast.Lambda | ast.FunctionDef | ast.AsyncFunctionDef") -> int:
    decorators = [] if isinstance(node, ast.Lambda) else node.decorator_list
    return min(one.lineno for one in (node, *decorators))


def _holds(node: ast.expr | ast.stmt, place: tuple[int, int]) -> bool:
    return (node.lineno, node.col_offset) <= place <= (node.end_lineno or 0, node.end_col_offset or 0)


def _compiled(code: types.CodeType) -> str:
    def constant(part: object) -> str:
        if isinstance(part, types.CodeType):
            return _compiled(part)
        return repr(sorted(part, key=repr) if isinstance(part, frozenset) else part)  # in one order in every process

    return digest(code.co_code + json.dumps([[*map(constant, code.co_consts)], code.co_names]).encode())
