"""Networks by name or by architecture file, with weights that a seed decides."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from ...rsa import RSAError
from ...rsa.errors import check_known, listing, near, reason
from ..networks.structures import is_text

FORMS: tuple[str, ...] = (
    "resnet:N",
    "nasnet-a[:NxF]",
    "pnasnet-5[:NxF]",
    "amoebanet-a[:NxF]",
    "torchvision:NAME",
    "ARCHITECTURE.json",
)
FORMS += ("lstm[:LxW]", "gru[:LxW]")


RECURRENT = ("lstm", "gru")


def build_seeded(build: Callable[[], nn.Module], seed: int) -> nn.Module:
    """Build a network whose random weights depend on the seed only; torch's generator is left as it was."""
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        return build()


def make_network(
    network: str | Path | dict[str, Any], *, shape: tuple[int, int, int], n_classes: int, seed: int = 0
) -> nn.Module:
    """Make an untrained network; equal arguments give equal weights.

    Parameters
    ----------
    network : str, path or dict
        "resnet:9" (CIFAR ResNet with n = 9; "resnet:9B" with projections); a known cell: "nasnet-a" as published for
        CIFAR, "nasnet-a:2x16" with two cells per stage and 16 filters; "torchvision:NAME"; for text "lstm" or "gru",
        "lstm:2x256" with two layers 256 wide; a file that `tgsage space` wrote, or its content, {"space": name,
        "architecture": {...}}, to which "settings" for `Space.build` may be added here.
    shape : tuple of int
        Shape of an image: (C, H, W).
    n_classes : int
    seed : int
        Seed of the weights.

    Returns
    -------
    torch.nn.Module
        Its attribute `origin` is the JSON text from which a checkpoint rebuilds it.

    Raises
    ------
    RSAError
        For an unknown name, and for images too small for the network.

    Examples
    --------
    >>> from tgsage.plugins.training import make_network
    >>> network = make_network("resnet:1", shape=(1, 8, 8), n_classes=10)
    >>> network.stages
    ('L1', 'L2', 'L3')
    """
    described = _described(network)
    try:
        model = build_seeded(lambda: _build(described, shape, n_classes), seed)
    except (MemoryError, OverflowError, RuntimeError, TypeError, ValueError) as error:
        if isinstance(error, RSAError):
            raise
        raise RSAError(f"{_short(described)} cannot be built for images {shape}: {reason(error)}") from error
    model.origin = json.dumps({"network": described, "shape": shape, "n_classes": n_classes})  # type: ignore[assignment]
    return model


def check_reads(name: str, reads: str, shape: tuple[int, int, int]) -> None:
    """Raise RSAError for networks of images that are to read text, and the reverse."""
    if (reads == "text") == is_text(shape):
        return
    if reads == "text":
        size = " x ".join(map(str, shape))
        raise RSAError(f"{name} reads text, not images of {size}: choose data text:FILE, or another network or space")
    raise RSAError(f"{name} is for images, not for text: choose lstm, gru, space rnn-tree or nas-bench-nlp")


def count_parameters(model: nn.Module) -> int:
    """Trainable ones, without an auxiliary head, which only training uses."""
    named = model.named_parameters()
    return sum(p.numel() for name, p in named if p.requires_grad and not name.startswith("auxiliary."))


def check_fits(model: nn.Module, shape: tuple[int, int, int], n_classes: int) -> None:
    """Raises RSAError where a network of `make_network` was made for other images or another number of classes."""
    made = json.loads(str(model.origin))
    was, now = (tuple(made["shape"]), made["n_classes"]), (tuple(shape), n_classes)
    if was != now:
        texts = [f"images {size} of {classes} classes" for size, classes in (was, now)]
        raise RSAError(f"the network was made for {texts[0]}, not for {texts[1]}")


def rebuild(origin: str, seed: int = 0) -> nn.Module:
    """The network of this origin, with random weights. Raises RSAError when the text is none."""
    try:
        kept = json.loads(origin)
        channels, height, width = map(int, kept["shape"])
        shape, n_classes = (channels, height, width), int(kept["n_classes"])
        return make_network(kept["network"], shape=shape, n_classes=n_classes, seed=seed)
    except (KeyError, OverflowError, RecursionError, TypeError, ValueError) as error:
        if isinstance(error, RSAError):
            raise
        raise RSAError(f"the checkpoint's description of its network cannot be read: {reason(error)}") from error


def _described(network: str | Path | dict[str, Any]) -> str | dict[str, Any]:
    """The network as JSON-able: a name, or a space's name with the architecture."""
    if isinstance(network, dict):
        return network
    name = str(network)
    if Path(name).suffix.lower() != ".json":
        return name
    from ..spaces import read_architecture

    space, architecture = read_architecture(Path(name))
    return {"space": space.name, "architecture": dict(architecture)}


def _build(network: str | dict[str, Any], shape: tuple[int, int, int], n_classes: int) -> nn.Module:
    from ..spaces import KNOWN_CELLS, CellSpace, get_space

    if isinstance(network, dict):
        unknown = set(network) - {"space", "architecture", "settings"}
        if unknown or not {"space", "architecture"} <= set(network):
            raise RSAError(f"a network is described by space, architecture and settings, not by {listing(network)}")
        settings = network.get("settings", {})
        space = get_space(network["space"])
        check_reads(space.name, space.reads, shape)
        return space.build(network["architecture"], input_shape=shape, n_classes=n_classes, **settings)
    kind, _, which = network.partition(":")
    if kind in RECURRENT and (not which or re.fullmatch(r"\d{1,2}x\d{1,4}", which)):
        from ..networks.recurrent import recurrent_network

        check_reads(kind, "text", shape)
        size = dict(zip(("layers", "embedding"), map(int, which.split("x")), strict=True)) if which else {}
        return recurrent_network(kind, input_shape=shape, n_classes=n_classes, **size)
    if kind in ("resnet", "torchvision", *KNOWN_CELLS):
        check_reads(network, "images", shape)
    if kind == "resnet" and which.removesuffix("B").isdecimal():
        from ..networks.resnet import ResNet

        shortcut: Literal["A", "B"] = "B" if which.endswith("B") else "A"
        return ResNet(int(which.removesuffix("B")), in_channels=shape[0], n_classes=n_classes, shortcut=shortcut)
    if kind in KNOWN_CELLS and (not which or re.fullmatch(r"\d{1,3}x\d{1,4}", which)):
        pair = KNOWN_CELLS[kind]
        settings = dict(pair.published)
        if which:
            settings |= dict(zip(("repeats", "filters"), map(int, which.split("x")), strict=True))
        return CellSpace().build(pair, input_shape=shape, n_classes=n_classes, **settings)
    if kind == "torchvision" and which:
        return _torchvision(which, shape, n_classes)
    raise RSAError(f"no network is named {network!r}{near(network, FORMS)}")


def _torchvision(name: str, shape: tuple[int, int, int], n_classes: int) -> nn.Module:
    from torchvision import models

    known = models.list_models(module=models)
    check_known("torchvision has no classifier", name, known)
    if shape[0] != 3:
        raise RSAError(f"torchvision:{name} takes images of 3 channels, not of {shape[0]}")
    model: nn.Module = models.get_model(name, weights=None, num_classes=n_classes)
    return model


def _short(network: str | dict[str, Any]) -> str:
    return network if isinstance(network, str) else f"the architecture of {network.get('space')}"
