"""The table of trained networks, and our searchers on it against reference values."""

import json
import pickle
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import numpy as np
import pytest
from tgsage.benchmarks.validity import nasbench201
from tgsage.benchmarks.validity.nasbench201 import LAST, Table, compare, curve, measure, read_table
from tgsage.plugins.spaces import get_space
from tgsage.rsa import RSAError
from tgsage.rsa.cli.app import main


@pytest.fixture(scope="module")
def table() -> Table:
    try:
        return read_table()
    except RSAError as error:
        pytest.skip(str(error))


def test_the_table_is_that_of_all_15625_cells(table: Table) -> None:
    values = np.array(list(table.values()))
    assert len(values) == 15625
    assert values.max() == pytest.approx(94.0664)
    assert values.mean() == pytest.approx(86.7727, abs=1e-3)
    assert {code for key in table for code in key} == set(range(5))


def test_edges_that_lead_nowhere_do_not_matter_to_the_accuracy(table: Table) -> None:
    space, rng = get_space("nasbench201"), np.random.default_rng(0)
    differences = []
    for _ in range(2000):
        raw = {d.name: d.choices[int(rng.integers(5))] for d in space.dimensions}
        canonical = space.canonical(raw)
        if canonical != raw:
            differences.append(abs(nasbench201.accuracy(table, raw) - nasbench201.accuracy(table, canonical)))
    assert len(differences) > 100
    assert np.mean(differences) < 1  # trained with other seeds; with two edges exchanged it is 20 and more


class Dangerous:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("this must not run",)


def test_nothing_but_the_packages_own_records_is_unpickled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, content in {"code": pickle.dumps(Dangerous()), "text": b"hello", "few": pickle.dumps({})}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(RSAError, match=name):
            read_table(tmp_path / name)
    with pytest.raises(RSAError, match=r"is no table of NAS-Bench-201: it asks for builtins\.print$"):
        read_table(tmp_path / "code")
    assert capsys.readouterr().out == ""


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nasbench201, "distribution", lambda name: _missing(name))
    with pytest.raises(RSAError, match=r"^this benchmark needs analog-nasbench: .*'tgsage\[bench\]'$"):
        read_table()


def _missing(name: str) -> None:
    raise PackageNotFoundError(name)


def test_means_errors_and_verdicts_are_those_of_the_runs() -> None:
    runs = {
        "rl": {
            "0": {"trials": 300, "best": "1:90 5:93 101:93.2", LAST: 91.0},
            "1": {"trials": 300, "best": "1:80 100:94", LAST: 92.0},
        },
        "tpe": {"0": {"trials": 120, "best": "1:93.9", LAST: 93.0}},
    }
    rows = {(row["searcher"], row["measure"]): row for row in compare(runs)}
    assert rows["rl", "best of 100"]["mean"] == 93.5
    assert rows["rl", "best of 300"]["mean"] == 93.6
    assert rows["rl", LAST]["standard error"] == 0.5
    assert rows["rl", LAST]["reached"]
    assert not compare({"rl": {str(i): {"trials": 100, "best": "1:90", LAST: 91 + i} for i in (0, 0.1)}})[0]["reached"]
    assert rows["tpe", "best of 100"]["reached"] is None
    assert ("tpe", "best of 300") not in rows
    assert curve(runs["rl"]["0"])[[0, 3, 4, 99, 100, 299]].tolist() == [90, 90, 93, 93, 93.2, 93.2]


def test_runs_in_the_file_are_not_repeated(table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, calls = tmp_path / "result.json", list[tuple[str, int]]()
    whole = nasbench201.run

    def counted(searcher: str, seed: int, table: Table, *, trials: int) -> nasbench201.Run:
        if len(calls) == 3:
            raise KeyboardInterrupt
        calls.append((searcher, seed))
        return whole(searcher, seed, table, trials=trials)

    monkeypatch.setattr(nasbench201, "run", counted)
    names = ["random", "tpe", "rl", "evolution"]
    with pytest.raises(KeyboardInterrupt):
        measure(names, seeds=2, trials=30, file=file)
    assert calls == [("random", 0), ("random", 1), ("tpe", 0)]
    monkeypatch.setattr(nasbench201, "run", whole)
    resumed = measure(names, seeds=2, trials=30, file=file)
    assert resumed == measure(names, seeds=2, trials=30)
    assert json.loads(file.read_text())["runs"] == resumed["runs"]


def test_the_command_prints_writes_and_draws(
    table: Table, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file, picture = tmp_path / "result.json", tmp_path / "picture.png"
    arguments = ["bench", "nasbench201", "--searchers", "random,evolution", "--seeds", "2"]
    assert main([*arguments, "--json", str(file), "--plot", str(picture)]) == 0
    assert "evolution, best of 300" in capsys.readouterr().out
    assert len(json.loads(file.read_text())["runs"]["evolution"]) == 2
    assert picture.stat().st_size > 10_000
    file.write_text('{"runs": {"tpe": 3}}')
    assert main([*arguments, "--json", str(file)]) == 2
    assert main(["bench", "nasbench201", "--searchers", "rls"]) == 2
    errors = capsys.readouterr().err.splitlines()[-2:]
    assert errors[0].endswith("is no result of this benchmark; give another file or delete it")
    assert errors[1] == "tgsage: no reference for searcher rls; did you mean rl?"


@pytest.mark.slow
@pytest.mark.parametrize(("searcher", "seeds"), [("random", 40), ("evolution", 40), ("tpe", 4)])
def test_our_searchers_reach_the_reference(table: Table, searcher: str, seeds: int) -> None:
    assert [row["reached"] for row in measure([searcher], seeds=seeds)["rows"]] == [True, True]


@pytest.mark.slow
def test_rl_reaches_the_reference_and_ends_far_above_chance(table: Table) -> None:
    early = {row["measure"]: row for row in measure(["rl"], seeds=20, trials=100)["rows"]}
    assert early["best of 100"]["reached"]
    late = {row["measure"]: row for row in measure(["rl"], seeds=2)["rows"]}
    assert late[LAST]["mean"] >= 92
