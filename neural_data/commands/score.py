"""`tgsage score`: a model against a teacher, from one command."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ...rsa import RDM, TeacherScore


def score(
    model: Annotated[
        str,
        typer.Argument(
            help="efficientnet_lite0, efficientnet_lite1, pixels, torchvision:NAME[@WEIGHTS], or FILE.py:FACTORY; "
            "NAME@untrained for random weights."
        ),
    ],
    teacher: Annotated[
        str,
        typer.Option(help="A recording or published RDMs (see: tgsage data list), a file of these, or a teacher file."),
    ] = "simulated",
    layers: Annotated[
        list[str] | None,
        typer.Option(help='Names, globs ("layer*.1") or "auto" (the stages); repeat it, or separate with commas.'),
    ] = None,
    by: Annotated[
        str, typer.Option(help="stimulus, or a column to average over: object_name, category_name, ...")
    ] = "stimulus",
    level: Annotated[str, typer.Option(help="Targets of a recording: subregion, region or paper.")] = "subregion",
    scale: Annotated[
        str, typer.Option(help="Scaling of each neuroid over stimuli: none, zscore or max. Unscaled, high rates rule.")
    ] = "none",
    method: Annotated[
        str | None,
        typer.Option(
            help="pearson, spearman, tau-a, rho-a, cosine, cosine-whitened or pearson-whitened.",
            show_default="the teacher's own, pearson",
        ),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            help="Dissimilarity of the model's RDMs: correlation, spearman, cosine, euclidean or sqeuclidean.",
            show_default="the teacher's own, correlation",
        ),
    ] = None,
    n_features: Annotated[
        int, typer.Option(help="Random features per layer, drawn by seed and layer name; 0 = all of them.", min=0)
    ] = 8192,
    seed: Annotated[int, typer.Option(help="Seed of the random features and of split halves.", min=0)] = 0,
    weights: Annotated[Path | None, typer.Option(help="File with a state dict for the model.")] = None,
    stimuli: Annotated[
        str | None, typer.Option(help="Whose images to show.", show_default="those of the teacher")
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder of recordings.", show_default="$TGSAGE_DATA, then the cache")
    ] = None,
    batch_size: Annotated[int, typer.Option(help="Images per forward pass.", min=1)] = 64,
    device: Annotated[str | None, typer.Option(help='Where the model runs, such as "cuda:0".')] = None,
    json: Annotated[Path | None, typer.Option(help="Also write everything to this file.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Also draw a picture (.png, .svg, .pdf).")] = None,
) -> None:
    """Score MODEL against a teacher: which layer is most like which brain region, and how near the noise ceiling.

    Prints RDM similarities (layer x target, the best layer of every target marked), the ceilings, and TG, the mean over
    targets of the best layer's similarity.
    """
    from ...rsa import Guidance, load_model
    from ...rsa.console import progress, write_json
    from ..stimuli import images
    from ..teachers import load_teacher

    module, preprocess = load_model(model, weights)
    chosen = load_teacher(
        teacher,
        by=by,
        level=level,
        scale=scale,
        data_dir=data_dir,
        seed=seed,
        method=method or "pearson",
    )
    shown = images(stimuli or chosen.stimuli, data_dir=data_dir)
    names = [name for part in layers or ["auto"] for name in part.split(",")]
    guide = Guidance(
        chosen, shown, preprocess=preprocess, layers=names, metric=metric, n_features=n_features or None, method=method,
        seed=seed, batch_size=batch_size, device=device,
    )  # fmt: skip
    with progress(f"{model}: images", len(guide.stimuli)) as advance:
        rdms = guide.rdms(module, progress=advance)
    result = guide.compare(rdms)
    _show(model, result, rdms)
    settings = {"model": model, "weights": weights and str(weights), "scale": scale, "level": level}
    if json is not None:
        features = {name: {key: rdm.attrs[key] for key in ("n_features", "of_features")} for name, rdm in rdms.items()}
        write_json(json, {**settings, **result.to_dict(), "features": features})
    if plot is not None:
        from ...rsa.figures import save_figure, score_figure

        save_figure(score_figure(model, result, rdms, chosen), plot)


def _show(model: str, result: "TeacherScore", rdms: "dict[str, RDM]") -> None:
    from ...rsa.console import print_table

    targets = [str(target) for target in result.table.indexes["target"]]
    best = result.best_layer
    rows = []
    for layer, values in zip(map(str, result.table.indexes["layer"]), result.table.to_numpy(), strict=True):
        cells = [
            f"[bold]* {v:.4f}[/]" if best[t] == layer else f"{v:.4f}" for t, v in zip(targets, values, strict=True)
        ]
        attrs = rdms[layer].attrs
        rows.append([layer, f"{attrs['n_features']} of {attrs['of_features']}", *cells])
    upper = {target: high for target, (_, high) in result.ceilings.items()}
    rows.append(["ceiling", "", *(f"{upper[t]:.4f}" if t in upper else "-" for t in targets)])
    ceiled = result.ceiled.max("layer").to_numpy()
    if upper:
        rows.append(["best / ceiling", "", *(f"{c:.4f}" if c == c else "-" for c in ceiled)])
    what = "stimuli" if result.by == "stimulus" else f"conditions by {result.by}"
    facts = {key.removeprefix("teacher_"): value for key, value in result.attrs.items() if value not in (None, "")}
    notes = [f"TG = {result.tg:.4f}, the mean over targets of the best layer (marked *)"]
    notes += [f"{key}: {facts.pop(key)}" for key in ("source", "ceiling", "note") if key in facts]
    notes.append(", ".join(f"{key} {value}" for key, value in facts.items()))
    title = f"{model} against {result.teacher}: {result.method} over {result.table.attrs['n']} {what}"
    print_table(title, ["layer", "features", *targets], rows, notes)
