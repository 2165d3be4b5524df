"""P + alpha TG of architectures: the same every time, cut short when asked, failed instead of broken."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tgsage.neural_data import from_arrays
from tgsage.neural_data.recordings.readers.native import save_recording
from tgsage.plugins.evaluation.finalists import finalists, mature, search_cost
from tgsage.plugins.evaluation.objective import Objective
from tgsage.plugins.result import Evaluation
from tgsage.plugins.spaces import ToySpace
from tgsage.plugins.training import Checkpoint, Data, get_recipe, make_network, network_teacher, train
from tgsage.plugins.training.placement import place
from tgsage.plugins.training.teachers import BY, cut, make_teacher, own_by
from tgsage.plugins.training.trainer import Training
from tgsage.rsa import RDM, RSAError, Teacher
from torch import nn

SPACE = ToySpace()
FIRST, SECOND = (SPACE.sample(np.random.default_rng(seed)) for seed in (1, 2))


@pytest.fixture(scope="module")
def teacher(digits: Data) -> Teacher:
    model = make_network("resnet:1", shape=digits.shape, n_classes=10, seed=5)
    return network_teacher("t", model, digits)


def without_seconds(evaluation: Evaluation) -> dict[str, Any]:
    return {**evaluation.to_dict(), "seconds": None}


def test_a_candidate_evaluated_twice_gives_the_same_numbers(digits: Data, teacher: Teacher) -> None:
    objective = Objective(SPACE, digits, recipe="digits", examples=320, teacher=teacher)
    first, again, other = objective(FIRST), objective(FIRST), objective(SECOND)
    assert without_seconds(first) == without_seconds(again) != without_seconds(other)
    assert first.score == pytest.approx((first.p or 0) + (first.tg or 0))
    assert 320 <= first.examples < 320 + 64
    assert set(first.seconds) == {"build", "train", "evaluate", "rdms"}
    assert first.parameters == sum(p.numel() for p in SPACE.build(FIRST, input_shape=digits.shape).parameters())


@pytest.mark.parametrize("damaged", [False, True])
def test_a_candidate_s_training_goes_on_after_an_interruption_to_the_same_numbers(
    digits: Data, teacher: Teacher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damaged: bool
) -> None:
    def interrupt(epoch: float, evaluation: Evaluation) -> None:
        raise KeyboardInterrupt

    settings: dict[str, Any] = {"recipe": get_recipe("digits", pad=2), "epochs": 2, "teacher": teacher}
    whole = Objective(SPACE, digits, **settings)(FIRST)
    objective = Objective(SPACE, digits, **settings, checkpoints=tmp_path / "new" / "folder")
    with pytest.raises(KeyboardInterrupt):
        objective(FIRST, report=interrupt)
    (file,) = (tmp_path / "new" / "folder").iterdir()
    assert Checkpoint.load(file).position > 1
    if damaged:
        file.write_bytes(file.read_bytes()[:1000])
    shown = list[int]()
    trained = train
    monkeypatch.setattr(
        "tgsage.plugins.evaluation.objective.train",
        lambda *arguments, **given: trained(*arguments, **given, progress=shown.append),
    )
    assert without_seconds(objective(FIRST)) == without_seconds(whole)
    assert (shown[0] > 64) is not damaged  # where it goes on it first tells what was done before
    assert list(file.parent.iterdir()) == []
    with pytest.raises(RSAError, match="cannot make the folder"):
        Objective(SPACE, digits, **settings, checkpoints="/dev/null/folder")


def test_names_serve_as_well_as_objects(digits: Data, teacher: Teacher, tmp_path: Path) -> None:
    teacher.save(tmp_path / "t.h5")
    by_name = Objective("toy", "digits", recipe="digits", examples=64, teacher=tmp_path / "t.h5")
    by_object = Objective(SPACE, digits, recipe=get_recipe("digits"), examples=64, teacher=teacher)
    assert without_seconds(by_name(FIRST)) == without_seconds(by_object(FIRST))
    assert by_name.describe() == by_object.describe()


def test_a_network_as_teacher_is_its_layers_over_the_validation_images(digits: Data) -> None:
    network = make_network("resnet:1", shape=digits.shape, n_classes=10, seed=5)
    objective = Objective(SPACE, digits, recipe="digits", epochs=0, teacher=network)
    assert objective.evaluator.teacher is not None
    assert list(objective.evaluator.teacher.rdms) == ["L1", "L2", "L3"]
    assert objective.evaluator.teacher.by == "category_name"
    assert objective(FIRST).examples == 0


def test_each_whole_epoch_is_reported_and_what_the_report_raises_ends_the_candidate(digits: Data) -> None:
    class PrunedError(Exception):
        pass

    seen: list[tuple[float, float | None]] = []

    def report(epoch: float, evaluation: Evaluation) -> None:
        seen.append((epoch, evaluation.score))
        if epoch == 2:
            raise PrunedError

    objective = Objective(SPACE, digits, recipe="digits", epochs=3)
    with pytest.raises(PrunedError):
        objective(FIRST, report=report)
    assert [epoch for epoch, _ in seen] == [1, 2]
    seen.clear()
    assert without_seconds(objective(SECOND)) == without_seconds(
        objective(SECOND, report=lambda epoch, found: seen.append((epoch, found.score)))
    )


def test_a_loss_that_diverges_is_a_failed_evaluation(digits: Data) -> None:
    wild = get_recipe("digits", optimiser="sgd", lr=1e12, schedule="constant")
    found = Objective(SPACE, digits, recipe=wild, epochs=1)(FIRST)
    assert (found.status, found.score) == ("failed", None)
    assert found.reason.startswith(("the loss became", "the weights became infinite"))
    assert found.examples > 0


def test_what_does_not_fit_together_is_said_at_once(digits: Data, teacher: Teacher) -> None:
    with pytest.raises(RSAError, match="RDMs by category_name, not by stimulus: give by='category_name', or none"):
        Objective(SPACE, digits, recipe="digits", teacher=teacher, by="stimulus")
    with pytest.raises(RSAError, match="give one of them"):
        Objective(SPACE, digits, recipe="digits", epochs=1, examples=10)
    with pytest.raises(RSAError, match="recipe"):
        Objective(SPACE, digits, recipe="digitz")
    with pytest.raises(RSAError, match="not an architecture of toy"):
        Objective(SPACE, digits, recipe="digits")({"n_layers": 9})


@pytest.mark.parametrize("alpha", [float("nan"), float("inf")])
def test_alpha_is_a_finite_number(digits: Data, teacher: Teacher, alpha: float) -> None:
    with pytest.raises(RSAError, match=f"alpha must be a finite number, got {alpha}"):
        Objective("toy", digits, recipe="digits", teacher=teacher, alpha=alpha)


def test_a_teacher_leaves_torch_s_threads_as_they_were(digits: Data, tmp_path: Path) -> None:
    model = make_network("resnet:1", shape=digits.shape, n_classes=10)
    network_teacher("net", model, digits, by="stimulus", device="cpu").save(tmp_path / "t.h5")
    code = (
        "import sys, torch; from tgsage.plugins import Objective; torch.set_num_threads(3); made = Objective('toy', "
        "'digits', recipe='digits', epochs=0, teacher=sys.argv[1], by='stimulus', most_stimuli=50, device='cpu'); "
        "first = torch.get_num_threads(); made(made.space.complete({})); "
        "import numba; print(first, torch.get_num_threads(), numba.threading_layer())"
    )
    environment = {**os.environ, "NUMBA_NUM_THREADS": "2"}
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "t.h5")], env=environment, capture_output=True, text=True
    )
    assert done.stdout.split()[:2] == ["3", "3"], done.stderr


def test_a_teacher_has_the_rdms_that_it_was_made_with_unless_others_are_asked_for(
    digits: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    goal = RDM(rng.random(190), digits.stimuli("valid").column("stimulus")[:20])
    file = tmp_path / "t.h5"
    Teacher.from_rdms("t", {"V4": goal}, stimuli="digits/valid").save(file)
    taken = Objective(SPACE, digits, recipe="digits", epochs=0, teacher=file).evaluator.teacher
    assert taken is not None
    assert (taken.by, own_by(str(file)), own_by("resnet:1"), own_by(None)) == ("stimulus", "stimulus", BY, BY)
    with pytest.raises(RSAError, match="by stimulus, which cannot become category_name"):
        Objective(SPACE, digits, recipe="digits", epochs=0, teacher=file, by="category_name")
    sites = from_arrays(rng.random((40, 9)), stimulus_id=[str(i // 2) for i in range(40)], region=["IT"] * 9)
    save_recording(sites, tmp_path / "r.nc")
    monkeypatch.setattr("tgsage.neural_data.teacher.halves_by_target", None)  # nobody reads the ceilings of a search
    made = make_teacher(tmp_path / "r.nc", digits)
    assert (made.by, own_by(str(tmp_path / "r.nc")), made.ceilings) == ("stimulus", "stimulus", {})


def test_a_teacher_over_fewer_images_keeps_the_ceilings_that_do_not_depend_on_their_number() -> None:
    rdm = RDM(np.random.default_rng(0).random(45), range(10))
    for method, kept in (("pearson", {"V4": (0.8, 0.8)}), ("cosine-whitened", {})):
        made = cut(Teacher.from_rdms("a teacher", {"V4": rdm}, {"V4": (0.8, 0.8)}, method=method), 6)
        assert (len(made.rdms["V4"]), made.ceilings) == (6, kept)


def test_finalists_are_trained_longer_and_the_best_by_validation_comes_first(digits: Data, tmp_path: Path) -> None:
    recipe = get_recipe("digits")
    found = finalists(SPACE, digits, [FIRST, SECOND, FIRST], recipe, epochs=2, folder=tmp_path)
    assert len(found) == 2
    assert (found[0].evaluation.p or 0) >= (found[1].evaluation.p or 0) > 0.05
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["000.pt", "001.pt"]
    again = finalists(SPACE, digits, [FIRST, SECOND], recipe, epochs=2, folder=tmp_path)
    assert [one.evaluation.p for one in again] == [one.evaluation.p for one in found]
    with pytest.raises(RSAError, match="another network"):
        finalists(SPACE, digits, [SECOND], recipe, epochs=2, folder=tmp_path)


def test_mature_performance_is_test_accuracy_after_training_on_all_images(digits: Data) -> None:
    found = mature(SPACE, SECOND, digits, get_recipe("digits"), epochs=1)
    assert found.evaluation.examples == len(digits.train) + len(digits.valid)
    assert found.test == found.evaluation.score


def test_a_mature_network_whose_outputs_are_no_numbers_has_failed(
    digits: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    def trained(model: nn.Module, *_: Any, **settings: Any) -> Training:
        with torch.no_grad():
            next(model.parameters()).fill_(float("nan"))
        return Training("ok", "", 9, 1.0, True, 1.0, (), place(digits.shape))

    monkeypatch.setattr("tgsage.plugins.evaluation.finalists.train", trained)
    found = mature(SPACE, SECOND, digits, get_recipe("digits"))
    assert (found.test, found.evaluation.status) == (None, "failed")
    (one,) = finalists(SPACE, digits, [SECOND], get_recipe("digits"))
    words = "the network's outputs are NaN or infinite for 180 of 180 images"
    assert (one.evaluation.p, one.evaluation.reason) == (None, words)


def test_the_papers_search_cost_225_million_examples() -> None:
    assert search_cost(1000, 90_000, 10, 13_500_000) == 225_000_000
    with pytest.raises(RSAError, match="counts from 0"):
        search_cost(-1, 1)


def test_evaluations_survive_json() -> None:
    made = Evaluation(
        p=0.5, tg=0.2, score=0.7, table={"a": {"b": 0.2}}, seconds={"train": 1.0}, attrs={"unusable": "c"}
    )
    assert Evaluation.from_dict(made.to_dict()) == made
    with pytest.raises(RSAError, match="no colour"):
        Evaluation.from_dict({"colour": 1})
    with pytest.raises(RSAError, match="finite score"):
        Evaluation(score=float("nan"))
