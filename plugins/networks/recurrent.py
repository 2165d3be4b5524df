"""Language models of recurrent cells: words, embedded; layers of a cell each; the next word by the same embedding."""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...rsa import RSAError
from .operations import check_task
from .recurrent_graph import WORD, RecurrentGraph
from .structures import is_text

_INITIAL = 0.1  # embeddings start uniform in +- this (Zaremba et al. 2014, medium: .05; Merity et al. 2018: .1)
_MOST = 10_000  # width of a layer
_LAYERS = 20

_ELEMENTWISE: Mapping[str, Callable[..., Tensor]] = MappingProxyType(
    {
        "blend": lambda a, b, c: c + a * (b - c),
        "product": lambda *values: _chained(torch.mul, values),
        "sum": lambda *values: _chained(torch.add, values),
        "identity": lambda value: value,
        "tanh": torch.tanh,
        "sigmoid": torch.sigmoid,
        "relu": torch.relu,
        "leaky_relu": functional.leaky_relu,
    }
)


class GraphLayer(nn.Module):
    """A layer whose cell is a graph.

    All products with the word are computed for all steps at once, and those with a state for all nodes at once.
    """

    def __init__(self, graph: RecurrentGraph, inputs: int, width: int) -> None:
        super().__init__()
        self.graph, self.states, self.width = graph, graph.states, width
        self.weights, self.biases = nn.ParameterDict(), nn.ParameterDict()
        self._rows: dict[str, list[tuple[str, str]]] = {}  # of x and of states: the linear nodes, and their weights
        self._program: list[tuple[str, str, tuple[str, ...], list[tuple[str, str]]]] = []
        bound = 1 / math.sqrt(width)
        for name, node in graph.nodes.items():
            products = []
            if node.operation == "linear":
                for place, read in enumerate(node.inputs):
                    key = f"{name}/{place}"
                    shape = (width, inputs if read == WORD else width)
                    self.weights[key] = nn.Parameter(torch.empty(shape).uniform_(-bound, bound))
                    if read == WORD or read.startswith("h_prev_"):
                        self._rows.setdefault(read, []).append((name, key))
                    else:
                        products.append((read, key))
                if graph.bias:
                    self.biases[name] = nn.Parameter(torch.empty(width).uniform_(-bound, bound))
            elif WORD in node.inputs and inputs != width:
                raise RSAError(f"node {name} of the cell reads x of width {inputs} elementwise beside width {width}")
            self._program.append((name, node.operation, node.inputs, products))

    def forward(self, words: Tensor, states: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """(n, steps, inputs) and the states (n, width) before -> outputs (n, steps, width) and the states after."""
        joined = {read: torch.cat([self.weights[key] for _, key in rows]) for read, rows in self._rows.items()}
        from_words = functional.linear(words, joined[WORD]).unbind(1) if WORD in joined else None
        outputs = []
        for step, word in enumerate(words.unbind(1)):
            before = {f"h_prev_{i}": state for i, state in enumerate(states)}
            values = {WORD: word, **before}
            parts: dict[str, list[Tensor]] = {}
            for read, rows in self._rows.items():
                found = from_words[step] if read == WORD and from_words is not None else None
                found = functional.linear(before[read], joined[read]) if found is None else found
                for (name, _), part in zip(rows, torch.split(found, self.width, dim=1), strict=True):
                    parts.setdefault(name, []).append(part)
            for name, operation, inputs, products in self._program:
                if operation == "linear":
                    terms = [*parts.get(name, []), *(values[read] @ self.weights[key].T for read, key in products)]
                    terms += [self.biases[name]] if name in self.biases else []
                    values[name] = _chained(torch.add, terms)
                else:
                    values[name] = _ELEMENTWISE[operation](*[values[read] for read in inputs])
            states = [values[f"h_new_{i}"] for i in range(self.states)]
            outputs.append(states[0])
        return torch.stack(outputs, dim=1), list(states)


class TorchLayer(nn.Module):
    """A layer of torch's LSTM or GRU."""

    def __init__(self, kind: str, inputs: int, width: int) -> None:
        super().__init__()
        self.states, self.width = (2, width) if kind == "lstm" else (1, width)
        self.cell: nn.Module = (nn.LSTM if kind == "lstm" else nn.GRU)(inputs, width, batch_first=True)

    def forward(self, words: Tensor, states: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """As that of `GraphLayer`."""
        before = [state[None] for state in states]
        outputs, after = self.cell(words, tuple(before) if self.states == 2 else before[0])
        return outputs, [state[0] for state in (after if self.states == 2 else [after])]


class LastState(nn.Module):
    """The output after the last word of a context, (n, width): what representations are compared by."""

    def forward(self, outputs: Tensor) -> Tensor:
        return outputs[:, -1]


class RecurrentNetwork(nn.Module):
    """A language model: (n, 1, 1, words) numbers of words -> (n, vocabulary, words) logits of each next word.

    The embedding is also the matrix of the output layer. While it is trained, a pass goes on from the states that the
    pass before has left in `carried`, through which no gradient flows: truncated back-propagation through time. In
    evaluation mode every context begins with states of 0. `stages` names the outputs after a context's last word.

    dropout: of the embedded words and of every layer's outputs, the same units at every word of a pass (Gal &
    Ghahramani 2016).
    """

    carried: tuple[Tensor, ...] | None

    def __init__(self, layers: Sequence[GraphLayer | TorchLayer], n_words: int, embedding: int, dropout: float) -> None:
        super().__init__()
        self.words = nn.Parameter(torch.empty(n_words, embedding).uniform_(-_INITIAL, _INITIAL))
        self.bias = nn.Parameter(torch.zeros(n_words))
        self.layers, self.dropout = nn.ModuleList(layers), dropout
        self._widths = [[layer.width] * layer.states for layer in layers]  # of the states of each layer
        self.stages = tuple(f"state{i}" for i in range(1, len(layers) + 1))
        for name in self.stages:
            self.add_module(name, LastState())
        self.carried = None

    def forward(self, words: Tensor) -> Tensor:
        numbers = words.flatten(1).long()
        features, after = self._dropped(functional.embedding(numbers, self.words)), list[Tensor]()
        before = list(self.carried or ()) if self.training else []
        for name, layer, widths in zip(self.stages, self.layers, self._widths, strict=True):
            zeros = [features.new_zeros(len(numbers), width) for width in widths]
            own, before = before[: len(widths)] or zeros, before[len(widths) :]
            features, states = layer(features, [state[: len(numbers)] for state in own])
            after += states
            self.get_submodule(name)(features)
            features = self._dropped(features)
        if self.training:
            self.carried = tuple(state.detach() for state in after)
        return functional.linear(features, self.words, self.bias).transpose(1, 2)

    def restore(self, carried: Sequence[Tensor]) -> None:
        """Go on from the states of a checkpoint. Raises RSAError for those of another network."""
        widths = [width for own in self._widths for width in own]
        if carried and (
            [tuple(state.shape[1:]) for state in carried] != [(width,) for width in widths]
            or any(state.numel() > _MOST**2 or state.layout is not torch.strided for state in carried)
        ):
            raise RSAError("the checkpoint's states are of another network")
        self.carried = tuple(state.to(self.words) for state in carried) or None

    def multiply_adds(self, n_words: int) -> int:
        """Count those of so many words, without biases and elementwise operations."""
        return n_words * sum(weight.numel() for weight in self.parameters() if weight.ndim == 2)

    def _dropped(self, features: Tensor) -> Tensor:
        if not self.training or not self.dropout:
            return features
        kept = 1 - self.dropout
        return features * (features.new_empty(len(features), 1, features.shape[2]).bernoulli_(kept) / kept)


def recurrent_network(
    cell: RecurrentGraph | str,
    *,
    input_shape: tuple[int, int, int],
    n_classes: int,
    layers: int = 1,
    embedding: int = 128,
    width: int | None = None,
    dropout: float = 0.2,
) -> RecurrentNetwork:
    """Build a language model of layers of one cell, with random weights from torch's generator.

    Parameters
    ----------
    cell : RecurrentGraph or {"lstm", "gru"}
    input_shape : tuple of int
        (1, 1, words) of a context.
    n_classes : int
        Words in the vocabulary.
    layers : int
    embedding : int
        Width of the embedding, and so of the last layer.
    width : int, optional
        Of the other layers; by default that of the embedding.
    dropout : float

    Raises
    ------
    RSAError
        For images, and for invalid settings.
    """
    check_task(input_shape, n_classes)
    if not is_text(input_shape):
        size = " x ".join(map(str, input_shape))
        raise RSAError(f"recurrent networks read text, not images of {size}: choose data text:FILE")
    width = embedding if width is None else width
    whole = {"layers": (layers, _LAYERS), "embedding": (embedding, _MOST), "width": (width, _MOST)}
    for name, (value, most) in whole.items():
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
            raise RSAError(f"{name} is a number from 1 to {most:,}, not {value!r}")
    if isinstance(dropout, bool) or not isinstance(dropout, int | float) or not 0 <= dropout < 1:
        raise RSAError(f"dropout is a share from 0 to below 1, not {dropout!r}")
    sizes = [embedding, *[width] * (layers - 1), embedding]

    def layer(inputs: int, outputs: int) -> GraphLayer | TorchLayer:
        return TorchLayer(cell, inputs, outputs) if isinstance(cell, str) else GraphLayer(cell, inputs, outputs)

    made = [layer(inputs, outputs) for inputs, outputs in pairwise(sizes)]
    return RecurrentNetwork(made, n_classes, embedding, dropout)


def _chained(operation: Callable[[Tensor, Tensor], Tensor], values: Sequence[Any]) -> Tensor:
    result: Tensor = values[0]
    for value in values[1:]:
        result = operation(result, value)
    return result
