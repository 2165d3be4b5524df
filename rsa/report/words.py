"""The question, the answer and the methods of a score, as sentences made of its real settings."""

from collections.abc import Mapping, Sequence

import numpy as np

from ..plots.scores import between
from ..rdm.comparison import caution
from ..rdm.rdm import RDM
from ..score import TeacherScore
from ..time_score import TimeScore
from ..types import Attr
from .comparisons import PairTests
from .literature import CITED, MEASURES, METRICS


def joined(names: Sequence[str], most: int = 6) -> str:
    """a, b and c; of many, the first and how many more."""
    shown = list(names) if len(names) <= most else [*names[: most - 1], f"{len(names) - most + 1} more"]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def counted(n: int, noun: str) -> str:
    return f"{n:,} {noun if n == 1 or noun.endswith('i') else noun + 's'}"


def conditions(score: TeacherScore | TimeScore) -> str:
    n = int(score.table.attrs["n"])
    if score.by == "stimulus":
        return f"{n:,} stimuli"
    return f"{n:,} conditions (the stimuli averaged by {score.by})"


def question(model: str, score: TeacherScore) -> str:
    targets = [str(target) for target in score.table.indexes["target"]]
    layers = score.table.sizes["layer"]
    each = " to each" if len(targets) > 1 else ""
    which = f", and which of its {layers} layers is most similar{each}" if layers > 1 else ""
    return (
        f"Over {conditions(score)}, how similar is the representational geometry of {model} to that of "
        f"{joined(targets, 9)} (teacher: {score.teacher}){which}?"
    )


def answer(score: TeacherScore, tests: PairTests) -> list[tuple[str, str]]:
    """What is found for every target, and TG: (subject, sentences)."""
    layers = [str(layer) for layer in score.table.indexes["layer"]]
    found = []
    for k, target in enumerate(map(str, score.table.indexes["target"])):
        best = layers.index(score.best_layer[target])
        ends = score.best_interval.get(target, (None, None))
        value = float(score.table[best, k])
        of = f"is the most similar of {len(layers)} layers" if len(layers) > 1 else "is the only layer compared"
        ceiling = _of_ceiling(value, score.ceilings.get(target))
        text = f"{layers[best]} {of}: {value:.3f}{between_ends(*ends)}, {ceiling}."
        if ends[0] is not None and ends[1] is not None and ends[0] <= 0:
            where = "includes" if ends[1] >= 0 else "lies below"
            text += f" The interval {where} zero, so no similarity has been shown."
        equal = [layers[i] for i in tests.equal(k, best)]
        if equal:
            text += f" The test cannot distinguish it from {joined(equal)}."
        elif tests:
            text += " It differs from every other layer."
        found.append((target, text))
    tg_ends = between_ends(score.tg_low, score.tg_high)
    tg = f"the similarity of the best layer, averaged over targets, is {score.tg:.3f}{tg_ends}."
    return [*found, ("TG", tg + _crossvalidated(score))]


def _of_ceiling(value: float, ceiling: tuple[float, float] | None) -> str:
    if ceiling is None:
        return "with no ceiling known"
    return f"{100 * value / ceiling[1]:.0f}% of the ceiling ({between(*ceiling)})"


def between_ends(low: float | None, high: float | None) -> str:
    return (
        "" if low is None or high is None or np.isnan([low, high]).any() else f" (95% interval {low:.3f} to {high:.3f})"
    )


def _crossvalidated(score: TeacherScore) -> str:
    if score.tg_crossvalidated is None:
        return ""
    return (
        " The highest similarity of many layers is biased upwards; with layers chosen on one half of the stimuli and "
        f"scored on the other, TG is {score.tg_crossvalidated:.3f}."
    )


def methods(
    model: str, score: TeacherScore, rdms: Mapping[str, RDM], targets: Mapping[str, RDM]
) -> tuple[str, list[str]]:
    """A paragraph for a paper, from the settings of this score, and the works it cites.

    rdms, targets: of layers and of targets; empty where features were compared without RDMs.
    """
    layers, n = score.table.sizes["layer"], int(score.table.attrs["n"])
    compared = f"{counted(layers, 'layer')} of {model} ({features_of(score.attrs)})"
    measure, source = MEASURES.get(score.method, score.method), CITED.get(score.method)
    by = f"{measure} ({source})" if source else measure
    cited = ["Bashivan et al. 2019", *([source] if source else [])]
    if rdms and targets:
        first, target = next(iter(rdms.values())), next(iter(targets.values()))
        own, theirs = (METRICS.get(rdm.metric, rdm.metric) for rdm in (first, target))
        metric = own if own == theirs else f"{own} (model) and {theirs} (targets)"
        text = [
            f"Representational dissimilarity matrices (RDMs; Kriegeskorte et al. 2008) of {compared} and of "
            f"{_targets(score, targets)} were computed over {conditions(score)} as {metric}.",
            *scaling(target.attrs),
            f"The RDMs were compared by {by} over the {n * (n - 1) // 2:,} pairs of conditions.",
        ]
        cited.append("Kriegeskorte et al. 2008")
    else:
        text = [f"{compared} and {_targets(score, targets)} were compared by {by} over {conditions(score)}."]
    text.append("TG is the mean over targets of the highest similarity of any layer (Bashivan et al. 2019).")
    text.append(_inference(score) if score.draws is not None else "No intervals were computed.")
    if caution(score.method):
        text.append(f"Note that {caution(score.method)}.")
    if score.crossvalidated is not None:
        text.append(
            "Because a maximum is biased upwards, layers were also chosen on random halves of the stimuli and scored "
            f"on the other halves ({score.crossvalidated.sizes['split']} splits)."
        )
    if score.draws is not None:
        cited += ["Nili et al. 2014", "Efron 1987", *(["Benjamini & Hochberg 1995"] if layers > 1 else [])]
    ceiling = str(score.attrs.get("teacher_ceiling") or "")
    if score.ceilings:
        text.append(f"Noise ceilings: {ceiling or 'as stored with the teacher'}.")
        cited += ["Spearman 1910"] if "Spearman-Brown" in ceiling else []
    else:
        text.append(f"No noise ceiling was available{f' ({ceiling})' if ceiling else ''}.")
    return " ".join(text), sorted(set(cited))


def features_of(attrs: Mapping[str, Attr]) -> str:
    kept, seed = attrs.get("n_features"), attrs.get("seed")
    if not kept:
        return "all features"
    return f"{kept} features of each" + ("" if seed is None else f", drawn with seed {seed} where a layer has more")


def _targets(score: TeacherScore, targets: Mapping[str, RDM]) -> str:
    parts = []
    for name in map(str, score.table.indexes["target"]):
        neuroids = targets[name].attrs.get("neuroids") if name in targets else None
        parts.append(f"{name} ({counted(int(neuroids), 'neuroid')})" if neuroids else name)
    source = score.attrs.get("teacher_source")
    return f"{joined(parts, 9)} of {score.teacher}" + (f" ({source})" if source else "")


def scaling(attrs: Mapping[str, Attr]) -> list[str]:
    scaled = {
        "zscore": "each neuroid was z-scored over stimuli",
        "max": "each neuroid was divided by its highest response",
        "none": "neuroids were not scaled",
    }
    window = f"in the window {attrs['window']}, " if attrs.get("window") else ""
    how = scaled.get(str(attrs.get("scale")))
    averaged = f"Responses were averaged over repeats{', ' + window.rstrip(', ') if window else ''}"
    return [f"{averaged}; {how}."] if how else []


def _inference(score: TeacherScore) -> str:
    assert score.draws is not None  # noqa: S101  the caller's condition, for the type checker
    facts = score.draws.attrs
    what = str(facts.get("resampled", "stimuli"))
    unit = what if what in ("stimuli", "groups") else f"whole groups by {what}"
    text = (
        f"95% confidence intervals are based on Student's t on Fisher's z scale, with standard errors from "
        f"{score.draws.sizes['draw']:,} bootstrap resamples of {unit} (seed {facts['seed']}; Nili et al. 2014), after "
        "removal of the excess variance due to resampled pairs. Each interval is lengthened by the acceleration on the "
        "side towards which the sampling distribution leans (Efron 1987). "
        f"The intervals generalise to {facts.get('about', 'new stimuli')}."
    )
    if score.table.sizes["layer"] > 1:
        text += (
            " Those for the best layers and for TG allow for the layers having been chosen on the same data. Layers"
            " were compared by two-sided t tests of paired differences over the same resamples, with the false "
            "discovery rate controlled over the pairs of layers for each target (Benjamini & Hochberg 1995)."
        )
    return text
