"""The page's first screen: over all tables what ranks networks, what a teacher adds to that, and where searches end."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..report import markdown, texts
from .analysis import ANY, FREE_LEARNED, QUESTIONS, SIZE, P, Rivals
from .search import ALL, FREE, SUMMED
from .search import P as BY_P
from .search_page import difference

_CHANCE = 0.025  # of intervals that hold 95%, so many lie above a true zero
_ALONE, _ASKED = (SIZE, FREE_LEARNED, P), ("P", "size", "free", "free + P")
_ADDED = (("free", P), *((question, ANY) for question in _ASKED))
_NOTE = """\
Size, free and P: Spearman correlation with mature performance. Free: what an untrained network tells (parameters,
multiply-adds, depth, NASWOT, synflow, jacob_cov, grad_norm, SNIP), combined with learned weights. Gains are held out:
teacher and weights are chosen on other members. "3 of 6" counts the checkpoints at which the 95% interval lies above
zero, "harm" those at which it lies below."""


def in_short(rivals: Sequence[Rivals], searches: Sequence[Mapping[str, Any]]) -> str:
    """Markdown of results of `tgsage teacher compare` and `tgsage bench screening`: sentences, and a table of each."""
    parts = ["## In short", "\n".join(_sentences(rivals, searches)), _ranking(rivals), _NOTE]
    return "\n\n".join([*parts, _ends(searches)] if searches else parts)


def _sentences(rivals: Sequence[Rivals], searches: Sequence[Mapping[str, Any]]) -> list[str]:
    told = {
        question: np.concatenate([_told(one, question, ANY) for one in rivals], axis=None) for question in QUESTIONS
    }
    added = {question: int((cases > 0).sum()) for question, cases in told.items()}
    cases, harm = told["free + P"].size, int((told["free + P"] < 0).sum())
    known = sum(int((_told(one, "free", P) > 0).sum()) for one in rivals)
    lines = [
        f"- A teacher adds to P in {added['P']} of {cases} cases (a case is one table, one group of its members and "
        f"one checkpoint), to size in {added['size']}, to all that is free in {added['free']}, and to all that is free "
        f"and P in {added['free + P']}, where it does harm in {harm}. P adds to what is free in {known}. Chance alone "
        f"would give {_CHANCE * cases:.1f}."
    ]
    if rates := [(question, rate) for question in QUESTIONS if (rate := _noise(rivals, question)) is not None]:
        shares = ", ".join(f"to {QUESTIONS[question]} in {100 * rate:.0f}%" for question, rate in rates)
        lines.append(f"- Random RDMs, which know nothing, seem to add as well: {shares} of their cases.")
    for found in searches:
        rows = {row["objective"]: row for row in found["rows"]}
        end = rows[BY_P]["examples"]
        lines.append(
            f"- A search of {found['about']['space']} by what is free trains nothing and ends at "
            f"{rows[FREE]['top']:.2f}%, one by P at {rows[BY_P]['top']:.2f}% after {end:,} examples, one by P + alpha "
            f"TG at {rows[SUMMED]['top']:.2f}%; P and TG add {difference(rows[ALL]['over free'])} to what is free."
        )
    return lines


def _told(found: Rivals, question: str, teacher: str) -> npt.NDArray[np.int64]:
    """(population, checkpoint): 1 where what a teacher adds is told from zero, -1 where it harms, else 0."""
    gain = found.gain.sel(question=question, teacher=teacher)
    told: npt.NDArray[np.int64] = (gain["low"] > 0).values.astype(np.int64) - (gain["high"] < 0).values
    return told


def _noise(rivals: Sequence[Rivals], question: str) -> float | None:
    """Share of cases in which teachers that are random RDMs lie above zero."""
    controls = [(one, name) for one in rivals for name in one.about["controls"] if name.startswith("noise")]
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
    columns = [f"{one['about']['space']}: top 5 (%)" for one in searches]
    return markdown(texts("objective of a search", "examples trained on", *columns), rows)
