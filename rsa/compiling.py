"""numba's `njit`, with what it compiles kept for the next process where there is room for that."""

import pickle
import warnings
from collections.abc import Callable
from typing import Any

import numba

_told: list[bool] = []


def njit(**settings: Any) -> Callable[[Callable[..., Any]], Any]:
    """`numba.njit(cache=True)`, but a cache that cannot be written or read costs time and one warning only.

    numba itself refuses to compile where neither its source's folder nor the user's cache is writable (a container of
    another user, a read-only installation), and raises where the disk is full.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        try:
            compiled = numba.njit(cache=True, **settings)(function)
        except RuntimeError as error:
            _tell(error)
            return numba.njit(**settings)(function)
        if hasattr(compiled, "_cache"):  # not with NUMBA_DISABLE_JIT
            compiled._cache = _Forgiving(compiled._cache)
        return compiled

    return decorate


class _Forgiving:
    """A cache of numba's that is done without where it fails."""

    def __init__(self, cache: Any) -> None:
        self._cache = cache

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cache, name)

    def load_overload(self, *arguments: Any) -> Any:
        try:
            return self._cache.load_overload(*arguments)
        except (OSError, EOFError, pickle.UnpicklingError) as error:
            return _tell(error)

    def save_overload(self, *arguments: Any) -> None:
        try:
            self._cache.save_overload(*arguments)
        except (OSError, EOFError, pickle.UnpicklingError) as error:
            _tell(error)


def _tell(error: Exception) -> None:
    if not _told:
        _told.append(True)
        warnings.warn(
            f"compiled code cannot be kept, so that every process compiles again ({error}); "
            "set NUMBA_CACHE_DIR to a folder that can be written",
            stacklevel=3,
        )
