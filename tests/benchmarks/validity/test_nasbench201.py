"""The table of trained networks."""

import pickle
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import numpy as np
import pytest
from tgsage.benchmarks.validity import nasbench201
from tgsage.benchmarks.validity.nasbench201 import Table, architecture_of, read_table
from tgsage.plugins.spaces import get_space
from tgsage.rsa import RSAError


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


def test_keys_are_architectures(table: Table) -> None:
    for key in list(table)[::500]:
        architecture = architecture_of(key)
        get_space("nasbench201").validate(architecture)
        assert nasbench201.accuracy(table, architecture) == table[key]


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
        return exec, ("print('this must not run')",)  # Ray puts its own print into a process


def test_nothing_but_the_packages_own_records_is_unpickled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, content in {"code": pickle.dumps(Dangerous()), "text": b"hello", "few": pickle.dumps({})}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(RSAError, match=name):
            read_table(tmp_path / name)
    with pytest.raises(RSAError, match=r"is no table of NAS-Bench-201: it asks for builtins\.exec$"):
        read_table(tmp_path / "code")
    assert capsys.readouterr().out == ""


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nasbench201, "distribution", lambda name: _missing(name))
    with pytest.raises(RSAError, match=r"^this benchmark needs analog-nasbench: .*'tgsage\[bench\]'$"):
        read_table()


def _missing(name: str) -> None:
    raise PackageNotFoundError(name)
