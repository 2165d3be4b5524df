"""What has to be the same when a study goes on: its description, and what differs between two of them."""

import inspect
import json
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from os.path import commonprefix
from typing import Any

from ...rsa.errors import listing
from ..identity import OURS, digest, identity, is_own, space_identity
from ..searchers.searcher import Searcher
from ..spaces.space import Architecture, Space
from .isolation import ObjectiveFactory, Scorer

_STORED = 300  # characters of a text that are stored; of a longer one its beginning and its digest
_SHOWN = 60  # characters of a value in a message
_SINCE = "space class"  # a setting that the descriptions of older versions lack
_TRAINED = "objective teacher RDMs"
_HAND_OVER = "A teacher trained by name is not the same on every machine: pass its file instead"


def describe_search(
    space: Space, searcher: Searcher, objective: "Scorer | ObjectiveFactory", fixed: Architecture | None = None
) -> dict[str, Any]:
    """Return what has to be the same when a search goes on: flat, JSON-able, one entry per setting."""
    made = inspect.signature(type(searcher).__init__).bind(searcher, space, **searcher.settings)
    made.apply_defaults()
    settings = {key: value for key, value in made.arguments.items() if value is not space and value is not searcher}
    about = space_identity(space)
    scores = identity(objective)
    return {
        "space": about.pop("name"),
        **dict(flat("space", about)),
        **{f"fixed {name}": choice for name, choice in (fixed or {}).items()},
        "searcher": type(searcher).__name__.removesuffix("Searcher").lower(),
        **dict(flat("searcher class", _searcher_identity(type(searcher)))),
        **dict(flat("searcher", identity(settings))),
        **dict(flat("objective", scores if isinstance(scores, dict) else {"function": scores})),
    }


def default_study(description: Mapping[str, Any]) -> str:
    """SPACE-SEARCHER."""
    return f"{description['space']}-{description['searcher']}"


def _searcher_identity(kind: type) -> Any:
    """The identity of a searcher's class, with the version of the package that it comes from."""
    found, package = identity(kind), kind.__module__.partition(".")[0]
    return found if package == OURS or is_own(kind) else f"{found} {_version(package)}".strip()


@cache
def _version(package: str) -> str:
    """Version of the installed package that a module is of, "" for Python's own."""
    if package in sys.stdlib_module_names:
        return ""
    try:
        return version(package)
    except PackageNotFoundError:
        return ", ".join(version(name) for name in dict.fromkeys(packages_distributions().get(package, ())))


def flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """(name, value) of every setting in an identity: "recipe lr" of {"lr": ...}; long texts by their digest."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from flat(f"{name} {key}", part)
    else:
        text = value if isinstance(value, str) else json.dumps(value)
        if len(text) > _STORED:
            yield name, f"{text[: _STORED // 2]}... (SHA-256 {digest(text.encode())})"
        else:
            yield name, text if isinstance(value, list) else value


def differences(was: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, str]:
    """setting -> "was ... and is ...", on one line, cut to where they differ."""
    found = {}
    for name in dict.fromkeys([*was, *now]):
        old, new = was.get(name, "not set"), now.get(name, "not set")
        if old != new:
            old, new = (" ".join(str(value).split()) for value in (old, new))
            same = len(commonprefix([old, new]))  # noqa: RUF071 - of characters
            start = max(0, same - _SHOWN // 3) if max(len(old), len(new)) > _SHOWN else 0
            found[name] = f"was {_cut(old, start)} and is {_cut(new, start)}"
    return found


def refusal(study: str, was: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Why a study does not go on as another search, and what to do, in one line."""
    differing = differences(was, now)
    what = f"is another search: {listing((f'{name} {how}' for name, how in differing.items()), 4)}"
    if _SINCE in now and _SINCE not in was:
        new = [name for name in now if name not in was]
        what = f"was begun by an older version of tgsage, which did not record {listing(new, 4)}"
    hint = f". {_HAND_OVER}" if _TRAINED in differing else ""
    if any(name.startswith("objective") for name in differing) and not hint:
        hint = ". The mapping that an objective's describe() returns is compared in place of its fields"
    return (
        f"study {study} {what}; give this search a new name (study=, --study), "
        f"or continue anyway (allow_changes=True, --allow-changes), which is noted in the study{hint}"
    )


def _cut(text: str, start: int) -> str:
    return ("..." if start else "") + text[start : start + _SHOWN] + ("..." if len(text) > start + _SHOWN else "")
