"""The page about the paper's claims: every number on it comes from the result files it is made of."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...rsa import RSAError
from ...rsa.errors import listing
from ...rsa.io.storage import check_writable, replacing
from ...rsa.plots.figures import save_figure
from ..efficiency.comparison import KIND as EFFICIENCY
from ..efficiency.page import efficiency_section
from ..markdown import table
from ..teachers.comparison import ANY, OVER, Comparison
from ..teachers.figures import FIGURES, best_place
from ..teachers.results import read_comparison
from .training import KIND as TRAINING
from .training import training_section

if TYPE_CHECKING:
    import xarray

_CAPTIONS = {
    "predictors": "Rank correlation with mature performance against training examples, of P, -loss, and every teacher.",
    "alphas": "Gain of P + alpha TG over the better of P and chance, with 95% intervals over architectures.",
    "teachers": "Held-out gain of every teacher: rule and alpha chosen on one half of the pool, tested on the other.",
    "scatter": "Each point an architecture: mature performance against P and against P + alpha TG.",
}
_METHOD = """\
Every member of a pool is trained for a little while and looked at several times. P is its accuracy on the validation
images, TG how similar its layers' RDMs are to a teacher's, mature performance how good it becomes. A predictor is
good when it ranks the members as mature performance does (Spearman). Gains are over the better of P and chance:
where P ranks the members backwards, any noise that is added to it gains, and that is no knowledge of a teacher's;
the teacher "noise" shows what chance gives. Intervals hold 95% of resamples of the architectures, the same resamples
for P and P + alpha TG. "Held out" means that alpha, and whatever else is open, was chosen on a random half of the
pool and tested on the other half, both ways; the mean of both is shown. Of many rows some lie above zero by chance:
the row of "any" teacher and rule, chosen on the other half as well, is the one to go by. All members begin with the
same seed of weights and batches, whose luck they share and no interval holds."""


def write_page(page: Path, results: Sequence[Path]) -> None:
    """A Markdown page of result files of `tgsage teacher compare`, `bench efficiency` and `train`, in this order.

    Its pictures come into a folder beside it.

    Raises RSAError for a file that is missing or something else, and where the page cannot be written.
    """
    check_page(page)
    folder = page.with_suffix("")
    kinds = {path: _kind(path) for path in results}
    studies, trainings = ([path for path in results if kinds[path] == kind] for kind in (EFFICIENCY, TRAINING))
    found = [(path, *read_comparison(path)) for path in results if kinds[path] not in (EFFICIENCY, TRAINING)]
    title = "Which teacher predicts mature performance" if found else "Does a teacher make search cheaper"
    title += ", and does it make search cheaper" if found and studies else ""
    sections = [_section(path, comparison, more, folder, page) for path, comparison, more in found]
    sections += [efficiency_section(path, folder, page) for path in studies]
    sections += [training_section(trainings)] if trainings else []
    text = "\n\n".join([f"# {title}", *([_METHOD] if found else []), *sections]) + "\n"
    with replacing(page) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _kind(path: Path) -> object:
    """What a result file says it is, where it says so."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return kept.get("kind") if isinstance(kept, dict) else None


def check_page(page: Path) -> None:
    """Raises RSAError for another ending than .md, and where no file can be written."""
    if check_writable(page).suffix != ".md":
        raise RSAError(f"{page}: a page's name ends in .md")


def _section(path: Path, found: Comparison, more: dict[str, Any], folder: Path, page: Path) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    pictures = []
    for name, draw in FIGURES.items():
        picture = folder / f"{path.stem}-{name}.png"
        save_figure(draw(found), picture)
        pictures.append(f"![{_CAPTIONS[name]}]({folder.name}/{picture.name})\n*{_CAPTIONS[name]}*")
    about = found.about
    parts = [
        f"## {about['members']} architectures of {about['space']}, {about['pool'].get('data', 'images')}",
        answer(found),
        pictures[2], "### How it was made", _settings(found, more, path, page),
        "### Predictors", "Spearman with mature performance; TG by the rule "
        f'"{found.table["rule"].values[0]}".', _predictors(found), pictures[0],
        f"### Gain {OVER}", _gains(found), pictures[1], pictures[3],
        "### Held out", "Gain with its 95% interval, rule and alpha chosen on the other half.", _held_out(found),
        "### Rules", "For every rule: how many of the teachers have a held-out gain whose interval lies above / below "
        "zero, and the gain where the teacher, too, is chosen on the other half.", _rules(found),
        "### What was chosen", "Layers count from 1; weights are of P and of every target.", _chosen(found),
        "### Single targets", "Spearman of each target alone, its most similar layer.", _targets(found),
    ]  # fmt: skip
    return "\n\n".join(parts)


def answer(found: Comparison) -> str:
    """In words: where a gain holds, where it does not, where TG does harm."""
    held = found.held_out
    lines = []
    overall = held.sel(rule=ANY, teacher=ANY)
    for checkpoint in held["checkpoint"].values:
        one = overall.sel(checkpoint=checkpoint)
        unknown = (
            "no verdict, since P ranks no better than chance in some half and this file has no interval of that gain"
        )
        known = "yes" if one["low"] > 0 else "no, harm" if one["high"] < 0 else "not shown"
        verdict = unknown if np.isnan(one["low"]) else known
        lines.append(f"- after {int(checkpoint):,} examples: {verdict}. {_sentence(one)}")
    sure = _named(held.sel(rule=ANY), lambda one: one["low"] > 0)
    harmful = _named(found.table.isel(rule=0, alpha=-1), lambda one: one["high"] < 0)
    alpha = float(found.table["alpha"].values[-1])
    head = (
        "Does P + alpha TG rank unseen architectures better than P at the same checkpoint, and better than chance, "
        "with teacher, rule and alpha chosen on others?"
    )
    tail = [
        f"One teacher fixed, rule and alpha chosen: the interval lies above zero for {sure or 'none'}.",
        f'By the rule "{found.table["rule"].values[0]}" at alpha {alpha:g} TG does harm with {harmful or "none"}.',
    ]
    return "\n".join([head, "", *lines, "", *tail])


def _sentence(one: "xarray.Dataset") -> str:
    p, score = float(one["p"]), float(one["score"])
    return f"Spearman {p:.2f} to {score:.2f}, gain {_interval(one)}"


def _named(data: "xarray.Dataset", wanted: Any) -> str:
    """Teachers, each with the checkpoints where it holds."""
    said = []
    for teacher in data["teacher"].values:
        where = [
            f"{int(c):,}" for c in data["checkpoint"].values
            if teacher != ANY and bool(wanted(data.sel(teacher=teacher, checkpoint=c)))
        ]  # fmt: skip
        if where:
            said.append(f"{teacher} ({', '.join(where)})")
    return "; ".join(said)


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
        f"- members: {about['members']} ({about['left_out']} left out, which have no RDM)",
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
    return table(["predictor", *_checkpoints(found)], rows)


def _gains(found: Comparison) -> str:
    first = found.table.isel(rule=0)
    checkpoints = first["checkpoint"].values
    rows = [
        [str(t), f"{a:g}", *(_interval(first.sel(teacher=t, alpha=a, checkpoint=c)) for c in checkpoints)]
        for t in first["teacher"].values
        for a in first["alpha"].values
        if a
    ]
    return table(["teacher", "alpha", *_checkpoints(found)], rows)


def _held_out(found: Comparison) -> str:
    data = found.held_out.sel(rule=ANY)
    rows = [
        [str(t), *(_interval(data.sel(teacher=t, checkpoint=c)) for c in data["checkpoint"].values)]
        for t in data["teacher"].values
    ]
    return table(["teacher", *_checkpoints(found)], rows)


def _rules(found: Comparison) -> str:
    rows = []
    for rule in found.held_out["rule"].values:
        cells = []
        for checkpoint in found.held_out["checkpoint"].values:
            here = found.held_out.sel(rule=rule, checkpoint=checkpoint)
            single = here.sel(teacher=here["teacher"] != ANY)
            above, below = int((single["low"] > 0).sum()), int((single["high"] < 0).sum())
            cells.append(f"{above} / {below}, {float(here['gain'].sel(teacher=ANY)):+.2f}")
        rows.append([str(rule), *cells])
    return table([f"rule ({found.table.sizes['teacher']} teachers)", *_checkpoints(found)], rows)


def _chosen(found: Comparison) -> str:
    data = found.held_out["chosen"].sel(rule=ANY, teacher=ANY)
    rows = [[f"{int(c):,}", *str(data.sel(checkpoint=c).item()).split(" | ")] for c in data["checkpoint"].values]
    return table(["examples", "first half", "second half"], rows)


def _targets(found: Comparison) -> str:
    data = found.targets.sel(coefficient="spearman")
    return table(
        ["target", *_checkpoints(found)], [[str(t), *_numbers(data.sel(target=t))] for t in data["target"].values]
    )


def _checkpoints(found: Comparison) -> list[str]:
    return [f"{int(checkpoint):,}" for checkpoint in found.table["checkpoint"].values]


def _numbers(values: "xarray.DataArray") -> list[str]:
    return [f"{float(value):.2f}" for value in values]


def _interval(one: "xarray.Dataset") -> str:
    gain, low, high = (float(one[key]) for key in ("gain", "low", "high"))
    text = f"{gain:+.2f}" if np.isnan(low) else f"{gain:+.2f} [{low:+.2f}, {high:+.2f}]"
    return f"**{text}**" if low > 0 else text
