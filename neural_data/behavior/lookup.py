"""Behaviour by name or file, and the images that it is about."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...rsa import Behavior, RSAError, Stimuli
from ...rsa.errors import naming, near
from ..catalogue.datasets import DATASETS, Dataset
from ..catalogue.images import images
from ..catalogue.lookup import find, locate
from .trial_files import TrialColumns, read_trials

_CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def load_behavior(
    name_or_path: str | Path, *, columns: TrialColumns | Iterable[str] = (), data_dir: str | Path | None = None
) -> Behavior:
    """Load behaviour: which option subjects chose for which image.

    Parameters
    ----------
    name_or_path : str or Path
        "cifar10h" (Peterson et al. 2019), "rajalingham2018", or a file of trials: a table (CSV, Parquet, Excel) or a
        netCDF file of Brain-Score, with columns for the image, the choice, the correct option and, optionally, the
        distractor and the subject.
    columns : TrialColumns or iterable of str
        Which column of a file is what, also as ROLE=COLUMN pairs; where this is not given, the columns' names tell.
    data_dir : str or Path, optional
        As in `load`.

    Returns
    -------
    Behavior
        `attrs["read_as"]` says what was taken for what.

    Raises
    ------
    RSAError
        For any other name or file, and for columns that are missing or do not fit each other.
    """
    chosen = columns if isinstance(columns, TrialColumns) else TrialColumns.of(columns)
    known = [dataset.name for dataset in DATASETS if dataset.kind == "behavior"]
    try:
        dataset = find(name_or_path)
    except RSAError as error:
        asked = str(name_or_path)
        raise RSAError(
            f"{asked or repr(asked)} is neither a file nor the name of behaviour{near(asked, known)}"
        ) from error
    if dataset is None:
        return read_trials(Path(name_or_path), chosen)
    if dataset.kind != "behavior" or dataset.file is None:
        raise RSAError(f"{dataset.name} is no behaviour; known: {', '.join(known)}, and files of trials")
    if chosen != TrialColumns():
        raise RSAError(f"columns are for files of trials, and {dataset.name} is known")
    path = locate(dataset.file, dataset, data_dir)
    found = _cifar10h(path, dataset, data_dir) if path.suffix == ".npy" else read_trials(path, chosen)
    return replace(found, name=dataset.name, stimuli=dataset.name)


def behavior_images(
    behavior: Behavior, stimuli: str | Path | Stimuli | None = None, *, data_dir: str | Path | None = None
) -> Stimuli:
    """Find the images of a behaviour.

    Parameters
    ----------
    behavior : Behavior
    stimuli : str, Path or Stimuli, optional
        Where they are, as for `images`; by default, where the behaviour says they are.
    data_dir : str or Path, optional

    Returns
    -------
    Stimuli
        The images of the behaviour, in its order.

    Raises
    ------
    RSAError
        When the behaviour does not say where its images are, and for images that are missing.
    """
    where = stimuli if stimuli is not None else behavior.stimuli
    if not isinstance(where, Stimuli) and not where:
        raise RSAError(f"{behavior.name} does not say where its images are; give them as stimuli")
    shown = where if isinstance(where, Stimuli) else images(where, data_dir=data_dir)
    found = shown.select("stimulus", behavior.stimulus_ids)
    place = {name: i for i, name in enumerate(found.column("stimulus"))}
    return found.take([place[name] for name in behavior.stimulus_ids])


def _cifar10h(path: Path, dataset: Dataset, data_dir: str | Path | None) -> Behavior:
    """Counts of choices and CIFAR-10's labels, in its order; image CLASS/NNNN is the NNNN-th of its class."""
    if dataset.table is None:
        raise RSAError(f"{dataset.name} has no file of labels")
    found = []
    for file in (path, locate(dataset.table, dataset, data_dir)):
        with naming(file, "cannot be read"):
            values = np.load(file, allow_pickle=False)
            if values.dtype.kind not in "iu" or values.shape[:1] != (10000,) or values.ndim > 2:
                raise RSAError(f"whole numbers for 10,000 images are needed, it holds {values.dtype} {values.shape}")
            found.append(values)
    counts, labels = found[0], found[1].astype(np.int64)
    with naming(path):
        if labels.ndim > 1 or not 0 <= labels.min() <= labels.max() < len(_CIFAR10):
            raise RSAError("labels of CIFAR-10 are one number from 0 to 9 for each image")
        seen = [0] * len(_CIFAR10)
        ids = []
        for label in labels.tolist():
            ids.append(f"test/{_CIFAR10[label]}/{seen[label]:04d}")
            seen[label] += 1
        read_as = "counts of choices among ten classes; images in the order of CIFAR-10's test set"
        return Behavior.from_counts(dataset.name, counts, labels, ids, _CIFAR10, attrs={"read_as": read_as})
