"""Spaces of recurrent cells: the tree of Zoph & Le 2017, and what they share with the graphs of NAS-Bench-NLP."""

from abc import abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from ...rsa import RSAError
from ..networks.recurrent_graph import Node, RecurrentGraph, make_graph
from ..networks.structures import WORDS, Shape
from .space import Architecture, Choice, Dimension, Graph, Space

if TYPE_CHECKING:
    from torch import nn

COMBINATIONS, ACTIVATIONS = ("sum", "product"), ("identity", "tanh", "sigmoid", "relu")
SETTINGS = ("layers", "embedding", "width", "dropout")
_BASES = (2, 4, 8, 16)


class RecurrentSpace(Space):
    """A space of recurrent cells, from which language models are built."""

    reads = "text"

    @abstractmethod
    def cell(self, architecture: Architecture) -> RecurrentGraph:
        """Get what the cell of an architecture computes."""

    def describe(self, architecture: Architecture) -> str:
        return self.cell(self.canonical(architecture)).describe()

    def graph(self, architecture: Architecture) -> Graph:
        nodes = self.cell(self.canonical(architecture)).nodes
        read = [name for one in nodes.values() for name in one.inputs if name not in nodes]
        boxes = {name: name for name in sorted(set(read), key=lambda name: (name != "x", name))}
        boxes |= {name: f"{name}\n{one.operation}" for name, one in nodes.items()}
        return Graph(boxes, tuple((read, name, "") for name, one in nodes.items() for read in one.inputs))

    def build(
        self,
        architecture: Architecture,
        *,
        input_shape: Shape = (1, 1, WORDS),
        n_classes: int = 10_000,
        **settings: Any,
    ) -> "nn.Module":
        """Build the language model.

        Parameters
        ----------
        architecture : mapping
        input_shape : tuple of int
            (1, 1, words) of a context.
        n_classes : int
            Words in the vocabulary.
        **settings
            layers=1, embedding=128, width=None and dropout=0.2, as in `recurrent_network`.

        Returns
        -------
        torch.nn.Module
            (n, 1, 1, words) numbers of words to (n, n_classes, words) logits of each next word.
        """
        from ..networks.recurrent import recurrent_network

        self.check_settings(settings, SETTINGS)
        cell = self.cell(self.canonical(architecture))
        return recurrent_network(cell, input_shape=input_shape, n_classes=n_classes, **settings)


class _Tree(NamedTuple):
    """A node of the tree with what hangs below it; marks: whether c enters here, and whether it leaves from here."""

    combination: int
    activation: int
    marks: tuple[bool, bool]
    below: "tuple[_Tree, ...]"


class RNNTree(RecurrentSpace):
    """Trees of combinations and activations over x and h, with a memory c that enters at one node and leaves at one.

    Each leaf combines W x and U h by sum or product and applies an activation; each inner node does so with two nodes.
    The root gives h. "inject/node" is where the memory enters: its activated output is combined once more, with c. The
    output of "index/node" before its activation is the next c. Linear maps have no bias. An LSTM is among the cells of
    base 8.

    Canonical form: the two branches of a node are in the order of their choices.

    Parameters
    ----------
    base : {2, 4, 8, 16}
        Number of leaves.

    References
    ----------
    Zoph & Le 2017, Neural architecture search with reinforcement learning, ICLR.
    """

    def __init__(self, base: int = 8) -> None:
        if base not in _BASES:
            raise RSAError(f"a tree has {', '.join(map(str, _BASES))} leaves, not {base}")
        self.base = base
        self._names = tuple([f"leaf{i}" for i in range(base)] + [f"node{i}" for i in range(base - 1)])
        super().__init__("rnn-tree" if base == 8 else f"rnn-tree{base}", self._choices())

    def _choices(self) -> Iterator[Dimension]:
        for step, name in enumerate([*self._names, "inject"]):
            yield Dimension(f"{name}/combination", COMBINATIONS, step, "combination")
            yield Dimension(f"{name}/activation", ACTIVATIONS, step, "activation")
        for name in ("inject", "index"):
            yield Dimension(f"{name}/node", self._names, len(self._names), f"{name}/node")

    def _below(self, place: int) -> tuple[int, ...]:
        """Places of the two nodes below a node; nodes are numbered from the leaves to the root, level by level."""
        first = 2 * (place - self.base)
        return () if first < 0 else (first, first + 1)

    def cell(self, architecture: Architecture) -> RecurrentGraph:
        def chosen(name: str) -> tuple[str, str]:
            return str(architecture[f"{name}/combination"]), str(architecture[f"{name}/activation"])

        nodes = {}
        for place, name in enumerate(self._names):
            combination, activation = chosen(name)
            read = tuple(self._names[i] for i in self._below(place))
            if not read and combination == "sum":
                nodes[f"{name}_combined"] = Node("linear", ("x", "h_prev_0"))
            elif not read:
                nodes |= {f"{name}_x": Node("linear", ("x",)), f"{name}_h": Node("linear", ("h_prev_0",))}
                read = (f"{name}_x", f"{name}_h")
            if read:
                nodes[f"{name}_combined"] = Node(combination, read)
            enters = architecture["inject/node"] == name
            activated = f"{name}_activated" if enters else name
            nodes[activated] = Node(activation, (f"{name}_combined",))
            if enters:
                combination, activation = chosen("inject")
                nodes["injected"] = Node(combination, (activated, "h_prev_1"))
                nodes[name] = Node(activation, ("injected",))
        nodes["h_new_0"] = Node("identity", (self._names[-1],))
        nodes["h_new_1"] = Node("identity", (f"{architecture['index/node']}_combined",))
        return make_graph(nodes, bias=False)

    def _simplify(self, architecture: dict[str, Choice]) -> dict[str, Choice]:
        def tree(place: int) -> _Tree:
            name = self._names[place]
            below = sorted(tree(i) for i in self._below(place))
            combination = COMBINATIONS.index(str(architecture[f"{name}/combination"]))
            activation = ACTIVATIONS.index(str(architecture[f"{name}/activation"]))
            marks = (architecture["inject/node"] == name, architecture["index/node"] == name)
            return _Tree(combination, activation, marks, tuple(below))

        simple = dict(architecture)

        def write(place: int, one: _Tree) -> None:
            name = self._names[place]
            simple[f"{name}/combination"] = COMBINATIONS[one.combination]
            simple[f"{name}/activation"] = ACTIVATIONS[one.activation]
            for mark, marked in zip(("inject", "index"), one.marks, strict=True):
                if marked:
                    simple[f"{mark}/node"] = name
            for i, part in zip(self._below(place), one.below, strict=True):
                write(i, part)

        root = len(self._names) - 1
        write(root, tree(root))
        return simple
