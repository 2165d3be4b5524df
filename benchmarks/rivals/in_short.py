"""The page's first screen: over all tables what ranks networks, what a teacher adds to that, and where searches end."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...rsa.plots.figures import save_figure
from ..report import markdown, shown, texts
from .analysis import ANY, FREE_LEARNED, QUESTIONS, P, Rivals
from .figures import CAPTIONS, gains_figure, predictors_figure
from .search import CHANCE, EQUAL, FREE, SUMMED, TOP
from .search import P as BY_P
from .search_page import CAPTION, search_figure, verdict
from .table import SIZE

_ALONE, _ASKED = (SIZE, FREE_LEARNED, P), ("P", "size", "free", "free + P")
_ADDED = (("free", P), *((question, ANY) for question in _ASKED))
_COSTS = "The training of teachers, and of the pool from which weights and alpha are learned, is not counted."
_INTRODUCTION = """\
A pool of {spaces} holds networks, its members, whose accuracy after a full training is known: their *mature
performance*. Every member is trained briefly, with {seeds}, and evaluated after {first:,} to {last:,} training
examples. **P** is its validation accuracy then. **TG** is how similar its layers are to those of a
teacher (a network or a brain) by their representational dissimilarity matrices (RDMs). **Size** is the number of
parameters. **Free** predictors, also called zero-cost proxies, need no training: size, multiply-adds, depth, NASWOT,
synflow, jacob_cov, grad_norm and SNIP, combined with weights that are learned on other members. Does P, or TG, help to
predict mature performance beyond these?"""
_NOTE = """\
Size, free and P: Spearman correlation with mature performance. Gains are held out: teacher and weights are chosen on
other members. "3 of 6" counts the checkpoints at which the 95% interval lies above zero. "0 of 6" means that no gain
can be told from zero, not that there is none: over free and P, the intervals still allow gains of up to {most:.2f} in
the best tenth and of up to {elsewhere:.2f} elsewhere."""


def in_short(rivals: Sequence[Rivals], searches: Sequence[Mapping[str, Any]], folder: Path) -> str:
    """Markdown of results of `tgsage teacher compare` and `tgsage bench screening`; the pictures come into `folder`.

    Sentences, a table of each, and a picture each of what ranks networks, what a teacher adds, and where searches end.
    """
    folder.mkdir(parents=True, exist_ok=True)
    parts = ["## In short", _introduction(rivals), "\n".join(_sentences(rivals, searches)), _ranking(rivals)]
    parts.append(_note(rivals))
    parts += [_ends(searches)] if searches else []
    drawn = {"predictors": predictors_figure(rivals), "gains": gains_figure(rivals)}
    for name, figure in drawn.items():
        save_figure(figure, folder / f"{name}.png")
        parts.append(shown(CAPTIONS[name], folder / f"{name}.png"))
    return "\n\n".join([*parts, ends_picture(searches, folder)] if searches else parts)


def ends_picture(searches: Sequence[Mapping[str, Any]], folder: Path) -> str:
    """Markdown of the picture of where searches end, which comes into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    save_figure(search_figure(searches), folder / "searches.png")
    return shown(CAPTION, folder / "searches.png")


def _sentences(rivals: Sequence[Rivals], searches: Sequence[Mapping[str, Any]]) -> list[str]:
    told = {
        question: np.concatenate([_told(one, question, ANY) for one in rivals], axis=None) for question in QUESTIONS
    }
    added = {question: int((cases > 0).sum()) for question, cases in told.items()}
    cases = told["P"].size
    known = sum(int((_told(one, "free", P) > 0).sum()) for one in rivals)
    counts = [
        f"in {added[one]} to {what}" + (f" (harm in {harm})" if (harm := int((told[one] < 0).sum())) else "")
        for one, what in QUESTIONS.items()
    ]
    lines = [
        f"- A case is one table, one group of its members and one checkpoint. Of {cases} cases, a teacher that was "
        f"chosen on other members adds {', '.join(counts)}. In {_blind(rivals)} of those in which it adds to P, P "
        f"alone is not distinguishable from chance, or worse. P adds to free predictors in {known}.",
        f"- No teacher adds distinguishably to size here: {_nothing(rivals) or 'nowhere'}.",
    ]
    for start, said in (
        ("pixels", "How much a network resembles the pixels, which needs no teacher, adds"),
        ("noise", "Random RDMs, which know nothing, appear to add"),
    ):
        rates = {question: rate for question in QUESTIONS if (rate := _controls(rivals, question, start)) is not None}
        if rates:
            shares = ", ".join(f"to {QUESTIONS[question]} in {100 * rate:.0f}%" for question, rate in rates.items())
            lines.append(f"- {said} {shares} of cases and sets of stimuli.")
    for found in searches:
        rows = {row["objective"]: row for row in found["rows"]}
        plan, end = found["about"]["plan"], rows[BY_P]["examples"]
        lines.append(
            f"- {found['about']['space']}: each search proposes {plan['proposals']} networks and chooses {TOP}. By P, "
            f"for which {plan['samples']} of them are trained, these reach {rows[BY_P]['top']:.2f}% after {end:,} "
            f"examples, by P + alpha TG {rows[SUMMED]['top']:.2f}%; the average proposal has "
            f"{rows[CHANCE]['top']:.2f}%. Without training a candidate, the largest {TOP} reach "
            f"{rows[SIZE]['top']:.2f}%, those chosen by free predictors {rows[EQUAL]['top']:.2f}% with equal weights "
            f"and {rows[FREE]['top']:.2f}% with weights learned from a pool. {verdict(found)}"
        )
    return lines


def _introduction(rivals: Sequence[Rivals]) -> str:
    checkpoints = np.concatenate([one.gain["checkpoint"].values for one in rivals])
    seeds = sorted({len(one.about["seeds"]) for one in rivals})
    return _INTRODUCTION.format(
        spaces=" or ".join(dict.fromkeys(str(one.about["space"]) for one in rivals)),
        seeds=f"{' or '.join(map(str, seeds))} seed{'s' if seeds != [1] else ''}",
        first=int(checkpoints.min()),
        last=int(checkpoints.max()),
    )


def _note(rivals: Sequence[Rivals]) -> str:
    """With the largest gains over free and P that intervals allow."""
    ends = []
    for one in rivals:
        high = one.gain["high"].sel(question="free + P", teacher=ANY).max("checkpoint")
        ends += [(str(name).startswith("best"), float(high.sel(population=name))) for name in high["population"].values]
    most, elsewhere = (max((end for best, end in ends if best == kind), default=np.nan) for kind in (True, False))
    return _NOTE.format(most=most, elsewhere=elsewhere)


def _blind(rivals: Sequence[Rivals]) -> int:
    """Cases in which a teacher adds to P and P alone is not above chance."""
    alone = [(one, one.single["low"].sel(predictor=P).transpose("population", "checkpoint")) for one in rivals]
    return sum(
        int(((_told(one, "P", ANY) > 0) & ~(low.sel(population=one.gain["population"]).values > 0)).sum())
        for one, low in alone
    )


def _nothing(rivals: Sequence[Rivals]) -> str:
    """Tables, members and checkpoints at which no teacher adds to size."""
    parts = []
    for found in rivals:
        told = _told(found, "size", ANY)
        for name, one in zip(found.gain["population"].values, told, strict=True):
            places = [f"{int(c):,}" for c, here in zip(found.gain["checkpoint"].values, one, strict=True) if here <= 0]
            if places:
                where = "at every checkpoint" if len(places) == one.size else f"after {', '.join(places)} examples"
                parts.append(f"{found.about['space']}, {name} ({where})")
    return "; ".join(parts)


def _told(found: Rivals, question: str, teacher: str) -> npt.NDArray[np.int64]:
    """(population, checkpoint): 1 where what a teacher adds is distinguishable from zero, -1 where it harms, else 0."""
    gain = found.gain.sel(question=question, teacher=teacher)
    told: npt.NDArray[np.int64] = (gain["low"] > 0).values.astype(np.int64) - (gain["high"] < 0).values
    return told


def _controls(rivals: Sequence[Rivals], question: str, start: str) -> float | None:
    """Share of cases in which controls of a kind lie above zero."""
    controls = [(one, name) for one in rivals for name in one.about["controls"] if name.startswith(start)]
    cases = [_told(one, question, name) > 0 for one, name in controls]
    return float(np.mean([case.mean() for case in cases])) if cases else None


def _ranking(rivals: Sequence[Rivals]) -> str:
    rows = []
    for found in rivals:
        last = found.single.isel(checkpoint=-1)
        for place, name in enumerate(map(str, found.gain["population"].values)):
            alone = [f"{float(last['spearman'].sel(population=name, predictor=one)):.2f}" for one in _ALONE]
            gains = [_counted(found, place, question, teacher) for question, teacher in _ADDED]
            rows.append([found.about["space"], f"{name} ({max(found.about['populations'][name])})", *alone, *gains])
    examples = {int(found.gain["checkpoint"].values[-1]) for found in rivals}
    after = f"P after {' or '.join(f'{n:,}' for n in sorted(examples))}"
    heads = ("table", "members", "size", "free", after, "P adds to free", *(f"TG adds to {one}" for one in _ASKED))
    return markdown(texts(*heads), rows, left=2)


def _counted(found: Rivals, place: int, question: str, teacher: str) -> str:
    """At how many checkpoints something adds, with the least and the largest such gain, and at how many it harms."""
    told = _told(found, question, teacher)[place]
    gains = found.gain["gain"].sel(question=question, teacher=teacher).values[place][told > 0]
    text = f"{gains.size} of {told.size}"
    if gains.size:
        least, most = f"{gains.min():+.2f}", f"{gains.max():+.2f}"
        text = f"**{text}** ({least if least == most else f'{least} to {most}'})"
    harm = int((told < 0).sum())
    return f"{text}, harm {harm}" if harm else text


def _ends(searches: Sequence[Mapping[str, Any]]) -> str:
    """Where the searches of every table end, an objective in a row."""
    names = [row["objective"] for row in searches[0]["rows"]]
    rows = []
    for name in names:
        found = [next(row for row in one["rows"] if row["objective"] == name) for one in searches]
        trained = max(row["examples"] for row in found)
        rows.append([name, f"{trained:,}" if trained else "none", *(f"{row['top']:.2f}" for row in found)])
    columns = [f"{one['about']['space']}: mean of the {TOP} chosen (%)" for one in searches]
    table = markdown(texts("objective of a search", "examples that candidates are trained on", *columns), rows)
    return f"{table}\n\n{_COSTS}"
