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
    bootstrap: Annotated[
        int,
        typer.Option(
            help="Resamples of the stimuli for 95% intervals and layer tests; 0 (or under 5 stimuli): none.",
            min=0,
        ),
    ] = 1000,
    groups: Annotated[
        str | None,
        typer.Option(help="Resample these together (object_name, ...), since their images are not independent."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the random features, split halves and resamples.", min=0)] = 0,
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
    from ...rsa import Guidance, RSAError, load_model
    from ...rsa.console import progress, write_json
    from ...rsa.figures import check_picture, save_figure, score_figure
    from ...rsa.resampling import LEAST
    from ...rsa.storage import check_writable
    from ..stimuli import images
    from ..teachers import load_teacher

    if plot is not None:
        check_picture(plot)
    if json is not None:
        check_writable(json)
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
    if not (stimuli or chosen.stimuli):
        raise RSAError(f"{teacher} does not say which images it is about; --stimuli names them")
    shown = images(stimuli or chosen.stimuli, data_dir=data_dir)
    if groups is not None:
        shown.column(groups)
    conditions = len(next(iter(chosen.rdms.values())))
    if conditions < LEAST and groups is None:
        bootstrap = 0
    names = [name for part in layers or ["auto"] for name in part.split(",")]
    guide = Guidance(
        chosen, shown, preprocess=preprocess, layers=names, metric=metric, n_features=n_features or None, method=method,
        seed=seed, batch_size=batch_size, device=device,
    )  # fmt: skip
    with progress(f"{model}: images", len(guide.stimuli)) as advance:
        rdms = guide.rdms(module, progress=advance)
    result = chosen.score(rdms, method=method, bootstrap=bootstrap, groups=groups, seed=seed)
    _show(model, result, rdms)
    settings = {"model": model, "weights": weights and str(weights)}
    if json is not None:
        features = {name: {key: rdm.attrs[key] for key in ("n_features", "of_features")} for name, rdm in rdms.items()}
        write_json(json, {**settings, **result.to_dict(), "features": features})
    if plot is not None:
        save_figure(score_figure(model, result, rdms, chosen), plot)


def _show(model: str, result: "TeacherScore", rdms: "dict[str, RDM]") -> None:
    from ...rsa.console import print_table

    targets = [str(target) for target in result.table.indexes["target"]]
    equal = _equal_to_best(result)
    rows = []
    for layer in map(str, result.table.indexes["layer"]):
        cells = [_cell(result, layer, target, equal) for target in targets]
        rows.append([layer, str(rdms[layer].attrs["n_features"]), *cells])
    upper = {target: high for target, (_, high) in result.ceilings.items()}
    rows.append(["ceiling", "", *(f"{upper[t]:.4f}" if t in upper else "-" for t in targets)])
    if upper:
        ceiled = result.ceiled.max("layer").to_numpy()
        rows.append(["best / ceiling", "", *(f"{c:.4f}" if c == c else "-" for c in ceiled)])
    between = "" if result.tg_low is None else f" [{result.tg_low:.4f}, {result.tg_high:.4f}]"
    notes = [f"TG = {result.tg:.4f}{between}, the mean over targets of the best layer (marked *)"]
    if result.draws is not None:
        sampled = f"{result.draws.sizes['draw']} resamples of {result.draws.attrs['resampled']}"
        notes.append(f"[95% interval] from {sampled}; ~ not different from the best (p > .05, Benjamini-Hochberg)")
    facts = {key.removeprefix("teacher_"): value for key, value in result.attrs.items() if value not in (None, "")}
    notes += [f"{key}: {facts.pop(key)}" for key in ("source", "ceiling", "note") if key in facts]
    notes.append(", ".join(f"{key} {value}" for key, value in facts.items()))
    what = "stimuli" if result.by == "stimulus" else f"conditions by {result.by}"
    title = f"{model} against {result.teacher}: {result.method} over {result.table.attrs['n']} {what}"
    print_table(title, ["layer", "features", *targets], rows, notes)


def _cell(result: "TeacherScore", layer: str, target: str, equal: set[tuple[str, str]]) -> str:
    here = {"layer": layer, "target": target}
    text = f"{float(result.table.sel(here)):.4f}"
    if result.low is not None and result.high is not None:
        low, high = (f"{float(side.sel(here)):.2f}".replace("0.", ".") for side in (result.low, result.high))
        text += f" [{low}, {high}]"
    if result.best_layer[target] == layer:
        return f"* {text}"
    return f"~ {text}" if (layer, target) in equal else text


def _equal_to_best(result: "TeacherScore") -> set[tuple[str, str]]:
    """(layer, target) pairs that paired differences do not tell from the target's best layer."""
    from ...rsa import layer_differences

    if result.draws is None or result.table.sizes["layer"] < 2:
        return set()
    tests = layer_differences(result.draws)
    equal = set()
    for first, second, row in zip(tests["first"].values, tests["second"].values, tests["p_adjusted"], strict=True):
        for target, best in result.best_layer.items():
            if best in (first, second) and float(row.sel(target=target)) > 0.05:
                equal.add((str(second if best == first else first), target))
    return equal
