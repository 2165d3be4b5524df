"""Comparisons of models: similarities with intervals, ceilings and who differs from whom; layers; a map; RDMs."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import RSAError, near
from .figures import COLOURS, MARKERS, literal, shortened, told_apart
from .rdms import display_order, draw_rdm, planar_map

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ..comparison import ModelComparison

LEVEL = 0.05  # of tests, after correction
KINDS = ("models", "profiles", "map", "rdms")
LONG = 34  # letters of a model's name
CELL = 0.21  # inches of a row of models, and of a column of the matrix beside it
FEW = 7  # models whose profiles are lines; more are rows of a map
ACROSS = 8  # RDMs beside each other


def comparison_figure(comparison: "ModelComparison", kind: str = "models", figure: "Figure | None" = None) -> "Figure":
    """One of the pictures of a comparison. Raises RSAError for an unknown kind, and where there is nothing to draw."""
    from matplotlib.figure import Figure

    if kind not in KINDS:
        raise RSAError(f"there is no picture {kind!r}{near(kind, KINDS)}")
    made = Figure() if figure is None else figure
    made.set_layout_engine("constrained")
    draw = {"models": _draw_models, "profiles": _draw_profiles, "map": _draw_maps, "rdms": _draw_rdms}[kind]
    draw(made, comparison)
    literal(made)
    return made


def _rows(comparison: "ModelComparison", target: str) -> dict[str, Mapping[str, Any]]:
    return {str(r["model"]): r for r in comparison.rows if r["target"] == target and not r["reason"]}


def in_order(comparison: "ModelComparison") -> list[str]:
    """Models, the most similar (over the targets, on average) first; checkpoints of one model as they were given."""
    found = [_rows(comparison, target) for target in comparison.targets]
    known = [model for model in comparison.models if any(model in rows for rows in found)]
    if comparison.settings.get("checkpoints"):
        return known
    means = {m: np.mean([rows[m]["similarity"] for rows in found if m in rows]) for m in known}
    return sorted(known, key=lambda model: -means[model])


def _draw_models(figure: "Figure", comparison: "ModelComparison") -> None:
    models, targets = in_order(comparison), comparison.targets
    if comparison.settings.get("checkpoints") and len(models) > 1:
        _draw_training(figure, comparison, models)
        return
    n = len(models)
    across = 1 if n > 12 else min(2, len(targets))
    down = math.ceil(len(targets) / across)
    matrix = CELL * n if n > 1 else 0.05
    names = 0.085 * max(map(len, told_apart(models, LONG).values())) + 0.4
    figure.set_size_inches(across * (3.4 + matrix) + names + 0.3, down * (CELL * n + 1.3) + 0.5)
    widths = [3.0, max(matrix, 0.05)] * across
    grid = figure.subplots(down, 2 * across, squeeze=False, width_ratios=widths)
    for place in range(down * across):
        row, column = divmod(place, across)
        left, right = grid[row, 2 * column], grid[row, 2 * column + 1]
        if place >= len(targets):
            left.set_axis_off(), right.set_axis_off()
            continue
        _draw_points(left, comparison, targets[place], models, place, named=column == 0)
        _draw_matrix(right, comparison, targets[place], models)
    said = (
        "over "
        + {"stimuli": "new stimuli", "subjects": "new subjects", "both": "new stimuli and subjects"}[
            str(comparison.settings.get("over", "stimuli"))
        ]
    )
    corrected = "" if comparison.settings.get("correction") == "none" else " corrected"
    figure.supxlabel(
        f"95% intervals {said}; grey band, or dashed line: noise ceiling. Squares: the row's model is better (dark)\n"
        f"or worse (light) than the column's, p < .05{corrected}; open points: not above zero.",
        fontsize="small",
    )


def _draw_points(
    axes: "Axes", comparison: "ModelComparison", target: str, models: Sequence[str], number: int, *, named: bool
) -> None:
    rows, colour = _rows(comparison, target), COLOURS[number % (len(COLOURS) - 1)]
    n = len(models)
    for y, model in enumerate(models):
        if model not in rows:
            axes.text(0, y, " failed", va="center", fontsize="x-small", color="0.4")
            continue
        row = rows[model]
        axes.plot((row["low"], row["high"]), (y, y), color=colour, linewidth=1.6, solid_capstyle="butt")
        hollow = not row["p_zero"] < LEVEL and np.isfinite(row["p_zero"])
        axes.plot(row["similarity"], y, "o", color=colour, markerfacecolor="white" if hollow else colour, markersize=5)
    known = next((row for row in rows.values() if row["ceiling_high"] is not None), None)
    if known is not None:
        low, high = known["ceiling_low"], known["ceiling_high"]
        axes.axvspan(low, high, color="0.8", linewidth=0, zorder=0)
        axes.axvline(high, color="0.5", linewidth=1, linestyle="--", zorder=0)
        if low != high:
            axes.axvline(low, color="0.5", linewidth=1, linestyle="--", zorder=0)
    axes.axvline(0, color="0.6", linewidth=0.8, zorder=0)
    axes.set_ylim(n - 0.5, -0.5)
    short = told_apart(models, LONG)
    labels = [f"{short[model]}  {i + 1}" if named else str(i + 1) for i, model in enumerate(models)]
    axes.set_yticks(range(n), labels, fontsize="small")
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", labelsize="small")
    axes.set_title(shortened(target, 40), fontsize="medium", loc="left", color=colour)
    axes.set_xlabel(f"RDM similarity ({comparison.settings.get('method', '')})".replace(" ()", ""), fontsize="small")
    axes.spines[["top", "right", "left"]].set_visible(False)


def _draw_matrix(axes: "Axes", comparison: "ModelComparison", target: str, models: Sequence[str]) -> None:
    """A square for every pair of models that differ: dark where the one of the row is the better one."""
    n, place = len(models), {model: i for i, model in enumerate(models)}
    if n < 2:
        axes.set_axis_off()
        return
    shown = np.zeros((n, n))
    for pair in comparison.pairs:
        if pair["target"] == target and pair["p_adjusted"] < LEVEL:
            i, j = place[pair["first"]], place[pair["second"]]
            better = pair["difference"] > 0
            shown[i, j], shown[j, i] = (2, 1) if better else (1, 2)
    rows, columns = np.nonzero(shown)
    for y, x in zip(rows.tolist(), columns.tolist(), strict=True):
        axes.fill(
            (x - 0.42, x + 0.42, x + 0.42, x - 0.42),
            (y - 0.42, y - 0.42, y + 0.42, y + 0.42),
            color="0.25" if shown[y, x] == 2 else "0.85",
            linewidth=0,
        )
    for i in range(n):
        axes.plot(i, i, ".", color="0.7", markersize=2)
    axes.set_xlim(-0.5, n - 0.5)
    axes.set_ylim(n - 0.5, -0.5)
    axes.set_xticks(range(n), [str(i + 1) for i in range(n)], fontsize="xx-small" if n > 12 else "x-small")
    axes.xaxis.tick_top()
    axes.set_yticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _draw_training(figure: "Figure", comparison: "ModelComparison", models: Sequence[str]) -> None:
    """Checkpoints of one model: similarity against training, a line per target."""
    figure.set_size_inches(max(5.5, 1.5 + 0.35 * len(models)), 4.2)
    axes, places = figure.subplots(), np.arange(len(models))
    for k, target in enumerate(comparison.targets):
        rows, colour = _rows(comparison, target), COLOURS[k % len(COLOURS)]
        there = [i for i, model in enumerate(models) if model in rows]
        value, low, high = (np.array([rows[models[i]][key] for i in there]) for key in ("similarity", "low", "high"))
        axes.fill_between(places[there], low, high, color=colour, alpha=0.14, linewidth=0)
        axes.plot(places[there], value, marker=MARKERS[k % len(MARKERS)], color=colour, label=shortened(target, 40))
        known = next((row for row in rows.values() if row["ceiling_high"] is not None), None)
        if known is not None:
            axes.axhspan(known["ceiling_low"], known["ceiling_high"], color=colour, alpha=0.12, linewidth=0)
            axes.axhline(known["ceiling_high"], color=colour, linestyle="--", linewidth=1)
    turn: dict[str, Any] = {"rotation": 60, "ha": "right", "rotation_mode": "anchor"} if len(models) > 6 else {}
    axes.set_xticks(places, list(told_apart(models).values()), fontsize="small", **turn)
    axes.axhline(0, color="0.6", linewidth=0.8, zorder=0)
    axes.set_xlabel("checkpoint")
    axes.set_ylabel(f"RDM similarity ({comparison.settings.get('method', '')})".replace(" ()", ""))
    axes.legend(frameon=False, fontsize="small")
    axes.set_title("Similarity over training (dashed: ceilings)", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_profiles(figure: "Figure", comparison: "ModelComparison") -> None:
    """Similarity over depth, from the first layer (0) to the last (1): lines of few models, a map of many."""
    models, targets = in_order(comparison), comparison.targets
    short = told_apart(models, LONG)
    lines = len(models) <= FEW
    across = min(2, len(targets))
    down = math.ceil(len(targets) / across)
    height = 3.2 if lines else CELL * len(models) + 1.0
    figure.set_size_inches(across * 4.2 + (2.2 if lines else 2.8), down * height + 0.4)
    grid = figure.subplots(down, across, squeeze=False, sharey="all" if lines else False)
    for place in range(down * across):
        axes = grid[divmod(place, across)]
        if place >= len(targets):
            axes.set_axis_off()
            continue
        target = targets[place]
        known = {m: list(comparison.profiles[m, target].values()) for m in models if (m, target) in comparison.profiles}
        if lines:
            for k, (model, values) in enumerate(known.items()):
                depth = np.linspace(0, 1, len(values)) if len(values) > 1 else np.array([0.5])
                look = {"color": COLOURS[k % len(COLOURS)], "marker": MARKERS[k % len(MARKERS)]}
                axes.plot(depth, values, markersize=4, linewidth=1.2, label=short[model], **look)
            axes.axhline(0, color="0.6", linewidth=0.8, zorder=0)
            axes.spines[["top", "right"]].set_visible(False)
            axes.set_ylabel("RDM similarity" if place % across == 0 else "")
        else:
            fine = np.linspace(0, 1, 60)
            deep = [values if len(values) > 1 else values * 2 for values in known.values()]
            picture = np.stack([np.interp(fine, np.linspace(0, 1, len(values)), values) for values in deep])
            image = axes.imshow(
                picture, aspect="auto", cmap="viridis", extent=(0, 1, len(known) - 0.5, -0.5), interpolation="nearest"
            )
            figure.colorbar(image, ax=axes, label="RDM similarity")
            named = [short[model] for model in known] if place % across == 0 else []
            axes.set_yticks(range(len(named)), named, fontsize="small")
        axes.set_title(shortened(target, 40), fontsize="medium", loc="left")
        axes.set_xlabel("depth (first to last layer compared)", fontsize="small")
    if lines:
        handles, labels = grid[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right upper", frameon=False, fontsize="small")


def _sets(comparison: "ModelComparison") -> list[list[str]]:
    """Targets over the same conditions, together."""
    found: dict[frozenset[str], list[str]] = {}
    for target in comparison.targets:
        if target in comparison.rdms:
            found.setdefault(frozenset(comparison.rdms[target].labels), []).append(target)
    return list(found.values())


def _draw_maps(figure: "Figure", comparison: "ModelComparison") -> None:
    """A map of models and targets for every set of conditions: near are those with similar RDMs."""
    sets = _sets(comparison)
    if not sets:
        raise RSAError("the comparison keeps no RDMs to map")
    models = in_order(comparison)
    figure.set_size_inches(5.0 * len(sets) + 3.0, 5.0)
    grid = figure.subplots(1, len(sets), squeeze=False)[0]
    for axes, targets in zip(grid, sets, strict=True):
        known = [model for model in models if (model, targets[0]) in comparison.rdms]
        if len(known) + len(targets) < 3:
            axes.set_axis_off()
            axes.set_title("a map needs at least 3 RDMs", fontsize="small")
            continue
        places, stress = planar_map(comparison.distances(known, targets))
        for i, (x, y) in enumerate(places[: len(known)]):
            axes.scatter(x, y, s=150, facecolors="white", edgecolors="black", zorder=4)
            number = str(models.index(known[i]) + 1)
            axes.text(x, y, number, ha="center", va="center_baseline", fontsize="x-small", zorder=5)
        for k, (target, (x, y)) in enumerate(zip(targets, places[len(known) :], strict=True)):
            axes.scatter(
                x, y, s=130, marker="D", color=COLOURS[k % len(COLOURS)], label=shortened(target, 30), zorder=3
            )
        axes.legend(frameon=False, fontsize="small", loc="best")
        axes.set_title(f"layers chosen for {shortened(targets[0], 30)}; stress {stress:.2f}", fontsize="small")
        axes.set_aspect("equal", adjustable="datalim")
        axes.margins(0.12)
        axes.set_xticks([]), axes.set_yticks([])
    short = told_apart(models, LONG)
    handles = [
        figure.axes[0].plot([], [], linestyle="none", label=f"{i + 1}  {short[model]}")[0]
        for i, model in enumerate(models)
    ]
    figure.legend(
        handles=handles,
        loc="outside right upper",
        frameon=False,
        fontsize="small" if len(models) < 20 else "x-small",
        handlelength=0,
        handletextpad=0,
    )


def _draw_rdms(figure: "Figure", comparison: "ModelComparison") -> None:
    """Every target's RDM, and the models' in the same order."""
    models = in_order(comparison)
    targets = [target for target in comparison.targets if target in comparison.rdms]
    if not targets:
        raise RSAError("the comparison keeps no RDMs to draw")
    shown = [[m for m in models if (m, target) in comparison.rdms] for target in targets]
    lines = [math.ceil((len(known) + 1) / ACROSS) for known in shown]
    across = max(math.ceil((len(known) + 1) / down) for known, down in zip(shown, lines, strict=True))
    figure.set_size_inches(across * 2.3, sum(lines) * 2.2)
    grid, top = figure.subplots(sum(lines), across, squeeze=False), 0
    short = told_apart(models, 24)
    for axes in grid.flat:
        axes.set_axis_off()
    for target, known, height in zip(targets, shown, lines, strict=True):
        rdm = comparison.rdms[target]
        order, marks, how = display_order(rdm)
        labels, rows = [rdm.labels[i] for i in order], _rows(comparison, target)
        for i, one in enumerate([target, *known]):
            axes = grid[top + i // across, i % across]
            axes.set_axis_on()
            if i == 0:
                draw_rdm(axes, rdm.subset(labels), f"{shortened(one, 24)}\n{how}", marks)
                continue
            said = f"{short[one]}\n{shortened(rows[one]['layer'])}: {rows[one]['similarity']:.3f}"
            draw_rdm(axes, comparison.rdms[one, target].subset(labels), said)
            axes.set_ylabel("")
        top += height
