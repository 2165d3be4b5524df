"""How the layers of a network are read: which of them, how many of their features, by which forward passes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from ..errors import RSAError, as_names, check_known, check_whole
from ..rdm.distances import PLAIN
from ..types import Attr

if TYPE_CHECKING:
    import torch

    from .models import Preprocess

T = TypeVar("T")
N_FEATURES = 8192  # of a layer, wherever layers are compared
LAYER_METRICS = PLAIN
TOKENS = ("all", "cls", "mean")
BATCHNORMS = ("batch", "running", "recalibrated")  # see `normalising`
BATCH = 500  # images at a time: enough for a batch's statistics to stand for the data's
_MOST, _LEAST, _PIXELS = 64, 4, 64 * 112 * 112  # of one forward pass on a CPU


class NoTokens(RSAError):
    """Raised where tokens are asked for of a model that has none."""


def check_loaders(loaders: int) -> int:
    """The number of threads that decode images. Raises RSAError for none."""
    if loaders < 1:
        raise RSAError(f"loaders are threads that decode images, at least 1, got {loaders}")
    return loaders


def check_batchnorm(name: str) -> None:
    """Raise RSAError unless `normalising` knows the name."""
    check_known(f"batchnorm is one of {', '.join(BATCHNORMS)}, not", name, BATCHNORMS)


@dataclass(frozen=True)
class Readout:
    """Settings of one readout, checked once.

    Attributes
    ----------
    layers : str or iterable of str
        See `choose_layers`.
    n_features : int or None
        Of layers with more features, this many are drawn without replacement by (seed, layer name), whatever the
        batches and the other layers are; None keeps all.
    preprocess : callable, optional
        Image -> tensor (C, H, W); see `extract`.
    device : str or torch.device, optional
        Where the model runs; by default where it is.
    batch_size : int, optional
        Images per forward pass; by default those of `images_at_a_time`.
    metric : str
        Dissimilarity of the RDMs.
    loaders : int
        Threads that decode images. The numbers do not depend on it, and memory hardly: of the images that the model has
        not seen yet, those of one batch are held at most.
    tokens : {"all", "cls", "mean"}
        Of layers that return (images, tokens, width), as those of transformers do: all tokens, the class token, which
        comes first, or the mean over tokens. Other layers are read whole.
    """

    layers: str | Iterable[str] = "auto"
    n_features: int | None = N_FEATURES
    seed: int = 0
    preprocess: "Preprocess | None" = None
    batch_size: int | None = None
    device: "str | torch.device | None" = None
    metric: str = "correlation"
    tokens: str = "all"
    loaders: int = 1

    def __post_init__(self) -> None:
        if self.n_features is not None:
            check_whole(1, n_features=self.n_features)
        if self.batch_size is not None:
            check_whole(1, batch_size=self.batch_size)
        check_whole(0, seed=self.seed)
        check_loaders(self.loaders)
        if self.tokens not in TOKENS:
            raise RSAError(f"tokens are all, cls or mean, not {self.tokens!r}")
        if self.metric not in LAYER_METRICS:
            known = ", ".join(LAYER_METRICS)
            raise RSAError(f"metric {self.metric!r} is not supported for network layers; give metric= one of {known}")
        if not isinstance(self.layers, str):
            object.__setattr__(self, "layers", tuple(as_names(self.layers, "layers")))

    def images_at_a_time(self, pixels: int, device: str) -> int:
        """How many images of so many pixels the model is shown at once, on a device of this type.

        Without a `batch_size` 64, on CPUs fewer of images larger than 112 x 112: what a layer returns of 64 of them is
        memory that the system hands out and clears anew for every layer, which takes longer than computing it.
        """
        if self.batch_size is not None:
            return self.batch_size
        return _MOST if device != "cpu" else max(_LEAST, min(_MOST, _PIXELS // max(1, pixels)))

    def attrs(self) -> dict[str, Attr]:
        """What RDMs made by this readout state about it."""
        chosen: dict[str, Attr] = {} if self.tokens == "all" else {"tokens": self.tokens}
        return {"seed": self.seed, "metric": self.metric, **chosen}


class Layers(dict[str, T]):
    """Layer -> its RDM or features, in the network's order, and `unusable`: layer -> why it has none."""

    def __init__(self, found: Mapping[str, T], unusable: Mapping[str, str]) -> None:
        super().__init__(found)
        self.unusable = dict(unusable)
