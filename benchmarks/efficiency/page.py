"""What the page says about a study of efficiency: method, answer, figure, and tables like the paper's 1 and 2."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...rsa.plots.figures import COLOURS, save_figure
from ..report import Columns, legend_below, markdown, panels
from .comparison import ALL, Results, Row, compare, read_results

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LEAST_SEEDS, _LEVEL = 6, 0.05  # the exact p of five differences cannot be below .06
_CAPTION = (
    "Mature performance of the architectures that a search calls its best, against the examples it has trained on; "
    "means over seeds with one standard error; dotted: where P alone ends."
)
_METHOD = """\
Each search proposes cells, trains each on a fixed number of examples, and is told P or P + alpha TG. Its current top 5
are the five different cells with the highest such score so far, whatever their mature performance, which no search
sees. Every sample costs its examples, even for a repeated cell. One seed serves the searcher and the training of all
its candidates, so differences from P are between searches that begin alike. Intervals are Student's t over seeds; p is
exact, by flipping the signs of the seeds' differences. One comparison was named before the searches: the top 5 by the
first teacher, over all searchers together. Only this one is printed in bold where it lies above zero, and there is no
verdict below six seeds, where p cannot reach .05; among the other rows, some lie above zero by chance. Area is the mean
height of the curve over the examples trained on. TPE and evolution begin with 20 random proposals: a search with no
more samples than that is a random one, and in one with few samples most of the top 5 are such proposals. A pool on
which a teacher was chosen contains the first cells of the random searches with the pool's own seed; other seeds are new
to the teacher."""
_TABLE_1 = (
    "Final top 5: the mean of their mature performance, and the best of them, in %, with standard errors over seeds; "
    "differences from P with the same seed, in percentage points with 95% intervals, and p for the first of these. "
    "Ranks: Spearman correlation of score and mature performance over a search's cells; random searches with the same "
    "seed have the same cells whatever their score, so there it compares the scores as predictors, over training seeds."
)
_TABLE_2 = (
    "Cost of one search; seconds are those of the median evaluation, including its RDMs, times the number of samples. "
    "To P's end: the examples after which the mean curve stays at or above where P alone ends, and how many of the "
    "searches end there. The teacher's own training comes on top."
)


def efficiency_section(path: Path, folder: Path, page: Path) -> tuple[str, str]:
    """Markdown of a result file, answer and details; the picture comes into `folder`.

    Raises RSAError as `read_results` does.
    """
    found, versions = read_results(path)
    rows = compare(found)
    folder.mkdir(parents=True, exist_ok=True)
    picture = folder / f"{path.stem}.png"
    save_figure(efficiency_figure(found), picture)
    about = found.about
    short = (
        f"## Search efficiency: {about['space']}, {about['cells'].get('data', 'images')}, {', '.join(found.searchers)}",
        answer(found, rows),
        f"![{_CAPTION}]({folder.name}/{picture.name})\n*{_CAPTION}*",
    )
    long = (
        f"### How it was searched\n\n{_METHOD}\n\n{_settings(found, versions, path, page)}",
        f"### What the searches find\n\n{_TABLE_1}\n\n{markdown(table_1(found), rows, left=2)}",
        f"### What they cost\n\n{_TABLE_2}\n\n{markdown(table_2(found, rows), rows, left=2)}",
    )
    return "\n\n".join(short), "\n\n".join(long)


def answer(found: Results, rows: Sequence[Row]) -> str:
    """In words: what each goal gains over P, for all searchers together; a verdict on the one that was named before."""
    lines = ["At the same cost, does the search find better cells than one by P alone?", ""]
    for place, goal in enumerate(found.goals):
        mine = [row for row in rows if row["goal"] == place and row["top gain"] is not None]
        if not mine:
            continue
        whole = mine[-1]  # all searchers, or the only one
        plain = next(row for row in rows if (row["searcher"], row["goal"]) == (whole["searcher"], found.base))
        there = "never stays" if whole["reached"] is None else f"stays, from {whole['reached']:,.0f} examples on,"
        p = "" if whole["top p"] is None else f", p {whole['top p']:.2f}"
        lines.append(
            f"- {label(goal)}: {_verdict(found, whole)}{_gain(whole, 'top')} points{p} ({whole['searcher']}, "
            f"{whole['seeds']} seeds). It {there} at or above where P alone ends (after {plain['examples']:,} "
            "examples)."
        )
    return "\n".join(lines)


def _named(found: Results, row: Row) -> bool:
    """Whether this is the comparison that was named before the searches: the first teacher, all searchers together."""
    guided = [place for place, goal in enumerate(found.goals) if "teacher" in goal]
    searcher = ALL if len(found.searchers) > 1 else found.searchers[0]
    return (row["searcher"], row["goal"]) == (searcher, guided[0] if guided else None)


def _above(row: Row) -> bool:
    return bool(row["seeds"] >= _LEAST_SEEDS and row["top low"] > 0 and row["top p"] <= _LEVEL)


def _verdict(found: Results, row: Row) -> str:
    if not _named(found, row):
        return "not named beforehand, "
    if row["seeds"] < _LEAST_SEEDS:
        return f"no verdict below {_LEAST_SEEDS} seeds, "
    harm = row["top high"] < 0 and row["top p"] <= _LEVEL
    return "yes, " if _above(row) else "no, harm, " if harm else "not established, "


def table_1(found: Results) -> Columns:
    """The columns of what searches find, of the rows of `compare`."""

    def top(row: Row) -> str:
        return f"**{_gain(row, 'top')}**" if _named(found, row) and _above(row) else _gain(row, "top")

    return (
        ("searcher", "{searcher}"),
        ("score", lambda row: label(found.goals[row["goal"]])),
        ("seeds", "{seeds}"),
        ("top 5", lambda row: _mean(row, "top")),
        ("best of them", lambda row: _mean(row, "best")),
        ("difference from P", top),
        ("p", lambda row: "" if row["top p"] is None else f"{row['top p']:.2f}"),
        ("of the best", lambda row: _gain(row, "best")),
        ("of the area", lambda row: _gain(row, "area")),
        ("ranks", lambda row: _mean(row, "rank", 1)),
        ("difference from P", lambda row: _gain(row, "rank", 1)),
    )


def table_2(found: Results, rows: Sequence[Row]) -> Columns:
    """The columns of what searches cost, of the rows of `compare`."""
    whole = {row["searcher"]: row for row in rows if row["goal"] == found.base}

    def there(row: Row) -> str:
        if row["reached"] is None:
            return "never"
        plain = whole[row["searcher"]]
        share = "" if row is plain else f" ({row['reached'] / plain['examples']:.0%})"
        return f"{row['reached']:,.0f}{share}"

    def cost(row: Row) -> str:
        goal = found.goals[row["goal"]]
        return "-" if "teacher" not in goal else "not stated" if goal["cost"] is None else f"{goal['cost']:,}"

    return (
        ("searcher", "{searcher}"),
        ("score", lambda row: label(found.goals[row["goal"]])),
        ("samples", "{samples}"),
        ("different cells", "{cells:.0f}"),
        ("examples", "{examples:,}"),
        ("seconds", "{seconds:,.0f}"),
        ("to P's end", there),
        ("searches there", "{reaching} of {seeds}"),
        ("teacher's examples", cost),
    )


def label(goal: dict[str, Any]) -> str:
    """A goal's name with the examples of a sample."""
    return f"{goal['name']}, after {goal['examples']:,}"


def _mean(row: Row, key: str, unit: float = 100) -> str:
    error = row[f"{key} error"]
    return "-" if row[key] is None else f"{unit * row[key]:.2f}" + ("" if error is None else f" ± {unit * error:.2f}")


def _gain(row: Row, key: str, unit: float = 100) -> str:
    """A difference to P, in percentage points by default, with its interval."""
    mean, low, high = (row[f"{key} {part}"] for part in ("gain", "low", "high"))
    if mean is None:
        return ""
    return f"{unit * mean:+.2f}" + ("" if low is None else f" [{unit * low:+.2f}, {unit * high:+.2f}]")


def _settings(found: Results, versions: dict[str, str], path: Path, page: Path) -> str:
    about, cells = found.about, found.about["cells"]
    said = "- {name}: targets {targets}, by {by}, rule {rule}, similarity {method}"
    teachers = [goal | {"targets": ", ".join(goal["targets"])} for goal in found.goals if "teacher" in goal]
    lines = [
        f"- numbers: `{os.path.relpath(path, page.parent)}`",
        f"- command: `{about['command']}`" if about.get("command") else "",
        f"- searches: {about['finished']} of {about['planned']} finished, {about['seeds']} seeds "
        f"from {about['first_seed']} on",
        f"- cells: {cells.get('train', '-')} training images, recipe {cells.get('recipe', {}).get('name', '-')}; P on "
        f"{cells.get('valid', '-')} validation images; mature performance: {cells.get('mature', '-')}",
        *map(said.format_map, teachers),
        f"- machine: {about['machine']}" if about.get("machine") else "",
        f"- versions: {', '.join(f'{name} {number}' for name, number in versions.items())}",
    ]
    return "\n".join(filter(None, lines))


def efficiency_figure(found: Results) -> "Figure":
    """Mature performance of the current top 5 against examples trained: a panel per searcher, a line per goal.

    Lines are means over seeds, bands one standard error; dotted: where P alone comes to. The upper row is the mean of
    the top 5, the lower one their best.
    """
    searchers, base = found.searchers, found.base
    figure, grid = panels(3.6 * len(searchers) + 1, 7.4, 2, len(searchers), sharex=True, sharey="row")
    lows = ([], [])  # type: tuple[list[float], list[float]]
    for column, searcher in zip(grid.T, searchers, strict=True):
        for i, goal in enumerate(found.goals):
            runs = list(found.of(searcher, i).values())
            if not runs:
                continue
            x = runs[0].step * np.arange(1, runs[0].samples + 1) / 1000
            colour = "black" if i == base else COLOURS[i % (len(COLOURS) - 1)]
            for axes, key, low in zip(column, ("mean", "best"), lows, strict=True):
                curves = 100 * np.stack([getattr(run, key) for run in runs])
                mean, error = curves.mean(axis=0), curves.std(axis=0, ddof=min(1, len(runs) - 1)) / len(runs) ** 0.5
                label = f"{goal['name']}, {goal['examples']:,} examples a sample"
                axes.plot(x, mean, color=colour, linewidth=1.8, drawstyle="steps-post", label=label)
                axes.fill_between(x, mean - error, mean + error, color=colour, alpha=0.15, linewidth=0, step="post")
                low.append(float(np.nanquantile(mean, 0.1)))
                if i == base:
                    axes.axhline(mean[-1], color="black", linewidth=0.8, linestyle=":")
        column[0].set_title(f"{searcher}, {len(found.of(searcher, base))} seeds", fontweight="bold")
        column[1].set_xlabel("thousand examples trained")
    for row, low, label in zip(grid, lows, ("mean of the current top 5", "best of the current top 5"), strict=True):
        if low:
            row[0].set_ylim(min(low), None)
        row[0].set_ylabel(f"{label}:\nmature performance (%)")
        for axes in row:
            axes.grid(alpha=0.25)
    legend_below(figure, grid[0, 0], ncols=min(2, len(searchers)))
    return figure
