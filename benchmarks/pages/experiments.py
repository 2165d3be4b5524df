"""The page about the paper's claims: every number on it comes from the result files it is made of."""

import json
from collections.abc import Sequence
from pathlib import Path

from ...rsa import RSAError
from ...rsa.io.storage import check_writable, replacing
from ..efficiency.comparison import KIND as EFFICIENCY
from ..efficiency.page import efficiency_section
from ..report import Columns, markdown, reading_results
from ..rivals.analysis import KIND as RIVALS
from ..rivals.analysis import read_rivals
from ..rivals.gains import COLUMNS
from ..rivals.gains import KIND as GAINS
from ..rivals.in_short import ends_picture, in_short
from ..rivals.page import rivals_section
from ..rivals.published import SPACE, published_section
from ..rivals.search import KIND as SEARCHES
from ..rivals.search import read_searches
from ..rivals.search_page import search_section
from ..teachers.comparison import read_comparison
from ..teachers.page import teachers_section
from ..validity.free_predictors import COLUMNS as FREE
from ..validity.free_predictors import KIND as PREDICTORS
from ..validity.free_predictors import NEAR

TRAINING = "training"
_METHOD = """\
Every member of a pool is trained for a short while and evaluated several times along the way. P is its accuracy on
the validation images, TG is how similar its layers' RDMs are to a teacher's, and mature performance is how good it
becomes. A predictor is good if it ranks the members as mature performance does (Spearman). Gains are over the better
of P and chance: where P ranks the members backwards, adding any noise to it is a gain, which owes nothing to what a
teacher knows. Intervals contain 95% of resamples of the architectures,
the same resamples for P and P + alpha TG. "Held out" means that alpha, and whatever else is open, was chosen on a
random half of the pool and tested on the other half, both ways; the mean of the two is shown. Among many rows, some
lie above zero by chance: the row to go by is that of "any" teacher and rule, which are chosen on the other half as
well. All members begin with the same seed for weights and batches; they share its luck, which no interval covers."""

_EARLIER = """\
These results are older: pools trained with one seed, and searches with them. The pools above ask the same questions
with three seeds. The networks here were drawn at random, and free predictors were not yet compared; a "yes" below means
better than P, not better than free predictors."""
_TRAINED = (
    "Accuracy in % on images that the networks were not trained on. Seconds are those of the training, on the device "
    "named beside them."
)
_FREE = (
    "Spearman correlation with accuracy on NAS-Bench-201; intervals are over cells, and there are none where all cells "
    "were taken. Many of the table's 15,625 cells differ only in edges that reach no output, and are the same network; "
    '"different networks" counts each of the 9,445 once. Networks are built without such edges here.'
)
_COVERAGE = """\
Simulated pools in which TG truly adds either nothing or about .1 to free predictors and P: how often the 95% interval
contains the true gain (that of weights learned from a pool of this size), and how often all of it is above zero. Where
there are several teachers, one of them is chosen on other members."""
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
    """Write a Markdown page of result files of `tgsage teacher compare`, `bench efficiency` and `train`.

    First the answer in short, with a picture for each of its parts, and what is free against teachers; then what rivals
    published, comparisons of teachers, searches, and trainings. Pictures come into a folder beside the page, and where
    there are several results their details and other pictures, too, on a page for each.

    Raises RSAError for a file that is missing or something else, and where the page cannot be written.
    """
    check_page(page)
    folder = page.with_suffix("")
    kinds = {path: _kind(path) for path in results}
    known = (RIVALS, PREDICTORS, GAINS, SEARCHES, EFFICIENCY, TRAINING)
    rivals, predictors, coverages, searches, studies, trainings = (
        [path for path in results if kinds[path] == kind] for kind in known
    )
    rest = [path for path in results if kinds[path] not in known]
    read = [(path, *read_rivals(path)) for path in rivals]
    found = [(path, *read_comparison(path)) for path in rest]
    title = "Which teacher predicts mature performance" if found else "Does a teacher make search cheaper"
    title += ", and does it make search cheaper" if found and studies else ""
    title = "Does a teacher add to what an untrained network tells?" if read else title
    sections = [(path, *rivals_section(path, one, more, folder, page)) for path, one, more in read]
    sections += [(path, *teachers_section(path, one, more, folder, page)) for path, one, more in found]
    sections += [(path, *efficiency_section(path, folder, page)) for path in studies]
    several = len(sections) > 1
    written = [_folded(*one, folder) if several else "\n\n".join(one[1:]) for one in sections]
    screened = [read_searches(path) for path in searches]
    tables = [one for _, one, _ in read]
    texts = [in_short(tables, screened, folder)] if read else []
    texts += written[: len(read)] + [search_section(one) for one in screened]
    texts += [] if read or not screened else [ends_picture(screened, folder)]
    texts += [published_section(one) for one in tables if one.about["space"] == SPACE and len(one.about["bands"])]
    texts += [predictors_section(path) for path in predictors]
    texts += [gains_section(path) for path in coverages]
    texts += [] if not found else [f"## Pools with one seed\n\n{_EARLIER}\n\n{_METHOD}"] if read else [_METHOD]
    texts += written[len(read) :]
    texts += [training_section(trainings)] if trainings else []
    with replacing(page) as temporary:
        temporary.write_text("\n\n".join([f"# {title}", *texts]) + "\n", encoding="utf-8")


def _folded(path: Path, short: str, long: str, folder: Path) -> str:
    """The short part without its pictures, with a link to the details on a page of their own."""
    head, _, _ = short.partition("\n")
    parts = short.split("\n\n")
    pictures = [part for part in parts if part.startswith("![")]
    long = "\n\n".join([*pictures, long]).replace(f"]({folder.name}/", "](")
    details = folder / f"{path.stem}.md"
    with replacing(details) as temporary:
        temporary.write_text(f"# {head.lstrip('# ')}\n\n{long}\n", encoding="utf-8")
    short = "\n\n".join(part for part in parts if part not in pictures)
    return f"{short}\n\n[All numbers, settings and tables]({folder.name}/{details.name})"


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


def predictors_section(path: Path) -> str:
    """Markdown of a file of `tgsage bench predictors`. Raises RSAError for one that is missing or something else."""
    with reading_results(path, PREDICTORS, "free predictors") as kept:
        table, rows = markdown(FREE, kept["rows"]), kept["rows"]
        known = [row for row in rows if row["published"][0] is not None]
        near = [
            f"{sum(bool(row[key]) for row in known)} over at least {min(row[part]['cells'] for row in known):,} {said}"
            for key, part, said in (("near", "all", "cells"), ("near different", "different", "different networks"))
        ]
    agree = f"Of {len(known)} predictors with a published value, {' and '.join(near)} are within {NEAR:g} of it."
    return f"## Free predictors beside what is published\n\n{_FREE} {agree}\n\n{table}"


def gains_section(path: Path) -> str:
    """Markdown of a file of `tgsage bench gains`. Raises RSAError for one that is missing or something else."""
    with reading_results(path, GAINS, "coverage of gains") as kept:
        table = markdown(COLUMNS, kept["rows"], left=0)
    return f"## Do the intervals of held-out gains hold\n\n{_COVERAGE}\n\n{table}"


def training_section(paths: Sequence[Path]) -> str:
    """Markdown of files of `tgsage train --json`. Raises RSAError for one that is missing or something else."""
    rows = []
    for path in paths:
        with reading_results(path, TRAINING, "training") as kept:
            parts = {part: f"{100 * kept[part]['accuracy']:.1f}" if part in kept else "-" for part in ("valid", "test")}
            rows.append(kept | parts | {"name": path.stem, "recipe": kept["recipe"]["name"]})
            markdown(_TRAININGS, rows)  # what is missing is missing here
    return "\n\n".join(["## Networks trained for this", _TRAINED, markdown(_TRAININGS, rows, left=2)])
