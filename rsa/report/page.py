"""The page itself: what the template shows, gathered from a score."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import RSAError, listing
from ..extensions import versions
from ..io.storage import check_writable, replacing
from ..plots.figures import Picture, picture, printable, shortened
from ..plots.rdms import MOST_NAMES, PIXELS, category_order, display_order, draw_map, draw_rdm, planar_map
from ..plots.scores import LEVEL_NAMES, Panel, between, draw_bars, draw_layers, layer_panels
from ..rdm.comparison import METHODS, align, compare_all
from ..rdm.rdm import RDM
from ..score import TeacherScore
from ..teacher import Teacher
from . import words
from .comparisons import LEVEL, Models, PairTests, chance_is_zero, model_panel, tested
from .literature import MEASURES, REFERENCES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MAPPED = 640  # conditions at most in the map: its distances are between all pairs of RDMs


def check_report(path: str | Path) -> Path:
    """The path, when a page can be written there. Raises RSAError for another ending and for a missing folder."""
    if Path(path).suffix.lower() not in (".html", ".htm"):
        raise RSAError(f"{path}: a report's name ends in .html")
    return check_writable(path)


def write_report(
    path: str | Path,
    *,
    score: TeacherScore,
    model: str = "",
    teacher: Teacher | None = None,
    rdms: Mapping[str, RDM] | None = None,
    settings: Mapping[str, Any] | None = None,
    command: str = "",
    others: Mapping[str, TeacherScore] | None = None,
) -> None:
    """Write one HTML page that needs no other file and no network: everything that `score` says, for human readers.

    Parameters
    ----------
    path : str or Path
        Must end in `.html` or `.htm`.
    score : TeacherScore
        What the page is about.
    model : str, optional
        Name of the model, `score.model` by default.
    teacher, rdms : Teacher and mapping, optional
        The teacher, with the targets' RDMs, and the model's RDMs by layer: those that the score was made from. By
        default what the score keeps. Without them (`rdms={}`), and where features were compared, the page has no
        pictures of RDMs and no map.
    settings : mapping, optional
        What to state under "Reproduce".
    command : str, optional
        The command line that repeats the analysis.
    others : mapping, optional
        The scores of other models against the same teacher, by model, for bars of several models; with the same
        resamples (number and seed), the models are tested in pairs.

    Raises
    ------
    TGSageError
        For RDMs that lack a layer or a target of the score, `others` that cannot be compared with it, a name that does
        not end in `.html`, where the file cannot be written, and where matplotlib is not installed.
    """
    place = check_report(path)
    model = model or score.model or "the model"
    targets = score.targets if teacher is None else teacher.rdms
    layers = {name: one for name, one in (score.layers if rdms is None else rdms).items() if isinstance(one, RDM)}
    for what, known in (("layer", layers), ("target", targets)) if layers else ():
        missing = [str(name) for name in score.table.indexes[what] if str(name) not in known]
        if missing:
            raise RSAError(f"the score has {what} {listing(missing)}, which has no RDM here")
    if model in (others or {}):
        raise RSAError(f"two models of a report are called {model}")
    context = _context(model, score, layers, targets, settings or {}, command, others or {})
    page = render(Path(__file__).parent / "page.html", context)
    with replacing(place) as temporary:
        temporary.write_text(page, encoding="utf-8")


def render(template: Path, context: Mapping[str, Any]) -> str:
    """Fill a page's template, with the style sheet that all pages share as `style`; what is filled in is escaped."""
    import jinja2

    loader, strict = jinja2.FileSystemLoader(template.parent), jinja2.StrictUndefined
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=strict, trim_blocks=True, lstrip_blocks=True
    )
    style = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")
    return environment.get_template(template.name).render(context, style=style)


def _context(
    model: str,
    score: TeacherScore,
    rdms: Mapping[str, RDM],
    known: Mapping[str, RDM],
    settings: Mapping[str, Any],
    command: str,
    others: Mapping[str, TeacherScore],
) -> dict[str, Any]:
    names = [str(layer) for layer in score.table.indexes["layer"]]
    targets = [str(target) for target in score.table.indexes["target"]]
    layers, wanted = (
        {name: rdms[name] for name in names if rdms},
        {target: known[target] for target in targets if known},
    )
    if layers:
        own, theirs = align(layers, wanted, allow_subset=True)
        layers, wanted = dict(zip(names, own, strict=True)), dict(zip(targets, theirs, strict=True))
    tests = PairTests(score.draws)
    panels = [tested(panel, score, tests) for panel in layer_panels(score)]
    models = Models({model: score, **others}) if others else None
    bars = panels if models is None else [model_panel(models, k, score) for k in range(len(models.targets))]
    paragraph, cited = words.methods(model, score, layers, wanted)
    pictures, how = _pictures(score, layers, wanted) if layers else ([], "")
    mapped, mapping = _map(score, layers, wanted) if layers else (None, "")
    note = str(score.attrs.get("teacher_note") or "")
    facts = {**settings, **{key: value for key, value in score.attrs.items() if value not in (None, "")}}
    if score.draws is not None:
        facts |= {"draws": score.draws.sizes["draw"], **{f"bootstrap {k}": v for k, v in score.draws.attrs.items()}}
    return {
        "model": printable(model),
        "teacher": printable(score.teacher),
        "note": printable(note),
        "question": printable(words.question(model, score)),
        "answer": [tuple(map(printable, pair)) for pair in words.answer(score, tests)],
        "table": _table(score, panels, tests),
        "layers": [_chart(panel, "layers") for panel in panels],
        "names": [printable(name) for name in names],
        "pairs": [_pairs(k, target, names, tests) for k, target in enumerate(targets)] if tests else [],
        "bars": [_chart(panel, "bars") for panel in bars],
        "bars_of": "models" if models else "layers",
        "bars_tested": bool(models.tests if models else tests),
        "starred": score.draws is not None and chance_is_zero(score.method) and not models,
        "all_pairs": len(bars[0].names) <= 6,
        "intervals": score.draws is not None,
        "pictures": pictures,
        "pictures_how": how,
        "map": mapped,
        "map_words": mapping,
        "methods": printable(paragraph),
        "references": [REFERENCES[key] for key in cited],
        "similarity": MEASURES.get(score.method, score.method),
        "command": printable(command),
        "facts": [(printable(str(key)), printable(str(value))) for key, value in facts.items() if value is not None],
        "versions": versions(),
        "level": LEVEL,
    }


def _table(score: TeacherScore, panels: Sequence[Panel], tests: PairTests) -> dict[str, Any]:
    """Rows of (layer, features, cells) and the rows below them; a cell is a number with what is known about it."""
    equal = [set(tests.equal(k, panel.best)) for k, panel in enumerate(panels)]
    rows = [
        [
            {
                "value": f"{panel.values[i]:.3f}",
                "interval": panel.interval(i),
                "best": i == panel.best,
                "equal": i in equal[k],
            }
            for k, panel in enumerate(panels)
        ]
        for i in range(len(panels[0].names))
    ]
    ceilings = [None if panel.ceiling is None else between(*panel.ceiling) for panel in panels]
    share = [f"{panel.values[panel.best] / panel.ceiling[1]:.3f}" if panel.ceiling else None for panel in panels]
    tg = "" if score.tg_low is None else f"[{score.tg_low:.3f}, {score.tg_high:.3f}]"
    halves = () if score.crossvalidated is None else score.crossvalidated.mean("split").to_numpy()
    return {
        "targets": [printable(panel.title) for panel in panels],
        "rows": rows,
        "ceilings": ceilings,
        "share": share,
        "crossvalidated": [f"{value:.3f}" for value in halves],
        "tg": f"{score.tg:.3f}",
        "tg_interval": tg,
    }


def _chart(panel: Panel, kind: str) -> Picture:
    """Layers as a line, or layers or models as bars."""
    shown = [min(len(name), 18) for name in panel.names]
    slot = max(17.0, min(90.0, 290 / len(shown)))
    foot = 16 + 5.3 * max(shown) if len(shown) * max(shown) > LEVEL_NAMES else 24
    heading = 30 if kind == "layers" else 34 + 9 * len(panel.joined)

    def draw(axes: "Axes") -> None:
        draw_layers(axes, [panel], legend=False) if kind == "layers" else draw_bars(axes, panel)
        axes.set_title(shortened(panel.title, 34), loc="left", fontweight="bold", y=1, pad=heading - 20)

    title = f"Similarity to {panel.title} over layers" if kind == "layers" else f"Comparison for {panel.title}"
    size, margins = (max(290.0, slot * len(shown)), 180.0), (48.0, 12.0, heading, foot)
    return picture(f"{kind}{panel.number}", title, panel.words(), size, margins, draw)


def _pairs(k: int, target: str, names: Sequence[str], tests: PairTests) -> dict[str, Any]:
    """The triangle of adjusted p-values of one target: row i against columns before it."""
    rows = [[(_probability(tests.p(k, i, j)), tests.sign(k, i, j)) for j in range(i)] for i in range(1, len(names))]
    different = sum(sign != 0 for row in rows for _, sign in row)
    return {"target": printable(target), "rows": rows, "different": different, "of": sum(map(len, rows))}


def _probability(p: float) -> str:
    if p < LEVEL and f"{p:.3f}" == f"{LEVEL:.3f}":
        return f"<{LEVEL}".replace("0.", ".")
    return "<.001" if p < 0.001 else f"{p:.3f}".removeprefix("0") if p < 0.1 else f"{p:.2f}".removeprefix("0")


def _pictures(
    score: TeacherScore, layers: Mapping[str, RDM], targets: Mapping[str, RDM]
) -> tuple[list[list[Picture]], str]:
    """Every target's RDM beside its best layer's, all in one order, and the words that say which."""
    rdms = [*targets.values(), *layers.values()]
    source = next((rdm for rdm in rdms if category_order(rdm)), rdms[0])
    order, marks, how = display_order(source)
    labels = [source.labels[i] for i in order]
    if not marks:
        how += f" of {printable(next(iter(targets)))}"
        if len(labels) <= MOST_NAMES:
            marks = [(label, 1) for label in labels]
    drawings = []
    for k, (target, rdm) in enumerate(targets.items()):
        best = score.best_layer[target]
        value = float(score.table.sel(layer=best, target=target))
        beside = f"best layer for {shortened(target)}: {value:.3f}"
        titles = f"{shortened(target, 30)}\ntarget", f"{shortened(best, 30)}\n{beside}"
        words = f"RDM of target {target}, {how}", f"RDM of layer {best}, in the same order"
        pair = zip((rdm, layers[best]), titles, words, strict=True)
        drawings.append([_rdm(f"rdm{k}{i}", each.subset(labels), marks, *said) for i, (each, *said) in enumerate(pair)])
    if len(labels) > PIXELS:
        how += f"; every pixel is the mean of about {(len(labels) / PIXELS) ** 2:.0f} pairs"
    return drawings, how


def _rdm(name: str, rdm: RDM, marks: Sequence[tuple[str, int]], title: str, words: str) -> Picture:
    size, margins = (210.0, 210.0), (84.0, 56.0, 36.0, 8.0)
    return picture(name, title, words, size, margins, lambda axes: draw_rdm(axes, rdm, title, marks))


def _map(score: TeacherScore, layers: Mapping[str, RDM], targets: Mapping[str, RDM]) -> tuple[Picture | None, str]:
    """All RDMs as points whose distances approach 1 - similarity; none for fewer than 3."""
    rdms = [*layers.values(), *targets.values()]
    if len(rdms) < 3:
        return None, ""
    labels = rdms[0].labels
    if len(labels) > _MAPPED:
        chosen = np.random.default_rng(0).choice(len(labels), _MAPPED, replace=False)
        labels = tuple(labels[i] for i in np.sort(chosen))
    known = {str(i): rdm.subset(labels) for i, rdm in enumerate(rdms)}
    method = score.method if score.method in METHODS else "pearson"
    places, stress = planar_map(1 - compare_all(known, known, method=method).to_numpy())
    sampled = "" if len(labels) == len(rdms[0]) else f", over {_MAPPED} of the conditions, drawn at random (seed 0)"
    quality = "good" if stress < 0.1 else "fair" if stress < 0.2 else "poor: individual distances are misleading"
    said = (
        f"Distances between points approximate 1 - similarity ({method}) between RDMs{sampled}; classical "
        f"multidimensional scaling, Kruskal's stress-1 {stress:.3f} ({quality})."
    )
    near = [
        f"nearest to {target} is {list(layers)[int(np.argmin(np.hypot(*(places[: len(layers)] - place).T)))]}"
        for target, place in zip(targets, places[len(layers) :], strict=True)
    ]
    words = f"{said} On this map, {'; '.join(near)}."

    def draw(axes: "Axes") -> None:
        draw_map(axes, places, list(layers), list(targets))

    return picture("plane", "Map of RDMs", words, (420, 380), (10, 10, 10, 10), draw), said
