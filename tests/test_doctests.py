"""Public docstrings: their examples run, and their sections name what the signatures have."""

import doctest
import inspect
import re
from collections.abc import Iterator
from typing import Any

import pytest

from .public import PACKAGES, public_names

SECTIONS = ["Parameters", "Attributes", "Returns", "Yields", "Raises", "Warns", "Notes", "References", "Examples"]


def documented() -> Iterator[tuple[str, Any]]:
    """Public functions and classes, the latter followed by their public methods and properties, each once."""
    seen: set[int] = set()
    for package in PACKAGES:
        for name, value in public_names(package):
            if not callable(value) or not getattr(value, "__module__", "").startswith("tgsage."):
                continue
            place = f"{package}.{name}"
            yield place, value
            for key in dir(value) if inspect.isclass(value) else ():
                member = inspect.getattr_static(value, key)
                member = getattr(member, "__func__", member)
                function = getattr(member, "fget", member)
                public = not key.startswith("_") or key == "__call__"
                if public and callable(function) and getattr(function, "__module__", "").startswith("tgsage."):
                    if id(function) not in seen:
                        yield f"{place}.{key}", member
                    seen.add(id(function))


DOCUMENTED = dict(documented())
EXAMPLES = {place: value for place, value in DOCUMENTED.items() if ">>>" in (inspect.getdoc(value) or "")}


@pytest.mark.parametrize("place", EXAMPLES)
def test_examples_run(place: str) -> None:
    text = inspect.getdoc(EXAMPLES[place]) or ""
    example = doctest.DocTestParser().get_doctest(text, {}, place, None, None)
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    said: list[str] = []
    assert not doctest.DocTestRunner(optionflags=flags).run(example, out=said.append).failed, "".join(said)


def sections(text: str) -> dict[str, str]:
    """Section -> its lines; what stands before the first one under ""."""
    pieces = re.split(r"^(\S.*)\n-{3,}$", text, flags=re.MULTILINE)
    return {"": pieces[0]} | dict(zip(pieces[1::2], pieces[2::2], strict=True))


def entries(section: str) -> list[str]:
    """The names of a section's entries: "a, b : RDM" is two."""
    heads = [line.partition(" : ")[0] for line in section.splitlines() if line and not line.startswith(" ")]
    return [name.strip().lstrip("*") for head in heads for name in head.split(",")]


def parameters(value: Any) -> tuple[set[str], set[str]]:
    """All parameters, and those of them that stand for any number."""
    if isinstance(value, property) or (inspect.isclass(value) and issubclass(value, Exception)):
        return set(), set()
    found = inspect.signature(value).parameters.values()
    names = {parameter.name for parameter in found if parameter.name not in ("self", "cls")}
    return names, {p.name for p in found if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}


@pytest.mark.parametrize("place", DOCUMENTED)
def test_docstrings_name_what_the_signature_has(place: str) -> None:
    value = DOCUMENTED[place]
    parts = sections(inspect.getdoc(value) or "")
    assert parts[""].strip(), "no docstring"
    assert len(parts[""].strip().split("\n\n")[0].splitlines()) == 1, "the summary is one line"
    assert not set(parts) - {"", *SECTIONS}, "sections that NumPy's style does not have"
    told, (names, open_ended) = entries(parts.get("Parameters", "")), parameters(value)
    fields = entries(parts.get("Attributes", "")) if inspect.isclass(value) else []
    twice, unknown = {name for name in told if told.count(name) > 1}, set(told) - names
    assert not (twice | unknown), f"Parameters: {twice | unknown} twice or not in the signature"
    missing = names - open_ended - {*told, *fields}
    assert not missing or not (told or fields), f"Parameters: {missing} are missing"
    if inspect.isfunction(value):  # where the annotations say all, sections need not
        said = inspect.signature(value)
        assert told or not missing & {name for name, one in said.parameters.items() if one.annotation is one.empty}
        if re.search("[aA]rray", str(said.return_annotation)) and names:
            assert {"Returns", "Yields"} & set(parts), "it returns arrays, and there is no section Returns"
