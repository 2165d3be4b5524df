"""Candidates of a pool: the same numbers as by hand, made once, and made on after an interruption."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tgsage.benchmarks.pool.layer_similarities import similarities
from tgsage.benchmarks.pool.making import Maker, Shown, collect, make_pool
from tgsage.benchmarks.pool.plans import plan_pool, reduce, some_of
from tgsage.benchmarks.pool.pool import Member
from tgsage.benchmarks.teachers.rules import FIXED, Matched
from tgsage.plugins.evaluation.evaluator import Evaluator
from tgsage.plugins.result import Evaluation
from tgsage.plugins.spaces import Architecture
from tgsage.plugins.training import Data, load_data, make_network, network_teacher, train
from tgsage.rsa import Guidance, RSAError, Stimuli, Teacher, compute_rdm

from ...uneven import Uneven
from ..pools import tiny_maker


@dataclass(frozen=True)
class Known:
    """A mature performance that needs no training; one architecture in three fails."""

    fails: bool = False

    def __call__(self, architecture: Mapping[str, object]) -> float:
        if self.fails and size(architecture) % 3 == 0:
            raise RuntimeError("this one fails")
        return size(architecture) / 100


def size(architecture: Mapping[str, object]) -> int:
    return sum(map(len, map(str, architecture.values()))) + len(architecture)


@pytest.fixture
def maker(digits: Data, tmp_path: Path) -> Maker:
    return tiny_maker(digits, tmp_path / "candidates", (0, 64, 256), mature=Known())


def test_p_and_rdms_at_a_checkpoint_are_those_of_the_evaluator(maker: Maker, digits: Data) -> None:
    architecture = maker.space.sample(np.random.default_rng(1))
    maker(architecture)
    (member,) = collect(maker.folder).members
    model = make_network({"space": "toy", "architecture": architecture}, shape=digits.shape, n_classes=10)
    teacher = network_teacher("t", model, digits, by="category_name")
    assert member.examples.tolist() == [0, 64, 256]
    for place, examples in ((0, 0), (2, 256)):
        model = make_network({"space": "toy", "architecture": architecture}, shape=digits.shape, n_classes=10)
        train(model, digits, maker.recipe, examples=examples)
        performance, rdms, _ = Evaluator(digits, teacher=teacher).rdms(model)
        assert (member.p[place], member.loss[place]) == (performance.accuracy, performance.loss)
        for layer, values in zip(member.layers, member.rdms["validation by category"][place], strict=True):
            assert rdms[layer].labels == maker.views[0].view.labels
            np.testing.assert_allclose(values, rdms[layer].values, atol=1e-3)


@pytest.mark.parametrize("own", [True, False], ids=["validation images", "other images"])
def test_one_network_has_one_tg_whoever_asks(maker: Maker, digits: Data, own: bool) -> None:
    if own:
        stimuli, by = digits.stimuli("valid"), "category_name"
    else:
        pixels = torch.randint(0, 255, (700, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
        stimuli, by = Stimuli(pixels, {"kind": [f"k{i // 35}" for i in range(700)]}, reference="elsewhere"), "kind"
    goals = Teacher.from_network("t", Uneven(1).train(False), stimuli, ["last"], by=by, preprocess=digits.preprocess)
    model = Uneven(1)
    guided = Guidance(goals, stimuli, preprocess=digits.preprocess)(model)
    evaluated = Evaluator(digits, teacher=goals, stimuli=stimuli)(model)
    assert evaluated.tg == pytest.approx(guided.tg, abs=1e-5)
    assert evaluated.attrs == {"unusable": "dead, flat"}
    assert guided.attrs["unusable"] == "dead, flat"
    maker = replace(maker, checkpoints=(0,), views=(Shown.of("view", stimuli, by, digits),))
    look = maker._look(model, 0, 0.0)
    rdms = np.stack(list(look.rdms["view"].values()))[None]
    numbers = {"p": look.p, "loss": look.loss, "examples": 0, "seconds": 1.0}
    arrays: dict[str, Any] = {key: np.array([value]) for key, value in numbers.items()}
    member = Member({}, 0.5, layers=tuple(look.rdms["view"]), rdms={"view": rdms}, **arrays)
    found = similarities(maker.pool([member]), maker.views[0].view, list(goals.rdms.values()))
    assert np.isnan(found).all((0, 1, 3)).tolist() == [False, True, True, False]
    matched = Matched(found.astype(np.float64), np.array([4]), np.zeros((1, 1, 4, 1)), np.zeros(1))
    assert FIXED["paper"](matched).item() == pytest.approx(guided.tg, abs=1e-3)  # its RDMs are in half precision
    running = Guidance(goals, stimuli, preprocess=digits.preprocess, batchnorm="running")(model)
    assert running.tg != pytest.approx(guided.tg, abs=1e-3)


def test_a_pool_holds_each_architecture_once_and_failed_ones_never(maker: Maker, tmp_path: Path) -> None:
    pool = make_pool(replace(maker, mature=Known(fails=True)), samples=10, storage=tmp_path / "search.db")
    drawn = [maker.space.canonical(maker.space.sample(np.random.default_rng([0, trial]))) for trial in range(10)]
    surviving = {maker.space.key(one) for one in drawn if size(one) % 3}
    assert 0 < len(surviving) < len({maker.space.key(one) for one in drawn})
    assert sorted(maker.space.key(member.architecture) for member in pool.members) == sorted(surviving)


def test_an_interrupted_pool_goes_on_and_is_the_same(maker: Maker, tmp_path: Path) -> None:
    whole = make_pool(replace(maker, folder=tmp_path / "whole"), samples=4, storage=tmp_path / "whole.db")
    make_pool(maker, samples=2, storage=tmp_path / "parts.db")
    before = {path: path.stat().st_mtime_ns for path in maker.folder.iterdir()}
    again = make_pool(maker, samples=4, storage=tmp_path / "parts.db")
    assert all(path.stat().st_mtime_ns == when for path, when in before.items())
    np.testing.assert_array_equal(whole.p, again.p)
    for one, other in zip(whole.members, again.members, strict=True):
        np.testing.assert_array_equal(one.rdms["validation by stimulus"], other.rdms["validation by stimulus"])


def test_a_candidate_whose_file_is_there_is_not_trained_again(maker: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    architecture = maker.space.sample(np.random.default_rng(1))
    made = maker(architecture)
    trained: list[Architecture] = []
    evaluate = Maker._evaluate

    def counted(self: Maker, one: Architecture) -> Evaluation:
        trained.append(one)
        return evaluate(self, one)

    monkeypatch.setattr(Maker, "_evaluate", counted)
    again = maker(architecture)
    assert (again.p, again.loss, again.score, again.examples) == (made.p, made.loss, made.score, made.examples)
    assert not trained
    replace(maker, seed=1)(architecture)
    assert len(trained) == 1
    maker.part(architecture).write_bytes(b"damaged")
    assert maker(architecture).p == made.p
    assert len(trained) == 2


def test_logits_are_those_of_p_and_of_the_first_test_images(maker: Maker, digits: Data) -> None:
    architecture = maker.space.sample(np.random.default_rng(1))
    groups = {maker.space.key(maker.space.canonical(architecture)): "best"}
    replace(maker, groups=groups, tested=50)(architecture)
    (member,) = collect(maker.folder).members
    assert member.group == "best"
    assert member.logits["test"].shape == (3, 50, 10)
    right = member.logits["valid"].argmax(2) == digits.valid.labels.numpy()
    np.testing.assert_allclose(right.mean(1), member.p, atol=0.02)  # rounding can make ties


def test_another_pool_does_not_go_on_in_its_place(maker: Maker, tmp_path: Path) -> None:
    make_pool(maker, samples=1, storage=tmp_path / "search.db")
    with pytest.raises(RSAError, match="checkpoints"):
        make_pool(replace(maker, checkpoints=(0, 64)), samples=2, storage=tmp_path / "search.db")


def test_a_damaged_candidate_is_named(maker: Maker, tmp_path: Path) -> None:
    make_pool(maker, samples=1, storage=tmp_path / "search.db")
    (part,) = maker.folder.iterdir()
    part.write_bytes(part.read_bytes()[:3000])
    with pytest.raises(RSAError, match=part.name):
        collect(maker.folder)
    part.unlink()
    with pytest.raises(RSAError, match="no candidate"):
        collect(maker.folder)


def test_checkpoints_within_one_batch_see_the_same_network(maker: Maker) -> None:
    architecture = maker.space.sample(np.random.default_rng(1))
    replace(maker, checkpoints=(0, 3, 5, 64))(architecture)
    (member,) = collect(maker.folder).members
    assert member.examples.tolist() == [0, 64, 64, 64]
    assert member.p[1] == member.p[2] == member.p[3]


@pytest.mark.parametrize("checkpoints", [(), (5, 5), (10, 0), (-1, 5)])
def test_checkpoints_ascend(maker: Maker, checkpoints: tuple[int, ...]) -> None:
    with pytest.raises(RSAError, match="ascending"):
        replace(maker, checkpoints=checkpoints)


def test_mature_performance_can_be_that_of_our_own_training(maker: Maker) -> None:
    architecture = maker.space.sample(np.random.default_rng(1))
    replace(maker, mature=None, epochs=12)(architecture)
    (member,) = collect(maker.folder).members
    assert member.mature > member.p[0]
    assert member.mature * len(maker.data.test) == pytest.approx(round(member.mature * len(maker.data.test)))


def test_other_stimuli_are_shown_in_mixed_order_and_the_pixels_are_theirs(digits: Data) -> None:
    images = torch.randint(0, 255, (12, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    stimuli = Stimuli(images, {"category_name": [f"c{i // 3}" for i in range(12)]}, reference="elsewhere")
    shown = Shown.of("other", stimuli, "stimulus", digits)
    assert shown.images.rows is None
    assert list(shown.view.labels) != stimuli.column("stimulus")
    order = [int(label) for label in shown.view.labels]
    rdm = compute_rdm(digits.normalise(images[order]).flatten(1).numpy())
    np.testing.assert_allclose(shown.view.pixels, rdm.values, atol=1e-6)
    assert shown.view.categories == tuple(f"c{i // 3}" for i in order)


def test_a_part_of_the_stimuli_has_equally_many_of_every_condition() -> None:
    stimuli = Stimuli(torch.zeros(60, 1, 4, 4), {"object_name": [f"o{i % 4}" for i in range(60)]})
    column = some_of(stimuli, "object_name").column("object_name")
    assert {name: column.count(name) for name in column} == {f"o{i}": 5 for i in range(4)}


def test_reduced_data_leaves_a_teachers_training_images_alone() -> None:
    whole = load_data("digits")
    few = reduce(whole, 100, 50)
    assert set(few.valid.table["stimulus_id"]) <= set(whole.valid.table["stimulus_id"])
    assert (len(few.train), len(few.valid)) == (100, 50)
    with pytest.raises(RSAError, match="cannot be taken"):
        reduce(whole, 100, 5000)


def test_only_nasbench201_has_published_performance(tmp_path: Path) -> None:
    with pytest.raises(RSAError, match="epochs"):
        plan_pool(tmp_path, space="toy", data="digits", recipe="digits")
