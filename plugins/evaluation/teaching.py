"""Teachers as a search uses them: their stimuli found and checked, their RDMs cut to what a candidate can afford."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...rsa import RDM, RSAError, Stimuli, Teacher
from ...rsa.rdm.comparison import SIZED
from ..training.data import PARTS, Data
from ..training.recipes import Recipe
from ..training.teachers import network_teacher
from .teacher import is_network, trained_teacher

if TYPE_CHECKING:
    from torch import nn


def stimuli_of(
    teacher: Teacher, data: Data, stimuli: Stimuli | None = None, data_dir: str | Path | None = None
) -> Stimuli:
    """The images that a teacher's RDMs are about: those given, or the ones that it refers to (files in `data_dir`).

    Raises RSAError when they are not found, lack some of its conditions, or are not those it was made with.
    """
    name, _, part = teacher.stimuli.rpartition("/")
    if stimuli is not None:
        shown = stimuli
    elif not teacher.stimuli:
        raise RSAError(f"teacher {teacher.name!r} does not say what its stimuli are; give them with stimuli=")
    elif name == data.name and part in PARTS:
        shown = data.stimuli(part)
    else:
        shown = _referred(teacher.stimuli, data_dir)
    chosen = teacher.select(shown)
    if teacher.checksum and teacher.checksum != chosen.checksum():
        where = shown.reference or "the given images"
        raise RSAError(f"{where}: these are not the images that teacher {teacher.name!r} was made with")
    return chosen


def _referred(reference: str, data_dir: str | Path | None) -> Stimuli:
    from ...neural_data import images
    from ..training.datasets import DATASETS, load_stimuli

    kind = reference.partition(":")[0].partition("/")[0]
    part = reference.rpartition("/")[2]
    if kind in DATASETS and part in PARTS:
        return load_stimuli(reference, data_dir=data_dir)
    return images(reference, data_dir=data_dir)


def cut(teacher: Teacher, most: int | None, seed: int = 0) -> Teacher:
    """The teacher over at most so many stimuli, drawn by `seed`; one by groups as it is.

    Its ceilings stay, those of all stimuli, but for a method that depends on their number. Its checksum goes, since it
    is that of all images.
    """
    labels = next(iter(teacher.rdms.values())).labels
    if most is None or teacher.by != "stimulus" or len(labels) <= most:
        return teacher
    drawn = np.sort(np.random.default_rng(seed).permutation(len(labels))[:most])
    kept = [labels[i] for i in drawn]
    rdms = {target: rdm.subset(kept) for target, rdm in teacher.rdms.items()}
    features = {target: values.subset(kept) for target, values in teacher.features.items()}
    ceilings = {} if teacher.method in SIZED else teacher.ceilings
    return replace(teacher, rdms=rdms, ceilings=ceilings, features=features, stimulus_ids=tuple(kept), checksum="")


def digest_of(rdms: Mapping[str, RDM]) -> str:
    """Of targets, conditions and float32 values: teachers of one name and stimuli can differ in these alone."""
    digest = hashlib.sha256()
    for target, rdm in rdms.items():
        digest.update(f"{target}:{','.join(rdm.labels)}".encode() + np.asarray(rdm.values, "<f4").tobytes())
    return digest.hexdigest()[:16]


def make_teacher(
    teacher: "Teacher | nn.Module | str | Path",
    data: Data,
    *,
    recipe: Recipe | None = None,
    by: str = "category_name",
    n_features: int | None = 8192,
    seed: int = 0,
    data_dir: str | Path | None = None,
    device: str | None = None,
) -> Teacher:
    """A teacher as it is, from a file of `Teacher.save`, a recording or data set of `load_teacher`, or a network.

    The name of a network, such as "resnet:1", is trained on the data by the whole `recipe` (see `trained_teacher`).
    A network's RDMs are those of its layers over the validation images (the paper's choice), see `network_teacher`.
    Raises RSAError when a teacher that is already made has RDMs by something else than `by`.
    """
    from ...neural_data import load_teacher

    if isinstance(teacher, Teacher):
        made = teacher
    elif recipe is not None and isinstance(teacher, str) and is_network(teacher):
        made = trained_teacher(teacher, data, recipe, by=by, seed=seed, device=device)
    elif isinstance(teacher, str | Path):
        made = load_teacher(teacher, by=by, data_dir=data_dir)
    else:
        name = type(teacher).__name__
        made = network_teacher(name, teacher, data, by=by, n_features=n_features, seed=seed, device=device)
    if made.by != by:
        raise RSAError(f"teacher {made.name!r} has RDMs by {made.by}, not by {by}: say by={made.by!r}")
    return made
