"""Names that two sources spell differently: composed or decomposed Unicode, with or without the suffix of a file."""

import re
import unicodedata
import warnings
from collections.abc import Callable, Iterable, Sequence

from .errors import listing

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".ppm", ".pgm")  # of files of images
_SUFFIX = re.compile(f"({'|'.join(map(re.escape, SUFFIXES))})$", re.IGNORECASE)


def composed(name: str) -> str:
    """The name in Unicode's composed form (NFC): an accented letter is one character, as file systems differ in."""
    return unicodedata.normalize("NFC", name)


def _bare(name: str) -> str:
    return _SUFFIX.sub("", composed(name))


def respelled(wanted: Iterable[str], known: Iterable[str], what: str = "names") -> dict[str, str]:
    """The known names that are wanted under another spelling: known -> wanted name, and a warning that says so.

    Names that are the same need nothing. The others are the same name where Unicode's composed form, or that without
    the suffix of an image file, says so and no second name on either side has that form.
    """
    ours, theirs = dict.fromkeys(wanted), dict.fromkeys(known)
    found: dict[str, str] = {}
    if not ours.keys() - theirs or not theirs.keys() - ours:
        return found
    for form in (composed, _bare):
        left = _by(form, theirs)
        for key, names in _by(form, ours).items():
            if len(names) == len(left.get(key, ())) == 1 and names[0] not in theirs and left[key][0] not in ours:
                found[left[key][0]] = names[0]
    if found:
        pairs = listing(f"{a!r} = {b!r}" for a, b in found.items())
        warnings.warn(f"{len(found)} {what} are matched although they are spelled differently: {pairs}", stacklevel=3)
    return found


def _by(form: Callable[[str], str], names: Iterable[str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(form(name), []).append(name)
    return groups


def both_sides(first: str, ours: Sequence[str], second: str, theirs: Sequence[str]) -> str:
    """Two names of each side, for an error where nothing matches."""
    return f"{first} {_two(ours)}, {second} {_two(theirs)}"


def _two(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name)[:60] for name in names[:2])
    return f"has {shown}{', ...' if len(names) > 2 else ''}"
