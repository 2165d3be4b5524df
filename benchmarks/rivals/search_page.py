"""What a page says about searches that begin with what is free: answer, figure, table."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...rsa.errors import listing
from ...rsa.plots.figures import COLOURS
from ..report import Columns, legend_below, markdown, panels
from .search import ALL, BOTH, CHANCE, EQUAL, FREE, OBJECTIVES, SEARCHES, SUMMED, TOP, P, curves
from .table import SIZE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOURS = [colour for colour in COLOURS if colour != "#000000"]
_DASHES = ("-", "--", "-.")  # equal lines lie on each other
CAPTION = (
    "Mature performance of the 5 chosen against the examples that a search has trained on: means over seeds with one "
    "standard error; dotted: where P ends. Searches without training are level lines, some on top of each other. The "
    "scale ends at the table's best network."
)


def search_section(found: Mapping[str, Any]) -> str:
    """Markdown of what a file of `tgsage bench screening` holds."""
    about, plan = found["about"], found["about"]["plan"]
    name, by = about["teacher"]["name"], f"by {about['teacher']['by']}"
    teacher = name if name.endswith(by) else f"{name}, {by}"
    kinds = "\n".join(f"- {name}: {what}" for name, what in OBJECTIVES.items())
    details = (
        f"Each search proposes {plan['proposals']} random networks; those that train at all train {plan['samples']} of "
        f"them, on {plan['examples']:,} examples each. Weights and alpha were learned on the {about['members']} "
        f"members of a pool, which are never proposed; their mature performance is published, and they were trained "
        f"with {about['learned at seeds']} other seed(s). Teacher: {teacher}; alpha {about['alpha']:g}.\n\n{kinds}"
    )
    return "\n\n".join(
        [
            f"## Searches that begin with what is free: {about['space']}, {len(found['searches'])} seeds",
            answer(found),
            f"<details><summary>How it was searched, and what it costs</summary>\n\n{details}\n\n"
            f"{markdown(COLUMNS, found['rows'])}\n\n{' '.join(notes(found))} Command: "
            f"`{found.get('command', '-')}`.\n\n</details>",
        ]
    )


def answer(found: Mapping[str, Any]) -> str:
    """In words: what is free against P, what P and TG add to it, and what that costs."""
    rows = {row["objective"]: row for row in found["rows"]}
    end = rows[P]["examples"]
    words = {
        CHANCE: "Any of the proposals",
        SIZE: "The largest",
        EQUAL: "Free predictors with equal weights",
        FREE: "Free predictors with learned weights",
        SUMMED: "The paper's P + alpha TG",
        BOTH: "Free + P",
        ALL: "Free + P + TG",
    }
    lines = [
        f"The {TOP} chosen by P reach {_mean(rows[P], 'top')}% after {end:,} examples, {rows[P]['regret']:.2f} points "
        "below the best network of the table."
    ]
    for name, said in words.items():
        row = rows[name]
        there = "ends below P" if row["to P"] is None else f"at or above P's end from {row['to P']:,} examples on"
        more = f", {difference(row['over free'])} over free predictors" if name in (BOTH, ALL) else ""
        shared = f"{row['shared']:,.0f} if {SEARCHES} searches share the teacher"
        taught = row["alone"] > row["examples"]
        cost = f"; {row['alone']:,.0f} examples with the teacher's training, {shared}" if taught else ""
        lines.append(f"- {said}: {_mean(row, 'top')}, {difference(row['over P'])} over P{more}; {there}{cost}.")
    lines.append(f"\n{verdict(found)}")
    return "\n".join(lines)


def verdict(found: Mapping[str, Any]) -> str:
    """What reaches P's end at a fifth of its cost, and what P and TG change in what is free."""
    rows = {row["objective"]: row for row in found["rows"]}
    fifth = rows[P]["examples"] / 5
    cheap = [name for name, row in rows.items() if name != P and row["to P"] is not None and row["to P"] <= fifth]
    told = {
        "without a pool to learn from": [name for name in cheap if not rows[name]["learned"]],
        "with weights learned from a pool": [name for name in cheap if rows[name]["learned"]],
    }
    reached = "; ".join(f"{how}, {listing(names, 9)}" for how, names in told.items() if names)
    over = ", ".join(f"{name} {difference(rows[name]['over free'])}" for name in (BOTH, ALL))
    return (
        f"With at most a fifth of P's training ({fifth:,.0f} examples; that of a teacher not counted), these are at or "
        f"above its end: {reached or 'none'}. Over free predictors (points): {over}."
    )


def _mean(row: Mapping[str, Any], key: str) -> str:
    error = row[f"{key} error"]
    return f"{row[key]:.2f}" + ("" if error is None else f" ± {error:.2f}")


def difference(values: "list[float] | None") -> str:
    """A difference with its interval, bold above zero; nothing where there is none."""
    if values is None:
        return ""
    mean, *bounds = values
    text = f"{mean:+.2f}" + (f" [{bounds[0]:+.2f}, {bounds[1]:+.2f}]" if bounds else "")
    return f"**{text}**" if bounds and bounds[0] > 0 else text


def notes(found: Mapping[str, Any]) -> list[str]:
    """What the table's columns are."""
    return [
        f"Accuracy in % of the final top 5, their mean and the best of them: means over {len(found['searches'])} seeds "
        "with standard errors; regret relative to the best network of the table; differences between searches with the "
        "same seed, and their 95% intervals.",
        "To P: examples after which the mean curve stays where P ends, or above. Learned: from the mature performance "
        "of a pool's members, whose cost is not counted. Alone, shared: examples including the teacher's own training, "
        f"for one search or for {SEARCHES} that share it.",
    ]


COLUMNS: Columns = (
    ("objective", "{objective}"),
    ("top 5", lambda row: _mean(row, "top")),
    ("best of them", lambda row: _mean(row, "best")),
    ("regret", "{regret:.2f}"),
    ("over P", lambda row: difference(row["over P"])),
    ("over free", lambda row: difference(row["over free"])),
    ("to P", lambda row: "never" if row["to P"] is None else f"{row['to P']:,}"),
    ("learned", lambda row: "yes" if row["learned"] else "no"),
    ("examples", "{examples:,}"),
    ("alone", "{alone:,.0f}"),
    ("shared", "{shared:,.0f}"),
)


def search_figure(several: Sequence[Mapping[str, Any]]) -> "Figure":
    """The mean of the top 5, and its best, against examples: a row of panels for every table, a line per objective."""
    figure, grid = panels(9.5, 4.2 * len(several) + 0.6, rows=len(several), columns=2)
    for found, row in zip(several, grid, strict=True):
        for axes, key, title in zip(row, ("mean", "best"), ("mean of the top 5", "best of the top 5"), strict=True):
            _draw(axes, found, key)
            axes.set_ylabel(f"{title} (%)")
            axes.set_title(str(found["about"]["space"]), fontsize=10)
    legend_below(figure, grid[0][0], ncols=4)
    return figure


def _draw(axes: Any, found: Mapping[str, Any], key: str) -> None:
    plan = found["about"]["plan"]
    x = plan["examples"] * np.arange(plan["samples"] + 1)
    lows = []
    for i, name in enumerate(OBJECTIVES):
        values = curves(found["searches"], name, key)
        mean, error = values.mean(axis=0), values.std(axis=0, ddof=min(1, len(values) - 1)) / len(values) ** 0.5
        colour, dashes = ("black", "-") if name == P else (_COLOURS[i % len(_COLOURS)], _DASHES[(i + i // 6) % 3])
        axes.plot(x, mean, color=colour, label=name, linestyle=dashes)
        axes.fill_between(x, mean - error, mean + error, color=colour, alpha=0.12, linewidth=0)
        if name != CHANCE:
            lows.append(float(mean[-1]))
        if name == P:
            axes.axhline(mean[-1], color="black", linewidth=0.8, linestyle=":")
    best = 100 * found["about"]["best"]
    axes.set_ylim(min(lows) - 0.15 * (best - min(lows)), best)
    axes.set_xlabel("training examples")
    axes.grid(alpha=0.25)
