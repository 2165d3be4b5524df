"""B of candidates: the same numbers made by hand, in the passes that P and TG need anyway."""

import math

import numpy as np
import pytest
import torch
from tgsage.plugins import Evaluation
from tgsage.plugins.evaluation.behavior import BehaviorTeacher
from tgsage.plugins.evaluation.evaluator import Evaluator
from tgsage.plugins.training import Data, network_teacher
from tgsage.rsa import Behavior, BehaviorTest, RSAError, Stimuli, Teacher, compute_rdm
from tgsage.rsa.behavior.consistency import softmax
from torch import Tensor, nn


def network(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(1, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(24, 10))


def logits(model: nn.Module, images: Tensor, data: Data) -> np.ndarray:
    with torch.no_grad():
        return np.asarray(model(data.normalise(images)).numpy())


def people(data: Data, ids: list[str], labels: np.ndarray, n: int = 60) -> Behavior:
    """Subjects who find some images harder than others, and know the labels a little."""
    rng = np.random.default_rng(0)
    strength = rng.normal(size=(len(ids), 10)) + 1.5 * (np.arange(10) == labels[:, None])
    stimulus = np.repeat(np.arange(len(ids)), n)
    choice = (strength[stimulus] + rng.gumbel(size=(len(stimulus), 10))).argmax(1)
    return Behavior("people", tuple(ids), data.classes, labels, stimulus, choice)


@pytest.fixture(scope="module")
def behavior(digits: Data) -> Behavior:
    ids = digits.valid.table["stimulus_id"].tolist()
    return people(digits, ids, digits.valid.labels.numpy())


def test_b_is_that_of_the_networks_probabilities(digits: Data, behavior: Behavior) -> None:
    model = network()
    found = Evaluator(digits, behavior=behavior, beta=2.0, behavior_metric="i1", batchnorm="running")(model)
    whole = behavior.select(sorted(behavior.stimulus_ids, key=behavior.stimulus_ids.index))
    by_hand = BehaviorTest(whole)(softmax(logits(model, digits.valid.images, digits))).metrics
    assert found.b == pytest.approx(by_hand["i1"].value, abs=1e-5)
    assert found.behavior == pytest.approx({m: one.value for m, one in by_hand.items()}, abs=1e-5)
    assert found.p is not None
    assert found.b is not None
    assert found.score == pytest.approx(found.p + 2 * found.b, abs=1e-12)
    assert Evaluation.from_dict(found.to_dict()) == found


def test_p_tg_and_b_take_one_pass_over_the_validation_images(digits: Data, behavior: Behavior) -> None:
    teacher = network_teacher("other", network(5), digits, layers=["0"])
    shown: list[int] = []
    model = network()
    model.register_forward_pre_hook(lambda module, args: shown.append(len(args[0])))
    found = Evaluator(digits, teacher=teacher, behavior=behavior, alpha=0.5, beta=0.25)(model)
    assert sum(shown) == len(digits.valid)
    assert found.tg is not None
    assert found.b is not None
    assert found.p is not None
    assert found.score == pytest.approx(found.p + 0.5 * found.tg + 0.25 * found.b)


def test_a_teacher_and_a_behavior_about_the_same_other_images_share_a_pass(digits: Data) -> None:
    pictures = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (60, 1, 8, 8), np.uint8))
    ids, labels = [f"s{i}" for i in range(60)], np.arange(60) % 10
    stimuli = Stimuli(pictures, {"stimulus_id": ids}, reference="mine")
    rdm = compute_rdm(np.random.default_rng(1).normal(size=(60, 9)), labels=ids)
    brain = Teacher.from_rdms("brain", {"V4": rdm}, checksum=stimuli.checksum(), stimuli="mine")
    known = BehaviorTeacher(people(digits, ids, labels), digits, metric="i1", stimuli=stimuli)
    shown: list[int] = []
    model = network()
    model.register_forward_pre_hook(lambda module, args: shown.append(len(args[0])))
    found = Evaluator(digits, teacher=brain, stimuli=stimuli, behavior=known)(model)
    assert sum(shown) == len(digits.valid) + 60
    assert found.b == pytest.approx(known._test(softmax(logits(model, pictures, digits))).metrics["i1"].value, abs=1e-5)


def test_test_images_of_the_data_are_left_out(digits: Data) -> None:
    tested, valid = digits.test.take(torch.arange(30)), digits.valid.take(torch.arange(60))
    ids = [f"a{i}" for i in range(90)]
    pictures = torch.cat([tested.images, valid.images])
    labels = torch.cat([tested.labels, valid.labels]).numpy()
    behavior = people(digits, ids, labels)
    stimuli = Stimuli(pictures, {"stimulus_id": ids})
    made = BehaviorTeacher(behavior, digits, metric="o2", stimuli=stimuli)
    assert made.tested == 30
    assert set(made.behavior.stimulus_ids) == set(ids[30:])
    assert len(BehaviorTeacher(behavior, digits, metric="o2", stimuli=stimuli, most=50).stimuli) == 50
    with pytest.raises(RSAError, match="all 30 images are test images of digits"):
        BehaviorTeacher(behavior.select(ids[:30]), digits, stimuli=stimuli)


def test_what_makes_scores_comparable_is_described(digits: Data, behavior: Behavior) -> None:
    plain, one = Evaluator(digits).describe(), Evaluator(digits, behavior=behavior).describe()
    assert "behavior" not in plain
    assert one["beta"] == 1.0
    fewer = Behavior(
        "people", behavior.stimulus_ids, behavior.options, behavior.truth, behavior.stimulus[:-1], behavior.choice[:-1]
    )
    assert Evaluator(digits, behavior=fewer).describe()["behavior"] != one["behavior"]


def test_results_stored_before_there_was_behavior_are_read() -> None:
    old = {"status": "ok", "reason": "", "p": 0.5, "loss": 1.0, "tg": None, "score": 0.5, "table": {}, "examples": 3}
    found = Evaluation.from_dict({**old, "seconds": {}, "parameters": 4, "attrs": {}})
    assert found.b is None
    assert found.behavior == {}


def test_what_is_wrong_is_said(digits: Data, behavior: Behavior) -> None:
    with pytest.raises(RSAError, match="beta must be a finite number, got inf"):
        Evaluator(digits, behavior=behavior, beta=math.inf)
    with pytest.raises(RSAError, match="no metric of behaviour is named 'i3'"):
        Evaluator(digits, behavior=behavior, behavior_metric="i3")
    other = Behavior.from_trials("pets", ["a", "b"], ["cat", "dog"], ["cat", "dog"])
    with pytest.raises(RSAError, match="the options of pets must be classes of the model; 2 of 2 are not: cat, dog"):
        Evaluator(digits, behavior=other)
    with pytest.raises(RSAError, match="nowhere is neither a file nor the name of behaviour"):
        Evaluator(digits, behavior="nowhere")
    right = behavior.truth[behavior.stimulus]
    few = Behavior("few", behavior.stimulus_ids, behavior.options, behavior.truth, behavior.stimulus, right)
    with pytest.raises(RSAError, match="few has no reliable i2n over 180 images"):
        Evaluator(digits, behavior=few)
