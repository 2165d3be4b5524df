"""How objects look in a notebook: a title, a table of facts and a table of numbers, all of it escaped."""

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas

_MOST = 120  # letters of a fact


def as_html(title: str, facts: Mapping[str, object], numbers: "pandas.DataFrame | None" = None) -> str:
    """HTML for `_repr_html_`; facts that are empty are left out, long ones are cut."""
    cell = "style='text-align: left'"
    rows = [(name, str(value)) for name, value in facts.items() if value not in ("", None)]
    shown = [(name, text if len(text) <= _MOST else f"{text[: _MOST - 3]}...") for name, text in rows]
    table = "".join(f"<tr><th {cell}>{escape(name)}</th><td {cell}>{escape(text)}</td></tr>" for name, text in shown)
    below = "" if numbers is None else numbers.to_html(escape=True, border=0)
    return f"<div><strong>{escape(title)}</strong><table>{table}</table>{below}</div>"
