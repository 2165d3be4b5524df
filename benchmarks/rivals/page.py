"""What the page says about a table: where TG adds to what is free and to P, and where it does not."""

import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...plugins.evaluation.teacher_rules import STEPS
from ...rsa.plots.figures import save_figure
from ..report import Columns, markdown, shown, texts
from .analysis import ANY, BOTH_LEARNED, CHOSEN, DEEPEST, FREE_LEARNED, GIVEN, QUESTIONS, SUMMED, TAUGHT, TOP, P, Rivals
from .figures import CAPTIONS, given_figure
from .learning import DIVISIONS, FOLDS
from .table import CHANGE, LEARNED, RULES, SIZE

if TYPE_CHECKING:
    import xarray

ALL_LEARNED = TAUGHT["free + P"]
_SIZED = "The deepest layer's similarity to each teacher, given size (partial correlations with mature performance)"
_CHANGES = {f"{CHANGE}{rule}" for rule in ("paper", DEEPEST)}
_METHOD = f"""\
The members of a pool are trained with several seeds and evaluated several times along the way. Random members are drawn
from the whole space, the best tenth from the published table's best 10%, those of equal size from three narrow bands of
size, with all values ranked within a band.

Free predictors are those of an untrained network (parameters, multiply-adds, depth, NASWOT, synflow, jacob_cov,
grad_norm, SNIP). TG after 0 examples is that of the untrained network, which costs no training either. RMI-NAS and
DisWOT compare a candidate with a teacher on a single batch: RMI-NAS first trains the candidate for {STEPS} steps on
that batch, and its teacher is a trained network; in DisWOT both have random weights. A combination is a ridge
regression of the ranks of mature performance on the ranks of its predictors; weights, penalty and, in the row "any",
the teacher are chosen on other members ({FOLDS}-fold crossvalidation, repeated {DIVISIONS} times). From a teacher, a
combination takes three numbers: the similarity of the teacher's deep stages to the network's best layer and to its
deepest one, and how the latter has changed since the network was untrained. Labels and pixels are free teachers: added
to free predictors and P ("rivals" in the tables), they are the similarity of labels to the best layer and of pixels to
the deepest. Random RDMs ("noise") are teachers that know nothing: what they add is due to chance, and to the number of
layers, since the best of many layers is more similar to anything.

Intervals account for members (a bootstrap that keeps each member's held-out prediction) and for training seeds (a
jackknife in which everything is learned again); `tgsage bench gains` measures their coverage, also where the teacher is
chosen. Precision: of as many members as make up the best {100 * TOP:.0f}%, put first by a predictor, the share that is
truly among these. Regret: how far the {CHOSEN} chosen lie below the {CHOSEN} best on average, in points of accuracy. In
a gain, a predictor that ranks members backwards counts as chance; among many rows, some lie above zero by chance."""


def rivals_section(path: Path, found: Rivals, more: Mapping[str, Any], folder: Path, page: Path) -> tuple[str, str]:
    """Markdown of what a result file holds: the answer, and the details for a page of their own."""
    folder.mkdir(parents=True, exist_ok=True)
    picture = folder / f"{path.stem}-given.png"
    save_figure(given_figure(found), picture)
    head = f"## What to choose networks by: {found.about['space']}, {_members(found)}"
    tables = {"Every checkpoint in numbers": _summary(found), _SIZED: _deepest(found)}
    if _rivals(found):
        network = found.about["rivals"]["network"]
        tables[f"Others' rules that also use a teacher ({network}), and one batch"] = _rival_rules(found)
    folded = [f"<details><summary>{title}</summary>\n\n{table}\n\n</details>" for title, table in tables.items()]
    long = [
        f"### How it was made\n\n{_METHOD}\n\n{_settings(found, more, path, page)}",
        *(f"### Alone: {name}\n\n{_alone(found, name)}" for name in _names(found, "population")),
        *(f"### Gain of TG over {QUESTIONS[one]}\n\n{_gains(found, one)}" for one in QUESTIONS),
        shown(CAPTIONS["given"], picture),
        *(f"### TG given {given}, its deepest layer\n\n{_given(found, given)}" for given in GIVEN),
        f"### The paper's P + alpha TG, alpha chosen on other members, over P\n\n{_paper(found)}",
        f"### How well two seeds agree\n\n{_agreement(found)}",
    ]
    return "\n\n".join([head, answer(found), *folded]), "\n\n".join(long)


def _members(found: Rivals) -> str:
    seeds, counts = found.about["seeds"], found.about["members"]
    if len({*counts}) == 1:
        return f"{counts[0]} networks, {'seeds' if len(seeds) > 1 else 'seed'} {', '.join(map(str, seeds))}"
    each = ", ".join(f"{n} with seed {seed}" for seed, n in zip(seeds, counts, strict=True))
    return f"{each} trained so far"


def _names(found: Rivals, dim: str) -> list[str]:
    return [str(name) for name in found.gain[dim].values]


def answer(found: Rivals) -> str:
    """In words, of every population: what is free and P rank alone, what TG adds to them, and how those chosen end."""
    lines = [_population(found, name) for name in _names(found, "population")]
    lines += [_fixed(found, name) for name in _names(found, "population")]
    few = found.about["too few"]
    if few:
        lines.append(f"- Too few members so far: {', '.join(f'{name} ({n})' for name, n in few.items())}.")
    if found.about.get("in no group"):
        lines.append(f"- {found.about['in no group']} members belong to no group and are left out.")
    lines += [*_pixels(found), _kinds(found)]
    if len(found.about["seeds"]) < 2:
        lines.append("- Only one seed so far: no interval covers its luck, which all of its networks share.")
    lines.append(
        "\nRank correlations are Spearman's, with mature performance. What TG adds is measured on held-out members: "
        'teacher and weights are chosen on the others. "Nowhere": at no checkpoint is the 95% interval above zero.'
    )
    return "\n".join(lines)


def _population(found: Rivals, name: str) -> str:
    last = found.single.sel(population=name).isel(checkpoint=-1)
    where = f"after {int(last['checkpoint']):,} examples"
    banded = bool(last["regret"].isnull().all())
    counts = found.about["populations"][name]
    each = f"{counts[0]} members" if len({*counts}) == 1 else f"{', '.join(map(str, counts))} members by seed"
    ranked = {"free predictors": FREE_LEARNED, f"P {where}": P, "free + P": BOTH_LEARNED, "free + P + TG": ALL_LEARNED}
    ranked = ranked if banded else {"size": SIZE, **ranked}
    to = {question: _where(found, name, question, ANY) for question in QUESTIONS}
    sized = "" if banded else f"to size: {to['size']}; "
    words = [
        f"- **{name}** ({each}{' in three bands' if banded else ''}).",
        f"Rank correlations: {', '.join(f'{said} {value_text(last, one)}' for said, one in ranked.items())}.",
        f"P adds to free predictors: {_where(found, name, 'free', P)}.",
        f"TG adds {sized}to P: {to['P']}; to free predictors: {to['free']}; to free predictors and P:",
        f"{to['free + P']}; to these plus labels and pixels: {to['free + P + rivals']}.",
    ]
    if not banded:
        chosen = {"size": SIZE, "free": FREE_LEARNED, "P": P, "P + alpha TG": SUMMED, "free + P + TG": ALL_LEARNED}
        regrets = ", ".join(f"{said} {_regret(last, one)}" for said, one in chosen.items())
        words.append(f"Regret {where} (the best {CHOSEN} minus the {CHOSEN} chosen, in points): {regrets}.")
    agree = found.agreement["r"].sel(population=name, predictor=P).isel(checkpoint=-1)
    if not np.isnan(agree):
        among = " within bands" if banded else ""
        words.append(f"Between two training seeds, P {where} correlates{among} at {float(agree):.2f}.")
    return " ".join(words)


def _regret(last: "xarray.Dataset", predictor: str) -> str:
    one = last.sel(predictor=predictor)
    return f"{float(one['regret']):.2f} [{float(one['regret low']):.2f}, {float(one['regret high']):.2f}]"


def _fixed(found: Rivals, population: str) -> str:
    """Which teachers, named beforehand, would have added to everything else; and how often noise seems to."""
    data = found.gain.sel(population=population, question="free + P + rivals")
    words = []
    for name in _real(found):
        sure = data["low"].sel(teacher=name) > 0
        if bool(sure.any()):
            words.append(f"{name} ({', '.join(f'{int(c):,}' for c in data['checkpoint'].values[sure])})")
    sentence = (
        f"- Teachers fixed beforehand ({population}) that add to free predictors, P, labels and pixels: "
        f"{'; '.join(words) or 'none'}."
    )
    blind = [name for name in found.about["controls"] if name.startswith("noise")]
    if not blind:
        return sentence
    above = found.gain["low"].sel(population=population, teacher=blind) > 0
    chance = ", ".join(f"to {what} {int(above.sel(question=one).sum())}" for one, what in QUESTIONS.items())
    return f"{sentence} Random RDMs appear to add, in {above.isel(question=0).size} comparisons: {chance}."


def _real(found: Rivals) -> list[str]:
    """The teachers that are neither controls nor what else is added."""
    others = {ANY, P, "all that is free", *found.about["controls"], *_rivals(found)}
    return [name for name in _names(found, "teacher") if name not in others]


def kinds(found: Rivals) -> dict[str, list[str]]:
    """Kind -> teachers: over stimuli of a recording brains, and simulated sites; networks; and the controls."""
    views = [name for name in found.about["pool"].get("views", {}) if not name.startswith("validation")]
    real = _real(found)
    over = [name for name in real if name.partition(", by")[0] in views]
    sites = [name for name in over if name.startswith("simulated")]
    made = {
        "networks": [name for name in real if name not in over],
        "brains": [name for name in over if name not in sites],
        "simulated sites": sites,
    }
    for kind, start in (("labels", "labels"), ("pixels", "pixels"), ("random RDMs", "noise")):
        made[kind] = [name for name in found.about["controls"] if name.startswith(start)]
    return {kind: names for kind, names in made.items() if names}


def _kinds(found: Rivals) -> str:
    """How many teachers of every kind tell something given size, at the last checkpoint."""
    data = found.given.sel(given="size").isel(checkpoint=-1)
    parts = []
    for name in _names(found, "population"):
        words = []
        for kind, teachers in kinds(found).items():
            one = data.sel(population=name, predictor=[f"{teacher}: {DEEPEST}" for teacher in teachers])
            above, below = int((one["low"] > 0).sum()), int((one["high"] < 0).sum())
            words.append(f"{kind} {above} ({below}) of {len(teachers)}")
        parts.append(f"{name}: {', '.join(words)}")
    where = f"after {int(data['checkpoint']):,} examples"
    return (
        f"- Teachers for which this partial correlation, of the deepest layer's similarity to them, is distinguishably "
        f"positive (negative) {where}: {'; '.join(parts)}."
    )


def _deepest(found: Rivals) -> str:
    """Partial correlations given size of every teacher's deepest-layer rule, at the first and last checkpoint."""
    ends = [int(found.given["checkpoint"].values[place]) for place in (0, -1)]
    names = _names(found, "population")
    data = found.given.sel(given="size")
    rows = []
    for kind, teachers in kinds(found).items():
        for teacher in teachers:
            one = data.sel(predictor=f"{teacher}: {DEEPEST}")
            numbers = [interval_text(one.sel(population=name, checkpoint=c), "r") for name in names for c in ends]
            rows.append([teacher, kind, *numbers])
    heads = ("teacher", "kind", *(f"{name}, {c:,}" for name in names for c in ends))
    return markdown(texts(*heads), rows, left=2)


def _rival_rules(found: Rivals) -> str:
    """What RMI-NAS and DisWOT rank alone and given size, and what they add to all that is free."""
    rows = []
    for name in _names(found, "population"):
        alone = found.single.sel(population=name).isel(checkpoint=0)
        given = found.given.sel(population=name, given="size").isel(checkpoint=0)
        gain = found.gain.sel(population=name, question="free").isel(checkpoint=0)
        for rule in _rivals(found):
            sized = interval_text(given.sel(predictor=rule), "r")
            rows.append([rule, name, value_text(alone, rule), sized, interval_text(gain.sel(teacher=rule))])
    return markdown(texts("rule", "members", "Spearman", "given size", "adds to all that is free"), rows, left=2)


def _rivals(found: Rivals) -> list[str]:
    return list(found.about.get("rival rules", ()))


def _pixels(found: Rivals) -> list[str]:
    """What resemblance to the pixels tells given size: its sign differs between good and other networks."""
    known = [name for name in found.about["controls"] if name.startswith("pixels") and "stimulus" in name]
    if not known:
        return []
    data = found.given.sel(given="size", predictor=f"{known[0]}: {DEEPEST}")
    first, last = (int(data["checkpoint"].values[place]) for place in (0, -1))
    each = [
        f"{interval_text(data.sel(population=name, checkpoint=first), 'r')} and "
        f"{interval_text(data.sel(population=name, checkpoint=last), 'r')} ({name})"
        for name in _names(found, "population")
    ]
    return [
        f"- Partial correlation with mature performance, given size, of the deepest layer's resemblance to the pixels, "
        f"after {first:,} and {last:,} examples: "
        f"{'; '.join(each)}."
    ]


def value_text(one: "xarray.Dataset", predictor: str) -> str:
    """A predictor's rank correlation with its interval."""
    here = one.sel(predictor=predictor)
    return f"{float(here['spearman']):.2f} [{float(here['low']):.2f}, {float(here['high']):.2f}]"


def _where(found: Rivals, population: str, question: str, teacher: str) -> str:
    """Checkpoints at which a gain lies above zero, with the gain, and at which below."""
    one = found.gain.sel(population=population, question=question, teacher=teacher)
    words = []
    for said, sure in (("after", one["low"] > 0), ("harm after", one["high"] < 0)):
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
        here = data.sel(checkpoint=c)
        one, value = here.sel(predictor=name), value_text(here, name)
        if np.isnan(float(one["spearman"])):
            return "-"
        if np.isnan(float(one["regret"])):
            return value
        return f"{value}, {float(one['precision']):.2f}, {_regret(here, name)}"

    names = [str(name) for name in data["predictor"].values]
    names = [one for one in names if one.rpartition(": ")[2] not in {*RULES, *LEARNED} - {"paper", DEEPEST} | _CHANGES]
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
        names = [one for one in map(str, data["predictor"].values) if one in others or one.endswith(f": {DEEPEST}")]
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


def _agreement(found: Rivals) -> str:
    """Of P and of every teacher's deepest-layer rule."""
    parts = []
    for name in _names(found, "population"):
        data = found.agreement["r"].sel(population=name)
        names = [str(one) for one in data["predictor"].values]
        rows = [
            [one, *("-" if np.isnan(value) else f"{float(value):.2f}" for value in data.sel(predictor=one).values)]
            for one in names
        ]
        heads = (f"{name}: predictor", *(f"{int(c):,}" for c in data["checkpoint"].values))
        parts.append(markdown(texts(*heads), rows))
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
