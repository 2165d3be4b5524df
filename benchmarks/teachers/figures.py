"""Pictures of a comparison of teachers, after figures 2 to 5 of the paper."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ...rsa.plots.figures import COLOURS, MARKERS
from .comparison import ANY, Comparison

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DASHES = ("-", "--", ":")


def predictors_figure(found: Comparison) -> "Figure":
    """Rank correlation with mature performance against training examples: P, loss, every teacher's TG and P + TG."""
    figure, (left, right) = _figure(13, 5, columns=2)
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
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    return figure


def alphas_figure(found: Comparison) -> "Figure":
    """Gain over P or chance against alpha, with 95% intervals: a panel per checkpoint, a line per teacher."""
    checkpoints, alphas = found.table["checkpoint"].values, found.table["alpha"].values
    columns = min(3, len(checkpoints))
    rows = -(-len(checkpoints) // columns)
    figure, panels = _figure(4.2 * columns, 3.2 * rows + 1.2, columns=columns, rows=rows, sharey=True)
    styles = _styles(found)
    for axes in panels[len(checkpoints) :]:
        axes.set_axis_off()
    for axes, checkpoint in zip(panels, checkpoints, strict=False):
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
        axes.spines[["top", "right"]].set_visible(False)
    figure.supylabel("gain in Spearman over P or chance", fontsize=10)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    return figure


def teachers_figure(found: Comparison) -> "Figure":
    """Teachers against each other: held-out gain with its 95% interval, rule and alpha chosen elsewhere."""
    data = found.held_out.sel(rule=ANY)
    names, checkpoints = [str(name) for name in data["teacher"].values], data["checkpoint"].values
    figure, panels = _figure(
        2.0 * len(checkpoints) + 3.5, 0.34 * len(names) + 1.6, columns=len(checkpoints), sharex=True, sharey=True
    )  # fmt: skip
    y = np.arange(len(names))[::-1]
    for axes, checkpoint in zip(panels, checkpoints, strict=True):
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
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", alpha=0.25)
    labels = [f"{name} teacher, chosen as well" if name == ANY else name for name in names]
    panels[0].set_yticks(y, labels, fontsize=9)
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
    figure, panels = _figure(9.5, 4.6, columns=2, sharey=True)
    for axes, x, label, r, colour in (
        (panels[0], p, "P", rho[0], "black"), (panels[1], score, f"P + {alpha:g} TG", rho[1], COLOURS[0])
    ):  # fmt: skip
        axes.scatter(x, mature, s=16, color=colour, alpha=0.6, linewidth=0)
        axes.set_xlabel(label)
        axes.set_title(f"Spearman {r:.2f}", fontsize=11)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("mature performance (%)")
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
    "predictors": predictors_figure, "alphas": alphas_figure, "teachers": teachers_figure, "scatter": scatter_figure,
}  # fmt: skip


def _figure(
    width: float, height: float, *, columns: int, rows: int = 1, sharex: bool = False, sharey: bool = False
) -> "tuple[Figure, Any]":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, sharex=sharex, sharey=sharey).ravel()


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
    axes.spines[["top", "right"]].set_visible(False)
