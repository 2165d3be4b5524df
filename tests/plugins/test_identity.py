"""What makes a study this study: everything that scores depend on differs, nothing else does."""

import functools
import logging
import math
import operator
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
import torch
from tgsage.plugins import Objective, RandomSearcher, search
from tgsage.plugins.identity import identity
from tgsage.plugins.report.summary import search_report
from tgsage.plugins.searching.description import describe_search, differences, flat
from tgsage.plugins.searching.tracker import Tracker
from tgsage.plugins.spaces import get_space
from tgsage.plugins.spaces.space import Dimension, Space
from tgsage.plugins.training import Data, load_data
from tgsage.rsa import RSAError

SPACE = get_space("toy")
SCALE = 2.0


class Weighted:
    """A score with a field."""

    def __init__(self, alpha: float) -> None:
        self.alpha = alpha

    def __call__(self, architecture: dict[str, Any]) -> float:
        return self.alpha * float(architecture["n_layers"])


class Named(Weighted):
    """One that says what it is, whatever is in it."""

    def describe(self) -> dict[str, Any]:
        return {"name": "weighted", "teacher": object()}


def helper(x: float) -> float:
    return SCALE * x


def calls_a_helper(architecture: dict[str, Any]) -> float:
    return helper(architecture["n_layers"])


def scaled(architecture: dict[str, Any], scale: float = 1.0) -> float:
    return scale * float(architecture["n_layers"])


def enclosed(scale: float) -> Callable[[dict[str, Any]], float]:
    return lambda architecture: scale * architecture["n_layers"]


class Mine(Space):
    """A space of a user's own."""

    def __init__(self, **choices: tuple[int, ...]) -> None:
        super().__init__("mine", [Dimension(name, values, 0, "k") for name, values in choices.items()])

    def describe(self, architecture: Any) -> str:
        return self.key(architecture)

    def build(self, architecture: Any, **settings: Any) -> Any:
        raise NotImplementedError


def run(objective: Any, tmp_path: Path, samples: int = 2, space: Space = SPACE, **settings: Any) -> Any:
    searcher = settings.pop("searcher", None) or RandomSearcher(space)
    return search(space, searcher, objective, samples=samples, storage=tmp_path / "a.db", study="mine", **settings)


one, hundred = lambda a: 1.0, lambda a: 100.0
two = [
    lambda a: (
        1.0  # another layout and a comment are no other function
    )
][0]


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        (one, hundred, "function was lambda a: 1.0 and is lambda a: 100.0"),
        (functools.partial(scaled, scale=1), functools.partial(scaled, scale=100), "scale was 1 and is 100"),
        (Weighted(1), Weighted(100), "alpha was 1 and is 100"),
        (Weighted(1).__call__, Weighted(2).__call__, "of alpha was 1 and is 2"),
        (enclosed(1), enclosed(2), "scale was 1 and is 2"),
        (Weighted(1), scaled, "is another search: objective class"),
    ],
)
def test_other_callables_are_another_search(first: Any, second: Any, words: str, tmp_path: Path) -> None:
    run(first, tmp_path)
    assert len(run(first, tmp_path, 3).candidates) == 3
    with pytest.raises(RSAError, match="study mine is another search: ") as raised:
        run(second, tmp_path, 4)
    assert words in str(raised.value)
    assert "a new name (study=, --study)" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_what_a_function_takes_from_around_it_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    before = identity(calls_a_helper)
    assert before == identity(calls_a_helper)
    monkeypatch.setattr(f"{__name__}.SCALE", 3.0)
    changed = differences(dict(flat("f", before)), dict(flat("f", identity(calls_a_helper))))
    assert changed == {"f helper SCALE": "was 2.0 and is 3.0"}


def test_equal_things_are_equal_in_any_process_and_others_are_not() -> None:
    model = torch.nn.Linear(2, 2)
    other = torch.nn.Linear(2, 2)
    other.load_state_dict(model.state_dict())
    equal: list[tuple[Any, Any]] = [
        (one, two),
        (Weighted(1), Weighted(1)),
        (Named(1), Named(2)),
        (object(), object()),
        (model, other),
        (np.arange(3), np.arange(3)),
        ({1, 2}, {2, 1}),
        (float("nan"), float("nan")),
    ]
    for first, second in equal:
        assert identity(first) == identity(second), first
    torch.nn.init.zeros_(other.weight)
    different: list[tuple[Any, Any]] = [
        (model, other),
        (np.arange(3), np.arange(4)),
        (np.float32(1), np.float32(2)),
        (1j, 2j),
        (b"a", b"b"),
        (math.sin, math.cos),
        (operator.itemgetter(1), operator.itemgetter(2)),
        (Path("a"), Path("b")),
        (range(2), range(3)),
        (torch.float32, torch.float16),
        (np.mean, np.median),
    ]
    for first, second in different:
        assert identity(first) != identity(second), first


def test_a_thing_within_itself_has_an_identity() -> None:
    loop: list[Any] = []
    loop.append(loop)
    assert identity(loop) == ["itself"]


@pytest.mark.parametrize(
    "new",
    [
        {"width": (8, 16, 32, 64), "depth": (1, 2)},
        {"width": (8, 16), "depth": (1, 2)},
        {"width": (32, 16, 8), "depth": (1, 2)},
        {"filters": (8, 16, 32), "depth": (1, 2)},
        {"width": (8, 16, 32), "depth": (1, 2), "pool": (0, 1)},
    ],
)
def test_another_space_of_the_same_name_is_named(new: dict[str, tuple[int, ...]], tmp_path: Path) -> None:
    space = Mine(width=(8, 16, 32), depth=(1, 2))
    run(one, tmp_path, 6, space, repeats=True)
    with pytest.raises(RSAError, match=r"space dimensions was (\.\.\.)?width: 8, 16, 32; depth: 1, 2 and is"):
        run(one, tmp_path, 8, Mine(**new))
    if 32 in new.get("width", ()) and "pool" not in new:
        assert run(one, tmp_path, 8, Mine(**new), allow_changes=True, repeats=True).counts["ok"] == 8
    else:  # some candidates are none of it
        with pytest.raises(
            RSAError, match=r"cannot continue with this space: candidate [0-5] is not an architecture of mine"
        ):
            run(one, tmp_path, 8, Mine(**new), allow_changes=True)


def test_conditions_of_a_space_and_the_searchers_class_count() -> None:
    def described(when: tuple[int, ...], kind: type[RandomSearcher] = RandomSearcher) -> dict[str, Any]:
        space = Mine()
        space.dimensions = (Dimension("a", (1, 2), 0, "k"), Dimension("b", (1, 2), 0, "k", parent="a", when=when))
        return describe_search(space, kind(space), one)

    class Random(RandomSearcher):
        """Of the same name, but not ours."""

        def propose(self, trial: int, rng: np.random.Generator) -> dict[str, Any]:
            return self.space.complete({})

    assert "space dimensions" in differences(described((1,)), described((1, 2)))
    assert set(differences(described((1,)), described((1,), Random))) == {"searcher class"}


def test_data_combine_and_recipe_are_part_of_the_objective(digits: Data) -> None:
    def described(data: Data = digits, **settings: Any) -> dict[str, Any]:
        settings = {"recipe": "digits", "epochs": 0.2, "seed": 0, **settings}
        return describe_search(SPACE, RandomSearcher(SPACE), Objective(SPACE, data, **settings))

    few = replace(digits, train=digits.train.take(torch.arange(200)))
    wrong = replace(digits, train=replace(digits.train, labels=digits.train.labels.flip(0)))
    changed = torch.clone(digits.valid.source)  # type: ignore[arg-type]
    changed[digits.valid.places[3]] += 1
    dark = replace(digits, valid=replace(digits.valid, source=changed))
    same = described()
    assert same == described(load_data("digits"))
    assert list(differences(same, described(few))) == ["objective training images"]
    assert list(differences(same, described(wrong))) == ["objective training images"]
    assert list(differences(same, described(dark))) == ["objective validation images"]
    assert "objective amp" in differences(same, described(amp=True, channels_last=False))
    recipe = replace(Objective(SPACE, digits, recipe="digits").recipe, lr=0.02)
    assert differences(same, described(recipe=recipe)) == {"objective recipe lr": "was 0.01 and is 0.02"}
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
    teacher: dict[str, Any] = {"teacher": net, "layers": "auto"}
    plain, other = described(**teacher), described(**teacher, combine=lambda p, tg: -tg)
    assert differences(plain, other)["objective combine"] == "was not set and is lambda p, tg: -tg"


def test_changes_that_were_allowed_and_versions_are_in_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(one, tmp_path, 2)
    monkeypatch.setattr("tgsage.plugins.searching.explorer.versions", lambda: {"torch": "99", "numpy": "1"})
    run(one, tmp_path, 3)
    run(hundred, tmp_path, 4, allow_changes=True, reuse=False)
    run(hundred, tmp_path, 5, reuse=False)
    with pytest.raises(RSAError, match="is another search"):
        run(one, tmp_path, 6)
    found = search_report(tmp_path / "a.db")
    when = [name for name, _ in found.history]
    assert when == ["versions from candidate 0 on", "versions from candidate 2 on", "changed before candidate 3"]
    assert "tgsage" in found.history[0][1]
    assert found.history[1][1] == "torch 99, numpy 1"
    assert found.history[2][1] == "objective function was lambda a: 1.0 and is lambda a: 100.0"
    assert [c.score for c in found.candidates] == [1.0, 1.0, 1.0, 100.0, 100.0]


def test_a_study_of_an_older_version_is_refused_in_words_and_goes_on_where_asked(tmp_path: Path) -> None:
    run(one, tmp_path, 2)
    old = {"space": "toy", "searcher": "random", "searcher seed": 0, "objective function": f"{__name__}.<lambda>"}
    with Tracker(tmp_path / "a.db", "mine") as tracker:
        tracker._storage.set_study_user_attr(tracker._id, "search", old)
    with pytest.raises(RSAError, match="begun by an older version of tgsage, which did not record space class, space"):
        run(one, tmp_path, 3)
    assert len(run(one, tmp_path, 3, allow_changes=True).candidates) == 3
    assert len(run(one, tmp_path, 4).candidates) == 4


def test_long_values_are_cut_to_where_they_differ() -> None:
    first, second = {"a": "x" * 100 + "12"}, {"a": "x" * 100 + "34"}
    assert differences(first, second) == {"a": f"was ...{'x' * 20}12 and is ...{'x' * 20}34"}
    long = dict(flat("a", "x" * 1000))["a"]
    assert len(long) < 200
    assert long != dict(flat("a", "x" * 999 + "y"))["a"]


def doubled(x: float) -> float:
    return 2 * x


def tripled(x: float) -> float:
    return 3 * x


def through(kept: Callable[[float], float]) -> Callable[[dict[str, Any]], float]:
    return lambda architecture: kept(architecture["n_layers"])


@pytest.mark.parametrize("keep", [functools.cache, numba.njit])
def test_a_cached_or_compiled_function_is_the_function_behind_it(keep: Callable[..., Any]) -> None:
    assert identity(keep(doubled)) == identity(doubled) != identity(keep(tripled))
    assert identity(through(keep(doubled))) == identity(through(keep(doubled))) != identity(through(keep(tripled)))
    assert identity({"a": 1}.get) != identity({"a": 2}.get)


class Node:
    """Knows others, which know it."""

    def __init__(self, name: str) -> None:
        self.name, self.others = name, list[Node]()


def test_objects_that_know_each_other_are_each_told_once() -> None:
    def net(*names: str) -> Node:
        nodes = [Node(name) for name in names]
        for node in nodes:
            node.others = nodes
        return nodes[0]

    names = [f"node {i}" for i in range(40)]
    assert identity(net(*names)) == identity(net(*names)) != identity(net(*names[:-1], "another"))


def test_counters_and_loggers_are_no_settings() -> None:
    count = 0

    def counting(architecture: dict[str, Any]) -> float:
        nonlocal count
        count += 1
        return float(architecture["n_layers"])

    before = identity(counting)
    counting({"n_layers": 1})
    assert identity(counting) == before
    first, second = Weighted(1.0), Weighted(1.0)
    first.log, second.log = logging.getLogger("one"), logging.getLogger("two")  # type: ignore[attr-defined]
    assert identity(first) == identity(second) != identity(Weighted(2.0))


def test_a_function_without_source_is_the_same_in_every_process() -> None:
    code = 'found = {}; exec(\'def f(x): return x in {"aa", "bb", "cc", "dd", "ee"}\', found)'
    say = f"from tgsage.plugins.identity import identity; {code}; print(identity(found['f']))"
    said = {
        subprocess.run(
            [sys.executable, "-c", say], env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(said) == 1
