"""The page about the paper's claims: every number on it comes from the result files it is made of."""

import json
from collections.abc import Sequence
from pathlib import Path

from ...rsa import RSAError
from ...rsa.io.storage import check_writable, replacing
from ..efficiency.comparison import KIND as EFFICIENCY
from ..efficiency.page import efficiency_section
from ..report import Columns, markdown, reading_results
from ..teachers.comparison import read_comparison
from ..teachers.page import teachers_section

TRAINING = "training"
_METHOD = """\
Every member of a pool is trained for a little while and looked at several times. P is its accuracy on the validation
images, TG how similar its layers' RDMs are to a teacher's, mature performance how good it becomes. A predictor is
good when it ranks the members as mature performance does (Spearman). Gains are over the better of P and chance:
where P ranks the members backwards, any noise that is added to it gains, and that is no knowledge of a teacher's;
the teacher "noise" shows what chance gives. Intervals hold 95% of resamples of the architectures, the same resamples
for P and P + alpha TG. "Held out" means that alpha, and whatever else is open, was chosen on a random half of the
pool and tested on the other half, both ways; the mean of both is shown. Of many rows some lie above zero by chance:
the row of "any" teacher and rule, chosen on the other half as well, is the one to go by. All members begin with the
same seed of weights and batches, whose luck they share and no interval holds."""

_TRAINED = (
    "Accuracy in % on images that they were not trained on. Seconds of the training, on the device named with them."
)
_TRAININGS: Columns = (
    ("name", "{name}"),
    ("network", "{network}"),
    ("parameters", "{parameters:,}"),
    ("data", "{data}"),
    ("recipe", "{recipe}"),
    ("examples", "{examples:,}"),
    ("seconds", "{seconds:,.0f} ({device})"),
    ("validation", "{valid}"),
    ("test", "{test}"),
)


def write_page(page: Path, results: Sequence[Path]) -> None:
    """Write a Markdown page of result files of `tgsage teacher compare`, `bench efficiency` and `train`, in this order.

    Its pictures come into a folder beside it.

    Raises RSAError for a file that is missing or something else, and where the page cannot be written.
    """
    check_page(page)
    folder = page.with_suffix("")
    kinds = {path: _kind(path) for path in results}
    studies, trainings = ([path for path in results if kinds[path] == kind] for kind in (EFFICIENCY, TRAINING))
    found = [(path, *read_comparison(path)) for path in results if kinds[path] not in (EFFICIENCY, TRAINING)]
    title = "Which teacher predicts mature performance" if found else "Does a teacher make search cheaper"
    title += ", and does it make search cheaper" if found and studies else ""
    sections = [teachers_section(path, comparison, more, folder, page) for path, comparison, more in found]
    sections += [efficiency_section(path, folder, page) for path in studies]
    sections += [training_section(trainings)] if trainings else []
    text = "\n\n".join([f"# {title}", *([_METHOD] if found else []), *sections]) + "\n"
    with replacing(page) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _kind(path: Path) -> object:
    """The kind that a result file states, if any."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return kept.get("kind") if isinstance(kept, dict) else None


def check_page(page: Path) -> None:
    """Raise RSAError unless the page ends in .md and can be written."""
    if check_writable(page).suffix != ".md":
        raise RSAError(f"{page}: a page's name ends in .md")


def training_section(paths: Sequence[Path]) -> str:
    """Markdown of files of `tgsage train --json`. Raises RSAError for one that is missing or something else."""
    rows = []
    for path in paths:
        with reading_results(path, TRAINING, "training") as kept:
            parts = {part: f"{100 * kept[part]['accuracy']:.1f}" if part in kept else "-" for part in ("valid", "test")}
            rows.append(kept | parts | {"name": path.stem, "recipe": kept["recipe"]["name"]})
            markdown(_TRAININGS, rows)  # what is missing is missing here
    return "\n\n".join(["## Networks trained for this", _TRAINED, markdown(_TRAININGS, rows, left=2)])
