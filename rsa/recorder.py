"""Listening to a model's layers: forward hooks that copy outputs before a later in-place operation can change them."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from .errors import RSAError, listing
from .layers import Layer, choose_layers


class Activations(dict[str, Tensor]):
    """Layer name -> output of the last forward pass; a layer that did not run raises RSAError when asked for."""

    def __missing__(self, name: str) -> Tensor:
        raise RSAError(f"layer {name!r} did not run in the last forward pass; these did: {listing(self, 12) or 'none'}")


@contextmanager
def record(model: nn.Module, layers: str | Iterable[str] = "auto", *, detach: bool = True) -> Iterator[Activations]:
    """Listen to a model's layers: inside the block, every forward pass leaves copies of their outputs (batch, ...).

        with record(model, ["layer2", "layer4"]) as activations:
            logits = model(images)              # P and TG from one forward pass
            features = activations["layer4"]

    layers: see `choose_layers`. A module called k > 1 times in a pass appears as "name#1" .. "name#k"; of a tuple the
    first tensor is taken unless "name[1]" was asked for. detach=False keeps the graph, to differentiate through them.
    """

    def copy(layer: Layer, output: Tensor) -> Tensor:
        return (output.detach() if detach else output).clone()

    with listening(model, choose_layers(model, layers), copy) as activations:
        yield activations


@contextmanager
def listening(
    model: nn.Module, chosen: list[Layer], transform: Callable[[Layer, Tensor], Tensor]
) -> Iterator[Activations]:
    """As `record` with layers already chosen; `transform` makes what is kept of every output."""
    activations, calls = Activations(), dict.fromkeys((layer.name for layer in chosen), 0)

    def clear(module: nn.Module, args: Any) -> None:
        activations.clear()
        calls.update(dict.fromkeys(calls, 0))

    def listen(layer: Layer) -> Callable[[nn.Module, Any, Any], None]:
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            calls[layer.name] += 1
            call = calls[layer.name]
            if layer.call not in (None, call):
                return
            value = transform(layer, _tensor(layer, output))
            if layer.call is not None or call == 1:
                activations[layer.name] = value
                return
            if call == 2:
                activations[f"{layer.name}#1"] = activations.pop(layer.name)
            activations[f"{layer.name}#{call}"] = value

        return hook

    handles = [model.register_forward_pre_hook(clear)]
    handles += [layer.module.register_forward_hook(listen(layer)) for layer in chosen]
    try:
        yield activations
    finally:
        for handle in handles:
            handle.remove()


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

    found = list(tensors(output))
    if layer.item >= len(found):
        raise RSAError(f"layer {layer.path} returns {len(found)} tensor(s), so there is no {layer.name}")
    return found[layer.item]
