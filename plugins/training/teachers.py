"""Teachers for candidates: made of networks, trained or read; their stimuli found, and cut to what is affordable."""

import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import nn

from ...neural_data import images, load_teacher
from ...neural_data.simulation.cache import cache_folder
from ...neural_data.teacher import by_of, is_model_name
from ...rsa import RDM, RSAError, Stimuli, Teacher
from ...rsa.io.storage import make_folder
from ...rsa.networks.readout import N_FEATURES
from ...rsa.rdm.comparison import caution
from .data import PARTS, Data
from .datasets import DATASETS, load_stimuli
from .models import make_network
from .performance import evaluate_network, evaluating
from .placement import Choice, place
from .recipes import Recipe
from .text import TextData
from .trainer import train

if TYPE_CHECKING:
    from ...rsa.types import Attr
    from ..searching.tracker import Tracker

LIMIT = 1000  # stimuli, where RDMs are by stimulus: their cost grows with the square
BY = "category_name"  # what the RDMs of a network are by, as in the paper
NETWORKS = ("resnet:", "nasnet-a", "pnasnet-5", "amoebanet-a", "torchvision:", "lstm", "gru")


def network_teacher(
    name: str,
    model: nn.Module,
    data: Data,
    part: str = "valid",
    *,
    layers: str | list[str] = "auto",
    by: str | None = None,
    limit: int | None = None,
    metric: str = "correlation",
    n_features: int | None = N_FEATURES,
    batchnorm: str = "running",
    seed: int = 0,
    device: str | None = None,
    attrs: "Mapping[str, Attr] | None" = None,
) -> Teacher:
    """Make a teacher from a network's layers over images of a data set.

    With the teacher's reference ("cifar100/valid"), stimulus ids and checksum, the images can be found again:
    `Guidance(teacher, load_stimuli(teacher.stimuli), preprocess=data.preprocess)`.

    Parameters
    ----------
    name : str
        Name of the teacher.
    model : torch.nn.Module
    data : Data
    part : {"train", "valid", "test"}
        Whose images are shown.
    layers, metric, n_features, seed
        As in `layer_rdms`.
    by : str, optional
        What the RDMs are by: category over all images, as in the paper's searches, another column, or stimulus; by
        default the data's own.
    limit : int, optional
        At most this many images, drawn by `seed`; by default all, or 1,000 for RDMs by stimulus.
    batchnorm : str
        See `normalising`.
    device : str, optional
        See `place`.
    attrs : mapping, optional
        What else to state about the teacher.

    Raises
    ------
    RSAError
        As `Teacher.from_network`.
    """
    by = by or data.by
    stimuli = data.stimuli(part, limit=LIMIT if limit is None and by == "stimulus" else limit, seed=seed)
    where = place(data.shape, device, amp=False)
    settings: dict[str, Any] = {"metric": metric, "n_features": n_features, "seed": seed, "device": where.device}
    with evaluating(model, data, where, batchnorm):
        made = Teacher.from_network(
            name, model, stimuli, layers, by=by, preprocess=data.preprocess, batch_size=250, **settings
        )
    return replace(made, attrs={**made.attrs, "source": f"{name} on {data.name}", **(attrs or {})})


def is_network(name: object) -> bool:
    """Whether a teacher of this name is a network to be trained, and neither a file nor a recording.

    "torchvision:NAME" is trained; "torchvision:NAME@DEFAULT" is a model with its own weights.
    """
    return isinstance(name, str) and name.startswith(NETWORKS) and "@" not in name and not Path(name).exists()


def is_made_here(name: object) -> bool:
    """Whether a teacher of this name is made by a search: a network to be trained, or a model as it is."""
    return is_network(name) or (isinstance(name, str) and is_model_name(name))


def own_by(teacher: str | None, data: str = "") -> str:
    """What the RDMs of a search's teacher of this name are by, unless something else is asked for; data: its name."""
    if teacher is None or is_made_here(teacher):
        return TextData.by if data.startswith("text:") else Data.by
    return by_of(teacher)


def trained_teacher(
    network: str,
    data: Data,
    recipe: Recipe,
    *,
    by: str | None = None,
    seed: int = 0,
    cache: str | Path | None = None,
    progress: Callable[[int], object] | None = None,
    device: str | None = None,
    amp: Choice = "auto",
    channels_last: Choice = "auto",
) -> Teacher:
    """Train a network (see `make_network`) by the whole recipe and make a teacher of it (see `network_teacher`).

    It lies in the cache folder under all that decides it, so it is trained once; an interrupted training goes on from
    its last epoch. Raises RSAError when the training fails.
    """
    by = by or data.by
    key = _key(network, data, recipe, by, seed)[:16]
    file = cache_folder(cache) / "teachers" / f"{network.replace(':', '-')}-{data.name.partition(':')[0]}-{key}.h5"
    if file.exists():
        return Teacher.load(file)
    make_folder(file.parent)
    checkpoint = file.with_suffix(".pt")
    resume = checkpoint if checkpoint.exists() else None
    model = make_network(network, shape=data.shape, n_classes=data.n_classes, seed=seed)
    placed: dict[str, Any] = {"device": device, "amp": amp, "channels_last": channels_last}
    done = train(model, data, recipe, seed=seed, checkpoint=checkpoint, resume=resume, progress=progress, **placed)
    if done.failed:
        raise RSAError(f"the teacher {network} cannot be trained: {done.reason}")
    found = evaluate_network(model, data, "valid", batchnorm="running", device=device, amp=amp)
    about: dict[str, Attr] = {"recipe": recipe.name, "accuracy": found.accuracy}
    made = network_teacher(network, model, data, by=by, seed=seed, device=device, attrs=about)
    made.save(file)
    return made


def _key(network: str, data: Data, recipe: Recipe, by: str, seed: int) -> str:
    """Of all that decides a teacher that is trained here, but for the machine: no two train bit-equal networks."""
    about = {"network": network, **data.describe(), "recipe": recipe.to_dict(), "by": by, "seed": seed}
    return hashlib.sha256(json.dumps({**about, "layers": "auto"}, sort_keys=True).encode()).hexdigest()


def study_teacher(
    tracker: "Tracker", network: str, data: Data, recipe: Recipe, *, by: str = BY, loaders: int = 1, **settings: Any
) -> Teacher:
    """A network's teacher, once for a study: all who work at it have the one that its database keeps, bit by bit."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "teacher.h5"

        def make() -> bytes:
            made = trained_teacher if is_network(network) else partial(_model_teacher, loaders=loaders)
            made(network, data, recipe, by=by, **settings).save(file)
            return file.read_bytes()

        file.write_bytes(tracker.kept(_key(network, data, recipe, by, 0), make))
        return Teacher.load(file)


def _model_teacher(
    name: str,
    data: Data,
    recipe: Recipe | None = None,
    *,
    by: str = BY,
    loaders: int = 1,
    progress: Callable[[int], object] | None = None,
    device: str | None = None,
) -> Teacher:
    """A model of `load_model` over the validation images, which its own preprocessing prepares; nothing is trained."""
    stimuli = data.stimuli("valid", limit=LIMIT if by == "stimulus" else None)
    made = Teacher.from_network(name, name, stimuli, by=by, device=device, loaders=loaders, progress=progress)
    return replace(made, attrs={**made.attrs, "source": f"{name} on {data.name}"})


def make_teacher(
    teacher: Teacher | nn.Module | str | Path,
    data: Data,
    *,
    recipe: Recipe | None = None,
    by: str | None = None,
    data_dir: str | Path | None = None,
    device: str | None = None,
    loaders: int = 1,
) -> Teacher:
    """Make a search's teacher of whatever it is given as.

    A Teacher stays as it is; a file or a name is read by `load_teacher`, without the split halves that no search reads.
    A network's RDMs are those of its layers over the validation images, as in the paper (`network_teacher`); the name
    of one, such as "resnet:1", is first trained by the whole recipe (`trained_teacher`). The name of a model
    (`load_model`) stands for that model as it is, over the validation images in its own preprocessing.

    by: by default the teacher's own: of a network "category_name", of a recording "stimulus". Raises RSAError when a
    teacher that is already made has RDMs by something else.
    """
    if isinstance(teacher, Teacher):
        made = teacher
    elif isinstance(teacher, nn.Module):
        made = network_teacher(type(teacher).__name__, teacher, data, by=by, device=device)
    elif recipe is not None and is_network(teacher):
        made = trained_teacher(str(teacher), data, recipe, by=by, device=device)
    elif isinstance(teacher, str) and is_model_name(teacher):
        made = _model_teacher(teacher, data, by=by or BY, device=device, loaders=loaders)
    else:
        made = load_teacher(teacher, by=by, data_dir=data_dir, splits=0)
    if by not in (None, made.by):
        raise RSAError(f"teacher {made.name!r} has RDMs by {made.by}, not by {by}: give by={made.by!r}, or none")
    return made


def stimuli_of(
    teacher: Teacher, data: Data, stimuli: Stimuli | None = None, data_dir: str | Path | None = None
) -> Stimuli:
    """Find the images that a teacher's RDMs are about: those given, or the ones it refers to (files in `data_dir`).

    Raises RSAError when they are not found, lack some of its conditions, or are not those it was made with.
    """
    name, _, part = teacher.stimuli.rpartition("/")
    kind = teacher.stimuli.partition(":")[0].partition("/")[0]
    if stimuli is not None:
        shown = stimuli
    elif not teacher.stimuli:
        raise RSAError(f"teacher {teacher.name!r} does not say what its stimuli are; give them with stimuli=")
    elif name == data.name and part in PARTS:
        shown = data.stimuli(part)
    elif kind in DATASETS and part in PARTS:
        shown = load_stimuli(teacher.stimuli, data_dir=data_dir)
    else:
        shown = images(teacher.stimuli, data_dir=data_dir)
    chosen = teacher.select(shown)
    if teacher.checksum and teacher.checksum != chosen.checksum():
        where = shown.reference or "the given images"
        raise RSAError(f"{where}: these are not the images that teacher {teacher.name!r} was made with")
    return chosen


def cut(teacher: Teacher, most: int | None, seed: int = 0) -> Teacher:
    """Cut a teacher by stimulus to at most so many stimuli, drawn by `seed`; one by groups stays as it is.

    Its ceilings stay, those of all stimuli, but for a method that depends on their number. Its checksum goes, since it
    is that of all images.
    """
    labels = teacher.labels
    if most is None or teacher.by != "stimulus" or len(labels) <= most:
        return teacher
    drawn = np.sort(np.random.default_rng(seed).permutation(len(labels))[:most])
    kept = [labels[i] for i in drawn]
    rdms = {target: rdm.subset(kept) for target, rdm in teacher.rdms.items()}
    features = {target: values.subset(kept) for target, values in teacher.features.items()}
    ceilings = {} if caution(teacher.method) else teacher.ceilings
    return replace(teacher, rdms=rdms, ceilings=ceilings, features=features, stimulus_ids=tuple(kept), checksum="")


def digest_of(rdms: Mapping[str, RDM]) -> str:
    """Digest of targets, conditions and float32 values: teachers of one name and stimuli can differ in these alone."""
    digest = hashlib.sha256()
    for target, rdm in rdms.items():
        digest.update(f"{target}:{','.join(rdm.labels)}".encode() + np.asarray(rdm.values, "<f4").tobytes())
    return digest.hexdigest()[:16]
