"""The space of NAS-Bench-NLP's recurrent cells: graphs of linear maps and gates (Klyuchnikov et al. 2022)."""

from collections.abc import Callable, Iterator, Mapping
from graphlib import TopologicalSorter
from itertools import permutations
from typing import Any

from ...rsa import RSAError
from ..networks.recurrent_graph import COMMUTATIVE, Node, RecurrentGraph, make_graph, reads
from .recurrent import RecurrentSpace
from .space import Architecture, Choice, Dimension

NODES, STATES = 15, 3
OPERATIONS = ("linear2", "linear3", "blend", "product", "sum", "tanh", "sigmoid", "leaky_relu")
_TWO = ("linear2", "linear3", "blend", "product", "sum")  # operations with a second input, and with a third
_THREE = ("linear3", "blend")


class NASBenchNLP(RecurrentSpace):
    """Graphs of up to 15 nodes over the word and up to three states, as in NAS-Bench-NLP.

    Operations: linear maps of two or three inputs with a bias, blend a b + (1 - a) c, products and sums of two inputs,
    tanh, sigmoid, leaky ReLU. "state0/node" is the node that becomes the cell's output. Where a state is to become a
    node that does not exist, it becomes the last node.

    Canonical form: nodes that do not matter are left out, and so are duplicates of nodes without weights; inputs whose
    order does not matter, and the nodes themselves, are in an order that does not depend on their numbers; the node
    that becomes a state which is never read is "node1".

    References
    ----------
    Klyuchnikov et al. 2022, NAS-Bench-NLP: Neural architecture search benchmark for natural language processing.
    """

    def __init__(self) -> None:
        super().__init__("nas-bench-nlp", self._choices())

    def _choices(self) -> Iterator[Dimension]:
        yield Dimension("nodes", tuple(range(1, NODES + 1)), 0, "nodes")
        states = tuple(f"state{i}" for i in range(STATES))
        for j in range(1, NODES + 1):
            read = ("x", *states, *(f"node{i}" for i in range(1, j)))
            name = f"node{j}/operation"
            yield Dimension(name, OPERATIONS, j, "operation", "nodes", tuple(range(j, NODES + 1)))
            yield Dimension(f"node{j}/input_a", read, j, "input_a", "nodes", tuple(range(j, NODES + 1)))
            yield Dimension(f"node{j}/input_b", read, j, "input_b", name, _TWO)
            yield Dimension(f"node{j}/input_c", read, j, "input_c", name, _THREE)
        for state in states:
            yield Dimension(f"{state}/node", tuple(f"node{i}" for i in range(1, NODES + 1)), NODES + 1, f"{state}/node")

    def cell(self, architecture: Architecture) -> RecurrentGraph:
        nodes, made = _nodes(architecture)
        used = max((i for i in range(STATES) if _is_read(f"h_prev_{i}", nodes)), default=0)
        outputs = {f"h_new_{i}": Node("identity", (made[i],)) for i in range(used + 1)}
        return make_graph({**nodes, **outputs})

    def architecture(self, graph: RecurrentGraph) -> dict[str, Choice]:
        """Find the architecture of a cell.

        Parameters
        ----------
        graph : RecurrentGraph
            A graph, as `read_graph` reads those of NAS-Bench-NLP.

        Returns
        -------
        dict
            Canonical.

        Raises
        ------
        RSAError
            For a cell that is not of this space, such as one with four states.
        """
        if graph.states > STATES or not graph.bias:
            raise RSAError(f"a cell of {self.name} has up to {STATES} states and biases, not {graph.states} states")
        passed = {name: one.inputs[0] for name, one in graph.nodes.items() if one.operation == "identity"}

        def source(name: str) -> str:
            while name in passed:
                name = passed[name]
            return name

        nodes = {
            name: Node(one.operation, tuple(source(read) for read in one.inputs))
            for name, one in graph.nodes.items()
            if name not in passed
        }
        return self.canonical(self._mapping(nodes, [source(f"h_new_{i}") for i in range(graph.states)]))

    def _mapping(self, nodes: Mapping[str, Node], made: list[str]) -> dict[str, Choice]:
        """The architecture of nodes in an order in which they can be computed."""
        if not 1 <= len(nodes) <= NODES or any(name not in nodes for name in made):
            raise RSAError(f"a cell of {self.name} has 1 to {NODES} nodes, some of which become its states")
        names = {name: f"node{j}" for j, name in enumerate(nodes, start=1)}
        names |= {"x": "x", **{f"h_prev_{i}": f"state{i}" for i in range(STATES)}}
        found: dict[str, Choice] = {"nodes": len(nodes)}
        for name, one in nodes.items():
            operation = f"linear{len(one.inputs)}" if one.operation == "linear" else one.operation
            found[f"{names[name]}/operation"] = operation
            for side, read in zip("abc", one.inputs, strict=False):
                found[f"{names[name]}/input_{side}"] = names[read]
            if operation not in OPERATIONS or (len(one.inputs) > 2) != (operation in _THREE):
                raise RSAError(f"node {name}: no cell of {self.name} has {one.operation} of {len(one.inputs)} inputs")
        for i in range(STATES):
            found[f"state{i}/node"] = names[made[i]] if i < len(made) else "node1"
        return found

    def _simplify(self, architecture: dict[str, Choice]) -> dict[str, Choice]:
        nodes, made = _nodes(architecture)
        options = []
        for order in permutations(range(1, STATES)):  # the states that are no output have no order of their own
            swap = {f"h_prev_{i}": f"h_prev_{j}" for i, j in zip(range(1, STATES), order, strict=True)}
            moved = {name: Node(o.operation, tuple(swap.get(r, r) for r in o.inputs)) for name, o in nodes.items()}
            becomes = [made[0], *[""] * (STATES - 1)]
            for i, j in zip(range(1, STATES), order, strict=True):
                becomes[j] = made[i]
            last = max((i for i in range(STATES) if _is_read(f"h_prev_{i}", moved)), default=0)
            if any(not _is_read(f"h_prev_{i}", moved) for i in range(1, last)):
                continue  # a gap
            options.append(self._mapping(*_ordered(moved, becomes[: last + 1])))
        return min(options, key=lambda one: [str(choice) for choice in one.values()])


def _is_read(state: str, nodes: Mapping[str, Node]) -> bool:
    return any(state in one.inputs for one in nodes.values())


def _nodes(architecture: Architecture) -> tuple[dict[str, Node], list[str]]:
    """The nodes that matter, those without weights once each; and which node becomes which state."""
    count = int(architecture["nodes"])

    def named(choice: Choice) -> str:
        return str(choice).replace("state", "h_prev_")

    nodes = {}
    for j in range(1, count + 1):
        operation = str(architecture[f"node{j}/operation"])
        sides = "abc"[: 1 + (operation in _TWO) + (operation in _THREE)]
        read = (named(architecture[f"node{j}/input_{side}"]) for side in sides)
        nodes[f"node{j}"] = Node(operation.rstrip("23"), tuple(read))
    wanted = [str(architecture[f"state{i}/node"]) for i in range(STATES)]
    made = [name if name in nodes else f"node{count}" for name in wanted]
    same: dict[Any, str] = {}
    stands: dict[str, str] = {}
    for name, one in list(nodes.items()):
        inputs = tuple(stands.get(read, read) for read in one.inputs)
        kept = nodes[name] = Node(one.operation, inputs)
        if kept.operation != "linear":
            ordered = tuple(sorted(inputs)) if kept.operation in COMMUTATIVE else inputs
            stands[name] = same.setdefault((kept.operation, ordered), name)
    made = [stands.get(name, name) for name in made]
    living, before = {"h_prev_0"}, set[str]()
    while living != before:
        before = set(living)
        living = reads(nodes, [made[i] for i in range(STATES) if f"h_prev_{i}" in before]) | before
    return {name: one for name, one in nodes.items() if name in living}, made


def _ordered(nodes: Mapping[str, Node], made: list[str]) -> tuple[dict[str, Node], list[str]]:
    """The nodes in an order that depends only on what they compute and who reads them, and so their inputs."""
    colours = dict.fromkeys([*nodes, "x", *(f"h_prev_{i}" for i in range(STATES))], 0)
    for i in range(STATES):
        colours[f"h_prev_{i}"] = 1 + i
    colours["x"] = -1
    for _ in range(len(nodes)):  # each round tells nodes apart by what lies one step further away
        signs = {}
        for name, one in nodes.items():
            seen = [colours[read] for read in one.inputs]
            readers = sorted(
                (other.operation, -1 if other.operation in COMMUTATIVE else place, colours[reader])
                for reader, other in nodes.items()
                for place, read in enumerate(other.inputs)
                if read == name
            )
            states = tuple(i for i, becomes in enumerate(made) if becomes == name)
            known = tuple(sorted(seen) if one.operation in COMMUTATIVE else seen)
            signs[name] = (colours[name], one.operation, known, tuple(readers), states)
        places = {sign: 10 + i for i, sign in enumerate(sorted(set(signs.values())))}
        found = {name: places[sign] for name, sign in signs.items()}
        if len(set(found.values())) == len({colours[name] for name in nodes}) == len(nodes):
            break
        colours |= found
    order = _computable(nodes, lambda name: colours[name])
    rank = {**{name: i for i, name in enumerate(order)}, "x": -10, **{f"h_prev_{i}": i - 9 for i in range(STATES)}}
    arranged = {}
    for name in order:
        one = nodes[name]
        inputs = tuple(sorted(one.inputs, key=rank.__getitem__)) if one.operation in COMMUTATIVE else one.inputs
        arranged[name] = Node(one.operation, inputs)
    return arranged, made


def _computable(nodes: Mapping[str, Node], key: Callable[[str], int]) -> list[str]:
    """An order in which they can be computed; of those that could come next always the one with the smallest key."""
    sorter = TopologicalSorter({name: [read for read in one.inputs if read in nodes] for name, one in nodes.items()})
    sorter.prepare()
    order, ready = list[str](), list[str]()
    while sorter.is_active():
        ready += sorter.get_ready()
        ready.sort(key=key)
        sorter.done(chosen := ready.pop(0))
        order.append(chosen)
    return order
