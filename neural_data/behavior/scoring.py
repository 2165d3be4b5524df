"""A model's choices against those of people or animals in one call: what `tgsage score --behavior` does."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...rsa import Behavior, BehaviorScore, BehaviorTest, RSAError, Stimuli, extract, load_model
from ...rsa.behavior.readout import FOLDS, readout_probabilities, without_classifier
from ...rsa.networks.readout import N_FEATURES
from ..scoring import bar
from .lookup import behavior_images, load_behavior
from .trial_files import TrialColumns

if TYPE_CHECKING:
    import torch

    from ...rsa.networks.models import Preprocess

MOST = 2000  # images, each of which takes a forward pass
DRAWS = 200  # resamples behind intervals


def score_behavior(
    model: "str | torch.nn.Module",
    behavior: Behavior | str | Path = "cifar10h",
    stimuli: Stimuli | str | Path | None = None,
    *,
    layer: str | None = None,
    columns: TrialColumns | Iterable[str] = (),
    metrics: Sequence[str] | None = None,
    most: int | None = MOST,
    folds: int = FOLDS,
    bootstrap: int = DRAWS,
    splits: int = 10,
    seed: int = 0,
    n_features: int | None = N_FEATURES,
    tokens: str = "all",
    weights: str | Path | None = None,
    preprocess: "Preprocess | None" = None,
    data_dir: str | Path | None = None,
    batch_size: int | None = None,
    device: "str | torch.device | None" = None,
    progress: bool = False,
) -> BehaviorScore:
    """Score a model by how consistent its choices are with those of people or animals.

    Parameters
    ----------
    model : str or torch.nn.Module
        A name that `load_model` knows, or a network.
    behavior : Behavior, str or Path
        The behaviour, or a name or file that `load_behavior` takes.
    stimuli : Stimuli, str or Path, optional
        The images; by default, those that the behaviour names.
    layer : str, optional
        The layer whose features make the choices; by default what the network passes to its last linear layer or, if it
        has none, what it returns.
    columns : TrialColumns or iterable of str
        Which column of a file is what.
    metrics : sequence of str, optional
        Names in `BEHAVIOR_METRICS`; all by default.
    most : int or None
        At most this many images, drawn by `seed`; None for all.
    folds : int
        Parts into which the images are divided; the readout for each part is fitted on all the others.
    bootstrap, splits : int
        Resamples for intervals (0: none), and random halvings of the trials.
    seed : int
        Seed of everything that is drawn.
    n_features, tokens, batch_size, device
        As in `extract`.
    weights : str or Path, optional
        File with a state dict for a model given by name.
    preprocess : callable, optional
        Turns an image into a tensor, for a network given as a module.
    data_dir : str or Path, optional
    progress : bool
        Show on stderr how far the work has got.

    Returns
    -------
    BehaviorScore

    Raises
    ------
    RSAError
        As `load_model`, `load_behavior`, `behavior_images` and `BehaviorTest`.

    Notes
    -----
    A logistic regression on the features chooses among the options, for each image one that was fitted on other images
    (`readout_probabilities`).
    """
    module: Any = model
    name = type(model).__name__
    if isinstance(model, str):
        if preprocess is not None:
            raise RSAError(f"preprocess is for a module, and {model} has its own")
        name, (module, preprocess) = model, load_model(model, weights)
    elif weights is not None:
        raise RSAError("weights is for a model given by name; load the state dict into the module")
    known = behavior if isinstance(behavior, Behavior) else load_behavior(behavior, columns=columns, data_dir=data_dir)
    if most is not None and most < len(known.stimulus_ids):
        if most < 2:
            raise RSAError(f"two or more images are needed, got most {most}")
        drawn = np.sort(np.random.default_rng(seed).permutation(len(known.stimulus_ids))[:most])
        known = known.select([known.stimulus_ids[i] for i in drawn])
    shown = behavior_images(known, stimuli, data_dir=data_dir)
    test = BehaviorTest(known, metrics, splits=splits, seed=seed)
    how: dict[str, Any] = {"preprocess": preprocess, "n_features": n_features or None, "seed": seed, "tokens": tokens}
    how |= {"batch_size": batch_size, "device": device}
    removed: AbstractContextManager[str] = without_classifier(module) if layer is None else nullcontext("")
    with removed as classifier, bar(progress, f"{name}: forward passes", len(shown), "images") as done:
        found = extract(module, shown, [layer or "output"], progress=done, **how)
    if len(found) != 1:
        raise RSAError(f"{layer} names {len(found)} layers; a readout needs one")
    ((read, features),) = found.items()
    with bar(progress, f"{name}: readout in {folds} folds"):
        chosen = readout_probabilities(features, known.truth, len(known.options), folds=folds, seed=seed)
    with bar(progress, "resamples", bootstrap or None) as done:
        result = test(chosen, bootstrap=bootstrap, progress=done)
    source = f"the input of {classifier}" if classifier else read
    about = {"model": name, "features": features.shape[1], "read from": source, "readout folds": folds}
    return replace(result, attrs={**about, **result.attrs, **known.attrs})
