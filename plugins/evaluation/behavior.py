"""Behaviour as a teacher: what networks choose for images that subjects were shown, and B, how consistent it is."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...neural_data import behavior_images, load_behavior
from ...neural_data.behavior.trial_files import TrialColumns
from ...rsa import Behavior, BehaviorScore, BehaviorTest, RSAError, Stimuli
from ...rsa.behavior.consistency import DEFAULT_METRIC, check_metrics, softmax
from ...rsa.networks.collector import Collector
from ...rsa.networks.readout import Readout
from ...rsa.types import Array
from ..training.data import PARTS, Data
from ..training.datasets import DATASETS, load_stimuli
from ..training.teachers import LIMIT

if TYPE_CHECKING:
    from torch import nn

LOGITS = Readout(["output"], None)


class BehaviorTeacher:
    """A behaviour that candidates trained on some data are compared with.

    Parameters
    ----------
    behavior : Behavior, str or path
        Trials, or what `load_behavior` reads. Its options must be classes of the data.
    data : Data
    metric : str
        Which of `BEHAVIOR_METRICS` is B.
    stimuli : Stimuli, str or path, optional
        Its images, or where they are: what `images` takes, or NAME/PART of a data set. By default where the behaviour
        says, else the validation images.
    most : int or None
        At most so many of its images, drawn by `seed`; None for all.
    seed : int
        Of this draw and of the split halves.
    columns : TrialColumns or sequence of str
        As in `load_behavior`.
    data_dir : path, optional

    Raises
    ------
    RSAError
        When images are missing, options are no classes, or the trials leave the metric unknown.

    Notes
    -----
    Images that are among the test images of the data, pixel by pixel, are left out: what chooses candidates must not
    have seen what they are tested by.
    """

    def __init__(
        self,
        behavior: Behavior | str | Path,
        data: Data,
        *,
        metric: str = DEFAULT_METRIC,
        stimuli: Stimuli | str | Path | None = None,
        most: int | None = LIMIT,
        seed: int = 0,
        columns: TrialColumns | Sequence[str] = (),
        data_dir: str | Path | None = None,
    ) -> None:
        (self.metric,) = check_metrics([metric])
        whole = behavior
        if not isinstance(whole, Behavior):
            whole = load_behavior(whole, columns=columns, data_dir=data_dir)
        self._columns = whole.columns(data.classes)
        order = np.random.default_rng(seed).permutation(len(whole.stimulus_ids)).tolist()
        shown = behavior_images(whole, _images(whole, data, stimuli, data_dir), data_dir=data_dir)
        kept, self.tested = _untested(shown, data, order, most)
        self.behavior = whole.select([whole.stimulus_ids[i] for i in kept])
        self.stimuli = shown.take(kept)
        self._test = BehaviorTest(self.behavior, seed=seed)
        if self.metric in self._test.reasons:
            why = self._test.reasons[self.metric]
            raise RSAError(f"{whole.name} has no reliable {metric} over {len(kept)} images: {why}")

    def collector(self, model: "nn.Module", stimuli: Stimuli | None = None) -> Collector:
        """Listen to the outputs of a network.

        Parameters
        ----------
        model : torch.nn.Module
        stimuli : Stimuli, optional
            The same images in the order in which they will be shown.

        Returns
        -------
        Collector
        """
        return Collector(model, self.stimuli if stimuli is None else stimuli, LOGITS)

    def score(self, collector: Collector) -> BehaviorScore:
        """Compare what a network chose with the subjects' choices.

        Parameters
        ----------
        collector : Collector
            After all images were shown.

        Returns
        -------
        BehaviorScore
        """
        ((_, logits, _),) = collector.conditions()
        place = {name: i for i, name in enumerate(collector.labels)}
        return self._test(self.probabilities(logits[[place[name] for name in self.behavior.stimulus_ids]]))

    def probabilities(self, logits: Array) -> Array:
        """Turn logits of all classes into probabilities of the options.

        Parameters
        ----------
        logits : numpy.ndarray
            (n, classes).

        Returns
        -------
        numpy.ndarray
            (n, options).
        """
        return softmax(logits[:, self._columns])

    def describe(self) -> dict[str, Any]:
        """Return what two evaluations must have in common, JSON-able.

        Returns
        -------
        dict
        """
        one, digest = self.behavior, hashlib.sha256()
        for values in (one.truth, one.stimulus, one.choice, one.distractor, one.subject):
            digest.update(b"-" if values is None else np.asarray(values, "<i8").tobytes())
        digest.update(",".join((*one.stimulus_ids, *one.options)).encode())
        return {"name": one.name, "metric": self.metric, "trials": digest.hexdigest()[:16]}


def _images(
    behavior: Behavior, data: Data, stimuli: Stimuli | str | Path | None, data_dir: str | Path | None
) -> Stimuli | str | Path | None:
    """Where the images are: a data set's name with its part is read here, the rest by `behavior_images`."""
    where = stimuli if stimuli is not None else behavior.stimuli or f"{data.name}/valid"
    if isinstance(where, Stimuli):
        return where
    name, _, part = str(where).rpartition("/")
    if name == data.name and part in PARTS:
        return data.stimuli(part)
    if name.partition(":")[0] in DATASETS and part in PARTS:
        return load_stimuli(str(where), data_dir=data_dir)
    return where


def _untested(shown: Stimuli, data: Data, order: list[int], most: int | None) -> tuple[list[int], int]:
    """The first images of an order that are no test images of the data, at most so many, and how many were left out."""
    tested = {_digest(image) for image in data.test.images} if len(data.test) and _small(data) else set()
    kept: list[int] = []
    left = 0
    for i in order:
        if len(kept) == (len(order) if most is None else most):
            break
        if tested and _digest(_pixels(shown[i])) in tested:
            left += 1
        else:
            kept.append(i)
    if not kept:
        raise RSAError(f"all {left} images are test images of {data.name}, by which no candidate may be chosen")
    return sorted(kept), left


def _small(data: Data) -> bool:
    """Whether the images are as they come, and not resized or cut out of files when they are read."""
    return max(data.shape[1:]) <= 64


def _pixels(image: Any) -> Any:
    import torch

    from ...rsa.networks.pictures import as_rgb

    if isinstance(image, torch.Tensor):
        return image
    shown = as_rgb(image)
    return shown if isinstance(shown, torch.Tensor) else torch.from_numpy(np.array(shown)).permute(2, 0, 1)


def _digest(image: Any) -> bytes:
    return hashlib.blake2b(image.contiguous().numpy().tobytes(), digest_size=16).digest()
