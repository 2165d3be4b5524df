"""`tgsage score`: a model against a teacher, from one command."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...rsa.cli.options import DataDir, Json, Loaders, NFeatures, Plot, Tokens, web_page
from ..settings import GUESSED, Layout
from .options import (
    STATED,
    By,
    CacheFolder,
    CacheSize,
    Level,
    Method,
    Scale,
    Splits,
    Where,
    Window,
    kept_layers,
    takes_layout,
)
from .over_time import Bins, Over, OverTime, Permutations, Subjects, show_course

if TYPE_CHECKING:
    from ...rsa import TeacherScore


COLUMNS = 12  # targets in one table at most; beyond half of them cells have no intervals


@takes_layout
def score(
    context: typer.Context,
    model: Annotated[
        str,
        typer.Argument(
            help="efficientnet_lite0, efficientnet_lite1, pixels, timm:NAME, hf:ORG/NAME, open_clip:ARCH/WEIGHTS, "
            "torchvision:NAME or torchvision:NAME@WEIGHTS, or FILE.py:FACTORY; NAME@untrained for random weights, "
            "NAME@FILE for weights from a file. Or a file of features or RDMs by layer: .npz, .npy, HDF5, a table, or "
            "a folder from thingsvision."
        ),
    ],
    teacher: Annotated[
        str,
        typer.Option(
            help="A recording or published RDMs (see: tgsage data list), a file of these, a teacher file, or a model "
            "whose layers over --stimuli are the targets; a name that fits several is taken in this order."
        ),
    ] = "simulated",
    behavior: Annotated[
        str | None,
        typer.Option(
            help="Instead of a teacher: choices of people or animals to compare the model's with: cifar10h, "
            "rajalingham2018, or a file of trials (CSV, Parquet, Excel, Brain-Score's netCDF). The model chooses by a "
            "logistic readout of its last features (or of --layers), fitted on other images.",
            show_default="none",
        ),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            help="For a file of trials: ROLE=COLUMN, where ROLE is stimulus, choice, truth, distractor or subject; may "
            "be repeated.",
            show_default="by their names",
        ),
    ] = None,
    most_stimuli: Annotated[
        int, typer.Option(help="With --behavior: at most this many images, drawn by the seed; 0 = all.", min=0)
    ] = 2000,
    layers: Annotated[
        list[str] | None,
        typer.Option(help='Names, globs ("layer*.1") or "auto" (the stages); may be repeated or comma-separated.'),
    ] = None,
    by: By = None,
    target: Annotated[
        list[str] | None,
        typer.Option(
            help="Compare with this target only (if the teacher is a model: this layer); may be repeated.",
            show_default="all",
        ),
    ] = None,
    similarity: Annotated[
        str,
        typer.Option(
            help="rdm compares RDMs. For features: cka, cka-unbiased, cka-rbf, cka-rbf-unbiased, svcca, pwcca, "
            "procrustes, ridge (predicts the target from the layer); with --by a column, features are averaged over "
            "it. The same as rdm with that method, but without making RDMs, for thousands of stimuli: rsa-pearson, "
            "rsa-cosine, rsa-pearson-whitened, rsa-cosine-whitened."
        ),
    ] = "rdm",
    level: Level = None,
    scale: Scale = None,
    method: Method = None,
    metric: Annotated[
        str | None,
        typer.Option(
            help="Dissimilarity of the model's RDMs: correlation, spearman, cosine, euclidean or sqeuclidean.",
            show_default="the teacher's own, correlation",
        ),
    ] = None,
    n_features: NFeatures = 8192,
    tokens: Tokens = "all",
    bootstrap: Annotated[
        int | None,
        typer.Option(
            help="Resamples of the stimuli for 95% intervals and layer tests; 0: none.",
            min=0,
            show_default="1000 for RDMs of 5 or more conditions",
        ),
    ] = None,
    groups: Annotated[
        str | None,
        typer.Option(
            help="Column (object_name, ...) whose groups are resampled together, or kept in one fold of ridge, because "
            "their images are not independent."
        ),
    ] = None,
    window: Window = None,
    over_time: OverTime = False,
    bins: Bins = None,
    permutations: Permutations = None,
    over: Over = None,
    subjects: Subjects = None,
    missing: Annotated[
        str | None,
        typer.Option(
            help="What to do with neuroids of a recording that lack a response to some stimulus: raise (an error), or "
            "drop (them).",
            show_default="raise",
        ),
    ] = None,
    splits: Splits = None,
    where: Where = None,
    layout: Layout = GUESSED,
    seed: Annotated[
        int, typer.Option(help="Seed of the random features, split halves, resamples and folds.", min=0)
    ] = 0,
    weights: Annotated[Path | None, typer.Option(help="File with a state dict for the model.")] = None,
    labels: Annotated[
        str | None,
        typer.Option(
            help='Names of the rows of a file of features: a file with one name per line, or "order" for the order of '
            "the teacher's stimuli.",
            show_default="those in the file",
        ),
    ] = None,
    stimuli: Annotated[
        str | None, typer.Option(help="Whose images to show.", show_default="those of the teacher")
    ] = None,
    data_dir: DataDir = None,
    batch_size: Annotated[
        int | None,
        typer.Option(help="Images per forward pass.", min=1, show_default="64, on CPUs fewer of large images"),
    ] = None,
    loaders: Loaders = 1,
    device: Annotated[str | None, typer.Option(help='Device that the model runs on, such as "cuda:0".')] = None,
    cache: CacheFolder = None,
    cache_gb: CacheSize = None,
    json: Json = None,
    plot: Plot = None,
    report: Annotated[
        Path | None,
        typer.Option(help="Also write a page (.html): answer, intervals, tests, RDMs, methods.", callback=web_page),
    ] = None,
) -> None:
    """Score MODEL against a teacher: which layer is most like which brain region, and how close to the noise ceiling.

    Prints similarities (layer x target, the best layer of every target marked), the ceilings, and TG, the mean over
    targets of the best layer's similarity. With --behavior it prints the consistency of choices instead.
    """
    from ...rsa import RSAError, write_report
    from ...rsa.cli.console import write_json
    from ...rsa.plots.figures import save_figure
    from ...rsa.plots.scores import score_figure
    from .. import scoring

    if behavior is not None:
        from .behavior import check_options, show_behavior

        check_options(context)
        named = [name for part in layers or () for name in part.split(",")]
        about: dict[str, Any] = {
            "column": column or (),
            "layers": named,
            "most": most_stimuli or None,
            "bootstrap": bootstrap,
        }
        about |= {"splits": splits, "weights": weights, "tokens": tokens, "n_features": n_features, "seed": seed}
        placed: dict[str, Any] = {"data_dir": data_dir, "batch_size": batch_size, "device": device}
        show_behavior(model, behavior, stimuli, json, **about, **placed)
        return
    if column:
        raise RSAError("--column is about a file of trials; name it with --behavior")
    common: dict[str, Any] = {
        "layers": [name for part in layers or ["auto"] for name in part.split(",")],
        "targets": target or (),
        "by": by,
        "level": level,
        "scale": scale,
        "missing": missing,
        "splits": splits,
        "where": where or (),
        "layout": layout,
        "method": method,
        "metric": metric,
        "n_features": n_features,
        "bootstrap": bootstrap,
        "groups": groups,
        "seed": seed,
        "weights": weights,
        "labels": labels,
        "data_dir": data_dir,
        "batch_size": batch_size,
        "device": device,
        "tokens": tokens,
        "loaders": loaders,
        "progress": True,
        "cache": kept_layers(cache, cache_gb),
    }
    if over_time:
        from ...rsa.plots.time import time_figure
        from ...rsa.report.time import write_time_report
        from ..over_time.scoring import score_over_time

        if similarity != "rdm":
            raise RSAError(f"--over-time compares RDMs in windows, and --similarity {similarity} compares features")
        width, step = bins or (None, None)
        shape: dict[str, Any] = {"width": width, "step": step, "between": window, "permutations": permutations}
        shape |= {key: value for key, value in (("over", over), ("subjects", subjects)) if value is not None}
        course = score_over_time(model, teacher, stimuli, **shape, generalise=report is not None, **common)
        if json is not None:
            write_json(json, {"model": model, "weights": weights and str(weights), **course.to_dict()})
        if plot is not None:
            save_figure(time_figure(course), plot)
        if report is not None:
            settings = {"model": model, "weights": weights and str(weights)}
            write_time_report(report, course, settings=settings, command=_command())
        show_course(course)
        return
    for option, value in {"bins": bins, "permutations": permutations, "over": over, "subjects": subjects}.items():
        if value is not None:
            raise RSAError(f"--{option} is for --over-time")
    result = scoring.score(model, teacher, stimuli, similarity=similarity, window=window, **common)
    settings = {"model": model, "weights": weights and str(weights), "similarity": similarity}
    if json is not None:
        features = {
            name: {key: one.attrs.get(key) for key in ("n_features", "of_features")}
            for name, one in result.layers.items()
        }
        write_json(json, {**settings, **result.to_dict(), "features": features})
    if plot is not None:
        save_figure(score_figure(result), plot)
    if report is not None:
        write_report(report, score=result, settings=settings, command=_command())
    _show(model, result)


def _command() -> str:
    """The command line of this process."""
    import shlex
    import sys

    return shlex.join(["tgsage", *sys.argv[1:]])


def _show(model: str, result: "TeacherScore") -> None:
    from ...rsa.cli.console import WIDTH, print_table
    from ...rsa.errors import conditions
    from ...rsa.rdm.comparison import caution

    targets = [str(target) for target in result.table.indexes["target"]]
    equal = _equal_to_best(result)
    of_model, wide = "teacher_network" in result.attrs, len(targets) > COLUMNS // 2
    blank = [] if wide else [""]
    rows = []
    for layer in map(str, result.table.indexes["layer"]):
        cells = [(_short if wide else _cell)(result, layer, target, equal) for target in targets]
        rows.append([layer, *([] if wide else [str(result.layers[layer].attrs.get("n_features", "-"))]), *cells])
    upper = {target: high for target, (_, high) in result.ceilings.items()}
    if upper or not of_model:
        rows.append(["ceiling", *blank, *(f"{upper[t]:.4f}" if t in upper else "-" for t in targets)])
    if upper:
        ceiled = result.ceiled.max("layer").to_numpy()
        rows.append(["best / ceiling", *blank, *(f"{c:.4f}" if c == c else "-" for c in ceiled)])
    between = "" if result.tg_low is None else f" [{result.tg_low:.4f}, {result.tg_high:.4f}]"
    notes = [f"TG = {result.tg:.4f}{between}, the mean over targets of the best layer (marked *)"]
    if result.tg_crossvalidated is not None:
        notes.append(
            f"TG with layers chosen on one half of the stimuli and scored on the other = {result.tg_crossvalidated:.4f}"
        )
    if result.draws is not None:
        drawn = result.draws.attrs
        if wide:
            ends = (f"{target} {low:.2f} to {high:.2f}" for target, (low, high) in result.best_interval.items())
            notes.append(f"95% interval of each target's best layer: {', '.join(ends)}")
        sampled = f"{result.draws.sizes['draw']} resamples of {drawn['resampled']}"
        allowing = "at *, it allows for the choice of the best layer"
        notes.append(f"[95% interval] from {sampled}, generalising to {drawn['about']}; {allowing}")
        notes.append("~ not different from the best layer (p >= .05, Benjamini-Hochberg over the pairs of each target)")
    facts = {key.removeprefix("teacher_"): value for key, value in result.attrs.items() if value not in (None, "")}
    notes += filter(None, [caution(result.method)])
    notes += [
        f"{key.replace('_', ' ')}: {facts.pop(key)}" for key in ("source", "ceiling", *STATED, "note") if key in facts
    ]
    notes.append(", ".join(f"{key} {value}" for key, value in facts.items()))
    over = conditions(result.table.attrs["n"], result.by)
    title = f"{model} against {result.teacher}: {result.method} over {over}"
    if not wide:
        print_table(title, ["layer", "features", *targets], rows, notes)
        return
    if len(targets) > COLUMNS and not of_model:
        print_table(title, ["target", "neuroids", "best layer", "similarity", "ceiling"], _by_target(result), notes)
        return
    room = WIDTH - max(len(row[0]) for row in rows) - 4
    step = max(1, min(COLUMNS, room // (3 + max(5, *map(len, targets)))))
    for start in range(0, len(targets), step):
        last = start + step >= len(targets)
        part = [[row[0], *row[1 + start : 1 + start + step]] for row in rows]
        print_table(title, ["layer", *targets[start : start + step]], part, notes if last else ())


def _by_target(result: "TeacherScore") -> list[list[str]]:
    """A row for each of many targets: its best layer alone."""
    rows = []
    for target, layer in result.best_layer.items():
        low, high = result.best_interval.get(target, (None, None))
        value = f"{float(result.table.sel(layer=layer, target=target)):.4f}"
        ends = "" if low is None or high is None else f" [{low:.2f}, {high:.2f}]".replace("0.", ".")
        neuroids = result.targets[target].attrs.get("neuroids", "-") if target in result.targets else "-"
        ceiling = f"{result.ceilings[target][1]:.4f}" if target in result.ceilings else "-"
        rows.append([target, str(neuroids), layer, value + ends, ceiling])
    return rows


def _cell(result: "TeacherScore", layer: str, target: str, equal: set[tuple[str, str]]) -> str:
    here = {"layer": layer, "target": target}
    text = f"{float(result.table.sel(here)):.4f}"
    ends = [f"{float(side.sel(here)):.2f}".replace("0.", ".") for side in result.shown if side is not None]
    if ends:
        text += f" [{', '.join(ends)}]"
    if result.best_layer[target] == layer:
        return f"* {text}"
    return f"~ {text}" if (layer, target) in equal else text


def _short(result: "TeacherScore", layer: str, target: str, equal: set[tuple[str, str]]) -> str:
    """A cell of a table of many targets."""
    text = f"{float(result.table.sel(layer=layer, target=target)):.2f}".replace("0.", ".")
    sign = "*" if result.best_layer[target] == layer else "~" if (layer, target) in equal else ""
    return sign + text


def _equal_to_best(result: "TeacherScore") -> set[tuple[str, str]]:
    """(layer, target) pairs that paired differences do not tell from the target's best layer."""
    from ...rsa.report.comparisons import PairTests

    layers, tests = [str(layer) for layer in result.table.indexes["layer"]], PairTests(result.draws)
    return {
        (layers[i], target)
        for k, (target, best) in enumerate(result.best_layer.items())
        for i in tests.equal(k, layers.index(best))
    }
