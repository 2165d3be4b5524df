"""Installed packages: their versions, and what they add by entry points (broken or misnamed ones do no harm)."""

import importlib
import platform
from importlib.metadata import EntryPoint, PackageNotFoundError, version
from importlib.metadata import entry_points as entry_points
from typing import Any

from .errors import RSAError, reason

OURS = "tgsage."
EXTRAS = {"hyperopt": "hyperopt", "matplotlib": "plot", "optuna": "search", "sqlalchemy": "search"}  # package -> extra


def installed(group: str) -> tuple[dict[str, EntryPoint], list[str]]:
    """The entry points of a group by name, sorted, and a line about each whose name another one has.

    Of one name this package's own is taken, else the first by module.
    """
    found: dict[str, EntryPoint] = {}
    refused: list[str] = []
    for point in sorted(entry_points(group=group), key=lambda point: (not is_ours(point), point.value)):
        if (known := found.setdefault(point.name, point)).value != point.value:
            refused.append(f"{point.name} ({point.value}) is left out: {known.value} has that name")
    return dict(sorted(found.items())), refused


def is_ours(point: EntryPoint) -> bool:
    """Whether it is this package's own."""
    return point.value.startswith(OURS)


def load(point: EntryPoint) -> Any:
    """What an entry point names. Raises RSAError for whatever goes wrong, also where its module ends the program."""
    try:
        return point.load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        what = "" if isinstance(error, Exception) else f"{type(error).__name__}: "
        raise RSAError(f"{point.name} ({point.value}) is broken: {what}{reason(error)}") from error


def needed(module: str, extra: str) -> Any:
    """Import an optional package. Raises RSAError naming the extra to install where it is missing or broken."""
    try:
        return importlib.import_module(module)
    except Exception as error:  # packages raise many types of errors when those that they need do not fit
        package = module.partition(".")[0]
        missing = isinstance(error, ImportError) and (error.name or "").partition(".")[0] == package
        why = "is not installed" if missing else f"cannot be imported ({reason(error)})"
        raise RSAError(f"{package} {why}: pip install 'tgsage[{extra}]'") from error


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that numbers depend on."""
    found = {"python": platform.python_version()}
    for name in ("tgsage", "numpy", "scipy", "numba", "torch", "torchvision", "xarray"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
