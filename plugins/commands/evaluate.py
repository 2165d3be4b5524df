"""`tgsage evaluate`: P, TG, B and their score for one network."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...rsa.cli.options import DataDir, Device, Json
from .train import DataName, Download, Loaders, RecipeName, Seed, Set

if TYPE_CHECKING:
    from ..evaluation.predictors import Predicted
    from ..result import Evaluation

TeacherName = Annotated[
    str | None,
    typer.Option(
        help="A teacher file, a recording (see: tgsage data list), or a model.", show_default="none: the score is P"
    ),
]
By = Annotated[
    str | None,
    typer.Option(
        help="RDMs by stimulus, category_name, ...",
        show_default="the teacher's own: category_name for a network, stimulus for a recording",
    ),
]
Alpha = Annotated[float, typer.Option(help="The score is P + alpha TG + beta B.")]
BehaviorName = Annotated[
    str | None,
    typer.Option(
        "--behavior",
        help="Choices of people or animals to compare the network's with (B): cifar10h, or a file of trials about the "
        "validation images (CSV, Parquet, Excel, netCDF). Test images of --data are left out of it.",
        show_default="none",
    ),
]
Beta = Annotated[float, typer.Option(help="Weight of B in the score.")]
BehaviorMetric = Annotated[
    str,
    typer.Option(
        help="What B is: o1, o2, i1, i1n, i2 or i2n (d' of objects or images; n: without the object's mean), "
        "confusion, or kappa (error consistency)."
    ),
]
Layers = Annotated[
    list[str] | None,
    typer.Option(help="The candidate's layers: names, globs or auto.", show_default="auto: every layer, or cell"),
]
BatchNorm = Annotated[
    str | None,
    typer.Option(
        help="BN statistics while testing: batch, running or recalibrated.",
        show_default="batch, as in a search; running for the checkpoint of a finished recipe",
    ),
]
Predictors = Annotated[
    bool,
    typer.Option(
        "--predictors",
        help="Also show what is free, before any training: size, NASWOT, synflow and others, and with --teacher TG.",
    ),
]
MostStimuli = Annotated[
    int, typer.Option(help="By stimulus: at most this many of the teacher's, drawn by the seed; 0 = all.", min=0)
]


def evaluate(
    network: Annotated[
        str,
        typer.Argument(
            help="A file from `tgsage space`, a network's name as for `tgsage train`, or a network's checkpoint (.pt)."
        ),
    ],
    data: DataName = "digits",
    teacher: TeacherName = None,
    by: By = None,
    alpha: Alpha = 1.0,
    behavior: BehaviorName = None,
    beta: Beta = 1.0,
    behavior_metric: BehaviorMetric = "i2n",
    recipe: RecipeName = "digits",
    epochs: Annotated[
        float | None, typer.Option(help="Train it first, for this many epochs of the recipe.", min=0, show_default="0")
    ] = None,
    examples: Annotated[int | None, typer.Option(help="Train it first, on this many images instead.", min=0)] = None,
    layers: Layers = None,
    most_stimuli: MostStimuli = 1000,
    set_: Set = None,
    batchnorm: BatchNorm = None,
    predictors: Predictors = False,
    seed: Seed = 0,
    data_dir: DataDir = None,
    download: Download = False,
    loaders: Loaders = None,
    device: Device = None,
    json: Json = None,
) -> None:
    """Score NETWORK as a search would: after --epochs of training (none if not given), by P + alpha TG + beta B.

    A checkpoint is evaluated as it is, premature or mature, on images of the size and classes that it was made for.
    """
    from dataclasses import replace

    from ...rsa import RSAError
    from ...rsa.cli.console import progress, write_json
    from ..evaluation.evaluator import Evaluator
    from ..evaluation.predictors import BATCH, first_batch, free_predictors
    from ..training import Checkpoint, get_recipe, load_data, load_network, make_network
    from ..training.models import check_fits
    from ..training.placement import same_threads
    from ..training.teachers import make_teacher
    from .train import overrides, run, say

    if teacher == "none":
        teacher = None
    if teacher is None and (by or layers):
        raise RSAError("--by and --layers are about a teacher; name one with --teacher")
    check_behavior(behavior, beta, behavior_metric)
    kept = Path(network).suffix.lower() == ".pt"
    if kept and (epochs or examples):
        raise RSAError("a checkpoint is evaluated as it is; `tgsage train --resume` trains it further")
    if kept and predictors:
        raise RSAError("--predictors are about untrained networks; give the network's name or file, not a checkpoint")
    images = load_data(data, data_dir=data_dir, download=download, loaders=loaders)
    say(images)
    chosen = get_recipe(recipe, **overrides(set_ or []))
    norm, seen = "batch", False
    if kept:
        checkpoint = Checkpoint.load(network)
        norm = "running" if checkpoint.mature else "batch"
        about = (checkpoint.settings.get("data"), checkpoint.settings.get("training images"))
        seen = about == (images.name, len(images.whole().train))
        model = load_network(network)
        check_fits(model, images.shape, images.n_classes)
    else:
        model = make_network(network, shape=images.shape, n_classes=images.n_classes, seed=seed)
    with same_threads():
        found_in: dict[str, Any] = {"data_dir": data_dir, "loaders": loaders or 1}
        made = None if teacher is None else make_teacher(teacher, images, by=by, **found_in)
        shown: dict[str, Any] = {"layers": layers or "auto", "most_stimuli": most_stimuli or None, "seed": seed}
        placed: dict[str, Any] = {**found_in, "device": device, "batchnorm": batchnorm or norm}
        shown |= {"behavior": behavior, "beta": beta, "behavior_metric": behavior_metric}
        evaluator = Evaluator(images, teacher=made, alpha=alpha, **shown, **placed)
    free, untrained = None, None
    if predictors:
        with progress(f"free predictors of {network}"), same_threads():
            free = free_predictors(model, *first_batch(images))
            untrained = None if made is None else evaluator(model)
    trained = None
    if epochs or examples:
        trained = run(model, images, chosen, label=network, epochs=epochs, examples=examples, seed=seed, device=device)
    if trained is not None and trained.failed:
        raise RSAError(f"{network}: the training failed: {trained.reason}")
    if trained is None and untrained is not None:
        found = untrained
    else:
        with progress(f"evaluating {network}"):
            found = evaluator(model)
    if found.failed:
        raise RSAError(f"{network}: {found.reason}")
    if trained is not None:
        found = replace(found, examples=trained.examples, seconds={"train": trained.seconds, **found.seconds})
    if seen:
        found = replace(found, attrs={**found.attrs, "trained_on_validation": True})
    if json is not None:
        known = {} if free is None else {"predictors": dict(free), "predictors_unusable": free.unusable}
        known |= {} if untrained is None else {"untrained_tg": untrained.tg}
        write_json(json, {"network": network, "settings": evaluator.describe(), **found.to_dict(), **known})
    _show(f"{network} on {images.name}, seed {seed}", found, evaluator)
    if free is not None:
        tg = {} if untrained is None else {"value": untrained.tg}
        show_predictors(f"Before training, from {BATCH} images of {images.name}", {"value": free}, tg)


def check_behavior(behavior: str | None, beta: float, metric: str) -> None:
    """Raise RSAError for a metric that does not exist, and for a weight of what is not asked for."""
    from ...rsa import RSAError
    from ...rsa.behavior.consistency import DEFAULT_METRIC, check_metrics

    check_metrics([metric])
    if behavior is None and (beta != 1.0 or metric != DEFAULT_METRIC):
        raise RSAError("--beta and --behavior-metric are about behaviour; name it with --behavior")


def show_predictors(title: str, found: "dict[str, Predicted]", tg: Mapping[str, float | None]) -> None:
    """Print free predictors of networks side by side, each with its source, and why some have no value.

    tg: of the untrained networks, by the same names; empty without a teacher.
    """
    from ...rsa.cli.console import print_table
    from ..evaluation.predictors import PREDICTORS

    values = {
        name: ["-" if name in one.unusable else f"{one[name]:,.6g}" for one in found.values()]
        for name in next(iter(found.values()))
    }
    rows = [[name, PREDICTORS[name].source, *written] for name, written in values.items()]
    if tg:
        written = ["-" if (value := tg[name]) is None else f"{value:.4f}" for name in found]
        rows.append(["TG, untrained", "Bashivan, Tensen & DiCarlo 2019", *written])
    reasons = {name: why for one in found.values() for name, why in one.unusable.items()}
    notes = [
        "Networks with higher values are expected to become better.",
        *(f"{name}: {why}" for name, why in reasons.items()),
    ]
    print_table(title, ["predictor", "source", *found], rows, notes)


def _show(title: str, found: "Evaluation", evaluator: Any) -> None:
    from ...rsa.cli.console import print_table

    targets = list(next(iter(found.table.values()), {}))
    best = {target: max(found.table, key=lambda layer: found.table[layer][target]) for target in targets}
    rows = [
        [layer, *(("* " if best[target] == layer else "") + f"{row[target]:.4f}" for target in targets)]
        for layer, row in found.table.items()
    ]
    unit = evaluator.data.unit
    what = "accuracy" if unit == "images" else "minus the loss in nats per word"
    notes = [f"P = {found.p:.4f} ({what} on {len(evaluator.data.valid)} validation {unit}), loss {found.loss:.4f}"]
    if found.tg is not None:
        notes.append(f"TG = {found.tg:.4f}, the mean over targets of the best layer (marked *)")
    if found.b is not None:
        choosing = evaluator.behavior
        notes.append(f"B = {found.b:.4f}, {choosing.metric} with the choices of {choosing.behavior.summary()}")
        notes.append(", ".join(f"{metric} {value:.4f}" for metric, value in found.behavior.items()))
        if choosing.tested:
            notes.append(f"{choosing.tested} test images of {evaluator.data.name} were left out of the behaviour")
    terms = [f"{evaluator.alpha:g} TG"] if found.tg is not None else []
    terms += [f"{evaluator.beta:g} B"] if found.b is not None else []
    if terms:
        taught = f"; teacher {evaluator.teacher.name}" if found.tg is not None else ""
        notes.append(f"score = {' + '.join(['P', *terms])} = {found.score:.4f}{taught}")
    if found.attrs.get("trained_on_validation"):
        notes.append(f"The network was trained on the validation {unit} too, so P is not a validation accuracy")
    if found.attrs.get("unusable"):
        notes.append(f"left out, since they have no RDM: {found.attrs['unusable']}")
    spent = ", ".join(f"{phase} {seconds:.1f} s" for phase, seconds in found.seconds.items())
    notes.append(f"{found.examples:,} training examples, {found.parameters:,} parameters; {spent}")
    if rows:
        print_table(title, ["layer", *targets], rows, notes)
    else:
        print_table(title, ["P", "loss"], [[f"{found.p:.4f}", f"{found.loss:.4f}"]], notes[1:])
