"""The file of a pool's members: what comes back, what it is joined with, and a pool that is made in two places."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from tgsage.benchmarks.rivals.analysis import Rivals, read_rivals
from tgsage.benchmarks.rivals.members import is_members, joined, load_members, save_members, trained_at
from tgsage.benchmarks.rivals.table import Table
from tgsage.rsa import RSAError, Teacher
from tgsage.rsa.cli.app import main

from .test_rivals import table


def known() -> Table:
    """Of the analysis's tests, as a pool has it."""
    return replace(table(), about={"pool": {"data": "digits", "seed": 0}, "free": {"images": 8}}, rivals={})


def some(whole: Table, members: slice, seeds: tuple[int, ...]) -> Table:
    """A part of a table."""
    at = [whole.seeds.index(seed) for seed in seeds]

    def part(values: np.ndarray) -> np.ndarray:
        return values[at][:, members]

    numbers: dict[str, Any] = {name: part(getattr(whole, name)) for name in ("measured", "present", "p", "loss")}
    return replace(
        whole,
        seeds=seeds,
        keys=whole.keys[members],
        groups=whole.groups[members],
        **numbers,
        free={name: values[members] for name, values in whole.free.items()},
        teachers={name: {rule: part(v) for rule, v in rules.items()} for name, rules in whole.teachers.items()},
    )


def check_equal(found: Table, expected: Table, rtol: float = 0) -> None:
    """Member by member: an absent one's numbers mean nothing."""
    assert set(found.keys) == set(expected.keys)
    assert (found.space, found.seeds, found.checkpoints, found.controls) == (
        expected.space,
        expected.seeds,
        expected.checkpoints,
        expected.controls,
    )
    for i, key in enumerate(expected.keys):
        j = found.keys.index(key)
        assert found.groups[j] == expected.groups[i]
        for name in expected.free:
            assert found.free[name][j] == expected.free[name][i]
        for s in range(len(expected.seeds)):
            assert found.present[s, j] == expected.present[s, i]
            if not expected.present[s, i]:
                continue
            pairs = [(getattr(found, name), getattr(expected, name)) for name in ("measured", "p", "loss")]
            pairs += [
                (found.teachers[name][rule], values)
                for name, rules in expected.teachers.items()
                for rule, values in rules.items()
            ]
            for mine, theirs in pairs:
                np.testing.assert_allclose(mine[s, j], theirs[s, i], rtol=rtol)


def test_a_file_gives_back_the_table(tmp_path: Path) -> None:
    file, whole = tmp_path / "members.h5", known()
    free = {**whole.free, "naswot": np.full(60, -np.finfo(float).max)}  # one without a value
    save_members(file, replace(whole, free=free))
    found = load_members(file)
    check_equal(found, replace(whole, free=free), rtol=1e-6)
    assert found.about == whole.about
    for name, mark in whole.marks.items():
        np.testing.assert_allclose(found.marks[name], mark)
    assert is_members(file)
    assert not is_members(tmp_path)
    np.testing.assert_allclose(found.mature, whole.mature)


def test_parts_of_a_pool_are_joined() -> None:
    whole = known()
    first, second = some(whole, slice(0, 40), (0, 1)), some(whole, slice(30, 60), (0, 1))
    check_equal(joined(first, second, Path("file")), whole)
    check_equal(joined(some(whole, slice(None), (1,)), some(whole, slice(None), (0,)), Path("file")), whole)
    third = some(whole, slice(10, 20), (1,))
    mixed = joined(third, some(whole, slice(0, 15), (0,)), Path("file"))
    assert mixed.present.sum(axis=1).tolist() == [15, 10]
    np.testing.assert_allclose(mixed.mature[[mixed.keys.index(key) for key in whole.keys[:20]]], whole.mature[:20])


def test_what_both_know_is_taken_from_the_first() -> None:
    whole = known()
    changed = replace(whole, p=whole.p + 1, measured=whole.measured + 1)
    check_equal(joined(changed, some(whole, slice(0, 60), (0, 1)), Path("file")), changed)
    half = replace(some(changed, slice(0, 60), (0,)))
    found = joined(half, whole, Path("file"))
    np.testing.assert_array_equal(found.p[0], changed.p[0])
    np.testing.assert_array_equal(found.p[1][:50], whole.p[1][:50])


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"checkpoints": (0, 200)}, "checkpoints"),
        ({"about": {"pool": {"data": "cifar10", "seed": 0}, "free": {"images": 8}}}, "data"),
        ({"about": {"pool": {"data": "digits", "seed": 0}, "free": {"images": 9}}}, "free predictors"),
        ({"marks": {**known().marks, "good": np.zeros(4)}}, "teacher good"),
        ({"teachers": {"good": known().teachers["good"]}, "marks": {"good": known().marks["good"]}}, "teacher useless"),
    ],
)
def test_parts_that_were_made_otherwise_are_refused(change: dict[str, object], named: str) -> None:
    with pytest.raises(RSAError, match=rf"x\.h5 was made with other settings than this pool: .*{named}"):
        joined(known(), replace(known(), **change), Path("x.h5"))  # type: ignore[arg-type]


def test_who_is_trained_at_a_seed(tmp_path: Path) -> None:
    file = tmp_path / "members.h5"
    save_members(file, known())
    assert trained_at(file, 1, {"data": "digits", "seed": 1}) == {f'{{"width": {i}}}' for i in range(50)}
    assert trained_at(file, 2, {"data": "digits"}) == frozenset()
    with pytest.raises(RSAError, match="other settings than this pool: data"):
        trained_at(file, 1, {"data": "cifar10"})


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "members.h5"
    with pytest.raises(RSAError, match=r"members\.h5: no such file"):
        load_members(file)
    for name, values in (("p", np.full((2, 60, 2), np.nan)), ("loss", np.zeros((2, 3, 2))), ("present", None)):
        save_members(file, known())
        with h5py.File(file, "r+") as opened:
            del opened[name]
            if values is not None:
                opened[name] = values
        with pytest.raises(RSAError, match=rf"members\.h5.*{name}"):
            load_members(file)
    save_members(file, known())
    with h5py.File(file, "r+") as opened:
        opened["present"][:, 5] = 0
    with pytest.raises(RSAError, match=r"members\.h5.*members and its arrays do not match"):
        load_members(file)
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"seeds": (1, 1)}, "twice"),
        ({"keys": ("[]",) * 60}, "twice"),
        ({"keys": tuple(map(str, range(60)))}, "are not architectures"),
        ({"about": {}}, "lacks settings of its pool"),
        ({"controls": ("pixels",)}, "a control"),
        ({"free": {"depth": np.zeros(60)}}, "or sizes"),
        ({"teachers": {"good": {"paper": known().p}}}, "teacher good lacks"),
    ]
    for change, said in wrong:
        save_members(file, replace(known(), **change))
        with pytest.raises(RSAError, match=rf"members\.h5.*{said}"):
            load_members(file)


@pytest.mark.slow
def test_a_pool_that_is_made_in_two_places_is_that_of_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny = ["--space", "toy", "--data", "digits", "--recipe", "digits", "--train", "64", "--valid", "40"]
    tiny += ["--epochs", "1", "--checkpoints", "0,64", "--recordings", "", "--cells", "14"]
    one, here, there, file = (tmp_path / name for name in ("one", "here", "there", "members.h5"))
    assert main(["bench", "pool", str(one), "--seeds", "0,1", *tiny]) == 0
    assert main(["bench", "teachers", str(tmp_path / "teachers"), str(one), "--model", "", "--untrained", ""]) == 0
    assert main(["bench", "teachers", str(tmp_path), str(one), "--model", "", "--untrained", "resnet:1"]) == 0
    given = [part for path in sorted(tmp_path.glob("untrained*.h5")) for part in ("--teacher", str(path))]

    def compare(pool: Path, name: str, *more: str) -> Rivals:
        result = tmp_path / f"{name}.json"
        assert main(["teacher", "compare", str(pool), "--bootstrap", "20", "--json", str(result), *more]) == 0
        return read_rivals(result)[0]

    whole = compare(one, "whole", *given)
    assert main(["bench", "pool", str(here), "--seeds", "0", *tiny]) == 0
    compare(here, "first", *given, "--members", str(file))
    assert main(["bench", "pool", str(there), "--seeds", "0,1", "--members", str(file), *tiny]) == 0
    assert "seed 0: " in capsys.readouterr().out
    assert not (there / "seed0" / "pool.h5").exists()
    assert (there / "seed1" / "pool.h5").exists()
    both = compare(there, "both", *given, "--members", str(file))
    assert both.about["members"] == whole.about["members"]
    again = compare(file, "again")
    for found in (both, again):
        for part in ("single", "gain"):
            expected, values = (getattr(each, part).to_array().values for each in (whole, found))
            np.testing.assert_allclose(values, expected, atol=2e-4, equal_nan=True)
    settled = ["bench", "pool", str(there), "--seeds", "1", "--members", str(file), *tiny]
    assert main(settled) == 0  # its own members are not left out of the search that trained them
    third = ["bench", "pool", str(tmp_path / "third"), "--seeds", "0,1", "--members", str(file), *tiny]
    assert main([*third, "--json", str(tmp_path / "third.json")]) == 0  # all are known
    assert json.loads((tmp_path / "third.json").read_text())["seeds"] == {}
    assert main([*third[:5], "--status", *tiny]) == 0
    assert "seed 0: no member so far" in capsys.readouterr().out
    made = ["bench", "teachers", str(tmp_path / "anew"), str(file), "--model", "", "--untrained", "resnet:1"]
    assert main(made) == 0  # their stimuli are planned again
    for path in map(Path, given[1::2]):
        anew, first = (Teacher.load(one) for one in (tmp_path / "anew" / path.name, path))
        for name, rdm in first.rdms.items():
            np.testing.assert_allclose(anew.rdms[name].values, rdm.values, rtol=1e-5)
    capsys.readouterr()
    for wrong, said in (
        (["teacher", "compare", str(file), *given], "holds what its teachers say"),
        (["teacher", "compare", str(one)], "give a teacher"),
        (["teacher", "compare", str(one / "seed0" / "pool.h5"), *given, "--members", str(file)], "over seeds"),
        (["bench", "pool", str(there), "--members", str(file), *tiny], "--members needs --seeds"),
        (["bench", "pool", str(there), "--seeds", "1", "--members", str(given[1]), *tiny], "not a tgsage members file"),
    ):
        assert main(wrong) == 2
        assert said in capsys.readouterr().err
