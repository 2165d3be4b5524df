"""The exception of all layers, and phrases that messages are made of."""

import difflib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager


class TGSageError(ValueError):
    """Wrong input; the message says in one line what was expected, what came and what to do.

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


def listing(items: Iterable[object], limit: int = 3) -> str:
    """`a, b, c and 4 more` for a message that must stay on one line."""
    names = [" ".join(str(item).split()) for item in items]
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"


def conditions(n: object, by: str) -> str:
    """`640 stimuli`, or `8 conditions by category_name`."""
    return f"{n} stimuli" if by == "stimulus" else f"{n} conditions by {by}"


def reason(error: BaseException) -> str:
    """The first line of another library's error, for a message of ours."""
    return next(iter(str(error).splitlines()), "") or repr(error)


def near(name: str, known: Sequence[str]) -> str:
    """`; did you mean a, b?`, or the known names where nothing is near."""
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(close)}?" if close else f"; known: {listing(known, 12)}"
