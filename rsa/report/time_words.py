"""What a score over time says in words: latencies, clusters, gaps, the question, the answer and the methods."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..inference.clusters import LEAST_SUBJECTS, LEVEL
from .literature import CITED, MEASURES, METRICS
from .words import between_ends, conditions, counted, features_of, joined, scaling

if TYPE_CHECKING:
    import xarray

    from ..time_score import TimeScore

_SCALE = "Student's t on Fisher's z scale, with standard errors "
_LATENCIES = (
    "their intervals come from reading both in every resample, the onset from the cluster that shares a time with the "
    "first one of all data; a resample without such a cluster counts as later than any"
)


def latency_text(here: "xarray.Dataset", kind: str) -> str:
    """Onset or peak (ms) of one layer and target with its interval; "-" without a significant cluster."""
    value, low, high = (float(here[name]) for name in (kind, f"{kind}_low", f"{kind}_high"))
    if math.isnan(value):
        return "-"
    return f"{value:g}" if math.isnan(low) else f"{value:g} [{low:g}, {'later' if math.isnan(high) else f'{high:g}'}]"


def clusters_text(here: "xarray.Dataset") -> str:
    """Start and end of each stretch of windows that share a p-value of .05 or less."""
    p, start, end = (here[key].to_numpy() for key in ("p", "window_start", "window_end"))
    found, t = [], 0
    while t < len(p):
        stop = t + 1
        while stop < len(p) and p[stop] == p[t]:
            stop += 1
        if p[t] <= LEVEL:
            found.append(f"{start[t]:g}-{end[stop - 1]:g} ({p[t]:.3f})".replace("0.", "."))
        t = stop
    return ", ".join(found) or "-"


def reasons(table: "xarray.Dataset") -> list[str]:
    """One line for each reason why windows have no RDM, or no reliability; the first twelve."""
    found: dict[str, list[str]] = {}
    if "reason" not in table:
        return []
    for target in map(str, table.indexes["target"]):
        for t, why in enumerate(table["reason"].sel(target=target).to_numpy().tolist()):
            if why:
                span = f"{float(table['window_start'][t]):g}-{float(table['window_end'][t]):g}"
                found.setdefault(f"{target}: {why}", []).append(span)
    return [
        f"{why} ({len(spans)} windows: {', '.join(spans[:3])}{', ...' if len(spans) > 3 else ''})"
        for why, spans in found.items()
    ][:12]


def differences_text(score: "TimeScore") -> dict[str, str]:
    """Of onsets and of peaks: the differences between the best layers of the first ten pairs of targets."""
    found: dict[str, str] = {}
    for kind in score.draws:
        apart = "; ".join(
            f"{row['second']} - {row['first']} {row['difference']:+g} "
            f"[{_end(row['low'], 'earlier')}, {_end(row['high'], 'later')}]"
            for row in score.latency_differences(kind).to_dict("records")[:10]
            if math.isfinite(row["difference"]) and math.isfinite(row["p"])
        )
        found |= {kind: apart} if apart else {}
    return found


def _end(value: float, beyond: str) -> str:
    return beyond if math.isnan(value) else f"{value:+g}"


def intervals_from(score: "TimeScore") -> str:
    """What the intervals are from."""
    facts = score.table.attrs
    if score.subjects is None:
        return f"{facts['bootstrap']:,} resamples of {facts['resampled']}"
    text = f"Student's t over at least {facts['units']} subjects"
    again = f"{facts['bootstrap']:,} resamples of the subjects" if score.draws else ""
    return f"{text} (for latencies, from {again})" if again else text


def tested_by(score: "TimeScore") -> str:
    """What clusters are tested by."""
    permutations = f"{score.table.attrs['permutations']:,}"
    if score.subjects is None:
        return f"{permutations} permutations of the stimuli, the same in all windows"
    if score.table.attrs["units"] < LEAST_SUBJECTS:
        return f"at most {permutations} sign flips of the subjects, only for targets with {LEAST_SUBJECTS} or more"
    return f"at most {permutations} sign flips of the subjects"


def question(model: str, score: "TimeScore") -> str:
    """What is asked, in one sentence."""
    return (
        f"Over {conditions(score)}, when after stimulus onset is the representational geometry of {model} similar to "
        f"that of {joined(score.targets, 9)} (teacher: {score.teacher}), how similar is it, and when does the "
        "similarity begin? "
        f"{_windows(score)} were compared."
    )


def answer(score: "TimeScore") -> list[tuple[str, str]]:
    """What is found for every target: (subject, sentences)."""
    found = []
    for target, layer in score.best_layer.items():
        here = score.table.sel(layer=layer, target=target)
        at = int(np.nanargmax(here["similarity"].to_numpy()))
        there = here.isel(time=at)
        value, low, high = (float(there[key]) for key in ("similarity", "low", "high"))
        several = len(score.layers) > 1
        of = f"has the highest similarity of {len(score.layers)} layers" if several else "has its highest similarity"
        text = f"{layer} {of}: {value:.3f}{between_ends(low, high)} at {_span(there)}{_of_ceiling(value, there)}."
        if math.isnan(float(here["onset"])):
            text += " No window lies in a significant cluster." if tested(score, target) else " Nothing was tested."
        else:
            onset, peak = (latency_text(here, kind) for kind in ("onset", "peak"))
            text += f" The first significant cluster begins at {onset} ms, and the similarity is highest at {peak} ms."
        found.append((target, text))
    missing = [target for target in score.targets if target not in score.best_layer]
    found += [(target, "no window has an RDM.") for target in missing]
    for kind, text in differences_text(score).items():
        found.append((f"{kind.capitalize()}s", f"differences between the targets' best layers, in ms: {text}."))
    return found


def tested(score: "TimeScore", target: str) -> bool:
    """Whether a target's clusters were tested."""
    if score.subjects is None or not score.table.attrs.get("permutations"):
        return bool(score.table.attrs.get("permutations"))
    known = np.isfinite(score.subjects.sel(target=target).to_numpy()).any(axis=(1, 2))
    return int(known.sum()) >= LEAST_SUBJECTS


def _span(here: "xarray.Dataset") -> str:
    return f"{float(here['window_start']):g} to {float(here['window_end']):g} ms"


def _of_ceiling(value: float, here: "xarray.Dataset") -> str:
    ceiling = float(here["ceiling"]) if "ceiling" in here else math.nan
    return "" if math.isnan(ceiling) else f", {100 * value / ceiling:.0f}% of the ceiling there ({ceiling:.3f})"


def _windows(score: "TimeScore") -> str:
    table = score.table
    size = np.unique((table["window_end"] - table["window_start"]).to_numpy().round(6))
    length = f"{size[0]:g}" if len(size) == 1 else f"{size[0]:g} to {size[-1]:g}"
    first, last = float(table["window_start"].min()), float(table["window_end"].max())
    return f"{table.sizes['time']} windows of {length} ms, from {first:g} to {last:g} ms,"


def methods(model: str, score: "TimeScore") -> tuple[str, list[str]]:
    """A paragraph for a paper, from the settings of this score, and the works it cites."""
    attrs, table = score.attrs, score.table
    n, draws = (int(table.attrs.get(key, 0)) for key in ("n", "bootstrap"))
    measure, source = MEASURES.get(score.method, score.method), CITED.get(score.method)
    own, theirs = (METRICS.get(str(attrs.get(key)), str(attrs.get(key))) for key in ("metric", "teacher_metric"))
    metric = own if own == theirs else f"{own} (model) and {theirs} (targets)"
    computed = f" as {metric}" if "teacher_metric" in attrs else ""
    text = [
        f"Representational dissimilarity matrices (RDMs; Kriegeskorte et al. 2008) of "
        f"{counted(len(score.layers), 'layer')} of {model} ({features_of(attrs)}) and of {_targets(score)} in "
        f"{_windows(score)} were computed over {conditions(score)}{computed}.",
        *scaling({"scale": attrs.get("teacher_scale")}),
        f"The RDMs were compared by {f'{measure} ({source})' if source else measure} over the {n * (n - 1) // 2:,} "
        "pairs of conditions.",
    ]
    cited = ["Kriegeskorte et al. 2008", *([source] if source else [])]
    if score.subjects is not None:
        text.append("Each subject's RDMs were compared separately, and similarities are means over subjects.")
    if draws or score.subjects is not None:
        scale = _SCALE if score.subjects is None else ""
        text.append(f"95% intervals are {scale}from {intervals_from(score)}, and generalise to {table.attrs['about']}.")
        cited += ["Nili et al. 2014"] if score.subjects is None else []
    if any(tested(score, target) for target in score.targets):
        chance, again = ("Student's t", "flip") if score.subjects is not None else ("the permutations", "permutation")
        text.append(
            f"Clusters of windows were tested by {tested_by(score)} (Maris & Oostenveld 2007): a cluster is a run of "
            f"windows above the 95% quantile of {chance}, and its mass was compared with the largest mass in every "
            f"{again}. p-values are corrected over the windows of one layer and target, not over layers and targets. "
            "A significant cluster shows that there is an effect, not that the effect begins where the cluster does "
            "(Sassenhagen & Draschkow 2019). The onset is the first window of the first cluster with p <= .05, and the "
            "peak is the window with the highest similarity (Cichy et al. 2014)"
            + (f"; {_LATENCIES}." if draws else ".")
        )
        cited += ["Maris & Oostenveld 2007", "Sassenhagen & Draschkow 2019", "Cichy et al. 2014"]
    text.append(f"Reliability and noise ceilings: {attrs.get('teacher_ceiling') or 'not known'}.")
    if score.generalisation is not None:
        text.append(f"Temporal generalisation (King & Dehaene 2014): {score.generalisation.attrs['definition']}.")
        cited.append("King & Dehaene 2014")
    return " ".join(text), sorted(set(cited))


def _targets(score: "TimeScore") -> str:
    names = joined(score.targets, 9)
    source = score.attrs.get("teacher_source")
    return f"{names} of {score.teacher}" + (f" ({source})" if source else "")


def settings_of(score: "TimeScore", settings: Mapping[str, Any]) -> dict[str, Any]:
    """What to state under "Reproduce"."""
    facts = {**settings, **score.attrs, **{str(key): value for key, value in score.table.attrs.items()}}
    return {key: value for key, value in facts.items() if value not in (None, "")}
