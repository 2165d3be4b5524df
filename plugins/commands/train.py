"""`tgsage train`: a network on a data set, by a recipe."""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...rsa.cli.options import DataDir, Device, Json, writable

if TYPE_CHECKING:
    from ..training import Data, Moment, Performance, Training

Network = Annotated[
    str,
    typer.Argument(
        help="A file from `tgsage space`, resnet:N (CIFAR ResNet; resnet:3 is ResNet-20), nasnet-a, pnasnet-5 or "
        "amoebanet-a (nasnet-a:2x16: 2 cells per stage, 16 filters), or torchvision:NAME; for text, lstm or gru "
        "(lstm:2x256: 2 layers, 256 wide); always with random weights."
    ),
]
DataName = Annotated[
    str,
    typer.Option(
        help="digits, simulated, cifar10, cifar100, cifar10-jpeg, folder:PATH, imagenet:PATH, imagenet64:PATH or "
        "text:FILE."
    ),
]
RecipeName = Annotated[
    str,
    typer.Option(
        help="cifar-cnn, cifar-cell, imagenet-cell, imagenet64-search (the paper's), one-cycle or digits; for text: "
        "text or nas-bench-nlp."
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="Another value for a field of the recipe, such as lr=0.05; may be repeated."),
]
Epochs = Annotated[
    float | None,
    typer.Option(help="Stop after this many epochs of the recipe.", min=0, show_default="the recipe's own"),
]
Examples = Annotated[int | None, typer.Option(help="Stop after this many training images instead.", min=0)]
Seed = Annotated[int, typer.Option(help="Seed of weights, order and augmentation.", min=0)]
Download = Annotated[bool, typer.Option("--download", help="Fetch cifar10 or cifar100 if the folder lacks it.")]
Loaders = Annotated[
    int | None, typer.Option(help="Threads that decode image files.", min=1, show_default="one for each core")
]
BatchNorm = Annotated[
    str | None,
    typer.Option(
        help="BN statistics while testing: batch, running or recalibrated.",
        show_default="running for a finished recipe, batch before",
    ),
]


def train(
    network: Network,
    data: DataName = "digits",
    recipe: RecipeName = "digits",
    epochs: Epochs = None,
    examples: Examples = None,
    whole: Annotated[bool, typer.Option("--whole", help="Train on the validation images as well.")] = False,
    out: Annotated[Path | None, typer.Option(help="Checkpoint to write after every epoch.", callback=writable)] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue from OUT, if it is there.")] = False,
    keep: Annotated[
        list[float] | None, typer.Option(help="Keep OUT as it is at this epoch, as OUT@EPOCH; may be repeated.")
    ] = None,
    set_: Set = None,
    batchnorm: BatchNorm = None,
    seed: Seed = 0,
    data_dir: DataDir = None,
    download: Download = False,
    loaders: Loaders = None,
    device: Device = None,
    json: Json = None,
) -> None:
    """Train NETWORK and test it: loss and accuracy of every epoch, then on the validation and test images.

    Ctrl-C leaves the last epoch in OUT; the same command with --resume continues from there. `torchrun
    --nproc-per-node N $(which tgsage) train ...` divides every batch among N processes.
    """
    from ...rsa import RSAError
    from ...rsa.cli.console import is_first, write_json
    from ...rsa.networks.readout import check_batchnorm
    from ..training import get_recipe, load_data, make_network

    if batchnorm is not None:
        check_batchnorm(batchnorm)
    if (resume or keep) and out is None:
        raise RSAError("--resume and --keep need the checkpoint that --out names")
    if out is not None and out.exists() and not resume:
        raise RSAError(f"{out} exists; --resume goes on from it, another --out leaves it as it is")
    chosen = get_recipe(recipe, **overrides(set_ or []))
    images = load_data(data, data_dir=data_dir, download=download, loaders=loaders)
    images = images.whole() if whole else images
    say(images)
    model = make_network(network, shape=images.shape, n_classes=images.n_classes, seed=seed)
    going_on = resume and out is not None and out.exists()
    kept: dict[str, Any] = {"checkpoint": out, "moments": keep or (), "resume": out if going_on else None}
    length = {"epochs": epochs, "examples": examples}
    trained = run(model, images, chosen, label=network, seed=seed, device=device, **length, **kept)
    tested = measure(model, images, trained, batchnorm)
    if not is_first():
        return
    if json is not None:
        settings = {"kind": "training", "network": network, "data": images.name, "whole": whole}
        settings |= {"recipe": chosen.to_dict(), "seed": seed}
        write_json(json, settings | summary(model, trained, tested))
    show(f"{network} on {images.name} by {chosen.name}, seed {seed}", trained, tested, images.unit)
    if trained.failed:
        raise typer.Exit(1)


def overrides(pairs: list[str]) -> dict[str, Any]:
    """Values from KEY=VALUE, read as JSON where they are. Raises RSAError for what is no pair."""
    from json import JSONDecodeError, loads

    from ...rsa import RSAError

    values: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals:
            raise RSAError(f"--set takes FIELD=VALUE, such as lr=0.05, not {pair!r}")
        try:
            value = loads(text)
        except JSONDecodeError:
            value = text
        values[key] = tuple(value) if isinstance(value, list) else value
    return values


def say(images: "Data") -> None:
    """Print what was read of a data set, before anything is done with it."""
    from ...rsa.cli.console import is_first

    if is_first():
        with suppress(OSError):  # a closed output is reported when the files are written
            print(images.summary(), flush=True)


def run(model: Any, images: "Data", recipe: Any, *, label: str, **settings: Any) -> "Training":
    """Train, and tell how far it is; images trained on before a resumed checkpoint count."""
    from ...rsa.cli.console import progress
    from ..training import train as train_network
    from ..training.recipes import Budget

    n = len(images.train)
    total = Budget(settings.get("epochs"), settings.get("examples")).images(recipe, n)
    with progress(f"training {label}", total, images.unit) as done:

        def note(moment: "Moment") -> None:
            done.note = f"{moment.epoch:g} of {total / n:g} epochs, training accuracy {moment.accuracy:.2f}"

        return train_network(model, images, recipe, progress=done, report=note, **settings)


def measure(
    model: Any, images: "Data", trained: "Training", batchnorm: str | None = None
) -> "dict[str, tuple[str, Performance]]":
    """Part -> (how BN was used, performance), for the parts that have images; nothing of a failed training."""
    from ...rsa.cli.console import progress
    from ..training import evaluate_network

    if trained.failed:
        return {}
    norm = batchnorm or ("running" if trained.finished and trained.epochs >= 1 else "batch")
    sizes = {part: len(getattr(images, part)) for part in ("valid", "test")}
    with progress("testing", sum(sizes.values()), images.unit) as done:
        settings: dict[str, Any] = {"batchnorm": norm, "device": trained.placement}
        settings["each"] = lambda places, _: done(len(places))
        return {part: (norm, evaluate_network(model, images, part, **settings)) for part in sizes if sizes[part]}


def summary(model: Any, trained: "Training", tested: "dict[str, tuple[str, Performance]]") -> dict[str, Any]:
    """What a training came to, as JSON-able values."""
    from dataclasses import asdict

    from ..training.models import count_parameters

    facts = {key: getattr(trained, key) for key in ("status", "reason", "examples", "epochs", "finished", "seconds")}
    where = {"device": str(trained.placement.device), "bfloat16": trained.placement.amp}
    history = [asdict(moment) for moment in trained.history]
    parts = {part: {"batchnorm": norm, **asdict(found)} for part, (norm, found) in tested.items()}
    return facts | where | {"parameters": count_parameters(model), "history": history} | parts


def show(title: str, trained: "Training", tested: "dict[str, tuple[str, Performance]]", unit: str = "images") -> None:
    """The history (of long trainings, about twenty of its epochs) and the accuracies."""
    from ...rsa.cli.console import print_table

    every = max(1, len(trained.history) // 20)
    shown = [moment for i, moment in enumerate(reversed(trained.history)) if i % every == 0][::-1]
    notes = [
        f"{part}: accuracy {found.accuracy:.4f}, loss {found.loss:.4f} ({found.images} {unit}, BN {norm})"
        for part, (norm, found) in tested.items()
    ]
    kind = "bfloat16" if trained.placement.amp else "float32"
    notes.append(f"{trained.examples:,} examples in {trained.seconds:.0f} s on {trained.placement.device}, {kind}")
    if trained.failed:
        notes.insert(0, f"failed: {trained.reason}")
    rows = [[f"{m.epoch:g}", f"{m.lr:.4g}", f"{m.loss:.4f}", f"{m.accuracy:.4f}", f"{m.seconds:.1f}"] for m in shown]
    print_table(title, ["epoch", "rate", "loss", "accuracy", "seconds"], rows, notes)
