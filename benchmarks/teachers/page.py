"""What the page says about a comparison of teachers: answer, settings, tables, pictures after figures 2 to 5."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...rsa.errors import listing
from ...rsa.plots.figures import COLOURS, MARKERS, save_figure
from ..report import legend_below, markdown, panels, texts
from .comparison import ANY, OVER, Comparison

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CAPTIONS = {
    "predictors": "Rank correlation with mature performance against training examples: P, -loss, and every teacher.",
    "alphas": "Gain of P + alpha TG over the better of P and chance, with 95% intervals over architectures.",
    "teachers": "Held-out gain of every teacher: rule and alpha chosen on one half of the pool, tested on the other.",
    "scatter": "Each point is an architecture: mature performance against P and against P + alpha TG.",
}
_RULES = (
    "For every rule: how many of the teachers have a held-out gain whose interval lies above / below zero, and the "
    "gain where the teacher, too, is chosen on the other half."
)
_DASHES = ("-", "--", ":")


def teachers_section(path: Path, found: Comparison, more: dict[str, Any], folder: Path, page: Path) -> tuple[str, str]:
    """Markdown of a comparison and what else its file at `path` holds, answer and details; pictures go to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {}
    for name, draw in FIGURES.items():
        picture = folder / f"{path.stem}-{name}.png"
        save_figure(draw(found), picture)
        pictures[name] = f"![{_CAPTIONS[name]}]({folder.name}/{picture.name})\n*{_CAPTIONS[name]}*"
    about, rule = found.about, found.table["rule"].values[0]
    short = (
        f"## {about['members']} architectures of {about['space']}, {about['pool'].get('data', 'images')}",
        answer(found),
        pictures["teachers"],
    )
    long = (
        f"### How it was made\n\n{_settings(found, more, path, page)}",
        f'### Predictors\n\nSpearman with mature performance; TG by the rule "{rule}".',
        _predictors(found),
        pictures["predictors"],
        f"### Gain {OVER}\n\n{_gains(found)}",
        pictures["alphas"],
        pictures["scatter"],
        "### Held out\n\nGain with its 95% interval, rule and alpha chosen on the other half.",
        _held_out(found),
        f"### Rules\n\n{_RULES}\n\n{_rules(found)}",
        "### What was chosen\n\nLayers are counted from 1; weights are those of P and of every target.",
        _chosen(found),
        f"### Single targets\n\nSpearman of each target alone, with its most similar layer.\n\n{_targets(found)}",
    )
    return "\n\n".join(short), "\n\n".join(long)


def answer(found: Comparison) -> str:
    """In words: where a gain holds, where it does not, where TG does harm."""
    held = found.held_out
    lines = []
    overall = held.sel(rule=ANY, teacher=ANY)
    for checkpoint in held["checkpoint"].values:
        one = overall.sel(checkpoint=checkpoint)
        unknown = (
            "no verdict, as P ranks no better than chance in some half and this file has no interval for that gain"
        )
        known = "yes" if one["low"] > 0 else "no, harm" if one["high"] < 0 else "not established"
        verdict = unknown if np.isnan(one["low"]) else known
        lines.append(f"- after {int(checkpoint):,} examples: {verdict}. {_sentence(one)}")
    sure = _named(held.sel(rule=ANY), lambda one: one["low"] > 0)
    harmful = _named(found.table.isel(rule=0, alpha=-1), lambda one: one["high"] < 0)
    alpha = float(found.table["alpha"].values[-1])
    head = (
        "Does P + alpha TG rank unseen architectures better than P at the same checkpoint, and better than chance, "
        "with teacher, rule and alpha chosen on other architectures?"
    )
    tail = [
        f"With one teacher fixed, and rule and alpha chosen, the interval lies above zero for {sure or 'none'}.",
        f'By the rule "{found.table["rule"].values[0]}" at alpha {alpha:g}, TG does harm with {harmful or "none"}.',
    ]
    return "\n".join([head, "", *lines, "", *tail])


def _sentence(one: "xarray.Dataset") -> str:
    p, score = float(one["p"]), float(one["score"])
    return f"Spearman from {p:.2f} to {score:.2f}, gain {_interval(one)}"


def _named(data: "xarray.Dataset", wanted: Callable[["xarray.Dataset"], Any]) -> str:
    """Teachers, each with the checkpoints where it holds."""
    where: dict[str, list[str]] = {}
    for teacher in data["teacher"].values:
        for c in data["checkpoint"].values:
            if teacher != ANY and wanted(data.sel(teacher=teacher, checkpoint=c)):
                where.setdefault(teacher, []).append(f"{int(c):,}")
    return "; ".join(f"{teacher} ({', '.join(checkpoints)})" for teacher, checkpoints in where.items())


def _settings(found: Comparison, more: dict[str, Any], path: Path, page: Path) -> str:
    about, pool = found.about, found.about["pool"]
    views = "; ".join(f"{name}: {what}" for name, what in pool.get("views", {}).items())
    recipe = pool.get("recipe", {}).get("name", "-")
    versions = ", ".join(f"{name} {number}" for name, number in more.get("versions", {}).items())
    name, checkpoint, alpha = best_place(found)
    mature = pool.get("mature", "-") + (f" for {pool['epochs']:g} epochs" if pool.get("epochs") else "")
    lines = [
        f"- numbers: `{os.path.relpath(path, page.parent)}`",
        f"- command: `{more['command']}`" if "command" in more else "",
        f"- pool: `{pool['command']}`" if "command" in pool else "",
        f"- members: {about['members']} ({about['left_out']} left out, as they have no RDM)",
        f"- mature performance: {mature}",
        f"- training: {pool.get('train', '-')} images, recipe {recipe}, seed {pool.get('seed', '-')}; P on "
        f"{pool.get('valid', '-')} validation images; {about['seconds']:.0f} s for the median member",
        f"- stimuli: {views}",
        f"- {about['bootstrap']} resamples, seed {about['seed']}; similarity {listing(about['methods'], 9)}",
        *(f"- rule {rule}: {what}" for rule, what in about["rules"].items()),
        f"- machine: {more['machine']}" if "machine" in more else "",
        f"- versions: {versions}",
        f"- scatter: the teacher, checkpoint and alpha with the highest lower end: {name}, {checkpoint:,}, {alpha:g}",
    ]
    return "\n".join(filter(None, lines))


def _predictors(found: Comparison) -> str:
    data = found.table.sel(coefficient="spearman").isel(rule=0)
    rows = [["P", *_numbers(data["p"])], ["-loss", *_numbers(data["loss"])]]
    rows += [[f"TG, {t}", *_numbers(data["tg"].sel(teacher=t))] for t in data["teacher"].values]
    return _table(found, rows, "predictor")


def _gains(found: Comparison) -> str:
    first = found.table.isel(rule=0)
    places = [(t, a) for t in first["teacher"].values for a in first["alpha"].values if a]
    rows = [[str(t), f"{a:g}", *gains(first.sel(teacher=t, alpha=a))] for t, a in places]
    return _table(found, rows, "teacher", "alpha")


def _held_out(found: Comparison) -> str:
    data = found.held_out.sel(rule=ANY)
    return _table(found, [[str(t), *gains(data.sel(teacher=t))] for t in data["teacher"].values], "teacher")


def _rules(found: Comparison) -> str:
    rows = []
    for rule in found.held_out["rule"].values:
        here = found.held_out.sel(rule=rule)
        single = here.sel(teacher=here["teacher"] != ANY)
        above, below = (single["low"] > 0).sum("teacher").values, (single["high"] < 0).sum("teacher").values
        both = here["gain"].sel(teacher=ANY).values
        rows.append([str(rule), *(f"{a} / {b}, {gain:+.2f}" for a, b, gain in zip(above, below, both, strict=True))])
    return _table(found, rows, f"rule ({found.table.sizes['teacher']} teachers)")


def _chosen(found: Comparison) -> str:
    data = found.held_out["chosen"].sel(rule=ANY, teacher=ANY)
    rows = [[f"{int(c):,}", *str(data.sel(checkpoint=c).item()).split(" | ")] for c in data["checkpoint"].values]
    return markdown(texts("examples", "first half", "second half"), rows)


def _targets(found: Comparison) -> str:
    data = found.targets.sel(coefficient="spearman")
    return _table(found, [[str(t), *_numbers(data.sel(target=t))] for t in data["target"].values], "target")


def _table(found: Comparison, rows: list[list[str]], *first: str) -> str:
    """A table with a column for every checkpoint after the first ones."""
    return markdown(texts(*first, *checkpoints(found)), rows)


def checkpoints(found: Comparison) -> list[str]:
    """Training examples at every checkpoint, for people."""
    return [f"{int(checkpoint):,}" for checkpoint in found.table["checkpoint"].values]


def _numbers(values: "xarray.DataArray") -> list[str]:
    return [f"{float(value):.2f}" for value in values]


def gains(data: "xarray.Dataset") -> list[str]:
    """The gain at every checkpoint with its interval, bold above zero."""
    return [_interval(data.sel(checkpoint=c)) for c in data["checkpoint"].values]


def _interval(one: "xarray.Dataset") -> str:
    gain, low, high = (float(one[key]) for key in ("gain", "low", "high"))
    text = f"{gain:+.2f}" if np.isnan(low) else f"{gain:+.2f} [{low:+.2f}, {high:+.2f}]"
    return f"**{text}**" if low > 0 else text


def predictors_figure(found: Comparison) -> "Figure":
    """Rank correlation with mature performance against training examples: P, loss, every teacher's TG and P + TG."""
    figure, ((left, right),) = panels(13, 5, columns=2)
    table = found.table.sel(coefficient="spearman").isel(rule=0)
    x = np.arange(table.sizes["checkpoint"])
    most = table["alpha"].values[-1]
    for axes, values, title in (
        (left, table["tg"], "TG alone"),
        (right, table["score"].isel(alpha=-1), f"P + {most:g} TG"),
    ):
        axes.plot(x, table["p"], color="black", linewidth=2.5, marker="o", label="P")
        axes.plot(x, table["loss"], color="0.55", linewidth=2.5, marker="o", label="-loss")
        for name, style in _styles(found).items():
            axes.plot(x, values.sel(teacher=name), label=name, linewidth=1.4, markersize=5, **style)
        _examples(axes, found)
        axes.set_title(title, fontweight="bold")
        axes.set_ylabel("Spearman with mature performance")
    legend_below(figure, left)
    return figure


def alphas_figure(found: Comparison) -> "Figure":
    """Gain over P or chance against alpha, with 95% intervals: a panel per checkpoint, a line per teacher."""
    checkpoints, alphas = found.table["checkpoint"].values, found.table["alpha"].values
    columns = min(3, len(checkpoints))
    rows = -(-len(checkpoints) // columns)
    figure, grid = panels(4.2 * columns, 3.2 * rows + 1.2, rows, columns, sharey=True)
    styles = _styles(found)
    for axes in grid.flat[len(checkpoints) :]:
        axes.set_axis_off()
    for axes, checkpoint in zip(grid.flat, checkpoints, strict=False):
        for i, (name, style) in enumerate(styles.items()):
            here = {"teacher": name, "checkpoint": checkpoint}
            gain, low, high = (part.sel(here).values for part in (found.gain, found.low, found.high))
            x = np.arange(len(alphas)) + np.where(alphas > 0, (i / len(styles) - 0.5) * 0.5, 0)
            axes.plot(x, gain, label=name, linewidth=1.1, markersize=3.5, **style)
            axes.vlines(x, low, high, color=style["color"], linewidth=0.7)
        axes.axhline(0, color="black", linewidth=0.8)
        axes.set_xticks(range(len(alphas)), [f"{alpha:g}" for alpha in alphas])
        axes.set_title(f"{int(checkpoint):,} examples", fontsize=10)
        axes.set_xlabel("alpha")
    figure.supylabel("gain in Spearman over P or chance", fontsize=10)
    legend_below(figure, grid.flat[0])
    return figure


def teachers_figure(found: Comparison) -> "Figure":
    """Teachers against each other: held-out gain with its 95% interval, rule and alpha chosen elsewhere."""
    data = found.held_out.sel(rule=ANY)
    names, checkpoints = [str(name) for name in data["teacher"].values], data["checkpoint"].values
    width, height = 2.0 * len(checkpoints) + 3.5, 0.34 * len(names) + 1.6
    figure, (row,) = panels(width, height, columns=len(checkpoints), sharex=True, sharey=True)
    y = np.arange(len(names))[::-1]
    for axes, checkpoint in zip(row, checkpoints, strict=True):
        here = data.sel(checkpoint=checkpoint)
        sure = (here["low"] > 0).values[np.array(names) != ANY]
        for place, name in zip(y, names, strict=True):
            one = here.sel(teacher=name)
            good = float(one["low"]) > 0
            colour = COLOURS[2] if good else "0.5"
            axes.plot([one["low"], one["high"]], [place, place], color=colour, linewidth=2)
            axes.plot(one["gain"], place, "o" if good else "D", color=colour, markersize=5)
        axes.axvline(0, color="black", linewidth=0.8)
        above = "no intervals" if bool(here["low"].isnull().all()) else f"{int(sure.sum())} of {len(sure)} above 0"
        axes.set_title(f"{int(checkpoint):,} examples\n{above}", fontsize=9)
        axes.grid(axis="y", alpha=0.25)
    labels = [f"{name} teacher, chosen as well" if name == ANY else name for name in names]
    row[0].set_yticks(y, labels, fontsize=9)
    figure.supxlabel(
        "held-out gain in Spearman over the better of P and chance, 95% interval over architectures", fontsize=9
    )
    return figure


def scatter_figure(found: Comparison) -> "Figure":
    """Mature performance against P, and against P + alpha TG of the teacher, alpha and checkpoint of most gain."""
    name, checkpoint, alpha = best_place(found)
    members = found.members.sel(checkpoint=checkpoint)
    p, mature = members["p"].values, 100 * members["mature"].values
    score = p + alpha * members["tg"].sel(teacher=name).values
    table = found.table.sel(coefficient="spearman", checkpoint=checkpoint).isel(rule=0)
    rho = float(table["p"]), float(table["score"].sel(teacher=name, alpha=alpha))
    sides = ((p, "P", rho[0], "black"), (score, f"P + {alpha:g} TG", rho[1], COLOURS[0]))
    figure, (row,) = panels(9.5, 4.6, columns=2, sharey=True)
    for axes, (x, label, r, colour) in zip(row, sides, strict=True):
        axes.scatter(x, mature, s=16, color=colour, alpha=0.6, linewidth=0)
        axes.set_xlabel(label)
        axes.set_title(f"Spearman {r:.2f}", fontsize=11)
    row[0].set_ylabel("mature performance (%)")
    figure.suptitle(f"{name}, after {checkpoint:,} examples", fontweight="bold")
    return figure


def best_place(found: Comparison) -> tuple[str, int, float]:
    """Teacher, checkpoint and alpha whose gain has the highest lower end, of the first rule and after some training."""
    low = found.low
    for dim in ("alpha", "checkpoint"):
        if len(low[dim]) > 1:
            low = low.sel({dim: low[dim] > 0})
    place = np.unravel_index(int(np.nanargmax(low.values)), low.shape)
    teacher, checkpoint, alpha = (low[dim].values[i] for dim, i in zip(low.dims, place, strict=True))
    return str(teacher), int(checkpoint), float(alpha)


FIGURES: Mapping[str, Callable[[Comparison], "Figure"]] = {
    "predictors": predictors_figure,
    "alphas": alphas_figure,
    "teachers": teachers_figure,
    "scatter": scatter_figure,
}


def _styles(found: Comparison) -> dict[str, dict[str, str]]:
    names = [str(name) for name in found.table["teacher"].values]
    n = len(COLOURS) - 1  # black is P
    return {
        name: {"color": COLOURS[i % n], "marker": MARKERS[i % n], "linestyle": _DASHES[i // n % len(_DASHES)]}
        for i, name in enumerate(names)
    }


def _examples(axes: "Axes", found: Comparison) -> None:
    checkpoints = found.table["checkpoint"].values
    axes.set_xticks(range(len(checkpoints)), [f"{int(examples):,}" for examples in checkpoints])
    axes.set_xlabel("training examples")
    axes.axhline(0, color="black", linewidth=0.6)
    axes.grid(alpha=0.25)
