"""What a recurrent cell computes, without any tensor: named nodes that read the word, the states before, and nodes."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from types import MappingProxyType
from typing import Any, NamedTuple

from ...rsa import RSAError
from ...rsa.errors import near

OPERATIONS: Mapping[str, tuple[int, int]] = MappingProxyType(
    {
        "linear": (1, 8),
        "blend": (3, 3),
        "product": (2, 8),
        "sum": (2, 8),
        "identity": (1, 1),
        "tanh": (1, 1),
        "sigmoid": (1, 1),
        "relu": (1, 1),
        "leaky_relu": (1, 1),
    }
)
"""How many inputs an operation has, at least and at most. blend(a, b, c) = a b + (1 - a) c."""
COMMUTATIVE = ("linear", "product", "sum")
WORD = "x"
_MOST_NODES, _MOST_STATES, _MOST_NAME = 200, 20, 40


class Node(NamedTuple):
    """An operation and the names of what it reads: "x", "h_prev_0", "h_prev_1", ..., or nodes."""

    operation: str
    inputs: tuple[str, ...]


@dataclass(frozen=True)
class RecurrentGraph:
    """A recurrent cell: nodes in an order in which they can be computed; "h_new_0" is the output.

    Attributes
    ----------
    nodes : mapping
        Name -> node. "h_new_i" becomes "h_prev_i" at the next word.
    bias : bool
        Whether linear nodes have one.
    """

    nodes: Mapping[str, Node]
    bias: bool = True

    @property
    def states(self) -> int:
        """Number of states that are carried to the next word."""
        return len(_made(self.nodes))

    def describe(self) -> str:
        """A line per node."""
        return "\n".join(f"{name}: {one.operation}({', '.join(one.inputs)})" for name, one in self.nodes.items())


def make_graph(nodes: Mapping[str, Node], *, bias: bool = True) -> RecurrentGraph:
    """Check nodes in any order, and put them into one in which they can be computed.

    Raises
    ------
    RSAError
        For too many nodes, unknown operations, inputs that are missing, a wrong number of them, circles, and states
        that are read but never made.
    """
    if len(nodes) > _MOST_NODES:
        raise RSAError(f"a recurrent cell has at most {_MOST_NODES} nodes, not {len(nodes)}")
    made = _made(nodes)
    if "h_new_0" not in nodes or {f"h_new_{i}" for i in range(len(made))} != set(made):
        raise RSAError(f"a recurrent cell makes states h_new_0, h_new_1, ... without a gap, not {made or 'none'}")
    if len(made) > _MOST_STATES:
        raise RSAError(f"a recurrent cell has at most {_MOST_STATES} states, not {len(made)}")
    given = {WORD, *(f"h_prev_{i}" for i in range(len(made)))}
    for name, one in nodes.items():
        if not name.isidentifier() or len(name) > _MOST_NAME or name in given:
            raise RSAError(f"a node of a recurrent cell cannot be named {name!r:.60}")
        if one.operation not in OPERATIONS:
            raise RSAError(f"node {name} has the operation {one.operation!r:.60}{near(one.operation, OPERATIONS)}")
        least, most = OPERATIONS[one.operation]
        if not least <= len(one.inputs) <= most:
            wanted = str(least) if least == most else f"{least} to {most}"
            raise RSAError(f"node {name}: {one.operation} has {wanted} inputs, not {len(one.inputs)}")
        for read in one.inputs:
            if read not in given and read not in nodes:
                raise RSAError(f"node {name} reads {read!r:.60}, which is no node{near(read, [*given, *nodes])}")
    sorter = TopologicalSorter({name: [read for read in one.inputs if read in nodes] for name, one in nodes.items()})
    try:
        order = list(sorter.static_order())
    except CycleError as error:
        raise RSAError(
            f"the nodes {', '.join(error.args[1])} of a recurrent cell read each other in a circle"
        ) from error
    return RecurrentGraph({name: nodes[name] for name in order}, bias)


def _made(names: Iterable[str]) -> list[str]:
    return [name for name in names if re.fullmatch(r"h_new_\d+", name)]


_PUBLISHED = {"elementwise_prod": "product", "elementwise_sum": "sum", "activation_sigm": "sigmoid"}
_PUBLISHED |= {"activation_tanh": "tanh", "activation_leaky_relu": "leaky_relu"}


def read_graph(content: Any) -> RecurrentGraph:
    """Read a cell as NAS-Bench-NLP writes it: {node: {"op": name, "input": [names]}}.

    Raises
    ------
    RSAError
        As `make_graph`, and for what is no such JSON.
    """
    if not isinstance(content, Mapping):
        raise RSAError(f"a recurrent cell is a mapping node -> op and input, not {type(content).__name__}")
    nodes = {}
    for name, one in content.items():
        operation, inputs = (one.get("op"), one.get("input")) if isinstance(one, Mapping) else (None, None)
        if not isinstance(operation, str) or not isinstance(inputs, list) or not all(map(_is_name, inputs)):
            raise RSAError(f"node {name!r:.60} of a recurrent cell has no op and input")
        nodes[str(name)] = Node(_PUBLISHED.get(operation, operation), tuple(inputs))
    return make_graph(nodes)


def _is_name(value: object) -> bool:
    return isinstance(value, str)


def reads(nodes: Mapping[str, Node], outputs: Iterable[str]) -> set[str]:
    """Everything that these nodes read, directly or through other nodes, themselves included."""
    found, waiting = set[str](), list(outputs)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += nodes[name].inputs if name in nodes else ()
    return found
