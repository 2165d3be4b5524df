"""What rivals published about NAS-Bench-201, next to what they reach over this pool's members."""

import numpy as np

from ...plugins.evaluation.teacher_rules import RULES as TEACHER_RULES
from ..report import markdown, texts
from ..validity.free_predictors import PUBLISHED, PUBLISHED_BEST, published_text
from .analysis import BOTH_LEARNED, FREE_LEARNED, SUMMED, TAUGHT, P, Rivals
from .page import value_text

SPACE = "nasbench201"
ELSEWHERE = {  # Abdelfattah et al. 2021, and the table of Tybl & Neumann 2025 (VKDNW, CVPR)
    "Fisher": 0.36,
    "GraSP": 0.51,
    "ZiCo": 0.80,
    "vote of three free predictors": 0.82,
    "AZ-NAS": 0.89,
    "VKDNW aggregate": 0.92,
}
_GROUPS = ("random", "best tenth")
_NOTE = """\
Spearman correlation with accuracy on CIFAR-10. Published: over all cells of the table, and over its best 10%. Here:
over {n} different random networks and {best} of the best tenth, built smaller, with one cell in each stage; predictors
that need training, {after}. We know of no published correlation over this table for a rule that uses a teacher. For
RMI-NAS, a search is published: it reaches 94.28 ± 0.10% test accuracy (the best cell has 94.37%) in 1,258 s
(github.com/xfey/RMI-NAS). DisWOT is meant to predict accuracy after distillation, which this table does not have."""


def published_section(found: Rivals) -> str:
    """Markdown: a row for every predictor that needs no teacher, for rules with one, and for what is only published."""
    last = found.single.isel(checkpoint=-1)
    after = f"after {int(last['checkpoint']):,} examples"
    free = [str(name) for name in last["predictor"].values if str(name) in {"parameters", "depth", *PUBLISHED}]
    needs = dict.fromkeys(free, "nothing")
    needs |= {name: "a teacher, one batch" for name in found.about.get("rival rules", ()) if name in TEACHER_RULES}
    needs |= {P: f"training ({after})", SUMMED: f"training, a teacher ({after})"}
    needs[FREE_LEARNED] = "the accuracy of other networks"
    needs[BOTH_LEARNED] = "the accuracy of other networks, training"
    needs[TAUGHT["free + P"]] = "the accuracy of other networks, training, a teacher"
    rows = [
        [name, what, *_published(name), *(_here(found, name, group) for group in _GROUPS)]
        for name, what in needs.items()
    ]
    rows += [[name, "nothing", f"{value:.2f}", "", "", ""] for name, value in ELSEWHERE.items()]
    heads = ("rival", "needs", "published, all cells", "published, best 10%", *(f"here, {group}" for group in _GROUPS))
    counts = [max(found.about["populations"].get(group, [0])) for group in _GROUPS]
    note = _NOTE.format(n=counts[0], best=counts[1], after=after)
    return f"## Rivals, published and measured here\n\n{note}\n\n{markdown(texts(*heads), rows, left=2)}"


def _published(name: str) -> tuple[str, str]:
    best = PUBLISHED_BEST.get(name)
    return published_text(*PUBLISHED.get(name, (None, None))), "" if best is None else f"{best:.2f}"


def _here(found: Rivals, name: str, group: str) -> str:
    if group not in found.single["population"].values:
        return ""
    last = found.single.sel(population=group).isel(checkpoint=-1)
    return "" if np.isnan(float(last["spearman"].sel(predictor=name))) else value_text(last, name)
