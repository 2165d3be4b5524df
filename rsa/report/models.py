"""The page of a comparison of models: tables, pictures, tests and settings."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

from ..extensions import versions
from ..io.storage import replacing
from ..plots.figures import printable
from ..plots.models import KINDS, comparison_figure
from .comparisons import LEVEL
from .page import check_report, render
from .tables import equals, in_words, order_of

if TYPE_CHECKING:
    from ..comparison import ModelComparison

_TITLES = {
    "models": "Models with 95% intervals, ceilings and tests",
    "profiles": "Similarity over layers",
    "map": "Map of models and targets",
    "rdms": "RDMs",
}


def write_comparison(path: str | Path, comparison: "ModelComparison", *, command: str = "") -> None:
    """Write one HTML page that needs no other file and no network. Raises RSAError where it cannot be written."""
    place = check_report(path)
    tables = [
        {
            "target": printable(target),
            "rows": order_of(comparison, target),
            "groups": equals(comparison, target),
            "beyond": [row for row in comparison.beyond if row["target"] == target],
        }
        for target in comparison.targets
    ]
    facts = [(printable(str(k)), printable(str(v))) for k, v in comparison.settings.items() if v not in (None, "")]
    context = {
        "tables": tables,
        "words": in_words(comparison),
        "facts": facts,
        "command": printable(command),
        "level": LEVEL,
        "pictures": [(_TITLES[kind], _picture(comparison, kind)) for kind in KINDS],
        "versions": versions(),
        "title": f"{len(comparison.models)} models, {len(comparison.targets)} targets",
    }
    page = render(Path(__file__).parent / "models.html", context)
    with replacing(place) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _picture(comparison: "ModelComparison", kind: str) -> Markup:
    """A picture as an embedded PNG: RDMs as vectors would make a page of many megabytes."""
    import base64

    file = io.BytesIO()
    comparison_figure(comparison, kind).savefig(file, format="png", dpi=110)
    data = base64.b64encode(file.getvalue()).decode()
    words = printable(_TITLES[kind])
    return Markup('<img alt="{}" src="data:image/png;base64,{}">').format(words, data)
