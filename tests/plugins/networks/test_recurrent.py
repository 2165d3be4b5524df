"""Recurrent cells against loops over plain arrays, torch's own LSTM and GRU, and back-propagation through all words."""

import copy
from typing import Any

import numpy as np
import pytest
import torch
from tgsage.plugins.evaluation.predictors import size_of
from tgsage.plugins.networks.recurrent import GraphLayer, RecurrentNetwork, TorchLayer, recurrent_network
from tgsage.plugins.networks.recurrent_graph import Node, RecurrentGraph, make_graph, read_graph
from tgsage.plugins.spaces import get_space
from tgsage.rsa import RSAError
from torch import Tensor
from torch.nn import functional

SIGMOID = {"sigmoid": lambda a: 1 / (1 + np.exp(-a)), "tanh": np.tanh, "identity": lambda a: a}
OPERATIONS: dict[str, Any] = SIGMOID | {
    "relu": lambda a: np.maximum(a, 0),
    "leaky_relu": lambda a: np.where(a > 0, a, 0.01 * a),
    "blend": lambda a, b, c: a * b + (1 - a) * c,
    "sum": lambda *terms: sum(terms),
    "product": lambda *terms: np.prod(terms, axis=0),
}


def by_hand(layer: GraphLayer, words: Tensor) -> np.ndarray[Any, Any]:
    """The outputs (n, steps, width), node by node and word by word."""
    weights = {name: value.detach().numpy() for name, value in layer.weights.items()}
    biases = {name: value.detach().numpy() for name, value in layer.biases.items()}
    sequences = []
    for sentence in words.numpy():
        states, outputs = [np.zeros(layer.width)] * layer.states, []
        for word in sentence:
            values = {"x": word, **{f"h_prev_{i}": state for i, state in enumerate(states)}}
            for name, node in layer.graph.nodes.items():
                inputs = [values[read] for read in node.inputs]
                if node.operation == "linear":
                    values[name] = biases.get(name, 0) + sum(
                        weights[f"{name}/{place}"] @ value for place, value in enumerate(inputs)
                    )
                else:
                    values[name] = OPERATIONS[node.operation](*inputs)
            states = [values[f"h_new_{i}"] for i in range(layer.states)]
            outputs.append(states[0])
        sequences.append(outputs)
    return np.array(sequences)


@pytest.mark.parametrize("name", ["rnn-tree", "rnn-tree2", "nas-bench-nlp"])
def test_a_cell_computes_what_a_loop_over_its_nodes_does(name: str) -> None:
    space, rng = get_space(name), np.random.default_rng(0)
    torch.manual_seed(0)
    for _ in range(5):
        layer = GraphLayer(space.cell(space.sample(rng)), 3, 3).double()  # type: ignore[attr-defined]
        words = torch.randn(2, 4, 3, dtype=torch.float64)
        zeros = [torch.zeros(2, 3, dtype=torch.float64)] * layer.states
        outputs, states = layer(words, zeros)
        np.testing.assert_allclose(outputs.detach().numpy(), by_hand(layer, words), rtol=1e-10, atol=1e-12)
        halves, middle = layer(words[:, :2], zeros)
        rest, after = layer(words[:, 2:], middle)
        torch.testing.assert_close(torch.cat([halves, rest], 1), outputs)
        torch.testing.assert_close(after, states)


def lstm_in_the_tree() -> tuple[dict[str, str], dict[str, int]]:
    """The architecture of an LSTM, and leaf -> row of torch's gates (i, f, g, o); other leaves have weights of 0."""
    gates = {"leaf0": 1, "leaf2": 0, "leaf3": 2, "leaf4": 3}
    space = get_space("rnn-tree")
    chosen = {one.name: "sum" if one.name.endswith("combination") else "identity" for one in space.dimensions}
    chosen |= {"leaf0/activation": "sigmoid", "leaf2/activation": "sigmoid", "leaf3/activation": "tanh"}
    chosen |= {"leaf4/activation": "sigmoid", "node1/combination": "product", "node4/activation": "tanh"}
    chosen |= {"node6/combination": "product", "inject/node": "leaf0", "inject/combination": "product"}
    chosen["index/node"] = "node4"
    return chosen, gates


def test_an_lstm_is_among_the_trees() -> None:
    architecture, gates = lstm_in_the_tree()
    space = get_space("rnn-tree")
    torch.manual_seed(0)
    lstm = torch.nn.LSTM(4, 4, bias=False, batch_first=True)
    layer = GraphLayer(space.cell(architecture), 4, 4)  # type: ignore[attr-defined]
    with torch.no_grad():
        for key, weight in layer.weights.items():
            leaf, read = key.partition("_")[0], key[-1]
            source: Tensor = getattr(lstm, "weight_ih_l0" if read == "0" else "weight_hh_l0")
            weight.copy_(source.chunk(4)[gates[leaf]] if leaf in gates else torch.zeros(4, 4))
    words = torch.randn(3, 6, 4)
    expected, (h, c) = lstm(words)
    outputs, states = layer(words, [torch.zeros(3, 4)] * 2)
    torch.testing.assert_close(outputs, expected)
    torch.testing.assert_close(states, [h[0], c[0]])
    same = space.canonical(architecture)
    assert same != architecture
    assert space.canonical(same) == same


def test_gru_and_lstm_are_among_the_graphs() -> None:
    torch.manual_seed(0)
    words = torch.randn(3, 6, 4)
    gru = torch.nn.GRU(4, 4, batch_first=True)
    nodes = {f"{gate}_{read}": Node("linear", (source,)) for gate in "rzn" for read, source in INPUTS}
    nodes |= {gate: Node("sigmoid", (f"{gate}_sum",)) for gate in "rz"}
    nodes |= {f"{gate}_sum": Node("sum", (f"{gate}_i", f"{gate}_h")) for gate in "rz"}
    nodes |= {"reset": Node("product", ("r", "n_h")), "n_sum": Node("sum", ("n_i", "reset"))}
    nodes |= {"n": Node("tanh", ("n_sum",)), "h_new_0": Node("blend", ("z", "h_prev_0", "n"))}
    check(GraphLayer(make_graph(nodes), 4, 4), gru, "rzn", words)

    lstm = torch.nn.LSTM(4, 4, batch_first=True)
    nodes = {f"{gate}_{read}": Node("linear", (source,)) for gate in "ifgo" for read, source in INPUTS}
    nodes |= {f"{gate}_sum": Node("sum", (f"{gate}_i", f"{gate}_h")) for gate in "ifgo"}
    nodes |= {gate: Node("tanh" if gate == "g" else "sigmoid", (f"{gate}_sum",)) for gate in "ifgo"}
    nodes |= {"kept": Node("product", ("f", "h_prev_1")), "new": Node("product", ("i", "g"))}
    nodes |= {"h_new_1": Node("sum", ("kept", "new")), "c": Node("tanh", ("h_new_1",))}
    nodes["h_new_0"] = Node("product", ("o", "c"))
    check(GraphLayer(make_graph(nodes), 4, 4), lstm, "ifgo", words)


INPUTS = (("i", "x"), ("h", "h_prev_0"))


def check(layer: GraphLayer, known: torch.nn.GRU | torch.nn.LSTM, gates: str, words: Tensor) -> None:
    with torch.no_grad():
        for key, weight in layer.weights.items():
            gate, read = key[0], key[2]
            weight.copy_(getattr(known, f"weight_{read}h_l0").chunk(len(gates))[gates.index(gate)])
            layer.biases[f"{gate}_{read}"].copy_(
                getattr(known, f"bias_{read}h_l0").chunk(len(gates))[gates.index(gate)]
            )
    outputs, _ = layer(words, [torch.zeros(3, 4)] * layer.states)
    torch.testing.assert_close(outputs, known(words)[0])
    own = TorchLayer("lstm" if layer.states == 2 else "gru", 4, 4)
    own.cell.load_state_dict(known.state_dict())
    torch.testing.assert_close(own(words, [torch.zeros(3, 4)] * own.states)[0], outputs)


def network(dropout: float = 0.0, layers: int = 2) -> RecurrentNetwork:
    torch.manual_seed(1)
    graph = read_graph(
        {
            "f": {"op": "linear", "input": ["x", "h_prev_0", "h_prev_1"]},
            "h_new_0": {"op": "activation_tanh", "input": ["f"]},
            "h_new_1": {"op": "elementwise_sum", "input": ["h_new_0", "x"]},
        }
    )
    return recurrent_network(graph, input_shape=(1, 1, 4), n_classes=7, layers=layers, embedding=5, dropout=dropout)


def loss_of(model: RecurrentNetwork, text: Tensor) -> Tensor:
    """Mean over these words (n, k + 1), each predicted from those before."""
    return functional.cross_entropy(model(text[:, None, None, :-1]), text[:, 1:])


def test_truncated_back_propagation_is_the_full_one_up_to_its_length_and_goes_on_from_the_states() -> None:
    torch.manual_seed(0)
    text, model = torch.randint(0, 7, (3, 9)), network().train()
    full, halves = copy.deepcopy(model), copy.deepcopy(model)
    whole = loss_of(full, text)
    first = loss_of(model, text[:, :5])
    second = loss_of(model, text[:, 4:])
    torch.testing.assert_close((first + second) / 2, whole)  # the states were carried
    first.backward()  # type: ignore[no-untyped-call]
    loss_of(halves, text[:, :5]).backward()  # type: ignore[no-untyped-call]
    gradients = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    assert len(gradients) == len(list(model.parameters())), "a weight has no gradient"
    torch.testing.assert_close(gradients, [p.grad for p in halves.parameters()])

    states = [state.clone() for state in halves.carried or ()]
    model.zero_grad()
    # only as far as the window reaches: as from states that are constants
    second.backward()  # type: ignore[no-untyped-call]
    again = network().train()
    again.restore(states)
    loss_of(again, text[:, 4:]).backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close([p.grad for p in again.parameters()], [p.grad for p in model.parameters()])
    whole.backward()  # type: ignore[no-untyped-call]
    assert not torch.allclose(full.words.grad, (gradients[0] + model.words.grad) / 2)  # type: ignore[operator, arg-type]


def test_embedding_and_output_share_one_tensor_and_evaluation_begins_anew() -> None:
    model = network(dropout=0.5)
    assert [tuple(p.shape) for p in model.parameters()].count((7, 5)) == 1
    text = torch.randint(0, 7, (2, 1, 1, 4))
    model.train()(text)
    carried = model.carried
    model.eval()
    torch.testing.assert_close(model(text), model(text))
    assert model.carried is carried
    hidden = [layer.weights[key] for layer in model.layers for key in layer.weights]  # type: ignore[index, union-attr]
    assert size_of(model, (1, 1, 4)).multiply_adds == 4 * (35 + sum(weight.numel() for weight in hidden))


def test_dropout_leaves_out_the_same_units_at_every_word() -> None:
    model = network(dropout=0.5).train()
    dropped = model._dropped(torch.ones(50, 4, 5))
    assert torch.equal(dropped, dropped[:, :1].expand(-1, 4, -1))
    assert set(dropped.flatten().tolist()) == {0.0, 2.0}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "mapping node -> op and input, not list"),
        ({"h_new_0": 3}, "'h_new_0' of a recurrent cell has no op and input"),
        ({"h_new_0": {"op": "linear", "input": "x"}}, "has no op and input"),
        ({"f": {"op": "linear", "input": ["x"]}}, "states h_new_0, h_new_1, ... without a gap, not none"),
        ({"h_new_0": {"op": "exec", "input": ["x"]}}, "operation 'exec'"),
        ({"h_new_0": {"op": "blend", "input": ["x", "x"]}}, "blend has 3 inputs, not 2"),
        ({"h_new_0": {"op": "linear", "input": ["h_prev_1"]}}, "reads 'h_prev_1', which is no node"),
        ({"h_new_0": {"op": "linear", "input": ["a"]}, "a": {"op": "linear", "input": ["h_new_0"]}}, "in a circle"),
        ({"h_new_0": {"op": "linear", "input": ["x"]}, "a.b": {"op": "linear", "input": ["x"]}}, "named 'a.b'"),
        ({f"h_new_{i}": {"op": "linear", "input": ["x"]} for i in range(300)}, "at most 200 nodes"),
    ],
)
def test_cells_that_cannot_be_are_refused_in_one_line(content: Any, message: str) -> None:
    with pytest.raises(RSAError, match=message) as found:
        read_graph(content)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layers": 0}, "layers is a number from 1 to 20"),
        ({"embedding": 10**9}, "embedding is a number from 1 to 10,000"),
        ({"dropout": 1.0}, "dropout is a share"),
        ({"input_shape": (3, 32, 32)}, "not images of 3 x 32 x 32"),
        ({"width": 3, "layers": 2}, "reads x of width 128 elementwise beside width 3"),
    ],
)
def test_invalid_settings(settings: dict[str, Any], message: str) -> None:
    graph = RecurrentGraph({"h_new_0": Node("sum", ("x", "h_prev_0"))})
    with pytest.raises(RSAError, match=message):
        recurrent_network(graph, **{"input_shape": (1, 1, 5), "n_classes": 4, **settings})
