"""A comparison of models in sentences, as a table for LaTeX, and as a table for a terminal."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .comparisons import LEVEL

if TYPE_CHECKING:
    from ..comparison import ModelComparison

_OVER = {
    "stimuli": "new stimuli, with the same subjects",
    "subjects": "new subjects, with the same stimuli",
    "both": "new stimuli and new subjects",
}
_LATEX = {c: f"\\{c}" for c in "&%$#_{}"} | {
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "\\": r"\textbackslash{}",
}


def in_words(comparison: "ModelComparison") -> list[str]:
    """What the intervals are about and how the tests were done, in sentences."""
    said = comparison.settings
    over = str(said.get("over", "stimuli"))
    about = {key: value for key, value in said.items() if key == "about" or key.endswith(": about")}
    scope = "; ".join(sorted({str(value) for value in about.values()}))
    how = {
        "stimuli": f"{said.get('draws')} resamples of {said.get('resampled', 'stimuli')} ({scope})",
        "subjects": "the spread of single subjects (Student's t)",
        "both": f"{said.get('draws')} resamples of subjects and of {said.get('resampled', 'stimuli')}, their variances "
        f"combined after Schütt et al. 2023 ({scope})",
    }
    choice = "half of the stimuli are used to choose a model's layer and the other half to score it"
    if over == "subjects":
        choice = "half of the subjects are used to choose a model's layer and the others to score it"
    elif over == "both":
        choice = "half of the stimuli and of the subjects are used to choose a model's layer and the others to score it"
    over_what = "" if said.get("correction") == "none" else ", over the tests of one kind with one target"
    lines = [
        f"Similarity: {choice}, for {said.get('splits')} halvings, each used both ways, so that having more layers "
        "is no advantage.",
        f"[95% interval] and tests generalise to {_OVER[over]}; they are from {how[over]}. Intervals extend as high as "
        "the interval of the layer that is highest on all data; in tests between models, the one that is behind is "
        "taken at its highest layer.",
        f"Tests: two-sided and paired between models; one-sided for above zero (0) and below the lower ceiling (c); "
        f"p < {LEVEL:g}, {said.get('correction_said')}{over_what}.",
    ]
    if said.get("correction") == "max":
        lines[-1] = lines[-1].removesuffix(".") + "; for single models, Holm."
    fixed = [row for row in comparison.rows if row["ceiling_high"] is not None]
    if fixed and over == "stimuli" and str(said.get("subjects", "1")) == "1":
        lines.append("Ceilings are estimates from the repeats; the tests take them as fixed numbers.")
    elif fixed:
        lines.append("Ceilings: each subject against the mean of the others (lower) and of all (upper).")
    if any(row.get("weighted") for row in comparison.rows):
        lines.append(
            f"Weighted models: the weights of {_weighed(comparison)} are fitted on one half"
            + (" and tested on the other" if over == "stimuli" else " of stimuli and subjects and tested on the others")
            + ", anew in every resample; the variance due to the halvings is subtracted (Schütt et al. 2023). The "
            "layer and share shown are those of the largest weight."
        )
    if comparison.beyond:
        lines.append(
            f"Beyond {comparison.beyond[0]['beyond']}: partial similarity, and the shares of a target's variance "
            "explained by the model alone, by the model and the controls in common, and by the controls alone."
        )
    return lines


def _weighed(comparison: "ModelComparison") -> str:
    """What was weighted."""
    of_features = {str(row["weighted"]).startswith("features-") for row in comparison.rows if row["weighted"]}
    return " or ".join("features" if one else "layers" for one in sorted(of_features))


def order_of(comparison: "ModelComparison", target: str) -> list[Mapping[str, Any]]:
    """The rows of one target, the most similar model first, those that failed last."""
    rows = [row for row in comparison.rows if row["target"] == target]
    return sorted(rows, key=lambda row: -row["similarity"] if not row["reason"] else 2.0)


def equals(comparison: "ModelComparison", target: str) -> dict[str, str]:
    """Letters by model: models that share one cannot be told from each other (the letters of a compact display).

    Every group is a largest set of models of which no two differ.
    """
    names = [str(row["model"]) for row in order_of(comparison, target) if not row["reason"]]
    apart = {
        frozenset((pair["first"], pair["second"]))
        for pair in comparison.pairs
        if pair["target"] == target and pair["p_adjusted"] < LEVEL
    }
    groups = [set(names)]
    for pair in apart:  # insert and absorb (Piepho 2004)
        parts = [part for group in groups for part in ([group - {one} for one in pair] if pair <= group else [group])]
        groups = [
            part
            for i, part in enumerate(parts)
            if not any(part < o or (part == o and i > k) for k, o in enumerate(parts))
        ]
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    groups.sort(key=lambda group: sorted(names.index(name) for name in group))
    return {
        name: "".join(letters[k % len(letters)] for k, group in enumerate(groups) if name in group) for name in names
    }


def latex(comparison: "ModelComparison") -> str:
    """A table (booktabs) of models and targets with intervals, the highest of a target in bold, and ceilings."""
    targets = comparison.targets
    lines = [f"% {line}" for line in in_words(comparison)] + [
        rf"\begin{{tabular}}{{l{'c' * len(targets)}}}",
        r"\toprule",
    ]
    lines += [" & ".join(["model", *map(_escaped, targets)]) + r" \\", r"\midrule"]
    cells = {(row["model"], row["target"]): row for row in comparison.rows}
    best = {target: order_of(comparison, target)[0]["model"] for target in targets}
    for model in comparison.models:
        line = [_escaped(model)]
        for target in targets:
            row = cells[model, target]
            text = "--" if row["reason"] else f"{row['similarity']:.3f}"
            text = rf"\textbf{{{text}}}" if best[target] == model and not row["reason"] else text
            line.append(text if row["reason"] else f"{text} [{row['low']:.3f}, {row['high']:.3f}]")
        lines.append(" & ".join(line) + r" \\")
    ceilings = [_ceiling(comparison.rows, target) for target in targets]
    if any(ceilings):
        lines += [r"\midrule", " & ".join(["ceiling", *(one or "--" for one in ceilings)]) + r" \\"]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def _ceiling(rows: Sequence[Mapping[str, Any]], target: str) -> str:
    for row in rows:
        if row["target"] == target and row["ceiling_high"] is not None:
            low, high = f"{row['ceiling_low']:.3f}", f"{row['ceiling_high']:.3f}"
            return high if low == high else f"{low} to {high}"
    return ""


def _escaped(text: str) -> str:
    return "".join(_LATEX.get(c, c) for c in text)
