"""`tgsage teacher train`: a network as teacher, trained and written to a file."""

from pathlib import Path
from typing import Annotated, Any

import typer

from ...rsa.cli.options import DataDir, Device, Json, NFeatures, writable
from .train import DataName, Download, Epochs, Loaders, RecipeName, Seed, Set


def train(
    out: Annotated[
        Path,
        typer.Argument(help="Teacher file to write (HDF5); its checkpoint goes beside it (.pt).", callback=writable),
    ],
    network: Annotated[
        str,
        typer.Option(
            help="resnet:N (the paper's: resnet:9), nasnet-a, torchvision:NAME, lstm, gru, or a file from "
            "`tgsage space`."
        ),
    ] = "resnet:9",
    data: DataName = "cifar10-jpeg",
    recipe: RecipeName = "one-cycle",
    epochs: Epochs = None,
    by: Annotated[
        str | None,
        typer.Option(
            help="RDMs by category_name, by another column of the images, or by stimulus.",
            show_default="category_name; for text, stimulus",
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(help="At most this many random validation images.", min=3, show_default="all; 1000 by stimulus"),
    ] = None,
    layers: Annotated[
        list[str] | None, typer.Option(help='Targets: names, globs or "auto" (L1, L2, L3); "output" is the logits.')
    ] = None,
    n_features: NFeatures = 8192,
    metric: Annotated[str, typer.Option(help="Dissimilarity: correlation, spearman, cosine, euclidean, ...")] = (
        "correlation"
    ),
    set_: Set = None,
    seed: Seed = 0,
    data_dir: DataDir = None,
    download: Download = False,
    loaders: Loaders = None,
    device: Device = None,
    json: Json = None,
) -> None:
    """Train NETWORK and write its layers' RDMs over the validation images as a teacher.

    The checkpoint is written after every epoch: after Ctrl-C the same command continues from there. With --epochs 0
    the teacher is an untrained network.
    """
    from ...neural_data.commands.teacher import summary as describe
    from ...rsa import RSAError
    from ...rsa.cli.console import is_first, print_table, progress, write_json
    from ...rsa.networks.layers import choose_layers
    from ...rsa.networks.readout import Readout
    from ..training import get_recipe, load_data, make_network, network_teacher
    from .train import measure, overrides, run, say, show, summary

    checkpoint = out.with_suffix(".pt")
    if checkpoint == out:
        raise RSAError(f"{out} would be the checkpoint of this teacher, too; call the teacher {out.with_suffix('.h5')}")
    chosen = get_recipe(recipe, **overrides(set_ or []))
    images = load_data(data, data_dir=data_dir, download=download, loaders=loaders)
    say(images)
    by = by or images.by
    images.stimuli("valid").column(by)
    Readout(layers or "auto", n_features or None, seed, metric=metric)  # refuses a metric before anything is trained
    model = make_network(network, shape=images.shape, n_classes=images.n_classes, seed=seed)
    choose_layers(model, layers or "auto")
    try:
        kept = {"checkpoint": checkpoint, "resume": checkpoint if checkpoint.exists() else None}
        trained = run(model, images, chosen, label=network, epochs=epochs, seed=seed, device=device, **kept)
    except RSAError as error:
        raise RSAError(f"{checkpoint}: {error}" if checkpoint.exists() else str(error)) from error
    tested = measure(model, images, trained)
    if not is_first():
        return
    title = f"{network} on {images.name} by {chosen.name}, seed {seed}"
    if trained.failed:
        show(title, trained, tested, images.unit)
        raise typer.Exit(1)
    norm, found = tested["valid"]
    rdms_of: dict[str, Any] = {"layers": layers or "auto", "by": by, "limit": limit, "metric": metric, "seed": seed}
    shown: dict[str, Any] = {"batchnorm": norm, "device": str(trained.placement.device)}
    about: dict[str, Any] = {"recipe": chosen.name, "epochs": trained.epochs, "accuracy": found.accuracy}
    with progress("RDMs of its layers"):
        made = network_teacher(network, model, images, n_features=n_features or None, attrs=about, **rdms_of, **shown)
    made.save(out)
    if json is not None:
        files = {"file": str(out), "checkpoint": str(checkpoint)}
        write_json(json, {**files, **describe(made), "training": summary(model, trained, tested)})
    show(title, trained, tested, images.unit)
    rows = [[target, str(len(rdm)), str(rdm.attrs["n_features"])] for target, rdm in made.rdms.items()]
    notes = [f"{images.unit}: {len(made.stimulus_ids)} of {made.stimuli}, SHA-256 {made.checksum[:12]}"]
    print_table(f"{out}: teacher {made.name}", ["target", by, "features"], rows, notes)
