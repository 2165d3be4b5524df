"""The exception of all layers, checks of arguments, and phrases that messages are made of."""

import difflib
import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from numbers import Integral, Real
from typing import TypeVar

T = TypeVar("T")


class TGSageError(ValueError):
    """Wrong input; the message says in one line what was expected, what was given and what to do.

    `tgsage.rsa.RSAError` is the same class.
    """


RSAError = TGSageError


@contextmanager
def naming(path: object, otherwise: str = "") -> Iterator[None]:
    """Errors inside the block name the file: an RSAError by itself or by the path in front of it.

    otherwise: what is said of any other error, of which parsers of damaged files raise many types.
    """
    try:
        yield
    except RSAError as error:
        if str(path) in str(error):
            raise
        raise RSAError(f"{path}: {error}") from error
    except Exception as error:
        if not otherwise:
            raise
        raise RSAError(f"{path} {otherwise}: {reason(error)}") from error


def check_whole(least: int, **given: object) -> None:
    """Raise RSAError unless each of these arguments is a whole number from `least` on."""
    for name, value in given.items():
        if isinstance(value, bool) or not isinstance(value, Integral) or int(value) < least:
            raise RSAError(f"{name} must be a whole number from {least}, got {value!r}")


def listing(items: Iterable[object], limit: int = 3) -> str:
    """`a, b, c and 4 more` for a message that must stay on one line."""
    names = [" ".join(str(item).split()) for item in items]
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"


def kind_of(model: object) -> str:
    """What came instead of a network, and what to give."""
    if isinstance(model, type):
        return f"the class {model.__name__}; give an instance of it"
    hint = "; load_model returns (module, preprocess)" if isinstance(model, tuple) else ""
    return f"{type(model).__name__}{hint}"


def conditions(n: object, by: str) -> str:
    """`640 stimuli`, or `8 conditions by category_name`."""
    return f"{n} stimuli" if by == "stimulus" else f"{n} conditions by {by}"


def reason(error: BaseException) -> str:
    """The first line of another library's error, for a message of ours."""
    return next(iter(str(error).splitlines()), "") or repr(error)


def check_number(above: float = -math.inf, **given: object) -> None:
    """Raise RSAError unless each of these arguments is a finite number above this one."""
    for name, value in given.items():
        if not isinstance(value, Real) or not above < float(value) < math.inf:
            what = "a finite number" if above == -math.inf else f"a number above {above:g}"
            raise RSAError(f"{name} must be {what}, got {value!r}")


def check_is(kind: type, **given: object) -> None:
    """Raise RSAError unless each of these arguments is of this class."""
    for name, value in given.items():
        if not isinstance(value, kind):
            raise RSAError(f"{name} must be a {kind.__name__}, got {kind_of(value)}")


def check_known(what: str, name: object, known: Collection[str]) -> None:
    """Raise RSAError, which begins with `what` and names its neighbours, unless the name is one of the known."""
    if not isinstance(name, str) or name not in known:
        raise RSAError(f"{what} {name!r}{near(name, known)}")


def as_mapping(value: "Mapping[str, T] | None", what: str) -> dict[str, T]:
    """A mapping as a dict, empty for None. Raises RSAError for anything else."""
    try:
        return dict({} if value is None else value)
    except (TypeError, ValueError) as error:
        raise RSAError(f"{what} must be a mapping by name, got {type(value).__name__}") from error


def as_names(value: "str | Iterable[str]", what: str) -> list[str]:
    """One name or several as a list. Raises RSAError for what is neither."""
    names = [value] if isinstance(value, str) or not isinstance(value, Iterable) else list(value)
    for name in names:
        if not isinstance(name, str):
            raise RSAError(f"{what} must be strings, got {type(name).__name__}")
    return names


def near(name: object, known: Iterable[str]) -> str:
    """`; did you mean a, b?`, or the known names where nothing is near."""
    known = list(known)
    close = difflib.get_close_matches(str(name), known, n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(close)}?" if close else f"; known: {listing(known, 12)}"


def refuse(arguments: Mapping[str, object], why: str) -> None:
    """Raise RSAError for the first argument that was given and would have no effect."""
    for name, value in arguments.items():
        if value is not None:
            raise RSAError(f"{name} {why}")
