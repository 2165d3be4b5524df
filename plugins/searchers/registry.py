"""Searchers by name: ours, and those that other packages install under the entry-point group `tgsage.searchers`."""

import warnings
from functools import cache
from importlib.metadata import EntryPoint

from ...rsa import RSAError, extensions
from ...rsa.errors import near
from .searcher import Searcher

GROUP = "tgsage.searchers"


@cache
def list_searchers() -> tuple[str, ...]:
    """Names of all searchers that load, sorted. A broken plug-in warns, once, and is left out."""
    found = []
    for name, point in _points().items():
        try:
            _load(point)
        except RSAError as error:
            warnings.warn(f"{error}; it is left out", stacklevel=2)
        else:
            found.append(name)
    return tuple(found)


def get_searcher(name: str) -> type[Searcher]:
    """The class of this name, "random", "tpe", "rl", "evolution" or a plug-in's; call it as `(space, seed=..., ...)`.

    Of two with one name ours is taken, with a warning; any class can be asked for by its place, "module:Class".
    Raises RSAError for an unknown name, and for a plug-in that does not load.
    """
    if ":" in name:
        return _load(EntryPoint(name, name, GROUP))
    if name not in _points():
        raise RSAError(f"no searcher {name!r}{near(name, list_searchers())}")
    return _load(_points()[name])


@cache
def _points() -> dict[str, EntryPoint]:
    found, refused = extensions.installed(GROUP)
    for line in refused:
        warnings.warn(f"searcher {line}; ask for it by its place", stacklevel=2)
    return found


@cache
def _load(point: EntryPoint) -> type[Searcher]:
    try:
        found = extensions.load(point)
    except RSAError as error:
        raise RSAError(f"searcher {error}") from error
    if not (isinstance(found, type) and issubclass(found, Searcher)):
        raise RSAError(f"searcher {point.name} ({point.value}) is broken: it is no class derived from Searcher")
    return found
