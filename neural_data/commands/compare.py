"""`tgsage compare`: many models against many targets, from one command."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...rsa.cli.options import DataDir, Json, Loaders, NFeatures, Tokens, picture, web_page, writable
from ..settings import GUESSED, Layout
from .options import By, CacheFolder, CacheSize, Level, Method, Scale, Splits, Where, Window, kept_layers, takes_layout

if TYPE_CHECKING:
    from ...rsa.comparison import ModelComparison


@takes_layout
def compare(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MODEL...",
            help="Any model that tgsage score takes: names, FILE.py:FACTORY, files of features or RDMs; also "
            "category:COLUMN[,COLUMN] of the stimuli; @FILE lists more.",
            show_default=False,
        ),
    ] = None,
    teacher: Annotated[
        list[str] | None, typer.Option(help="As for tgsage score; may be repeated.", show_default="simulated")
    ] = None,
    models_file: Annotated[
        list[Path] | None,
        typer.Option(
            "--models",
            help="A file with one model per line, optionally followed by name=, weights=, layers=a,b or weighted=nnls.",
        ),
    ] = None,
    weights: Annotated[
        list[str] | None,
        typer.Option(
            help="Weights for a single MODEL: files, or a quoted glob ('epoch_*.pt'); each counts as a model, in "
            "natural order."
        ),
    ] = None,
    weighted: Annotated[
        str,
        typer.Option(
            help="Combine a model's layers with weights fitted on other stimuli, instead of choosing one layer: "
            "nnls (no negative weights), ridge:PENALTY, or ridge with a penalty chosen by nested cross-validation; "
            "features-nnls and features-ridge weight its features (at most 50 principal components of them). For some "
            "models only: weighted= in a file of models.",
            show_default="choose a layer",
        ),
    ] = "",
    over: Annotated[
        str, typer.Option(help="What intervals and tests generalise to: new stimuli, new subjects (animals), or both.")
    ] = "stimuli",
    subjects: Annotated[
        str,
        typer.Option(
            help='Column of a recording that names subjects, for --over; "targets" if the targets are its subjects.'
        ),
    ] = "animal",
    beyond: Annotated[
        list[str] | None,
        typer.Option(
            help="Also show what each model explains beyond this one (pixels, say): partial similarity and shares of "
            "variance; repeat it for several at once."
        ),
    ] = None,
    correction: Annotated[
        str,
        typer.Option(
            help="Correction for the number of tests: fdr (Benjamini-Hochberg), holm or max (family-wise), or none."
        ),
    ] = "fdr",
    layers: Annotated[
        list[str] | None,
        typer.Option(
            help='Layers to choose from, on other stimuli: names, globs or "auto"; may be repeated or comma-separated.'
        ),
    ] = None,
    by: By = None,
    target: Annotated[
        list[str] | None, typer.Option(help="Compare with this target only; may be repeated.", show_default="all")
    ] = None,
    level: Level = None,
    scale: Scale = None,
    method: Method = None,
    metric: Annotated[
        str | None,
        typer.Option(
            help="Dissimilarity of the models' RDMs: correlation, spearman, cosine, euclidean or sqeuclidean.",
            show_default="the teacher's own, correlation",
        ),
    ] = None,
    n_features: NFeatures = 8192,
    tokens: Tokens = "all",
    bootstrap: Annotated[int, typer.Option(help="Resamples behind intervals and tests.", min=1)] = 1000,
    halvings: Annotated[int, typer.Option(help="Random halvings behind the choice of layers.", min=1)] = 100,
    groups: Annotated[
        str | None, typer.Option(help="Column of the stimuli whose groups stay together in resamples and halves.")
    ] = None,
    window: Window = None,
    missing: Annotated[
        str | None,
        typer.Option(
            help="What to do with neuroids that lack a response to some stimulus: raise (an error), or drop (them).",
            show_default="raise",
        ),
    ] = None,
    splits: Splits = None,
    where: Where = None,
    layout: Layout = GUESSED,
    seed: Annotated[
        int, typer.Option(help="Seed of the random features, split halves, resamples and halvings.", min=0)
    ] = 0,
    labels: Annotated[
        str | None,
        typer.Option(
            help='Names of the rows of files of features: a file of names, or "order" for the order of the stimuli.',
            show_default="those in the file",
        ),
    ] = None,
    stimuli: Annotated[
        str | None, typer.Option(help="Whose images to show.", show_default="those of each teacher")
    ] = None,
    data_dir: DataDir = None,
    batch_size: Annotated[
        int | None,
        typer.Option(help="Images per forward pass.", min=1, show_default="64, on CPUs fewer of large images"),
    ] = None,
    loaders: Loaders = 1,
    device: Annotated[str | None, typer.Option(help='Device that models run on, such as "cuda:0".')] = None,
    cache: CacheFolder = None,
    cache_gb: CacheSize = None,
    json: Json = None,
    csv: Annotated[
        Path | None, typer.Option(help="Also write the table, and beside it FILE-pairs.csv.", callback=writable)
    ] = None,
    latex: Annotated[Path | None, typer.Option(help="Also write a table for LaTeX.", callback=writable)] = None,
    plot: Annotated[
        Path | None,
        typer.Option(help="Also draw models with intervals, ceilings and tests (.png, .svg, .pdf).", callback=picture),
    ] = None,
    plot_profiles: Annotated[
        Path | None, typer.Option(help="Also draw similarity over layers, or over training.", callback=picture)
    ] = None,
    plot_map: Annotated[
        Path | None, typer.Option(help="Also draw a map of models and targets.", callback=picture)
    ] = None,
    plot_rdms: Annotated[Path | None, typer.Option(help="Also draw the RDMs.", callback=picture)] = None,
    report: Annotated[
        Path | None, typer.Option(help="Also write a page (.html) with tables and pictures.", callback=web_page)
    ] = None,
) -> None:
    """Compare models: which is most like which brain region (or teacher), and how certain is that?

    Each model is compared at the layer that is chosen on other stimuli, so that having more layers is no advantage, and
    is tested against every other model, zero and the ceiling. Layers of models that were shown the same images before
    come from a cache; the same command continues an interrupted run. A model that fails gets a row with the reason; the
    exit code is then 1, and it is 0 if all models were compared.
    """
    import shlex
    import sys
    from contextlib import suppress

    from ...rsa.cli.console import is_first, write_json
    from ...rsa.io.storage import check_writable, replacing
    from .. import comparing

    asked = [*(models or ()), *(f"@{file}" for file in models_file or ())]
    pairs = None if csv is None else check_writable(csv.with_name(f"{csv.stem}-pairs{csv.suffix}"))

    def said(line: str) -> None:
        if is_first():
            with suppress(OSError):
                print(line, file=sys.stderr, flush=True)

    found = comparing.compare_models(
        asked,
        teacher or ["simulated"],
        stimuli,
        over=over,
        subjects=subjects,
        beyond=beyond or (),
        correction=correction,
        bootstrap=bootstrap,
        halvings=halvings,
        weights=weights or None,
        weighted=weighted,
        layers=[name for part in layers or ["auto"] for name in part.split(",")],
        targets=target or (),
        by=by,
        level=level,
        scale=scale,
        window=window,
        missing=missing,
        splits=splits,
        where=where or (),
        layout=layout,
        method=method,
        metric=metric,
        n_features=n_features,
        groups=groups,
        seed=seed,
        labels=labels,
        data_dir=data_dir,
        batch_size=batch_size,
        device=device,
        tokens=tokens,
        loaders=loaders,
        cache=kept_layers(cache, cache_gb),
        progress=True,
        report=said,
    )
    if json is not None:
        write_json(json, found.to_dict())
    for path, text in (
        (csv, lambda: found.to_dataframe().to_csv(index=False)),
        (pairs, lambda: found.to_dataframe("pairs").to_csv(index=False)),
        (latex, found.to_latex),
    ):
        if path is not None:
            with replacing(path) as temporary:
                temporary.write_text(text(), encoding="utf-8")
    drawn = {"models": plot, "profiles": plot_profiles, "map": plot_map, "rdms": plot_rdms}
    if any(drawn.values()):
        from ...rsa.plots.figures import save_figure
        from ...rsa.plots.models import comparison_figure

        for kind, path in drawn.items():
            if path is not None:
                save_figure(comparison_figure(found, kind), path)
    if report is not None:
        from ...rsa.report.models import write_comparison

        write_comparison(report, found, command=shlex.join(["tgsage", *sys.argv[1:]]))
    _show(found)
    if found.failed:
        raise typer.Exit(1)


def _show(found: "ModelComparison") -> None:
    from ...rsa.cli.console import print_table
    from ...rsa.report.comparisons import LEVEL
    from ...rsa.report.tables import equals, order_of

    facts = {key: value for key, value in found.settings.items() if value not in (None, "") and "_said" not in key}
    notes = [
        *found.words(),
        "Models that share a letter cannot be told apart.",
        ", ".join(f"{key} {value}" for key, value in facts.items()),
    ]
    for target in found.targets:
        rows, letters, last = [], equals(found, target), target == found.targets[-1]
        for row in order_of(found, target):
            if row["reason"]:
                rows.append([str(row["model"]), "-", "-", "", "-", str(row["reason"])])
                continue
            signs = "".join(sign for sign, p in (("0", row["p_zero"]), ("c", row["p_ceiling"])) if p < LEVEL)
            ceiled = "-" if row["ceiled"] is None else f"{row['ceiled']:.3f}"
            value = f"{row['similarity']:.4f} [{row['low']:.2f}, {row['high']:.2f}]".replace("0.", ".")
            weighting = f"{row['weighted']}, " if row["weighted"] else ""
            layer = f"{row['layer']} ({weighting}{100 * row['share']:.0f}%, of {row['layers']})"
            rows.append([str(row["model"]), value, ceiled, signs, letters[row["model"]], layer])
        ceiling = next((row for row in order_of(found, target) if row["ceiling_high"] is not None), None)
        said = "no ceiling known" if ceiling is None else f"ceiling {ceiling['ceiling_low']:.4f}"
        if ceiling is not None and ceiling["ceiling_low"] != ceiling["ceiling_high"]:
            said += f" to {ceiling['ceiling_high']:.4f}"
        left = [row for row in found.beyond if row["target"] == target]
        columns = ["model", "similarity", "/ ceiling", "tests", "group", "layer (chosen by)"]
        print_table(f"{target} ({said})", columns, rows, notes if last and not left else ())
        if left:
            cells = [
                [
                    str(row["model"]),
                    f"{row['similarity']:.4f} [{row['low']:.2f}, {row['high']:.2f}]",
                    "0" if row["p_zero"] < LEVEL else "",
                    *(f"{row[key]:.4f}" for key in ("unique", "common", "control")),
                ]
                for row in left
            ]
            columns = ["model", "partial", "tests", "unique", "common", "controls alone"]
            print_table(f"{target}, beyond {left[0]['beyond']}", columns, cells, notes if last else ())
