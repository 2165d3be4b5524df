"""Searchers by name: ours, and those that other packages install under the entry-point group `tgsage.searchers`."""

import warnings
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from ...rsa import RSAError
from ...rsa.errors import near, reason
from .searcher import Searcher

GROUP = "tgsage.searchers"


@cache
def list_searchers() -> tuple[str, ...]:
    """Names of all searchers that load, sorted. A broken plug-in warns, once, and is left out."""
    found = []
    for name in sorted(_points()):
        try:
            _load(name)
        except RSAError as error:
            warnings.warn(f"{error}; it is left out", stacklevel=2)
        else:
            found.append(name)
    return tuple(found)


def get_searcher(name: str) -> type[Searcher]:
    """The class of this name, "random", "tpe", "rl", "evolution" or a plug-in's; call it as `(space, seed=..., ...)`.

    Raises RSAError for an unknown name, and for a plug-in that does not load.
    """
    if name not in _points():
        raise RSAError(f"no searcher {name!r}{near(name, list_searchers())}")
    return _load(name)


@cache
def _points() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


@cache
def _load(name: str) -> type[Searcher]:
    point = _points()[name]
    try:
        found = point.load()
    except Exception as error:
        raise RSAError(f"searcher {name} ({point.value}) is broken: {reason(error)}") from error
    if not (isinstance(found, type) and issubclass(found, Searcher)):
        raise RSAError(f"searcher {name} ({point.value}) is broken: it is no class derived from Searcher")
    return found
