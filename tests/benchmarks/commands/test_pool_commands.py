"""`tgsage bench pool` and `bench teachers`: stopped and continued, and every mistake named in one line."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tgsage.benchmarks import Pool, compare_teachers
from tgsage.benchmarks.pool import making as making
from tgsage.benchmarks.pool.plans import Published, reduce
from tgsage.benchmarks.teachers.making import makers, of_model
from tgsage.benchmarks.validity.nasbench201 import accuracy, read_table
from tgsage.plugins.spaces import get_space
from tgsage.plugins.training import Data, load_data
from tgsage.rsa import RSAError, Teacher, compare_all, layer_rdms, load_model
from tgsage.rsa.cli.app import main

from ..pools import tiny_maker

TINY = ("--space", "toy", "--data", "digits", "--recipe", "digits", "--train", "64", "--valid", "40", "--epochs", "1")
FEW = ("--checkpoints", "0,64", "--recordings", "")


def test_a_pool_is_made_interrupted_looked_at_and_continued(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "pool"
    command = ["bench", "pool", str(folder), "--cells", "3", *TINY, *FEW]
    assert main(["bench", "pool", str(folder), "--status"]) == 2
    done: list[object] = []
    called = making.Maker.__call__

    def once(self: making.Maker, architecture: dict[str, object]) -> object:
        if done:
            raise KeyboardInterrupt
        done.append(called(self, architecture))  # type: ignore[arg-type]
        return done[0]

    monkeypatch.setattr(making.Maker, "__call__", once)
    assert main(command) == 130
    assert len(Pool.load(folder / "pool.h5")) == 1
    monkeypatch.setattr(making.Maker, "__call__", called)
    assert main(command) == 0
    pool = Pool.load(folder / "pool.h5")
    assert 1 < len(pool) <= 3
    (folder / "pool.h5").unlink()
    assert main(["bench", "pool", str(folder), "--status"]) == 0
    assert f"{len(pool)} members" in capsys.readouterr().out
    assert len(Pool.load(folder / "pool.h5")) == len(pool)


def test_members_are_trained_once_with_every_seed(tmp_path: Path) -> None:
    assert main(["bench", "pool", str(tmp_path), "--cells", "1", "--seeds", "3,5", *TINY, *FEW]) == 0
    first, second = (Pool.load(tmp_path / f"seed{seed}" / "pool.h5") for seed in (3, 5))
    assert first.settings["stimuli"] == second.settings["stimuli"]
    assert (first.settings["seed"], second.settings["seed"]) == (3, 5)
    assert [one.architecture for one in first.members] == [one.architecture for one in second.members]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["--checkpoints", "a,b"], "checkpoints are numbers"),
        (["--checkpoints", "9,1"], "ascending"),
        (["--seeds", "0;1"], "seeds are numbers"),
        (["--each", "3"], "without --search and --epochs"),
        (["--recordings", "cowley2023"], "NAME=BY"),
        (["--train", "100000"], "cannot be taken"),
        (["--json", "absent/pool.json"], "no folder"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str], wrong: list[str], said: str) -> None:
    assert main(["bench", "pool", str(tmp_path / "pool"), *TINY, *FEW, *wrong]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "pool").exists()


def test_published_performance_is_the_tables_as_a_fraction() -> None:
    table, space = read_table(), get_space("nasbench201")
    architecture = space.sample(np.random.default_rng(0))
    assert Published(table)(architecture) == accuracy(table, architecture) / 100
    assert 0.1 <= Published(table)(architecture) < 0.95


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> tuple[Pool, Data]:
    digits = reduce(load_data("digits"), 64, 60)
    folder = tmp_path_factory.mktemp("pool")
    maker = tiny_maker(digits, folder / "parts", space=get_space("nasbench201"), mature=Published(read_table()))
    return making.make_pool(maker, samples=9, storage=folder / "search.db"), digits


def test_made_teachers_are_those_of_the_pools_very_images(pool: tuple[Pool, Data]) -> None:
    made, digits = pool
    planned = makers(made, models=[], untrained="resnet:1")
    assert list(planned) == ["untrained-resnet-1-by-category", "untrained-resnet-1-by-stimulus"]
    by_category, by_stimulus = (make() for make in planned.values())
    assert list(by_category.rdms) == ["L1", "L2", "L3"]
    assert by_stimulus.stimulus_ids == tuple(digits.stimuli("valid").column("stimulus"))
    found = compare_teachers(made, [by_category, by_stimulus], bootstrap=10)
    for teacher, view in ((by_category, "validation by category"), (by_stimulus, "validation by stimulus")):
        member = next(member for member in made.members if member.usable)
        score = compare_all(dict(made.rdms(view, member, 1)), teacher.rdms).max("layer").mean()
        got = found.members["tg"].sel(teacher=teacher.name, checkpoint=64)[0]
        assert float(got) == pytest.approx(float(score), abs=1e-5)


MODEL = """
import torch

def small():
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 7, stride=8), torch.nn.ReLU(), torch.nn.Conv2d(4, 6, 5, stride=4), torch.nn.ReLU()
    )
"""


def test_a_model_is_compared_over_the_pools_validation_images(
    pool: tuple[Pool, Data], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made, digits = pool
    made.save(tmp_path / "pool.h5")
    (tmp_path / "models.py").write_text(MODEL)
    name, out = f"{tmp_path / 'models.py'}:small", tmp_path / "found.json"
    command = ["teacher", "compare", str(tmp_path / "pool.h5"), "--teacher", name, "--bootstrap", "20"]
    assert main([*command, "--loaders", "2", "--json", str(out)]) == 0
    capsys.readouterr()
    assert all(f"{name}, by {kind}" in out.read_text() for kind in ("category", "stimulus"))
    model, preprocess = load_model(name)
    stimuli = digits.stimuli("valid")
    taught = of_model(name, made)
    for teacher in taught:
        expected = layer_rdms(model, stimuli, by=teacher.by, preprocess=preprocess)
        assert list(teacher.rdms) == list(expected)
        for layer, rdm in expected.items():
            own = teacher.rdms[layer].subset(rdm.labels)
            np.testing.assert_allclose(own.values, rdm.values, rtol=1e-4, atol=1e-6)
    assert compare_teachers(made, taught, bootstrap=10).members["tg"].notnull().any()
    assert main([*command, "--by", "object_name"]) == 2
    assert "is by category_name, stimulus, not by object_name" in capsys.readouterr().err
    with pytest.raises(RSAError, match="does not say which data it was shown"):
        of_model(name, replace(made, settings={}))
    with pytest.raises(RSAError, match="was not shown the validation images of digits"):
        of_model(name, replace(made, views={}))


def test_a_recording_becomes_a_teacher_of_its_regions(data_dir: Path, pool: tuple[Pool, Data]) -> None:
    from tgsage.neural_data import images

    made, digits = pool
    stimuli = images("cowley2023/190923", data_dir=data_dir).take(list(range(30)))
    view = making.Shown.of("cowley2023/190923", stimuli, "stimulus", digits).view
    recording = replace(made, views={view.name: view})
    ((name, make),) = makers(recording, data_dir=data_dir).items()
    teacher = make()
    assert isinstance(teacher, Teacher)
    assert (name, list(teacher.rdms)) == ("cowley2023-190923-by-stimulus", ["V4"])
    assert set(view.labels) <= set(teacher.rdms["V4"].labels)
