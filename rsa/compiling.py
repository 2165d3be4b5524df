"""numba's `njit` with a cache on disk that is used where possible."""

import pickle
import warnings
from collections.abc import Callable
from typing import Any

import numba

_told: list[bool] = []


def njit(**settings: Any) -> Callable[[Callable[..., Any]], Any]:
    """As `numba.njit(cache=True)`, but a cache that cannot be read or written costs time and one warning only.

    numba itself refuses to compile if neither the folder of the source nor the user's cache folder is writable (a
    container of another user, a read-only installation), and raises if the disk is full.
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
    """A cache of numba that is bypassed where it fails."""

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
            f"compiled code cannot be kept, so every process compiles it again ({error}); "
            "set NUMBA_CACHE_DIR to a writable folder",
            stacklevel=3,
        )
