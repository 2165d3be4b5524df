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
from .search import CHANCE, EQUAL, FREE, SUMMED
from .search import P as BY_P
from .search_page import CAPTION, search_figure, verdict
from .table import SIZE

_ALONE, _ASKED = (SIZE, FREE_LEARNED, P), ("P", "size", "free", "free + P")
_ADDED = (("free", P), *((question, ANY) for question in _ASKED))
_NOTE = """\
Size, free and P: Spearman correlation with mature performance. Free: what an untrained network tells (parameters,
multiply-adds, depth, NASWOT, synflow, jacob_cov, grad_norm, SNIP), combined with learned weights. Gains are held out:
teacher and weights are chosen on other members. "3 of 6" counts the checkpoints at which the 95% interval lies above
zero, "harm" those at which it lies below."""


def in_short(rivals: Sequence[Rivals], searches: Sequence[Mapping[str, Any]], folder: Path) -> str:
    """Markdown of results of `tgsage teacher compare` and `tgsage bench screening`; the pictures come into `folder`.

    Sentences, a table of each, and a picture each of what ranks networks, what a teacher adds, and where searches end.
    """
    folder.mkdir(parents=True, exist_ok=True)
    parts = ["## In short", "\n".join(_sentences(rivals, searches)), _ranking(rivals), _NOTE]
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
    cases, harm = told["free + P"].size, int((told["free + P"] < 0).sum())
    known = sum(int((_told(one, "free", P) > 0).sum()) for one in rivals)
    lines = [
        f"- P is the accuracy after a short training, TG the similarity of a candidate's layers to a teacher's. A "
        f"teacher adds to P in {added['P']} of {cases} cases (a case is one table, one group of its members and one "
        f"checkpoint), to size in {added['size']}, to all that is free in {added['free']}, to all that is free and P "
        f"in {added['free + P']}, where it does harm in {harm}, and to these plus labels and pixels as teachers in "
        f"{added['free + P + rivals']}. P adds to what is free in {known}.",
        f"- Given size, no teacher adds distinguishably here: {_nothing(rivals) or 'nowhere'}. (At equal size, size "
        "itself tells little.)",
    ]
    for start, said in (
        ("pixels", "resemblance to the pixels, which needs no teacher, adds"),
        ("noise", "random RDMs, which know nothing, appear to add"),
    ):
        rates = {question: rate for question in QUESTIONS if (rate := _controls(rivals, question, start)) is not None}
        if rates:
            shares = ", ".join(f"{100 * rate:.0f}% to {QUESTIONS[question]}" for question, rate in rates.items())
            lines.append(f"- In these shares of cases, {said}: {shares}.")
    for found in searches:
        rows = {row["objective"]: row for row in found["rows"]}
        end = rows[BY_P]["examples"]
        lines.append(
            f"- {found['about']['space']}: a search by P ends at {rows[BY_P]['top']:.2f}% after {end:,} examples, one "
            f"by P + alpha TG at {rows[SUMMED]['top']:.2f}%; proposals have {rows[CHANCE]['top']:.2f}% on average. "
            f"Without any training, the number of parameters chooses "
            f"{rows[SIZE]['top']:.2f}%, all that is free {rows[EQUAL]['top']:.2f}% with equal weights and "
            f"{rows[FREE]['top']:.2f}% with weights learned from a pool of trained networks. {verdict(found)}"
        )
    return lines


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
    columns = [f"{one['about']['space']}: top 5 (%)" for one in searches]
    return markdown(texts("objective of a search", "examples trained on", *columns), rows)
