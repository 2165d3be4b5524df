"""`tgsage report`: what a search found and what it cost."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...rsa.cli.options import Json, picture, web_page, writable

if TYPE_CHECKING:
    from ..report.summary import SearchReport


def report(
    storage: Annotated[str, typer.Argument(help="SQLite file or database URL, as for `tgsage search`.")],
    study: Annotated[
        str | None, typer.Option(help="Name of the search.", show_default="the only one in the storage")
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="Write a page with everything, for people to read.", callback=web_page)
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="Write a row per candidate.", callback=writable)] = None,
    objective: Annotated[
        list[str] | None,
        typer.Option(
            help="Show the front of these: score, error, loss, parameters, multiply-adds, latency; may be repeated.",
            show_default="those of the search",
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(help="Draw the front over time and its hypervolume (.png, .svg, .pdf).", callback=picture),
    ] = None,
    best: Annotated[
        Path | None,
        typer.Option(help="Write the best architecture, for `tgsage train` and `tgsage evaluate`.", callback=writable),
    ] = None,
    json: Json = None,
) -> None:
    """Show the best candidates of a search, the choices that matter, failures and cost, even while it runs."""
    from ...rsa import RSAError
    from ...rsa.cli.console import write_json
    from ...rsa.io.storage import replacing
    from ..report.summary import search_report
    from ..spaces import get_space, write_architecture

    found = search_report(storage, study, objectives=objective)
    if plot is not None:
        from ...rsa.plots.figures import save_figure
        from ..report.front import front_figure

        if found.front is None or not found.front.points:
            raise RSAError("there is no front to draw: name several --objective that its candidates measured")
        save_figure(front_figure(found.front), plot)
    if html is not None:
        from ..report.page import write_search_report

        try:
            space = get_space(str(found.settings.get("space")))
        except RSAError:
            space = None
        write_search_report(html, found, space=space)
    if best is not None:
        if not found.top:
            raise RSAError("no candidate has succeeded, so there is no best architecture to write")
        write_architecture(best, get_space(str(found.settings.get("space"))), found.top[0]["architecture"])
    if csv is not None:
        with replacing(csv) as temporary:
            temporary.write_text(found.to_csv(), encoding="utf-8")
    if json is not None:
        write_json(json, found.to_dict())
    _show(found)


def _show(found: "SearchReport") -> None:
    from ...rsa.cli.console import print_table
    from ..report.page import answer
    from ..report.summary import LEAST
    from ..searching.candidates import figure

    rows = [[f"candidate {one['number']}", *(figure(one[key]) for key in ("score", "p", "tg"))] for one in found.top]
    notes = answer(found)
    if found.importance:
        largest = list(found.importance.items())[:5]
        notes.append("Choices that matter: " + ", ".join(f"{name} {share:.2f}" for name, share in largest))
    else:
        notes.append(f"Which choices matter is estimated once there are {LEAST} successes.")
    if found.searcher:
        said = (f"{name} {figure(points[-1][1])}" for name, points in found.searcher.items())
        notes.append(f"The searcher at the end: {', '.join(said)}")
    if found.settings.get("searcher") == "iterating":
        notes.append(f"Teachers: {_teachers(found)}")
    notes += [f"{len(numbers)} failed: {reason}" for reason, numbers in found.failures.items()]
    notes += [f"{when}: {what}" for when, what in found.history]
    print_table(f"{found.study} in {found.storage}", ["", "score", "P", "TG"], rows, notes)
    if found.front is not None:
        print_table("front", ["", *found.front.objectives], found.front.rows, [found.front.words()])


def _teachers(found: "SearchReport") -> str:
    """Which candidate taught from when on, in an iterative search."""
    told, before = ["the first one"], None
    for candidate in found.candidates:
        if candidate.parent != before:
            before = candidate.parent
            told.append(f"candidate {before} from candidate {candidate.number} on")
    return ", ".join(told)
