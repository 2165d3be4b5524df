"""P and TG of a network against the same numbers made by hand, for its own images and for a teacher's."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from tgsage.plugins.evaluation.evaluator import Evaluator
from tgsage.plugins.training import Data, evaluate_network, make_data, make_network, network_teacher
from tgsage.plugins.training.performance import NotFinite
from tgsage.rsa import RDM, RSAError, Stimuli, Teacher, compare, compute_rdm, extract, layer_rdms, p_plus_tg
from tgsage.rsa.networks.collector import Collector
from tgsage.rsa.networks.readout import Readout
from torch import nn


def network(data: Data, seed: int = 0) -> nn.Module:
    return make_network("resnet:1", shape=data.shape, n_classes=data.n_classes, seed=seed)


@pytest.fixture(scope="module")
def teacher(digits: Data) -> Teacher:
    return network_teacher("seed 5", network(digits, 5), digits)


def no_normalisation(seed: int = 0, channels: int = 1) -> nn.Sequential:
    """A network whose outputs for an image depend on no other image."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(channels, 6, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(6, 8, 3),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(32, 10),
    )


def test_p_tg_and_score_are_those_made_by_hand(digits: Data, teacher: Teacher) -> None:
    model = no_normalisation()
    found = Evaluator(digits, teacher=teacher, layers=["0", "2"], alpha=2.0)(model)
    performance = evaluate_network(model, digits)
    rdms = layer_rdms(model, digits.stimuli("valid"), ["0", "2"], by="category_name", preprocess=digits.preprocess)
    table = {name: {t: compare(rdm, goal) for t, goal in teacher.rdms.items()} for name, rdm in rdms.items()}
    assert (found.p, found.loss) == (performance.accuracy, performance.loss)
    for layer, row in table.items():
        assert found.table[layer] == pytest.approx(row, abs=1e-6)
    tg = np.mean([max(row[target] for row in table.values()) for target in teacher.rdms])
    assert found.tg == pytest.approx(tg, abs=1e-6)
    assert found.score == pytest.approx(p_plus_tg(performance.accuracy, float(tg), 2.0), abs=1e-5)


def test_images_that_p_needs_anyway_are_shown_once(digits: Data, teacher: Teacher) -> None:
    shown: list[int] = []
    model = no_normalisation()
    model.register_forward_pre_hook(lambda module, args: shown.append(len(args[0])))
    Evaluator(digits, teacher=teacher)(model)
    assert sum(shown) == len(digits.valid)


def test_a_subset_of_the_validation_images_is_taken_from_the_same_passes(digits: Data) -> None:
    model, some = no_normalisation(), digits.stimuli("valid", limit=60, seed=3)
    by_hand = layer_rdms(model, some, ["0"], preprocess=digits.preprocess)
    made = Teacher.from_network("other", no_normalisation(7), some, ["0"], preprocess=digits.preprocess)
    found = Evaluator(digits, teacher=made, layers=["0"])(model)
    assert found.table["0"]["0"] == pytest.approx(compare(by_hand["0"], made.rdms["0"]), abs=1e-6)


def test_a_brains_stimuli_are_shown_as_the_data_prepares_images(digits: Data) -> None:
    rng = np.random.default_rng(0)
    pictures = torch.from_numpy(rng.integers(0, 256, (30, 3, 20, 24), np.uint8))
    stimuli = Stimuli(pictures, {"stimulus_id": [f"s{i}" for i in range(30)]}, reference="mine")
    goal = compute_rdm(rng.normal(size=(30, 9)), labels=[f"s{i}" for i in range(30)])
    brain = Teacher.from_rdms("brain", {"V4": goal}, checksum=stimuli.checksum(), stimuli="mine")
    model = no_normalisation()
    found = Evaluator(digits, teacher=brain, stimuli=stimuli, layers=["0", "2"])(model)
    features = extract(model, stimuli, ["0", "2"], preprocess=digits.preprocess)
    for layer in ("0", "2"):
        expected = compare(compute_rdm(features[layer], labels=goal.labels), goal)
        assert found.table[layer]["V4"] == pytest.approx(expected, abs=1e-5)
    with pytest.raises(RSAError, match="not the images that teacher 'brain' was made with"):
        Evaluator(digits, teacher=brain, stimuli=Stimuli(255 - pictures, stimuli.table))
    with pytest.raises(RSAError, match="mine is neither a file nor a data set"):
        Evaluator(digits, teacher=brain)


def test_many_stimuli_are_cut_to_a_seeded_subset(digits: Data) -> None:
    made = network_teacher("t", network(digits, 5), digits, by="stimulus")
    some, other = (Evaluator(digits, teacher=made, most_stimuli=50, seed=seed) for seed in (0, 1))
    assert some.teacher is not None
    assert other.teacher is not None
    assert len(some.teacher.rdms["L1"]) == 50
    assert set(some.teacher.stimulus_ids) != set(other.teacher.stimulus_ids)
    model = no_normalisation()
    rdms = layer_rdms(model, some.stimuli, ["2"], preprocess=digits.preprocess)
    expected = compare(rdms["2"], made.rdms["L2"].subset(rdms["2"].labels))
    assert Evaluator(digits, teacher=made, most_stimuli=50, layers=["2"])(model).table["2"]["L2"] == pytest.approx(
        expected, abs=1e-6
    )


def test_evaluating_twice_is_identical_and_leaves_the_network_as_it_was(digits: Data, teacher: Teacher) -> None:
    model = network(digits).train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    first, second = (Evaluator(digits, teacher=teacher, batchnorm="recalibrated")(model) for _ in range(2))
    assert {**first.to_dict(), "seconds": 0} == {**second.to_dict(), "seconds": 0}
    assert model.training
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_untrained_premature_and_mature_networks_go_through_the_same_call(digits: Data, teacher: Teacher) -> None:
    from tgsage.plugins.training import get_recipe, train

    model, evaluate = network(digits), Evaluator(digits, teacher=teacher)
    scores = [evaluate(model)]
    train(model, digits, get_recipe("digits"), epochs=2, report=lambda moment: scores.append(evaluate(model)))
    assert [one.status for one in scores] == ["ok"] * 3
    assert (scores[0].p or 0) < 0.3 < 0.6 < (scores[-1].p or 0)


def test_dead_layers_are_left_out_and_named_and_a_dead_network_fails(digits: Data, teacher: Teacher) -> None:
    model = no_normalisation()
    with torch.no_grad():
        model[2].weight.zero_()  # type: ignore[operator]
    found = Evaluator(digits, teacher=teacher, layers=["0", "2"])(model)
    assert (list(found.table), found.attrs["unusable"]) == (["0"], "2")
    found = Evaluator(digits, teacher=teacher, layers=["2"])(model)
    assert (found.status, found.score) == ("failed", None)
    assert found.reason == "no layer can be compared: 2: all conditions are alike"


def test_combinations_other_than_a_sum_are_functions(digits: Data, teacher: Teacher) -> None:
    found = Evaluator(digits, teacher=teacher, combine=lambda p, tg: p * tg)(no_normalisation())
    assert found.score == pytest.approx((found.p or 0) * (found.tg or 0))
    assert Evaluator(digits)(no_normalisation()).score == found.p


def test_memory_that_does_not_suffice_is_a_failed_evaluation(digits: Data) -> None:
    class Greedy(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise torch.OutOfMemoryError("tried to allocate 1 PiB")

    found = Evaluator(digits)(Greedy())
    assert (found.status, found.reason) == ("failed", "out of memory: tried to allocate 1 PiB")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_outputs_that_are_no_numbers_are_a_failure_and_no_chance_level(
    digits: Data, teacher: Teacher, value: float
) -> None:
    model = no_normalisation()
    with torch.no_grad():
        model[-1].bias.fill_(value)  # type: ignore[operator]
    words = "the network's outputs are NaN or infinite for 180 of 180 images"
    with pytest.raises(NotFinite, match=words):
        evaluate_network(model, digits)
    for evaluator in (Evaluator(digits), Evaluator(digits, teacher=teacher)):
        found = evaluator(model)
        assert (found.status, found.reason, found.p, found.score) == ("failed", words, None, None)
    with torch.no_grad():
        model[-1].bias.zero_()[3] = -math.inf  # type: ignore[operator]
    assert Evaluator(digits)(model).status == "ok"  # a class that is ruled out


def test_outputs_for_the_teachers_own_stimuli_are_numbers_as_well(digits: Data) -> None:
    class Sometimes(nn.Sequential):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = super().forward(x)  # type: ignore[no-untyped-call]
            return found.mul(math.nan if len(x) == 30 else 1.0)

    rng = np.random.default_rng(0)
    pictures = torch.from_numpy(rng.integers(0, 256, (30, 3, 8, 8), np.uint8))
    stimuli = Stimuli(pictures, {"stimulus_id": [f"s{i}" for i in range(30)]})
    goal = compute_rdm(rng.normal(size=(30, 9)), labels=[f"s{i}" for i in range(30)])
    evaluate = Evaluator(digits, teacher=Teacher.from_rdms("t", {"V4": goal}), stimuli=stimuli, layers=["0"])
    assert evaluate(no_normalisation()).reason == ""
    found = evaluate(Sometimes(*no_normalisation()))
    assert (found.status, found.reason) == ("failed", "the network's outputs are NaN or infinite for 30 of 30 images")


def test_a_teacher_of_other_conditions_is_refused_before_anything_runs(digits: Data) -> None:
    rng = np.random.default_rng(0)
    goal = compute_rdm(rng.normal(size=(3, 9)), labels=["0", "1", "ten"], by="category_name")
    with pytest.raises(RSAError, match="no stimulus for 1 of 3 conditions by category_name: ten"):
        Evaluator(digits, teacher=Teacher.from_rdms("t", {"L": goal}, stimuli="digits/valid"))
    with pytest.raises(RSAError, match="does not say what its stimuli are"):
        Evaluator(digits, teacher=Teacher.from_rdms("t", {"L": goal}))
    with pytest.raises(RSAError, match="no valid images"):
        Evaluator(digits.whole())


@pytest.mark.parametrize("by", ["stimulus", "kind"])
def test_a_collector_takes_stimuli_in_any_order_and_mixed_with_others(by: str) -> None:
    rng = np.random.default_rng(1)
    images = torch.from_numpy(rng.normal(size=(20, 1, 6, 6)).astype(np.float32))
    stimuli = Stimuli(images[:14], {"kind": [f"k{i % 5}" for i in range(14)]})
    model = no_normalisation()
    order = torch.from_numpy(rng.permutation(20))
    for budget in (None, 100):
        with Collector(model, stimuli, Readout(["0", "2"], 50), by=by, budget=budget) as collector:
            for places in torch.tensor_split(order, 4):
                model(images[places])
                collector.take(np.where(places < 14, places, -1))
        expected: Any = layer_rdms(model, stimuli, ["0", "2"], by=by, n_features=50)
        for name, rdm in collector.rdms().items():
            np.testing.assert_allclose(rdm.values, expected[name].values, atol=1e-5)
            assert rdm.labels == expected[name].labels


def test_a_collector_knows_what_it_was_not_shown() -> None:
    model, images = no_normalisation(), torch.randn(4, 1, 6, 6)
    with Collector(model, images, Readout(["0"])) as collector:
        model(images[:3])
        collector.take([0, 1, 1])
    with pytest.raises(RSAError, match="3 of 4 stimuli were not shown exactly once: 1, 2, 3"):
        collector.rdms()


def test_part_of_the_images_can_be_a_data_set_of_ones_own() -> None:
    rng = np.random.default_rng(0)
    source = torch.from_numpy(rng.integers(0, 256, (60, 3, 8, 8), np.uint8))
    mine = make_data("mine", source, np.arange(60) % 3, ("a", "b", "c"), test=np.arange(60) < 12, validation=12)
    made = network_teacher("t", no_normalisation(3, 3), mine)
    assert Evaluator(mine, teacher=made)(no_normalisation(4, 3)).status == "ok"


def test_what_scores_depend_on_is_described(digits: Data) -> None:
    first, other = (network_teacher("t", network(digits, seed), digits, by="stimulus") for seed in (5, 6))
    settings = [Evaluator(digits, teacher=first), Evaluator(digits, teacher=other)]
    settings += [Evaluator(digits, teacher=first, most_stimuli=50), Evaluator(digits, teacher=first, batch_size=60)]
    described = [str(one.describe()) for one in settings]
    assert len(set(described)) == len(described)
    assert str(Evaluator(digits, teacher=first).describe()) == described[0]


def test_a_metric_without_meaning_for_layers_is_refused_at_once(digits: Data) -> None:
    goal = compute_rdm(np.random.default_rng(0).normal(size=(10, 9)), labels=list(digits.classes), by="category_name")
    crossed = RDM(goal.values, goal.labels, metric="crossnobis", by="category_name")
    made = Teacher.from_rdms("t", {"L": crossed}, stimuli="digits/valid")
    with pytest.raises(RSAError, match="metric 'crossnobis' is not supported for network layers; give metric= one of"):
        Evaluator(digits, teacher=made)
    assert Evaluator(digits, teacher=made, metric="correlation")(no_normalisation()).status == "ok"


def test_small_distances_are_distances_too(digits: Data, teacher: Teacher) -> None:
    model = no_normalisation()
    evaluate = Evaluator(digits, teacher=teacher, layers=["0"], metric="euclidean")
    before = evaluate(model).table["0"]
    with torch.no_grad():
        model[0].weight.mul_(1e-7)  # type: ignore[operator]
        model[0].bias.mul_(1e-7)  # type: ignore[operator]
    assert evaluate(model).table["0"] == pytest.approx(before, abs=1e-3)
