"""Recipes for training, by name: every number is a field, with its source; and the length of a training."""

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, SupportsFloat

from ...rsa import RSAError
from ...rsa.errors import check_known, check_whole, listing, near

if TYPE_CHECKING:
    from torch import nn, optim

OPTIMISERS = ("sgd", "rmsprop", "adamw")
SCHEDULES = ("constant", "steps", "cosine", "restarts", "one-cycle")


@dataclass(frozen=True)
class Recipe:
    """A complete training. A premature network is one whose training was stopped early.

    Attributes
    ----------
    name : str
    epochs : int
        Length of the learning rate's schedule. A one-cycle schedule is as long as the training asked for, since
        stopping it halfway would end at its highest rate.
    lr, momentum, nesterov
        Settings of the optimiser; `momentum` is the first beta of "adamw".
    schedule : {"constant", "steps", "cosine", "restarts", "one-cycle"}
        "steps": lr times `factor` every `step` epochs. "cosine": half a period down to 0, updated at each batch.
        "restarts": such a half period in every `step` epochs (SGDR, Loshchilov & Hutter 2017).
        "one-cycle": linearly up from lr / 25 in the first `warmup` of all batches, then linearly down to 0.
    batch_size : int
        An epoch is divided into ceil(n / batch_size) batches whose sizes differ by one image at most.
    optimiser : {"sgd", "rmsprop", "adamw"}
        "rmsprop" uses `decay` (of the squared gradients) and `eps`.
    decay, eps, step, factor, warmup
        See `optimiser` and `schedule`.
    weight_decay : float
        L2 penalty on all weights; decoupled for "adamw".
    clip : float
        Largest global norm of the gradients; 0 for no limit.
    auxiliary : float
        Weight of an auxiliary head's loss.
    pad, flip : int, bool
        Zero-padding before a random crop to the image's size; whether half of the images are mirrored.
    shorter : tuple of int, optional
        Smallest and largest length of the shorter side for random resizing, for data that are decoded anew at each
        epoch.

    Raises
    ------
    RSAError
        Naming the invalid field.
    """

    name: str
    epochs: int
    lr: float
    schedule: str
    batch_size: int = 128
    optimiser: str = "sgd"
    momentum: float = 0.9
    nesterov: bool = True
    decay: float = 0.9
    eps: float = 1.0
    weight_decay: float = 0.0
    step: int = 0
    factor: float = 0.1
    warmup: float = 0.3
    clip: float = 0.0
    auxiliary: float = 0.4
    pad: int = 0
    flip: bool = False
    shorter: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        for key, known in (("optimiser", OPTIMISERS), ("schedule", SCHEDULES)):
            if getattr(self, key) not in known:
                raise RSAError(f"{key} is {getattr(self, key)!r}{near(str(getattr(self, key)), known)}")
        steps = int(self.schedule in ("steps", "restarts"))
        for key, least in (("epochs", 1), ("batch_size", 1), ("step", steps), ("pad", 0)):
            check_whole(least, **{key: getattr(self, key)})
        for key in ("lr", "momentum", "decay", "eps", "weight_decay", "factor", "clip", "auxiliary"):
            value = getattr(self, key)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
                raise RSAError(f"{key} must be a number from 0, got {value!r}")
        if not 0 < self.warmup < 1:
            raise RSAError(f"warmup must be a share of all steps between 0 and 1, got {self.warmup!r}")
        if self.shorter is not None and not 0 < self.shorter[0] <= self.shorter[1]:
            raise RSAError(f"shorter gives the shortest and the longest side, got {self.shorter!r}")

    def lr_at(self, epoch: float, epochs: float) -> float:
        """Return the learning rate at one point of a training.

        Parameters
        ----------
        epoch, epochs : float
            Epochs done, fractions included, and the length of the training in epochs.
        """
        if self.schedule == "steps":
            return self.lr * self.factor ** math.floor(epoch / self.step + 1e-9)
        if self.schedule == "cosine":
            return self.lr * 0.5 * (1 + math.cos(math.pi * epoch / self.epochs))
        if self.schedule == "restarts":
            since = (epoch + 1e-9) % self.step - 1e-9
            return self.lr * 0.5 * (1 + math.cos(math.pi * since / self.step))
        if self.schedule == "one-cycle":
            share = epoch / epochs if epochs else 0.0
            return self.lr * min(0.04 + 0.96 * share / self.warmup, (1 - share) / (1 - self.warmup))
        return self.lr

    def make_optimiser(self, parameters: "Iterable[nn.Parameter]") -> "optim.Optimizer":
        """Make torch's optimiser with this recipe's numbers."""
        from torch import optim

        if self.optimiser == "rmsprop":
            return optim.RMSprop(
                parameters, self.lr, self.decay, self.eps, weight_decay=self.weight_decay, momentum=self.momentum
            )
        if self.optimiser == "adamw":
            return optim.AdamW(parameters, self.lr, (self.momentum, 0.999), weight_decay=self.weight_decay)
        nesterov = self.nesterov and self.momentum > 0
        return optim.SGD(parameters, self.lr, self.momentum, weight_decay=self.weight_decay, nesterov=nesterov)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as a JSON-able dict."""
        return asdict(self)


@dataclass(frozen=True)
class Budget:
    """The length of a training: so many epochs, or so many examples, or with neither the whole recipe."""

    epochs: float | None = None
    examples: int | None = None

    def __post_init__(self) -> None:
        if self.epochs is not None and self.examples is not None:
            raise RSAError("a training ends after some epochs or after some examples: give one of them")
        length = self.epochs if self.examples is None else self.examples
        if length is not None and not (isinstance(length, SupportsFloat) and 0 <= length < math.inf):
            raise RSAError(f"a training has at least 0 epochs or examples, got {length}")

    def images(self, recipe: Recipe, n: int) -> float:
        """How many training images to show, n in every epoch.

        Raises RSAError beyond the end of the recipe; a one-cycle schedule is as long as its training.
        """
        epochs = recipe.epochs if self.epochs is None else self.epochs
        images = epochs * n if self.examples is None else float(self.examples)
        if recipe.schedule != "one-cycle" and images > recipe.epochs * n:
            raise RSAError(
                f"recipe {recipe.name} ends after {recipe.epochs} epochs; "
                f"with epochs={math.ceil(images / n)} of its own it goes on"
            )
        return images


def get_recipe(name: str, **overrides: Any) -> Recipe:
    """Get a recipe by name, with other values for some of its fields.

    Parameters
    ----------
    name : str
        A key of `RECIPES`.
    **overrides
        Fields of `Recipe`.

    Raises
    ------
    RSAError
        For an unknown name or field, and for an invalid value.

    Examples
    --------
    >>> from tgsage.plugins.training import get_recipe
    >>> recipe = get_recipe("digits", lr=0.02)
    >>> recipe.epochs, recipe.optimiser, recipe.lr
    (20, 'adamw', 0.02)
    """
    check_known("no recipe is named", name, RECIPES)
    known = [field.name for field in fields(Recipe) if field.name != "name"]
    unknown = [key for key in overrides if key not in known]
    if unknown:
        raise RSAError(f"a recipe has no {listing(unknown)}{near(unknown[0], known)}")
    return replace(RECIPES[name], **overrides)


# "paper": Bashivan, Tensen & DiCarlo 2019 and its supplement, Details of Search Algorithms and Datasets.
# The batch size for CIFAR is in neither; 128 is that of He et al. (2016) for CIFAR.
# ImageNet: RMSProp with decay .9 and momentum .9, batches of 128, rate .1, L2 4e-5, global norm clipped at 10, flip
# (paper). RMSProp's epsilon is in neither text: 1, as for Inception (Szegedy et al. 2016), since much smaller ones
# diverge at this rate.
_IMAGENET: dict[str, Any] = {"lr": 0.1, "optimiser": "rmsprop", "nesterov": False, "weight_decay": 4e-5}
_IMAGENET |= {"clip": 10.0, "flip": True}
_DIGITS: dict[str, Any] = {"batch_size": 64, "optimiser": "adamw", "weight_decay": 0.01}
_TEXT: dict[str, Any] = {"batch_size": 20, "optimiser": "adamw"}
RECIPES = {
    recipe.name: recipe
    for recipe in (
        # paper, CNN space: SGD Nesterov .9, lr .1 divided by 10 every 100 of 300 epochs
        Recipe("cifar-cnn", epochs=300, lr=0.1, schedule="steps", step=100, pad=4, flip=True),
        # paper, cells: SGD Nesterov .9, one cosine from .025 over 600 epochs, L2 5e-4, global norm clipped at 5
        Recipe("cifar-cell", epochs=600, lr=0.025, schedule="cosine", weight_decay=5e-4, clip=5.0, pad=4, flip=True),
        # paper: lr times .1 every 15 of 40 epochs, shorter side 256 to 512, crop 224
        Recipe("imagenet-cell", epochs=40, schedule="steps", step=15, shorter=(256, 512), **_IMAGENET),
        # paper, search with the brain as teacher: one epoch at 64 x 64. The optimiser is that of `imagenet-cell`; crops
        # are in neither text: as for CIFAR, in proportion
        Recipe("imagenet64-search", epochs=1, schedule="constant", pad=8, **_IMAGENET),
        # after Elsken et al. 2018 (arXiv:1711.04528): every child for 17 epochs, SGD Nesterov .9, cosine from .05 to 0.
        # These numbers are not checked against the publication. Batch size, L2 and augmentation as in `cifar-cell` here
        Recipe("nash", epochs=170, lr=0.05, schedule="restarts", step=17, weight_decay=5e-4, pad=4, flip=True),
        # ours: the same idea for the digits
        Recipe("digits-restarts", epochs=20, lr=0.01, schedule="restarts", step=2, pad=1, **_DIGITS),
        # Klyuchnikov et al. 2022, as in their logs: Adam, batches of 20, global norm clipped at .25; their contexts
        # have 70 words, their regularisation of activations is left out
        Recipe("nas-bench-nlp", epochs=50, lr=1e-3, schedule="constant", weight_decay=1.2e-6, clip=0.25, **_TEXT),
        # ours, for text on a small machine
        Recipe("text", epochs=5, lr=5e-3, schedule="one-cycle", weight_decay=1e-4, clip=1.0, **_TEXT),
        # ours, for minutes on a small machine: after Smith & Topin 2019, Super-convergence
        Recipe("one-cycle", epochs=12, lr=0.2, schedule="one-cycle", weight_decay=5e-4, pad=4, flip=True),
        # ours, for the 8 x 8 digits: no mirror images, and AdamW, since candidates without normalisation learn with it
        Recipe("digits", epochs=20, lr=0.01, schedule="one-cycle", pad=1, **_DIGITS),
    )
}
