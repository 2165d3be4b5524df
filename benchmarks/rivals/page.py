"""What the page says about rivals: where TG adds to what is free and to P, and where it does not; three figures."""

import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...rsa.plots.figures import COLOURS, MARKERS, save_figure
from ..report import Columns, legend_below, markdown, panels, texts
from .analysis import ANY, BOTH_LEARNED, CHOSEN, FREE_LEARNED, GIVEN, QUESTIONS, SIZE, TOP, P, Rivals
from .table import CHANGE, LEARNED, RULES

if TYPE_CHECKING:
    import xarray
    from matplotlib.figure import Figure

_RULE = "deepest"
_CHANGES = {f"{CHANGE}{rule}" for rule in ("paper", _RULE)}
_CAPTIONS = {
    "predictors": "Spearman correlation with mature performance against training examples: what is free, P, and TG of "
    "the teacher whose deepest-layer rule is best on average over the checkpoints.",
    "gains": "Held-out gain when TG is added to a learned combination, with the teacher, too, chosen on other members; "
    "95% intervals over members and seeds.",
    "given": "Partial correlation of TG (the candidate's deepest layer against the teacher's deep stages) with mature "
    "performance given size, at the last checkpoint, with 95% intervals: brains beside networks, labels and pixels.",
}
_METHOD = f"""\
The members of a pool are trained with several seeds and evaluated several times along the way. What is free: the
predictors of an untrained network (parameters, multiply-adds, depth, NASWOT, synflow, jacob_cov, grad_norm, SNIP).
RMI-NAS and DisWOT compare a network with a trained one on a single batch; RMI-NAS trains the network on that batch for
150 steps. A combination is a ridge regression of the ranks of mature performance on the ranks of its predictors;
weights, penalty and, in the row "any", the teacher are chosen on other members (five folds, ten divisions). From a
teacher, a combination takes four numbers: the similarity of the teacher's deep stages to the network's best layer and
to its deepest one, how the latter has changed since the network was untrained, and the deepest layer's resemblance to
the pixels. Intervals are over members (drawn with replacement) and seeds (left out in turn); `tgsage bench gains`
measures their coverage. Random: drawn from the whole space. Best tenth: from the published table's best 10%. Equal
size: from three narrow bands of size, with all values ranked within a band. Precision: when as many members are chosen
as make up the best {100 * TOP:.0f}%, the share of those best among them. Regret: how far the {CHOSEN} chosen lie below
the {CHOSEN} best on average, in points of accuracy. Gains are over the better of chance and the combination without the
addition; among many rows, some lie above zero by chance."""


def rivals_section(path: Path, found: Rivals, more: Mapping[str, Any], folder: Path, page: Path) -> tuple[str, str]:
    """Markdown of what a result file holds: the answer, and the details for a page of their own."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {}
    for name, draw in FIGURES.items():
        picture = folder / f"{path.stem}-{name}.png"
        save_figure(draw(found), picture)
        pictures[name] = f"![{_CAPTIONS[name]}]({folder.name}/{picture.name})\n*{_CAPTIONS[name]}*"
    head = f"## What to choose networks by: {found.about['space']}, {_members(found)}"
    folded = f"<details><summary>Every checkpoint in numbers</summary>\n\n{_summary(found)}\n\n</details>"
    short = [head, answer(found), *pictures.values(), folded]
    long = [
        f"### How it was made\n\n{_METHOD}\n\n{_settings(found, more, path, page)}",
        *(f"### Alone: {name}\n\n{_alone(found, name)}" for name in _names(found, "population")),
        *(f"### Gain of TG over {QUESTIONS[one]}\n\n{_gains(found, one)}" for one in QUESTIONS),
        *(f"### TG given {given}, its deepest layer\n\n{_given(found, given)}" for given in GIVEN),
        f"### The paper's P + alpha TG, alpha chosen on other members, over P\n\n{_paper(found)}",
    ]
    return "\n\n".join(short), "\n\n".join(long)


def _members(found: Rivals) -> str:
    seeds, counts = found.about["seeds"], found.about["members"]
    if len({*counts}) == 1:
        return f"{counts[0]} networks, {'seeds' if len(seeds) > 1 else 'seed'} {', '.join(map(str, seeds))}"
    each = ", ".join(f"{n} with seed {seed}" for seed, n in zip(seeds, counts, strict=True))
    return f"{each} trained so far"


def _names(found: Rivals, dim: str) -> list[str]:
    return [str(name) for name in found.gain[dim].values]


def answer(found: Rivals) -> str:
    """In words, of every population: what is free and P rank alone, and what TG adds to them."""
    lines = []
    for name in _names(found, "population"):
        alone = found.single.sel(population=name)
        last = alone.isel(checkpoint=-1)
        where = f"after {int(last['checkpoint']):,} examples"
        banded = name == "equal size"
        counts = ", ".join(map(str, found.about["populations"][name]))
        to = {question: _where(found, name, question, ANY) for question in QUESTIONS}
        regret = {one: float(last["regret"].sel(predictor=one)) for one in (SIZE, P)}
        sized = "" if banded else f"to size: {to['size']}; "
        words = [
            f"- **{name}** ({counts} members{', three bands' if banded else ''}):",
            "" if banded else f"size alone ranks them with a correlation of {_value(last, SIZE)},",
            f"all that is free {'ranks them with a correlation of' if banded else 'with'}",
            f"{_value(last, FREE_LEARNED)}, P {where} with",
            f"{_value(last, P)}." if banded else f"{_value(last, P)}, free and P with {_value(last, BOTH_LEARNED)}.",
            f"P adds to what is free: {_where(found, name, 'free', P)}.",
            f"TG adds {sized}to P: {to['P']}; to all that is free and P:",
            f"{to['free + P']}; to these plus labels and pixels as teachers: {to['free + P + rivals']}.",
            ""
            if banded
            else f"The {CHOSEN} chosen by size lie {regret[SIZE]:.2f} points below the best; by P, {regret[P]:.2f}.",
        ]
        lines.append(" ".join(filter(None, words)))
    lines += [_fixed(found, name) for name in _names(found, "population")]
    few = found.about["too few"]
    if few:
        lines.append(f"- Too few members so far: {', '.join(f'{name} ({n})' for name, n in few.items())}.")
    lines += _rival_rules(found) + _pixels(found)
    if len(found.about["seeds"]) < 2:
        lines.append("- Only one seed so far: no interval covers its luck, which all of its networks share.")
    lines.append(
        "\nThe correlations are Spearman's, with mature performance; what TG adds is held out, with teacher and "
        'weights chosen on other members; "nowhere": the 95% interval lies above zero at no checkpoint.'
    )
    return "\n".join(lines)


def _fixed(found: Rivals, population: str) -> str:
    """Which teachers, named beforehand, would have added to everything else; and how often noise seems to."""
    data = found.gain.sel(population=population, question="free + P + rivals")
    words = []
    for name in map(str, data["teacher"].values):
        one = data.sel(teacher=name)
        sure = one["low"] > 0
        if bool(sure.any()) and name not in {ANY, *found.about["controls"], *_rivals(found)}:
            words.append(f"{name} ({', '.join(f'{int(c):,}' for c in one['checkpoint'].values[sure])})")
    blind = [name for name in found.about["controls"] if name.startswith("noise")]
    above = found.gain["low"].sel(population=population, teacher=blind) > 0
    chance = ", ".join(f"{int(above.sel(question=one).sum())} over {one}" for one in QUESTIONS)
    rows = len(blind) * found.gain.sizes["checkpoint"]
    noise = [name for name in map(str, found.given["predictor"].values) if name.startswith("noise") and _RULE in name]
    spread = ""
    if noise:
        given = found.given["r"].sel(population=population, given="size", predictor=noise)
        spread = f"; given size alone, noise has correlations of {float(given.min()):.2f} to {float(given.max()):.2f}"
    return (
        f"- One teacher fixed (members: {population}): when it is added to free, P, labels and pixels, the interval "
        f"lies above zero for {'; '.join(words) or 'none'}. Noise (random RDMs, which know nothing) lies above zero in "
        f"this many of {rows} rows: {chance}{spread}."
    )


def _rival_rules(found: Rivals) -> list[str]:
    """What RMI-NAS and DisWOT rank alone, given size, and what they add to free and P."""
    rules = _rivals(found)
    if not rules:
        return []
    each = []
    for name in _names(found, "population"):
        alone = found.single.sel(population=name).isel(checkpoint=0)
        given = found.given.sel(population=name, given="size").isel(checkpoint=0)
        words = [
            f"{rule} {_value(alone, rule)} (given size {interval_text(given.sel(predictor=rule), 'r')}; it adds to all "
            f"that is free: {_where(found, name, 'free', rule)})"
            for rule in rules
        ]
        each.append(f"{name}: {', '.join(words)}")
    network = found.about["rivals"]["network"]
    return [f"- Others' rules that also use a teacher ({network}), with one batch, no training: {'; '.join(each)}."]


def _rivals(found: Rivals) -> list[str]:
    return list(found.about.get("rival rules", ()))


def _pixels(found: Rivals) -> list[str]:
    """What resemblance to the pixels tells given size: its sign differs between good and other networks."""
    known = [name for name in found.about["controls"] if name.startswith("pixels") and "stimulus" in name]
    if not known:
        return []
    data = found.given.sel(given="size", predictor=f"{known[0]}: {_RULE}")
    first, last = (int(data["checkpoint"].values[place]) for place in (0, -1))
    each = [
        f"{interval_text(data.sel(population=name, checkpoint=first), 'r')} and "
        f"{interval_text(data.sel(population=name, checkpoint=last), 'r')} ({name})"
        for name in _names(found, "population")
    ]
    return [
        f"- The deepest layer's resemblance to the pixels, given size, after {first:,} and {last:,} examples: "
        f"{'; '.join(each)}."
    ]


def _value(one: "xarray.Dataset", predictor: str) -> str:
    here = one.sel(predictor=predictor)
    return f"{float(here['spearman']):.2f} [{float(here['low']):.2f}, {float(here['high']):.2f}]"


def _where(found: Rivals, population: str, question: str, teacher: str) -> str:
    """Checkpoints at which a gain lies above zero, with the gain, and at which below."""
    one = found.gain.sel(population=population, question=question, teacher=teacher)
    words = []
    for said, sure in (("after", one["low"] > 0), ("(harm) after", one["high"] < 0)):
        places = [f"{int(c):,} ({float(one['gain'].sel(checkpoint=c)):+.2f})" for c in one["checkpoint"].values[sure]]
        words += [f"{said} {', '.join(places)}"] if places else []
    return "; ".join(words) or "nowhere"


def summary(found: Rivals) -> tuple[Columns, list[list[str]], list[str]]:
    """Columns, rows and notes: of every population and checkpoint what ranks it, and what TG adds to that."""
    rows = []
    for name in _names(found, "population"):
        for c in found.gain["checkpoint"].values:
            alone = found.single.sel(population=name, checkpoint=c)["spearman"]
            gain = found.gain.sel(population=name, checkpoint=c, teacher=ANY)
            numbers = [f"{float(alone.sel(predictor=one)):.2f}" for one in (SIZE, FREE_LEARNED, P, BOTH_LEARNED)]
            gains = [interval_text(gain.sel(question=one)) for one in QUESTIONS]
            rows.append([name, f"{int(c):,}", *numbers, *gains])
    heads = ("members", "examples", "size", "free", "P", "free + P", *(f"TG over {one}" for one in QUESTIONS))
    notes = [
        "Spearman with mature performance, and held-out gains with 95% intervals, teacher and weights chosen on other "
        f"members. {_members(found)}."
    ]
    return texts(*heads), rows, notes


def _summary(found: Rivals) -> str:
    columns, rows, _ = summary(found)
    return markdown(columns, rows, left=2)


def interval_text(one: "xarray.Dataset", key: str = "gain") -> str:
    """A number with its interval, bold above zero."""
    value, low, high = (float(one[part]) for part in (key, "low", "high"))
    if np.isnan(value):
        return "-"
    text = f"{value:+.2f} [{low:+.2f}, {high:+.2f}]"
    return f"**{text}**" if low > 0 else text


def _table(found: Rivals, first: str, names: list[str], cell: Callable[[str, Any], str]) -> str:
    checkpoints = found.gain["checkpoint"].values
    rows = [[name, *(cell(name, c) for c in checkpoints)] for name in names]
    return markdown(texts(first, *(f"{int(c):,}" for c in checkpoints)), rows)


def _interval(data: "xarray.Dataset", along: str, name: str, checkpoint: Any, *, key: str = "gain") -> str:
    return interval_text(data.sel({along: name, "checkpoint": checkpoint}), key)


def _alone(found: Rivals, population: str) -> str:
    data = found.single.sel(population=population)

    def cell(name: str, c: Any) -> str:
        one = data.sel(predictor=name, checkpoint=c)
        value = f"{float(one['spearman']):.2f} [{float(one['low']):.2f}, {float(one['high']):.2f}]"
        top = "" if np.isnan(float(one["regret"])) else f", {float(one['precision']):.2f}, {float(one['regret']):.2f}"
        return value + top

    names = [str(name) for name in data["predictor"].values]
    names = [one for one in names if one.rpartition(": ")[2] not in {*RULES, *LEARNED} - {"paper", _RULE} | _CHANGES]
    return _table(found, "predictor: Spearman, precision, regret", names, cell)


def _gains(found: Rivals, question: str) -> str:
    parts = []
    for name in _names(found, "population"):
        data = found.gain.sel(question=question, population=name)
        names = [one for one in _names(found, "teacher") if not np.isnan(data["gain"].sel(teacher=one)).all()]
        parts.append(_table(found, f"{name}: teacher", names, partial(_interval, data, "teacher")))
    return "\n\n".join(parts)


def _given(found: Rivals, given: str) -> str:
    parts = []
    for name in _names(found, "population"):
        data = found.given.sel(given=given, population=name)
        others = {P, *_rivals(found)}
        names = [one for one in map(str, data["predictor"].values) if one in others or one.endswith(f": {_RULE}")]
        parts.append(_table(found, f"{name}: predictor", names, partial(_interval, data, "predictor", key="r")))
    return "\n\n".join(parts)


def _paper(found: Rivals) -> str:
    parts = []
    for name in map(str, found.summed["population"].values):
        data = found.summed.sel(population=name)
        if bool(data["gain"].isnull().all()):
            continue
        names = [str(one) for one in data["teacher"].values]
        parts.append(_table(found, f"{name}: teacher", names, partial(_interval, data, "teacher")))
    return "\n\n".join(parts)


def _settings(found: Rivals, more: Mapping[str, Any], path: Path, page: Path) -> str:
    about, pool = found.about, found.about["pool"]
    versions = ", ".join(f"{name} {number}" for name, number in more.get("versions", {}).items())
    counts = "; ".join(
        f"{name}: {', '.join(f'{n} with seed {s}' for s, n in zip(about['population seeds'][name], each, strict=True))}"
        for name, each in about["populations"].items()
    )
    lines = [
        f"- numbers: `{os.path.relpath(path, page.parent)}`",
        f"- command: `{more['command']}`" if "command" in more else "",
        f"- members: {counts}",
        f"- bands of size: {', '.join(about['bands'])}" if about["bands"] else "",
        f"- mature performance: {pool.get('mature', '-')}",
        f"- training: {pool.get('train', '-')} images, recipe {pool.get('recipe', {}).get('name', '-')}; P on "
        f"{pool.get('valid', '-')} validation images; networks built with {pool.get('build', {})}",
        f"- free predictors: networks built with {about['free']['build']}, {about['free']['images']} training images, "
        f"weights of seed {about['free']['seed']}",
        f"- RMI-NAS and DisWOT: teacher {about['rivals']['network']}, {about['rivals']['images']} training images"
        if about.get("rivals")
        else "",
        f"- stimuli: {'; '.join(f'{name}: {what}' for name, what in pool.get('views', {}).items())}",
        f"- {about['draws']} draws of the members, seed {about['resampling seed']}",
        f"- machine: {more['machine']}" if "machine" in more else "",
        f"- versions: {versions}" if versions else "",
    ]
    return "\n".join(filter(None, lines))


def predictors_figure(found: Rivals) -> "Figure":
    """Spearman against examples, a panel per population."""
    names = [str(name) for name in found.single["population"].values]
    figure, (row,) = panels(4.6 * len(names), 4.8, columns=len(names), sharey=True)
    for axes, name in zip(row, names, strict=True):
        data = found.single["spearman"].sel(population=name)
        teachers = [str(one) for one in data["predictor"].values if str(one).endswith(f": {_RULE}")]
        given = [one for one in teachers if one.rpartition(":")[0] not in found.about["controls"]]
        best = max(given, key=lambda one: float(data.sel(predictor=one).mean())) if given else teachers[0]
        lines = [SIZE, FREE_LEARNED, P, BOTH_LEARNED, best]
        labels = [one for one in teachers if one.startswith("labels") and "stimulus" in one][:1]
        x = np.arange(len(data["checkpoint"]))
        for i, one in enumerate([*lines, *labels]):
            colour = "black" if one == P else COLOURS[i % len(COLOURS)]
            axes.plot(x, data.sel(predictor=one), color=colour, marker=MARKERS[i], label=f"TG, {one}" if i > 3 else one)
        _examples(axes, found, f"{name}, {max(found.about['populations'][name])} members")
        axes.legend(frameon=False, fontsize=7)
    row[0].set_ylabel("Spearman with mature performance")
    return figure


def gains_figure(found: Rivals) -> "Figure":
    """Held-out gain with the teacher chosen, a panel per population, a line per base."""
    names = _names(found, "population")
    figure, (row,) = panels(4.6 * len(names), 4.6, columns=len(names), sharey=True)
    for axes, name in zip(row, names, strict=True):
        data = found.gain.sel(population=name, teacher=ANY)
        for i, question in enumerate(QUESTIONS):
            one = data.sel(question=question)
            x = np.arange(len(one["checkpoint"])) + (i - 2) * 0.12
            axes.plot(x, one["gain"], color=COLOURS[i], marker=MARKERS[i], linewidth=1.2, label=f"over {question}")
            axes.vlines(x, one["low"], one["high"], color=COLOURS[i], linewidth=1)
        _examples(axes, found, name)
    row[0].set_ylabel("held-out gain in Spearman")
    legend_below(figure, row[0], ncols=len(QUESTIONS))
    return figure


def given_figure(found: Rivals) -> "Figure":
    """Partial correlation given size of every teacher, at the last checkpoint."""
    data = found.given.sel(given="size").isel(checkpoint=-1)
    predictors = [
        P,
        *_rivals(found),
        *(str(one) for one in data["predictor"].values if str(one).endswith(f": {_RULE}")),
    ]
    names = _names(found, "population")
    figure, (row,) = panels(3.2 * len(names) + 3, 0.26 * len(predictors) + 1.4, columns=len(names), sharey=True)
    y = np.arange(len(predictors))[::-1]
    for axes, name in zip(row, names, strict=True):
        for place, one in zip(y, predictors, strict=True):
            here = data.sel(population=name, predictor=one)
            low, high = float(here["low"]), float(here["high"])
            colour = COLOURS[2] if low > 0 else COLOURS[1] if high < 0 else "0.5"
            axes.plot([low, high], [place, place], color=colour, linewidth=2)
            axes.plot(float(here["r"]), place, "o", color=colour, markersize=4)
        axes.axvline(0, color="black", linewidth=0.8)
        axes.grid(axis="y", alpha=0.25)
        axes.set_title(name, fontsize=10)
    row[0].set_yticks(y, [one.removesuffix(f": {_RULE}") for one in predictors], fontsize=8)
    figure.supxlabel("partial correlation given size, 95% interval", fontsize=9)
    return figure


FIGURES: Mapping[str, Callable[[Rivals], "Figure"]] = {
    "predictors": predictors_figure,
    "gains": gains_figure,
    "given": given_figure,
}


def _examples(axes: Any, found: Rivals, title: str) -> None:
    checkpoints = found.gain["checkpoint"].values
    axes.set_xticks(range(len(checkpoints)), [f"{int(c):,}" for c in checkpoints], fontsize=8)
    axes.set_xlabel("training examples")
    axes.axhline(0, color="black", linewidth=0.6)
    axes.set_title(title, fontsize=10)
    axes.grid(alpha=0.25)
