"""What the page says about searches that begin with what is free: answer, figure, table."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...rsa.plots.figures import COLOURS, save_figure
from ..report import Columns, legend_below, markdown, panels
from .analysis import SIZE
from .search import ALL, BOTH, FREE, OBJECTIVES, SEARCHES, SUMMED, P, curves

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DASHES = ("-", "--", "-.")  # equal lines lie on each other
_CAPTION = (
    "Mature performance of the top 5 against the examples that a search has trained on; means over seeds with one "
    "standard error; dotted: where P ends. The lines of searches without training are level."
)


def search_section(path: Path, found: Mapping[str, Any], folder: Path) -> str:
    """Markdown of what a file of `tgsage bench screening` holds; the picture comes into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    picture = folder / f"{path.stem}.png"
    save_figure(search_figure(found), picture)
    about, plan = found["about"], found["about"]["plan"]
    name, by = about["teacher"]["name"], f"by {about['teacher']['by']}"
    teacher = name if name.endswith(by) else f"{name}, {by}"
    kinds = "\n".join(f"- {name}: {what}" for name, what in OBJECTIVES.items())
    details = (
        f"Each search draws {plan['proposals']} random networks and trains {plan['samples']} of them on "
        f"{plan['examples']:,} examples each. Weights were learned on {about['members']} members of a pool, trained "
        f"with {about['learned at seeds']} other seed(s), whose mature performance is published and which are never "
        f"proposed; teacher: {teacher}; alpha {about['alpha']:g}.\n\n{kinds}"
    )
    return "\n\n".join(
        [
            f"## Searches that begin with what is free: {about['space']}, {len(found['searches'])} seeds",
            answer(found),
            f"![{_CAPTION}]({folder.name}/{picture.name})\n*{_CAPTION}*",
            f"<details><summary>How it was searched, and what it costs</summary>\n\n{details}\n\n"
            f"{markdown(COLUMNS, found['rows'])}\n\n{' '.join(notes(found))} Command: "
            f"`{found.get('command', '-')}`.\n\n</details>",
        ]
    )


def answer(found: Mapping[str, Any]) -> str:
    """In words: what is free against P, and what P and TG add to it."""
    rows = {row["objective"]: row for row in found["rows"]}
    end = rows[P]["examples"]
    words = {
        FREE: "What is free",
        SIZE: "The number of parameters alone",
        SUMMED: "The paper's P + alpha TG",
        BOTH: "Free + P",
        ALL: "Free + P + TG",
    }
    lines = [f"P ends at {_mean(rows[P], 'top')} after {end:,} examples ({rows[P]['regret']:.2f} points of regret)."]
    for name, said in words.items():
        row = rows[name]
        there = "never reached" if row["to P"] is None else f"reached after {row['to P']:,} examples"
        more = "" if name in (FREE, SIZE, SUMMED) else f", {difference(row['over free'])} over what is free"
        lines.append(f"- {said}: {_mean(row, 'top')}, {difference(row['over P'])} over P{more}; P's end {there}.")
    return "\n".join(lines)


def _mean(row: Mapping[str, Any], key: str) -> str:
    error = row[f"{key} error"]
    return f"{row[key]:.2f}" + ("" if error is None else f" ± {error:.2f}")


def difference(values: "list[float] | None") -> str:
    """A difference with its interval, bold above zero; nothing where there is none."""
    if values is None:
        return ""
    mean, *bounds = (round(value, 2) + 0.0 for value in values)  # no -0.00
    text = f"{mean:+.2f}" + (f" [{bounds[0]:+.2f}, {bounds[1]:+.2f}]" if bounds else "")
    return f"**{text}**" if bounds and bounds[0] > 0 else text


def notes(found: Mapping[str, Any]) -> list[str]:
    """What the table's columns are."""
    return [
        f"Accuracy in % of the final top 5, their mean and the best of them: means over {len(found['searches'])} seeds "
        "with standard errors; regret relative to the best network of the table; differences between searches with the "
        "same seed, and their 95% intervals.",
        "To P: examples after which the mean curve stays where P ends, or above. Alone, shared: examples including the "
        f"teacher's own training, for one search or for {SEARCHES} that share it; the cost of the pool is not counted.",
    ]


COLUMNS: Columns = (
    ("objective", "{objective}"),
    ("top 5", lambda row: _mean(row, "top")),
    ("best of them", lambda row: _mean(row, "best")),
    ("regret", "{regret:.2f}"),
    ("over P", lambda row: difference(row["over P"])),
    ("over free", lambda row: difference(row["over free"])),
    ("to P", lambda row: "never" if row["to P"] is None else f"{row['to P']:,}"),
    ("examples", "{examples:,}"),
    ("alone", "{alone:,.0f}"),
    ("shared", "{shared:,.0f}"),
)


def search_figure(found: Mapping[str, Any]) -> "Figure":
    """The mean of the top 5, and its best, against examples: a line per objective."""
    plan = found["about"]["plan"]
    x = plan["examples"] * np.arange(plan["samples"] + 1)
    figure, (row,) = panels(9.5, 4.6, columns=2)
    for axes, key, title in zip(row, ("mean", "best"), ("mean of the top 5", "best of the top 5"), strict=True):
        lows = []
        for i, name in enumerate(OBJECTIVES):
            values = curves(found["searches"], name, key)
            mean, error = values.mean(axis=0), values.std(axis=0, ddof=min(1, len(values) - 1)) / len(values) ** 0.5
            colour, dashes = ("black", "-") if name == P else (COLOURS[i - 1], _DASHES[i % len(_DASHES)])
            axes.plot(x, mean, color=colour, label=name, linestyle=dashes)
            axes.fill_between(x, mean - error, mean + error, color=colour, alpha=0.12, linewidth=0)
            lows.append(float(mean[-1]))
            if name == P:
                axes.axhline(mean[-1], color="black", linewidth=0.8, linestyle=":")
        best = 100 * found["about"]["best"]
        axes.set_ylim(min(lows) - 0.15 * (best - min(lows)), best)
        axes.set_xlabel("training examples")
        axes.set_ylabel(f"{title} (%), up to the table's best")
        axes.grid(alpha=0.25)
    legend_below(figure, row[0], ncols=4)
    return figure
