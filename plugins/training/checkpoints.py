"""Checkpoints: the state of a training in one file, from which it continues as if it had never stopped."""

import io
import json
import math
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...rsa import RSAError
from ...rsa.errors import reason
from ...rsa.io.storage import replacing, steady
from ...rsa.networks.weights import read_tensors

_FORMAT, _VERSION = "tgsage-checkpoint", 1


@dataclass(frozen=True)
class Checkpoint:
    """Weights, optimiser and position of a training.

    Attributes
    ----------
    model, optimiser : mapping
        State dicts.
    settings : mapping
        What defines the training (recipe, seed, data, length); no other training may continue from here.
    network : str
        The text from which `load_network` rebuilds the network (see `make_network`); "" where unknown.
    position : int
        Batches done.
    sums : tuple of float
        Sums over this epoch so far: of losses, of correct answers and of images.
    random : mapping
        States of torch's generators.
    history : tuple of mapping
        Moments, as dicts.
    seconds : float
        Training time so far.
    carried : tuple of torch.Tensor
        States from which a recurrent network goes on.
    """

    model: Mapping[str, Tensor]
    optimiser: Mapping[str, Any]
    settings: Mapping[str, Any]
    network: str
    position: int
    sums: tuple[float, float, float]
    random: Mapping[str, Tensor]
    history: tuple[Mapping[str, float], ...]
    seconds: float
    carried: tuple[Tensor, ...] = ()

    def save(self, path: str | Path) -> None:
        """Write it completely or not at all; `rsa.load_model(..., weights=path)` also finds the weights in it."""
        plain: dict[str, Any] = {"model": dict(self.model), "sums": list(self.sums), "random": dict(self.random)}
        plain["carried"] = list(self.carried)
        texts = {"settings": json.dumps(self.settings), "history": json.dumps(self.history)}
        values = {"format": _FORMAT, "version": _VERSION, **vars(self), **plain, **texts}
        with replacing(path) as temporary, steady(temporary) as file:
            torch.save(values, file)

    @classmethod
    def load(cls, path: str | Path) -> "Checkpoint":
        """Read what `save` wrote, as data only: nothing in the file is executed.

        Raises
        ------
        RSAError
            Naming the file, whatever is wrong with it.
        """
        file = Path(path)
        if not file.is_file():
            raise RSAError(f"{file}: no such checkpoint")
        try:
            values = read_tensors(file)
        except Exception as error:
            raise RSAError(f"{file} is no checkpoint of tgsage, or is damaged; it was not loaded") from error
        if not isinstance(values, dict) or values.get("format") != _FORMAT:
            raise RSAError(f"{file} is no checkpoint of tgsage")
        if values.get("version") != _VERSION:
            raise RSAError(f"{file} has version {values.get('version')}; this tgsage reads version {_VERSION}")
        try:
            settings = json.loads(values["settings"])
            parts = (values["model"], values["optimiser"], values["random"], settings)
            if not all(isinstance(part, dict) for part in parts):
                raise TypeError("a part of it is no mapping")
            if not all(isinstance(weights, Tensor) for weights in values["model"].values()):
                raise TypeError("a weight of it is no tensor")
            if int(values["position"]) < 0:
                raise ValueError("its position lies before its beginning")
            loss, correct, images = map(float, values["sums"])
            kept = {key: values[key] for key in ("model", "optimiser", "random")} | {"settings": settings}
            numbers: dict[str, Any] = {"position": int(values["position"]), "seconds": float(values["seconds"])}
            numbers["carried"] = tuple(values.get("carried", ()))
            if not all(isinstance(state, Tensor) for state in numbers["carried"]):
                raise TypeError("a state of it is no tensor")
            history = tuple(json.loads(values["history"]))
            return cls(**kept, **numbers, network=str(values["network"]), sums=(loss, correct, images), history=history)
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            raise RSAError(f"{file} is an incomplete checkpoint: {reason(error)}") from error

    @property
    def mature(self) -> bool:
        """Whether its schedule had ended, after at least one epoch; raises RSAError where the settings do not tell."""
        try:
            per_epoch = math.ceil(self.settings["training images"] / self.settings["recipe"]["batch_size"])
            return bool(self.position >= max(1.0, self.settings["epochs"]) * per_epoch)
        except (ArithmeticError, KeyError, TypeError, ValueError) as error:
            raise RSAError(f"the checkpoint does not say how long its training is: {reason(error)}") from error

    def check_settings(self, settings: Mapping[str, Any]) -> None:
        """Check that a training may continue from here.

        Older versions did not record the images' content; their checkpoints are compared by the data's name.

        Parameters
        ----------
        settings : mapping
            Settings of that training.

        Raises
        ------
        RSAError
            Naming the first setting that differs.
        """
        wanted = json.loads(json.dumps(settings))
        if "content" not in self.settings:
            wanted.pop("content", None)
        for key in dict.fromkeys([*wanted, *self.settings]):
            if wanted.get(key) != self.settings.get(key):
                was, now = self.settings.get(key), wanted.get(key)
                if isinstance(was, dict) and isinstance(now, dict):
                    key = next(k for k in dict.fromkeys([*now, *was]) if now.get(k) != was.get(k))
                    was, now = was.get(key), now.get(key)
                raise RSAError(f"the checkpoint is of another training: {key} was {was!r} and is {now!r} now")

    def restore(self, model: nn.Module, optimiser: torch.optim.Optimizer | None = None) -> None:
        """Load the weights, and the optimiser's state, into a network and its optimiser.

        Raises
        ------
        RSAError
            When they belong to another network.
        """
        own = model.state_dict()
        wrong = [key for key in own if key not in self.model or self.model[key].shape != own[key].shape]
        extra = [key for key in self.model if key not in own]
        if wrong or extra:
            raise RSAError(f"the checkpoint is of another network: {(wrong or extra)[0]} differs")
        model.load_state_dict(self.model)
        try:
            if optimiser is not None:
                _check_state(self.optimiser, optimiser.state_dict()["param_groups"], optimiser)
                optimiser.load_state_dict(dict(self.optimiser))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise RSAError(f"the checkpoint's optimiser is of another network: {reason(error)}") from error


def _check_state(state: Mapping[str, Any], groups: list[dict[str, Any]], optimiser: torch.optim.Optimizer) -> None:
    """Raises ValueError, TypeError or KeyError unless a stored state is one of this optimiser, no larger than its own.

    Tensors in a small file can unfold to any size (strides of 0), and are copied when the state is loaded.
    """
    for stored, own in zip(state["param_groups"], groups, strict=True):
        for name, value in stored.items():
            if name in own and name != "lr" and not _same(value, own[name]):
                raise ValueError(f"{name} differs")
            if (name not in own or name == "lr") and not isinstance(value, int | float | None):
                raise TypeError(f"{name} is {type(value).__name__}")
    shapes = dict(enumerate(weight.shape for group in optimiser.param_groups for weight in group["params"]))
    for place, values in state["state"].items():
        for name, value in values.items():
            if isinstance(value, Tensor) and value.layout is not torch.strided:
                raise TypeError(f"{name} is sparse")
            if isinstance(value, Tensor) and value.shape != shapes[place] and value.numel() != 1:
                raise ValueError(f"{name} has shape {tuple(value.shape)}, its weight {tuple(shapes[place])}")
            if not isinstance(value, Tensor | int | float | None):
                raise TypeError(f"{name} is {type(value).__name__}")


def _same(stored: object, own: object) -> bool:
    if isinstance(own, list | tuple):
        return type(stored) is type(own) and len(stored) == len(own) and all(map(_same, stored, own))
    return type(stored) is type(own) and stored == own


def load_network(path: str | Path) -> nn.Module:
    """Rebuild the network of a checkpoint, with its weights, in evaluation mode.

    Raises
    ------
    RSAError
        For a file that is not a checkpoint, for one that does not tell how to build its network and, before any memory
        is taken, for a network larger than the weights in the file.
    """
    from .models import rebuild

    checkpoint = Checkpoint.load(path)
    if not checkpoint.network:
        raise RSAError(f"{path} does not say which network it is of")
    with _no_larger_than(checkpoint.model):
        model = rebuild(checkpoint.network)
    checkpoint.restore(model)
    return model.eval()


@contextmanager
def _no_larger_than(weights: Mapping[str, Tensor]) -> Iterator[None]:
    """Inside the block networks may have twice as many parameters and bytes as these, since some drop parts again.

    A parameter counts when a module takes it, which is before it is initialised: its memory has not been touched.
    """
    storages = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in weights.values()}
    held, here = sum(storages.values()), threading.get_ident()
    count = size = 0

    def register(module: nn.Module, name: str, parameter: nn.Parameter) -> None:
        nonlocal count, size
        if threading.get_ident() == here:
            count, size = count + 1, size + parameter.nbytes
        if count > 2 * len(weights) or size > 2 * held:
            raise RSAError(
                f"the checkpoint describes a larger network than its {len(weights)} weights ({held:,} bytes)"
            )

    handle = nn.modules.module.register_module_parameter_registration_hook(register)
    try:
        yield
    finally:
        handle.remove()


def packed_weights(model: nn.Module) -> bytes:
    """Return the weights of a network as `torch.save` writes them, for `unpacked_weights`."""
    file = io.BytesIO()
    torch.save({name: value.cpu() for name, value in model.state_dict().items()}, file)
    return file.getvalue()


def unpacked_weights(content: bytes) -> dict[str, Tensor]:
    """Read weights as data only. Raises RSAError for what `packed_weights` did not write."""
    try:
        weights = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:
        raise RSAError("the parent's weights are damaged; they were not loaded") from error
    if not isinstance(weights, dict) or not all(isinstance(value, Tensor) for value in weights.values()):
        raise RSAError("the parent's weights are no state dict")
    return weights
