"""Forward hooks that copy the outputs of layers, before a later in-place operation can change them."""

import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from ..errors import RSAError, listing
from .layers import COMPILED, Layer, choose_layers

T = TypeVar("T")


class Activations(Mapping[str, T]):
    """Mapping of layer names to their outputs in the last forward pass, in the order of the layers and their calls.

    Layers that did not run are missing; asking for one raises RSAError.

    Parameters
    ----------
    chosen : sequence of Layer
        The layers that are recorded.
    """

    def __init__(self, chosen: Sequence[Layer]) -> None:
        self._chosen = chosen
        self._heard: dict[str, list[T]] = {}
        self._calls: dict[str, int] = {}

    def clear(self) -> None:
        """Forget the last forward pass."""
        self._heard.clear()
        self._calls.clear()

    def hear(self, layer: Layer, transform: Callable[[Layer, Tensor], T], output: Any) -> None:
        """Record one call of a layer.

        Parameters
        ----------
        layer : Layer
        transform : callable
            Called with (layer, tensor); returns what is kept.
        output : object
            What the module returned: a tensor, or tensors in tuples, lists, dicts and dataclasses.
        """
        self._calls[layer.name] = self._calls.get(layer.name, 0) + 1
        if layer.call in (None, self._calls[layer.name]):
            self._heard.setdefault(layer.name, []).append(transform(layer, _tensor(layer, output)))

    def silent(self) -> list[Layer]:
        """Return the layers that were asked for by name and did not run."""
        return [layer for layer in self._chosen if layer.required and layer.name not in self._heard]

    def _named(self) -> dict[str, T]:
        named: dict[str, T] = {}
        for layer in self._chosen:
            values = self._heard.get(layer.name, [])
            names = [layer.name] if len(values) == 1 else [layer.at(call) for call in range(1, len(values) + 1)]
            named |= dict(zip(names, values, strict=True))
        return named

    def __getitem__(self, name: str) -> T:
        named = self._named()
        if name not in named:
            did = listing(named, 12) or "none"
            raise RSAError(f"layer {name!r} did not run in the last forward pass; these did: {did}")
        return named[name]

    def __contains__(self, name: object) -> bool:
        return name in self._named()

    def __iter__(self) -> Iterator[str]:
        return iter(self._named())

    def __len__(self) -> int:
        return len(self._named())


@contextmanager
def record(
    model: nn.Module, layers: str | Iterable[str] = "auto", *, detach: bool = True
) -> Iterator[Activations[Tensor]]:
    """Record the outputs of layers in every forward pass inside a `with` block.

    Parameters
    ----------
    model : torch.nn.Module
    layers : str or iterable of str
        "auto" for the stages of the network, exact names, globs such as "layer*.1", "name#2" for the second call in a
        pass, "name[1]" for the second tensor that a module returns, "output" for the whole model.
    detach : bool
        Whether copies are detached from the graph; False allows differentiating through them.

    Yields
    ------
    Activations
        Copies (batch, ...) of the outputs of the last pass. A module called k > 1 times per pass appears as "name#1" to
        "name#k".

    Raises
    ------
    RSAError
        For layers that the model does not have, and for scripted or exported ones.

    Notes
    -----
    Only calls of `model` itself begin a pass, and only passes in the thread that entered the block are recorded. Code
    compiled by `torch.compile` calls no hooks, so inside the block it runs uncompiled, in all threads.

    Examples
    --------
    P and TG from the same forward pass:

    >>> import torch
    >>> from tgsage.rsa import record
    >>> model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2))
    >>> with record(model, ["0", "1"]) as activations:
    ...     logits = model(torch.ones(5, 4))
    >>> {name: tuple(features.shape) for name, features in activations.items()}
    {'0': (5, 3), '1': (5, 3)}
    """

    def copy(layer: Layer, output: Tensor) -> Tensor:
        return (output.detach() if detach else output).clone()

    with listening(model, choose_layers(model, layers), copy) as activations:
        yield activations


@contextmanager
def listening(
    model: nn.Module, chosen: Sequence[Layer], transform: Callable[[Layer, Tensor], T]
) -> Iterator[Activations[T]]:
    """Record layers that are already chosen; `transform` makes what is kept of every output."""
    activations: Activations[T] = Activations(chosen)
    model = getattr(model, COMPILED, model)  # hooks go on the module that torch.compile wraps
    listener = threading.get_ident()
    depth = 0  # a model may call itself within a pass

    def enter(module: nn.Module, args: Any) -> None:
        nonlocal depth
        if threading.get_ident() == listener:
            if depth == 0:
                activations.clear()
            depth += 1

    def leave(module: nn.Module, args: Any, output: Any) -> None:
        nonlocal depth
        if threading.get_ident() == listener:
            depth -= 1

    def hook(layer: Layer) -> Callable[[nn.Module, Any, Any], None]:
        def hear(module: nn.Module, args: Any, output: Any) -> None:
            if threading.get_ident() == listener:
                activations.hear(layer, transform, output)

        return hear

    handles: list[RemovableHandle] = []
    try:
        handles.append(model.register_forward_pre_hook(enter))
        handles.append(model.register_forward_hook(leave, always_call=True))
        handles += [layer.module.register_forward_hook(hook(layer)) for layer in chosen]
        with _uncompiled():
            yield activations
    finally:
        for handle in handles:
            handle.remove()


_lock, _stance, _listeners = threading.Lock(), ExitStack(), 0


@contextmanager
def _uncompiled() -> Iterator[None]:
    """Run compiled code uncompiled, in all threads, until the last listener has left."""
    global _listeners
    if "torch._dynamo" not in sys.modules:  # nothing is compiled, and importing it takes seconds
        yield
        return
    with _lock:
        if _listeners == 0:
            _stance.enter_context(torch.compiler.set_stance("force_eager"))
        _listeners += 1
    try:
        yield
    finally:
        with _lock:
            _listeners -= 1
            if _listeners == 0:
                _stance.close()


def _tensor(layer: Layer, output: Any) -> Tensor:
    def tensors(value: Any) -> Iterator[Tensor]:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, dict):
            for item in value.values():
                yield from tensors(item)
        elif isinstance(value, list | tuple):
            for item in value:
                yield from tensors(item)
        elif is_dataclass(value):
            yield from tensors([getattr(value, field.name) for field in fields(value)])

    found = list(tensors(output))
    if layer.item >= len(found):
        raise RSAError(f"layer {layer.path} returns {len(found)} tensor(s), so there is no {layer.name}")
    return found[layer.item]
